"""A gradient step with lifjax, float32, in blocks of neurons on all cores, as its fits do; in one of three ways.

"forward": two tangents are pushed forward through the run, which is enough since the loss of a neuron depends on its
own two parameters alone. "reverse": jax.grad of the loss as it is. "checkpointed": the same with jax.checkpoint around
each stretch of steps.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import protocol as p

import lifjax
from lifjax.backend import COMPILER_OPTIONS
from lifjax.backend.threads import on_every_core

work = p.workload()
neurons, steps, mode = work["neurons"], work["steps"], work["mode"]
I, wanted = p.currents(neurons), p.WANTED * steps * p.DT
spike = lifjax.surrogate.arctan()
BLOCK = 1250  # neurons, whose state stays in a core's own cache
STRETCH = max(k for k in range(1, math.isqrt(steps) + 1) if steps % k == 0)  # steps between two checkpoints
start = np.full((2, neurons), [[p.TAU_M], [p.G_L]], np.float32)


def counts(own: jax.Array, current: jax.Array) -> jax.Array:
    """Spike counts of neurons with their own tau_m and g_L, (2, neurons)."""
    neuron = lifjax.LIF(tau_m=own[0], g_L=own[1])
    if mode != "checkpointed":
        return lifjax.integrate(neuron, current, steps, dt=p.DT, spike=spike, record=())[1].spike_count

    @jax.checkpoint
    def stretch(state: lifjax.State) -> tuple[lifjax.State, jax.Array]:
        state, out = lifjax.integrate(neuron, current, STRETCH, dt=p.DT, spike=spike, state=state, record=())
        return state, out.spike_count

    state, _ = lifjax.integrate(neuron, current, 0, dt=p.DT, spike=spike, record=())
    return jax.lax.scan(lambda state, _: stretch(state), state, length=steps // STRETCH)[1].sum(0)


def loss(own: jax.Array, current: jax.Array) -> tuple[jax.Array, jax.Array]:
    """This block's part of the mean square error, and the counts."""
    count = counts(own, current)
    return ((count - wanted) ** 2).sum() / neurons, count


@jax.jit(compiler_options=COMPILER_OPTIONS)
def gradient(own: jax.Array, current: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The loss's gradient of a block (2, neurons), and its counts."""
    if mode != "forward":
        slope, count = jax.grad(loss, has_aux=True)(own, current)
        return slope, count

    def along(direction: jax.Array) -> tuple[jax.Array, jax.Array]:
        tangent = jnp.broadcast_to(direction[:, None], own.shape)
        return jax.jvp(lambda own: counts(own, current), (own,), (tangent,))

    count, change = jax.vmap(along, out_axes=(None, 0))(jnp.eye(2))
    return 2 * (count - wanted) * change / neurons, count


def run() -> int:
    """The gradient of all neurons."""
    slope, count = np.empty((2, neurons), np.float32), np.empty(neurons, np.float32)

    def one(begin: int) -> None:
        part = slice(begin, begin + BLOCK)
        slope[:, part], count[part] = gradient(start[:, part], I[part])

    on_every_core(one, range(0, neurons, BLOCK))
    if not (np.isfinite(slope).all() and slope.any(axis=1).all()):
        p.cannot("the gradient is nothing or not finite")
    return int(count.sum(dtype=np.float64))


p.serve(
    run,
    {"lifjax": lifjax.__version__, "jax": jax.__version__, "numpy": np.__version__},
    f"seconds of a gradient with respect to tau_m and g_L of each neuron, without compiling, float32, {mode} through "
    f"lifjax.integrate, {BLOCK} neurons at a time" + (f", {STRETCH} steps a checkpoint" * (mode == "checkpointed")),
)
