"""An upstroke that ends in a spike, as a surrogate sees it: straightened, so that its derivative stays finite.

V runs away in an upstroke, and a small change of it at the beginning is a huge one at the end. What such a change does
to the spike is to move it in time, and along V as the time sees it that is left, the straightened V, it stays small.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from lifjax.surrogate import Spike

STEEPEST = 60.0  # exponent of an upstroke that counts: e^60 and what is made of it stay within float32


@dataclasses.dataclass(frozen=True)
class Squeeze:
    """How an upstroke is straightened: V above ``onset`` as the time it has left sees it.

    Called with V it gives V itself below the onset, above it what ``rise`` makes of the height over it, and the slope
    of that.
    """

    onset: Array
    rise: Callable[[Array], tuple[Array, Array]]

    def __call__(self, V: Array) -> tuple[Array, Array]:
        """V as it is straightened, and the slope."""
        height, slope = self.rise(jnp.maximum(V - self.onset, 0))
        return jnp.minimum(V, self.onset) + height, slope

    def way(self, V_reset: Array, V_peak: Array) -> Array:
        """The way from V_reset to V_peak, or from the onset if V_reset is above it."""
        return self(V_peak)[0] - jnp.minimum(V_reset, self.onset)


def exponential(V_th: Array, Delta_T: Array) -> Squeeze:
    """How an exponential upstroke is straightened: V_th + Delta_T (1 - exp(-(V - V_th) / Delta_T)) above V_th.

    It nears its end at a steady pace while V shoots up.

    Args:
        V_th: where the upstroke begins [mV].
        Delta_T: width of its onset [mV].

    Example:
        >>> V, slope = exponential(jnp.array(-50.0), jnp.array(2.0))(jnp.array([-60.0, -46.0]))
        >>> V.round(2), slope.round(2)
        (Array([-60.  , -48.27], dtype=float32), Array([1.  , 0.14], dtype=float32))
    """

    def rise(height: Array) -> tuple[Array, Array]:
        slope = jnp.exp(-jnp.minimum(height / Delta_T, STEEPEST))
        return Delta_T * (1 - slope), slope

    return Squeeze(V_th, rise)


def quadratic(V_th: Array, width: Array) -> Squeeze:
    """The same for a quadratic upstroke: V_th + width y / (1 + y) above V_th, with y = (V - V_th) / width.

    Args:
        V_th: where V begins to be straightened [mV].
        width: half of the way to its end lies within this much above it [mV].

    Example:
        >>> V, slope = quadratic(jnp.array(-50.0), jnp.array(10.0))(jnp.array([-60.0, -40.0]))
        >>> V, slope
        (Array([-60., -45.], dtype=float32), Array([1.  , 0.25], dtype=float32))
    """

    def rise(height: Array) -> tuple[Array, Array]:
        left = 1 / (1 + height / width)
        return width * (1 - left), left * left

    return Squeeze(V_th, rise)


def peak(spike: Spike, V: Array, V_peak: Array, V_reset: Array, squeeze: Squeeze) -> Array:
    """Whether an upstroke has reached V_peak. A surrogate measures the distance along the straightened V.

    In an upstroke V leaps over any bump in a step, and its own derivative grows beyond all bounds.

    Args:
        spike: the spike function.
        V, V_peak, V_reset: [mV].
        squeeze: how the upstroke is straightened, such as `exponential`.

    Example:
        >>> from lifjax.surrogate import fast_sigmoid
        >>> far = exponential(jnp.array(-50.0), jnp.array(2.0))
        >>> at = jax.grad(lambda V: peak(fast_sigmoid(), V, jnp.array(0.0), jnp.array(-60.0), far))
        >>> print(f"{at(jnp.array(-45.0)):.4f}")
        0.0038
    """
    hard = V >= V_peak
    # The way is a unit alone: with a derivative, V_reset would move bumps that it is far away from.
    soft = spike(squeeze(V)[0], squeeze(V_peak)[0], jax.lax.stop_gradient(squeeze.way(V_reset, V_peak)))
    if soft.dtype == bool:
        return hard
    return hard.astype(soft.dtype) + (soft - jax.lax.stop_gradient(soft))


def fall(spiked: Array, V_reset: Array, V: Array, V_peak: Array, squeeze: Squeeze) -> Array:
    """V after a reset from an upstroke; what a surrogate's spike takes from V, it takes from the straightened V.

    Args:
        spiked: what `peak` answered.
        V_reset, V, V_peak: [mV].
        squeeze: how the upstroke is straightened.

    Example:
        >>> far = exponential(jnp.array(-50.0), jnp.array(2.0))
        >>> float(fall(jnp.array(True), jnp.array(-60.0), jnp.array(5.0), jnp.array(0.0), far))
        -60.0
    """
    if spiked.dtype == bool:
        return jnp.where(spiked, V_reset, V)
    slope = jax.lax.stop_gradient(squeeze(jnp.minimum(V, V_peak))[1])
    way = jax.lax.stop_gradient(squeeze.way(V_reset, V_peak))
    taken = jnp.where(spiked != 0, way, way / slope)
    return jnp.where(spiked != 0, V_reset, V) - taken * (spiked - jax.lax.stop_gradient(spiked))
