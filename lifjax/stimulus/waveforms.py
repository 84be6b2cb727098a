"""Currents that are known in advance: pulses, steps, ramps, sinusoids and samples."""

import dataclasses
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.neurons.base import LAST_STEP, Grid, Parameter, Values, parameter, pytree, traced
from lifjax.neurons.check import check_order, check_value, shown
from lifjax.stimulus.base import Lanes, Prepared, Stimulus

_PADDED = 2**22  # numbers at most that are padded, which takes as many again


@pytree
class Pulse(Stimulus):
    """See `pulse`."""

    I: Values = parameter("pA", "current")
    start: Values = parameter("ms", "start of the pulse")
    stop: Values = parameter("ms", "end of the pulse")

    def check(self, grid: Grid) -> None:
        check_order(self, "start", "stop")

    def prepare(self, grid: Grid) -> Prepared:
        return {
            "I": grid.number(self.I),
            "first": grid.count(self.start),
            "end": grid.count(self.stop),
        }

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        return state, jnp.where((k >= c["first"]) & (k < c["end"]), c["I"], 0)


def pulse(I: Values, start: Values, stop: Values) -> Pulse:
    """A current that is on where start <= t < stop, and 0 elsewhere.

    Args:
        I: current [pA].
        start, stop: times [ms]; each may be an array that broadcasts to the population.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.pulse(300.0, start=100.0, stop=400.0), 500.0)
        >>> float(run.spike_times[0]), len(run.spike_times)
        (111.0, 23)
    """
    return Pulse(I=I, start=start, stop=stop)


@pytree
class Steps(Stimulus):
    """See `steps`."""

    timed = ("I", "first")

    I: Values = parameter("pA", "current of each step", leading=1)
    times: Values = parameter("ms", "time at which each step begins", leading=1)

    def check(self, grid: Grid) -> None:
        times = np.asarray(self.times)
        if times.ndim != 1 or len(times) != len(np.asarray(self.I)):
            raise ValueError(
                f"Steps: times has shape {times.shape} and I {np.shape(self.I)}; "
                "give one time [ms] for each current, (steps,) and (steps,) or (steps, *population)"
            )
        if not (np.diff(times) > 0).all():
            raise ValueError(f"Steps: times = {shown(times.tolist())} ms must rise; sort the times with their currents")

    def prepare(self, grid: Grid) -> Prepared:
        I = grid.number(self.I)
        zero = jnp.zeros_like(I[:1]) if traced(I) else np.zeros_like(I[:1])
        join = jnp.concatenate if traced(I) else np.concatenate
        return {"I": join([zero, I]), "first": grid.count(self.times)}

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        begun = jnp.sum(k >= c["first"], dtype=jnp.int32)
        return state, lanes.spread(c["I"][begun])


def steps(I: Values, times: Values) -> Steps:
    """A current that jumps to I[j] at times[j] and is 0 before the first.

    Args:
        I: currents [pA], (steps,) or (steps, *population).
        times: rising times [ms], (steps,).

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.steps([0.0, 300.0], [0.0, 50.0]), 100.0, record=("current",))
        >>> run.current[[499, 500]]
        array([  0., 300.], dtype=float32)
    """
    return Steps(I=I, times=times)


@pytree
class Ramp(Stimulus):
    """See `ramp`."""

    I0: Values = parameter("pA", "current at the start")
    I1: Values = parameter("pA", "current at the end")
    start: Values = parameter("ms", "start of the ramp")
    stop: Values | None = parameter("ms", "end of the ramp", optional=True)

    def check(self, grid: Grid) -> None:
        if self.stop is not None:
            check_order(self, "start", "stop")
            return
        if int(np.asarray(grid.first)) > 0:
            raise ValueError(
                "Ramp: stop = None ends the ramp with its run, but this run goes on from another; give stop= in ms, "
                "counted from the start of the first run"
            )
        if not (grid.count(self.start) < grid.steps).all():
            raise ValueError(f"Ramp: start = {shown(self.start)} ms lies after the end of the run; start earlier")

    def prepare(self, grid: Grid) -> Prepared:
        known = not traced(self.start, self.stop, grid.dt)
        xp: Any = np if known else jnp
        dtype = np.float64 if known else float
        begin = xp.asarray(self.start, dtype) / grid.dt
        end = grid.steps if self.stop is None else xp.asarray(self.stop, dtype) / grid.dt
        return {
            "I0": grid.number(self.I0),
            "I1": grid.number(self.I1),
            # The start as a whole step and a rest, which float32 keeps at late times.
            "first": xp.clip(xp.floor(begin), -LAST_STEP // 2, LAST_STEP // 2).astype(np.int32),
            "rest": grid.number(begin - xp.floor(begin)),
            "width": grid.number(end - begin),
        }

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        share = ((k - c["first"]).astype(c["width"].dtype) - c["rest"]) / c["width"]
        return state, c["I0"] + (c["I1"] - c["I0"]) * jnp.clip(share, 0, 1)


def ramp(I0: Values, I1: Values, start: Values = 0.0, stop: Values | None = None) -> Ramp:
    """A current that goes in a straight line from I0 at start to I1 at stop; I0 before, I1 after.

    Args:
        I0, I1: currents [pA].
        start: time [ms].
        stop: time [ms]; None is the end of the run (of a first run, one that does not go on from another).

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.ramp(0.0, 100.0), 10.0, record=("current",))
        >>> run.current[[0, 50]]
        array([ 0., 50.], dtype=float32)
    """
    return Ramp(I0=I0, I1=I1, start=start, stop=stop)


_WRAP = 4096  # steps between two fresh starts of a sinusoid's phase


@pytree
class Sinusoid(Stimulus):
    """See `sinusoid`."""

    amplitude: Values = parameter("pA", "amplitude")
    frequency: Values = parameter("Hz", "frequency", least=0.0)
    offset: Values = parameter("pA", "mean current")
    phase: Values = parameter("rad", "phase at time 0")

    def prepare(self, grid: Grid) -> Prepared:
        known = not traced(self.frequency, grid.dt)
        xp: Any = np if known else jnp
        cycles = xp.asarray(self.frequency, np.float64 if known else float) * (grid.dt / 1000)
        return {
            "amplitude": grid.number(self.amplitude),
            "offset": grid.number(self.offset),
            "phase": grid.number(self.phase),
            "cycles": grid.number(cycles),  # a step
            "wrapped": grid.number(xp.mod(cycles * _WRAP, 1)),  # a wrap, whole cycles left out
        }

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        # In two parts, since float32 loses the phase of k * cycles after some 10,000 cycles.
        dtype = c["cycles"].dtype
        late = jnp.mod((k // _WRAP).astype(dtype) * c["wrapped"], 1)
        turn = jnp.mod((k % _WRAP).astype(dtype) * c["cycles"] + late, 1)
        return state, c["offset"] + c["amplitude"] * jnp.sin(2 * np.pi * turn + c["phase"])


def sinusoid(amplitude: Values, frequency: Values, offset: Values = 0.0, phase: Values = 0.0) -> Sinusoid:
    """The current offset + amplitude sin(2 pi frequency t + phase).

    Args:
        amplitude, offset: currents [pA].
        frequency: [Hz].
        phase: [rad].

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), lifjax.sinusoid(100.0, 10.0), 100.0, record=("current",))
        >>> float(run.current[250].round(3))  # a quarter of a cycle
        100.0
    """
    return Sinusoid(amplitude=amplitude, frequency=frequency, offset=offset, phase=phase)


@pytree
class Samples(Stimulus):
    """See `samples`."""

    timed = ("values",)

    values: Values = parameter("pA", "sampled current", leading=1)
    dt: float | None = dataclasses.field(default=None, metadata={"static": True})

    def _pace(self, grid: Grid) -> Fraction:
        """How many samples go by in a step, as a fraction whose parts fit the integer arithmetic of `current`."""
        if self.dt is None:
            return Fraction(1)
        ratio = float(grid.dt) / float(self.dt)
        return Fraction(ratio).limit_denominator(max(1, int((2**31 / max(ratio, 1e-6)) ** 0.5) - 1))

    def check(self, grid: Grid) -> None:
        if self.dt is not None and check_value("Samples: dt", self.dt, Parameter("ms", "sample step", above=0.0)).ndim:
            raise ValueError(
                f"Samples: dt = {shown(self.dt)} is not one number [ms]; give the time between two samples"
            )
        if self.dt is not None and self.dt * LAST_STEP < grid.dt:
            raise ValueError(
                f"Samples: dt = {self.dt:g} ms is too short beside the run's dt = {grid.dt:g} ms; give one of at least "
                f"{grid.dt / LAST_STEP:.2g} ms"
            )
        last = int(np.asarray(grid.first)) + grid.steps - 1
        held = len(np.asarray(self.values))
        if last * self._pace(grid) >= held:
            spacing = grid.dt if self.dt is None else self.dt
            raise ValueError(
                f"Samples: values covers {held * spacing:g} ms ({held} samples {spacing:g} ms apart), less than the "
                f"run, which ends at {(last + 1) * grid.dt:g} ms; shorten the run or give more samples"
            )

    def prepare(self, grid: Grid) -> Prepared:
        pace = self._pace(grid)
        return {
            "values": _padded(grid.number(self.values)),
            "up": np.int32(pace.numerator),
            "down": np.int32(pace.denominator),
        }

    @classmethod
    def current(cls, c: Prepared, state: Any, k: Array, drawn: Any, lanes: Lanes) -> tuple[Any, Array]:
        # The position k * up / down as whole samples and a rest, without a product that overflows 32 bits.
        values, up, down = c["values"], c["up"], c["down"]
        part = (k % down) * up
        whole = (k // down) * up + part // down
        rest = (part % down).astype(values.dtype) / down.astype(values.dtype)
        last = len(values) - 1
        here, after = values[jnp.minimum(whole, last)], values[jnp.minimum(whole + 1, last)]
        return state, lanes.spread(jnp.where(rest > 0, here + (after - here) * rest, here))


def _padded(values: Any) -> Any:
    """Samples with the last one said again until they are a power of two: one compilation serves many lengths."""
    if traced(values) or not 0 < values.size <= _PADDED:
        return values
    many = (1 << (len(values) - 1).bit_length()) - len(values)
    return np.pad(values, [(0, many)] + [(0, 0)] * (values.ndim - 1), mode="edge")


def samples(values: Values, dt: float | None = None) -> Samples:
    """A recorded or computed current.

    Args:
        values: current [pA], (time,) for all neurons or (time, *population).
        dt: time between two samples [ms], between which the current goes in a straight line; None is the run's own dt,
            one sample a step.

    Raises:
        ValueError: (when the run starts) the samples are shorter than the run.

    Example:
        >>> import lifjax
        >>> current = lifjax.samples([0.0, 100.0, 200.0], dt=1.0)
        >>> lifjax.simulate(lifjax.LIF(), current, 2.0, dt=0.5, record=("current",)).current
        array([  0.,  50., 100., 150.], dtype=float32)
    """
    return Samples(values=values, dt=dt)
