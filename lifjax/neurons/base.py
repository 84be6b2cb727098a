"""What every model shares: parameters that know their unit and bounds, the grid of time, and the checks at the door."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lifjax.surrogate import Spike

T = TypeVar("T")
Values = ArrayLike | Sequence[Any]  # what a person may give for a number: also nested lists of numbers
LAST_STEP = 2**31 - 1
LARGEST_COUNT = 2**23 - 1  # of a whole number in a neuron's state
INTEGRATORS = ("euler", "exact", "rk4")
SPIKE_TIMINGS = ("grid", "interpolated")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What is said about a number a person may set: its unit, its meaning and what values make sense.

    ``above`` and ``least`` are the exclusive and the inclusive lower bound. ``leading`` counts the axes that come
    before those of the population, such as time in a recorded current, and ``axes`` names them. An ``optional`` one may
    be None, or empty along those axes. A fit looks for
    it in the range ``fit`` unless told otherwise, and keeps it ``below`` another parameter; where there is no range it
    cannot be fitted, for the reason ``unfit``.
    """

    unit: str
    meaning: str
    above: float | None = None
    least: float | None = None
    leading: int = 0
    optional: bool = False
    fit: tuple[float, float] | None = None
    below: str | None = None
    unfit: str = ""
    axes: str = "time"

    @property
    def rule(self) -> str:
        """The bounds in words, such as 'above 0 ms', or ''."""
        if self.above is not None:
            return f"above {self.above:g} {self.unit}".rstrip()
        return "" if self.least is None else f"at least {self.least:g} {self.unit}".rstrip()

    def allows(self, value: float) -> bool:
        """Whether a number is within the bounds."""
        return (self.above is None or value > self.above) and (self.least is None or value >= self.least)

    def broken_by(self, value: np.ndarray) -> np.ndarray:
        """Where a value is outside the bounds (bool, of its shape)."""
        if self.above is not None:
            return ~(value > self.above)
        return np.zeros(value.shape, bool) if self.least is None else ~(value >= self.least)


def parameter(
    unit: str,
    meaning: str,
    *,
    default: Any = dataclasses.MISSING,
    above: float | None = None,
    least: float | None = None,
    leading: int = 0,
    optional: bool = False,
    fit: tuple[float, float] | None = None,
    below: str | None = None,
    unfit: str = "",
    axes: str = "time",
) -> Any:
    """A dataclass field that carries a `Parameter`; anything that may be an array is declared with it.

    Args:
        unit, meaning, above, least, leading, optional, fit, below, unfit, axes: what the `Parameter` says.
        default: the field's default; none if not given.

    Example:
        >>> @pytree
        ... class Leak:
        ...     g_L: float = parameter("nS", "leak conductance", default=10.0, above=0.0)
        >>> Leak().g_L, parameters(Leak)["g_L"].rule
        (10.0, 'above 0 nS')
    """
    told = Parameter(unit, meaning, above, least, leading, optional, fit, below, unfit, axes)
    return dataclasses.field(default=default, metadata={"parameter": told})


def parameters(of: Any) -> dict[str, Parameter]:
    """The parameters of a model, a stimulus or an instance of one, by name, in order.

    Example:
        >>> from lifjax.neurons import LIF
        >>> parameters(of=LIF)["tau_m"].unit
        'ms'
    """
    return _parameters(of if isinstance(of, type) else type(of))


@functools.cache
def _parameters(of: Any) -> dict[str, Parameter]:
    return {f.name: f.metadata["parameter"] for f in dataclasses.fields(of) if "parameter" in f.metadata}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field, parameter))
def pytree(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass that JAX can trace through, compared by identity, since fields may be arrays.

    Args:
        cls: the class; a field with the metadata ``static=True`` is part of what is compiled, not a number.

    Example:
        >>> @pytree
        ... class Point:
        ...     x: float
        >>> jax.tree.map(lambda x: 2 * x, Point(x=1.0)).x
        2.0
    """
    made = dataclasses.dataclass(frozen=True, kw_only=True, eq=False)(cls)
    told = {
        field.name: (field.metadata["parameter"], field.default)
        for field in dataclasses.fields(made)  # type: ignore[arg-type] # it is one
        if "parameter" in field.metadata
    }
    lines = [
        f"    {name}: {rule.meaning} [{rule.unit}]" + ("" if default is dataclasses.MISSING else f", {default}")
        for name, (rule, default) in told.items()
    ]
    if lines:  # what help() shows says it all, and it is written once
        made.__doc__ = "\n".join(
            [(made.__doc__ or "").rstrip(), "", "    Parameters:", *("    " + line for line in lines), ""]
        )
    return jax.tree_util.register_dataclass(made)


class Neuron(Protocol):
    """What the simulator asks of a model. Parameters are its fields; the rest is pure and written for one neuron."""

    @property
    def integrators(self) -> tuple[str, ...]:
        """The ways, of `INTEGRATORS`, in which a step can cross dt; a class attribute."""

    @property
    def shows(self) -> "type[Output]":
        """What its output is made of; a class attribute."""

    def check(self, grid: "Grid") -> None:
        """Raise ValueError where parameters do not fit together or do not fit the grid."""

    def constants(self, grid: "Grid") -> Any:
        """The numbers a step needs, worked out once a run: a pytree."""

    def start(self) -> Any:
        """The state at time 0: a pytree whose leaves broadcast to the population."""

    @staticmethod
    def step(constants: Any, state: Any, given: "Input", spike: Spike) -> tuple[Any, "Output"]:
        """One grid step of one neuron under an input."""


@pytree
class Input:
    """What drives a neuron in a step: the current is ``current - conductance V``.

    conductance: of synapses with a reversal potential; None where there are none.
    jump: what V rises by at the grid time, before it is compared with the threshold; None where nothing jumps.
    word: 32 random bits, for a model that draws (``drawn = True``), else None.
    """

    current: Any = parameter("pA", "input current, at V = 0 where there is a conductance")
    conductance: Any = parameter("nS", "conductance of synapses", default=None, optional=True)
    jump: Any = parameter("mV", "jump of V", default=None, optional=True)
    word: Any = None


@pytree
class Output:
    """What a step shows of a neuron at its grid time. A model that shows more has a class of its own."""

    V: Any = parameter("mV", "membrane potential")
    spikes: Any = parameter("", "whether there is a spike")


@dataclasses.dataclass(frozen=True)
class Grid:
    """The grid of time of a run: t_k = k dt for ``steps`` steps from step ``first`` on, and how a step crosses dt.

    Numbers are worked out in NumPy, times in float64, where they are known, and in JAX where they are traced.
    ``tau_m`` is the time constant of the membrane where its response to a current that decays within a step is known.
    ``conducts`` says whether there may be a conductance; where there is none, linear models compile alike for both of
    their integrators.
    """

    dt: Any
    steps: int
    first: Any = 0
    integrator: str = "euler"
    tau_m: Any = None
    conducts: bool = True

    def __post_init__(self) -> None:
        if self.integrator not in INTEGRATORS:
            told = ", ".join(map(repr, INTEGRATORS))
            raise ValueError(f"integrator = {self.integrator!r} is unknown; choose one of {told}")

    def number(self, value: Values) -> Any:
        """A value in the working dtype: float32, or float64 where JAX has x64 enabled."""
        if type(value) is not float and traced(value):
            return jnp.asarray(value, float)
        try:
            return np.asarray(value, working_dtype())
        except OverflowError:  # of Python's whole numbers alone
            raise ValueError(
                f"a value is a whole number beyond what {working_dtype()} holds; give a smaller one"
            ) from None

    def count(self, time: Values) -> Any:
        """How many steps reach a time [ms]: ceil(time / dt), an int32.

        A ratio that rounding put just above a whole number counts as that number: 0.6000000000000001 / 0.2 is 3 steps.

        Example:
            >>> int(Grid(dt=0.2, steps=0).count(0.6000000000000001))
            3
        """
        if type(time) is float and type(self.dt) is float and 0 <= time < math.inf:  # as most are: NumPy takes longer
            return np.int32(min(math.ceil(time / self.dt * (1 - 1e-9)), LAST_STEP // 2))
        if traced(time, self.dt):
            ratio = jnp.asarray(time, float) / jnp.asarray(self.dt, float)
            nearly = 1 - 8 * float(np.finfo(ratio.dtype).eps)
            return jnp.clip(jnp.ceil(ratio * nearly), 0, LAST_STEP // 2).astype(jnp.int32)
        single = any(getattr(x, "dtype", None) == np.float32 for x in (time, self.dt))
        nearly = 1 - (4 * float(np.finfo(np.float32).eps) if single else 1e-9)
        whole = np.ceil(np.asarray(time, np.float64) / np.float64(self.dt) * nearly)
        return np.minimum(np.maximum(whole, 0), LAST_STEP // 2).astype(np.int32)

    def decay(self, tau: Values) -> Any:
        """exp(-dt / tau): what a step leaves of a quantity that decays with time constant tau [ms]."""
        if traced(tau, self.dt):
            return jnp.exp(-jnp.asarray(self.dt, float) / jnp.asarray(tau, float))
        return self.number(np.exp(-np.float64(self.dt) / np.asarray(tau, np.float64)))

    def gain(self, tau: Values) -> Any:
        """The share of the way to its goal that a quantity with time constant tau [ms] goes in a step.

        dt / tau for the Euler integrator, 1 - exp(-dt / tau) for the exact one; float64 where nothing is traced.
        """
        if type(tau) is float and type(self.dt) is float and tau > 0 and self.integrator == "euler":
            return self.dt / tau
        known = not traced(tau, self.dt)
        xp: Any = np if known else jnp
        ratio = xp.asarray(self.dt, np.float64 if known else float) / xp.asarray(tau, np.float64 if known else float)
        return ratio if self.integrator == "euler" else -xp.expm1(-ratio)


def waits(refractory: Any) -> Any:
    """Whether a refractory counter is above 0, whatever the bits above `LARGEST_COUNT` say, which are not its own.

    A model whose steps ask for nothing else of the counter, and add n_ref to it at a spike, says ``flagged = True``.

    Example:
        >>> bool(waits(jnp.int32(2))), bool(waits(jnp.int32(LARGEST_COUNT + 1)))
        (True, False)
    """
    return (refractory & LARGEST_COUNT) > 0


def onset(neuron: Any) -> tuple[Any, Any]:
    """The potential from which V goes on to a spike by itself, and the one that a spike leaves V at [mV].

    They are V_th and V_reset unless a model says otherwise by a property of this name.

    Example:
        >>> from lifjax.neurons import LIF
        >>> onset(LIF())
        (-55.0, -75.0)
    """
    told = getattr(neuron, "onset", None)
    return (neuron.V_th, neuron.V_reset) if told is None else told


def traced(*values: Any) -> bool:
    """Whether any value is being traced by a JAX transformation, so that nothing can be read off it."""
    unsure = [value for value in values if type(value) not in _NEVER_TRACED and not isinstance(value, Iterator)]
    return bool(unsure) and any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(unsure))


def exactly(value: Values) -> Any:
    """A value as float64, to work out what a run needs before it begins; one that is traced stays as it is."""
    if type(value) is float:
        return np.float64(value)
    return jnp.asarray(value, float) if traced(value) else np.asarray(value, np.float64)


_NEVER_TRACED = frozenset({float, int, np.ndarray, np.float64, np.float32, np.int32})


def working_dtype() -> np.dtype[Any]:
    """float32, or float64 where JAX has x64 enabled: ``jnp.result_type(float)``, which takes a while to say so.

    Example:
        >>> working_dtype() == jnp.result_type(float)
        True
    """
    return _DOUBLE if jax.config.read("jax_enable_x64") else _SINGLE


_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
