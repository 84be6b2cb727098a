"""What holds for every model. A new one joins by a `Case` in cases.py, with a loop in oracle.py to compare it with."""

import dataclasses
import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import MODELS

import lifjax
from lifjax import backend, surrogate
from lifjax.neurons import Grid, parameters
from lifjax.neurons.flow import at_most
from lifjax.neurons.power import exp2
from lifjax.simulate import blocks

UNITS = {"ms", "1/ms", "mV", "nS", "pA", "pF", "Hz", "steps", "1", ""}
ORDER = {"euler": 1, "rk4": 4}
SOFT = surrogate.gaussian()
COUNTED = 384  # neurons
each = pytest.mark.parametrize("case", MODELS, ids=lambda case: case.model.__name__)
both = pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
integrated = pytest.mark.parametrize(
    ("case", "integrator"),
    [pytest.param(c, i, id=f"{c.model.__name__}-{i}") for c in MODELS for i in c.model.integrators],
)


def shown(run):
    return {**run.traces, "spikes": run.spikes, "spike_count": run.spike_count}


def rippled(case):
    return lifjax.sinusoid(0.2 * case.currents[0], 10.0)


def noisy(case, n=40):
    """A population and what drives it. Tests that share it, and what they record, share what is compiled."""
    return case.neuron(**case.mixed(n)), lifjax.white_noise(case.sweep(n), 0.02 * case.currents[1])


def counted(case, currents, duration=1000.0, **fields):
    """A run that keeps no more than spike counts; all that are tried so are padded to one shape, and share what is
    compiled: (counts, rates [Hz]).
    """
    told = parameters(case.model)
    given = {name: np.asarray(fields.get(name, case.value(name)), float) for name in told}
    shape = np.broadcast_shapes(np.shape(currents), *(x.shape[told[name].leading :] for name, x in given.items()))

    def padded(x, leading=0):
        x = np.asarray(x, float)
        inner = x.reshape(x.shape[:leading] + (1,) * (len(shape) + leading - x.ndim) + x.shape[leading:])
        flat = np.broadcast_to(inner, (*x.shape[:leading], *shape)).reshape(*x.shape[:leading], -1)
        return np.pad(flat, [(0, 0)] * leading + [(0, COUNTED - flat.shape[-1])], mode="edge")

    neuron = case.neuron(**{name: padded(x, told[name].leading) for name, x in given.items()})
    run = lifjax.simulate(neuron, padded(currents), duration, record=())
    size = int(np.prod(shape))
    return run.spike_count[:size].reshape(shape), run.firing_rate[:size].reshape(shape)


def same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(autouse=True)
def sense(request):
    """A contract that makes no sense for a model is skipped for the reason that its case gives."""
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if case and (why := case.but.get(request.node.originalname)):
        pytest.skip(why)


@integrated
def test_it_is_what_a_plain_loop_in_numpy_does(case, integrator, x64):
    rng, steps, n = np.random.default_rng(1), 2000, 24
    p = case.mixed(n) | ({"t_ref": rng.uniform(0, 3, n)} if hasattr(case.neuron(), "t_ref") else {})
    width = case.currents[1] - case.currents[0]
    current = rng.uniform(*case.currents, n) + width * rng.normal(0, 1, (steps, n))
    told = case.looped(p, current, steps, 0.1, integrator)
    run = lifjax.simulate(
        case.neuron(**p), lifjax.samples(current), steps * 0.1, integrator=integrator, record=case.names
    )
    assert told["spikes"].sum() > 20
    assert set(told) == set(parameters(case.model.shows))
    np.testing.assert_array_equal(run.spikes, told.pop("spikes"))
    for name, trace in told.items():
        np.testing.assert_allclose(run.traces[name], trace, rtol=0, atol=1e-6)


@each
def test_it_works_in_float32_with_about_the_same_spikes(case):
    args = case.neuron(**case.mixed(24)), case.sweep(24) + rippled(case), 300.0
    single = lifjax.simulate(*args, record=case.names)
    with jax.enable_x64(True):
        double = lifjax.simulate(*args, record=case.names)
    assert (single.V.dtype, double.V.dtype) == (np.float32, np.float64)
    assert double.spike_count.sum() > 50
    assert np.abs(single.spike_count - double.spike_count).max() <= 1


@each
@both
def test_neurons_of_a_population_are_those_that_run_alone_bit_for_bit(case, double):
    with jax.enable_x64(double):
        p, currents, ripple = case.mixed(24), case.sweep(24), rippled(case)
        together = lifjax.simulate(case.neuron(**p), currents + ripple, 100.0, record=case.names)
        assert together.spike_count.sum() > 10
        for i in range(0, 24, 4):
            neuron = case.neuron(**{name: x[..., i].tolist() for name, x in p.items()})
            # Noise is that of a neuron's place: one that draws is alone among copies of itself, in its own place.
            copies = (24,) if case.drawn else ()
            alone = lifjax.simulate(neuron, float(currents[i]) + ripple, 100.0, population=copies, record=case.names)
            at = (..., i) if case.drawn else (...,)
            same(
                {name: x[at] for name, x in shown(alone).items()},
                {name: x[..., i] for name, x in shown(together).items()},
            )


@each
def test_jit_and_vmap_of_integrate_give_the_run_bit_for_bit(case):
    # Where XLA is told all numbers, as here, it unrolls the loop over a few neurons, and contracts sums as it likes.
    neuron, currents, ripple = case.neuron(), case.sweep(24).astype(np.float32), rippled(case)
    one_each = {name: np.stack([case.value(name)] * 24, -1) for name in parameters(case.model)}
    run = lifjax.simulate(case.neuron(**one_each), currents + ripple, 100.0, record=case.names)

    def go(current):
        return lifjax.integrate(neuron, current + ripple, 1000, record=case.names)[1]

    if case.drawn:  # mapped neurons are each the first of a population, so populations are mapped
        both_alike = jax.vmap(go, out_axes=-2)(np.stack([currents, currents]))
        mapped = [jax.tree.map(lambda x, i=i: x[..., i, :], both_alike) for i in (0, 1)]
    else:
        mapped = [jax.vmap(go, out_axes=-1)(currents)]
    for out in (go(currents), jax.jit(go)(currents), *mapped):
        same({**out.traces, "spikes": out.spikes, "spike_count": out.spike_count}, shown(run))


@pytest.mark.parametrize("model", [lifjax.EIF, lifjax.AdEx, lifjax.QIF], ids=lambda model: model.__name__)
def test_a_state_that_waits_anywhere_waits_at_its_reset(model):
    neuron, quiet = model(t_ref=1.0), lifjax.constant(0.0)
    begin = dataclasses.replace(neuron.start(), V=np.array([-60.0, 5.0, 90.0]), refractory=np.int32(4))
    run = lifjax.simulate(neuron, quiet, 2.0, state=lifjax.State(step=0, neuron=begin), record=("V", "spikes"))
    assert (run.V[:4] == neuron.V_reset).all()
    assert run.spike_count.sum() == 0
    with jax.enable_x64(True):
        _, out = lifjax.integrate(neuron, 0.0, 20, state=lifjax.State(step=0, neuron=begin), record=("V",))
        np.testing.assert_allclose(out.traces["V"], run.V, rtol=1e-5)


@each
def test_two_runs_in_a_row_are_one_bit_for_bit(case):
    neuron, drive = noisy(case)
    whole = lifjax.simulate(neuron, drive, 100.0, seed=3, record=case.names)
    first = lifjax.simulate(neuron, drive, 33.7, seed=3, record=case.names)
    second = lifjax.simulate(neuron, drive, 66.3, state=first.state, record=case.names)
    assert whole.spike_count.sum() > 0
    for name in whole.traces:
        np.testing.assert_array_equal(np.concatenate([first.traces[name], second.traces[name]]), whole.traces[name])
    np.testing.assert_array_equal(np.concatenate([first.spikes, second.spikes]), whole.spikes)
    same(second.state.neuron, whole.state.neuron)


@each
@both
def test_blocks_chunks_and_engines_give_the_same_bits(case, double, monkeypatch):
    (neuron, drive), whole = noisy(case), backend.layout
    cut = backend.Layout(16, (0, 16, 24), 64, round=256)

    def go(record, engine, layout=None):
        monkeypatch.setenv("LIFJAX_ENGINE", engine)
        monkeypatch.setattr(blocks, "layout", whole if layout is None else lambda *_: layout)
        run = lifjax.simulate(neuron, drive, 50.3, seed=2, record=record)
        return run.spikes, run.spike_count, run.state.neuron, run.traces

    with jax.enable_x64(double):
        usual = go(case.names, "packed")
        assert usual[1].sum() > 0
        # In float64 the scan is run by test_synapse and the kernel, which is for GPUs, by test_layout.
        if not double:
            same(go(case.names, "scan", cut), usual)
        for engine, layout in (("packed", cut), *([] if double else [("kernel", None)])):
            same(go(("spikes",), engine, layout)[:3], usual[:3])


@integrated
def test_its_error_falls_with_the_step_as_its_order_says(case, integrator, x64):
    neuron = case.neuron(V_init=case.value("V_init") - 5.0)
    begin = lifjax.State(step=0, neuron=dataclasses.replace(neuron.start(), **case.begun))
    quiet = case.quiet + lifjax.sinusoid(0.0, 10.0)  # and what is recorded: as in other tests, so compiled once

    def after(dt):
        how = {"dt": dt, "integrator": integrator, "record": case.names}
        run = lifjax.simulate(neuron, quiet, 16.0 - dt / 2, state=begin, **how)
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
        at = r"\[0\]" * rule.leading
        for wrong, told in (
            (np.nan, f"{case.model.__name__}: {name}{at} = nan {rule.unit}.* is not finite"),
            (np.inf, f"{name}{at} = inf {rule.unit}"),
            (1e16, f"{name}{at} = 1e\\+16 {rule.unit}.* is beyond"),
            *([(-1.0, f"{name}{at} = -1.0 {rule.unit}.* {rule.rule}")] if rule.rule else []),
        ):
            with pytest.raises(ValueError, match=told):
                lifjax.simulate(case.neuron(**{name: [wrong] if rule.leading else wrong}), 0.0, 1.0)
        values = np.full((2,) * rule.leading + (3,), case.value(name).min())
        values[..., 2] = np.inf
        with pytest.raises(ValueError, match=rf"{name}\[{'0, ' * rule.leading}2\] = inf {rule.unit}"):
            lifjax.simulate(case.neuron(**{name: values}), 0.0, 1.0)
        with pytest.raises(TypeError, match=f"{name} = '1' is a str"):
            lifjax.simulate(case.neuron(**{name: "1"}), 0.0, 1.0)
        if rule.leading:
            with pytest.raises(ValueError, match=rf"{name} has shape \(\); .* needs 1 leading axis, {rule.axes}"):
                lifjax.simulate(case.neuron(**{name: 1.0}), 0.0, 1.0)
    for fields, told in case.wrong:
        with pytest.raises(ValueError, match=told):
            lifjax.simulate(case.neuron(**fields), 0.0, 1.0)
    assert hasattr(case.neuron(), "t_ref") is ("t_ref" in parameters(case.model))
    with pytest.raises(ValueError, match="integrator = 'Euler' is unknown"):
        lifjax.simulate(case.neuron(), 0.0, 1.0, integrator="Euler")


EXTREME = np.array([0.0, 1e3, -1e3, 1e4, -1e4, 1e6, -1e6, 1e9, -1e9, 1e12, -1e12])  # pA


@functools.cache
def extremes(case, integrator):
    """A run at either end of what each field may be fitted to, (ends, currents), and whose ends; three tests look."""
    told = {name: rule for name, rule in parameters(case.model).items() if rule.fit}
    start = {name: float(case.value(name)) for name in told}
    ends, whose, refused = [], [], set()
    for name, rule in told.items():
        for end in rule.fit:
            one = {**start, name: end}
            for lower, other in told.items():
                if other.below:
                    one[lower] = min(one[lower], one[other.below] - 1.0)
            try:
                case.neuron(**one).check(Grid(dt=0.1, steps=0))
                ends.append(one)
                whose.append(name)
            except ValueError:
                refused.add(name)
    assert refused == set(case.joint)
    fields = {name: np.array([[one[name]] for one in ends]) for name in told}
    run = lifjax.simulate(case.neuron(**fields), EXTREME, 200.0, integrator=integrator, record=case.names)
    return run, np.array(whose)


@integrated
def test_nothing_is_ever_infinite_whatever_current_at_either_end_of_what_a_field_may_be_fitted_to(case, integrator):
    for name, values in extremes(case, integrator)[0].traces.items():
        assert np.isfinite(values).all(), name


@integrated
def test_V_never_shows_above_what_it_stays_below(case, integrator):
    run, _ = extremes(case, integrator)
    top = run.traces.get(case.top)
    assert (run.V <= (getattr(run.neuron, case.top) if top is None else top) + 1e-3).all()


@integrated
def test_strong_inhibition_silences_it_and_strong_excitation_makes_it_fire(case, integrator):
    run, whose = extremes(case, integrator)
    held = run.spike_count[:, EXTREME < -1e3]
    calm = ~np.isin(whose, list(case.rebounds))
    assert (held[calm] <= 1).all()  # one, where it begins above threshold
    assert (held[~calm].max(axis=1) > 1).sum() == len(case.rebounds)
    assert (run.spike_count[:, EXTREME == 1e6] > 50).all()


@each
def test_a_surrogate_run_is_the_hard_run(case):
    args = case.neuron(**case.mixed(8)), case.sweep(8), 3000
    end, hard = lifjax.integrate(*args, record=case.names)
    for spike in (surrogate.gaussian(), surrogate.fast_sigmoid(through_reset=False)):
        soft_end, soft = lifjax.integrate(*args, record=case.names, spike=spike)
        assert hard.spike_count.sum() > 50
        assert soft.spikes.dtype == jnp.float32
        same((hard.traces, hard.spikes, end.neuron), (soft.traces, soft.spikes, soft_end.neuron))


@each
def test_the_derivative_of_its_spike_counts_has_the_sign_of_a_difference_and_about_its_size(case):
    currents, begins = case.sweep(24), np.linspace(-6, 6, 16)[:, None] + case.value("V_init")

    def moved(by):  # of elements, all are moved alike
        return {name: case.value(name).astype(np.float32) + by[name] for name in by}

    def counts(**by):  # from many beginnings, since a count is a whole number
        return counted(case, currents, V_init=begins, **moved(by))[0].mean()

    def soft(by):
        return lifjax.integrate(case.neuron(**moved(by)), currents, 10_000, spike=SOFT, record=())[1].spike_count

    slopes = jax.jacfwd(soft)(dict.fromkeys(case.moves, jnp.float32(0)))
    for name, by in case.moves.items():
        difference = (counts(**{name: by}) - counts(**{name: -by})) / (2 * by)
        slope = np.asarray(slopes[name])
        assert np.isfinite(slope).all()
        print(f"{case.model.__name__}: {name} {slope.mean():.4g}, difference {difference:.4g}")
        assert 0.3 < slope.mean() / difference < 2, name


@each
def test_fit_rates_finds_rates_again(case):
    rng, n = np.random.default_rng(0), 20
    start, truth = {}, {}
    for name, off in case.fits.items():
        value = float(case.value(name))
        share = parameters(case.model)[name].above == 0.0
        start[name] = np.full(n, value)
        truth[name] = value * (1 + off * rng.uniform(-1, 1, n)) if share else value + off * rng.uniform(-1, 1, n)
    currents = case.sweep(3)[:, None]
    rates, begun = (counted(case, currents, **fields)[1] for fields in (truth, start))
    found = lifjax.fit_rates(case.neuron(**start), currents, rates, 1000.0, free=tuple(case.fits), tolerance=0.4)
    off = np.abs(found.rates - rates).max(axis=0)
    before = np.abs(begun - rates).max(axis=0)
    print(f"{case.model.__name__}: off by {np.sort(off)} Hz, before {np.sort(before)[[0, -1]]}; {found}")
    assert np.median(before) > 2
    assert (off <= 1.0 + 1e-6).mean() >= 0.8


@each
def test_a_fit_that_begins_silent_finds_its_way_to_the_rates(case):
    (name,), currents = case.silent, case.sweep(3)
    rates, begun = (counted(case, currents, **fields)[1] for fields in ({}, case.silent))
    found = lifjax.fit_rates(case.neuron(**case.silent), currents, rates, 1000.0, free=name, tolerance=0.4)
    assert begun[0] <= 1
    np.testing.assert_allclose(found.rates, rates, rtol=0, atol=1.0 + 1e-6)
    # Three rates do not tell it any better: those of the QIF neuron are the same from 9.46 to 10.05 nS.
    assert getattr(found.neuron, name) == pytest.approx(case.value(name), rel=0.06)


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
            assert rule.fit[0] <= case.value(name) <= rule.fit[1], name
            assert not rule.broken_by(np.array(rule.fit)).any()
        assert rule.below is None or rule.below in told
    for of in (case.model.shows, type(case.neuron().start())):
        assert all(rule.unit in UNITS and rule.meaning for rule in parameters(of).values())
        assert "V" in parameters(of)


@each
def test_it_is_documented_with_all_its_parameters_and_an_example_and_is_public(case):
    doc = inspect.getdoc(case.model)
    assert ">>>" in doc
    for name, rule in parameters(case.model).items():
        assert f"{name}: {rule.meaning} [{rule.unit}]" in doc
    assert inspect.getdoc(inspect.getmodule(case.model)).count(".. math::") >= 1
    assert getattr(lifjax, case.model.__name__) is case.model
    assert case.model.__name__ in lifjax.__all__


@each
def test_it_survives_pickling_and_a_round_trip_as_a_pytree(case):
    neuron = case.neuron(**case.mixed(3))
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


@each
def test_its_rate_under_a_constant_current_is_that_of_its_closed_form(case, x64):
    form = case.theory
    if isinstance(form, str):
        pytest.skip(form)
    trials, T = 200 if case.drawn else 1, 4000.0
    neuron, currents = case.neuron(**case.mixed(8) | form.fields), case.sweep(8)
    how = {"dt": form.dt, "integrator": form.integrator, "record": ()}
    settled = lifjax.simulate(neuron, currents, 1000.0, population=(trials, 8), **how)
    rates = lifjax.simulate(neuron, currents, T, state=settled.state, **how).firing_rate
    told = form.rate(neuron, currents, form.dt)
    off = rates.mean(axis=0) - told
    error = 1000 / T + 4.5 * rates.std(axis=0) / np.sqrt(trials)  # a spike more or less, and sampling
    late = 0.0 if form.on_grid else told**2 * form.dt / 1000  # each interval is up to a step longer on the grid
    print(f"{case.model.__name__}: {told.round(2)} Hz, off by {off.round(3)}, at most {np.round(error + late, 3)}")
    assert told.min() > 5
    assert (off < error).all()
    assert (off > -error - late).all()


@each
def test_what_is_optional_may_be_None_or_without_elements(case):
    names = [name for name, rule in parameters(case.model).items() if rule.optional]
    if not names:
        pytest.skip(f"{case.model.__name__} has no optional parameter")
    runs = []
    for nothing in (None, (), np.zeros((0, 5))):
        neuron = case.neuron(**dict.fromkeys(names, nothing))
        runs.append(lifjax.simulate(neuron, case.sweep(5), 50.0))
        assert lifjax.fit_rates(neuron, case.sweep(5), 30.0, 50.0, free="g_L", steps=1).rates.shape == (5,)
        state = runs[-1].state.neuron
        lists = [name for name, rule in parameters(state).items() if rule.leading]
        assert [len(getattr(state, name)) for name in lists] == [0] * len(lists)
    assert runs[0].spike_count.sum() > 5
    for run in runs[1:]:
        same(shown(run), shown(runs[0]))


def test_a_contract_that_a_model_is_left_out_of_exists_and_a_reason_is_given():
    for case in MODELS:
        for contract, why in case.but.items():
            assert contract in globals()
            assert len(why) > 20


def test_the_power_of_an_upstroke_is_right_everywhere_and_at_whole_numbers():
    t = np.concatenate([np.linspace(-125.9, 126.9, 200_001), np.arange(-125, 127), [-1e-9, -0.0]]).astype(np.float32)
    exact = 2.0 ** t.astype(np.float64)
    assert np.abs(jax.jit(exp2)(t) / exact - 1).max() < 3e-7
    assert 0 < float(exp2(jnp.float32(-1e30))) < 1.3e-38


def test_what_is_no_number_is_not_taken_for_a_peak():
    np.testing.assert_array_equal(at_most(jnp.array([np.nan, np.inf, -1.0]), jnp.array(0.0)), [np.nan, 0.0, -1.0])
