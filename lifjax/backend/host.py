"""Numbers of a device on the host, as fast as they can be brought there, and state that need not be sent to it.

A GPU writes to memory of the host at the speed of the bus only where that memory is pinned; ordinary memory takes some
thirty times as long. What it has written is then copied to where it belongs by all cores, since one of them is slower
than the bus.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import backend

_PINNED = "pinned_host"
_WORTH_PINNING = 2**16  # bytes
_WORTH_MAKING_THERE = 2**22
_WORTH_A_CORE = 2**22
_COPIED_APART = 102_400  # bytes of an array from which on XLA copies it on another thread


def on_cpu() -> bool:
    """Whether devices share the host's memory."""
    return jax.default_backend() == "cpu"


def seen(x: Array | np.ndarray) -> np.ndarray:
    """An array's numbers for a moment: without a copy on a CPU, where its memory is soon to be written again.

    Example:
        >>> seen(jnp.arange(3))
        array([0, 1, 2], dtype=int32)
    """
    if isinstance(x, np.ndarray):  # of a run without steps
        return x
    x.block_until_ready()
    device = None if on_cpu() else next(iter(x.devices()))
    if device is None or device.platform == "cpu":
        return np.asarray(memoryview(x))
    pinned = x.nbytes >= _WORTH_PINNING and _pins(device)
    return np.asarray(jax.device_put(x, x.sharding.with_memory_kind(_PINNED)) if pinned else x)


@functools.cache
def _pins(device: jax.Device) -> bool:
    """Whether a device writes to pinned memory of the host."""
    return _PINNED in {memory.kind for memory in device.addressable_memories()}


def copy(into: np.ndarray, rows: np.ndarray) -> None:
    """Copy rows, on all cores where these have nothing else to do.

    Example:
        >>> there = np.zeros(3, np.int32)
        >>> copy(there, np.arange(3, dtype=np.int32))
        >>> there
        array([0, 1, 2], dtype=int32)
    """
    if on_cpu() or (parts := min(backend.cores(), rows.nbytes // _WORTH_A_CORE, len(rows))) < 2:
        into[...] = rows
        return
    ends = [len(rows) * part // parts for part in range(parts + 1)]

    def part(i: int) -> None:
        into[ends[i] : ends[i + 1]] = rows[ends[i] : ends[i + 1]]

    for _ in _copiers().map(part, range(parts)):
        pass


@functools.cache
def _copiers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(backend.cores(), thread_name_prefix="lifjax-copy")


def placed(numbers: Any, device: jax.Device | None) -> Any:
    """Numbers for a device, bound to it where there are several: what is bound is compiled for apart.

    An array that is one number over and over is sent to a GPU as that number.
    """
    if device is None and on_cpu():
        return numbers

    def one(x: Any) -> Any:
        same = isinstance(x, np.ndarray) and x.strides == (0,)
        if same and x.nbytes >= _WORTH_MAKING_THERE and not on_cpu():
            return jax.device_put(jnp.broadcast_to(jax.device_put(x[:1], device), x.shape), device)
        return x if device is None else jax.device_put(x, device)

    return jax.tree.map(one, numbers)


def large(x: Any) -> bool:
    """Whether XLA copies an array on another thread, for which a call that needs it has to wait.

    Example:
        >>> large(np.zeros(1000)), large(np.zeros(100_000))
        (False, True)
    """
    return bool(getattr(x, "nbytes", 0) >= _COPIED_APART)


def sent(numbers: Any) -> Any:
    """Numbers of the host, as a compiled function takes them soonest.

    JAX takes twenty times as long over an array that is not laid out number by number. A large one it copies on another
    thread, and makes a call that needs it there, too, unless it has arrived by then. One number over and over is made
    where it is to be.

    Example:
        >>> sent(np.broadcast_to(np.float32(1), 3)).strides
        (4,)
    """
    cpu, awaited = on_cpu(), []

    def one(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        if not (cpu and large(x)):
            return np.ascontiguousarray(x)
        there = _over_and_over(x[0], x.shape) if x.strides == (0,) else jax.device_put(np.ascontiguousarray(x))
        awaited.append(there)
        return there

    numbers = jax.tree.map(one, numbers)
    for x in awaited:
        x.block_until_ready()
    return numbers


def zeros(shape: tuple[int, ...], dtype: Any, device: jax.Device | None) -> Any:
    """Zeros for a device: made there, where it is no CPU."""
    return placed(np.zeros(shape, dtype), device) if on_cpu() else jnp.zeros(shape, dtype, device=device)


_over_and_over = jax.jit(jnp.broadcast_to, static_argnums=1)
