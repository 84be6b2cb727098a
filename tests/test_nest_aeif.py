"""NEST's adaptive exponential and Izhikevich neurons side by side with ours, in float64."""

import nest_oracle
import numpy as np
import pytest

import lifjax

pytest.importorskip("nest", reason="NEST is not installed: pip install nest-simulator")
pytestmark = pytest.mark.slow

DURATION = 1000.0
STEPS = {"constant": (900.0, [], []), "steps": (700.0, [300.0, 600.0], [1200.0, 550.0])}  # pA, times, pA from then on


def driven(model, params, current, dt, record):
    """What NEST's neuron does, and the same current as a stimulus of ours."""
    first, times, later = current
    currents = [(times, np.array(later) - first)] if times else []
    told = nest_oracle.run(model, {"I_e": first, **params}, DURATION, dt=dt, currents=currents, record=record)
    return told, lifjax.steps([first, *later], [0.0, *times])


@pytest.mark.parametrize("current", STEPS)
@pytest.mark.parametrize("t_ref", [0.0, 2.0])
def test_aeif_cond_exp_spikes_when_our_AdEx_does_within_a_fifth_of_a_ms_over_a_second(current, t_ref, x64):
    # NEST resets within a step, we at its end, so both go in fine steps, and ours come nearer as they are made finer.
    told, stimulus = driven("aeif_cond_exp", {"V_m": -70.6, "t_ref": t_ref}, STEPS[current], 0.01, ("V_m",))
    off = []
    for dt in (0.1, 0.02, 0.005):
        run = lifjax.simulate(lifjax.AdEx(t_ref=t_ref), stimulus, DURATION, dt=dt, integrator="rk4", record=("spikes",))
        assert abs(len(run.spike_times) - len(told["spike_times"][0])) <= (dt > 0.005)
        both = min(len(run.spike_times), len(told["spike_times"][0]))
        off.append(np.abs(run.spike_times[:both] - told["spike_times"][0][:both]).max())
    print(
        f"{current}, t_ref {t_ref} ms: {both} spikes, off by {np.round(off, 3)} ms at most with dt 0.1, 0.02, 0.005 ms"
    )
    assert both > 15
    assert off[-1] < 0.2
    assert off[-1] < off[0] / 5


def test_aeif_cond_exp_spikes_when_our_AdEx_does_under_conductances_of_both_signs(x64):
    rng = np.random.default_rng(5)
    (ex, w_ex), (inh, w_in) = (
        (np.sort(rng.integers(30, 9980, many)) / 10, rng.uniform(4.0, 12.0, many)) for many in (150, 60)
    )
    p = {"V_m": -70.6, "I_e": 650.0, "t_ref": 2.0, "E_ex": 0.0, "E_in": -85.0, "tau_syn_ex": 3.0, "tau_syn_in": 8.0}
    told = nest_oracle.run("aeif_cond_exp", p, DURATION, dt=0.01, arrivals=[(ex, w_ex, 0), (inh, -w_in, 0)])
    drive = 650.0 + lifjax.synapse(lifjax.spike_train(ex, w_ex), 1.0, 3.0, E_rev=0.0)
    drive = drive + lifjax.synapse(lifjax.spike_train(inh, w_in), 1.0, 8.0, E_rev=-85.0)
    off = []
    for dt in (0.02, 0.005):
        run = lifjax.simulate(lifjax.AdEx(t_ref=2.0), drive, DURATION, dt=dt, integrator="rk4", record=("spikes",))
        assert len(run.spike_times) == len(told["spike_times"][0])
        off.append(np.abs(run.spike_times - told["spike_times"][0]).max())
    print(f"{len(run.spike_times)} spikes, off by {np.round(off, 3)} ms at most with dt 0.02, 0.005 ms")
    assert len(run.spike_times) > 10
    assert off[1] < 0.2
    assert off[1] < off[0]


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_izhikevich_is_ours_by_euler_to_the_last_digits(dt, x64):
    told, stimulus = driven("izhikevich", {}, (10.0, [300.0, 600.0], [15.0, 6.0]), dt, ("V_m", "U_m"))
    run = lifjax.simulate(lifjax.Izhikevich(), stimulus, DURATION + dt, dt=dt, record=("V", "u", "spikes"))
    assert len(run.spike_times) > 20
    np.testing.assert_allclose(run.spike_times, told["spike_times"][0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(run.V[1:], told["V_m"][:, 0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(run.u[1:], told["U_m"][:, 0], rtol=0, atol=1e-8)


def test_our_defaults_are_those_of_NEST():
    import nest

    for model, neuron, names in (
        (
            "aeif_cond_exp",
            lifjax.AdEx(),
            ("V_th", "V_reset", "E_L", "C_m", "g_L", "Delta_T", "V_peak", "a", "b", "tau_w", "t_ref"),
        ),
        ("izhikevich", lifjax.Izhikevich(), ("a", "b", "c", "d", "V_th")),
    ):
        told = nest.GetDefaults(model)
        assert {name: getattr(neuron, name) for name in names} == {name: told[name] for name in names}
    assert (told["V_m"], told["U_m"]) == (lifjax.Izhikevich().V_init, lifjax.Izhikevich().u_init)
    assert told["consistent_integration"]
