"""The loops of a block of neurons as one kernel of a GPU, in Pallas: the state stays in registers for many steps.

The body of the kernel is `lifjax.simulate.loop.Loop` with the very step of the model; what is here is how numbers come
into it and leave it. A program of the kernel runs ``_PROGRAM`` neurons from the first step to the last.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from lifjax.record import OFFSET
from lifjax.simulate.loop import TILE, Loop, Out
from lifjax.simulate.packing import Packing
from lifjax.simulate.step import Plan, Ready, few_steps, taker
from lifjax.surrogate import threshold

_PROGRAM = 256  # neurons, two for each thread
_WARPS = 4
_DRAWING = 4  # steps written out where each draws random bits: with more of them compiling takes far longer


def fits(plan: Plan, select: Array | None, record: Iterable[str]) -> bool:
    """Whether a plan can run in the kernel: in float32, with no array over time to look up, and no subset to pick."""
    return (
        OFFSET not in record
        and select is None
        and jnp.result_type(float) == jnp.float32
        and not any(kind.timed for kind in plan.kinds)
    )


def advance(
    plan: Plan,
    ready: Ready,
    carry: Any,
    count: Array,
    out: Out,
    first: Array,
    stop: Array,
    *,
    every: int,
    interpret: bool,
) -> tuple[Any, Array, Out]:
    """What `lifjax.simulate.loop.advance` does, in one kernel; ``interpret`` runs it without a GPU, to test it."""
    width = count.shape[0]
    padded = -(-width // _PROGRAM) * _PROGRAM
    numbers, tree = jax.tree.flatten((ready, carry, count, first, stop))
    shared = [x.ndim == 0 for x in numbers]

    def laid_out(x: Array, is_shared: bool) -> Array:
        return jnp.atleast_1d(x) if is_shared else jnp.pad(x, (0, padded - width), mode="edge")

    inputs = [laid_out(*pair) for pair in zip(numbers, shared, strict=True)]
    kept, kept_tree = jax.tree.flatten((carry, count))
    shapes = [jax.ShapeDtypeStruct((padded,), x.dtype) for x in kept]
    names = sorted(out)
    shapes += [jax.ShapeDtypeStruct((len(out[name]), padded), out[name].dtype) for name in names]

    def body(*refs: Any) -> None:
        given, told = refs[: len(inputs)], refs[len(inputs) :]
        values = [ref[0] if is_shared else ref[...] for ref, is_shared in zip(given, shared, strict=True)]
        inner, carry, count, first, stop = jax.tree.unflatten(tree, values)
        records = dict(zip(names, told[len(kept) :], strict=True))

        def put(out: Out, name: str, row: Array, value: Array) -> Out:
            records[name][row, :] = value
            return out

        rows = [len(out[name]) for name in names if name != "spikes"]
        packing = Packing(carry, False, first)
        take = taker(plan, inner, lambda x: x, threshold)
        spare = max(rows, default=1) - 1
        at_once = TILE if few_steps(plan) == 1 else _DRAWING
        loop = Loop(take, packing, frozenset(names), first, stop, every, None, spare, put=put, at_once=at_once)
        carry, count, _ = loop.run(carry, count, {})
        for ref, value in zip(told, jax.tree.leaves((carry, count)), strict=False):
            ref[...] = value

    results = pl.pallas_call(
        body,
        out_shape=shapes,
        grid=(padded // _PROGRAM,),
        in_specs=[_spec(x.shape, is_shared) for x, is_shared in zip(inputs, shared, strict=True)],
        out_specs=[_spec(x.shape, False) for x in shapes],
        interpret=interpret,
        # Triton, since the other way to a GPU is for those of one make of chip.
        compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=1),
        name="lifjax",
    )(*inputs)
    carry, count = jax.tree.unflatten(kept_tree, [x[:width] for x in results[: len(kept)]])
    return carry, count, {name: x[:, :width] for name, x in zip(names, results[len(kept) :], strict=True)}


def _spec(shape: tuple[int, ...], shared: bool) -> pl.BlockSpec:
    """What of an array a program of the kernel sees: all of it, or the part of its own neurons."""
    if shared:
        return pl.BlockSpec(shape, lambda i: (0,))
    if len(shape) == 1:
        return pl.BlockSpec((_PROGRAM,), lambda i: (i,))
    return pl.BlockSpec((shape[0], _PROGRAM), lambda i: (0, i))
