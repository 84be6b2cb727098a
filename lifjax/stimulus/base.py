"""What a stimulus is, and how stimuli add up."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

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
    memory = False  # whether anything is carried from step to step
    drawn = False  # whether a step needs random bits
    shared = False  # whether it also needs those of a source that neurons share, whose number is prepared as "source"

    @property
    def kind(self) -> type["Stimulus"]:
        """The class whose steps are compiled."""
        return type(self)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The dataclasses that hold its parameters."""
        return (self,)

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

    @classmethod
    def begin(cls, c: Prepared, word: Any, lanes: Lanes) -> Any:
        """What is carried from step to step; ``word`` holds random bits as in a step, but others."""
        return ()

    @staticmethod
    def draw(c: Prepared, word: Any) -> Any:
        """What a step draws, from random bits alone, so that it may be drawn ahead: the bits, or what is made of them.

        ``word`` holds 32 of them for each neuron where the stimulus is ``drawn``, and is a pair of such where it is
        ``shared``: each neuron's own, and those of its source.
        """
        return word

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        """The next state and the current [pA] at step k, of shape () or (neurons,); ``drawn`` is what `draw` found."""
        raise NotImplementedError

    @classmethod
    def drive(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Input]:
        """The same as an `Input`; what is not only a current has its own."""
        state, current = cls.current(c, state, k, drawn, lanes)
        return state, Input(current=current)


def conducting(kind: type[Stimulus]) -> bool:
    """Whether a stimulus may give a conductance: one that does not say so may if it has a `drive` of its own."""
    own = kind.__mro__[: kind.__mro__.index(Stimulus)]
    return bool(getattr(kind, "reversal", any("drive" in vars(one) for one in own)))


StimulusLike = Stimulus | Values

STEPS, BEGIN = (0, 4), (1, 5)  # the purposes of what stimuli draw: for each neuron, for each shared source


def keys(
    kind: type[Stimulus], seed: ArrayLike, stream: int, purposes: tuple[int, int] = STEPS
) -> tuple[noise.Key, ...]:
    """A key for the bits of each neuron and one for those of shared sources, as far as a stimulus needs them."""
    return tuple(noise.key(seed, stream, purpose) for purpose in purposes[: kind.drawn + kind.shared])


def begun(kind: type[Stimulus], c: Prepared, seed: ArrayLike, stream: int, lanes: Lanes) -> Any:
    """What a stimulus carries at first."""
    drawn = [noise.bits(key, index, 0) for key, index in wells(keys(kind, seed, stream, BEGIN), lanes.index, c)]
    return kind.begin(c, together(drawn), lanes)


def wells(keys: Sequence[noise.Key], index: Array, c: Prepared) -> list[tuple[noise.Key, Array]]:
    """Each key with the numbers of what draws from it: neurons, and the sources that they share."""
    return [*zip(keys, (index, c["source"]) if len(keys) > 1 else (index,), strict=False)]


def together(words: Sequence[Array]) -> Any:
    """Random bits as a stimulus is given them: None, those of each neuron, or a pair with those of shared sources."""
    return (None, *words)[len(words)] if len(words) < 2 else tuple(words)


def blend(x: Array, a: Array, b: Array, y: Array) -> Array:
    """``x * a + b * y``, with the same bits whatever it is compiled with."""
    return product(x, a) + product(y, b)


def product(x: Array, a: Array) -> Array:
    """``x * a``, with the same bits whatever it is compiled with.

    The choice, which no compiler knows to be always the first, keeps the product from being contracted with a sum.
    """
    return jnp.where(jnp.abs(x) < _HUGE, x * a, 0)


_HUGE = 1e30


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

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
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
