"""A block of neurons in narrow strips: all loops of a strip are one function of machine code, its state in the cache.

As it comes, XLA's CPU backend calls a kernel for each array that a step changes, with some work around each call, over
a whole block, whose state the nearest cache of a core cannot hold. A computation marked ``xla_cpu_small_call``
becomes one function instead, loops and all, as XLA does by itself with small loops: there a call costs nothing, so that
a strip can be narrow enough for the nearest cache. It takes less time to compile, too. Fits mark their runs alike.

The mark is XLA's own, for its own use. So it is left alone with versions of JAX later than those it was tried with; and
from JAX 0.11 on where a strip is not whole vectors, since there what is left of it may round another way.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax import backend
from lifjax.simulate import loop
from lifjax.simulate.step import Plan, few_steps, laid_out, taker, traits
from lifjax.surrogate import threshold

_MARK = {"xla_cpu_small_call": "true", "inlineable": "false"}
_TRIED, _ALSO_PARTS = (0, 12), (0, 10)  # the latest versions of JAX


def gains(plan: Plan, select: Any) -> bool:
    """Whether a plan gains by it: not if it draws, where XLA's own kernels are better, nor where few are recorded."""
    return jax.__version_info__[:2] <= _TRIED and select is None and few_steps(plan) == 1


def fits(plan: Plan, neurons: int, select: Array | None) -> bool:
    """Whether it is sound, too, for a block of so many neurons."""
    return gains(plan, select) and sound(backend.strip(neurons))


def sound(neurons: int) -> bool:
    """Whether a computation over so many neurons at once may be `marked`."""
    version = jax.__version_info__[:2]
    return version <= _ALSO_PARTS or (version <= _TRIED and neurons % backend.LANES == 0)


def marked(results: Any) -> Any:
    """What a jitted function returned, which is to be compiled as one function of machine code.

    Over an argument that is not used XLA would end the process, so it returns what `used` says of all of them, too.
    """
    from jax.experimental.xla_metadata import set_xla_metadata  # where versions of JAX have it that were tried

    return lax.optimization_barrier(set_xla_metadata(results, **_MARK))  # behind it all results count as used


def used(given: Any) -> list[Array]:
    """A little of each argument."""
    return [x if x.size == 0 else x.reshape(-1)[:1] for x in map(jnp.asarray, jax.tree.leaves(given))]


def advance(
    plan: Plan, carry: Any, count: Array, out: loop.Out, span: tuple[Array, Array, Array], *, every: int
) -> tuple[Any, Array, loop.Out]:
    """What `lifjax.simulate.loop.advance` does to a block, by strips; ``span`` is its first step, stop and begin."""
    carry, count, out, _ = marked(_function(plan, carry, count, out, span, every=every))
    return carry, count, out


@partial(jax.jit, static_argnames="every")
def _function(
    plan: Plan, carry: Any, count: Array, out: loop.Out, span: tuple[Array, Array, Array], *, every: int
) -> tuple[Any, Array, loop.Out, list[Array]]:
    (first, stop, begin), width = span, backend.strip(len(count))

    def strip(number: Array, state: tuple[Any, Array, loop.Out]) -> tuple[Any, Array, loop.Out]:
        *kept, out = state
        column = number * jnp.int32(width)
        carry, count = jax.tree.map(lambda x: lax.dynamic_slice(x, (column,), (width,)), kept)
        take = taker(plan, *laid_out(plan, width, begin + column), threshold)
        how = traits(plan.model)
        *after, out = loop.advance(
            take, carry, count, out, first, stop, select=None, every=every, together=True, few=1, **how,
            column=column,
        )  # fmt: skip
        carry, count = jax.tree.map(lambda x, part: lax.dynamic_update_slice(x, part, (column,)), kept, after)
        return carry, count, out

    strips = jnp.int32(len(count) // width)
    carry, count, out = lax.fori_loop(jnp.int32(0), strips, strip, (carry, count, out))
    return carry, count, out, used((plan, span))
