r"""Spikes between the grid times, for a membrane that leaks: ``spike_timing="interpolated"``.

Within a step the current is held, so V moves along an exponential towards a goal, and the time at which it meets the
threshold is known in closed form (Hansel et al. 1998, doi:10.1162/089976698300017845; Morrison et al. 2007,
doi:10.1162/neco.2007.19.1.47):

.. math:: x = \tau \ln\frac{V_\infty - V}{V_\infty - V_{th}}

The refractory time is counted from the spike itself, in ms instead of whole steps, and what is left of the step after
it is integrated from V_reset. So nothing is rounded to the grid, and under a constant current no rate depends on dt.
A spike between t_k and t_{k+1} belongs to step k, with its offset from t_k. There is at most one a step.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from lifjax.neurons.base import Grid, Input, Output, exactly, parameter, pytree
from lifjax.surrogate import Spike, at_reset, choose, silence


@pytree
class State:
    """The state between two steps of a neuron that fires between them."""

    V: Any = parameter("mV", "membrane potential")
    waiting: Any = parameter("ms", "refractory time left", least=0.0)


@pytree
class Shown(Output):
    """What is shown of a neuron that fires between grid times."""

    offset: Any = parameter("ms", "time of the spike after the grid time")


@pytree
class Constants:
    """What a step needs."""

    V_th: Any
    V_reset: Any
    t_ref: Any
    dt: Any
    g_L: Any
    pull: Any  # g_L E_L
    C_m: Any


@pytree
class Between:
    """The step of a neuron with fields V_th, V_reset, V_init, E_L, g_L, tau_m and t_ref."""

    deep = True
    drawn = False

    @staticmethod
    def constants(neuron: Any, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        return Constants(
            V_th=grid.number(neuron.V_th),
            V_reset=grid.number(neuron.V_reset),
            t_ref=grid.number(neuron.t_ref),
            dt=grid.number(grid.dt),
            g_L=grid.number(neuron.g_L),
            pull=grid.number(exactly(neuron.g_L) * exactly(neuron.E_L)),
            C_m=grid.number(exactly(neuron.tau_m) * exactly(neuron.g_L)),
        )

    @staticmethod
    def start(neuron: Any) -> State:
        """The state at time 0: V_init, not refractory."""
        return State(V=exactly(neuron.V_init), waiting=exactly(0.0))

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron; see the module."""
        c = constants
        V = state.V if given.jump is None else state.V + given.jump
        V = jnp.where(state.waiting > 0, c.V_reset, V)
        begun = jnp.minimum(state.waiting, c.dt)
        free = c.dt - begun

        total = c.g_L if given.conductance is None else c.g_L + given.conductance
        goal, tau = (given.current + c.pull) / total, c.C_m / total

        def flow(V: Array, time: Array) -> Array:
            # The choice is always the first, and keeps the product apart from the sum.
            return goal + jnp.where(time >= 0, (V - goal) * jnp.exp(-time / tau), 0)

        end = flow(V, free)
        spiked = silence(spike(jnp.maximum(V, end), c.V_th, c.V_th - c.V_reset), free <= 0)
        meets = (c.V_th > V) & (goal > c.V_th)
        wait = tau * jnp.log(jnp.where(meets, (goal - V) / jnp.where(meets, goal - c.V_th, 1), 1))
        wait = jnp.clip(wait, 0, free)

        left = free - wait - c.t_ref
        again = flow(c.V_reset, jnp.maximum(left, 0))
        back = at_reset(spiked, spike)
        after = State(
            V=choose(back, again, end),
            waiting=jnp.where(spiked.astype(bool), jnp.maximum(-left, 0), state.waiting - begun),
        )
        return after, Shown(V=V, spikes=spiked, offset=begun + wait)
