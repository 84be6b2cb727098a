"""The one scan over time and the one vmap over neurons: pure functions, without checks, files or host."""

import dataclasses
import math
import numbers
import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from lifjax import noise
from lifjax.neurons.base import Divisor, Grid, Neuron, parameters, pytree
from lifjax.record import Recording, State, chosen
from lifjax.stimulus.base import Lanes, Prepared, Stimulus, StimulusLike, terms
from lifjax.surrogate import Spike, threshold


@pytree
class Plan:
    """A run made ready for the scan: numbers as leaves, and as static fields all that decides what is compiled."""

    constants: Any
    drives: tuple[Prepared, ...]
    seed: ArrayLike
    model: type[Neuron] = dataclasses.field(metadata={"static": True})
    kinds: tuple[type[Stimulus], ...] = dataclasses.field(metadata={"static": True})
    shape: tuple[int, ...] = dataclasses.field(metadata={"static": True})


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
        record: any of "V", "spikes" and "current".
        integrator: "euler" or "exact".
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
    steps = operator.index(steps)
    if steps < 0:
        raise ValueError(f"steps = {steps} must be at least 0")
    plan, carry, first = make_ready(neuron, terms(stimulus), steps, dt, seed, state, integrator, population)
    carry, count, out = _integrate(plan, carry, first, steps=steps, spike=spike, record=chosen(record))

    def shaped(x: Array | None) -> Array | None:
        return None if x is None else x.reshape(len(x), *plan.shape)

    recording = Recording(
        V=shaped(out.get("V")),
        spikes=shaped(out.get("spikes")),
        current=shaped(out.get("current")),
        spike_count=count.reshape(plan.shape),
    )
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
    for owner in (neuron, *_drives(stimulus)):
        shapes += [np.shape(getattr(owner, name))[rule.leading :] for name, rule in parameters(owner).items()]
    if state is not None:
        shapes += [np.shape(leaf) for leaf in jax.tree.leaves((state.neuron, state.stimulus))]
    return np.broadcast_shapes(*shapes)


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
) -> tuple[Plan, Any, Any]:
    """The plan, the flat state to start from, and the first step."""
    first = np.int32(0) if state is None else state.step
    if seed is None:
        seed = 0 if state is None or state.seed is None else state.seed
    grid = Grid(dt=dt, steps=steps, first=first, integrator=integrator)
    plan = Plan(
        constants=neuron.constants(grid),
        drives=tuple(drive.prepare(grid) for drive in drives),
        seed=noise.words(operator.index(seed)) if isinstance(seed, numbers.Integral) else seed,
        model=type(neuron),
        kinds=tuple(type(drive) for drive in drives),
        shape=population_shape(neuron, drives, state, population),
    )
    start = neuron.start() if state is None else state.neuron
    carried = _go_on(plan, () if state is None else state.stimulus)

    def flat(leaf: ArrayLike) -> Any:
        dtype = jnp.int32 if jnp.issubdtype(jnp.result_type(leaf), jnp.integer) else jnp.result_type(float)
        xp: Any = np if isinstance(leaf, np.ndarray | np.generic) else jnp  # NumPy's own take far less time
        return xp.broadcast_to(xp.asarray(leaf, dtype), plan.shape).reshape(-1)

    return plan, (jax.tree.map(flat, start), jax.tree.map(flat, carried)), first


@jax.jit
def _begin(plan: Plan) -> tuple[Any, ...]:
    """What each stimulus carries at first, in the population's shape, under its kind's name."""
    _, drives, lanes, _ = _spread(plan)
    begun = tuple(
        {kind.__name__: kind.begin(c, noise.key(plan.seed, stream, purpose=1), lanes)}
        for stream, (kind, c) in enumerate(zip(plan.kinds, drives, strict=True))
    )
    return jax.tree.map(lambda leaf: leaf.reshape(plan.shape), begun)


def _go_on(plan: Plan, carried: tuple[Any, ...]) -> tuple[Any, ...]:
    """What each stimulus carries: that of one of the same kind in the same place, where there is one, else a start."""
    begun = _begin(plan) if any(kind.begin is not Stimulus.begin for kind in plan.kinds) else _nothing(plan)
    return tuple(
        old if _structure(old) == _structure(new) else new
        for old, new in zip((*carried, *begun[len(carried) :]), begun, strict=False)
    )


def _nothing(plan: Plan) -> tuple[Any, ...]:
    """What stimuli without memory carry."""
    return tuple({kind.__name__: ()} for kind in plan.kinds)


def _structure(tree: Any) -> Any:
    return jax.tree.structure(tree)


def _spread(
    plan: Plan, block: int | None = None, begin: Array | int = 0
) -> tuple[Any, tuple[Prepared, ...], Lanes, list[noise.Key]]:
    """The plan's numbers laid out flat: a scalar stays a scalar, anything else has one value a neuron.

    Of a block, those of so many neurons from neuron ``begin`` on.
    """
    size = math.prod(plan.shape)
    width = size if block is None else block

    def spread(x: Array) -> Array:
        if x.ndim == 0:
            return x
        flat = jnp.broadcast_to(x, plan.shape).reshape(-1)
        return flat if width == size else lax.dynamic_slice(flat, (begin,), (width,))

    def constant(field: dataclasses.Field[Any]) -> Any:
        x = spread(jnp.asarray(getattr(plan.constants, field.name)))
        return Divisor.of(x, width) if field.metadata.get("divisor") else x

    fields = dataclasses.fields(plan.constants)
    constants = dataclasses.replace(plan.constants, **{field.name: constant(field) for field in fields})
    drives = tuple(
        {name: jnp.asarray(x) if name in kind.timed else spread(jnp.asarray(x)) for name, x in c.items()}
        for kind, c in zip(plan.kinds, plan.drives, strict=True)
    )
    keys = [noise.key(plan.seed, stream) for stream in range(len(drives))]
    index = jnp.asarray(begin, jnp.uint32) + jnp.arange(width, dtype=jnp.uint32)
    return constants, drives, Lanes(index, spread), keys


Take = Callable[..., tuple[Any, list[dict[str, Array]]]]


def stepper(plan: Plan, spike: Spike, block: int | None = None, begin: Array | int = 0) -> Take:
    """The steps of all neurons of a plan, or of a ``block`` of so many from neuron ``begin`` on.

    Returns:
        ``take(carry, k, steps=1)``: what a number of steps from step ``k`` on makes of the carry (state of the neurons,
        of the stimuli), and what each of them shows: V, current and spikes. Several steps begin at an even ``k``, since
        two share the random bits of a counter.
    """
    constants, drives, lanes, keys = _spread(plan, block, begin)
    lane_axes = jax.tree.map(lambda x: 0 if x.ndim else None, constants)
    one = partial(plan.model.step, spike=spike)

    def step(carry: Any, k: Array, words: list[Array | None]) -> tuple[Any, dict[str, Array]]:
        neurons, carried = carry
        driven = [
            kind.current(c, s[kind.__name__], k, word, lanes)
            for kind, c, s, word in zip(plan.kinds, drives, carried, words, strict=True)
        ]
        current = sum((current for _, current in driven[1:]), driven[0][1])
        axes = (lane_axes, 0, 0 if current.ndim else None)
        after, shown = jax.vmap(one, in_axes=axes)(constants, neurons, current)
        drawn = tuple({kind.__name__: state} for kind, (state, _) in zip(plan.kinds, driven, strict=True))
        shows = {"V": shown.V, "current": jnp.broadcast_to(current, shown.V.shape), "spikes": shown.spikes}
        return (after, drawn), shows

    def words(k: Array, steps: int) -> list[list[Array | None]]:
        """Random bits of each of two steps, or of one, for each stimulus."""
        drawn = [
            None if not kind.drawn
            else (noise.bits(key, lanes.index, k),) if steps == 1
            else noise.pair(key, lanes.index, k)
            for kind, key in zip(plan.kinds, keys, strict=True)
        ]  # fmt: skip
        return [[None if both is None else both[b] for both in drawn] for b in range(steps)]

    def take(carry: Any, k: Array, steps: int = 1) -> tuple[Any, list[dict[str, Array]]]:
        shown = []
        for first in range(0, steps, 2):
            for b, bits in enumerate(words(k + first, min(2, steps - first))):
                carry, shows = step(carry, k + first + b, bits)
                shown.append(shows)
        return carry, shown

    return take


@partial(jax.jit, static_argnames=("steps", "spike", "record"))
def _integrate(
    plan: Plan, carry: Any, first: ArrayLike, *, steps: int, spike: Spike, record: frozenset[str]
) -> tuple[Any, Array, dict[str, Array]]:
    """The flat state after ``steps`` steps, the spike counts, and what was recorded, (time, neurons)."""
    take = stepper(plan, spike)
    V = jax.ShapeDtypeStruct((math.prod(plan.shape),), jnp.result_type(float))
    answer = jax.eval_shape(spike, V, V, V).dtype
    none = jnp.zeros(V.shape, jnp.int32 if jnp.issubdtype(answer, jnp.bool) else answer)

    def body(state: Any, k: Array) -> tuple[Any, dict[str, Array]]:
        carry, count = state
        carry, (shows,) = take(carry, k)
        return (carry, count + shows["spikes"].astype(count.dtype)), {name: shows[name] for name in record}

    k = jnp.asarray(first, jnp.int32) + jnp.arange(steps, dtype=jnp.int32)
    (end, count), out = lax.scan(body, (carry, none), k)
    return end, count, out


def unflatten(carry: Any, plan: Plan, step: Any, dt: ArrayLike) -> State:
    """A flat state in the population's shape, with all that a run needs to go on from it."""
    neuron, stimulus = jax.tree.map(lambda leaf: leaf.reshape(plan.shape), carry)
    return State(step=step, neuron=neuron, stimulus=stimulus, dt=dt, seed=plan.seed)
