"""What a run keeps and hands back.

Spikes are kept as bits, 8 steps a byte: a raster of n neurons and T steps is T n / 8 bytes. Spike times, events and the
bool raster are made from it on demand.
"""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from jax import Array

from lifjax.neurons.base import Neuron, Output, parameters, pytree
from lifjax.neurons.check import shown
from lifjax.stimulus import StimulusLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OCTET = 8  # steps in a byte
OFFSET = "offset"  # what is recorded beside spikes that are between grid times
_SLAB = 2**22  # bytes of a raster that a core unpacks at once


def _static(**kwargs: Any) -> Any:
    return dataclasses.field(metadata={"static": True}, **kwargs)


@pytree
class State:
    """Where a run stands: pass it as ``state=`` to go on from there.

    step: absolute steps since time 0.
    neuron: the state of the neurons, each leaf of the population's shape.
    stimulus: what each stimulus carries, in order.
    dt: the grid step that steps are counted in [ms].
    seed: the two words of the seed, with which the noise goes on.
    """

    step: Array | int
    neuron: Any
    stimulus: tuple[Any, ...] = ()
    dt: Any = None
    seed: Any = None


class Traced:
    """What was recorded at single steps, each by its name: ``run.V``, ``run.current``, ``run.w``."""

    traces: dict[str, Any]

    @property
    def V(self) -> Any:
        """Membrane potential [mV], (time, *population), or (time, neurons) of the subset."""
        return self._trace("V")

    @property
    def current(self) -> Any:
        """Input current [pA], shaped like V; what flows at V, through conductances too."""
        return self._trace("current")

    def _trace(self, name: str) -> Any:
        if name not in self.traces:
            raise ValueError(f"{name} was not recorded; run again with record=({name!r}, ...)")
        return self.traces[name]

    def __getattr__(self, name: str) -> Any:
        traces = self.__dict__.get("traces", {})
        if name in traces:
            return traces[name]
        told = f"; recorded are {', '.join(traces)}" if traces and not name.startswith("_") else ""
        raise AttributeError(f"{type(self).__name__} has no {name!r}{told}")


@pytree
class Recording(Traced):
    """What `lifjax.integrate` hands back beside the state.

    spikes: (time, *population), bool, or the numbers that a surrogate gives; None if not asked for.
    spike_count: (*population,), always there.
    traces: what else was asked for, by name, (time, *population); also as attributes.
    """

    spikes: Array | None
    spike_count: Array
    traces: dict[str, Array]


@pytree
class Run(Traced):
    """A finished run: what was recorded, as NumPy arrays, and all that is needed to repeat it or to go on.

    neuron, stimulus, seed, dt [ms], integrator: what was run.
    first_step, steps: where it began, counted from time 0, and how long it was.
    shape: the population's shape.
    spike_count: spikes of each neuron, (*population,).
    state: pass it as ``state=`` to go on.
    every, neurons: the stride and the subset of V and current.
    stopped: whether Ctrl-C ended it early.
    spike_timing: whether spikes are on grid times or between them.
    offsets: where they are between, by how much each is after its grid time [ms], in the order of time, for each block
        of octets.
    octets: the spikes, in blocks of neurons side by side, each (octets, neurons) uint8 from the octet of the first step
        on; bit b of octet i is step 8 i + b.
    """

    neuron: Neuron
    stimulus: StimulusLike
    spike_count: np.ndarray
    state: State
    traces: dict[str, np.ndarray]
    octets: tuple[np.ndarray, ...] | None
    offsets: tuple[np.ndarray, ...] | None
    neurons: np.ndarray | None
    dt: float = _static()
    seed: int = _static()
    integrator: str = _static()
    spike_timing: str = _static()
    first_step: int = _static()
    steps: int = _static()
    shape: tuple[int, ...] = _static()
    every: int = _static()
    stopped: bool = _static()

    def __repr__(self) -> str:
        kept = [*self.traces, *(["spikes"] if self.octets is not None else [])]
        return (
            f"Run({type(self.neuron).__name__}, population={self.shape}, duration={self.duration:g} ms, "
            f"dt={self.dt} ms, seed={self.seed}, spikes={int(self.spike_count.sum(dtype=np.int64))}, recorded={kept})"
        )

    @property
    def duration(self) -> float:
        """Length of the run [ms]."""
        return self.steps * self.dt

    @property
    def start_time(self) -> float:
        """Time of the first step [ms]; above 0 where the run went on from another."""
        return self.first_step * self.dt

    @property
    def times(self) -> np.ndarray:
        """Times at which V and current were recorded, (time,) float64 [ms]."""
        return sampled_steps(self.first_step, self.steps, self.every) * self.dt

    @property
    def firing_rate(self) -> np.ndarray:
        """Mean firing rate of each neuron [Hz], (*population,) float64."""
        return np.asarray(self.spike_count / (self.duration / 1000))

    @property
    def spikes(self) -> np.ndarray:
        """Which neuron fired at which step: bool, (steps, *population), made anew at each call."""
        begin, end = self.first_step % OCTET, self.first_step % OCTET + self.steps
        raster = np.empty((self.steps, self.spike_count.size), bool)
        for block, left in _side_by_side(self._octets()):
            bits = np.unpackbits(block, axis=0, bitorder="little")[begin:end]
            raster[:, left : left + block.shape[1]] = bits
        return raster.reshape(self.steps, *self.shape)

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Every spike: its time [ms] and the flat (C order) index of its neuron, sorted by neuron, then by time.

        Example:
            >>> import lifjax
            >>> lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 20.0).events()
            (array([11. ,  6.9, 15.8]), array([0, 1, 1]))
        """
        if self.offsets is not None:
            return self._events_between()
        return unpack(self._octets(), self.first_step // OCTET * OCTET, self.dt)

    def _events_between(self) -> tuple[np.ndarray, np.ndarray]:
        """`events` that are not on grid times."""
        times, columns = [], []
        for (block, left), late in zip(_side_by_side(self._octets()), self.offsets or (), strict=True):
            step, column = np.nonzero(np.unpackbits(block, axis=0, bitorder="little"))
            order = np.argsort(column, kind="stable")
            times.append(((step + self.first_step // OCTET * OCTET) * self.dt + late)[order])
            columns.append(column[order] + left)
        return np.concatenate(times), np.concatenate(columns)

    def events_of(self, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`events` of some neurons, given by flat index, with their places in ``neurons`` instead of the index."""
        octets = self._octets()
        if self.offsets is not None:
            times, column = self._events_between()
            order = np.argsort(neurons, kind="stable")
            place = np.searchsorted(neurons[order], column)
            there = (place < len(neurons)) & (neurons[order][np.minimum(place, len(neurons) - 1)] == column)
            own = order[place[there]]
            turn = np.argsort(own, kind="stable")
            return times[there][turn], own[turn]
        some = np.empty((len(octets[0]), len(neurons)), np.uint8)
        for block, left in _side_by_side(octets):
            here = np.flatnonzero((neurons >= left) & (neurons < left + block.shape[1]))
            some[:, here] = block[:, neurons[here] - left]
        return unpack((some,), self.first_step // OCTET * OCTET, self.dt)

    @property
    def spike_times(self) -> Any:
        """Spike times [ms]: one float64 array for one neuron, a list of them in C order for a population."""
        times, neuron = self.events()
        if not self.shape:
            return times
        count = self.spike_count.size
        return np.split(times, np.searchsorted(neuron, np.arange(1, count))) if count else []

    def _octets(self) -> tuple[np.ndarray, ...]:
        if self.octets is None:
            raise ValueError('spikes were not recorded, only counted; run again with record=("spikes", ...)')
        return self.octets

    def plot(self) -> "Figure":
        """A figure of the run: see `lifjax.plot.run`."""
        from lifjax import plot  # only here, so that importing lifjax does not import matplotlib

        return plot.run(self)


def chosen(record: str | Iterable[str], shows: type[Output] = Output) -> frozenset[str]:
    """What to record, as a set of names: of what a model shows, and "current".

    Raises:
        TypeError, ValueError: it is no name or several of them.

    Example:
        >>> chosen("V")
        frozenset({'V'})
    """
    known = (*parameters(shows), "current")
    told = ", ".join(map(repr, known))
    if not isinstance(record, Iterable):
        raise TypeError(f"record = {shown(record)} is no name; give a tuple of {told}, or ()")
    names = (record,) if isinstance(record, str) else tuple(record)
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"record: {shown(name)} is unknown; choose from {told}")
    return frozenset(names)


def sampled_steps(first: int, steps: int, every: int) -> np.ndarray:
    """The absolute steps from ``first`` on that are multiples of ``every``, int64."""
    return np.arange(-(-first // every) * every, first + steps, every)


def _side_by_side(octets: tuple[np.ndarray, ...]) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks of a packed raster, each with the number of its first column."""
    lefts = itertools.accumulate((block.shape[1] for block in octets), initial=0)
    return zip(octets, lefts, strict=False)


def samples_in(first: int, steps: int, every: int) -> int:
    """How many `sampled_steps` there are.

    Example:
        >>> samples_in(3, 10, 5) == len(sampled_steps(3, 10, 5)) == 2
        True
    """
    return -(-(first + steps) // every) - -(-first // every)


def unpack(octets: tuple[np.ndarray, ...], first: int = 0, dt: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Spikes in a packed raster, slab by slab of its columns, on all cores.

    Args:
        octets: blocks of columns side by side, each (octets, neurons) uint8; bit b of octet i is step first + 8 i + b.
        first: the step of the first bit.
        dt: grid step [ms].

    Returns:
        Time [ms], float64, and column, int64, of each spike, sorted by column, then by time.

    Example:
        >>> unpack((np.array([[0], [2]], np.uint8), np.array([[1], [0]], np.uint8)))
        (array([9., 0.]), array([0, 1]))
    """
    slabs, lefts = [], []
    for block, left in _side_by_side(octets):
        width = max(1, _SLAB // max(1, len(block)))
        for begin in range(0, block.shape[1], width):
            slabs.append(block[:, begin : begin + width])
            lefts.append(left + begin)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = list(pool.map(lambda slab: int(np.bitwise_count(slab).sum(dtype=np.int64)), slabs))
        ends = np.cumsum([0, *sizes])
        times, columns = np.empty(ends[-1]), np.empty(ends[-1], np.int64)

        def fill(number: int) -> None:
            step, column = _spikes(slabs[number])
            its = slice(ends[number], ends[number + 1])
            np.multiply(step + first, dt, out=times[its])
            np.add(column, lefts[number], out=columns[its])

        list(pool.map(fill, range(len(slabs))))
    return times, columns


def _spikes(octets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step and column of each spike in a packed raster, int64, sorted by column, then by step."""
    rows, columns = octets.shape
    height = -(-rows // 8)
    byte = np.zeros((height, columns, 8), np.uint8)
    for b in range(8):
        byte[: len(octets[b::8]), :, b] = octets[b::8]
    words = byte.reshape(-1).view("<u8").reshape(height, columns).T.astype(np.uint64, order="C").ravel()
    filled = np.flatnonzero(words)
    words = words[filled]
    many = np.bitwise_count(words)
    column, row = np.divmod(filled, max(1, height))
    steps = np.empty(many.sum(dtype=np.int64), np.int64)
    begin, place = row * 64, np.cumsum(many, dtype=np.int64) - many
    bits = words
    while bits.size:  # the first spike of each word, then the second of those that have one, and so on
        steps[place] = begin + np.bitwise_count((bits & (~bits + np.uint64(1))) - np.uint64(1))
        bits = bits & (bits - np.uint64(1))
        more = np.flatnonzero(bits)
        bits, begin, place = bits[more], begin[more], place[more] + 1
    return steps, np.repeat(column, many)
