"""What a GPU could do at most: operations and bytes of a neuron-step, and what the device has of both."""

import math
import subprocess
from typing import Any

import jax
import jax.numpy as jnp

import lifjax
from bench.workloads import Workload
from lifjax.simulate.core import make_ready
from lifjax.simulate.step import stepper
from lifjax.stimulus.base import terms
from lifjax.surrogate import threshold

LANES = 128  # float32 operations that a multiprocessor of an NVIDIA GPU can start in a cycle
_FREE = {
    "broadcast_in_dim",
    "convert_element_type",
    "reshape",
    "squeeze",
    "bitcast_convert_type",
    "copy",
    "stop_gradient",
}


def operations(stimulus: str) -> float:
    """Elementwise operations of a neuron-step: those of two steps of many neurons in JAX's own notation, halved."""
    n = 4096
    drive = lifjax.white_noise(jnp.full(n, 300.0), 5.0) if stimulus == "noise" else jnp.full(n, 300.0)
    plan, carry, _ = make_ready(lifjax.LIF(), terms(drive), 2, 0.1, 0, None, "euler", ())
    take = stepper(plan, threshold)
    return _count(jax.make_jaxpr(lambda carry, k: take(carry, k, 2))(carry, jnp.int32(0)).jaxpr, n) / 2


def _count(jaxpr: Any, n: int) -> int:
    total = 0
    for equation in jaxpr.eqns:
        inner = [x for x in equation.params.values() if hasattr(x, "eqns") or hasattr(x, "jaxpr")]
        if inner:
            total += sum(_count(getattr(x, "jaxpr", x), n) for x in inner)
        elif equation.primitive.name not in _FREE:
            total += any(math.prod(out.aval.shape) == n for out in equation.outvars)
    return total


def roofline(workload: Workload) -> dict[str, float | str]:
    """The most neuron-steps a second that the device's arithmetic allows, and its memory, for one workload.

    The state stays in registers; what moves is the bits of recorded spikes, and the state once a run.
    """
    device = jax.devices()[0]
    asked = ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits"]
    clock = float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0]) * 1e6
    ops = operations(workload.stimulus)
    return {
        "operations a neuron-step": ops,
        "bytes a neuron-step": (1 / 8 if workload.record == "spikes" else 0) + 24 / workload.steps,
        "operations a second": device.core_count * LANES * clock,
        "neuron-steps a second at most": device.core_count * LANES * clock / ops,
    }
