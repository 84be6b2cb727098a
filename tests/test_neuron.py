"""The step of the LIF neuron against plain NumPy loops and closed forms."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import lif_population

import lifjax
from lifjax import theory
from lifjax.neurons.base import Grid

N, STEPS = 64, 3000


def mixed(rng, n=N):
    """Parameters of n neurons that differ in everything."""
    V_reset = rng.uniform(-85, -70, n)
    return {
        "V_th": rng.uniform(-60, -50, n),
        "V_reset": V_reset,
        "V_init": rng.uniform(-80, -50, n),
        "E_L": rng.uniform(-80, -65, n),
        "tau_m": rng.uniform(5, 30, n),
        "g_L": rng.uniform(5, 20, n),
        "t_ref": rng.uniform(0, 4, n),
    }


def noisy(rng, steps=STEPS, n=N):
    return rng.uniform(100, 500, n) + rng.normal(0, 400, (steps, n))


@pytest.mark.parametrize("integrator", ["euler", "exact"])
@pytest.mark.parametrize("seed", range(3))
def test_a_population_of_mixed_parameters_equals_the_loop_to_the_last_bit_in_float64(x64, integrator, seed):
    rng = np.random.default_rng(seed)
    p, current = mixed(rng), noisy(rng)
    V, spikes, end = lif_population(p, current, STEPS, 0.1, integrator)
    run = lifjax.simulate(lifjax.LIF(**p), lifjax.samples(current), STEPS * 0.1, integrator=integrator)
    assert spikes.sum() > 100
    np.testing.assert_array_equal(run.V, V)
    np.testing.assert_array_equal(run.spikes, spikes)
    np.testing.assert_array_equal(run.state.neuron.V, end)


def test_shared_parameters_equal_the_loop_to_the_last_bit_in_float64(x64):
    # Divisions by a shared g_L are where a compiler multiplies by the reciprocal.
    current = noisy(np.random.default_rng(3))
    p = {"V_th": -55.0, "V_reset": -75.0, "V_init": -75.0, "E_L": -70.0, "tau_m": 7.0, "g_L": 11.0, "t_ref": 2.0}
    V, spikes, _ = lif_population(p, current, STEPS, 0.1)
    run = lifjax.simulate(lifjax.LIF(**p), lifjax.samples(current), STEPS * 0.1)
    np.testing.assert_array_equal(run.V, V)
    np.testing.assert_array_equal(run.spikes, spikes)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dt=st.floats(0.01, 1.0), integrator=st.sampled_from(["euler", "exact"]))
def test_any_parameters_and_grid_step_equal_the_loop_in_float64_and_its_spike_count_in_float32(seed, dt, integrator):
    rng = np.random.default_rng(seed)
    p, current = mixed(rng), noisy(rng, 600)
    V, spikes, _ = lif_population(p, current, 600, dt, integrator)
    duration = 599.5 * dt
    with jax.enable_x64(True):
        run = lifjax.simulate(lifjax.LIF(**p), lifjax.samples(current), duration, dt=dt, integrator=integrator)
    np.testing.assert_array_equal(run.V, V)
    np.testing.assert_array_equal(run.spikes, spikes)

    single = lifjax.simulate(lifjax.LIF(**p), lifjax.samples(current), duration, dt=dt, integrator=integrator)
    assert single.V.dtype == np.float32
    clear = _margin(p, V, current, dt, integrator) > 1e-3
    np.testing.assert_array_equal(single.spike_count[clear], spikes.sum(axis=0)[clear])
    assert clear.mean() > 0.5


def _margin(p, V, current, dt, integrator):
    """How near each neuron's V came to its threshold at the start of any step, before a reset [mV]."""
    alpha = dt / p["tau_m"] if integrator == "euler" else -np.expm1(-dt / p["tau_m"])
    reached = V[:-1] + (p["E_L"] - V[:-1] + current[:-1] / p["g_L"]) * alpha
    return np.abs(np.vstack([p["V_init"], reached]) - p["V_th"]).min(axis=0)


def test_the_exact_integrator_meets_the_closed_form_of_the_grid_to_one_spike_in_20_s(x64):
    neuron, currents = lifjax.LIF(), np.linspace(150, 600, 50)
    count = lifjax.simulate(neuron, currents, 20_000.0, integrator="exact", record=()).spike_count
    expected = theory.firing_rate(neuron, currents, dt=0.1) * 20
    assert np.abs(count - expected).max() <= 1


@pytest.mark.slow
def test_the_exact_integrator_meets_the_closed_form_in_continuous_time_to_one_spike_in_20_s(x64):
    # On a grid each interval is rounded up, which costs at most 20 s / interval**2 * dt spikes: 0.8 at 140 Hz.
    neuron, duration, currents = lifjax.LIF(), 20_000.0, np.linspace(150, 500, 50)
    count = lifjax.simulate(neuron, currents, duration, dt=0.002, integrator="exact", record=()).spike_count
    rate = theory.firing_rate(neuron, currents)
    fires = rate > 0
    interval = 1000 / rate[fires]
    first = interval - neuron.t_ref  # the neuron starts at V_reset, not refractory
    np.testing.assert_array_equal(count[~fires], 0)
    assert np.abs(count[fires] - (np.floor((duration - first) / interval) + 1)).max() <= 1


def test_the_error_of_euler_in_V_halves_when_dt_halves(x64):
    neuron, I = lifjax.LIF(), 150.0
    error = []
    for dt in (0.4, 0.2, 0.1, 0.05):
        run = lifjax.simulate(neuron, I, 40.0, dt=dt, record=("V",))
        exact = -75 + 15 * (1 - np.exp(-run.times / 10))
        error.append(np.abs(run.V - exact).max())
    ratio = np.array(error[:-1]) / error[1:]
    np.testing.assert_allclose(ratio, 2, atol=0.1)


def test_the_exact_integrator_has_no_error_in_V_under_a_constant_current(x64):
    run = lifjax.simulate(lifjax.LIF(), 150.0, 100.0, dt=0.5, record=("V",), integrator="exact")
    np.testing.assert_allclose(run.V, -75 + 15 * (1 - np.exp(-run.times / 10)), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("t_ref", "dt", "steps"),
    [(2.0, 0.1, 20), (0.6000000000000001, 0.2, 3), (0.25, 0.1, 3), (0.0, 0.1, 0), (0.3, 0.1, 3)],
)
def test_the_refractory_time_is_its_number_of_steps_whatever_rounding_does(t_ref, dt, steps):
    run = lifjax.simulate(lifjax.LIF(t_ref=t_ref), 1e5, 10.0, dt=dt)  # from reset over the threshold in one step
    gaps = np.diff(np.flatnonzero(run.spikes))
    assert (gaps == steps + 1).all()


def test_float64_is_used_where_it_is_enabled_and_float32_elsewhere(x64):
    assert lifjax.simulate(lifjax.LIF(), 300.0, 10.0).V.dtype == np.float64
    with jax.enable_x64(False):
        run = lifjax.simulate(lifjax.LIF(tau_m=np.float64(10.0)), np.float64(300.0), 10.0)
    assert run.V.dtype == np.float32
    assert run.state.neuron.V.dtype == np.float32


def test_the_capacitance_is_tau_m_times_g_L():
    np.testing.assert_array_equal(lifjax.LIF(tau_m=[10.0, 20.0], g_L=5.0).C_m, [50.0, 100.0])


@pytest.mark.parametrize("kind", [int, np.int32, lambda x: np.array([int(x)] * 2), lambda x: [int(x)] * 2])
def test_whole_numbers_are_the_numbers_they_are(kind):
    whole = {"V_th": -50, "V_reset": -70, "V_init": -60, "E_L": -72, "tau_m": 12, "g_L": 9, "t_ref": 2}
    run, same = (
        lifjax.simulate(lifjax.LIF(**{name: made(x) for name, x in whole.items()}), made(400), 50.0, population=2)
        for made in (kind, float)
    )
    assert run.V[0, 0] == -60
    np.testing.assert_array_equal(run.V, same.V)


@pytest.mark.parametrize("dt", [0.1, 0.2, 0.025, 1.0])
def test_a_plain_number_counts_as_many_steps_as_an_array_of_it(dt):
    times = np.concatenate([[0.0, 5e-324, 0.6000000000000001, 1e300], np.arange(1, 200) / 10])
    grid = Grid(dt=dt, steps=0)
    found = [grid.count(float(time)) for time in times]
    np.testing.assert_array_equal(found, grid.count(times))
    assert {type(count) for count in found} == {np.int32}
