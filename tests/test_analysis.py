"""Analysis: elephant's numbers to the last digits, one train or many, and an error or nan where there is no answer."""

import math
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifjax import analysis

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    elephant = pytest.importorskip("elephant")
    import neo
    import quantities as pq
    from elephant import conversion, kernels, spike_train_correlation, statistics

STOP = 2000.0  # ms
MEASURES = {"cv": statistics.cv, "cv2": statistics.cv2, "lv": statistics.lv}
KERNELS = {
    "gaussian": kernels.GaussianKernel,
    "rectangular": kernels.RectangularKernel,
    "exponential": kernels.ExponentialKernel,
    "alpha": kernels.AlphaKernel,
}


def poisson(rng, rate):
    return np.sort(rng.uniform(0, STOP, rng.poisson(rate * STOP / 1000)))


def gamma(rng, rate, shape):
    times = np.cumsum(rng.gamma(shape, 1000 / rate / shape, int(2 * rate * STOP / 1000) + 20))
    return times[times < STOP]


@pytest.fixture(scope="module")
def trains():
    """Poisson, gamma and bursty trains, trains on a grid of 0.1 ms, trains of one, two and three spikes and of none."""
    rng = np.random.default_rng(5)
    grid = [np.unique(rng.integers(0, 20_000, 150)) * 0.1 for _ in range(3)]
    bursts = np.sort((poisson(rng, 5)[:, None] + [0.0, 1.5, 2.5]).ravel())
    few = [np.array([]), np.array([7.3]), np.array([0.0]), np.array([5.0, 1999.5]), np.array([3.0, 4.0, 900.0])]
    return [
        few[0], *(poisson(rng, rate) for rate in (1, 10, 80)), few[1], few[2],
        *(gamma(rng, 40, shape) for shape in (0.3, 3, 50)), *grid,
        few[0], bursts[bursts < STOP], few[3], few[4], few[0],
    ]  # fmt: skip


def ask(function, *args, **kwargs):
    """Elephant's answer, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def as_neo(train):
    return neo.SpikeTrain(train, units="ms", t_start=0.0, t_stop=STOP)


def as_binned(trains, bin_size, start=0.0, stop=STOP):
    neos = [as_neo(train) for train in trains]
    start, stop, bin_size = start * pq.ms, stop * pq.ms, bin_size * pq.ms
    return ask(conversion.BinnedSpikeTrain, neos, bin_size=bin_size, t_start=start, t_stop=stop)


# --- the same numbers as elephant


@pytest.mark.parametrize(("start", "stop"), [(0.0, STOP), (100.0, 1500.0), (7.3, 7.4), (-50.0, 4000.0)])
def test_mean_firing_rate_is_elephants_in_hz(trains, start, stop):
    ours = analysis.mean_firing_rate(trains, start, stop)
    for train, rate in zip(trains, ours, strict=True):
        if len(train):
            theirs = ask(statistics.mean_firing_rate, as_neo(train), start * pq.ms, stop * pq.ms)
            assert rate == pytest.approx(theirs.rescale("Hz").item(), rel=1e-12)
        else:
            assert rate == 0  # elephant raises
        assert rate == analysis.mean_firing_rate(train, start, stop)


def test_mean_firing_rate_without_t_stop_ends_with_the_last_spike_as_elephants(trains):
    for train, rate in zip(trains, analysis.mean_firing_rate(trains), strict=True):
        theirs = 1000 * ask(statistics.mean_firing_rate, train) if len(train) else 0.0
        assert rate == pytest.approx(float(theirs), rel=1e-12)


def test_mean_firing_rate_counts_spikes_on_both_ends():
    assert analysis.mean_firing_rate([100.0, 150.0, 200.0], 100.0, 200.0) == pytest.approx(30.0)


def test_mean_firing_rate_of_trains_that_leave_no_time_is_no_silent_wrong_number():
    assert analysis.mean_firing_rate([[], [3.0], [5.0], [5.0, 5.0]], t_start=5.0).tolist() == [
        0.0,
        0.0,
        math.inf,
        math.inf,
    ]


@pytest.mark.parametrize("output", ["counts", "mean", "rate"])
@pytest.mark.parametrize(
    ("bin_size", "start", "stop"),
    [(1.0, 0.0, STOP), (0.1, 0.0, STOP), (7.0, 0.0, STOP), (33.3, 100.0, 1500.0), (STOP, 0.0, STOP)],
)
def test_time_histogram_is_elephants(trains, output, bin_size, start, stop):
    neos = [as_neo(train) for train in trains]
    theirs = ask(statistics.time_histogram, neos, bin_size * pq.ms, start * pq.ms, stop * pq.ms, output)
    theirs = theirs.rescale("Hz") if output == "rate" else theirs
    ours = analysis.time_histogram(trains, bin_size, start, stop, output)
    np.testing.assert_allclose(ours, theirs.magnitude[:, 0], rtol=1e-12)
    assert ours.dtype == (np.int64 if output == "counts" else np.float64)


def test_time_histogram_of_one_train_is_that_of_a_list_of_it(trains):
    np.testing.assert_array_equal(
        analysis.time_histogram(trains[3], 5.0, 0.0, STOP), analysis.time_histogram([trains[3]], 5.0, 0.0, STOP)
    )


@pytest.mark.parametrize("first", [0, 123_456, 10**9 + 7, 3 * 10**9])
def test_spikes_on_a_grid_fall_each_in_its_own_bin_however_late(first):
    steps = first + np.arange(100_000)
    counts = analysis.time_histogram(steps * 0.1, 0.1, first * 0.1, (first + 100_000) * 0.1)
    assert len(counts) == 100_000
    assert (counts == 1).all()


def test_an_interval_that_is_a_multiple_of_the_bin_but_for_rounding_loses_no_bin():
    assert 0.7 / 0.1 < 7
    assert analysis.time_histogram([0.65], 0.1, 0.0, 0.7).tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert analysis.instantaneous_rate([0.65], 0.1, 0.0, 0.7, sigma=0.1).shape == (7,)  # elephant has 6


def test_a_spike_a_hair_before_an_edge_is_on_it_as_in_elephant():
    for time, where in ((5.0 - 5e-9, 5), (5.0 - 5e-8, 4)):
        assert analysis.time_histogram([time], 1.0, 0.0, 10.0).argmax() == where
        assert as_binned([np.array([time])], 1.0, 0.0, 10.0).to_array().argmax() == where


def test_a_spike_at_t_stop_is_in_no_bin():
    assert analysis.time_histogram([0.0, 10.0, 20.0], 10.0, 0.0, 20.0).tolist() == [1, 1]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("period", "sigma", "start", "stop"),
    [
        (1.0, 20.0, 0.0, STOP),
        (0.5, 7.3, 0.0, STOP),
        (2.0, 50.0, 100.0, 1700.0),
        (10.0, 4.0, 0.0, STOP),
        (5.0, 2000.0, 0.0, STOP),
    ],
)
def test_instantaneous_rate_is_elephants_where_five_sigma_is_a_multiple_of_the_period(
    trains, kernel, period, sigma, start, stop
):
    signal = ask(
        statistics.instantaneous_rate, [as_neo(train) for train in trains], period * pq.ms,
        kernel=KERNELS[kernel](sigma * pq.ms), t_start=start * pq.ms, t_stop=stop * pq.ms,
    )  # fmt: skip
    ours = analysis.instantaneous_rate(trains, period, start, stop, kernel, sigma=sigma)
    assert ours.shape == signal.shape
    assert (ours >= 0).all()
    np.testing.assert_allclose(ours, signal.rescale("Hz").magnitude, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        analysis.instantaneous_rate(trains[3], period, start, stop, kernel, sigma=sigma), ours[:, 3], atol=1e-9
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("period", [0.05, 0.07])  # 5 sigma is a multiple of the first and not of the second
def test_instantaneous_rate_integrates_to_the_number_of_spikes(kernel, period):
    rate = analysis.instantaneous_rate([400.0, 450.0, 500.0], period, 0.0, 900.0, kernel, sigma=10.0)
    assert rate.sum() * period / 1000 == pytest.approx(3, rel=0.005)


def test_instantaneous_rate_lays_the_median_of_every_kernel_on_the_spike():
    for kernel in KERNELS:
        rate = analysis.instantaneous_rate([500.0], 0.05, 0.0, 1000.0, kernel, sigma=10.0)
        assert rate[: 500 * 20].sum() / rate.sum() == pytest.approx(0.5, abs=0.005), kernel


def test_isi_is_elephants(trains):
    for train, ours in zip(trains, analysis.isi(trains), strict=True):
        np.testing.assert_array_equal(ours, statistics.isi(train))
        np.testing.assert_array_equal(ours, analysis.isi(train))


def test_isi_takes_equal_times_and_refuses_falling_ones():
    assert analysis.isi([3.0, 3.0]).tolist() == [0.0]
    with pytest.raises(ValueError, match=r"train 1: 3\.0 ms before 2\.0 ms; sort"):
        analysis.isi([[9.0], [1.0, 3.0, 2.0], [0.0]])


@pytest.mark.parametrize("measure", MEASURES)
def test_variation_of_intervals_is_elephants_and_nan_for_fewer_than_two(trains, measure):
    intervals = analysis.isi(trains)
    ours = getattr(analysis, measure)(intervals)
    assert ours.shape == (len(trains),)
    for some, value in zip(intervals, ours, strict=True):
        alone = getattr(analysis, measure)(some)
        assert type(alone) is float
        if len(some) < 2:
            assert math.isnan(value)
            assert math.isnan(alone)
        else:
            assert value == pytest.approx(float(MEASURES[measure](some)), rel=1e-12)
            assert value == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_variation_of_a_poisson_process_is_one_and_of_a_clock_zero(measure):
    intervals = np.random.default_rng(1).exponential(20.0, 200_000)
    assert getattr(analysis, measure)(intervals) == pytest.approx(1, abs=0.01)
    assert getattr(analysis, measure)(np.full(100, 20.0)) == 0


def test_fanofactor_is_elephants(trains):
    assert analysis.fanofactor(trains) == pytest.approx(statistics.fanofactor(trains), rel=1e-12)
    assert analysis.fanofactor(trains[1:4]) == pytest.approx(statistics.fanofactor(trains[1:4]), rel=1e-12)


def test_fanofactor_of_silent_trains_or_of_too_few_is_nan():
    assert all(math.isnan(analysis.fanofactor(some)) for some in ([], [[]], [[], []], [[1.0, 2.0]]))


@pytest.mark.parametrize("bin_size", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("window", [(-20, 20), (-3, 8), (2, 8), (-8, -2), (0, 1)])
def test_cross_correlation_histogram_is_elephants(trains, bin_size, window):
    for i, j in ((3, 7), (6, 13), (9, 10), (0, 3), (5, 3), (0, 12)):
        # Elephant's default method returns too few counts for a window that is not symmetric.
        method = "speed" if window[0] == -window[1] else "memory"
        a, b = as_binned([trains[i]], bin_size), as_binned([trains[j]], bin_size)
        theirs, lags = ask(
            spike_train_correlation.cross_correlation_histogram, a, b, window=list(window), method=method
        )
        ours = analysis.cross_correlation_histogram(trains[i], trains[j], bin_size, window)
        np.testing.assert_array_equal(ours[0], theirs.magnitude[:, 0])
        np.testing.assert_array_equal(ours[1], lags)


@pytest.mark.parametrize("bin_size", [1.0, 5.0])
def test_autocorrelation_is_elephants_less_each_spike_with_itself(trains, bin_size):
    counts, lags = analysis.autocorrelation(trains, bin_size, (-20, 20))
    assert counts.shape == (41, len(trains))
    for k, train in enumerate(trains):
        a = as_binned([train], bin_size)
        theirs = ask(spike_train_correlation.cross_correlation_histogram, a, a, window=[-20, 20])[0].magnitude[:, 0]
        np.testing.assert_array_equal(counts[:, k], theirs - len(train) * (lags == 0))
        np.testing.assert_array_equal(counts[:, k], analysis.autocorrelation(train, bin_size, (-20, 20))[0])


@pytest.mark.parametrize(("bin_size", "start", "stop"), [(1.0, 0.0, STOP), (50.0, 0.0, STOP), (30.0, 200.0, 1900.0)])
def test_correlation_coefficient_is_elephants_and_nan_for_silent_trains(trains, bin_size, start, stop):
    theirs = ask(spike_train_correlation.correlation_coefficient, as_binned(trains, bin_size, start, stop))
    ours = analysis.correlation_coefficient(trains, bin_size, start, stop)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert np.isnan(ours[0]).all()
    assert (np.diag(ours)[~np.isnan(np.diag(ours))] == 1).all()


def test_correlation_coefficient_of_a_train_with_equal_counts_is_nan_not_rounding():
    clock, other = np.arange(0.0, 300.0, 0.1), [3.0]
    assert np.isnan(analysis.correlation_coefficient([clock, other], 10.0, 0.0, 300.0)[0]).all()


# --- one train or many

ragged = st.lists(
    st.lists(st.integers(0, 400), max_size=12).map(lambda steps: np.sort(np.array(steps, float)) * 0.25), max_size=6
)


@given(ragged)
def test_a_list_gives_what_each_of_its_trains_gives_alone(some):
    def same(together, alone):
        np.testing.assert_allclose(np.array(together), np.array(alone).reshape(np.shape(together)), rtol=1e-12)

    same(analysis.mean_firing_rate(some, 2.0, 90.0), [analysis.mean_firing_rate(x, 2.0, 90.0) for x in some])
    same(analysis.mean_firing_rate(some, 2.0), [analysis.mean_firing_rate(x, 2.0) for x in some])
    intervals = analysis.isi(some)
    assert [x.tolist() for x in intervals] == [np.diff(x).tolist() for x in some]
    for measure in (analysis.cv, analysis.cv2, analysis.lv):
        same(measure(intervals), [measure(x) for x in intervals])
    counts, lags = analysis.autocorrelation(some, 0.25, (-7, 9))
    assert counts.shape == (17, len(some))
    same(counts.T, [analysis.autocorrelation(x, 0.25, (-7, 9))[0] for x in some])
    same(lags, np.arange(-7, 10))
    if some:
        each = [analysis.time_histogram(x, 3.0, 1.0, 80.0) for x in some]
        same(analysis.time_histogram(some, 3.0, 1.0, 80.0), np.sum(each, axis=0))


@given(ragged, st.integers(-9, 9), st.integers(0, 12))
def test_pairs_are_those_of_a_double_loop(some, first, width):
    a, b = (some + [np.zeros(0)] * 2)[:2]
    gaps = [round(4 * (y - x)) for x in a for y in b]
    counts, lags = analysis.cross_correlation_histogram(a, b, 0.25, (first, first + width))
    assert counts.tolist() == [gaps.count(lag) for lag in lags]


def test_pairs_are_the_same_however_they_are_cut_into_blocks(trains, monkeypatch):
    whole = analysis.autocorrelation(trains, 1.0, (-30, 10))[0]
    monkeypatch.setattr(analysis, "_BLOCK", 50)
    np.testing.assert_array_equal(analysis.autocorrelation(trains, 1.0, (-30, 10))[0], whole)


def test_trains_before_time_zero_and_out_of_order_are_counted():
    a, b = np.array([5.0, -7.0, -100.0]), np.array([-98.0, 6.0])
    assert analysis.cross_correlation_histogram(a, b, 1.0, (0, 2))[0].tolist() == [0, 1, 1]
    assert analysis.autocorrelation([a, b], 1.0, (12, 12))[0].tolist() == [[1, 0]]
    assert analysis.mean_firing_rate([a, b], -200.0, 0.0).tolist() == [10.0, 5.0]
    assert analysis.time_histogram(a, 50.0, -100.0, 50.0).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "train",
    [[1, 5, 9], (1.0, 5.0, 9.0), np.array([1, 5, 9], np.uint8), np.float32([1, 5, 9]), jnp.array([1.0, 5.0, 9.0])],
    ids=["list", "tuple", "integers", "float32", "jax"],
)
def test_whatever_holds_numbers_is_a_train(train):
    assert analysis.isi(train).tolist() == [4.0, 4.0]
    assert [x.tolist() for x in analysis.isi([train, []])] == [[4.0, 4.0], []]
    assert analysis.isi(train).dtype == np.float64


def test_no_trains_give_no_results():
    assert analysis.isi([]) == []
    assert all(f([]).shape == (0,) for f in (analysis.cv, analysis.cv2, analysis.lv, analysis.mean_firing_rate))
    assert analysis.instantaneous_rate([], 1.0, 0.0, 10.0, sigma=2.0).shape == (10, 0)
    assert analysis.correlation_coefficient([], 1.0, 0.0, 10.0).shape == (0, 0)
    assert analysis.autocorrelation([], 1.0, (-1, 1))[0].shape == (3, 0)
    assert analysis.cross_correlation_histogram([], [], 1.0, (-1, 1))[0].tolist() == [0, 0, 0]


def test_input_is_never_written_to(trains):
    train = trains[3].copy()
    train.flags.writeable = False
    analysis.isi(train)
    analysis.instantaneous_rate(train, 1.0, 0.0, STOP, sigma=5.0)
    analysis.autocorrelation(train, 1.0, (-5, 5))


# --- no answer: an error that says so, or nan, and never a warning

TAKE_TRAINS = {
    "mean_firing_rate": lambda x: analysis.mean_firing_rate(x),
    "time_histogram": lambda x: analysis.time_histogram(x, 1.0, 0.0, 10.0),
    "instantaneous_rate": lambda x: analysis.instantaneous_rate(x, 1.0, 0.0, 10.0, sigma=2.0),
    "isi": analysis.isi,
    "cv": analysis.cv,
    "cv2": analysis.cv2,
    "lv": analysis.lv,
    "fanofactor": lambda x: analysis.fanofactor(x),
    "autocorrelation": lambda x: analysis.autocorrelation(x, 1.0, (-2, 2)),
    "cross_correlation_histogram": lambda x: analysis.cross_correlation_histogram(x, [1.0], 1.0, (-2, 2)),
    "correlation_coefficient": lambda x: analysis.correlation_coefficient(x, 1.0, 0.0, 10.0),
}


def test_every_public_function_is_put_to_bad_trains():
    assert set(TAKE_TRAINS) == set(analysis.__all__)


@pytest.mark.parametrize("name", TAKE_TRAINS)
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([1.0, math.nan], ValueError),
        ([[1.0], [math.inf]], ValueError),
        (np.zeros((2, 3)), TypeError),
        ([np.zeros((2, 3)), [1.0]], TypeError),
        (np.float64(3.0), TypeError),
        (None, TypeError),
        ("spikes", TypeError),
        ([["a"], ["b"]], TypeError),
        ([[1.0], [2.0, [3.0]]], TypeError),
        (np.array([True, False, True]), TypeError),
        ([[1.0], None], TypeError),
        ({"a": [1.0]}, TypeError),
        ((x for x in [1.0]), TypeError),
        (np.ma.masked_array([1.0, 2.0], [False, True]), TypeError),
        (np.array([1.0, 2.0]) * pq.s, TypeError),
        ([neo.SpikeTrain([1.0], units="s", t_stop=2.0)], TypeError),
    ],
    ids=lambda x: type(x).__name__,
)
def test_bad_trains_are_refused_by_name(name, bad, error):
    with pytest.raises(error, match=r"^(spiketrains|spiketrain_i|intervals)\b.*; (give|drop) "):
        TAKE_TRAINS[name](bad)


@pytest.mark.parametrize("name", ["fanofactor", "correlation_coefficient"])
def test_one_train_is_refused_where_trains_are_compared(name):
    with pytest.raises(ValueError, match="spiketrains is one train; give a list"):
        TAKE_TRAINS[name]([1.0, 2.0])


def test_a_list_is_refused_where_two_trains_are_compared():
    with pytest.raises(ValueError, match="spiketrain_j is a list; give one train"):
        analysis.cross_correlation_histogram([1.0], [[1.0], [2.0]], 1.0, (-2, 2))


@pytest.mark.parametrize("measure", MEASURES)
def test_negative_intervals_are_refused(measure):
    with pytest.raises(ValueError, match=r"intervals, train 1: -2\.0 ms is not within 0 to"):
        getattr(analysis, measure)([[1.0], [3.0, -2.0]])


BINNED = {
    "time_histogram": ("bin_size", lambda *a: analysis.time_histogram([[1.0]], *a)),
    "instantaneous_rate": ("sampling_period", lambda *a: analysis.instantaneous_rate([[1.0]], *a, sigma=2.0)),
    "correlation_coefficient": ("bin_size", lambda *a: analysis.correlation_coefficient([[1.0]], *a)),
}


@pytest.mark.parametrize("name", BINNED)
@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ((0.0, 0.0, 10.0), ValueError, r"WIDTH = 0\.0 ms is out of range; give a number above 0"),
        ((-1.0, 0.0, 10.0), ValueError, r"WIDTH = -1\.0 ms is out of range; give a number above 0"),
        ((math.nan, 0.0, 10.0), ValueError, "WIDTH = nan ms is out of range; give"),
        ((math.inf, 0.0, 10.0), ValueError, "WIDTH = inf ms is out of range; give"),
        (("1 ms", 0.0, 10.0), TypeError, "WIDTH = 1 ms ms is out of range; give a number"),
        ((True, 0.0, 10.0), TypeError, "WIDTH = True ms is out of range; give a number"),
        ((1.0 * pq.ms, 0.0, 10.0), TypeError, "WIDTH = .* is out of range; give a number"),
        ((11.0, 0.0, 10.0), ValueError, r"WIDTH = 11\.0 ms makes 0 bins of the interval; give 1 to"),
        ((1e-300, 0.0, 10.0), ValueError, r"WIDTH = 1e-300 ms makes 1e\+301 bins of the interval; give 1 to"),
        ((1.0, math.nan, 10.0), ValueError, "t_start = nan ms is out of range; give"),
        ((1.0, None, 10.0), TypeError, "t_start = None ms is out of range; give a number"),
        ((1.0, 0.0, math.inf), ValueError, "t_stop = inf ms is out of range; give"),
        ((1.0, 10.0, 10.0), ValueError, r"t_stop = 10\.0 ms is out of range; give a number above 10"),
        ((1.0, 10.0, 0.0), ValueError, r"t_stop = 0\.0 ms is out of range; give a number above 10"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(name, numbers, error, message):
    width, call = BINNED[name]
    with pytest.raises(error, match=message.replace("WIDTH", width)):
        call(*numbers)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: analysis.mean_firing_rate([1.0], 5.0, 5.0),
            r"t_stop = 5\.0 ms is out of range; give a number above 5",
        ),
        (lambda: analysis.mean_firing_rate([1.0], math.nan), "t_start = nan ms is out of range; give"),
        (
            lambda: analysis.time_histogram([1.0], 1.0, 0.0, 9.0, "sum"),
            "output = 'sum' is unknown; choose one of counts",
        ),
        (lambda: analysis.time_histogram([1.0], 1.0, 0.0, 9.0, ["rate"]), r"output = \['rate'\] is unknown; choose"),
        (lambda: analysis.time_histogram([], 1.0, 0.0, 9.0), "spiketrains is a list of no trains; give at least one"),
        (
            lambda: analysis.instantaneous_rate([1.0], 1.0, 0.0, 9.0, "box", sigma=1.0),
            "kernel = 'box' is unknown; choose",
        ),
        (
            lambda: analysis.instantaneous_rate([1.0], 1.0, 0.0, 9.0, sigma=0.0),
            r"sigma = 0\.0 ms is out of range; give",
        ),
        (lambda: analysis.autocorrelation([1.0], 0.0, (-1, 1)), r"bin_size = 0\.0 ms is out of range; give a number"),
        (lambda: analysis.autocorrelation([1.0], 1.0, (-50.0, 50.0)), r"window = \(-50\.0, 50\.0\) is not two whole"),
        (
            lambda: analysis.autocorrelation([1.0], 1.0, (1, -1)),
            r"window = \(1, -1\) is not two whole numbers that rise",
        ),
        (lambda: analysis.autocorrelation([1.0], 1.0, 50), "window = 50 is not two whole numbers that rise; give"),
        (
            lambda: analysis.autocorrelation([1.0], 1.0, "full"),
            "window = 'full' is not two whole numbers that rise; give",
        ),
        (lambda: analysis.autocorrelation([[1.0]], 1e-300, (-1, 1)), "bin_size = 1e-300 ms makes .* raise bin_size"),
    ],
)
def test_other_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_warning_of_numpy_leaks_where_there_is_nothing_to_count():
    silent = np.array([])
    hard = [silent, [0.0], [5.0, 5.0, 5.0], [0.0, 5e-324], [-4e15, 4e15], [0.0, 1e-300, 9e15], silent]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for some in (hard, *hard, [silent] * 3):
            intervals = analysis.isi(some)
            for measure in (analysis.cv, analysis.cv2, analysis.lv):
                measure(intervals)
            for start, stop in ((0.0, None), (-9e15, None), (0.0, 5e-324), (-9e15, 9e15)):
                analysis.mean_firing_rate(some, start, stop)
            analysis.time_histogram(some, 1.0, 0.0, 10.0, "rate")
            analysis.instantaneous_rate(some, 1.0, 0.0, 10.0, "exponential", sigma=1e-300)
            analysis.instantaneous_rate(some, 1.0, 0.0, 10.0, "alpha", sigma=1e12)
            analysis.autocorrelation(some, 1e6, (-2, 2))
        analysis.fanofactor(hard)
        analysis.correlation_coefficient(hard, 1.0, 0.0, 10.0)
        analysis.correlation_coefficient([silent] * 3, 1.0, 0.0, 10.0)
