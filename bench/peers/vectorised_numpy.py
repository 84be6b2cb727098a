"""NumPy vectorised over the neurons, float32, with a loop over time: what people write first."""

import numpy as np
import protocol as p

work = p.workload()
neurons, steps, record = work["neurons"], work["steps"], work["record"]
I, f32 = p.currents(neurons), np.float32
gain = f32(p.DT / p.TAU_M)
rng = np.random.default_rng(0)


def run() -> int:
    """All steps from the start."""
    V, wait, count = np.full(neurons, p.E_L, f32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    when, who, trace = [], [], np.empty((steps, neurons) if record == "V" else 0, f32)
    drive = I / f32(p.G_L)
    for k in range(steps):
        held = wait > 0
        fired = ~held & (V >= p.V_TH)
        V[held | fired] = p.V_RESET
        wait[held] -= 1
        wait[fired] = p.N_REF
        if record == "spikes":
            places = np.flatnonzero(fired)
            who.append(places)
            when.append(np.full(len(places), k))
        else:
            count += fired
        if record == "V":
            trace[k] = V
        if work["stimulus"] == "noise":
            drive = (I + f32(p.SPREAD) * rng.standard_normal(neurons, dtype=f32)) / f32(p.G_L)
        V += (f32(p.E_L) - V + drive) * gain
    return len(np.concatenate(who)) if record == "spikes" else int(count.sum())


p.serve(run, {"numpy": np.__version__})
