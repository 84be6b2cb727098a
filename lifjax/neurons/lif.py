r"""The leaky integrate-and-fire neuron.

.. math:: \tau_m \frac{dV}{dt} = -(V - E_L) + \frac{I}{g_L}

with a spike and a reset to V_reset when V reaches V_th, and V held at V_reset for the refractory time t_ref after it
(Lapicque 1907; Burkitt 2006, doi:10.1007/s00422-006-0068-6). One step, at t_k = k dt:

1. while the refractory counter runs, V is V_reset and the counter goes down by one; else spikes that arrive at a delta
   synapse make V jump;
2. then, where V has reached V_th: a spike at t_k, V is reset, the counter is set to n_ref = ceil(t_ref / dt);
3. V and the spike are shown as they now stand;
4. V goes on by (E_L - V + I / g_L) alpha, where alpha is dt / tau_m (Euler) or 1 - exp(-dt / tau_m) (exact).
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, waits
from lifjax.neurons.between import Between
from lifjax.neurons.check import check_count, check_order, check_time_constant
from lifjax.neurons.leak import Leak, leak, reset
from lifjax.surrogate import Spike, at_reset, silence


@pytree
class State:
    """The state of a LIF neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Constants:
    """What a step of a LIF neuron needs."""

    V_th: Array
    V_reset: Array
    leak: Leak
    n_ref: Array


@pytree
class LIF:
    """Leaky integrate-and-fire neurons: ``tau_m dV/dt = -(V - E_L) + I / g_L``.

    Any parameter may be an array; the shape of the population is the broadcast of all shapes. Defaults are those of
    the Neuromatch tutorial. Values are checked when a run starts.

    Example:
        >>> import lifjax
        >>> neuron = lifjax.LIF(tau_m=[10.0, 20.0])
        >>> neuron.C_m  # pF
        array([100., 200.])
        >>> lifjax.simulate(neuron, 300.0, 500.0).spike_count
        array([38, 20], dtype=int32)
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "exact")
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Output
    interpolated: ClassVar[type[Between]] = Between

    V_th: Values = parameter("mV", "spike threshold", default=-55.0, fit=(-70.0, -30.0))
    V_reset: Values = parameter("mV", "reset potential", default=-75.0, fit=(-100.0, -40.0), below="V_th")
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-75.0, fit=(-100.0, -30.0))
    E_L: Values = parameter("mV", "leak reversal potential", default=-75.0, fit=(-90.0, -45.0))
    tau_m: Values = parameter("ms", "membrane time constant", default=10.0, above=0.0, fit=(1.0, 100.0))
    g_L: Values = parameter("nS", "leak conductance", default=10.0, above=0.0, fit=(0.5, 200.0))
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=2.0, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip

    @property
    def C_m(self) -> Any:
        """Membrane capacitance tau_m g_L [pF], of the broadcast shape of the two."""
        return np.multiply(self.tau_m, self.g_L)

    def check(self, grid: Grid) -> None:
        """Raise ValueError where V_reset is not below V_th, dt not below tau_m or t_ref beyond counting."""
        check_order(self, "V_reset", "V_th")
        check_time_constant(self, "tau_m", grid.dt)
        check_count(self, "t_ref", grid)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        return Constants(
            V_th=grid.number(self.V_th),
            V_reset=grid.number(self.V_reset),
            leak=leak(grid, self.E_L, self.g_L, self.tau_m, self.V_reset),
            n_ref=grid.count(self.t_ref),
        )

    @staticmethod
    def combinations() -> dict[str, tuple[tuple[str, ...], Any]]:
        """What of the parameters decides the f-I curve, by its meaning: the names it takes, and a function of them."""
        return {
            "the rheobase g_L (V_th - E_L)": (
                ("g_L", "V_th", "E_L"), lambda *, g_L, V_th, E_L, **_: g_L * (V_th - E_L)
            ),
            "the share (V_th - V_reset) / (V_th - E_L) of the way that a spike takes back": (
                ("V_th", "V_reset", "E_L"), lambda *, V_th, V_reset, E_L, **_: (V_th - V_reset) / (V_th - E_L)
            ),
        }  # fmt: skip

    def start(self) -> State:
        """The state at time 0: V_init, not refractory."""
        real = isinstance(self.V_init, jax.Array) and self.V_init.dtype.kind == "f"
        return State(V=self.V_init if real else exactly(self.V_init), refractory=np.int32(0))

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Output]:
        """One step of one neuron; see the module for its order."""
        c = constants
        held = waits(state.refractory)
        V = state.V if given.jump is None else state.V + given.jump
        reached = spike(V, c.V_th, c.V_th - c.V_reset)
        spiked = silence(reached, held)
        refractory = state.refractory + jnp.where(held, -1, jnp.where(reached.astype(bool), c.n_ref, 0))

        back = at_reset(spiked, spike)
        drive, always = c.leak.drive(given), refractory >= 0
        after = reset(back, held, c.leak.from_reset(given, drive, always), c.leak.onward(V, given, drive, always))
        return State(V=after, refractory=refractory), Output(V=reset(back, held, c.V_reset, V), spikes=spiked)
