import dataclasses
import types

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import lifjax
from lifjax import analysis, plot, theory
from lifjax.plot import drawing

ALL = ("V", "spikes", "current")


@pytest.fixture(autouse=True)
def _figures_are_closed_and_rcparams_stay():
    before = mpl.rcParams.copy()
    yield
    plt.close("all")
    assert mpl.rcParams == before


@pytest.fixture(scope="module")
def pulsed():
    return lifjax.simulate(lifjax.LIF(), lifjax.pulse(300.0, 20.0, 180.0), 200.0, record=ALL)


@pytest.fixture(scope="module")
def noisy():
    return lifjax.simulate(lifjax.LIF(), lifjax.white_noise(230.0, 5.0), 500.0, record=ALL)


@pytest.fixture(scope="module")
def five():
    neuron = lifjax.LIF(V_th=np.array([-55.0, -54.0, -53.0, -52.0, -51.0]))
    return lifjax.simulate(neuron, lifjax.pulse(350.0, 10.0, 90.0), 100.0, record=ALL)


@pytest.fixture(scope="module")
def many():
    return lifjax.simulate(lifjax.LIF(), lifjax.white_noise(230.0, 5.0), 300.0, population=(5, 10), record=ALL)


@pytest.fixture(scope="module")
def subset(many):
    """It goes on from an earlier run, and keeps every seventh step of three of its neurons."""
    drive = lifjax.white_noise(230.0, 5.0)
    options = {"record": ALL, "state": many.state, "neurons": [3, 11, 40], "every": 7}
    return lifjax.simulate(lifjax.LIF(), drive, 203.0, population=(5, 10), **options)


@pytest.fixture(scope="module")
def silent():
    return lifjax.simulate(lifjax.LIF(), 100.0, 50.0, population=20)


@pytest.fixture(scope="module")
def counted():
    return lifjax.simulate(lifjax.LIF(), lifjax.white_noise(230.0, 5.0), 100.0, population=20, record=())


PICTURES = {
    "membrane_potential": ("time (ms)", "membrane potential (mV)"),
    "current": ("time (ms)", "input current (pA)"),
    "raster": ("time (ms)", "neuron"),
    "population_rate": ("time (ms)", "population rate (Hz)"),
    "isi_histogram": ("interspike interval (ms)", "intervals (%)"),
    "rate_histogram": ("firing rate (Hz)", "neurons (%)"),
    "fi_curve": ("input current (pA)", "firing rate (Hz)"),
}


def picture(name, run, ax=None):
    if name == "fi_curve":
        return plot.fi_curve([100.0, 300.0], [0.0, 77.0], lifjax.LIF(), ax=ax)
    return getattr(plot, name)(run, ax=ax)


def strokes(ax):
    """The vertical strokes in a picture: (strokes, 2 ends, xy)."""
    return np.array(ax.collections[0].get_segments()).reshape(-1, 2, 2)


def title(ax):
    return ax.get_title(loc="left")


@pytest.mark.parametrize("name", PICTURES)
def test_picture_has_no_units_on_its_axes(name, noisy):
    ax = picture(name, noisy)
    assert (ax.get_xlabel(), ax.get_ylabel()) == PICTURES[name]


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_not_drawn_into_the_axes_it_was_given(name, noisy):
    figure, ax = plt.subplots()
    assert picture(name, noisy, ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert figure.axes == [ax]


@pytest.mark.parametrize("name", PICTURES)
def test_picture_without_axes_is_unknown_to_pyplot_so_that_a_notebook_does_not_show_it(name, noisy):
    ax = picture(name, noisy)
    assert [plt.figure(number) for number in plt.get_fignums()] == [ax.figure]


def test_drawing_alters_the_rcparams(noisy, many, counted):
    with mpl.rc_context({"font.size": 11.5, "axes.grid": False, "axes.spines.top": True}):
        before = mpl.rcParams.copy()
        for name in PICTURES:
            picture(name, noisy)
        for run in (noisy, many, counted):
            plot.run(run).canvas.draw()
        plot.population(many).canvas.draw()
        assert mpl.rcParams == before


def test_rcparams_of_the_user_are_overruled(many):
    with mpl.rc_context({"font.size": 20.0, "text.color": "white", "axes.labelcolor": "white"}):
        ax = plot.raster(many)
    assert ax.xaxis.label.get_size() == 20.0
    assert mpl.colors.same_color(ax.collections[0].get_color(), "white")


def test_a_drawn_spike_is_missing_or_stands_at_a_wrong_time(pulsed):
    drawn = strokes(plot.membrane_potential(pulsed))
    assert len(drawn) == pulsed.spike_count > 5
    np.testing.assert_allclose(drawn[:, 0, 0], pulsed.spike_times)
    np.testing.assert_array_equal(drawn[:, 0, 0], drawn[:, 1, 0])


def test_spikes_do_not_rise_from_the_threshold(pulsed):
    drawn = strokes(plot.membrane_potential(pulsed))
    np.testing.assert_array_equal(np.unique(drawn[:, :, 1], axis=0), [[-55.0, -35.0]])


def test_spikes_of_a_model_with_a_peak_do_not_reach_it(pulsed):
    run = dataclasses.replace(pulsed, neuron=types.SimpleNamespace(V_th=-50.0, V_peak=10.0))
    np.testing.assert_array_equal(np.unique(strokes(plot.membrane_potential(run))[:, :, 1], axis=0), [[-50.0, 10.0]])


def test_spikes_of_a_neuron_whose_threshold_is_the_peak_rise_beyond_it():
    run = lifjax.simulate(lifjax.Izhikevich(), 10.0, 50.0)
    assert set(strokes(plot.membrane_potential(run))[:, :, 1].ravel()) == {-60.0, 30.0}


def test_model_without_a_threshold_cannot_be_drawn(pulsed):
    ax = plot.membrane_potential(dataclasses.replace(pulsed, neuron=types.SimpleNamespace()))
    assert len(ax.lines) == 1


def test_threshold_is_that_of_another_neuron(five):
    for neuron, V_th in enumerate([-55.0, -54.0, -53.0, -52.0, -51.0]):
        ax = plot.membrane_potential(five, neuron, plt.figure().add_subplot())
        assert set(ax.lines[1].get_ydata()) == {V_th}
        assert ax.lines[1].get_linestyle() == "--"
        assert len(strokes(ax)) == five.spike_count[neuron]


def test_threshold_shared_along_an_axis_of_the_population_is_that_of_another_neuron():
    run = lifjax.simulate(lifjax.LIF(V_th=[[-55.0], [-50.0]]), 300.0, 20.0, population=3)
    assert set(plot.membrane_potential(run, 4).lines[1].get_ydata()) == {-50.0}


def test_trace_is_not_what_was_recorded(many):
    line = plot.membrane_potential(many, 23).lines[0]
    np.testing.assert_array_equal(line.get_xdata(), many.times)
    np.testing.assert_array_equal(line.get_ydata(), many.V[:, 2, 3])


def test_trace_of_a_strided_subset_of_a_continued_run_is_not_what_was_recorded(subset):
    ax = plot.membrane_potential(subset, 11)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), subset.times)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), subset.V[:, 1])
    np.testing.assert_array_equal(strokes(ax)[:, 0, 0], subset.spike_times[11])
    np.testing.assert_allclose(ax.get_xlim(), (300.0, 503.0))


def test_error_does_not_name_the_neurons_that_were_recorded(subset):
    for draw in (plot.membrane_potential, plot.current):
        with pytest.raises(ValueError, match=r"neuron = 5: its \w+ was not recorded.* 3, 11, 40"):
            draw(subset, 5)


def test_neuron_that_does_not_exist_is_drawn(many):
    for neuron in (50, -1):
        with pytest.raises(ValueError, match=f"neuron = {neuron}: .* 50 from 0 to 49"):
            plot.membrane_potential(many, neuron)


def test_error_does_not_say_what_to_record_or_leaves_an_empty_figure(counted):
    for draw in (plot.membrane_potential, plot.current, plot.raster, plot.population_rate, plot.isi_histogram):
        with pytest.raises(ValueError, match=r"recorded.*; run again with record="):
            draw(counted)
    with pytest.raises(ValueError, match=r"run again with record="):
        plot.population(counted)
    assert plt.get_fignums() == []


def test_window_shows_more_or_less_than_was_asked_for(pulsed):
    ax = plot.membrane_potential(pulsed, t_start=100.0, t_stop=150.0)
    times = ax.lines[0].get_xdata()
    assert ax.get_xlim() == (100.0, 150.0)
    np.testing.assert_allclose([times[0], times[-1]], [100.0, 150.0])
    inside = (pulsed.spike_times >= 100.0) & (pulsed.spike_times <= 150.0)
    np.testing.assert_array_equal(strokes(ax)[:, 0, 0], pulsed.spike_times[inside])


def test_window_outside_of_the_run_is_drawn(pulsed):
    for window in ({"t_start": 200.0}, {"t_stop": 0.0}, {"t_start": 90.0, "t_stop": 80.0}):
        with pytest.raises(ValueError, match="the run goes from 0 to 200 ms"):
            plot.membrane_potential(pulsed, **window)


def test_extreme_of_a_long_trace_is_lost():
    run = lifjax.simulate(lifjax.LIF(), lifjax.sinusoid(50.0, 5.0), 5000.0)
    V = run.V.copy()
    V[31_415], V[27_182], V[-1] = -20.0, -120.0, -15.0
    line = plot.membrane_potential(dataclasses.replace(run, traces={"V": V})).lines[0]
    times, drawn = line.get_data()
    assert len(drawn) <= drawing.MOST_POINTS < len(V)
    assert (drawn.min(), drawn.max()) == (-120.0, -15.0)
    for step, value in ((31_415, -20.0), (27_182, -120.0)):
        assert abs(times[drawn == value][0] - run.times[step]) < 1e-3 * run.duration
    assert (np.diff(times) >= 0).all()


def test_smooth_current_is_altered(pulsed):
    ax = plot.current(pulsed, t_start=10.0, t_stop=150.0)
    (line,) = ax.lines
    inside = (pulsed.times >= 10.0) & (pulsed.times <= 150.0)
    np.testing.assert_array_equal(line.get_ydata(), pulsed.current[inside])
    assert ax.get_xlim() == (10.0, 150.0)


def test_mean_of_a_noisy_current_is_not_drawn_over_it(noisy):
    raw, mean = plot.current(noisy).lines
    np.testing.assert_array_equal(raw.get_ydata(), noisy.current)
    np.testing.assert_allclose(mean.get_ydata()[3], noisy.current[150:200].mean(), rtol=1e-5)
    np.testing.assert_allclose(mean.get_xdata()[3], noisy.times[150:200].mean())
    assert len(mean.get_ydata()) == 100


def test_raster_lacks_spikes_or_puts_them_in_a_wrong_row(many):
    drawn = strokes(plot.raster(many))
    times, neuron = many.events()
    np.testing.assert_array_equal(drawn[:, 0, 0], times)
    np.testing.assert_allclose(drawn[:, :, 1].mean(axis=1), neuron)
    assert len(drawn) == many.spike_count.sum()


def test_rows_of_a_raster_overlap(many):
    drawn = strokes(plot.raster(many))
    assert np.ptp(drawn[:, :, 1], axis=1).max() < 1


def test_raster_of_a_subset_does_not_say_so_or_draws_others(many):
    ax = plot.raster(many, most=8)
    shown = np.unique(strokes(ax)[:, :, 1].mean(axis=1).round().astype(int))
    assert title(ax) == "8 of 50 neurons, evenly spaced"
    np.testing.assert_array_equal(shown, [0, 7, 14, 21, 28, 35, 42, 49])
    assert len(strokes(ax)) == many.spike_count.ravel()[shown].sum()


def test_raster_of_all_neurons_says_that_it_is_a_subset(many):
    assert title(plot.raster(many)) == ""


def test_dense_raster_lacks_spikes_or_is_drawn_as_a_vector_path_for_each():
    run = lifjax.simulate(lifjax.LIF(), lifjax.white_noise(2000.0, 5.0), 150.0, population=600, record="spikes")
    (dots,) = plot.raster(run, most=600).lines
    assert run.spike_count.sum() > drawing.MOST_POINTS
    np.testing.assert_array_equal(np.array(dots.get_data()), run.events())
    assert dots.get_rasterized()


def test_raster_without_spikes_looks_like_a_failure(silent):
    assert title(plot.raster(silent)) == "no spikes"


def test_population_rate_does_not_add_up_to_the_spikes(many, subset):
    for run in (many, subset):
        rate, edges, _ = plot.population_rate(run, plt.figure().add_subplot(), width=1.0).patches[0].get_data()
        np.testing.assert_allclose(edges, run.start_time + np.arange(run.duration + 1))
        times, _ = run.events()
        expected = np.histogram(times, edges - 1e-6)[0]
        np.testing.assert_allclose(rate * 50 / 1000, expected)


def test_population_rate_is_not_the_mean_rate_of_steady_neurons():
    run = lifjax.simulate(lifjax.LIF(V_init=np.linspace(-75.0, -55.1, 500)), 300.0, 260.0, record="spikes")
    rate, _, _ = plot.population_rate(run, width=13.0).patches[0].get_data()
    np.testing.assert_allclose(rate, 1000 / 13.0, rtol=0.01)


def test_title_of_the_population_rate_gives_another_bin_than_was_drawn(many):
    ax = plot.population_rate(many, width=2.54)
    assert ax.get_title(loc="right") == "bins of 2.5 ms"
    np.testing.assert_allclose(np.diff(ax.patches[0].get_data().edges), 2.5)


def test_bin_below_zero_is_accepted(many):
    with pytest.raises(ValueError, match="bin_size"):
        plot.population_rate(many, width=-1.0)


def test_isi_histogram_gives_a_wrong_rate_or_cv(many):
    each = analysis.isi(many.spike_times)
    cv = np.nanmean(analysis.cv(each))
    assert title(plot.isi_histogram(many)) == f"mean {many.firing_rate.mean():.3g} Hz, CV {cv:.2f}"
    rate = 1000 / np.concatenate(each).mean()
    assert title(plot.isi_histogram(each)) == f"mean {rate:.3g} Hz, CV {cv:.2f}"


def test_isi_histogram_of_one_neuron_gives_a_wrong_rate_or_cv():
    assert title(plot.isi_histogram(np.array([10.0, 30.0]))) == "50 Hz, CV 0.50"
    assert title(plot.isi_histogram([10.0])) == "100 Hz"


def test_neuron_with_one_interval_counts_in_the_mean_cv():
    assert title(plot.isi_histogram([[10.0, 30.0], [20.0], []])) == "mean 50 Hz, CV 0.50"


def test_isi_histogram_lacks_intervals(many):
    share, edges, _ = plot.isi_histogram(many).patches[0].get_data()
    pooled = np.concatenate(analysis.isi(many.spike_times))
    np.testing.assert_allclose(share / 100 * len(pooled), np.histogram(pooled, edges)[0])
    np.testing.assert_allclose(share.sum(), 100.0)


def test_isi_histogram_hides_stragglers_without_saying_so():
    ax = plot.isi_histogram([10.0, 12.0] * 500 + [900.0])
    assert [text.get_text() for text in ax.texts] == ["1 longer,\nup to 900 ms"]
    np.testing.assert_allclose(ax.patches[0].get_data().values.sum(), 100 * 1000 / 1001)


def test_isi_histogram_hides_an_interval_that_would_fit():
    ax = plot.isi_histogram([10.0] * 500 + [14.0])
    assert len(ax.texts) == 0
    np.testing.assert_allclose(ax.patches[0].get_data().values.sum(), 100.0)


def test_bins_of_the_isi_histogram_hold_unequal_numbers_of_grid_times(many):
    edges = plot.isi_histogram(many).patches[0].get_data().edges / many.dt
    np.testing.assert_allclose(edges % 1, 0.5)
    np.testing.assert_allclose(np.diff(edges), np.diff(edges)[0])


def test_isi_histogram_fails_where_no_neuron_fired_twice(silent):
    for nothing in (silent, [], [[], []], np.zeros(0)):
        ax = plot.isi_histogram(nothing, plt.figure().add_subplot())
        assert title(ax) == "no intervals: no neuron fired twice"


def test_intervals_that_make_no_sense_are_drawn():
    with pytest.raises(ValueError, match="-1"):
        plot.isi_histogram([3.0, -1.0])
    assert plt.get_fignums() == []


def test_rate_histogram_lacks_neurons_or_gives_a_wrong_mean(counted):
    ax = plot.rate_histogram(counted)
    share, edges, _ = ax.patches[0].get_data()
    np.testing.assert_allclose(share / 100 * 20, np.histogram(counted.firing_rate, edges)[0])
    assert title(ax) == f"{counted.firing_rate.mean():.3g} ± {counted.firing_rate.std():.2g} Hz"


def test_fi_curve_draws_rates_at_wrong_currents():
    ax = plot.fi_curve([300.0, 100.0, 200.0], [30.0, 10.0, 20.0])
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[100.0, 10.0], [200.0, 20.0], [300.0, 30.0]])


def test_fi_curve_draws_another_theory():
    ax = plot.fi_curve([100.0, 400.0], [0.0, 112.0], lifjax.LIF(tau_m=20.0))
    currents, rates = ax.lines[1].get_data()
    np.testing.assert_allclose(rates, theory.firing_rate(lifjax.LIF(tau_m=20.0), currents))
    assert (currents[0], currents[-1]) == (100.0, 400.0)
    assert [text.get_text() for text in ax.get_legend().texts] == ["simulated", "theory"]


def test_fi_curve_under_noise_draws_another_theory():
    ax = plot.fi_curve([100.0, 400.0], [0.0, 112.0], lifjax.LIF(), sigma=5.0)
    currents, rates = ax.lines[1].get_data()
    np.testing.assert_allclose(rates, theory.siegert_rate(lifjax.LIF(), currents, 5.0))


def test_fi_curves_of_a_few_neurons_are_mixed_up():
    neuron, currents = lifjax.LIF(tau_m=[[10.0], [20.0]]), np.array([[100.0, 300.0]])
    rates = np.arange(12.0).reshape(1, 2, 2, 3)
    ax = plot.fi_curve(currents, rates, neuron)
    for i, line in enumerate(ax.lines[:6]):
        np.testing.assert_array_equal(line.get_ydata(), rates[0, :, i // 3, i % 3])
        closed = theory.firing_rate(lifjax.LIF(tau_m=[10.0, 20.0][i // 3]), ax.lines[6 + i].get_xdata())
        np.testing.assert_allclose(ax.lines[6 + i].get_ydata(), closed)
        assert mpl.colors.same_color(line.get_color(), ax.lines[6 + i].get_color())


def test_theory_is_drawn_once_for_each_trial_of_one_neuron():
    ax = plot.fi_curve([100.0, 300.0], np.zeros((2, 4)), lifjax.LIF())
    assert len(ax.lines) == 4 + 1


def test_fi_curve_of_many_neurons_is_not_their_median_and_spread():
    rates = np.array([np.arange(101.0), 2 * np.arange(101.0)])
    tau_m = np.linspace(5.0, 20.0, 101)
    ax = plot.fi_curve([200.0, 300.0], rates, lifjax.LIF(tau_m=tau_m))
    median, closed = ax.lines
    np.testing.assert_array_equal(median.get_ydata(), [50.0, 100.0])
    np.testing.assert_allclose(closed.get_ydata()[-1], theory.firing_rate(lifjax.LIF(tau_m=tau_m[50]), 300.0))
    corners = ax.collections[0].get_paths()[0].vertices
    assert {(200.0, 10.0), (200.0, 90.0), (300.0, 20.0), (300.0, 180.0)} <= {tuple(corner) for corner in corners}


def test_fi_curve_accepts_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"rates have shape \(3,\)"):
        plot.fi_curve([1.0, 2.0], [1.0, 2.0, 3.0])
    for shape in (3, (2, 2)):
        with pytest.raises(ValueError, match="neuron has shape"):
            plot.fi_curve([1.0, 2.0], np.ones((2, 2)), lifjax.LIF(tau_m=np.full(shape, 10.0)))
    assert plt.get_fignums() == []


def test_threshold_that_moves_is_drawn_where_it_is_at_rest():
    neuron = lifjax.GLIF(th_spike_add=2.0, th_spike_decay=0.02)
    run = lifjax.simulate(neuron, 450.0, 100.0, record=("V", "threshold", "spikes"))
    ax = plot.membrane_potential(run)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.stack([run.times, run.threshold], axis=1))
    at = np.searchsorted(run.times, run.spike_times - 0.05)
    assert len(at) > 5
    np.testing.assert_allclose(strokes(ax)[:, :, 1], run.threshold[at - 1, None] + [0.0, 20.0])
    still = plot.membrane_potential(dataclasses.replace(run, traces={"V": run.V}))
    np.testing.assert_allclose(still.lines[1].get_ydata(), neuron.V_th)


@pytest.fixture(scope="module")
def bursting():
    """Two neurons, of which the second bursts."""
    neuron = lifjax.AdEx(
        C_m=200.0, g_L=[12.0, 10.0], E_L=-58.0, V_init=-58.0, V_th=-50.0, a=2.0, tau_w=120.0, b=100.0, V_reset=-46.0
    )
    record = ("V", "w", "spikes", "current")
    return lifjax.simulate(neuron, lifjax.pulse(210.0, 50.0, 300.0), 300.0, record=record, integrator="rk4")


def test_nullclines_are_not_those_of_the_equations(bursting):
    ax = plot.phase_plane(bursting, 1)
    before, under, w, *_ = ax.lines
    V = w.get_xdata()
    rest = -10.0 * (V + 58.0) + 10.0 * 2.0 * np.exp((V + 50.0) / 2.0)
    near = (V > -70) & (V < -42)
    np.testing.assert_allclose(before.get_ydata()[near], rest[near], atol=0.3)
    np.testing.assert_allclose(under.get_ydata()[near], rest[near] + 210.0, atol=0.3)
    np.testing.assert_allclose(w.get_ydata(), 2.0 * (V + 58.0), atol=0.3)
    told = [text.get_text() for text in ax.get_legend().texts]
    assert told == ["dV/dt = 0, 0 pA", "dV/dt = 0, 210 pA", "dw/dt = 0", "trajectory", "after a reset"]


def test_trajectory_runs_on_through_a_reset_or_resets_are_not_where_they_were(bursting):
    *_, trajectory, resets = plot.phase_plane(bursting, 1).lines
    x, y = trajectory.get_data()
    count = int(bursting.spike_count[1])
    assert count == 5
    assert np.isnan(x).sum() == count
    np.testing.assert_allclose(x[np.flatnonzero(np.isnan(x)) - 1], 0.0)  # V_peak
    at = np.searchsorted(bursting.times, bursting.spike_times[1] - 0.05)
    np.testing.assert_array_equal(resets.get_data(), [bursting.V[at, 1], bursting.w[at, 1]])
    np.testing.assert_allclose(resets.get_xdata(), -46.0)
    whole = ~np.isnan(x) & (x != 0.0)
    np.testing.assert_array_equal(y[whole], bursting.w[:, 1])


def test_phase_plane_of_an_izhikevich_neuron_under_noise_has_no_nullcline_at_the_mean_current():
    stimulus = 8.0 + lifjax.white_noise(0.0, 0.05)
    run = lifjax.simulate(lifjax.Izhikevich(), stimulus, 50.0, record=("V", "u", "spikes", "current"))
    ax = plot.phase_plane(run)
    still, u = ax.lines[:2]
    V = u.get_xdata()
    np.testing.assert_allclose(still.get_ydata(), 0.04 * V**2 + 5 * V + 140 + run.current.mean(), atol=0.02)
    np.testing.assert_allclose(u.get_ydata(), 0.2 * V, atol=0.02)
    assert ax.get_ylabel() == "recovery current u (pA)"


def test_phase_plane_accepts_what_has_none(bursting, noisy):
    with pytest.raises(ValueError, match="LIF is no neuron of V and one variable more"):
        plot.phase_plane(noisy)
    for name in ("V", "w", "current", "spikes"):
        left = kept(bursting, *({"V", "w", "current", "spikes"} - {name}))
        with pytest.raises(ValueError, match=rf"{name} (was|were) not recorded; run again with record="):
            plot.phase_plane(left)


def panels(figure):
    """The labels of the panels of a figure, which is drawn to find what fails only then."""
    figure.draw_without_rendering()
    return [ax.get_ylabel().replace("\n", " ") for ax in figure.axes]


V, I = "membrane potential (mV)", "input current (pA)"
SPIKING, BESIDE = ["neuron", "population rate (Hz)"], ["intervals (%)", "neurons (%)"]


def kept(run, *names):
    """The run as it would be had only these been recorded."""
    octets = run.octets if "spikes" in names else None
    return dataclasses.replace(run, octets=octets, traces={n: x for n, x in run.traces.items() if n in names})


def test_figure_of_one_neuron_lacks_what_was_recorded(pulsed):
    assert panels(pulsed.plot()) == [V, I]
    assert panels(kept(pulsed, "V", "spikes").plot()) == [V]
    assert panels(kept(pulsed, "current").plot()) == [I]
    assert panels(kept(pulsed, "spikes").plot()) == [*SPIKING, "intervals (%)"]


def test_figure_of_a_few_neurons_lacks_some(five):
    figure = five.plot()
    assert panels(figure) == ["V (mV)"] * 5 + ["I (pA)"]
    assert [title(ax) for ax in figure.axes[:5]] == [f"neuron {i}" for i in range(5)]
    assert len({ax.get_ylim() for ax in figure.axes[:5]}) == 1


def test_figure_of_a_few_neurons_gives_one_current_where_each_has_its_own():
    run = lifjax.simulate(lifjax.LIF(), [250.0, 300.0], 50.0, record=ALL)
    figure = run.plot()
    assert panels(figure) == ["V (mV)", "I (pA)"] * 2
    assert [set(ax.lines[0].get_ydata()) for ax in figure.axes[1::2]] == [{250.0}, {300.0}]


def test_figure_of_ten_neurons_with_their_own_currents_does_not_say_that_it_shows_five():
    figure = lifjax.simulate(lifjax.LIF(), np.linspace(200.0, 400.0, 10), 50.0, record=ALL).plot()
    assert panels(figure) == ["V (mV)", "I (pA)"] * 5
    assert [title(ax) for ax in figure.axes[::2]][0::4] == ["neuron 0 (5 of 10 drawn)", "neuron 9"]


def test_figure_of_a_population_lacks_what_was_recorded(many):
    assert panels(many.plot()) == [*SPIKING, V, I, *BESIDE]
    assert panels(kept(many, "V", "spikes").plot()) == [*SPIKING, V, *BESIDE]
    assert panels(kept(many, "spikes").plot()) == [*SPIKING, *BESIDE]


def test_figure_of_a_population_without_spikes_does_not_say_how_many_neurons_it_shows(many):
    figure = kept(many, "V").plot()
    assert panels(figure) == ["V (mV)"] * 10
    assert title(figure.axes[0]) == "neuron 0 (10 of 50 drawn)"
    assert title(figure.axes[-1]) == "neuron 49"


def test_example_neuron_was_not_recorded_or_is_not_typical(subset):
    figure = subset.plot()
    assert panels(figure) == [*SPIKING, V, I, *BESIDE]
    typical = int(title(figure.axes[2]).split(",")[0].removeprefix("neuron "))
    count = subset.spike_count.ravel()
    distance = np.abs(count[[3, 11, 40]] - np.median(count[[3, 11, 40]]))
    assert typical == [3, 11, 40][distance.argmin()]
    assert len(strokes(figure.axes[2])) == count[typical]


def test_panels_do_not_share_their_time(subset):
    figure = subset.plot()
    for ax in figure.axes[:4]:
        np.testing.assert_allclose(ax.get_xlim(), (300.0, 503.0))
    figure.axes[0].set_xlim(310.0, 320.0)
    assert {ax.get_xlim() for ax in figure.axes[:4]} == {(310.0, 320.0)}


def test_figure_of_a_run_without_spikes_fails(silent):
    assert panels(silent.plot()) == [*SPIKING, V]
    assert panels(plot.population(silent)) == SPIKING


def test_figure_of_counts_does_not_say_what_to_record(counted, pulsed):
    figure = counted.plot()
    assert panels(figure) == ["neurons (%)"]
    share = figure.axes[0].patches[0].get_data().values
    np.testing.assert_allclose(share.sum(), 100.0)
    assert panels(kept(pulsed).plot()) == []
    for run in (counted, kept(pulsed)):
        assert 'record=("V", "spikes")' in run.plot().get_suptitle()


def test_figure_of_a_run_that_was_stopped_before_its_first_step_fails(pulsed):
    assert "Nothing was run" in dataclasses.replace(pulsed, steps=0).plot().get_suptitle()


def test_figure_fails_where_the_stride_left_no_sample():
    state = lifjax.simulate(lifjax.LIF(), 300.0, 0.1, population=3).state
    run = lifjax.simulate(lifjax.LIF(), 300.0, 5.0, population=3, state=state, every=1000, record=ALL)
    assert len(run.times) == 0
    assert len(panels(run.plot())) == 4


@pytest.mark.parametrize("population", [(), 3, 30])
def test_figure_of_a_single_step_fails(population):
    assert panels(lifjax.simulate(lifjax.LIF(), 300.0, 0.1, population=population, record=ALL).plot())


def test_figure_of_a_hundred_thousand_neurons_draws_more_than_a_screen_can_show():
    run = lifjax.simulate(
        lifjax.LIF(), lifjax.white_noise(230.0, 5.0), 30.0, population=100_000, neurons=[7], record=ALL
    )
    figure = run.plot()
    assert panels(figure) == [*SPIKING, V, I, *BESIDE]
    rows = strokes(figure.axes[0])[:, :, 1].mean(axis=1).round().astype(int)
    assert title(figure.axes[0]) == "200 of 100,000 neurons, evenly spaced"
    assert len(np.unique(rows)) <= 200
    assert rows.max() > 99_000
    rate, edges, _ = figure.axes[1].patches[0].get_data()
    np.testing.assert_allclose(np.sum(rate * np.diff(edges)) / 1000, run.spike_count.mean())


def test_population_figure_is_not_its_two_pictures(many):
    figure = plot.population(many, most=5)
    assert panels(figure) == SPIKING
    assert title(figure.axes[0]) == "5 of 50 neurons, evenly spaced"
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0.0, 300.0)


def test_notebook_shows_a_figure_twice(pulsed, monkeypatch):
    plt.close("all")  # of examples in docstrings
    figure = pulsed.plot()
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
    assert plt.get_fignums() == [figure.number]  # a window that is open stays open
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
    assert plt.get_fignums() == []
