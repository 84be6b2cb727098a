"""What is to be fitted, made ready: how the population is cut, what is compiled, and the numbers of some groups."""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from lifjax import noise
from lifjax.fit.forward import Block, Setup
from lifjax.fit.lanes import Cut, Drives, fields_of
from lifjax.fit.space import Space
from lifjax.fit.targets import Target
from lifjax.neurons.base import Grid, Neuron
from lifjax.stimulus.base import Constant, StimulusLike, terms
from lifjax.surrogate import Spike


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A fit that was checked.

    neuron: where it begins.
    targets: what to meet.
    cut: the population in groups.
    space: bounds.
    duration: [ms], and steps of dt [ms].
    fresh: whether noise is drawn anew for each iteration.
    optimizer: of optax, or None.
    """

    neuron: Neuron
    stimulus: StimulusLike
    targets: tuple[Target, ...]
    cut: Cut
    space: Space
    duration: float
    steps: int
    dt: float
    integrator: str
    spike: Spike
    seed: int
    fresh: bool
    optimizer: Any = None

    @functools.cached_property
    def drives(self) -> Drives:
        """The stimuli."""
        return Drives.of(terms(self.stimulus), Grid(dt=self.dt, steps=self.steps, integrator=self.integrator))

    @functools.cached_property
    def setup(self) -> Setup:
        """What decides what is compiled."""
        kinds = tuple(term.kind for term in terms(self.stimulus))
        needs = frozenset().union(*(target.needs for target in self.targets))
        # Under a constant current V is highest at the end, so there is no need to look for its highest on the way.
        steady = all(kind is Constant for kind in kinds)
        wanted = "spike_count" in needs and any(target.pulls for target in self.targets)
        return Setup(
            model=type(self.neuron),
            names=self.space.names,
            positive=self.space.positive,
            below=self.space.below,
            shape=(self.cut.trials, *self.cut.shape),
            trials=self.cut.trials,
            conditions=self.cut.conditions,
            steps=self.steps,
            dt=self.dt,
            integrator=self.integrator,
            spike=self.spike,
            needs=needs | ({"peak"} if wanted and not steady else set()),
            pairs=any(kind.drawn for kind in kinds) or getattr(self.neuron, "drawn", False),
            optimizer=self.optimizer,
        )

    @property
    def counted(self) -> int:
        """How many numbers a group is asked to meet: one a target and condition, as a trace's are not independent."""
        return self.cut.conditions * len(self.targets)

    def block(self, groups: np.ndarray, numbers: np.ndarray) -> Block:
        """The numbers of some groups; ``numbers`` tell apart the copies of one."""
        names, cut = self.space.names, self.cut
        return Block(
            fields=fields_of(self.neuron, cut, groups, names),
            index=jnp.asarray(cut.index(groups)),
            group=jnp.asarray(numbers, jnp.uint32),
            low=self.rows(self.space.low)[:, groups],
            high=self.rows(self.space.high)[:, groups],
            targets=tuple(target.at(cut, groups) for target in self.targets),
        )

    def rows(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """Values of the free fields, each of a field's shape, as (parameters, groups) in the working dtype."""
        groups = self.cut.groups
        rows = [np.broadcast_to(np.asarray(values[name]).reshape(-1), (groups,)) for name in self.space.names]
        return np.stack(rows).astype(jnp.result_type(float))

    def fields(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """(parameters, groups) as fields of their own shapes."""
        names = self.space.names
        return {name: row.reshape(np.shape(getattr(self.neuron, name))) for name, row in zip(names, rows, strict=True)}

    def seeds(self, first: int, count: int) -> np.ndarray:
        """Two words of a seed for each iteration, (count, 2): the same for all unless noise is fresh."""
        words = np.tile(noise.words(self.seed), (count, 1))
        if self.fresh:
            words[:, 1] ^= np.arange(first + 1, first + count + 1, dtype=np.uint32)
        return words
