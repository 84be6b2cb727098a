"""Runs on disk: written chunk by chunk while they go on, with checkpoints from which they can be taken up again.

A folder is a Zarr 3 group. ``spikes`` holds the spikes as bits, (octets, neurons) uint8, as `lifjax.Run` does; ``V``
and what else was recorded are beside it, ``given`` holds the parameters that are arrays, and the group's attributes say
what was run and by which version. Chunks are aligned to absolute steps and to blocks of neurons, so that each is
written by whoever ran it. A checkpoint is written after all chunks it follows: what comes after it is run again, and is
the same.
"""

from lifjax.store.chunks import Chunks, DamagedError
from lifjax.store.folder import Folder, check_free, folder_of, full, holds_run
from lifjax.store.stored import StoredRun, load, loaded
from lifjax.store.tree import describe, digest, kinds_in, rebuild
from lifjax.store.writer import Strip, Writer

__all__ = [
    "Chunks",
    "DamagedError",
    "Folder",
    "StoredRun",
    "Strip",
    "Writer",
    "check_free",
    "describe",
    "digest",
    "folder_of",
    "full",
    "holds_run",
    "kinds_in",
    "load",
    "loaded",
    "rebuild",
]
