"""Brian2's C++ standalone on AdEx neurons, as brian2_standalone.py: float32, OpenMP if threads > 1."""

# /// script
# dependencies = ["brian2==2.9.0", "numpy<2.4", "setuptools"]
# ///

import shutil
import tempfile
from importlib.metadata import version

import brian2 as b
import protocol as p

work = p.workload()
neurons, threads = work["neurons"], work["threads"]
folder = tempfile.mkdtemp(prefix="brian2_")
b.set_device("cpp_standalone", build_on_run=False)
b.prefs.core.default_float_dtype = b.float32
b.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-ffast-math", "-march=native", "-std=c++11"]
b.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0  # 0: compiled without OpenMP
b.defaultclock.dt = p.DT * b.ms

# Brette and Gerstner (2005), as the defaults of lifjax.AdEx.
names = {
    "C_m": 281 * b.pF, "g_L": 30 * b.nS, "E_L": -70.6 * b.mV, "V_th": -50.4 * b.mV, "Delta_T": 2 * b.mV,
    "V_peak": 0 * b.mV, "V_reset": -60 * b.mV, "a": 4 * b.nS, "b_w": 80.5 * b.pA, "tau_w": 144 * b.ms,
}  # fmt: skip
group = b.NeuronGroup(
    neurons,
    """dV/dt = (g_L*(E_L - V) + g_L*Delta_T*exp((V - V_th)/Delta_T) - w + I)/C_m : volt
    dw/dt = (a*(V - E_L) - w)/tau_w : amp
    I : amp (constant)""",
    threshold="V >= V_peak",
    reset="V = V_reset; w += b_w",
    method="euler",
    namespace=names,
)
group.V = names["E_L"]
group.I = p.currents(neurons, "AdEx") * b.pA
spikes = b.SpikeMonitor(group, record=work["record"] == "spikes")
b.Network(group, spikes).run(work["steps"] * p.DT * b.ms)
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
