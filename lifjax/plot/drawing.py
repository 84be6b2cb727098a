"""What the pictures share: colours, axes, bars, and what to draw of a run."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from lifjax.neurons.base import Parameter
from lifjax.neurons.check import is_whole, shown
from lifjax.record import Run
from lifjax.simulate.check import check_scalar

VOLTAGE, CURRENT, RATE, QUIET = "#0072B2", "#D55E00", "#009E73", "#808080"
FEW = 10  # neurons that are drawn one by one
MOST_POINTS = 20_000  # of a line, above which its envelope is drawn
T = float | None  # a time [ms], where given


def check_run(run: Run) -> None:
    """Raise TypeError unless it is a run."""
    if not isinstance(run, Run):
        raise TypeError(f"run = {shown(run)} is a {type(run).__name__}; give a run, as lifjax.simulate hands it back")


def axes(ax: Axes | None, width: float = 7.0, height: float = 2.6) -> Axes:
    """The axes to draw into, without the frame's upper and right sides; new ones if there are none."""
    if not isinstance(ax, Axes | None):
        raise TypeError(f"ax = {shown(ax)} is a {type(ax).__name__}; give Matplotlib's Axes, or None for new ones")
    if ax is None:
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def bars(ax: Axes, values: np.ndarray, low: float, high: float, grain: float, colour: str) -> None:
    """A histogram, in per cent of all values, of those from low to high; they are multiples of a grain, if above 0."""
    width = nice((high - low) / np.clip(2 * np.cbrt(len(values)), 8, 40)) if high > low else grain or 1.0
    width = max(1, round(width / grain)) * grain if grain else width
    first = low - (grain / 2 if grain else 1e-6 * width)  # halfway between multiples, or bins would differ in how many
    share = np.bincount(((values[values <= high] - first) // width).astype(np.int64)) / len(values) * 100
    ax.stairs(share, first + width * np.arange(len(share) + 1), fill=True, color=colour)
    ax.set(xlim=(first, None), ylim=(0, None))


def nice(x: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above x."""
    power = 10.0 ** np.floor(np.log10(x))
    return float(power * max(m for m in (1, 2, 5) if m * power <= x * (1 + 1e-9)))


def span(run: Run, t_start: T = None, t_stop: T = None) -> tuple[float, float]:
    """From when to when to draw [ms]."""
    check_run(run)
    for name, t in (("t_start", t_start), ("t_stop", t_stop)):
        if t is not None:
            check_scalar(name, t, Parameter("ms", "time to draw"))
    first, last = run.start_time, run.start_time + run.duration
    start, stop = first if t_start is None else max(first, t_start), last if t_stop is None else min(last, t_stop)
    if not start < stop:
        raise ValueError(f"nothing to draw: {t_start=}, {t_stop=}, but the run goes from {first:g} to {last:g} ms")
    return start, stop


def kept(run: Run) -> np.ndarray:
    """The neurons of which V and current were recorded, flat indices."""
    return np.arange(run.spike_count.size) if run.neurons is None else run.neurons


def trace(run: Run, name: str, neuron: int, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Times [ms] and values of what was recorded of a neuron, within a span."""
    if not is_whole(neuron):
        raise TypeError(f"neuron = {shown(neuron)} is no whole number; give the index of a neuron")
    data, times, there = getattr(run, name), run.times, kept(run)
    column = np.flatnonzero(there == neuron)
    if not len(column):
        told = ", ".join(map(str, there)) if len(there) <= FEW else f"{len(there)} from {there.min()} to {there.max()}"
        raise ValueError(f"neuron = {neuron}: its {name} was not recorded; that of these neurons was: {told}")
    inside = (times >= span[0]) & (times <= span[1])
    return times[inside], data.reshape(-1, len(there))[inside, column[0]]


def spikes(run: Run, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Time [ms] and neuron of each spike of some neurons."""
    if run.octets is None or len(neurons) == run.spike_count.size:
        return run.events()  # raises where there are none
    times, place = run.events_of(neurons)
    return times, neurons[place]


def envelope(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line with too many points to draw as the lowest and the highest of each short stretch."""
    if len(values) <= MOST_POINTS:
        return times, values
    first = np.linspace(0, len(values), MOST_POINTS // 4, endpoint=False).astype(int)
    ends = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return np.repeat(times[first], 2), np.stack(ends, axis=1).ravel()
