"""BrainPy: a group of neurons stepped by bm.for_loop under bm.jit; float32, on the CPU."""

# /// script
# dependencies = ["brainpy==2.8.2", "brainstate==0.5.4", "jax==0.10.2", "jaxlib==0.10.2", "numpy==2.4.6"]
# ///

import os

import numpy as np
import protocol as p

work = p.workload()
neurons, steps, record = work["neurons"], work["steps"], work["record"]
os.environ["NPROC"] = str(work["threads"])  # of XLA
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(work['threads'] > 1).lower()}"
import brainpy as bp  # noqa: E402
import brainpy.math as bm  # noqa: E402
import jax  # noqa: E402

I, numbers = bm.asarray(p.currents(neurons)), np.arange(steps)
CHUNK = max(1, 4 * 10**9 // neurons)  # steps whose raster of spikes takes 4 GB


class Group(bp.dyn.NeuDyn):
    """Counts refractory steps; BrainPy's LifRef, which keeps the time of the last spike, takes 1.4 times as long."""

    def reset_state(self) -> None:
        self.V = bm.Variable(bm.full(neurons, p.E_L, dtype=np.float32))
        self.wait, self.count = (bm.Variable(bm.zeros(neurons, dtype=np.int32)) for _ in range(2))

    def update(self, _: jax.Array) -> jax.Array | None:
        """One step, and what is kept of it."""
        drive = I + p.SPREAD * bm.random.randn(neurons) if work["stimulus"] == "noise" else I
        held = self.wait.value > 0
        fired = ~held & (self.V.value >= p.V_TH)
        V = bm.where(held | fired, p.V_RESET, self.V.value)
        self.wait.value = bm.where(fired, p.N_REF, bm.maximum(self.wait.value - 1, 0))
        self.V.value = integral(V, 0.0, drive, p.DT)
        if record != "spikes":
            self.count.value = self.count.value + fired
        return {"spikes": fired, "V": V}.get(record)


integral = bp.odeint(lambda V, t, I: (p.E_L - V + I / p.G_L) / p.TAU_M, method="euler")
group = Group(neurons)
loop = bm.jit(lambda numbers: bm.for_loop(group.update, numbers))


def run() -> int:
    """All steps from the start."""
    group.reset_state()
    if record == "spikes":  # np.nonzero of the two dimensions takes 7 times as long
        rasters = (np.asarray(loop(numbers[k : k + CHUNK])) for k in range(0, steps, CHUNK))
        return sum(len(np.divmod(np.flatnonzero(raster), neurons)[0]) for raster in rasters)
    jax.block_until_ready(loop(numbers))
    return int(np.asarray(group.count.value).sum(dtype=np.int64))


note = "seconds of the whole run without compiling, float32; spikes: the raster of all steps, then np.flatnonzero"
p.serve(run, {"brainpy": bp.__version__, "jax": jax.__version__, "numpy": np.__version__}, note)
