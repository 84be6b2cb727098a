"""NEST's iaf_psc_delta, which takes the exact step of the membrane equation instead of Euler's; float64, threads."""

import sys

import protocol as p

sys.argv.append("--quiet")  # NEST reads the arguments; its greeting on standard output would be taken for an answer
import nest  # noqa: E402

work = p.workload()
neurons, record = work["neurons"], work["record"]
I = p.currents(neurons).astype(float)
nest.verbosity = nest.VerbosityLevel.ERROR


def run() -> tuple[float, int]:
    """Build the network anew and simulate it; only the simulation is timed."""
    nest.ResetKernel()
    nest.set(resolution=p.DT, local_num_threads=work["threads"])
