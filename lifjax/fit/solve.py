"""The search on the host: rounds of iterations over blocks of the groups that are not done, on all cores."""

import dataclasses
import functools
import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lifjax.backend import LANES, cores
from lifjax.backend.threads import on_every_core
from lifjax.fit.forward import Search, iterate, search_from
from lifjax.fit.problem import Problem
from lifjax.simulate.progress import Stop

ROUND = 8  # iterations between two looks at what is done
SETTLING = 24  # iterations under fresh noise over which the mean is taken
_LANES = 4096  # of a block, whose numbers stay in a core's own cache
_NARROW = 320  # where it is one function, whose numbers stay in the nearest cache
_SMALL = 8  # by how much blocks shrink once few groups are left


@dataclasses.dataclass
class Found:
    """What a search found.

    u: the best of each group, (parameters, groups), scaled.
    matrix: J^T J at it, of scaled parameters, a mean over residuals.
    history: root of the lowest mean square residual until each iteration, (iterations, groups).
    iterations: of each group.
    stopped: whether Ctrl-C ended it.
    """

    u: np.ndarray
    matrix: np.ndarray
    history: np.ndarray
    iterations: np.ndarray
    stopped: bool = False


def starts(problem: Problem, restarts: int) -> np.ndarray:
    """Where each candidate begins, scaled, (parameters, restarts * groups): first as given, then anywhere in bounds."""
    values = {name: np.asarray(getattr(problem.neuron, name), np.float64) for name in problem.space.names}
    given = problem.rows(problem.space.scaled(values))
    rng = np.random.default_rng(problem.seed)
    others = [starting(rng, given.shape) for _ in range(restarts - 1)]
    return np.concatenate([given, *others], axis=1).astype(given.dtype)


def solve(problem: Problem, steps: int, restarts: int, tolerance: float, patience: int, progress: bool) -> Found:
    """Search for at most so many iterations.

    Args:
        problem: what to fit.
        steps: iterations, at most, of each group.
        restarts: beginnings of each.
        tolerance: a group is done where the root of its mean square residual is no larger.
        patience: it is done, too, after so many iterations in which it did not get better.
        progress: show a progress bar.
    """
    descend = 0 if problem.setup.pairs else problem.cut.groups  # what is worse under noise may be so by its draw
    state = jax.tree.map(np.array, search_from(starts(problem, restarts), problem.optimizer, descend))
    settles = problem.fresh and problem.setup.pairs and problem.optimizer is None  # where there is noise to average
    settling = min(SETTLING, steps // 2) if settles else 0
    with Bar(steps, progress) as bar, Stop() as stop:
        hunt = Hunt(problem, restarts, steps, bar, stop)
        hunt.search(state, steps - settling, tolerance, patience)
        best = state.merit.reshape(restarts, -1).argmin(axis=0)
        pick = best * problem.cut.groups + np.arange(problem.cut.groups)
        u = state.best[:, pick]
        if settling and not hunt.stopped:
            state = dataclasses.replace(state, u=state.best, settling=np.array(True))
            u = hunt.settle(state, pick, settling)
    if hunt.stopped:
        warnings.warn(f"stopped after {hunt.began} of {steps} iterations; the best until then is kept", stacklevel=4)
    return Found(
        u=u,
        matrix=state.matrix[pick],
        history=np.minimum.accumulate(hunt.history[: hunt.began], axis=0),
        iterations=hunt.done.reshape(restarts, -1).max(axis=0),
        stopped=hunt.stopped,
    )


class Hunt:
    """The rounds of a search: how many iterations began, whether Ctrl-C ended it, and what was found on the way."""

    def __init__(self, problem: Problem, restarts: int, steps: int, bar: Any, stop: Stop) -> None:
        self.problem, self.restarts, self.bar, self.stop = problem, restarts, bar, stop
        self.began, self.compiled = 0, set[int]()
        self.stopped = False
        self.done = np.zeros(restarts * problem.cut.groups, np.int32)
        self.history = np.full((steps, problem.cut.groups), np.inf, np.float32)

    def search(self, state: Search, until: int, tolerance: float, patience: int) -> None:
        """Search for better ones, each candidate for as long as it finds any."""
        least = max(tolerance, 1e-4 * 1000 / self.problem.duration) ** 2  # less is rounding
        active = np.ones(state.merit.size, bool)
        while self.began < until and active.any() and not self.stopped:
            self.round(state, active, until)
            met = state.merit <= least
            met |= np.tile(met.reshape(self.restarts, -1).any(axis=0), self.restarts)
            active &= ~met & (state.stale < patience)

    def settle(self, state: Search, pick: np.ndarray, iterations: int) -> np.ndarray:
        """Where the picked ones are in the mean of so many iterations, (parameters, groups)."""
        first = self.began
        active = np.zeros(state.merit.size, bool)
        active[pick] = True
        while self.began < first + iterations and not self.stopped:
            self.round(state, active, first + iterations)
        return np.asarray(state.total)[:, pick] / np.float32(self.began - first)

    def round(self, state: Search, active: np.ndarray, until: int) -> None:
        """Some iterations with those that are active."""
        now = min(ROUND, until - self.began)
        merits = _round(self.problem, state, np.flatnonzero(active), self.began, now, self.compiled)
        self.done[active] += now
        best = np.fmin.reduce(merits.reshape(now, self.restarts, -1), axis=1)
        self.history[self.began : self.began + now] = np.sqrt(np.where(np.isnan(best), np.inf, best))
        self.began += now
        self.bar(now, np.sqrt(state.merit.reshape(self.restarts, -1).min(axis=0)), active)
        self.stopped = self.stop.asked


def starting(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scaled parameters to begin at, anywhere in the bounds but near their ends."""
    return np.asarray(rng.logistic(0.0, 0.7, shape).clip(-3, 3))


def _round(problem: Problem, state: Search, ids: np.ndarray, first: int, now: int, compiled: set[int]) -> np.ndarray:
    """Take so many iterations with some candidates; their mean square residuals (now, candidates), NaN of others."""
    size = _block_size(problem, len(ids), state.merit.size)
    setup, drives = problem.setup, problem.drives
    seeds = np.zeros((ROUND, 2), np.uint32)
    seeds[:now] = problem.seeds(first, now)
    merits = np.full((now, state.merit.size), np.nan, np.float32)

    def work(begin: int, iterations: int = now) -> None:
        own = ids[begin : begin + size]
        padded = np.resize(own, size)  # the last block is filled up with copies, whose results are those of the first
        block = problem.block(padded % problem.cut.groups, padded)
        part = jax.tree.map(lambda x: jnp.asarray(_of(x, padded, state)), state)
        part, history = iterate(setup, drives, seeds, block, part, iterations)
        jax.tree.map(lambda x, new: _keep(x, own, np.asarray(new), state), state, part)
        merits[:, own] = np.asarray(history)[:now, : len(own)]

    begins = list(range(0, len(ids), size))
    if size not in compiled and len(begins) > 1:
        work(begins[0], 0)  # compiled once, not by each thread
        compiled.add(size)
    on_every_core(work, begins)
    return merits


def _block_size(problem: Problem, active: int, all_of_them: int) -> int:
    """How many groups are run together: one of two sizes, since each is compiled for."""
    lanes, share = problem.cut.trials * problem.cut.conditions, -(-all_of_them // cores())
    whole = LANES // math.gcd(lanes, LANES)  # so many are whole vectors

    def at_most(most: int) -> int:
        groups = max(1, most // lanes)
        return max(min(groups - groups % whole if groups > whole else groups, share), min(16, all_of_them))

    if problem.setup.in_one(large := at_most(_NARROW)):
        return large
    large = at_most(_LANES)
    small = max(1, large // _SMALL)
    return small if active <= small * cores() and large * lanes >= 256 else large


def _of(x: np.ndarray, ids: np.ndarray, state: Any) -> np.ndarray:
    """The part of an array that is of some candidates; a scalar, as an optimiser's count, is of all."""
    return x[ids] if x is state.matrix else x[..., ids] if x.ndim else x


def _keep(x: np.ndarray, ids: np.ndarray, new: np.ndarray, state: Any) -> None:
    """Write that part; of the last block, what fills it up is left out."""
    if x is state.matrix:
        x[ids] = new[: len(ids)]
    elif x.ndim:
        x[..., ids] = new[..., : len(ids)]
    else:
        x[...] = new


class Bar:
    """A progress bar over iterations, with the error of the median neuron, or nothing."""

    def __init__(self, steps: int, shown: bool) -> None:
        self.steps, self.shown, self.bar = steps, shown, None

    def __enter__(self) -> Any:
        if not self.shown:
            return lambda *_: None
        from tqdm.auto import tqdm  # only here: it looks for a notebook, which takes time

        self.bar = tqdm(total=self.steps, unit=" iterations", desc="lifjax fit")
        return functools.partial(self._move, self.bar)

    @staticmethod
    def _move(bar: Any, now: int, error: np.ndarray, active: np.ndarray) -> None:
        bar.set_postfix(error=f"{np.median(error):.3g}", worst=f"{error.max():.3g}", searching=int(active.sum()))
        bar.update(now)

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
