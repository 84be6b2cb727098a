"""``lifjax run --processes K`` and ``--distributed``: one run by several processes."""

import argparse
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from lifjax import backend, processes
from lifjax.cli.settings import Namespace

REFUSED = 2  # exit status of what was refused, or failed, with one clear error
_GRACE = 10.0  # s that processes have to end by themselves once one has failed
_LOOK = 0.05  # s between two looks at them


def add(command: argparse.ArgumentParser) -> None:
    """Add the flags to a parser."""
    group = command.add_argument_group("processes", "The neurons are shared out; the spikes are those of one process.")
    group.add_argument("--processes", type=int, metavar="K", help="share the run among K processes on this machine")
    group.add_argument(
        "--distributed", action="store_true", help="be one of the processes that Slurm, Open MPI or Kubernetes started"
    )
    group.add_argument("--join", help=argparse.SUPPRESS)  # ADDRESS,COUNT,NUMBER: what --processes starts


def shared(given: Namespace) -> bool:
    """Whether this is one of several processes."""
    return getattr(given, "join", None) is not None or bool(getattr(given, "distributed", False))


def join(given: Namespace) -> bool:
    """Become one of several processes, where that is asked for; whether it is.

    Raises:
        ValueError: it cannot be.
    """
    if not shared(given):
        return False
    if importlib.util.find_spec("zarr") is None:
        raise ValueError('several processes share a run on disk: pip install "lifjax[store]"')
    if given.join is None:
        processes.join()
    else:
        address, count, number = given.join.split(",")
        processes.join(address, int(count), int(number))
    return True


def start(given: Namespace, folder: Path) -> int:
    """Start the processes that share a run, and see to it that they end; the exit status.

    Args:
        given: the flags, with ``arguments``, the words they were read from.
        folder: where the run is, or is to be.
    """
    count = given.processes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [*given.arguments, *([] if given.out or given.resume else ["--out", str(folder)])]
    command = [sys.executable, "-m", "lifjax", *words, "--join"]
    with contextlib.ExitStack() as held:
        children = []
        for number in range(count):
            # The first one speaks for all; what others say is shown where one fails in a way that it cannot tell.
            heard = held.enter_context(tempfile.TemporaryFile()) if number else None
            made, told = [*command, f"{address},{count},{number}"], _environment(number, count)
            with _on_cores(number, count):
                children.append(_Child(made, stdout=heard, stderr=heard, env=told, start_new_session=True))
            children[-1].heard = heard
        return _watch(children, folder)


class _Child(subprocess.Popen[bytes]):
    """A process, and the file that it writes what it says to, where that is not shown at once."""

    heard: IO[bytes] | None


def _environment(number: int, count: int) -> dict[str, str]:
    """What one of several processes is told, which includes the GPUs that are its own, where there are any."""
    told = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}  # what went wrong is said by us
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if gpus:
        told.setdefault("JAX_LOCAL_DEVICE_IDS", ",".join(map(str, range(number % gpus, gpus, count))))
    return told


@contextlib.contextmanager
def _on_cores(number: int, count: int) -> Iterator[None]:
    """Have a process that is started meanwhile run on its share of the cores, where each has one at least."""
    if not hasattr(os, "sched_setaffinity") or backend.cores() < count:
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    low, high = (k * len(cores) // count for k in (number, number + 1))
    os.sched_setaffinity(0, cores[low:high])  # which the process inherits
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _watch(children: list[_Child], folder: Path) -> int:
    """Wait for all; where one fails the others end."""

    def tell(asked: int, frame: FrameType | None) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(asked)

    before = {one: signal.signal(one, tell) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        while any(child.poll() is None for child in children):
            failed = [number for number, child in enumerate(children) if child.poll() not in (None, 0, 130)]
            if failed:
                return _end(children, failed[0], folder)
            time.sleep(_LOOK)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    codes = [child.wait() for child in children]
    bad = [number for number, code in enumerate(codes) if code not in (0, 130)]
    return _end(children, bad[0], folder) if bad else max(codes)


def _end(children: list[_Child], failed: int, folder: Path) -> int:
    """End all processes, since one has failed; the exit status."""
    until = time.monotonic() + _GRACE
    for way in (None, subprocess.Popen.terminate, subprocess.Popen.kill):
        for child in children:
            if way is not None and child.poll() is None:
                way(child)
        while any(child.poll() is None for child in children) and time.monotonic() < until:
            time.sleep(_LOOK)
        if way is None:
            failed = _struck(children, failed)
        until = time.monotonic() + _GRACE
    code = children[failed].wait()
    if code > 0:  # it has said why, or the first one has
        heard = children[failed].heard
        if heard is not None and code != REFUSED:
            heard.seek(0)
            sys.stderr.write(heard.read().decode(errors="replace"))
        return code
    told = f"process {failed} of {len(children)} was ended by {signal.Signals(-code).name}, and the others with it"
    on = f"lifjax run --resume {folder} goes on with what was written, with any number of processes"
    print(f"lifjax: error: {told}{'; ' + on if folder.exists() else ''}", file=sys.stderr)
    return 1


def _struck(children: list[_Child], failed: int) -> int:
    """Which of the processes was ended from outside, if one was, else the one that was found to have failed.

    Another may say that it lost one before that one is found, or be aborted by JAX for it.
    """
    codes = [child.poll() or 0 for child in children]
    return next((number for number, code in enumerate(codes) if code < 0 and -code != signal.SIGABRT), failed)


def check(given: Namespace) -> None:
    """Raise ValueError where processes are asked for that cannot be."""
    if given.processes is None:
        return
    if given.distributed:
        raise ValueError("--processes starts processes here, --distributed is told of them by the cluster; give one")
    if given.processes < 1:
        raise ValueError(f"--processes = {given.processes} must be at least 1")
    if backend.cores() * 16 < given.processes:
        raise ValueError(f"--processes = {given.processes} is far beyond the {backend.cores()} cores here; use fewer")
