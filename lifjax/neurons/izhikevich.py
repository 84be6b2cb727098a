r"""The neuron of Izhikevich (2003, doi:10.1109/TNN.2003.820440).

.. math::
    \frac{dV}{dt} &= 0.04 V^2 + 5 V + 140 - u + I \\
    \frac{du}{dt} &= a (b V - u)

with a spike where V reaches V_th; then V goes to c and u rises by d. Its numbers are those of the paper for times in ms
and potentials in mV; with the capacitance of 1 pF that they imply, I and u are in pA. V_th is the peak of a spike, as
in NEST's ``izhikevich``, whose parameters these are: the upstroke begins near -55 mV.

It is the neuron of `lifjax.neurons.qif` with a recovery current u, and as there an upstroke is never missed and never
infinite. "euler" takes both variables from one grid time to the next, as NEST does with its ``consistent_integration``;
the paper's own program, with two half steps of V and then one of u, goes with steps of 1 ms.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree
from lifjax.neurons.check import check_order, check_time_constant
from lifjax.neurons.flow import onward
from lifjax.neurons.qif import Parabola
from lifjax.neurons.upstroke import fall, peak
from lifjax.surrogate import Spike, at_reset, choose

_CURVE, _SLOPE, _OFFSET = 0.04, 5.0, 140.0  # of the paper: nS/mV, nS and pA for a capacitance of 1 pF
_VERTEX = -_SLOPE / (2 * _CURVE)
_RHEOBASE = _SLOPE**2 / (4 * _CURVE) - _OFFSET
_WIDTH = 1.5  # mV; wider, what a surrogate's spike does to u grows from spike to spike without end


@pytree
class State:
    """The state of an Izhikevich neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    u: Any = parameter("pA", "recovery current")


@pytree
class Shown(Output):
    """What an Izhikevich neuron shows."""

    u: Any = parameter("pA", "recovery current")


@pytree
class Constants:
    """What a step of an Izhikevich neuron needs."""

    c: Any
    d: Any
    V_min: Any
    membrane: Parabola
    forget: Any  # dt a
    follow: Any  # dt a b
    rest: Any  # -dt a b vertex
    integrator: str = dataclasses.field(metadata={"static": True})


@pytree
class Izhikevich:
    """Izhikevich's neurons, which fire in many patterns with four parameters.

    Defaults are those of NEST: regular spiking. In the paper c = -55, d = 4 is intrinsically bursting; c = -50, d = 2
    chattering; a = 0.1, d = 2 fast spiking; b = 0.25, d = 2 low-threshold spiking; a = 0.1, b = 0.26, d = 2 resonating.

    Example:
        >>> import lifjax
        >>> neuron = lifjax.Izhikevich(c=[-65.0, -50.0], d=[8.0, 2.0])
        >>> run = lifjax.simulate(neuron, 10.0, 500.0, record=("spikes", "u"))
        >>> run.spike_times[1][:5].round(0)  # ms: a burst
        array([ 3.,  5.,  7.,  9., 11.])
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "rk4")
    shows: ClassVar[type[Output]] = Shown

    a: Values = parameter("1/ms", "rate of the recovery", default=0.02, above=0.0, fit=(0.005, 0.2))
    b: Values = parameter("nS", "how far the recovery follows V", default=0.2, fit=(0.05, 0.3))
    c: Values = parameter("mV", "reset potential", default=-65.0, fit=(-80.0, -45.0))
    d: Values = parameter("pA", "rise of the recovery current at a spike", default=8.0, fit=(0.0, 20.0))
    V_th: Values = parameter(
        "mV", "potential at which the upstroke is a spike", default=30.0,
        unfit="it only ends an upstroke that takes little time; keep it well above -55 mV",
    )  # fmt: skip
    V_min: Values = parameter(
        "mV", "lowest membrane potential", default=-1e6, unfit="it is a bound and not a property of a neuron"
    )
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-65.0, fit=(-100.0, -50.0))
    u_init: Values = parameter("pA", "recovery current at time 0", default=-13.0, fit=(-30.0, 10.0))

    @property
    def tau_u(self) -> Any:
        """Time constant of the recovery, 1 / a [ms]."""
        return np.divide(1.0, self.a)

    @property
    def onset(self) -> tuple[Any, Any]:
        """Beyond this no current lets V rest, once u has followed it; and c [mV]."""
        return _VERTEX + exactly(self.b) / (2 * _CURVE), self.c

    def check(self, grid: Grid) -> None:
        """Raise ValueError where potentials are out of order or the grid too coarse."""
        check_order(self, "c", "V_th")
        check_order(self, "V_min", "c")
        check_time_constant(self, "tau_u", grid.dt)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        rate, b = grid.dt * exactly(self.a), exactly(self.b)
        return Constants(
            c=grid.number(self.c),
            d=grid.number(self.d),
            V_min=grid.number(self.V_min),
            membrane=Parabola.of(grid, 1.0, _CURVE, _VERTEX, _RHEOBASE, self.V_th, _WIDTH),
            forget=grid.number(rate),
            follow=grid.number(rate * b),
            rest=grid.number(-rate * b * _VERTEX),
            integrator=grid.integrator,
        )

    def start(self) -> State:
        """The state at time 0: V_init, u_init."""
        return State(V=exactly(self.V_init), u=exactly(self.u_init))

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron: spike and reset, then onward."""
        k, m = constants, constants.membrane
        V = state.V if given.jump is None else state.V + given.jump
        spiked = peak(spike, V, m.V_peak, k.c, m.straight)
        back = at_reset(spiked, spike)
        V = fall(back, k.c, V, m.V_peak, m.straight)
        u = choose(back, state.u + k.d, state.u)
        constant, more = m.drive(given)

        def slopes(V: Array, u: Array) -> tuple[Array, Array]:
            dV = m.change(V, (constant - u * m.scale, more))
            return dV, m.above(V) * k.follow - (u * k.forget + k.rest)

        after, u_after = onward(k.integrator, slopes, (V, u), m.V_peak)
        return State(V=jnp.clip(after, k.V_min, m.V_peak), u=u_after), Shown(V=V, u=u, spikes=spiked)
