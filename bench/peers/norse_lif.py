"""Norse's lif_box step and its refractory update, forward only, through torch.compile; float32, threads."""
# /// script
# dependencies = ["torch==2.13.0", "norse==1.1.0", "numpy"]
# ///

import norse
import numpy as np
import protocol as p
import torch
from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters, lif_box_feed_forward_step
from norse.torch.functional.lif_refrac import LIFRefracFeedForwardState, LIFRefracParameters, compute_refractory_update

work = p.workload()
neurons, steps, record = work["neurons"], work["steps"], work["record"]
torch.set_num_threads(work["threads"])
device = "cuda" if work["mode"] == "gpu" else "cpu"
I = torch.tensor(p.currents(neurons), device=device)
CHUNK = 10  # steps compiled together, which then share one loop over the neurons; 50 are no faster
# lif_refrac itself has a synaptic current; lif_box has none, and the two share the refractory update.
box = LIFBoxParameters(tau_mem_inv=1 / p.TAU_M, v_leak=p.E_L, v_th=p.V_TH, v_reset=p.V_RESET, method="heaviside")
refractory = LIFRefracParameters(lif=box, rho_reset=float(p.N_REF))


@torch.compile(fullgraph=True)
def go_on(V: torch.Tensor, rho: torch.Tensor, count: torch.Tensor, n: int, noise: torch.Tensor | None) -> tuple:
    """The next n steps, and what is recorded of each."""
    shown = []
    for k in range(n):
        state = LIFRefracFeedForwardState(LIFBoxFeedForwardState(V), rho)
        current = I if noise is None else I + p.SPREAD * noise[k]
        spikes, after = lif_box_feed_forward_step(current / p.G_L, state.lif, box, p.DT)
        V, spikes, rho = compute_refractory_update(state, spikes, after.v, refractory)
        count = count + spikes
        shown.append(V if record == "V" else spikes)
    return V, rho, count, None if record == "counts" else torch.stack(shown)


@torch.no_grad()
def run() -> int:
    """All steps from the start."""
    V = torch.full((neurons,), p.E_L, device=device)
    rho, count = torch.zeros_like(V), torch.zeros_like(V)
    noise = torch.empty(CHUNK, neurons, device=device) if work["stimulus"] == "noise" else None
    places, trace = [], torch.empty(steps if record == "V" else 0, neurons)
    for k in range(0, steps, CHUNK):
        n = min(CHUNK, steps - k)
        V, rho, count, shown = go_on(V, rho, count, n, None if noise is None else noise.normal_())
        if record == "V":
            trace[k : k + n] = shown
        elif record == "spikes":
            places.append(np.flatnonzero(shown.bool().numpy(force=True)) + k * neurons)
    if record == "spikes":
        return len(np.divmod(np.concatenate(places), neurons)[0])  # the steps, and the neurons
    return int(count.sum(dtype=torch.float64))


p.serve(
    run,
    {"norse": norse.__version__, "torch": torch.__version__, "numpy": np.__version__},
    "the loop over time, without compiling; float32; lif_box_feed_forward_step and lif_refrac's "
    f"compute_refractory_update, {CHUNK} steps to a call of torch.compile, no_grad; "
    "V is shown, and a spike comes, one step earlier, as the threshold (>, not >=) is tested after integrating",
)
