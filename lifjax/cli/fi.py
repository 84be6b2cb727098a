"""``lifjax fi``: the f-I curve of a neuron, with its closed form."""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lifjax import backend, theory
from lifjax.cli.folder import Folder, print_table, write_summary
from lifjax.cli.run import add_output
from lifjax.cli.settings import COMMON, NEURON, Known, Namespace, add_flags, neuron_of, read, to_toml
from lifjax.neurons import LIF, Parameter
from lifjax.neurons.check import check_value
from lifjax.simulate import fi_curve
from lifjax.simulate.check import check_seed
from lifjax.stimulus import white_noise

KNOWN: Known = {
    "first": (float, 0.0, "pA, first current"),
    "last": (float, 600.0, "pA, last current"),
    "points": (int, 61, "how many currents"),
    "sigma": (float, 0.0, "pA sqrt(s), amplitude of white noise on top"),
    **COMMON,
    **NEURON,
}


def add(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "fi",
        help="draw an f-I curve",
        description="Firing rate against constant current, with the closed form (under noise, Siegert's rate) over it. "
        "Writes a folder with summary.json, settings.toml, fi.csv and fi.png.",
        allow_abbrev=False,
    )
    add_flags(command, {name: told for name, told in KNOWN.items() if name not in NEURON}, "run")
    add_flags(command, NEURON, "neuron")
    add_output(command, "lifjax-fi")
    command.set_defaults(work=work, spread=None)


def work(given: Namespace) -> int:
    """Run, tell and write."""
    settings = read(given, KNOWN)
    if settings["spread"]:
        raise ValueError("spread is for `lifjax run`; an f-I curve is of one neuron, so leave it out")
    check_seed(settings["seed"])
    check_value("first", settings["first"], Parameter("pA", "first current"))
    check_value("last", settings["last"], Parameter("pA", "last current"))
    check_value("points", settings["points"], Parameter("points", "number of currents", least=2))
    neuron = neuron_of(settings, 1)
    currents = np.linspace(settings["first"], settings["last"], settings["points"])

    folder = Folder(given.out, "lifjax-fi", given.force)
    with folder as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a curve stopped early, of which nothing is kept
        begun = time.perf_counter()
        rates = fi_curve(
            neuron,
            currents,
            settings["duration"],
            settings["dt"],
            background=white_noise(0.0, settings["sigma"]) if settings["sigma"] else 0.0,
            seed=settings["seed"],
            integrator=settings["integrator"],
            progress=not given.quiet,
        )
        seconds = time.perf_counter() - begun
        expected = theory.siegert_rate(neuron, currents, settings["sigma"])
        results = {"rheobase_pA": float(theory.rheobase(neuron)), "seconds": seconds}
        write_summary(draft, "fi", settings, {**results, "device": backend.device_name()})
        (draft / "settings.toml").write_text(to_toml(settings), encoding="utf-8")
        table = np.column_stack([currents, rates, expected])
        header = "current_pA,rate_hz,theory_hz"
        np.savetxt(draft / "fi.csv", table, fmt="%.6g", delimiter=",", header=header, comments="")
        _draw(draft / "fi.png", currents, rates, neuron, settings["sigma"])
    print_table(
        {
            "rheobase": f"{results['rheobase_pA']:g} pA",
            "rates": f"{rates.min():g} to {rates.max():g} Hz at {currents[0]:g} to {currents[-1]:g} pA",
            "from theory": f"at most {np.abs(rates - expected).max():.2f} Hz away",
            "seconds": f"{seconds:.2f}, compilation included",
            "device": backend.device_name(),
        }
    )
    print(f"written to {folder.path}")
    return 0


def _draw(path: Path, currents: np.ndarray, rates: np.ndarray, neuron: LIF, sigma: float) -> None:
    import matplotlib.pyplot as plt  # only here, so that refusals come at once

    from lifjax import plot

    figure, ax = plt.subplots(layout="constrained")
    plot.fi_curve(currents, rates, neuron, sigma=sigma, ax=ax)
    figure.savefig(path, dpi=150)
    plt.close(figure)
