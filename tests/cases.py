"""The models that the contracts of test_models.py hold for, and what it takes to try each. A new one is one `Case`."""

import dataclasses
from collections.abc import Callable

import numpy as np
import oracle

import lifjax
from lifjax import noise, theory
from lifjax.neurons import parameters
from lifjax.simulate.step import NEURONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """A rate under a constant current that theory knows.

    rate: (neuron, current [pA], dt [ms]) -> Hz.
    integrator, dt: with which the simulator is compared with it.
    on_grid: whether it knows that a spike waits for a grid time.
    fields: those with which it holds.
    """

    rate: Callable
    integrator: str
    dt: float
    on_grid: bool = False
    fields: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A model, and what it takes to try it.

    model: the class.
    currents: under which it fires at some 10 to 100 Hz [pA], lowest and highest.
    quiet: under which it does not fire.
    moves: parameters with what they are moved by, each way, for a difference of spike counts.
    fits: parameters that are fitted, with the share or the mV by which the truth is off at most.
    silent: a field with which it hardly fires, or not at all.
    top: the field, or what it shows, that V stays below.
    loop: (p, current, steps, dt, integrator) -> what it shows, by name; of a model that draws also from ``words``.
    theory: the closed form of its rate, or why there is none.
    given: fields with which it is tried, where its defaults leave parts of it switched off.
    begun: fields of its state at time 0 in which those parts are at work before any spike.
    wrong: fields, and what a run with them is refused for.
    joint: fields one end of whose range makes no sense while the others are as given, each with the reason.
    rebounds: fields with one end of their range at which inhibition makes it fire, each with the reason.
    but: contracts that make no sense for it, each with the reason.
    """

    model: type
    currents: tuple[float, float]
    quiet: float
    moves: dict[str, float]
    fits: dict[str, float]
    silent: dict[str, float]
    top: str
    loop: Callable
    theory: ClosedForm | str
    given: dict = dataclasses.field(default_factory=dict)
    begun: dict = dataclasses.field(default_factory=dict)
    wrong: tuple[tuple[dict, str], ...] = ()
    joint: dict[str, str] = dataclasses.field(default_factory=dict)
    rebounds: dict[str, str] = dataclasses.field(default_factory=dict)
    but: dict[str, str] = dataclasses.field(default_factory=dict)

    def neuron(self, **fields):
        return self.model(**{**self.given, **fields})

    def value(self, name):
        """A field as an array, (*leading)."""
        return np.asarray(getattr(self.neuron(), name), float)

    def sweep(self, n):
        return np.linspace(*self.currents, n)

    @property
    def drawn(self):
        """Whether what it does depends on where in a population it is, since noise does."""
        return getattr(self.model, "drawn", False)

    @property
    def names(self):
        """All that can be recorded."""
        return (*parameters(self.model.shows), "current")

    def mixed(self, n, seed=0):
        """Fields of n neurons, (*leading, n), that differ in all that is no time in steps: by 1 mV, or by a tenth.

        They stay where they may be fitted; there a rise does not become a fall.
        """
        rng = np.random.default_rng(seed)
        fields = {}
        for name, rule in parameters(self.model).items():
            value = self.value(name)[..., None]
            many = (*value.shape[:-1], n)
            apart = rng.uniform(-1, 1, many) if rule.unit == "mV" else value * rng.uniform(-0.1, 0.1, many)
            if rule.fit:
                fields[name] = np.clip(value + apart, *rule.fit)
            else:
                fields[name] = value + apart if rule.leading else np.full(many, value)
        return fields

    def looped(self, p, current, steps, dt, integrator):
        """What a plain loop says that it shows, with the random bits of its first run."""
        if not self.drawn:
            return self.loop(p, current, steps, dt, integrator)
        index, k = np.arange(current.shape[1], dtype=np.uint32)[None], np.arange(steps, dtype=np.int32)[:, None]
        words = noise.bits(noise.key(0, purpose=NEURONS), index, k)
        return self.loop(p, current, steps, dt, integrator, words=np.asarray(words))


def lif_loop(*args):
    V, spikes, _ = oracle.lif_population(*args)
    return {"V": V, "spikes": spikes}


def loop(slopes, name="", **how):
    """A loop of neurons that run away to a spike, whose second variable, if any, has this name."""

    def go(*args):
        V, second, spikes = oracle.upstroke_population(*args, slopes=slopes, **how)
        return {"V": V, "spikes": spikes} | ({name: second} if name else {})

    return go


def adaptive_loop(p, *args):
    """One element of each kind."""
    one = {name: x[None] for name, x in p.items() if name[-4:] in ("_stc", "_sfa")}
    return oracle.adaptive_population({**p, **one}, *args)


order = "{} = .* mV must be below {} = .* mV"
coarse = "dt = 0.1 ms must be below {}"
at_once = "V_reset = -20 mV must be below V_th \\+ 60 Delta_T = -26.4 mV, from where a spike follows at once"
none = "lifjax.theory has no closed form of its rate: {}"
two = none.format("more than one variable is on its way between two spikes")
LIF = Case(
    model=lifjax.LIF, currents=(210.0, 500.0), quiet=150.0,
    moves={"tau_m": 0.3, "g_L": 0.3, "E_L": 0.5, "V_th": 0.5},
    fits={"tau_m": 0.2, "g_L": 0.2}, silent={"g_L": 30.0}, top="V_th", loop=lif_loop,
    theory=ClosedForm(rate=theory.firing_rate, integrator="exact", dt=0.1, on_grid=True),
    wrong=(({"V_reset": -50.0}, order.format("V_reset", "V_th")), ({"tau_m": 0.1}, coarse.format("LIF: tau_m"))),
)  # fmt: skip
EIF = Case(
    model=lifjax.EIF, currents=(600.0, 1100.0), quiet=400.0,
    moves={"C_m": 8.0, "g_L": 0.5, "E_L": 0.5, "V_th": 0.5, "V_reset": 1.0, "Delta_T": 0.1},
    fits={"C_m": 0.2, "g_L": 0.2}, silent={"g_L": 70.0}, top="V_peak", loop=loop(oracle.eif_slopes),
    theory=none.format("an interval is an integral over an exponential"),
    wrong=(
        ({"V_th": 5.0}, order.format("V_th", "V_peak")),
        ({"V_reset": 0.0}, order.format("V_reset", "V_peak")),
        ({"V_reset": -20.0, "Delta_T": 0.4}, at_once),
        ({"g_L": 1e4}, coarse.format("EIF: tau_m")),
    ),
)  # fmt: skip
ADEX = Case(
    model=lifjax.AdEx, currents=(800.0, 1600.0), quiet=400.0,
    moves={"g_L": 0.5, "E_L": 0.5, "V_th": 0.5, "a": 0.5, "b": 8.0, "tau_w": 10.0},
    fits={"g_L": 0.15, "b": 30.0}, silent={"g_L": 100.0}, top="V_peak",
    loop=loop(oracle.adex_slopes, "w", second=("w_init", "b")), theory=two,
    wrong=(
        ({"V_th": 5.0}, order.format("V_th", "V_peak")),
        ({"V_reset": -20.0, "Delta_T": [2.0, 0.4]}, at_once),
        ({"tau_w": 0.1}, coarse.format("AdEx: tau_w")),
    ),
)  # fmt: skip
QIF = Case(
    model=lifjax.QIF, currents=(50.0, 250.0), quiet=20.0,
    moves={"C_m": 5.0, "E_L": 0.5, "V_th": 0.5, "V_reset": 1.0},
    fits={"C_m": 0.2, "V_th": 3.0}, silent={"g_L": 80.0}, top="V_peak", loop=loop(oracle.qif_slopes),
    theory=ClosedForm(rate=lambda neuron, I, dt: theory.firing_rate(neuron, I), integrator="rk4", dt=0.02),
    wrong=(
        ({"E_L": -50.0}, order.format("E_L", "V_th")),
        ({"V_reset": 20.0}, order.format("V_reset", "V_peak")),
        ({"C_m": 0.5}, coarse.format("QIF: tau_m")),
    ),
)  # fmt: skip
IZHIKEVICH = Case(
    model=lifjax.Izhikevich, currents=(6.0, 20.0), quiet=2.0,
    moves={"a": 0.002, "b": 0.01, "d": 0.8}, fits={"a": 0.2, "d": 1.0}, silent={"b": 0.06}, top="V_th",
    loop=loop(oracle.izhikevich_slopes, "u", peak="V_th", reset="c", second=("u_init", "d")),
    theory=two,
    wrong=(
        ({"c": 30.0}, order.format("c", "V_th")),
        ({"V_min": -60.0}, order.format("V_min", "c")),
        ({"a": 10.0}, coarse.format("Izhikevich: tau_u")),
    ),
)  # fmt: skip
ADAPTIVE = Case(
    model=lifjax.AdaptiveLIF, currents=(280.0, 600.0), quiet=150.0,
    moves={"tau_m": 0.3, "g_L": 0.3, "E_L": 0.5, "V_th": 0.5, "q_stc": 2.0, "q_sfa": 0.2, "tau_stc": 10.0},
    fits={"g_L": 0.2, "q_stc": 10.0}, silent={"g_L": 30.0}, top="threshold", loop=adaptive_loop,
    theory=ClosedForm(
        rate=lambda neuron, I, dt: theory.adapted_rate(neuron, I), integrator="exact", dt=0.02
    ),
    begun={"stc": (-30.0,), "sfa": (3.0,)},
    wrong=(
        ({"V_reset": -50.0}, order.format("V_reset", "V_th")),
        *(({name: 0.1}, coarse.format(f"AdaptiveLIF: {name}")) for name in ("tau_m", "tau_stc", "tau_sfa")),
    ),
)  # fmt: skip
GIF = Case(
    model=lifjax.GIF, currents=(180.0, 350.0), quiet=20.0,
    given={
        "V_T_star": -48.0, "V_reset": -60.0, "Delta_V": 1.0, "lambda_0": 10.0, "t_ref": 2.0,
        "q_stc": [10.0, -3.0], "tau_stc": [30.0, 150.0], "q_sfa": [3.0, 1.0], "tau_sfa": [20.0, 100.0],
    },
    moves={"C_m": 4.0, "g_L": 0.2, "E_L": 1.0, "V_T_star": 1.0, "V_reset": 2.0, "q_stc": 3.0, "q_sfa": 0.5},
    fits={"g_L": 0.2, "V_T_star": 2.0}, silent={"g_L": 16.0}, top="threshold", loop=oracle.adaptive_population,
    theory=ClosedForm(
        rate=theory.escape_rate, integrator="exact", dt=0.1, on_grid=True,
        fields={"q_stc": [], "tau_stc": [], "q_sfa": [], "tau_sfa": []},
    ),
    begun={"stc": (-30.0, 20.0), "sfa": (3.0, 1.0)},
    wrong=(
        ({"q_stc": [1.0]}, "q_stc has 1 elements and tau_stc has 2"),
        ({"tau_sfa": [1.0]}, "q_sfa has 2 elements and tau_sfa has 1"),
        ({"tau_stc": [30.0, 0.1]}, coarse.format(r"GIF: tau_stc\[1\]")),
        ({"C_m": 0.4}, coarse.format("GIF: tau_m")),
    ),
    but={"test_V_never_shows_above_what_it_stays_below": "its threshold is one of chance: V is above it now and then"},
)  # fmt: skip
GLIF = Case(
    model=lifjax.GLIF, currents=(450.0, 700.0), quiet=150.0,
    given={
        "V_th": -50.0, "V_reset": -75.0, "E_L": -75.0, "V_init": -75.0, "C_m": 100.0, "g_L": 10.0, "t_ref": 2.0,
        "voltage_reset_fraction": 0.2, "asc_amps": [-10.0, -100.0], "asc_decay": [0.01, 0.1], "asc_r": [1.0, 0.5],
        "asc_init": [20.0, -20.0], "th_spike_add": 1.0, "th_spike_decay": 0.02, "th_voltage_index": 0.005,
        "th_voltage_decay": 0.09, "th_reset": -49.0,
    },
    moves={"C_m": 2.0, "g_L": 0.3, "E_L": 0.7, "V_th": 0.7, "voltage_reset_fraction": 0.05, "th_voltage_index": 0.002},
    fits={"g_L": 0.15, "C_m": 0.15}, silent={"g_L": 30.0}, top="threshold", loop=oracle.glif_population,
    theory=two,
    rebounds={"th_voltage_index": "a threshold that follows V by more than V moves falls below it"},
    joint={"V_reset": "just below V_th, with the share of V that a reset leaves, it is above the threshold"},
    wrong=(
        ({"V_reset": -50.0}, "so that another spike follows at once"),
        ({"asc_amps": [1.0, 2.0, 3.0]}, "3 of asc_amps, 2 of asc_decay"),
        ({"g_L": 1e4}, coarse.format("GLIF: tau_m")),
    ),
)  # fmt: skip
MODELS = [LIF, EIF, ADEX, QIF, IZHIKEVICH, ADAPTIVE, GIF, GLIF]
