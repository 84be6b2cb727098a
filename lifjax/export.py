"""Runs in the formats of others: SONATA and NWB files, Neo objects.

Each function takes a run, in memory or on disk; a SONATA file is written block by block of neurons, so that it may be
larger than the memory. Spike times are those of ``run.events()``, in ms, or in seconds where the format asks for them.
What is needed comes with ``pip install "lifjax[export]"``.
"""

import contextlib
import datetime
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.neurons.base import parameters
from lifjax.neurons.check import check_path, shown
from lifjax.record import Run

_TOGETHER = 2**14  # neurons whose spikes are in memory at once
_MAGIC = 0x0A7A  # of a SONATA file
_SI = {"mV": ("volts", 1e-3), "pA": ("amperes", 1e-12), "nS": ("siemens", 1e-9)}


def sonata(run: Run, path: str | os.PathLike[str], *, population: str = "lifjax") -> None:
    """Write the spikes as a SONATA spike file, an HDF5 file with times [ms] and node ids, sorted by id, then by time.

    Args:
        run: a run with spikes recorded.
        path: the file; one that is there already is refused.
        population: the name of the population in it.

    Raises:
        FileExistsError: the file is there.
        FileNotFoundError: its folder is not.
        ValueError: spikes were not recorded.

    Reference: Dai et al. 2020, doi:10.1371/journal.pcbi.1007696.

    Example:
        >>> import pathlib, tempfile
        >>> import lifjax
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "spikes.h5"
        >>> lifjax.export.sonata(lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 20.0), path)
        >>> import h5py
        >>> with h5py.File(path) as file:
        ...     file["spikes/lifjax/timestamps"][:]
        array([11. , 6.9, 15.8])
    """
    import h5py

    _check(run)
    _check_text("population", population)
    if run.octets is None:
        raise ValueError('spikes were not recorded, only counted; run again with record=("spikes", ...)')
    with _whole(path) as draft, h5py.File(draft, "w") as file:
        file.attrs["magic"] = np.uint32(_MAGIC)
        file.attrs["version"] = np.array([0, 1], np.uint32)
        group = file.create_group(f"spikes/{population}")
        sorting = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
        group.attrs.create("sorting", 1, dtype=sorting)
        # Not compressed: libsonata as it is distributed reads no filter.
        kept = {
            name: group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(2**16,))
            for name, dtype in (("timestamps", np.float64), ("node_ids", np.uint64))
        }
        kept["timestamps"].attrs["units"] = "ms"
        for first, times, place in _parts(run):
            for name, values in (("timestamps", times), ("node_ids", place + first)):
                end = len(kept[name])
                kept[name].resize((end + len(values),))
                kept[name][end:] = values


def nwb(
    run: Run,
    path: str | os.PathLike[str],
    *,
    description: str | None = None,
    identifier: str | None = None,
    start: datetime.datetime | None = None,
) -> None:
    """Write a run as an NWB file: spikes as units, one a neuron, and what was recorded of V and currents beside them.

    Args:
        run: a run; spikes are written where they were recorded.
        path: the file; one that is there already is refused.
        description: of the session; None says what was run.
        identifier: of the file; None makes a unique one.
        start: when the session began, with a time zone; None is now.

    Raises:
        FileExistsError: the file is there.
        FileNotFoundError: its folder is not.

    Reference: Ruebel et al. 2022, doi:10.7554/eLife.78362.

    Example:
        >>> import pathlib, tempfile
        >>> import lifjax
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.nwb"
        >>> lifjax.export.nwb(lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 20.0), path)
        >>> import pynwb
        >>> with pynwb.NWBHDF5IO(path, "r") as file:
        ...     file.read().units["spike_times"][1]  # s
        array([0.0069, 0.0158])
    """
    _check(run)
    for name, text in (("description", description), ("identifier", identifier)):
        if text is not None and (not isinstance(text, str) or not text or not _writable(text)):
            raise ValueError(f"{name} = {shown(text)} is no text that can be written; give some, or None")
    if start is not None and (not isinstance(start, datetime.datetime) or start.tzinfo is None):
        raise TypeError(f"start = {shown(start)} is no time with a zone; give a datetime.datetime with one, or None")
    import pynwb
    from hdmf.common import ElementIdentifiers, VectorData, VectorIndex

    file = pynwb.NWBFile(
        session_description=description or f"simulation by lifjax: {run!r}",
        identifier=identifier or str(uuid.uuid4()),
        session_start_time=start or datetime.datetime.now(datetime.UTC),
    )
    for name, x in run.traces.items():
        unit, factor = _SI.get(_unit(run, name), (_unit(run, name), 1.0))
        file.add_acquisition(
            pynwb.TimeSeries(
                name=name,
                data=np.asarray(x).reshape(len(run.times), -1),
                unit=unit,
                conversion=factor,
                starting_time=float(run.times[0] / 1000) if len(run.times) else 0.0,
                rate=1000 / (run.dt * run.every),
                comments="a column a neuron: "
                + ("all, in C order" if run.neurons is None else ", ".join(map(str, run.neurons.tolist()))),
            )
        )
    if run.octets is not None:
        times = np.concatenate([np.zeros(0), *(times / 1000 for _, times, _ in _parts(run))])
        train = VectorData(name="spike_times", description="spike times [s]", data=times)
        ends, units = np.cumsum(run.spike_count.ravel(), dtype=np.int64), np.arange(run.spike_count.size)
        seen = np.tile([run.start_time / 1000, (run.start_time + run.duration) / 1000], (len(units), 1))
        when = VectorData(name="obs_intervals", description="when each was observed [s]", data=seen)
        file.units = pynwb.misc.Units(
            name="units",
            description="a unit a neuron, in C order",
            id=ElementIdentifiers(name="id", data=units),
            columns=[
                train,
                VectorIndex(name="spike_times_index", data=ends, target=train),
                when,
                VectorIndex(name="obs_intervals_index", data=units + 1, target=when),
            ],
            resolution=run.dt / 1000 if run.spike_timing == "grid" else None,
        )
    with _whole(path) as draft, pynwb.NWBHDF5IO(draft, "w") as out:
        out.write(file)


def neo(run: Run) -> Any:
    """A run as a Neo block with one segment: a spike train a neuron, and a signal for each of what was recorded.

    Args:
        run: a run; spikes are there where they were recorded.

    Returns:
        A ``neo.Block``.

    Reference: Garcia et al. 2014, doi:10.3389/fninf.2014.00010.

    Example:
        >>> import lifjax
        >>> block = lifjax.export.neo(lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 20.0))
        >>> print(block.segments[0].spiketrains[1])
        [ 6.9 15.8] ms
    """
    _check(run)
    import neo as theirs
    import quantities

    segment = theirs.Segment(name="run")
    end = run.start_time + run.duration
    for name, x in run.traces.items():
        signal = theirs.AnalogSignal(
            np.asarray(x).reshape(len(run.times), -1),
            units=_unit(run, name),
            t_start=float(run.times[0]) * quantities.ms,
            sampling_period=run.dt * run.every * quantities.ms,
            name=name,
        )
        segment.analogsignals.append(signal)
    if run.octets is not None:
        for first, times, place in _parts(run):
            stop = min(first + _TOGETHER, run.spike_count.size)
            for neuron, train in enumerate(np.split(times, np.searchsorted(place, np.arange(1, stop - first))), first):
                spikes = theirs.SpikeTrain(train, units="ms", t_start=run.start_time, t_stop=end, name=str(neuron))
                segment.spiketrains.append(spikes)
    block = theirs.Block(name="lifjax", description=repr(run))
    block.segments.append(segment)
    return block


def _parts(run: Run) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The spikes of some neurons after the others: the first of them, times [ms], and each one's place among them."""
    for first in range(0, run.spike_count.size, _TOGETHER):
        yield first, *run.events_of(np.arange(first, min(first + _TOGETHER, run.spike_count.size)))


def _check(run: Run) -> None:
    if not isinstance(run, Run):
        raise TypeError(f"run = {shown(run)} is a {type(run).__name__}; give a run, as lifjax.simulate hands it back")


def _check_text(name: str, value: str) -> None:
    if not isinstance(value, str) or value in ("", ".", "..") or "/" in value or not _writable(value):
        raise ValueError(f"{name} = {shown(value)} is no name of a group; give text without a slash")


def _writable(text: str) -> bool:
    """Whether HDF5 takes it."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _unit(run: Run, name: str) -> str:
    """The unit of what was recorded."""
    return "pA" if name == "current" else parameters(run.neuron.shows)[name].unit


@contextlib.contextmanager
def _whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write, which takes its name once it is whole."""
    file = check_path("path", path)
    if file.exists():
        raise FileExistsError(f"{file} is there already; choose another name")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"path = {file}: there is no folder {file.parent}; make it first")
    draft = file.with_name(f".{file.stem}.{os.getpid()}.partial{file.suffix}")
    try:
        yield draft
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
