"""The folder a command writes: whole or not at all, and never over another without --force."""

import importlib.metadata
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lifjax.store import holds_run

SUMMARY = "summary.json"
SETTINGS = "settings.toml"
STORED = "run.zarr"  # a run that is written while it goes on
WRITTEN = {SUMMARY, SETTINGS, "spikes.npz", "run.png", "isi.png", "voltage.png", "fi.csv", "fi.png"}
WRITTEN |= {"fit.csv", "fit.npz", "fit.png", STORED}


class Folder:
    """A folder that is filled under another name and takes its own once all is in it.

    Made before the work, so that a folder that cannot be written is refused before the work.

    Raises:
        ValueError: the folder is there already, and force is not given or it holds no run.
        OSError: it cannot be written.
    """

    def __init__(self, out: Path | None, default: str, force: bool) -> None:
        self.force = force
        self.path = (free_name(default) if out is None else out).absolute()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir())):
            foreign = self._foreign()
            if foreign:
                raise ValueError(f"--out {self.path} is there already and holds {foreign}; choose another folder")
            if not force:
                on = f", --resume {out} to go on with it" if (self.path / STORED).exists() else ""
                raise ValueError(
                    f"--out {self.path} already holds a run; choose another folder{on}, or --force to replace it"
                )
        self.draft = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent))

    def begin(self) -> Path:
        """Take the name before the work, so that what is written meanwhile is there whatever ends it.

        Until there is a run in it, an error still leaves all as it was.
        """
        self.old: Path | None = None
        if self.path.exists() and self.force:
            self.old = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent))
            self.path.rename(self.old / "old")
        self._publish()
        return self.path

    def end(self, failed: bool) -> None:
        """After `begin` and the work."""
        lost = failed and not (self.path / STORED).exists()
        if lost:
            shutil.rmtree(self.path, ignore_errors=True)
        if self.old is not None:
            if lost:
                (self.old / "old").rename(self.path)
            shutil.rmtree(self.old, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.draft

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            shutil.rmtree(self.draft, ignore_errors=True)
            return
        if self.path.exists() and self.force and not self._foreign():
            old = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent))
            self.path.rename(old / "old")
            self._publish()
            shutil.rmtree(old, ignore_errors=True)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            self.path = free_name(str(self.path))  # another run took the name meanwhile
        self._publish()

    def _publish(self) -> None:
        mask = os.umask(0)
        os.umask(mask)
        self.draft.chmod(0o777 & ~mask)  # mkdtemp opens it to its owner alone
        self.draft.rename(self.path)

    def _foreign(self) -> str:
        """What in the folder is not lifjax's, or ''."""
        try:
            if (self.path / STORED).is_dir() and not (self.path / SUMMARY).exists():
                lifjaxs = holds_run(self.path / STORED)  # its run has not come to its end
            else:
                lifjaxs = "lifjax" in json.loads((self.path / SUMMARY).read_text(encoding="utf-8"))["versions"]
        except (OSError, ValueError, KeyError, TypeError):
            lifjaxs = False
        if not lifjaxs:
            return "no run of lifjax"
        others = sorted(file.name for file in self.path.iterdir() if file.name not in WRITTEN)
        return f"other files too, such as {others[0]}" if others else ""


def free_name(name: str) -> Path:
    """The first of name, name-2, name-3 ... that is not there."""
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path


def write_summary(folder: Path, command: str, settings: dict[str, Any], results: dict[str, Any]) -> None:
    """Write all that is needed to repeat the command, and what came of it."""
    versions = {name: importlib.metadata.version(name) for name in ("lifjax", "jax", "jaxlib", "numpy")}
    versions["python"] = platform.python_version()
    told = {"command": command, "settings": settings, "results": results, "versions": versions}
    (folder / SUMMARY).write_text(json.dumps(told, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def finite(value: float) -> float | None:
    """The value, or None, JSON's null, where there is none."""
    return float(value) if np.isfinite(value) else None


def print_table(rows: dict[str, str]) -> None:
    """Print a short table of names and values."""
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")
