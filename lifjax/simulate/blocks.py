"""A run in blocks of neurons and chunks of steps: one compiled function, all cores, and the records on the host."""

import math
import signal
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.backend import COMPILER_OPTIONS, layout, on_every_core
from lifjax.record import WORD, sampled_steps
from lifjax.simulate.core import Plan, scan_words, stepper
from lifjax.surrogate import threshold


class Buffers:
    """Host memory for what a run records, filled block by block and chunk by chunk."""

    def __init__(
        self,
        shape: tuple[int, ...],
        first: int,
        steps: int,
        record: frozenset[str],
        every: int,
        select: np.ndarray | None,
    ) -> None:
        self.first, self.record, self.every, self.select = first, record, every, select
        self.tail = shape if select is None else select.shape
        samples = len(sampled_steps(first, steps, every))
        dtype = jnp.result_type(float)
        names = record - {"spikes"}
        self.traces = {name: np.empty((samples, math.prod(self.tail)), dtype) for name in sorted(names, reverse=True)}
        self.words = np.empty((-(-steps // WORD), math.prod(shape)), np.uint32) if "spikes" in record else None

    @property
    def recorded(self) -> int:
        """Values of V and current recorded a step."""
        return len(self.traces) * math.prod(self.tail)

    def within(self, begin: int, size: int) -> np.ndarray:
        """Which of the selected neurons are among so many from neuron ``begin`` on."""
        if self.select is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero((self.select >= begin) & (self.select < begin + size))

    def traces_until(self, done: int) -> dict[str, np.ndarray]:
        """What was recorded in the first ``done`` steps, in the population's shape."""
        rows = len(sampled_steps(self.first, done, self.every))
        return {name: x[:rows].reshape(rows, *self.tail) for name, x in self.traces.items()}


class Block:
    """Neurons that are run together: their state on the device, and where in the buffers their records go."""

    def __init__(self, plan: Plan, carry: Any, begin: int, size: int, buffers: Buffers, most: int) -> None:
        self.plan, self.begin, self.size, self.buffers = plan, begin, size, buffers
        # Copies, since a chunk takes over its state's memory, which may be the user's.
        self.carry = jax.tree.map(lambda leaf: jnp.copy(leaf[begin : begin + size]), carry)
        self.count = jnp.zeros(size, jnp.int32)
        self.record, self.select = buffers.record, None
        self.columns: Any = slice(begin, begin + size)
        if buffers.select is not None:
            self.columns = buffers.within(begin, size)
            if self.columns.size:
                # As many in every block, so that all share one compiled function.
                self.select = np.resize(buffers.select[self.columns] - begin, most)
            else:
                self.record = buffers.record & {"spikes"}

    def advance(self, done: int, now: int, capacity: int) -> None:
        """Run ``now`` steps after the first ``done``, and keep what they record, at most ``capacity`` words."""
        buffers = self.buffers
        first = buffers.first + done
        self.carry, self.count, out = _chunk(
            self.plan,
            self.carry,
            self.count,
            np.int32(first),
            np.int32(first + now),
            np.int32(self.begin),
            self.select,
            capacity=capacity,
            block=self.size,
            record=self.record,
            every=buffers.every,
        )
        if buffers.words is not None:
            written = slice(done // WORD, -(-(done + now) // WORD))
            buffers.words[written, self.begin : self.begin + self.size] = np.asarray(out["spikes"])[: -(-now // WORD)]
        top = len(sampled_steps(buffers.first, done, buffers.every))
        rows = len(sampled_steps(first, now, buffers.every))
        for name in self.record - {"spikes"}:
            kept = np.asarray(out[name])[:rows]
            width = kept.shape[1] if self.select is None else self.columns.size
            buffers.traces[name][top : top + rows, self.columns] = kept[:, :width]
        self.count.block_until_ready()


def run_blocks(plan: Plan, carry: Any, steps: int, buffers: Buffers, progress: bool) -> tuple[Any, np.ndarray, int]:
    """Run all blocks chunk by chunk, filling the buffers.

    Returns:
        The flat state and the spike counts, on the host, and how many steps were done.
    """
    size = math.prod(plan.shape)
    lay = layout(size, buffers.recorded)
    plan = jax.device_put(plan)  # once, not at every call
    most = max(buffers.within(begin, lay.block).size for begin in lay.begins)
    blocks = [Block(plan, carry, begin, lay.block, buffers, most) for begin in lay.begins]
    del carry  # the blocks have it
    done = 0
    with _Bar(steps, progress) as moved, _Stop() as stop:
        while done < steps and not stop.asked:
            now = min(lay.steps, steps - done)
            on_every_core(partial(Block.advance, done=done, now=now, capacity=lay.steps // WORD), blocks)
            done += now
            moved(now)
    if done < steps:
        told = f"stopped after {done} of {steps} steps; what was done is kept: pass state=run.state to go on"
        warnings.warn(told, stacklevel=4)

    def whole(*parts: Array) -> np.ndarray:
        flat = np.empty(size, parts[0].dtype)
        for block, part in zip(blocks, parts, strict=True):
            flat[block.begin : block.begin + block.size] = part
        return flat

    return (
        jax.tree.map(whole, *(block.carry for block in blocks)),
        whole(*(block.count for block in blocks)),
        done,
    )


@partial(
    jax.jit,
    static_argnames=("capacity", "block", "record", "every"),
    donate_argnames=("carry", "count"),
    compiler_options=COMPILER_OPTIONS,
)
def _chunk(
    plan: Plan,
    carry: Any,
    count: Array,
    first: Array,
    stop: Array,
    begin: Array,
    select: Array | None,
    *,
    capacity: int,
    block: int,
    record: frozenset[str],
    every: int,
) -> tuple[Any, Array, dict[str, Array]]:
    """A block from step ``first`` to before step ``stop``: packed spikes; V and current at multiples of ``every``."""
    step, _ = stepper(plan, threshold, record, select, block, begin)
    (*end, count), out = scan_words(step, (*carry, count), first, stop, capacity)
    rows = -first % every + every * jnp.arange(-(-capacity * WORD // every), dtype=jnp.int32)
    kept = {
        name: x if name == "spikes" or every == 1 else jnp.take(x, rows, axis=0, mode="clip") for name, x in out.items()
    }
    return tuple(end), count, kept


class _Stop:
    """Ctrl-C, heard between two chunks so that none is lost half done; a second Ctrl-C ends at once."""

    asked = False

    def __enter__(self) -> "_Stop":
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)


class _Bar:
    """A progress bar over steps, or nothing."""

    def __init__(self, steps: int, shown: bool) -> None:
        self.steps, self.shown = steps, shown

    def __enter__(self) -> Callable[[int], Any]:
        if not self.shown:
            return lambda now: None
        from tqdm.auto import tqdm  # only here: it looks for a notebook, which takes time

        self.tqdm = tqdm(total=self.steps, unit=" steps", unit_scale=True, desc="lifjax")
        moved: Callable[[int], Any] = self.tqdm.update
        return moved

    def __exit__(self, *error: object) -> None:
        if self.shown:
            self.tqdm.close()
