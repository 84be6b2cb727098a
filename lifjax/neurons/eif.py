r"""The exponential integrate-and-fire neuron (Fourcaud-Trocme et al. 2003, doi:10.1523/JNEUROSCI.23-37-11628.2003).

.. math:: C_m \frac{dV}{dt} = -g_L (V - E_L) + g_L \Delta_T e^{(V - V_{th}) / \Delta_T} + I

with a spike where V reaches V_peak; then V goes to V_reset and is held there for t_ref. V_th is where the upstroke
begins, not what V is compared with.

An upstroke ends within a fraction of a step. It cannot be missed, since V only rises once it has begun and is compared
with V_peak at every grid time before anything else; and it stays finite, since in every slope V counts as V_peak or as
V_th + 60 Delta_T at most, where a spike is due in less than 1e-20 ms.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, traced, waits
from lifjax.neurons.check import check_count, check_order, check_time_constant
from lifjax.neurons.flow import at_most, onward
from lifjax.neurons.power import LOG2_E, exp2
from lifjax.neurons.upstroke import STEEPEST, Squeeze, exponential, fall, peak
from lifjax.surrogate import Spike, at_reset, silence


@pytree
class Membrane:
    """A membrane with an exponential upstroke: what it changes in a step, with the numbers of a run worked out."""

    V_th: Any
    V_peak: Any  # or where e^60 is reached, if that is lower: there an upstroke has no time left either
    Delta_T: Any
    steep: Any  # log2(e) / Delta_T
    shift: Any  # -V_th log2(e) / Delta_T
    leak: Any  # -dt g_L / C_m
    rise: Any  # dt g_L Delta_T / C_m
    base: Any  # dt g_L E_L / C_m
    scale: Any  # dt / C_m

    @staticmethod
    def of(grid: Grid, C_m: Values, g_L: Values, E_L: Values, V_th: Values, V_peak: Values, Delta_T: Values) -> Any:
        """The membrane on a grid."""
        C, g, E, width = (exactly(x) for x in (C_m, g_L, E_L, Delta_T))
        scale = grid.dt / C
        xp: Any = jnp if traced(V_peak, V_th, Delta_T) else np
        return Membrane(
            V_th=grid.number(V_th),
            V_peak=grid.number(xp.minimum(exactly(V_peak), exactly(V_th) + STEEPEST * width)),
            Delta_T=grid.number(Delta_T),
            steep=grid.number(LOG2_E / width),
            shift=grid.number(-exactly(V_th) * LOG2_E / width),
            leak=grid.number(-scale * g),
            rise=grid.number(scale * g * width),
            base=grid.number(scale * g * E),
            scale=grid.number(scale),
        )

    def drive(self, given: Input) -> tuple[Array, Any]:
        """What an input adds to a change of V, and by how much a mV takes from it more than the leak."""
        more = None if given.conductance is None else given.conductance * self.scale
        return given.current * self.scale + self.base, more

    def change(self, V: Array, drive: tuple[Array, Any]) -> Array:
        """By how much V, which is V_peak at most, changes in a step."""
        constant, more = drive
        leak = self.leak if more is None else self.leak - more
        return V * leak + (exp2(V * self.steep + self.shift) * self.rise + constant)

    @property
    def straight(self) -> Squeeze:
        """How a surrogate sees the upstroke."""
        return exponential(self.V_th, self.Delta_T)


@pytree
class State:
    """The state of an EIF neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Constants:
    """What a step of an EIF neuron needs."""

    V_reset: Any
    n_ref: Any
    membrane: Membrane
    integrator: str = dataclasses.field(metadata={"static": True})


@pytree
class EIF:
    """Exponential integrate-and-fire neurons: a leak, and an upstroke that begins softly around V_th.

    Defaults are those of Brette and Gerstner (2005), without their adaptation.

    Example:
        >>> import lifjax
        >>> lifjax.simulate(lifjax.EIF(Delta_T=[0.5, 2.0]), 700.0, 500.0).spike_count
        array([29, 26], dtype=int32)
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "rk4")
    deep: ClassVar[bool] = True
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Output

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
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=0.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def tau_m(self) -> Any:
        """Membrane time constant C_m / g_L [ms]."""
        return np.divide(self.C_m, self.g_L)

    def check(self, grid: Grid) -> None:
        """Raise ValueError where potentials are out of order or the grid too coarse."""
        check_membrane(self, grid)
        check_onset(self)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        return Constants(
            V_reset=grid.number(self.V_reset),
            n_ref=grid.count(self.t_ref),
            membrane=Membrane.of(grid, self.C_m, self.g_L, self.E_L, self.V_th, self.V_peak, self.Delta_T),
            integrator=grid.integrator,
        )

    def start(self) -> State:
        """The state at time 0: V_init, not refractory."""
        return State(V=exactly(self.V_init), refractory=np.int32(0))

    def entered(self, state: State) -> State:
        """A state to go on from, as a step would have left it."""
        return entered(self, state)

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Output]:
        """One step of one neuron: spike and reset, then onward."""
        c, m = constants, constants.membrane
        spiked, V, refractory = fired(c, state.V, state.refractory, given, spike)
        drive, stay = m.drive(given), waits(refractory)

        def slopes(V: Array) -> tuple[Array]:
            return (jnp.where(stay, 0, m.change(V, drive)),)

        (after,) = onward(c.integrator, slopes, (V,), m.V_peak)
        return State(V=at_most(after, m.V_peak), refractory=refractory), Output(V=V, spikes=spiked)


def fired(c: Any, V: Array, refractory: Array, given: Input, spike: Spike) -> tuple[Array, Array, Array]:
    """Whether a neuron with an upstroke fires at its grid time; V and the refractory counter after that.

    Args:
        c: constants with V_reset, n_ref and a membrane that has V_peak and says how its upstroke is straightened.
        V, refractory, given, spike: as a step has them.
    """
    m, held = c.membrane, waits(refractory)
    V = V if given.jump is None else V + given.jump
    reached = peak(spike, V, m.V_peak, c.V_reset, m.straight)
    left = refractory + jnp.where(held, -1, jnp.where(reached.astype(bool), c.n_ref, 0))
    if (
        reached.dtype == bool and given.jump is None
    ):  # then V is at V_reset where it is held, below V_peak: see `entered`
        return reached, jnp.where(reached, c.V_reset, V), left
    spiked = silence(reached, held)
    V = fall(at_reset(spiked, spike), c.V_reset, jnp.where(held, c.V_reset, V), m.V_peak, m.straight)
    return spiked, V, left


def entered(neuron: Any, state: Any) -> Any:
    """A state to go on from as a step would have left it: with V at V_reset where it is held there."""
    xp: Any = jnp if traced(state, neuron) else np
    V = xp.asarray(state.V)
    return dataclasses.replace(state, V=xp.where(state.refractory > 0, xp.asarray(neuron.V_reset, V.dtype), V))


def check_membrane(neuron: Any, grid: Grid) -> None:
    """Raise ValueError where potentials are out of order or the grid too coarse."""
    check_order(neuron, "V_th", "V_peak")
    check_order(neuron, "V_reset", "V_peak")
    check_time_constant(neuron, "tau_m", grid.dt)
    check_count(neuron, "t_ref", grid)


def check_onset(neuron: Any) -> None:
    """Raise ValueError where a reset is so far up the exponential that a spike follows at once."""
    reset, top = np.broadcast_arrays(exactly(neuron.V_reset), exactly(neuron.V_th) + STEEPEST * exactly(neuron.Delta_T))
    if (wrong := reset >= top).any():
        at = np.unravel_index(wrong.argmax(), wrong.shape)
        raise ValueError(
            f"{type(neuron).__name__}: V_reset = {reset[at]:g} mV must be below V_th + {STEEPEST:g} Delta_T = "
            f"{top[at]:g} mV, from where a spike follows at once; lower V_reset or raise Delta_T"
        )
