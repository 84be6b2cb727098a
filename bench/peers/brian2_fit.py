"""Rates to tau_m and g_L with brian2modelfitting: a population of guesses, simulated by Brian2 at once."""
# /// script
# dependencies = [
#   "brian2modelfitting==0.4", "brian2==2.9.0", "numpy<2", "pandas<3", "bayesian-optimization<2", "setuptools",
# ]
# ///

import shutil
import tempfile
import time
import warnings
from importlib.metadata import version

import brian2 as b
import brian2modelfitting as fitting
import numpy as np
import protocol as p

warnings.simplefilter("ignore")
work = p.workload()
neurons, steps = work["neurons"], work["steps"]
if neurons != 1:
    p.cannot("it fits one neuron at a time")
method, _, runtime = work["mode"].partition(", ")
folder = tempfile.mkdtemp(prefix="brian2_")
if runtime == "Cython":  # what one gets without asking for more
    b.prefs.codegen.target = "cython"
else:
    b.set_device("cpp_standalone", directory=folder)
b.BrianLogger.log_level_error()
np.float = float  # noqa: NPY001 - nevergrad 0.3, the only one that it takes, knows NumPy before 1.24
wanted = p.fit_counts(*p.truths(1), steps)
ROUNDS = 100  # of guesses, at most


class RateError(fitting.SpikeMetric):
    """Root mean square error of the rates [Hz]."""

    def get_features(self, traces: list, output: list, dt: object) -> np.ndarray:
        """The spikes of each sample under each current."""
        return np.array([[len(spikes) for spikes in sample] for sample in traces])

    def get_errors(self, features: np.ndarray) -> np.ndarray:
        """One error a sample."""
        return p.fit_error(features.T, wanted, steps)


E_L, V_th, V_reset = p.E_L * b.mV, p.V_TH * b.mV, p.V_RESET * b.mV
# One step more than N_REF: see brian2_cython.py.
fitter = fitting.SpikeFitter(
    model="""dV/dt = (E_L - V + I/(g_L*nsiemens))/(tau_m*ms) : volt (unless refractory)
    tau_m : 1 (constant)
    g_L : 1 (constant)""",
    input=np.repeat(p.FIT_CURRENTS[:, None], steps, axis=1) * b.pA,
    output=[np.zeros(0) * b.second] * len(p.FIT_CURRENTS),
    dt=p.DT * b.ms,
    threshold="V >= V_th",
    reset="V = V_reset",
    refractory=(p.N_REF + 1) * p.DT * b.ms,
    method="euler",
    n_samples=30,
    param_init={"V": E_L},
)
runs = 0


def good(parameters: list, errors: list, best: dict, error: float, index: int) -> bool:
    """Whether to end the search."""
    return bool(error <= p.FIT_CLOSE)


def run() -> tuple[float, int]:
    """A search with other random numbers than the one before; what it found is looked at by a plain loop in float64."""
    global runs
    np.random.seed(runs)  # noqa: NPY002 - nevergrad 0.3 draws from it
    runs += 1
    begun = time.perf_counter()
    best, _ = fitter.fit(
        optimizer=fitting.NevergradOptimizer(method=method),
        metric=RateError(),
        n_rounds=ROUNDS,
        callback=good,
        restart=True,
        **p.FIT_BOUNDS,
    )
    seconds = time.perf_counter() - begun
    found = p.fit_counts(*(np.array([float(best[name])]) for name in p.FIT_BOUNDS), steps)
    p.demand(found, wanted, steps)
    return seconds, int(found.sum())


try:
    p.serve(
        run,
        {name: version(name) for name in ("brian2modelfitting", "brian2", "nevergrad", "numpy")},
        f"seconds of SpikeFitter.fit once its code is compiled, another seed each time; nevergrad's {method}, 30 "
        f"samples a round, Brian2 {runtime or 'C++ standalone'}; float64, one thread; it has no start, only bounds",
    )
finally:
    shutil.rmtree(folder, ignore_errors=True)
