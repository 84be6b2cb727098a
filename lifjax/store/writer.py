"""Chunks are written while the run goes on: gathered row by row, compressed and written on threads of their own."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.backend import cores
from lifjax.store.chunks import Chunks, sync_folder

_WAITING = 2  # chunks a thread that may wait to be written, before the run waits


class Writer:
    """The threads that write, and what became of it.

    size: by how many bytes the chunks on disk have grown.
    """

    def __init__(self) -> None:
        self.size = 0
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="lifjax-store")
        self._room = threading.Semaphore((1 + _WAITING) * cores())
        self._lock = threading.Lock()
        self._spare: dict[Any, list[np.ndarray]] = {}
        self._under_way: set[Future[None]] = set()
        self._touched: set[Path] = set()
        self._parts: dict[tuple[Path, int, int], int] = {}  # bytes of chunks that are not full
        self._failed: Exception | None = None

    def memory(self, array: Chunks, width: int) -> np.ndarray:
        """Room for a chunk, with any numbers in it."""
        with self._lock:
            spare = self._spare.get((array.path, width))
            if spare:
                return spare.pop()
        return np.empty((array.chunk[0], width), array.dtype)

    def write(self, array: Chunks, i: int, j: int, values: np.ndarray | bytes, whole: bool) -> None:
        """Write a chunk, or what it is encoded as, soon; one that is ``whole`` gives its memory back."""
        self.require()
        self._room.acquire()
        done = self._pool.submit(self._write, array, i, j, values, whole)
        with self._lock:
            self._under_way.add(done)
        done.add_done_callback(self._forget)

    def _write(self, array: Chunks, i: int, j: int, values: np.ndarray | bytes, whole: bool) -> None:
        try:
            if self._failed is None:
                size = array.write(i, j, values)
                with self._lock:
                    self.size += size - self._parts.pop((array.path, i, j), 0)
                    if not whole:
                        self._parts[array.path, i, j] = size
                    folder = array.file(i, j).parent
                    self._touched |= {folder, folder.parent, folder.parent.parent}
        except Exception as error:  # whatever it is, nothing may be taken for written
            self._failed = self._failed or error
        finally:
            if whole and not isinstance(values, bytes):
                with self._lock:
                    self._spare.setdefault((array.path, values.shape[1]), []).append(values)
            self._room.release()

    def begun(self, array: Chunks, i: int, j: int) -> None:
        """A chunk that is not full was there before, and will be written again."""
        self._parts[array.path, i, j] = array.file(i, j).stat().st_size

    def _forget(self, done: Future[None]) -> None:
        with self._lock:
            self._under_way.discard(done)

    def settle(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: something could not be written.
        """
        with self._lock:
            waited = list(self._under_way)
        for one in waited:
            one.result()
        self.require()
        for folder in self._touched:
            sync_folder(folder)
        self._touched.clear()

    def require(self) -> None:
        """Raise what went wrong on a thread, if anything did."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


class Strip:
    """Some columns of an array, as wide as a chunk, whose rows come in order.

    Args:
        writer: who writes them.
        array: the array.
        j: which column of chunks.
    """

    def __init__(self, writer: Writer, array: Chunks, j: int) -> None:
        self.writer, self.array, self.j, self.left, self.width = writer, array, j, j * array.chunk[1], array.width(j)
        self._lock = threading.Lock()
        self._begun: dict[int, np.ndarray] = {}

    def put(self, row: int, values: np.ndarray, where: Any = None) -> None:
        """Rows from ``row`` on, counted as the array's are, of all columns or of some.

        Rows that are a whole chunk are encoded here and now, while a cache holds them, instead of being copied.
        """
        height = self.array.chunk[0]
        row -= self.array.base
        while len(values):
            i, top = divmod(row, height)
            some = values[: height - top]
            if where is None and len(some) == height:
                self.writer.write(self.array, i, self.j, self.array.encoded(some), whole=True)
            else:
                self._memory(i, top)[top : top + len(some), slice(None) if where is None else where] = some
            row, values = row + len(some), values[len(some) :]

    def _memory(self, i: int, top: int) -> np.ndarray:
        with self._lock:
            if i not in self._begun:
                self._begun[i] = self.writer.memory(self.array, self.width)
                self._begun[i][:top] = 0
            return self._begun[i]

    def release(self, row: int) -> None:
        """Have all chunks written whose rows are before ``row``."""
        complete = (row - self.array.base) // self.array.chunk[0]
        for i in [i for i in self._begun if i < complete]:
            self.writer.write(self.array, i, self.j, self._begun.pop(i), whole=True)

    def flush(self, row: int) -> None:
        """Have all rows before ``row`` written; the memory of the last chunk must stay as it is until that is done."""
        self.release(row)
        row -= self.array.base
        for i, values in self._begun.items():
            values[row - i * self.array.chunk[0] :] = 0
            self.writer.write(self.array, i, self.j, values, whole=False)

    def restore(self, row: int) -> None:
        """Take back what was written of the chunk that a row of the array is in, from before that row.

        Raises:
            DamagedError: it is not what was written.
        """
        i, top = divmod(row, self.array.chunk[0])
        if top:
            self._memory(i, 0)[:top] = self.array.read(i, self.j)[:top]
            self.writer.begun(self.array, i, self.j)
