"""An array on disk as Zarr 3 lays it down, (rows, columns): each chunk is a file that is there whole or not at all.

A chunk is compressed by Blosc and followed by its CRC-32C, so that any Zarr library reads it. It is written under
another name, synced and renamed: zarr-python's own store renames too, but syncs nothing, and a chunk that is missing it
reads as zeros, where here it is an error.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lifjax.backend import cores

_CRC = 4  # bytes
T = TypeVar("T")
U = TypeVar("U")
PARTIAL = ".partial"  # how the name of a file that is being written ends


class DamagedError(ValueError):
    """A file is not what was written."""

    def __str__(self) -> str:
        return f"{super().__str__()}; put back a copy of it, or run again into another folder"


@dataclasses.dataclass(frozen=True)
class Chunks:
    """An array.

    path: its folder.
    shape: rows and columns.
    chunk: rows and columns of a chunk.
    dtype: of its numbers.
    base: the number of its first row, counted from time 0: chunks of two runs with the same chunk cover the same times.
    """

    path: Path
    shape: tuple[int, int]
    chunk: tuple[int, int]
    dtype: np.dtype[Any]
    base: int = 0

    def told(self) -> dict[str, Any]:
        """The same in JSON, without the folder."""
        return {
            "shape": list(self.shape), "chunk": list(self.chunk), "dtype": str(self.dtype), "base": self.base
        }  # fmt: skip

    @classmethod
    def of(cls, path: Path, told: dict[str, Any]) -> "Chunks":
        """An array that is there, from what `told` said."""
        return cls(path, tuple(told["shape"]), tuple(told["chunk"]), np.dtype(told["dtype"]), told["base"])

    def create(self, group: Any, dimensions: Iterable[str], attributes: dict[str, Any]) -> None:
        """Describe the array in a Zarr group; it has no chunk yet."""
        from zarr.codecs import BloscCodec, Crc32cCodec

        size = self.dtype.itemsize
        blosc = BloscCodec(
            typesize=size, cname="lz4", clevel=1, shuffle="noshuffle" if size == 1 else "shuffle", blocksize=0
        )
        group.create_array(
            self.path.name,
            shape=self.shape,
            chunks=self.chunk,
            dtype=self.dtype,
            compressors=[blosc, Crc32cCodec()],
            fill_value=0,
            dimension_names=list(dimensions),
            attributes=attributes,
        )

    def file(self, i: int, j: int) -> Path:
        """The file of the chunk in row ``i`` and column ``j`` of chunks."""
        return self.path / "c" / str(i) / str(j)

    def width(self, j: int) -> int:
        """How many columns of the array a chunk of column ``j`` has."""
        return min(self.chunk[1], self.shape[1] - j * self.chunk[1])

    def encoded(self, values: np.ndarray) -> bytes:
        """The bytes of the file of a chunk, of which columns beyond the array may be left out."""
        if values.shape != self.chunk:
            whole = np.zeros(self.chunk, self.dtype)
            whole[: len(values), : values.shape[1]] = values
            values = whole
        body = _blosc(values.dtype.itemsize).encode(np.ascontiguousarray(values))
        return bytes(body) + _checksum(body)

    def write(self, i: int, j: int, values: np.ndarray | bytes) -> int:
        """Write a chunk, or what it is encoded as; how many bytes that took."""
        return write_whole(self.file(i, j), values if isinstance(values, bytes) else self.encoded(values))

    def read(self, i: int, j: int) -> np.ndarray:
        """A chunk, without columns beyond the array.

        Raises:
            DamagedError: it is missing, or its checksum does not agree.
        """
        body = self.body(i, j)
        numbers = np.frombuffer(_blosc(self.dtype.itemsize).decode(body), self.dtype)
        if numbers.size != self.chunk[0] * self.chunk[1]:
            raise DamagedError(f"{self.file(i, j)} is damaged: it is a chunk of another array")
        return numbers.reshape(self.chunk)[:, : self.width(j)]

    def body(self, i: int, j: int) -> memoryview:
        """The compressed bytes of a chunk, whose checksum agrees."""
        file = self.file(i, j)
        try:
            found = memoryview(file.read_bytes())
        except FileNotFoundError:
            raise DamagedError(f"{file} is missing") from None
        body, told = found[:-_CRC], bytes(found[-_CRC:])
        if len(told) < _CRC or _checksum(body) != told:
            raise DamagedError(f"{file} is damaged: its checksum does not agree")
        return body

    def part(self, begin: int, stop: int, columns: np.ndarray) -> np.ndarray:
        """Rows from one to before another, of some columns, read on all cores."""
        out = np.empty((max(0, stop - begin), len(columns)), self.dtype)
        height, width = self.chunk
        pieces = []
        for j in np.unique(columns // width):
            where = np.flatnonzero(columns // width == j)
            inside = columns[where] - j * width
            run = bool((np.diff(inside) == 1).all() and (np.diff(where) == 1).all())
            take: Any = slice(inside[0], inside[-1] + 1) if run else inside
            to: Any = slice(where[0], where[-1] + 1) if run else where
            pieces += [(i, int(j), take, to) for i in range(begin // height, -(-stop // height)) if len(out)]

        def fill(piece: tuple[int, int, Any, Any]) -> None:
            i, j, take, to = piece
            low, high = max(begin, i * height), min(stop, (i + 1) * height)
            out[low - begin : high - begin, to] = self.read(i, j)[low - i * height : high - i * height, take]

        on_threads(fill, pieces)
        return out

    def check(self, begin: int, stop: int, columns: Iterable[int] | None = None) -> int:
        """Bytes of all files with rows from one to before another, in all columns of chunks or in some.

        Raises:
            DamagedError: one of them is missing, or not what was written.
        """
        rows = range(begin // self.chunk[0], -(-stop // self.chunk[0])) if begin < stop else ()
        columns = range(-(-self.shape[1] // self.chunk[1])) if columns is None else list(columns)
        return sum(on_threads(lambda at: len(self.body(*at)) + _CRC, [(i, j) for i in rows for j in columns]))


def on_threads(work: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """What the work of each item gives, done on a thread a core."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, items))


def write_whole(file: Path, *parts: Any) -> int:
    """Write a file that is there whole or not at all, and on the disk once this returns; its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}{PARTIAL}")
    try:
        with draft.open("wb") as opened:
            size = sum(map(opened.write, parts))
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return size


def sync_folder(path: Path) -> None:
    """Bring to the disk which files a folder has."""
    if os.name != "posix":
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _blosc(size: int) -> Any:
    from numcodecs import Blosc

    return Blosc("lz4", clevel=1, shuffle=Blosc.NOSHUFFLE if size == 1 else Blosc.SHUFFLE)


def _checksum(body: Any) -> bytes:
    import google_crc32c

    return google_crc32c.value(bytes(body)).to_bytes(_CRC, "little")
