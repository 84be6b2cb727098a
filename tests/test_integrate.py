"""The pure core under jit, vmap and grad, and the spike functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lifjax
from lifjax import surrogate


@pytest.mark.parametrize("x64", [False, True])
def test_it_equals_simulate_bit_for_bit_called_jitted_or_with_constants_inside_jit(x64):
    with jax.enable_x64(x64):
        neuron = lifjax.LIF(tau_m=np.linspace(8, 12, 5), g_L=9.7)
        stimulus = lifjax.white_noise(220.0, 5.0) + lifjax.pulse(30.0, 10.0, 30.0)
        run = lifjax.simulate(neuron, stimulus, 50.0, seed=2, record=("V", "spikes", "current"))

        def go(neuron, stimulus):
            return lifjax.integrate(neuron, stimulus, 500, seed=2, record=("V", "spikes", "current"))

        for state, out in (go(neuron, stimulus), jax.jit(lambda: go(neuron, stimulus))()):
            np.testing.assert_array_equal(out.V, run.V)
            np.testing.assert_array_equal(out.spikes, run.spikes)
            np.testing.assert_array_equal(out.current, run.current)
            np.testing.assert_array_equal(out.spike_count, run.spike_count)
            np.testing.assert_array_equal(state.neuron.V, run.state.neuron.V)
            assert int(state.step) == 500


def test_traced_parameters_give_the_spikes_of_known_ones():
    def count(tau_m, dt, I):
        return lifjax.integrate(lifjax.LIF(tau_m=tau_m), I, 1000, dt=dt)[1].spike_count

    tau_m = jnp.linspace(8, 12, 5)
    traced = jax.jit(count)(tau_m, 0.1, 300.0)
    np.testing.assert_array_equal(traced, lifjax.simulate(lifjax.LIF(tau_m=tau_m), 300.0, 100.0).spike_count)


def test_vmap_over_seeds_and_currents_equals_a_run_for_each():
    words = jnp.stack([lifjax.noise.words(seed) for seed in range(3)])

    def count(words, mean):
        return lifjax.integrate(lifjax.LIF(), lifjax.white_noise(mean, 5.0), 2000, seed=words)[1].spike_count

    counts = jax.vmap(count)(words, jnp.array([180.0, 220.0, 260.0]))
    for seed, mean in enumerate((180.0, 220.0, 260.0)):
        run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(mean, 5.0), 200.0, seed=seed)
        assert counts[seed] == run.spike_count


def test_a_traced_whole_number_is_a_seed():
    def spikes(seed):
        return lifjax.integrate(lifjax.LIF(), lifjax.white_noise(220.0, 5.0), 1000, seed=seed)[1].spike_count

    counts = jax.vmap(spikes)(jnp.arange(4))
    np.testing.assert_array_equal(counts, [spikes(seed) for seed in range(4)])


def test_it_goes_on_from_a_state():
    stimulus = lifjax.ornstein_uhlenbeck(250.0, 50.0, 5.0)
    state, first = lifjax.integrate(lifjax.LIF(), stimulus, 333, record=("V",))
    _, second = lifjax.integrate(lifjax.LIF(), stimulus, 667, state=state, record=("V",))
    _, both = lifjax.integrate(lifjax.LIF(), stimulus, 1000, record=("V",))
    np.testing.assert_array_equal(jnp.concatenate([first.V, second.V]), both.V)


def test_the_gradient_of_V_below_threshold_is_that_of_the_closed_form(x64):
    def last(tau_m, g_L, I):
        neuron = lifjax.LIF(tau_m=tau_m, g_L=g_L)
        return lifjax.integrate(neuron, lifjax.constant(I), 200, integrator="exact", record=())[0].neuron.V

    def closed(tau_m, g_L, I):
        return -75 + I / g_L * (1 - jnp.exp(-20.0 / tau_m))

    args = (10.0, 9.0, 150.0)
    for got, expected in zip(jax.grad(last, (0, 1, 2))(*args), jax.grad(closed, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_forward_and_reverse_mode_agree_through_a_surrogate_run(x64):
    spike = surrogate.fast_sigmoid()

    def rate(p):
        neuron = lifjax.LIF(tau_m=p[0], g_L=p[1], E_L=p[2])
        return lifjax.integrate(neuron, 300.0, 1000, spike=spike, record=())[1].spike_count

    p = jnp.array([10.0, 10.0, -75.0])
    forward, reverse = jax.jacfwd(rate)(p), jax.grad(rate)(p)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)
    assert reverse[1] < 0  # a leakier membrane fires less
    assert reverse[2] > 0  # a higher resting potential more


def test_a_surrogate_run_spikes_exactly_as_an_ordinary_one():
    spike = surrogate.fast_sigmoid(10.0)
    args = (lifjax.LIF(tau_m=np.linspace(8, 20, 6)), lifjax.white_noise(220.0, 10.0), 3000)
    state, soft = lifjax.integrate(*args, spike=spike, record=("V", "spikes"))
    hard_state, hard = lifjax.integrate(*args, record=("V", "spikes"))
    assert hard.spike_count.sum() > 20
    np.testing.assert_array_equal(soft.spikes, hard.spikes)
    np.testing.assert_array_equal(soft.V, hard.V)
    np.testing.assert_array_equal(state.neuron.V, hard_state.neuron.V)
    assert soft.spikes.dtype == jnp.float32
    assert hard.spikes.dtype == bool


def test_every_stimulus_can_be_differentiated_through():
    stimuli = {
        "constant": lambda x: lifjax.constant(x),
        "pulse": lambda x: lifjax.pulse(x, 5.0, 15.0),
        "steps": lambda x: lifjax.steps(jnp.stack([x, 2 * x]), [0.0, 10.0]),
        "ramp": lambda x: lifjax.ramp(0.0, x),
        "sinusoid": lambda x: lifjax.sinusoid(x, 10.0),
        "samples": lambda x: lifjax.samples(x * jnp.ones(200)),
        "white_noise": lambda x: lifjax.white_noise(x, x / 100),
        "ornstein_uhlenbeck": lambda x: lifjax.ornstein_uhlenbeck(x, x / 10, 5.0),
        "poisson": lambda x: lifjax.poisson(1000.0, x / 10, 5.0),
    }
    for name, make in stimuli.items():

        def last(x, make=make):
            return lifjax.integrate(lifjax.LIF(V_th=1e6), make(x), 200, record=())[0].neuron.V

        slope = jax.grad(last)(100.0)
        difference = (last(110.0) - last(90.0)) / 20  # V is linear in each of these
        np.testing.assert_allclose(slope, difference, rtol=1e-3, err_msg=name)


def test_traced_times_rates_and_noise_amplitudes_work_under_jit():
    def go(x):
        drive = (
            lifjax.pulse(10.0, x, 2 * x)
            + lifjax.ramp(0.0, 1.0, 0.0, x)
            + lifjax.sinusoid(1.0, x)
            + lifjax.steps([1.0, 2.0], jnp.stack([x, 2 * x]))
            + lifjax.poisson(100 * x, 5.0, x)
            + lifjax.ornstein_uhlenbeck(0.0, x, x)
            + lifjax.white_noise(0.0, x)
        )
        return lifjax.integrate(lifjax.LIF(t_ref=x), drive, 300, seed=1, record=("current",))[1].current

    np.testing.assert_allclose(jax.jit(go)(5.0), go(5.0), atol=2e-2)


def test_the_surrogate_is_a_threshold_with_the_stated_slope():
    spike = surrogate.fast_sigmoid(2.0)
    x = jnp.array([-1.0, -1e-6, 0.0, 0.5])
    np.testing.assert_array_equal([spike(4 * v, 0.0, 4.0) for v in x], surrogate.threshold(x, 0.0))
    slopes = [jax.grad(spike)(4 * v, 0.0, 4.0) for v in x]
    np.testing.assert_allclose(slopes, 1 / (1 + 2 * np.abs(x)) ** 2 / 4, rtol=1e-6)
    with pytest.raises(ValueError, match="slope"):
        surrogate.fast_sigmoid(0.0)
