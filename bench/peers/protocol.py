"""How the benchmark speaks with a peer: one line of JSON at a time, through standard input and output.

A peer is started with its workload as argument. It sets itself up, does one run, and says that it is ready and how long
that took, or that it cannot do the work and why. Then it does the work once for each line "run", and says how long it
took and how many spikes there were.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

V_TH, V_RESET, E_L, TAU_M, G_L, DT, N_REF = -55.0, -75.0, -75.0, 10.0, 10.0, 0.1, 20  # mV, ms, nS, steps
ON_END = 0.1  # s that a contestant is given in each round, however short its work
FIT_CURRENTS = np.array([220.0, 260.0, 310.0, 400.0, 500.0])  # pA, under which a neuron's rates are fitted
FIT_BOUNDS = {"tau_m": (5.0, 25.0), "g_L": (5.0, 20.0)}  # ms, nS
FIT_START, FIT_TRUTH, FIT_CLOSE = (10.0, 10.0), (12.0, 9.0), 0.5  # tau_m and g_L; Hz, the error that is to be reached
WANTED = 0.04  # spikes a ms that a gradient's loss asks for
CURRENTS = {
    "EIF": (300, 1500),
    "AdEx": (300, 1500),
    "QIF": (20, 250),
    "Izhikevich": (4, 20),
}  # pA, of the models whose range is another than the LIF's
SPREAD = 500.0  # pA, standard deviation of the noise in a step: sigma = 5 pA sqrt(s) at dt = 0.1 ms


def workload() -> dict[str, Any]:
    """What is to be done: neurons, steps, stimulus ("dc" or "noise"), record, threads, mode: see bench/workloads.py."""
    return json.loads(sys.argv[1])


def currents(neurons: int, model: str = "LIF") -> np.ndarray:
    """The constant current, or the mean of the noise, of each neuron [pA], float32."""
    if neurons == 1:
        return np.full(1, 300.0, np.float32)
    return np.linspace(*CURRENTS.get(model, (150, 500)), neurons, dtype=np.float32)


def truths(neurons: int) -> np.ndarray:
    """tau_m [ms] and g_L [nS] of the neurons whose rates are to be fitted, (2, neurons)."""
    if neurons == 1:
        return np.array(FIT_TRUTH)[:, None]
    return np.random.default_rng(0).uniform([[6.0], [6.0]], [[20.0], [14.0]], (2, neurons))


def fit_counts(tau_m: np.ndarray, g_L: np.ndarray, steps: int) -> np.ndarray:
    """Spikes of each neuron under each of FIT_CURRENTS, (5, neurons): a plain loop over time in float64."""
    drive = FIT_CURRENTS[:, None] / g_L
    gain = DT / np.broadcast_to(tau_m, drive.shape)
    V, wait, count = np.full(drive.shape, E_L), np.zeros(drive.shape, int), np.zeros(drive.shape, int)
    for _ in range(steps):
        held = wait > 0
        fired = ~held & (V >= V_TH)
        V[held | fired] = V_RESET
        wait -= held
        wait[fired] = N_REF
        count += fired
        V += (E_L - V + drive) * gain
    return count


def fit_error(found: np.ndarray, wanted: np.ndarray, steps: int) -> np.ndarray:
    """Root mean square error [Hz] of each neuron's rates, of spike counts (5, neurons)."""
    return np.sqrt(np.mean(((found - wanted) / (steps * DT / 1000)) ** 2, axis=0))


def demand(found: np.ndarray, wanted: np.ndarray, steps: int) -> None:
    """Say that the work cannot be done unless the rates of 99% of all neurons are right to FIT_CLOSE."""
    error = fit_error(found, wanted, steps)
    if not (error <= FIT_CLOSE).mean() >= 0.99:
        cannot(f"{(error > FIT_CLOSE).sum()} of {error.size} neurons are off by up to {error.max():.2g} Hz")


def cannot(reason: str) -> NoReturn:
    """Say that the work cannot be done, and end."""
    _say({"cannot": reason})
    sys.exit()


def serve(run: Callable[[], Any], versions: dict[str, str], note: str = "") -> None:
    """Do the work once to warm up, then as often as asked.

    ``run`` does it from the initial state and returns the number of spikes, or the seconds that it measured itself
    and the number of spikes.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a simulator prints is no answer
    _say.to = answers
    before = most_memory()
    first = _timed(run)
    _say({"ready": True, "versions": versions, "note": note, "first": first, "memory": most_memory() - before})
    for line in sys.stdin:
        if line.strip() != "run":
            return
        _say(_several(run) | {"memory": most_memory() - before})


def most_memory() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent had
        lines = (line.split() for line in status.read_text().splitlines())
        return next(int(words[1]) * 1024 for words in lines if words[0] == "VmHWM:")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _several(run: Callable[[], Any]) -> dict[str, float]:
    """The work once, or if it is short some times on end, of which the median: whoever has slept wakes up slowly."""
    begun, all_of_them = time.perf_counter(), [_timed(run)]
    while time.perf_counter() - begun < ON_END and len(all_of_them) < 100:
        all_of_them.append(_timed(run))
    return sorted(all_of_them, key=lambda one: one["seconds"])[len(all_of_them) // 2]


def _timed(run: Callable[[], Any]) -> dict[str, float]:
    begun = time.perf_counter()
    told = run()
    seconds = time.perf_counter() - begun
    seconds, spikes = told if isinstance(told, tuple) else (seconds, told)
    return {"seconds": float(seconds), "spikes": int(spikes)}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=getattr(_say, "to", sys.stdout), flush=True)
