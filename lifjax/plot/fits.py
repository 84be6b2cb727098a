"""Pictures of a fit: what was asked for and what was reached, the error over iterations, and the parameters."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lifjax.fit.result import Fit
from lifjax.neurons.base import parameters
from lifjax.neurons.check import check_choice, shown
from lifjax.plot import drawing
from lifjax.plot.drawing import FEW, QUIET, RATE, VOLTAGE
from lifjax.stimulus.base import Constant, terms

_MOST = 200  # neurons of which single values are drawn


def fit(fit: Fit) -> Figure:
    """A figure of a fit: `fitted_rates`, `fit_error` and each parameter. `lifjax.Fit.plot` calls it.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit_rates(lifjax.LIF(), 300.0, 60.0, 1000.0, free=("tau_m",))
        >>> [ax.get_ylabel() for ax in lifjax.plot.fit(found).axes]
        ['firing rate (Hz)', 'error (Hz)', 'tau_m (ms)']
    """
    _check_fit(fit)
    panels = 1 + (fit.target_rates is not None) + len(fit.free)
    figure = plt.figure(figsize=(3.3 * panels, 3.0), layout="constrained")
    axes = iter(np.ravel(figure.subplots(1, panels)))
    if fit.target_rates is not None:
        fitted_rates(fit, next(axes))
    fit_error(fit, next(axes))
    for name in fit.free:
        fit_parameter(fit, name, next(axes))
    return figure


def fitted_rates(fit: Fit, ax: Axes | None = None) -> Axes:
    """Target rates as circles and rates reached as lines over the current, where a few neurons are seen under constant
    currents; else one against the other.

    Args:
        fit: to rates.
        ax: where to draw; None makes a figure.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit_rates(lifjax.LIF(), [250.0, 300.0], [50.0, 70.0], 1000.0)
        >>> lifjax.plot.fitted_rates(found).get_xlabel()
        'input current (pA)'
    """
    _check_fit(fit)
    if fit.target_rates is None:
        raise ValueError("the fit had no target rates; see fit_error and fit_parameter")
    ax = drawing.axes(ax, 3.6, 3.2)
    ax.set_ylabel("firing rate (Hz)")
    wanted, reached, count = fit.target_rates, fit.rates, fit.error.size
    parts = terms(fit.stimulus)
    if wanted.size // count > 1 and count <= FEW and all(isinstance(part, Constant) for part in parts):
        field = (1,) * (wanted.ndim - fit.error.ndim) + fit.error.shape
        kept = [axis for axis, n in enumerate(field) if n > 1]
        currents = np.broadcast_to(
            sum(np.asarray(part.I) for part in parts if isinstance(part, Constant)), wanted.shape
        )

        def by_neuron(x: np.ndarray) -> np.ndarray:
            moved = np.moveaxis(x, kept, range(-len(kept), 0)) if kept else x
            return moved.reshape(-1, count)

        colours = [RATE] if count == 1 else plt.colormaps["viridis"](np.linspace(0.05, 0.85, count))
        for I, target, rate, colour in zip(
            *(by_neuron(x).T for x in (currents, wanted, reached)), colours, strict=True
        ):
            order = np.argsort(I)
            ax.plot(I[order], rate[order], color=colour, linewidth=1.2)
            ax.plot(I[order], target[order], "o", color=colour, markersize=5, markerfacecolor="none")
        ax.set_xlabel("input current (pA)")
        ax.set_title("circles: targets, lines: fit", loc="left", fontsize="small")
        return ax
    top = max(1.0, 1.05 * float(max(wanted.max(), reached.max())))
    ax.plot([0, top], [0, top], color=QUIET, linewidth=1.0, linestyle="--", zorder=1)
    ax.plot(
        wanted.ravel(), reached.ravel(), ".", color=RATE, markersize=3, rasterized=wanted.size > drawing.MOST_POINTS
    )
    ax.set(xlim=(0, top), ylim=(0, top), xlabel="target rate (Hz)")
    return ax


def fit_error(fit: Fit, ax: Axes | None = None) -> Axes:
    """The error of the best so far over the iterations: of the median neuron, and from the 10th to the 90th percentile.

    Args:
        fit: any fit.
        ax: where to draw; None makes a figure.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit_rates(lifjax.LIF(), 300.0, 60.0, 1000.0, free=("tau_m",))
        >>> lifjax.plot.fit_error(found).get_xlabel()
        'iteration'
    """
    _check_fit(fit)
    ax = drawing.axes(ax, 3.6, 3.2)
    error = fit.history.reshape(len(fit.history), -1)
    times = np.arange(1, len(error) + 1)
    low, middle, high = np.quantile(error, [0.1, 0.5, 0.9], axis=1)
    if error.shape[1] > 1:
        ax.fill_between(times, low, high, color=VOLTAGE, alpha=0.2, linewidth=0)
    ax.plot(times, middle, color=VOLTAGE, linewidth=1.2)
    least = 0.1 if fit.target_rates is None else 100 / fit.duration
    ax.set_yscale("symlog", linthresh=least, linscale=0.5)
    loss = "loss" if fit.history.ndim == 1 and fit.error.ndim else "error"
    ax.set(ylim=(0, None), xlabel="iteration", ylabel="error (Hz)" if fit.target_rates is not None else loss)
    if error.shape[1] > 1:
        ax.set_title("median, 10th to 90th percentile", loc="left", fontsize="small")
    return ax


def fit_parameter(fit: Fit, name: str, ax: Axes | None = None) -> Axes:
    """One fitted parameter of each neuron in order of its value, with two standard errors; a dashed line at the start.

    Args:
        fit: any fit.
        name: one of ``fit.free``.
        ax: where to draw; None makes a figure.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit_rates(lifjax.LIF(), 300.0, 60.0, 1000.0, free=("tau_m",))
        >>> lifjax.plot.fit_parameter(found, "tau_m").get_ylabel()
        'tau_m (ms)'
    """
    _check_fit(fit)
    check_choice("name", name, fit.free, of="no parameter that was fitted")
    ax = drawing.axes(ax, 3.6, 3.2)
    values, error = fit.parameters[name].ravel(), 2 * fit.std_error[name].ravel()
    order = np.argsort(values)[np.linspace(0, values.size - 1, min(values.size, _MOST)).round().astype(int)]
    bars = np.where(np.isfinite(error), error, 0)[order]
    ax.errorbar(np.arange(len(order)), values[order], bars, fmt="o", color=VOLTAGE, markersize=3, elinewidth=0.8)
    begin = fit.start[name]
    if np.ptp(begin) == 0:
        ax.axhline(float(begin.flat[0]), color=QUIET, linewidth=1.0, linestyle="--", zorder=1)
    free = float(np.mean(~np.isfinite(error)))
    told = f"left free by the targets in {free:.0%}" if free else "± 2 standard errors; dashed: start"
    ax.set_title(told, loc="left", fontsize="small")
    ax.set(xlabel="neuron, in order of the value", ylabel=f"{name} ({parameters(fit.neuron)[name].unit})")
    return ax


def _check_fit(fit: Fit) -> None:
    if not isinstance(fit, Fit):
        raise TypeError(f"fit = {shown(fit)} is a {type(fit).__name__}; give a fit, as lifjax.fit_rates hands it back")
