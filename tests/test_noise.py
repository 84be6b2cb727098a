"""The deviates: as published, standard normal to the tails, independent along every axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from lifjax import noise

NEURONS, STEPS = 10_000, 1_000


@pytest.fixture(scope="module")
def deviates():
    """10**7 deviates, (steps, neurons)."""

    @jax.jit
    def draw(k):
        index = jnp.arange(NEURONS, dtype=jnp.uint32)
        return jax.lax.map(lambda step: noise.normal(noise.bits(noise.key(20), index, step)), k)

    return np.asarray(draw(jnp.arange(STEPS)), np.float64)


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers_of_random123(key, counter, answer):
    def words(pair):
        return tuple(jnp.uint32(word) for word in pair)

    assert tuple(int(x) for x in noise.threefry(words(key), words(counter), rounds=20)) == answer


def test_the_first_four_moments_are_those_of_a_standard_normal(deviates):
    n = deviates.size
    z = deviates.ravel()
    # Each bound is 4.5 standard errors of the moment's mean.
    assert abs(z.mean()) < 4.5 / np.sqrt(n)
    assert abs((z**2).mean() - 1) < 4.5 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 4.5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4.5 * np.sqrt(96 / n)


def test_ten_million_deviates_pass_kolmogorov_and_smirnov(deviates):
    assert stats.kstest(deviates.ravel(), "norm").pvalue > 0.001


def test_the_tails_are_filled_to_five_sigma(deviates):
    z = deviates.ravel()
    for bound in (3.0, 4.0, 4.5, 5.0):
        for tail in (z > bound, z < -bound):
            expected = z.size * stats.norm.sf(bound)
            assert stats.poisson.sf(tail.sum() - 1, expected) > 1e-4
            assert stats.poisson.cdf(tail.sum(), expected) > 1e-4


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 16])
def test_neighbouring_neurons_and_steps_are_uncorrelated(deviates, lag):
    for first, second in ((deviates[:, lag:], deviates[:, :-lag]), (deviates[lag:], deviates[:-lag])):
        bound = 4.5 / np.sqrt(first.size)
        assert abs((first * second).mean()) < bound
        assert abs(((first**2 - 1) * (second**2 - 1)).mean() / 2) < bound


@pytest.mark.parametrize(
    "other", [{"seed": 21}, {"seed": 2**32 + 20}, {"seed": 20, "stream": 1}, {"seed": 20, "purpose": 1}]
)
def test_seeds_streams_and_purposes_are_uncorrelated(deviates, other):
    index = jnp.arange(NEURONS, dtype=jnp.uint32)
    key = noise.key(**other)
    z = np.asarray(jax.jit(jax.vmap(lambda k: noise.normal(noise.bits(key, index, k))))(jnp.arange(100)), np.float64)
    assert abs((z * deviates[:100]).mean()) < 4.5 / np.sqrt(z.size)
    assert not np.array_equal(z, deviates[:100])


def test_the_inverse_normal_is_right_over_its_whole_range_in_both_precisions():
    ends = np.r_[0:1000, 2**31 - 1000 : 2**31]
    word = np.r_[ends, np.random.default_rng(0).integers(0, 2**31, 10**6)].astype(np.uint32)
    exact = -ndtri((word + 0.5) * 2.0**-32)
    assert exact.max() > 6.3
    single = np.asarray(jax.jit(noise.normal)(word))
    assert single.dtype == np.float32
    assert np.abs(single - exact).max() < 4e-6
    with jax.enable_x64(True):
        double = np.asarray(jax.jit(noise.normal)(word))
    assert np.abs(double - exact).max() < 1e-9


def test_the_sign_is_the_top_bit_so_deviates_are_symmetric():
    word = np.random.default_rng(1).integers(0, 2**31, 1000).astype(np.uint32)
    np.testing.assert_array_equal(noise.normal(word), -np.asarray(noise.normal(word | np.uint32(2**31))))


def test_uniform_deviates_are_uniform_and_fine_near_zero():
    index = jnp.arange(10**6, dtype=jnp.uint32)
    u = np.asarray(noise.uniform(noise.bits(noise.key(3), index, 0)), np.float64)
    assert u.min() > 0
    assert u.max() <= 1
    assert stats.kstest(u, "uniform").pvalue > 0.001
    assert len(np.unique(u[u < 1e-3])) > 900


def test_a_deviate_depends_on_seed_neuron_and_step_alone():
    whole = noise.bits(noise.key(5), jnp.arange(100, dtype=jnp.uint32), 33)
    part = noise.bits(noise.key(5), jnp.arange(40, 60, dtype=jnp.uint32), 33)
    np.testing.assert_array_equal(whole[40:60], part)
