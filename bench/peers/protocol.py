"""How the benchmark speaks with a peer: one line of JSON at a time, through standard input and output.

A peer is started with its workload as argument. It sets itself up, does one run that is not timed, and says that it is
ready, or that it cannot do the work and why. Then it does the work once for each line "run", and says how long it took
and how many spikes there were.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

V_TH, V_RESET, E_L, TAU_M, G_L, DT, N_REF = -55.0, -75.0, -75.0, 10.0, 10.0, 0.1, 20  # mV, ms, nS, steps
SPREAD = 500.0  # pA, standard deviation of the noise in a step: sigma = 5 pA sqrt(s) at dt = 0.1 ms


def workload() -> dict[str, Any]:
    """What is to be done: neurons, steps, stimulus ("dc" or "noise"), record ("counts", "spikes" or "V"), threads."""
    return json.loads(sys.argv[1])


def currents(neurons: int) -> np.ndarray:
    """The constant current, or the mean of the noise, of each neuron [pA], float32."""
    return np.full(1, 300.0, np.float32) if neurons == 1 else np.linspace(150, 500, neurons, dtype=np.float32)


def cannot(reason: str) -> None:
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
    run()
    _say({"ready": True, "versions": versions, "note": note})
    for line in sys.stdin:
        if line.strip() != "run":
            return
        begun = time.perf_counter()
        told = run()
        seconds = time.perf_counter() - begun
        seconds, spikes = told if isinstance(told, tuple) else (seconds, told)
        _say({"seconds": float(seconds), "spikes": int(spikes)})


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=getattr(_say, "to", sys.stdout), flush=True)
