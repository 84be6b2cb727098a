"""The interface of the Neuromatch tutorial on the leaky integrate-and-fire neuron, on this engine.

Same functions, same arguments, same numbers: ``default_pars``, ``run_LIF``, ``my_GWN`` and the plotting helpers of
Neuromatch Academy, Computational Neuroscience, "Biological Neuron Models", tutorial 1 (CC BY 4.0). Membrane potentials
equal those of the tutorial's Python loop bit for bit; numbers below 2.2e-308 in size count as 0.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from lifjax.neurons import LIF, Parameter
from lifjax.neurons.check import concrete, shown
from lifjax.simulate.check import check_scalar
from lifjax.simulate.run import run_steps
from lifjax.stimulus import samples

__all__ = ["default_pars", "my_GWN", "my_hists", "plot_GWN", "plot_volt_trace", "run_LIF"]

Pars = dict[str, Any]
_LENGTH = 8192
_MOST_STEPS = 10**8


def default_pars(**kwargs: Any) -> Pars:
    """The tutorial's parameters, with changes by name.

    Args:
        **kwargs: values that replace or join the defaults: V_th, V_reset, V_init, E_L [mV], tau_m, tref, T, dt [ms],
            g_L [nS].

    Returns:
        A dict of them and of range_t, the grid times [ms].

    Example:
        >>> pars = default_pars(T=500.0)
        >>> pars["tau_m"], pars["range_t"].size
        (10.0, 5000)
    """
    pars: Pars = {
        "V_th": -55.0,
        "V_reset": -75.0,
        "tau_m": 10.0,
        "g_L": 10.0,
        "V_init": -75.0,
        "E_L": -75.0,
        "tref": 2.0,
        "T": 400.0,
        "dt": 0.1,
        **kwargs,
    }
    T, dt = (_number(pars, name) for name in ("T", "dt"))
    if not T / dt <= _MOST_STEPS:
        raise ValueError(
            f"pars: T = {T:g} ms is {T / dt:.3g} steps of dt = {dt:g} ms, more than {_MOST_STEPS}; lower T"
        )
    pars["range_t"] = np.arange(0, pars["T"], pars["dt"])
    return pars


def _number(pars: Pars, name: str) -> float:
    """One of the parameters, once it is known to be a number that makes sense."""
    if not isinstance(pars, Mapping) or name not in pars:
        raise ValueError(f"pars = {shown(pars)} has no {name!r}; give what default_pars() returns")
    value = concrete(f"pars: {name}", pars[name])
    rule = Parameter(
        "", name, above=0.0 if name in ("dt", "tau_m", "g_L") else None, least=0.0 if name == "T" else None
    )
    if value.ndim or np.isnan(value) or (name != "tref" and not np.isfinite(value)) or rule.broken_by(value):
        raise ValueError(f"pars: {name} = {shown(pars[name])} must be one finite number {rule.rule}".rstrip())
    return float(value)


def _times(pars: Pars) -> np.ndarray:
    """The grid times."""
    if not isinstance(pars, Mapping) or not isinstance(pars.get("range_t"), np.ndarray) or pars["range_t"].ndim != 1:
        raise ValueError(f"pars = {shown(pars)} has no range_t; give what default_pars() returns")
    return pars["range_t"]


def _trace(name: str, value: Any, pars: Pars) -> np.ndarray:
    """Numbers at the grid times, float64."""
    array, length = np.asarray(concrete(name, value), np.float64), _times(pars).size
    if array.shape not in ((), (1,), (length,)):
        raise ValueError(f"{name} has shape {array.shape}; give a number, or one for each of the {length} grid times")
    return array


def run_LIF(pars: Pars, Iinj: ArrayLike, stop: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the tutorial's LIF neuron.

    Args:
        pars: parameters, from `default_pars`.
        Iinj: injected current [pA], a number or one value a grid time.
        stop: whether the current is 0 but for the 2000 steps around the middle.

    Returns:
        Membrane potential v [mV] at every grid time, the last one not yet compared with the threshold, and spike
        times [ms].

    Raises:
        ValueError: Iinj does not broadcast to the grid times, or there is no grid time.

    Example:
        >>> v, spikes = run_LIF(default_pars(), 300.0)
        >>> v.size, spikes[:2]
        (4000, array([11., 24.]))
    """
    dt, length = _number(pars, "dt"), int(_times(pars).size)
    if length == 0:
        raise ValueError(f"pars: T = {pars.get('T')} ms holds no step of dt = {dt} ms; raise T")
    current = np.array(np.broadcast_to(_trace("Iinj", Iinj, pars), length))
    if stop:
        current[: length // 2 - 1000] = 0
        current[length // 2 + 1000 :] = 0
    # The tutorial counts tref / dt down by one while it is positive: ceil(tref / dt) steps, without tolerance.
    held = float(np.nan_to_num(np.clip(np.ceil(np.float64(_number(pars, "tref")) / dt), 0, length)))
    neuron = LIF(
        **{name: _number(pars, name) for name in ("V_th", "V_reset", "V_init", "E_L", "tau_m", "g_L")},
        t_ref=held * dt,
    )
    padded = np.append(current, np.zeros(-length % _LENGTH))  # so that runs of many lengths share a compiled function
    with jax.enable_x64(True):
        run = run_steps(neuron, samples(padded), length - 1, dt=dt, record=frozenset(("V", "spikes")))
        v = np.append(run.V, run.state.neuron.V)
        return v, run.spike_times


def my_GWN(pars: Pars, mu: float, sig: float, myseed: int | bool = False) -> np.ndarray:
    """Gaussian white noise current, with the numbers that NumPy's legacy generator gives the tutorial.

    Args:
        pars: parameters, from `default_pars`.
        mu: mean [pA].
        sig: noise amplitude [pA sqrt(s)].
        myseed: seed; False draws afresh.

    Returns:
        Current [pA] at every grid time. NumPy's global generator is left as it is.

    Example:
        >>> my_GWN(default_pars(), mu=200.0, sig=5.0, myseed=2020)[:2].round(1)
        array([-684.4,  237.8])
    """
    dt, length = _number(pars, "dt"), _times(pars).size
    for name, value in (("mu", mu), ("sig", sig)):
        check_scalar(name, value, Parameter("pA", name))
    if not isinstance(myseed, int | np.integer) or not 0 <= myseed < 2**32:
        raise ValueError(f"myseed = {shown(myseed)} is no seed; give a whole number below 2**32, or False")
    draw = np.random.RandomState(int(myseed) if myseed else None)  # the tutorial's own generator
    return np.asarray(mu + sig * draw.randn(length) / np.sqrt(dt / 1000.0))


def plot_volt_trace(pars: Pars, v: np.ndarray, sp: np.ndarray) -> None:
    """Draw the membrane potential, its threshold, and spikes as strokes above it.

    Args:
        pars: parameters, from `default_pars`.
        v: membrane potential [mV].
        sp: spike times [ms].

    Example:
        >>> pars = default_pars()
        >>> plot_volt_trace(pars, *run_LIF(pars, 300.0))
    """
    import matplotlib.pyplot as plt  # only here, so that importing lifjax does not import matplotlib

    times, dt, V_th = _times(pars), _number(pars, "dt"), _number(pars, "V_th")
    v = np.array(np.broadcast_to(_trace("v", v, pars), times.shape))
    spikes = np.asarray(concrete("sp", sp), np.float64)
    if not ((spikes >= 0) & (spikes <= times.size * dt)).all():
        raise ValueError("sp holds times outside of the run; give the spike times that run_LIF returned [ms]")
    v[(spikes / dt).round().astype(int) - 1] += 20  # the last sample before each reset
    _, ax = plt.subplots(layout="constrained")
    ax.plot(times, v)
    ax.axhline(V_th, color="black", linestyle="--", label="threshold V_th")
    ax.set(xlabel="time (ms)", ylabel="membrane potential (mV)", ylim=(-80, -40))
    ax.legend(loc="upper right")


def plot_GWN(pars: Pars, I_GWN: np.ndarray) -> None:
    """Draw a noisy current.

    Args:
        pars: parameters, from `default_pars`.
        I_GWN: current [pA].

    Example:
        >>> pars = default_pars()
        >>> plot_GWN(pars, my_GWN(pars, mu=200.0, sig=5.0, myseed=2020))
    """
    import matplotlib.pyplot as plt  # only here, so that importing lifjax does not import matplotlib

    times = _times(pars)
    current = np.broadcast_to(_trace("I_GWN", I_GWN, pars), times.shape)
    _, ax = plt.subplots(layout="constrained")
    ax.plot(times, current)
    ax.set(xlabel="time (ms)", ylabel="current (pA)")


def my_hists(isi1: np.ndarray, isi2: np.ndarray, cv1: float, cv2: float, sigma1: float, sigma2: float) -> None:
    """Draw two histograms of interspike intervals side by side.

    Args:
        isi1, isi2: interspike intervals [ms].
        cv1, cv2: their coefficients of variation.
        sigma1, sigma2: the noise amplitudes they came from [pA sqrt(s)].

    Example:
        >>> my_hists(np.array([12.0, 15.0]), np.array([11.0, 25.0]), cv1=0.11, cv2=0.39, sigma1=1.0, sigma2=5.0)
    """
    import matplotlib.pyplot as plt  # only here, so that importing lifjax does not import matplotlib

    for name, x in (("isi1", isi1), ("isi2", isi2), ("cv1", cv1), ("cv2", cv2), ("sigma1", sigma1), ("sigma2", sigma2)):
        array = concrete(name, x)
        if array.ndim != (1 if name.startswith("isi") else 0) or (name[:2] != "cv" and not np.isfinite(array).all()):
            told = "intervals [ms], (intervals,)" if name.startswith("isi") else "one number"
            raise ValueError(f"{name} = {shown(x)} does not fit; give {told}, finite")
    _, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
    edges = np.linspace(10, 30, 20)
    for ax, intervals, cv, sigma in zip(axes, (isi1, isi2), (cv1, cv2), (sigma1, sigma2), strict=True):
        ax.hist(intervals, bins=edges, color="C0", alpha=0.7)
        ax.set(xlabel="interspike interval (ms)", title=f"sigma = {sigma:g}, CV = {cv:.3f}")
    axes[0].set_ylabel("count")
