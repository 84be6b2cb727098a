"""Brian2 in its runtime mode with Cython: what its users get without asking for more; one thread, float64."""

# /// script
# dependencies = ["brian2==2.9.0", "numpy<2.4", "setuptools"]
# ///

from importlib.metadata import version

import brian2 as b
import protocol as p

work = p.workload()
neurons, record = work["neurons"], work["record"]
b.prefs.codegen.target = "cython"
b.defaultclock.dt = p.DT * b.ms

# White noise xi in an Euler step is a normal number / sqrt(dt), so this sigma gives SPREAD in each step.
names = {
    "E_L": p.E_L * b.mV,
    "V_th": p.V_TH * b.mV,
    "V_reset": p.V_RESET * b.mV,
    "tau": p.TAU_M * b.ms,
    "g_L": p.G_L * b.nS,
    "sigma": p.SPREAD * b.pA * (p.DT * b.ms) ** 0.5,
}
drive = "(I + sigma*xi)/g_L" if work["stimulus"] == "noise" else "I/g_L"
# One step more than N_REF: Brian2 integrates before it tests the threshold, and counts the step of the spike as one of
# the refractory steps; the reference holds V for N_REF steps after it.
group = b.NeuronGroup(
    neurons,
    f"dV/dt = (E_L - V + {drive})/tau : volt (unless refractory)\nI : amp (constant)",
    threshold="V >= V_th",
    reset="V = V_reset",
    refractory=(p.N_REF + 1) * p.DT * b.ms,
    method="euler",
    namespace=names,
)
group.V = p.E_L * b.mV
group.I = p.currents(neurons) * b.pA
spikes = b.SpikeMonitor(group, record=record == "spikes")
monitors = [spikes] + ([b.StateMonitor(group, "V", record=True)] if record == "V" else [])
network = b.Network(group, *monitors)
network.store()


def run() -> tuple[float, int]:
    """All steps from the stored start; the seconds are those of the loop over time."""
    network.restore()
    network.run(work["steps"] * p.DT * b.ms)
    return b.device._last_run_time, spikes.num_spikes


p.serve(
    run,
    {"brian2": version("brian2"), "numpy": version("numpy")},
    "seconds of the loop over time as Brian2 measures them, without restore() and preparing the code; "
    "one thread, float64; counts: SpikeMonitor(record=False)",
)
