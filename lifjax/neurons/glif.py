r"""The generalised leaky integrate-and-fire neuron (Mihalas and Niebur 2009, doi:10.1162/neco.2008.12-07-680).

.. math::
    C_m \frac{dV}{dt} &= -g_L (V - E_L) + \sum_j I_j + I \\
    \frac{dI_j}{dt} &= -k_j I_j \\
    \frac{d\theta_s}{dt} &= -b_s \theta_s \\
    \frac{d\theta_v}{dt} &= a_v (V - E_L) - b_v \theta_v

with a spike where V reaches the threshold :math:`\theta = V_{th} + \theta_s + \theta_v`, and then

.. math::
    V &\to V_{reset} + f (\theta - E_L) \\
    I_j &\to R_j I_j e^{-k_j t_{ref}} + A_j \\
    \theta_s &\to \theta_s e^{-b_s t_{ref}} + \delta \\
    \theta &\to \max(\theta, \theta_{reset})

For t_ref from then on everything stands still; what fades meanwhile has done so at the spike. These are the neurons of
Mihalas and Niebur, who have no theta_s and no f, and those of the Allen Institute's five levels (Teeter et al. 2018,
doi:10.1038/s41467-017-02717-4), who have no theta_reset, as in NEST's glif_psc. With V_reset = E_L + add the reset of V
is Allen's E_L + f (V - E_L) + add, V being theta as it reaches it. NEST takes V of the grid time before for that, and
holds the after-spike currents at their mean for a step, both of which vanish with dt.

All that is linear, so that a step multiplies what there is by numbers worked out before the run: for the exact
integrator by those of the exponential, as divided differences of it, which need no time constants to differ.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from lifjax.neurons.base import Grid, Input, Output, Values, exactly, parameter, pytree, traced, waits
from lifjax.neurons.check import check_count, check_numbers, check_rate, check_time_constant, shown
from lifjax.neurons.elements import elements, listed
from lifjax.neurons.linear import differences
from lifjax.neurons.patterns import PATTERNS, current
from lifjax.surrogate import Spike, at_reset, choose, silence

_ONE_EACH = "it has one value for each element, and a fit one for each neuron; differentiate lifjax.integrate instead"
_NARROWEST = 1.0  # mV, least distance from the threshold that a surrogate counts as a reset


@pytree
class State:
    """The state of a GLIF neuron between two steps."""

    V: Any = parameter("mV", "membrane potential")
    asc: Any = parameter("pA", "after-spike currents", leading=1, axes="element", optional=True)
    th_spike: Any = parameter("mV", "what spikes left of a rise of the threshold")
    th_voltage: Any = parameter("mV", "what V did to the threshold")
    refractory: Any = parameter("steps", "refractory steps left", least=0)


@pytree
class Shown(Output):
    """What a GLIF neuron shows."""

    threshold: Any = parameter("mV", "threshold")
    I_asc: Any = parameter("pA", "sum of the after-spike currents")


@pytree
class Element:
    """An after-spike current: what it does in a step and at a spike."""

    loss: Any  # the share of it that a step takes
    push: Any  # by how much a pA of it moves V in a step [mV]
    lift: Any  # and the threshold
    mean: Any  # how much of it there is on average over a step
    kept: Any  # the share that a spike leaves
    rise: Any


@pytree
class Constants:
    """What a step of a GLIF neuron needs."""

    V_th: Any
    V_reset: Any
    E_L: Any
    fraction: Any
    n_ref: Any
    asc: tuple[Element, ...]
    leak: Any  # the share of V - E_L that a step takes
    base: Any  # leak E_L
    push: Any  # by how much a pA moves V in a step [mV]
    follow: Any  # by how much a mV of V moves the threshold in a step
    rest: Any  # -follow E_L
    lift: Any  # by how much a pA moves it
    th_loss: Any  # the share that a step takes of what V did to the threshold
    th_fade: Any  # and of what spikes did
    th_kept: Any
    th_rise: Any
    th_floor: Any
    rate: Any  # dt / C_m
    g_L: Any
    pull: Any  # g_L E_L
    exact: bool = dataclasses.field(metadata={"static": True})


@pytree
class GLIF:
    """Generalised leaky integrate-and-fire neurons: after-spike currents, and a threshold that spikes and V move.

    The after-spike currents may be any number of elements. What is said of them has an axis of elements before the axes
    of the population: (elements,) or (elements, *population); of one element it holds for all. What is not given is
    switched off, so that ``GLIF()`` is a plain leaky neuron; `allen` and `mihalas_niebur` make those of the two papers.

    Example:
        >>> import lifjax
        >>> neuron = lifjax.GLIF(asc_amps=[-10.0, -200.0], asc_decay=[0.003, 0.1], th_spike_add=0.4)
        >>> run = lifjax.simulate(neuron, 400.0, 300.0, record=("V", "threshold", "I_asc", "spikes"))
        >>> int(run.spike_count), f"{run.threshold.max():.2f} mV", f"{run.I_asc.min():.0f} pA"
        (12, '-46.88 mV', '-288 pA')
    """

    integrators: ClassVar[tuple[str, ...]] = ("euler", "exact")
    flagged: ClassVar[bool] = True
    shows: ClassVar[type[Output]] = Shown

    V_th: Values = parameter("mV", "threshold that nothing has moved", default=-51.68, fit=(-70.0, -30.0))
    V_reset: Values = parameter("mV", "reset potential", default=-78.85, fit=(-100.0, -40.0), below="V_th")
    V_init: Values = parameter("mV", "membrane potential at time 0", default=-78.85, fit=(-100.0, -30.0))
    E_L: Values = parameter("mV", "leak reversal potential", default=-78.85, fit=(-100.0, -45.0))
    C_m: Values = parameter("pF", "membrane capacitance", default=58.72, above=0.0, fit=(10.0, 1000.0))
    g_L: Values = parameter("nS", "leak conductance", default=9.43, above=0.0, fit=(0.5, 200.0))
    t_ref: Values = parameter(
        "ms", "absolute refractory time", default=3.75, least=0.0,
        unfit="it is counted in whole steps and has no derivative; compare fits at several fixed values",
    )  # fmt: skip
    voltage_reset_fraction: Values = parameter(
        "1", "share f of threshold - E_L that the reset potential is higher by", default=0.0, fit=(0.0, 0.9)
    )
    asc_amps: Values = parameter(
        "pA", "rise A of each after-spike current at a spike", default=(),
        leading=1, axes="element", optional=True, unfit=_ONE_EACH,
    )  # fmt: skip
    asc_decay: Values = parameter(
        "1/ms", "rate k at which each after-spike current decays", default=(),
        least=0.0, leading=1, axes="element", optional=True, unfit=_ONE_EACH,
    )  # fmt: skip
    asc_r: Values = parameter(
        "1", "share R of each after-spike current that a spike leaves", default=(1.0,),
        leading=1, axes="element", optional=True, unfit=_ONE_EACH,
    )  # fmt: skip
    asc_init: Values = parameter(
        "pA", "each after-spike current at time 0", default=(0.0,),
        leading=1, axes="element", optional=True, unfit=_ONE_EACH,
    )  # fmt: skip
    th_spike_add: Values = parameter("mV", "rise of the threshold at a spike", default=0.0, fit=(0.0, 20.0))
    th_spike_decay: Values = parameter(
        "1/ms", "rate b_s at which that rise decays", default=0.0, least=0.0, fit=(0.001, 1.0)
    )
    th_voltage_index: Values = parameter(
        "1/ms", "rate a_v at which the threshold follows V", default=0.0, fit=(-0.1, 0.1)
    )
    th_voltage_decay: Values = parameter(
        "1/ms", "rate b_v at which the threshold forgets V", default=0.0, least=0.0, fit=(0.001, 1.0)
    )
    th_reset: Values = parameter("mV", "least threshold after a spike", default=-1000.0, fit=(-100.0, -20.0))

    @classmethod
    def allen(cls, level: int, *, voltage_reset_add: Values = 18.51, **given: Any) -> "GLIF":
        """Neurons of one of the five levels of the Allen Institute's models.

        Level 1 is a leaky neuron. Levels 2, 4 and 5 have a threshold that rises at spikes and a reset that depends on
        V; levels 3, 4 and 5 have after-spike currents; level 5 has a threshold that follows V.

        Args:
            level: 1 to 5.
            voltage_reset_add: what is added to the share of V that a reset leaves [mV], for levels 2, 4 and 5.
            given: other parameters, by their names here; those of parts that the level lacks are left out. The rest
                are NEST's defaults.

        Raises:
            ValueError: there is no such level.

        Example:
            >>> import lifjax
            >>> [int(lifjax.simulate(GLIF.allen(level), 400.0, 500.0).spike_count) for level in (1, 2, 3, 4, 5)]
            [49, 71, 22, 22, 20]
        """
        if not isinstance(level, int) or level not in (1, 2, 3, 4, 5):
            raise ValueError(f"level = {shown(level)} is none of the Allen Institute's; choose from 1 to 5")
        parts = {"th_spike": (2, 4, 5), "voltage_reset": (2, 4, 5), "asc_": (3, 4, 5), "th_voltage": (5,)}
        lacking = tuple(part for part, levels in parts.items() if level not in levels)
        E_L = given.get("E_L", cls.E_L)
        check_numbers("GLIF", E_L=E_L, voltage_reset_add=voltage_reset_add)
        numbers: dict[str, Any] = {
            "V_reset": E_L, "V_init": E_L,
            "th_spike_add": 0.37, "th_spike_decay": 0.009, "voltage_reset_fraction": 0.2,
            "asc_amps": (-9.18, -198.94), "asc_decay": (0.003, 0.1),
            "th_voltage_index": 0.005, "th_voltage_decay": 0.09, **given,
        }  # fmt: skip
        if "voltage_reset" not in lacking:
            numbers["V_reset"] = exactly(E_L) + exactly(voltage_reset_add)
        return cls(**{name: x for name, x in numbers.items() if not name.startswith(lacking)})

    @classmethod
    def mihalas_niebur(cls, a: Values = 0.0, A1: Values = 0.0, A2: Values = 0.0, **given: Any) -> "GLIF":
        """Neurons of Mihalas and Niebur's Table 1, whose three numbers make them fire in one of twenty patterns.

        The paper divides currents by C; here C_m is 100 pF, so that its 1 V/s is 100 pA.

        Args:
            a: rate at which the threshold follows V [1/s].
            A1, A2: rises of the two after-spike currents, divided by C [V/s].
            given: other parameters, by their names here, instead of those that all the patterns share.

        Example:
            >>> import lifjax
            >>> neuron = GLIF.mihalas_niebur(a=5.0, A1=10.0, A2=-0.6)  # bursts under 2 V/s
            >>> times = lifjax.simulate(neuron, 200.0, 500.0).spike_times
            >>> lifjax.analysis.isi(times)[:10].round()
            array([  2.,   3.,   3.,   3.,   4.,   4.,   5., 104.,   3.,   4.])
        """
        C = 100.0
        check_numbers("GLIF", a=a, A1=A1, A2=A2)
        xp: Any = jnp if traced(A1, A2) else np
        numbers: dict[str, Any] = {
            "V_th": -50.0, "V_reset": -70.0, "V_init": -70.0, "E_L": -70.0, "C_m": C, "g_L": 0.05 * C, "t_ref": 0.0,
            "asc_amps": C * xp.stack(xp.broadcast_arrays(exactly(A1), exactly(A2))),
            "asc_decay": (0.2, 0.02), "asc_r": (0.0, 1.0),
            "th_voltage_index": exactly(a) / 1000, "th_voltage_decay": 0.01, "th_reset": -60.0, **given,
        }  # fmt: skip
        return cls(**numbers)

    @staticmethod
    def patterns() -> "dict[str, tuple[GLIF, np.ndarray]]":
        """The twenty firing patterns of Mihalas and Niebur's Figure 1: neurons, and currents [pA] every 0.1 ms.

        How long a current is and where it differs from the paper's is said in `lifjax.neurons.patterns`.

        Example:
            >>> import lifjax
            >>> neuron, current = GLIF.patterns()["rebound spike"]  # released at 800 ms
            >>> lifjax.simulate(neuron, lifjax.samples(current), 0.1 * len(current)).spike_times.round()
            array([836.])
        """
        return {name: (GLIF.mihalas_niebur(*numbers), current(parts)) for name, (numbers, parts) in PATTERNS.items()}

    @property
    def tau_m(self) -> Any:
        """Membrane time constant C_m / g_L [ms]."""
        return exactly(self.C_m) / exactly(self.g_L)

    @property
    def room(self) -> Any:
        """By how much the first spike leaves V below the threshold [mV]; a run is refused where it is not."""
        after, level = self._after_a_spike()
        return level - after

    def _after_a_spike(self) -> tuple[Any, Any]:
        """V and the threshold [mV] after a spike at V_th."""
        xp: Any = jnp if traced(self) else np
        V_th, V_reset, E_L, fraction, add, least = map(
            exactly, (self.V_th, self.V_reset, self.E_L, self.voltage_reset_fraction, self.th_spike_add, self.th_reset)
        )
        return V_reset + fraction * (V_th - E_L), xp.maximum(V_th + add, least)

    def check(self, grid: Grid) -> None:
        """Raise ValueError where a reset would be a spike, elements do not go together or the grid is too coarse."""
        many = {name: len(listed(getattr(self, name))) for name in ("asc_amps", "asc_decay", "asc_r", "asc_init")}
        some = bool(many["asc_amps"]) and all(many.values())
        if len({n for n in many.values() if n != 1}) > 1 or some != bool(many["asc_amps"] or many["asc_decay"]):
            told = ", ".join(f"{n} of {name}" for name, n in many.items())
            raise ValueError(f"GLIF: after-spike currents: {told}; give as many of each, or one that holds for all")
        V_th, after, level = np.broadcast_arrays(exactly(self.V_th), *self._after_a_spike())
        if (wrong := after >= level).any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"GLIF: a spike at V_th = {V_th[at]:g} mV leaves V at {after[at]:g} mV and the threshold at "
                f"{level[at]:g} mV, so that another spike follows at once; lower V_reset or voltage_reset_fraction"
            )
        check_time_constant(self, "tau_m", grid.dt)
        for name in ("asc_decay", "th_spike_decay", "th_voltage_decay"):
            if getattr(self, name) is not None:
                check_rate(self, name, grid.dt)
        check_count(self, "t_ref", grid)

    def constants(self, grid: Grid) -> Constants:
        """The numbers of a step on this grid."""
        differ, number = differences(grid.integrator == "exact"), grid.number
        dt, E_L, t_ref = grid.dt, exactly(self.E_L), exactly(self.t_ref)
        rate, a = dt / exactly(self.C_m), dt * exactly(self.th_voltage_index)
        x, b, s = (dt * exactly(y) for y in (1 / self.tau_m, self.th_voltage_decay, self.th_spike_decay))
        leak, follow = x * differ(0, -x), a * differ(-x, -b)

        def element(amp: Values, decay: Values, r: Values) -> Element:
            k = dt * exactly(decay)
            return Element(
                loss=number(k * differ(0, -k)),
                push=number(rate * differ(-x, -k)),
                lift=number(a * rate * differ(-x, -b, -k)),
                mean=number(differ(0, -k)),
                kept=number(exactly(r) * _fading(exactly(decay) * t_ref)),
                rise=number(amp),
            )

        return Constants(
            V_th=number(self.V_th),
            V_reset=number(self.V_reset),
            E_L=number(E_L),
            fraction=number(self.voltage_reset_fraction),
            n_ref=grid.count(self.t_ref),
            asc=tuple(element(*one) for one in elements(self.asc_amps, self.asc_decay, self.asc_r)),
            leak=number(leak),
            base=number(leak * E_L),
            push=number(rate * differ(0, -x)),
            follow=number(follow),
            rest=number(-follow * E_L),
            lift=number(a * rate * differ(0, -x, -b)),
            th_loss=number(b * differ(0, -b)),
            th_fade=number(s * differ(0, -s)),
            th_kept=number(_fading(exactly(self.th_spike_decay) * t_ref)),
            th_rise=number(self.th_spike_add),
            th_floor=number(exactly(self.th_reset) - exactly(self.V_th)),
            rate=number(rate),
            g_L=number(self.g_L),
            pull=number(exactly(self.g_L) * E_L),
            exact=grid.integrator == "exact" and grid.conducts,
        )

    def start(self) -> State:
        """The state at time 0: V_init, asc_init, the threshold at V_th, not refractory."""
        asc = tuple(exactly(init) for init, *_ in elements(self.asc_init, self.asc_amps, self.asc_decay, self.asc_r))
        zero = np.zeros(())
        return State(V=exactly(self.V_init), asc=asc, th_spike=zero, th_voltage=zero, refractory=np.int32(0))

    @staticmethod
    def step(constants: Constants, state: State, given: Input, spike: Spike) -> tuple[State, Shown]:
        """One step of one neuron: spike and reset, then onward."""
        c, held = constants, waits(state.refractory)
        V = state.V if given.jump is None else jnp.where(held, state.V, state.V + given.jump)
        threshold = c.V_th + state.th_voltage + state.th_spike
        # Where a spike would leave V and the threshold.
        V_after = (threshold - c.E_L) * c.fraction + c.V_reset
        th_spike = state.th_spike * c.th_kept + c.th_rise
        th_voltage = jnp.maximum(state.th_voltage, c.th_floor - th_spike)
        unit = lax.stop_gradient(jnp.maximum(c.V_th + th_voltage + th_spike - V_after, _NARROWEST))

        reached = spike(V, threshold, unit)
        spiked = silence(reached, held)
        refractory = state.refractory + jnp.where(held, -1, jnp.where(reached.astype(bool), c.n_ref, 0))
        back = at_reset(spiked, spike)
        V = choose(back, V_after, V)
        th_spike = choose(back, th_spike, state.th_spike)
        th_voltage = choose(back, th_voltage, state.th_voltage)
        asc = tuple(_renewed(I, I * e.kept + e.rise, back) for I, e in zip(state.asc, c.asc, strict=True))
        total = sum(asc[1:], asc[0]) if asc else jnp.zeros_like(V)
        shown = Shown(V=V, threshold=c.V_th + th_voltage + th_spike, I_asc=total, spikes=spiked)

        stay = waits(refractory)
        after = State(
            V=jnp.where(stay, V, _moved(c, V, asc, given)),
            asc=tuple(jnp.where(stay, I, I - I * e.loss) for I, e in zip(asc, c.asc, strict=True)),
            th_spike=jnp.where(stay, th_spike, th_spike - th_spike * c.th_fade),
            th_voltage=jnp.where(stay, th_voltage, th_voltage + _lifted(c, V, th_voltage, asc, given)),
            refractory=refractory,
        )
        return after, shown


def _renewed(I: Array, after: Array, back: Array) -> Array:
    """An after-spike current after what is a spike or none.

    No derivative passes through a rise, which would drive V on to the next spike and grow from one to the next.
    """
    return choose(jnp.where(after > I, lax.stop_gradient(back), back), after, I)


def _moved(c: Constants, V: Array, asc: tuple[Array, ...], given: Input) -> Array:
    """V after a step."""
    if given.conductance is not None and c.exact:  # a leak of its own in every step, and currents at their mean
        current = given.current + c.pull
        for I, e in zip(asc, c.asc, strict=True):
            current = I * e.mean + current
        total = given.conductance + c.g_L
        return V - (V - current / total) * -jnp.expm1(-total * c.rate)
    change = given.current * c.push + c.base
    for I, e in zip(asc, c.asc, strict=True):
        change = I * e.push + change
    leak = c.leak if given.conductance is None else given.conductance * c.rate + c.leak
    return V + (change - V * leak)


def _lifted(c: Constants, V: Array, th_voltage: Array, asc: tuple[Array, ...], given: Input) -> Array:
    """By how much a step moves what V did to the threshold; a conductance acts with V as it is at the grid time."""
    change = given.current * c.lift + c.rest
    for I, e in zip(asc, c.asc, strict=True):
        change = I * e.lift + change
    drawn = change if given.conductance is None else change - V * given.conductance * c.lift
    return V * c.follow + drawn - th_voltage * c.th_loss


def _fading(x: Any) -> Any:
    """exp(-x)."""
    return jnp.exp(-x) if traced(x) else np.exp(-x)
