"""Spike trains -> numbers: rates, intervals and how variable they are, and how trains go together.

A spike train is a 1-D array of times [ms]; trains are a list of such arrays, as ``run.spike_times`` gives them. A list
of plain numbers is one train, an empty list is no trains. Only `isi` needs times sorted. Rates are in Hz. Whatever is
not made of finite real numbers, or lies out of range, raises TypeError or ValueError.

Names and definitions are elephant's (Denker et al. 2018, doi:10.12751/incf.ni2018.0019), with plain numbers in ms for
its quantities. A spike at time t is in bin floor((t - t_start) / bin_size): bins are half open, so a spike at t_stop is
in none, and a last bin that would end after t_stop is left out.
"""

import math
import numbers
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "autocorrelation", "correlation_coefficient", "cross_correlation_histogram", "cv", "cv2", "fanofactor",
    "instantaneous_rate", "isi", "lv", "mean_firing_rate", "time_histogram",
]  # fmt: skip

Times = ArrayLike  # of one train, or a list of them
_EDGE = 1e-8  # of a bin, as in elephant: a spike so little before an edge counts as on it, since 3 * 0.1 is not 0.3
_FURTHEST = 2.0**53  # ms or bins: float64 skips whole numbers beyond this
_BLOCK, _MOST = 2**19, 2**26  # pairs of spikes in work at once; numbers that are handed back at once, 0.5 GB
# Kernels of area 1, of the time from their median in standard deviations.
_KERNELS = {
    "gaussian": lambda x: np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi),
    "rectangular": lambda x: (np.abs(x) < math.sqrt(3)) / math.sqrt(12),
    "exponential": lambda x: (x >= -math.log(2)) * np.exp(-np.maximum(x + math.log(2), 0)),
    "alpha": lambda x: 2 * (late := np.maximum(x + 1.186770537824811, 0)) * np.exp(-math.sqrt(2) * late),
}


def mean_firing_rate(spiketrains: Times, t_start: float = 0.0, t_stop: float | None = None) -> Any:
    """Spikes from t_start to t_stop, both included, per second (elephant's ``mean_firing_rate``).

    Without t_stop a train ends with its last spike, which makes its rate too high, most of all where its spikes are
    few. A train without spikes has 0 Hz, which is right whatever its end (elephant raises).

    Args:
        spiketrains: one train, or a list of trains [ms].
        t_start, t_stop: the interval [ms].

    Returns:
        Rate [Hz]: a float for one train, (trains,) for a list; inf where t_start is the last spike's.

    Example:
        >>> from lifjax import analysis
        >>> analysis.mean_firing_rate([[10.0, 20.0, 45.0], []], t_stop=100.0)
        array([30.,  0.])
    """
    flat, t_start = _read("spiketrains", spiketrains), _number("t_start", t_start)
    last = np.full(len(flat.counts), t_start)
    np.maximum.at(last, flat.owner, flat.values if t_stop is None else _number("t_stop", t_stop, above=t_start))
    count = np.bincount(flat.owner[(flat.values >= t_start) & (flat.values <= last[flat.owner])], minlength=len(last))
    with np.errstate(all="ignore"):
        return flat.result(np.where(count > 0, 1000.0 * count / (last - t_start), 0.0))


def time_histogram(
    spiketrains: Times, bin_size: float, t_start: float, t_stop: float, output: str = "counts"
) -> np.ndarray:
    """Spikes of all trains together in each bin of time, the PSTH (elephant's ``time_histogram``).

    Args:
        spiketrains: one train, or a list of trains [ms] such as the trials of one neuron.
        bin_size, t_start, t_stop: width of a bin and the interval [ms].
        output: "counts" of spikes, their "mean" over trains, or that mean as a "rate" [Hz].

    Returns:
        (time,): int64 counts, or float64.

    Example:
        >>> from lifjax import analysis
        >>> analysis.time_histogram([[3.0, 12.0, 14.0], [11.0]], 5.0, 0.0, 20.0, output="rate")
        array([100.,   0., 300.,   0.])
    """
    flat = _read("spiketrains", spiketrains)
    bins, index, _ = flat.binned("bin_size", bin_size, t_start, t_stop, _MOST)
    if not (trains := len(flat.counts)):
        raise ValueError("spiketrains is a list of no trains; give at least one, which may be without spikes")
    scale = {"counts": 1, "mean": 1 / trains, "rate": 1000 / (bin_size * trains)}
    if not isinstance(output, str) or output not in scale:
        raise ValueError(f"output = {output!r} is unknown; choose one of {', '.join(scale)}")
    return np.bincount(index, minlength=bins) * scale[output]


def instantaneous_rate(
    spiketrains: Times, sampling_period: float, t_start: float, t_stop: float, kernel: str = "gaussian", *, sigma: float
) -> np.ndarray:
    """Rate against time: the spikes in each bin, smoothed by a kernel (elephant's ``instantaneous_rate``).

    As in elephant a kernel lies with its median on the spike, so that "exponential" and "alpha" too begin before it,
    ends 5 sigma from there, and is sampled but not scaled to area 1, so keep sampling_period well below sigma. Elephant
    stretches it where 5 sigma is no multiple of sampling_period, and counts a spike at t_stop; not so here.

    Args:
        spiketrains: one train, or a list of trains [ms].
        sampling_period, t_start, t_stop: width of a bin and the interval [ms]; spikes outside it add nothing.
        kernel: "gaussian", "rectangular", "exponential" or "alpha".
        sigma: standard deviation of the kernel [ms].

    Returns:
        Rate [Hz], (time,) for one train, (time, trains) for a list.

    Example:
        >>> from lifjax import analysis
        >>> analysis.instantaneous_rate([2.5], 1.0, 0.0, 5.0, sigma=1.0).round(1)
        array([ 54. , 242. , 398.9, 242. ,  54. ])
    """
    if not isinstance(kernel, str) or kernel not in _KERNELS:
        raise ValueError(f"kernel = {kernel!r} is unknown; choose one of {', '.join(_KERNELS)}")
    flat, sigma = _read("spiketrains", spiketrains), _number("sigma", sigma, above=9.9e-301)
    bins, index, owner = flat.binned("sampling_period", sampling_period, t_start, t_stop, _MOST)
    half = math.ceil(min(5.0 * (sigma / sampling_period), bins - 1))  # 5 is elephant's default cutoff
    weights = _KERNELS[kernel](np.arange(-half, half + 1) * min(sampling_period / sigma, 1e9)) * (1000 / sigma)
    # What wraps around lands in the first half bins, which are cut off.
    size = min(m << max(0, math.ceil(math.log2((bins + half) / m))) for m in (1, 3, 5, 9, 15))
    counts = np.bincount(owner * bins + index, minlength=bins * len(flat.counts)).reshape(-1, bins)
    smooth = np.fft.irfft(np.fft.rfft(counts, size) * np.fft.rfft(weights, size), size)[:, half : half + bins]
    return np.maximum(smooth[0] if flat.single else smooth.T, 0.0)


def isi(spiketrains: Times) -> Any:
    """Intervals between the spikes of a train (elephant's ``isi``).

    Args:
        spiketrains: one train, or a list of trains [ms], each sorted.

    Returns:
        Intervals [ms], (spikes - 1,), or (0,) for a train without spikes; a list of these for a list.

    Raises:
        ValueError: a train is not sorted (elephant warns and returns negative intervals).

    Example:
        >>> from lifjax import analysis
        >>> analysis.isi([[10.0, 12.0, 20.0], []])
        [array([2., 8.]), array([], dtype=float64)]
    """
    flat = _read("spiketrains", spiketrains)
    before, after, owner = flat.neighbours()
    if (after < before).any():
        at = int(np.argmax(after < before))
        raise ValueError(f"spiketrains, train {owner[at]}: {before[at]} ms before {after[at]} ms; sort each train")
    intervals, stops = after - before, np.cumsum(np.maximum(flat.counts - 1, 0)).tolist()
    return intervals if flat.single else [intervals[begin:end] for begin, end in pairwise([0, *stops])]


def cv(intervals: Times) -> Any:
    """Coefficient of variation, standard deviation over mean (elephant's ``cv``); 1 for a Poisson process.

    Args:
        intervals: intervals [ms] as `isi` gives them: one array, or a list of arrays.

    Returns:
        A float for one array, (arrays,) for a list; nan where all are 0 or there is but one (elephant: 0) or none.

    Example:
        >>> from lifjax import analysis
        >>> analysis.cv(analysis.isi([[0.0, 10.0, 40.0], [5.0]]))
        array([0.5, nan])
    """
    flat = _read("intervals", intervals, least=0.0)
    with np.errstate(all="ignore"):
        mean = flat.mean(flat.values, flat.owner)
        variance = flat.mean((flat.values - mean[flat.owner]) ** 2, flat.owner)
        return flat.result(np.where(flat.counts > 1, np.sqrt(variance) / mean, np.nan))


def cv2(intervals: Times) -> Any:
    """Mean of 2 abs(J - I) / (J + I) over neighbours I, J: Holt et al. 1996, doi:10.1152/jn.1996.75.5.1806.

    Args:
        intervals: intervals [ms] as `isi` gives them: one array, or a list of arrays.

    Returns:
        A float for one array, (arrays,) for a list; nan for fewer than two intervals, or where two in a row are 0.

    Example:
        >>> from lifjax import analysis
        >>> analysis.cv2([10.0, 30.0, 10.0])  # 1 for a Poisson process, even where its rate changes slowly
        1.0
    """
    return _local_variation(intervals, factor=2.0, power=1)


def lv(intervals: Times) -> Any:
    """Mean of 3 (J - I)**2 / (J + I)**2 over neighbours I, J: Shinomoto et al. 2003, doi:10.1162/089976603322518759.

    Args:
        intervals: intervals [ms] as `isi` gives them: one array, or a list of arrays.

    Returns:
        A float for one array, (arrays,) for a list; nan for fewer than two intervals, or where two in a row are 0.

    Example:
        >>> from lifjax import analysis
        >>> analysis.lv([10.0, 30.0, 10.0])  # 1 for a Poisson process, even where its rate changes slowly
        0.75
    """
    return _local_variation(intervals, factor=3.0, power=2)


def fanofactor(spiketrains: Times) -> float:
    """Variance over mean of the spike counts of equally long trains (elephant's ``fanofactor``); 1 if Poisson.

    Args:
        spiketrains: a list of trains [ms], one for each trial.

    Returns:
        Fano factor of the counts of all spikes; nan where all are silent, or for one train (elephant has 0).

    Example:
        >>> from lifjax import analysis
        >>> analysis.fanofactor([[1.0, 2.0, 3.0], [4.0]])
        0.5
    """
    counts = _read("spiketrains", spiketrains, single=False).counts
    return float(counts.var() / counts.mean()) if len(counts) > 1 and counts.any() else math.nan


def autocorrelation(spiketrains: Times, bin_size: float, window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """`cross_correlation_histogram` of a train with itself, where no spike counts as its own follower at lag 0.

    Args:
        spiketrains: one train, or a list of trains [ms].
        bin_size: width of a bin [ms]; an edge lies at 0 ms.
        window: first and last lag, whole numbers of bins.

    Returns:
        Counts, int64, (lags,) for one train, (lags, trains) for a list; and the lags [bins], int64, (lags,).

    Example:
        >>> from lifjax import analysis
        >>> analysis.autocorrelation([0.0, 10.0, 20.0], 5.0, (-2, 2))
        (array([2, 0, 0, 0, 2]), array([-2, -1,  0,  1,  2]))
    """
    flat = _read("spiketrains", spiketrains)
    counts, lags = _count_pairs(flat, flat, bin_size, window)
    counts[:, lags == 0] -= flat.counts[:, None]
    return counts[0] if flat.single else counts.T, lags


def cross_correlation_histogram(
    spiketrain_i: Times, spiketrain_j: Times, bin_size: float, window: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """How many spikes of j follow one of i by so many bins (Perkel et al. 1967, doi:10.1016/S0006-3495(67)86597-4).

    Args:
        spiketrain_i, spiketrain_j: two trains [ms].
        bin_size: width of a bin [ms]; an edge lies at 0 ms.
        window: first and last lag, whole numbers of bins; those below 0 are of spikes of j ahead of one of i.

    Returns:
        Counts, int64, (lags,); and the lags [bins], int64, (lags,).

    Example:
        >>> from lifjax import analysis
        >>> analysis.cross_correlation_histogram([0.0, 50.0], [5.0, 55.0], 5.0, (-2, 2))
        (array([0, 0, 0, 2, 0]), array([-2, -1,  0,  1,  2]))
    """
    i, j = _read("spiketrain_i", spiketrain_i, single=True), _read("spiketrain_j", spiketrain_j, single=True)
    counts, lags = _count_pairs(i, j, bin_size, window)
    return counts[0], lags


def correlation_coefficient(spiketrains: Times, bin_size: float, t_start: float, t_stop: float) -> np.ndarray:
    """Pearson's correlation of the spike counts of every two trains (elephant's ``correlation_coefficient``).

    Args:
        spiketrains: a list of trains [ms].
        bin_size, t_start, t_stop: width of a bin and the interval [ms].

    Returns:
        (trains, trains) float64, from -1 to 1; nan for a train with as many spikes in every bin, as a silent one.

    Example:
        >>> from lifjax import analysis
        >>> analysis.correlation_coefficient([[1.0, 2.0, 11.0], [2.0]], 10.0, 0.0, 40.0).round(2).tolist()
        [[1.0, 0.87], [0.87, 1.0]]
    """
    flat = _read("spiketrains", spiketrains, single=False)
    bins, index, owner = flat.binned("bin_size", bin_size, t_start, t_stop)
    # Bins without a spike add nothing to a sum of products.
    occupied, column = np.unique(index, return_inverse=True)
    counts = np.zeros((len(flat.counts), len(occupied)))
    np.add.at(counts, (owner, column), 1.0)
    # Whole numbers, so that equal counts in every bin have a variance of 0 to the last bit.
    covariance = bins * (counts @ counts.T) - np.outer(counts.sum(axis=1), counts.sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.clip(covariance / np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal())), -1.0, 1.0)


class _Flat(NamedTuple):
    """Ragged trains end to end: how many values each has, and the train of each value."""

    values: np.ndarray
    counts: np.ndarray
    owner: np.ndarray
    single: bool

    def neighbours(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inside = self.owner[1:] == self.owner[:-1]
        return self.values[:-1][inside], self.values[1:][inside], self.owner[1:][inside]

    def mean(self, values: np.ndarray, owner: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, len(self.counts)) / np.bincount(owner, minlength=len(self.counts))

    def result(self, values: np.ndarray) -> Any:
        return float(values[0]) if self.single else values

    def binned(self, name: str, width: Any, t_start: Any, t_stop: Any, most: float = _FURTHEST) -> tuple[int, Any, Any]:
        """How many whole bins fit into the interval, and the bin and the train of each spike in them."""
        width, t_start = _number(name, width, above=0.0), _number("t_start", t_start)
        bins = _position(_number("t_stop", t_stop, above=t_start), width, t_start)
        if not 1 <= bins < most:
            raise ValueError(f"{name} = {width} ms makes {bins:g} bins of the interval; give 1 to {most:g}")
        position = _position(self.values, width, t_start)
        kept = (position >= 0) & (position < int(bins))
        return int(bins), position[kept].astype(np.int64), self.owner[kept]


def _read(name: str, given: Any, single: bool | None = None, least: float = -_FURTHEST) -> _Flat:
    one = not isinstance(given, Sequence) or (isinstance(given[0], numbers.Real | str) if given else single is True)
    trains = [given] if one else list(given)
    if {type(train) for train in trains} - {np.ndarray} or {(x.ndim, x.dtype.kind) for x in trains} - {(1, "f")}:
        trains = [_array(name if one else f"{name}[{k}]", train) for k, train in enumerate(trains)]
    if single is not None and single != one:
        raise ValueError(f"{name} is {'one train' if one else 'a list'}; give {'one train' if single else 'a list'}")
    values = np.concatenate(trains, dtype=np.float64) if trains else np.zeros(0)
    counts = np.fromiter(map(len, trains), np.int64, len(trains))
    flat = _Flat(values, counts, np.repeat(np.arange(len(trains)), counts), one)
    if not (good := (values >= least) & (values <= _FURTHEST)).all():
        at = int(np.argmin(good))
        raise ValueError(f"{name}, train {flat.owner[at]}: {values[at]} ms is not within {least:g} to 2**53; drop it")
    return flat


def _array(name: str, given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
    except ValueError:  # ragged
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or hasattr(given, "units") or np.ma.isMaskedArray(given):
        kind = f"{type(given).__name__} of {array.dtype}, shape {array.shape}"
        raise TypeError(f"{name} is a {kind}; give a 1-D array of plain numbers in ms, or a list of them for trains")
    return array


def _number(name: str, value: Any, above: float = -_FURTHEST) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (real and above < (float(value) if isinstance(value, np.floating) else value) < _FURTHEST):
        kind = ValueError if real else TypeError
        raise kind(f"{name} = {value} ms is out of range; give a number above {above:g} and below {_FURTHEST:g} ms")
    return float(value)


def _position(times: Any, width: float, t_start: float = 0.0) -> Any:
    """The bin of each time, a whole float64; the tolerance grows with the times, as their rounding errors do."""
    with np.errstate(over="ignore"):
        slack = _EDGE + 1e-15 * (np.abs(times) + abs(t_start)) / width
        return np.floor((times - t_start) / width + slack)


def _count_pairs(i: _Flat, j: _Flat, bin_size: Any, window: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of spikes of i and j, train by train, at each lag of j behind i, (trains, lags) int64; and the lags."""
    ends = tuple(window) if isinstance(window, Sequence | np.ndarray) and np.iterable(window) else ()
    if [isinstance(end, numbers.Integral) for end in ends] != [True, True] or ends[0] > ends[1]:
        raise ValueError(f"window = {window!r} is not two whole numbers that rise; give the first and last lag in bins")
    (first, last), width = map(int, ends), _number("bin_size", bin_size, above=0.0)
    places, trains = [_position(flat.values, width) for flat in (i, j)], len(i.counts)
    # Trains are laid so far apart that no lag reaches from one to the next.
    reach = max(float(np.abs(place).max(initial=0)) for place in places)
    stride = 2 * reach + 1 + max(abs(first), abs(last))
    if stride * max(1, trains) >= _FURTHEST or (last - first) * max(1, trains) >= _MOST:
        raise ValueError(f"bin_size = {width} ms makes too many bins to count; raise bin_size, or narrow window")
    keys = ((f.owner * stride + reach + p).astype(np.int64) for f, p in zip((i, j), places, strict=True))
    a, b = (np.sort(key, kind="stable") for key in keys)  # which is quick where trains are sorted
    low, high = np.searchsorted(b, a + first), np.searchsorted(b, a + last, side="right")
    lags, counts = np.arange(first, last + 1), np.zeros(trains * (last - first + 1), np.int64)
    for part in np.array_split(np.arange(len(a)), 1 + int((high - low).sum()) // _BLOCK):
        n = (high - low)[part]
        x = np.repeat(part, n)
        y = np.arange(len(x)) + np.repeat(low[part] + n - np.cumsum(n), n)
        np.add.at(counts, a[x] // int(stride) * len(lags) + b[y] - a[x] - first, 1)
    return counts.reshape(trains, len(lags)), lags


def _local_variation(intervals: Times, factor: float, power: int) -> Any:
    flat = _read("intervals", intervals, least=0.0)
    a, b, owner = flat.neighbours()
    with np.errstate(all="ignore"):
        return flat.result(factor * flat.mean(np.abs((b - a) / (b + a)) ** power, owner))
