r"""Integrate-and-fire neurons that adapt: a spike triggers a current and moves the threshold.

.. math::
    C_m \frac{dV}{dt} &= -g_L (V - E_L) - \sum_i \eta_i + I, &
        \tau_{stc,i} \frac{d\eta_i}{dt} &= -\eta_i \\
    \theta &= V_{th} + \sum_j \gamma_j, &
        \tau_{sfa,j} \frac{d\gamma_j}{dt} &= -\gamma_j

At a spike each eta rises by its q_stc, each gamma by its q_sfa, and V goes to V_reset and is held there for t_ref.
`AdaptiveLIF` has one of each and fires where V reaches theta. `GIF`, the generalized integrate-and-fire neuron (Mensi
et al. 2012, doi:10.1152/jn.00408.2011; Pozzorini et al. 2015, doi:10.1371/journal.pcbi.1004275; NEST's gif_psc_exp),
has any number of them and fires by chance, at the rate

.. math:: \lambda = \lambda_0\, e^{(V - \theta) / \Delta_V}

so that there is a spike at a grid time with probability 1 - exp(-lambda dt). It is drawn as noise of the threshold: V
exceeds theta - Delta_V (G + log(lambda_0 dt)) with just that probability where G is a standard Gumbel deviate, and a
surrogate spike has a distance from a threshold to go by, as in any model.

The order of a step is that of `lifjax.neurons.lif`; eta and gamma go on while V is held. The exact integrator lets eta
decay within the step. NEST holds it at what it was when the step began, and draws a spike by a theta that is a step
old; both differ from what is here by a fraction dt / tau of the adaptation.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import noise
from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, traced, waits
from lifjax.neurons.check import check_count, check_order, check_time_constant
from lifjax.neurons.elements import listed
from lifjax.neurons.leak import Leak, leak, reset
from lifjax.surrogate import Spike, at_reset, choose, silence


@pytree
class State:
    """The state of a neuron that adapts between two steps."""

    V: Any = parameter("mV", "membrane potential")
    stc: Any = parameter("pA", "spike-triggered currents", leading=1, axes="elements", optional=True)
    sfa: Any = parameter("mV", "shifts of the threshold", leading=1, axes="elements", optional=True)
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Shown(Output):
    """What a neuron that adapts shows."""

    threshold: Any = parameter("mV", "threshold, without its noise")
    I_stc: Any = parameter("pA", "sum of the spike-triggered currents")


@pytree
class Decaying:
    """What rises at a spike and decays: for each element its rise, and the share of it that a step takes away."""

    rise: tuple[Any, ...]
    loss: tuple[Any, ...]

    @staticmethod
    def of(grid: Grid, rise: Iterable[Any], tau: Iterable[Any]) -> "Decaying":
        """Elements of these rises and time constants [ms]."""
        return Decaying(rise=tuple(map(grid.number, rise)), loss=tuple(grid.number(grid.gain(x)) for x in tau))

    def risen(self, values: tuple[Array, ...], spiked: Array) -> tuple[Array, ...]:
        """The elements once there is a spike, or none."""
        return tuple(choose(spiked, x + q, x) for x, q in zip(values, self.rise, strict=True))

    def later(self, values: tuple[Array, ...]) -> tuple[Array, ...]:
        """The elements a step later."""
        return tuple(x - x * loss for x, loss in zip(values, self.loss, strict=True))


@pytree
class Escape:
    """Noise of the threshold that makes spikes as likely as an escape rate says."""

    Delta_V: Any
    rate: Any  # log(lambda_0 dt)

    @staticmethod
    def of(grid: Grid, lambda_0: Values, Delta_V: Values) -> "Escape":
        """The noise on a grid."""
        expected = exactly(lambda_0) * (grid.dt / 1000)
        rate = jnp.log(expected) if traced(expected) else np.log(expected)
        return Escape(Delta_V=grid.number(Delta_V), rate=grid.number(rate))

    def lowered(self, threshold: Array, word: Array) -> Array:
        """The threshold in a step with these random bits."""
        return threshold - (noise.gumbel(word) + self.rate) * self.Delta_V


@pytree
class Constants:
    """What a step of a neuron that adapts needs."""

    V_th: Any
    V_reset: Any
    n_ref: Any
    leak: Leak
    stc: Decaying
    acting: tuple[Any, ...]  # the share of each spike-triggered current that acts over a step
    sfa: Decaying
    least: Any  # smallest unit of a surrogate
    escape: Escape | None = None


def _constants(
    neuron: Any, grid: Grid, V_th: Values, stc: tuple[Any, Any], sfa: tuple[Any, Any], **more: Any
) -> Constants:
    """The numbers of a step; ``stc`` and ``sfa`` are the rises and the time constants of the elements."""
    tau_m = exactly(neuron.tau_m)
    return Constants(
        V_th=grid.number(V_th),
        V_reset=grid.number(neuron.V_reset),
        n_ref=grid.count(neuron.t_ref),
        leak=leak(grid, neuron.E_L, neuron.g_L, tau_m, neuron.V_reset),
        stc=Decaying.of(grid, *stc),
        acting=tuple(grid.number(_acting(grid, tau_m, tau)) for tau in map(exactly, stc[1])),
        sfa=Decaying.of(grid, *sfa),
        **more,
    )


def _acting(grid: Grid, tau_m: Any, tau: Any) -> Any:
    r"""By how much of its first value a current that decays with tau acts on V over a step.

    A constant current c for A exp(-t / tau) has the same effect on V after dt where

    .. math:: \frac cA = \frac{e^{-b} - e^{-a}}{(1 - b/a) (1 - e^{-a})},\qquad a = dt/\tau_m,\ b = dt/\tau.
    """
    if grid.integrator != "exact":
        return np.ones(())
    xp: Any = jnp if traced(tau_m, tau, grid.dt) else np
    a, b = grid.dt / tau_m, grid.dt / tau
    # expm1(d) / d is 1 + d / 2 to the last bits where d is this small.
    near = xp.abs(a - b) < 1e-6
    d = xp.where(near, 1.0, a - b)
    return xp.where(near, 1 + (a - b) / 2, xp.expm1(d) / d) * (a / xp.expm1(a))


def _start(neuron: Any, stc: int, sfa: int) -> State:
    """The state at time 0: V_init, not refractory, without adaptation of so many elements."""
    zero = np.zeros(())
    return State(V=exactly(neuron.V_init), stc=(zero,) * stc, sfa=(zero,) * sfa, refractory=np.int32(0))


def _step(c: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
    """One step of one neuron: spike and reset, then onward."""
    held = waits(state.refractory)
    V = state.V if given.jump is None else state.V + given.jump
    threshold = sum(state.sfa, c.V_th)
    level = threshold if c.escape is None else c.escape.lowered(threshold, given.word)
    # What a spike puts between V and its threshold, so that the derivative passes through it once.
    unit = jnp.maximum(sum(c.sfa.rise, level - c.V_reset), c.least)
    reached = spike(V, level, unit)
    spiked = silence(reached, held)
    refractory = state.refractory + jnp.where(held, -1, jnp.where(reached.astype(bool), c.n_ref, 0))

    back = at_reset(spiked, spike)
    stc, sfa = c.stc.risen(state.stc, back), c.sfa.risen(state.sfa, back)

    current = given.current
    for x, share in zip(stc, c.acting, strict=True):
        current = current - x * share
    given = dataclasses.replace(given, current=current)
    drive, always = c.leak.drive(given), refractory >= 0
    after = reset(back, held, c.leak.from_reset(given, drive, always), c.leak.onward(V, given, drive, always))
    V = reset(back, held, c.V_reset, V)
    state = State(V=after, stc=c.stc.later(stc), sfa=c.sfa.later(sfa), refractory=refractory)
    I_stc = sum(stc, jnp.zeros_like(V))
    return state, Shown(V=V, spikes=spiked, threshold=sum(sfa, c.V_th), I_stc=I_stc)


def _check_elements(neuron: Any, kind: str, grid: Grid) -> None:
    """Raise ValueError unless each rise has its time constant, longer than a step."""
    q, tau = listed(getattr(neuron, f"q_{kind}")), listed(getattr(neuron, f"tau_{kind}"))
    if len(q) != len(tau):
        raise ValueError(
            f"{type(neuron).__name__}: q_{kind} has {len(q)} elements and tau_{kind} has {len(tau)}; give each its "
            "time constant"
        )
    if len(tau):
        check_time_constant(neuron, f"tau_{kind}", grid.dt)


_LIST = "it is a list, and a fit frees single numbers; compare fits at several fixed values"


@pytree
class AdaptiveLIF:
    """Leaky integrate-and-fire neurons with a spike-triggered current and a threshold that moves.

    Defaults are those of `lifjax.LIF`, with an adaptation of our own choice; q_stc and q_sfa of 0 leave a LIF neuron.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.AdaptiveLIF(), 400.0, 300.0, record=("spikes", "threshold"))
        >>> run.spike_times.round(0)  # ms: intervals grow
        array([  7.,  17.,  29.,  42.,  57.,  73.,  89., 107., 124., 142., 161., 179., 198., 216., 235., 254., 273.,
               292.])
        >>> print(f"{run.threshold.max():.1f}")  # mV
        -48.2
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "exact")
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Shown

    V_th: Values = parameter("mV", "spike threshold at rest", default=-55.0, fit=(-70.0, -30.0))
    V_reset: Values = parameter("mV", "reset potential", default=-75.0, fit=(-100.0, -40.0), below="V_th")
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-75.0, fit=(-100.0, -30.0))
    E_L: Values = parameter("mV", "leak reversal potential", default=-75.0, fit=(-90.0, -45.0))
    tau_m: Values = parameter("ms", "membrane time constant", default=10.0, above=0.0, fit=(1.0, 100.0))
    g_L: Values = parameter("nS", "leak conductance", default=10.0, above=0.0, fit=(0.5, 200.0))
    q_stc: Values = parameter("pA", "rise of the spike-triggered current", default=20.0, fit=(0.0, 300.0))
    tau_stc: Values = parameter("ms", "its time constant", default=100.0, above=0.0, fit=(5.0, 1000.0))
    q_sfa: Values = parameter("mV", "rise of the threshold at a spike", default=2.0, fit=(0.0, 20.0))
    tau_sfa: Values = parameter("ms", "its time constant", default=50.0, above=0.0, fit=(5.0, 1000.0))
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=2.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def C_m(self) -> Any:
        """Membrane capacitance tau_m g_L [pF], of the broadcast shape of the two."""
        return np.multiply(self.tau_m, self.g_L)

    def check(self, grid: Grid) -> None:
        """Raise ValueError where V_reset is not below V_th, or the grid too coarse."""
        check_order(self, "V_reset", "V_th")
        for name in ("tau_m", "tau_stc", "tau_sfa"):
            check_time_constant(self, name, grid.dt)
        check_count(self, "t_ref", grid)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        stc, sfa = ((self.q_stc,), (self.tau_stc,)), ((self.q_sfa,), (self.tau_sfa,))
        return _constants(
            self, grid, self.V_th, stc, sfa, least=grid.number(exactly(self.V_th) - exactly(self.V_reset))
        )

    def start(self) -> State:
        """The state at time 0: V_init, no adaptation, not refractory."""
        return _start(self, 1, 1)

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron; see the module."""
        return _step(constants, state, given, spike)


@pytree
class GIF:
    """Generalized integrate-and-fire neurons, which adapt, and fire by chance the sooner the nearer they are to theta.

    Defaults are those of NEST's gif_psc_exp, which has no adaptation then. The jumps q and time constants tau are lists
    with a value an element, such as ``q_sfa=[5.0, 1.0], tau_sfa=[20.0, 300.0]``, or arrays (elements, *population).
    Where t_ref is 0, V is reset all the same; NEST's is not.

    Example:
        >>> import lifjax
        >>> neuron = lifjax.GIF(V_T_star=-50.0, V_reset=-60.0, lambda_0=10.0, q_stc=[5.0], tau_stc=[100.0])
        >>> run = lifjax.simulate(neuron, 120.0, 1000.0, population=1000, seed=1, record=())
        >>> print(f"{run.firing_rate.mean():.0f} {run.firing_rate.std():.1f}")  # Hz
        34 0.5
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "exact")
    drawn: ClassVar[bool] = True
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Shown

    V_T_star: Values = parameter("mV", "threshold at rest", default=-35.0, fit=(-70.0, -20.0))
    Delta_V: Values = parameter("mV", "width of the escape noise", default=0.5, above=0.0, fit=(0.1, 10.0))
    lambda_0: Values = parameter("Hz", "firing rate at the threshold", default=1.0, above=0.0, fit=(0.1, 1e4))
    V_reset: Values = parameter("mV", "reset potential", default=-55.0, fit=(-100.0, -30.0))
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-70.0, fit=(-100.0, -30.0))
    E_L: Values = parameter("mV", "leak reversal potential", default=-70.0, fit=(-90.0, -45.0))
    C_m: Values = parameter("pF", "membrane capacitance", default=80.0, above=0.0, fit=(10.0, 1000.0))
    g_L: Values = parameter("nS", "leak conductance", default=4.0, above=0.0, fit=(0.5, 200.0))
    q_stc: Values = parameter(
        "pA", "rise of each spike-triggered current", default=(), leading=1, axes="elements", optional=True, unfit=_LIST
    )
    tau_stc: Values = parameter(
        "ms", "time constant of each", default=(), above=0.0, leading=1, axes="elements", optional=True, unfit=_LIST
    )
    q_sfa: Values = parameter(
        "mV", "rise of each shift of the threshold", default=(), leading=1, axes="elements", optional=True, unfit=_LIST
    )
    tau_sfa: Values = parameter(
        "ms", "time constant of each", default=(), above=0.0, leading=1, axes="elements", optional=True, unfit=_LIST
    )
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=4.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def tau_m(self) -> Any:
        """Membrane time constant C_m / g_L [ms]."""
        return exactly(self.C_m) / exactly(self.g_L)

    @property
    def onset(self) -> tuple[Any, Any]:
        """Above the threshold spikes come ever sooner; and V_reset [mV]."""
        return self.V_T_star, self.V_reset

    @property
    def _elements(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Rises and time constants of the currents, and of the shifts of the threshold."""
        return (self.q_stc, self.tau_stc), (self.q_sfa, self.tau_sfa)

    def check(self, grid: Grid) -> None:
        """Raise ValueError where elements do not fit together, or the grid is too coarse."""
        for name in ("stc", "sfa"):
            _check_elements(self, name, grid)
        check_time_constant(self, "tau_m", grid.dt)
        check_count(self, "t_ref", grid)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        stc, sfa = ((listed(q), listed(tau)) for q, tau in self._elements)
        escape = Escape.of(grid, self.lambda_0, self.Delta_V)
        return _constants(self, grid, self.V_T_star, stc, sfa, least=escape.Delta_V, escape=escape)

    def start(self) -> State:
        """The state at time 0: V_init, no adaptation, not refractory."""
        return _start(self, *(len(listed(q)) for q, _ in self._elements))

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron; see the module."""
        return _step(constants, state, given, spike)
