r"""Damped Gauss-Newton by forward tangents: for neurons that do not talk to each other.

The residuals of a group depend on its own few parameters alone, so one tangent a parameter, pushed forward through the
run, gives the whole Jacobian J, block-diagonal, in memory that does not grow with time. A step solves, for each group
by itself (Levenberg 1944; Marquardt 1963, doi:10.1137/0111030),

.. math:: (J^T J + \lambda\,\mathrm{diag}(J^T J))\,\delta = -J^T r

in a batch of systems of 2 to 4 unknowns, which is `jnp.linalg.solve` over the batch. A library of solvers (optimistix,
jaxopt) solves one problem with one damping and one end; here every group has its own, and stops by itself.

Rates are whole spikes over the duration, so the error is a staircase on which a step may change nothing. A step is
therefore taken even where the error did not fall, the best of all is kept apart, and a group that has found nothing
better for a while begins anew near its best.

Under noise that is drawn anew in each iteration the best is only the one with the luckiest draw. From it on a group
settles: each step leads to what the parameters are under its own noise, and the mean over many steps is as good as one
under that many times as many trials (Polyak and Juditsky 1992, doi:10.1137/0330046).
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax import noise
from lifjax.backend import COMPILER_OPTIONS
from lifjax.fit.lanes import Drives, steps_of
from lifjax.fit.response import Response, respond
from lifjax.fit.space import Space
from lifjax.neurons.base import Grid, Neuron, onset
from lifjax.simulate import strips
from lifjax.surrogate import Spike

_CLIP = 0.7  # longest step of a scaled parameter
_DAMPING = (1e-3, 1e3)
_NEVER = 1e30
_LEAST_ROOM = 0.01  # mV
_OUTSIDE = 1e6  # residual where a run would be refused, and its slope a mV, so that a step leads a mV inside
_LEAST_UNIT = 1.0  # mV: some models are reset to where a spike begins, or above
_ANEW = 6  # iterations without a better one, after which a group begins anew near its best
_KICK = 0.03  # how far from it, at first
_LEAP, _OFTEN = 0.7, 3  # and how far at every third time, to leave a valley


@dataclasses.dataclass(frozen=True)
class Setup:
    """What decides what is compiled."""

    model: type[Neuron]
    names: tuple[str, ...]
    positive: frozenset[str]
    below: tuple[tuple[str, str], ...]
    shape: tuple[int, ...]  # of the population with trials
    trials: int
    conditions: int
    steps: int
    dt: float
    integrator: str
    spike: Spike
    needs: frozenset[str]
    pairs: bool
    optimizer: Any = None

    @property
    def in_one(self) -> bool:
        """Whether a run is compiled as one function: not where it draws, as XLA's own kernels are better there."""
        return strips.marks() and not self.pairs

    @property
    def space(self) -> Space:
        """How numbers are scaled; bounds come with the numbers."""
        return Space(self.names, {}, {}, self.positive, self.below)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Block:
    """The numbers of some groups: fields and index by lane, number of each, bounds (parameters, groups), targets."""

    fields: Any
    index: Array
    group: Array
    low: Any
    high: Any
    targets: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Search:
    """Where the search of each group stands; all have groups as last axis.

    u: scaled parameters, (parameters, groups).
    best, merit: the best so far, and its mean square residual.
    damping: lambda.
    stale: iterations since the best was found.
    matrix: J^T J at the best, (groups, parameters, parameters).
    settling: whether u is on its way around the best, and total, the sum of where it came by since.
    memory: what an optax optimiser remembers.
    """

    u: Array
    best: Array
    merit: Array
    damping: Array
    stale: Array
    matrix: Array
    settling: Array
    total: Array
    memory: Any


def search_from(u: Any, optimizer: Any) -> Search:
    """A search that begins at u, (parameters, groups), by an optax optimiser or, without one, by Gauss-Newton."""
    u = jnp.asarray(u, float)
    count, groups = u.shape
    of = partial(jnp.full, (groups,), dtype=u.dtype)
    return Search(
        u=u,
        best=u,
        merit=of(_NEVER),
        damping=of(1e-2),
        stale=jnp.zeros(groups, jnp.int32),
        matrix=jnp.zeros((groups, count, count), u.dtype),
        settling=jnp.bool(False),
        total=jnp.zeros_like(u),
        memory=() if optimizer is None else optimizer.init(u),
    )


def response_of(
    setup: Setup, drives: Drives, seed: Array, fields: dict[str, Array], index: Array, checkpoint: bool = False
) -> Response:
    """What lanes do whose fields are scalars or have one value a lane."""
    grid = Grid(dt=setup.dt, steps=setup.steps, integrator=setup.integrator)
    neuron: Any = setup.model(**fields)
    take, state = steps_of(neuron, drives, seed, index, setup.shape, grid, setup.spike)
    V_th, V_reset = (jnp.asarray(x, float) for x in onset(neuron))
    unit = jnp.maximum(V_th - V_reset, _LEAST_UNIT)
    told = {"t_ref": jnp.asarray(getattr(neuron, "t_ref", 0.0), float), "V_th": V_th, "unit": unit}
    if hasattr(neuron, "room"):  # a model whose fields bound each other in a way that the range of one cannot tell
        told["outside"] = jnp.maximum(_LEAST_ROOM - jnp.asarray(neuron.room, float), 0)
    told = {name: jnp.broadcast_to(x, index.shape) for name, x in told.items()}
    return respond(take, state, setup.steps, setup.needs, setup.pairs, told, setup.dt, checkpoint)


@partial(jax.jit, static_argnames="setup")
def _function(
    setup: Setup, drives: Drives, seed: Array, fields: dict[str, Array], index: Array
) -> tuple[Response, list[Array]]:
    """`response_of`, to be compiled as one function of machine code."""
    return response_of(setup, drives, seed, fields, index), strips.used((drives, seed, fields, index))


def residuals_at(setup: Setup, drives: Drives, seed: Array, block: Block, u: Array) -> Array:
    """Residuals (anything, conditions, groups) at scaled parameters (parameters, groups)."""
    low, high, scaled = ({name: x[i] for i, name in enumerate(setup.names)} for x in (block.low, block.high, u))
    own = setup.space.physical(scaled, low, high)
    groups, lanes = u.shape[1], (setup.trials, setup.conditions, u.shape[1])
    spread = {name: jnp.broadcast_to(x, lanes).reshape(-1) for name, x in own.items()}
    given = setup, drives, seed, block.fields | spread, block.index
    response = strips.marked(_function(*given))[0] if setup.in_one else response_of(*given)
    shaped = response.reshaped((setup.trials, setup.conditions, groups))
    residuals = jnp.concatenate([target.residuals(shaped) for target in block.targets])
    return residuals if shaped.outside is None else jnp.where(shaped.outside[0] > 0, refused(shaped), residuals)


def refused(response: Response) -> Array:
    """What stands for the residuals where a run would be refused, of the shape of a first trial."""
    return _OUTSIDE * (response.outside[0] + 1)


def linear(setup: Setup, drives: Drives, seed: Array, block: Block, u: Array) -> tuple[Array, Array]:
    """Residuals, and their Jacobian (parameters, anything, conditions, groups)."""

    def along(direction: Array) -> tuple[Array, Array]:
        tangent = jnp.broadcast_to(direction[:, None], u.shape)
        return jax.jvp(partial(residuals_at, setup, drives, seed, block), (u,), (tangent,))

    return jax.vmap(along, out_axes=(None, 0))(jnp.eye(u.shape[0], dtype=u.dtype))


@partial(jax.jit, static_argnames="setup", compiler_options=COMPILER_OPTIONS)
def iterate(
    setup: Setup, drives: Drives, seeds: Array, block: Block, search: Search, iterations: Array
) -> tuple[Search, Array]:
    """Some iterations; also the mean square residual at each, (most, groups), with NaN for those not done.

    Args:
        setup: what is compiled.
        drives: the stimuli.
        seeds: two words for each iteration, (most, 2).
        block: the groups.
        search: where they stand.
        iterations: how many, at most as many as there are seeds.
    """
    history = jnp.full((seeds.shape[0], search.u.shape[1]), jnp.nan, search.u.dtype)

    def one(i: Array, state: tuple[Search, Array]) -> tuple[Search, Array]:
        search, history = state
        residuals, jacobian = linear(setup, drives, seeds[i], block, search.u)
        search = moved(search, residuals, jacobian, setup.optimizer)
        if setup.optimizer is None:
            search = nudged(search, block.group, seeds[i], i)
        return search, history.at[i].set((residuals**2).mean(axis=(0, 1)))

    return lax.fori_loop(0, iterations, one, (search, history))


def moved(search: Search, residuals: Array, jacobian: Array, optimizer: Any) -> Search:
    """The next step of each group. What is not finite counts as worse than anything, and never becomes the best."""
    size = residuals.shape[0] * residuals.shape[1]
    merit = (residuals**2).mean(axis=(0, 1))
    jacobian = jnp.where(jnp.isfinite(jacobian), jacobian, 0)
    sound = jnp.isfinite(merit)
    merit = jnp.where(sound, merit, _NEVER)
    matrix = jnp.einsum("akcg,bkcg->gab", jacobian, jacobian) / size
    slope = jnp.einsum("akcg,kcg->ga", jacobian, jnp.where(jnp.isfinite(residuals), residuals, 0)) / size
    better = merit < search.merit
    best = jnp.where(better[None], search.u, search.best)
    stale = jnp.where(better, 0, search.stale + 1)
    damping = jnp.clip(jnp.where(better, search.damping / 3, search.damping * 2), *_DAMPING)
    damping = jnp.where(search.settling, _DAMPING[0], damping)
    if optimizer is None:
        step, memory = _gauss_newton(matrix, slope, damping), search.memory
    else:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as optax takes for granted
            step, memory = optimizer.update(2 * slope.T, search.memory, search.u)
    u = jnp.where(sound[None], search.u, best) + step
    return Search(
        u=u,
        best=best,
        merit=jnp.minimum(merit, search.merit),
        damping=damping,
        stale=stale,
        matrix=jnp.where(better[:, None, None], matrix, search.matrix),
        settling=search.settling,
        total=jnp.where(search.settling, search.total + u, 0),
        memory=memory,
    )


def _gauss_newton(matrix: Array, slope: Array, damping: Array) -> Array:
    """The damped step of each group, (parameters, groups), no longer than it can be trusted."""
    diagonal = jnp.diagonal(matrix, axis1=1, axis2=2)
    most = diagonal.max(axis=1, keepdims=True)
    lifted = damping[:, None] * diagonal + 1e-5 * most + 1e-12
    system = matrix + lifted[:, :, None] * jnp.eye(matrix.shape[1], dtype=matrix.dtype)[None]
    step = -jnp.linalg.solve(system, slope[..., None])[..., 0].T
    return jnp.clip(jnp.where(jnp.isfinite(step), step, 0), -_CLIP, _CLIP)


def nudged(search: Search, group: Array, seed: Array, i: Array) -> Search:
    """Begin anew near the best, a random step away, where nothing better was found for a while."""
    turn = search.stale // _ANEW
    now = (search.stale % _ANEW == 0) & (turn > 0) & ~search.settling
    size = jnp.where(turn % _OFTEN == _OFTEN - 1, _LEAP, _KICK * turn.astype(search.u.dtype))
    step = jnp.stack([
        noise.normal(noise.bits(noise.key(seed, stream, purpose=2), group, i + 8 * search.stale))
        for stream in range(search.u.shape[0])
    ])  # fmt: skip
    u = jnp.where(now[None], search.best + size[None] * step, search.u)
    return dataclasses.replace(search, u=u, damping=jnp.where(now, 1e-2, search.damping))
