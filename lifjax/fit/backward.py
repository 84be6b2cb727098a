"""Reverse mode, for what forward tangents cannot do: a loss that couples neurons, and fields shared by some of them.

The derivative of one number goes backwards through the whole run. What the scan would have to keep of it grows with
time; kept at every root of steps only, with the stretch between two run again when its turn comes, memory grows as the
root of the steps (Griewank and Walther 2000, doi:10.1145/347837.347846). An optax optimiser moves the scaled
parameters.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.backend import COMPILER_OPTIONS
from lifjax.fit.forward import refused, response_of
from lifjax.fit.lanes import cut, fields_of
from lifjax.fit.problem import Problem
from lifjax.fit.response import Response
from lifjax.fit.solve import Bar, starting
from lifjax.neurons.check import shown
from lifjax.simulate.progress import Stop

_RATE = 0.05  # of Adam, in scaled parameters
_CLIP = 10.0


def solve_backward(
    problem: Problem,
    function: Callable[[Response], Array] | None,
    steps: int,
    restarts: int,
    tolerance: float,
    patience: int,
    progress: bool,
) -> tuple[dict[str, np.ndarray], np.ndarray, bool]:
    """Search for at most so many iterations.

    Args:
        problem: what to fit.
        function: the user's loss, or None for the targets of the problem.
        steps, restarts, tolerance, patience, progress: as in `lifjax.fit.solve.solve`; the tolerance is of the loss, or
            of the root of the mean square residual of targets.

    Returns:
        The best parameters, float64, the loss of the best until each iteration, and whether Ctrl-C ended it.
    """
    import optax  # only here: it takes time to import

    optimizer = problem.optimizer or optax.chain(optax.clip_by_global_norm(_CLIP), optax.adam(_RATE))
    loss = partial(_loss, problem, function)
    u = _starts(problem, restarts)

    @partial(jax.jit, compiler_options=COMPILER_OPTIONS)
    def update(u: Any, memory: Any, seed: Array) -> tuple[Any, Any, Array]:
        value, slope = jax.vmap(lambda one: jax.value_and_grad(loss)(one, seed))(u)
        slope = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, 0), slope)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as optax takes for granted
            change, memory = jax.vmap(optimizer.update)(slope, memory, u)
        return jax.tree.map(jnp.add, u, change), memory, value

    memory = jax.vmap(optimizer.init)(u)
    best, least, stale, history, stopped = jax.tree.map(lambda x: np.array(x[0]), u), np.inf, 0, [], False
    with Bar(steps, progress) as bar, Stop() as stop:
        for number in range(steps):
            after, memory, value = update(u, memory, problem.seeds(number, 1)[0])
            values = np.where(np.isfinite(value), np.asarray(value), np.inf)
            first = int(values.argmin())
            stale += 1
            if values[first] < least:
                least, stale = float(values[first]), 0
                best = jax.tree.map(lambda x, first=first: np.array(x[first]), u)
            history.append(least)
            u = after
            bar(1, np.sqrt(np.array([least])) if function is None else np.array([least]), np.ones(1, bool))
            met = least <= (tolerance**2 if function is None else tolerance)
            stopped = stop.asked
            if met or stale >= patience or stopped:
                break
    if not (stopped or np.isfinite(least)):
        raise ValueError(
            "loss is not finite wherever the fit looked; give one that is, or begin elsewhere: see bounds and restarts"
        )
    if stopped:
        warnings.warn(f"stopped after {len(history)} of {steps} iterations; the best is kept", stacklevel=4)
    own = problem.space.physical(jax.tree.map(jnp.asarray, best), *_bounds(problem))
    return {name: np.asarray(x, np.float64) for name, x in own.items()}, np.array(history), stopped


def _loss(problem: Problem, function: Callable[[Response], Array] | None, u: dict[str, Array], seed: Array) -> Array:
    """What to make small, at scaled parameters of their fields' shapes."""
    setup, whole = problem.setup, cut(problem.cut.shape, problem.cut.trials, ())
    own = problem.space.physical(u, *_bounds(problem))
    spread = {name: jnp.tile(jnp.broadcast_to(x, whole.shape).reshape(-1), whole.trials) for name, x in own.items()}
    one = np.zeros(1, np.int64)
    fields: Any = fields_of(problem.neuron, whole, one, problem.space.names) | spread
    index = jnp.asarray(whole.index(one))
    response = response_of(setup, problem.drives, seed, fields, index, checkpoint=True)
    shaped = response.reshaped((whole.trials, whole.conditions, 1))
    if shaped.outside is not None:
        fence = jnp.where(shaped.outside[0] > 0, refused(shaped), 0).sum()
    else:
        fence = jnp.zeros((), jnp.result_type(float))
    if function is not None:
        shape = (whole.trials, *whole.shape) if whole.trials > 1 else whole.shape
        told = function(response.reshaped(shape))
        if not isinstance(told, Array | np.ndarray | np.generic | int | float):
            raise TypeError(
                f"loss returns {shown(told)}, a {type(told).__name__}; it must be one number, such as a mean"
            )
        value = jnp.asarray(told)
        if value.ndim:
            raise ValueError(f"loss returns an array of shape {value.shape}; it must be one number, such as its mean")
        return value.astype(jnp.result_type(float)) + fence
    parts = [(target.at(whole, one).residuals(shaped) ** 2).mean() for target in problem.targets]
    return sum(parts[1:], parts[0]) / len(parts) + fence


def _bounds(problem: Problem) -> tuple[dict[str, Array], dict[str, Array]]:
    low, high = (
        {name: jnp.asarray(x, float) for name, x in of.items()} for of in (problem.space.low, problem.space.high)
    )
    return low, high


def _starts(problem: Problem, restarts: int) -> dict[str, Array]:
    """Scaled parameters with a leading axis of restarts."""
    names = problem.space.names
    given = problem.space.scaled({name: np.asarray(getattr(problem.neuron, name), np.float64) for name in names})
    rng = np.random.default_rng(problem.seed)
    others = [{name: starting(rng, np.shape(x)) for name, x in given.items()} for _ in range(restarts - 1)]
    return jax.tree.map(lambda *x: jnp.asarray(np.stack(x), float), given, *others)
