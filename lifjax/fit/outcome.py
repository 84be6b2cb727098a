"""What was found, looked at with an ordinary run: rates, errors, and how far the targets can be trusted."""

import dataclasses
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from lifjax.fit.identify import identify
from lifjax.fit.problem import Problem
from lifjax.fit.result import Fit
from lifjax.fit.solve import Found
from lifjax.fit.targets import Rates
from lifjax.neurons.base import Neuron
from lifjax.simulate.run import simulate


@dataclasses.dataclass
class Outcome:
    """What a search found, in physical units.

    values: the free parameters, each of its field's shape.
    history: of the best so far, (iterations, groups), or (iterations,) where all are fitted together.
    iterations: of each group.
    stopped: whether Ctrl-C ended it.
    matrix: J^T J where it is at hand.
    """

    values: dict[str, np.ndarray]
    history: np.ndarray
    iterations: np.ndarray
    stopped: bool
    matrix: np.ndarray | None = None


def outcome(problem: Problem, found: Found) -> Outcome:
    """That of a search by forward tangents; parameters are as the search has them, in the working dtype."""
    names, space = problem.space.names, problem.space
    low, high, scaled = (
        {name: jnp.asarray(x[i]) for i, name in enumerate(names)}
        for x in (problem.rows(space.low), problem.rows(space.high), found.u)
    )
    own = space.physical(scaled, low, high)
    values = problem.fields(np.stack([np.asarray(own[name], np.float64) for name in names]))
    return Outcome(values, found.history, found.iterations, found.stopped, found.matrix)


def looked_at(problem: Problem, found: Outcome, free: tuple[str, ...], steps: int, tolerance: float, again: Any) -> Fit:
    """The outcome, by an ordinary run of the neurons that were found."""
    neuron: Neuron = dataclasses.replace(problem.neuron, **found.values)  # type: ignore[type-var] # models are such
    cut = problem.cut
    run = simulate(
        neuron, problem.stimulus, problem.duration, dt=problem.dt, seed=problem.seed, record=(),
        integrator=problem.integrator, population=(cut.trials, *cut.shape),
    )  # fmt: skip
    trials = run.firing_rate
    rates, open_ = trials.mean(axis=0), left_open(problem, trials)
    everything, field = np.arange(cut.groups), max((np.shape(x) for x in found.values.values()), key=len)
    aim: np.ndarray | None = None
    silent, counted = np.zeros(cut.groups, bool), np.full(cut.groups, problem.counted)
    error = np.broadcast_to(found.history[-1].astype(np.float64), cut.groups)
    if len(problem.targets) == 1 and isinstance(problem.targets[0], Rates):
        aim = np.array(np.broadcast_to(problem.targets[0].target, cut.shape), np.float64)
        weight = cut.of(problem.targets[0].weight, everything) ** 2
        counted = (weight > 0).sum(axis=0)
        square = weight * cut.of(rates - aim, everything) ** 2
        error = np.sqrt(square.sum(axis=0) / np.where(counted, weight.sum(axis=0), 1))
        silent = np.asarray((cut.of((rates == 0) & (aim > 0), everything) & (weight > 0)).any(axis=0))
    spike = 1000 / problem.duration / cut.trials
    one = spike * max(0.5, cut.conditions**-0.5)  # a spike more or less under one condition
    limit = np.maximum(max(tolerance, one) * (1 + 1e-6), 2 * open_ if cut.trials > 1 else 0.0)
    limit = np.broadcast_to(limit, error.shape)
    status = _status(problem, found, error, limit, silent, steps, max(tolerance, 1e-3 * spike))
    known, spread = None, {name: np.full(np.shape(x), np.nan) for name, x in found.values.items()}
    if found.matrix is not None:
        sigma = np.maximum(open_, error * np.sqrt(counted / np.maximum(1, counted - len(free))))
        known, rows = identify(problem, problem.rows(found.values), found.matrix, sigma)
        spread = problem.fields(rows)
    shaped = partial(np.reshape, shape=field)
    history = found.history if found.history.ndim == 1 else found.history.reshape(-1, *field)
    return Fit(
        neuron=neuron, free=free, start={name: np.asarray(getattr(problem.neuron, name)) for name in free},
        rates=rates, target_rates=aim, error=shaped(error), history=history, status=shaped(status),
        converged=shaped(error <= limit), tolerance=shaped(limit), std_error=spread, identifiability=known,
        method=method(problem, found), iterations=shaped(found.iterations), stopped=found.stopped,
        stimulus=problem.stimulus, duration=problem.duration, again=again,
    )  # fmt: skip


def left_open(problem: Problem, trials: np.ndarray) -> np.ndarray:
    """What the targets of each group leave open: the standard deviation [Hz] of a rate less its target.

    Whole spikes leave open a uniform part of one over the duration. Under a steady drive intervals are whole steps, all
    alike, which leaves open a part of r^2 dt. Trials leave open their spread over the root of their number. Each is in
    the fit as in the targets.
    """
    cut, mean = problem.cut, trials.mean(axis=0)
    variance: float | np.ndarray = (1000 / problem.duration) ** 2 / 12 / cut.trials
    if not problem.setup.pairs:
        variance = variance + (mean**2 * problem.dt / 1000) ** 2 / 12
    if cut.trials > 1:
        variance = variance + trials.var(axis=0, ddof=1) / cut.trials
    return np.asarray(np.sqrt(2 * cut.of(variance, np.arange(cut.groups)).mean(axis=0)))


def _status(
    problem: Problem, found: Outcome, error: np.ndarray, limit: np.ndarray, silent: np.ndarray, steps: int, met: float
) -> np.ndarray:
    """How the fit of each group ended, of `lifjax.fit.result.STATUS`."""
    near = problem.space.at_bound(found.values)
    groups = problem.cut.groups
    everything = np.arange(groups)
    bound = np.any([problem.cut.of(near[name], everything).any(axis=0) for name in near], axis=0)
    status = np.where(found.iterations < steps, "settled", "out of steps")
    status = np.where(bound & (error > limit), "at a bound", status)
    status = np.where(silent & (error > limit), "silent", status)
    return np.where(error <= met, "met", status)


def method(problem: Problem, found: Outcome) -> str:
    """How it was fitted, for people."""
    cut, count = problem.cut, len(problem.space.names)
    runs = f" and {cut.trials} trials" if cut.trials > 1 else ""
    if found.matrix is None:
        how = "Adam" if problem.optimizer is None else "optax"
        return f"{how}, reverse mode through a checkpointed run, {count} parameters together{runs}"
    how = "damped Gauss-Newton" if problem.optimizer is None else "optax"
    shared = " shared by all neurons" if cut.groups == 1 and cut.conditions > 1 else ""
    return (
        f"{how} by forward tangents, {cut.groups} group{'s' * (cut.groups > 1)} of {count} "
        f"parameter{'s' * (count > 1)}{shared}, each under {cut.conditions} condition{'s' * (cut.conditions > 1)}{runs}"
    )
