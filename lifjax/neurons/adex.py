r"""The adaptive exponential integrate-and-fire neuron (Brette and Gerstner 2005, doi:10.1152/jn.00686.2005).

.. math::
    C_m \frac{dV}{dt} &= -g_L (V - E_L) + g_L \Delta_T e^{(V - V_{th}) / \Delta_T} - w + I \\
    \tau_w \frac{dw}{dt} &= a (V - E_L) - w

with a spike where V reaches V_peak; then w rises by b, V goes to V_reset and is held there for t_ref. It is the neuron
of `lifjax.neurons.eif` with an adaptation current w, and as there an upstroke is never missed and never infinite.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, waits
from lifjax.neurons.check import check_time_constant
from lifjax.neurons.eif import Membrane, check_membrane, check_onset, entered, fired
from lifjax.neurons.flow import at_most, onward
from lifjax.surrogate import Spike, at_reset, choose

# C_m [pF], g_L [nS], E_L [mV], a [nS], tau_w [ms], b [pA], V_reset [mV], current [pA]
_PATTERNS = {
    "tonic spiking": (200.0, 10.0, -70.0, 2.0, 30.0, 0.0, -58.0, 500.0),
    "adaptation": (200.0, 12.0, -70.0, 2.0, 300.0, 60.0, -58.0, 500.0),
    "initial burst": (130.0, 18.0, -58.0, 4.0, 150.0, 120.0, -50.0, 400.0),
    "regular bursting": (200.0, 10.0, -58.0, 2.0, 120.0, 100.0, -46.0, 210.0),
    "delayed accelerating": (200.0, 12.0, -70.0, -10.0, 300.0, 0.0, -58.0, 300.0),
    "delayed regular bursting": (100.0, 10.0, -65.0, -10.0, 90.0, 30.0, -47.0, 110.0),
    "transient spiking": (100.0, 10.0, -65.0, 10.0, 90.0, 40.0, -47.0, 220.0),
    "irregular spiking": (100.0, 12.0, -60.0, -11.0, 130.0, 30.0, -48.0, 167.0),
}


@pytree
class State:
    """The state of an AdEx neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    w: Any = parameter("pA", "adaptation current")
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Shown(Output):
    """What an AdEx neuron shows."""

    w: Any = parameter("pA", "adaptation current")


@pytree
class Constants:
    """What a step of an AdEx neuron needs."""

    V_reset: Any
    n_ref: Any
    b: Any
    membrane: Membrane
    forget: Any  # dt / tau_w
    follow: Any  # dt a / tau_w
    rest: Any  # dt a E_L / tau_w
    integrator: str = dataclasses.field(metadata={"static": True})


@pytree
class AdEx:
    """Adaptive exponential integrate-and-fire neurons, which adapt, burst, fire late or irregularly or stop firing.

    Defaults are those of Brette and Gerstner (2005), as in NEST's aeif models.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.AdEx(), 1000.0, 300.0, record=("spikes", "w"))
        >>> run.spike_times.round()  # ms: intervals grow
        array([ 12.,  22.,  34.,  48.,  66.,  89., 116., 148., 182., 216., 252., 287.])
        >>> run.w.shape
        (3000,)
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "rk4")
    deep: ClassVar[bool] = True
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Shown

    V_th: Values = parameter("mV", "potential at which the upstroke begins", default=-50.4, fit=(-70.0, -30.0))
    V_reset: Values = parameter("mV", "reset potential", default=-60.0, fit=(-100.0, -40.0))
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-70.6, fit=(-100.0, -50.0))
    E_L: Values = parameter("mV", "leak reversal potential", default=-70.6, fit=(-90.0, -45.0), below="V_th")
    C_m: Values = parameter("pF", "membrane capacitance", default=281.0, above=0.0, fit=(10.0, 1000.0))
    g_L: Values = parameter("nS", "leak conductance", default=30.0, above=0.0, fit=(0.5, 200.0))
    Delta_T: Values = parameter("mV", "width of the upstroke's onset", default=2.0, above=0.0, fit=(0.5, 5.0))
    V_peak: Values = parameter(
        "mV", "potential at which the upstroke is a spike", default=0.0,
        unfit="it only ends an upstroke that takes no time; keep it well above V_th",
    )  # fmt: skip
    a: Values = parameter("nS", "subthreshold adaptation", default=4.0, fit=(-20.0, 50.0))
    b: Values = parameter("pA", "rise of the adaptation current at a spike", default=80.5, fit=(0.0, 500.0))
    tau_w: Values = parameter("ms", "time constant of adaptation", default=144.0, above=0.0, fit=(5.0, 1000.0))
    w_init: Values = parameter("pA", "adaptation current at time 0", default=0.0, fit=(-500.0, 500.0))
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=0.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def tau_m(self) -> Any:
        """Membrane time constant C_m / g_L [ms]."""
        return np.divide(self.C_m, self.g_L)

    @staticmethod
    def patterns() -> "dict[str, tuple[AdEx, float]]":
        """The eight firing patterns of Naud et al. (2008, doi:10.1007/s00422-008-0264-7): neurons and currents [pA].

        A current is on from time 0. Parameters are those of their Table 1 as it is commonly passed on, adapted to match
        the figures, but for two: transient spiking has b = 40 pA under 220 pA in place of 100 and 180, with which it
        spikes once only, and irregular spiking 167 pA in place of 160, with which intervals come near to repeating.

        Example:
            >>> import lifjax
            >>> neuron, current = AdEx.patterns()["transient spiking"]
            >>> lifjax.simulate(neuron, current, 500.0).spike_times.round()
            array([17., 20., 25.])
        """
        return {
            name: (
                AdEx(C_m=C_m, g_L=g_L, E_L=E_L, V_init=E_L, V_th=-50.0, a=a, tau_w=tau_w, b=b, V_reset=V_reset),
                current,
            )
            for name, (C_m, g_L, E_L, a, tau_w, b, V_reset, current) in _PATTERNS.items()
        }

    def check(self, grid: Grid) -> None:
        """Raise ValueError where potentials are out of order or the grid too coarse."""
        check_membrane(self, grid)
        check_onset(self)
        check_time_constant(self, "tau_w", grid.dt)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        a, E_L, rate = exactly(self.a), exactly(self.E_L), grid.dt / exactly(self.tau_w)
        return Constants(
            V_reset=grid.number(self.V_reset),
            n_ref=grid.count(self.t_ref),
            b=grid.number(self.b),
            membrane=Membrane.of(grid, self.C_m, self.g_L, self.E_L, self.V_th, self.V_peak, self.Delta_T),
            forget=grid.number(rate),
            follow=grid.number(rate * a),
            rest=grid.number(rate * a * E_L),
            integrator=grid.integrator,
        )

    def start(self) -> State:
        """The state at time 0: V_init, w_init, not refractory."""
        return State(V=exactly(self.V_init), w=exactly(self.w_init), refractory=np.int32(0))

    def entered(self, state: State) -> State:
        """A state to go on from, as a step would have left it."""
        return entered(self, state)

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron: spike and reset, then onward. w goes on while V is held."""
        c, m = constants, constants.membrane
        spiked, V, refractory = fired(c, state.V, state.refractory, given, spike)
        w = choose(at_reset(spiked, spike), state.w + c.b, state.w)
        (constant, more), stay = m.drive(given), waits(refractory)

        def slopes(V: Array, w: Array) -> tuple[Array, Array]:
            dV = m.change(V, (constant - w * m.scale, more))
            dw = V * c.follow - (w * c.forget + c.rest)
            return jnp.where(stay, 0, dV), dw

        after, w_after = onward(c.integrator, slopes, (V, w), m.V_peak)
        state = State(V=at_most(after, m.V_peak), w=w_after, refractory=refractory)
        return state, Shown(V=V, w=w, spikes=spiked)
