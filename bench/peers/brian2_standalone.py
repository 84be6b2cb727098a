"""Brian2, C++ standalone: built once at the start, then the compiled program is run; float32, OpenMP if threads > 1."""

# /// script
# dependencies = ["brian2==2.9.0", "numpy<2.4", "setuptools"]
# ///

import shutil
import tempfile
from importlib.metadata import version

import brian2 as b
import protocol as p

work = p.workload()
neurons, record, threads = work["neurons"], work["record"], work["threads"]
folder = tempfile.mkdtemp(prefix="brian2_")
b.set_device("cpp_standalone", build_on_run=False)
b.prefs.core.default_float_dtype = b.float32
b.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-ffast-math", "-march=native", "-std=c++11"]
b.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0  # 0: compiled without OpenMP
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
b.Network(group, *monitors).run(work["steps"] * p.DT * b.ms)
b.device.build(directory=folder, run=False)


def run() -> tuple[float, int]:
    """The compiled program from its start; the seconds are those of its loop over time."""
    b.device.array_cache[spikes.variables["N"]] = None  # else the number of the first run is told again
    b.device.run(with_output=False)
    return b.device._last_run_time, spikes.num_spikes


try:
    p.serve(
        run,
        {"brian2": version("brian2"), "numpy": version("numpy")},
        "seconds of the loop over time as the program reports them, without its start and writing its results; "
        "counts: SpikeMonitor(record=False)",
    )
finally:
    shutil.rmtree(folder, ignore_errors=True)
