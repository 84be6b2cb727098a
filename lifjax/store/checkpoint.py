"""Checkpoints: the state of neurons at a step, from which a run goes on.

A file holds a line that says what it is, a line of JSON, the arrays' bytes, and the SHA-256 of it all. Two files take
turns, so that while one is written the other is there. A file may hold some of the neurons, those of one process: then
a checkpoint is all files of a step.
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


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: where they are.
        size: how many neurons there are.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.turn = folder, size, 0

    def save(self, step: int, begin: int, told: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write the checkpoint of a step of the neurons from ``begin`` on.

        Args:
            step: the absolute step.
            begin: the first neuron.
            told: what else to keep, in JSON.
            arrays: each (neurons,).
        """
        stop = begin + len(next(iter(arrays.values())))
        kept = {name: {"dtype": str(x.dtype), "shape": list(x.shape)} for name, x in arrays.items()}
        header = {"step": step, "begin": begin, "stop": stop, "told": told, "arrays": kept}
        parts: list[Any] = [_MAGIC, json.dumps(header).encode() + b"\n", *map(np.ascontiguousarray, arrays.values())]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        write_whole(self.folder / f"{begin}-{'ab'[self.turn]}", *parts, digest.digest())
        sync_folder(self.folder)
        self.turn = 1 - self.turn

    def newest(self) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
        """The last step that all neurons have a checkpoint of, what else was kept, and the arrays of all neurons.

        Raises:
            DamagedError: there is none that can be trusted. One that cannot, beside one that can, is a warning.
        """
        found: dict[int, list[tuple[str, dict[str, Any], dict[str, np.ndarray]]]] = {}
        damaged = []
        for file in sorted(self.folder.glob("*-[ab]")):
            try:
                header, arrays = read(file)
                found.setdefault(header["step"], []).append((file.name, header, arrays))
            except DamagedError as error:
                damaged.append(str(error))
        for step in sorted(found, reverse=True):
            parts = sorted(found[step], key=lambda part: part[1]["begin"])
            edges = [part[1]["begin"] for part in parts] + [self.size]
            if [0, *(part[1]["stop"] for part in parts)] == edges:
                break
        else:
            raise DamagedError("; ".join(damaged) or f"{self.folder} holds no checkpoint")
        for told in damaged:
            warnings.warn(f"{told}; the one before it, at step {step}, is used", stacklevel=4)
        self.turn = 1 - "ab".index(parts[0][0][-1])
        names = parts[0][2]
        return step, parts[0][1]["told"], {name: np.concatenate([part[2][name] for part in parts]) for name in names}


def read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a checkpoint's file says, and its arrays.

    Raises:
        DamagedError: it is not what was written.
    """
    body = file.read_bytes()
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
