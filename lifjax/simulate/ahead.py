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

from lifjax.simulate.packing import MARGIN, float_of, whole_of
from lifjax.simulate.step import Drawn, Take


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
        none = [float_of(jnp.zeros(self.width + MARGIN, dtype)) for dtype in self.dtypes]
        return tuple(lax.complex(x, x) for x in none)

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
