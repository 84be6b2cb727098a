r"""What the targets can and cannot tell: singular values, standard errors, and what is left free, in words.

The Jacobian J of the residuals is scaled so that parameters can be compared: 1 % of what is positive, 0.2 mV of a
potential, which is 1 % of a reset by 20 mV, 1 % of half the range of anything else. Its singular values say how far the
targets move along each combination of parameters. A combination is free where it hardly moves them at all, or where it
could go half its way without their telling: the fit found one of many neurons that do the same. Standard errors are
those of least squares, the root of the diagonal of sigma^2 (J^T J)^-1 (Seber and Wild 2003, Nonlinear Regression,
section 5.1), with sigma from what whole spikes and trials leave open; they are infinite where a free combination takes
part.
"""

import dataclasses
from typing import Any

import numpy as np

from lifjax.fit.problem import Problem
from lifjax.neurons.base import parameters

_FREE = 1e-3  # of the largest singular value, below which is rounding and the surrogate's own error
_FAR = 50.0  # scales of a standard error, above which nothing is known
_PERCENT, _POTENTIAL = 0.01, 0.2


@dataclasses.dataclass(frozen=True)
class Identifiability:
    """What the targets say about the parameters, for each group, axes as those of the free fields.

    names: the free parameters, in the order of the columns.
    scales: what each is measured in, such as "1 %" or "0.2 mV".
    singular_values: (parameters, groups), largest first, root mean square residual a scale.
    directions: (parameters, parameters, groups): the combination of each singular value, its components first.
    free: whether each combination is left free, (parameters, groups).
    words: the same for people, about the typical group.
    """

    names: tuple[str, ...]
    scales: tuple[str, ...]
    singular_values: np.ndarray
    directions: np.ndarray
    free: np.ndarray
    words: str

    def __str__(self) -> str:
        return self.words


def identify(problem: Problem, rows: np.ndarray, matrix: np.ndarray, sigma: np.ndarray) -> tuple[Any, np.ndarray]:
    """Identifiability, and standard errors (parameters, groups) in physical units.

    Args:
        problem: what was fitted.
        rows: the parameters, (parameters, groups).
        matrix: J^T J of the scaled parameters, a mean over residuals, (groups, parameters, parameters).
        sigma: standard deviation of a residual of each group.
    """
    space, names = problem.space, problem.space.names
    low, high = (problem.rows(x).astype(np.float64) for x in (space.low, space.high))
    positive = np.array([name in space.positive for name in names])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, x = (np.where(positive, np.log(np.maximum(v, 1e-30)), v) for v in (low, high, rows.astype(np.float64)))
    for lower, upper in space.below:
        i, j = names.index(lower), names.index(upper)
        b[i] = np.minimum(b[i], x[j])
    p = np.clip((x - a) / (b - a), 1e-6, 1 - 1e-6)
    rate = (b - a) * p * (1 - p)  # of log x, or of x, with the scaled number
    unit = np.array([_scale(problem, name) for name in names])[:, None]
    inverse = (unit / rate).T  # scaled number a scale
    relative = matrix.astype(np.float64) * inverse[:, :, None] * inverse[:, None, :]
    relative = np.where(np.isfinite(relative), relative, 0)
    values, vectors = np.linalg.eigh(relative)
    values, vectors = np.maximum(values[:, ::-1], 0), vectors[:, :, ::-1]
    singular = np.sqrt(values)
    known = sigma[:, None] / (_FAR * np.sqrt(problem.counted))
    free = singular <= np.maximum(_FREE * singular[:, :1], known + 1e-12)
    free[:, problem.counted :] = True
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(free, np.inf, 1 / values)[:, None, :] * np.where(np.abs(vectors) < 0.05, 0, vectors) ** 2
    variance = np.where(np.isnan(variance), 0, variance).sum(axis=2).T / max(1, problem.counted)
    error = sigma * np.sqrt(variance) * unit * np.where(positive, np.abs(rows), 1.0)
    scales = tuple(
        "1 %" if name in space.positive else f"{_scale(problem, name):g} {parameters(problem.neuron)[name].unit}"
        for name in names
    )  # fmt: skip
    told = Identifiability(
        names, scales, singular.T, vectors.transpose(1, 2, 0), free.T, _words(problem, rows, singular, vectors, free)
    )
    return told, error


def _words(problem: Problem, rows: np.ndarray, singular: np.ndarray, vectors: np.ndarray, free: np.ndarray) -> str:
    """What the targets of the typical group fix and leave free."""
    names = problem.space.names
    share = free.mean(axis=0)
    left = share > 0.5
    if not left.any():
        some = ""
        if share.max() > 0:
            some = f" in {1 - share.max():.0%} of {len(free)} fits; the rest leave a combination free"
        return f"the targets fix {_list(names)}{some}"
    said = []
    fixed = _combinations(problem, rows, vectors, left)
    for k in np.flatnonzero(left):
        typical = free[:, k]
        v = vectors[typical, :, k]
        v = v * np.sign(v[np.arange(len(v)), np.abs(v).argmax(axis=1)])[:, None]
        v = np.median(v, axis=0)
        part = [(name, x) for name, x in zip(names, v / np.abs(v).max(), strict=True) if abs(x) > 0.02]
        if len(part) == 1:
            said.append(f"{part[0][0]} is left free: no target depends on it")
            continue
        both = ", ".join(
            f"{name} by {10 * x:+.1f} %" if name in problem.space.positive
            else f"{name} by {10 * _scale(problem, name) * x:+.3g} {parameters(problem.neuron)[name].unit}"
            for name, x in part
        )  # fmt: skip
        said.append(f"{_list([name for name, _ in part])} can change together, {both}, and no target tells")
    alone = [
        name for i, name in enumerate(names) if (np.abs(vectors[:, i, :][:, left]) < 0.05).all(axis=1).mean() > 0.5
    ]
    known = _list([*alone, *fixed])
    return (f"the targets fix {known}; " if known else "") + "; ".join(said)


def _combinations(problem: Problem, rows: np.ndarray, vectors: np.ndarray, left: np.ndarray) -> list[str]:
    """The model's own combinations of several free parameters that do not change along what is left free."""
    told = getattr(type(problem.neuron), "combinations", None)
    if told is None:
        return []
    names, fixed = problem.space.names, []
    values = {
        name: np.broadcast_to(np.median(np.asarray(getattr(problem.neuron, name))), rows.shape[1:])
        for name in parameters(problem.neuron)
    }
    values |= dict(zip(names, rows.astype(np.float64), strict=True))
    unit = {name: _scale(problem, name) * (values[name] if name in problem.space.positive else 1.0) for name in names}

    def moved(what: Any, step: np.ndarray) -> np.ndarray:
        ahead = {name: values[name] + 1e-3 * unit[name] * step[:, i] for i, name in enumerate(names)}
        return np.asarray(what(**(values | ahead)) - what(**values))

    for meaning, (takes, what) in told().items():
        if len(set(takes) & set(names)) < 2:
            continue
        own = np.sqrt(
            sum(moved(what, np.eye(len(names))[None, i].repeat(rows.shape[1], 0)) ** 2 for i in range(len(names)))
        )
        along = np.sqrt(sum(moved(what, vectors[:, :, k]) ** 2 for k in np.flatnonzero(left)))
        if np.median(along / np.maximum(own, 1e-30)) < 0.1:
            fixed.append(meaning)
    return fixed


def _scale(problem: Problem, name: str) -> float:
    """What a parameter is measured in: a share of itself where it is positive, else in its own unit."""
    if name in problem.space.positive:
        return _PERCENT
    rule = parameters(problem.neuron)[name]
    low, high = rule.fit or (0.0, 1.0)
    return _POTENTIAL if rule.unit == "mV" else _PERCENT * (high - low) / 2


def _list(words: Any) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""
