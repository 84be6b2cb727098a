"""What a stimulus is, and how stimuli add up."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from jax import Array

from lifjax import noise
from lifjax.neurons.base import Grid, Input, Values, parameter, pytree

Prepared = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Lanes:
    """The neurons that a current is asked for."""

    index: Array  # (neurons,) uint32: each one's place in the population
    spread: Callable[[Array], Array]  # an array that broadcasts to the population -> (neurons,); a scalar stays one


class Stimulus:
    """The base of every stimulus: addition, and the defaults of one without memory or noise."""

    timed: tuple[str, ...] = ()  # the prepared arrays whose first axis is not the population's
    drawn = False  # whether a step needs random bits

    def __add__(self, other: "StimulusLike") -> "Sum":
        return Sum(terms=(*terms(self), *terms(other)))

    def __radd__(self, other: "StimulusLike") -> "Sum":
        return Sum(terms=(*terms(other), *terms(self)))

    # NumPy arrays must leave array + stimulus to us rather than add element by element.
    __array_ufunc__ = None

    def check(self, grid: Grid) -> None:
        """Raise ValueError where numbers do not fit together or do not fit the grid."""

    def prepare(self, grid: Grid) -> Prepared:
        """The numbers that the steps need."""
        raise NotImplementedError

    @staticmethod
    def begin(c: Prepared, key: noise.Key, lanes: Lanes) -> Any:
        """What is carried from step to step."""
        return ()

    @staticmethod
    def current(c: Prepared, state: Any, k: Array, word: Any, lanes: Lanes) -> tuple[Any, Array]:
        """The next state and the current [pA] at step k, of shape () or (neurons,).

        ``word`` holds 32 random bits for each neuron where the stimulus is ``drawn``.
        """
        raise NotImplementedError

    @classmethod
    def drive(cls, c: Prepared, state: Any, k: Array, word: Any, lanes: Lanes) -> tuple[Any, Input]:
        """The same as an `Input`; what is not only a current has its own."""
        state, current = cls.current(c, state, k, word, lanes)
        return state, Input(current=current)


StimulusLike = Stimulus | Values


@pytree
class Sum(Stimulus):
    """Stimuli that act together. Each draws its noise from a stream of its own, numbered by its place in the sum."""

    terms: tuple[Stimulus, ...]


def terms(stimulus: StimulusLike) -> tuple[Stimulus, ...]:
    """The stimuli in a sum, in order; a bare number or array is a constant current.

    Example:
        >>> [type(term).__name__ for term in terms(200.0 + constant(50.0))]
        ['Constant', 'Constant']
    """
    if isinstance(stimulus, Sum):
        return stimulus.terms
    return (stimulus if isinstance(stimulus, Stimulus) else Constant(I=stimulus),)


@pytree
class Constant(Stimulus):
    """See `constant`."""

    I: Values = parameter("pA", "current")

    def prepare(self, grid: Grid) -> Prepared:
        return {"I": grid.number(self.I)}

    @staticmethod
    def current(c: Prepared, state: Any, k: Array, word: Any, lanes: Lanes) -> tuple[Any, Array]:
        return state, c["I"]


def constant(I: Values) -> Constant:
    """The same current at all times.

    Args:
        I: current [pA]; an array broadcasts to the population.

    Example:
        >>> import lifjax
        >>> int(lifjax.simulate(lifjax.LIF(), lifjax.constant(300.0), 500.0).spike_count)
        38
    """
    return Constant(I=I)


def summed(inputs: Sequence[Input]) -> Input:
    """What several stimuli give together.

    Example:
        >>> summed([Input(current=1.0), Input(current=2.0, conductance=3.0)])
        Input(current=3.0, conductance=3.0, jump=None, word=None)
    """

    def total(name: str) -> Any:
        parts = [part for one in inputs if (part := getattr(one, name)) is not None]
        return functools.reduce(operator.add, parts) if parts else None

    return Input(current=total("current"), conductance=total("conductance"), jump=total("jump"))
