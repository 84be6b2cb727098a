"""NEST as an oracle: one population of one of its models, run in a process of its own.

A step here is one of NEST's: what reaches a neuron at time t acts from t on, and a spike at the grid time t has the
time t in both.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_DELAY = 1.0  # ms, from a generator of spikes to a neuron


def run(
    model, params, duration, *, dt=0.1, n=1, each=None, arrivals=(), currents=(), record=("V_m",), seed=1, options=None
):
    """What n neurons did.

    Args:
        model, params: as for ``nest.Create``.
        duration: [ms].
        dt: grid step [ms].
        n: how many neurons.
        each: parameters with a value for each neuron.
        arrivals: triples (times at which spikes reach the neuron [ms], weights, receptor).
        currents: pairs (times from which on the neuron has it [ms], amplitudes [pA]).
        record: what to record, at every step.
        seed: of NEST.
        options: of its kernel.

    Returns:
        times (steps,), each of record (steps, n), spike_times (a list of n arrays).
    """
    job = {
        "model": model, "params": params, "duration": duration, "dt": dt, "n": n, "each": each or {},
        "arrivals": [[np.asarray(x).tolist() for x in one] for one in arrivals],
        "currents": [[np.asarray(x).tolist() for x in one] for one in currents],
        "record": list(record), "seed": seed, "options": options or {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        told, found = Path(folder, "job.json"), Path(folder, "found.npz")
        told.write_text(json.dumps(job, default=lambda x: np.asarray(x).tolist()))
        quiet = {**os.environ, "PYNEST_QUIET": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, __file__, told, found], env=quiet, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"NEST failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        with np.load(found) as arrays:
            out = dict(arrays)
    spikes, senders = out.pop("spikes"), out.pop("senders")
    return {**out, "spike_times": [np.sort(spikes[senders == i]) for i in range(n)]}


def _work(job):
    """The same within this process, where NEST is."""
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=job["dt"], rng_seed=job["seed"], total_num_virtual_procs=1, **job["options"])
    neurons = nest.Create(job["model"], job["n"], params=job["params"])
    for name, values in job["each"].items():
        neurons.set([{name: value} for value in values])
    for times, weights, receptor in job["arrivals"]:
        generator = nest.Create(
            "spike_generator",
            params={"spike_times": np.round(np.asarray(times) - _DELAY, 6), "spike_weights": weights},
        )
        nest.Connect(generator, neurons, syn_spec={"weight": 1.0, "delay": _DELAY, "receptor_type": receptor})
    for times, amplitudes in job["currents"]:
        generator = nest.Create(
            "step_current_generator",
            params={"amplitude_times": np.round(np.asarray(times) - job["dt"], 6), "amplitude_values": amplitudes},
        )
        nest.Connect(generator, neurons, syn_spec={"weight": 1.0, "delay": job["dt"]})
    meter = nest.Create("multimeter", params={"interval": job["dt"], "record_from": job["record"]})
    nest.Connect(meter, neurons)
    recorder = nest.Create("spike_recorder")
    nest.Connect(neurons, recorder)
    nest.Simulate(job["duration"] + 2.0)  # what happens in the last stretch is told one later
    seen, fired = meter.events, recorder.events
    until = job["duration"] + job["dt"] / 2
    kept = seen["times"] <= until
    order = np.lexsort((seen["senders"], seen["times"]))
    order = order[kept[order]]
    shape = (-1, job["n"])
    fired_in = fired["times"] <= until
    return {
        "times": seen["times"][order].reshape(shape)[:, 0],
        **{name: seen[name][order].reshape(shape) for name in job["record"]},
        "spikes": fired["times"][fired_in],
        "senders": fired["senders"][fired_in] - neurons.tolist()[0],
    }


if __name__ == "__main__":
    np.savez(sys.argv[2], **_work(json.loads(Path(sys.argv[1]).read_text())))
