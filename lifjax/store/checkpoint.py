"""Checkpoints: the state of neurons at a step, from which a run goes on.

A file holds a line that says what it is, a line of JSON, the arrays' bytes, and the SHA-256 of it all. Two files take
turns, so that while one is written the other is there; the first and the last checkpoint are in both, so that one that
is missing is missed, and runs that have ended are the same file by file. A file may hold some of the neurons, those of
one process: then a checkpoint is all files of a step.
"""

import hashlib
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.store.chunks import DamagedError, sync_folder, write_whole

_MAGIC = b"lifjax checkpoint 1\n"
_DIGEST = 32  # bytes
_TURNS = "ab"
_Part = tuple[str, dict[str, Any], dict[str, np.ndarray]]  # the turns of the files, what they say, their arrays


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: where they are.
        size: how many neurons there are.

    twice: whether the checkpoint that was found last is in both files.
    """

    twice = False

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.turn = folder, size, 0

    def save(
        self, step: int, begin: int, told: dict[str, Any], arrays: dict[str, np.ndarray], last: bool = False
    ) -> None:
        """Write the checkpoint of a step of the neurons from ``begin`` on.

        Args:
            step: the absolute step.
            begin: the first neuron.
            told: what else to keep, in JSON.
            arrays: each (neurons,).
            last: whether no other will follow.
        """
        stop = begin + len(next(iter(arrays.values())))
        kept = {name: {"dtype": str(x.dtype), "shape": list(x.shape)} for name, x in arrays.items()}
        header = {"step": step, "begin": begin, "stop": stop, "told": told, "arrays": kept}
        parts: list[Any] = [_MAGIC, json.dumps(header).encode() + b"\n", *map(np.ascontiguousarray, arrays.values())]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        mine, other = (self.folder / f"{begin}-{_TURNS[turn]}" for turn in (self.turn, 1 - self.turn))
        for file in (mine, other) if last or not other.exists() else (mine,):
            write_whole(file, *parts, digest.digest())
            sync_folder(self.folder)
        self.turn = 1 - self.turn

    def bytes(self, begin: int) -> int:
        """How many those of the neurons from ``begin`` on take."""
        return sum(file.stat().st_size for file in self.folder.glob(f"{begin}-[ab]"))

    def newest(self) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
        """The last step that all neurons have a checkpoint of, what else was kept, and the arrays of all neurons.

        Raises:
            DamagedError: there is none that can be trusted. One that cannot, beside one that can, is a warning.
        """
        found, damaged = self._sound()
        for step in sorted(found, reverse=True):
            parts, at = [], 0
            while at in found[step]:
                parts.append(found[step][at])
                at = parts[-1][1]["stop"]
            if at == self.size:
                break
        else:
            raise DamagedError("; ".join(damaged) or f"{self.folder} holds no checkpoint")
        for told in damaged:
            warnings.warn(f"{told}; the other one, of step {step}, is used", stacklevel=4)
        self.turn = 1 - _TURNS.index(parts[0][0][-1])
        self.twice = all(len(part[0]) > 1 for part in parts)
        names = parts[0][2]
        return step, parts[0][1]["told"], {name: np.concatenate([part[2][name] for part in parts]) for name in names}

    def _sound(self) -> tuple[dict[int, dict[int, _Part]], list[str]]:
        """What can be trusted, by its step and its first neuron, and what is wrong with the rest."""
        found: dict[int, dict[int, _Part]] = {}
        damaged = []
        for begin in sorted({file.name[:-2] for file in self.folder.glob("*-[ab]")}):
            for turn in _TURNS:
                file = self.folder / f"{begin}-{turn}"
                try:
                    header, arrays = read(file)
                except DamagedError as error:
                    damaged.append(str(error.args[0]))
                    continue
                same = found.setdefault(header["step"], {})
                turns = same[header["begin"]][0] if header["begin"] in same else ""
                same[header["begin"]] = (turns + turn, header, arrays)
        return found, damaged


def there(folder: Path) -> bool:
    """Whether a folder has checkpoints, be they sound or not."""
    for file in folder.glob("*-[ab]"):
        with file.open("rb") as opened:
            if opened.read(len(_MAGIC)) == _MAGIC:
                return True
    return False


def read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a checkpoint's file says, and its arrays.

    Raises:
        DamagedError: it is not what was written.
    """
    try:
        body = file.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"{file} is missing") from None
    if not body.startswith(_MAGIC) or hashlib.sha256(body[:-_DIGEST]).digest() != body[-_DIGEST:]:
        raise DamagedError(f"{file} is damaged: its checksum does not agree")
    end = body.index(b"\n", len(_MAGIC))
    header = json.loads(body[len(_MAGIC) : end])
    arrays, place = {}, end + 1
    for name, told in header["arrays"].items():
        count = math.prod(told["shape"])
        x = np.frombuffer(body, np.dtype(told["dtype"]), count, place).reshape(told["shape"])
        arrays[name], place = x, place + x.nbytes
    return header, arrays
