"""One clear error before any work: the argument, its value, its unit and the remedy."""

from typing import Any

import jax
import numpy as np

from lifjax.neurons.base import LARGEST_COUNT, Grid, Parameter, parameters, traced

LARGEST = 1e15  # leaves room for products and quotients of two such numbers in float32


def concrete(name: str, value: Any) -> np.ndarray:
    """The value as a NumPy array of real numbers.

    Raises:
        TypeError: it is traced, or not made of real numbers.
    """
    if traced(value):
        raise TypeError(
            f"{name} is traced by jit, grad or vmap, where nothing can be checked; call lifjax.integrate there"
        )
    if not isinstance(value, (jax.Array, np.ndarray, np.generic, int, float, list, tuple)) or isinstance(value, bool):
        raise TypeError(f"{name} = {value!r} is a {type(value).__name__}; give a number or an array of numbers")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or leave out what is masked, and give a plain array")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} is a ragged list; give rows of equal length ({error})") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} holds {array.dtype} values; give real numbers")
    return array


def check_value(name: str, value: Any, rule: Parameter) -> np.ndarray:
    """The value as an array, once it is known to be finite and within the rule's bounds.

    Raises:
        TypeError: not real numbers.
        ValueError: not finite, empty, too large or out of bounds; the message names the first such element.
    """
    if type(value) is float and -LARGEST <= value <= LARGEST and rule.allows(value):
        return np.asarray(value)  # by far the most are such, and this takes far less time
    array = concrete(name, value)
    if array.size == 0:
        raise ValueError(
            f"{name} is empty (shape {array.shape}); the {rule.meaning} needs at least one value [{rule.unit}]"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{_first(name, array, ~np.isfinite(array), rule.unit)} is not finite; "
            f"the {rule.meaning} must be a finite number [{rule.unit}]"
        )
    if (large := np.abs(array) > LARGEST).any():
        raise ValueError(
            f"{_first(name, array, large, rule.unit)} is beyond {LARGEST:g} {rule.unit}, where float32 arithmetic "
            f"overflows; give a {rule.meaning} of a physical size"
        )
    if rule.broken_by(array).any():
        raise ValueError(
            f"{_first(name, array, rule.broken_by(array), rule.unit)}: the {rule.meaning} must be {rule.rule}"
        )
    return array


def check_fields(owner: Any) -> None:
    """Check every parameter of a model, a stimulus or a state against its own metadata."""
    for name, rule in parameters(owner).items():
        value = getattr(owner, name)
        if rule.optional and (value is None or (rule.leading and np.ndim(value) and len(value) == 0)):
            continue
        array = check_value(f"{type(owner).__name__}: {name}", value, rule)
        if array.ndim < rule.leading:
            raise ValueError(
                f"{type(owner).__name__}: {name} has shape {array.shape}; the {rule.meaning} needs "
                f"{rule.leading} leading axis, {rule.axes}: give ({rule.axes},) or ({rule.axes}, *population)"
            )


def check_order(owner: Any, low: str, high: str) -> None:
    """Raise ValueError unless the parameter ``low`` is below the parameter ``high`` everywhere."""
    unit = parameters(owner)[low].unit
    a, b = np.broadcast_arrays(np.asarray(getattr(owner, low)), np.asarray(getattr(owner, high)))
    if not (a < b).all():
        where = a >= b
        raise ValueError(
            f"{type(owner).__name__}: {_first(low, a, where, unit)} must be below {_first(high, b, where, unit)}; "
            f"lower {low} or raise {high}"
        )


def check_time_constant(owner: Any, name: str, dt: Any) -> None:
    """Raise ValueError unless the grid step dt [ms] is below a time constant everywhere."""
    tau = np.asarray(getattr(owner, name))
    if not (tau > dt).all():
        slow = f"{type(owner).__name__}: {_first(name, tau, ~(tau > dt), 'ms')}"
        raise ValueError(
            f"dt = {dt} ms must be below {slow}, or a step leaps over the neuron's own time scale; "
            f"try dt = {float(tau.min()) / 10:.3g} or less"
        )


def check_count(owner: Any, name: str, grid: Grid) -> None:
    """Raise ValueError where a time [ms] has more steps than a neuron can count."""
    time = np.asarray(getattr(owner, name))
    most = LARGEST_COUNT * grid.dt
    if not (time <= most).all():
        raise ValueError(
            f"{type(owner).__name__}: {_first(name, time, ~(time <= most), 'ms')} is more than {LARGEST_COUNT} steps "
            f"of dt = {grid.dt} ms can be counted; lower {name} or raise dt"
        )


def _first(name: str, array: np.ndarray, where: np.ndarray, unit: str) -> str:
    """The first offending element, as in 'tau_m[3] = -1.0 ms'."""
    at = tuple(int(i) for i in np.argwhere(where)[0])
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{name}{index} = {array[at]} {unit}"
