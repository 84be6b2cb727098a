"""``lifjax run``: simulate a population, say what it did, and write a folder."""

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lifjax import analysis, backend
from lifjax.cli.folder import Folder, finite, print_table, write_summary
from lifjax.cli.recording import Recorded, read_recording
from lifjax.cli.settings import (
    COMMON,
    NEURON,
    Known,
    Namespace,
    add_flags,
    neuron_of,
    read,
    spread_of,
    to_toml,
)
from lifjax.neurons import Parameter
from lifjax.neurons.check import check_value
from lifjax.record import Run
from lifjax.simulate import simulate
from lifjax.simulate.check import check_seed
from lifjax.stimulus import Stimulus, samples, white_noise

KNOWN: Known = {
    "neurons": (int, 10_000, "how many neurons"),
    **COMMON,
    "mean": (float, 190.0, "pA, mean of the input current"),
    "sigma": (float, 5.0, "pA sqrt(s), amplitude of its white noise"),
    "current": (str, None, "CSV file with columns time_ms,current_pA[,voltage_mV] to drive the neurons with"),
    **NEURON,
}


def add(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "run",
        help="run a population, print a table, write spikes and pictures",
        description="Run a population of LIF neurons under white noise, or under a recorded current. Prints a short "
        "table and writes a folder with summary.json, settings.toml, spikes.npz and pictures.",
        epilog="With --current, the defaults are one neuron, the length of the recording, mean 0 and sigma 0.",
        allow_abbrev=False,
    )
    add_flags(command, {name: told for name, told in KNOWN.items() if name not in NEURON}, "run")
    add_flags(command, NEURON, "neuron")
    command.add_argument(
        "--spread",
        type=spread_of,
        action="append",
        metavar="NAME=SD",
        help="standard deviation of a parameter over neurons",
    )
    add_output(command, "lifjax-run")
    command.set_defaults(work=work)


def add_output(command: argparse.ArgumentParser, folder: str) -> None:
    """Add the flags that every command that writes a folder has."""
    group = command.add_argument_group("files")
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the same names; flags go before it")
    group.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder to write [{folder}, or the next free {folder}-N]"
    )
    group.add_argument("--force", action="store_true", help="replace a run that is in the folder")
    group.add_argument("--quiet", action="store_true", help="no progress bar")


def work(given: Namespace) -> int:
    """Run, tell and write."""
    settings = read(given, KNOWN)
    recorded = None
    if settings["current"] is not None:
        settings["current"] = str(Path(settings["current"]).absolute())
        recorded = read_recording(Path(settings["current"]))
        file = read(given, {name: (kind, None, told) for name, (kind, _, told) in KNOWN.items()})
        free = {"neurons": 1, "mean": 0.0, "sigma": 0.0, "duration": len(recorded.current) * recorded.dt}
        settings |= {name: value for name, value in free.items() if file[name] is None}
    check_seed(settings["seed"])
    neurons = settings["neurons"]
    check_value("neurons", neurons, Parameter("neurons", "size of the population", least=1))
    neuron = neuron_of(settings, neurons)
    stimulus: Stimulus = white_noise(settings["mean"], settings["sigma"])
    if recorded is not None:
        stimulus = stimulus + samples(recorded.current, dt=recorded.dt)

    folder = Folder(given.out, "lifjax-run", given.force)
    with folder as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a run stopped early, which the table says
        begun = time.perf_counter()
        run = simulate(
            neuron,
            stimulus,
            settings["duration"],
            dt=settings["dt"],
            seed=settings["seed"],
            record=("V", "spikes", "current"),
            neurons=[0],
            integrator=settings["integrator"],
            population=neurons,
            progress=not given.quiet,
        )
        seconds = time.perf_counter() - begun
        if run.stopped:
            print("lifjax: stopping, writing what was done", file=sys.stderr)
        results = _results(run, seconds)
        write_summary(draft, "run", settings, {**results, "stopped early": run.stopped})
        (draft / "settings.toml").write_text(to_toml(settings), encoding="utf-8")
        times, which = run.events()
        np.savez_compressed(draft / "spikes.npz", time_ms=times, neuron=which.astype(np.uint32))
        _draw(draft, run, recorded)
    print_table(_table(run, results))
    print(f"written to {folder.path}")
    if run.stopped:
        print(f"stopped early, after {run.duration:g} of {settings['duration']:g} ms")
    return 130 if run.stopped else 0


def _results(run: Run, seconds: float) -> dict[str, Any]:
    trains = run.spike_times
    cv = analysis.cv(analysis.isi(trains))
    enough = np.isfinite(cv)
    steps = int(run.spike_count.size) * run.steps
    return {
        "spikes": int(run.spike_count.sum(dtype=np.int64)),
        "mean_rate_Hz": finite(run.firing_rate.mean()),
        "rate_std_Hz": finite(run.firing_rate.std()),
        "mean_cv": finite(np.mean(cv[enough])) if enough.any() else None,
        "duration_ms": run.duration,
        "seconds": seconds,
        "neuron_steps_per_second": steps / seconds,
        "device": backend.device_name(),
        "precision": str(run.state.neuron.V.dtype),
    }


def _table(run: Run, results: dict[str, Any]) -> dict[str, str]:
    cv, many = results["mean_cv"], run.spike_count.size > 1
    over = f" (std {results['rate_std_Hz']:.2f} over neurons)" if many else ""
    return {
        "neurons": f"{run.spike_count.size:,}",
        "duration": f"{run.duration:g} ms, dt {run.dt:g} ms, seed {run.seed}",
        "spikes": f"{results['spikes']:,}",
        "mean rate": f"{results['mean_rate_Hz']:.2f} Hz{over}",
        "CV": "too few intervals" if cv is None else f"{cv:.3f}" + (", mean over neurons" if many else ""),
        "seconds": f"{results['seconds']:.2f}, compilation included",
        "speed": f"{results['neuron_steps_per_second']:.3g} neuron-steps/s",
        "device": results["device"],
    }


def _draw(folder: Path, run: Run, recorded: Recorded | None) -> None:
    import matplotlib.pyplot as plt  # only here, so that refusals come at once

    from lifjax import plot

    figure = run.plot()
    figure.savefig(folder / "run.png", dpi=150)
    plt.close(figure)
    figure, ax = plt.subplots(layout="constrained")
    plot.isi_histogram(run, ax=ax)
    figure.savefig(folder / "isi.png", dpi=150)
    plt.close(figure)
    if recorded is not None and recorded.voltage is not None:
        figure, (top, bottom) = plt.subplots(
            2, 1, figsize=(10, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
        )
        top.plot(recorded.times, recorded.voltage, color="0.6", linewidth=0.8, label="recorded")
        plot.membrane_potential(run, ax=top)
        top.lines[1].set_label("lifjax")
        top.set_xlabel("")
        top.legend(loc="upper right")
        plot.current(run, ax=bottom)
        figure.savefig(folder / "voltage.png", dpi=150)
        plt.close(figure)
