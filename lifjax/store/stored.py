"""A run that is on disk: the interface of `lifjax.Run`, with spikes and traces read as they are asked for."""

import dataclasses
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from lifjax.backend import require_memory
from lifjax.neurons.check import shown
from lifjax.noise import words
from lifjax.record import OCTET, OFFSET, Run, State, samples_in, unpack
from lifjax.store.chunks import Chunks, DamagedError, on_threads
from lifjax.store.folder import Folder, folder_of
from lifjax.store.tree import kind_of, ours, rebuild

_SLAB = 2**28  # bytes that are read at once


class Lazy(NDArrayOperatorsMixin):
    """What is on disk as an array: an index reads what it asks for, and whatever else needs numbers reads all.

    Rows are from one to before another of what is on disk, columns some of its, laid out in the shape ``tail``.
    """

    def __init__(self, array: Chunks, rows: tuple[int, int], columns: tuple[int, int], tail: tuple[int, ...]) -> None:
        self._array, self._rows, self._columns = array, rows, columns
        self.shape = (rows[1] - rows[0], *tail)
        self.dtype, self.ndim, self.size = array.dtype, len(self.shape), math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        first, *others = key if isinstance(key, tuple) else (key,)
        single = isinstance(first, int | np.integer)
        if not (single or isinstance(first, slice)) or any(other is None or other is Ellipsis for other in others):
            return np.asarray(self)[key]
        rows = range(len(self))[slice(first, first + 1 or None) if single else first]
        if single and not rows:
            raise IndexError(f"row {first} is beyond {len(self)}")
        low, high = (min(rows), max(rows) + 1) if rows else (0, 0)
        columns, tail = np.arange(*self._columns), self.shape[1:]
        if len(others) == len(tail) == 1:
            columns = columns[others[0]]
            tail, others = columns.shape, []
        self._require((high - low) * columns.size)
        part = self._array.part(self._rows[0] + low, self._rows[0] + high, columns.ravel())
        part = part[:: rows.step].reshape(len(rows), *tail)
        return part[(0 if single else slice(None), *others)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._require(self.size)
        x = self._array.part(*self._rows, np.arange(*self._columns)).reshape(self.shape)
        return x if dtype is None else x.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        read = [np.asarray(x) if isinstance(x, Lazy) else x for x in inputs]
        return getattr(ufunc, method)(*read, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return f"<{self.shape} {self.dtype} in {self._array.path}>"

    def _require(self, size: int) -> None:
        name = self._array.path.name
        require_memory({name: size * self.dtype.itemsize}, {name: "read a part of it"})


class Trains(Sequence[np.ndarray]):
    """Spike times [ms] of each neuron, in C order; an index reads one, and going through reads block by block."""

    def __init__(self, run: "StoredRun") -> None:
        self._run = run

    def __len__(self) -> int:
        return int(self._run.spike_count.size)

    @overload
    def __getitem__(self, key: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, key: slice) -> list[np.ndarray]: ...

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return self._of(np.arange(len(self))[key])
        return self._of(np.array([range(len(self))[key]]))[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        width = self._run.folder.width
        for begin in range(0, len(self), width):
            yield from self._of(np.arange(begin, min(begin + width, len(self))))

    def _of(self, neurons: np.ndarray) -> list[np.ndarray]:
        times, place = self._run.events_of(neurons)
        return np.split(times, np.searchsorted(place, np.arange(1, len(neurons)))) if len(neurons) else []


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StoredRun(Run):
    """A `lifjax.Run` that is in a folder. What is read from it is checked.

    folder: where it is.
    wanted: how many steps it was begun for; ``steps`` are done.
    """

    folder: Folder
    wanted: int

    def rows(self, name: str) -> tuple[int, int]:
        """The rows of an array that were done."""
        array = self.folder.chunks[name]
        if name == "spikes":
            begin = self.first_step // OCTET
            rows = begin, -(-(self.first_step + self.steps) // OCTET) if self.steps else begin
        elif name == OFFSET:
            rows = self.first_step, self.first_step + self.steps
        else:
            begin = -(-self.first_step // self.every)
            rows = begin, begin + samples_in(self.first_step, self.steps, self.every)
        return rows[0] - array.base, rows[1] - array.base

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        self._octets()
        require_memory(
            {"events": 16 * int(self.spike_count.sum(dtype=np.int64))},
            {"events": "take those of some neurons, events_of"},
        )
        found, size = [], self.spike_count.size
        for begin in range(0, size, self.folder.width):
            times, columns = self.events_of(np.arange(begin, min(begin + self.folder.width, size)))
            found.append((times, columns + begin))
        return np.concatenate([times for times, _ in found]), np.concatenate([columns for _, columns in found])

    def events_of(self, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._octets()
        each = OCTET * self.folder.chunks[OFFSET].dtype.itemsize if self.spike_timing != "grid" else 1
        height = max(1, _SLAB // (max(1, len(neurons)) * each))
        begin, stop = self.rows("spikes")
        parts = [self._events(neurons, top, min(top + height, stop)) for top in range(begin, stop, height)]
        if len(parts) == 1:
            return parts[0]
        times = np.concatenate([np.zeros(0), *(times for times, _ in parts)])
        columns = np.concatenate([np.zeros(0, np.int64), *(columns for _, columns in parts)])
        order = np.argsort(columns, kind="stable")
        return times[order], columns[order]

    def _events(self, neurons: np.ndarray, begin: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Spikes in some rows of octets, sorted by neuron, then by time."""
        array = self.folder.chunks["spikes"]
        octets, first = array.part(begin, stop, neurons), (array.base + begin) * OCTET
        times, columns = unpack((octets,), first, self.dt)
        if self.spike_timing != "grid":
            late, (low, high) = self.folder.chunks[OFFSET], self.rows(OFFSET)
            low, high = max(low, first - late.base), min(high, first + len(octets) * OCTET - late.base)
            fired = np.unpackbits(octets, axis=0, bitorder="little")[low + late.base - first :][: high - low]
            times = times + late.part(low, high, neurons).T[fired.T.astype(bool)]
        return times, columns

    @property
    def spike_times(self) -> Any:
        self._octets()
        return Trains(self) if self.shape else self.events()[0]

    def verify(self) -> None:
        """Read all and compare with every checksum and with the spike counts.

        Raises:
            DamagedError: a file is not what was written; its name.
        """
        for name, array in self.folder.chunks.items():
            array.check(*self.rows(name))
        if self.octets is None:
            return

        def compare(begin: int) -> None:
            stop = min(begin + self.folder.width, self.spike_count.size)
            (low, high), array = self.rows("spikes"), self.folder.chunks["spikes"]
            found = np.zeros(stop - begin, np.int64)
            for top in range(low, high, array.chunk[0]):
                found += count_bits(
                    array.part(top, min(top + array.chunk[0], high), np.arange(begin, stop)), self, top - low
                )
            if (found != self.spike_count.ravel()[begin:stop]).any():
                raise DamagedError(f"{array.path}: neurons {begin} to {stop - 1} have other spikes than were counted")

        on_threads(compare, list(range(0, self.spike_count.size, self.folder.width)))


def count_bits(octets: np.ndarray, run: StoredRun, row: int) -> np.ndarray:
    """Spikes of each column in some rows of a run's raster, without those after its last step."""
    end = run.first_step % OCTET + run.steps - row * OCTET
    if end < len(octets) * OCTET:
        octets = octets.copy()
        octets[-1] &= np.uint8((1 << (end - (len(octets) - 1) * OCTET)) - 1)
    return np.bitwise_count(octets).sum(axis=0, dtype=np.int64)


def load(folder: str | os.PathLike[str], known: Iterable[type] = ()) -> StoredRun:
    """The run in a folder that ``simulate(..., out=folder)`` wrote, whole or as far as it is done.

    Spikes and traces stay on disk: ``run.spike_times[7]``, ``run.events_of(neurons)``, ``run.V[1000:2000]`` read what
    they need, and check it. Nothing in a folder is ever executed.

    Args:
        folder: where it is.
        known: classes of neurons, their states and stimuli that are not lifjax's own, where it is made of any.

    Returns:
        A `lifjax.Run`; ``verify()`` reads and checks all of it.

    Raises:
        FileNotFoundError, ValueError: there is no run, it is damaged, or another version wrote it in another format.
        ModuleNotFoundError: zarr is missing; the remedy is said.

    Example:
        >>> import tempfile
        >>> import lifjax
        >>> folder = tempfile.mkdtemp()
        >>> _ = lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 20.0, record=("spikes",), out=folder)
        >>> lifjax.load(folder).spike_times[1]
        array([ 6.9, 15.8])
    """
    return loaded(Folder.open(folder_of(folder, "folder")), kinds(known))


def kinds(known: Iterable[type]) -> dict[str, type]:
    """Classes that a person knows, by `kind_of`; raise where they are none."""
    classes = list(known) if isinstance(known, Iterable) else [known]
    for cls in classes:
        if not isinstance(cls, type):
            raise TypeError(f"known holds {shown(cls)}, no class; give a list of classes")
    return {kind_of(cls): cls for cls in classes}


def loaded(folder: Folder, known: Mapping[str, type] | None = None) -> StoredRun:
    """The run in a folder that is open; ``known`` are classes that it may be made of beside lifjax's own."""
    run = folder.run
    step, told, arrays = folder.checkpoints.newest()
    known = {**ours(), **(known or {})}
    given = folder.given()
    shape, done = tuple(run["shape"]), step - run["first_step"]
    try:
        neuron, stimulus = rebuild(run["neuron"], given, known), rebuild(run["stimulus"], given, known)
        carry = rebuild(told, {name: x.reshape(shape) for name, x in arrays.items()}, known)
    except KeyError as error:
        raise ValueError(
            f"{folder.path} holds a run of {error.args[0]}, which load cannot make: give it in known="
        ) from None
    reached: Any = np.int32(step)  # as a run has it
    state = State(step=reached, neuron=carry[0], stimulus=carry[1], dt=run["dt"], seed=words(run["seed"]))
    select = None if run["neurons"] is None else given["neurons"]
    made = StoredRun(
        neuron=neuron, stimulus=stimulus, spike_count=arrays["count"].reshape(shape), state=state, traces={},
        octets=None, offsets=None, neurons=select, dt=run["dt"], seed=run["seed"], integrator=run["integrator"],
        spike_timing=run["spike_timing"], first_step=run["first_step"], steps=done, shape=shape, every=run["every"],
        stopped=done < run["steps"], folder=folder, wanted=run["steps"],
    )  # fmt: skip
    tail = shape if select is None else select.shape
    traces: dict[str, Any] = {
        name: Lazy(array, made.rows(name), (0, array.shape[1]), tail)
        for name, array in folder.chunks.items() if name not in ("spikes", OFFSET)
    }  # fmt: skip
    octets: Any = None
    if (array := folder.chunks.get("spikes")) is not None:
        edges = [*range(0, array.shape[1], array.chunk[1]), array.shape[1]]
        rows = made.rows("spikes")
        octets = tuple(Lazy(array, rows, pair, (pair[1] - pair[0],)) for pair in itertools.pairwise(edges))
    return dataclasses.replace(made, traces=traces, octets=octets)
