"""Synapses against closed forms and plain float64 loops, trains and shared noise against their statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from scipy.integrate import solve_ivp

import lifjax
from lifjax import backend
from lifjax.neurons import Grid
from lifjax.stimulus.base import Constant, Stimulus, conducting
from lifjax.stimulus.synapse import within_a_step

QUIET = lifjax.LIF(V_th=1e6)
P = {"V_th": -55.0, "V_reset": -75.0, "V_init": -75.0, "E_L": -75.0, "tau_m": 10.0, "g_L": 10.0, "t_ref": 2.0}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(30)
U, DU = (NODES + 1) / 2, WEIGHTS / 2  # nodes and weights on (0, 1)
POISSON, GIVEN = lifjax.poisson_train, lifjax.spike_train


def kernel(name, t, tau):
    """A kernel of weight 1, from its formula."""
    after = np.where(t >= -1e-9, t, np.inf)
    y = np.exp(-after / tau)
    return y if name == "exponential" else np.where(np.isinf(after), 0, t / tau) * np.e * y


def felt(name, times, sizes, tau, steps, dt, tau_m):
    """What a neuron feels in each step, by quadrature: tau_m None is the value at the grid time, inf the mean."""
    arrive = np.ceil(np.asarray(times) / dt * (1 - 1e-9)) * dt
    grid = np.arange(steps)[:, None, None] * dt - arrive
    if tau_m is None:
        return (sizes * kernel(name, grid[:, 0], tau)).sum(axis=-1)
    there = kernel(name, grid + 1e-9, tau) * 0 + (grid > -dt / 2)
    within = kernel(name, np.where(grid > -dt / 2, grid + U[:, None] * dt, 0), tau) * there
    weight = DU * np.exp(-(1 - U) * dt / tau_m)
    return (weight[:, None] * sizes * within).sum(axis=(1, 2)) / weight.sum()


def trains(seed, n, duration=100.0, many=12):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(0, duration, many + i)).round(rng.integers(1, 4)) for i in range(n)]


@pytest.mark.parametrize("tau_m", [10.0, None])
@pytest.mark.parametrize("tau", [0.02, 0.2, 2.0, 10.0, 10 + 1e-14, 10 - 1e-10, 10 + 1e-6, 10 - 1e-3, 10.1, 1000.0])
def test_what_a_step_feels_of_a_decay_has_all_its_digits_at_equal_and_nearly_equal_time_constants(tau, tau_m):
    h = 0.1
    x = 0.0 if tau_m is None else h / tau_m
    weight = DU * np.exp(-(1 - U) * x)
    decay = np.exp(-U * h / tau)
    expected = [(weight * decay).sum() / weight.sum(), (weight * U * h / tau * decay).sum() / weight.sum()]
    found = within_a_step(Grid(dt=h, steps=0, integrator="exact"), tau, tau_m)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("integrator", ["euler", "exact"])
@pytest.mark.parametrize("name", ["exponential", "alpha"])
def test_a_current_moves_V_as_its_formula_says(x64, name, integrator):
    dt, steps, taus = 0.1, 1200, np.array([0.3, 2.0, 10.0, 10 + 1e-7])  # equal to tau_m, and nearly
    given = trains(1, 4)
    sizes = [np.random.default_rng(9).normal(60.0, 100.0, len(t)) for t in given]
    tau_m = P["tau_m"] if integrator == "exact" else None
    current = np.stack([felt(name, *one, steps, dt, tau_m) for one in zip(given, sizes, taus, strict=True)], axis=1)
    V, spikes, _ = oracle.lif_population(P, current + 170.0, steps, dt, integrator)
    drive = 170.0 + lifjax.synapse(GIVEN(given, sizes), 1.0, taus, kernel=name)
    run = lifjax.simulate(lifjax.LIF(), drive, 120.0, integrator=integrator, record=("V", "spikes", "current"))
    assert spikes.sum() > 10
    np.testing.assert_array_equal(run.spikes, spikes)
    np.testing.assert_allclose(run.V, V, rtol=0, atol=1e-11)
    np.testing.assert_allclose(run.current, current + 170.0, rtol=0, atol=1e-10)


def test_an_exact_step_follows_the_solution_of_the_equation_whatever_dt_is(x64):
    times, tau = [1.0, 4.0, 4.0, 9.0], 3.0
    ends = []
    for dt in (0.05, 1.0):
        drive = lifjax.synapse(GIVEN(times), 50.0, tau, kernel="alpha") + lifjax.synapse(GIVEN(times), -20.0, 10.0)
        run = lifjax.simulate(QUIET, drive, 20.0 + dt, dt=dt, integrator="exact")
        ends.append(run.V[-1])
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-11)


def test_a_delta_synapse_makes_V_jump_and_a_refractory_neuron_misses_it(x64):
    steps, dt = 400, 0.1
    times, sizes = [1.0, 1.0, 3.05, 10.0, 11.0, 12.1], np.array([3.0, 4.0, 5.0, 12.0, 40.0, 7.0])
    V, wait, decay, expected, fired = -75.0, 0, np.exp(-dt / 10), [], []
    jumps = np.zeros(steps)
    np.add.at(jumps, [10, 10, 31, 100, 110, 121], sizes)
    for k in range(steps):
        if wait:
            V, wait = -75.0, wait - 1
        elif V + jumps[k] >= -55:
            V, wait = -75.0, 20
            fired.append(k * dt)
        else:
            V += jumps[k]
        expected.append(V)
        V = -75 + (V + 75) * decay
    drive = lifjax.synapse(GIVEN(times, sizes), 1.0, kernel="delta")
    run = lifjax.simulate(lifjax.LIF(), drive, 40.0, integrator="exact", record=("V", "spikes", "current"))
    np.testing.assert_allclose(run.spike_times, fired)
    assert len(fired) == 1
    np.testing.assert_allclose(run.V, expected, rtol=0, atol=1e-12)
    assert (run.current == 0).all()


@pytest.mark.parametrize("name", ["exponential", "alpha"])
@pytest.mark.parametrize(("integrator", "order"), [("euler", 1), ("exact", 2)])
def test_conductances_converge_to_the_solution_of_the_equation(x64, name, integrator, order):
    ex, inh = np.array([2.0, 5.0, 5.5, 11.0]), np.array([3.0, 8.0])

    def slope(t, V):
        g_e, g_i = (w * kernel(name, t - on, tau).sum() for w, on, tau in ((4.0, ex, 2.0), (6.0, inh, 5.0)))
        return (10 * (-75 - V) + g_e * (0 - V) + g_i * (-80 - V) + 50.0) / 100

    V, t = np.array([-75.0]), 0.0
    for end in [*np.unique([*ex, *inh]), 20.0]:
        V = solve_ivp(slope, (t, end - 1e-7), V, rtol=1e-11, atol=1e-11).y[:, -1]
        t = end
    off = []
    for dt in (0.1, 0.05):
        drive = lifjax.synapse(GIVEN(ex), 4.0, 2.0, E_rev=0.0, kernel=name)
        drive = drive + lifjax.synapse(GIVEN(inh), 6.0, 5.0, E_rev=-80.0, kernel=name) + 50.0
        run = lifjax.simulate(QUIET, drive, 20.0 + dt, dt=dt, integrator=integrator)
        off.append(abs(run.V[-1] - V[0]))
    assert off[1] < (0.1 if integrator == "euler" else 2e-3)
    np.testing.assert_allclose(np.log2(off[0] / off[1]), order, atol=0.2)


def test_the_recorded_current_is_what_flows_through_a_conductance(x64):
    drive = lifjax.synapse(GIVEN([1.0]), 3.0, 5.0, E_rev=-20.0)
    run = lifjax.simulate(QUIET, drive, 10.0, record=("V", "current"))
    g = 3.0 * kernel("exponential", run.times - 1.0, 5.0)
    np.testing.assert_allclose(run.current, g * (-20.0 - run.V), rtol=0, atol=1e-11)


@pytest.mark.parametrize("model", [lifjax.EIF(V_th=0.0, V_peak=50.0), lifjax.AdEx(V_th=0.0, V_peak=50.0)])
def test_models_that_are_not_linear_take_all_three_kinds(x64, model):
    drive = lifjax.synapse(GIVEN([1.0]), 5.0, 5.0, E_rev=0.0) + lifjax.synapse(GIVEN([2.0]), -1.0, kernel="delta")
    run = lifjax.simulate(model, drive + lifjax.synapse(GIVEN([3.0]), 50.0, 2.0), 5.0, integrator="rk4")
    assert run.V[9] == pytest.approx(-70.6)
    assert run.V[15] > -70.5
    assert run.V[20] - run.V[19] == pytest.approx(-1.0, abs=0.1)
    assert run.V[35] > run.V[30]


def test_only_a_stimulus_that_gives_no_conductance_is_taken_for_one():
    class Own(Stimulus):
        @classmethod
        def drive(cls, c, state, k, word, lanes):
            return state, None

    current, conductance = (lifjax.synapse(GIVEN([1.0]), 1.0, 5.0, E_rev=E).kind for E in (None, 0.0))
    assert [conducting(kind) for kind in (Constant, current, conductance, Own)] == [False, False, True, True]


def test_a_spike_acts_from_the_first_grid_time_at_or_after_it_and_spikes_of_one_step_add_up():
    given = [[0.0, 0.3], [0.30000000000000004, 0.31], [0.29, 0.3], []]
    run = lifjax.simulate(QUIET, lifjax.synapse(GIVEN(given), 1.0, kernel="delta"), 0.6, integrator="exact")
    decay = np.exp(-0.01)
    expected = [[1, decay, decay**2, decay**3 + 1], [0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 0]]
    np.testing.assert_allclose(run.V[:4].T + 75, expected, atol=2e-5)
    np.testing.assert_allclose(run.V[4] + 75, [decay**4 + decay, decay + 1, 2 * decay, 0], atol=2e-5)


def test_one_train_reaches_all_neurons_and_trains_broadcast_as_parameters_do():
    weights = np.arange(1.0, 4.0)
    one = lifjax.simulate(QUIET, lifjax.synapse(GIVEN([1.0, 2.0, 2.0]), weights, kernel="delta"), 3.0)
    each = lifjax.simulate(QUIET, lifjax.synapse(GIVEN([[1.0, 2.0, 2.0]] * 3), weights, kernel="delta"), 3.0)
    np.testing.assert_array_equal(one.V, each.V)
    rows = np.empty((2, 1), object)
    rows[:, 0] = [np.array([1.0]), np.array([2.0, 2.0])]
    run = lifjax.simulate(QUIET, lifjax.synapse(GIVEN(rows), weights, kernel="delta"), 3.0)
    assert run.shape == (2, 3)
    np.testing.assert_allclose(run.V[20] - run.V[19], [[0] * 3, 2 * weights], atol=0.1)
    np.testing.assert_allclose(run.V[10] - run.V[9], [weights, [0] * 3], atol=0.1)
    fired = lifjax.simulate(lifjax.LIF(), [300.0, 400.0], 50.0).spike_times
    assert lifjax.simulate(QUIET, lifjax.synapse(GIVEN(fired), 5.0, 2.0), 50.0).shape == (2,)


def test_no_spikes_at_all_are_a_train_too():
    for nothing in ([], [[], []], np.zeros((3, 0))):
        assert (lifjax.simulate(QUIET, lifjax.synapse(GIVEN(nothing), 1.0, 5.0), 5.0).V == -75).all()


def test_late_spikes_in_float32_arrive_on_time_and_a_run_may_go_on_with_other_trains():
    state = lifjax.State(step=10_000_000, neuron=QUIET.start())
    given = [[1.0, 500_000.0, 1_000_000.3], [1_000_000.5]]
    run = lifjax.simulate(QUIET, lifjax.synapse(GIVEN(given), 1.0, kernel="delta"), 1.0, state=state)
    np.testing.assert_array_equal(run.V.argmax(axis=0), [3, 5])
    other = lifjax.synapse(GIVEN([[0.5, 1_000_001.2], [7.0, 8.0, 9.0, 1_000_001.4]]), 9.0, kernel="delta")
    run = lifjax.simulate(QUIET, other, 1.0, state=run.state)
    np.testing.assert_array_equal(run.V.argmax(axis=0), [2, 4])


def test_traced_trains_are_the_same_trains():
    times, sizes = jnp.array([[0.5, 1.0, 1.0, 1.05], [0.2, 0.2, 0.2, 2.0]]), jnp.arange(8.0).reshape(2, 4)

    def go(times, sizes, dt):
        drive = lifjax.synapse(GIVEN(times, sizes), 20.0, 5.0)
        return lifjax.integrate(QUIET, drive, 40, dt=dt, record=("V",))[1].V

    expected = go(np.asarray(times), np.asarray(sizes), 0.1)
    np.testing.assert_allclose(jax.jit(go)(times, sizes, 0.1), expected, rtol=1e-6)
    drive = lifjax.synapse(GIVEN(list(np.asarray(times))), 1.0, 5.0)  # as an argument of a compiled function
    jitted = jax.jit(lambda drive: lifjax.integrate(QUIET, drive, 40, record=("V",))[1].V)
    np.testing.assert_allclose(jitted(drive), lifjax.integrate(QUIET, drive, 40, record=("V",))[1].V, rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda x: lifjax.synapse(POISSON(20 * x), x / 10, 5.0, kernel="alpha"),
    lambda x: lifjax.synapse(GIVEN([[1.0], [2.0]]), 1.0, x / 50, E_rev=0.0),
    lambda x: lifjax.synapse(POISSON(1000.0, correlation=x / 300), x / 100, kernel="delta"),
    lambda x: lifjax.white_noise(x, x, correlation=x / 300, source=[0, 1]),
])  # fmt: skip
def test_numbers_may_be_traced_and_derivatives_are_finite(make):
    def last(x):
        return lifjax.integrate(QUIET, make(x), 60, integrator="exact", population=2)[0].neuron.V.sum()

    value, slope = jax.jit(jax.value_and_grad(last))(100.0)
    np.testing.assert_allclose(value, last(100.0), rtol=1e-4)
    assert np.isfinite(slope)


def test_the_derivative_with_respect_to_a_time_constant_is_right_where_tau_syn_is_tau_m(x64):
    def last(tau_m):
        drive = lifjax.synapse(GIVEN([1.0]), 50.0, 10.0, kernel="alpha")
        return lifjax.integrate(lifjax.LIF(V_th=1e6, tau_m=tau_m), drive, 200, integrator="exact")[0].neuron.V

    np.testing.assert_allclose(jax.grad(last)(10.0), (last(10.001) - last(9.999)) / 0.002, rtol=1e-6)


@pytest.mark.parametrize(("name", "area", "power"), [("exponential", 1.0, 0.5), ("alpha", np.e, np.e**2 / 4)])
def test_poisson_input_has_the_mean_and_variance_of_campbells_theorem(name, area, power):
    rate, weight, tau, n = 1500.0, 10.0, 5.0, 20_000
    drive = lifjax.synapse(POISSON(rate), weight, tau, kernel=name)
    I = lifjax.simulate(QUIET, drive, 80.0, dt=0.1, population=n, record=("current",)).current[-1].astype(float)
    t = np.arange(0, 80.0, 0.1)  # the grid's own sums, which are within a step of the integrals
    k = kernel(name, t, tau)
    mean, var = rate * 1e-4 * weight * k.sum(), rate * 1e-4 * weight**2 * (k**2).sum()
    np.testing.assert_allclose(
        [mean, var], rate / 1000 * tau * np.array([weight * area, weight**2 * power]), rtol=0.025
    )
    assert abs(I.mean() - mean) < 4.5 * np.sqrt(var / n)
    assert abs(I.var() / var - 1) < 4.5 * np.sqrt(2.2 / n)


def test_delta_input_gives_V_the_variance_of_campbells_theorem():
    rate, weight, n = 2000.0, 0.5, 20_000
    drive = lifjax.synapse(POISSON(rate), weight, kernel="delta")
    V = lifjax.simulate(QUIET, drive, 80.0, population=n, integrator="exact").V[-1].astype(float) + 75
    left = np.exp(-0.01)
    mean, var = rate * 1e-4 * weight / (1 - left), rate * 1e-4 * weight**2 / (1 - left**2)
    assert abs(V.mean() - mean) < 4.5 * np.sqrt(var / n)
    assert abs(V.var() / var - 1) < 4.5 * np.sqrt(2.2 / n)


def test_shared_noise_correlates_neurons_of_a_source_and_leaves_each_ones_own_statistics():
    c, source = np.array([0.0, 0.3, 1.0])[:, None], np.array([0, 0, 1])
    noise = lifjax.white_noise(100.0, 5.0, correlation=c, source=source + np.arange(0, 6, 2)[:, None])
    I = lifjax.simulate(QUIET, noise, 20_000.0, record=("current",)).current.astype(float)
    x, n = (I - 100) / 500, len(I)
    assert (np.abs(x.mean(axis=0)) < 4.5 / np.sqrt(n)).all()
    assert (np.abs(x.var(axis=0) - 1) < 4.5 * np.sqrt(2 / n)).all()
    found = np.corrcoef(x.reshape(n, 9).T)
    expected = np.eye(9)
    for row, share in enumerate(c[:, 0]):
        expected[3 * row, 3 * row + 1] = expected[3 * row + 1, 3 * row] = share
    assert (np.abs(found - expected) < 4.5 / np.sqrt(n)).all()


def test_coloured_noise_is_correlated_from_the_first_step_on():
    n = 20_000
    noise = lifjax.ornstein_uhlenbeck(0.0, 1.0, 5.0, correlation=0.4, source=np.arange(n)[:, None])
    I = lifjax.simulate(QUIET, noise, 10.0, population=(n, 2), record=("current",)).current.astype(float)
    for k in (0, 1, 99):
        assert abs(I[k].var() - 1) < 4.5 / np.sqrt(n)
        assert abs((I[k, :, 0] * I[k, :, 1]).mean() - 0.4) < 4.5 * np.sqrt((1 + 0.4**2) / n)
    assert abs((I[0, :, 0] * I[99, :, 1]).mean() - 0.4 * np.exp(-9.9 / 5)) < 4.5 / np.sqrt(n)


def test_poisson_trains_that_share_a_source_keep_their_rate_and_have_the_correlation_of_counts():
    n, rate, steps = 2000, np.array([200.0, 8000.0])[:, None, None], 20
    c = np.array([0.0, 0.25, 1.0])[:, None]
    train = POISSON(rate[..., None], correlation=c[..., None], source=np.arange(6 * n).reshape(2, 3, n, 1))
    drive = lifjax.synapse(train, 1.0, 1e-6)  # a current that is the count
    run = lifjax.simulate(QUIET, drive, steps / 10, population=(2, 3, n, 2), record=("current",))
    counts = run.current.astype(float)
    expected = rate[:, 0, 0] * 1e-4
    for i, m in enumerate(expected):
        for j, share in enumerate(c[:, 0]):
            x = counts[:, i, j] - m  # (steps, n, 2)
            some = x[..., 0].size
            assert abs(x.mean()) < 4.5 * np.sqrt(m * (1 + share) / 2 / some)
            assert abs((x**2).mean() / m - 1) < 4.5 * np.sqrt((2 + 1 / m) / some)
            assert abs((x[..., 0] * x[..., 1]).mean() / m - share) < 4.5 * np.sqrt((2 + 1 / m) / some)
    assert (counts[:, :, 2, :, 0] == counts[:, :, 2, :, 1]).all()


N = 333
OWN = [t for t in trains(3, 9, 60.0, 30) for _ in range(N // 9)]
SOURCE = np.arange(N) // 3 % 5
CUT = {
    "trains of each": lifjax.synapse(GIVEN(OWN), 90.0, 5.0) + 160.0,
    "one train": lifjax.synapse(GIVEN(np.arange(1.0, 60.0, 2.5)), 6.0, 2.0, kernel="alpha", E_rev=0.0) + 100.0,
    "shared Poisson": lifjax.synapse(POISSON(1500.0, correlation=0.3, source=SOURCE), 15.0, 5.3, kernel="alpha")
    + lifjax.synapse(POISSON(200.0, correlation=0.1), 0.7, kernel="delta"),
    "conductances": lifjax.synapse(POISSON(3000.0), 1.5, 2.1, E_rev=0.0)
    + lifjax.synapse(POISSON(1500.0), 1.5, 5.1, E_rev=-80.0),
    "shared noise": lifjax.white_noise(200.0, 5.0, correlation=0.3, source=SOURCE)
    + lifjax.ornstein_uhlenbeck(10.0, 20.0, 5.0, correlation=0.2),
}


@pytest.mark.parametrize(("integrator", "double"), [("euler", False), ("exact", True)])
@pytest.mark.parametrize("name", CUT)
def test_synapses_and_shared_noise_have_the_same_bits_however_a_run_is_cut(name, integrator, double, monkeypatch, cpu):
    def go(duration=50.0, record=(), **kwargs):
        return lifjax.simulate(
            lifjax.LIF(), CUT[name], duration, integrator=integrator, record=record, population=N, **kwargs
        )

    kept = ("V", "spikes", "current")
    with jax.enable_x64(double):
        whole = go(seed=5, record=kept)
        assert whole.spike_count.sum() > 100
        first = go(7.7, seed=5, record=kept)
        rest = go(42.3, state=first.state, record=kept)
        np.testing.assert_array_equal(first.V, whole.V[: len(first.V)])
        np.testing.assert_array_equal(first.current, whole.current[: len(first.V)])
        np.testing.assert_array_equal(rest.state.neuron.V, whole.state.neuron.V)
        monkeypatch.setattr(backend, "_SHARE", 50)
        monkeypatch.setattr(backend, "_BLOCK", 100)
        assert len(backend.layout(N, 0).begins) > 1
        np.testing.assert_array_equal(go(seed=5).state.neuron.V, whole.state.neuron.V)
        if double:  # in float32 in test_layout
            monkeypatch.setenv("LIFJAX_ENGINE", "scan")
            np.testing.assert_array_equal(go(seed=5, record=("spikes",)).state.neuron.V, whole.state.neuron.V)


def test_a_fit_sees_the_spikes_that_simulate_gives():
    neuron = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 9))
    drive = lifjax.synapse(GIVEN(trains(3, 9, 200.0, 90)), 60.0, 5.0) + lifjax.synapse(
        POISSON(1500.0, correlation=0.3, source=np.arange(9) // 2), 2.0, 3.0, E_rev=0.0
    )
    rates = lifjax.simulate(neuron, drive, 200.0, seed=2, record=()).firing_rate
    assert (rates > 0).all()
    fit = lifjax.fit_rates(neuron, drive, rates, 200.0, free=("tau_m",), steps=1, seed=2)
    np.testing.assert_allclose(fit.error, 0, atol=1e-4)


def test_balanced_conductances_keep_V_below_threshold_and_make_neurons_fire_irregularly():
    def go(drive):
        run = lifjax.simulate(lifjax.LIF(), drive, 5000.0, population=50, neurons=np.arange(5), seed=1)
        return run.V.mean(), run.firing_rate.mean(), lifjax.analysis.cv(lifjax.analysis.isi(run.spike_times)).mean()

    excitation = lifjax.synapse(POISSON(3000.0), 1.5, tau_syn=2.0, E_rev=0.0)
    inhibition = lifjax.synapse(POISSON(2000.0), 2.0, tau_syn=5.0, E_rev=-80.0)
    V, rate, cv = go(excitation + inhibition)
    assert -64 < V < -59
    assert 10 < rate < 25
    assert 0.85 < cv < 1.05
    _, rate, cv = go(excitation)
    assert rate > 100
    assert cv < 0.3


@pytest.mark.parametrize("drive", ["white noise", "Poisson"])
def test_counts_are_the_more_correlated_the_more_of_their_input_two_neurons_share(drive):
    c, pairs = np.array([0.0, 0.25, 0.5, 0.75, 1.0]), 100
    source = np.arange(len(c) * pairs).reshape(len(c), pairs, 1)
    shared = {"correlation": c[:, None, None], "source": source}
    if drive == "Poisson":
        noise = lifjax.synapse(POISSON(2500.0, **shared), 20.0, 5.0)
    else:
        noise = lifjax.white_noise(180.0, 8.0, **shared)
    counts, state = [], None
    for _ in range(50):  # windows of 50 ms
        run = lifjax.simulate(lifjax.LIF(), noise, 50.0, population=(len(c), pairs, 2), record=(), state=state)
        state = run.state
        counts.append(run.spike_count)
    one, other = np.moveaxis(np.array(counts[2:]).astype(float), -1, 0)
    r = np.array([np.corrcoef(one[:, i].ravel(), other[:, i].ravel())[0, 1] for i in range(len(c))])
    assert abs(r[0]) < 4.5 / np.sqrt(one[:, 0].size)
    assert (np.diff(r) > 0.1).all()
    assert (r[1:4] < c[1:4]).all()  # a threshold passes on less than it gets
    assert r[4] == pytest.approx(1.0)
