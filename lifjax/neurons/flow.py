r"""A step of a model that is not linear: by Euler, or by Runge and Kutta's fourth-order method ("rk4").

A model gives the slopes of its variables as changes per step. Sums here and there have one product each, or products by
powers of two, so that wherever they are compiled they are contracted alike and the bits are the same in every layout.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

Slopes = Callable[..., tuple[Array, ...]]


def onward(integrator: str, slopes: Slopes, state: tuple[Array, ...], most: Array) -> tuple[Array, ...]:
    """The variables after a step.

    Args:
        integrator: "euler" or "rk4".
        slopes: what a step would change, as a function of the variables.
        state: the variables, as many as there are slopes.
        most: what the first of them counts as, at most, at which slopes are asked for within the step.

    Example:
        >>> x, = onward("rk4", lambda x: (-0.1 * x,), (jnp.array(1.0),), jnp.inf)
        >>> print(f"{x:.6f}")  # exp(-0.1)
        0.904837
    """
    first = slopes(*state)
    if integrator == "euler":
        return _moved(state, first, 1.0)

    def within(change: tuple[Array, ...], share: float) -> tuple[Array, ...]:
        V, *others = _moved(state, change, share)
        return slopes(at_most(V, most), *others)

    second = within(first, 0.5)
    third = within(second, 0.5)
    fourth = within(third, 1.0)
    mean = tuple(a + 2 * b + (2 * c + d) for a, b, c, d in zip(first, second, third, fourth, strict=True))
    return _moved(state, mean, 1 / 6)


def at_most(V: Array, most: Array) -> Array:
    """V, or ``most`` where V is above it; what is not a number stays so, at a quarter of the price of a minimum.

    Example:
        >>> print(at_most(jnp.array([1.0, 3.0]), jnp.array(2.0)))
        [1. 2.]
    """
    return jnp.where(V > most, most, V)


def _moved(state: tuple[Array, ...], change: tuple[Array, ...], share: float) -> tuple[Array, ...]:
    return tuple(x + (share * dx if share != 1 else dx) for x, dx in zip(state, change, strict=True))
