"""Currents that are drawn: white noise, coloured noise and filtered Poisson spikes."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import noise
from lifjax.neurons.base import Grid, Values, parameter, pytree, traced
from lifjax.stimulus.base import Lanes, Prepared, Stimulus


@pytree
class WhiteNoise(Stimulus):
    """See `white_noise`."""

    drawn = True

    mean: Values = parameter("pA", "mean current")
    sigma: Values = parameter("pA sqrt(s)", "noise amplitude", least=0.0)

    def prepare(self, grid: Grid) -> Prepared:
        xp: Any = jnp if traced(self.sigma, grid.dt) else np
        spread = xp.asarray(self.sigma) / xp.sqrt(grid.dt / 1000)
        return {"mean": grid.number(self.mean), "spread": grid.number(spread)}

    @staticmethod
    def current(c: Prepared, state: Any, k: Array, word: Any, lanes: Lanes) -> tuple[Any, Array]:
        return state, c["mean"] + c["spread"] * noise.normal(word)


def white_noise(mean: Values, sigma: Values) -> WhiteNoise:
    r"""Gaussian white noise: :math:`I_k = mean + \sigma\,\xi_k / \sqrt{dt / 1000}` with standard normal xi.

    The division makes the effect on the membrane independent of dt: ``sigma**2`` is the noise's spectral density with
    time in seconds. Every neuron and every step has a deviate of its own.

    Args:
        mean: mean current [pA].
        sigma: noise amplitude [pA sqrt(s)], as in the Neuromatch tutorial's ``my_GWN``.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(250.0, 5.0), 1000.0, seed=1, record=("current",))
        >>> print(f"{run.current.mean():.0f} {run.current.std():.0f}")  # pA; 5 / sqrt(0.0001) = 500
        253 497
    """
    return WhiteNoise(mean=mean, sigma=sigma)


@pytree
class OrnsteinUhlenbeck(Stimulus):
    """See `ornstein_uhlenbeck`."""

    drawn = True

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

    @staticmethod
    def begin(c: Prepared, key: noise.Key, lanes: Lanes) -> Array:
        return c["sigma"] * noise.normal(noise.bits(key, lanes.index, 0))

    @staticmethod
    def current(c: Prepared, state: Array, k: Array, word: Any, lanes: Lanes) -> tuple[Array, Array]:
        return _decayed(state, c["decay"], c["fresh"], noise.normal(word)), c["mean"] + state


def ornstein_uhlenbeck(mean: Values, sigma: Values, tau: Values) -> OrnsteinUhlenbeck:
    """Coloured noise: an Ornstein-Uhlenbeck current, stationary from the start, by its exact update.

    Its autocovariance is sigma**2 exp(-lag / tau) on the grid whatever dt is (Gillespie 1996,
    doi:10.1103/PhysRevE.54.2084).

    Args:
        mean: mean current [pA].
        sigma: stationary standard deviation [pA].
        tau: correlation time [ms].

    Example:
        >>> import lifjax
        >>> noise = lifjax.ornstein_uhlenbeck(200.0, 50.0, tau=5.0)
        >>> run = lifjax.simulate(lifjax.LIF(), noise, 10_000.0, record=("current",))
        >>> print(f"{run.current.mean():.0f} {run.current.std():.0f}")
        202 49
    """
    return OrnsteinUhlenbeck(mean=mean, sigma=sigma, tau=tau)


def _decayed(state: Array, decay: Array, size: Array, fresh: Array) -> Array:
    """``state * decay + size * fresh``, with the same bits whatever it is compiled with.

    The choices, which no compiler knows to be always the first, keep either product from being contracted with the sum.
    """
    kept = jnp.where(jnp.abs(state) < _HUGE, state * decay, 0)
    return kept + jnp.where(jnp.abs(fresh) < _HUGE, size * fresh, 0)


_HUGE = 1e30
_MOST_PER_STEP = 20.0


@pytree
class Poisson(Stimulus):
    """See `poisson`."""

    drawn = True
    timed = ("more_than",)

    rate: Values = parameter("Hz", "rate of the input spikes", least=0.0)
    weight: Values = parameter("pA", "jump of the current at an input spike")
    tau_syn: Values = parameter("ms", "synaptic time constant", above=0.0)

    def check(self, grid: Grid) -> None:
        most = float(np.max(self.rate)) * float(grid.dt) / 1000
        if most > _MOST_PER_STEP:
            raise ValueError(
                f"Poisson: rate = {np.max(self.rate):g} Hz is {most:g} input spikes a step of {grid.dt} ms, more than "
                f"{_MOST_PER_STEP:g}; lower dt, or use ornstein_uhlenbeck, which so many come close to"
            )

    def prepare(self, grid: Grid) -> Prepared:
        known = not traced(self.rate, grid.dt)
        xp: Any = np if known else jnp
        expected = xp.asarray(self.rate, np.float64 if known else float) * (grid.dt / 1000)
        # A traced rate could be any that is allowed. Beyond these counts less than 1e-10 of the probability is left.
        most = float(np.max(expected)) if known else _MOST_PER_STEP
        kept = next(n for n in (4, 8, 16, 32, 64) if n >= 4 + 1.5 * most + 5 * most**0.5 or n == 64)
        chance, chances = xp.exp(-expected), []
        for n in range(1, 2 * kept):
            chance = chance * expected / n
            chances.append(chance)
        tails = list(itertools.accumulate(reversed(chances)))[::-1][:kept]  # P(count > n), summed from the small end
        return {
            "weight": grid.number(self.weight),
            "decay": grid.decay(self.tau_syn),
            "more_than": grid.number(xp.stack(xp.broadcast_arrays(*tails))),
        }

    @staticmethod
    def begin(c: Prepared, key: noise.Key, lanes: Lanes) -> Array:
        return jnp.zeros(lanes.index.shape, c["weight"].dtype)

    @staticmethod
    def current(c: Prepared, state: Array, k: Array, word: Any, lanes: Lanes) -> tuple[Array, Array]:
        u = noise.uniform(word)
        spikes = sum(((u <= lanes.spread(tail)).astype(u.dtype) for tail in c["more_than"]), jnp.zeros_like(u))
        state = _decayed(state, c["decay"], c["weight"], spikes)
        return state, state


def poisson(rate: Values, weight: Values, tau_syn: Values) -> Poisson:
    """Poisson input spikes through an exponential synapse: the current jumps by weight and decays with tau_syn.

    The current is 0 at first, and its mean nears rate * weight * tau_syn / 1000. Spikes arrive at grid times, as many
    in a step as there are. Every neuron has input spikes of its own.

    Args:
        rate: rate of all input spikes of a neuron [Hz], at most 20 a step.
        weight: jump of the current at each [pA], negative for inhibition.
        tau_syn: time constant of the decay [ms].

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.poisson(2000.0, 20.0, 5.0), 10_000.0, record=("current",))
        >>> print(f"{run.current.mean():.0f}")  # pA
        202
    """
    return Poisson(rate=rate, weight=weight, tau_syn=tau_syn)
