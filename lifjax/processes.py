"""Processes that share a run: each has some of the neurons, and now and then they meet and tell how they are.

Who they are is known to JAX's distributed runtime (``jax.distributed.initialize``). A meeting is one small all-gather,
over Gloo on CPUs and NCCL on GPUs. A process that fails says so at the next meeting and all end; one that dies says
nothing, and the meeting itself fails.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")
Word = dict[str, Any]
_WORD = 2048  # bytes that a process says at a meeting
_MOST = 300  # characters of what went wrong, each of six bytes at most


class OtherProcessError(RuntimeError):
    """What went wrong in another process of the same run, or, where ``lost``, that one is not there any more."""

    def __init__(self, told: str, lost: bool = False) -> None:
        super().__init__(told)
        self.lost = lost


def count() -> int:
    """How many processes there are.

    Example:
        >>> count()
        1
    """
    return jax.process_count()


def number() -> int:
    """Which of them this one is; the first, 0, writes what there is one of.

    Example:
        >>> number()
        0
    """
    return jax.process_index()


def join(address: str | None = None, processes: int | None = None, which: int | None = None) -> None:
    """Become one of several processes that share their runs.

    Args:
        address: where the first process is to be found, host:port; by default what Slurm, Open MPI or Kubernetes say.
        processes: how many there are.
        which: which of them this one is, from 0 on.

    Raises:
        ValueError: the system says nothing of other processes, they cannot be reached, or JAX is at work already.

    Example:
        >>> join("127.0.0.1:12355", 1, 0)  # doctest: +SKIP
    """
    try:
        jax.distributed.initialize(address, processes, which)
    except (ValueError, RuntimeError) as error:
        told = str(error).strip().splitlines()[0]
        raise ValueError(
            f"processes cannot find each other: {told} They do under Slurm, Open MPI and Kubernetes; elsewhere call "
            "jax.distributed.initialize(coordinator_address, num_processes, process_id) first of all"
        ) from error
    with _unheard():
        meet({})


def share(parts: int) -> tuple[int, int]:
    """Which of so many equal parts are this process's: from one to before another.

    Raises:
        ValueError: there are fewer parts than processes.

    Example:
        >>> share(10)
        (0, 10)
    """
    here, all_ = number(), count()
    if parts < all_:
        raise ValueError(
            f"the neurons are kept in chunks side by side that {parts} {'processes' if parts > 1 else 'process'} can "
            f"share, not {all_}; use at most {parts}"
        )
    return here * parts // all_, (here + 1) * parts // all_


def meet(word: Word) -> list[Word]:
    """What each process says, in their order; every process must come.

    Args:
        word: what this one says: names and numbers; a text under "failed" says that it has failed.

    Raises:
        OtherProcessError: another one has failed, or is lost.

    Example:
        >>> meet({"spikes": 3})
        [{'spikes': 3}]
    """
    if count() == 1:
        return [word]
    from jax.experimental import multihost_utils  # only here: it takes time to import

    said = json.dumps(word).encode()
    try:
        heard = multihost_utils.process_allgather(np.frombuffer(said.ljust(_WORD), np.uint8))
    except (ValueError, RuntimeError) as error:  # the first of Gloo, the second of JAX
        told = str(error).strip().splitlines()[0]
        raise OtherProcessError(f"another of the {count()} processes is lost ({told})", lost=True) from None
    words = [json.loads(bytes(one)) for one in heard]
    for other, one in enumerate(words):
        if other != number() and one.get("failed"):
            raise OtherProcessError(f"process {other} of {count()} failed: {one['failed']}")
    return words


def together(work: Callable[[], T]) -> T:
    """Do some work that every process does at the same time; where it fails in one, it fails in all.

    Raises:
        OtherProcessError: it failed in another.

    Example:
        >>> together(lambda: 3)
        3
    """
    try:
        done = work()
    except OtherProcessError:
        raise  # all know
    except (Exception, KeyboardInterrupt) as error:
        with contextlib.suppress(OtherProcessError):
            meet({"failed": f"{type(error).__name__}: {error}"[:_MOST]})
        raise
    meet({})
    return done


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Let what libraries print meanwhile not get between the results; errors are printed elsewhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
