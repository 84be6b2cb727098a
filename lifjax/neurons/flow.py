r"""A step of a model that is not linear: by Euler, or by Runge and Kutta's fourth-order method ("rk4").

A model gives the slopes of its variables as changes per step. Sums here and there have one product each, or products by
powers of two, so that wherever they are compiled they are contracted alike and the bits are the same in every layout.
"""

from collections.abc import Callable

from jax import Array

Slopes = Callable[..., tuple[Array, ...]]


def onward(integrator: str, slopes: Slopes, state: tuple[Array, ...]) -> tuple[Array, ...]:
    """The variables after a step.

    Args:
        integrator: "euler" or "rk4".
        slopes: what a step would change, as a function of the variables.
        state: the variables, as many as there are slopes.

    Example:
        >>> x, = onward("rk4", lambda x: (-0.1 * x,), (1.0,))
        >>> print(f"{x:.6f}")  # exp(-0.1)
        0.904837
    """
    first = slopes(*state)
    if integrator == "euler":
        return _moved(state, first, 1.0)
    second = slopes(*_moved(state, first, 0.5))
    third = slopes(*_moved(state, second, 0.5))
    fourth = slopes(*_moved(state, third, 1.0))
    mean = tuple(a + 2 * b + (2 * c + d) for a, b, c, d in zip(first, second, third, fourth, strict=True))
    return _moved(state, mean, 1 / 6)


def _moved(state: tuple[Array, ...], change: tuple[Array, ...], share: float) -> tuple[Array, ...]:
    return tuple(x + (share * dx if share != 1 else dx) for x, dx in zip(state, change, strict=True))
