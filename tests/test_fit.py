"""Fits against what is known otherwise: closed forms, ordinary runs, neurons whose values we chose."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lifjax
from lifjax import surrogate, targets
from lifjax.fit import door, forward, solve
from lifjax.fit.identify import identify
from lifjax.fit.lanes import cut
from lifjax.fit.problem import Problem
from lifjax.fit.space import space
from lifjax.simulate import strips

CURRENTS = np.array([[220.0], [250.0], [300.0], [400.0], [500.0]])
TAU, G = np.array([8.0, 12.0, 17.0]), np.array([9.0, 11.5, 10.5])
TRUTH = lifjax.LIF(tau_m=TAU, g_L=G)
DURATION = 500.0


def guess(n=3, **fields):
    return lifjax.LIF(**({"tau_m": np.full(n, 10.0), "g_L": np.full(n, 10.0)} | fields))


@pytest.fixture(scope="module")
def rates():
    return lifjax.simulate(TRUTH, CURRENTS, DURATION, record=()).firing_rate


@pytest.fixture(scope="module")
def found(rates):
    return lifjax.fit_rates(guess(), CURRENTS, rates, DURATION)


def problem(neuron, stimulus, goals, shape, free=("tau_m", "g_L"), trials=1, steps=2000, **changes):
    where = space(neuron, free, None, 0.1)
    return Problem(
        neuron=neuron, stimulus=stimulus, targets=tuple(goal.check() for goal in goals), space=where,
        cut=cut(shape, trials, np.shape(neuron.tau_m)), duration=steps * 0.1, steps=steps, dt=0.1, integrator="euler",
        spike=surrogate.gaussian(), seed=3, fresh=False, **changes,
    )  # fmt: skip


def at(made, values):
    """The block of all groups of a problem, and scaled parameters."""
    groups = np.arange(made.cut.groups)
    return made.block(groups, groups), jnp.asarray(made.rows(made.space.scaled(values)))


# What is found


def test_rates_are_met_to_the_spike_and_parameters_found(found, rates):
    again = lifjax.simulate(found.neuron, CURRENTS, DURATION, record=()).firing_rate
    np.testing.assert_array_equal(again, found.rates)
    np.testing.assert_allclose(found.error, np.sqrt(((again - rates) ** 2).mean(axis=0)))
    assert (found.error <= 0.9).all()  # at most one spike off under one current
    assert found.converged.all()
    np.testing.assert_allclose(found.neuron.tau_m, TAU, rtol=0.08)
    np.testing.assert_allclose(found.neuron.g_L, G, rtol=0.05)
    assert set(found.status) <= {"met", "settled"}
    assert "forward tangents" in found.method


def test_rates_of_the_closed_form_give_back_the_neuron_it_is_of():
    wanted = lifjax.theory.firing_rate(TRUTH, CURRENTS)
    fit = lifjax.fit_rates(guess(), CURRENTS, wanted, 2000.0, integrator="exact", dt=0.05, steps=24)
    assert (fit.error < 1.0).all()
    np.testing.assert_allclose(fit.neuron.tau_m, TAU, rtol=0.04)
    np.testing.assert_allclose(fit.neuron.g_L, G, rtol=0.02)


def test_history_is_the_error_of_the_best_and_never_rises(found):
    assert found.history.shape[1:] == (3,)
    assert (np.diff(found.history, axis=0) <= 0).all()
    np.testing.assert_allclose(found.history[-1], found.error, atol=1e-3)


def test_a_number_is_shared_by_all_neurons_and_an_array_is_one_a_neuron(rates):
    fit = lifjax.fit_rates(lifjax.LIF(), CURRENTS, rates, DURATION, steps=16)
    assert fit.neuron.tau_m.shape == ()
    assert fit.error.shape == ()
    assert "shared by all neurons" in fit.method
    alone = lifjax.fit_rates(lifjax.LIF(), CURRENTS[:, 0], rates[:, 0], DURATION, steps=24)
    assert float(alone.error) <= 0.9


def test_silent_neurons_are_pulled_to_threshold(rates):
    begin = guess(V_th=np.full(3, -45.0))
    wanted = lifjax.simulate(lifjax.LIF(V_th=[-55.0, -54.0, -56.0]), CURRENTS[2:], DURATION, record=()).firing_rate
    assert (lifjax.simulate(begin, CURRENTS[2:3], DURATION, record=()).spike_count == 0).all()
    fit = lifjax.fit_rates(begin, CURRENTS[2:], wanted, DURATION, free="V_th", steps=40)
    np.testing.assert_allclose(fit.neuron.V_th, [-55.0, -54.0, -56.0], atol=0.3)


def test_silent_neurons_under_a_pulse_are_pulled_by_the_highest_V():
    stimulus = lifjax.pulse(300.0, 100.0, 400.0)
    wanted = lifjax.simulate(lifjax.LIF(), stimulus, DURATION, record=()).firing_rate
    fit = lifjax.fit_rates(lifjax.LIF(V_th=-42.0), stimulus, wanted, DURATION, free="V_th", steps=40)
    assert float(fit.error) == 0


def test_targets_of_zero_are_met_by_silence():
    fit = lifjax.fit_rates(guess(1), CURRENTS, np.zeros((5, 1)), DURATION)
    assert float(fit.error[0]) == 0
    assert (fit.rates == 0).all()


def test_starts_at_the_bounds_get_away_from_them(rates):
    bounds = {"tau_m": (4.0, 30.0), "g_L": (5.0, 30.0)}
    fit = lifjax.fit_rates(guess(tau_m=np.full(3, 4.0), g_L=np.full(3, 30.0)), CURRENTS, rates, DURATION, bounds=bounds)
    assert (fit.error <= 0.9).all()


def test_a_bound_that_keeps_the_fit_from_its_targets_is_said(rates):
    fit = lifjax.fit_rates(guess(), CURRENTS, rates, DURATION, bounds={"g_L": (9.5, 10.2)}, steps=40, patience=10)
    assert (fit.neuron.g_L >= 9.5).all()
    assert (fit.neuron.g_L <= 10.2).all()
    assert (fit.status[[0, 1]] == "at a bound").all()
    assert not fit.converged[1]


def test_of_several_restarts_the_best_is_kept(rates):
    begin = guess(tau_m=np.full(16, 90.0), g_L=np.linspace(2.0, 3.0, 16))  # whole vectors, which round alike
    wanted = rates[:, np.arange(16) % 3]
    one, four = (lifjax.fit_rates(begin, CURRENTS, wanted, DURATION, steps=8, restarts=n) for n in (1, 4))
    assert (four.error <= one.error + 1e-9).all()
    assert (four.error < one.error).any()
    assert four.error.shape == (16,)


def test_noise_and_trials_are_those_of_simulate():
    stimulus = lifjax.white_noise(CURRENTS[1:4], 5.0)
    run = lifjax.simulate(TRUTH, stimulus, 200.0, seed=3, record=(), population=(2, 3, 3))
    made = problem(guess(), stimulus, [targets.rates(run.firing_rate.mean(axis=0))], (3, 3), trials=2)
    block, u = at(made, {"tau_m": TAU, "g_L": G})
    residuals = forward.residuals_at(made.setup, made.drives, made.seeds(0, 1)[0], block, u)
    assert residuals.shape == (1, 3, 3)
    np.testing.assert_allclose(residuals, 0, atol=1e-4)


def test_noisy_neurons_are_found_as_far_as_trials_tell():
    stimulus = lifjax.white_noise(CURRENTS, 3.0)
    many = (8, 5, 3)
    wanted = lifjax.simulate(TRUTH, stimulus, DURATION, seed=9, record=(), population=many).firing_rate.mean(axis=0)
    fit = lifjax.fit_rates(guess(), stimulus, wanted, DURATION, trials=8, steps=40)
    fresh = lifjax.simulate(fit.neuron, stimulus, DURATION, seed=10, record=(), population=many).firing_rate.mean(
        axis=0
    )
    assert np.sqrt(((fresh - wanted) ** 2).mean()) < 2.0
    assert fit.converged.all()
    np.testing.assert_allclose(fit.neuron.g_L, G, rtol=0.06)
    assert (np.abs(fit.neuron.tau_m - TAU) < 4 * fit.std_error["tau_m"]).all()


def test_fresh_noise_differs_from_iteration_to_iteration_and_frozen_does_not():
    made = problem(guess(), 300.0, [targets.rates(50.0)], (5, 3))
    assert len(np.unique(made.seeds(0, 4), axis=0)) == 1
    fresh = Problem(**{**vars(made), "fresh": True})
    assert len(np.unique(np.concatenate([fresh.seeds(0, 4), fresh.seeds(4, 4)]), axis=0)) == 8


def test_under_fresh_noise_a_fit_settles_where_the_mean_of_its_iterations_is():
    stimulus, many = lifjax.white_noise(CURRENTS, 5.0), (4, 5, 24)
    rng = np.random.default_rng(4)
    truth = lifjax.LIF(tau_m=rng.uniform(6.0, 20.0, 24), g_L=rng.uniform(7.0, 14.0, 24))
    wanted = lifjax.simulate(truth, stimulus, 500.0, seed=9, record=(), population=many).firing_rate.mean(axis=0)
    begin = lifjax.LIF(tau_m=np.full(24, 10.0), g_L=np.full(24, 10.0))

    def off(noise):
        fit = lifjax.fit_rates(begin, stimulus, wanted, 500.0, trials=4, steps=40, noise=noise)
        assert np.isfinite(fit.neuron.tau_m).all()
        return [np.sqrt(((getattr(fit.neuron, name) / getattr(truth, name) - 1) ** 2).mean()) for name in fit.free]

    frozen, fresh = np.array(off("frozen")), np.array(off("fresh"))
    print(f"off by {100 * frozen} % under frozen noise, {100 * fresh} % under fresh noise")
    assert (fresh < frozen).all()  # both hold the noise of the targets, the first that of the fit as well


def test_fresh_noise_where_nothing_is_drawn_changes_nothing(rates):
    frozen, fresh = (
        lifjax.fit_rates(guess(), CURRENTS, rates, DURATION, steps=40, noise=x) for x in ("frozen", "fresh")
    )
    np.testing.assert_array_equal(fresh.error, frozen.error)


def test_an_optimiser_of_optax_moves_the_parameters(rates):
    fit = lifjax.fit_rates(guess(), CURRENTS, rates, DURATION, optimizer=optax.adam(0.05), steps=40)
    assert "optax" in fit.method
    assert (fit.error < fit.history[0] / 3).all()


# Other targets, and other ways


def test_a_voltage_gives_back_its_time_constant_and_conductance():
    V = lifjax.simulate(lifjax.LIF(tau_m=14.0, g_L=9.0), lifjax.pulse(120.0, 10.0, 60.0), 100.0).V
    fit = lifjax.fit(lifjax.LIF(), lifjax.pulse(120.0, 10.0, 60.0), targets.voltage(V), 100.0, steps=20)
    np.testing.assert_allclose([fit.neuron.tau_m, fit.neuron.g_L], [14.0, 9.0], rtol=1e-3)


def test_the_jacobian_of_a_voltage_is_that_of_the_closed_form():
    values = {"tau_m": np.array([10.0, 15.0]), "g_L": np.array([10.0, 8.0])}
    made = problem(lifjax.LIF(**values), 80.0, [targets.voltage(np.zeros((500, 1)))], (2,), steps=500)
    block, u = at(made, values)
    V, J = forward.linear(made.setup, made.drives, made.seeds(0, 1)[0], block, u)

    def closed(u):
        own = made.space.physical(dict(zip(made.space.names, u, strict=True)), made.space.low, made.space.high)
        n = jnp.arange(1.0, 500.0)[:, None]
        return -75 + 80 / own["g_L"][None] * (1 - (1 - 0.1 / own["tau_m"][None]) ** n)

    with jax.numpy_rank_promotion("allow"), jax.enable_x64(True):
        wide = jnp.asarray(u, jnp.float64)
        expected = np.stack([jax.jvp(closed, (wide,), (jnp.eye(2)[:, [k]] * jnp.ones((1, 2)),))[1] for k in (0, 1)])
    np.testing.assert_allclose(V[1:, 0], closed(u), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(J[:, 1:, 0], expected, rtol=2e-3, atol=2e-3)


def test_forward_and_reverse_mode_agree_with_and_without_checkpoints(x64):
    goals = [targets.rates(50.0), targets.cv(0.1), targets.latency(9.0), targets.van_rossum(np.zeros((401, 1)), 20.0)]
    made = problem(guess(2), lifjax.sinusoid(150.0, 15.0, 300.0), goals, (2,), steps=401)
    block, u = at(made, {"tau_m": TAU[:2], "g_L": G[:2]})
    seed = made.seeds(0, 1)[0]
    residuals, J = jax.jit(lambda u: forward.linear(made.setup, made.drives, seed, block, u))(u)
    slope = jax.jit(jax.grad(lambda u: (forward.residuals_at(made.setup, made.drives, seed, block, u) ** 2).sum()))(u)
    np.testing.assert_allclose(slope, 2 * jnp.einsum("akcg,kcg->ag", J, residuals), rtol=1e-8)

    def total(u, checkpoint):
        own = made.space.physical(dict(zip(made.space.names, u, strict=True)), made.space.low, made.space.high)
        response = forward.response_of(made.setup, made.drives, seed, block.fields | own, block.index, checkpoint)
        return (response.rates**2).sum() + response.cv.sum() + response.latency.sum() + (response.spikes**2).sum()

    plain, again = (jax.jit(jax.grad(lambda u, c=c: total(u, c)))(u) for c in (False, True))
    np.testing.assert_allclose(plain, again, rtol=1e-8)


def test_latency_and_cv_are_those_of_the_spike_times():
    stimulus = lifjax.white_noise(300.0, 5.0)
    run = lifjax.simulate(guess(2), stimulus, 200.0, seed=3)
    cv = lifjax.analysis.cv(lifjax.analysis.isi(run.spike_times))
    first = np.array([times[0] for times in run.spike_times])
    V = run.V.max(axis=0)
    goals = [targets.rates(run.firing_rate), targets.cv(cv, weight=1.0), targets.latency(first)]
    made = problem(guess(2), stimulus, goals, (2,))
    block, u = at(made, {"tau_m": np.full(2, 10.0), "g_L": np.full(2, 10.0)})
    residuals = forward.residuals_at(made.setup, made.drives, made.seeds(0, 1)[0], block, u)
    np.testing.assert_allclose(residuals, 0, atol=2e-3)
    assert (V > -56).all()


def test_a_latency_is_met_and_its_derivative_is_that_of_the_closed_form():
    fit = lifjax.fit(lifjax.LIF(), 300.0, targets.latency(14.3), 50.0, free="tau_m", steps=16)
    np.testing.assert_allclose(fit.neuron.tau_m, 14.3 / np.log(3), rtol=0.01)  # V rises from rest by 20 of 30 mV
    made = problem(lifjax.LIF(), 300.0, [targets.latency(0.0)], (), ("tau_m",), steps=200)
    block, u = at(made, {"tau_m": np.array(10.0)})
    latency, slope = forward.linear(made.setup, made.drives, made.seeds(0, 1)[0], block, u)
    low, high = np.log(made.space.low["tau_m"]), np.log(made.space.high["tau_m"])
    p = (np.log(10.0) - low) / (high - low)  # latency is in proportion to tau_m
    np.testing.assert_allclose(np.ravel(slope)[0], np.ravel(latency)[0] * (high - low) * p * (1 - p), rtol=0.35)


def test_several_targets_are_met_together():
    truth = lifjax.LIF(tau_m=13.0, g_L=9.0)
    run = lifjax.simulate(truth, [250.0, 400.0], DURATION)
    goals = [targets.rates(run.firing_rate), targets.latency([times[0] for times in run.spike_times], weight=2.0)]
    fit = lifjax.fit(lifjax.LIF(), [250.0, 400.0], goals, DURATION, steps=30)
    assert np.abs(fit.rates - run.firing_rate).max() <= 2.0
    np.testing.assert_allclose(fit.neuron.tau_m, 13.0, rtol=0.05)


def test_spike_trains_are_met_in_van_rossums_distance():
    run = lifjax.simulate(lifjax.LIF(tau_m=11.0), 280.0, 200.0)
    fit = lifjax.fit(lifjax.LIF(), 280.0, targets.van_rossum(run.spikes, 15.0), 200.0, free="tau_m", steps=30)
    again = lifjax.simulate(fit.neuron, 280.0, 200.0)
    assert len(again.spike_times) == len(run.spike_times)
    np.testing.assert_allclose(again.spike_times, run.spike_times, atol=1.5)


def test_a_field_shared_by_some_goes_through_reverse_mode_and_a_users_loss_too(rates):
    begin = lifjax.LIF(tau_m=np.full(3, 10.0), g_L=10.0)
    mixed = lifjax.fit_rates(begin, CURRENTS, rates, 200.0, steps=12)
    assert "reverse mode" in mixed.method
    assert mixed.neuron.g_L.shape == ()
    assert mixed.error.shape == (3,)
    assert mixed.history[-1] < mixed.history[0]
    assert mixed.identifiability is None

    own = lifjax.fit(guess(), CURRENTS, lambda run: ((run.rates.mean() - 60.0) / 10) ** 2, 200.0, steps=30)
    assert "reverse mode" in own.method
    assert abs(own.rates.mean() - 60.0) < 5.0


def test_memory_of_forward_tangents_does_not_grow_with_time():
    def held(steps):
        made = problem(guess(64), CURRENTS, [targets.rates(50.0)], (5, 64), steps=steps)
        block, u = at(made, {"tau_m": np.full(64, 10.0), "g_L": np.full(64, 10.0)})
        search = forward.search_from(u, None)
        lowered = forward.iterate.lower(made.setup, made.drives, made.seeds(0, 8), block, search, 8)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert held(10_000) < 1.1 * held(1000)


@pytest.mark.parametrize("n", [3, 16])  # parts of vectors, and whole ones
def test_a_run_compiled_as_one_function_has_the_same_jacobian_as_in_kernels(n, monkeypatch):
    made = problem(guess(n), CURRENTS, [targets.rates(50.0)], (5, n), steps=500)
    block, u = at(made, {"tau_m": np.linspace(9.0, 14.0, n), "g_L": np.full(n, 10.0)})
    drives, seed = made.drives, made.seeds(0, 1)[0]

    def found(marked):
        monkeypatch.setattr(strips, "sound", lambda neurons: marked)
        assert made.setup.in_one(n) is marked
        return jax.jit(lambda u: forward.linear(made.setup, drives, seed, block, u))(u)

    for one, other in zip(found(True), found(False), strict=True):
        assert np.any(one)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_run_that_draws_ahead_has_the_same_jacobian(monkeypatch):
    noisy = lifjax.white_noise(CURRENTS, 3.0) + lifjax.ornstein_uhlenbeck(0.0, 20.0, 5.0)
    made = problem(guess(3), noisy, [targets.rates(50.0)], (5, 3), steps=501)
    block, u = at(made, {"tau_m": np.linspace(9.0, 14.0, 3), "g_L": np.full(3, 10.0)})
    drives, seed = made.drives, made.seeds(0, 1)[0]

    def found(engine):
        monkeypatch.setenv("LIFJAX_ENGINE", engine)
        return jax.jit(lambda u: forward.linear(made.setup, drives, seed, block, u))(u)

    for one, other in zip(found("packed"), found("scan"), strict=True):
        assert np.any(one)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


# What the targets tell


def test_rates_fix_the_rheobase_and_not_what_it_is_made_of(rates):
    fit = lifjax.fit_rates(guess(V_th=np.full(3, -54.0)), CURRENTS, rates, DURATION, free=("tau_m", "g_L", "V_th"))
    words = str(fit.identifiability)
    assert "fix tau_m and the rheobase g_L (V_th - E_L)" in words
    assert "g_L and V_th can change together" in words or "V_th and g_L can change together" in words
    assert fit.identifiability.free[2].all()
    assert not fit.identifiability.free[:2].any()
    assert np.isinf(fit.std_error["g_L"]).all()
    assert np.isfinite(fit.std_error["tau_m"]).all()
    rheobase = fit.neuron.g_L * (fit.neuron.V_th + 75)
    np.testing.assert_allclose(rheobase, G * 20, rtol=0.06)


def test_what_can_be_told_has_finite_errors_about_as_large_as_the_truth_is_off(found):
    assert "fix tau_m and g_L" in str(found.identifiability)
    for name, truth in (("tau_m", TAU), ("g_L", G)):
        assert (np.abs(getattr(found.neuron, name) - truth) < 5 * found.std_error[name]).all()
        assert (found.std_error[name] < 0.1 * truth).all()


def test_one_rate_cannot_fix_two_parameters():
    fit = lifjax.fit_rates(lifjax.LIF(), 300.0, 60.0, DURATION)
    assert fit.identifiability.free[1].all()
    assert "can change together" in str(fit.identifiability)


def test_standard_errors_are_those_of_all_residuals_of_several_targets():
    goals = [targets.latency(0.0), targets.first_interval(0.0), targets.last_interval(0.0)]
    made = problem(lifjax.LIF(), CURRENTS[:, 0], goals, (5,), ("tau_m",))
    low, high = np.log(made.space.low["tau_m"]), np.log(made.space.high["tau_m"])
    p = (np.log(10.0) - low) / (high - low)
    slope = 4.0  # of each of the 15 residuals with log tau_m
    matrix = np.array([[[(slope * (high - low) * p * (1 - p)) ** 2]]])
    error = identify(made, np.array([[10.0]]), matrix, np.array([0.3]))[1]
    np.testing.assert_allclose(error, 10.0 * 0.3 / (slope * np.sqrt(15)))


# Bounds


def test_no_step_leaves_the_bounds_or_puts_the_reset_above_the_threshold():
    neuron = lifjax.LIF(V_th=np.full(50, -55.0), V_reset=np.full(50, -60.0), tau_m=np.full(50, 10.0))
    where = space(neuron, ("V_reset", "V_th", "tau_m"), {"V_reset": (-70.0, -35.0)}, 0.1)
    rng = np.random.default_rng(0)
    for size in (1.0, 10.0, 1e4):
        u = {name: jnp.asarray(size * rng.standard_normal(50), jnp.float32) for name in where.names}
        low, high = ({name: jnp.asarray(x, jnp.float32) for name, x in of.items()} for of in (where.low, where.high))
        own = where.physical(u, low, high)
        assert (own["V_reset"] < own["V_th"]).all()
        for name, x in own.items():
            assert (x >= low[name] - 1e-4).all(), name
            assert (x <= high[name] + 1e-4).all(), name


def test_scaling_there_and_back_is_where_one_began():
    neuron = guess(V_th=np.full(3, -55.0), V_reset=-70.0)
    where = space(neuron, ("tau_m", "V_th", "g_L"), None, 0.1)
    values = {"tau_m": TAU, "g_L": G, "V_th": np.array([-60.0, -50.0, -40.0])}
    back = where.physical(where.scaled(values), where.low, where.high)
    for name, x in values.items():
        np.testing.assert_allclose(back[name], x, rtol=1e-5)


# Ends


def test_ctrl_c_hands_back_the_best_so_far(rates, monkeypatch):
    class Pressed(solve.Bar):
        def __enter__(self):
            return lambda *_: signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(solve, "Bar", Pressed)
    with pytest.warns(UserWarning, match="stopped after 8 of 100 iterations"):
        fit = lifjax.fit_rates(guess(tau_m=np.full(3, 40.0)), CURRENTS, rates, DURATION)
    assert fit.stopped
    assert len(fit.history) == 8
    assert np.isfinite(fit.error).all()


def test_what_is_not_finite_never_becomes_the_best():
    u = jnp.zeros((2, 3))
    search = forward.search_from(u, None)
    good, J = jnp.ones((1, 5, 3)), jnp.ones((2, 1, 5, 3))
    search = forward.moved(search, good, J, None, 0.0)
    bad = good.at[0, 0, 1].set(jnp.nan)
    after = forward.moved(search, bad, J.at[0, 0, 0, 1].set(jnp.inf), None, 0.0)
    assert jnp.isfinite(after.u).all()
    np.testing.assert_array_equal(after.best, search.best)
    np.testing.assert_allclose(after.merit, 1.0)


def test_a_step_that_leads_far_off_is_taken_back_unless_the_search_roams():
    residuals, J = jnp.ones((1, 5, 2)), jnp.full((1, 1, 5, 2), 3.0)
    search = forward.search_from(jnp.zeros((1, 2)), None, descend=1)  # the other one roams
    first = forward.moved(search, residuals, J, None, 0.5)
    far = forward.moved(first, 3 * residuals, J, None, 0.5)  # a mean square of 9, of which 4 * 1 + 0.5 is allowed
    back = -3.0 / (9.0 * (1 + far.damping[0]))  # the step from where the best is, which is 0, of J^T r and J^T J there
    np.testing.assert_allclose(far.u[0, 0], back, rtol=1e-4)
    assert far.damping[0] > 5 * first.damping[0]
    on = first.u[0, 1] - 3 * 3.0 / (9.0 * (1 + far.damping[1]))
    np.testing.assert_allclose(far.u[0, 1], max(on, first.u[0, 1] - 0.7), rtol=1e-4)
    near = forward.moved(first, 2 * residuals, J, None, 0.5)
    assert near.u[0, 0] < first.u[0, 0] < far.u[0, 0]
    np.testing.assert_array_equal(far.best, 0)


def test_it_goes_on_and_a_file_holds_it(found, rates, tmp_path):
    short = lifjax.fit_rates(guess(), CURRENTS, rates, DURATION, steps=3)
    longer = short.more(8)
    assert len(longer.history) <= 11
    assert (longer.history[-1] <= short.history[-1]).all()
    found.save(tmp_path / "fit.npz")
    held = lifjax.Fit.load(tmp_path / "fit.npz")
    for name in ("rates", "error", "history", "status", "converged", "target_rates"):
        np.testing.assert_array_equal(getattr(held, name), getattr(found, name))
    np.testing.assert_array_equal(held.neuron.tau_m, found.neuron.tau_m)
    np.testing.assert_array_equal(held.std_error["g_L"], found.std_error["g_L"])
    assert str(held.identifiability) == str(found.identifiability)
    assert repr(held) == repr(found)
    with pytest.raises(ValueError, match="came from a file"):
        held.more()
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="no file of a lifjax fit"):
        lifjax.Fit.load(tmp_path / "other.npz")


def test_progress_is_told(rates, capsys):
    lifjax.fit_rates(guess(), CURRENTS, rates, DURATION, steps=8, progress=True)
    assert "error=" in capsys.readouterr().err


# Bad input

BAD = {
    "unknown name": (lambda: go(free=("tau",)), ValueError, "free: 'tau' is no parameter of LIF; choose from V_th"),
    "name twice": (lambda: go(free=("g_L", "g_L")), ValueError, "'g_L' is named 2 times"),
    "no name": (lambda: go(free=()), ValueError, "free is empty; name the parameters to fit"),
    "no derivative": (lambda: go(free="t_ref"), ValueError, "'t_ref' cannot be fitted: it is counted in whole steps"),
    "negative target": (lambda: go(target=[-1.0]), ValueError, r"target_rates\[0\] = -1.0 Hz: .* at least 0 Hz"),
    "NaN target": (lambda: go(target=[np.nan]), ValueError, r"target_rates\[0\] = nan Hz is not finite"),
    "target too high": (lambda: go(target=[480.0]), ValueError, r"target_rates\[0, 0\] = 480 Hz is above 476.19 Hz"),
    "target of text": (lambda: go(target="a"), TypeError, "target_rates = 'a' is a str"),
    "shapes": (lambda: go(target=np.ones((5, 2))), ValueError, r"target_rates has shape \(5, 2\), .* \(5, 3\)"),
    "start out of bounds": (
        lambda: go(bounds={"tau_m": (11.0, 20.0)}), ValueError, r"tau_m\[0\] = 10 ms, where the fit begins"),
    "bounds upside down": (lambda: go(bounds={"tau_m": (20.0, 5.0)}), ValueError, "low must be below high"),
    "bounds of nothing": (lambda: go(bounds={"tau_m": 5.0}), ValueError, r"must be a pair \(low, high\) \[ms\]"),
    "bounds not physical": (lambda: go(bounds={"tau_m": (-5.0, 20.0)}), ValueError, "low = -5.0 ms.* above 0 ms"),
    "bounds of what is not free": (lambda: go(bounds={"V_th": (-60.0, -50.0)}), ValueError, "'V_th' is not free"),
    "no dict": (lambda: go(bounds=(1.0, 2.0)), TypeError, "bounds is a tuple; give a dict"),
    "no steps": (lambda: go(steps=0), ValueError, "steps = 0 must be a whole number, at least 1"),
    "half a restart": (lambda: go(restarts=1.5), ValueError, "restarts = 1.5"),
    "no trials": (lambda: go(trials=0), ValueError, "trials = 0"),
    "noise": (lambda: go(noise="warm"), ValueError, "noise = 'warm' is unknown"),
    "spike without derivative": (lambda: go(spike=surrogate.threshold), TypeError, "has no derivative"),
    "no optimiser": (lambda: go(optimizer="adam"), TypeError, "optimizer = 'adam' is no optax optimiser"),
    "tolerance": (lambda: go(tolerance=-1.0), ValueError, "tolerance = -1.0 Hz"),
    "no loss": (lambda: lifjax.fit(guess(), 300.0, 50.0, 100.0), TypeError, "loss = 50.0 is no loss"),
    "no neuron": (lambda: lifjax.fit_rates(5, 300.0, 50.0, 100.0), TypeError, "no neuron model"),
    "duration": (lambda: lifjax.fit_rates(guess(), 300.0, 50.0, 0.0), ValueError, "duration = 0.0 ms"),
    "V of another length": (
        lambda: lifjax.fit(guess(), 300.0, targets.voltage(np.zeros(7)), 100.0), ValueError, "has 7 rows, but"),
    "seed": (lambda: go(seed=-1), ValueError, "seed = -1"),
}  # fmt: skip


def go(target=50.0, **options):
    return lifjax.fit_rates(guess(), CURRENTS, target, DURATION, **options)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_any_work(name, monkeypatch):
    def worked(*args, **kwargs):
        raise AssertionError("the fit began")

    monkeypatch.setattr(door, "solve", worked)
    monkeypatch.setattr(door, "solve_backward", worked)
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"loss returns an array of shape \(5, 3\); it must be one number"):
        lifjax.fit(guess(), CURRENTS, lambda run: run.rates, 10.0)


@pytest.mark.slow
def test_most_of_many_neurons_are_met_to_the_spike_and_errors_are_as_large_as_said():
    rng = np.random.default_rng(1)
    truth = lifjax.LIF(tau_m=rng.uniform(6, 20, 200), g_L=rng.uniform(7, 14, 200))
    wanted = lifjax.simulate(truth, CURRENTS, 1000.0, record=()).firing_rate
    fit = lifjax.fit_rates(guess(200), CURRENTS, wanted, 1000.0)
    again = lifjax.simulate(fit.neuron, CURRENTS, 1000.0, record=()).firing_rate
    error = np.sqrt(((again - wanted) ** 2).mean(axis=0))
    assert np.median(error) == 0
    assert np.mean(error <= 0.5) >= 0.98
    assert np.median(np.abs(fit.neuron.tau_m / truth.tau_m - 1)) < 0.02
    within = np.abs(fit.neuron.tau_m - truth.tau_m) < 2 * fit.std_error["tau_m"]
    assert within.mean() > 0.85


def test_a_condition_without_weight_counts_neither_for_the_fit_nor_for_its_error(rates):
    wrong, weight = rates.copy(), np.ones((5, 1))
    wrong[2], weight[2] = 3.0, 0.0
    fit = lifjax.fit(guess(), CURRENTS, targets.rates(wrong, weight), DURATION)
    reached = lifjax.simulate(fit.neuron, CURRENTS, DURATION, record=()).firing_rate
    kept = np.array([0, 1, 3, 4])
    np.testing.assert_allclose(fit.error, np.sqrt(((reached - rates)[kept] ** 2).mean(axis=0)), atol=1e-9)
    assert (fit.error < 2).all()
    assert fit.converged.all()
