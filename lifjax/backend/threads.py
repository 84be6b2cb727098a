"""The threads that keep all cores of a CPU busy, and where their calls of compiled functions take place.

JAX hands such a call on a CPU to a thread of XLA's own. With a thread a core that asks, twice as many threads as there
are cores would then take turns, and what a call recorded has left a core's cache when it is looked at. A client of XLA
with ``asynchronous=False`` makes a call in the thread that asks instead. It is one of our own, so that nothing changes
for what else uses JAX in this process.
"""

import contextlib
import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from lifjax import backend

T = TypeVar("T")
_APART = 0.001  # seconds that threads take to begin

_begun: list[int] = []  # the threads that there are, as the system calls them


def on_every_core(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do the work of each item, on a thread a core where there are several items, each taking the next that is left.

    A compiled function leaves Python's lock alone while it runs, so threads keep all cores busy. Whether float64 is
    enabled, and JAX's default device, hold for a thread alone, so each is told.
    """
    if len(items) == 1 or backend.cores() == 1:
        for item in items:
            work(item)
        return
    double, device = jnp.result_type(float) == jnp.float64, getattr(jax.config, "jax_default_device", None)
    left = iter(items)

    def told() -> None:
        with jax.enable_x64(bool(double)), jax.default_device(device):
            while (item := next(left, None)) is not None:
                work(item)

    with _apart():
        asked = [_pool().submit(told) for _ in range(min(backend.cores(), len(items)))]
        wait(asked, _APART)
    for each in asked:
        each.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        backend.cores(), thread_name_prefix="lifjax", initializer=lambda: _begun.append(threading.get_native_id())
    )


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Threads begin each on a core of its own, and may then be moved.

    Left alone, Linux at times puts one behind another, which it does not notice for some milliseconds.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

    def may_use(each: Iterable[set[int]]) -> None:
        for thread, there in zip(list(_begun), each, strict=False):
            with contextlib.suppress(OSError):  # where that is forbidden, threads begin where they do
                os.sched_setaffinity(thread, there)

    may_use({core} for core in sorted(cores))
    try:
        yield
    finally:
        may_use(itertools.repeat(cores) if cores else ())


def at_once() -> contextlib.AbstractContextManager[object]:
    """Within, calls of compiled functions take place in the thread that asks, where there is one device, a CPU."""
    devices = backend.run_devices()
    alone = len(devices) == 1 and devices[0].platform == "cpu" and jax.default_backend() == "cpu"
    own = _device() if alone else None
    return contextlib.nullcontext() if own is None else jax.default_device(own)


@functools.cache
def _device() -> jax.Device | None:
    """The CPU, as a client of our own sees it, or None where this version of JAX makes none."""
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False, num_devices=1)
        return client.devices()[0]
    except (ImportError, AttributeError, TypeError, RuntimeError):
        return None
