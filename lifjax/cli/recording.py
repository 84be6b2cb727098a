"""A recorded current, and perhaps the voltage it evoked, from a CSV file."""

import dataclasses
from pathlib import Path

import numpy as np

from lifjax.cli.table import read_table

COLUMNS = ("time_ms", "current_pA", "voltage_mV")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A recording at equal steps.

    dt: [ms].
    current: [pA], (time,).
    voltage: [mV], (time,), or None.
    """

    dt: float
    current: np.ndarray
    voltage: np.ndarray | None

    @property
    def times(self) -> np.ndarray:
        """Times since the first sample [ms]."""
        return np.arange(len(self.current)) * self.dt


def read_recording(path: Path) -> Recorded:
    """Read a CSV file with the columns time_ms, current_pA and, if there is one, voltage_mV.

    Raises:
        ValueError: a column is missing, a cell holds no number, or a sample is missing; with the line.
    """
    columns = read_table(path, COLUMNS[:2], COLUMNS[2:])
    times, current = columns["time_ms"], columns["current_pA"]
    if len(times) < 2:
        raise ValueError(f"{path} holds {len(times)} samples; give at least 2")
    return Recorded(dt=_step(path, times), current=current, voltage=columns.get("voltage_mV"))


def _step(path: Path, times: np.ndarray) -> float:
    """The time between two samples, known to be the same throughout."""
    steps = np.diff(times)
    dt = float(np.median(steps))
    wrong = np.flatnonzero(~((steps > 0) & (np.abs(steps - dt) <= 0.01 * abs(dt))))
    if wrong.size:
        i = wrong[0]
        gap = f"time_ms goes from {times[i]:g} to {times[i + 1]:g} ms where other steps are {dt:g} ms"
        raise ValueError(f"{path}, line {i + 3}: {gap}; give samples at equal steps, without a gap")
    return float((times[-1] - times[0]) / (len(times) - 1))
