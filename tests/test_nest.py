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
