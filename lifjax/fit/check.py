"""What a fit is refused for: one clear error before any work."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lifjax.backend import require_memory
from lifjax.fit.targets import Rates, Target
from lifjax.neurons.base import Grid, Neuron, Parameter, parameters
from lifjax.neurons.check import check_choice, check_model, check_value, is_whole, shown
from lifjax.simulate.check import check_run, check_scalar, check_seed
from lifjax.stimulus.base import StimulusLike
from lifjax.surrogate import Surrogate

_EACH = 64  # bytes of a lane, at least
_MOST = 10**6  # restarts or trials, each of which is begun by itself


def check_free(neuron: Neuron, free: Any) -> tuple[str, ...]:
    """The names of the free fields; raise where one is unknown, twice there or cannot be fitted."""
    check_model(neuron)
    told = parameters(neuron)
    if not isinstance(free, Iterable):
        raise TypeError(f"free = {shown(free)} is no name; give names of parameters, such as ('tau_m', 'g_L')")
    names = (free,) if isinstance(free, str) else tuple(free)
    fittable = ", ".join(name for name, rule in told.items() if not rule.unfit)
    if not names:
        raise ValueError(f"free is empty; name the parameters to fit, of {fittable}")
    for name in names:
        if not isinstance(name, str) or name not in told:
            raise ValueError(f"free: {shown(name)} is no parameter of {type(neuron).__name__}; choose from {fittable}")
        if names.count(name) > 1:
            raise ValueError(f"free: {name!r} is named {names.count(name)} times; name each parameter once")
        if told[name].unfit:
            raise ValueError(f"free: {name!r} cannot be fitted: {told[name].unfit}")
    return names


def check_whole(name: str, value: Any, least: int, most: float = math.inf) -> int:
    """A whole number that is neither too small nor too large."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name} = {shown(value)} must be a whole number, at least {least}")
    if value > most:
        raise ValueError(f"{name} = {shown(value)} is more than {most:g}; give fewer")
    return int(value)


def check_bounds(free: tuple[str, ...], bounds: Any) -> None:
    """Raise where bounds are of what is not free."""
    if bounds is None:
        return
    if not hasattr(bounds, "keys"):
        raise TypeError(f"bounds is a {type(bounds).__name__}; give a dict such as {{'tau_m': (5.0, 50.0)}}")
    for name in bounds:
        if name not in free:
            raise ValueError(f"bounds: {shown(name)} is not free; free is {free}")


def check_targets(loss: Any) -> tuple[Target, ...] | Callable[..., Any]:
    """The targets of a loss, each checked, or the user's own function."""
    if isinstance(loss, Target):
        return (loss.check(),)
    if isinstance(loss, Sequence) and loss and all(isinstance(one, Target) for one in loss):
        return tuple(one.check() for one in loss)
    if callable(loss) and not isinstance(loss, type):
        return loss
    raise TypeError(
        f"loss = {shown(loss)} is no loss; give a target such as lifjax.targets.rates(50.0), a list of them, or a "
        "function of the response"
    )


def check_shapes(
    neuron: Neuron, stimulus: StimulusLike, duration: float, dt: float, integrator: str, targets: Sequence[Target]
) -> tuple[int, tuple[int, ...]]:
    """The number of steps, and the shape of the population that neuron, stimulus and targets make together."""
    steps, shape = check_run(neuron, stimulus, duration, dt, integrator, None, ())
    for target in targets:
        own = np.shape(target.target)
        if target.leading and own[0] != steps:
            raise ValueError(
                f"{target.meaning} has {own[0]} rows, but duration = {duration:g} ms has {steps} steps of "
                f"dt = {dt:g} ms; give a row for each step"
            )
        for name, tail in ((target.meaning, own[target.leading :]), ("weight", np.shape(target.weight))):
            try:
                shape = np.broadcast_shapes(shape, tail)
            except ValueError:
                raise ValueError(
                    f"{name} has shape {tail}, which does not broadcast to the population {shape} of neuron and "
                    f"stimulus; NumPy's rules hold, so add axes of 1, such as {tail[:1]} + (1,)"
                ) from None
    return steps, shape


def check_limits(neuron: Neuron, targets: Sequence[Target], shape: tuple[int, ...], dt: float) -> None:
    """Raise where a target rate is above what the refractory time lets a neuron fire at."""
    if not hasattr(neuron, "t_ref"):
        return
    held = Grid(dt=dt, steps=0).count(neuron.t_ref)
    limit = np.broadcast_to(1000 / (dt * (held + 1)), shape)
    for target in targets:
        if not isinstance(target, Rates):
            continue
        wanted = np.asarray(target.target, np.float64)
        full = np.broadcast_to(wanted, shape)
        if (full > limit * (1 + 1e-6)).any():
            at = tuple(int(i) for i in np.argwhere(full > limit * (1 + 1e-6))[0])
            index = f"[{', '.join(map(str, at))}]" if at else ""
            t_ref = float(np.broadcast_to(np.asarray(neuron.t_ref), shape)[at])
            raise ValueError(
                f"target_rates{index} = {full[at]:g} Hz is above {limit[at]:.6g} Hz, the most that "
                f"t_ref = {t_ref:g} ms and a step of dt = {dt:g} ms between spikes allow; lower the target or t_ref"
            )


def check_rest(neuron: Neuron, **given: Any) -> dict[str, Any]:
    """The remaining arguments, checked."""
    out = {
        "steps": check_whole("steps", given["steps"], 1),
        "restarts": check_whole("restarts", given["restarts"], 1, _MOST),
        "trials": check_whole("trials", given["trials"], 1, _MOST),
        "patience": check_whole("patience", given["patience"], 1),
        "seed": check_seed(given["seed"]),
    }
    check_scalar("tolerance", given["tolerance"], Parameter("Hz", "error that is small enough", least=0.0))
    check_choice("noise", given["noise"], ("frozen", "fresh"))
    if not isinstance(given["spike"], Surrogate):
        raise TypeError(
            f"spike = {shown(given['spike'])} has no derivative; give one such as lifjax.surrogate.gaussian()"
        )
    optimizer = given["optimizer"]
    if optimizer is not None and not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"optimizer = {shown(optimizer)} is no optax optimiser; give one such as optax.adam(0.05), or None"
        )
    return out


def check_room(shape: tuple[int, ...], restarts: int, trials: int) -> None:
    """Raise MemoryError where all that is looked at has no room."""
    size = math.prod(shape) * _EACH
    require_memory(
        {"restarts": restarts * size, "trials": trials * size},
        {
            "restarts": "lower restarts, or fit fewer neurons at a time",
            "trials": "lower trials, or fit fewer at a time",
        },
    )


def as_arrays(neuron: Neuron, free: tuple[str, ...]) -> Neuron:
    """The neuron with float64 arrays as free fields."""
    told = parameters(neuron)
    values = {
        name: np.asarray(check_value(f"{type(neuron).__name__}: {name}", getattr(neuron, name), told[name]), np.float64)
        for name in free
    }
    changed: Neuron = dataclasses.replace(neuron, **values)  # type: ignore[type-var] # models are dataclasses
    return changed


def one_shape(neuron: Neuron, free: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that all free fields have, without leading axes of 1, or None where they differ."""
    shapes = []
    for name in free:
        own = np.shape(getattr(neuron, name))
        shapes.append((1,) * (len(shape) - len(own)) + own)
    return shapes[0] if len(set(shapes)) == 1 else None
