"""``lifjax fit``: parameters that meet firing rates in a CSV file."""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lifjax import backend
from lifjax.cli.folder import Folder, finite, print_table, write_summary
from lifjax.cli.run import add_output
from lifjax.cli.settings import COMMON, NEURON, Known, Namespace, add_flags, read, to_toml, unknown
from lifjax.cli.table import read_table
from lifjax.fit import Fit, fit_rates
from lifjax.neurons import LIF, parameters
from lifjax.simulate.check import check_seed
from lifjax.stimulus import Stimulus, constant, white_noise

KNOWN: Known = {
    "free": (str, "tau_m,g_L", "names of the parameters to fit, with commas between"),
    "sigma": (float, 0.0, "pA sqrt(s), amplitude of white noise on top of each current"),
    "trials": (int, 1, "runs that rates are averaged over, each with noise of its own"),
    "steps": (int, 100, "iterations at most"),
    "restarts": (int, 1, "starts, of which the best is kept"),
    **COMMON,
    **NEURON,
}
SHOWN = 20  # neurons that the table on the screen has


def add(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "fit",
        help="find parameters that meet firing rates",
        description="Fit LIF neurons to firing rates. TARGETS is a CSV file with the columns current_pA, rate_hz and, "
        "for several neurons, neuron. Prints a table and writes a folder with summary.json, settings.toml, fit.csv, "
        "fit.npz and fit.png. The flags of the neuron say where the fit begins.",
        allow_abbrev=False,
    )
    command.add_argument("targets", type=Path, metavar="TARGETS", help="CSV file: current_pA, rate_hz[, neuron]")
    add_flags(command, {name: told for name, told in KNOWN.items() if name not in NEURON}, "fit")
    add_flags(command, NEURON, "neuron, where the fit begins")
    command.add_argument(
        "--bounds",
        type=bounds_of,
        action="append",
        metavar="NAME=LOW:HIGH",
        help="between what a parameter is looked for, such as tau_m=5:30",
    )
    add_output(command, "lifjax-fit")
    command.set_defaults(work=work, spread=None)


def bounds_of(text: str) -> tuple[str, tuple[float, float]]:
    """Read bounds, such as 'tau_m=5:30'."""
    name, equals, both = text.partition("=")
    if not equals or name not in NEURON:
        told = unknown(name, list(NEURON)) if equals else "give NAME=LOW:HIGH, such as tau_m=5:30"
        raise argparse.ArgumentTypeError(f"bounds {text!r}: {told}")
    low, _, high = both.partition(":")
    try:
        return name, (float(low), float(high))
    except ValueError:
        raise argparse.ArgumentTypeError(f"bounds {text!r}: give two numbers, such as {name}=5:30") from None


def read_targets(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Currents [pA] and rates [Hz], each (conditions, neurons), and the neurons' names.

    Raises:
        ValueError: the file is no such table, or neurons have different numbers of currents.
    """
    columns = read_table(path, ("current_pA", "rate_hz"), ("neuron",))
    currents, rates = columns["current_pA"], columns["rate_hz"]
    if not len(rates):
        raise ValueError(f"{path} has no line of numbers; give a current and a rate a line")
    names, which = np.unique(columns.get("neuron", np.zeros(len(rates))), return_inverse=True)
    count = np.bincount(which)
    if (count != count[0]).any():
        other = int(np.argmax(count != count[0]))
        raise ValueError(
            f"{path}: neuron {names[0]:g} has {count[0]} rates and neuron {names[other]:g} has {count[other]}; give as "
            "many for each, or fit them apart"
        )
    order = np.argsort(which, kind="stable")
    shape = (len(names), count[0])
    return currents[order].reshape(shape).T, rates[order].reshape(shape).T, names


def work(given: Namespace) -> int:
    """Fit, tell and write."""
    settings = read(given, KNOWN)
    check_seed(settings["seed"])
    currents, rates, names = read_targets(given.targets)
    free = tuple(name.strip() for name in settings["free"].split(",") if name.strip())
    for name in free:
        if name not in NEURON:
            raise ValueError(f"--free: {unknown(name, list(NEURON))}")
    start = {name: np.full(len(names), settings[name]) if name in free else settings[name] for name in NEURON}
    stimulus: Stimulus = constant(currents)
    if settings["sigma"]:
        stimulus = stimulus + white_noise(0.0, settings["sigma"])

    folder = Folder(given.out, "lifjax-fit", given.force)
    with folder as draft, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        begun = time.perf_counter()
        found = fit_rates(
            LIF(**start),
            stimulus,
            rates,
            settings["duration"],
            free=free,
            bounds=dict(given.bounds or ()) or None,
            steps=settings["steps"],
            restarts=settings["restarts"],
            trials=settings["trials"],
            seed=settings["seed"],
            dt=settings["dt"],
            integrator=settings["integrator"],
            progress=not given.quiet,
        )
        seconds = time.perf_counter() - begun
        table = _columns(found, free, names)
        told = {name: [finite(x) for x in column] for name, column in table.items()}
        results = {"neurons": told, "identifiability": str(found.identifiability), "seconds": seconds}
        asked = {**settings, "targets": str(given.targets.absolute()), "bounds": dict(given.bounds or ())}
        write_summary(draft, "fit", asked, {**results, "stopped early": found.stopped})
        (draft / "settings.toml").write_text(to_toml(settings), encoding="utf-8")
        header = ",".join(table)
        np.savetxt(draft / "fit.csv", np.column_stack(list(table.values())), "%.9g", ",", header=header, comments="")
        found.save(draft / "fit.npz")
        _draw(draft / "fit.png", found)
    _tell(found, table, seconds)
    for warning in warned:
        print(f"lifjax: {warning.message}")
    print(f"written to {folder.path}")
    return 130 if found.stopped else 0


def _columns(found: Fit, free: tuple[str, ...], names: np.ndarray) -> dict[str, np.ndarray]:
    """What was found, a value a neuron."""
    table = {"neuron": names}
    for name in free:
        table[name] = np.asarray(getattr(found.neuron, name), float)
        table[f"{name}_std_error"] = np.asarray(found.std_error[name], float)
    return {**table, "rmse_hz": np.asarray(found.error, float), "converged": np.asarray(found.converged, float)}


def _tell(found: Fit, table: dict[str, np.ndarray], seconds: float) -> None:
    units = {name: rule.unit for name, rule in parameters(LIF).items()}
    error = table["rmse_hz"]
    for i in range(min(SHOWN, len(error))):
        values = [
            f"{name} {table[name][i]:.4g} +- {table[f'{name}_std_error'][i]:.2g} {units[name]}"
            for name in table
            if name in units
        ]
        print(f"neuron {table['neuron'][i]:g}  {'  '.join(values)}  error {error[i]:.3g} Hz")
    if len(error) > SHOWN:
        print(f"... and {len(error) - SHOWN} more in fit.csv")
    print_table(
        {
            "neurons": f"{len(error)}",
            "error": f"median {np.median(error):.3g} Hz, largest {error.max():.3g} Hz (RMSE over the currents)",
            "told by the rates": str(found.identifiability),
            "seconds": f"{seconds:.2f}, compilation included",
            "device": backend.device_name(),
        }
    )


def _draw(path: Path, found: Fit) -> None:
    import matplotlib.pyplot as plt  # only here, so that refusals come at once

    figure = found.plot()
    figure.savefig(path, dpi=150)
    plt.close(figure)
