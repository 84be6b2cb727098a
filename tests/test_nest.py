"""NEST side by side: the same neurons, the same input, in float64."""

import nest_oracle
import numpy as np
import pytest

import lifjax

pytest.importorskip("nest", reason="NEST is not installed: pip install nest-simulator")
pytestmark = pytest.mark.slow


def test_iaf_psc_delta_under_a_constant_current(x64):
    p = {"C_m": 250.0, "tau_m": 10.0, "t_ref": 2.0, "E_L": -70.0, "V_th": -55.0, "V_reset": -70.0, "I_e": 450.0}
    told = nest_oracle.run("iaf_psc_delta", p, 300.0)
    neuron = lifjax.LIF(V_th=-55.0, V_reset=-70.0, V_init=-70.0, E_L=-70.0, g_L=25.0)
    run = lifjax.simulate(neuron, 450.0, 300.1, integrator="exact")
    np.testing.assert_array_equal(run.spike_times, told["spike_times"][0])
    np.testing.assert_allclose(run.V[1:], told["V_m"][:, 0], rtol=0, atol=1e-9)


def arrivals(seed, weight, many=90, duration=300.0):
    """Times on the grid, some of them equal, and weights."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.integers(30, int(duration * 10) - 20, many)) / 10, weight * rng.uniform(0.5, 1.5, many)


def side_by_side(model, kernel, taus, weights, I_e, duration=300.0):
    """V and spikes of lifjax and of NEST, under a current and excitatory and inhibitory arrivals."""
    p = {"C_m": 250.0, "tau_m": 10.0, "t_ref": 2.0, "E_L": -70.0, "V_th": -55.0, "V_reset": -70.0, "I_e": I_e}
    if taus[0] is not None:
        p |= {"tau_syn_ex": taus[0], "tau_syn_in": taus[1]}
    given = [arrivals(i, weight) for i, weight in enumerate(weights)]
    told = nest_oracle.run(model, p, duration, arrivals=[(*one, 0) for one in given])
    neuron = lifjax.LIF(V_th=-55.0, V_reset=-70.0, V_init=-70.0, E_L=-70.0, g_L=25.0)
    drive = I_e + sum(
        lifjax.synapse(lifjax.spike_train(*one), 1.0, tau, kernel=kernel)
        for one, tau in zip(given, taus, strict=True)
    )  # fmt: skip
    run = lifjax.simulate(neuron, drive, duration + 0.1, integrator="exact")
    assert len(run.spike_times) > 5
    np.testing.assert_array_equal(*(np.rint(10 * t) for t in (run.spike_times, told["spike_times"][0])))
    np.testing.assert_allclose(run.V[1:], told["V_m"][:, 0], rtol=0, atol=1e-9)


def test_iaf_psc_delta_with_arrivals(x64):
    side_by_side("iaf_psc_delta", "delta", (None, None), (4.0, -3.0), 350.0)


@pytest.mark.parametrize("taus", [(2.0, 5.0), (10.0, 10.0), (10 + 1e-7, 10 - 1e-10)])
def test_iaf_psc_exp_with_arrivals(x64, taus):
    side_by_side("iaf_psc_exp", "exponential", taus, (200.0, -60.0), 330.0)


@pytest.mark.parametrize("taus", [(2.0, 5.0), (10.0, 10.0), (10.01, 9.99)])
def test_iaf_psc_alpha_with_arrivals(x64, taus):
    side_by_side("iaf_psc_alpha", "alpha", taus, (110.0, -25.0), 330.0)


@pytest.mark.parametrize(("tau_ex", "tau_in"), [(0.2, 2.0), (3.0, 8.0)])
def test_iaf_cond_exp_fires_at_the_same_times(x64, tau_ex, tau_in):
    p = {
        "C_m": 250.0, "g_L": 16.6667, "t_ref": 2.0, "E_L": -70.0, "V_th": -55.0, "V_reset": -60.0, "E_ex": 0.0,
        "E_in": -85.0, "I_e": 265.0, "tau_syn_ex": tau_ex, "tau_syn_in": tau_in,
    }  # fmt: skip
    (ex, w_ex), (inh, w_in) = arrivals(5, 4.0, 150, 1000.0), arrivals(6, 6.0, 60, 1000.0)
    told = nest_oracle.run("iaf_cond_exp", p, 1000.0, arrivals=[(ex, w_ex, 0), (inh, -w_in, 0)])
    neuron = lifjax.LIF(
        V_th=-55.0, V_reset=-60.0, V_init=-70.0, E_L=-70.0, g_L=p["g_L"], tau_m=p["C_m"] / p["g_L"]
    )  # fmt: skip
    drive = 265.0 + lifjax.synapse(lifjax.spike_train(ex, w_ex), 1.0, tau_ex, E_rev=0.0)
    drive = drive + lifjax.synapse(lifjax.spike_train(inh, w_in), 1.0, tau_in, E_rev=-85.0)
    run = lifjax.simulate(neuron, drive, 1000.1, integrator="exact")
    assert len(run.spike_times) > 10
    np.testing.assert_allclose(run.spike_times, told["spike_times"][0], rtol=0, atol=0.2001)
