"""The GLIF neuron beside NEST's glif_psc, on all five levels, in float64."""

import nest_oracle
import numpy as np
import pytest

import lifjax

pytest.importorskip("nest", reason="NEST is not installed: pip install nest-simulator")
pytestmark = pytest.mark.slow

PARTS = ("spike_dependent_threshold", "after_spike_currents", "adapting_threshold")
CURRENTS = {1: (265.0, 300.0), 2: (262.0, 280.0), 3: (400.0, 500.0), 4: (420.0, 500.0), 5: (460.0, 550.0)}


def nest_and_ours(level, dt, **changes):
    """What NEST and we say of V, the threshold (steps,) and spike times under two currents, from 0.2 and 500 ms on."""
    first, then = CURRENTS[level]
    on = (level in (2, 4, 5), level in (3, 4, 5), level == 5)
    told = nest_oracle.run(
        "glif_psc",
        {**dict(zip(PARTS, on, strict=True)), **changes},
        1000.0,
        dt=dt,
        currents=[((0.2, 500.0), (first, then))],
        record=("V_m", "threshold"),
    )
    run = lifjax.simulate(
        lifjax.GLIF.allen(level, **changes),
        lifjax.steps([0.0, first, then], [0.0, 0.2, 500.0]),
        1000.0 + dt,
        dt=dt,
        integrator="exact",
        record=("V", "threshold", "spikes"),
    )
    (times,) = told["spike_times"]
    assert len(times) > 15
    assert len(run.spike_times) == len(times)
    theirs = told["V_m"][:, 0], told["threshold"][:, 0], times
    return theirs, (run.V[1:], run.threshold[1:], run.spike_times)


def test_level_1_is_nests_to_the_last_digits(x64):
    (V, _, times), (our_V, _, our_times) = nest_and_ours(1, 0.1)
    np.testing.assert_allclose(our_times, times, rtol=0, atol=1e-9)
    np.testing.assert_allclose(our_V, V, rtol=0, atol=1e-9)


# What differs is that NEST resets V from that of the grid time before the spike, on level 2, and holds the after-spike
# currents at their mean for a step, on level 3.
@pytest.mark.parametrize(("level", "most"), [(2, 0.01), (3, 0.001)])
def test_levels_2_and_3_have_nests_spikes_and_threshold_and_V_to_a_hundredth_of_a_mV(level, most, x64):
    (V, threshold, times), (our_V, our_threshold, our_times) = nest_and_ours(level, 0.1)
    np.testing.assert_allclose(our_times, times, rtol=0, atol=1e-9)
    np.testing.assert_allclose(our_threshold, threshold, rtol=0, atol=1e-9)
    np.testing.assert_allclose(our_V, V, rtol=0, atol=most)


OTHER = {"t_ref": 2.0, "asc_r": [0.7, 0.3], "asc_amps": [-20.0, -50.0], "th_spike_add": 3.0}


@pytest.mark.parametrize(("level", "changes"), [(4, {}), (5, {}), (5, OTHER)])
def test_levels_4_and_5_have_nests_spikes_to_a_step_of_whatever_length(level, changes, x64):
    for dt in (0.1, 0.02):
        (V, _, times), (our_V, _, our_times) = nest_and_ours(level, dt, **changes)
        assert np.abs(our_times - times).max() < 1.5 * dt
        assert np.median(np.abs(our_V - V)) < 1.0 * dt  # mV, where V moves by about 1 mV / ms
