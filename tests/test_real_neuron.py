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
FIRST = np.array([83.0, 30.5, 18.2, 13.2, 10.5])  # ms, between the first two spikes
LAST = np.array([84.8, 40.8, 31.5, 23.8, 20.2])  # ms, between the last two
LATENCY = np.array([41.2, 19.0, 12.8, 9.2, 7.5])  # ms, to the first
BEGIN = lifjax.LIF(V_th=-50.0, V_reset=-60.0, V_init=-60.0, E_L=-60.0, tau_m=20.0, g_L=8.0)
FREE = ("tau_m", "g_L", "E_L")


def fitted(free=FREE, kept=slice(None), restarts=16, **fields):
    begin = dataclasses.replace(BEGIN, **fields)
    return lifjax.fit_rates(begin, CURRENTS[kept], RATES[kept], 2000.0, free=free, restarts=restarts)


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
    # From 16 beginnings, how near it comes to the best is chance: 0.67 to 0.98 Hz, by the seed and the version of JAX.
    fit = fitted(restarts=64)
    print(told(fit), fit.identifiability, sep="\n")
    # Measured: 0.67 to 0.78 Hz with four seeds; the closed form's least is 0.715, before rounding to whole spikes.
    assert 0.4 < fit.error < 1.0
    np.testing.assert_array_equal(fit.rates, lifjax.simulate(fit.neuron, CURRENTS, 2000.0, record=()).firing_rate)
    assert 95 < lifjax.theory.rheobase(fit.neuron) < 105  # measured: 99 to 102 pA
    assert -53 < fit.neuron.E_L < -51  # measured: -51.8 to -51.5 mV, where no such neuron rests
    assert fit.std_error["E_L"] < 0.5  # measured: 0.27 to 0.33 mV
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


# Rates and intervals. V begins at -70 mV, where the neuron was held, and -43 mV is where its first upstrokes begin. An
# AdaptiveLIF rests at -67 mV, which makes -70 mV of the holding current with a g_L of 4 nS; a LIF may rest anywhere.
HELD = {"V_th": -43.0, "V_reset": -55.0, "V_init": -70.0, "tau_m": 20.0, "g_L": 5.0}
LEAKY = lifjax.LIF(E_L=-60.0, **HELD)
ADAPTS = lifjax.AdaptiveLIF(E_L=-67.0, q_stc=10.0, tau_stc=100.0, q_sfa=2.0, tau_sfa=50.0, **HELD)
ADAPTATION = ("tau_m", "g_L", "V_reset", "q_stc", "tau_stc", "q_sfa", "tau_sfa")
BOUNDS = {"q_stc": (-60.0, 60.0)}  # a current after a spike may be inward, too


def best(begin, free, t_ref, **options):
    """The fit to rates and intervals, 1 Hz and 1 ms alike, and the neuron of the refractory time that does best."""
    several = {name: np.full(len(t_ref), getattr(begin, name)) for name in free}
    rates, first, last = (x[:, None] for x in (RATES, FIRST, LAST))
    goals = [lifjax.targets.rates(rates), lifjax.targets.first_interval(first), lifjax.targets.last_interval(last)]
    begin = dataclasses.replace(begin, t_ref=np.array(t_ref), **several)
    fit = lifjax.fit(begin, CURRENTS[:, None], goals, 2000.0, free=free, **options)
    k = fit.error.argmin()
    chosen = {name: float(x[k]) for name, x in fit.parameters.items()}
    return fit, dataclasses.replace(begin, t_ref=t_ref[k], **chosen)


def off(neuron):
    """Root mean squares of what it does less what was recorded, by an ordinary run."""
    run = lifjax.simulate(neuron, CURRENTS, 2000.0, record=("spikes",))
    intervals = [np.diff(times) for times in run.spike_times]
    apart = {
        "rates": run.firing_rate - RATES,
        "first": np.array([x[0] for x in intervals]) - FIRST,
        "last": np.array([x[-1] for x in intervals]) - LAST,
    }
    apart["latency"] = np.array([times[0] for times in run.spike_times]) - LATENCY
    apart["intervals"] = np.concatenate([apart["first"], apart["last"]])
    return {name: np.sqrt((x**2).mean()) for name, x in apart.items()}


@pytest.mark.slow
def test_with_adaptation_it_does_at_least_twice_as_well_in_rates_and_in_intervals():
    leaky, lif = best(LEAKY, (*FREE, "V_reset"), (2.0, 8.0, 12.0, 14.0), restarts=16)
    fit, adaptive = best(ADAPTS, ADAPTATION, (2.0,), restarts=64, steps=120, bounds=BOUNDS)
    plain, adapted = off(lif), off(adaptive)
    print(lif, plain, leaky.error, adaptive, adapted, fit.error, fit.std_error, fit.identifiability, sep="\n")
    # Measured: LIF 1.99 Hz and 5.47 ms (first 6.68, last 3.92), t_ref 12 ms and tau_m at its bound of 100 ms; with
    # adaptation 0.89 Hz and 0.91 ms (0.54, 1.17). From 64 beginnings two seeds of three come to this neuron's 0.91, the
    # third to 0.93 and 1.02 Hz; a LIF neuron of another seed is 2.42 Hz off. Its rates are as far off as the last
    # intervals keep them: 20.2 ms at the strongest step, where the mean is 22.4 ms, and 84.8 ms at the weakest, where
    # it is 75.9 ms. A LIF neuron fitted to rates alone comes nearer to them (above); one that met them all would be
    # 7.7 ms off in its intervals. Where a hertz weighs as much as 2 or 4 ms, the two are 1.3 and 0.71 Hz, or 0.7 and
    # 0.55 Hz off: less than twice.
    assert 4.5 < leaky.error.min() < 4.7  # an independent search (differential evolution) found no better than 4.69
    assert fit.error < 1.0  # 0.91
    for name in ("rates", "intervals", "first", "last"):
        assert plain[name] > 2 * adapted[name], name
    # What rates and intervals leave free: other seeds, or fewer restarts, do as well with a tau_m of 20 to 62 ms and a
    # q_sfa of 4 to 20 mV; only g_L is the same, 3.8 to 3.9 nS. First spikes, which nothing asks for, move with tau_m.
    assert np.isinf(fit.std_error["tau_m"])
    assert 3.5 < adaptive.g_L < 4.2


@pytest.mark.slow
def test_a_moving_threshold_alone_does_nearly_as_well_and_tells_first_spikes_that_were_not_asked_for():
    begin = dataclasses.replace(ADAPTS, q_stc=0.0)
    free = ("tau_m", "g_L", "V_reset", "q_sfa", "tau_sfa")  # as many as those of a LIF neuron with t_ref
    # From 32 beginnings, one search of six ended in another valley, as low as this one but for 0.02.
    fit, neuron = best(begin, free, (2.0,), restarts=64, steps=120, bounds={"q_sfa": (0.0, 40.0)})
    apart = off(neuron)
    print(neuron, apart, fit.error, fit.std_error, fit.identifiability, sep="\n")
    assert fit.error < 1.1  # measured, with three seeds and two versions of JAX: 1.00 to 1.03
    assert apart["rates"] < 1.2  # 1.02 to 1.12 Hz
    assert apart["intervals"] < 1.2  # 0.96 to 1.02 ms
    assert apart["latency"] < 3.5  # 0.9 to 2.5 ms
    assert 14 < neuron.tau_m < 24  # 18.5 to 21.8 ms, ± 5 ms
    assert 3.4 < neuron.g_L < 4.2  # 3.80 to 3.85 nS, ± 0.34 nS
    assert np.isfinite(fit.std_error["tau_m"])
    assert np.isfinite(fit.std_error["g_L"])
    assert np.isinf(fit.std_error["q_sfa"])  # with V_reset and tau_sfa, it can change and no target tells
