"""The closed forms against independent integrals, and the simulator against the closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx

import lifjax
from lifjax import theory

NEURON = lifjax.LIF()


@pytest.mark.parametrize(("mean", "sigma"), [(150, 5), (190, 5), (300, 0.5), (100, 3), (0, 10), (400, 20), (100, 1)])
def test_the_siegert_rate_equals_an_adaptive_integral(mean, sigma):
    centre, spread = -75 + mean / 10, sigma / 10 * np.sqrt(500 / 10)
    a, b = (-75 - centre) / spread / np.sqrt(2), (-55 - centre) / spread / np.sqrt(2)
    integral, _ = quad(lambda x: erfcx(-x), a, b, epsabs=0, epsrel=1e-11, limit=500)
    assert theory.siegert_rate(NEURON, mean, sigma) == pytest.approx(
        1000 / (2 + 10 * np.sqrt(np.pi) * integral), rel=1e-8
    )


def test_without_noise_the_siegert_rate_is_the_fi_curve():
    currents = np.array([100.0, 205.0, 300.0])
    np.testing.assert_allclose(theory.siegert_rate(NEURON, currents, 0.0), theory.firing_rate(NEURON, currents))
    np.testing.assert_allclose(theory.siegert_rate(NEURON, 300.0, 1e-3), theory.firing_rate(NEURON, 300.0), rtol=1e-6)
    assert theory.siegert_rate(NEURON, 0.0, 0.01) == 0


def test_a_neuron_fires_above_its_rheobase_only():
    assert theory.rheobase(NEURON) == 200
    np.testing.assert_array_equal(theory.firing_rate(NEURON, [-1e6, 0.0, 200.0]), 0)
    assert theory.firing_rate(NEURON, 200.01) > 5
    run = lifjax.simulate(NEURON, [200.0, 201.0], 2000.0, record=())
    assert (run.spike_count[0], run.spike_count[1] > 10) == (0, True)


@pytest.mark.parametrize("t_ref", [0.0, 3.0])
def test_the_rate_of_a_QIF_neuron_is_an_integral_and_what_the_simulator_finds(x64, t_ref):
    neuron, currents = lifjax.QIF(t_ref=t_ref), np.array([30.0, 38.0, 60.0, 150.0, 400.0])

    def interval(current):  # of 1 / (dV / dt) from V_reset to V_peak
        return quad(lambda V: 100 / (10 * (V + 65) * (V + 50) / 15 + current), -80, 20, epsrel=1e-11, limit=200)[0]

    rates = theory.firing_rate(neuron, currents)
    np.testing.assert_allclose(rates, [0.0, *(1000 / (t_ref + interval(I)) for I in currents[1:])], rtol=1e-9)
    run = lifjax.simulate(neuron, currents, 2000.0, dt=0.005, integrator="rk4", record="spikes")
    found = [1000 / np.diff(times).mean() if len(times) > 1 else 0.0 for times in run.spike_times]
    # A spike waits for a grid time: half a step, at most a whole one.
    np.testing.assert_allclose(found, rates, rtol=0.005 * rates.max() / 1000)


def test_a_QIF_neuron_fires_above_its_rheobase_as_the_root_of_the_current():
    neuron = lifjax.QIF(V_peak=1e6, V_reset=-1e6)
    assert theory.rheobase(neuron) == 37.5
    over = np.array([1.0, 4.0, 16.0])
    np.testing.assert_allclose(
        theory.firing_rate(neuron, 37.5 + over) / np.sqrt(over), 1000 / (10 * np.pi * np.sqrt(150)), rtol=1e-4
    )


def test_forms_broadcast_over_a_population():
    neuron = lifjax.LIF(tau_m=[10.0, 20.0])
    assert theory.firing_rate(neuron, np.full((3, 1), 300.0)).shape == (3, 2)
    assert theory.siegert_rate(neuron, np.full((3, 1), 300.0), 5.0).shape == (3, 2)
    assert theory.free_membrane(neuron, 100.0, 5.0)[1].shape == (2,)


@pytest.mark.slow
def test_the_white_noise_rate_nears_siegert_as_the_square_root_of_dt():
    mean, sigma, n = 190.0, 5.0, 16384
    exact = float(theory.siegert_rate(NEURON, mean, sigma))
    dts, shortfall = np.array([0.1, 0.025, 0.00625]), []
    for dt in dts:
        stimulus = lifjax.white_noise(mean, sigma)
        settled = lifjax.simulate(NEURON, stimulus, 200.0, dt=dt, population=n, record=(), seed=8)
        run = lifjax.simulate(NEURON, stimulus, 400.0, dt=dt, record=(), state=settled.state)
        shortfall.append(exact - run.firing_rate.mean())
    order = np.polyfit(np.log(dts), np.log(shortfall), 1)[0]
    print(f"Siegert {exact:.2f} Hz, short of it at dt {dts} ms by {np.round(shortfall, 2)} Hz: order {order:.2f}")
    assert order == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("stimulus", "args"),
    [
        (lifjax.white_noise(100.0, 5.0), (100.0, 5.0)),
        (lifjax.ornstein_uhlenbeck(100.0, 50.0, 5.0), (100.0, 50.0, 5.0)),
        (lifjax.ornstein_uhlenbeck(50.0, 20.0, 40.0), (50.0, 20.0, 40.0)),
    ],
)
def test_the_free_membrane_has_its_stationary_moments(stimulus, args):
    neuron, n = lifjax.LIF(V_th=1e6), 20_000
    run = lifjax.simulate(neuron, stimulus, 300.0, dt=0.05, population=n, record=())
    V = np.asarray(run.state.neuron.V, float)
    mean, std = theory.free_membrane(neuron, *args)
    assert V.mean() == pytest.approx(mean, abs=4.5 * std / np.sqrt(n))
    assert V.std() == pytest.approx(std, rel=4.5 / np.sqrt(2 * n) + 0.003)  # Euler's own error is dt / (4 tau_m)


@pytest.mark.parametrize("frequency", [1.0, 10.0, 100.0])
def test_the_subthreshold_response_to_a_sinusoid_is_that_of_a_low_pass_filter(x64, frequency):
    drive = lifjax.sinusoid(100.0, frequency, offset=50.0, phase=0.4)
    run = lifjax.simulate(NEURON, drive, 1200.0, dt=0.01, integrator="exact", record=("V",), every=10)
    mean, amplitude, phase = theory.sinusoidal_response(NEURON, 100.0, frequency, offset=50.0, phase=0.4)
    late = run.times > 200
    expected = mean + amplitude * np.sin(2 * np.pi * frequency * run.times / 1000 + phase)
    # The current is held over each step, which delays it by dt / 2.
    bound = 1.1 * amplitude * 2 * np.pi * frequency / 1000 * 0.01 / 2 + 1e-6
    assert np.abs(run.V - expected)[late].max() < bound


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: theory.firing_rate(NEURON, np.nan), "current = nan pA"),
        (lambda: theory.firing_rate(lifjax.LIF(tau_m=-1.0), 300.0), "tau_m = -1.0 ms"),
        (lambda: theory.firing_rate(lifjax.LIF(V_reset=-50.0), 300.0), "V_reset = -50.0 mV must be below"),
        (lambda: theory.firing_rate(NEURON, 300.0, dt=0.0), "dt = 0.0 ms"),
        (lambda: theory.siegert_rate(NEURON, 190.0, -5.0), "sigma = -5.0 pA"),
        (lambda: theory.free_membrane(NEURON, 190.0, 5.0, tau=-1.0), "tau = -1.0 ms"),
        (lambda: theory.sinusoidal_response(NEURON, 1.0, -1.0), "frequency = -1.0 Hz"),
        (lambda: theory.firing_rate(300.0, NEURON), "neuron is a float"),
        (lambda: theory.firing_rate(lifjax.QIF(), 300.0, dt=0.1), "dt = 0.1 ms is for LIF neurons"),
        (lambda: theory.firing_rate(lifjax.QIF(V_reset=-40.0), 300.0), "V_reset = -40.0 mV must be below V_th"),
        (
            lambda: theory.siegert_rate(lifjax.QIF(), 300.0, 1.0),
            "neuron is a QIF; the closed forms are those of lifjax.LIF",
        ),
    ],
)
def test_a_closed_form_of_what_makes_no_sense_is_refused(call, told):
    with pytest.raises((ValueError, TypeError), match=told):
        call()


@pytest.mark.parametrize("current", [150.0, 210.0, 300.0, 600.0])
def test_siegert_rate_of_fading_noise_leaves_the_rate_without_noise(current):
    expected = theory.firing_rate(lifjax.LIF(), current)
    for sigma in (1e-3, 1e-5, 1e-7, 1e-9, 1e-12, 1e-300):
        np.testing.assert_allclose(theory.siegert_rate(lifjax.LIF(), current, sigma), expected, rtol=1e-7)
