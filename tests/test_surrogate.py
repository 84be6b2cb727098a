"""The surrogate spikes: their formulas, what passes the reset, and whether their derivative is that of the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lifjax
from lifjax import surrogate, theory

FORMULAS = {
    "fast_sigmoid": lambda x, k: 1 / (1 + k * np.abs(x)) ** 2,
    "sigmoid": lambda x, k: 1 / np.cosh(k * x / 2) ** 2,
    "arctan": lambda x, k: 1 / (1 + (k * x) ** 2),
    "triangular": lambda x, k: np.clip(1 - k * np.abs(x), 0, None),
    "gaussian": lambda x, k: np.exp(-((k * x) ** 2) / 2),
    "straight_through": lambda x, k: (np.abs(x) <= 1 / k) * 1.0,
}
each = pytest.mark.parametrize("name", FORMULAS)


@each
def test_the_spike_is_the_threshold_and_its_derivative_the_stated_bump_in_the_stated_unit(name):
    spike = getattr(surrogate, name)(4.0)
    x = np.array([-1.0, -0.2, -1e-3, 0.0, 0.1, 0.6], np.float32)
    spikes, change = jax.vmap(lambda x: jax.jvp(lambda V: spike(V, 3.0, 20.0), (3 + 20 * x,), (jnp.ones_like(x),)))(x)
    np.testing.assert_array_equal(spikes, surrogate.threshold(x, 0.0))
    np.testing.assert_allclose(change, FORMULAS[name](x, 4.0) / 20, rtol=1e-4, atol=1e-7)
    back = jax.vmap(jax.grad(lambda x: spike(3 + 20 * x, 3.0, 20.0)))(x)
    np.testing.assert_allclose(back, 20 * change, rtol=1e-6)


@each
def test_a_slope_that_makes_no_sense_is_refused(name):
    for wrong in (0.0, -1.0, np.nan, np.inf, "5", None):
        with pytest.raises(ValueError, match=rf"{name}: slope = .* above 0"):
            getattr(surrogate, name)(wrong)


def test_surrogates_of_equal_numbers_share_what_was_compiled():
    assert surrogate.arctan(25.0) == surrogate.arctan(25.0)
    assert hash(surrogate.arctan(25.0)) == hash(surrogate.arctan(25.0))
    assert surrogate.arctan(25.0) != surrogate.arctan(26.0)
    assert surrogate.arctan(25.0) != surrogate.gaussian(25.0)
    assert surrogate.arctan() != surrogate.arctan(through_reset=False)


def test_without_the_reset_a_spike_answers_as_if_V_had_never_been_reset():
    def after(V, spike):
        neuron = lifjax.LIF()
        state = lifjax.State(step=0, neuron=type(neuron.start())(V=V, refractory=0))
        return lifjax.integrate(neuron, 300.0, 1, spike=spike, state=state, record=())[0].neuron.V

    through = jax.grad(after)(-55.0, surrogate.arctan())
    not_through = jax.grad(after)(-55.0, surrogate.arctan(through_reset=False))
    assert abs(through) > 0.5  # the bump is 1 high at the threshold: all of the change moves the spike
    assert abs(not_through) < 1e-6  # V is at V_reset, wherever it came from


@pytest.fixture(scope="module")
def random_neurons():
    """Neurons and currents, and the derivative of their rates by finite differences over initial phases."""
    rng = np.random.default_rng(0)
    N, share = 40, 0.04
    p = np.log(np.stack([rng.uniform(8, 20, N), rng.uniform(7, 14, N)]))
    I = rng.uniform(1.1, 2.5, N) * np.exp(p[1]) * 20
    phases = rng.uniform(-75, -55, (64, 1))

    def rate(p):  # many phases and a wide difference, since intervals are whole steps
        neuron = lifjax.LIF(tau_m=np.exp(p[0]), g_L=np.exp(p[1]), V_init=phases)
        return lifjax.simulate(neuron, I, 1000.0, record=()).firing_rate.mean(axis=0)

    steps = share * np.eye(2)[:, :, None]
    difference = np.stack([(rate(p + step) - rate(p - step)) / (2 * share) for step in steps])
    return p, I, difference


@each
def test_the_derivative_of_a_rate_has_the_direction_of_a_finite_difference_over_initial_phases(name, random_neurons):
    p, I, difference = random_neurons
    spike = getattr(surrogate, name)()

    def rate(p):
        neuron = lifjax.LIF(tau_m=jnp.exp(p[0]), g_L=jnp.exp(p[1]))
        return lifjax.integrate(neuron, I, 10_000, spike=spike, record=())[1].spike_count

    along = [jax.jvp(rate, (jnp.asarray(p, float),), (jnp.eye(2)[:, [k]] * jnp.ones((1, p.shape[1])),)) for k in (0, 1)]
    count, slope = np.asarray(along[0][0]), np.stack([np.asarray(x) for _, x in along])
    slope = slope * (1 - count * 0.002)  # what refractoriness leaves: see lifjax.fit.response
    cosine = (slope * difference).sum(0) / np.linalg.norm(slope, axis=0) / np.linalg.norm(difference, axis=0)
    assert cosine.min() > 0.95
    whole = (slope * difference).sum() / np.linalg.norm(slope) / np.linalg.norm(difference)
    assert whole > 0.95
    size = np.linalg.norm(slope, axis=0) / np.linalg.norm(difference, axis=0)
    assert 0.5 < np.median(size) < 1.5


def test_the_finite_difference_is_that_of_the_f_I_curve(random_neurons):
    p, I, difference = random_neurons

    def rate(p):
        return theory.firing_rate(lifjax.LIF(tau_m=np.exp(p[0]), g_L=np.exp(p[1])), I)

    slope = np.stack([(rate(p + e) - rate(p - e)) / 2e-5 for e in 1e-5 * np.eye(2)[:, :, None]])
    cosine = (slope * difference).sum(0) / np.linalg.norm(slope, axis=0) / np.linalg.norm(difference, axis=0)
    assert cosine.min() > 0.98
