r"""Synapses: what spikes that arrive do to a neuron.

A spike that arrives at t = 0 gives, for t >= 0 and with weight w,

- ``"delta"``: a jump of V by w [mV];
- ``"exponential"``: :math:`w\,e^{-t / \tau_{syn}}`;
- ``"alpha"``: :math:`w\,(t / \tau_{syn})\,e^{1 - t / \tau_{syn}}`, which is w at its peak, at tau_syn;

a current [pA], or with a reversal potential E_rev a conductance g [nS] and with it the current g (E_rev - V) (Rotter
and Diesmann 1999, doi:10.1007/s004220050570; the models and their weights are NEST's ``iaf_psc_*``, ``iaf_cond_*``).

What is carried from step to step are the kernel's own variables at the grid time, by their exact update. How a neuron
feels what goes on within a step depends on the way it crosses it:

- "euler": it has for the whole step what there is at the grid time, as in a plain loop over time;
- "exact": a current counts as the constant one that moves V as far, which is the exact solution,
  :math:`\int_0^h e^{-(h - s) / \tau_m} I(s)\,ds \,/ \int_0^h e^{-(h - s) / \tau_m}\,ds`; a conductance counts as its
  mean over the step, as does a current in a fit, whose tau_m changes on the way;
- "rk4": both count as their means over the step.
"""

import dataclasses
import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Values, exactly, parameter, pytree, traced
from lifjax.stimulus.base import Lanes, Prepared, Stimulus, blend, product
from lifjax.stimulus.trains import SpikeTrain, Train, poisson_train


class Delta:
    """The kernel that is a jump."""

    @staticmethod
    def prepare(grid: Grid, weight: Values, tau_syn: Any, tau_m: Any) -> Prepared:
        """The numbers that the steps need."""
        return {"weight": grid.number(weight)}

    @staticmethod
    def begin(zero: Array) -> Any:
        """The kernel's variables before any spike, from zeros for them."""
        return ()

    @staticmethod
    def felt(c: Prepared, state: Any, arrived: Array) -> tuple[Any, Array]:
        """The variables at a grid time, once spikes have arrived, and what a neuron feels in the step that follows."""
        return state, product(arrived, c["weight"])


class Exponential:
    """The kernel that jumps and decays."""

    @staticmethod
    def prepare(grid: Grid, weight: Values, tau_syn: Any, tau_m: Any) -> Prepared:
        """The numbers that the steps need."""
        decaying, _ = within_a_step(grid, tau_syn, tau_m)
        return {"weight": grid.number(weight), "decay": grid.decay(tau_syn), "decaying": grid.number(decaying)}

    @staticmethod
    def begin(zero: Array) -> Any:
        """The kernel's variables before any spike, from zeros for them."""
        return zero

    @staticmethod
    def felt(c: Prepared, state: Any, arrived: Array) -> tuple[Any, Array]:
        """The variables at a grid time, once spikes have arrived, and what a neuron feels in the step that follows."""
        size = blend(state, c["decay"], c["weight"], arrived)
        return size, product(size, c["decaying"])


class Alpha:
    r"""The kernel that rises and decays: its size x, and y with :math:`x(t) = (x + y\,t / \tau) e^{-t / \tau}`."""

    @staticmethod
    def prepare(grid: Grid, weight: Values, tau_syn: Any, tau_m: Any) -> Prepared:
        """The numbers that the steps need."""
        decaying, rising = within_a_step(grid, tau_syn, tau_m)
        xp: Any = jnp if traced(tau_syn, grid.dt) else np
        ratio = grid.dt / exactly(tau_syn)
        return {
            "weight": grid.number(exactly(weight) * math.e),
            "decay": grid.decay(tau_syn),
            "growth": grid.number(ratio * xp.exp(-ratio)),
            "decaying": grid.number(decaying),
            "rising": grid.number(rising),
        }

    @staticmethod
    def begin(zero: Array) -> Any:
        """The kernel's variables before any spike, from zeros for them."""
        return zero, zero

    @staticmethod
    def felt(c: Prepared, state: Any, arrived: Array) -> tuple[Any, Array]:
        """The variables at a grid time, once spikes have arrived, and what a neuron feels in the step that follows."""
        size, rise = state
        size = blend(size, c["decay"], c["growth"], rise)
        rise = blend(rise, c["decay"], c["weight"], arrived)
        return (size, rise), blend(size, c["decaying"], c["rising"], rise)


Kernel = type[Delta] | type[Exponential] | type[Alpha]
KERNELS: dict[str, Kernel] = {"delta": Delta, "exponential": Exponential, "alpha": Alpha}


def within_a_step(grid: Grid, tau_syn: Values, tau_m: Values | None) -> tuple[Any, Any]:
    r"""What :math:`e^{-s / \tau_{syn}}` and :math:`(s / \tau_{syn}) e^{-s / \tau_{syn}}` within a step count as.

    Args:
        grid: of time.
        tau_syn: time constant of the synapse [ms].
        tau_m: time constant of the membrane [ms], or None for the mean over the step.

    Returns:
        Two shares of what would be held for the step; float64 where nothing is traced, with no digits lost where
        tau_syn is near tau_m.

    Example:
        >>> grid = Grid(dt=0.1, steps=0, integrator="exact")
        >>> print("{:.6f} {:.6f}".format(*within_a_step(grid, 2.0, 10.0)))
        0.975371 0.024222
    """
    known = not traced(tau_syn, tau_m, grid.dt)
    xp: Any = np if known else jnp
    y = grid.dt / exactly(tau_syn)
    if grid.integrator == "euler":
        return xp.ones_like(y), xp.zeros_like(y)
    x = xp.zeros_like(y) if tau_m is None else grid.dt / exactly(tau_m)
    left, whole = xp.exp(-x), _moment(xp, 0, -x)
    return left * _moment(xp, 0, x - y) / whole, y * left * _moment(xp, 1, x - y) / whole


def _moment(xp: Any, power: int, z: Any) -> Any:
    r""":math:`\int_0^1 u^n e^{zu}\,du` for n = 0 or 1: a series near 0, where the closed form would lose digits."""
    near = xp.abs(z) <= 1
    small, large = xp.where(near, z, 0), xp.where(near, 2, z)
    series = xp.zeros_like(small)
    for n in range(20, -1, -1):
        series = series * small + 1 / (math.factorial(n) * (n + 1 + power))
    closed = xp.expm1(large) / large if power == 0 else (xp.exp(large) * (large - 1) + 1) / large**2
    return xp.where(near, series, closed)


class Wired(Stimulus):
    """The steps of a synapse: a train, a kernel, and whether there is a reversal potential."""

    memory = True
    train: type[Train]
    kernel: Kernel
    reversal: bool

    @classmethod
    def begin(cls, c: Prepared, word: Any, lanes: Lanes) -> Any:
        return cls.train.begin(c, lanes), cls.kernel.begin(jnp.zeros(lanes.index.shape, c["weight"].dtype))

    @classmethod
    def drive(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Input]:
        train, variables = state
        train, arrived = cls.train.arrived(c, train, k, drawn)
        variables, felt = cls.kernel.felt(c, variables, arrived)
        if cls.kernel is Delta:
            given = Input(current=jnp.zeros_like(c["weight"]), jump=felt)
        elif cls.reversal:
            given = Input(current=product(felt, c["E_rev"]), conductance=felt)
        else:
            given = Input(current=felt)
        return (train, variables), given


@functools.cache
def wired(train: Any, kernel: str, reversal: bool) -> type[Wired]:
    """The class of all synapses that are compiled alike."""
    name = f"{train.__name__}, {kernel}" + (", conductance" if reversal else "")
    told = {"timed": train.timed, "drawn": train.drawn, "shared": train.shared}
    return type(name, (Wired,), {"train": train, "kernel": KERNELS[kernel], "reversal": reversal, **told})


@pytree
class Synapse(Stimulus):
    """See `synapse`."""

    spikes: Train
    weight: Values = parameter("pA, nS or mV", "weight of the synapse")
    tau_syn: Values | None = parameter("ms", "synaptic time constant", above=0.0, optional=True)
    E_rev: Values | None = parameter("mV", "reversal potential of the synapse", optional=True)
    kernel: str = dataclasses.field(metadata={"static": True})

    @property
    def kind(self) -> type[Stimulus]:
        train: Any = type(self.spikes)
        return wired(train, self.kernel, self.E_rev is not None)

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self, self.spikes)

    def check(self, grid: Grid) -> None:
        self.spikes.check(grid)
        if self.E_rev is None:
            return
        given = {"weight": self.weight}
        if isinstance(self.spikes, SpikeTrain) and self.spikes.weights is not None:
            given["weights"] = self.spikes.weights
        for name, values in given.items():
            if np.size(values) and np.min(values) < 0:
                raise ValueError(
                    f"Synapse: {name} = {np.min(values):g} nS is below 0, but with E_rev it is a conductance; for "
                    "inhibition give an E_rev below V"
                )

    def prepare(self, grid: Grid) -> Prepared:
        tau_m = grid.tau_m if self.E_rev is None else None
        numbers = KERNELS[self.kernel].prepare(grid, self.weight, self.tau_syn, tau_m)
        reversal = {} if self.E_rev is None else {"E_rev": grid.number(self.E_rev)}
        return self.spikes.prepare(grid) | numbers | reversal


def synapse(
    spikes: Train,
    weight: Values,
    tau_syn: Values | None = None,
    *,
    E_rev: Values | None = None,
    kernel: str = "exponential",
) -> Synapse:
    r"""Spikes through a synapse onto each neuron: a current, a conductance or jumps of V, 0 before the first spike.

    Any number may be an array that broadcasts to the population. The recorded "current" is what flows at V. Jumps that
    reach a refractory neuron are lost, as in NEST; currents and conductances go on meanwhile.

    Args:
        spikes: `lifjax.poisson_train` or `lifjax.spike_train`.
        weight: what a spike does: the peak of the current [pA] or of the conductance [nS] that it gives, or the jump
            [mV] for the delta kernel. A negative one inhibits; a conductance is at least 0.
        tau_syn: time constant [ms]; none for the delta kernel.
        E_rev: reversal potential [mV] of a conductance; None for a current.
        kernel: "exponential", "alpha" or "delta"; see the equations in `lifjax.stimulus.synapse`.

    Raises:
        TypeError, ValueError: spikes are no train, the kernel is unknown, or it has no use for what is given.

    Example:
        Excitation and inhibition that nearly cancel keep V below threshold, and let neurons fire irregularly:

        >>> import lifjax
        >>> excitation = lifjax.synapse(lifjax.poisson_train(3000.0), 1.5, tau_syn=2.0, E_rev=0.0)  # nS
        >>> inhibition = lifjax.synapse(lifjax.poisson_train(2000.0), 2.0, tau_syn=5.0, E_rev=-80.0)
        >>> run = lifjax.simulate(lifjax.LIF(), excitation + inhibition, 5000.0, population=20)
        >>> cv = lifjax.analysis.cv(lifjax.analysis.isi(run.spike_times))
        >>> print(f"{run.V.mean():.0f} mV, CV {cv.mean():.1f}")
        -62 mV, CV 0.9
    """
    if not isinstance(spikes, Train):
        raise TypeError(
            f"synapse: spikes is a {type(spikes).__name__}, no train; give lifjax.poisson_train(rate) or "
            "lifjax.spike_train(times)"
        )
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise ValueError(f"synapse: kernel = {kernel!r} is unknown; choose one of {', '.join(map(repr, KERNELS))}")
    if kernel == "delta" and (tau_syn is not None or E_rev is not None):
        told = "tau_syn" if tau_syn is not None else "E_rev"
        raise ValueError(f"synapse: a delta kernel is a jump of V [mV] and has no {told}; leave it out")
    if kernel != "delta" and tau_syn is None:
        raise ValueError(f"synapse: the {kernel} kernel needs tau_syn [ms]")
    return Synapse(spikes=spikes, weight=weight, tau_syn=tau_syn, E_rev=E_rev, kernel=kernel)


def poisson(rate: Values, weight: Values, tau_syn: Values) -> Synapse:
    """Poisson input spikes through an exponential synapse: the current jumps by weight and decays with tau_syn.

    The current is 0 at first, and its mean nears rate * weight * tau_syn / 1000. Spikes arrive at grid times, as many
    in a step as there are. Every neuron has input spikes of its own. In short for `synapse` with a `poisson_train`.

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
    return synapse(poisson_train(rate), weight, tau_syn)
