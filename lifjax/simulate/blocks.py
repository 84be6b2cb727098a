"""A run in blocks of neurons and chunks of steps: one compiled function, all cores, and the records on the host."""

import contextlib
import itertools
import math
import warnings
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array

from lifjax import backend
from lifjax.backend import do_without, engine, host, layout, reuse, run_devices
from lifjax.backend.threads import at_once, on_every_core
from lifjax.neurons.base import working_dtype
from lifjax.record import OCTET, OFFSET, samples_in
from lifjax.simulate import strips
from lifjax.simulate.loop import advance
from lifjax.simulate.progress import Progress, Stop
from lifjax.simulate.step import Plan, few_steps, laid_out, taker, traits
from lifjax.surrogate import threshold

_MANY_CALLS = 8  # from which on what is small takes less time to go to a device once than to be sent each time
_WORTH_THREADS = 2**20  # neurons whose state is worth copying by several


class Records:
    """What a run records, and how it is cut; where it goes is said by a class that keeps it.

    done: steps that were done before, whose records are there already.
    begin, size: the neurons that are run here: so many from one on; ``narrow`` says that they are run in strips.
    """

    done = 0
    way_on = "state=run.state"

    def __init__(
        self,
        shape: tuple[int, ...],
        first: int,
        record: frozenset[str],
        every: int,
        select: np.ndarray | None,
        share: tuple[int, int] | None = None,
        narrow: bool = False,
    ) -> None:
        self.first, self.record, self.every, self.select = first, record, every, select
        self.tail = shape if select is None else select.shape
        self.begin, stop = (0, math.prod(shape)) if share is None else share
        self.size = stop - self.begin
        self.dtype = working_dtype()
        self.names = sorted(record - {"spikes", OFFSET}, reverse=True)
        spikes = self.size / OCTET if "spikes" in record else 0
        row = len(self.names) * (self.size if select is None else select.size) * self.dtype.itemsize
        timed = self.size * self.dtype.itemsize if OFFSET in record else 0
        self.layout = layout(self.size, row / every + spikes + timed, narrow).moved(self.begin)

    def keep_octets(self, number: int, first: int, octets: np.ndarray) -> None:
        """Keep spikes of a block, from the octet of step ``first`` on."""
        raise NotImplementedError

    def keep_offsets(self, number: int, first: int, fired: np.ndarray, offsets: np.ndarray) -> None:
        """Keep where ``fired`` by how much spikes of a block are after their grid times, from step ``first`` on."""
        raise NotImplementedError

    def keep_trace(self, name: str, number: int, sample: int, columns: Any, values: np.ndarray) -> None:
        """Keep what was recorded of some neurons at single steps, from the step ``sample * every`` on."""
        raise NotImplementedError

    def reached(self, done: int, blocks: "Blocks", asked: bool) -> bool:
        """All blocks are at the same step; whether to stop there, as someone may have ``asked``."""
        return asked

    def told(self, blocks: "Blocks") -> tuple[int, int | None]:
        """How many spikes there were so far, and how many bytes are on disk, where any are."""
        return blocks.spikes(), None

    def within(self, begin: int, size: int) -> np.ndarray:
        """Which of the selected neurons are among so many from neuron ``begin`` on."""
        if self.select is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero((self.select >= begin) & (self.select < begin + size))

    def shared(self, number: int) -> int:
        """How many neurons of a block are also in the one before, within which the last one may begin."""
        begins = self.layout.begins
        return begins[number - 1] + self.layout.block - begins[number] if number else 0


class Buffers(Records):
    """Host memory for what a run records, filled block by block and chunk by chunk."""

    def __init__(
        self,
        shape: tuple[int, ...],
        first: int,
        steps: int,
        record: frozenset[str],
        every: int,
        select: np.ndarray | None,
        narrow: bool = False,
    ) -> None:
        super().__init__(shape, first, record, every, select, narrow=narrow)
        samples = samples_in(first, steps, every)
        self.traces = {name: reuse.empty((samples, math.prod(self.tail)), self.dtype) for name in self.names}
        rows, blocks = octets_between(first, first + steps), len(self.layout.begins)
        # A block's in one piece, so that fresh pages are filled at once by whom they are given to.
        self.octets = (
            [reuse.empty((rows, self.layout.block), np.uint8) for _ in range(blocks)] if "spikes" in record else None
        )
        self.offsets: list[list[np.ndarray]] | None = [[] for _ in range(blocks)] if OFFSET in record else None

    def keep_octets(self, number: int, first: int, octets: np.ndarray) -> None:
        top = octets_between(self.first, first // OCTET * OCTET)
        if self.octets is not None:
            host.copy(self.octets[number][top : top + len(octets)], octets)

    def keep_offsets(self, number: int, first: int, fired: np.ndarray, offsets: np.ndarray) -> None:
        if self.offsets is not None:
            self.offsets[number].append(offsets[fired])

    def keep_trace(self, name: str, number: int, sample: int, columns: Any, values: np.ndarray) -> None:
        top = sample - -(-self.first // self.every)
        into = self.traces[name][top : top + len(values)]
        if isinstance(columns, slice):
            host.copy(into[:, columns], values)
        else:
            into[:, columns] = values

    def traces_until(self, done: int) -> dict[str, np.ndarray]:
        """What was recorded in the first ``done`` steps, in the population's shape."""
        rows = samples_in(self.first, done, self.every)
        return {name: x[:rows].reshape(rows, *self.tail) for name, x in self.traces.items()}

    def octets_until(self, done: int) -> tuple[np.ndarray, ...] | None:
        """The spikes of the first ``done`` steps, in blocks side by side."""
        if self.octets is None:
            return None
        rows = octets_between(self.first, self.first + done)
        return tuple(x[:rows, self.shared(number) :] for number, x in enumerate(self.octets))

    def offsets_until(self) -> tuple[np.ndarray, ...] | None:
        """By how much each spike is after its grid time, in the order of time, for each block of `octets_until`."""
        if self.offsets is None:
            return None
        return tuple(np.concatenate([*parts, np.empty(0, self.dtype)]) for parts in self.offsets)


class Block:
    """Neurons that are run together: their state on the device, and where in the buffers their records go."""

    def __init__(
        self,
        plan: Plan,
        carry: Any,
        count: np.ndarray,
        number: int,
        buffers: Records,
        most: int,
        device: jax.Device | None,
    ) -> None:
        begin, size = buffers.layout.begins[number], buffers.layout.block
        self.plan, self.number, self.begin, self.size, self.buffers = plan, number, begin, size, buffers
        self.device = device
        # From the host, since a chunk takes over the memory of what it is given on a device, which may be the user's.
        self.carry = host.placed(jax.tree.map(lambda leaf: np.asarray(leaf)[begin : begin + size], carry), device)
        self.count = host.placed(count[begin : begin + size], device)
        self.record, self.select, self.way = buffers.record, None, ""
        self.columns: Any = slice(begin, begin + size)
        if buffers.select is not None:
            self.columns = buffers.within(begin, size)
            if self.columns.size:
                # As many in every block, so that all share one compiled function.
                self.select = np.resize(buffers.select[self.columns] - begin, most)
            else:
                self.record = buffers.record & {"spikes", OFFSET}

    def advance(self, first: int, stop: int, steps: int, spare: dict[Any, list[Any]]) -> None:
        """Run from step ``first`` to before ``stop``, in calls that end at multiples of ``steps``.

        What a call recorded is kept while the next one runs, but on a CPU at once, while a cache still has it: there
        the next one would only take turns with it. ``spare`` holds what earlier calls, of any block, recorded to.
        """
        ahead = 0 if host.on_cpu() else 1
        running: list[tuple[int, int, dict[str, Any]]] = []
        there = spare.setdefault((self.device, self.record), [])
        while first < stop or running:
            if first < stop:
                end = min(first - first % steps + steps, stop)
                running.append((first, end, self._run(first, end, self._memory(steps, there))))
                first = end
            if len(running) > ahead or first == stop:
                if len(running) == 1:
                    self.count.block_until_ready()
                done = running.pop(0)
                self._keep(*done)
                there.append(done[2])

    def _run(self, first: int, stop: int, out: dict[str, Any]) -> dict[str, Any]:
        """Move the state on, and fill ``out``, which may go on while this returns."""
        numbers = (self.carry, self.count, out)
        if not self.way:
            numbers = host.sent(numbers)
        span = np.array([first, stop, self.begin], np.int32)
        while True:
            way = self.way or engine()
            try:
                self.carry, self.count, out = _chunk(
                    self.plan, *numbers, span, self.select, block=self.size, every=self.buffers.every, engine=way
                )
                if not self.way:  # an engine that fails does so at once
                    self.count.block_until_ready()
                    self.way = way
                return out
            except Exception as error:
                spent = any(isinstance(x, Array) and x.is_deleted() for x in jax.tree.leaves(numbers))
                if spent or not do_without(way, error):  # what was given away cannot be run again
                    raise

    def _keep(self, first: int, stop: int, out: dict[str, Any]) -> None:
        """Copy what the steps from ``first`` to before ``stop`` recorded to where it belongs."""
        buffers = self.buffers
        if "spikes" in self.record:
            buffers.keep_octets(self.number, first, host.seen(out["spikes"])[: octets_between(first, stop)])
        if OFFSET in self.record:
            own = slice(buffers.shared(self.number), None)
            fired = np.unpackbits(host.seen(out["spikes"])[:, own], axis=0, bitorder="little").astype(bool)
            fired = fired[first % OCTET :][: stop - first]
            buffers.keep_offsets(self.number, first, fired, host.seen(out[OFFSET])[: stop - first, own])
        sample, rows = -(-first // buffers.every), samples_in(first, stop - first, buffers.every)
        for name in self.record - {"spikes", OFFSET}:
            kept = host.seen(out[name])[:rows]
            width = kept.shape[1] if self.select is None else self.columns.size
            buffers.keep_trace(name, self.number, sample, self.columns, kept[:, :width])

    def _memory(self, steps: int, there: list[dict[str, Any]]) -> dict[str, Any]:
        """Where a call of so many steps records to: what is there, or else is made."""
        with contextlib.suppress(IndexError):  # other threads take from it, too
            return there.pop()
        width = self.size if self.select is None else len(self.select)
        rows = -(-steps // self.buffers.every) + 1
        shapes = dict.fromkeys(self.record - {"spikes", OFFSET}, ((rows, width), self.buffers.dtype))
        if OFFSET in self.record:
            shapes[OFFSET] = ((steps + 1, self.size), self.buffers.dtype)
        if "spikes" in self.record:
            shapes["spikes"] = ((-(-steps // OCTET) + 1, self.size), np.dtype(np.uint8))
        return {name: host.zeros(*kind, self.device) for name, kind in shapes.items()}


def octets_between(first: int, stop: int) -> int:
    """How many octets hold the steps from ``first`` to before ``stop``."""
    return -(-stop // OCTET) - first // OCTET


def run_blocks(
    plan: Plan, carry: Any, steps: int, buffers: Records, progress: bool, count: np.ndarray | None = None
) -> "tuple[Blocks, int]":
    """Run all blocks chunk by chunk, filling the buffers.

    Where some steps were done before, as the buffers say, ``carry`` is the state after them, ``count`` their spikes.

    Returns:
        The blocks as they stand, and how many steps were done.
    """
    with backend.device_memory(buffers.size), at_once():
        blocks = Blocks(plan, carry, steps, buffers, count)
        del carry  # the blocks have it
        lay, done, last = buffers.layout, buffers.done, buffers.first + steps
        ended = done >= steps

        def turn(first: int) -> int:
            """Where the steps that begin at one are next all done."""
            return min(first - first % lay.round + lay.round, last)

        several = turn(buffers.first + done) < last
        with Progress(steps, done, progress, lambda: buffers.told(blocks)) as moved, Stop(several) as stop:
            while not ended:
                first = buffers.first + done
                stop_at = turn(first)
                blocks.advance(first, stop_at)
                done = stop_at - buffers.first
                ended = buffers.reached(done, blocks, stop.asked) or done >= steps
                moved(stop_at - first)
    if done < steps:
        told = f"stopped after {done} of {steps} steps; what was done is kept: pass {buffers.way_on} to go on"
        warnings.warn(told, stacklevel=4)
    return blocks, done


class Blocks:
    """All blocks of a run, on the devices there are."""

    def __init__(self, plan: Plan, carry: Any, steps: int, buffers: Records, count: np.ndarray | None) -> None:
        self.buffers = buffers
        lay, devices = buffers.layout, run_devices()
        places: list[jax.Device | None] = [*devices] if len(devices) > 1 else [None]
        plans = [plan]
        calls = len(lay.begins) * -(-steps // lay.steps) // len(places)
        if calls > 1 or len(devices) > 1:  # to the devices once, not at every call; so what is small, too, if many
            few = calls < _MANY_CALLS
            plans = jax.block_until_ready(
                [
                    jax.tree.map(lambda x, at=at: x if few and not host.large(x) else jax.device_put(x, at), plan)
                    for at in places
                ]
            )
        most = max(buffers.within(begin, lay.block).size for begin in lay.begins)
        count = np.broadcast_to(np.int32(0), math.prod(plan.shape)) if count is None else count
        turns = zip(range(len(lay.begins)), itertools.cycle(plans), itertools.cycle(places), strict=False)
        self.all = [Block(plan, carry, count, number, buffers, most, device) for number, plan, device in turns]
        # A GPU's memory is for others, too, once a run has ended.
        kind = (lay.block, lay.steps, buffers.record, buffers.every, buffers.dtype, most)
        self.spare: dict[Any, list[Any]] = reuse.spare(kind) if host.on_cpu() else {}

    def advance(self, first: int, stop: int) -> None:
        """Run all from step ``first`` to before ``stop``."""
        steps = self.buffers.layout.steps
        on_every_core(partial(Block.advance, first=first, stop=stop, steps=steps, spare=self.spare), self.all)

    def spikes(self) -> int:
        """How many there were."""
        own = [host.seen(block.count)[self.buffers.shared(block.number) :] for block in self.all]
        return sum(int(count.sum(dtype=np.int64)) for count in own)

    def gathered(self) -> tuple[Any, np.ndarray]:
        """The flat state and the spike counts of all blocks, copied to the host."""
        parts = [jax.tree.leaves((block.carry, block.count)) for block in self.all]
        flat = [reuse.empty((self.buffers.size,), part.dtype) for part in parts[0]]

        def copied(number: int) -> None:
            begin, size = self.all[number].begin - self.buffers.begin, self.all[number].size
            for into, part in zip(flat, parts[number], strict=True):
                host.copy(into[begin : begin + size], host.seen(part))

        if self.buffers.size < _WORTH_THREADS:
            for number in range(len(parts)):
                copied(number)
        else:
            on_every_core(copied, range(len(parts)))
        *carry, count = flat
        return jax.tree.unflatten(jax.tree.structure(self.all[0].carry), carry), count


def _chunk(
    plan: Plan, carry: Any, count: Array, out: dict[str, Array], *more: Any, block: int, every: int, engine: str
) -> Any:
    """The steps of a block, compiled as suits its size and what it does."""
    # Where a step is one kernel and its spikes are written by another, the two gain more than they lose as one.
    octets = out.keys() == {"spikes"} and len(jax.tree.leaves(carry)) == 2 and few_steps(plan) == 1
    in_loops = engine == "packed" and block >= backend.MANY and not octets
    chunk = _chunk_in_loops if in_loops else _chunk_as_it_comes
    return chunk(plan, carry, count, out, *more, block=block, every=every, engine=engine)


def _chunk_of_block(
    plan: Plan,
    carry: Any,
    count: Array,
    out: dict[str, Array],
    span: Array,
    select: Array | None,
    *,
    block: int,
    every: int,
    engine: str,
) -> tuple[Any, Array, dict[str, Array]]:
    """A block from its first step to before its last, as ``span`` says; see `lifjax.simulate.loop.advance`."""
    first, stop, begin = span
    if engine == "packed" and strips.fits(plan, block, select):
        return strips.advance(plan, carry, count, out, (first, stop, begin), every=every)
    ready, spread = laid_out(plan, block, begin)
    if engine == "kernel":
        from lifjax.simulate import kernel  # only here: Pallas takes time to import

        if kernel.fits(plan, select, out):
            interpret = jax.default_backend() == "cpu"
            return kernel.advance(plan, ready, carry, count, out, first, stop, every=every, interpret=interpret)
    take = taker(plan, ready, spread, threshold)
    together, few, how = engine == "packed", few_steps(plan), traits(plan.model)
    return advance(take, carry, count, out, first, stop, select=select, every=every, together=together, few=few, **how)


_compiled = partial(
    jax.jit, _chunk_of_block, static_argnames=("block", "every", "engine"), donate_argnames=("carry", "count", "out")
)
_chunk_as_it_comes = _compiled(compiler_options=backend.COMPILER_OPTIONS)
_chunk_in_loops = _compiled(compiler_options=backend.OPTIONS_OF_MANY)
