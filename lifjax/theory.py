r"""Closed forms of leaky and quadratic integrate-and-fire neurons, which the simulator is checked against.

All work in float64 NumPy, whatever JAX is set to, and broadcast their arguments against the neuron's parameters.
"""

import math

import jax
import numpy as np

from lifjax.neurons import GIF, LIF, QIF, AdaptiveLIF, Grid, Neuron
from lifjax.neurons.base import Parameter, Values, parameters
from lifjax.neurons.check import SMALLEST, check_fields, check_order, check_value
from lifjax.neurons.elements import listed

_PANELS, _NODES = 48, 24
_FAR, _FULL = 20.0, 40.0  # of the integral in `siegert_rate`
_MOST_STEPS = 1_000_000  # of what is worked out step by step


def rheobase(neuron: LIF | QIF) -> np.ndarray:
    """The constant current above which a neuron fires [pA]: g_L (V_th - E_L), of a QIF neuron a quarter of that.

    Example:
        >>> import lifjax
        >>> float(rheobase(lifjax.LIF())), float(rheobase(lifjax.QIF()))
        (200.0, 37.5)
    """
    p = _numbers(neuron, LIF, QIF)
    return np.asarray(p["g_L"] * (p["V_th"] - p["E_L"]) / (4 if isinstance(neuron, QIF) else 1))


def firing_rate(neuron: LIF | QIF, current: Values, dt: float | None = None) -> np.ndarray:
    r"""Firing rate under a constant current: the f-I curve.

    .. math:: r^{-1} = t_{ref} + \tau_m \ln\frac{I/g_L + E_L - V_{reset}}{I/g_L + E_L - V_{th}}

    and 0 up to the rheobase (Gerstner et al. 2014, Neuronal Dynamics, section 1.3). On a grid a neuron fires at a grid
    time only, so each interval is rounded up to whole steps. Of a QIF neuron, with the vertex
    :math:`V_0 = (E_L + V_{th}) / 2`,

    .. math:: r^{-1} = t_{ref} + \frac{C_m}{g_L q} \left[\arctan\frac{V - V_0}{q\,(V_{th} - E_L)}
              \right]_{V_{reset}}^{V_{peak}},\qquad q^2 = \frac{I - I_{rheobase}}{g_L (V_{th} - E_L)}

    which nears the root of the current where both ends are far away (Ermentrout 1996, doi:10.1162/neco.1996.8.5.979).

    Args:
        neuron: a LIF or QIF neuron or population.
        current: [pA]; broadcasts against the neuron's parameters.
        dt: grid step [ms] of the exact integrator, whose rate is then met to the spike; None is continuous time. There
            is no exact integrator of a QIF neuron: it is of LIF neurons only.

    Returns:
        Rate [Hz], float64, of the broadcast shape.

    Example:
        >>> import lifjax
        >>> firing_rate(lifjax.LIF(), [200.0, 300.0, 400.0]).round(2)
        array([  0.  ,  77.01, 111.96])
    """
    if isinstance(neuron, QIF):
        if dt is not None:
            raise ValueError(f"dt = {dt!r} ms is for LIF neurons; leave it out for a QIF neuron")
        return _quadratic_rate(neuron, current)
    p = _numbers(neuron)
    goal = p["E_L"] + _given("current", current, "pA") / p["g_L"]
    if dt is not None:
        dt = _step(dt)
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = p["tau_m"] * np.log((goal - p["V_reset"]) / (goal - p["V_th"]))
    wait = p["t_ref"]
    if dt is not None:
        grid = Grid(dt=dt, steps=0)
        rise, wait = np.maximum(np.ceil(rise / dt * (1 - 1e-12)), 1) * dt, grid.count(p["t_ref"]) * dt
    return np.where(goal > p["V_th"], 1000 / (wait + np.where(goal > p["V_th"], rise, 1)), 0.0)


def _quadratic_rate(neuron: QIF, current: Values) -> np.ndarray:
    p = _numbers(neuron, QIF)
    apart, vertex = p["V_th"] - p["E_L"], (p["E_L"] + p["V_th"]) / 2
    over = (_given("current", current, "pA") - rheobase(neuron)) / (p["g_L"] * apart)
    q = np.sqrt(np.where(over > 0, over, 1))
    begin, end = (np.arctan((V - vertex) / (q * apart)) for V in (p["V_reset"], p["V_peak"]))
    return np.where(over > 0, 1000 / (p["t_ref"] + p["C_m"] / (p["g_L"] * q) * (end - begin)), 0.0)


def siegert_rate(neuron: LIF, mean: Values, sigma: Values) -> np.ndarray:
    r"""Mean firing rate under Gaussian white noise, in continuous time.

    .. math:: r^{-1} = t_{ref} + \tau_m\sqrt\pi \int_a^b e^{x^2}(1 + \mathrm{erf}\,x)\,dx,\qquad
              a, b = \frac{V_{reset,th} - E_L - \mathrm{mean}/g_L}{\sqrt2\,\sigma_V}

    with the standard deviation sigma_V of the free membrane (Siegert 1951, doi:10.1103/PhysRev.81.617; Amit and
    Tsodyks 1991, doi:10.1088/0954-898X_2_3_003). A run on a grid comes near it as the square root of dt, since between
    two grid times a crossing goes unseen.

    Args:
        neuron: a LIF neuron or population.
        mean: [pA], as in `lifjax.white_noise`.
        sigma: [pA sqrt(s)], likewise; 0 gives `firing_rate`.

    Returns:
        Rate [Hz], float64, of the broadcast shape.

    Example:
        >>> import lifjax
        >>> print(f"{siegert_rate(lifjax.LIF(), 190.0, 5.0):.2f}")
        34.09
    """
    p = _numbers(neuron)
    centre, spread = free_membrane(neuron, mean, sigma)
    noisy = spread > SMALLEST  # mV: less is none
    width = np.sqrt(2) * np.where(noisy, spread, 1.0)
    a, b = (p["V_reset"] - centre) / width, (p["V_th"] - centre) / width
    with np.errstate(over="ignore"):  # an infinite interval is a rate of 0
        wait = p["t_ref"] + p["tau_m"] * np.sqrt(np.pi) * np.exp(_log_integral(a, b))
    return np.where(noisy, 1000 / wait, firing_rate(neuron, mean))


def _log_integral(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logarithm of the integral of exp(x^2) (1 + erf x) from a to b, by Gauss-Legendre panels in the log domain.

    Far below 0, where the two factors cancel, the integrand is a series over y = -x, and log y goes along the panels.
    Above `_FULL` the integral is beyond float64.
    """
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    edge = (np.arange(_PANELS)[:, None] + (node + 1) / 2).ravel() / _PANELS
    share = np.tile(weight, _PANELS) / (2 * _PANELS)

    begin, end = np.log(np.maximum(-b, _FAR)), np.log(np.maximum(-a, _FAR))
    t = 0.5 * np.exp(-2 * (begin[..., None] + (end - begin)[..., None] * edge))
    far = (end - begin) / np.sqrt(np.pi) * np.sum((1 - t * (1 - 3 * t * (1 - 5 * t * (1 - 7 * t)))) * share, axis=-1)

    high = np.clip(b, -_FAR, _FULL)
    low = np.clip(a, -_FAR, high)
    x = low[..., None] + (high - low)[..., None] * edge
    with jax.enable_x64(True):
        tail = np.asarray(jax.scipy.special.log_ndtr(np.sqrt(2) * x))
    log_f = x**2 + np.log(2) + tail
    top = log_f.max(axis=-1)
    near = np.sum(np.exp(log_f - top[..., None]) * share, axis=-1) * (high - low)
    with np.errstate(divide="ignore"):  # either part may be empty
        return np.where(b > _FULL, np.inf, np.logaddexp(np.log(far), top + np.log(near)))


def free_membrane(neuron: LIF, mean: Values, sigma: Values, tau: Values = 0.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Stationary mean and standard deviation of a membrane that never spikes, under a noisy current.

    White noise (tau = 0) gives :math:`\sigma_V = (\sigma/g_L)\sqrt{500/\tau_m}`, with tau_m in ms; an
    Ornstein-Uhlenbeck current :math:`\sigma_V = (\sigma/g_L)\sqrt{\tau/(\tau+\tau_m)}` (Gardiner 2009, Stochastic
    Methods, section 4.5).

    Args:
        neuron: a LIF neuron or population.
        mean: [pA].
        sigma: [pA sqrt(s)] for white noise, as in `lifjax.white_noise`; [pA] for Ornstein-Uhlenbeck noise.
        tau: correlation time [ms]; 0 is white noise.

    Returns:
        Mean and standard deviation of V [mV], float64, each of the broadcast shape.

    Example:
        >>> import lifjax
        >>> mean, std = free_membrane(lifjax.LIF(), 100.0, 5.0)
        >>> print(f"{mean:.1f} {std:.2f}")
        -65.0 3.54
    """
    p = _numbers(neuron)
    given = _given("mean", mean, "pA"), _given("sigma", sigma, "pA", least=0.0), _given("tau", tau, "ms", least=0.0)
    current, size, time = np.broadcast_arrays(*given, p["V_th"])[:3]
    share = np.where(time > 0, time / (time + p["tau_m"]), 500 / p["tau_m"])
    return p["E_L"] + current / p["g_L"], np.asarray(size / p["g_L"] * np.sqrt(share))


def sinusoidal_response(
    neuron: LIF, amplitude: Values, frequency: Values, offset: Values = 0.0, phase: Values = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""The lasting subthreshold response to a sinusoid: V(t) = mean + amplitude sin(2 pi frequency t + phase).

    The membrane is a low-pass filter: with :math:`\omega = 2\pi f\tau_m` the amplitude is
    :math:`(A/g_L)/\sqrt{1+\omega^2}` and the phase lags by :math:`\arctan\omega`.

    Args:
        neuron: a LIF neuron or population, which must stay below threshold.
        amplitude, offset: [pA], as in `lifjax.sinusoid`.
        frequency: [Hz].
        phase: [rad].

    Returns:
        Mean [mV], amplitude [mV] and phase [rad] of V, float64.

    Example:
        >>> import lifjax
        >>> mean, amplitude, phase = sinusoidal_response(lifjax.LIF(), 100.0, 10.0)
        >>> print(f"{mean:.0f} {amplitude:.2f} {phase:.2f}")
        -75 8.47 -0.56
    """
    p = _numbers(neuron)
    omega = 2 * np.pi * _given("frequency", frequency, "Hz", least=0.0) * p["tau_m"] / 1000
    mean = p["E_L"] + _given("offset", offset, "pA") / p["g_L"]
    size = _given("amplitude", amplitude, "pA") / p["g_L"] / np.sqrt(1 + omega**2)
    return mean, size, _given("phase", phase, "rad") - np.arctan(omega)


def adapted_rate(neuron: AdaptiveLIF, current: Values) -> np.ndarray:
    r"""Firing rate under a constant current once adaptation has settled, in continuous time.

    The interval T is then the same from spike to spike, and so is what adapts just after each: the current
    :math:`q_{stc} / (1 - e^{-T/\tau_{stc}})` and the shift :math:`q_{sfa} / (1 - e^{-T/\tau_{sfa}})` of the threshold.
    With both decaying from there, T is when V meets the threshold, which is solved for by bisection; where q_stc and
    q_sfa are 0 the rate is that of `firing_rate`.

    Args:
        neuron: an AdaptiveLIF neuron or population.
        current: [pA]; broadcasts against the neuron's parameters.

    Returns:
        Rate [Hz], float64, of the broadcast shape; 0 up to the rheobase.

    Example:
        >>> import lifjax
        >>> adapted_rate(lifjax.AdaptiveLIF(), [200.0, 300.0, 400.0]).round(2)
        array([ 0.  , 33.1 , 52.73])
    """
    p = _numbers(neuron, AdaptiveLIF)
    goal = p["E_L"] + _given("current", current, "pA") / p["g_L"]

    def ahead(T: np.ndarray) -> np.ndarray:
        """By how much V is above the threshold at T, if all the intervals before were T too."""
        x = T - p["t_ref"]
        left = p["q_stc"] * np.exp(-p["t_ref"] / p["tau_stc"]) / -np.expm1(-T / p["tau_stc"])
        own, other = x / p["tau_m"], x / p["tau_stc"]
        near = np.abs(own - other) < 1e-3
        apart = np.where(near, 1.0, own - other)
        share = own * np.where(near, np.exp(-(own + other) / 2), (np.exp(-other) - np.exp(-own)) / apart)
        V = goal + (p["V_reset"] - goal) * np.exp(-own) - left / p["g_L"] * share
        return np.asarray(V - p["V_th"] - p["q_sfa"] / np.expm1(T / p["tau_sfa"]))

    shape = np.broadcast_shapes(goal.shape, p["V_th"].shape)
    low = np.broadcast_to(p["t_ref"], shape)
    longest = low + 40 * (p["tau_m"] + p["tau_stc"] + p["tau_sfa"])
    high = longest
    for _ in range(100):
        middle = (low + high) / 2
        above = ahead(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(ahead(longest) > 0, 1000 / high, 0.0)


def escape_rate(neuron: GIF, current: Values, dt: float = 0.1) -> np.ndarray:
    r"""Firing rate of a GIF neuron without adaptation under a constant current, on the grid of the exact integrator.

    Its spikes are a renewal process (Gerstner et al. 2014, Neuronal Dynamics, section 9.2): with
    :math:`p_i = 1 - e^{-\lambda(V_i) dt}`, where V_i is V so many steps after it was let go from V_reset, the mean
    interval is

    .. math:: r^{-1} = dt \Big(n_{ref} + \sum_{j \ge 0} \prod_{i=1}^{j} (1 - p_i)\Big).

    Args:
        neuron: a GIF neuron or population, without elements.
        current: [pA]; broadcasts against the neuron's parameters.
        dt: grid step [ms].

    Returns:
        Rate [Hz], float64, of the broadcast shape.

    Raises:
        ValueError: the neuron adapts.

    Example:
        >>> import lifjax
        >>> escape_rate(lifjax.GIF(), [140.0, 180.0, 300.0]).round(2)
        array([ 0.92, 30.1 , 70.83])
    """
    p = _numbers(neuron, GIF)
    if len(listed(neuron.q_stc)) or len(listed(neuron.q_sfa)):
        raise ValueError("neuron: q_stc and q_sfa make the intervals depend on each other; leave them out")
    dt = _step(dt)
    goal = p["E_L"] + _given("current", current, "pA") / p["g_L"]
    keep = np.exp(-dt * p["g_L"] / p["C_m"])

    def expected(V: np.ndarray) -> np.ndarray:
        """Spikes in a step at V, if it stayed there."""
        with np.errstate(over="ignore"):
            return np.asarray(p["lambda_0"] * dt / 1000 * np.exp((V - p["V_T_star"]) / p["Delta_V"]))

    settled = float(np.max(40 * p["C_m"] / p["g_L"]) / dt)  # steps
    if settled > _MOST_STEPS:
        raise ValueError(
            f"dt = {dt:g} ms: V takes {settled:.3g} steps to settle, C_m / g_L = {settled * dt / 40:.3g} ms; at most "
            f"{_MOST_STEPS} are worked out, so raise dt"
        )
    V, total = p["V_reset"], np.zeros(())
    survived = np.ones(())
    for _ in range(math.ceil(settled)):
        total = total + survived
        V = goal + (V - goal) * keep
        survived = survived * np.exp(-expected(V))
    with np.errstate(divide="ignore"):  # it may never fire
        rest = np.where(survived > 0, survived / -np.expm1(-expected(V)), 0.0)
        return np.asarray(1000 / (dt * (Grid(dt=dt, steps=0).count(p["t_ref"]) + total + rest)))


def _step(dt: float) -> float:
    """The grid step."""
    step = check_value("dt", dt, Parameter("ms", "grid step", above=0.0))
    if step.ndim:
        raise ValueError(f"dt has shape {step.shape}; the grid step is one number [ms]")
    return float(step)


def _given(name: str, value: Values, unit: str, least: float | None = None) -> np.ndarray:
    return np.asarray(check_value(name, value, Parameter(unit, name, least=least)), np.float64)


def _numbers(neuron: Neuron, *models: type[Neuron]) -> dict[str, np.ndarray]:
    """The parameters in float64, all of the population's shape, once they are known to make sense."""
    models = models or (LIF,)
    if not isinstance(neuron, models):
        told = " and ".join(f"lifjax.{model.__name__}" for model in models)
        raise TypeError(f"neuron is a {type(neuron).__name__}; the closed forms are those of {told}")
    check_fields(neuron)
    if hasattr(neuron, "V_th"):
        check_order(neuron, "V_reset", "V_th")
    if isinstance(neuron, QIF):
        check_order(neuron, "E_L", "V_th")
        check_order(neuron, "V_th", "V_peak")
    names = [name for name, rule in parameters(neuron).items() if name != "V_init" and not rule.leading]
    values = np.broadcast_arrays(*(np.asarray(getattr(neuron, name), np.float64) for name in names))
    return dict(zip(names, values, strict=True))
