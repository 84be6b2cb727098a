"""The phase plane of a neuron with one variable beside V: where nothing changes, and the way that a run took."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from lifjax.neurons.base import Grid, Input, Neuron, onset, parameters
from lifjax.plot import drawing
from lifjax.plot.drawing import QUIET, VOLTAGE, T
from lifjax.record import Run
from lifjax.surrogate import threshold

_LEVELS = 3  # most currents with a nullcline each
_DT = 0.1  # ms, of the step whose change is looked at


def phase_plane(run: Run, neuron: int = 0, ax: Axes | None = None, t_start: T = None, t_stop: T = None) -> Axes:
    """The second variable of one neuron over its V: the nullclines, the trajectory, and where resets put it.

    On a nullcline one of the two does not change, so that a neuron rests where they cross. That of V moves with the
    current: it is drawn for each of up to 3 currents of the run, for the mean current where there are more.

    Args:
        run: a run of AdEx or Izhikevich neurons with V, the other variable (w or u), spikes and current recorded.
        neuron, ax, t_start, t_stop: as in `membrane_potential`.

    Raises:
        ValueError: the model has no such variable or more of them, or something was not recorded.

    Example:
        >>> import lifjax
        >>> neuron, current = lifjax.AdEx.patterns()["regular bursting"]
        >>> run = lifjax.simulate(neuron, current, 300.0, record=("V", "w", "spikes", "current"), integrator="rk4")
        >>> lifjax.plot.phase_plane(run).get_ylabel()
        'adaptation current w (pA)'
    """
    drawing.check_run(run)
    name = _second(run.neuron)
    if missing := [what for what in ("V", name, "current") if what not in run.traces]:
        raise ValueError(f"phase_plane: {missing[0]} was not recorded; run again with record={_asked(name)}")
    if run.octets is None:
        raise ValueError(f"phase_plane: spikes were not recorded; run again with record={_asked(name)}")
    span = drawing.span(run, t_start, t_stop)
    (times, V), (_, other), (_, I) = (drawing.trace(run, what, neuron, span) for what in ("V", name, "current"))
    one = _one(run, neuron)
    spikes = drawing.spikes(run, np.array([neuron]))[0]
    at = np.searchsorted(times, spikes[(spikes > times[0]) & (spikes <= times[-1])] - run.dt / 2)
    levels = np.unique(I) if len(np.unique(I)) <= _LEVELS else np.array([I.mean()])

    begin, reset = (float(x) for x in onset(one))
    x = np.linspace(min(V.min(), reset) - 4, max(begin, reset) + 10, 600)
    still, follows = _nullclines(one, name, x, levels)
    knees = np.nanmin(still, axis=1)
    low, high = min(other.min(), *knees), max(other.max(), *knees)
    margin = 0.12 * (high - low)

    ax, unit = drawing.axes(ax, 4.8, 3.6), parameters(run.neuron.shows)[name]
    for level, line in zip(levels, still, strict=True):
        label = f"dV/dt = 0, {level:.4g} pA" + (" in the mean" if len(levels) == 1 and np.ptp(I) > 0 else "")
        ax.plot(x, line, color=QUIET, linewidth=1.0 + (level == levels[-1]), label=label)
    ax.plot(x, follows, color=QUIET, linewidth=1.5, linestyle="--", label=f"d{name}/dt = 0")
    peak = float(one.V_peak if hasattr(one, "V_peak") else one.V_th)
    up = np.stack([np.full(len(at), peak), np.full(len(at), np.nan)], axis=1).ravel()  # the line ends at the peak
    ax.plot(
        np.insert(V, np.repeat(at, 2), up), np.insert(other, np.repeat(at, 2), np.repeat(other[at - 1], 2)),
        color=VOLTAGE, linewidth=1.0, label="trajectory",
    )  # fmt: skip
    ax.plot(V[at], other[at], "s", color=VOLTAGE, markerfacecolor="white", markersize=4, label="after a reset")
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(xlim=(x[0], x[-1]), ylim=(low - margin, high + margin), xlabel="membrane potential (mV)")
    ax.set_ylabel(f"{unit.meaning} {name} ({unit.unit})")
    return ax


def _asked(name: str) -> tuple[str, ...]:
    """What to record for a phase plane."""
    return ("V", name, "spikes", "current")


def _second(neuron: Neuron) -> str:
    """The name of the variable beside V, where there is one only."""
    names = [name for name in parameters(neuron.shows) if name not in ("V", "spikes")]
    if len(names) != 1 or not hasattr(neuron.start(), names[0]):
        raise ValueError(
            f"phase_plane: {type(neuron).__name__} is no neuron of V and one variable more; AdEx and Izhikevich are"
        )
    return names[0]


def _one(run: Run, neuron: int) -> Any:
    """One neuron of a population."""
    fields = {p: np.broadcast_to(getattr(run.neuron, p), run.shape).flat[neuron] for p in parameters(run.neuron)}
    return dataclasses.replace(run.neuron, **fields)  # type: ignore[type-var] # every model is a dataclass


def _nullclines(one: Any, name: str, V: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At what the second variable must be for V not to change under each current, and for itself not to change.

    Both change by what a step of Euler adds, which is linear in the second variable, so two of its values tell.
    """
    constants = jax.tree.map(jnp.asarray, one.constants(Grid(dt=_DT, steps=1)))

    def change(V: Any, other: Any, I: Any) -> tuple[Any, Any]:
        before = dataclasses.replace(one.start(), V=V, **{name: other})
        after, _ = one.step(constants, before, Input(current=I), threshold)
        return after.V - V, getattr(after, name) - other

    def zero(first: Any, second: Any) -> np.ndarray:
        with np.errstate(all="ignore"):  # where V runs off to a spike there is none
            return np.asarray(first / (first - second) * apart, np.float64)

    apart = 100.0
    over_V = jax.vmap(change, (0, None, None))
    many = jax.jit(jax.vmap(over_V, (None, None, 0)))
    at = jnp.asarray(V, float), jnp.asarray(levels, float)
    (V_none, other_none), (V_some, other_some) = (many(at[0], jnp.asarray(w, float), at[1]) for w in (0.0, apart))
    return zero(V_none, V_some), zero(other_none, other_some)[0]
