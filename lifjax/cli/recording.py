"""A recorded current, and perhaps the voltage it evoked, from a CSV file."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

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
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = list(csv.reader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file: {error}") from None
    if not rows:
        raise ValueError(f"{path} is empty; its first line should be {','.join(COLUMNS)}")
    header = [name.strip() for name in rows[0]]
    for name in COLUMNS[:2]:
        if name not in header:
            raise ValueError(f"{path} has no column {name}: its first line is {','.join(header)!r}; name it so")
    wanted = [name for name in COLUMNS if name in header]
    places = [header.index(name) for name in wanted]
    values = np.array([_numbers(path, line, row, wanted, places) for line, row in enumerate(rows[1:], 2) if row])
    if len(values) < 2:
        raise ValueError(f"{path} holds {len(values)} samples; give at least 2")
    dt = _step(path, values[:, 0])
    return Recorded(dt=dt, current=values[:, 1], voltage=values[:, 2] if len(wanted) == 3 else None)


def _numbers(path: Path, line: int, row: list[str], wanted: list[str], places: list[int]) -> list[float]:
    cells = []
    for name, place in zip(wanted, places, strict=True):
        text = row[place].strip() if place < len(row) else ""
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            found = f"{text!r}" if text else "nothing"
            raise ValueError(
                f"{path}, line {line}: {name} is {found}; give a finite number, or leave the recording out"
            )
        cells.append(value)
    return cells


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
