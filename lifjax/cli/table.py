"""CSV files with a line of names and lines of numbers."""

import csv
from pathlib import Path

import numpy as np


def read_table(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Columns of a CSV file, by name.

    Args:
        path: the file, with names in its first line; other columns are passed over.
        needed, optional: names of columns.

    Raises:
        ValueError: a column is missing or a cell holds no finite number; with the line.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = list(csv.reader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file: {error}") from None
    if not rows:
        raise ValueError(f"{path} is empty; its first line should be {','.join((*needed, *optional))}")
    header = [name.strip() for name in rows[0]]
    for name in needed:
        if name not in header:
            raise ValueError(f"{path} has no column {name}: its first line is {','.join(header)!r}; name it so")
    wanted = [name for name in (*needed, *optional) if name in header]
    places = [header.index(name) for name in wanted]
    values = [_numbers(path, line, row, wanted, places) for line, row in enumerate(rows[1:], 2) if row]
    columns = np.array(values).reshape(-1, len(wanted))
    return {name: columns[:, i] for i, name in enumerate(wanted)}


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
            raise ValueError(f"{path}, line {line}: {name} is {found}; give a finite number, or leave the line out")
        cells.append(value)
    return cells
