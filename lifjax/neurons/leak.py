r"""A membrane that leaks: one step of :math:`\tau_m dV/dt = -(V - E_L) + I / g_L`, with the same bits in every layout.

In float64 a step is V + (E_L - V + I / g_L) gain, in this order, and equals NumPy's to the last bit. In float32, where
no last bit is promised, it is V keep + (I scale + base) with the numbers of a run worked out before it: one operation
less, and two sums that each have one product, so that wherever they are compiled they are contracted alike.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Grid, Values, pytree, traced, working_dtype


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

    def drive(self, current: Array) -> Array:
        """What a current [pA] adds to a step, once for `onward` and `from_reset`."""
        return current / self.g_L

    def onward(self, V: Array, drive: Array, always: Array) -> Array:
        """V after a step.

        ``always`` holds always, which no compiler knows: so the choice stays between the product and the sum, which
        would else be contracted and round once instead of twice.
        """
        return V + jnp.where(always, (self.E_L - V + drive) * self.gain, 0)

    def from_reset(self, drive: Array, always: Array) -> Array:
        """V after a step from V_reset."""
        return self.onward(self.V_reset, drive, always)


@pytree
class SingleLeak:
    """A step of the leak in float32."""

    keep: Any
    scale: Any
    base: Any
    kept_reset: Any

    def drive(self, current: Array) -> Array:
        """What a current [pA] adds to a step, once for `onward` and `from_reset`."""
        return current * self.scale + self.base

    def onward(self, V: Array, drive: Array, always: Array) -> Array:
        """V after a step; ``always`` is not needed."""
        return V * self.keep + drive

    def from_reset(self, drive: Array, always: Array) -> Array:
        """V after a step from V_reset."""
        return self.kept_reset + drive


Leak = DoubleLeak | SingleLeak


def leak(grid: Grid, E_L: Values, g_L: Values, tau_m: Values, V_reset: Values) -> Leak:
    """The numbers of a leak on a grid: reversal potential [mV], conductance [nS], time constant [ms], reset [mV].

    Example:
        >>> step = leak(Grid(dt=0.1, steps=0), E_L=-75.0, g_L=10.0, tau_m=10.0, V_reset=-75.0)
        >>> print(f"{step.onward(-75.0, step.drive(100.0), True):.2f}")
        -74.90
    """
    gain = grid.gain(tau_m)
    if working_dtype() == np.float64:
        return DoubleLeak(
            E_L=grid.number(E_L),
            g_L=Divisor(value=grid.number(g_L)),
            gain=grid.number(gain),
            V_reset=grid.number(V_reset),
        )
    E_L, g_L, V_reset = (x if traced(x) else np.asarray(x, np.float64) for x in (E_L, g_L, V_reset))
    return SingleLeak(
        keep=grid.number(1 - gain),
        scale=grid.number(gain / g_L),
        base=grid.number(gain * E_L),
        kept_reset=grid.number((1 - gain) * V_reset),
    )
