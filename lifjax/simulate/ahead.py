"""What two steps draw, drawn once for all that a loop carries.

XLA's CPU backend makes a kernel of each array that a loop carries, and each would draw anew what a step draws. Held in
arrays of their own, as complex numbers of what one step draws and the next, it is drawn by one kernel. The arrays are
longer than what they hold, and where it begins in them is a number that only we know to be 0, so that they are updated
in place, by one core.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax.simulate.step import Drawn, Take

MARGIN = 16


class Ahead:
    """What the steps of so many neurons draw, two at a time, and the arrays that hold it.

    take: the steps.
    width: how many neurons.
    """

    def __init__(self, take: Take, width: int) -> None:
        leaves, self.tree = jax.tree.flatten(jax.eval_shape(lambda: take.draw(jnp.int32(0), 2))[0])
        self.take, self.width, self.dtypes = take, width, [leaf.dtype for leaf in leaves]

    def room(self) -> tuple[Array, ...]:
        """The arrays, before anything is drawn."""
        kinds = [jnp.result_type(jax.eval_shape(float_of, jnp.zeros(0, dtype)), jnp.complex64) for dtype in self.dtypes]
        return tuple(jnp.zeros(self.width + MARGIN, kind) for kind in kinds)

    def drawn(self, held: Sequence[Array], k: Array, zero: Array) -> tuple[tuple[Array, ...], list[Drawn]]:
        """The arrays with what an even step ``k`` draws and the next, and that for each of the two."""
        first, second = ([float_of(lax.stop_gradient(x)) for x in jax.tree.leaves(one)] for one in self.take.draw(k, 2))
        pairs = [jnp.broadcast_to(lax.complex(*pair), self.width) for pair in zip(first, second, strict=True)]
        held = tuple(lax.dynamic_update_slice(x, y, (zero,)) for x, y in zip(held, pairs, strict=True))
        pairs = [lax.dynamic_slice(x, (zero,), (self.width,)) for x in held]
        return held, [self._drawn([part(x) for x in pairs]) for part in (lax.real, lax.imag)]

    def _drawn(self, floats: list[Array]) -> Drawn:
        whole = [jnp.issubdtype(dtype, jnp.integer) for dtype in self.dtypes]
        leaves = [whole_of(x) if is_whole else x for x, is_whole in zip(floats, whole, strict=True)]
        drawn: Drawn = jax.tree.unflatten(self.tree, leaves)
        return drawn


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
