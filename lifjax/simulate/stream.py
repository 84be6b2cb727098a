"""A run whose records go to disk while it runs, and that goes on where it ended, whatever ended it."""

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lifjax.backend import chunk_columns, chunk_rows, in_chunks, layout
from lifjax.neurons.base import Neuron, working_dtype
from lifjax.neurons.check import check_path
from lifjax.record import OCTET, OFFSET, State
from lifjax.simulate.blocks import Records, run_blocks
from lifjax.simulate.check import check_end
from lifjax.simulate.core import make_ready
from lifjax.stimulus.base import StimulusLike, terms
from lifjax.store import Chunks, Folder, StoredRun, Strip, Writer, check_free, describe, digest, holds_run, loaded
from lifjax.store.stored import kinds
from lifjax.store.tree import kinds_in

CHECKPOINT = 10.0  # s between two checkpoints
_HEIGHT = 4  # chunks of a subset of neurons that may be begun at once, since blocks come to it one after the other


class Stream(Records):
    """Where the records of a run go, chunk by chunk, into a folder; see `Records`."""

    way_on = "resume=True"

    def __init__(self, folder: Folder, done: int) -> None:
        run, self.folder, self.done = folder.run, folder, done
        select = None if run["neurons"] is None else folder.given()["neurons"]
        super().__init__(tuple(run["shape"]), run["first_step"], frozenset(run["record"]), run["every"], select)
        heights = [_HEIGHT * folder.chunks[name].chunk[0] for name in self.names if select is not None]
        self.layout = in_chunks(self.layout, self.size, folder.width, min(heights, default=self.layout.round))
        self.writer = Writer()
        self.strips = {
            name: [Strip(self.writer, array, j) for j in range(-(-array.shape[1] // array.chunk[1]))]
            for name, array in folder.chunks.items()
        }
        self.saved, self.at = self.first + done, time.monotonic()
        self.before = 0

    def restore(self, before: StoredRun) -> None:
        """Check all that was written before, and take back the chunks that are not full."""
        for name, strips in self.strips.items():
            begin, stop = before.rows(name)
            if begin == stop:
                continue
            self.before += self.folder.chunks[name].check(begin, stop)
            for strip in strips:
                strip.restore(stop)

    def written(self) -> int:
        """How many bytes are on disk."""
        return self.before + self.writer.size

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
        for strip in self.strips[name][(begin + self.shared(number)) // width : -(-stop // width)]:
            strip.put(row, values[:, strip.left - begin :][:, : strip.width])
            strip.release(row + len(values))

    def reached(self, done: int, whole: Callable[[], tuple[Any, np.ndarray]]) -> None:
        if self.select is not None:
            for name in self.names:
                for strip in self.strips[name]:
                    strip.release(self._row(name, self.first + done))
        self.writer.require()
        if time.monotonic() - self.at >= CHECKPOINT:
            self.save(done, *whole())

    def save(self, done: int, carry: Any, count: np.ndarray) -> None:
        """Write what is kept in memory, then, when that is on the disk, a checkpoint."""
        step = self.first + done
        if step == self.saved:
            return
        for name, strips in self.strips.items():
            for strip in strips:
                strip.flush(self._row(name, step))
        self.writer.settle()
        self.folder.checkpoints.save(step, 0, *_kept(carry, count))
        self.saved, self.at = step, time.monotonic()

    def _row(self, name: str, step: int) -> int:
        """The first row that is of steps from ``step`` on only."""
        return -(-step // {"spikes": OCTET, OFFSET: 1}.get(name, self.every))

    def explained(self, error: OSError) -> OSError:
        """What could not be written, and what is there all the same."""
        reached = f"step {self.saved} ({self.saved * self.folder.run['dt']:g} ms)"
        told = f"{error.strerror or error}; the run is kept until {reached}: make room, then resume it"
        return OSError(error.errno, told, str(error.filename or self.folder.path))


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
    path = Path(os.path.abspath(out))
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
    if again and holds_run(path):
        folder = Folder.open(path)
        folder.require_same(run)
    else:
        check_free(path)
        width, chunks = _cut(path, run)
        told, arrays = _kept(carry, np.zeros(math.prod(plan.shape), np.int32))
        folder = Folder.create(path, run, given, width, chunks, (told, arrays))
    return _go_on(folder, kinds_in((neuron, stimulus, carry)), progress)


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
    there = Folder.open(Path(os.path.abspath(check_path("folder", folder))))
    there.require_same(there.run | {"precision": str(working_dtype())})
    return _go_on(there, kinds(known), progress)


def _go_on(folder: Folder, known: dict[str, type], progress: bool) -> StoredRun:
    """Run what is left of the run in a folder."""
    before = loaded(folder, known)
    left = before.wanted - before.steps
    if not left:
        return before
    stream = Stream(folder, before.steps)
    with folder.alone():
        try:
            folder.clear()
            stream.restore(before)
            plan, carry, _ = make_ready(
                before.neuron, terms(before.stimulus), left, before.dt, before.seed, before.state, before.integrator,
                before.shape, before.spike_timing,
            )  # fmt: skip
            count = before.spike_count.reshape(-1)
            carry, count, done = run_blocks(plan, carry, before.wanted, stream, progress, count)
            stream.save(done, carry, count)
        except OSError as error:
            raise stream.explained(error) from error
        finally:
            stream.writer.close()
    run = loaded(folder, known)
    check_end(run)
    return run


def _cut(path: Path, run: dict[str, Any]) -> tuple[int, dict[str, Chunks]]:
    """How many neurons a chunk has, and the arrays that a run is to record."""
    size, first, end = math.prod(run["shape"]), run["first_step"], run["first_step"] + run["steps"]
    width = chunk_columns(layout(size, size / OCTET).block)
    real = working_dtype()

    def array(name: str, dtype: Any, columns: int, steps: int) -> Chunks:
        """One of ``columns`` columns with a row each so many steps."""
        wide = min(width, columns)
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
            chunks[name] = array(name, real, columns, run["every"])
    return width, chunks


def _digest(carry: Any) -> str:
    """What tells one state from another."""
    return digest(np.concatenate([np.asarray(leaf).view(np.uint8).ravel() for leaf in jax.tree.leaves(carry)]))
