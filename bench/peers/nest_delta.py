"""NEST's iaf_psc_delta, which takes the exact step of the membrane equation instead of Euler's; float64, threads."""

# /// script
# dependencies = ["nest-simulator==3.10.0", "numpy==2.4.6"]
# ///

import os
import sys
import time

import numpy as np
import protocol as p

# What NEST says on standard output when imported would be taken for an answer: its greeting, and that it ignores this.
sys.argv.append("--quiet")
os.environ.pop("OMP_NUM_THREADS", None)
import nest  # noqa: E402

work = p.workload()
neurons, record = work["neurons"], work["record"]
I = p.currents(neurons).astype(float)
nest.verbosity = nest.VerbosityLevel.ERROR
# NEST goes through min_delay with one neuron before it takes up the next, and what is longer than the default of one
# step makes it up to twice as fast. The price: noise begins so much later, a multimeter's record ends so much earlier.
DELAY = 10.0  # ms
PARAMETERS = {"E_L": p.E_L, "V_m": p.E_L, "V_th": p.V_TH, "V_reset": p.V_RESET}
PARAMETERS |= {"tau_m": p.TAU_M, "C_m": p.TAU_M * p.G_L, "t_ref": p.N_REF * p.DT}


def run() -> tuple[float, int]:
    """Build the network anew and simulate it; only the simulation is timed."""
    nest.ResetKernel()
    nest.set(resolution=p.DT, local_num_threads=work["threads"], min_delay=DELAY, max_delay=DELAY)
    nest.SetDefaults("iaf_psc_delta", PARAMETERS)  # much faster than to give them to Create
    population = nest.Create("iaf_psc_delta", neurons)
    population.I_e = I
    link = {"delay": DELAY}
    if work["stimulus"] == "noise":  # one generator has numbers of its own for each target
        noise = nest.Create("noise_generator", params={"std": p.SPREAD, "dt": p.DT})
        nest.Connect(noise, population, syn_spec=link)
    if record == "spikes":
        nest.Connect(population, nest.Create("spike_recorder"), syn_spec=link)
    if record == "V":
        meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": p.DT})
        nest.Connect(meter, population, syn_spec=link)
    nest.Prepare()
    begun = time.perf_counter()
    nest.Run(work["steps"] * p.DT)
    seconds = time.perf_counter() - begun
    nest.Cleanup()
    return seconds, nest.local_spike_counter


p.serve(
    run,
    {"nest": nest.__version__, "numpy": np.__version__},
    f"seconds of nest.Run, without building and Prepare; float64; min_delay {DELAY:g} ms; "
    "counts: the kernel's spike counter, a total; records stay in NEST's memory",
)
