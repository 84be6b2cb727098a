"""The door for people: a fit is checked, searched for, and looked at with an ordinary run."""

import dataclasses
import warnings
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax.numpy as jnp
import numpy as np

from lifjax import surrogate
from lifjax.fit import check, targets
from lifjax.fit.identify import identify
from lifjax.fit.lanes import cut
from lifjax.fit.problem import Problem
from lifjax.fit.result import Fit
from lifjax.fit.solve import Found, solve
from lifjax.fit.space import Bounds, space
from lifjax.fit.targets import Loss, Rates
from lifjax.neurons.base import Neuron, Values
from lifjax.simulate.run import simulate
from lifjax.stimulus.base import StimulusLike, terms
from lifjax.surrogate import Surrogate

if TYPE_CHECKING:
    import optax

Noise = Literal["frozen", "fresh"]


def fit_rates(
    neuron: Neuron,
    stimulus: StimulusLike,
    target_rates: Values,
    duration: float,
    free: str | Iterable[str] = ("tau_m", "g_L"),
    **options: Any,
) -> Fit:
    """Find the parameters with which neurons fire at given rates.

    Sharing is broadcasting. Target rates of shape (5, N), currents of shape (5, 1) and free fields of shape (N,) are N
    neurons, each seen under five currents, and each with parameters of its own. A free field that is one number is one
    parameter that all share: write ``tau_m=np.full(N, 10.0)`` to have one a neuron.

    Args:
        neuron: a model, such as ``lifjax.LIF()``, whose free fields are where the fit begins.
        stimulus: what drives it; its axes, like those of target_rates, are those of the population.
        target_rates: [Hz], of a shape that broadcasts with neuron and stimulus, below 1 / t_ref.
        duration: of a run [ms]; rates are whole spikes over it.
        free: names of the fields to fit.
        options: as in `fit`: bounds, optimizer, steps, restarts, trials, noise, seed, dt, integrator, spike, tolerance,
            patience, progress.

    Returns:
        A `lifjax.Fit`.

    Raises:
        TypeError, ValueError: an argument makes no sense; said before any work.

    Example:
        >>> import numpy as np
        >>> import lifjax
        >>> currents = np.array([[220.0], [300.0], [400.0]])  # pA
        >>> truth = lifjax.LIF(tau_m=[8.0, 15.0], g_L=[9.0, 10.5])
        >>> rates = lifjax.simulate(truth, currents, 1000.0, record=()).firing_rate  # (3, 2) Hz
        >>> guess = lifjax.LIF(tau_m=np.full(2, 10.0), g_L=np.full(2, 10.0))
        >>> found = lifjax.fit_rates(guess, currents, rates, 1000.0, free=("tau_m", "g_L"))
        >>> found.error, found.neuron.tau_m.round(0)  # Hz, ms
        (array([0., 0.]), array([ 8., 15.]))
    """
    return fit(neuron, stimulus, targets.rates(target_rates), duration, free, **options)


def fit(
    neuron: Neuron,
    stimulus: StimulusLike,
    loss: Loss,
    duration: float,
    free: str | Iterable[str] = ("tau_m", "g_L"),
    *,
    bounds: Bounds | None = None,
    optimizer: "optax.GradientTransformation | None" = None,
    steps: int = 100,
    restarts: int = 1,
    trials: int = 1,
    noise: Noise = "frozen",
    seed: int = 0,
    dt: float = 0.1,
    integrator: str = "euler",
    spike: Surrogate | None = None,
    tolerance: float = 0.0,
    patience: int = 30,
    progress: bool = False,
) -> Fit:
    """Find the parameters with which neurons do what a loss asks for.

    What shares a value of every free field is a group, fitted by itself by damped Gauss-Newton with forward tangents,
    in memory that does not grow with time, wherever the loss is one of `lifjax.targets` and the free fields have one
    shape. Otherwise the derivative goes backwards through a checkpointed run and optax moves the parameters;
    ``Fit.method`` says which.

    Args:
        neuron: a model whose free fields are where the fit begins.
        stimulus: what drives it.
        loss: a target of `lifjax.targets`, several in a list, or a function of a differentiable run
            (`lifjax.fit.response.Response`, with axes (time, trials, *population)) that returns one number to make
            small.
        duration: of a run [ms].
        free: names of the fields to fit.
        bounds: by name, pairs (low, high) in the field's unit that replace those the model states.
        optimizer: an optax optimiser, such as ``optax.adam(0.05)``, of the scaled parameters; None is Gauss-Newton
            where it can be used, and Adam elsewhere.
        steps: iterations, at most.
        restarts: beginnings of each fit, all at once, of which the best is kept; the first is where the neuron is.
        trials: runs with noise of their own, over which what is to be met is averaged.
        noise: "frozen" is the same noise in each iteration, under which an error can be made as small as it gets;
            "fresh" is new.
        seed: 0 to 2**64 - 1, of noise and restarts.
        dt: grid step [ms].
        integrator: "euler" or "exact".
        spike: the spike function and its derivative; None is `lifjax.surrogate.arctan`.
        tolerance: a fit is done when its error [Hz, or weighted] is no larger.
        patience: and after so many iterations that found nothing better.
        progress: show a progress bar. Ctrl-C ends the fit early and hands back the best so far.

    Returns:
        A `lifjax.Fit`.

    Raises:
        TypeError, ValueError: an argument makes no sense; said before any work.

    Example:
        >>> import lifjax
        >>> both = [lifjax.targets.rates(50.0), lifjax.targets.latency(14.0)]
        >>> found = lifjax.fit(lifjax.LIF(), 250.0, both, 1000.0, free=("tau_m", "g_L"))
        >>> float(found.rates)
        50.0
    """
    spike = surrogate.arctan() if spike is None else spike
    names = check.check_free(neuron, free)
    check.check_bounds(names, bounds)
    wanted = check.check_targets(loss)
    rest = check.check_rest(
        neuron, steps=steps, restarts=restarts, trials=trials, patience=patience, seed=seed, tolerance=tolerance,
        noise=noise, spike=spike, optimizer=optimizer,
    )  # fmt: skip
    goals = wanted if isinstance(wanted, tuple) else ()
    count, shape = check.check_shapes(neuron, stimulus, duration, dt, integrator, goals)
    check.check_limits(neuron, goals, shape, dt)
    neuron = check.as_arrays(neuron, names)
    where = space(neuron, names, bounds, dt)
    own = check.one_shape(neuron, where.names, shape)
    problem = Problem(
        neuron=neuron, stimulus=stimulus, targets=goals, cut=cut(shape, rest["trials"], own or ()), space=where,
        duration=float(duration), steps=count, dt=float(dt), integrator=integrator, spike=spike, seed=rest["seed"],
        fresh=noise == "fresh",
    )  # fmt: skip
    found = solve(problem, rest["steps"], rest["restarts"], float(tolerance), rest["patience"], progress)
    again = partial(
        fit, stimulus=stimulus, loss=loss, duration=duration, free=names, bounds=bounds, optimizer=optimizer,
        restarts=restarts, trials=trials, noise=noise, seed=seed, dt=dt, integrator=integrator, spike=spike,
        tolerance=tolerance, patience=patience, progress=progress,
    )  # fmt: skip
    return _looked_at(problem, found, names, rest["steps"], float(tolerance), again)


def _looked_at(problem: Problem, found: Found, free: tuple[str, ...], steps: int, tolerance: float, again: Any) -> Fit:
    """The outcome, by an ordinary run of the neurons that were found."""
    rows = physical(problem, found.u)
    values = problem.fields(rows.astype(np.float64))
    neuron: Neuron = dataclasses.replace(problem.neuron, **values)  # type: ignore[type-var] # models are dataclasses
    cut = problem.cut
    run = simulate(
        neuron, problem.stimulus, problem.duration, dt=problem.dt, seed=problem.seed, record=(),
        integrator=problem.integrator, population=(cut.trials, *cut.shape),
    )  # fmt: skip
    trials = run.firing_rate
    rates = trials.mean(axis=0)
    field = max((np.shape(x) for x in values.values()), key=len)
    shaped = partial(np.reshape, shape=field)
    goals = [goal for goal in problem.targets if isinstance(goal, Rates)]
    everything = np.arange(cut.groups)
    quantum = 1000 / problem.duration / cut.trials
    spread = trials.var(axis=0, ddof=1) / cut.trials if cut.trials > 1 else np.zeros(cut.shape)
    # Whole spikes leave open a uniform part of one, and trials their spread, both in the targets and in the fit.
    sampling = np.sqrt(cut.of(quantum**2 / 6 + 2 * spread, everything).mean(axis=0))
    aim, silent = None, np.zeros(cut.groups, bool)
    error = found.history[-1].astype(np.float64)
    if len(goals) == len(problem.targets) == 1:
        aim = np.array(np.broadcast_to(goals[0].target, cut.shape), np.float64)
        error = np.sqrt((cut.of(rates - aim, everything) ** 2).mean(axis=0))
        silent = cut.of((rates == 0) & (aim > 0), everything).any(axis=0)
    limit = np.maximum(tolerance, np.maximum(0.5 * quantum, 2 * np.where(spread.any(), sampling, 0)))
    limit = np.broadcast_to(limit, error.shape)
    near = problem.space.at_bound(values)
    bound = np.any([np.broadcast_to(near[name].reshape(-1), cut.groups) for name in problem.space.names], axis=0)
    status = np.where(found.iterations < steps, "settled", "out of steps").astype("<U12")
    status = np.where(bound & (error > limit), "at a bound", status)
    status = np.where(silent & (error > limit), "silent", status)
    status = np.where(error <= max(tolerance, 1e-9), "met", status)
    sigma = np.maximum(sampling, error * np.sqrt(cut.conditions / max(1, cut.conditions - len(free))))
    known, spreads = identify(problem, rows, found.matrix, sigma)
    return Fit(
        neuron=neuron,
        free=free,
        start={name: np.asarray(getattr(problem.neuron, name)) for name in free},
        rates=rates,
        target_rates=aim,
        error=shaped(error),
        history=found.history.reshape(-1, *field),
        status=shaped(status),
        converged=shaped(error <= limit),
        tolerance=shaped(limit),
        std_error=problem.fields(spreads),
        identifiability=known,
        method=_method(problem),
        iterations=shaped(found.iterations),
        stopped=found.stopped,
        stimulus=problem.stimulus,
        duration=problem.duration,
        _again=again,
    )


def physical(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Physical parameters of scaled ones, both (parameters, groups), in the working dtype, as the search has them."""
    names, space = problem.space.names, problem.space
    low, high, scaled = (
        {name: jnp.asarray(x[i]) for i, name in enumerate(names)}
        for x in (problem.rows(space.low), problem.rows(space.high), u)
    )
    own = space.physical(scaled, low, high)
    return np.stack([np.asarray(own[name]) for name in names])


def _method(problem: Problem) -> str:
    cut = problem.cut
    shared = " shared by all neurons" if cut.groups == 1 and cut.conditions > 1 else ""
    return (
        f"damped Gauss-Newton by forward tangents, {cut.groups} group{'s' * (cut.groups > 1)} of "
        f"{len(problem.space.names)} parameters{shared}, each under {cut.conditions} conditions"
        + (f" and {cut.trials} trials" if cut.trials > 1 else "")
    )


__all__ = ["fit", "fit_rates", "terms", "warnings"]
