"""A gradient step with snnTorch's Leaky neuron held for a refractory time, by torch's autograd on the CPU; float32."""
# /// script
# dependencies = ["torch==2.13.0", "snntorch==1.0.0", "numpy"]
# ///

import numpy as np
import protocol as p
import snntorch
import torch

work = p.workload()
neurons, steps = work["neurons"], work["steps"]
torch.set_num_threads(work["threads"])
I = torch.from_numpy(p.currents(neurons))
CHUNK = 10  # steps compiled together
gain = p.DT / p.TAU_M
# V is counted from V_reset, which is E_L: Leaky rests at 0 and resets to it.
leaky = snntorch.Leaky(
    torch.full((neurons,), 1 - gain), p.V_TH - p.V_RESET, snntorch.surrogate.atan(), learn_beta=True,
    reset_mechanism="zero",
)  # fmt: skip
weight = torch.full((neurons,), gain / p.G_L, requires_grad=True)


def go_on(V: torch.Tensor, wait: torch.Tensor, count: torch.Tensor, drive: torch.Tensor) -> tuple:
    """The next steps."""
    for _ in range(CHUNK):
        spikes, V = leaky(drive, V)
        held = wait > 0  # Leaky has no refractory time
        spikes = spikes.masked_fill(held, 0)
        fired = spikes.detach() > 0
        V = V.masked_fill(held | fired, 0)  # Leaky resets in the next step; reset_delay=False does not compile
        wait = torch.where(held, wait - 1, fired * float(p.N_REF))
        count = count + spikes
    return V, wait, count


if work["mode"] == "compiled":
    go_on = torch.compile(go_on, fullgraph=True)


def run() -> int:
    """Forward, and backward."""
    leaky.beta.grad = weight.grad = None
    V, wait, count = (torch.zeros(neurons) for _ in range(3))
    drive = I * weight
    for _ in range(0, steps, CHUNK):
        V, wait, count = go_on(V, wait, count, drive)
    ((count - p.WANTED * steps * p.DT) ** 2).mean().backward()
    if not all(bool(x.grad.isfinite().all() and x.grad.any()) for x in (leaky.beta, weight)):
        p.cannot("the gradient is nothing or not finite")
    return int(count.detach().sum(dtype=torch.float64))


p.serve(
    run,
    {"snntorch": snntorch.__version__, "torch": torch.__version__, "numpy": np.__version__},
    f"seconds of a gradient with respect to beta (the decay) and a weight of the current of each neuron, float32, "
    f"{work['mode']}; Leaky has no refractory time: a counter around it holds V; its reset has no derivative",
)
