"""The door for people: a run is checked, laid out in chunks that share one compiled function, and gathered."""

import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.backend import chunk_steps, require_memory
from lifjax.neurons.base import Neuron, Parameter, Values
from lifjax.neurons.check import check_value
from lifjax.record import WORD, Run, State, sampled_steps, to_host
from lifjax.simulate.check import check_neurons, check_record, check_run, check_shape
from lifjax.simulate.core import Plan, make_ready, population_shape, scan, unflatten
from lifjax.stimulus.base import Stimulus, StimulusLike, terms
from lifjax.surrogate import threshold


def simulate(
    neuron: Neuron,
    stimulus: StimulusLike,
    duration: float,
    *,
    dt: float = 0.1,
    seed: int = 0,
    record: Iterable[str] = ("V", "spikes"),
    every: int = 1,
    neurons: Values | None = None,
    integrator: str = "euler",
    state: State | None = None,
    population: int | tuple[int, ...] = (),
    progress: bool = False,
) -> Run:
    """Run a population of neurons and hand back what they did.

    The same seed gives the same spikes, bit for bit, however a run is cut. Ctrl-C ends a run early and hands back what
    was done until then, with a warning.

    Args:
        neuron: a model, such as ``lifjax.LIF()``; the population's shape is the broadcast of all shapes.
        stimulus: a stimulus, a sum of them, or a constant current [pA].
        duration: model time [ms]; the run has ceil(duration / dt) steps.
        dt: grid step [ms], below every membrane time constant.
        seed: 0 to 2**64 - 1, for all that is random.
        record: any of "V", "spikes" and "current"; spike counts are always kept.
        every: keep V and current at every so many steps only, those whose number is a multiple of it.
        neurons: keep V and current of these neurons only, indices into the flattened population; spikes of all are
            kept.
        integrator: "euler" or "exact" (exact for a current that is constant within a step).
        state: ``run.state`` of an earlier run, to go on from where it ended, in absolute time.
        population: a shape that joins the broadcast, for a population of equal neurons: 1000, or (10, 100).
        progress: show a progress bar.

    Returns:
        A `lifjax.Run`.

    Raises:
        TypeError, ValueError: an argument makes no sense; said before any work.
        MemoryError: what is to be recorded does not fit; said before any work, with the size.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(250.0, 5.0), 1000.0, population=100)
        >>> run.V.shape, run.firing_rate.shape
        ((10000, 100), (100,))
    """
    kept = check_record(record, every)
    steps = check_run(neuron, stimulus, duration, dt, seed, integrator, state)
    size = math.prod(check_shape(neuron, stimulus, state, population))
    select = check_neurons(neurons, size)
    _check_memory(steps, size, kept, every, select)
    return run_steps(
        neuron,
        stimulus,
        steps,
        dt=float(dt),
        seed=int(seed),
        record=kept,
        every=int(every),
        select=select,
        integrator=integrator,
        state=state,
        population=population,
        progress=progress,
    )


def run_steps(
    neuron: Neuron,
    stimulus: StimulusLike,
    steps: int,
    *,
    dt: float,
    seed: int = 0,
    record: frozenset[str],
    every: int = 1,
    select: np.ndarray | None = None,
    integrator: str = "euler",
    state: State | None = None,
    population: int | tuple[int, ...] = (),
    progress: bool = False,
) -> Run:
    """`simulate` without its checks, for a number of steps."""
    plan, carry, begin = make_ready(neuron, terms(stimulus), steps, dt, seed, state, integrator, population)
    first = int(begin)
    buffers = _Buffers(plan, first, steps, record, every, select)
    carry, total, done = _run_chunks(plan, carry, first, steps, buffers, progress)
    return Run(
        neuron=neuron,
        stimulus=stimulus,
        spike_count=np.asarray(total).reshape(plan.shape),
        state=to_host(unflatten(carry, plan.shape, np.int32(first + done))),
        traces=buffers.traces_until(done),
        words=None if buffers.words is None else buffers.words[: -(-done // WORD)],
        neurons=select,
        dt=dt,
        seed=seed,
        integrator=integrator,
        first_step=first,
        steps=done,
        shape=plan.shape,
        every=every,
    )


class _Buffers:
    """Host memory for what a run records, filled chunk by chunk."""

    def __init__(
        self, plan: Plan, first: int, steps: int, record: frozenset[str], every: int, select: np.ndarray | None
    ) -> None:
        self.first, self.record, self.every, self.select = first, record, every, select
        self.size = math.prod(plan.shape)
        self.tail = plan.shape if select is None else select.shape
        samples = len(sampled_steps(first, steps, every))
        names = ("V", "current")
        dtype = jnp.result_type(float)
        self.traces = {name: np.empty((samples, math.prod(self.tail)), dtype) for name in names if name in record}
        self.words = np.empty((-(-steps // WORD), self.size), np.uint32) if "spikes" in record else None

    @property
    def recorded(self) -> int:
        """Values recorded a step."""
        return len(self.traces) * math.prod(self.tail)

    def store(self, out: dict[str, Array], done: int, now: int) -> None:
        """Keep the first ``now`` steps of a chunk that began after ``done`` steps."""
        if self.words is not None:
            self.words[done // WORD : -(-(done + now) // WORD)] = np.asarray(out["spikes"])[: -(-now // WORD)]
        before = len(sampled_steps(self.first, done, self.every))
        rows = len(sampled_steps(self.first + done, now, self.every))
        for name, trace in self.traces.items():
            trace[before : before + rows] = np.asarray(out[name])[:rows]

    def traces_until(self, done: int) -> dict[str, np.ndarray]:
        """What was recorded in the first ``done`` steps, in the population's shape."""
        rows = len(sampled_steps(self.first, done, self.every))
        return {name: x[:rows].reshape(rows, *self.tail) for name, x in self.traces.items()}


def _run_chunks(
    plan: Plan, carry: Any, first: int, steps: int, buffers: _Buffers, progress: bool
) -> tuple[Any, Array, int]:
    """Run chunk by chunk, filling the buffers; the flat state, the counts and how many steps were done."""
    chunk = chunk_steps(buffers.size, buffers.recorded)
    carry = jax.tree.map(jnp.copy, carry)  # a chunk takes over its state's memory, which may be the user's
    total, done, end = jnp.zeros(buffers.size, jnp.int32), 0, np.int32(first + steps)
    with _Bar(steps, progress) as moved, _Stop() as stop:
        while done < steps and not stop.asked:
            now = min(chunk, steps - done)
            carry, total, out = _chunk(
                plan,
                carry,
                total,
                np.int32(first + done),
                end,
                buffers.select,
                steps=chunk,
                record=buffers.record,
                every=buffers.every,
                whole=now == chunk,
            )
            buffers.store(out, done, now)
            total.block_until_ready()
            done += now
            moved(now)
    if done < steps:
        told = f"stopped after {done} of {steps} steps; what was done is kept: pass state=run.state to go on"
        warnings.warn(told, stacklevel=4)
    return carry, total, done


class _Stop:
    """Ctrl-C, heard between two chunks so that none is lost half done; a second Ctrl-C ends at once."""

    asked = False

    def __enter__(self) -> "_Stop":
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)


class _Bar:
    """A progress bar over steps, or nothing."""

    def __init__(self, steps: int, shown: bool) -> None:
        self.steps, self.shown = steps, shown

    def __enter__(self) -> Callable[[int], Any]:
        if not self.shown:
            return lambda now: None
        from tqdm.auto import tqdm  # only here: it looks for a notebook, which takes time

        self.tqdm = tqdm(total=self.steps, unit=" steps", unit_scale=True, desc="lifjax")
        moved: Callable[[int], Any] = self.tqdm.update
        return moved

    def __exit__(self, *error: object) -> None:
        if self.shown:
            self.tqdm.close()


def fi_curve(
    neuron: Neuron,
    currents: Values,
    duration: float = 1000.0,
    dt: float = 0.1,
    *,
    background: StimulusLike = 0.0,
    seed: int = 0,
    integrator: str = "euler",
    progress: bool = False,
) -> np.ndarray:
    """Firing rate against input current.

    Args:
        neuron: a model; its population is run under each current at once.
        currents: constant currents [pA], of any shape.
        duration: how long each is on [ms].
        dt: grid step [ms].
        background: a stimulus that is added to each current, such as white noise.
        seed, integrator, progress: as in `simulate`.

    Returns:
        Rates [Hz], float64, of the shape of currents + population.

    Example:
        >>> import lifjax
        >>> lifjax.fi_curve(lifjax.LIF(), [200.0, 300.0, 400.0])
        array([  0.,  77., 112.])
    """
    amplitudes = check_value("currents", currents, Parameter("pA", "constant currents"))
    inner = population_shape(neuron, background)
    amplitudes = amplitudes.reshape(*amplitudes.shape, *(1 for _ in inner))
    drives = amplitudes + (background if isinstance(background, Stimulus) else terms(background)[0])
    run = simulate(
        neuron, drives, duration, dt=dt, seed=seed, record=(), integrator=integrator, population=(), progress=progress
    )
    return run.firing_rate


@partial(jax.jit, static_argnames=("steps", "record", "every", "whole"), donate_argnames=("carry", "total"))
def _chunk(
    plan: Plan,
    carry: Any,
    total: Array,
    first: Array,
    stop: Array,
    select: Array | None,
    *,
    steps: int,
    record: frozenset[str],
    every: int,
    whole: bool,
) -> tuple[Any, Array, dict[str, Array]]:
    """One chunk of a run: packed spikes, and V and current at the multiples of ``every``.

    The last row may be past the end of the chunk, and all from step ``stop`` on stands still.
    """
    carry, count, out = scan(
        plan,
        carry,
        first,
        steps=steps,
        spike=threshold,
        record=record,
        stop=None if whole else stop,
        select=select,
        pack=True,
    )
    rows = -first % every + every * jnp.arange(-(-steps // every), dtype=jnp.int32)
    kept = {
        name: x if name == "spikes" or every == 1 else jnp.take(x, rows, axis=0, mode="clip") for name, x in out.items()
    }
    return carry, total + count, kept


def _check_memory(steps: int, size: int, kept: frozenset[str], every: int, select: np.ndarray | None) -> None:
    """Refuse what does not fit, with its size and the ways out."""
    row = (size if select is None else select.size) * jnp.result_type(float).itemsize
    sampled = {str(name): (steps // every + 1) * row for name in ("V", "current") if name in kept}
    needs = {"the state of the neurons": size * 64, **sampled}
    remedies = {"the state of the neurons": "run fewer neurons"}
    remedies |= dict.fromkeys(sampled, "record fewer neurons (neurons=...) or fewer times (every=...)")
    if "spikes" in kept:
        needs["spikes"] = -(-steps // WORD) * size * 4
        remedies["spikes"] = "run a shorter duration and go on with state=run.state, or keep counts only (record=())"
    require_memory(needs, remedies)
