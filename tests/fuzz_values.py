"""What the fuzz gives to doors: usual values by the names of arguments, and what nobody should give."""

import decimal
import fractions
import functools
import inspect
import math
import os
import pathlib
import tempfile

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from hypothesis import strategies as st

import lifjax
from lifjax.neurons.base import parameters

LONG = int(os.environ.get("LIFJAX_FUZZ", "0"))
nan, inf = math.nan, math.inf

# Numbers at every end, and what is no number; each made anew, since some can be used up or written to.
NUMBERS = [
    nan, inf, -inf, 0.0, -0.0, -1.0, 1e-300, 5e-324, 1e-12, 1e-6, 1e6, 1e15, -1e15, 1.1e15, 1e300, -1e300, 0, -1, 7, 2**31,
    2**63, 2**64, -(2**63), 10**400,
]  # fmt: skip
ODD = [
    lambda: None, lambda: True, lambda: "", lambda: "a", lambda: "0.1", lambda: "\0", lambda: b"x", lambda: 1j, list, dict,
    set, tuple, object, lambda: [[]], lambda: [1.0, nan], lambda: [inf], lambda: [[1.0], [1.0, 2.0]], lambda: [None],
    lambda: ["a"], lambda: {"a": 1}, lambda: {1.0}, lambda: iter([1.0]), lambda: range(3), lambda: lambda *x: x,
    lambda: int, lambda: lifjax.LIF, lambda: lifjax.LIF(), lambda: lifjax.constant(1.0), lambda: np.zeros(0),
    lambda: np.array("a"), lambda: np.array([1j]), lambda: np.array([None, 1.0]), lambda: np.array([True]),
    lambda: np.ma.masked_array([1.0, 2.0], [0, 1]), lambda: np.datetime64("2020"), lambda: np.timedelta64(5, "ms"),
    lambda: fractions.Fraction(1, 3), lambda: decimal.Decimal("1.5"), lambda: np.float16(2.0), lambda: np.uint8(3),
    lambda: np.longdouble(2.0), lambda: np.ones((2, 0)), lambda: np.ones((1,) * 20), lambda: pathlib.Path("no/such/file"),
    lambda: [10**400], lambda: [2**63], lambda: np.array([2**63], np.uint64), lambda: np.void(b"x"),
    lambda: np.array([(1.0, 2)], dtype="f8,i4"), lambda: [[1.0, 2.0]], lambda: (1.0, "a"), lambda: {"tau_m": 1.0},
]  # fmt: skip
SHAPES = [lambda: np.ones(3), lambda: np.ones((2, 1)), lambda: [1.0] * 3, lambda: jnp.ones(3), lambda: np.ones((3, 3))]


def hostile(shapes=False):
    """What nobody should give; with shapes that fit too, each of which is compiled anew."""
    made = [*ODD, *SHAPES] if shapes else ODD
    return st.one_of(
        st.sampled_from(NUMBERS), st.sampled_from(made).map(lambda make: make()), st.floats(), st.integers(),
        st.text(max_size=3), st.lists(st.floats(), max_size=3),
    )  # fmt: skip


def field_values(cls):
    """Values of each parameter of a model: the default, the same in other sizes, and the ends of what is allowed."""
    found = {}
    for name, rule in parameters(cls).items():
        default = inspect.signature(cls).parameters[name].default
        if rule.leading:
            found[name] = [(), [1.0], [5.0, 50.0], [-3.0], [1e15], [[1.0]]]
        else:
            number = 1.0 if default is None or not np.isfinite(default) else float(default)
            sizes = [1, 0.5, 2, 10, 1e3, 1e6, 1e10, 1e-3, 1e-6, 1e-10, -1, 0]
            found[name] = [default, *(number * x for x in sizes), 1e15, -1e15, 1e-15]
    return found


LIF = lifjax.LIF()
ax = functools.partial(lambda: plt.subplots()[1])


@functools.cache
def runs():
    """Runs to look at: one neuron, several, one that only counted, one of 3 of its neurons, one between grid times."""
    every = ("V", "spikes", "current")
    return [
        lifjax.simulate(LIF, 300.0, 50.0, record=every),
        lifjax.simulate(LIF, 300.0, 50.0, record=every, population=12),
        lifjax.simulate(LIF, 300.0, 50.0, record=()),
        lifjax.simulate(LIF, 150.0, 50.0, record=every, population=12, neurons=[0, 5, 7], every=4),
        lifjax.simulate(LIF, 300.0, 50.0, record=every, integrator="exact", spike_timing="interpolated", population=2),
    ]


@functools.cache
def fit_of():
    """A small fit."""
    return lifjax.fit_rates(LIF, 300.0, 60.0, 20.0, steps=1)


@functools.cache
def stored_run():
    """A folder with half a run."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-stored-"))
    neuron = lifjax.LIF(tau_m=[10.0, 12.0])
    lifjax.simulate(neuron, lifjax.ornstein_uhlenbeck(300.0, 5.0, 5.0), 40.0, record=("V", "spikes"), out=folder)
    return folder


def new_path():
    """A path that is free."""
    return pathlib.Path(tempfile.mkdtemp(prefix="fuzz-")) / "case-x"


FEW_STEPS = {"duration": [1.0, 2.0, 0.05], "dt": [0.1, 0.05, 1.0]}
TRAINS = [[1.0, 2.0, 4.5], [], [[1.0, 5.0], [2.0]], np.array([3.0, 8.0]), [np.array([1.0, 2.0, 9.0])] * 3]
LOSSES = [
    lambda response: response.rates.sum(), lambda response: response.rates, lambda response: "a", lambda response: nan,
    lambda response: response.rates.sum() * nan, lambda response: None,
] if LONG else []  # fmt: skip


@functools.cache
def states():
    """States to go on from, where there is time to compile what does."""
    if not LONG:
        return []
    others = [lifjax.simulate(lifjax.LIF(), 300.0, 5.0, population=n).state for n in (2, 3)]
    return [*others, runs()[4].state, lifjax.simulate(lifjax.AdEx(), 300.0, 5.0, population=2).state]


ARGUMENTS = {
    # what is usual, by the name of an argument, or of a function and its argument
    **FEW_STEPS,
    "neuron": [LIF], "stimulus": [300.0], "seed": [0, 3, 2**64 - 1], "record": [("V", "spikes", "current")],
    "every": [1, 3], "neurons": [None, [0], [1]], "integrator": ["euler"], "spike_timing": ["grid"], "state": lambda: [None, *states()],
    "population": [2], "progress": [False], "out": [None], "resume": [False],
    "currents": [[300.0], [0.0]], "background": [0.0], "steps": [10, 1, 0], "spike": [lifjax.surrogate.threshold],
    "target_rates": [60.0, [60.0]], "fit.steps": [1], "free": [("tau_m", "g_L"), "tau_m"], "bounds": [None, {"tau_m": (5.0, 20.0)}, {"tau_m": (1e-10, 1e10)}, {"tau_m": (5.0, 5.0)}, {"tau_m": (nan, 20.0)}, {"tau_m": 3}, {"V_th": (0, 1)}],
    "optimizer": [None], "restarts": [1], "trials": [1], "noise": ["frozen"], "tolerance": [0.0], "patience": [1, 5],
    "fit.spike": [None, lifjax.surrogate.gaussian()], "loss": [lifjax.targets.rates(60.0), [lifjax.targets.rates(60.0)] * 2, *LOSSES], "fit.duration": [20.0],
    "fit.dt": [0.1], "target": [60.0, [60.0], [0.0, 50.0]], "weight": [1.0, 0.0, [1.0]], "targets.tau": [10.0, 1e-3, 1e6],
    "voltage.target": [np.full(200, -70.0), np.full((200, 1), -1e15)], "van_rossum.target": [np.zeros(200, bool), np.ones(200)],
    # stimuli
    "I": [300.0, -50, 1e15], "start": [0.0, 0.5, -1e9], "stop": [0.8, 5.0, 1e12], "steps.I": [[300.0], [0.0, 500.0]],
    "times": [[0.5], [0.0], [0.2, 0.7]], "I0": [0.0, 1e15], "I1": [100.0, -1e15], "amplitude": [100.0, 1e15],
    "frequency": [10.0, 0.0, 1e15], "offset": [0.0, -1e15], "phase": [0.0, 1e15], "values": [np.ones(20), np.zeros(30)],
    "samples.dt": [None, 0.1, 0.3, 1e-9, 1e9], "mean": [190.0, -1e15], "sigma": [5.0, 0.0, 1e15], "tau": [5.0, 1e15, 1e-15],
    "rate": [1000.0, 0.0, 2e5], "tau_syn": [5.0, 1e-6, 1e15], "correlation": [None, 0.3, 1.0, 0.0], "source": [0, 2**32 - 1],
    "E_rev": [None, 0.0, -80.0, 1e15], "kernel": ["exponential", "alpha"], "spikes": [lifjax.poisson_train(1000.0)],
    "synapse.weight": [20.0, 1e15, 0.0], "poisson.weight": [20.0, -1e15], "weights": [None, [1.0]], "spike_train.times": [[0.3], [0.0, 0.3, 0.3], [[0.5], []]],
    "level": [1, 2, 3, 4, 5], "voltage_reset_add": [18.51, -1.0], "a": [0.0, 0.005, -1.0], "A1": [0.0, 10.0], "A2": [0.0, -0.6],
    # spike trains
    "spiketrains": TRAINS, "intervals": [*TRAINS, [0.0, 0.0], [1e-300, 1e-300]], "spiketrain_i": TRAINS[:2], "spiketrain_j": TRAINS[:2], "t_start": [0.0, -5.0],
    "t_stop": [10.0, 50.0, 1e6], "bin_size": [1.0, 0.3, 1e3, 1e-9], "sampling_period": [0.5, 2.0], "analysis.kernel": ["gaussian", "alpha"],
    "analysis.sigma": [1.0, 1e9, 1e-9], "output": ["counts", "mean", "rate"], "window": [(-3, 3), (0, 0), (-5, -2), (-(10**12), 10**12), (2**62, 2**62)],
    # closed forms
    "current": [300.0, [100.0, 200.0, 500.0], 1e15, -1e15], "slope": [25.0, 1e-9, 1e9, 1], "through_reset": [True, False],
    "rheobase.neuron": [LIF, lifjax.QIF()], "firing_rate.neuron": [LIF, lifjax.QIF(), lifjax.LIF(tau_m=1e15)], "adapted_rate.neuron": [lifjax.AdaptiveLIF()],
    "escape_rate.neuron": [lifjax.GIF(), lifjax.GIF(q_stc=[1.0]), lifjax.GIF(C_m=1e15), lifjax.GIF(C_m=1e-6)], "firing_rate.dt": [None, 0.1, 1e-9],
    "theory.mean": [190.0, -1e15, 1e15], "theory.sigma": [5.0, 0.0, 1e-15, 1e15],
    # pictures and files
    "run": runs, "fit": lambda: [fit_of()], "ax": [None], "most": [200, 3, 0], "width": [None, 5.0, 1e9], "plot.neuron": [0, 3],
    "plot.t_start": [None, 10.0], "plot.t_stop": [None, 30.0], "name": ["tau_m"], "rates": [[0.0, 50.0]], "plot.currents": [[100.0, 300.0]],
    "fi_curve.neuron": [LIF, None], "plot.intervals": lambda: [*runs()[:2], [12.0, 13.0], [np.array([5.0]), np.zeros(0)]], "path": lambda: [new_path(), str(new_path())], "description": [None, "a run"], "identifier": [None, "a"],
    "export.population": ["lifjax"], "export.start": [None],
    # the tutorial's
    "pars": lambda: [lifjax.tutorial.default_pars(T=20.0)], "Iinj": [300.0, np.full(200, 300.0)], "tutorial.stop": [False, True], "mu": [200.0], "sig": [5.0, 0.0], "myseed": [False, 7],
    "v": [np.full(200, -70.0)], "sp": [np.array([5.0, 10.0]), np.zeros(0)], "I_GWN": [np.zeros(200)], "isi1": [np.array([12.0])],
    "isi2": [[11.0, 25.0]], "cv1": [0.1], "cv2": [0.2, nan], "sigma1": [1.0], "sigma2": [5.0],
}  # fmt: skip

PARS = {
    name: [value, 0.0, -1.0, 1e15, nan, inf, "a", None]
    for name, value in {**lifjax.tutorial.default_pars(T=20.0), "T": 20.0, "other": 1.0}.items()
    if name != "range_t"
}
CELLS = ["nan", "inf", "-1", "1e400", "1e308", "1e-320", "", "abc", "1_000", "٣", "true", '"x"', "[1]", "1979-05-27", "0", "1e15", "2**3", "\0", "0x10", "''", "{}", '"', "999999999999999999999"]  # fmt: skip
JUNK = [b"\xff\xfe\x00", b"\x00", b"\n\n\n", b",,,,", b"\r", b"\xef\xbb\xbf", b'"', b"[", b"=", "µ".encode()]


def mangled(text):
    """Bytes of a text with some words replaced, lines lost or doubled, junk put in, the end cut off."""
    words = text.replace("\n", " \n ").replace(",", " , ").split(" ")

    def spoil(plan):
        edits, junk, cut, twice = plan
        out = list(words)
        for at, cell in edits:
            out[at % len(out)] = cell
        body = (
            " ".join(out).replace(" \n ", "\n").replace(" ,", ",").replace(", ", ",").encode("utf-8", "surrogatepass")
        )
        if junk is not None:
            at = junk[0] % (len(body) + 1)
            body = body[:at] + junk[1] + body[at:]
        return (body[: cut % (len(body) + 1)] if cut is not None else body) * (1 + twice)

    edit = st.tuples(st.integers(0, len(words)), st.sampled_from(CELLS))
    junk = st.none() | st.tuples(st.integers(0, 10**4), st.sampled_from(JUNK) | st.binary(max_size=4))
    rare = st.sampled_from([None, None, None, 5, 37, 100, 0])
    return st.tuples(st.lists(edit, max_size=2), junk, rare, st.sampled_from([0, 0, 0, 1])).map(spoil)


def too_long(given):
    """Whether what is asked for is as large as no one waits for, and nothing says that it is refused."""

    def large(name, most=math.inf):
        x = given.get(name, 0)
        return isinstance(x, int | float) and 1000 < x <= most

    fitted = given.keys() & {"loss", "target_rates"}
    return (fitted and large("duration", 1e8)) or large("steps") or large("restarts", 1e6) or large("trials", 1e6)
