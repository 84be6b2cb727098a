"""A gradient step with Norse's lif_box step and its refractory update, by torch's autograd on the CPU; float32."""
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
neurons, steps = work["neurons"], work["steps"]
torch.set_num_threads(work["threads"])
I = torch.from_numpy(p.currents(neurons))
tau_m, conductance = (torch.full((neurons,), value, requires_grad=True) for value in (p.TAU_M, p.G_L))
# V is counted in units of the reset, from V_reset, which is E_L: in mV what passes through Norse's reset grows from
# step to step until it is not finite.
UNIT = p.V_TH - p.V_RESET
alpha, rho_reset = torch.tensor(100.0), torch.tensor(float(p.N_REF))  # Norse's own alpha
CHUNK = 10  # steps compiled together


def go_on(V: torch.Tensor, rho: torch.Tensor, count: torch.Tensor, drive: torch.Tensor, rate: torch.Tensor) -> tuple:
    """The next steps."""
    box = LIFBoxParameters(tau_mem_inv=rate, v_leak=0.0, v_th=1.0, v_reset=0.0, method="super", alpha=alpha)
    refractory = LIFRefracParameters(lif=box, rho_reset=rho_reset)
    for _ in range(CHUNK):
        state = LIFRefracFeedForwardState(LIFBoxFeedForwardState(V), rho)
        spikes, after = lif_box_feed_forward_step(drive, state.lif, box, p.DT)
        V, spikes, rho = compute_refractory_update(state, spikes, after.v, refractory)
        count = count + spikes
    return V, rho, count


if work["mode"] == "compiled":
    go_on = torch.compile(go_on, fullgraph=True)


def run() -> int:
    """Forward, and backward."""
    tau_m.grad = conductance.grad = None
    V, rho, count = (torch.zeros(neurons) for _ in range(3))
    drive, rate = I / UNIT / conductance, 1 / tau_m
    for _ in range(0, steps, CHUNK):
        V, rho, count = go_on(V, rho, count, drive, rate)
    ((count - p.WANTED * steps * p.DT) ** 2).mean().backward()
    if not all(bool(x.grad.isfinite().all() and x.grad.any()) for x in (tau_m, conductance)):
        p.cannot("the gradient is nothing or not finite")
    return int(count.detach().sum(dtype=torch.float64))


p.serve(
    run,
    {"norse": norse.__version__, "torch": torch.__version__, "numpy": np.__version__},
    f"seconds of a gradient with respect to tau_m and g_L of each neuron, float32, {work['mode']}; "
    "lif_box_feed_forward_step and lif_refrac's compute_refractory_update with SuperSpike's surrogate",
)
