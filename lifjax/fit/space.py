r"""Where a fit looks: bounds in physical units, and the unconstrained, scaled numbers that an optimiser moves.

A parameter with bounds low and high is low + (high - low) p, or low (high / low)^p where it can only be positive, with
p = 1 / (1 + exp(-u)) for any real u. So a step of 1 in u means about the same for a time constant in ms and a threshold
in mV, no step leaves the bounds, and near a bound steps become small by themselves. A parameter that must stay below
another has that other, wherever it is at the moment, as its upper bound.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import Neuron, Parameter, parameters
from lifjax.neurons.check import check_value, shown

GAP = 0.1  # mV by which V_reset stays below V_th, at least
_EDGE = 0.01  # how near to a bound a fit may begin, as a share of the range: nearer, a step moves nothing
_NEAR = 3.5  # scaled parameter from which on it counts as at a bound, 3 % of the range or less from it
_STEPS = 2.0  # grid steps that a time constant lasts, at least

Bounds = Mapping[str, tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Space:
    """The free parameters, in the order in which one may bound the next, with their bounds, each of a field's shape."""

    names: tuple[str, ...]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    positive: frozenset[str]
    below: tuple[tuple[str, str], ...]  # pairs of free parameters, the lower first

    def scaled(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The unconstrained numbers of physical ones, both float64 and by name; those at a bound are moved inwards."""
        out = {}
        for name in self.names:
            low, high = self.low[name], self.high[name]
            for lower, upper in self.below:
                if lower == name:
                    high = np.minimum(high, _reduced(np, values[upper], np.shape(values[name])) - GAP)
            x = np.asarray(values[name], np.float64)
            if name in self.positive:
                low, high, x = np.log(low), np.log(high), np.log(x)
            p = np.clip((x - low) / np.maximum(high - low, 1e-12), _EDGE, 1 - _EDGE)
            out[name] = np.log(p) - np.log1p(-p)
        return out

    def physical(self, u: Mapping[str, Array], low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Array]:
        """The physical numbers of unconstrained ones; bounds are given anew, since they may be those of a part."""
        out: dict[str, Array] = {}
        for name in self.names:
            p, least, most = jax.nn.sigmoid(u[name]), low[name], high[name]
            for lower, upper in self.below:
                if lower == name:
                    most = jnp.minimum(most, _reduced(jnp, out[upper], jnp.shape(u[name])) - GAP)
            if name in self.positive:
                out[name] = jnp.exp(jnp.log(least) + (jnp.log(most) - jnp.log(least)) * p)
            else:
                out[name] = least + (most - least) * p
        return out

    def at_bound(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Where each parameter ended at a bound (bool, of its field's shape)."""
        return {name: np.abs(u) > _NEAR for name, u in self.scaled(values).items()}


def space(neuron: Neuron, free: tuple[str, ...], bounds: Bounds | None, dt: float) -> Space:
    """The space of a fit, from what the model's fields say about themselves and from bounds that replace it.

    Raises:
        TypeError, ValueError: a bound makes no sense, or leaves out where the fit begins.
    """
    told, given = parameters(neuron), dict(bounds or {})
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    pairs = tuple((name, str(told[name].below)) for name in told if told[name].below)
    # What bounds another comes first.
    names = tuple(sorted(free, key=lambda name: any(lower == name and upper in free for lower, upper in pairs)))
    for name in names:
        shape = np.shape(getattr(neuron, name))
        low[name], high[name] = _bounds(name, told[name], given.get(name), shape)
        if told[name].unit == "ms":  # no time constant may be leapt over in a step
            low[name] = np.maximum(low[name], _STEPS * dt)
        for lower, upper in pairs:  # against what is not free, or against the range of what is
            if name == lower and upper not in free:
                high[name] = np.minimum(high[name], _reduced(np, getattr(neuron, upper), shape) - GAP)
            if name == upper:
                floor = low[lower] if lower in free and lower in low else getattr(neuron, lower)
                if lower in free:
                    floor = _bounds(lower, told[lower], given.get(lower), np.shape(getattr(neuron, lower)))[0]
                low[name] = np.maximum(low[name], -_reduced(np, -np.asarray(floor, np.float64), shape) + 2 * GAP)
        _check_start(name, told[name], np.asarray(getattr(neuron, name), np.float64), low[name], high[name])
    positive = frozenset(name for name in names if told[name].above == 0.0 and bool((low[name] > 0).all()))
    return Space(names, low, high, positive, tuple(pair for pair in pairs if set(pair) <= set(free)))


def _bounds(name: str, rule: Parameter, given: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of one parameter as float64 arrays of its field's shape."""
    pair = rule.fit if given is None else given
    if (
        not isinstance(pair, tuple | list | np.ndarray)
        or (isinstance(pair, np.ndarray) and not pair.ndim)
        or len(pair) != 2
    ):
        raise ValueError(f"bounds[{name!r}] = {shown(pair)} must be a pair (low, high) [{rule.unit}]")
    ends = []
    for which, value in zip(("low", "high"), pair, strict=True):
        array = check_value(f"bounds[{name!r}]: {which}", value, rule)
        try:
            ends.append(np.array(np.broadcast_to(np.asarray(array, np.float64), shape)))
        except ValueError:
            raise ValueError(
                f"bounds[{name!r}]: {which} has shape {array.shape}, which does not broadcast to that of "
                f"{name}, {shape}"
            ) from None
    low, high = ends
    if not (low < high).all():
        raise ValueError(f"bounds[{name!r}] = {shown(pair)} {rule.unit}: low must be below high everywhere")
    return low, high


def _check_start(name: str, rule: Parameter, start: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    wrong = (start < low * (1 - np.sign(low) * 1e-6)) | (start > high * (1 + np.sign(high) * 1e-6))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        index = f"[{', '.join(map(str, at))}]" if at else ""
        raise ValueError(
            f"{name}{index} = {start[at]:g} {rule.unit}, where the fit begins, is outside its bounds, {low[at]:g} to "
            f"{high[at]:g} {rule.unit}; begin within them, or give bounds={{{name!r}: (low, high)}}"
        )


def _reduced(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """The least of x over the axes that a field of this shape does not have, so that it holds for all that share it."""
    x = xp.asarray(x)
    extra = max(0, x.ndim - len(shape))
    padded = (1,) * (x.ndim - len(shape)) + tuple(shape) if x.ndim >= len(shape) else shape
    x = x.reshape((1,) * (len(padded) - x.ndim) + x.shape)
    axes = tuple(i for i, n in enumerate(padded) if n == 1 and x.shape[i] > 1)
    least = x.min(axis=axes, keepdims=True) if axes else x
    return xp.broadcast_to(least, padded).reshape(padded[extra:])
