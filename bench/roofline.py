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

LANES = 128  # instructions that a multiprocessor of an NVIDIA GPU can start in a cycle, one neuron each
_NEURONS = 4096
_FREE = {"broadcast_in_dim", "reshape", "squeeze", "bitcast_convert_type", "copy", "stop_gradient"}


def operations(model: str, stimulus: str) -> float:
    """Elementwise operations of a neuron-step that are done at every step and needed for state and spikes.

    Those of two steps of many neurons in JAX's own notation, halved; an instruction each.
    """
    current = jnp.full(_NEURONS, 300.0)
    drive = lifjax.white_noise(current, 5.0) if stimulus == "noise" else current
    neuron = getattr(lifjax, model)()
    plan, carry, _ = make_ready(neuron, terms(drive), 2, 0.1, 0, None, "euler", ())
    take = stepper(plan, threshold)

    def two_steps(carry: Any, k: Any) -> Any:
        carry, shown = take(carry, k, 2)
        return carry, [shows["spikes"] for shows in shown]

    jaxpr = jax.make_jaxpr(two_steps)(carry, jnp.int32(0)).jaxpr
    return _count(jaxpr, [True] * len(jaxpr.invars), [True] * len(jaxpr.outvars)) / 2


def _count(jaxpr: Any, moving: list[bool], wanted: list[bool]) -> int:
    """How many operations depend on what moves and lead to what is wanted."""
    moves = {var for var, moved in zip(jaxpr.invars, moving, strict=True) if moved}
    for equation in jaxpr.eqns:
        if any(_among(x, moves) for x in equation.invars):
            moves |= set(equation.outvars)
    needs = {var for var, want in zip(jaxpr.outvars, wanted, strict=True) if want and not hasattr(var, "val")}
    total = 0
    for equation in reversed(jaxpr.eqns):
        if not needs.intersection(equation.outvars):
            continue
        needs |= {x for x in equation.invars if not hasattr(x, "val")}
        if not moves.intersection(equation.outvars):
            continue
        inner = next((x for x in equation.params.values() if hasattr(x, "eqns") or hasattr(x, "jaxpr")), None)
        if inner is not None:
            inside = [_among(x, moves) for x in equation.invars]
            total += _count(getattr(inner, "jaxpr", inner), inside, [out in needs for out in equation.outvars])
        elif equation.primitive.name not in _FREE and not _renames(equation):
            total += any(math.prod(out.aval.shape) == _NEURONS for out in equation.outvars)
    return total


def _renames(equation: Any) -> bool:
    """Whether it is a conversion without an instruction: between whole numbers, or of a truth value."""
    kinds = {x.aval.dtype.kind for x in (*equation.invars, *equation.outvars)}
    return equation.primitive.name == "convert_element_type" and ("b" in kinds or "f" not in kinds)


def _among(x: Any, variables: set[Any]) -> bool:
    return not hasattr(x, "val") and x in variables


def roofline(workload: Workload) -> dict[str, float | str]:
    """The most neuron-steps a second that the device's arithmetic allows, and its memory, for one workload.

    The state stays in registers; what moves is the bits of recorded spikes, and the state once a run.
    """
    device = jax.devices()[0]
    asked = ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits"]
    clock = float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0]) * 1e6
    ops = operations(workload.model, workload.stimulus)
    return {
        "operations a neuron-step": ops,
        "bytes a neuron-step": (1 / 8 if workload.record == "spikes" else 0) + 24 / workload.steps,
        "operations a second": device.core_count * LANES * clock,
        "neuron-steps a second at most": device.core_count * LANES * clock / ops,
    }
