"""One clear error before any work: the argument, its value, its unit and the remedy."""

import numbers
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lifjax.neurons.base import LARGEST_COUNT, Grid, Parameter, parameters, traced

LARGEST = 1e15  # leaves room for products and quotients of two such numbers in float32
SMALLEST = 1e-15  # of what is to be above 0, likewise
_SHOWN = 80  # characters of a value in an error


def shown(value: Any) -> str:
    """A value as an error shows it: in one line, not too long.

    Example:
        >>> print(shown(np.eye(2)), shown("a" * 99)[-9:])
        array([[1., 0.], [0., 1.]]) aaaaaa...
    """
    try:
        words = " ".join(repr(value).split())
    except Exception:  # of whatever a person gave, or a whole number with more digits than Python prints
        words = f"a {type(value).__name__}"
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 3]}..."


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; NumPy counts a time span among them."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.timedelta64)


def check_path(name: str, value: Any) -> Path:
    """The value as a path; raise where it is none."""
    try:
        path = os.fspath(value)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise TypeError(f"{name} = {shown(value)} is a {type(value).__name__}; give a path, as text or a pathlib.Path")
    if not path or "\0" in path:
        raise ValueError(f"{name} = {shown(value)} is no path; give the name of a file or a folder")
    return Path(path)


def check_model(neuron: Any) -> None:
    """Raise unless it is a neuron."""
    asked = ("constants", "start", "step", "shows", "integrators")
    if isinstance(neuron, type) or not all(hasattr(neuron, name) for name in asked):
        raise TypeError(f"neuron = {shown(neuron)} is no neuron model; give one such as lifjax.LIF()")


def check_choice(name: str, value: Any, known: Any, of: str = "") -> None:
    """Raise ValueError unless a word is one of those that are known."""
    if not isinstance(value, str) or value not in known:
        told = " or ".join(map(repr, known)) if len(known) < 3 else f"one of {', '.join(map(repr, known))}"
        raise ValueError(f"{name} = {shown(value)} is {of or 'unknown'}; choose {told}")


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
        raise TypeError(f"{name} = {shown(value)} is a {type(value).__name__}; give a number or an array of numbers")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or leave out what is masked, and give a plain array")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} is a ragged list; give rows of equal length ({shown(error)})") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} holds {array.dtype} values; give real numbers")
    return array


def check_value(name: str, value: Any, rule: Parameter) -> np.ndarray:
    """The value as an array, once it is known to be finite and within the rule's bounds.

    Raises:
        TypeError: not real numbers.
        ValueError: not finite, empty, too large or out of bounds; the message names the first such element.
    """
    if type(value) is float and -LARGEST <= value <= LARGEST and rule.allows(value) and not _too_small(value, rule):
        return np.asarray(value)  # by far the most are such, and this takes far less time
    array = concrete(name, value)
    unit = f" [{rule.unit}]" if rule.unit else ""
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {array.shape}); the {rule.meaning} needs at least one value{unit}")
    low, high = float(array.min()), float(array.max())  # not finite if one value is not
    if -LARGEST <= low and high <= LARGEST and rule.allows(low) and rule.allows(high) and not _too_small(low, rule):
        return array
    if not np.isfinite(array).all():
        raise ValueError(
            f"{_first(name, array, ~np.isfinite(array), rule.unit)} is not finite; "
            f"the {rule.meaning} must be a finite number{unit}"
        )
    if (large := np.abs(array) > np.float64(LARGEST)).any():
        raise ValueError(
            f"{_first(name, array, large, rule.unit)} is beyond {LARGEST:g} {rule.unit}, where float32 arithmetic "
            f"overflows; give a {rule.meaning} of a physical size"
        )
    if rule.broken_by(array).any():
        raise ValueError(
            f"{_first(name, array, rule.broken_by(array), rule.unit)}: the {rule.meaning} must be {rule.rule}"
        )
    if np.any(small := _too_small(array, rule)):
        raise ValueError(
            f"{_first(name, array, small, rule.unit)} is below {SMALLEST:g} {rule.unit}, too small to divide "
            f"by in float32; give a {rule.meaning} of a physical size"
        )
    return array


def _too_small(value: Any, rule: Parameter) -> Any:
    """Where a value that is to be above 0 is too near to it."""
    return False if rule.above != 0 else value < SMALLEST


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


def check_numbers(owner: str, **given: Any) -> None:
    """Raise unless all are real numbers, or traced, and of shapes that go together."""
    known = {name: concrete(f"{owner}: {name}", value) for name, value in given.items() if not traced(value)}
    try:
        np.broadcast_shapes(*(value.shape for value in known.values()))
    except ValueError:
        told = ", ".join(f"{name} {value.shape}" for name, value in known.items())
        raise ValueError(f"{owner}: {told} do not broadcast to one shape; add axes of 1 where they differ") from None


def check_order(owner: Any, low: str, high: str) -> None:
    """Raise ValueError unless the parameter ``low`` is below the parameter ``high`` everywhere."""
    a, b = getattr(owner, low), getattr(owner, high)
    if type(a) is float and type(b) is float and a < b:  # as most are: NumPy takes longer
        return
    unit = parameters(owner)[low].unit
    a, b = np.broadcast_arrays(np.asarray(a), np.asarray(b))
    if not (a < b).all():
        where = a >= b
        raise ValueError(
            f"{type(owner).__name__}: {_first(low, a, where, unit)} must be below {_first(high, b, where, unit)}; "
            f"lower {low} or raise {high}"
        )


def _held(owner: Any, name: str) -> np.ndarray:
    """A parameter as an array, in a type that has room for what it is compared with."""
    array = np.asarray(getattr(owner, name))
    return array.astype(np.float32) if array.dtype == np.float16 else array


def check_time_constant(owner: Any, name: str, dt: Any) -> None:
    """Raise ValueError unless the grid step dt [ms] is below a time constant everywhere."""
    if type(tau := getattr(owner, name)) is float and type(dt) is float and tau > dt:
        return
    tau = _held(owner, name)
    if not (tau > dt).all():
        slow = f"{type(owner).__name__}: {_first(name, tau, ~(tau > dt), 'ms')}"
        raise ValueError(
            f"dt = {dt} ms must be below {slow}, or a step leaps over the neuron's own time scale; "
            f"try dt = {float(tau.min()) / 10:.3g} or less"
        )


def check_rate(owner: Any, name: str, dt: Any) -> None:
    """Raise ValueError unless the grid step dt [ms] is below the time constant of a rate [1/ms] everywhere."""
    rate = _held(owner, name)
    if not (rate * dt < 1).all():
        fast = f"{type(owner).__name__}: {_first(name, rate, ~(rate * dt < 1), '1/ms')}"
        raise ValueError(
            f"dt = {dt} ms must be below 1 / {fast}, or a step leaps over the neuron's own time scale; "
            f"try dt = {0.1 / float(rate.max()):.3g} or less"
        )


def check_count(owner: Any, name: str, grid: Grid) -> None:
    """Raise ValueError where a time [ms] has more steps than a neuron can count."""
    most = LARGEST_COUNT * grid.dt
    if type(time := getattr(owner, name)) is float and type(most) is float and time <= most:
        return
    time = _held(owner, name)
    if not (time <= most).all():
        raise ValueError(
            f"{type(owner).__name__}: {_first(name, time, ~(time <= most), 'ms')} is more than {LARGEST_COUNT} steps "
            f"of dt = {grid.dt} ms can be counted; lower {name} or raise dt"
        )


def check_share(owner: Any, name: str) -> None:
    """Raise ValueError where a share, such as a correlation, is above 1."""
    share = np.asarray(getattr(owner, name))
    if not (share <= 1).all():
        raise ValueError(f"{type(owner).__name__}: {_first(name, share, ~(share <= 1), '')} must be at most 1")


def check_whole(owner: Any, name: str) -> None:
    """Raise ValueError where what numbers things is not a whole number that 32 bits hold."""
    number = np.asarray(getattr(owner, name))
    wrong = (number != np.floor(number)) | (number >= 2**32)
    if wrong.any():
        raise ValueError(
            f"{type(owner).__name__}: {_first(name, number, wrong, '')} must be a whole number, from 0 to {2**32 - 1}"
        )


def _first(name: str, array: np.ndarray, where: np.ndarray, unit: str) -> str:
    """The first offending element, as in 'tau_m[3] = -1.0 ms'."""
    at = tuple(int(i) for i in np.argwhere(where)[0])
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{name}{index} = {array[at]} {unit}".rstrip()
