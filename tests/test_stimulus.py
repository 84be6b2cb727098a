"""Currents against their formulas in float64 NumPy, and noise against its moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lifjax
from lifjax.neurons import Grid

QUIET = lifjax.LIF(V_th=1e6)


def current(stimulus, duration=100.0, dt=0.1, neuron=QUIET, **kwargs):
    run = lifjax.simulate(neuron, stimulus, duration, dt=dt, record=("current",), **kwargs)
    return run.times, run.current


def test_a_constant_is_the_same_at_all_times():
    _, I = current(300.0)
    assert (I == 300).all()


def test_a_pulse_is_on_from_start_to_before_stop():
    t, I = current(lifjax.pulse(300.0, start=20.0, stop=40.0))
    np.testing.assert_array_equal(I, np.where((t > 19.95) & (t < 39.95), 300, 0))


def test_a_pulse_begins_and_ends_for_each_neuron_at_its_own_time():
    t, I = current(lifjax.pulse([100.0, 200.0], start=[10.0, 20.0], stop=[30.0, 30.05]))
    np.testing.assert_array_equal(I[:, 0], np.where((t > 9.95) & (t < 29.95), 100, 0))
    np.testing.assert_array_equal(I[:, 1], np.where((t > 19.95) & (t < 30.05), 200, 0))


def test_late_times_are_exact_in_float32():
    state = lifjax.State(step=10_000_000, neuron=QUIET.start())
    t, I = current(lifjax.pulse(1.0, start=1_000_000.3, stop=1_000_000.6), duration=1.0, state=state)
    np.testing.assert_array_equal(np.flatnonzero(I), [3, 4, 5])
    assert t[0] == pytest.approx(1e6)


def test_steps_jump_at_their_times_and_are_0_before_the_first():
    t, I = current(lifjax.steps([100.0, 50.0, 200.0], [10.0, 30.0, 60.0]))
    expected = np.select([t < 9.95, t < 29.95, t < 59.95], [0, 100, 50], 200)
    np.testing.assert_array_equal(I, expected)


def test_steps_may_differ_between_neurons():
    _, I = current(lifjax.steps([[1.0, 2.0], [3.0, 4.0]], [0.0, 50.0]))
    np.testing.assert_array_equal(I[[0, 499, 500]], [[1, 2], [1, 2], [3, 4]])


def test_a_ramp_is_a_line_between_its_ends_and_flat_beyond():
    t, I = current(lifjax.ramp(100.0, 300.0, start=20.0, stop=70.0))
    np.testing.assert_allclose(I, np.interp(t, [20, 70], [100, 300]), rtol=1e-6)


def test_a_ramp_may_begin_before_the_run_or_last_less_than_a_step():
    t, I = current(lifjax.ramp(0.0, 100.0, start=-100.0, stop=100.0))
    np.testing.assert_allclose(I, 50 + t / 2, rtol=1e-6)
    t, I = current(lifjax.ramp(0.0, 100.0, start=10.01, stop=10.05))
    np.testing.assert_array_equal(I, np.where(t > 10.05, 100, 0))


def test_times_in_float32_are_the_steps_they_mean():
    for i in range(0, 20_000, 7):
        assert Grid(dt=0.1, steps=0).count(np.float32(i * 0.1)) == i == Grid(dt=0.1, steps=0).count(i * 0.1)
    assert lifjax.simulate(QUIET, 0.0, 100.0, dt=np.float32(0.01), record=()).steps == 10_000


def test_a_tuple_is_an_array():
    assert lifjax.simulate(QUIET, (100.0, 300.0), 1.0).shape == (2,)


@pytest.mark.parametrize("stimulus", [lifjax.ornstein_uhlenbeck(220.0, 80.0, 5.3), lifjax.poisson(2000.0, 20.3, 5.3)])
def test_noise_with_memory_has_the_same_bits_in_float64_whatever_it_is_compiled_with(x64, stimulus):
    whole = lifjax.simulate(lifjax.LIF(), stimulus, 60.0, seed=7, population=64, record=("V", "spikes", "current"))
    for n, records in ((1, [(), ("V", "spikes", "current")]), (5, [(), ("current",), ("V", "spikes", "current")])):
        for record in records:
            run = lifjax.simulate(lifjax.LIF(), stimulus, 60.0, seed=7, population=n, record=record)
            np.testing.assert_array_equal(run.state.neuron.V, whole.state.neuron.V[:n])
            if "current" in record:
                np.testing.assert_array_equal(run.current, whole.current[:, :n])


def test_a_ramp_without_stop_lasts_the_run():
    t, I = current(lifjax.ramp(0.0, 100.0))
    np.testing.assert_allclose(I, t, atol=1e-4)


def test_a_sinusoid_keeps_its_phase_for_a_long_time_in_float32():
    t, I = current(lifjax.sinusoid(100.0, 37.7, offset=20.0, phase=0.3), duration=200_000.0, every=97)
    expected = 20 + 100 * np.sin(2 * np.pi * 37.7 * t / 1000 + 0.3)
    assert np.abs(I - expected).max() < 0.2  # pA, after 7540 cycles


def test_a_sinusoid_is_exact_in_float64(x64):
    t, I = current(lifjax.sinusoid([100.0, 50.0], [37.7, 250.0], phase=0.3), duration=2000.0)
    for j, (A, f) in enumerate(((100, 37.7), (50, 250.0))):
        np.testing.assert_allclose(I[:, j], A * np.sin(2 * np.pi * f * t / 1000 + 0.3), atol=1e-8)


def test_samples_at_the_runs_own_step_are_the_current():
    values = np.random.default_rng(0).normal(0, 100, (1000, 3)).astype(np.float32)
    _, I = current(lifjax.samples(values))
    np.testing.assert_array_equal(I, values)
    _, I = current(lifjax.samples(values[:, 0]), population=4)
    np.testing.assert_array_equal(I, np.repeat(values[:, :1], 4, axis=1))


@pytest.mark.parametrize("spacing", [0.25, 1.0, 0.1, 0.05, 0.3, 1 / 3])
def test_samples_at_another_step_are_joined_by_straight_lines(spacing):
    values = np.random.default_rng(1).normal(0, 100, int(100 / spacing) + 2)
    t, I = current(lifjax.samples(values, dt=spacing))
    np.testing.assert_allclose(I, np.interp(t, np.arange(len(values)) * spacing, values), atol=2e-2)


@pytest.mark.parametrize("spacing", [0.09997, 0.03333, 0.0501])
def test_samples_do_not_drift(spacing):
    n = int(5000 / spacing) + 2
    t, I = current(lifjax.samples(np.arange(n) * spacing, dt=spacing), duration=5000.0, every=1000)
    np.testing.assert_allclose(I, t, atol=0.01)


def test_samples_are_read_at_the_right_place_after_a_long_time():
    values = np.tile(np.arange(1000.0), 30)
    t, I = current(lifjax.samples(values, dt=10.0), duration=290_000.0, every=100)
    np.testing.assert_allclose(I, np.interp(t, np.arange(30_000) * 10.0, values), atol=1e-3)


def test_stimuli_add_up_and_bare_numbers_and_arrays_join_in():
    pulse = lifjax.pulse(100.0, 20.0, 40.0)
    for total in (
        50.0 + pulse + np.array([1.0, 2.0]),
        pulse + 50.0 + jnp.array([1.0, 2.0]),
        np.array([1.0, 2.0]) + pulse + lifjax.constant(50.0),
        jnp.array([51.0, 52.0]) + pulse,
        np.float64(50.0) + (pulse + [1.0, 2.0]),
    ):
        t, I = current(total)
        inside = np.where((t > 19.95) & (t < 39.95), 100.0, 0.0)[:, None]
        np.testing.assert_allclose(I, inside + [51.0, 52.0])


def test_shapes_broadcast_as_in_numpy():
    run = lifjax.simulate(lifjax.LIF(tau_m=np.full(4, 10.0)), np.arange(3.0)[:, None], 10.0, record=("current",))
    assert run.shape == (3, 4)
    np.testing.assert_array_equal(run.current[5], np.repeat(np.arange(3.0)[:, None], 4, axis=1))


def test_samples_and_steps_broadcast_against_a_population():
    values = np.arange(1000.0 * 3).reshape(1000, 3, 1)
    _, I = current(lifjax.samples(values), neuron=lifjax.LIF(V_th=np.full(4, 1e6)))
    np.testing.assert_array_equal(I, np.broadcast_to(values, (1000, 3, 4)))
    _, I = current(lifjax.steps(values[:2], [0.0, 50.0]), neuron=lifjax.LIF(V_th=np.full(4, 1e6)))
    np.testing.assert_array_equal(I[-1], np.broadcast_to(values[1], (3, 4)))


def test_white_noise_has_the_tutorials_mean_and_variance_and_no_memory():
    _, I = current(lifjax.white_noise([200.0, 100.0], [5.0, 20.0]), duration=100_000.0)
    n = len(I)
    for j, (mean, sigma) in enumerate(((200, 5), (100, 20))):
        std = sigma / np.sqrt(1e-4)
        x = (np.asarray(I[:, j], float) - mean) / std
        assert abs(x.mean()) < 4.5 / np.sqrt(n)
        assert abs(x.var() - 1) < 4.5 * np.sqrt(2 / n)
        assert abs((x[1:] * x[:-1]).mean()) < 4.5 / np.sqrt(n)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_ornstein_uhlenbeck_noise_is_stationary_with_its_variance_and_autocorrelation(dt):
    tau, n = 5.0, 20_000
    _, I = current(lifjax.ornstein_uhlenbeck(100.0, 50.0, tau), duration=20.0, dt=dt, population=n)
    x = (np.asarray(I, float) - 100) / 50
    for k in (0, len(x) // 2, len(x) - 1):  # from the first step on
        assert abs(x[k].mean()) < 4.5 / np.sqrt(n)
        assert abs(x[k].var() - 1) < 4.5 * np.sqrt(2 / n)
    for lag in (1, 5, 10, 19):
        expected = np.exp(-lag * dt / tau)
        assert abs((x[lag] * x[0]).mean() - expected) < 4.5 / np.sqrt(n) * np.sqrt(1 + expected**2)


@pytest.mark.parametrize(("rate", "weight"), [(20.0, 30.0), (2_000.0, 20.0), (150_000.0, -1.0)])
def test_poisson_input_has_the_mean_and_variance_of_shot_noise(rate, weight):
    tau, dt, n = 5.0, 0.1, 4000
    _, I = current(lifjax.poisson(rate, weight, tau), duration=60.0, population=n)
    x, decay, expected = np.asarray(I[-1], float), np.exp(-dt / tau), rate * dt / 1000
    mean, var = weight * expected / (1 - decay), weight**2 * expected / (1 - decay**2)
    assert abs(x.mean() - mean) < 4.5 * np.sqrt(var / n)
    fourth = 3 + (1 - decay**2) ** 2 / (1 - decay**4) / expected  # kurtosis of shot noise
    assert abs(x.var() - var) < 4.5 * var * np.sqrt((fourth - 1) / n)
    assert (I[0] >= min(0, weight * 40)).all()


def test_poisson_counts_are_poisson_for_each_neurons_own_rate():
    n, rates = 40_000, np.array([100.0, 5_000.0, 100_000.0])
    _, I = current(lifjax.poisson(rates[:, None], 1.0, 1e-6), duration=1.0, population=(3, n))
    counts = np.asarray(I).reshape(10, 3, n).transpose(1, 0, 2).reshape(3, -1)
    for count, rate in zip(counts, rates, strict=True):
        expected = rate * 1e-4
        for most in range(int(expected) + 3):
            from scipy import stats

            p = stats.poisson.cdf(most, expected)
            assert abs((count <= most + 0.5).mean() - p) < 4.5 * np.sqrt(p * (1 - p) / count.size) + 1e-7


def test_two_noises_in_a_sum_are_independent():
    def one(place):
        terms = [lifjax.white_noise(0.0, 0.0), lifjax.white_noise(0.0, 0.0)]
        terms[place] = lifjax.white_noise(0.0, 1.0)
        return np.asarray(current(terms[0] + terms[1], duration=10_000.0)[1], float) / 100

    first, second = one(0), one(1)
    assert abs((first * second).mean()) < 4.5 / np.sqrt(first.size)


def test_a_stimulus_with_memory_goes_on_from_a_state_and_starts_anew_where_another_was():
    noise = lifjax.ornstein_uhlenbeck(0.0, 50.0, 100.0)
    whole = lifjax.simulate(QUIET, noise, 20.0, record=("current",))
    first = lifjax.simulate(QUIET, noise, 10.0, record=("current",))
    again = lifjax.simulate(QUIET, noise, 10.0, record=("current",), state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.current, again.current]), whole.current)
    other = lifjax.simulate(QUIET, lifjax.poisson(0.0, 1.0, 5.0), 1.0, record=("current",), state=first.state)
    assert (other.current == 0).all()  # not the noise's current
    assert jax.tree.leaves(other.state.stimulus)[0].shape == ()
