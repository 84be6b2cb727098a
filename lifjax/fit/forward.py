r"""Damped Gauss-Newton by forward tangents: for neurons that do not talk to each other.

The residuals of a group depend on its own few parameters alone, so one tangent a parameter, pushed forward through the
run, gives the whole Jacobian J, block-diagonal, in memory that does not grow with time. A step solves, for each group
by itself (Levenberg 1944; Marquardt 1963, doi:10.1137/0111030),

.. math:: (J^T J + \lambda\,\mathrm{diag}(J^T J))\,\delta = -J^T r

in a batch of systems of 2 to 4 unknowns, which is `jnp.linalg.solve` over the batch. A library of solvers (optimistix,
jaxopt) solves one problem with one damping and one end; here every group has its own, and stops by itself.

Rates are whole spikes over the duration, so the error is a staircase on which a step may change nothing. A step is
therefore taken even where the error did not fall, the best of all is kept apart, and a group that has found nothing
better for a while begins anew near its best. On its first way down a step after which the error is far larger is taken
back. Where a search begins at several places, all but the first roam, and keep such steps, too: some lead to another
valley.

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
from jax.typing import ArrayLike

from lifjax import noise
from lifjax.backend import COMPILER_OPTIONS, engine
from lifjax.fit.lanes import Drives, steps_of
from lifjax.fit.response import Response, respond
from lifjax.fit.space import Space
from lifjax.neurons.base import Grid, Neuron, onset
from lifjax.simulate import strips
from lifjax.surrogate import Spike

_CLIP = 0.7  # longest step of a scaled parameter
_DESCENDING, _ROAMING, _DAMPING = 0.3, 1e-2, (1e-3, 1e3)  # at first, and its limits
_EASED, _RAISED = 3.0, 10.0  # by how much the damping falls after a better step, and rises after one that lost its way
_FAR = 4.0  # times the best mean square residual
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

    def in_one(self, groups: int) -> bool:
        """Whether a run is compiled as one function."""
        return engine() == "packed" and strips.sound(self.trials * self.conditions * groups)

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
    matrix: J^T J at the best, (groups, parameters, parameters), and slope, J^T r there, (parameters, groups).
    roaming: whether it looks around, and does not go back where it lost its way.
    settling: whether u is on its way around the best, and total, the sum of where it came by since.
    memory: what an optax optimiser remembers.
    """

    u: Array
    best: Array
    merit: Array
    damping: Array
    stale: Array
    matrix: Array
    slope: Array
    roaming: Array
    settling: Array
    total: Array
    memory: Any


def search_from(u: Any, optimizer: Any, descend: int = 0) -> Search:
    """A search that begins at u, (parameters, groups), by an optax optimiser or, without one, by Gauss-Newton.

    So many of the first ``descend``, until they find nothing better, and the others are roaming from the start.
    """
    u = jnp.asarray(u, float)
    count, groups = u.shape
    roaming = jnp.arange(groups) >= descend
    of = partial(jnp.full, (groups,), dtype=u.dtype)
    return Search(
        u=u,
        best=u,
        merit=of(_NEVER),
        damping=jnp.where(roaming, of(_ROAMING), _DESCENDING),
        stale=jnp.zeros(groups, jnp.int32),
        matrix=jnp.zeros((groups, count, count), u.dtype),
        slope=jnp.zeros_like(u),
        roaming=roaming,
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
    response = strips.marked(_function(*given))[0] if setup.in_one(groups) else response_of(*given)
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

    allowed = sum(target.grain(setup.steps * setup.dt) ** 2 for target in block.targets)

    def one(i: Array, state: tuple[Search, Array]) -> tuple[Search, Array]:
        search, history = state
        residuals, jacobian = linear(setup, drives, seeds[i], block, search.u)
        search = moved(search, residuals, jacobian, setup.optimizer, allowed)
        if setup.optimizer is None:
            search = nudged(search, block.group, seeds[i], i)
        return search, history.at[i].set((residuals**2).mean(axis=(0, 1)))

    return lax.fori_loop(0, iterations, one, (search, history))


def moved(search: Search, residuals: Array, jacobian: Array, optimizer: Any, allowed: ArrayLike) -> Search:
    """The next step of each group. What is not finite counts as worse than anything, and never becomes the best.

    Where the mean square residual is far above the best, by more than is ``allowed``, a group has lost its way, and the
    next step begins from the best once more, unless it is roaming.
    """
    size = residuals.shape[0] * residuals.shape[1]
    merit = (residuals**2).mean(axis=(0, 1))
    jacobian = jnp.where(jnp.isfinite(jacobian), jacobian, 0)
    merit = jnp.where(jnp.isfinite(merit), merit, _NEVER)
    matrix = jnp.einsum("akcg,bkcg->gab", jacobian, jacobian) / size
    slope = jnp.einsum("akcg,kcg->ag", jacobian, jnp.where(jnp.isfinite(residuals), residuals, 0)) / size
    better = merit < search.merit
    best = jnp.where(better[None], search.u, search.best)
    at_best = jnp.where(better[:, None, None], matrix, search.matrix), jnp.where(better[None], slope, search.slope)
    stale = jnp.where(better, 0, search.stale + 1)
    lost = ~better & ((merit > _FAR * search.merit + allowed) & ~search.roaming | (merit >= _NEVER))
    damping = search.damping * jnp.where(better, 1 / _EASED, jnp.where(lost, _RAISED, 2))
    damping = jnp.where(search.settling, _DAMPING[0], jnp.clip(damping, *_DAMPING))
    if optimizer is None:
        base = jnp.where(lost[None], best, search.u)
        chosen = jnp.where(lost[:, None, None], at_best[0], matrix), jnp.where(lost[None], at_best[1], slope)
        step, memory = _gauss_newton(*chosen, damping), search.memory
    else:
        base = jnp.where(merit < _NEVER, search.u, best)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as optax takes for granted
            step, memory = optimizer.update(2 * slope, search.memory, search.u)
    u = base + step
    return Search(
        u=u,
        best=best,
        merit=jnp.minimum(merit, search.merit),
        damping=damping,
        stale=stale,
        matrix=at_best[0],
        slope=at_best[1],
        roaming=search.roaming | (stale >= _ANEW),
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
    step = -jnp.linalg.solve(system, slope.T[..., None])[..., 0].T
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
    return dataclasses.replace(search, u=u, damping=jnp.where(now, _ROAMING, search.damping))
