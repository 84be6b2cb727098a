"""The twenty firing patterns of Mihalas and Niebur (2009), each by what makes it that pattern.

Numbers and inputs are those of `lifjax.GLIF.patterns`; further inputs show what else must happen, or not. Currents of
these are divided by C as in the paper [V/s], times in ms.
"""

import dataclasses
import itertools
import types

import numpy as np
import pytest

import lifjax
from lifjax.analysis import cv, isi

PATTERNS = lifjax.GLIF.patterns()
DT = 0.1
COLUMNS, ROWS = 9, 2**16  # inputs and steps, at most: as many for all, so that one compiled function serves them


def current(*parts):
    """A current [pA], from parts (duration, I / C) or, for a ramp, (duration, from, to)."""
    return np.concatenate([np.linspace(part[1], part[-1], round(part[0] / DT)) for part in parts]) * 100.0


@pytest.fixture(params=["exact", "euler"])
def go(request):
    """Run the neuron of a pattern under its own input and some others at once: ``go(pattern, *inputs)``."""

    def run(pattern, *inputs, start=None):
        (neuron, own), state = PATTERNS[pattern], None
        currents = [own, *(current(*parts) for parts in inputs)]
        length, many = max(map(len, currents)), len(currents)
        padded = np.zeros((ROWS, COLUMNS))
        for column, I in enumerate(currents):
            padded[: len(I), column] = I
        if start is not None:  # V and threshold [mV]
            V, threshold = start
            state = lifjax.State(
                step=0, neuron=dataclasses.replace(neuron.start(), V=V, th_voltage=threshold - neuron.V_th)
            )
        done = lifjax.simulate(
            neuron, lifjax.samples(padded), length * DT, dt=DT, integrator=request.param, state=state
        )
        shown = types.SimpleNamespace(
            times=done.times,
            spike_times=done.spike_times[:many],
            spike_count=done.spike_count[:many],
            V=done.V[:, :many],
        )
        for number, times in enumerate(shown.spike_times):
            told = f", from {times[0]:.1f} to {times[-1]:.1f} ms" if len(times) else ""
            told += f", intervals {isi(times).min():.1f} to {isi(times).max():.1f} ms" if len(times) > 1 else ""
            print(f"{pattern}, {request.param}, input {number}: {len(times)} spikes{told}")
        return shown

    return run


def between(times, start, stop=np.inf):
    return times[(times >= start) & (times < stop)]


def bursts(times):
    """The bursts of a train, cut at intervals above the geometric mean of the longest and the shortest."""
    gaps = isi(times)
    return np.split(times, np.flatnonzero(gaps > np.sqrt(gaps.min() * gaps.max())) + 1)


def assert_bursts(times, least):
    """Some bursts of two spikes or more, apart by much more than the spikes in them; the last may be cut short."""
    parts = bursts(times)
    assert len(parts) >= least
    assert min(len(part) for part in parts[:-1]) >= 2
    pauses = [b[0] - a[-1] for a, b in itertools.pairwise(parts)]
    assert min(pauses) > 3 * np.concatenate([isi(part) for part in parts]).max()


def test_tonic_spiking_goes_on_with_equal_intervals(go):
    (times,) = go("tonic spiking").spike_times
    assert len(times) >= 20
    assert cv(isi(times)) < 0.02
    assert 500 - times[-1] < 2 * isi(times).mean()


def test_class_1_neurons_begin_to_fire_at_a_rate_near_zero_and_fire_as_theory_has_it(go):
    I = np.array([0.99, 1.001, 1.01, 1.05, 1.1, 1.2, 1.5])
    own, *trains = go("class 1", *([(1200, x)] for x in I)).spike_times
    rates = np.array([1000 / isi(times)[-1] if len(times) else 0.0 for times in trains])
    assert rates[0] == 0
    assert 0 < rates[1] < 0.2 * rates[-1]
    assert 1000 / isi(own)[0] == pytest.approx(rates[1])
    np.testing.assert_allclose(rates[1:], 1000 / (20 * np.log(I[1:] / (I[1:] - 1))), rtol=0.02)


def test_spike_frequency_adaptation_makes_each_interval_longer_than_the_last(go):
    (times,) = go("spike frequency adaptation").spike_times
    assert len(times) >= 5
    assert (np.diff(isi(times)) > 0).all()
    assert isi(times)[-1] > 1.2 * isi(times)[0]


def test_phasic_spiking_ends_while_the_input_goes_on(go):
    some, one = go("phasic spiking", [(1000, 1.3)]).spike_times
    assert len(one) == 1
    assert 1 <= len(some) <= 10
    assert some[-1] < 400


def test_accommodation_lets_a_slow_rise_pass_without_a_spike_and_a_sudden_one_not(go):
    steps, slow = go("accommodation", [(500, 0, 1.46), (300, 1.46), (200, 0)]).spike_times
    assert len(between(steps, 0, 100)) >= 1
    assert len(between(steps, 600)) == 0
    assert len(slow) == 0


def test_threshold_variability_makes_a_pulse_fire_after_inhibition_and_a_longer_one_not_after_excitation(go):
    run = go(
        "threshold variability",
        [(75, 0), (24, 1.5), (300, 0)],
        [(50, -1.5), (25, 0), (24, 1.5)],
        [(100, 0), (28, 1.5)],
        [(50, 0.9), (50, 0), (28, 1.5)],
    )
    np.testing.assert_array_equal(run.spike_count, [1, 0, 1, 1, 0])
    assert run.spike_times[0][0] > 425


def test_a_rebound_spike_follows_strong_inhibition_and_comes_below_rest(go):
    run = go("rebound spike", [(50, 0), (750, -1), (400, 0)])
    strong, weak = run.spike_times
    assert len(strong) == 1
    assert strong[0] > 800
    assert len(weak) == 0
    assert run.V[round(strong[0] / DT) - 1, 0] < -70


def test_class_2_neurons_begin_to_fire_at_a_rate_well_above_zero(go):
    I = np.array([1.8, 1.9, 1.99, 2.01, 2.05, 2.1, 2.3, 2.5])
    own, *trains = go("class 2", *([(2000, x)] for x in I), start=(-30.2, -30.1)).spike_times  # at rest at 1.99
    rates = np.array([1000 / isi(times)[-1] if len(times) else 0.0 for times in trains])
    assert (rates[:3] == 0).all()
    assert rates[3] > 20
    assert rates[3] > 0.4 * rates[-1]
    assert rates[3] < 1000 / isi(own)[-1] < rates[-1]
    assert (np.diff(rates[3:]) > 0).all()


def test_an_integrator_fires_at_two_pulses_that_are_close_and_not_at_others(go):
    pairs = [[(20, 1.5), (gap, 0), (20, 1.5)] for gap in (5, 20, 50, 100)]
    run = go("integrator", [(20, 1.5), (380, 0)], *pairs)
    np.testing.assert_array_equal(run.spike_count, [1, 0, 1, 0, 0, 0])


def test_input_bistability_is_silence_or_firing_at_one_current_and_pulses_switch_it(go):
    (times,) = go("input bistability").spike_times
    assert len(between(times, 0, 2000)) == 0
    assert len(between(times, 2200, 3200)) >= 10
    assert len(between(times, 3500)) == 0


def test_hyperpolarization_induced_spiking_is_steady_and_far_below_rest(go):
    run = go("hyperpolarization induced spiking", [(800, 0)])
    times, none = run.spike_times
    assert len(times) >= 3
    assert len(none) == 0
    assert cv(isi(times)) < 0.02
    assert run.V[np.rint(times / DT).astype(int) - 1, 0].max() < -80


def test_hyperpolarization_induced_bursting_comes_in_bursts_and_only_with_inhibition(go):
    times, none = go("hyperpolarization induced bursting", [(800, 0)]).spike_times
    assert_bursts(times, 3)
    assert len(none) == 0


def test_tonic_bursting_goes_on(go):
    (times,) = go("tonic bursting").spike_times
    assert_bursts(times, 3)


def test_phasic_bursting_is_one_burst_while_the_input_goes_on(go):
    (times,) = go("phasic bursting").spike_times
    assert len(times) >= 2
    assert isi(times).max() < 20
    assert times[-1] < 200


def test_a_rebound_burst_follows_strong_inhibition(go):
    strong, weak = go("rebound burst", [(100, 0), (500, -1), (400, 0)]).spike_times
    assert len(strong) >= 2
    assert strong[0] > 600
    assert isi(strong).max() < 20
    assert len(weak) == 0


def test_mixed_mode_is_a_burst_and_then_single_spikes(go):
    (times,) = go("mixed mode").spike_times
    gaps = isi(times)
    first = int(np.argmax(gaps[1:] > 2 * gaps[:-1])) + 1  # pause
    assert first >= 2
    late = isi(between(times, 900))
    assert late.mean() > 3 * gaps[:first].mean()
    assert cv(late) < 0.1


def test_afterpotentials_are_a_hump_and_then_a_hollow(go):
    run = go("afterpotentials")
    (times,) = run.spike_times
    assert len(times) == 1
    after = run.V[run.times > 15, 0] + 70
    hump = int(np.argmax(after))
    assert after[hump] > max(5, after[0] + 5)
    assert hump * DT > 2
    assert after[hump:].min() < -0.5
    assert abs(after[-1]) < 0.05


def test_basal_bistability_is_firing_without_input_that_pulses_switch_on_and_off(go):
    off, on, none = go("basal bistability", [(10, 5), (990, 0)], [(1000, 0)]).spike_times
    assert len(between(off, 10, 100)) >= 5
    assert len(between(off, 130)) == 0
    assert len(between(on, 500)) >= 20
    assert len(none) == 0


def test_a_preferred_frequency_makes_the_second_of_two_pulses_fire_at_one_distance_only(go):
    pairs = [[(5, 5), (gap, 0), (5, 4)] for gap in (5, 20, 45, 90, 300)]
    run = go("preferred frequency", *pairs, [(5, 4), (395, 0)])
    np.testing.assert_array_equal(run.spike_count, [4, 1, 1, 2, 1, 1, 0])
    assert len(between(run.spike_times[0], 420, 480)) == 2


def test_spike_latency_is_long_after_a_weak_pulse_and_short_after_a_strong_one(go):
    own, none, *some = go("spike latency", *([(2, I), (98, 0)] for I in (6, 8, 8.5, 9, 9.5))).spike_times
    assert len(none) == 0
    np.testing.assert_array_equal(own, some[0])
    assert [len(times) for times in some] == [1, 1, 1, 1]
    latency = np.concatenate(some) - 2
    assert latency[0] > 5
    assert (np.diff(latency) < 0).all()


def test_every_pattern_of_the_table_is_tested():
    told = " ".join(name.replace("_", " ") for name in globals() if name.startswith("test_"))
    assert len(PATTERNS) == 20
    assert [name for name in PATTERNS if name not in told] == []
