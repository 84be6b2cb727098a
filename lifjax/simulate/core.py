"""The one scan over time: a pure function, without checks, files or host, and how a run is made ready for it."""

import math
import numbers
import operator
from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from lifjax import noise
from lifjax.neurons.base import Grid, Neuron, parameters, traced, working_dtype
from lifjax.neurons.check import check_model
from lifjax.record import OFFSET, Recording, State, chosen
from lifjax.simulate.step import Plan, laid_out, stepper
from lifjax.stimulus.base import Lanes, Stimulus, StimulusLike, begun, conducting, terms
from lifjax.surrogate import Spike, threshold


def integrate(
    neuron: Neuron,
    stimulus: StimulusLike,
    steps: int,
    *,
    dt: ArrayLike = 0.1,
    seed: ArrayLike | None = None,
    state: State | None = None,
    spike: Spike = threshold,
    record: Iterable[str] = ("spikes",),
    integrator: str = "euler",
    spike_timing: str = "grid",
    population: int | tuple[int, ...] = (),
) -> tuple[State, Recording]:
    """Run a population for a number of steps: a pure function, to jit, vmap and differentiate.

    Nothing is checked and everything recorded is in one array; `simulate` is the friendlier door.

    Args:
        neuron: a model, such as `lifjax.LIF`; its fields may be traced.
        stimulus: a stimulus, a sum of them, or a constant current [pA].
        steps: how many grid steps, a Python int.
        dt: grid step [ms].
        seed: an integer, or the two uint32 words of `lifjax.noise.words`, which may be traced; None is the seed of the
            state, or 0.
        state: where to go on from; None is the neuron's own start at time 0.
        spike: the spike function (`lifjax.surrogate`).
        record: any of "V", "spikes", "current" and what else the model shows, such as "w".
        integrator: one of ``neuron.integrators``.
        spike_timing: "grid" or "interpolated", as in `simulate`; then ``traces["offset"]`` says by how much a spike is
            after its grid time [ms].
        population: a shape that joins the broadcast, for a population of equal neurons.

    Returns:
        The state after the last step, and a `lifjax.Recording` with axes (time, *population).

    Example:
        >>> import jax, lifjax
        >>> def last_V(g_L):
        ...     state, _ = lifjax.integrate(lifjax.LIF(g_L=g_L), 150.0, 2000, record=())
        ...     return state.neuron.V
        >>> print(f"{jax.grad(last_V)(10.0):.3f}")  # d(I / g_L) / dg_L, mV/nS
        -1.500
    """
    check_model(neuron)
    if not isinstance(state, State | None):
        raise TypeError(f"state is a {type(state).__name__}; give the state of an earlier run, run.state")
    if seed is not None and not traced(seed) and np.asarray(seed).dtype.kind not in "iu":
        raise TypeError(f"seed is a {type(seed).__name__}; give a whole number, or the two words of one")
    steps = operator.index(steps)
    if steps < 0:
        raise ValueError(f"steps = {steps} must be at least 0")
    plan, carry, first = make_ready(
        neuron, terms(stimulus), steps, dt, seed, state, integrator, population, spike_timing
    )
    kept = chosen(record, neuron.shows) | offsets(record, spike_timing)
    carry, count, out = _integrate(plan, carry, first, steps=steps, spike=spike, record=kept)

    shaped = {name: x.reshape(len(x), *plan.shape) for name, x in out.items()}
    spikes = shaped.pop("spikes", None)
    recording = Recording(spikes=spikes, spike_count=count.reshape(plan.shape), traces=shaped)
    return unflatten(carry, plan, first + steps, dt), recording


def population_shape(
    neuron: Neuron,
    stimulus: StimulusLike | tuple[Stimulus, ...],
    state: State | None = None,
    population: int | tuple[int, ...] = (),
) -> tuple[int, ...]:
    """The population's shape: the broadcast of the shapes of all parameters, stimulus numbers and state.

    Example:
        >>> import numpy as np
        >>> import lifjax
        >>> population_shape(lifjax.LIF(tau_m=np.ones(3)), np.ones((5, 1)))
        (5, 3)
    """
    shapes = [(population,) if isinstance(population, int) else tuple(population)]
    for owner in (neuron, *(part for drive in _drives(stimulus) for part in drive.parts)):
        shapes += [_shape(getattr(owner, name))[rule.leading :] for name, rule in parameters(owner).items()]
    if state is not None:
        shapes += [np.shape(leaf) for leaf in jax.tree.leaves((state.neuron, state.stimulus))]
    return np.broadcast_shapes(*shapes)


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of a number, an array or a list of them, also of traced ones."""
    if type(value) is float:  # most are, and NumPy takes a while to say so
        return ()
    return jnp.asarray(value).shape if isinstance(value, tuple | list) and traced(value) else np.shape(value)


def _drives(stimulus: Any) -> tuple[Stimulus, ...]:
    """The terms of a stimulus, or what are its terms already."""
    ready = isinstance(stimulus, tuple) and all(isinstance(term, Stimulus) for term in stimulus)
    return stimulus if ready else terms(stimulus)


def make_ready(
    neuron: Neuron,
    drives: tuple[Stimulus, ...],
    steps: int,
    dt: ArrayLike,
    seed: ArrayLike | None,
    state: State | None,
    integrator: str,
    population: int | tuple[int, ...],
    spike_timing: str = "grid",
    shape: tuple[int, ...] | None = None,
) -> tuple[Plan, Any, Any]:
    """The plan, the flat state to start from, and the first step; ``shape`` is the population's where it is known."""
    first = np.int32(0) if state is None else state.step
    if seed is None:
        seed = 0 if state is None or state.seed is None else state.seed
    kinds, tau_m = tuple(drive.kind for drive in drives), membrane(neuron, integrator)
    conducts = any(map(conducting, kinds))
    grid = Grid(dt=dt, steps=steps, first=first, integrator=integrator, tau_m=tau_m, conducts=conducts)
    between = None if spike_timing == "grid" else getattr(neuron, "interpolated", None)
    plan = Plan(
        constants=neuron.constants(grid) if between is None else between.constants(neuron, grid),
        drives=tuple(drive.prepare(grid) for drive in drives),
        seed=noise.words(operator.index(seed)) if isinstance(seed, numbers.Integral) else seed,
        model=between or type(neuron),
        kinds=kinds,
        shape=population_shape(neuron, drives, state, population) if shape is None else shape,
    )
    start = neuron.start() if between is None else between.start(neuron)
    if state is not None:
        # Structures alone do not tell two dataclasses of one name from each other.
        if type(state.neuron) is not type(start) or _structure(state.neuron) != _structure(start):
            raise TypeError(
                f"state is none of {type(neuron).__name__}'s; give run.state of a run of this model, with the same "
                "elements and the same spike_timing"
            )
        start = neuron.entered(state.neuron) if hasattr(neuron, "entered") else state.neuron
    carried = _go_on(plan, () if state is None else state.stimulus)

    def flat(leaf: ArrayLike) -> Any:
        kind = leaf.dtype.kind if isinstance(leaf, np.ndarray | np.generic | Array) else np.result_type(leaf).kind
        dtype = np.int32 if kind in "iu" else working_dtype()
        xp: Any = np if isinstance(leaf, np.ndarray | np.generic) else jnp  # NumPy's own take far less time
        array = xp.asarray(leaf, dtype)
        return (array if array.shape == plan.shape else xp.broadcast_to(array, plan.shape)).reshape(-1)

    return plan, jax.tree.map(flat, (start, carried)), first


def membrane(neuron: Neuron, integrator: str) -> Any:
    """The time constant [ms] with which an exact step of a neuron follows a current that decays, else None."""
    return getattr(neuron, "tau_m", None) if integrator == "exact" else None


def offsets(record: Iterable[str], spike_timing: str) -> frozenset[str]:
    """What spikes that are recorded between grid times need beside them."""
    return frozenset({OFFSET} if spike_timing == "interpolated" and "spikes" in record else ())


@jax.jit
def _begin(plan: Plan) -> tuple[Any, ...]:
    """What each stimulus carries at first, in the population's shape, under its kind's name."""
    ready, spread = laid_out(plan)
    lanes = Lanes(ready.index, spread)
    carried = tuple(
        {kind.__name__: begun(kind, c, plan.seed, stream, lanes)}
        for stream, (kind, c) in enumerate(zip(plan.kinds, ready.drives, strict=True))
    )
    return jax.tree.map(lambda leaf: leaf.reshape(plan.shape), carried)


def _go_on(plan: Plan, carried: tuple[Any, ...]) -> tuple[Any, ...]:
    """What each stimulus carries: that of one of the same kind in the same place, where there is one, else a start."""
    fresh = _begin(plan) if any(kind.memory for kind in plan.kinds) else _nothing(plan)
    return tuple(
        old if _structure(old) == _structure(new) else new
        for old, new in zip((*carried, *fresh[len(carried) :]), fresh, strict=False)
    )


def _nothing(plan: Plan) -> tuple[Any, ...]:
    """What stimuli without memory carry."""
    return tuple({kind.__name__: ()} for kind in plan.kinds)


def _structure(tree: Any) -> Any:
    return jax.tree.structure(tree)


@partial(jax.jit, static_argnames=("steps", "spike", "record"))
def _integrate(
    plan: Plan, carry: Any, first: ArrayLike, *, steps: int, spike: Spike, record: frozenset[str]
) -> tuple[Any, Array, dict[str, Array]]:
    """The flat state after ``steps`` steps, the spike counts, and what was recorded, (time, neurons)."""
    take = stepper(_unknown(plan), spike)
    V = jax.ShapeDtypeStruct((math.prod(plan.shape),), working_dtype())
    answer = jax.eval_shape(spike, V, V, V).dtype
    none = jnp.zeros(V.shape, jnp.int32 if jnp.issubdtype(answer, jnp.bool) else answer)

    def body(state: Any, k: Array) -> tuple[Any, dict[str, Array]]:
        carry, count = state
        carry, (shows,) = take(carry, k)
        return (carry, count + shows["spikes"].astype(count.dtype)), {name: shows[name] for name in record}

    k = jnp.asarray(first, jnp.int32) + jnp.arange(steps, dtype=jnp.int32)
    (end, count), out = lax.scan(body, (carry, none), k)
    return end, count, out


def _unknown(plan: Plan) -> Plan:
    """The same numbers, but none that a compiler knows, even where they are constants of the function around.

    XLA hands a loop over a few neurons to LLVM as a whole, barriers or not. With numbers it knows, LLVM would draw
    products into choices, where they round once more, and the last bit would be another than that of a run.
    Out of two turns of a loop that swaps them with zeros they come as they were, which neither of the two works out.
    """

    def swap(_: Any, pair: tuple[Plan, Plan]) -> tuple[Plan, Plan]:
        return pair[1], pair[0]

    numbers = jax.tree.map(jnp.asarray, plan)
    return lax.fori_loop(0, 2, swap, (numbers, jax.tree.map(jnp.zeros_like, numbers)))[0]


def unflatten(carry: Any, plan: Plan, step: Any, dt: ArrayLike) -> State:
    """A flat state in the population's shape, with all that a run needs to go on from it."""
    neuron, stimulus = jax.tree.map(lambda leaf: leaf.reshape(plan.shape), carry)
    return State(step=step, neuron=neuron, stimulus=stimulus, dt=dt, seed=plan.seed)
