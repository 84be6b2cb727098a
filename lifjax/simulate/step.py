"""The one vmap over neurons: the steps of a population, or of a block of it, as pure functions."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from lifjax import noise
from lifjax.neurons.base import Input, Neuron, pytree
from lifjax.neurons.leak import Divisor
from lifjax.stimulus.base import Lanes, Prepared, Stimulus, keys, summed, together, wells
from lifjax.surrogate import Spike


@pytree
class Plan:
    """A run made ready for the scan: numbers as leaves, and as static fields all that decides what is compiled."""

    constants: Any
    drives: tuple[Prepared, ...]
    seed: ArrayLike
    model: type[Neuron] = dataclasses.field(metadata={"static": True})
    kinds: tuple[type[Stimulus], ...] = dataclasses.field(metadata={"static": True})
    shape: tuple[int, ...] = dataclasses.field(metadata={"static": True})


@pytree
class Ready:
    """The numbers of a plan laid out for its neurons: each is one that all share, or has a value a neuron."""

    constants: Any
    drives: tuple[Prepared, ...]
    keys: tuple[tuple[noise.Key, ...], ...]
    own: noise.Key
    index: Array


NEURONS = 3  # the purpose of what neurons draw; 1 is the initial state of stimuli, 2 is taken by fits

Spread = Callable[[Array], Array]
Drawn = list[Any]  # what the neurons and each stimulus draw for a step


@dataclasses.dataclass(frozen=True)
class Take:
    """The steps of some neurons: see `taker`.

    advance: ``advance(carry, k, steps=1, flags=(), drawn=())``, what it does when it is called.
    draw: ``draw(k, steps)``, what each of two steps from an even step ``k`` on draws, or one.
    """

    advance: Callable[..., tuple[Any, list[dict[str, Array]]]]
    draw: Callable[[Array, int], list[Drawn]]

    def __call__(self, *given: Any, **how: Any) -> tuple[Any, list[dict[str, Array]]]:
        return self.advance(*given, **how)


def laid_out(plan: Plan, block: int | None = None, begin: Array | int = 0) -> tuple[Ready, Spread]:
    """The plan's numbers laid out flat: a scalar stays a scalar, anything else has one value a neuron.

    Of a block, those of so many neurons from neuron ``begin`` on. With them comes the function that lays out another.
    """
    size = math.prod(plan.shape)
    width = size if block is None else block

    def spread(x: Array) -> Array:
        if x.ndim == 0:
            return x
        flat = jnp.broadcast_to(x, plan.shape).reshape(-1)
        return flat if width == size else lax.dynamic_slice(flat, (begin,), (width,))

    def constant(x: Any) -> Any:
        if isinstance(x, Divisor):
            return Divisor.of(spread(jnp.asarray(x.value)), width)
        return spread(jnp.asarray(x))

    ready = Ready(
        # Behind a barrier, so that numbers known when compiling are not folded into others, which would round anew.
        constants=lax.optimization_barrier(
            jax.tree.map(constant, plan.constants, is_leaf=lambda x: isinstance(x, Divisor))
        ),
        drives=tuple(prepared(kind, c, spread) for kind, c in zip(plan.kinds, plan.drives, strict=True)),
        keys=tuple(keys(kind, plan.seed, stream) for stream, kind in enumerate(plan.kinds)),
        own=noise.key(plan.seed, purpose=NEURONS),
        index=jnp.asarray(begin, jnp.uint32) + jnp.arange(width, dtype=jnp.uint32),
    )
    return ready, spread


def prepared(kind: type[Stimulus], c: Prepared, spread: Spread) -> Prepared:
    """The numbers of a stimulus laid out for neurons, all but those that are no numbers of a population."""
    return {
        name: jax.tree.map(lambda x: spread(jnp.asarray(x)), x) if name not in kind.timed else jnp.asarray(x)
        for name, x in c.items()
    }


def few_steps(plan: Plan) -> int:
    """The fewest steps that are taken at a time without waste: one, or two that share random bits."""
    return 2 if any(kind.drawn for kind in plan.kinds) or getattr(plan.model, "drawn", False) else 1


def traits(model: type[Neuron]) -> dict[str, bool]:
    """What a model says of its step that decides how the loops are laid out."""
    return {name: getattr(model, name, False) for name in ("deep", "flagged")}


def stepper(plan: Plan, spike: Spike, block: int | None = None, begin: Array | int = 0) -> Take:
    """The steps of all neurons of a plan, or of a ``block`` of so many from neuron ``begin`` on: see `taker`."""
    return taker(plan, *laid_out(plan, block, begin), spike)


def taker(plan: Plan, ready: Ready, spread: Spread, spike: Spike) -> Take:
    """The steps of the neurons whose numbers are ``ready``.

    Returns:
        ``take(carry, k, steps=1, flags=(), drawn=())``: what a number of steps from step ``k`` on makes of the carry
        (state of the neurons, of the stimuli), and what each of them shows: V, current and spikes. Several steps begin
        at an even ``k``, since two share the random bits of a counter.

        With ``flags``, a number above `LARGEST_COUNT` for each step, the refractory counter of the neurons keeps, above
        its own bits, the sum of the flags of the steps that had a spike. That costs nothing, since a spike adds n_ref
        to the counter, and n_ref can bring the flag along.

        With ``drawn``, what ``take.draw`` drew for each step, nothing is drawn.
    """
    lanes = Lanes(ready.index, spread)
    one = partial(plan.model.step, spike=spike)

    def step(carry: Any, k: Array, drawn: Drawn, flag: ArrayLike | None) -> tuple[Any, dict[str, Array]]:
        (neurons, carried), constants = carry, ready.constants
        if flag is not None:
            constants = dataclasses.replace(constants, n_ref=constants.n_ref + jnp.asarray(flag).astype(jnp.int32))
        driven = [
            kind.drive(c, s[kind.__name__], k, own, lanes)
            for kind, c, s, own in zip(plan.kinds, ready.drives, carried, drawn[1:], strict=True)
        ]
        given = dataclasses.replace(summed([given for _, given in driven]), word=drawn[0])
        after, shown = jax.vmap(one, in_axes=(_lanes(constants), 0, _lanes(given)))(constants, neurons, given)
        states = tuple({kind.__name__: state} for kind, (state, _) in zip(plan.kinds, driven, strict=True))
        shows = {field.name: getattr(shown, field.name) for field in dataclasses.fields(shown)}
        return (after, states), {**shows, "current": _flowing(given, shown.V)}

    drawing = [[(ready.own, ready.index)] if getattr(plan.model, "drawn", False) else []]
    drawing += [wells(keys, ready.index, c) for keys, c in zip(ready.keys, ready.drives, strict=True)]

    def draw(k: Array, steps: int) -> list[Drawn]:
        bits = [
            [(noise.bits(key, index, k),) if steps == 1 else noise.pair(key, index, k) for key, index in well]
            for well in drawing
        ]
        found = []
        for b in range(steps):
            own, *words = [together([both[b] for both in well]) for well in bits]
            found.append([own, *(kind.draw(c, w) for kind, c, w in zip(plan.kinds, ready.drives, words, strict=True))])
        return found

    def advance(
        carry: Any, k: Array, steps: int = 1, flags: Sequence[ArrayLike] = (), drawn: Sequence[Drawn] = ()
    ) -> tuple[Any, list[dict[str, Array]]]:
        shown = []
        for first in range(0, steps, 2):
            now = drawn[first : first + 2] or draw(k + first, min(2, steps - first))
            for b, own in enumerate(now, first):
                carry, shows = step(carry, k + b, own, flags[b] if flags else None)
                shown.append(shows)
        return carry, shown

    return Take(advance, draw)


def _lanes(numbers: Any) -> Any:
    """Over which axis vmap goes: none for a number that all neurons share."""
    return jax.tree.map(lambda x: 0 if x.ndim else None, numbers)


def _flowing(given: Input, V: Array) -> Array:
    """The current into neurons at V [pA], one value a neuron."""
    current = jnp.broadcast_to(given.current, V.shape)
    return current if given.conductance is None else current - given.conductance * V
