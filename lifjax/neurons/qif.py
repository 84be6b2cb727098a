r"""The quadratic integrate-and-fire neuron (Ermentrout and Kopell 1986, doi:10.1137/0146017; Latham et al. 2000).

.. math:: C_m \frac{dV}{dt} = g_L \frac{(V - E_L)(V - V_{th})}{V_{th} - E_L} + I

with a spike where V reaches V_peak; then V goes to V_reset and is held there for t_ref. Without a current V rests at
E_L, where g_L is the leak conductance, and takes off above V_th. It is the form of Latham et al. (2000,
doi:10.1152/jn.2000.83.2.808), and with V_peak and V_reset far away the theta neuron.

The parabola is written around its vertex, half way between E_L and V_th. An upstroke cannot be missed, since V is
compared with V_peak at every grid time before anything else and stops there; and it stays finite, since in every slope
V counts as V_peak at most. Far below, where the parabola would throw V over its vertex in a step of Euler, it throws it
just there, and no current makes a neuron spike that should not.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, waits
from lifjax.neurons.check import check_order
from lifjax.neurons.eif import check_membrane, entered, fired
from lifjax.neurons.flow import at_most, onward
from lifjax.neurons.upstroke import Squeeze, quadratic
from lifjax.surrogate import Spike


@pytree
class Parabola:
    """A membrane with a quadratic upstroke, curve (V - vertex)^2 + I - rheobase: the numbers of a run, worked out."""

    V_peak: Any
    vertex: Any
    curve: Any  # dt curve / C_m
    bend: Any  # V - vertex below which the parabola is a straight line, down to which Euler stays on its side
    base: Any  # -dt rheobase / C_m
    scale: Any  # dt / C_m
    width: Any  # over the vertex, from where on a surrogate sees V straightened

    @staticmethod
    def of(
        grid: Grid, C_m: Values, curve: Values, vertex: Values, rheobase: Values, V_peak: Values, width: Values
    ) -> Any:
        """The membrane on a grid: capacitance [pF], curve [nS/mV], vertex [mV], rheobase [pA], peak and width [mV]."""
        scale = grid.dt / exactly(C_m)
        steep = scale * exactly(curve)
        return Parabola(
            V_peak=grid.number(V_peak),
            vertex=grid.number(vertex),
            curve=grid.number(steep),
            bend=grid.number(-1 / steep),
            base=grid.number(-scale * exactly(rheobase)),
            scale=grid.number(scale),
            width=grid.number(width),
        )

    def drive(self, given: Input) -> tuple[Array, Any]:
        """What an input adds to a change of V, and by how much a mV takes from it."""
        more = None if given.conductance is None else given.conductance * self.scale
        return given.current * self.scale + self.base, more

    def above(self, V: Array) -> Array:
        """V over the vertex, as it counts in a slope."""
        return at_most(V, self.V_peak) - self.vertex

    def change(self, V: Array, drive: tuple[Array, Any]) -> Array:
        """By how much V changes in a step."""
        constant, more = drive
        x = self.above(V)
        bent = jnp.maximum(x, self.bend)
        constant = constant if more is None else constant - at_most(V, self.V_peak) * more
        return bent * self.curve * x + constant

    @property
    def straight(self) -> Squeeze:
        """How a surrogate sees the upstroke: as the time that is left, which goes as 1 / (V - vertex)."""
        return quadratic(self.vertex + self.width, self.width)


@pytree
class State:
    """The state of a QIF neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Constants:
    """What a step of a QIF neuron needs."""

    V_reset: Any
    n_ref: Any
    membrane: Parabola
    integrator: str = dataclasses.field(metadata={"static": True})


@pytree
class QIF:
    """Quadratic integrate-and-fire neurons, the simplest whose rate rises from 0 as the root of the current.

    Without a current a neuron rests and takes off where those of Latham et al. (2000) do.

    Example:
        >>> import lifjax
        >>> lifjax.simulate(lifjax.QIF(), [30.0, 50.0, 100.0, 200.0], 1000.0, record=()).spike_count
        array([ 0, 10, 24, 44], dtype=int32)
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "rk4")
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Output

    V_th: Values = parameter("mV", "potential above which an upstroke begins", default=-50.0, fit=(-70.0, -30.0))
    V_reset: Values = parameter("mV", "reset potential", default=-80.0, fit=(-100.0, -40.0))
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-65.0, fit=(-100.0, -50.0))
    E_L: Values = parameter("mV", "resting potential", default=-65.0, fit=(-90.0, -45.0), below="V_th")
    C_m: Values = parameter("pF", "membrane capacitance", default=100.0, above=0.0, fit=(10.0, 1000.0))
    g_L: Values = parameter("nS", "leak conductance at rest", default=10.0, above=0.0, fit=(0.5, 200.0))
    V_peak: Values = parameter(
        "mV", "potential at which the upstroke is a spike", default=20.0,
        unfit="it only ends an upstroke that takes little time; keep it well above V_th",
    )  # fmt: skip
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=0.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def tau_m(self) -> Any:
        """Membrane time constant at rest, C_m / g_L [ms]."""
        return np.divide(self.C_m, self.g_L)

    @property
    def onset(self) -> tuple[Any, Any]:
        """Beyond the vertex no current lets V rest; and V_reset [mV]."""
        return (exactly(self.E_L) + exactly(self.V_th)) / 2, self.V_reset

    def check(self, grid: Grid) -> None:
        """Raise ValueError where potentials are out of order or the grid too coarse."""
        check_order(self, "E_L", "V_th")
        check_membrane(self, grid)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        E, V_th, g = exactly(self.E_L), exactly(self.V_th), exactly(self.g_L)
        half = (V_th - E) / 2
        # The width is the one with which a surrogate's derivatives of rates have about the size of differences.
        return Constants(
            V_reset=grid.number(self.V_reset),
            n_ref=grid.count(self.t_ref),
            membrane=Parabola.of(grid, self.C_m, g / (2 * half), E + half, g * half / 2, self.V_peak, 2 * half),
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
