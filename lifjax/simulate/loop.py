"""The loops of a block of neurons over its steps: whole tiles of steps where they fit, single steps at the ends.

What is done is the same however steps are grouped; the grouping is for speed. XLA's CPU backend turns each array that a
loop carries into a kernel of its own, which works out the step anew, and each kernel reads and writes the carry. Carried
as one array, and taken some steps at a time, a step is part of one kernel and its state stays in registers.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax.record import OCTET
from lifjax.simulate.core import Take

TILE = 8
_LONG = 128  # steps whose spikes a byte can count
_BYTE = 24  # where in a word the byte of spikes is
_MARGIN = 16


class Packing:
    """A carry and a byte of spikes a neuron as few arrays: complex numbers, whose two parts are state of one neuron.

    The arrays are longer than the block, and ``zero``, a number that only we know to be 0, is where it begins in them,
    so that a step updates a part of them in place. XLA lets one core do that, and would share out among all cores, at
    every step, a kernel that makes a whole array.
    """

    def __init__(self, carry: Any, together: bool, zero: Array) -> None:
        leaves, self.tree = jax.tree.flatten(carry)
        self.together, self.zero = together, zero
        self.dtypes = [leaf.dtype for leaf in leaves]
        self.width = leaves[0].shape[0]

    def begin(self, carry: Any) -> tuple[Array, ...]:
        """The arrays that a loop carries, before any spike."""
        arrays = self._words(carry, jnp.zeros(self.width, jnp.uint32))
        return tuple(jnp.pad(x, (0, _MARGIN)) for x in arrays) if self.together else arrays

    def pack(self, packed: tuple[Array, ...], carry: Any, tally: Array) -> tuple[Array, ...]:
        """The arrays with a new carry and byte of spikes."""
        words = self._words(carry, tally)
        if not self.together:
            return words
        return tuple(lax.dynamic_update_slice(x, w, (self.zero,)) for x, w in zip(packed, words, strict=True))

    def _words(self, carry: Any, tally: Array) -> tuple[Array, ...]:
        leaves = jax.tree.leaves(carry)
        if not self.together:
            return (*leaves, tally)
        floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
        first, *more = [x.astype(jnp.uint32) for x in leaves if jnp.issubdtype(x.dtype, jnp.integer)] or [0 * tally]
        whole = [first | (tally << jnp.uint32(_BYTE)), *more]
        words = [*floats, *(_float_of(x) for x in whole)]
        return (*map(lax.complex, words[0::2], words[1::2]), *words[len(words) - len(words) % 2 :])

    def unpack(self, packed: tuple[Array, ...]) -> tuple[Any, Array]:
        """The carry and the byte of spikes, uint32."""
        if not self.together:
            return jax.tree.unflatten(self.tree, packed[:-1]), packed[-1]
        words = [
            word
            for x in (lax.dynamic_slice(x, (self.zero,), (self.width,)) for x in packed)
            for word in ((lax.real(x), lax.imag(x)) if jnp.issubdtype(x.dtype, jnp.complexfloating) else (x,))
        ]
        floats = [x for x in self.dtypes if jnp.issubdtype(x, jnp.floating)]
        first, *more = [_whole_of(x) for x in words[len(floats) :]]
        tally = first >> jnp.uint32(_BYTE)
        whole = iter([first & jnp.uint32((1 << _BYTE) - 1), *more])
        parts = iter(words[: len(floats)])
        leaves = [
            next(parts) if jnp.issubdtype(dtype, jnp.floating) else next(whole).astype(dtype) for dtype in self.dtypes
        ]
        return jax.tree.unflatten(self.tree, leaves), tally


def _float_of(word: Array) -> Array:
    """32 bits as a float of the working dtype, to be moved only."""
    if jnp.result_type(float) == jnp.float64:
        return lax.bitcast_convert_type(word.astype(jnp.uint64), jnp.float64)
    return lax.bitcast_convert_type(word, jnp.float32)


def _whole_of(x: Array) -> Array:
    bits = lax.bitcast_convert_type(x, jnp.uint64 if x.dtype == jnp.float64 else jnp.uint32)
    return bits.astype(jnp.uint32)


def advance(
    take: Take,
    carry: Any,
    count: Array,
    out: dict[str, Array],
    first: Array,
    stop: Array,
    *,
    select: Array | None,
    every: int,
    together: bool,
) -> tuple[Any, Array, dict[str, Array]]:
    """Take the steps from step ``first`` to before step ``stop``.

    How many they are is no part of what is compiled, only that their records fit.

    Args:
        take: what `lifjax.simulate.core.stepper` returned.
        carry, count: where it begins, and spike counts.
        out: where records go: "spikes", (octets, neurons) uint8, from the octet of ``first`` on; "V" and "current",
            (rows, neurons), a row for each multiple of ``every`` from ``first`` on, and one to spare.
        first, stop: absolute steps, int32.
        select: which neurons V and current are of; None is all.
        every: stride of V and current.
        together: whether to carry all in one array.

    Returns:
        The carry, the counts, and what is recorded; rows that no step wrote are meaningless.
    """
    packing = Packing(carry, together, jnp.minimum(first, 0).astype(jnp.uint32))
    bits = "spikes" in out
    length = OCTET if bits else _LONG
    row = lax.div(first + (every - 1), jnp.int32(every))

    def tallied(tally: Array, shown: list[dict[str, Array]]) -> Array:
        """Spikes come in as the highest bits of the byte, or are counted."""
        tally = tally >> jnp.uint32(len(shown)) if bits else tally
        for b, shows in enumerate(shown):
            more = tally | jnp.uint32(1 << OCTET - len(shown) + b) if bits else tally + jnp.uint32(1)
            tally = lax.select(shows["spikes"], more, tally)
        return tally

    def tile(k: Array, packed: Any) -> Any:
        carry, tally = packing.unpack(packed)
        carry, shown = take(carry, k, TILE)
        return packing.pack(packed, carry, tallied(tally, shown))

    def single(k: Array, state: Any) -> Any:
        packed, traces = state
        carry, tally = packing.unpack(packed)
        carry, (shows,) = take(carry, k)
        for name, trace in traces.items():
            at = lax.div(k, jnp.int32(every)) - row
            at = at if every == 1 else jnp.where(lax.rem(k, jnp.int32(every)) == 0, at, len(trace) - 1)
            value = shows[name] if select is None else shows[name][select]
            traces = traces | {name: lax.dynamic_update_index_in_dim(trace, value, at, 0)}
        return packing.pack(packed, carry, tallied(tally, [shows])), traces

    def flush(packed: Any, count: Array, out: dict[str, Array], i: Array, stop: Array | int) -> Any:
        """Count the spikes of segment ``i``, which ends before step ``stop``, and record them."""
        carry, tally = packing.unpack(packed)
        if not bits:
            return packing.pack(packed, carry, jnp.zeros_like(tally)), count + tally.astype(jnp.int32), out
        octet = tally >> (-stop % OCTET).astype(jnp.uint32) if isinstance(stop, Array) else tally
        spikes = lax.dynamic_update_index_in_dim(
            out["spikes"], octet.astype(jnp.uint8), i - lax.div(first, jnp.int32(OCTET)), 0
        )
        return packed, count + lax.population_count(octet).astype(jnp.int32), {**out, "spikes": spikes}

    def whole(i: Array, state: Any) -> Any:
        packed, count, out = state
        if length == OCTET:
            for k in range(0, OCTET, TILE):
                packed = tile(i * length + k, packed)
        else:
            packed = lax.fori_loop(0, length // TILE, lambda t, packed: tile(i * length + t * TILE, packed), packed)
        return flush(packed, count, out, i, 0)

    def part(i: Array, state: Any) -> Any:
        packed, count, out = state
        traces = {name: x for name, x in out.items() if name != "spikes"}
        end = jnp.minimum(stop, (i + 1) * length)
        packed, traces = lax.fori_loop(jnp.maximum(first, i * length), end, single, (packed, traces))
        return flush(packed, count, out | traces, i, end)

    low, high = lax.div(first, jnp.int32(length)), lax.div(stop + (length - 1), jnp.int32(length))
    # Whole segments are from one number to before another; none where V or current is recorded at each step.
    one = lax.div(first + (length - 1), jnp.int32(length))
    other = jnp.maximum(one, lax.div(stop, jnp.int32(length)))
    one, other = (high, high) if out.keys() - {"spikes"} else (one, other)

    def phase(p: Array, state: Any) -> Any:
        """The first part and all whole segments; then the last part. Written as a loop, each is compiled once."""
        state = lax.fori_loop(jnp.where(p == 0, low, other), jnp.where(p == 0, one, high), part, state)
        return lax.fori_loop(jnp.where(p == 0, one, other), other, whole, state)

    packed, count, out = lax.fori_loop(0, 2, phase, (packing.begin(carry), count, out))
    return packing.unpack(packed)[0], count, out
