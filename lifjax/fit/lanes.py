"""The neurons of a fit as lanes: each sees one condition, in one trial, and answers to one group of free parameters.

A population of shape (trials, *population) is cut along the axes that the free fields have: what shares a value of each
of them is a group, fitted by itself, and the other axes are its conditions. Lanes are laid out as (trials, conditions,
groups), so that any choice of groups is one array, and a group that is done is left out. Each keeps its index in the
population, and with it the noise that `lifjax.simulate` would give it.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import noise
from lifjax.neurons.base import Grid, Neuron, parameters, pytree
from lifjax.neurons.elements import listed
from lifjax.simulate.step import NEURONS, Plan, Ready, Take, prepared, taker
from lifjax.stimulus.base import Lanes, Prepared, Stimulus, begun, keys
from lifjax.surrogate import Spike


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a population is cut into groups.

    shape: of the population, without trials.
    trials: how many.
    order: (conditions, groups), indices into the flattened population.
    """

    shape: tuple[int, ...]
    trials: int
    order: np.ndarray

    @property
    def conditions(self) -> int:
        """How many conditions a group is seen under."""
        return int(self.order.shape[0])

    @property
    def groups(self) -> int:
        """How many groups are fitted."""
        return int(self.order.shape[1])

    def of(self, array: Any, chosen: np.ndarray) -> np.ndarray:
        """An array that broadcasts to the population, at the groups that are chosen: (conditions, chosen)."""
        full = np.broadcast_to(np.asarray(array), self.shape)
        return np.asarray(full.reshape(-1)[self.order[:, chosen]])

    def index(self, chosen: np.ndarray) -> np.ndarray:
        """The index of each lane in the flattened population with trials, uint32, flat (trials, conditions, chosen)."""
        size = math.prod(self.shape)
        trial = np.arange(self.trials, dtype=np.int64)[:, None, None] * size
        return (trial + self.order[:, chosen]).astype(np.uint32).reshape(-1)


def cut(shape: tuple[int, ...], trials: int, field: tuple[int, ...]) -> Cut:
    """The cut of a population along the axes of a free field of shape ``field``.

    Example:
        >>> cut((5, 3), 1, (3,)).order.shape
        (5, 3)
    """
    padded = (1,) * (len(shape) - len(field)) + field
    conditions = [i for i, n in enumerate(padded) if n == 1]
    own = [i for i, n in enumerate(padded) if n != 1]
    flat = np.arange(math.prod(shape)).reshape(shape).transpose(*conditions, *own)
    return Cut(shape, trials, flat.reshape(-1, math.prod(shape[i] for i in own)))


@pytree
class Drives:
    """Stimuli made ready once, in the shape they were given in."""

    prepared: tuple[Prepared, ...]
    kinds: tuple[type[Stimulus], ...] = dataclasses.field(metadata={"static": True})

    @staticmethod
    def of(stimuli: tuple[Stimulus, ...], grid: Grid) -> "Drives":
        """Made ready on a grid."""
        ready = tuple(jax.tree.map(jnp.asarray, stimulus.prepare(grid)) for stimulus in stimuli)
        return Drives(prepared=ready, kinds=tuple(stimulus.kind for stimulus in stimuli))

    @property
    def drawn(self) -> bool:
        """Whether any is random."""
        return any(kind.drawn for kind in self.kinds)


def fields_of(neuron: Neuron, cut: Cut, chosen: np.ndarray, free: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The fields that are not free: a scalar as it is, an array at the lanes of the groups that are chosen."""

    def at_lanes(x: np.ndarray, leading: int) -> np.ndarray:
        if x.ndim == leading:
            return x
        if x.size == 0:  # no elements
            return x.reshape((0,) * leading)
        if leading:
            return np.stack([at_lanes(one, leading - 1) for one in x])
        return np.tile(cut.of(x, chosen).reshape(-1), cut.trials)

    return {
        name: at_lanes(np.asarray(listed(value) if rule.leading else value, jnp.result_type(float)), rule.leading)
        for name, rule in parameters(neuron).items()
        for value in [getattr(neuron, name)]
        if name not in free
    }


def steps_of(
    neuron: Neuron, drives: Drives, seed: Array, index: Array, shape: tuple[int, ...], grid: Grid, spike: Spike
) -> tuple[Take, Any]:
    """The steps of some lanes, as `lifjax.simulate.step.taker` gives them, and the state they begin in.

    Args:
        neuron: whose fields are scalars or have one value a lane; they may be traced.
        drives: the stimuli.
        seed: two words.
        index: each lane's place in the population with trials, uint32.
        shape: of that population.
        grid: of time.
        spike: the spike function.
    """
    place = _places(index, shape)
    width = index.shape[0]

    def spread(x: Array) -> Array:
        """An array that broadcasts to the population, at the lanes; a scalar stays one."""
        axes = range(len(shape) - x.ndim, len(shape))
        at = tuple(place[axis] if n > 1 else jnp.zeros((), jnp.int32) for axis, n in zip(axes, x.shape, strict=True))
        return x[at] if math.prod(x.shape) > 1 else x.reshape(())

    ready = Ready(
        constants=jax.tree.map(jnp.asarray, neuron.constants(grid)),
        drives=tuple(prepared(kind, c, spread) for kind, c in zip(drives.kinds, drives.prepared, strict=True)),
        keys=tuple(keys(kind, seed, stream) for stream, kind in enumerate(drives.kinds)),
        own=noise.key(seed, purpose=NEURONS),
        index=index,
    )
    plan = Plan(constants=None, drives=(), seed=seed, model=type(neuron), kinds=drives.kinds, shape=(width,))
    lanes = Lanes(index, spread)
    carried = tuple(
        {kind.__name__: begun(kind, c, seed, stream, lanes)}
        for stream, (kind, c) in enumerate(zip(drives.kinds, ready.drives, strict=True))
    )
    flat: Callable[[Any], Array] = partial(_flat, width=width)
    return taker(plan, ready, spread, spike), jax.tree.map(flat, (neuron.start(), carried))


def _flat(leaf: Any, width: int) -> Array:
    dtype = jnp.int32 if jnp.issubdtype(jnp.result_type(leaf), jnp.integer) else jnp.result_type(float)
    return jnp.broadcast_to(jnp.asarray(leaf, dtype), (width,))


def _places(index: Array, shape: tuple[int, ...]) -> list[Array]:
    """Where each lane is along each axis of the population, int32."""
    left, out = index.astype(jnp.int32), []
    for n in reversed(shape):
        out.append(left % jnp.int32(n))
        left = left // jnp.int32(n)
    return out[::-1]
