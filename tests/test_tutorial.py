"""The tutorial's functions against its loop and against NumPy's legacy generator, bit for bit."""

import inspect

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import tutorial_loop

import lifjax
from lifjax import tutorial

number = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


def between(low, high):
    return st.floats(low, high, allow_subnormal=False)


parameters = st.fixed_dictionaries(
    {
        "V_th": between(-70, 20),
        "V_reset": between(-90, 30),
        "V_init": between(-90, 30),
        "E_L": between(-90, -40),
        "tau_m": between(0.5, 50),
        "g_L": between(0.1, 50),
        "tref": between(-1, 20),
        "dt": st.sampled_from([0.05, 0.1, 0.2, 0.5, 1.0, 1 / 3]),
    }
)


@settings(max_examples=200, deadline=None)
@given(
    changes=parameters,
    length=st.integers(1, 3000),
    stop=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    mean=between(-500, 2000),
    spread=st.sampled_from([0.0, 10.0, 1000.0]),
)
@example(changes={"tref": 0.6000000000000001, "dt": 0.2}, length=2000, stop=False, seed=0, mean=400.0, spread=0.0)
@example(changes={"V_reset": -40.0}, length=500, stop=False, seed=0, mean=400.0, spread=0.0)
@example(changes={"dt": 1.0, "tau_m": 0.5}, length=100, stop=False, seed=0, mean=100.0, spread=0.0)
@example(changes={"tref": np.inf}, length=900, stop=False, seed=0, mean=400.0, spread=0.0)
def test_run_LIF_equals_the_tutorials_loop_bit_for_bit(changes, length, stop, seed, mean, spread):
    pars = tutorial.default_pars(**changes)
    pars["range_t"] = np.arange(length) * pars["dt"]
    current = mean + spread * np.random.default_rng(seed).standard_normal(length) if spread else mean
    v, spikes = tutorial.run_LIF(pars, current, stop)
    with np.errstate(all="ignore"):
        expected_v, expected_spikes = tutorial_loop(pars, current, stop)
    np.testing.assert_array_equal(v, expected_v)
    np.testing.assert_array_equal(spikes, expected_spikes)
    assert v.dtype == np.float64


@settings(max_examples=50, deadline=None)
@given(T=between(0.5, 300), dt=st.sampled_from([0.1, 0.05, 0.25]), mean=between(0, 1000))
def test_any_duration_gives_the_tutorials_grid_and_its_v(T, dt, mean):
    pars = tutorial.default_pars(T=T, dt=dt)
    v, spikes = tutorial.run_LIF(pars, mean)
    expected_v, expected_spikes = tutorial_loop(pars, mean, False)
    assert v.size == pars["range_t"].size
    np.testing.assert_array_equal(v, expected_v)
    np.testing.assert_array_equal(spikes, expected_spikes)


def test_what_is_not_finite_goes_through_as_in_the_loop():
    for current in (np.inf, -np.inf, np.nan):
        pars = tutorial.default_pars(T=20.0)
        with np.errstate(all="ignore"):
            expected, _ = tutorial_loop(pars, current, False)
        np.testing.assert_array_equal(tutorial.run_LIF(pars, current)[0], expected)


def test_the_last_sample_is_not_compared_with_the_threshold():
    pars = tutorial.default_pars()
    for length in range(105, 125):
        pars["range_t"] = np.arange(length) * 0.1
        v, spikes = tutorial.run_LIF(pars, 300.0)
        np.testing.assert_array_equal(v, tutorial_loop(pars, 300.0, False)[0])
        if length == 111:  # the first spike is at index 110, the last sample here
            assert v[-1] >= -55
            assert spikes.size == 0


def test_the_current_given_is_not_altered():
    current = np.full(4000, 300.0)
    tutorial.run_LIF(tutorial.default_pars(), current, stop=True)
    assert (current == 300).all()


def test_precision_is_float64_whatever_JAX_is_set_to_and_JAX_stays_as_it_was():
    assert not jax.config.jax_enable_x64
    v, _ = tutorial.run_LIF(tutorial.default_pars(), 300.0)
    assert v.dtype == np.float64
    assert lifjax.simulate(lifjax.LIF(), 300.0, 5.0).V.dtype == np.float32


def test_defaults_are_the_tutorials():
    pars = tutorial.default_pars()
    assert {k: v for k, v in pars.items() if k != "range_t"} == {
        "V_th": -55.0, "V_reset": -75.0, "tau_m": 10.0, "g_L": 10.0, "V_init": -75.0, "E_L": -75.0, "tref": 2.0,
        "T": 400.0, "dt": 0.1,
    }  # fmt: skip
    np.testing.assert_array_equal(pars["range_t"], np.arange(0, 400.0, 0.1))
    assert tutorial.default_pars(T=10.0, own=3)["own"] == 3


def test_signatures_are_the_tutorials():
    assert str(inspect.signature(tutorial.run_LIF)).startswith("(pars")
    assert list(inspect.signature(tutorial.run_LIF).parameters) == ["pars", "Iinj", "stop"]
    assert list(inspect.signature(tutorial.my_GWN).parameters) == ["pars", "mu", "sig", "myseed"]
    assert list(inspect.signature(tutorial.my_hists).parameters) == ["isi1", "isi2", "cv1", "cv2", "sigma1", "sigma2"]


@pytest.mark.parametrize("seed", [1, 2020, 2**32 - 1])
def test_my_GWN_gives_the_numbers_of_the_legacy_generator_and_leaves_the_global_one_alone(seed):
    pars = tutorial.default_pars(T=50.0)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    noise = tutorial.my_GWN(pars, 200.0, 5.0, myseed=seed)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(seed)
    np.testing.assert_array_equal(noise, 200.0 + 5.0 * np.random.randn(500) / np.sqrt(0.1 / 1000.0))
    assert not np.array_equal(tutorial.my_GWN(pars, 200.0, 5.0), tutorial.my_GWN(pars, 200.0, 5.0))


def test_the_plotting_helpers_draw_what_they_are_given():
    pars = tutorial.default_pars()
    v, spikes = tutorial.run_LIF(pars, 300.0)
    tutorial.plot_volt_trace(pars, v, spikes)
    line = plt.gca().lines[0].get_ydata()
    assert (line > pars["V_th"]).sum() == spikes.size
    assert v.max() < pars["V_th"] + 1  # a copy was drawn
    tutorial.plot_GWN(pars, tutorial.my_GWN(pars, 200.0, 5.0, 1))
    assert "pA" in plt.gca().get_ylabel()
    tutorial.my_hists(np.diff(spikes), np.diff(spikes), 0.0, 0.0, 1.0, 5.0)
    assert "sigma = 1" in plt.gcf().axes[0].get_title()
    plt.close("all")
