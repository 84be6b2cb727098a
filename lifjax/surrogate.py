r"""The spike function: does a neuron at V reach its threshold?

A step asks ``spike(V, V_th, unit)``. For running, `threshold` answers with a bool. For fitting, a surrogate answers
with the same spike as a number, 0 or 1, whose derivative is not the step's (zero almost everywhere) but that of a
smooth bump around the threshold (Neftci, Mostafa and Zenke 2019, doi:10.1109/MSP.2019.2931595). The forward pass of a
surrogate is the hard threshold, so a surrogate run spikes exactly as an ordinary one.

A surrogate measures the distance from the threshold in units of the reset, x = (V - V_th) / unit with
unit = V_th - V_reset, so that a slope means the same for every model. The unit also keeps the derivative finite: at
the threshold a spike moves V by -unit and a change of V moves the spike by 1 / unit, so what passes through the reset
is between none and all of the change, where any steeper bump would have it grow from step to step without end.

`silence` and `choose` let one step serve both kinds of answer.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Spike = Callable[[Array, Array, Array], Array]


def threshold(V: Array, V_th: Array, unit: ArrayLike = 1.0) -> Array:
    """The hard threshold: True where V has reached V_th.

    Args:
        V: membrane potential [mV].
        V_th: threshold [mV].
        unit: not used.

    Returns:
        bool, of the broadcast shape.

    Example:
        >>> threshold(-55.0, -55.0), threshold(-55.1, -55.0)
        (True, False)
    """
    return V >= V_th


def fast_sigmoid(slope: float = 100.0) -> Spike:
    r"""A surrogate spike with the derivative :math:`1 / (1 + \mathrm{slope}\,|x|)^2` for x = (V - V_th) / unit.

    The derivative of a fast sigmoid, as in SuperSpike (Zenke and Ganguli 2018, doi:10.1162/neco_a_01086). Make one and
    keep it: a function compiled with one surrogate is compiled again for another.

    Args:
        slope: steepness; the derivative falls to a quarter at a distance of unit / slope from the threshold, 0.2 mV by
            default for a reset by 20 mV.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = fast_sigmoid(slope=100.0)
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    if not slope > 0:
        raise ValueError(f"fast_sigmoid: slope = {slope!r} must be above 0; try 100.0")

    @jax.custom_jvp
    def step(x: Array) -> Array:
        return jnp.heaviside(x, jnp.ones((), jnp.result_type(x)))

    @step.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (dx,) = primals, tangents
        return step(x), dx / (1 + slope * jnp.abs(x)) ** 2

    def spike(V: Array, V_th: Array, unit: Array) -> Array:
        spiked: Array = step((V - V_th) / unit)
        return spiked

    return spike


def silence(spiked: Array, silent: Array) -> Array:
    """``spiked``, or none where ``silent`` holds, as when a neuron is refractory.

    Example:
        >>> bool(silence(jnp.array(True), jnp.array(True)))
        False
    """
    return jnp.where(silent, jnp.zeros_like(spiked), spiked)


def choose(spiked: Array, yes: ArrayLike, no: Array) -> Array:
    """``yes`` where ``spiked`` holds, ``no`` elsewhere; a surrogate's derivative passes through the choice.

    Example:
        >>> float(choose(jnp.array(1.0), -75.0, jnp.array(-54.0)))
        -75.0
    """
    if spiked.dtype == bool:
        return jnp.where(spiked, yes, no)
    return _chosen(spiked, jnp.asarray(yes, no.dtype), no)


@jax.custom_jvp
def _chosen(spiked: Array, yes: Array, no: Array) -> Array:
    """A choice, as compiled for the hard threshold, with the derivative of ``spiked * yes + (1 - spiked) * no``."""
    return jnp.where(spiked != 0, yes, no)


@_chosen.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    (spiked, yes, no), (d_spiked, d_yes, d_no) = primals, tangents
    return _chosen(spiked, yes, no), jnp.where(spiked != 0, d_yes, d_no) + (yes - no) * d_spiked
