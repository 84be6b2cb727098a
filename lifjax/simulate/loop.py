"""The loops of a block of neurons over its steps: whole tiles of steps where they fit, single steps at the ends.

What is done is the same however steps are grouped; the grouping is for speed. XLA's CPU backend turns each array that
a loop carries into a kernel of its own, which works out the step anew, and each kernel reads and writes the carry.
Carried as one array, and taken some steps at a time, a step is part of one kernel and its state stays in registers.
A step that is itself a long chain of operations, each waiting for the one before, is better taken alone: then the next
neurons are begun while one still waits.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from lifjax.record import OCTET, OFFSET
from lifjax.simulate.ahead import Ahead
from lifjax.simulate.packing import TALLY, Held, Packing
from lifjax.simulate.step import Drawn, Take

TILE = 8
SEGMENT = 128  # steps whose spikes a byte can count
_BYTE = 23  # where in a word the byte of spikes begins: above a refractory counter, below the sign

Out = dict[str, Array]
Put = Callable[[Out, str, Array, Array], Out]


def _up(number: Array, by: int) -> Array:
    """A number at least 0 divided and rounded up."""
    return lax.div(number + jnp.int32(by - 1), jnp.int32(by))


def _turns(low: Array, high: Array, by: int) -> tuple[Array, Array]:
    """In which turns of so many steps those from ``low`` to before ``high`` are: from one to before another."""
    first = lax.div(low, jnp.int32(by))
    return first, jnp.where(low < high, _up(high, by), first)


def _ones(tally: Array) -> Array:
    """How many spikes the byte of spikes has: its bits spread out, one each in a half byte, and these added up.

    By products, since Triton has no population count.
    """
    spread = ((tally >> jnp.uint32(_BYTE)) * jnp.uint32(0x08040201) >> jnp.uint32(3)) & jnp.uint32(0x11111111)
    return (spread * jnp.uint32(0x11111111) >> jnp.uint32(28)).astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class Loop:
    """How the steps from step ``first`` to before step ``stop`` are taken.

    How many they are is no part of what is compiled, only that their records fit.

    take: what `lifjax.simulate.core.stepper` returned.
    packing: how the carry is carried.
    record: which of "V", "spikes" and "current" are recorded.
    first, stop: absolute steps, int32.
    every: stride of V and current.
    select: which neurons V and current are of; None is all.
    spare: a row of the records of V and current that is never read.
    column: where in the records the neurons begin.
    put: how a row is recorded, if not by an update of the records.
    at_once: how many steps are one kernel, a divisor of `TILE`.
    ahead: holds what the two steps of a kernel draw, where it would be drawn in more than one.
    """

    take: Take
    packing: Packing
    record: frozenset[str]
    first: Array
    stop: Array
    every: int = 1
    select: Array | None = None
    spare: int = 0
    column: ArrayLike = 0
    put: Put | None = None
    at_once: int = TILE
    ahead: Ahead | None = None

    @property
    def traces(self) -> frozenset[str]:
        """What is recorded at single steps."""
        return self.record - {"spikes"}

    def run(self, carry: Any, count: Array, out: Out) -> tuple[Any, Array, Out]:
        """The carry, the spike counts and the records after all steps, from those before the first."""
        held = () if self.ahead is None else self.ahead.room()
        state = ((*self.packing.begin(carry), *held), count, out)
        packed, count, out = self._each(self.first, self.stop, state) if self.traces else self._in_tiles(state)
        return self.packing.unpack(packed)[0], count, out

    def _each(self, low: Array, high: Array, state: Any) -> Any:
        """The steps from step ``low`` to before ``high`` one by one, in segments."""
        return lax.fori_loop(*_turns(low, high, SEGMENT), functools.partial(self._part, low, high), state)

    def _in_tiles(self, state: Any) -> Any:
        """All steps, most of them in whole tiles, which are from one step to before another."""
        tile = jnp.int32(TILE)
        one = jnp.minimum(lax.div(self.first + (TILE - 1), tile) * tile, self.stop)
        other = jnp.maximum(one, lax.div(self.stop, tile) * tile)
        tiles = lax.div(other - one, tile)

        def phase(p: Array, state: Any) -> Any:
            """The first steps and all whole tiles; then the last steps. Written as a loop, each is compiled once."""
            state = self._each(jnp.where(p == 0, self.first, other), jnp.where(p == 0, one, self.stop), state)
            whole = functools.partial(self._whole, lax.div(one, tile), tiles)
            return lax.fori_loop(0, jnp.where(p == 0, _up(tiles, SEGMENT // TILE), 0), whole, state)

        return lax.fori_loop(0, 2, phase, state)

    def _whole(self, first: Array, tiles: Array, i: Array, state: Any) -> Any:
        """Segment ``i`` of so many tiles, from tile ``first`` on."""
        packed, count, out = state
        most, octets = SEGMENT // TILE, "spikes" in self.record
        first, tiles = first + i * most, jnp.minimum(tiles - i * most, most)

        def onward(k: Array, turn: int, zero: Array, held: Held, carry: Any, tally: Array) -> tuple[Held, Any, Array]:
            """The next few steps of a tile, and where what they drew is held."""
            k = k + turn * self.at_once
            drawn: list[Drawn] = []
            if self.ahead is not None:
                held, drawn = self.ahead.drawn(held, k, zero)
            return held, *self._onward(k, self.at_once, carry, tally, drawn)

        def turns(t: Array, i: Array, packed: Any) -> Any:
            """The same in the arrays, once, or twice where they are there twice."""
            steps = functools.partial(onward, (first + t) * TILE + i * self.at_once * (1 + self.packing.twice))
            if self.packing.twice:
                return self.packing.there_and_back(packed, steps)
            return self.packing.pack(packed, *steps(0, self.packing.zero, (), *self.packing.unpack(packed))[1:])

        def tile(t: Array, state: Any) -> Any:
            packed, count, out = state
            many = TILE // self.at_once // (1 + self.packing.twice)
            few = functools.partial(turns, t)
            packed = few(jnp.int32(0), packed) if many == 1 else lax.fori_loop(0, many, few, packed)
            if octets and not self.packing.together:
                count = count + _ones(self.packing.unpack(packed)[1])
            return packed, count, self._octet(self.packing.unpack(packed)[1], out, first + t)

        packed, count, out = lax.fori_loop(0, tiles, tile, (packed, count, out))
        if not octets:
            return *self._counted(packed, count), out
        if self.packing.together:  # counted at once, since an array more in the loop would be one more kernel
            row = first - lax.div(self.first, jnp.int32(OCTET))
            rows = [
                lax.dynamic_slice(out["spikes"], self._at(row + t), (1, self.packing.width))[0]
                & jnp.where(t < tiles, jnp.uint8(0xFF), jnp.uint8(0))
                for t in range(most)
            ]
            # Added in bytes, which hold up to SEGMENT, several times as many at once as whole numbers.
            count = count + functools.reduce(jnp.add, map(lax.population_count, rows)).astype(jnp.int32)
        return packed, count, out

    def _part(self, first: Array, stop: Array, i: Array, state: Any) -> Any:
        """What of segment ``i`` is between two steps, step by step."""
        begin, end = jnp.maximum(first, i * SEGMENT), jnp.minimum(stop, (i + 1) * SEGMENT)

        def single(packing: Packing, k: Array, state: Any) -> Any:
            packed, count, out = state
            return packing.pack(packed, *self._onward(k, 1, *packing.unpack(packed))), count, out

        def recorded(k: Array, state: Any) -> Any:
            packing, out = self._recorded(k, *state[::2])
            return single(packing, k, (*state[:2], out))

        def stretch(low: Array, high: Array, number: Array, state: Any) -> Any:
            """The steps from a multiple of the stride to the next, of which no more than the first is recorded."""
            every = jnp.int32(self.every)
            low, high = jnp.maximum(low, number * every), jnp.minimum(high, (number + 1) * every)
            packing, out = self._recorded(low, *state[::2])
            return lax.fori_loop(low, high, functools.partial(single, packing), (*state[:2], out))

        def steps(low: Array, high: Array, state: Any) -> Any:
            if not self.traces:
                return lax.fori_loop(low, high, functools.partial(single, self.packing), state)
            if self.every == 1 or OFFSET in self.record:
                return lax.fori_loop(low, high, recorded, state)
            return lax.fori_loop(*_turns(low, high, self.every), functools.partial(stretch, low, high), state)

        def octet(number: Array, state: Any) -> Any:
            """The steps of an octet, whose spikes are its bits from the first step on."""
            low, high = jnp.maximum(begin, number * OCTET), jnp.minimum(end, (number + 1) * OCTET)
            packed, count, out = steps(low, high, state)
            bits = self.packing.unpack(packed)[1]
            return packed, count + _ones(bits), self._octet(bits, out, number)

        if "spikes" in self.record:
            return lax.fori_loop(*_turns(begin, end, OCTET), octet, state)
        packed, count, out = steps(begin, end, state)
        return *self._counted(packed, count), out

    def _recorded(self, k: Array, packed: Any, out: Out) -> tuple[Packing, Out]:
        """The records with what step ``k`` shows, and how the carry is carried on from there."""
        packing = self.packing
        for name in sorted(self.traces):
            _, (shows,) = self.take(packing.unpack(packed)[0], k)
            all_ = self.select is None or name == OFFSET
            row = k - self.first if name == OFFSET else self._row(k)
            out = self._put(out, name, row, shows[name] if all_ else shows[name][self.select])
            packing = packing.after(out, name)
        return packing, out

    def _put(self, out: Out, name: str, row: Array, value: Array) -> Out:
        """The records with one row of one of them written."""
        if self.put is not None:
            return self.put(out, name, row, value)
        return out | {name: lax.dynamic_update_slice(out[name], value[None], self._at(row))}

    def _at(self, row: Array) -> tuple[Array, Array]:
        """Where a row of the neurons' records begins."""
        return row.astype(jnp.int32), jnp.asarray(self.column, jnp.int32)

    def _row(self, k: Array) -> Array:
        """Where V and current of step ``k`` go: rows are the multiples of the stride from the first step on."""
        every = jnp.int32(self.every)
        row = lax.div(k, every) - lax.div(self.first + (self.every - 1), every)
        return row if self.every == 1 else jnp.where(lax.rem(k, every) == 0, row, self.spare)

    def _onward(self, k: Array, steps: int, carry: Any, tally: Array, drawn: Sequence[Drawn] = ()) -> tuple[Any, Array]:
        """The carry after so many steps, and the byte with their spikes: each as its bit of an octet, or added up."""
        flags: list[Any] = [1 << _BYTE] * steps
        if "spikes" in self.record:
            at = 0 if steps == OCTET else lax.rem(k, jnp.int32(OCTET)).astype(jnp.uint32)
            flags = [jnp.uint32(1 << _BYTE + b) << at for b in range(steps)]
            tally = tally & jnp.where(at == 0, jnp.uint32(0), jnp.uint32(TALLY))
        if self.packing.flagged:
            return self.packing.split(self.take(self.packing.joined(carry, tally), k, steps, flags, drawn)[0])
        carry, shown = self.take(carry, k, steps, drawn=drawn)
        for flag, shows in zip(flags, shown, strict=True):
            tally = jnp.where(shows["spikes"], tally + jnp.uint32(flag), tally)
        return carry, tally

    def _octet(self, tally: Array, out: Out, number: Array) -> Out:
        """The records with the byte of spikes as an octet, where they are recorded."""
        if "spikes" not in self.record:
            return out
        row = number - lax.div(self.first, jnp.int32(OCTET))
        return self._put(out, "spikes", row, (tally >> jnp.uint32(_BYTE)).astype(jnp.uint8))

    def _counted(self, packed: Any, count: Array) -> tuple[Any, Array]:
        """The carry with none counted, and the spike counts with what was."""
        carry, tally = self.packing.unpack(packed)
        spikes = (tally >> jnp.uint32(_BYTE)).astype(jnp.int32)
        return self.packing.pack(packed, carry, jnp.zeros_like(tally)), count + spikes


def advance(
    take: Take,
    carry: Any,
    count: Array,
    out: Out,
    first: Array,
    stop: Array,
    *,
    select: Array | None,
    every: int,
    together: bool,
    few: int,
    deep: bool,
    flagged: bool,
    column: ArrayLike = 0,
) -> tuple[Any, Array, Out]:
    """Take the steps from step ``first`` to before step ``stop``, as `Loop` says.

    Args:
        take, first, stop, select, every: as in `Loop`.
        carry, count: where it begins, and spike counts.
        out: where records go: "spikes", (octets, neurons) uint8, from the octet of ``first`` on; "V" and "current",
            (rows, neurons), a row for each multiple of ``every`` from ``first`` on, and one to spare.
        together: whether to carry all in one array.
        few: how many steps are one kernel where they are few: 1, or 2 that share random bits.
        deep: whether they are few.
        flagged: whether the refractory counter may carry flags.
        column: where in the records the neurons begin.

    Returns:
        The carry, the counts, and what is recorded; rows that no step wrote are meaningless.
    """
    packing = Packing(carry, together, jnp.minimum(first, 0).astype(jnp.uint32), flagged)
    rows = [len(x) for name, x in out.items() if name not in ("spikes", OFFSET)]
    at_once = few if deep or packing.twice else TILE
    ahead = Ahead(take, packing.width) if packing.twice and few == 2 and out.keys() <= {"spikes"} else None
    loop = Loop(
        take, packing, frozenset(out), first, stop, every, select, max(rows, default=1) - 1, column,
        at_once=at_once, ahead=ahead,
    )  # fmt: skip
    return loop.run(carry, count, out)
