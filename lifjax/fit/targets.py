r"""What a fit is asked to meet: targets of one kind each, with weights.

A target turns a differentiable run (`lifjax.fit.response.Response`) into residuals, what was reached less what is
wanted, in its own unit, of shape (anything, *population), averaged over trials. Several targets together are a list of
them. A fit makes the sum of squares of weighted residuals small. Targets broadcast to the population.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lifjax.fit.lanes import Cut
from lifjax.fit.response import Response
from lifjax.neurons.base import Parameter, Values
from lifjax.neurons.check import LARGEST, check_value

PULL = 100.0  # Hz: how far below 0 a rate is taken to be when V ends a reset's height below threshold


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Target:
    """The base of all targets: values to reach, of shape (*leading, *population), and weights."""

    target: Any
    weight: Any = 1.0

    unit: ClassVar[str] = "Hz"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count"})
    leading: ClassVar[int] = 0
    least: ClassVar[float | None] = 0.0
    meaning: ClassVar[str] = "target"
    pulls: ClassVar[bool] = False  # whether it asks how near to the threshold V came

    def predicted(self, response: Response) -> Array:
        """What was reached, of shape (*leading, trials, conditions, groups)."""
        raise NotImplementedError

    def residuals(self, response: Response) -> Array:
        """Weighted residuals, (anything, conditions, groups)."""
        reached = self.predicted(response).mean(axis=-3)
        return (lifted(self.weight, reached) * (reached - self.target)).reshape(-1, *reached.shape[-2:])

    def grain(self, duration: float) -> Array:
        """By how much residuals differ that a step can hardly tell apart, as one spike more or less makes them."""
        return jnp.zeros(())

    def at(self, cut: Cut, groups: np.ndarray) -> "Target":
        """Itself at some groups of a population: (*leading, conditions, groups)."""

        def one(x: Any, leading: int) -> np.ndarray:
            x = np.asarray(x, jnp.result_type(float))
            if x.ndim == 0:
                return x
            head, tail = x.shape[:leading], x.shape[leading:]
            full = x.reshape(*head, *(1,) * (len(cut.shape) - len(tail)), *tail)
            full = np.broadcast_to(full, head + cut.shape).reshape(*head, -1)
            return np.asarray(full[..., cut.order[:, groups]])

        return dataclasses.replace(self, target=one(self.target, self.leading), weight=one(self.weight, 0))

    def check(self) -> "Target":
        """Itself with arrays as values, once they make sense."""
        rule = Parameter(self.unit, self.meaning, least=self.least, leading=self.leading)
        target = check_value(self.meaning, self.target, rule)
        if target.ndim < self.leading:
            raise ValueError(
                f"{self.meaning} has shape {target.shape}; give a row for each grid step, (time, *population)"
            )
        weight = check_value("weight", self.weight, Parameter("1", "weight of a target", least=0.0))
        if (largest := float(np.max(weight)) * float(np.max(np.abs(target)))) > LARGEST:
            raise ValueError(
                f"{self.meaning} times weight is {largest:g}, beyond {LARGEST:g}, where squares overflow; lower weight"
            )
        dtype = jnp.result_type(float)
        return dataclasses.replace(self, target=np.asarray(target, dtype), weight=np.asarray(weight, dtype))


def lifted(x: Array, like: Array) -> Array:
    """A number as it is; an array with as many axes as another, by axes of 1 in front."""
    return x if jnp.ndim(x) == 0 else x.reshape((1,) * (like.ndim - x.ndim) + x.shape)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rates(Target):
    """See `rates`."""

    meaning: ClassVar[str] = "target_rates"
    pulls: ClassVar[bool] = True

    def predicted(self, response: Response) -> Array:
        return response.rates

    def residuals(self, response: Response) -> Array:
        # A neuron that should fire and does not has no derivative of its rate, but its V has one: the rate goes on
        # below 0 as V falls short of the threshold, as the f-I curve would.
        short = jnp.maximum((response.V_th - response.peak) / response.unit, 0)
        silent = (response.spike_count == 0) & (lifted(self.target, short) > 0)
        reached = jnp.where(silent, -PULL * short, response.rates)
        return (self.weight * (reached.mean(axis=-3) - self.target))[None]

    def grain(self, duration: float) -> Array:
        return jnp.max(self.weight) * (1000 / duration) * 1.5  # of spikes


def rates(target: Values, weight: Values = 1.0) -> Rates:
    """Firing rates [Hz]; a neuron that is silent where it should fire is pulled to its threshold.

    Args:
        target: [Hz], of a shape that broadcasts to the population.
        weight: of the residuals, likewise.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit(lifjax.LIF(), 300.0, lifjax.targets.rates(60.0), 1000.0, free=("tau_m",))
        >>> float(found.rates)
        60.0
    """
    return Rates(target, weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CV(Target):
    """See `cv`."""

    unit: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count", "intervals"})
    meaning: ClassVar[str] = "target CV"

    def predicted(self, response: Response) -> Array:
        return response.cv


def cv(target: Values, weight: Values = 100.0) -> CV:
    """Coefficients of variation of the interspike intervals.

    Args:
        target: of a shape that broadcasts to the population.
        weight: of the residuals; by default a CV of 0.01 counts as 1 Hz.

    Example:
        >>> import lifjax
        >>> lifjax.targets.cv(0.5).needs == {"spike_count", "intervals"}
        True
    """
    return CV(target, weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Latency(Target):
    """See `latency`."""

    unit: ClassVar[str] = "ms"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count", "latency"})
    meaning: ClassVar[str] = "target latency"

    def predicted(self, response: Response) -> Array:
        return response.latency


def latency(target: Values, weight: Values = 1.0) -> Latency:
    """Times of the first spike [ms]; of a neuron that never fires it is the whole duration.

    Args:
        target: [ms], of a shape that broadcasts to the population.
        weight: of the residuals.

    Example:
        >>> import lifjax
        >>> float(lifjax.targets.latency(12.0).target)
        12.0
    """
    return Latency(target, weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FirstInterval(Target):
    """See `first_interval`."""

    unit: ClassVar[str] = "ms"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count", "ends"})
    meaning: ClassVar[str] = "target first interval"

    def predicted(self, response: Response) -> Array:
        return response.first_interval


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LastInterval(FirstInterval):
    """See `last_interval`."""

    meaning: ClassVar[str] = "target last interval"

    def predicted(self, response: Response) -> Array:
        return response.last_interval


def first_interval(target: Values, weight: Values = 1.0) -> FirstInterval:
    r"""Times between the first two spikes [ms]; the whole duration where there are fewer.

    Of an interval :math:`T`, a surrogate gives the derivative

    .. math:: dT = -(T - t_{ref}) \sum_{k \in T} ds_k

    of the shares of spikes :math:`ds_k` within it: a drive that would make a hundredth of a spike more makes what is
    not refractory a hundredth shorter.

    Args:
        target: [ms], of a shape that broadcasts to the population.
        weight: of the residuals.

    Example:
        >>> import lifjax
        >>> both = [lifjax.targets.first_interval(20.0), lifjax.targets.last_interval(40.0)]
        >>> begin = lifjax.AdEx(V_init=-60.0, b=20.0)
        >>> found = lifjax.fit(begin, 700.0, both, 500.0, free=("b", "g_L"), restarts=8)
        >>> bool(found.error < 0.5)
        True
    """
    return FirstInterval(target, weight)


def last_interval(target: Values, weight: Values = 1.0) -> LastInterval:
    """Times between the last two spikes [ms], which with `first_interval` tell how a neuron adapts.

    Args:
        target: [ms], of a shape that broadcasts to the population.
        weight: of the residuals.

    Example:
        >>> import lifjax
        >>> found = lifjax.fit(lifjax.LIF(), 300.0, lifjax.targets.last_interval(15.0), 300.0, free=("g_L",))
        >>> lifjax.simulate(found.neuron, 300.0, 300.0).spike_times[-2:].round(1)
        array([283., 298.])
    """
    return LastInterval(target, weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Voltage(Target):
    """See `voltage`."""

    unit: ClassVar[str] = "mV"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count", "V"})
    leading: ClassVar[int] = 1
    least: ClassVar[float | None] = None
    meaning: ClassVar[str] = "target V"

    def predicted(self, response: Response) -> Array:
        return jnp.asarray(response.V)


def voltage(target: Values, weight: Values = 1.0) -> Voltage:
    """The membrane potential over time [mV], of which memory is (time, neurons).

    Args:
        target: [mV], (time, *population), a value for each grid step, as in ``run.V``.
        weight: of the residuals.

    Example:
        >>> import lifjax
        >>> run = lifjax.simulate(lifjax.LIF(tau_m=14.0), 150.0, 50.0)
        >>> found = lifjax.fit(lifjax.LIF(), 150.0, lifjax.targets.voltage(run.V), 50.0, free=("tau_m",))
        >>> print(f"{found.neuron.tau_m:.2f}")
        14.00
    """
    return Voltage(target, weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class VanRossum(Target):
    """See `van_rossum`."""

    tau: float = dataclasses.field(default=10.0, metadata={"static": True})

    unit: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"spike_count", "spikes"})
    leading: ClassVar[int] = 1
    meaning: ClassVar[str] = "target spikes"

    def predicted(self, response: Response) -> Array:
        return filtered(jnp.asarray(response.spikes), self.tau, response.dt)

    def residuals(self, response: Response) -> Array:
        reached = self.predicted(response).mean(axis=-3)
        wanted = filtered(self.target, self.tau, response.dt)
        scale = jnp.sqrt(response.dt / self.tau * reached.shape[0])  # the mean square is then the distance's
        return lifted(self.weight, reached) * scale * (reached - wanted)


def filtered(spikes: Array, tau: float, dt: float) -> Array:
    """Spikes over time, each as an exponential that decays with tau [ms]."""
    keep = float(np.exp(-dt / tau))

    def step(trace: Array, now: Array) -> tuple[Array, Array]:
        trace = trace * keep + now
        return trace, trace

    return jax.lax.scan(step, jnp.zeros_like(spikes[0]), spikes)[1]


def van_rossum(target: Values, tau: float = 10.0, weight: Values = 1.0) -> VanRossum:
    """Spike trains, by van Rossum's distance (2001, doi:10.1162/089976601300014321): the mean square of the difference
    between two trains of exponentials.

    Args:
        target: spikes, (time, *population), 0 or 1 at each grid step, as in ``run.spikes``.
        tau: time constant of the exponentials [ms]; a long one counts spikes, a short one looks at their times. A fit
            finds its way more surely with one about as long as an interval.
        weight: of the residuals.

    Raises:
        ValueError: tau is not above 0.

    Example:
        >>> import lifjax
        >>> lifjax.targets.van_rossum(lifjax.simulate(lifjax.LIF(), 300.0, 50.0).spikes, tau=20.0).tau
        20.0
    """
    if check_value("tau", tau, Parameter("ms", "time constant of the exponentials", above=0.0)).ndim:
        raise ValueError(f"tau has shape {np.shape(tau)}; the time constant of the exponentials is one number [ms]")
    try:
        fired = np.asarray(target)
    except ValueError:  # ragged, which the fit says
        return VanRossum(target, weight, float(tau))
    return VanRossum(fired.astype(np.float64) if fired.dtype == bool else target, weight, float(tau))


Loss = Target | Sequence[Target] | Callable[[Response], Array]

__all__ = ["Target", "cv", "first_interval", "last_interval", "latency", "rates", "van_rossum", "voltage"]
