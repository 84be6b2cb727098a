"""What a run is refused for: one clear error before any work."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from lifjax.neurons.base import INTEGRATORS, LAST_STEP, SPIKE_TIMINGS, Grid, Neuron, Parameter, Values, parameters
from lifjax.neurons.check import check_choice, check_fields, check_model, check_value, is_whole, shown
from lifjax.record import Run, State, chosen
from lifjax.simulate.core import membrane, population_shape
from lifjax.stimulus.base import StimulusLike, terms

MOST_NEURONS = 2**32  # the noise numbers neurons in 32 bits


def check_run(
    neuron: Neuron,
    stimulus: StimulusLike,
    duration: float,
    dt: float,
    integrator: str,
    state: State | None,
    population: tuple[int, ...],
    spike_timing: str = "grid",
) -> tuple[int, tuple[int, ...]]:
    """Refuse what makes no sense, one clear error before any work; the number of steps and the population's shape."""
    check_model(neuron)
    check_choice("integrator", integrator, INTEGRATORS)
    check_choice("integrator", integrator, neuron.integrators, of=f"not for {type(neuron).__name__}")
    check_scalar("dt", dt, Parameter("ms", "grid step", above=0.0))
    check_scalar("duration", duration, Parameter("ms", "duration of the run", above=0.0))
    dt, duration = _roomy(dt), _roomy(duration)
    first = check_state(state, dt)
    if first + duration / dt > LAST_STEP // 2:
        raise ValueError(
            f"duration = {duration:g} ms is {duration / dt:.3g} steps of dt = {dt:g} ms, from step {first} on; at most "
            f"{LAST_STEP // 2} steps can be counted from time 0, so raise dt or run less"
        )
    steps = int(Grid(dt=dt, steps=0).count(duration))
    grid = Grid(dt=dt, steps=steps, first=first, integrator=integrator, tau_m=membrane(neuron, integrator))
    check_timing(neuron, integrator, spike_timing, state)
    for owner in _owners(neuron, stimulus):
        check_fields(owner)
    shape = check_shape(neuron, stimulus, state, population)
    neuron.check(grid)
    for term in terms(stimulus):
        term.check(grid)
    return steps, shape


def _roomy(value: Any) -> Any:
    """A number in a type that has room for what is reckoned with it."""
    kind = np.asarray(value).dtype
    return value if kind.kind == "f" and kind.itemsize >= 4 else float(value)


def _owners(neuron: Neuron, stimulus: StimulusLike) -> tuple[Any, ...]:
    """What has parameters: the neuron, and the parts of each stimulus."""
    return (neuron, *(part for term in terms(stimulus) for part in term.parts))


def check_timing(neuron: Neuron, integrator: str, spike_timing: str, state: State | None) -> None:
    """Raise where spikes cannot be placed as is asked for."""
    name = type(neuron).__name__
    check_choice("spike_timing", spike_timing, SPIKE_TIMINGS)
    between = getattr(neuron, "interpolated", None)
    if spike_timing == "interpolated":
        if between is None:
            raise ValueError(f"spike_timing = 'interpolated' is not for {name}; choose 'grid' and a small dt")
        if integrator != "exact":
            raise ValueError(
                f"spike_timing = 'interpolated' follows V within a step, which integrator = {integrator!r} does not; "
                "give integrator='exact'"
            )
    if state is not None and between is not None:
        reached = "interpolated" if hasattr(state.neuron, "waiting") else "grid"
        if reached != spike_timing:
            raise ValueError(f"spike_timing = {spike_timing!r}, but the state was reached with {reached!r}; use that")


def check_scalar(name: str, value: float, rule: Parameter) -> None:
    """Raise unless the value is one number within the rule's bounds."""
    if check_value(name, value, rule).ndim:
        raise ValueError(f"{name} has shape {np.shape(value)}; the {rule.meaning} is one number [{rule.unit}]")


def check_seed(seed: int | None, state: State | None = None) -> int:
    """The seed, or that of the state, or 0; raise unless it is a whole number from 0 to 2**64 - 1."""
    if seed is None:
        low, high = (0, 0) if state is None or getattr(state, "seed", None) is None else map(int, state.seed)
        return low | high << 32
    if not is_whole(seed):
        raise TypeError(f"seed = {shown(seed)} is a {type(seed).__name__}; give a whole number from 0 to 2**64 - 1")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed = {shown(seed)} is out of range; give a whole number from 0 to 2**64 - 1")
    return int(seed)


def check_state(state: State | None, dt: float) -> int:
    """Raise unless the state is one that a run with this grid step handed back; the step it stands at."""
    if state is None:
        return 0
    if not isinstance(state, State) or not dataclasses.is_dataclass(state.neuron):
        raise TypeError(f"state is a {type(state).__name__}; give the state of an earlier run, run.state")
    check_fields(state.neuron)
    if state.dt is not None and not math.isclose(float(state.dt), dt, rel_tol=1e-6):
        raise ValueError(
            f"dt = {dt} ms, but the state was reached with {float(state.dt):g} ms and counts its steps; use that"
        )
    if int(state.step) < 0:
        raise ValueError(f"state: step = {int(state.step)} must be at least 0")
    return int(state.step)


def check_population(population: int | tuple[int, ...]) -> tuple[int, ...]:
    """A population's shape as a tuple of whole numbers above 0; raise where it is none."""
    sizes = population if isinstance(population, tuple | list) else (population,)
    if not all(is_whole(n) and n > 0 for n in sizes) or len(sizes) > 16:
        raise ValueError(
            f"population = {shown(population)} is no shape; give a whole number above 0, or a tuple of them"
        )
    return tuple(int(n) for n in sizes)


def check_shape(
    neuron: Neuron, stimulus: StimulusLike, state: State | None, population: tuple[int, ...]
) -> tuple[int, ...]:
    """The population's shape; raise where shapes do not broadcast to one."""
    try:
        shape = population_shape(neuron, stimulus, state, population)
    except ValueError:
        shapes = {
            f"{type(owner).__name__}.{name}": np.shape(getattr(owner, name))[rule.leading :]
            for owner in _owners(neuron, stimulus)
            for name, rule in parameters(owner).items()
        }
        shapes |= {"population": population}
        shapes |= {} if state is None else {"state": np.shape(jax.tree.leaves(state.neuron)[0])}
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(
            f"shapes do not broadcast to one population: {told}; NumPy's rules hold, so add axes of 1"
        ) from None
    if math.prod(shape) > MOST_NEURONS:
        raise ValueError(f"the population {shape} has more than {MOST_NEURONS} neurons; run parts of it")
    return shape


def check_record(record: Iterable[str], every: int, neuron: Neuron) -> frozenset[str]:
    """What to record, as a set; raise where a name or the stride makes no sense."""
    names = chosen(record, neuron.shows)
    if not is_whole(every) or not 1 <= every <= LAST_STEP // 2:
        raise ValueError(f"every = {shown(every)} must be a whole number of steps, from 1 to {LAST_STEP // 2}")
    return names


def check_neurons(neurons: Values | None, size: int) -> np.ndarray | None:
    """Which neurons to record V and current of, int32; raise where they are not in the population."""
    if neurons is None:
        return None
    try:
        chosen = np.asarray(neurons)
    except (ValueError, TypeError):  # ragged
        chosen = np.zeros(0)
    if chosen.ndim != 1 or chosen.size == 0 or chosen.dtype.kind not in "iu":
        raise ValueError(
            f"neurons = {shown(neurons)} must be a list of whole numbers, the neurons to record V and current of"
        )
    if chosen.min() < 0 or chosen.max() >= size:
        raise ValueError(f"neurons = {shown(neurons)} goes beyond the population; give numbers from 0 to {size - 1}")
    return chosen.astype(np.int32)


class OutgrownError(ValueError):
    """The numbers of a run have outgrown what the machine holds, and say nothing from then on.

    run: the `lifjax.Run`, so that what came before is not lost.
    """

    def __init__(self, told: str, run: Run) -> None:
        super().__init__(told)
        self.run = run


def check_end(run: Run) -> None:
    """Raise `OutgrownError` where the numbers of a run are none any more."""
    ended = (run.state.neuron, run.state.stimulus)
    if all(leaf.dtype.kind != "f" or np.isfinite(leaf).all() for leaf in jax.tree.leaves(ended)):
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path(ended):
        if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(leaf))[0])
            index = f"[{', '.join(map(str, at))}]" if at else ""
            what = str(path[-1]).strip(".[]'") if path[0].idx == 0 else "stimulus"
            raise OutgrownError(
                f"{type(run.neuron).__name__}: {what}{index} is {leaf[at]} after {run.duration:g} ms, beyond what "
                f"{leaf.dtype} holds; lower dt = {run.dt:g} ms, or give parameters and a stimulus of a physical size "
                "(what was computed is the attribute run of this error)",
                run,
            )
