"""Whole figures of several panels."""

from collections.abc import Callable, Sequence
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lifjax.fit.check import check_whole
from lifjax.plot import drawing
from lifjax.plot.drawing import FEW, QUIET
from lifjax.plot.panels import current, isi_histogram, membrane_potential, population_rate, raster, rate_histogram
from lifjax.record import Run

_DRAW: dict[str, Callable[..., Axes]] = {"V": membrane_potential, "current": current}  # by what was recorded


def population(run: Run, most: int = 200) -> Figure:
    r"""A figure of a population: `raster` of at most so many neurons, over `population_rate`, on one time axis.

    Example:
        >>> import lifjax
        >>> [ax.get_ylabel() for ax in lifjax.plot.population(lifjax.simulate(lifjax.LIF(), 300.0, 100.0)).axes]
        ['neuron', 'population\nrate (Hz)']
    """
    drawing.check_run(run)
    check_whole("most", most, 1)
    run.events()  # raises, before a figure is made, where there is nothing to draw
    return _figure([(2.8, partial(raster, run, most=most)), (1.2, partial(population_rate, run))])


def run(run: Run) -> Figure:
    r"""A figure of a run, of what was recorded; where nothing was, it says what to record. `lifjax.Run.plot` calls it.

    Up to 10 neurons: the membrane potential of each over the input current. More: the spikes and the rate of the
    population, the membrane potential and current of a typical neuron, and how intervals and rates are distributed.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(), 300.0, 100.0, record=("V", "spikes", "current"))
        >>> [ax.get_ylabel() for ax in lifjax.plot.run(run).axes]
        ['membrane potential (mV)', 'input\ncurrent (pA)']
    """
    drawing.check_run(run)
    names = [name for name in _DRAW if name in run.traces]
    if run.steps and run.octets is not None and (run.spike_count.size > FEW or not names):
        return _overview(run, names)
    if run.steps and names:
        return _traces(run, names)
    several = bool(run.steps and run.spike_count.size > 1)
    figure = plt.figure(FigureClass=_Figure, figsize=(7.0, 2.6 if several else 0.6), layout="constrained")
    said = f"Spikes were only counted ({run.firing_rate.mean():.3g} Hz)" if run.steps else "Nothing was run"
    figure.suptitle(f'{said}: run again with record=("V", "spikes") to see more', fontsize="medium", color=QUIET)
    if several:
        rate_histogram(run, figure.add_subplot())
    return figure


def _traces(run: Run, names: list[str]) -> Figure:
    """V and current of a few neurons, one below the other; the current once, below all, where they share it."""
    kept, size = drawing.kept(run), run.spike_count.size
    currents = run.traces.get("current", np.zeros(len(kept))).reshape(-1, len(kept))
    own = bool((currents != currents[:, :1]).any())
    most = min(len(kept), FEW // len(names) if own else FEW)
    drawn = kept[np.linspace(0, len(kept) - 1, most).round().astype(int)]
    tall, low = (2.6, 1.1) if len(drawn) == 1 else (1.0, 0.8)
    plan = [(n, name) for n in drawn.tolist() for name in names if name == "V" or own or n == drawn[-1]]
    figure = _figure([(tall if name == "V" else low, partial(_DRAW[name], run, n)) for n, name in plan])
    for ax, (n, name) in zip(figure.axes, plan, strict=True):
        if len(drawn) > 1:
            ax.set_ylabel("V (mV)" if name == "V" else "I (pA)")
        if size > 1 and name == names[0] and (own or name == "V"):
            more = f" ({len(drawn)} of {size:,} drawn)" if n == drawn[0] and len(drawn) < size else ""
            ax.set_title(f"neuron {n:,}{more}", loc="left", fontsize="medium")
    return figure


def _overview(run: Run, names: list[str]) -> Figure:
    """The spikes of a population and its rate, V and current of a typical neuron below, histograms beside."""
    kept, count = drawing.kept(run), run.spike_count.ravel()
    typical = int(kept[np.abs(count[kept] - np.median(count[kept])).argmin()])
    panels: list[tuple[float, partial[Axes]]] = [(2.6, partial(raster, run)), (1.2, partial(population_rate, run))]
    panels += [(1.2 if name == "V" else 1.0, partial(_DRAW[name], run, typical)) for name in names]
    beside = [partial(isi_histogram, run), partial(rate_histogram, run)][: 2 if count.size > FEW else 1]
    figure = _figure(panels, beside if count.max() > 2 else [])
    if names:
        median = ", of median rate" if len(kept) > 2 else ""
        figure.axes[2].set_title(f"neuron {typical:,}{median}", loc="left", fontsize="medium")
    return figure


class _Figure(Figure):
    """A pyplot figure that a notebook shows once where it is the last value of a cell."""

    def _ipython_display_(self) -> None:
        # A notebook shows the last value of a cell, and then all figures that pyplot holds: this one would come twice.
        if "inline" in plt.get_backend():
            plt.close(self)
        raise NotImplementedError  # whereupon IPython shows it as it shows any figure


def _figure(panels: Sequence[tuple[float, partial[Axes]]], beside: Sequence[partial[Axes]] = ()) -> Figure:
    """A figure of panels, of some height [inch] each, that share their time axis, and of others beside them."""
    heights, width = [height for height, _ in panels], 9.5 if beside else 7.0
    figure = plt.figure(FigureClass=_Figure, figsize=(width, 0.6 + sum(heights)), layout="constrained")
    outer = figure.add_gridspec(1, 2 if beside else 1, width_ratios=(2.7, 1.0) if beside else None)
    inner = outer[0].subgridspec(len(panels), 1, height_ratios=heights)
    axes: list[Axes] = []
    for i, (height, draw) in enumerate(panels):
        alike = (ax for ax, (_, its) in zip(axes, panels, strict=False) if its.func == draw.func)
        ax = draw(figure.add_subplot(inner[i], sharex=axes[0] if axes else None, sharey=next(alike, None)))
        if height < 2:
            ax.set_ylabel(ax.get_ylabel().replace(" ", "\n", 1))
        axes.append(ax)
    for ax in axes[:-1]:
        ax.label_outer(remove_inner_ticks=True)
        ax.spines["bottom"].set_visible(False)
    figure.align_ylabels(axes)
    side = outer[-1].subgridspec(max(1, len(beside)), 1)
    for i, other in enumerate(beside):
        other(figure.add_subplot(side[i]))
    return figure
