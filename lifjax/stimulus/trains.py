"""Spikes that reach neurons through their synapses: Poisson trains, and trains whose times are given.

A train says at each step how many spikes arrive at each neuron, or the sum of their weights. A spike at time t acts
from the first grid time t_k = k dt at or after t on, as in NEST: a time that rounding put just above a grid time counts
as that grid time. Spikes that arrive in one step add up.
"""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax import noise
from lifjax.neurons.base import LARGEST_COUNT, LAST_STEP, Grid, Parameter, Values, exactly, parameter, pytree, traced
from lifjax.neurons.check import LARGEST, check_share, check_value, check_whole, concrete
from lifjax.stimulus.base import Lanes, Prepared
from lifjax.stimulus.noisy import numbered


class Train:
    """The base of what spikes come from. As in a `lifjax.stimulus.base.Stimulus`, what is static is the class's."""

    timed: tuple[str, ...] = ()
    drawn = False
    shared = False

    def check(self, grid: Grid) -> None:
        """Raise ValueError where numbers do not fit together or do not fit the grid."""

    def prepare(self, grid: Grid) -> Prepared:
        """The numbers that the steps need."""
        raise NotImplementedError

    @staticmethod
    def begin(c: Prepared, lanes: Lanes) -> Any:
        """What is carried from step to step."""
        return ()

    @staticmethod
    def arrived(c: Prepared, state: Any, k: Array, word: Any) -> tuple[Any, Array]:
        """The next state, and how many spikes arrive at step k, of shape () or (neurons,)."""
        raise NotImplementedError


_MOST_PER_STEP = 20.0


@pytree
class PoissonTrain(Train):
    """See `poisson_train`."""

    drawn = True

    rate: Values = parameter("Hz", "rate of the input spikes", least=0.0)

    def check(self, grid: Grid) -> None:
        most = float(np.max(self.rate)) * float(grid.dt) / 1000
        if most > _MOST_PER_STEP:
            raise ValueError(
                f"{type(self).__name__}: rate = {np.max(self.rate):g} Hz is {most:g} input spikes a step of "
                f"{grid.dt} ms, more than {_MOST_PER_STEP:g}; lower dt, or use ornstein_uhlenbeck, which so many come "
                "close to"
            )

    def prepare(self, grid: Grid) -> Prepared:
        return {"more_than": more_than(grid, self.rate, 1.0)}

    @staticmethod
    def arrived(c: Prepared, state: Any, k: Array, word: Any) -> tuple[Any, Array]:
        return state, count(c["more_than"], word)


@pytree
class CorrelatedPoissonTrain(PoissonTrain):
    """See `poisson_train`."""

    shared = True

    correlation: Values = parameter("", "correlation of the spike counts of two neurons", least=0.0)
    source: Values = parameter("", "number of the source that a neuron shares", default=0, least=0)

    def check(self, grid: Grid) -> None:
        super().check(grid)
        check_share(self, "correlation")
        check_whole(self, "source")

    def prepare(self, grid: Grid) -> Prepared:
        c = exactly(self.correlation)
        return {
            "more_than": more_than(grid, self.rate, 1 - c),
            "shared_more_than": more_than(grid, self.rate, c),
            "source": numbered(self.source),
        }

    @staticmethod
    def arrived(c: Prepared, state: Any, k: Array, word: Any) -> tuple[Any, Array]:
        own, common = word
        return state, count(c["more_than"], own) + count(c["shared_more_than"], common)


def more_than(grid: Grid, rate: Values, share: Any) -> tuple[Any, ...]:
    """The probabilities that a share of Poisson spikes of a rate [Hz] are more than 0, 1, 2 ... in a step."""
    known = not traced(rate, share, grid.dt)
    xp: Any = np if known else jnp
    expected = xp.asarray(rate, np.float64 if known else float) * (grid.dt / 1000) * share
    # A traced rate could be any that is allowed. Beyond these counts less than 1e-10 of the probability is left.
    most = float(np.max(expected)) if known else _MOST_PER_STEP
    kept = next(n for n in (4, 8, 16, 32, 64) if n >= 4 + 1.5 * most + 5 * most**0.5 or n == 64)
    chance, chances = xp.exp(-expected), []
    for n in range(1, 2 * kept):
        chance = chance * expected / n
        chances.append(chance)
    tails = list(itertools.accumulate(reversed(chances)))[::-1][:kept]  # summed from the small end
    return tuple(grid.number(tail) for tail in tails)


def count(tails: tuple[Array, ...], word: Array) -> Array:
    """The number that random bits stand for, as a float, by how probable it is that there are more than 0, 1, 2 ..."""
    u = noise.uniform(word)
    return sum(((u <= tail).astype(u.dtype) for tail in tails), jnp.zeros_like(u))


def poisson_train(rate: Values, *, correlation: Values | None = None, source: Values = 0) -> PoissonTrain:
    """Poisson spikes, as many in a step as there are; each neuron has its own.

    With a correlation c, a neuron gets the spikes of a train that it shares with others, of rate c rate, and others of
    its own, of rate (1 - c) rate: all its spikes are still Poisson with that rate, and c is the correlation of the
    counts of two neurons of equal rate, over any time (the single interaction process of Kuhn, Aertsen and Rotter 2003,
    doi:10.1162/089976603321043702).

    Args:
        rate: of all spikes that reach a neuron [Hz], at most 20 a step; an array broadcasts to the population.
        correlation: of the spike counts of any two neurons with one source, from 0 to 1; None is none.
        source: which source a neuron shares with others, a whole number; neurons of different sources are independent.

    Returns:
        What `lifjax.synapse` takes.

    Example:
        >>> import lifjax
        >>> drive = lifjax.synapse(lifjax.poisson_train(1000.0), 0.5, kernel="delta")  # mV
        >>> run = lifjax.simulate(lifjax.LIF(V_th=0.0), drive, 1000.0, population=100)
        >>> print(f"{run.V[1000:].mean():.0f}")  # E_L + rate * weight * tau_m
        -70

        The more of their input two neurons share, the more alike they fire (de la Rocha et al. 2007,
        doi:10.1038/nature06028), here three pairs:

        >>> train = lifjax.poisson_train(2500.0, correlation=[[0.1], [0.5], [0.9]], source=[[0], [1], [2]])
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.synapse(train, 20.0, 5.0), 20_000.0, population=(3, 2))
        >>> r = lifjax.analysis.correlation_coefficient(run.spike_times, 50.0, 0.0, 20_000.0)
        >>> print(r[[0, 2, 4], [1, 3, 5]].round(1))
        [0.  0.3 0.6]
    """
    if correlation is None:
        return PoissonTrain(rate=rate)
    return CorrelatedPoissonTrain(rate=rate, correlation=correlation, source=source)


@pytree
class SpikeTrain(Train):
    """See `spike_train`. Trains are one after the other, each neuron's spikes in order."""

    timed = ("step_of", "size_of")

    times: Any
    weights: Any
    spikes: Values = parameter("", "number of spikes that reach a neuron", least=0)

    def check(self, grid: Grid) -> None:
        rules = {"times": Parameter("ms", "time of a spike", least=0.0), "weights": Parameter("", "weight of a spike")}
        for name in rules if self.weights is not None else ("times",):
            values = concrete(f"SpikeTrain: {name}", getattr(self, name))
            wrong = ~np.isfinite(values) | (np.abs(values) > LARGEST) | rules[name].broken_by(values)
            if wrong.any():
                here = int(wrong.argmax())
                check_value(f"SpikeTrain: {self._place(name, here)}", values[here], rules[name])
        times = np.asarray(self.times)
        falls = np.diff(times, prepend=times[:1]) < 0
        falls[self._begins()] = False
        if falls.any():
            here = int(falls.argmax())
            raise ValueError(
                f"SpikeTrain: {self._place('times', here)} = {times[here]:g} ms comes after {times[here - 1]:g} ms; "
                "sort the times of a train, with their weights"
            )
        if np.max(self.spikes) > LARGEST_COUNT:
            raise ValueError(
                f"SpikeTrain: {np.max(self.spikes)} spikes reach a neuron; at most {LARGEST_COUNT} can be counted, so "
                "give a part of them"
            )

    def _begins(self) -> np.ndarray:
        """Where the trains begin that have a spike."""
        spikes = np.ravel(self.spikes)
        return (np.cumsum(spikes) - spikes)[spikes > 0]

    def _place(self, name: str, here: int) -> str:
        """An element as a person would write it."""
        if not np.ndim(self.spikes):
            return f"{name}[{here}]"
        ends = np.cumsum(self.spikes)
        neuron = int(np.searchsorted(ends, here, side="right"))
        at = ", ".join(str(int(i)) for i in np.unravel_index(neuron, np.shape(self.spikes)))
        return f"{name}[{at}][{here - int(ends[neuron]) + int(np.ravel(self.spikes)[neuron])}]"

    def prepare(self, grid: Grid) -> Prepared:
        """Each neuron's arrivals in order, those of one step as one, and after its last one that never comes."""
        known = not traced(self.times, self.weights, self.spikes, grid.dt, grid.first)
        xp: Any = np if known else jnp
        spikes, total = xp.ravel(xp.asarray(self.spikes, np.int32)), len(self.times)
        neurons = len(spikes)
        neuron = (
            np.repeat(np.arange(neurons, dtype=np.int32), spikes)
            if known
            else jnp.repeat(jnp.arange(neurons, dtype=jnp.int32), spikes, total_repeat_length=total)
        )
        step = xp.asarray(grid.count(self.times))
        first = xp.ones(total, bool)
        if total:
            same = (neuron[1:] == neuron[:-1]) & (step[1:] == step[:-1])
            first = xp.concatenate([xp.ones(1, bool), ~same])
        place = (xp.cumsum(first, dtype=np.int32) - 1 + neuron).astype(np.int32)
        length = 1 << (total + neurons - 1).bit_length()  # so that about as many spikes compile nothing new

        def added(what: Any, where: Any, length: int, dtype: Any) -> Any:
            if known:
                return np.bincount(where, what, length).astype(dtype)
            return jnp.zeros(length, dtype).at[where].add(what.astype(dtype))

        there = added(first, place, length, np.int32) > 0
        arrivals = added(first, neuron, neurons, np.int32)
        passed = added(first & (step < grid.first), neuron, neurons, np.int32)
        begin = xp.cumsum(arrivals, dtype=np.int32) - arrivals + xp.arange(neurons, dtype=np.int32)
        weights = xp.ones(total) if self.weights is None else exactly(self.weights)
        shape = np.shape(self.spikes)
        return {
            "step_of": xp.where(there, added(xp.where(first, step, 0), place, length, np.int32), LAST_STEP).astype(
                np.int32
            ),
            "size_of": grid.number(added(weights, place, length, np.float64 if known else float)),
            "begin": begin.astype(np.int32).reshape(shape),
            "passed": passed.reshape(shape),
            "first": xp.asarray(grid.first, np.int32),
        }

    @staticmethod
    def begin(c: Prepared, lanes: Lanes) -> Any:
        """How many of its arrivals a neuron has had; one train for all neurons is looked up."""
        return jnp.zeros(lanes.index.shape, jnp.int32) if c["begin"].ndim else ()

    @staticmethod
    def arrived(c: Prepared, state: Any, k: Array, word: Any) -> tuple[Any, Array]:
        if c["begin"].ndim == 0:
            at = jnp.searchsorted(c["step_of"], k, method="scan_unrolled")
            return state, jnp.where(c["step_of"][at] == k, c["size_of"][at], 0)
        had = jnp.where(k == c["first"], c["passed"], state)  # a run may go on from one with other trains
        at = c["begin"] + had
        now = c["step_of"][at] == k
        return jnp.where(now, had + 1, had), jnp.where(now, c["size_of"][at], 0)


def spike_train(times: Any, weights: Any = None) -> SpikeTrain:
    """Spikes at given times: one train that reaches all neurons, or a train for each neuron.

    A spike at time t acts from the first grid time at or after t on. Memory goes with the number of spikes. Times count
    from time 0, in a run that goes on from another too, and need not fit the run.

    Args:
        times: rising times [ms], one array for all neurons, or a list of arrays, one a neuron, such as the
            ``spike_times`` of another run; also an array of objects of the population's shape.
        weights: how much each spike counts of the synapse's weight, laid out as times are; None is 1.

    Returns:
        What `lifjax.synapse` takes.

    Raises:
        TypeError, ValueError: times or weights are laid out in no such way; when the run starts, where times are not
            sorted, negative or not finite.

    Example:
        >>> import lifjax
        >>> drive = lifjax.synapse(lifjax.spike_train([[1.0, 3.0], [2.05]]), 1.0, kernel="delta")  # mV
        >>> run = lifjax.simulate(lifjax.LIF(V_th=0.0), drive, 5.0)
        >>> [int(k) for k in run.V.argmax(axis=0)]
        [30, 21]
    """
    flat, spikes = _flattened("times", times)
    if weights is None:
        return SpikeTrain(times=flat, weights=None, spikes=spikes)
    sizes, of = _flattened("weights", weights)
    if not np.array_equal(of, spikes):
        raise ValueError("spike_train: weights are not laid out as times are; give one weight for each time")
    return SpikeTrain(times=flat, weights=sizes, spikes=spikes)


def _flattened(name: str, given: Any) -> tuple[Any, np.ndarray]:
    """All trains one after the other, and how many spikes each has."""
    if not isinstance(given, list | tuple) and traced(given):
        return given.reshape(-1), np.full(given.shape[:-1], given.shape[-1], np.int32)
    nested = isinstance(given, list | tuple) and any(isinstance(x, list | tuple) or np.ndim(x) for x in given)
    if not nested and not (isinstance(given, np.ndarray) and given.dtype == object):
        row = _numbers(name, given)
        return row.reshape(-1), np.full(row.shape[:-1], row.shape[-1], np.int32)
    shape = (len(given),) if nested else given.shape
    rows = [_numbers(f"{name}[{i}]", one) for i, one in enumerate(given if nested else given.flat)]
    for i, row in enumerate(rows):
        if row.ndim != 1:
            raise TypeError(f"spike_train: {name}[{i}] has shape {row.shape}; a train is one row of numbers")
    return np.concatenate(rows), np.array([len(row) for row in rows], np.int32).reshape(shape)


def _numbers(name: str, given: Any) -> np.ndarray:
    """An array of real numbers."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        array = np.zeros(0, object)
    if array.dtype.kind not in "iuf" or not array.ndim:
        raise TypeError(
            f"spike_train: {name} is a {type(given).__name__}, no row of numbers; give one row for all neurons, or a "
            "list of a row for each"
        )
    return array
