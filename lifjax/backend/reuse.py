"""Memory of recordings that nobody holds any more, kept for the next run.

The first touch of a fresh page costs more than computing what is written to it, above all on a virtual machine, which
gets each page from its host. So what a dropped recording took is not given back at once: at most an eighth of the
machine's memory is kept, and none where a run would not fit otherwise, or with LIFJAX_KEEP_MEMORY=0.
"""

import functools
import math
import os
import threading
from typing import Any

import numpy as np

_LEAST = 2**18  # bytes worth keeping
_SHARE = 8  # of the machine's memory, one part at most is kept
_LINE = 64  # bytes of a line of a cache; copying takes up to twice as long where rows begin within one
_LARGER = 1.25  # by how much memory may be larger than what is asked for

_kept: dict[int, np.ndarray] = {}  # by identity, the longest kept first
_lock = threading.RLock()  # memory comes back whenever Python collects it, also while the lock is held here


class _Lease:
    """Memory that is in use for as long as an array of it is."""

    def __init__(self, raw: np.ndarray) -> None:
        self.raw = raw

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.raw.__array_interface__

    def __del__(self) -> None:
        try:  # noqa: SIM105 # as the interpreter ends, anything may be gone, also what else would be used
            _keep(self.raw)
        except Exception:
            pass


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array with any numbers in it, as `numpy.empty` makes, in memory that was used before where there is some.

    What is large begins where a line of a cache does.

    Example:
        >>> empty((3, 4), np.float32).shape
        (3, 4)
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < _LEAST:
        return np.empty(shape, kind)
    raw = _taken(size)
    lease: Any = _Lease(np.empty(size + _LINE, np.uint8) if raw is None else raw)
    begin = -lease.raw.ctypes.data % _LINE
    return np.asarray(lease)[begin : begin + size].view(kind).reshape(shape)


def spare(kind: Any) -> dict[Any, list[Any]]:
    """Where runs of a kind leave arrays for later ones; what they are is said by the runs.

    Of the last two kinds only, and not counted with the recordings: some MB a core.

    Example:
        >>> spare("kind").get("what", [])
        []
    """
    return _spare(kind) if _most() else {}


@functools.lru_cache(maxsize=2)
def _spare(kind: Any) -> dict[Any, list[Any]]:
    return {}


def drop() -> int:
    """Give all memory that is kept back to the system; how many bytes of recordings that was.

    Example:
        >>> drop() >= 0
        True
    """
    with _lock:
        size = _size()
        _kept.clear()
    _spare.cache_clear()
    return size


def _taken(size: int) -> np.ndarray | None:
    """The smallest memory that is kept and large enough, but not much larger; now in use."""
    with _lock:
        fits = [raw for raw in list(_kept.values()) if size + _LINE <= raw.nbytes <= _LARGER * size]
        return _kept.pop(id(min(fits, key=lambda raw: raw.nbytes)), None) if fits else None


def _keep(raw: np.ndarray) -> None:
    with _lock:
        _kept[id(raw)] = raw
        while _size() > _most():
            _kept.pop(next(iter(_kept)))


def _size() -> int:
    return sum(raw.nbytes for raw in list(_kept.values()))


def _most() -> int:
    """How many bytes may be kept."""
    if os.environ.get("LIFJAX_KEEP_MEMORY") == "0" or "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE
