"""What holds for every model. A new one is one line in `MODELS`, with a loop in oracle.py that it is compared with."""

import dataclasses
import inspect
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import lifjax
from lifjax import backend, surrogate
from lifjax.neurons import parameters
from lifjax.simulate import blocks

UNITS = {"ms", "1/ms", "mV", "nS", "pA", "pF", "Hz", "steps", "1", ""}
ORDER = {"euler": 1, "rk4": 4}


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, and what it takes to try it.

    model: the class.
    currents: under which it fires at some 10 to 100 Hz [pA], lowest and highest.
    quiet: under which it does not fire.
    moves: parameters with what they are moved by, each way, for a difference of spike counts.
    fits: parameters that are fitted, with the share or the mV by which the truth is off at most.
    silent: a field with which it hardly fires, or not at all.
    top: the field that V stays below.
    loop: (p, current, steps, dt, integrator) -> V, second variable, spikes.
    wrong: fields, and what a run with them is refused for.
    """

    model: type
    currents: tuple[float, float]
    quiet: float
    moves: dict[str, float]
    fits: dict[str, float]
    silent: dict[str, float]
    top: str
    loop: object
    wrong: tuple[tuple[dict, str], ...] = ()

    def sweep(self, n):
        return np.linspace(*self.currents, n)


def lif_loop(p, current, steps, dt, integrator):
    V, spikes, _ = oracle.lif_population(p, current, steps, dt, integrator)
    return V, None, spikes


def loop(slopes, **how):
    return partial(oracle.upstroke_population, slopes=slopes, **how)


order = "{} = .* mV must be below {} = .* mV"
MODELS = [
    Case(
        lifjax.LIF, (210.0, 500.0), 150.0, {"tau_m": 0.3, "g_L": 0.3, "E_L": 0.5, "V_th": 0.5},
        {"tau_m": 0.2, "g_L": 0.2}, {"g_L": 30.0}, "V_th", lif_loop,
        (({"V_reset": -50.0}, order.format("V_reset", "V_th")),),
    ),
    Case(
        lifjax.EIF, (600.0, 1100.0), 400.0,
        {"C_m": 8.0, "g_L": 0.5, "E_L": 0.5, "V_th": 0.5, "V_reset": 1.0, "Delta_T": 0.1},
        {"C_m": 0.2, "g_L": 0.2}, {"g_L": 70.0}, "V_peak", loop(oracle.eif_slopes), (
            ({"V_th": 5.0}, order.format("V_th", "V_peak")),
            ({"V_reset": 0.0}, order.format("V_reset", "V_peak")),
            ({"g_L": 1e4}, "dt = 0.1 ms must be below EIF: tau_m"),
        ),
    ),
    Case(
        lifjax.AdEx, (800.0, 1600.0), 400.0, {"g_L": 0.5, "E_L": 0.5, "V_th": 0.5, "a": 0.5, "b": 8.0, "tau_w": 10.0},
        {"g_L": 0.15, "b": 30.0}, {"g_L": 100.0}, "V_peak", loop(oracle.adex_slopes, second=("w_init", "b")), (
            ({"V_th": 5.0}, order.format("V_th", "V_peak")),
            ({"tau_w": 0.1}, "dt = 0.1 ms must be below AdEx: tau_w"),
        ),
    ),
    Case(
        lifjax.QIF, (50.0, 250.0), 20.0, {"C_m": 5.0, "E_L": 0.5, "V_th": 0.5, "V_reset": 1.0},
        {"C_m": 0.2, "V_th": 3.0}, {"g_L": 80.0}, "V_peak", loop(oracle.qif_slopes), (
            ({"E_L": -50.0}, order.format("E_L", "V_th")),
            ({"V_reset": 20.0}, order.format("V_reset", "V_peak")),
            ({"C_m": 0.5}, "dt = 0.1 ms must be below QIF: tau_m"),
        ),
    ),
    Case(
        lifjax.Izhikevich, (6.0, 20.0), 2.0, {"a": 0.002, "b": 0.01, "d": 0.8}, {"a": 0.2, "d": 1.0},
        {"b": 0.06}, "V_th", loop(oracle.izhikevich_slopes, peak="V_th", reset="c", second=("u_init", "d")), (
            ({"c": 30.0}, order.format("c", "V_th")),
            ({"V_min": -60.0}, order.format("V_min", "c")),
            ({"a": 10.0}, "dt = 0.1 ms must be below Izhikevich: tau_u"),
        ),
    ),
]  # fmt: skip
each = pytest.mark.parametrize("case", MODELS, ids=lambda case: case.model.__name__)
both = pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
integrated = pytest.mark.parametrize(
    ("case", "integrator"),
    [pytest.param(c, i, id=f"{c.model.__name__}-{i}") for c in MODELS for i in c.model.integrators],
)


def mixed(case, n, seed=0):
    """Fields of n neurons that differ in everything that may be fitted: potentials by 1 mV, the rest by a tenth."""
    rng = np.random.default_rng(seed)
    fields = {}
    for name, rule in parameters(case.model).items():
        value = getattr(case.model(), name)
        apart = rng.uniform(-1, 1, n) if rule.unit == "mV" else value * rng.uniform(-0.1, 0.1, n)
        fields[name] = value + apart if rule.fit else np.full(n, value)
    return fields


def shown(run):
    return {**run.traces, "spikes": run.spikes, "spike_count": run.spike_count}


def names(case):
    return (*parameters(case.model.shows), "current")


def same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@integrated
def test_it_is_what_a_plain_loop_in_numpy_does(case, integrator, x64):
    rng, steps, n = np.random.default_rng(1), 2000, 24
    p = mixed(case, n) | ({"t_ref": rng.uniform(0, 3, n)} if hasattr(case.model(), "t_ref") else {})
    width = case.currents[1] - case.currents[0]
    current = rng.uniform(*case.currents, n) + width * rng.normal(0, 1, (steps, n))
    V, second, spikes = case.loop(p, current, steps, 0.1, integrator)
    run = lifjax.simulate(
        case.model(**p), lifjax.samples(current), steps * 0.1, integrator=integrator, record=names(case)
    )
    assert spikes.sum() > 20
    np.testing.assert_array_equal(run.spikes, spikes)
    np.testing.assert_allclose(run.V, V, rtol=0, atol=1e-6)
    for name in set(parameters(case.model.shows)) - {"V", "spikes"}:
        np.testing.assert_allclose(run.traces[name], second, rtol=0, atol=1e-6)


@each
def test_it_works_in_float32_with_about_the_same_spikes(case):
    args = case.model(**mixed(case, 24)), case.sweep(24), 300.0
    single = lifjax.simulate(*args, record=("V",))
    with jax.enable_x64(True):
        double = lifjax.simulate(*args, record=("V",))
    assert (single.V.dtype, double.V.dtype) == (np.float32, np.float64)
    assert double.spike_count.sum() > 50
    assert np.abs(single.spike_count - double.spike_count).max() <= 1


@each
@both
def test_neurons_of_a_population_are_those_that_run_alone_bit_for_bit(case, double):
    with jax.enable_x64(double):
        p, currents, ripple = mixed(case, 6), case.sweep(6), lifjax.sinusoid(0.2 * case.currents[0], 10.0)
        together = lifjax.simulate(case.model(**p), currents + ripple, 100.0, record=names(case))
        assert together.spike_count.sum() > 10
        for i in range(6):
            neuron = case.model(**{name: float(x[i]) for name, x in p.items()})
            alone = lifjax.simulate(neuron, float(currents[i]) + ripple, 100.0, record=names(case))
            same(shown(alone), {name: x[..., i] for name, x in shown(together).items()})


@each
def test_jit_and_vmap_of_integrate_give_the_run_bit_for_bit(case):
    # Where XLA is told all numbers, as here, it unrolls the loop over a few neurons, and contracts sums as it likes.
    neuron, currents = case.model(), case.sweep(16).astype(np.float32)
    run = lifjax.simulate(neuron, currents, 100.0, record=names(case))

    def go(current):
        return lifjax.integrate(neuron, current, 1000, record=names(case))[1]

    for out in (go(currents), jax.jit(go)(currents), jax.vmap(go, out_axes=-1)(currents)):
        same({**out.traces, "spikes": out.spikes, "spike_count": out.spike_count}, shown(run))


@each
def test_two_runs_in_a_row_are_one_bit_for_bit(case):
    drive = lifjax.white_noise(float(np.mean(case.currents)), 0.02 * case.currents[1])
    whole = lifjax.simulate(case.model(), drive, 100.0, population=7, seed=3, record=names(case))
    first = lifjax.simulate(case.model(), drive, 33.7, population=7, seed=3, record=names(case))
    second = lifjax.simulate(case.model(), drive, 66.3, state=first.state, record=names(case))
    assert whole.spike_count.sum() > 0
    for name in whole.traces:
        np.testing.assert_array_equal(np.concatenate([first.traces[name], second.traces[name]]), whole.traces[name])
    np.testing.assert_array_equal(np.concatenate([first.spikes, second.spikes]), whole.spikes)
    same(second.state.neuron, whole.state.neuron)


@each
@both
def test_blocks_chunks_and_engines_give_the_same_bits(case, double, monkeypatch):
    noisy = lifjax.white_noise(case.sweep(40), 0.02 * case.currents[1])
    neuron = case.model(**mixed(case, 40))

    def go(record):
        run = lifjax.simulate(neuron, noisy, 50.3, seed=2, record=record)
        spikes = run.spikes if "spikes" in record else None
        return run.traces, spikes, run.spike_count, run.state.neuron

    with jax.enable_x64(double):
        whole, few = go(names(case)), go(("spikes",))
        assert whole[2].sum() > 0
        same(whole[1:], few[1:])
        for engine in ("scan", "kernel"):
            monkeypatch.setenv("LIFJAX_ENGINE", engine)
            same(go(("spikes",)), few)
        monkeypatch.delenv("LIFJAX_ENGINE")
        monkeypatch.setattr(blocks, "layout", lambda *_: backend.Layout(16, (0, 16, 24), 64, round=256))
        same(go(names(case)), whole)


@integrated
def test_its_error_falls_with_the_step_as_its_order_says(case, integrator, x64):
    def after(dt):
        neuron = dataclasses.replace(case.model(), V_init=case.model().V_init - 5.0)
        run = lifjax.simulate(neuron, case.quiet, 16.0 - dt / 2, dt=dt, integrator=integrator, record=())
        assert run.spike_count == 0
        return float(run.state.neuron.V)

    steps = np.array([0.4, 0.2, 0.1])
    error = np.abs([after(dt) - after(0.0125) for dt in steps])
    if integrator == "exact":
        assert error.max() < 1e-10
    else:
        found = np.polyfit(np.log(steps), np.log(error), 1)[0]
        assert found == pytest.approx(ORDER[integrator], rel=0.15)


@each
def test_a_field_that_makes_no_sense_is_refused_with_its_name_value_and_unit(case):
    for name, rule in parameters(case.model).items():
        for wrong, told in (
            (np.nan, f"{case.model.__name__}: {name} = nan {rule.unit} is not finite"),
            (np.array([0.0, np.inf])[1:], rf"{name}\[0\] = inf {rule.unit}"),
            (1e16, f"{name} = 1e\\+16 {rule.unit} is beyond"),
            *([(-1.0, f"{name} = -1.0 {rule.unit}.* {rule.rule}")] if rule.rule else []),
        ):
            with pytest.raises(ValueError, match=told):
                lifjax.simulate(case.model(**{name: wrong}), 0.0, 1.0)
        with pytest.raises(TypeError, match=f"{name} = '1' is a str"):
            lifjax.simulate(case.model(**{name: "1"}), 0.0, 1.0)
    for fields, told in case.wrong:
        with pytest.raises(ValueError, match=told):
            lifjax.simulate(case.model(**fields), 0.0, 1.0)
    assert hasattr(case.model(), "t_ref") is ("t_ref" in parameters(case.model))
    with pytest.raises(ValueError, match="integrator = 'Euler' is unknown"):
        lifjax.simulate(case.model(), 0.0, 1.0, integrator="Euler")


@integrated
def test_nothing_is_ever_infinite_whatever_current_at_either_end_of_what_a_field_may_be_fitted_to(case, integrator):
    told = {name: rule for name, rule in parameters(case.model).items() if rule.fit}
    many = 2 * len(told)
    fields = {name: np.full((many, 1), float(getattr(case.model(), name))) for name in told}
    for i, (name, rule) in enumerate(told.items()):
        fields[name][2 * i : 2 * i + 2, 0] = rule.fit
    for lower, rule in told.items():
        if rule.below:
            fields[lower] = np.minimum(fields[lower], fields[rule.below] - 1.0)
    currents = np.array([0.0, 1e3, -1e3, 1e4, -1e4, 1e6, -1e6, 1e9, -1e9, 1e12, -1e12])
    run = lifjax.simulate(case.model(**fields), currents, 200.0, integrator=integrator, record=names(case))
    for name, values in run.traces.items():
        assert np.isfinite(values).all(), name
    at = np.broadcast_to(np.asarray(getattr(run.neuron, case.top)), run.shape)
    assert (run.V <= at + 1e-3).all()
    assert (run.spike_count[:, currents < -1e3] <= 1).all()  # one, where it begins above threshold
    assert (run.spike_count[:, currents == 1e6] > 50).all()


@each
def test_a_surrogate_run_is_the_hard_run(case):
    args = case.model(**mixed(case, 8)), case.sweep(8), 3000
    end, hard = lifjax.integrate(*args, record=names(case))
    for spike in (surrogate.gaussian(), surrogate.fast_sigmoid(through_reset=False)):
        soft_end, soft = lifjax.integrate(*args, record=names(case), spike=spike)
        assert hard.spike_count.sum() > 50
        assert soft.spikes.dtype == jnp.float32
        same((hard.traces, hard.spikes, end.neuron), (soft.traces, soft.spikes, soft_end.neuron))


@each
def test_the_derivative_of_its_spike_counts_has_the_sign_of_a_difference_and_about_its_size(case):
    currents, begins = case.sweep(24), np.linspace(-6, 6, 16)[:, None] + case.model().V_init
    for name, by in case.moves.items():
        value = float(getattr(case.model(), name))

        def counts(x, name=name):  # from many beginnings, since a count is a whole number
            neuron = case.model(**{name: x, "V_init": begins})
            return lifjax.simulate(neuron, currents, 1000.0, record=()).spike_count.mean()

        def soft(x, name=name):
            neuron, spike = case.model(**{name: x}), surrogate.gaussian()
            return lifjax.integrate(neuron, currents, 10_000, spike=spike, record=())[1].spike_count

        difference = (counts(value + by) - counts(value - by)) / (2 * by)
        slope = np.asarray(jax.jvp(soft, (jnp.float32(value),), (jnp.float32(1),))[1])
        assert np.isfinite(slope).all()
        print(f"{case.model.__name__}: {name} {slope.mean():.4g}, difference {difference:.4g}")
        assert 0.3 < slope.mean() / difference < 2, name


@each
def test_fit_rates_finds_rates_again(case):
    rng, n = np.random.default_rng(0), 20
    start, truth = {}, {}
    for name, off in case.fits.items():
        value = float(getattr(case.model(), name))
        share = parameters(case.model)[name].above == 0.0
        start[name] = np.full(n, value)
        truth[name] = value * (1 + off * rng.uniform(-1, 1, n)) if share else value + off * rng.uniform(-1, 1, n)
    currents = case.sweep(3)[:, None]
    rates = lifjax.simulate(case.model(**truth), currents, 1000.0, record=()).firing_rate
    begun = lifjax.simulate(case.model(**start), currents, 1000.0, record=()).firing_rate
    found = lifjax.fit_rates(case.model(**start), currents, rates, 1000.0, free=tuple(case.fits), tolerance=0.4)
    off = np.abs(found.rates - rates).max(axis=0)
    before = np.abs(begun - rates).max(axis=0)
    print(f"{case.model.__name__}: off by {np.sort(off)} Hz, before {np.sort(before)[[0, -1]]}; {found}")
    assert np.median(before) > 2
    assert (off <= 1.0 + 1e-6).mean() >= 0.8


@each
def test_a_fit_that_begins_silent_finds_its_way_to_the_rates(case):
    (name,), currents = case.silent, case.sweep(3)
    rates = lifjax.simulate(case.model(), currents, 1000.0, record=()).firing_rate
    begun = lifjax.simulate(case.model(**case.silent), currents, 1000.0, record=()).firing_rate
    found = lifjax.fit_rates(case.model(**case.silent), currents, rates, 1000.0, free=name, tolerance=0.4)
    assert begun[0] <= 1
    np.testing.assert_allclose(found.rates, rates, rtol=0, atol=1.0 + 1e-6)
    assert getattr(found.neuron, name) == pytest.approx(getattr(case.model(), name), rel=0.05)


@each
def test_each_number_says_its_unit_and_meaning_and_how_it_is_fitted_or_why_not(case):
    told = parameters(case.model)
    assert set(told) == {field.name for field in dataclasses.fields(case.model)}
    for name, rule in told.items():
        assert rule.unit in UNITS, name
        assert rule.meaning
        assert bool(rule.fit) != bool(rule.unfit), name
        if rule.fit:
            assert rule.fit[0] < rule.fit[1]
            assert rule.fit[0] <= getattr(case.model(), name) <= rule.fit[1], name
            assert not rule.broken_by(np.array(rule.fit)).any()
        assert rule.below is None or rule.below in told
    for of in (case.model.shows, type(case.model().start())):
        assert all(rule.unit in UNITS and rule.meaning for rule in parameters(of).values())
        assert "V" in parameters(of)


@each
def test_it_is_documented_with_all_its_parameters_and_an_example_and_is_public(case):
    doc = inspect.getdoc(case.model)
    assert ">>>" in doc
    for name, rule in parameters(case.model).items():
        assert f"{name}: {rule.meaning} [{rule.unit}]" in doc
    assert inspect.getdoc(inspect.getmodule(case.model)).count(".. math::") == 1
    assert getattr(lifjax, case.model.__name__) is case.model
    assert case.model.__name__ in lifjax.__all__


@each
def test_it_survives_pickling_and_a_round_trip_as_a_pytree(case):
    neuron = case.model(**mixed(case, 3))
    leaves, tree = jax.tree.flatten(neuron)
    for again in (
        pickle.loads(pickle.dumps(neuron)),
        jax.tree.unflatten(tree, leaves),
        jax.tree.map(lambda x: x, neuron),
    ):
        assert type(again) is case.model
        for name in parameters(case.model):
            np.testing.assert_array_equal(getattr(again, name), getattr(neuron, name))
    assert len(leaves) == len(parameters(case.model))
