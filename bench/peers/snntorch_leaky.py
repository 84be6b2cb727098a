"""snnTorch's Leaky neuron held for a refractory time, forward only, through torch.compile; float32."""
# /// script
# dependencies = ["torch==2.13.0", "snntorch==1.0.0", "numpy"]
# ///

import numpy as np
import protocol as p
import snntorch
import torch

work = p.workload()
neurons, steps, record = work["neurons"], work["steps"], work["record"]
torch.set_num_threads(work["threads"])
device = "cuda" if work["mode"] == "gpu" else "cpu"
I = torch.tensor(p.currents(neurons), device=device)
CHUNK = 10  # steps compiled together, which then share one loop over the neurons
gain = p.DT / p.TAU_M
# V is counted from V_reset, which is E_L: Leaky rests at 0 and resets to it.
leaky = snntorch.Leaky(1 - gain, p.V_TH - p.V_RESET, reset_mechanism="zero", surrogate_disable=True)


@torch.compile(fullgraph=True)
def go_on(V: torch.Tensor, wait: torch.Tensor, count: torch.Tensor, n: int, noise: torch.Tensor | None) -> tuple:
    """The next n steps, and what is recorded of each."""
    shown = []
    for k in range(n):
        current = I if noise is None else I + p.SPREAD * noise[k]
        spikes, V = leaky(current * (gain / p.G_L), V)
        held = wait > 0  # Leaky has no refractory time
        spikes = spikes.masked_fill(held, 0)
        V = V.masked_fill(held | (spikes > 0), 0)  # Leaky resets in the next step; reset_delay=False does not compile
        wait, count = torch.where(held, wait - 1, spikes * p.N_REF), count + spikes
        shown.append(V + p.E_L if record == "V" else spikes)
    return V, wait, count, None if record == "counts" else torch.stack(shown)


@torch.no_grad()
def run() -> int:
    """All steps from the start."""
    V, wait, count = (torch.zeros(neurons, device=device) for _ in range(3))
    noise = torch.empty(CHUNK, neurons, device=device) if work["stimulus"] == "noise" else None
    places, trace = [], torch.empty(steps if record == "V" else 0, neurons)
    for k in range(0, steps, CHUNK):
        n = min(CHUNK, steps - k)
        V, wait, count, shown = go_on(V, wait, count, n, None if noise is None else noise.normal_())
        if record == "V":
            trace[k : k + n] = shown
        elif record == "spikes":
            places.append(np.flatnonzero(shown.bool().numpy(force=True)) + k * neurons)
    if record == "spikes":
        return len(np.divmod(np.concatenate(places), neurons)[0])  # the steps, and the neurons
    return int(count.sum(dtype=torch.float64))


p.serve(
    run,
    {"snntorch": snntorch.__version__, "torch": torch.__version__, "numpy": np.__version__},
    f"the loop over time, without compiling; float32; {CHUNK} steps to a call of torch.compile, no_grad; "
    "Leaky has no refractory time: a counter around it holds V; "
    "V is shown, and a spike comes, one step earlier, as the threshold (>, not >=) is tested after integrating",
)
