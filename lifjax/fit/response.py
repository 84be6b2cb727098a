r"""What neurons did, as numbers that can be differentiated: what a loss is given.

Most of it is summed up as the run goes, so that memory does not grow with time: spike counts, the highest V, intervals,
the first and the last of them, the time to the first spike. V and spikes over time are kept only for a loss that asks
for them.

The derivative of a spike count knows nothing of the refractory counter, which is a whole number. More spikes leave less
time to be driven in, (duration - n t_ref), so a rate's derivative is that of the count times 1 - r t_ref; with it, it
is the f-I curve's own.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from lifjax.backend import engine
from lifjax.simulate.ahead import Ahead
from lifjax.simulate.step import Drawn, Take

STREAMED = ("spike_count", "peak", "intervals", "ends", "latency")
TRACES = ("V", "spikes")
NEEDS = (*STREAMED, *TRACES)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Response:
    """A differentiable run. Axes are (time, trials, *population); trials only where there are several.

    dt: grid step [ms].
    duration: [ms].
    t_ref: refractory time [ms], 0 in a model without.
    V_th: from where V goes on to a spike [mV], and unit, how far that is above the reset.
    outside: by how much a reset leaves V where a run would be refused [mV], 0 where it would not; None in models in
        which bounds see to that.
    spike_count: spikes of each neuron, 0, 1, 2 ... as floats.
    peak: highest V [mV] of each neuron.
    sums: of intervals, and of their squares, and how many; the first and the last interval; of the time before the
        first spike.
    V: membrane potential over time [mV], if asked for.
    spikes: over time, 0 or 1, if asked for.
    """

    dt: float = dataclasses.field(metadata={"static": True})
    duration: float = dataclasses.field(metadata={"static": True})
    t_ref: Any
    unit: Any
    V_th: Any
    spike_count: Array
    outside: Any = None
    peak: Any = None
    sums: Any = None
    V: Any = None
    spikes: Any = None

    @property
    def rates(self) -> Array:
        """Firing rates [Hz]."""
        seconds = self.duration / 1000
        rate = lax.stop_gradient(self.spike_count) / seconds
        share = jnp.maximum(1 - rate * (self.t_ref / 1000), 0.05)
        return rate + (self.spike_count / seconds - rate) * lax.stop_gradient(share)

    @property
    def mean_interval(self) -> Array:
        """Mean interspike interval [ms]; the whole duration where there is none."""
        sums = self.sums["intervals"]
        some = sums["n"] > 0
        return jnp.where(some, sums["first"] / jnp.where(some, sums["n"], 1), self.duration)

    @property
    def cv(self) -> Array:
        """Coefficient of variation of the interspike intervals; 0 where there are fewer than two."""
        sums = self.sums["intervals"]
        many = sums["n"] >= 2
        n = jnp.where(many, sums["n"], 1)
        mean = jnp.where(many, sums["first"] / n, 1)
        variance = jnp.where(many, sums["second"] / n, 2) / mean**2 - 1
        positive = variance > 1e-6
        return jnp.where(many & positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)

    @property
    def latency(self) -> Array:
        """Time of the first spike [ms]; the whole duration where there is none.

        Its derivative is that of the first spike's own share of a count: twice as fast a rise halves the time.
        """
        sums = self.sums["latency"]
        return sums["waited"] * (1 - (sums["first"] - lax.stop_gradient(sums["first"])))

    @property
    def first_interval(self) -> Array:
        """Time between the first two spikes [ms]; the whole duration where there are fewer."""
        return self._interval("first")

    @property
    def last_interval(self) -> Array:
        """Time between the last two spikes [ms]; the whole duration where there are fewer.

        The derivative of either is that of the shares of spikes that fell within it, as latency's is: of what is not
        refractory, a change of the drive that would make a hundredth of a spike more takes a hundredth away.
        """
        return self._interval("last")

    def _interval(self, which: str) -> Array:
        ends = self.sums["ends"]
        interval, share = ends[which], ends[f"{which}_share"]
        driven = jnp.maximum(interval - self.t_ref, 0.05 * interval)
        some = ends["seen"] >= 2
        return jnp.where(some, interval - lax.stop_gradient(driven) * (share - lax.stop_gradient(share)), self.duration)

    def reshaped(self, shape: tuple[int, ...], order: Any = None) -> "Response":
        """With the lanes in another order and shape."""

        def one(x: Any) -> Any:
            if jnp.ndim(x) == 0:
                return x
            x = x if order is None else x[..., order]
            return x.reshape(*x.shape[:-1], *shape)

        return jax.tree.map(one, self)


def _nothing(V: Array, needs: frozenset[str]) -> dict[str, Any]:
    """What is summed up as a run goes, before its first step."""
    zero = jnp.zeros_like(V)
    sums: dict[str, Any] = {"spike_count": zero}
    if "peak" in needs:
        sums["peak"] = jnp.full_like(V, -jnp.inf)
    if "intervals" in needs:
        sums["intervals"] = {"age": zero, "seen": zero, "first": zero, "second": zero, "n": zero}
    if "ends" in needs:
        sums["ends"] = dict.fromkeys(("seen", "age", "share", "first", "first_share", "last", "last_share"), zero)
    if "latency" in needs:
        sums["latency"] = {"alive": zero + 1, "waited": zero, "first": zero}
    return sums


def _added(sums: dict[str, Any], shown: dict[str, Array], dt: float) -> dict[str, Any]:
    """The sums with one more step."""
    s = shown["spikes"]
    out = sums | {"spike_count": sums["spike_count"] + s}
    if "peak" in sums:
        out["peak"] = jnp.maximum(sums["peak"], shown["V"])
    if "intervals" in sums:
        was = sums["intervals"]
        age, counted = was["age"] + dt, was["seen"]
        out["intervals"] = {
            "age": age * (1 - s),
            "seen": jnp.maximum(was["seen"], lax.stop_gradient(s)),
            "first": was["first"] + s * age * counted,
            "second": was["second"] + s * age**2 * counted,
            "n": was["n"] + lax.stop_gradient(s) * counted,
        }
    if "ends" in sums:
        out["ends"] = _ends(sums["ends"], s, dt)
    if "latency" in sums:
        was = sums["latency"]
        alive = was["alive"] * (1 - lax.stop_gradient(s))
        out["latency"] = {
            "alive": alive,
            "waited": was["waited"] + dt * alive,
            "first": was["first"] + s * was["alive"],
        }
    return out


def _ends(was: dict[str, Array], s: Array, dt: float) -> dict[str, Array]:
    """The first and the last interval, each with the shares of spikes within it, with one more step."""
    fires, seen = lax.stop_gradient(s) > 0, was["seen"]
    now = {"age": was["age"] + dt, "share": was["share"] + s}
    out = {name: jnp.where(fires, 0, x) for name, x in now.items()} | {"seen": seen + fires.astype(s.dtype)}
    for end, ends in (("first", fires & (seen == 1)), ("last", fires & (seen >= 1))):
        out[end] = jnp.where(ends, now["age"], was[end])
        out[f"{end}_share"] = jnp.where(ends, now["share"], was[f"{end}_share"])
    return out


def respond(
    take: Take,
    state: Any,
    steps: int,
    needs: frozenset[str],
    pairs: bool,
    told: dict[str, Any],
    dt: float,
    checkpoint: bool = False,
) -> Response:
    """Run lanes for a number of steps.

    Args:
        take, state: as `lifjax.fit.lanes.steps_of` gives them.
        steps: how many.
        needs: which of `NEEDS`.
        pairs: take two steps at a time, which share the random bits of a counter.
        told: t_ref, unit, V_th and outside of the lanes.
        dt: grid step [ms].
        checkpoint: for reverse mode, keep the state at every root of steps only, and run the stretch between two again.
    """
    traces, none = sorted(needs & set(TRACES)), _nothing(state[0].V, needs)
    ahead = Ahead(take, state[0].V.shape[0]) if pairs and engine() == "packed" else None

    def body(carry: Any, k: Array, many: int) -> tuple[Any, Any]:
        state, sums, held = carry
        drawn: list[Drawn] = []
        if ahead is not None and many == 2:
            held, drawn = ahead.drawn(held, k, jnp.minimum(k, 0))
        state, shown = take(state, k, many, drawn=drawn)
        for shows in shown:
            sums = _added(sums, shows, dt)
        return (state, sums, held), {name: jnp.stack([shows[name] for shows in shown]) for name in traces}

    def stretch(carry: Any, first: Array, length: int, many: int) -> tuple[Any, dict[str, Array]]:
        k = first + jnp.arange(0, length, many, dtype=jnp.int32)
        carry, kept = lax.scan(lambda carry, k: body(carry, k, many), carry, k)
        return carry, _flat(kept)

    many = 2 if pairs else 1
    length = max(many, math.isqrt(steps) // many * many) if checkpoint else steps - steps % many
    stretches = steps // length
    carry = (state, none, () if ahead is None else ahead.room())
    first = jnp.arange(stretches, dtype=jnp.int32) * length
    if stretches == 1:
        carry, kept = stretch(carry, first[0], length, many)
    else:
        again = jax.checkpoint(lambda carry, first: stretch(carry, first, length, many))
        carry, pieces = lax.scan(again, carry, first)
        kept = _flat(pieces)
    if left := steps - stretches * length:
        carry, last = stretch(carry, jnp.int32(stretches * length), left, 1)
        kept = {name: jnp.concatenate([x, last[name]]) for name, x in kept.items()}
    (neurons, _), sums, _ = carry
    count, peak = sums.pop("spike_count"), sums.pop("peak", neurons.V)
    return Response(dt=dt, duration=steps * dt, spike_count=count, peak=peak, sums=sums, **told, **kept)


def _flat(kept: dict[str, Array]) -> dict[str, Array]:
    """Pieces of traces, (pieces, time, lanes), one after the other."""
    return {name: x.reshape(-1, x.shape[-1]) for name, x in kept.items()}
