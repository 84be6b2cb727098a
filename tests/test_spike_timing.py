"""Spikes between grid times: the closed form, no dependence on dt, and all that holds for spikes on the grid."""

import jax
import numpy as np
import pytest

import lifjax

EXACT = {"integrator": "exact", "spike_timing": "interpolated"}


def crossing(neuron, current, V):
    """When V meets the threshold under a constant current [ms]."""
    goal = neuron.E_L + current / neuron.g_L
    return neuron.tau_m * np.log((goal - V) / (goal - neuron.V_th))


@pytest.mark.parametrize("current", [201.0, 250.0, 300.0, 1000.0, 3000.0])
def test_the_first_spike_is_that_of_the_closed_form_and_so_is_the_interval(x64, current):
    neuron = lifjax.LIF(V_init=-70.0)
    times = lifjax.simulate(neuron, current, 300.0, **EXACT).spike_times
    first, interval = crossing(neuron, current, -70.0), crossing(neuron, current, -75.0) + 2.0
    np.testing.assert_allclose(times, first + interval * np.arange(len(times)), rtol=0, atol=1e-9)
    assert len(times) == np.floor((300.0 - first) / interval) + 1


def test_float32_is_as_near_as_its_digits():
    times = lifjax.simulate(lifjax.LIF(), 300.0, 100.0, **EXACT).spike_times
    assert abs(times[0] - crossing(lifjax.LIF(), 300.0, -75.0)) < 5e-5


def test_no_rate_depends_on_the_grid():
    currents = np.linspace(210.0, 900.0, 24)

    def rate(dt, **how):
        trains = lifjax.simulate(lifjax.LIF(), currents, 1000.0, dt=dt, record="spikes", **how).spike_times
        return np.array([(len(t) - 1) / (t[-1] - t[0]) for t in trains]) * 1000

    fine, coarse = rate(0.01, **EXACT), rate(0.5, **EXACT)
    np.testing.assert_allclose(coarse, fine, rtol=1e-3)
    np.testing.assert_allclose(fine, lifjax.theory.firing_rate(lifjax.LIF(), currents), rtol=5e-5)
    assert (np.abs(rate(0.5, integrator="exact") / fine - 1) > 1e-3).any()  # on the grid it does


def test_a_current_that_changes_from_step_to_step_is_met_by_a_loop_with_a_root_finder(x64):
    from scipy.optimize import brentq

    neuron, dt, steps = lifjax.LIF(t_ref=0.73), 0.1, 2000
    current = lifjax.simulate(neuron, lifjax.white_noise(260.0, 3.0), steps * dt, record="current").current
    V, wait, times = neuron.V_init, 0.0, []
    for k, I in enumerate(current):
        goal, t = neuron.E_L + I / neuron.g_L, min(wait, dt)
        wait -= t

        def at(x, V=V, goal=goal):
            return goal + (V - goal) * np.exp(-x / neuron.tau_m)

        if t < dt and (V >= neuron.V_th or at(dt - t) >= neuron.V_th):
            x = 0.0 if V >= neuron.V_th else brentq(lambda x: at(x) - neuron.V_th, 0, dt - t, xtol=1e-14)
            times.append(k * dt + t + x)
            left = dt - t - x - neuron.t_ref
            wait, V = max(-left, 0.0), goal + (neuron.V_reset - goal) * np.exp(-max(left, 0.0) / neuron.tau_m)
        else:
            V = at(dt - t)
    run = lifjax.simulate(neuron, lifjax.samples(current), steps * dt, **EXACT)
    assert len(times) > 5
    np.testing.assert_allclose(run.spike_times, times, rtol=0, atol=1e-8)


def test_a_run_in_two_parts_in_blocks_or_with_other_records_has_the_same_spikes(monkeypatch):
    neuron, stimulus = lifjax.LIF(g_L=np.linspace(9, 11, 300), t_ref=0.73), lifjax.white_noise(250.0, 4.0)
    whole = lifjax.simulate(neuron, stimulus, 60.0, record=("V", "spikes"), every=7, neurons=[3, 299], **EXACT)
    first = lifjax.simulate(neuron, stimulus, 21.3, record="spikes", **EXACT)
    second = lifjax.simulate(neuron, stimulus, 38.7, record="spikes", state=first.state, **EXACT)
    times, which = whole.events()
    for n in (0, 3, 150, 299):
        np.testing.assert_array_equal(times[which == n], np.concatenate([first.spike_times[n], second.spike_times[n]]))
    assert whole.V.shape == (86, 2)
    np.testing.assert_array_equal(whole.spike_count, np.bincount(which, minlength=300))
    some, place = whole.events_of(np.array([299, 3, 3 + 1]))
    np.testing.assert_array_equal(some[place == 0], times[which == 299])
    np.testing.assert_array_equal(some[place == 2], times[which == 4])
    monkeypatch.setattr("lifjax.backend._BLOCK", 64)
    monkeypatch.setattr("lifjax.backend._SHARE", 32)
    in_blocks = lifjax.simulate(neuron, stimulus, 60.0, record=("spikes",), **EXACT)
    for a, b in zip(in_blocks.events(), (times, which), strict=True):
        np.testing.assert_array_equal(a, b)


def test_integrate_has_the_offsets_and_the_derivative_of_a_spike_time(x64):
    def first(g_L):
        _, out = lifjax.integrate(lifjax.LIF(g_L=g_L), 300.0, 200, **EXACT)
        step = np.flatnonzero(jax.lax.stop_gradient(out.spikes))[0] if not isinstance(g_L, jax.core.Tracer) else 109
        return step * 0.1 + out.offset[step]

    exact = crossing(lifjax.LIF(), 300.0, -75.0)
    assert abs(first(10.0) - exact) < 1e-9
    slope = (crossing(lifjax.LIF(g_L=10.0001), 300.0, -75.0) - crossing(lifjax.LIF(g_L=9.9999), 300.0, -75.0)) / 2e-4
    assert abs(jax.grad(first)(10.0) / slope - 1) < 1e-5


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"integrator": "euler", "spike_timing": "interpolated"}, "give integrator='exact'"),
        ({"spike_timing": "between"}, "choose 'grid' or 'interpolated'"),
        ({"neuron": lifjax.AdEx(), "integrator": "rk4", "spike_timing": "interpolated"}, "not for AdEx"),
        ({"state": lifjax.State(step=0, neuron=lifjax.LIF().start()), **EXACT}, "reached with 'grid'"),
    ],
)
def test_what_cannot_be_is_refused(how, told):
    with pytest.raises(ValueError, match=told):
        lifjax.simulate(**{"neuron": lifjax.LIF(), "stimulus": 300.0, "duration": 10.0, **how})
