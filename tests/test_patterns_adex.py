"""The eight firing patterns of the AdEx neuron (Naud et al. 2008, doi:10.1007/s00422-008-0264-7), told by numbers.

Parameters are those of the paper's Table 1 as examples of other simulators pass them on, which say that they adapted
them to match its figures; they were not compared with the printed table. Two differ, as `lifjax.AdEx.patterns` says.
Delayed regular bursting lies near an edge: with V_reset or V_th a quarter of a mV off it may be another pattern.
Irregular spiking is chaotic, so its spike times depend on the last bit, and only its numbers are looked at.

Limits are about half way, as factors, between what the patterns on the two sides of them measure.
"""

import numpy as np
import pytest

import lifjax
from lifjax import analysis
from lifjax.neurons import parameters

DURATION = 1000.0
PATTERNS = lifjax.AdEx.patterns()
RUNS = {"Euler, 0.1 ms": ("euler", 0.1), "Runge-Kutta, 0.1 ms": ("rk4", 0.1), "Runge-Kutta, 0.02 ms": ("rk4", 0.02)}

SILENT = 4.0  # of the silence at the end, over the longest wait before: more is a neuron that stopped
GAP = 3.2  # between two kinds of interval, short and long
LATE = 0.35  # of the time to the first spike, over the median pause between bursts
IRREGULAR = 0.27  # of CV2, and of how far intervals are from repeating
REPEATING = 0.12
SLOWING, QUICKENING = 2.65, 0.75  # of the last interval over the first
DELAYED = 2.14  # of the time to the first spike, over the last interval


def measured(times):
    """What tells a spike train's pattern."""
    isi = analysis.isi(times)
    out = {"spikes": len(times), "latency": times[0], "silence": (DURATION - times[-1]) / max(times[0], isi.max())}
    if len(isi) < 4:
        return out
    ordered = np.sort(isi)
    growth = ordered[1:] / ordered[:-1]
    widest = growth.argmax()
    long = isi > np.sqrt(ordered[widest] * ordered[widest + 1])
    bursts = np.diff([0, *(np.flatnonzero(long) + 1), len(times)])  # spikes in each
    last, late, settled = np.median(isi[-3:]), isi[len(isi) // 2 :], np.log(isi[4:])
    lags = range(1, len(settled) // 3 + 1)
    return out | {
        "gap": growth[widest],
        "first burst": bursts[0],
        "later bursts": (bursts[1:-1] > 1).sum(),
        "later single spikes": (bursts[1:-1] == 1).sum(),
        "lateness": times[0] / np.median(isi[long]),
        "CV of pauses": analysis.cv(isi[long][1:]),
        "last over first": last / isi[0],
        "delay": times[0] / last,
        "CV2": analysis.cv2(late),
        # How far the train is from repeating itself with any period, as a mean ratio of intervals.
        "from repeating": min(np.abs(settled[lag:] - settled[:-lag]).mean() for lag in lags),
    }


def is_steady(m):
    return "gap" in m and m["silence"] < SILENT and m["gap"] < GAP and m["CV2"] < IRREGULAR


def is_bursting(m):
    return "gap" in m and m["silence"] < SILENT and m["gap"] > GAP and m["later bursts"] > 2 * m["later single spikes"]


IS = {
    "tonic spiking": lambda m: is_steady(m) and QUICKENING < m["last over first"] < SLOWING,
    "adaptation": lambda m: is_steady(m) and m["last over first"] > SLOWING,
    "initial burst": lambda m: "gap" in m and m["gap"] > GAP and m["first burst"] > 1 and m["later bursts"] == 0,
    "regular bursting": lambda m: is_bursting(m) and m["lateness"] < LATE and m["CV of pauses"] < 0.15,
    "delayed accelerating": lambda m: is_steady(m) and m["last over first"] < QUICKENING and m["delay"] > DELAYED,
    "delayed regular bursting": lambda m: is_bursting(m) and m["lateness"] > LATE and m["CV of pauses"] < 0.15,
    "transient spiking": lambda m: m["silence"] > SILENT,
    "irregular spiking": lambda m: (
        "gap" in m and m["gap"] < GAP and m["CV2"] > IRREGULAR and m["from repeating"] > REPEATING
    ),
}


@pytest.fixture(scope="module", params=RUNS)
def trains(request):
    """The trains of all eight, which are one population."""
    integrator, dt = RUNS[request.param]
    neurons, currents = zip(*PATTERNS.values(), strict=True)
    fields = {name: [getattr(neuron, name) for neuron in neurons] for name in parameters(lifjax.AdEx)}
    run = lifjax.simulate(
        lifjax.AdEx(**fields), np.array(currents), DURATION, dt=dt, integrator=integrator, record="spikes"
    )
    return dict(zip(PATTERNS, run.spike_times, strict=True))


@pytest.mark.parametrize("name", IS)
def test_a_setting_fires_in_its_pattern_and_in_no_other(name, trains):
    m = measured(trains[name])
    print(name, {what: round(float(x), 3) for what, x in m.items()})
    assert [pattern for pattern, holds in IS.items() if holds(m)] == [name]


def test_tonic_spiking_keeps_its_interval(trains):
    isi = np.diff(trains["tonic spiking"])
    assert isi.max() / isi.min() < 1.12
    assert 98 <= len(isi) <= 104


def test_adaptation_draws_out_each_interval_until_it_is_six_times_the_first(trains):
    isi = np.diff(trains["adaptation"])
    assert (np.diff(isi) > -0.15).all()
    assert isi[-1] / isi[0] == pytest.approx(6.6, rel=0.05)


def test_an_initial_burst_of_three_is_followed_by_single_spikes(trains):
    isi = np.diff(trains["initial burst"])
    assert (isi[:2] < 15).all()
    assert (isi[2:] > 50).all()


def test_regular_bursting_goes_on_in_pairs_after_a_burst_of_three(trains):
    isi = np.diff(trains["regular bursting"])
    assert (isi > 100).tolist() == ([False, False] + [True, False] * 20)[: len(isi)]


def test_delayed_accelerating_begins_late_and_halves_its_interval(trains):
    times = trains["delayed accelerating"]
    assert times[0] > 30
    assert (np.diff(np.diff(times)) < 0.15).all()
    assert np.diff(times)[-1] / np.diff(times)[0] == pytest.approx(0.49, abs=0.05)


def test_delayed_regular_bursting_waits_as_long_as_a_pause_and_fires_in_fours(trains):
    times = trains["delayed regular bursting"]
    pauses = np.flatnonzero(np.diff(times) > 30)
    assert times[0] == pytest.approx(57.4, abs=0.6)
    assert (np.diff(pauses) == 4).all()
    assert len(pauses) > 8


def test_transient_spiking_ends_after_three_spikes(trains):
    assert len(trains["transient spiking"]) == 3
    assert trains["transient spiking"][-1] < 26


def test_irregular_spiking_has_no_two_intervals_alike_for_long(trains):
    isi = np.diff(trains["irregular spiking"])
    assert analysis.cv2(isi) > 0.5
    assert isi.max() / isi.min() > 3
