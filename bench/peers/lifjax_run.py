"""lifjax as its users call it: `lifjax.simulate`, checks and all, float32, on all cores or the GPU."""

import jax
import numpy as np
import protocol as p

import lifjax

work = p.workload()
neurons, record = work["neurons"], work["record"]
neuron = getattr(lifjax, work["model"])()
I = p.currents(neurons, work["model"])
I = float(I[0]) if neurons == 1 else I
drive = lifjax.white_noise(I, p.SPREAD * np.sqrt(p.DT / 1000)) if work["stimulus"] == "noise" else I
kept = {"counts": (), "V": ("V",), "spikes": ("spikes",), "events": ("spikes",)}[record]


def simulate() -> lifjax.Run:
    """One run from time 0."""
    return lifjax.simulate(neuron, drive, work["steps"] * p.DT, dt=p.DT, record=kept)


def spikes() -> int:
    """A run, and its spikes."""
    return int(simulate().spike_count.sum(dtype=np.int64))


def events(run: lifjax.Run) -> int:
    """Times and neurons of all spikes of a run."""
    return len(run.events()[0])


if record == "events":
    done = simulate()
p.serve(
    (lambda: events(done)) if record == "events" else spikes,
    {"lifjax": lifjax.__version__, "jax": jax.__version__, "numpy": np.__version__},
    f"seconds of the whole call, float32, on {lifjax.backend.device_name()}",
)
