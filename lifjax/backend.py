"""How the scan is laid on the machine: how many steps a call takes, what memory there is, which devices."""

import os
import platform
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lifjax.record import WORD

_NEURON_STEPS_A_CALL = 2**24
_MOST_STEPS_A_CALL = 8192


def chunk_steps(neurons: int, recorded: int) -> int:
    """How many steps one compiled call takes: a multiple of a word that depends on the population alone.

    So runs of any length share one compiled function, a progress bar moves some times a second, and what a call
    records before it is copied out stays small.

    Args:
        neurons: size of the population.
        recorded: values recorded a step.

    Example:
        >>> chunk_steps(1, 0), chunk_steps(1_000_000, 0)
        (8192, 32)
    """
    fit = _NEURON_STEPS_A_CALL // max(1, neurons, recorded)
    return int(2 ** np.floor(np.log2(np.clip(fit, WORD, _MOST_STEPS_A_CALL))))


def available_memory() -> int | None:
    """Bytes of memory that a run may still take on this host, or None where the system does not say."""
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = (line.split() for line in meminfo.read_text().splitlines())
        found += [int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            found.append(max(0, int(Path(limit).read_text()) - int(Path(used).read_text())))
        except (OSError, ValueError):
            continue
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found) if found else None


def require_memory(needs: dict[str, int], remedies: dict[str, str]) -> None:
    """Refuse a run that would not fit in memory.

    Args:
        needs: bytes, by what they are for.
        remedies: for each of them, how to need less.

    Raises:
        MemoryError: with the sizes and the ways out, the largest first.
    """
    there = available_memory()
    total = sum(needs.values())
    if there is None or total <= there:
        return
    largest = sorted((name for name in needs if needs[name] > 0.05 * total), key=lambda name: -needs[name])
    raise MemoryError(
        f"this run needs {human(total)}, but {human(there)} of memory is free: "
        + "; ".join(f"{name} takes {human(needs[name])}: {remedies[name]}" for name in largest)
    )


def human(size: float) -> str:
    """Bytes for people.

    Example:
        >>> human(4_000_000_000)
        '4.0 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def device_name() -> str:
    """The device that a run takes place on, for people."""
    device = jax.devices()[0]
    return (
        f"{_processor()}, {_cores()} cores" if device.platform == "cpu" else f"{device.device_kind} ({device.platform})"
    )


def devices() -> dict[str, str]:
    """What JAX sees on this machine, and whether lifjax can use it fully: facts by name, for people.

    Example:
        >>> devices()["working precision"] in ("float32", "float64")
        True
    """
    found = jax.devices()
    memory = available_memory()
    facts = {
        "jax": f"{jax.__version__}, backend {jax.default_backend()}",
        "devices": ", ".join(f"{d.id}: {d.device_kind}" for d in found),
        "processor": f"{_processor()}, {_cores()} cores open to this process",
        "memory free": "unknown" if memory is None else human(memory),
        "working precision": str(jnp.result_type(float)),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") or "not set",
    }
    if len(found) > 1:
        facts["used by lifjax"] = f"only device 0 of {len(found)}; a run is not spread over devices"
    elif found[0].platform == "cpu":
        facts["used by lifjax"] = "yes, one compiled scan on the CPU"
        if list(Path("/proc/driver/nvidia/gpus").glob("*")):
            facts["used by lifjax"] += '; an NVIDIA GPU is here, but JAX does not see it: pip install "jax[cuda13]"'
    else:
        facts["used by lifjax"] = "yes, one compiled scan on the GPU"
    return facts


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
