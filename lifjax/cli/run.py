"""``lifjax run``: simulate a population, say what it did, and write a folder."""

import argparse
import importlib.util
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lifjax import analysis, backend, processes
from lifjax.cli import several
from lifjax.cli.folder import SETTINGS, STORED, Folder, finite, free_name, print_table, write_summary
from lifjax.cli.recording import Recorded, read_recording
from lifjax.cli.settings import (
    COMMON,
    NEURON,
    Known,
    Namespace,
    Settings,
    add_flags,
    neuron_of,
    read,
    spread_of,
    to_toml,
)
from lifjax.neurons import Parameter
from lifjax.neurons.check import check_value
from lifjax.record import Run
from lifjax.simulate import resume, simulate
from lifjax.simulate.check import check_seed
from lifjax.stimulus import Stimulus, samples, white_noise
from lifjax.store import StoredRun, load

KNOWN: Known = {
    "neurons": (int, 10_000, "how many neurons"),
    **COMMON,
    "mean": (float, 190.0, "pA, mean of the input current"),
    "sigma": (float, 5.0, "pA sqrt(s), amplitude of its white noise"),
    "current": (str, None, "CSV file with columns time_ms,current_pA[,voltage_mV] to drive the neurons with"),
    **NEURON,
}
MOST_SPIKES = 20_000_000  # that are drawn, and written as one table too
_TOGETHER = 16_384  # neurons whose spikes are in memory at once
Told = tuple[Run, dict[str, Any]]


def add(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "run",
        help="run a population, print a table, write spikes and pictures",
        description="Run a population of LIF neurons under white noise, or under a recorded current. Prints a short "
        "table and writes a folder with summary.json, settings.toml, spikes.npz and pictures.",
        epilog="With --out the run is written while it goes on (pip install 'lifjax[store]'); --resume goes on with "
        "it, whatever ended it. With --current, the defaults are one neuron, the length of the recording, mean 0 and "
        "sigma 0.",
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
    add_output(command, "lifjax-run").add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with the run in a folder, whatever ended it"
    )
    several.add(command)
    command.set_defaults(work=work)


def add_output(command: argparse.ArgumentParser, folder: str) -> Any:
    """Add the flags that every command that writes a folder has; their group."""
    group = command.add_argument_group("files")
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the same names; flags go before it")
    group.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder to write [{folder}, or the next free {folder}-N]"
    )
    group.add_argument("--force", action="store_true", help="replace a run that is in the folder")
    group.add_argument("--quiet", action="store_true", help="no progress bar")
    return group


def work(given: Namespace) -> int:
    """Run, tell and write."""
    several.check(given)
    if given.processes is not None and given.join is None:
        return _start(given)
    shared = several.join(given)
    if given.resume is not None:
        return _resume(given)
    settings, how, recorded = processes.together(lambda: _asked(given)) if shared else _asked(given)
    if shared or (given.out is not None and importlib.util.find_spec("zarr") is not None):
        return _stored(given, settings, how, recorded)
    folder = Folder(given.out, "lifjax-run", given.force)
    if given.out is not None:
        why = "without zarr the run is written once it has ended, and a kill loses it"
        print(f"lifjax: {why}; pip install 'lifjax[store]' writes it while it goes on", file=sys.stderr)
    with folder as draft:
        told = _run(draft, settings, how, recorded)
    return _say(told, folder.path, settings)


def _start(given: Namespace) -> int:
    """Have the run done by several processes, once all that can be refused here has been."""
    if given.resume is not None:
        return several.start(given, given.resume)
    _asked(given)
    return several.start(given, free_name("lifjax-run") if given.out is None else given.out)


def _stored(given: Namespace, settings: Settings, how: dict[str, Any], recorded: Recorded | None) -> int:
    """Run, and write meanwhile; of several processes the first makes the folder and fills it in the end."""
    first = processes.number() == 0

    def begin() -> Folder | None:
        if not first:
            return None
        folder = Folder(given.out, "lifjax-run", given.force)
        try:
            (folder.begin() / SETTINGS).write_text(to_toml(settings), encoding="utf-8")
        except BaseException:
            folder.end(failed=True)
            raise
        return folder

    folder, failed = processes.together(begin), True
    path = Path(processes.meet({"path": str(folder.path) if folder else ""})[0]["path"])
    try:
        told = _run(path, settings, {**how, "out": path / STORED}, recorded)
        failed = False
    except KeyboardInterrupt:
        if first:
            print("lifjax: stopped at once, what was written is kept", file=sys.stderr)
        return 130
    finally:
        if folder is not None:
            folder.end(failed)
            if failed and given.join is None and (path / STORED).exists():
                print(f"lifjax: lifjax run --resume {given.out or path} goes on with what was done", file=sys.stderr)
    return _say(told, path, settings)


def _asked(given: Namespace) -> tuple[Settings, dict[str, Any], Recorded | None]:
    """The settings, what they are to `simulate`, and the recording that drives the neurons, if there is one."""
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
    stimulus: Stimulus = white_noise(settings["mean"], settings["sigma"])
    if recorded is not None:
        stimulus = stimulus + samples(recorded.current, dt=recorded.dt)
    how = {
        "neuron": neuron_of(settings, neurons), "stimulus": stimulus, "duration": settings["duration"],
        "dt": settings["dt"], "seed": settings["seed"], "record": ("V", "spikes", "current"), "neurons": [0],
        "integrator": settings["integrator"], "population": neurons, "progress": not given.quiet,
    }  # fmt: skip
    return settings, how, recorded


def _run(folder: Path, settings: Settings, how: dict[str, Any], recorded: Recorded | None) -> Told:
    """Run, and fill a folder."""
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a run stopped early, which the table says
        run = simulate(**how)
    seconds = time.perf_counter() - begun
    return processes.together(lambda: _fill(folder, run, settings, recorded, run.steps, seconds))


def _resume(given: Namespace) -> int:
    """Go on with the run in a folder."""
    others = [name for name in (*KNOWN, "spread", "config", "out") if getattr(given, name) is not None]
    if others:
        raise ValueError(f"--{others[0]} cannot be changed: --resume takes all from the folder; leave it out")
    path: Path = given.resume.absolute()
    if not path.is_dir():
        raise ValueError(f"--resume {given.resume} is no folder; give one that lifjax run --out wrote")
    bare = path.is_dir() and not (path / STORED).exists()  # what simulate(..., out=path) wrote
    stored = path if bare else path / STORED
    before, begun = processes.together(lambda: load(stored).steps), time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            run = resume(stored, progress=not given.quiet)
    except KeyboardInterrupt:
        print("lifjax: stopped at once, what was written is kept", file=sys.stderr)
        return 130
    seconds, steps = time.perf_counter() - begun, run.steps - before
    settings: Settings = {"duration": run.wanted * run.dt}
    if bare:
        return _say((run, _results(run, steps, seconds)), path, settings)
    config = argparse.Namespace(**dict.fromkeys([*KNOWN, "spread"]), config=path / SETTINGS)
    settings = read(config, KNOWN)
    current = settings["current"]
    recorded = read_recording(Path(current)) if current is not None and Path(current).exists() else None
    told = processes.together(lambda: _fill(path, run, settings, recorded, steps, seconds))
    return _say(told, path, settings)


def _fill(folder: Path, run: Run, settings: Settings, recorded: Recorded | None, steps: int, seconds: float) -> Told:
    """Write what came of a run, of which so many steps took so long; one of several processes does."""
    if processes.number() > 0:
        return run, {}
    if run.stopped:
        print("lifjax: stopping, writing what was done", file=sys.stderr)
    results = _results(run, steps, seconds)
    write_summary(folder, "run", settings, {**results, "stopped early": run.stopped})
    (folder / SETTINGS).write_text(to_toml(settings), encoding="utf-8")
    if results["spikes"] <= MOST_SPIKES:
        times, which = run.events()
        np.savez_compressed(folder / "spikes.npz", time_ms=times, neuron=which.astype(np.uint32))
        _draw(folder, run, recorded)
    return run, results


def _say(told: Told, path: Path, settings: Settings) -> int:
    """Print what came of it; the exit status."""
    run, results = told
    if processes.number() > 0:
        return 130 if run.stopped else 0
    print_table(_table(run, results))
    print(f"written to {path}")
    if results["spikes"] > MOST_SPIKES:
        kept = (
            f"lifjax.load reads {STORED}" if isinstance(run, StoredRun) else "with --out (lifjax[store]) all are kept"
        )
        print(f"more than {MOST_SPIKES:,} spikes: no pictures and no spikes.npz; {kept}")
    if run.stopped:
        on = f"; lifjax run --resume {path} goes on" if isinstance(run, StoredRun) else ""
        print(f"stopped early, after {run.duration:g} of {settings['duration']:g} ms{on}")
    return 130 if run.stopped else 0


def _results(run: Run, steps: int, seconds: float) -> dict[str, Any]:
    trains = [] if run.octets is None else run.spike_times if run.shape else [run.spike_times]
    parts = [slice(at, at + _TOGETHER) for at in range(0, len(trains), _TOGETHER)]
    cv = np.concatenate([np.zeros(0), *(analysis.cv(analysis.isi(trains[part])) for part in parts)])
    enough = np.isfinite(cv)
    return {
        "spikes": int(run.spike_count.sum(dtype=np.int64)),
        "mean_rate_Hz": finite(run.firing_rate.mean()),
        "rate_std_Hz": finite(run.firing_rate.std()),
        "mean_cv": finite(np.mean(cv[enough])) if enough.any() else None,
        "duration_ms": run.duration,
        "seconds": seconds if steps else None,
        "neuron_steps_per_second": run.spike_count.size * steps / seconds if steps else None,
        "device": (f"{processes.count()} processes on " if processes.count() > 1 else "") + backend.device_name(),
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
        **_speed(results),
        "device": results["device"],
    }


def _speed(results: dict[str, Any]) -> dict[str, str]:
    if results["seconds"] is None:
        return {"seconds": "none, nothing was left to run"}
    return {
        "seconds": f"{results['seconds']:.2f}, compilation included",
        "speed": f"{results['neuron_steps_per_second']:.3g} neuron-steps/s",
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
