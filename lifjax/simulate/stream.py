"""A run whose records go to disk while it runs, and that goes on where it ended, whatever ended it."""

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lifjax import processes
from lifjax.backend import chunk_columns, chunk_rows, in_chunks, layout
from lifjax.neurons.base import Neuron, working_dtype
from lifjax.record import OCTET, OFFSET, State
from lifjax.simulate.blocks import Blocks, Records, run_blocks
from lifjax.simulate.check import check_end
from lifjax.simulate.core import make_ready
from lifjax.stimulus.base import StimulusLike, terms
from lifjax.store import (
    Chunks,
    Folder,
    StoredRun,
    Strip,
    Writer,
    check_free,
    describe,
    digest,
    folder_of,
    full,
    holds_run,
    loaded,
)
from lifjax.store.stored import kinds
from lifjax.store.tree import kinds_in

CHECKPOINT = 10.0  # s between two checkpoints
_MEETING = 2.0  # s between two meetings of processes, at most about so many
_APART = 64  # chosen neurons that have a column of chunks each, so that any process may have any of them
_HEIGHT = 4  # chunks of a subset of neurons that may be begun at once, since blocks come to it one after the other


class Stream(Records):
    """Where the records of a run go, chunk by chunk, into a folder; see `Records`.

    Of several processes each has the neurons of some columns of chunks. They meet now and then: where one has failed
    or was asked to stop, all stop, and a checkpoint is of one step in all.
    """

    way_on = "resume=True"

    def __init__(self, folder: Folder, done: int) -> None:
        run, self.folder, self.done = folder.run, folder, done
        select = None if run["neurons"] is None else folder.given()["neurons"]
        low, high = (part * folder.width for part in processes.share(folder.parts))
        own = low, min(high, folder.size)
        super().__init__(tuple(run["shape"]), run["first_step"], frozenset(run["record"]), run["every"], select, own)
        heights = [_HEIGHT * folder.chunks[name].chunk[0] for name in self.names if select is not None]
        most = min(heights, default=self.layout.round)
        self.layout = in_chunks(self.layout, self.size, folder.width, most).moved(self.begin)
        self.writer = Writer()
        self.strips = {
            name: [Strip(self.writer, array, j) for j in self._columns(name)] for name, array in folder.chunks.items()
        }
        self.saved, self.at = self.first + done, time.monotonic()
        self.before, self.found = 0, (0, 0)
        self.rounds, self.meeting, self.met = 1, 0, self.at

    def _columns(self, name: str) -> list[int]:
        """Which columns of an array's chunks are written here."""
        array = self.folder.chunks[name]
        width, columns = array.chunk[1], array.shape[1]
        if self.select is None or name not in self.names:
            return list(range(self.begin // width, -(-(self.begin + self.size) // width)))
        inside = np.zeros(columns, bool)
        inside[self.within(self.begin, self.size)] = True
        parts = [inside[at : at + width] for at in range(0, columns, width)]
        if any(part.any() and not part.all() for part in parts):
            raise ValueError(
                f"neurons: {name} of {columns} neurons cannot be written by {processes.count()} processes; choose at "
                f"most {_APART} neurons, or all (neurons=None), or use one process"
            )
        return [j for j, part in enumerate(parts) if part.any()]

    def restore(self, before: StoredRun) -> None:
        """Check all that was written before, and take back the chunks that are not full."""
        for name, strips in self.strips.items():
            begin, stop = before.rows(name)
            if begin == stop:
                continue
            self.before += self.folder.chunks[name].check(begin, stop, [strip.j for strip in strips])
            for strip in strips:
                strip.restore(stop)

    def agree(self) -> None:
        """Have rounds as long as those of the other processes."""
        turn = max(word["round"] for word in processes.meet({"round": self.layout.round}))
        self.layout = dataclasses.replace(self.layout, round=turn)

    def told(self, blocks: Blocks) -> tuple[int, int | None]:
        return self.found if processes.count() > 1 else self._found(blocks)

    def _found(self, blocks: Blocks) -> tuple[int, int]:
        return blocks.spikes(), self.before + self.writer.size + self.folder.checkpoints.bytes(self.begin)

    def keep_octets(self, number: int, first: int, octets: np.ndarray) -> None:
        self._keep("spikes", number, first // OCTET, octets)

    def keep_offsets(self, number: int, first: int, fired: np.ndarray, offsets: np.ndarray) -> None:
        own = np.zeros((len(fired), self.layout.block), offsets.dtype)
        np.copyto(own[:, self.shared(number) :], offsets, where=fired)
        self._keep(OFFSET, number, first, own)

    def keep_trace(self, name: str, number: int, sample: int, columns: Any, values: np.ndarray) -> None:
        if self.select is None:
            self._keep(name, number, sample, values)
            return
        for strip in self.strips[name]:
            inside = (columns >= strip.left) & (columns < strip.left + strip.width)
            strip.put(sample, values[:, inside], columns[inside] - strip.left)

    def _keep(self, name: str, number: int, row: int, values: np.ndarray) -> None:
        """Keep rows of all neurons of a block, but those that the block before it has."""
        begin, stop = self.layout.begins[number], self.layout.begins[number] + self.layout.block
        width = self.folder.width
        first = self.begin // width
        for strip in self.strips[name][(begin + self.shared(number)) // width - first : -(-stop // width) - first]:
            strip.put(row, values[:, strip.left - begin :][:, : strip.width])
            strip.release(row + len(values))

    def reached(self, done: int, blocks: Blocks, asked: bool) -> bool:
        if self.select is not None:
            for name in self.names:
                for strip in self.strips[name]:
                    strip.release(self._row(name, self.first + done))
        self.writer.require()
        ended = done == self.folder.run["steps"]
        save = time.monotonic() - self.at >= CHECKPOINT
        if processes.count() > 1:
            if done < self.meeting and not ended:
                return False
            asked, save = self._meet(done, blocks, asked, save)
        if save or asked or ended:
            self.save(done, *blocks.gathered())
        if processes.count() > 1 and (asked or ended):  # for the last word on what is on disk
            self._meet(done, blocks, False, False)
        return asked

    def _meet(self, done: int, blocks: Blocks, asked: bool, save: bool) -> tuple[bool, bool]:
        """Meet the other processes: whether to stop, which any may ask for, and to save, as the first one says."""
        now = time.monotonic()
        rounds = self.rounds * 2 if now - self.met < _MEETING / 2 else max(1, self.rounds // 2)
        said = processes.meet({"stop": asked, "save": save, "rounds": rounds, "found": self._found(blocks)})
        self.met, self.rounds = now, said[0]["rounds"]
        self.meeting = done + self.rounds * self.layout.round
        self.found = sum(word["found"][0] for word in said), sum(word["found"][1] for word in said)
        return any(word["stop"] for word in said), said[0]["save"]

    def save(self, done: int, carry: Any, count: np.ndarray) -> None:
        """Write what is kept in memory, then, when that is on the disk, a checkpoint."""
        step, last = self.first + done, done == self.folder.run["steps"]
        if step == self.saved:
            return
        for name, strips in self.strips.items():
            for strip in strips:
                strip.flush(self._row(name, step))
        self.writer.settle()
        self.folder.checkpoints.save(step, self.begin, *_kept(carry, count), last=last)
        self.saved, self.at = step, time.monotonic()

    def _row(self, name: str, step: int) -> int:
        """The first row that is of steps from ``step`` on only."""
        return -(-step // {"spikes": OCTET, OFFSET: 1}.get(name, self.every))

    def explained(self, error: Exception) -> Exception:
        """What went wrong, and what is there all the same."""
        kept = f"the run is kept until step {self.saved} ({self.saved * self.folder.run['dt']:g} ms)"
        if isinstance(error, OSError):
            remedy = "make room" if full(error) else "make the folder one that can be written to"
            told = f"{error.strerror or error}; {kept}: {remedy}, then resume it"
            return OSError(error.errno, told, str(error.filename or self.folder.path))
        told = f"{error}; {kept}: resume it, with as many processes as you like"
        return processes.OtherProcessError(told, getattr(error, "lost", False))


def _kept(carry: Any, count: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """What a checkpoint holds: what the state is made of, and its arrays."""
    arrays = {"count": count}
    return describe(jax.tree.map(np.asarray, carry), "state", arrays), arrays


def run_stored(
    out: str | os.PathLike[str],
    neuron: Neuron,
    stimulus: StimulusLike,
    steps: int,
    *,
    again: bool,
    dt: float,
    seed: int,
    record: frozenset[str],
    every: int,
    select: np.ndarray | None,
    integrator: str,
    spike_timing: str,
    state: State | None,
    population: int | tuple[int, ...],
    progress: bool,
) -> StoredRun:
    """`lifjax.simulate` with a folder, without its checks; ``again``: go on with what is there."""
    path = folder_of(out, "out")
    plan, carry, begin = make_ready(
        neuron, terms(stimulus), steps, dt, seed, state, integrator, population, spike_timing
    )
    given: dict[str, np.ndarray] = {}
    run = {
        "neuron": describe(neuron, "neuron", given), "stimulus": describe(stimulus, "stimulus", given),
        "steps": steps, "dt": dt, "seed": seed, "record": sorted(record), "every": every,
        "neurons": None if select is None else describe(select, "neurons", given), "integrator": integrator,
        "spike_timing": spike_timing, "first_step": int(begin), "shape": list(plan.shape),
        "precision": str(working_dtype()), "state": None if state is None else _digest(carry),
    }  # fmt: skip

    def begin_it() -> None:
        if processes.number() > 0 or (again and holds_run(path)):
            return
        check_free(path)
        width, chunks = _cut(path, run)
        processes.share(-(-math.prod(plan.shape) // width))  # what cannot be shared is not begun
        told, arrays = _kept(carry, np.zeros(math.prod(plan.shape), np.int32))
        Folder.create(path, run, given, width, chunks, (told, arrays))

    processes.together(begin_it)
    return _go_on(path, run, kinds_in((neuron, stimulus, carry)), progress)


def resume(folder: str | os.PathLike[str], *, known: Iterable[type] = (), progress: bool = False) -> StoredRun:
    """Go on with a run that ``simulate(..., out=folder)`` began, to the end that it was given.

    The result is, byte for byte, that of a run that nothing interrupted. All that was written before is checked first.

    Args:
        folder: where it is.
        known: classes of neurons, their states and stimuli that are not lifjax's own, where it is made of any.
        progress: as in `simulate`.

    Returns:
        The run, as `lifjax.load` does.

    Raises:
        FileNotFoundError, ValueError: there is no run, it is damaged, or it was begun with other versions.
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> import lifjax
        >>> folder = tempfile.mkdtemp()
        >>> _ = lifjax.simulate(lifjax.LIF(), 300.0, 20.0, out=folder)  # and if this was killed
        >>> lifjax.resume(folder).steps
        200
    """
    return _go_on(folder_of(folder, "folder"), None, kinds(known), progress)


def _go_on(path: Path, run: dict[str, Any] | None, known: dict[str, type], progress: bool) -> StoredRun:
    """Do what is left of the run in a folder, which must be this one, where one is given."""
    with contextlib.ExitStack() as held:

        def open_it() -> tuple[StoredRun, Stream | None]:
            folder = Folder.open(path)
            folder.require_same(run or folder.run | {"precision": str(working_dtype())})
            before = loaded(folder, known)
            if before.wanted == before.steps:
                if processes.number() == 0:
                    _ended(folder, before)
                return before, None
            if processes.number() == 0:
                held.enter_context(folder.alone())
                folder.clear()
            stream = Stream(folder, before.steps)
            held.callback(stream.writer.close)
            stream.restore(before)
            return before, stream

        before, stream = processes.together(open_it)
        if stream is None:
            return before
        try:
            processes.together(lambda: _run_on(before, stream, progress and processes.number() == 0))
        except (OSError, processes.OtherProcessError) as error:
            raise stream.explained(error) from error
    done = loaded(stream.folder, known)
    check_end(done)
    return done


def _run_on(before: StoredRun, stream: Stream, progress: bool) -> None:
    """Go on with a run to its end, or until it is stopped."""
    stream.agree()
    # For as many steps as the run has, not as are left: a ramp may end with it.
    plan, carry, _ = make_ready(
        before.neuron, terms(before.stimulus), before.wanted, before.dt, before.seed, before.state, before.integrator,
        before.shape, before.spike_timing,
    )  # fmt: skip
    run_blocks(plan, carry, before.wanted, stream, progress, before.spike_count.reshape(-1))


def _ended(folder: Folder, run: StoredRun) -> None:
    """Where a run was killed between the two files of its last checkpoint, write the other."""
    if folder.checkpoints.twice:
        return
    carry = jax.tree.map(lambda x: np.asarray(x).reshape(-1), (run.state.neuron, run.state.stimulus))
    with contextlib.suppress(OSError), folder.alone():  # one is enough to read
        folder.clear()
        step = run.first_step + run.steps
        folder.checkpoints.save(step, 0, *_kept(carry, run.spike_count.reshape(-1)))


def _cut(path: Path, run: dict[str, Any]) -> tuple[int, dict[str, Chunks]]:
    """How many neurons a chunk has, and the arrays that a run is to record."""
    size, first, end = math.prod(run["shape"]), run["first_step"], run["first_step"] + run["steps"]
    part = -(-size // processes.count())
    width = chunk_columns(layout(part, part / OCTET).block)
    real = working_dtype()

    def array(name: str, dtype: Any, columns: int, steps: int, most: int = width) -> Chunks:
        """One of ``columns`` columns with a row each so many steps, at most so many columns in a chunk."""
        wide = min(most, columns)
        high = chunk_rows(wide, np.dtype(dtype).itemsize)
        from_ = first // steps if name == "spikes" else -(-first // steps)
        base = from_ // high * high
        return Chunks(path / name, (-(-end // steps) - base, columns), (high, wide), np.dtype(dtype), base)

    chunks = {}
    for name in sorted(run["record"], reverse=True):  # V before current
        if name == "spikes":
            chunks[name] = array(name, np.uint8, size, OCTET)
        elif name == OFFSET:
            chunks[name] = array(name, real, size, 1)
        else:
            columns = size if run["neurons"] is None else run["neurons"]["shape"][0]
            most = 1 if run["neurons"] is not None and columns <= _APART else width
            chunks[name] = array(name, real, columns, run["every"], most)
    return width, chunks


def _digest(carry: Any) -> str:
    """What tells one state from another."""
    return digest(np.concatenate([np.asarray(leaf).view(np.uint8).ravel() for leaf in jax.tree.leaves(carry)]))
