"""The door for people: a run is checked, run and gathered."""

import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from lifjax.backend import engine, require_memory
from lifjax.neurons.base import Neuron, Parameter, Values, working_dtype
from lifjax.neurons.check import check_model, check_path, check_value
from lifjax.record import OCTET, OFFSET, Run, State
from lifjax.simulate import strips
from lifjax.simulate.blocks import Buffers, run_blocks
from lifjax.simulate.check import (
    check_end,
    check_neurons,
    check_population,
    check_record,
    check_run,
    check_seed,
    check_shape,
)
from lifjax.simulate.core import make_ready, offsets, unflatten
from lifjax.simulate.stream import run_stored
from lifjax.stimulus.base import Stimulus, StimulusLike, terms


def simulate(
    neuron: Neuron,
    stimulus: StimulusLike,
    duration: float,
    *,
    dt: float = 0.1,
    seed: int | None = None,
    record: Iterable[str] = ("V", "spikes"),
    every: int = 1,
    neurons: Values | None = None,
    integrator: str = "euler",
    spike_timing: str = "grid",
    state: State | None = None,
    population: int | tuple[int, ...] = (),
    progress: bool = False,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Run:
    """Run a population of neurons and hand back what they did.

    The same seed gives the same spikes, bit for bit, however a run is cut. Ctrl-C ends a run early and hands back what
    was done until then, with a warning and with ``run.stopped``; a second Ctrl-C raises KeyboardInterrupt, and so does
    the first in a run of about a second, which has no part to hand back. A bare array is a constant current for each
    neuron; a current over time is `lifjax.samples`.

    Args:
        neuron: a model, such as ``lifjax.LIF()``; the population's shape is the broadcast of all shapes.
        stimulus: a stimulus, a sum of them, or a constant current [pA].
        duration: model time [ms]; the run has ceil(duration / dt) steps.
        dt: grid step [ms], below every membrane time constant.
        seed: 0 to 2**64 - 1, for all that is random; None is the seed of the state, or 0.
        record: any of "V", "spikes", "current" and what else the model shows, such as "w"; spike counts are always
            kept.
        every: keep all but spikes at every so many steps only, those whose number is a multiple of it.
        neurons: keep all but spikes of these neurons only, indices into the flattened population; spikes of all are
            kept.
        integrator: one of ``neuron.integrators``: "euler", "exact" for linear models (exact for a current that is
            constant within a step or decays in it as synapses do), "rk4" for the others.
        spike_timing: "grid" puts spikes on grid times; "interpolated" where V meets the threshold between them, for
            models that allow it and the exact integrator: see `lifjax.neurons.between`.
        state: ``run.state`` of an earlier run, to go on from where it ended, in absolute time and with the same dt.
        population: a shape that joins the broadcast, for a population of equal neurons: 1000, or (10, 100).
        progress: show a progress bar; where there is no terminal, a line now and then.
        out: a folder to write what is recorded to while the run goes on, in memory that does not grow with its length,
            and with a checkpoint every few seconds (``pip install "lifjax[store]"``). Of several processes
            (``jax.distributed``) each makes the same call, and runs and writes its share of the neurons.
        resume: go on with the run that is in ``out``, which must be this one, from its last checkpoint; begin it where
            there is none.

    Returns:
        A `lifjax.Run`; with ``out`` one that reads what it is asked for, as `lifjax.load` does.

    Raises:
        TypeError, ValueError: an argument makes no sense; said before any work.
        MemoryError: what is to be recorded does not fit; said before any work, with the size.
        OutgrownError: a number is beyond what the machine holds at the end; its attribute ``run`` is the run.
        OSError: ``out`` cannot be written; what was done is kept.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(250.0, 5.0), 1000.0, population=100)
        >>> run.V.shape, run.firing_rate.shape
        ((10000, 100), (100,))
    """
    check_model(neuron)
    kept = check_record(record, every, neuron)
    seed = check_seed(seed, state)
    population = check_population(population)
    steps, shape = check_run(neuron, stimulus, duration, dt, integrator, state, population, spike_timing)
    size = math.prod(shape)
    select = check_neurons(neurons, size)
    kept |= offsets(kept, spike_timing)
    how: dict[str, Any] = {
        "dt": float(dt), "seed": seed, "record": kept, "every": int(every), "select": select, "integrator": integrator,
        "spike_timing": spike_timing, "state": state, "population": population, "progress": progress,
    }  # fmt: skip
    if out is not None:
        _check_memory(0, size, frozenset(), every, select)
        return run_stored(check_path("out", out), neuron, stimulus, steps, again=resume, **how)
    if resume:
        raise ValueError("resume=True goes on with a run in a folder; give out= too")
    _check_memory(steps, size, kept, every, select)
    run = run_steps(neuron, stimulus, steps, shape=shape, **how)
    check_end(run)
    return run


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
    spike_timing: str = "grid",
    state: State | None = None,
    population: int | tuple[int, ...] = (),
    shape: tuple[int, ...] | None = None,
    progress: bool = False,
) -> Run:
    """`simulate` without its checks, for a number of steps; ``shape`` is the population's where it is known."""
    plan, carry, begin = make_ready(
        neuron, terms(stimulus), steps, dt, seed, state, integrator, population, spike_timing, shape
    )
    first = int(begin)
    narrow = engine() == "packed" and strips.gains(plan, select)
    buffers = Buffers(plan.shape, first, steps, record, every, select, narrow)
    blocks, done = run_blocks(plan, carry, steps, buffers, progress)
    carry, count = blocks.gathered()
    return Run(
        neuron=neuron,
        stimulus=stimulus,
        spike_count=count.reshape(plan.shape),
        state=unflatten(carry, plan, np.int32(first + done), dt),
        traces=buffers.traces_until(done),
        octets=buffers.octets_until(done),
        offsets=buffers.offsets_until(),
        neurons=select,
        dt=dt,
        seed=seed,
        integrator=integrator,
        spike_timing=spike_timing,
        first_step=first,
        steps=done,
        shape=plan.shape,
        every=every,
        stopped=done < steps,
    )


def fi_curve(
    neuron: Neuron,
    currents: Values,
    duration: float = 1000.0,
    dt: float = 0.1,
    *,
    background: StimulusLike = 0.0,
    seed: int = 0,
    integrator: str = "euler",
    spike_timing: str = "grid",
    progress: bool = False,
) -> np.ndarray:
    """Firing rate against input current.

    Args:
        neuron: a model; its population is run under each current at once.
        currents: constant currents [pA], of any shape.
        duration: how long each is on [ms].
        dt: grid step [ms].
        background: a stimulus that is added to each current, such as white noise.
        seed, integrator, spike_timing, progress: as in `simulate`.

    Returns:
        Rates [Hz], float64, of the shape of currents + population.

    Example:
        >>> import lifjax
        >>> lifjax.fi_curve(lifjax.LIF(), [200.0, 300.0, 400.0])
        array([  0.,  77., 112.])
    """
    amplitudes = check_value("currents", currents, Parameter("pA", "constant currents"))
    check_model(neuron)
    inner = check_shape(neuron, background, None, ())
    amplitudes = amplitudes.reshape(amplitudes.shape + (1,) * len(inner))
    drives = amplitudes + (background if isinstance(background, Stimulus) else terms(background)[0])
    run = simulate(
        neuron, drives, duration, dt=dt, seed=seed, record=(), integrator=integrator, spike_timing=spike_timing,
        progress=progress,
    )  # fmt: skip
    if run.stopped:  # rates of a part would pass for those of the whole
        raise KeyboardInterrupt
    return run.firing_rate


def _check_memory(steps: int, size: int, kept: frozenset[str], every: int, select: np.ndarray | None) -> None:
    """Refuse what does not fit, with its size and the ways out."""
    row = (size if select is None else select.size) * working_dtype().itemsize
    sampled = {str(name): (steps // every + 1) * row for name in sorted(kept - {"spikes", OFFSET})}
    needs = {"the state of the neurons": size * 64, **sampled}
    remedies = {"the state of the neurons": "run fewer neurons"}
    remedies |= dict.fromkeys(sampled, "record fewer neurons (neurons=...) or fewer times (every=...)")
    if "spikes" in kept:
        needs["spikes"] = -(-steps // OCTET) * size
        remedies["spikes"] = "run a shorter duration and go on with state=run.state, or keep counts only (record=())"
    require_memory(needs, remedies)
