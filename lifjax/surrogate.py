r"""The spike function: does a neuron at V reach its threshold?

A step asks ``spike(V, V_th, unit)``. For running, `threshold` answers with a bool. For fitting, a surrogate answers
with the same spike as a number, 0 or 1, whose derivative is not the step's (zero almost everywhere) but that of a
smooth bump around the threshold (Neftci, Mostafa and Zenke 2019, doi:10.1109/MSP.2019.2931595). The forward pass of a
surrogate is the hard threshold, so a surrogate run spikes exactly as an ordinary one.

A surrogate measures the distance from the threshold in units of the reset, x = (V - V_th) / unit with
unit = V_th - V_reset, so that a slope means the same for every model. All bumps are 1 high at x = 0 and differ in how
they fall off. The unit and the height keep the derivative finite: at the threshold a spike moves V by -unit and a
change of V moves the spike by 1 / unit, so what passes through the reset is between none and all of the change, where
any higher bump would have it grow from step to step without end.

Whether the derivative passes through the reset is each factory's ``through_reset``. By default it does, and then a
change of the drive is shared out between V and the spikes as charge is: what a spike took from V is gone. The summed
derivative of the spike count then hardly depends on the bump: it has the direction of the f-I curve's own, and about
its size (tests/test_surrogate.py compares them), and the default slopes are those at which the size fits best. Without
it, as in much work on deep networks, each spike answers as if V had never been reset, and the derivative's size is that
of the bump.

A user writes a fit of his own in five lines::

    spike = lifjax.surrogate.fast_sigmoid()

    def error(g_L):  # Hz^2; the target is 50 Hz
        _, out = lifjax.integrate(lifjax.LIF(g_L=g_L), 300.0, 10_000, spike=spike, record=())
        return (out.spike_count - 50.0) ** 2

    for _ in range(20):
        g_L = g_L - 2e-4 * jax.grad(error)(g_L)

`silence`, `at_reset` and `choose` let one step serve both kinds of answer.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Spike = Callable[[Array, Array, Array], Array]
Bump = Callable[[Array, float], Array]
_STEEPEST = 1e15  # whose square float32 holds


def threshold(V: Array, V_th: Array, unit: ArrayLike = 1.0) -> Array:
    """The hard threshold: True where V has reached V_th.

    Args:
        V: membrane potential [mV].
        V_th: threshold [mV].
        unit: not used.

    Returns:
        bool, of the broadcast shape.

    Example:
        >>> threshold(-55.0, -55.0), threshold(-55.1, -55.0)
        (True, False)
    """
    return V >= V_th


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """A spike function with the derivative ``bump(x, slope)``, x = (V - V_th) / unit; made by the factories below.

    Two of the same numbers are equal, so what was compiled with one serves the other.
    """

    bump: Bump
    slope: float
    through_reset: bool = True

    def __post_init__(self) -> None:
        name = self.bump.__name__.strip("_")
        number = isinstance(self.slope, int | float) and not isinstance(self.slope, bool)
        if not number or not 0 < self.slope <= _STEEPEST:
            told = self.slope if isinstance(self.slope, float | bool) else f"{type(self.slope).__name__}"
            raise ValueError(
                f"{name}: slope = {told} must be a number above 0, up to {_STEEPEST:g}; leave it out for the default"
            )
        if not isinstance(self.through_reset, bool):
            raise TypeError(f"{name}: through_reset is a {type(self.through_reset).__name__}; give True or False")
        object.__setattr__(self, "slope", float(self.slope))  # a large whole number is none that JAX takes

    def __call__(self, V: Array, V_th: Array, unit: Array) -> Array:
        """The spike, 0 or 1 in V's own dtype."""
        # A division would be one at every step; that by the unit is the same at all, and done once.
        spiked: Array = _step(self.bump, self.slope, (V - V_th) * (1 / unit), threshold(V, V_th))
        return spiked


def _number(bump: Bump, slope: float, x: Array, reached: Array) -> Array:
    """0 or 1, and no number where there is none."""
    return jnp.where(reached, 1, jnp.where(x == x, 0, x)).astype(jnp.result_type(x))


_step = jax.custom_jvp(_number, nondiff_argnums=(0, 1))


@_step.defjvp
def _(bump: Bump, slope: float, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (x, reached), (dx, _) = primals, tangents
    return _step(bump, slope, x, reached), dx * bump(x, slope)


def _fast_sigmoid(x: Array, slope: float) -> Array:
    return 1 / (1 + slope * jnp.abs(x)) ** 2


def _sigmoid(x: Array, slope: float) -> Array:
    p = jax.nn.sigmoid(slope * x)
    return 4 * p * (1 - p)


def _arctan(x: Array, slope: float) -> Array:
    return 1 / (1 + (slope * x) ** 2)


def _triangular(x: Array, slope: float) -> Array:
    return jnp.maximum(1 - slope * jnp.abs(x), 0)


def _gaussian(x: Array, slope: float) -> Array:
    return jnp.exp(-0.5 * (slope * x) ** 2)


def _straight_through(x: Array, slope: float) -> Array:
    return (jnp.abs(x) * slope <= 1).astype(jnp.result_type(x))


def fast_sigmoid(slope: float = 25.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative :math:`1 / (1 + \mathrm{slope}\,|x|)^2` for x = (V - V_th) / unit.

    The derivative of a fast sigmoid, as in SuperSpike (Zenke and Ganguli 2018, doi:10.1162/neco_a_01086). Its tails are
    long, so that a neuron some millivolts below threshold still has a derivative.

    Args:
        slope: steepness; the derivative falls to a quarter at a distance of unit / slope from the threshold,
            0.8 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = fast_sigmoid()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_fast_sigmoid, slope, through_reset)


def sigmoid(slope: float = 25.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative :math:`4 p (1 - p)`, :math:`p = 1 / (1 + e^{-\mathrm{slope}\,x})`.

    As ever, x = (V - V_th) / unit.

    The derivative of the logistic function, scaled to a height of 1 (Bengio, Leonard and Courville 2013,
    arXiv:1308.3432; as a surrogate Zenke and Vogels 2021, doi:10.1162/neco_a_01367).

    Args:
        slope: steepness; the derivative falls to 0.79 at a distance of unit / slope from the threshold,
            0.8 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = sigmoid()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_sigmoid, slope, through_reset)


def arctan(slope: float = 25.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative :math:`1 / (1 + (\mathrm{slope}\,x)^2)` for x = (V - V_th) / unit.

    The derivative of the inverse tangent, scaled to a height of 1 (Fang et al. 2021, arXiv:2007.05785).

    Args:
        slope: steepness; the derivative falls to a half at a distance of unit / slope from the threshold,
            0.8 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = arctan()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_arctan, slope, through_reset)


def triangular(slope: float = 10.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative :math:`\max(0, 1 - \mathrm{slope}\,|x|)` for x = (V - V_th) / unit.

    A triangle (Esser et al. 2016, doi:10.1073/pnas.1604850113; Bellec et al. 2018, arXiv:1803.09574).

    Args:
        slope: steepness; the derivative falls to zero at a distance of unit / slope from the threshold,
            2 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = triangular()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_triangular, slope, through_reset)


def gaussian(slope: float = 20.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative :math:`e^{-(\mathrm{slope}\,x)^2 / 2}` for x = (V - V_th) / unit.

    A Gaussian bump (Yin, Corradi and Bohte 2021, doi:10.1038/s42256-021-00397-w).

    Args:
        slope: steepness; the derivative falls to 0.61 at a distance of unit / slope from the threshold,
            1 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = gaussian()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_gaussian, slope, through_reset)


def straight_through(slope: float = 10.0, *, through_reset: bool = True) -> Surrogate:
    r"""A surrogate spike with the derivative 1 where :math:`|x| \le 1 / \mathrm{slope}`, and 0 elsewhere.

    As ever, x = (V - V_th) / unit.

    The straight-through estimator (Bengio, Leonard and Courville 2013, arXiv:1308.3432) within a window (Hubara et al.
    2016, arXiv:1602.02830): within it the spike is taken for the distance itself.

    Args:
        slope: steepness; the window reaches to a distance of unit / slope from the threshold,
            2 mV by default for a reset by 20 mV.
        through_reset: whether the derivative passes through the reset; see the module.

    Returns:
        ``spike(V, V_th, unit)``, 0 or 1 in V's own dtype, differentiable forwards and backwards.

    Raises:
        ValueError: slope is not above 0.

    Example:
        >>> import jax
        >>> spike = straight_through()
        >>> float(spike(-55.5, -55.0, 20.0)), round(float(jax.grad(spike)(-55.0, -55.0, 20.0)), 3)
        (0.0, 0.05)
    """
    return Surrogate(_straight_through, slope, through_reset)


def silence(spiked: Array, silent: Array) -> Array:
    """``spiked``, or none where ``silent`` holds, as when a neuron is refractory.

    Example:
        >>> bool(silence(jnp.array(True), jnp.array(True)))
        False
    """
    return jnp.where(silent, jnp.zeros_like(spiked), spiked)


def at_reset(spiked: Array, spike: Spike) -> Array:
    """``spiked`` as the reset sees it: without a derivative where ``spike`` lets none pass there.

    Example:
        >>> spike = fast_sigmoid(through_reset=False)
        >>> float(jax.grad(lambda V: at_reset(spike(V, -55.0, 20.0), spike))(-55.0))
        0.0
    """
    return spiked if getattr(spike, "through_reset", True) else jax.lax.stop_gradient(spiked)


def choose(spiked: Array, yes: ArrayLike, no: Array) -> Array:
    """``yes`` where ``spiked`` holds, ``no`` elsewhere; a surrogate's derivative passes through the choice.

    Example:
        >>> float(choose(jnp.array(1.0), -75.0, jnp.array(-54.0)))
        -75.0
    """
    if spiked.dtype == bool:
        return jnp.where(spiked, yes, no)
    return _chosen(spiked, jnp.asarray(yes, no.dtype), no)


@jax.custom_jvp
def _chosen(spiked: Array, yes: Array, no: Array) -> Array:
    """A choice, as compiled for the hard threshold, with the derivative of ``spiked * yes + (1 - spiked) * no``."""
    return jnp.where(spiked != 0, yes, no)


@_chosen.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    (spiked, yes, no), (d_spiked, d_yes, d_no) = primals, tangents
    return _chosen(spiked, yes, no), jnp.where(spiked != 0, d_yes, d_no) + (yes - no) * d_spiked
