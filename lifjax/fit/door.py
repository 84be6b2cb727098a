"""The door for people: a fit is checked, searched for, and looked at with an ordinary run."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lifjax import surrogate
from lifjax.fit import check, targets
from lifjax.fit.backward import solve_backward
from lifjax.fit.lanes import cut
from lifjax.fit.outcome import Outcome, looked_at, outcome
from lifjax.fit.problem import Problem
from lifjax.fit.result import Fit
from lifjax.fit.solve import solve
from lifjax.fit.space import Bounds, space
from lifjax.fit.targets import Loss
from lifjax.neurons.base import Neuron, Values
from lifjax.stimulus.base import StimulusLike
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
        >>> found.converged, found.neuron.tau_m.round(0)  # ms
        (array([ True,  True]), array([ 8., 15.]))
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
    patience: int = 40,
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
        noise: "frozen" is the same noise in each iteration, under which an error can be made as small as it gets, and
            some of it is the noise's own; "fresh" is new in each, and Gauss-Newton ends with the mean of its last
            iterations (24, or half of them), which is nearer to the truth.
        seed: 0 to 2**64 - 1, of noise and restarts.
        dt: grid step [ms].
        integrator: "euler" or "exact".
        spike: the spike function and its derivative; None is `lifjax.surrogate.gaussian`, whose bump
            leaves alone what V does a few millivolts below the threshold.
        tolerance: a fit is done when its error [Hz, or weighted] is no larger.
        patience: and after so many iterations that found nothing better.
        progress: show a progress bar. Ctrl-C ends the fit early and hands back the best so far.

    Returns:
        A `lifjax.Fit`.

    Raises:
        TypeError, ValueError: an argument makes no sense; said before any work.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(tau_m=13.0), 300.0, 1000.0)
        >>> both = [lifjax.targets.rates(run.firing_rate), lifjax.targets.latency(run.spike_times[0])]
        >>> found = lifjax.fit(lifjax.LIF(), 300.0, both, 1000.0, free=("tau_m",))
        >>> print(f"{found.neuron.tau_m:.0f}")
        13
    """
    spike = surrogate.gaussian() if spike is None else spike
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
    check.check_room(shape, rest["restarts"], rest["trials"])
    neuron = check.as_arrays(neuron, names)
    where = space(neuron, names, bounds, dt)
    own = check.one_shape(neuron, where.names, shape) if goals else None
    largest = max((np.shape(getattr(neuron, name)) for name in names), key=lambda x: (int(np.prod(x)), len(x)))
    problem = Problem(
        neuron=neuron, stimulus=stimulus, targets=goals, space=where, duration=float(duration), steps=count,
        cut=cut(shape, rest["trials"], largest), dt=float(dt), integrator=integrator, spike=spike, seed=rest["seed"],
        fresh=noise == "fresh", optimizer=optimizer,
    )  # fmt: skip
    search = rest["steps"], rest["restarts"], float(tolerance), rest["patience"], progress
    again = partial(
        fit, stimulus=stimulus, loss=loss, duration=duration, free=names, bounds=bounds, optimizer=optimizer,
        restarts=restarts, trials=trials, noise=noise, seed=seed, dt=dt, integrator=integrator, spike=spike,
        tolerance=tolerance, patience=patience, progress=progress,
    )  # fmt: skip
    if own is None:
        function = None if goals else wanted
        values, history, stopped = solve_backward(problem, function, *search)  # type: ignore[arg-type] # one of two
        found = Outcome(values, history, np.full(problem.cut.groups, len(history)), stopped)
    else:
        found = outcome(problem, solve(problem, *search))
    return looked_at(problem, found, names, rest["steps"], float(tolerance), again)
