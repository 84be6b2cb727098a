"""Pictures of one panel, each drawn into the Axes it is given."""

from collections.abc import Sequence
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from lifjax import analysis, theory
from lifjax.fit.check import check_whole
from lifjax.neurons import LIF
from lifjax.neurons.base import Parameter
from lifjax.neurons.check import check_value
from lifjax.plot import drawing
from lifjax.plot.drawing import CURRENT, FEW, MOST_POINTS, QUIET, RATE, VOLTAGE, T
from lifjax.record import Run
from lifjax.simulate.check import check_scalar


def membrane_potential(run: Run, neuron: int = 0, ax: Axes | None = None, t_start: T = None, t_stop: T = None) -> Axes:
    """The membrane potential of one neuron, its threshold as a dashed line, and its spikes where they were recorded.

    A neuron that integrates and fires has no upstroke: a spike is drawn as a stroke from where it begins to V_peak, in
    a model that has it, or to 20 mV above the threshold; Izhikevich's threshold is the peak. A threshold that moves is
    drawn as it was where "threshold" was recorded too, else as it is at rest.

    Args:
        run: a run with V recorded.
        neuron: its index in the flattened population.
        ax: where to draw; None makes a figure.
        t_start, t_stop: the part of the run to draw [ms]; None is all of it.

    Example:
        >>> import lifjax
        >>> lifjax.plot.membrane_potential(lifjax.simulate(lifjax.LIF(), 300.0, 100.0)).get_ylabel()
        'membrane potential (mV)'
    """
    span = drawing.span(run, t_start, t_stop)
    times, V = drawing.trace(run, "V", neuron, span)
    V_th, V_peak = (np.broadcast_to(getattr(run.neuron, p, np.nan), run.shape).flat[neuron] for p in ("V_th", "V_peak"))
    moving = "threshold" in run.traces
    at, level = drawing.trace(run, "threshold", neuron, span) if moving else (np.array(span), np.array([V_th, V_th]))
    ax = drawing.axes(ax)
    ax.plot(*drawing.envelope(times, V), color=VOLTAGE, linewidth=1.0)
    if np.isfinite(level).all() and len(level):  # some models have none
        ax.plot(*drawing.envelope(at, level), color=QUIET, linewidth=1.0, linestyle="--", zorder=1)
        told = (1, level[-1]), (3, 0), ("axes fraction", "data"), "offset points"
        ax.annotate("$V_{th}$", *told, va="center", color=QUIET)
        spikes = np.zeros(0) if run.octets is None else drawing.spikes(run, np.array([neuron]))[0]
        spikes = spikes[(spikes >= span[0]) & (spikes <= span[1])]
        begin = np.broadcast_to(getattr(run.neuron, "onset", (V_th,))[0], run.shape).flat[neuron]
        if moving:  # where it was before the spike, which may have moved it
            begin = V_th = level[np.maximum(np.searchsorted(at, spikes - run.dt / 2) - 1, 0)]
        peak = V_peak if np.isfinite(V_peak) else np.where(begin < V_th, V_th, V_th + 20)
        ax.vlines(spikes, begin, peak, color=VOLTAGE, linewidth=1.0)
    ax.set(xlim=span, xlabel="time (ms)", ylabel="membrane potential (mV)")
    return ax


def current(run: Run, neuron: int = 0, ax: Axes | None = None, t_start: T = None, t_stop: T = None) -> Axes:
    """The input current of one neuron; where it is noise, pale, with its mean over a window drawn over it.

    Args:
        run: a run with current recorded.
        neuron, ax, t_start, t_stop: as in `membrane_potential`.

    Example:
        >>> import lifjax
        >>> lifjax.plot.current(lifjax.simulate(lifjax.LIF(), 300.0, 100.0, record="current")).get_ylabel()
        'input current (pA)'
    """
    span = drawing.span(run, t_start, t_stop)
    times, I = drawing.trace(run, "current", neuron, span)
    ax, change = drawing.axes(ax), np.diff(I)
    if len(I) > 200 and np.mean(change[1:] * change[:-1] < 0) > 1 / 3:  # it turns round at every third point or more
        ax.plot(*drawing.envelope(times, I), color=CURRENT, linewidth=0.6, alpha=0.3)
        size = max(1, round(drawing.nice((span[1] - span[0]) / 100) / (run.dt * run.every)))
        times, I = (x[: len(x) // size * size].reshape(-1, size).mean(axis=1) for x in (times, I))
        ax.set_title(f"dark: means over {size * run.dt * run.every:.6g} ms", loc="right", fontsize="small", color=QUIET)
    ax.plot(*drawing.envelope(times, I), color=CURRENT, linewidth=1.2)
    ax.set(xlim=span, xlabel="time (ms)", ylabel="input current (pA)")
    return ax


def raster(run: Run, ax: Axes | None = None, most: int = 200) -> Axes:
    """The spikes of a population: a row for each neuron, numbered as in the flattened population.

    Args:
        run: a run with spikes recorded.
        ax: where to draw; None makes a figure.
        most: of a larger population, draw so many evenly spaced neurons, and say so in the title.

    Example:
        >>> import lifjax
        >>> lifjax.plot.raster(lifjax.simulate(lifjax.LIF(), 300.0, 100.0, population=1000)).get_title(loc="left")
        '200 of 1,000 neurons, evenly spaced'
    """
    span, size = drawing.span(run), run.spike_count.size
    check_whole("most", most, 1)
    drawn = np.linspace(0, size - 1, np.clip(most, 1, size)).round().astype(int)
    times, neuron = drawing.spikes(run, drawn)
    ax, half = drawing.axes(ax, height=3.2), 0.5 * size / len(drawn)
    ink = ax.xaxis.label.get_color()
    if len(times) > MOST_POINTS:  # dots, as pixels: so many strokes draw slowly, and a vector file of them opens slowly
        ax.plot(times, neuron, ".", color=ink, markersize=1.5, markeredgewidth=0, rasterized=True)
    else:  # off the grid of pixels, to which strokes of about a pixel would snap in bands
        ax.vlines(times, neuron - 0.8 * half, neuron + 0.8 * half, color=ink, linewidth=1.0, snap=False)
    part = f"{len(drawn)} of {size:,} neurons, evenly spaced" if len(drawn) < size else ""
    ax.set_title(part if len(times) else f"{part}: no spikes".lstrip(": "), loc="left", fontsize="medium")
    ax.set(xlim=span, ylim=(-half, size - 1 + half), xlabel="time (ms)", ylabel="neuron")
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return ax


def population_rate(run: Run, ax: Axes | None = None, width: float | None = None) -> Axes:
    """The firing rate over time, averaged over all neurons.

    Args:
        run: a run with spikes recorded.
        ax: where to draw; None makes a figure.
        width: of a bin [ms], rounded to whole grid steps; None suits the number of spikes. A last part bin is left out.

    Example:
        >>> import lifjax
        >>> lifjax.plot.population_rate(lifjax.simulate(lifjax.LIF(), 300.0, 100.0, population=1000)).get_ylabel()
        'population rate (Hz)'
    """
    span, (times, _) = drawing.span(run), run.events()
    if width is not None:
        check_scalar("width", width, Parameter("ms", "width of a bin"))
    wanted = max(1.0, drawing.nice(run.duration / np.clip(len(times) / 10, 10, 100))) if width is None else width
    wanted = min(round(wanted / run.dt) or 1, run.steps) * run.dt
    rate = analysis.time_histogram(times, wanted, *span) / (run.spike_count.size * wanted / 1000)
    ax = drawing.axes(ax)
    ax.stairs(rate, span[0] + wanted * np.arange(len(rate) + 1), baseline=None, color=RATE, linewidth=1.2)
    ax.set_title(f"bins of {wanted:.6g} ms", loc="right", fontsize="small", color=QUIET)
    ax.set(xlim=span, ylim=(0, max(1.0, 1.08 * rate.max())), xlabel="time (ms)", ylabel="population rate (Hz)")
    return ax


def isi_histogram(intervals: Run | Sequence[float] | Sequence[np.ndarray] | np.ndarray, ax: Axes | None = None) -> Axes:
    """Histogram of interspike intervals, pooled over neurons; its title gives the mean firing rate and the mean CV.

    Args:
        intervals: a run with spikes recorded; or intervals [ms], as `lifjax.analysis.isi` gives them, whose rate is
            taken as 1000 over their mean. Neurons with fewer than two intervals have no CV.
        ax: where to draw; None makes a figure.

    Example:
        >>> import lifjax
        >>> lifjax.plot.isi_histogram(lifjax.simulate(lifjax.LIF(), 300.0, 1000.0)).get_title(loc="left")
        '77 Hz, CV 0.00'
    """
    each = analysis.isi(intervals.spike_times) if isinstance(intervals, Run) else intervals
    cv = np.atleast_1d(analysis.cv(each))  # raises where they are no intervals
    each = each if len(each) else []  # also where it is empty text
    single = len(each) == 0 or np.ndim(each[0]) == 0
    pooled = np.asarray(each, np.float64) if single else np.concatenate(each)
    ax = drawing.axes(ax)
    ax.set(xlabel="interspike interval (ms)", ylabel="intervals (%)")
    if not len(pooled):
        ax.set(xticks=[], yticks=[])
        ax.set_title("no intervals: no neuron fired twice", loc="left", fontsize="medium")
        return ax
    rate = (
        np.mean(intervals.firing_rate)
        if isinstance(intervals, Run)
        else 1000 / pooled.mean()
        if pooled.any()
        else np.inf
    )
    variation = f", CV {np.nanmean(cv):.2f}" if np.isfinite(cv).any() else ""
    ax.set_title(f"{'' if single else 'mean '}{rate:.3g} Hz{variation}", loc="left", fontsize="medium")
    longest, common = pooled.max(), np.quantile(pooled, 0.995)
    top = longest if longest < 1.5 * common else 1.2 * common  # or a few stragglers would squeeze the rest
    drawing.bars(ax, pooled, 0.0, top, intervals.dt if isinstance(intervals, Run) else 0.0, QUIET)
    if beyond := int((pooled > top).sum()):
        told = f"{beyond:,} longer,\nup to {longest:.4g} ms"
        ax.text(1, 0.97, told, transform=ax.transAxes, ha="right", va="top", fontsize="small", color=QUIET)
    return ax


def fi_curve(
    currents: ArrayLike, rates: ArrayLike, neuron: LIF | None = None, ax: Axes | None = None, sigma: float = 0.0
) -> Axes:
    """Firing rate against input current, and the closed form (see `lifjax.theory`) where the neuron is given.

    Up to 10 neurons are drawn one by one; of more, the median and the range from the 10th to the 90th percentile.

    Args:
        currents: constant currents [pA], of any shape.
        rates: [Hz], of the shape of currents + population, as `lifjax.fi_curve` gives them, or ValueError is raised.
        neuron: whose closed form to draw; its shape broadcasts to the population.
        ax: where to draw; None makes a figure.
        sigma: of white noise in the background [pA sqrt(s)], for the closed form.

    Example:
        >>> import lifjax
        >>> neuron, currents = lifjax.LIF(), [100.0, 200.0, 300.0, 400.0]
        >>> lifjax.plot.fi_curve(currents, lifjax.fi_curve(neuron, currents), neuron).get_ylabel()
        'firing rate (Hz)'
    """
    I = np.asarray(check_value("currents", currents, Parameter("pA", "constant currents")), np.float64)
    measured = np.asarray(check_value("rates", rates, Parameter("Hz", "firing rates")), np.float64)
    check_scalar("sigma", sigma, Parameter("pA sqrt(s)", "noise amplitude", least=0.0))
    inner, own = measured.shape[I.ndim :], () if neuron is None else theory.rheobase(neuron).shape
    if measured.shape[: I.ndim] != I.shape or not measured.size:
        raise ValueError(f"rates have shape {measured.shape}, which must begin with that of currents, {I.shape}")
    if len(own) > len(inner) or any(a not in (1, b) for a, b in zip(own[::-1], inner[::-1], strict=False)):
        raise ValueError(f"neuron has shape {own}, which does not fit rates of a population of shape {inner}")
    order, fine = np.argsort(I, axis=None), np.linspace(I.min(), I.max(), 100 if sigma else 500)
    I, measured = I.ravel()[order], measured.reshape(I.size, -1).T[:, order]
    count, many = len(measured), len(measured) > FEW
    ax, labels = drawing.axes(ax, 4.8, 3.4), [f"neuron {i}" for i in range(count)] if count > 1 else ["simulated"]
    if many:
        low, middle, high = np.quantile(measured, [0.1, 0.5, 0.9], axis=0)
        ax.fill_between(I, low, high, color=RATE, alpha=0.2, linewidth=0, label="10th to 90th percentile")
        measured, labels = middle[None], [f"median of {count:,} neurons"]
    colours = [RATE] if len(measured) == 1 else plt.colormaps["viridis"](np.linspace(0.05, 0.85, count))
    for rate, label, colour in zip(measured, labels, colours, strict=True):
        ax.plot(I, rate, "o-" if neuron is None else "o", color=colour, markersize=4, label=label)
    if neuron is not None:
        form = partial(theory.siegert_rate, sigma=sigma) if sigma else theory.firing_rate  # the first takes far longer
        closed = (form(neuron, x) for x in fine)  # a current at a time, as all may be too much at once
        lines = [[np.median(r)] if many or r.size == 1 else np.broadcast_to(r, inner).ravel() for r in closed]
        for line, colour in zip(np.array(lines).T, colours if len(lines[0]) > 1 else [QUIET], strict=True):
            ax.plot(fine, line, color=colour, linewidth=1.0, zorder=1)
        ax.lines[-1].set_label("theory")
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    ax.set(xlabel="input current (pA)", ylabel="firing rate (Hz)")
    return ax


def rate_histogram(run: Run, ax: Axes | None = None) -> Axes:
    """Histogram of the neurons' mean firing rates; its title gives their mean and standard deviation.

    Args:
        run: any run, since counts are always kept.
        ax: where to draw; None makes a figure.

    Example:
        >>> import lifjax
        >>> lifjax.plot.rate_histogram(lifjax.simulate(lifjax.LIF(), [250.0, 300.0], 1000.0)).get_title(loc="left")
        '66 ± 11 Hz'
    """
    drawing.check_run(run)
    rates = run.firing_rate.ravel()
    ax = drawing.axes(ax)
    drawing.bars(ax, rates, rates.min(), rates.max(), 1000 / run.duration, RATE)
    ax.set(xlabel="firing rate (Hz)", ylabel="neurons (%)")
    ax.set_title(f"{rates.mean():.3g} ± {round(rates.std(), 6):.2g} Hz", loc="left", fontsize="medium")
    return ax
