r"""The spike function: does a neuron at V reach its threshold?

A step asks ``spike(V, V_th)``. For running, `threshold` answers with a bool. For fitting, a surrogate answers with the
same spike as a number, 0 or 1, whose derivative is not the step's (zero almost everywhere) but that of a smooth bump
around the threshold (Neftci, Mostafa and Zenke 2019, doi:10.1109/MSP.2019.2931595). The forward pass of a surrogate is
the hard threshold, so a surrogate run spikes exactly as an ordinary one.

`silence` and `choose` let one step serve both kinds of answer.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Spike = Callable[[Array, Array], Array]


def threshold(V: Array, V_th: Array) -> Array:
    """The hard threshold: True where V has reached V_th.

    Args:
        V: membrane potential [mV].
        V_th: threshold [mV].

    Returns:
        bool, of the broadcast shape.

    Example:
        >>> bool(threshold(-55.0, -55.0)), bool(threshold(-55.1, -55.0))
        (True, False)
    """
    return V >= V_th


def fast_sigmoid(slope: float = 1.0) -> Spike:
    r"""A surrogate spike with the derivative :math:`1 / (1 + \mathrm{slope}\,|V - V_{th}|)^2`.

    The derivative of a fast sigmoid, as in SuperSpike (Zenke and Ganguli 2018, doi:10.1162/neco_a_01086).

    Args:
        slope: steepness [1/mV]; the derivative falls to a quarter at 1/slope mV from the threshold.

    Returns:
        ``spike(V, V_th)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = fast_sigmoid(slope=1.0)
        >>> float(spike(-55.5, -55.0)), float(jax.grad(spike)(-55.0, -55.0))
        (0.0, 1.0)
    """
    if not slope > 0:
        raise ValueError(f"fast_sigmoid: slope = {slope!r} per mV must be above 0; try 1.0")

    @jax.custom_jvp
    def step(x: Array) -> Array:
        return jnp.heaviside(x, jnp.ones((), jnp.result_type(x)))

    @step.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (dx,) = primals, tangents
        return step(x), dx / (1 + slope * jnp.abs(x)) ** 2

    def spike(V: Array, V_th: Array) -> Array:
        spiked: Array = step(V - V_th)
        return spiked

    return spike


def silence(spiked: Array, silent: Array) -> Array:
    """The spike, or none where ``silent`` holds, as when a neuron is refractory.

    Example:
        >>> bool(silence(jnp.array(True), jnp.array(True)))
        False
    """
    return jnp.where(silent, jnp.zeros_like(spiked), spiked)


def choose(spiked: Array, yes: ArrayLike, no: Array) -> Array:
    """``yes`` where there is a spike, ``no`` elsewhere; a surrogate's derivative passes through the choice.

    Example:
        >>> float(choose(jnp.array(1.0), -75.0, jnp.array(-54.0)))
        -75.0
    """
    if spiked.dtype == bool:
        return jnp.where(spiked, yes, no)
    return spiked * yes + (1 - spiked) * no  # exact for a spike of 0 or 1
