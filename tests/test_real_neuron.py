"""How well a LIF neuron describes a recorded one: what was measured is recorded here, good or bad.

Rates of a cortical neuron under current steps of two seconds, from a holding current of -12.5 pA; somatic whole-cell
recordings that come with BluePyEfe's tests (Blue Brain Project, EPFL). The neuron adapts, from 10.5 ms between the
first spikes to 20 ms between the last at the strongest step, which a LIF neuron cannot.
"""

import dataclasses

import numpy as np
import pytest

import lifjax

CURRENTS = np.array([106.2, 162.5, 225.0, 284.4, 340.6])  # pA
RATES = np.array([13.0, 25.0, 34.0, 41.0, 44.5])  # Hz
BEGIN = lifjax.LIF(V_th=-50.0, V_reset=-60.0, V_init=-60.0, E_L=-60.0, tau_m=20.0, g_L=8.0)
FREE = ("tau_m", "g_L", "E_L")


def fitted(free=FREE, kept=slice(None), **fields):
    begin = dataclasses.replace(BEGIN, **fields)
    return lifjax.fit_rates(begin, CURRENTS[kept], RATES[kept], 2000.0, free=free, restarts=16)


def told(fit):
    values = ", ".join(f"{name} {x:.4g} ± {fit.std_error[name]:.2g}" for name, x in fit.parameters.items())
    return f"RMSE {fit.error:.3f} Hz, {values}, {fit.status}"


@pytest.mark.slow
def test_two_parameters_do_not_describe_it():
    fit = fitted(("tau_m", "g_L"))
    print(told(fit))
    assert 2.0 < fit.error < 3.2  # measured: 2.59 Hz
    assert fit.status == "at a bound"  # tau_m at 100 ms
    assert not fit.converged


@pytest.mark.slow
def test_three_parameters_meet_its_rates_within_a_hertz_but_are_not_all_fixed_by_them():
    fit = fitted()
    print(told(fit), fit.identifiability, sep="\n")
    assert 0.4 < fit.error < 1.0  # measured: 0.63 Hz; the closed form's least is 0.715, before rounding to whole spikes
    np.testing.assert_array_equal(fit.rates, lifjax.simulate(fit.neuron, CURRENTS, 2000.0, record=()).firing_rate)
    assert 95 < lifjax.theory.rheobase(fit.neuron) < 105  # measured: 100 pA
    assert -53 < fit.neuron.E_L < -51  # measured: -51.3 mV, where no such neuron rests
    assert fit.std_error["E_L"] < 0.5  # measured: 0.29 mV
    assert np.isinf(fit.std_error["tau_m"])
    assert np.isinf(fit.std_error["g_L"])


@pytest.mark.slow
def test_a_rate_left_out_is_predicted_inside_the_range_of_currents_and_not_above_it():
    off = np.zeros(5)
    for k in range(5):
        fit = fitted(kept=np.arange(5) != k)
        off[k] = lifjax.simulate(fit.neuron, CURRENTS[k], 2000.0, record=()).firing_rate - RATES[k]
    print("predicted less recorded:", off, "Hz")
    # Measured: +0.5, 0, -0.5, -1.5, +4.0 Hz. The lowest is the rheobase extrapolated: another search, with as good an
    # error on the other four, found a neuron that was silent there, -13 Hz.
    assert (np.abs(off[1:4]) < 3).all()
    assert 2 < off[4] < 6
    assert -13 <= off[0] < 3


@pytest.mark.slow
def test_a_long_refractory_time_does_better_for_it_stands_for_adaptation():
    fit = fitted(t_ref=10.0)
    print(told(fit))
    assert 0.2 < fit.error < 0.6  # measured: 0.32 Hz
    assert fit.error < fitted().error
