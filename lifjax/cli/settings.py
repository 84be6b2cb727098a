"""What a person may set, by the same names as flags and in a TOML file, and how it is checked."""

import argparse
import difflib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.neurons import LIF, parameters

Namespace = argparse.Namespace
Settings = dict[str, Any]

# What every command has: name -> (kind, default, unit and meaning).
COMMON: dict[str, tuple[type, Any, str]] = {
    "duration": (float, 1000.0, "ms, how long to run"),
    "dt": (float, 0.1, "ms, grid step"),
    "seed": (int, 0, "for all that is random"),
    "integrator": (str, "euler", "euler or exact"),
}
NEURON: dict[str, tuple[type, Any, str]] = {
    field: (float, getattr(LIF(), field), f"{told.unit}, {told.meaning}") for field, told in parameters(LIF).items()
}
_KINDS = {int: "a whole number", float: "a number", str: "text in quotes"}
Known = dict[str, tuple[type, Any, str]]


def add_flags(command: argparse.ArgumentParser, known: Known, title: str) -> None:
    """Add a flag for each setting; one that is not given stays None, so that a file can give it."""
    group = command.add_argument_group(title)
    for name, (kind, default, meaning) in known.items():
        told = (
            meaning if default is None else f"{meaning} [{default:g}]" if kind is not str else f"{meaning} [{default}]"
        )
        group.add_argument(f"--{name}", type=kind, metavar=kind.__name__.upper()[:5], help=told)


def read(given: Namespace, known: Known) -> Settings:
    """The settings: a flag if given, else what the TOML file says, else the default.

    Raises:
        ValueError: the file is no TOML, or holds an unknown name or a value of the wrong kind.
    """
    file = _read_toml(given.config, known) if given.config else {}
    settings = {}
    for name, (_, default, _) in known.items():
        flag = getattr(given, name)
        settings[name] = flag if flag is not None else file.get(name, default)
    spread = {**file.get("spread", {}), **dict(given.spread or [])}
    return {**settings, "spread": spread}


def _read_toml(path: Path, known: Known) -> Settings:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from None
    for name, value in found.items():
        if name == "spread" and isinstance(value, dict):
            found[name] = dict(spread_of(f"{key}={amount}") for key, amount in value.items())
            continue
        if name == "spread":
            raise ValueError(f"{path}: spread = {value!r} should be a table, [spread], of NAME = NUMBER lines")
        if name not in known:
            raise ValueError(f"{path}: {unknown(name, [*known, 'spread'])}")
        kind = known[name][0]
        right = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not right:
            raise ValueError(f"{path}: {name} = {value!r} should be {_KINDS[kind]}")
    return found


def unknown(name: str, known: list[str]) -> str:
    """'... is unknown', with the nearest known name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"{name!r} is unknown; " + (f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}")


def spread_of(text: str) -> tuple[str, float]:
    """Read a spread, such as 'tau_m=2': a parameter and its standard deviation over the population."""
    name, equals, amount = text.partition("=")
    if not equals or name not in NEURON:
        told = unknown(name, list(NEURON)) if equals else "give NAME=NUMBER, such as tau_m=2"
        raise argparse.ArgumentTypeError(f"spread {text!r}: {told}")
    try:
        value = float(amount)
    except ValueError:
        raise argparse.ArgumentTypeError(f"spread {text!r}: {amount!r} is no number") from None
    if not (np.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"spread {text!r}: a standard deviation is finite and at least 0")
    return name, value


def neuron_of(settings: Settings, neurons: int) -> LIF:
    """The neurons of the settings: shared values, and where there is a spread one value a neuron.

    A spread draws from a normal distribution cut off at three standard deviations, from the seed and the parameter.
    """
    values = {}
    for place, name in enumerate(NEURON):
        values[name] = settings[name]
        if spread := settings["spread"].get(name, 0.0):
            draw = np.random.default_rng((settings["seed"], place))
            z = draw.standard_normal(neurons)
            while (far := np.abs(z) > 3).any():
                z[far] = draw.standard_normal(far.sum())
            values[name] = settings[name] + spread * z
    return LIF(**values)


def to_toml(settings: Settings) -> str:
    """The settings as a TOML file that `read` takes."""
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items() if name != "spread" and value is not None]
    if settings["spread"]:
        lines += ["", "[spread]  # standard deviations over the population"]
        lines += [f"{name} = {_toml(value)}" for name, value in settings["spread"].items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value + "'" if "'" not in value else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
