r"""Gaussian currents: white noise and coloured noise, each neuron's own or correlated between neurons.

Correlated neurons mix a deviate of their own with one of a source that they share,
:math:`\sqrt{1 - c}\,\xi_i + \sqrt{c}\,\xi_{shared}`, so that each has the same noise as without and any two of a source
have the correlation c (de la Rocha et al. 2007, doi:10.1038/nature06028). What a source gives is keyed by its number,
not by neurons, so it is the same in every block and on every device.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import noise
from lifjax.neurons.base import Grid, Values, exactly, parameter, pytree, traced
from lifjax.neurons.check import check_share, check_whole
from lifjax.stimulus.base import Lanes, Prepared, Stimulus, blend


class Gaussian(Stimulus):
    """The base of what draws a normal deviate for each neuron and step."""

    drawn = True

    @staticmethod
    def draw(c: Prepared, word: Any) -> Array:
        """Standard normal deviates."""
        return noise.normal(word)


@pytree
class Correlated(Gaussian):
    """Gaussian noise that neurons have partly in common."""

    shared = True

    correlation: Values = parameter("", "correlation of the noise of two neurons", least=0.0)
    source: Values = parameter("", "number of the source that a neuron shares", default=0, least=0)

    def check(self, grid: Grid) -> None:
        super().check(grid)
        check_share(self, "correlation")
        check_whole(self, "source")

    def prepare(self, grid: Grid) -> Prepared:
        xp: Any = jnp if traced(self.correlation) else np
        c = exactly(self.correlation)
        return super().prepare(grid) | {
            "own": grid.number(xp.sqrt(1 - c)),
            "common": grid.number(xp.sqrt(c)),
            "source": numbered(self.source),
        }

    @staticmethod
    def draw(c: Prepared, word: Any) -> Array:
        own, common = word
        return blend(noise.normal(own), c["own"], c["common"], noise.normal(common))


def numbered(source: Values) -> Any:
    """Numbers of shared sources as the counter of the noise takes them."""
    return jnp.asarray(source, jnp.uint32) if traced(source) else np.asarray(source).astype(np.uint32)


@pytree
class WhiteNoise(Gaussian):
    """See `white_noise`."""

    mean: Values = parameter("pA", "mean current")
    sigma: Values = parameter("pA sqrt(s)", "noise amplitude", least=0.0)

    def prepare(self, grid: Grid) -> Prepared:
        xp: Any = jnp if traced(self.sigma, grid.dt) else np
        spread = xp.asarray(self.sigma) / xp.sqrt(grid.dt / 1000)
        return {"mean": grid.number(self.mean), "spread": grid.number(spread)}

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        return state, c["mean"] + c["spread"] * drawn


@pytree
class CorrelatedWhiteNoise(Correlated, WhiteNoise):
    """See `white_noise`."""


def white_noise(
    mean: Values, sigma: Values, *, correlation: Values | None = None, source: Values = 0
) -> WhiteNoise | CorrelatedWhiteNoise:
    r"""Gaussian white noise: :math:`I_k = mean + \sigma\,\xi_k / \sqrt{dt / 1000}` with standard normal xi.

    The division makes the effect on the membrane independent of dt: ``sigma**2`` is the noise's spectral density with
    time in seconds. Every neuron and every step has a deviate of its own, unless there is a correlation.

    Args:
        mean: mean current [pA].
        sigma: noise amplitude [pA sqrt(s)], as in the Neuromatch tutorial's ``my_GWN``.
        correlation: of the noise of any two neurons with one source, from 0 to 1 (sqrt(c_i c_j) where they differ);
            None is none.
        source: which source a neuron shares with others, a whole number; neurons of different sources are independent.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(250.0, 5.0), 1000.0, seed=1, record=("current",))
        >>> print(f"{run.current.mean():.0f} {run.current.std():.0f}")  # pA; 5 / sqrt(0.0001) = 500
        253 497
        >>> import numpy as np
        >>> noise = lifjax.white_noise(250.0, 5.0, correlation=0.3, source=[0, 0, 1, 1])  # two pairs
        >>> run = lifjax.simulate(lifjax.LIF(), noise, 1000.0, record=("current",))
        >>> np.corrcoef(run.current.T)[0].round(1) + 0
        array([1. , 0.3, 0. , 0. ])
    """
    if correlation is None:
        return WhiteNoise(mean=mean, sigma=sigma)
    return CorrelatedWhiteNoise(mean=mean, sigma=sigma, correlation=correlation, source=source)


@pytree
class OrnsteinUhlenbeck(Gaussian):
    """See `ornstein_uhlenbeck`."""

    memory = True

    mean: Values = parameter("pA", "mean current")
    sigma: Values = parameter("pA", "stationary standard deviation", least=0.0)
    tau: Values = parameter("ms", "correlation time", above=0.0)

    def prepare(self, grid: Grid) -> Prepared:
        xp: Any = jnp if traced(self.sigma, self.tau, grid.dt) else np
        fresh = xp.asarray(self.sigma) * xp.sqrt(-xp.expm1(-2 * grid.dt / xp.asarray(self.tau)))
        return {
            "mean": grid.number(self.mean),
            "sigma": grid.number(self.sigma),
            "decay": grid.decay(self.tau),
            "fresh": grid.number(fresh),
        }

    @classmethod
    def begin(cls, c: Prepared, word: Any, lanes: Lanes) -> Array:
        return c["sigma"] * cls.draw(c, word)

    @classmethod
    def current(cls, c: Prepared, state: Array, k: Array, drawn: Any, lanes: Lanes) -> tuple[Array, Array]:
        return blend(state, c["decay"], c["fresh"], drawn), c["mean"] + state


@pytree
class CorrelatedOrnsteinUhlenbeck(Correlated, OrnsteinUhlenbeck):
    """See `ornstein_uhlenbeck`."""


def ornstein_uhlenbeck(
    mean: Values, sigma: Values, tau: Values, *, correlation: Values | None = None, source: Values = 0
) -> OrnsteinUhlenbeck | CorrelatedOrnsteinUhlenbeck:
    """Coloured noise: an Ornstein-Uhlenbeck current, stationary from the start, by its exact update.

    Its autocovariance is sigma**2 exp(-lag / tau) on the grid whatever dt is (Gillespie 1996,
    doi:10.1103/PhysRevE.54.2084).

    Args:
        mean: mean current [pA].
        sigma: stationary standard deviation [pA].
        tau: correlation time [ms].
        correlation, source: of the noise of two neurons, as in `white_noise`.

    Example:
        >>> import lifjax
        >>> noise = lifjax.ornstein_uhlenbeck(200.0, 50.0, tau=5.0)
        >>> run = lifjax.simulate(lifjax.LIF(), noise, 10_000.0, record=("current",))
        >>> print(f"{run.current.mean():.0f} {run.current.std():.0f}")
        202 49
    """
    if correlation is None:
        return OrnsteinUhlenbeck(mean=mean, sigma=sigma, tau=tau)
    return CorrelatedOrnsteinUhlenbeck(mean=mean, sigma=sigma, tau=tau, correlation=correlation, source=source)
