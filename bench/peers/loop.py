"""The Neuromatch tutorial's loop over time in plain Python, for one neuron."""

import platform

import numpy as np
import protocol as p

work = p.workload()
if work["neurons"] != 1:
    p.cannot("it is a loop over time for one neuron")
steps = work["steps"]
rng = np.random.default_rng(0)


def run() -> int:
    """The tutorial's run_LIF: V at every step and the spike times."""
    current = np.full(steps, float(p.currents(1)[0]))
    if work["stimulus"] == "noise":
        current = current + p.SPREAD * rng.standard_normal(steps)
    v, wait, spikes = np.zeros(steps), 0.0, []
    v[0] = p.V_RESET
    for k in range(steps - 1):
        if wait > 0:
            v[k] = p.V_RESET
            wait -= 1
        elif v[k] >= p.V_TH:
            spikes.append(k)
            v[k] = p.V_RESET
            wait = p.N_REF
        v[k + 1] = v[k] + (-(v[k] - p.E_L) + current[k] / p.G_L) * (p.DT / p.TAU_M)
    return len(np.array(spikes) * p.DT)


p.serve(run, {"python": platform.python_version(), "numpy": np.__version__})
