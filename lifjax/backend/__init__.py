"""How the scan is laid on the machine: how many steps a call takes, what memory there is, which devices."""

import contextlib
import dataclasses
import os
import platform
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from lifjax.backend import reuse
from lifjax.record import OCTET

# Vectors as wide as the processor has, which XLA does not use unasked; no other code compiled by JAX is touched.
COMPILER_OPTIONS: dict[str, bool | str] = {"xla_cpu_prefer_vector_width": "512"}
# From JAX 0.12 on XLA makes one kernel of a whole nest of loops. That spares a few neurons much, but the steps of many
# take up to a sixth longer, so there it is to stay with a kernel a step, as versions before did.
OPTIONS_OF_MANY = COMPILER_OPTIONS | {"xla_disable_hlo_passes": "small-while-loop-hoisting"}
MANY = 512  # neurons

_BLOCK = 16384  # neurons whose state stays in a core's own cache
_SHARE = 1024  # neurons that are worth a core of their own
ENGINES = ("packed", "kernel", "scan")
_EXHAUSTED = "RESOURCE_EXHAUSTED"  # XLA's word for memory that is not there
_ALWAYS_THERE = 2**24  # bytes of memory not worth asking for
LANES = 16  # float32 numbers in the widest vector
_NARROW = 4  # by how much larger a block may be that is run in strips
_STRIP = 1024  # neurons at most whose state stays in a core's nearest cache
_RECORDED_A_CALL = 5 * 2**20  # bytes a block records before they are copied out; fewer are not worth a call
_ON_A_GPU = 2**28
_STEPS_A_CALL = (512, 16384)
_NEURON_STEPS_A_ROUND = (2**31, 2**35)  # on a CPU, on a GPU

_CHUNK = 2**22  # bytes of a chunk on disk before it is compressed
_ROWS_A_CHUNK = (32, 2**16)

_usual = {"cpu": "packed", "gpu": "kernel"}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a run is cut: blocks of ``block`` neurons, each from neuron ``begins[i]`` on, and calls of ``steps`` steps.

    All blocks are at the same step after each ``round`` of steps, when progress is told and Ctrl-C is heard.

    All blocks are of one size, so that one compiled function serves them all; the last may begin within the one before
    it, and both find the same for the neurons they share.
    """

    block: int
    begins: tuple[int, ...]
    steps: int
    round: int

    def moved(self, by: int) -> "Layout":
        """The same for neurons so much further on."""
        return dataclasses.replace(self, begins=tuple(begin + by for begin in self.begins)) if by else self


def layout(neurons: int, recorded: float, narrow: bool = False) -> Layout:
    """How a run of a population is cut, which depends on its size, what it records and the machine alone.

    On a CPU blocks are small enough for a core's cache and shared out over the cores; elsewhere a device has one.
    Runs of any length share the compiled function, and a progress bar moves some times a second.

    Args:
        neurons: size of the population.
        recorded: bytes of V, current and spikes that are recorded a step.
        narrow: whether a block is run in strips, so that it may be larger where nothing is recorded.

    Example:
        >>> layout(10, 0)
        Layout(block=10, begins=(0,), steps=16384, round=16384)
    """
    on_cpu = jax.default_backend() == "cpu"
    blocks = max(1, min(cores() if on_cpu else len(run_devices()), neurons // _SHARE))
    most = _BLOCK * (_NARROW if narrow and not recorded else 1)
    if on_cpu and neurons > blocks * most:
        blocks = -(-neurons // most)
        blocks += -blocks % cores()
    block = -(-neurons // blocks)
    if blocks > 1:  # whole vectors, and where they are many on a CPU in strips of whole vectors
        widths = [(n, -(-block // n)) for n in (_counts(block) if on_cpu else (1,))]
        block = min(n * (width + -width % LANES) for n, width in widths)
    begins = tuple(min(begin, neurons - block) for begin in range(0, neurons, block))
    low, high = _STEPS_A_CALL
    turn = _power_of_two(min(max(_NEURON_STEPS_A_ROUND[not on_cpu] // neurons, low), high))
    fit = (_RECORDED_A_CALL if on_cpu else _ON_A_GPU) * len(begins) / max(1, recorded)
    return Layout(block, begins, _power_of_two(min(max(fit, OCTET), turn)), turn)


def strip(block: int) -> int:
    """How many neurons of a block a CPU runs at once: a part of it that a core's nearest cache holds, if it has such.

    Example:
        >>> strip(16384), strip(1000), strip(12512), strip(10007)
        (1024, 1000, 736, 10007)
    """
    parts = [block // n for n in _counts(block) if block % n == 0]
    return max((part for part in parts if part % LANES == 0), default=max(parts, default=block))


def _counts(block: int) -> range:
    """Into how many strips a block may be cut."""
    least = -(-block // _STRIP)
    return range(least, max(least, 2 * block // _STRIP) + 1)


def in_chunks(lay: Layout, neurons: int, width: int, most: int) -> Layout:
    """The same with blocks that are whole chunks of ``width`` neurons, and at most so many steps between two ends.

    Example:
        >>> in_chunks(Layout(block=10, begins=(0, 10, 15), steps=512, round=512), 25, 8, 256)
        Layout(block=16, begins=(0, 9), steps=256, round=256)
    """
    block = min(neurons, -(-lay.block // width) * width)
    begins = tuple(min(begin, neurons - block) for begin in range(0, neurons, block))
    return Layout(block, begins, min(lay.steps, most), min(lay.round, most))


def chunk_rows(columns: int, itemsize: int) -> int:
    """How many rows of so many columns are a chunk on disk: a power of two, with some MB.

    Example:
        >>> chunk_rows(16384, 1)
        256
    """
    return _power_of_two(min(max(_CHUNK // (columns * itemsize), _ROWS_A_CHUNK[0]), _ROWS_A_CHUNK[1]))


def chunk_columns(block: int) -> int:
    """How many neurons a chunk on disk has, where a block has so many: few enough for any machine to run.

    Example:
        >>> chunk_columns(1000), chunk_columns(10**7)
        (1000, 16384)
    """
    return block if block <= 4 * _BLOCK else _BLOCK


def _power_of_two(most: float) -> int:
    return 1 << int(most).bit_length() - 1


def run_devices() -> list[jax.Device]:
    """The devices that a run is spread over: all of this process, or the one that the user made JAX's default.

    Example:
        >>> len(run_devices()) >= 1
        True
    """
    chosen = getattr(jax.config, "jax_default_device", None)
    return [chosen] if isinstance(chosen, jax.Device) else jax.local_devices()


def engine() -> str:
    """How the loop over time is compiled, which changes nothing but the speed.

    "packed" (a CPU): the state is carried as one array, so that XLA makes one kernel of a step. "kernel" (a GPU): one
    kernel for all steps, written in Pallas. "scan": as XLA compiles it. The environment variable LIFJAX_ENGINE chooses
    another than is usual for the device.

    Raises:
        ValueError: LIFJAX_ENGINE is none of them.

    Example:
        >>> engine() in ENGINES
        True
    """
    asked = os.environ.get("LIFJAX_ENGINE") or _usual.get(jax.default_backend(), "scan")
    if asked not in ENGINES:
        raise ValueError(f"LIFJAX_ENGINE = {asked!r} is unknown; choose one of {', '.join(ENGINES)}, or unset it")
    return asked


def do_without(failed: str, error: Exception) -> bool:
    """Use the plain scan from now on, since the usual engine of this device failed; a warning says so once.

    Returns:
        Whether there is one to fall back to: not if the scan itself failed, or if the user asked for the engine, or
        where memory is what there is too little of.
    """
    if failed == "scan" or os.environ.get("LIFJAX_ENGINE") or _EXHAUSTED in str(error):
        return False
    if engine() == failed:
        _usual[jax.default_backend()] = "scan"
        told = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        warnings.warn(
            f"the {failed} engine does not work here ({told}); the run goes on with plain scans, which find the same, "
            "only slower. LIFJAX_ENGINE=scan chooses them from the start",
            stacklevel=2,
        )
    return True


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
    total = sum(needs.values())
    if total < _ALWAYS_THERE or (there := available_memory()) is None or total <= there:
        return
    if reuse.drop() and total <= (there := available_memory() or 0):
        return
    largest = sorted((name for name in needs if needs[name] > 0.05 * total), key=lambda name: -needs[name])
    raise MemoryError(
        f"this run needs {human(total)}, but {human(there)} of memory is free: "
        + "; ".join(f"{name} takes {human(needs[name])}: {remedies[name]}" for name in largest)
    )


@contextlib.contextmanager
def device_memory(neurons: int) -> Iterator[None]:
    """Say so where a device has too little memory for so many neurons.

    Raises:
        MemoryError: instead of JAX's own error.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if _EXHAUSTED not in str(error):
            raise
        raise MemoryError(
            f"{device_name()} has too little memory for {neurons:,} neurons at once: run fewer of them, in parts one "
            f"after the other or on more devices ({str(error).splitlines()[0]})"
        ) from error


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
        f"{_processor()}, {cores()} cores" if device.platform == "cpu" else f"{device.device_kind} ({device.platform})"
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
        "processor": f"{_processor()}, {cores()} cores open to this process",
        "memory free": "unknown" if memory is None else human(memory),
        "working precision": str(jnp.result_type(float)),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") or "not set",
    }
    facts["engine"] = engine()
    if found[0].platform == "cpu":
        facts["used by lifjax"] = (
            f"yes, {cores()} threads over blocks of neurons on {_many(run_devices(), 'CPU device')}"
        )
        if list(Path("/proc/driver/nvidia/gpus").glob("*")):
            facts["used by lifjax"] += '; an NVIDIA GPU is here, but JAX does not see it: pip install "jax[cuda13]"'
    else:
        facts["used by lifjax"] = f"yes, a block of neurons on each of {_many(run_devices(), 'device')}"
    return facts


def _many(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}" + ("s" if len(things) > 1 else "")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
