"""Rates to tau_m and g_L with lifjax.fit_rates as its users call it, checks and all, float32, on all cores."""

import time

import jax
import numpy as np
import protocol as p

import lifjax

work = p.workload()
neurons, steps = work["neurons"], work["steps"]
duration = steps * p.DT
wanted = p.fit_counts(*p.truths(neurons), steps)
rates = wanted / (duration / 1000)
guess = lifjax.LIF(**{name: np.full(neurons, x) for name, x in zip(p.FIT_BOUNDS, p.FIT_START, strict=True)})


def run() -> tuple[float, int]:
    """The fit; what was found is looked at by a plain loop in float64, which is not timed."""
    begun = time.perf_counter()
    fit = lifjax.fit_rates(
        guess,
        p.FIT_CURRENTS[:, None],
        rates,
        duration,
        bounds=p.FIT_BOUNDS,
        tolerance=p.FIT_CLOSE,
        steps=200,
        patience=60,
    )
    seconds = time.perf_counter() - begun
    found = p.fit_counts(fit.neuron.tau_m, fit.neuron.g_L, steps)
    p.demand(found, wanted, steps)
    return seconds, int(found.sum())


p.serve(
    run,
    {"lifjax": lifjax.__version__, "jax": jax.__version__, "numpy": np.__version__},
    f"seconds of the whole call of fit_rates, without compiling; float32; start {p.FIT_START}, tolerance 0.5 Hz",
)
