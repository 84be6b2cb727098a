"""What a loop of steps carries, as few arrays, since XLA's CPU backend makes a kernel of each."""

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax.neurons.base import LARGEST_COUNT

TALLY = 0xFFFFFFFF ^ LARGEST_COUNT  # a byte of spikes, above a refractory counter, and the sign, which is never set
MARGIN = 16

Held = tuple[Array, ...]
Onward = Callable[[int, Array, Held, Any, Array], tuple[Held, Any, Array]]


class Packing:
    """A carry and a byte of spikes a neuron as few arrays: complex numbers, whose two parts are state of one neuron.

    The arrays are longer than the block, and ``zero``, a number that only we know to be 0, is where it begins in them,
    so that a step updates a part of them in place. XLA lets one core do that, and would share out among all cores, at
    every step, a kernel that makes a whole array.

    Where the model is ``flagged``, its refractory counter carries the byte through the steps, in bits above its own.

    What does not fit into one complex number is carried ``twice``: each array is there a second time, and a step reads
    one half and writes the other, so that no array is written while another's kernel may still read it, which would
    cost a copy. Each kernel then works out what its own array needs.
    """

    def __init__(self, carry: Any, together: bool, zero: Array, flagged: bool = False) -> None:
        leaves, self.tree = jax.tree.flatten(carry)
        self.together, self.zero = together, zero
        self.dtypes = [leaf.dtype for leaf in leaves]
        self.width = leaves[0].shape[0]
        self.counted = any(jnp.issubdtype(dtype, jnp.integer) for dtype in self.dtypes)  # it has room for the byte
        self.words = len(leaves) + (not self.counted)
        self.twice = together and self.words > 2
        self.flagged = together and flagged

    def begin(self, carry: Any) -> tuple[Array, ...]:
        """The arrays that a loop carries, before any spike."""
        arrays = self._words(carry, jnp.zeros(self.width, jnp.uint32))
        if not self.together:
            return arrays
        padded = tuple(jnp.pad(x, (0, MARGIN)) for x in arrays)
        return (*padded, *map(jnp.zeros_like, padded)) if self.twice else padded

    def pack(self, packed: tuple[Array, ...], carry: Any, tally: Array) -> tuple[Array, ...]:
        """The arrays with a new carry and byte of spikes."""
        words = self._words(carry, tally)
        if not self.together:
            return words
        front = (lax.dynamic_update_slice(x, w, (self.zero,)) for x, w in zip(packed, words, strict=False))
        return (*front, *packed[len(words) :])

    def there_and_back(self, packed: tuple[Array, ...], onward: Onward) -> tuple[Array, ...]:
        """The arrays, carried twice, after two turns: from one half to the other, and back; what is held comes last."""
        front, back, held = packed[: self.words], packed[self.words : 2 * self.words], packed[2 * self.words :]
        held, *there = onward(0, self.zero, held, *self.unpack(front))
        back = self.pack(back, *there)
        later = copy.copy(self)
        # Only once all of the other half is written may the first be written again, or what is held be drawn anew.
        never = functools.reduce(jnp.logical_and, [x[0] != x[0] for x in back])
        later.zero = jnp.where(never, jnp.uint32(0), self.zero)
        held, *again = onward(1, later.zero, held, *later.unpack(back))
        return (*later.pack(front, *again), *back, *held)

    def after(self, out: dict[str, Array], name: str) -> "Packing":
        """The same, once a record of the state is written: only then may XLA update the state in place."""
        if not self.together:
            return self
        record = out[name]
        later = copy.copy(self)
        later.zero = jnp.where(jnp.isnan(record[0, 0]), jnp.uint32(0), self.zero)
        return later

    def joined(self, carry: Any, tally: Array) -> Any:
        """The carry with the byte of spikes above the bits of the refractory counter."""
        neurons, drives = carry
        word = neurons.refractory.astype(jnp.uint32) | tally
        return dataclasses.replace(neurons, refractory=word.astype(jnp.int32)), drives

    def split(self, carry: Any) -> tuple[Any, Array]:
        """What `joined` joined."""
        neurons, drives = carry
        word = neurons.refractory.astype(jnp.uint32)
        counter = (word & jnp.uint32(LARGEST_COUNT)).astype(jnp.int32)
        return (dataclasses.replace(neurons, refractory=counter), drives), word & jnp.uint32(TALLY)

    def _words(self, carry: Any, tally: Array) -> tuple[Array, ...]:
        leaves = jax.tree.leaves(carry)
        if not self.together:
            return (*leaves, tally)
        floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
        first, *more = [x.astype(jnp.uint32) for x in leaves if jnp.issubdtype(x.dtype, jnp.integer)] or [0 * tally]
        whole = [first | tally, *more]
        if self.twice:
            return (*floats, *whole)
        words = [*floats, *(float_of(x) for x in whole)]
        return (*map(lax.complex, words[0::2], words[1::2]), *words[len(words) - len(words) % 2 :])

    def unpack(self, packed: tuple[Array, ...]) -> tuple[Any, Array]:
        """The carry and the byte of spikes, uint32, whose other bits are 0."""
        if not self.together:
            return jax.tree.unflatten(self.tree, packed[:-1]), packed[-1]
        words = [
            word
            for x in (lax.dynamic_slice(x, (self.zero,), (self.width,)) for x in packed[: self.words])
            for word in ((lax.real(x), lax.imag(x)) if jnp.issubdtype(x.dtype, jnp.complexfloating) else (x,))
        ]
        floats = [x for x in self.dtypes if jnp.issubdtype(x, jnp.floating)]
        first, *more = [x if self.twice else whole_of(x) for x in words[len(floats) :]]
        tally = first & jnp.uint32(TALLY)
        whole = iter([first & jnp.uint32(LARGEST_COUNT), *more])
        parts = iter(words[: len(floats)])
        leaves = [
            next(parts) if jnp.issubdtype(dtype, jnp.floating) else next(whole).astype(dtype) for dtype in self.dtypes
        ]
        return jax.tree.unflatten(self.tree, leaves), tally


def float_of(word: Array) -> Array:
    """32 bits as a float of the working dtype, to be moved only; a float as it is."""
    if jnp.issubdtype(word.dtype, jnp.floating):
        return word
    if jnp.result_type(float) == jnp.float64:
        return lax.bitcast_convert_type(word.astype(jnp.uint64), jnp.float64)
    return lax.bitcast_convert_type(word, jnp.float32)


def whole_of(x: Array) -> Array:
    """The 32 bits that `float_of` took."""
    bits = lax.bitcast_convert_type(x, jnp.uint64 if x.dtype == jnp.float64 else jnp.uint32)
    return bits.astype(jnp.uint32)
