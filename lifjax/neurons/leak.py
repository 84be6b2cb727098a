r"""A membrane that leaks: one step of :math:`\tau_m dV/dt = -(V - E_L) + I / g_L`, with the same bits in every layout.

In float64 a step is V + (E_L - V + I / g_L) gain, in this order, and equals NumPy's to the last bit. In float32, where
no last bit is promised, it is V keep + (I scale + base) with the numbers of a run worked out before it: one operation
less, and two sums that each have one product, so that wherever they are compiled they are contracted alike.

A conductance G of synapses adds - G V to the current. The Euler step takes V as it is at the grid time; the exact one
holds G for the step, whose leak is then that of g_L + G towards a goal of its own.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from lifjax.neurons.base import Grid, Input, Values, exactly, pytree, working_dtype
from lifjax.surrogate import choose


@pytree
class Divisor:
    """What a step divides by in float64, equal to NumPy's division to the last bit.

    XLA would multiply by the reciprocal of a number that all neurons share, so each is given its own, behind a barrier.
    """

    value: Any

    @staticmethod
    def of(number: Array, neurons: int) -> "Divisor":
        """A divisor for so many neurons, from one number or one for each."""
        return Divisor(value=jax.lax.optimization_barrier(jnp.broadcast_to(number, neurons)))

    def __rtruediv__(self, x: Array) -> Array:
        return x / self.value


@pytree
class DoubleLeak:
    """A step of the leak in float64."""

    E_L: Any
    g_L: Divisor
    gain: Any
    V_reset: Any

    def drive(self, given: Input) -> Array:
        """What an input adds to a step, once for `onward` and `from_reset`."""
        return given.current / self.g_L

    def onward(self, V: Array, given: Input, drive: Array, always: Array) -> Array:
        """V after a step.

        ``always`` holds always, which no compiler knows: so the choice stays between the product and the sum, which
        would else be contracted and round once instead of twice.
        """
        if given.conductance is not None:
            drive = drive - jnp.where(always, V * given.conductance, 0) / self.g_L
        return V + jnp.where(always, (self.E_L - V + drive) * self.gain, 0)

    def from_reset(self, given: Input, drive: Array, always: Array) -> Array:
        """V after a step from V_reset."""
        return self.onward(self.V_reset, given, drive, always)


@pytree
class SingleLeak:
    """A step of the leak in float32."""

    keep: Any
    scale: Any
    base: Any
    V_reset: Any
    kept_reset: Any

    def drive(self, given: Input) -> Array:
        """What an input adds to a step, once for `onward` and `from_reset`."""
        return given.current * self.scale + self.base

    def onward(self, V: Array, given: Input, drive: Array, always: Array) -> Array:
        """V after a step; ``always`` is not needed."""
        keep = self.keep if given.conductance is None else self.keep - given.conductance * self.scale
        return V * keep + drive

    def from_reset(self, given: Input, drive: Array, always: Array) -> Array:
        """V after a step from V_reset."""
        if given.conductance is not None:
            return self.onward(self.V_reset, given, drive, always)
        return self.kept_reset + drive


@pytree
class ExactLeak:
    """A step of the leak that is exact for a current and a conductance held for the step."""

    steady: Any  # the leak without a conductance
    g_L: Any
    pull: Any  # g_L E_L
    rate: Any  # dt / C_m
    V_reset: Any

    def drive(self, given: Input) -> Any:
        """The goal that V goes to and the share of the way that is left after the step."""
        if given.conductance is None:
            return self.steady.drive(given)
        total = given.conductance + self.g_L
        return (given.current + self.pull) / total, jnp.exp(-total * self.rate)

    def onward(self, V: Array, given: Input, drive: Any, always: Array) -> Array:
        """V after a step."""
        if given.conductance is None:
            after: Array = self.steady.onward(V, given, drive, always)
            return after
        goal, left = drive
        return goal + jnp.where(always, (V - goal) * left, 0)

    def from_reset(self, given: Input, drive: Any, always: Array) -> Array:
        """V after a step from V_reset."""
        if given.conductance is None:
            after: Array = self.steady.from_reset(given, drive, always)
            return after
        return self.onward(self.V_reset, given, drive, always)


Leak = DoubleLeak | SingleLeak | ExactLeak


def reset(back: Array, held: Array, from_reset: ArrayLike, else_: Array) -> Array:
    """``from_reset`` where a neuron is set ``back`` or ``held``, ``else_`` elsewhere.

    A step works out both and then chooses, so that it need not wait for a comparison, and since a product with what was
    chosen would round another way in some kernels of XLA.

    Example:
        >>> reset(jnp.array([True, False, False]), jnp.array([False, True, False]), -75.0, jnp.full(3, -60.0)).tolist()
        [-75.0, -75.0, -60.0]
    """
    return choose(back, from_reset, jnp.where(held, from_reset, else_))


def leak(grid: Grid, E_L: Values, g_L: Values, tau_m: Values, V_reset: Values) -> Leak:
    """The numbers of a leak on a grid: reversal potential [mV], conductance [nS], time constant [ms], reset [mV].

    Example:
        >>> step = leak(Grid(dt=0.1, steps=0), E_L=-75.0, g_L=10.0, tau_m=10.0, V_reset=-75.0)
        >>> given = Input(current=100.0)
        >>> print(f"{step.onward(-75.0, given, step.drive(given), True):.2f}")
        -74.90
    """
    steady = _steady(grid, E_L, g_L, tau_m, V_reset)
    if grid.integrator != "exact" or not grid.conducts:
        return steady
    E, g, tau = (exactly(x) for x in (E_L, g_L, tau_m))
    return ExactLeak(
        steady=steady,
        g_L=grid.number(g),
        pull=grid.number(g * E),
        rate=grid.number(grid.dt / (tau * g)),
        V_reset=grid.number(V_reset),
    )


def _steady(grid: Grid, E_L: Values, g_L: Values, tau_m: Values, V_reset: Values) -> DoubleLeak | SingleLeak:
    gain = grid.gain(tau_m)
    if working_dtype() == np.float64:
        return DoubleLeak(
            E_L=grid.number(E_L),
            g_L=Divisor(value=grid.number(g_L)),
            gain=grid.number(gain),
            V_reset=grid.number(V_reset),
        )
    E, g, reset = (exactly(x) for x in (E_L, g_L, V_reset))
    return SingleLeak(
        keep=grid.number(1 - gain),
        scale=grid.number(gain / g),
        base=grid.number(gain * E),
        V_reset=grid.number(reset),
        kept_reset=grid.number((1 - gain) * reset),
    )
