"""The GLIF neuron against a plain NumPy loop, closed forms and itself cut and laid out in every way."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from cuda import assert_translated

import lifjax
from lifjax import GLIF
from lifjax.neurons import Input
from lifjax.neurons.base import Grid
from lifjax.simulate import kernel
from lifjax.simulate.core import make_ready
from lifjax.simulate.step import laid_out
from lifjax.stimulus.base import terms

N, STEPS = 8, 3000
SHOWN = ("V", "threshold", "I_asc", "spikes")


def mixed(rng, n=N):
    """Parameters of n neurons that differ in everything, with two after-spike currents."""
    return {
        "V_th": rng.uniform(-55, -45, n), "V_reset": rng.uniform(-80, -65, n), "V_init": rng.uniform(-80, -50, n),
        "E_L": rng.uniform(-80, -70, n), "C_m": rng.uniform(40, 100, n), "g_L": rng.uniform(5, 10, n),
        "t_ref": rng.uniform(0, 4, n), "voltage_reset_fraction": rng.uniform(0, 0.4, n),
        "asc_amps": rng.normal(0, 80, (2, n)), "asc_decay": rng.uniform(0.003, 0.2, (2, n)),
        "asc_r": rng.uniform(0, 1, (2, n)), "asc_init": rng.normal(0, 50, (2, n)),
        "th_spike_add": rng.uniform(0, 3, n), "th_spike_decay": rng.uniform(0.005, 0.1, n),
        "th_voltage_index": rng.uniform(-0.01, 0.02, n), "th_voltage_decay": rng.uniform(0.01, 0.1, n),
        "th_reset": rng.uniform(-60, -40, n),
    }  # fmt: skip


@pytest.mark.parametrize("integrator", ["euler", "exact"])
def test_a_population_of_mixed_parameters_equals_the_loop_in_float64(integrator, x64):
    rng = np.random.default_rng(1)
    p = mixed(rng)
    current = rng.uniform(350, 600, N) + rng.normal(0, 300, (STEPS, N))
    run = lifjax.simulate(GLIF(**p), lifjax.samples(current), STEPS * 0.1, integrator=integrator, record=SHOWN)
    told = oracle.glif_population(p, current, STEPS, 0.1, integrator)
    spikes = told["spikes"]
    assert spikes.sum(axis=0).min() > 0
    assert spikes.sum() > 200
    np.testing.assert_array_equal(run.spikes, spikes)
    for name in ("V", "threshold", "I_asc"):
        np.testing.assert_allclose(getattr(run, name), told[name], rtol=0, atol=1e-9)


def test_equal_time_constants_have_their_closed_forms(x64):
    # V - E_L = A t e^-t/tau / C and theta_v = a A t^2 e^-t/tau / 2C, where all three have one tau.
    tau, A, a = 10.0, 30.0, 0.02
    neuron = GLIF(
        C_m=100.0, g_L=100.0 / tau, E_L=-70.0, V_init=-70.0, asc_amps=[0.0], asc_decay=[1 / tau], asc_init=[A],
        th_voltage_index=a, th_voltage_decay=1 / tau,
    )  # fmt: skip
    run = lifjax.simulate(neuron, 0.0, 50.0, dt=0.5, integrator="exact", record=("V", "threshold"))
    t, fade = run.times, np.exp(-run.times / tau)
    np.testing.assert_allclose(run.V, -70 + A * t * fade / 100, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.threshold - neuron.V_th, a * A * t**2 * fade / 200, rtol=0, atol=1e-12)


def test_exact_numbers_that_are_traced_are_those_that_are_known():
    def last(values):
        g_L, decay, index, forget = values
        neuron = dataclasses.replace(
            GLIF.allen(5), g_L=g_L, asc_decay=jnp.array([decay, decay]), th_voltage_index=index, th_voltage_decay=forget
        )
        state, _ = lifjax.integrate(neuron, 400.0, 500, integrator="exact", record=())
        return jnp.stack([state.neuron.V, state.neuron.th_voltage, *state.neuron.asc])

    p = jnp.array([9.43, 0.09, 0.005, 0.09])
    known = last([np.asarray(x) for x in p])
    np.testing.assert_allclose(jax.jit(last)(p), known, rtol=1e-4)
    assert np.isfinite(jax.jit(jax.jacfwd(last))(p)).all()


def test_the_error_of_euler_halves_when_dt_halves(x64):
    neuron = dataclasses.replace(GLIF.allen(5), asc_init=(-50.0, 100.0))
    error = []
    for dt in (0.4, 0.2, 0.1):
        ways = [
            lifjax.simulate(neuron, 150.0, 40.0, dt=dt, integrator=way, record=("V", "threshold"))
            for way in ("euler", "exact")
        ]
        error.append([np.abs(getattr(ways[0], x) - getattr(ways[1], x)).max() for x in ("V", "threshold")])
    np.testing.assert_allclose(np.array(error[:-1]) / error[1:], 2, atol=0.15)


def test_with_all_parts_off_it_is_the_leaky_neuron(x64):
    I = np.linspace(150, 600, 20)
    plain = GLIF()
    lif = lifjax.LIF(
        V_th=plain.V_th, V_reset=plain.V_reset, V_init=plain.V_init, E_L=plain.E_L, g_L=plain.g_L,
        tau_m=plain.tau_m, t_ref=plain.t_ref,
    )  # fmt: skip
    one, other = (lifjax.simulate(x, I, 200.0, integrator="exact") for x in (plain, lif))
    np.testing.assert_array_equal(one.spikes, other.spikes)
    np.testing.assert_allclose(one.V, other.V, rtol=0, atol=1e-9)


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_a_level_has_its_parts_and_leaves_out_what_is_said_of_others(level):
    given = {"asc_amps": (-5.0, -50.0, 10.0), "asc_decay": 0.1 * np.ones(3), "th_spike_add": 1.0, "E_L": -75.0,
             "th_voltage_index": 0.01}  # fmt: skip
    neuron = GLIF.allen(level, voltage_reset_add=15.0, **given)
    parts = neuron.th_spike_add > 0, len(neuron.asc_amps) == 3, neuron.th_voltage_index > 0
    assert parts == (level in (2, 4, 5), level in (3, 4, 5), level == 5)
    assert neuron.V_reset == (-60.0 if level in (2, 4, 5) else -75.0)
    assert neuron.voltage_reset_fraction == (0.2 if level in (2, 4, 5) else 0.0)
    assert neuron.V_init == -75.0


def test_there_is_no_level_6():
    with pytest.raises(ValueError, match="level = 6 is none of the Allen Institute's; choose from 1 to 5"):
        GLIF.allen(6)


def test_elements_may_be_any_number_and_those_that_do_nothing_change_nothing(x64):
    I = np.linspace(300, 600, 6)
    two = GLIF.allen(3)
    three = GLIF.allen(3, asc_amps=(-9.18, 0.0, -198.94), asc_decay=(0.003, 0.5, 0.1))
    halves = GLIF.allen(3, asc_amps=(-9.18, -99.47, -99.47), asc_decay=(0.003, 0.1, 0.1))
    of_each = GLIF.allen(3, asc_amps=np.array([[-9.18], [-198.94]]) * np.ones(6))
    runs = [lifjax.simulate(x, I, 200.0, record=SHOWN) for x in (two, three, halves, of_each)]
    assert runs[0].spike_count.sum() > 30
    for run in runs[1:]:
        np.testing.assert_array_equal(run.spikes, runs[0].spikes)
        np.testing.assert_allclose(run.I_asc, runs[0].I_asc, rtol=0, atol=1e-9)
    assert len(runs[1].state.neuron.asc) == 3
    none = GLIF(asc_amps=None, asc_decay=None)
    assert lifjax.simulate(none, 400.0, 20.0).state.neuron.asc == ()


REFUSED = {
    "elements of other numbers": ({"asc_amps": [1.0, 2.0], "asc_decay": [0.1] * 3}, "2 of asc_amps, 3 of asc_decay"),
    "currents that never decay unsaid": ({"asc_amps": [1.0]}, "1 of asc_amps, 0 of asc_decay"),
    "elements as a number": ({"asc_amps": 1.0}, r"leading axis, element: give \(element,\)"),
    "NaN in an element": ({"asc_amps": [1.0, np.nan]}, r"asc_amps\[1\] = nan pA is not finite"),
    "negative decay": ({"asc_amps": [1.0], "asc_decay": [-0.1]}, "must be at least 0 1/ms"),
    "reset above the threshold": ({"V_reset": [-60.0, -50.0]}, "leaves V at -50 mV and the threshold at -51.68 mV"),
    "reset by too large a share": ({"voltage_reset_fraction": 1.0}, "lower V_reset or voltage_reset_fraction"),
    "decay within a step": ({"th_voltage_decay": 20.0}, "dt = 0.1 ms must be below 1 / GLIF: th_voltage_decay = 20"),
    "decay of a current within a step": (
        {"asc_amps": [1.0, 1.0], "asc_decay": [0.1, 10.0]}, r"asc_decay\[1\] = 10.0 1/ms"),
    "membrane within a step": ({"g_L": 1000.0}, "dt = 0.1 ms must be below GLIF: tau_m"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_before_any_work(what):
    given, told = REFUSED[what]
    with pytest.raises((ValueError, TypeError), match=told):
        lifjax.simulate(GLIF(**given), 300.0, 10.0)


def moved(neuron, given, steps, dt=0.1, integrator="exact", state=None):
    """A neuron's state after some steps under one input."""
    grid = Grid(dt=dt, steps=steps, integrator=integrator)
    state = neuron.start() if state is None else state
    constants, state = jax.tree.map(jnp.asarray, (neuron.constants(grid), state))
    step = jax.jit(lambda k, state: GLIF.step(constants, state, given, lifjax.surrogate.threshold)[0])
    return jax.lax.fori_loop(0, steps, step, state)


def test_a_conductance_is_exact_for_V_with_the_exact_integrator_and_nearly_so_for_the_threshold(x64):
    # The same neuron with the conductance G and its current G E as part of its leak.
    G, E, I = 8.0, -40.0, 30.0
    neuron = GLIF(V_th=-20.0, asc_amps=[0.0], asc_decay=[0.05], asc_init=[-40.0], th_voltage_index=0.02)
    total = neuron.g_L + G
    same = dataclasses.replace(neuron, g_L=total, E_L=(neuron.g_L * neuron.E_L + G * E) / total)
    given = Input(current=jnp.asarray(I + G * E), conductance=jnp.asarray(G))
    one, other = moved(neuron, given, 100), moved(same, Input(current=jnp.asarray(I)), 100)
    np.testing.assert_allclose(one.V, other.V, rtol=0, atol=1e-4)  # the current is at its mean in each step
    silent = dataclasses.replace(neuron, asc_init=[0.0]), dataclasses.replace(same, asc_init=[0.0])
    one, other = moved(silent[0], given, 100), moved(silent[1], Input(current=jnp.asarray(I)), 100)
    np.testing.assert_allclose(one.V, other.V, rtol=0, atol=1e-10)

    rise = [
        float(moved(neuron, given, round(10 / dt), dt, way).th_voltage)
        for way, dt in (("euler", 0.001), ("exact", 0.1))
    ]
    np.testing.assert_allclose(rise[1], rise[0], rtol=0.01)


def test_a_jump_comes_before_the_threshold_and_is_lost_while_refractory():
    neuron = GLIF(V_init=-60.0)
    jump = Input(current=jnp.asarray(0.0), jump=jnp.asarray(9.0))
    fired = moved(neuron, jump, 1)
    assert fired.refractory > 0
    assert float(fired.V) == pytest.approx(neuron.V_reset)
    assert float(moved(neuron, jump, 10, state=fired).V) == pytest.approx(neuron.V_reset)


NEURONS = {
    "level 5": lambda n: GLIF.allen(5, C_m=np.linspace(40, 80, n)),
    "three elements": lambda n: GLIF.allen(
        4, asc_amps=np.random.default_rng(0).normal(0, 50, (3, n)), asc_decay=(0.003, 0.1, 0.2)
    ),
    "none": lambda n: GLIF(t_ref=np.linspace(0, 3, n)),
    "bursts": lambda n: GLIF.mihalas_niebur(a=np.linspace(0, 10, n), A1=10.0, A2=-0.6),
}
CURRENTS = np.linspace(150.0, 700.0, 20)
NOISY = lifjax.white_noise(350.0, 5.0) + lifjax.ornstein_uhlenbeck(20.0, 50.0, 5.0)


PROGRAM = """
import hashlib, sys, jax, numpy as np, lifjax
from lifjax import backend
from test_glif import NEURONS, NOISY
backend._BLOCK, backend._SHARE, low = (int(x) for x in sys.argv[1:])
backend._STEPS_A_CALL = (low, low)
digest = hashlib.sha256()
for name in ("level 5", "bursts"):
    run = lifjax.simulate(NEURONS[name](3000), NOISY, 60.3, record=("spikes",), integrator="exact")
    for x in (run.spikes, *jax.tree.leaves(run.state.neuron)):
        digest.update(np.ascontiguousarray(x).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_blocks_and_options_give_the_same_bits_in_fresh_processes():
    def digest(block=8192, share=1024, chunk=16384, **env):
        argv = [sys.executable, "-c", PROGRAM, str(block), str(share), str(chunk)]
        paths = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": paths, **env}
        return subprocess.run(argv, capture_output=True, text=True, env=env, check=True).stdout.strip()

    whole = digest(share=10**6)
    assert len(whole) == len(hashlib.sha256().hexdigest())
    fused = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
    assert digest(block=700, share=100, chunk=64, XLA_FLAGS=fused) == whole


def test_the_kernel_can_be_translated_for_a_cuda_gpu():
    plan, carry, _ = make_ready(NEURONS["level 5"](300), terms(NOISY), 80, 0.1, 0, None, "exact", 300)

    def go(plan, carry, count, out, first, stop):
        ready, _ = laid_out(plan)
        return kernel.advance(plan, ready, carry, count, out, first, stop, every=1, interpret=False)

    out = {"spikes": jnp.zeros((11, 300), jnp.uint8), "threshold": jnp.zeros((81, 300))}
    assert_translated(go, plan, carry, jnp.zeros(300, jnp.int32), out, jnp.int32(0), jnp.int32(80))


# What moves, by how much for a finite difference.
MOVED = {"C_m": 2.0, "g_L": 0.3, "E_L": 0.7, "V_th": 0.7, "V_reset": 0.7, "voltage_reset_fraction": 0.03,
         "th_voltage_index": 0.001, "th_voltage_decay": 0.004}  # fmt: skip
FITTED = {
    "level 5": (GLIF.allen(5), 600.0, {**MOVED, "th_spike_add": 0.1, "th_spike_decay": 0.002}),
    "tonic": (GLIF.mihalas_niebur(a=5.0), 260.0, MOVED),
    "bursts": (GLIF.mihalas_niebur(a=5.0, A1=10.0, A2=-0.6), 220.0, MOVED),
    "rebound": (GLIF.mihalas_niebur(a=30.0), -100.0, MOVED),
}


@pytest.mark.parametrize("name", FITTED)
def test_the_derivative_of_a_spike_count_is_finite_and_has_the_sign_of_a_finite_difference(name):
    neuron, I, steps = FITTED[name]
    I = np.linspace(0.8 * I, 1.6 * I, 48)
    start = {x: float(np.asarray(getattr(neuron, x))) for x in steps} | {
        f"A{j}": float(A) for j, A in enumerate(neuron.asc_amps)
    }
    change = dict(steps) | {f"A{j}": 1.0 + 0.04 * abs(A) for j, A in enumerate(neuron.asc_amps)}
    names = list(start)

    def of(values):  # (parameters, ...)
        p = dict(zip(names, values, strict=True))
        amps = [p.pop(f"A{j}") for j in range(len(neuron.asc_amps))]
        return dataclasses.replace(neuron, asc_amps=jnp.stack(amps) if isinstance(amps[0], jax.Array) else amps, **p)

    def count(values):
        spike = lifjax.surrogate.gaussian()
        return lifjax.integrate(of(values), I, 10_000, spike=spike, record=())[1].spike_count.mean()

    x = np.array(list(start.values()))
    slope = jax.jacfwd(count)(jnp.asarray(x, jnp.float32))
    assert np.isfinite(slope).all()
    h = np.array([change[x] for x in names])
    ways = np.stack([x[:, None] + np.diag(h), x[:, None] - np.diag(h)], axis=1)  # (parameters, 2, moved)
    counts = lifjax.simulate(of(ways[..., None]), I, 1000.0, record=()).spike_count.mean(axis=-1)
    difference = (counts[0] - counts[1]) / (2 * h)
    clear = np.abs(counts[0] - counts[1]) > 0.2
    assert clear.sum() >= 5
    ratio = slope[clear] / difference[clear]
    assert (ratio > 0.1).all()
    assert (ratio < 4).all()


def test_a_fit_finds_what_made_the_rates_in_neurons_with_after_spike_currents():
    currents = np.linspace(400.0, 700.0, 6)[:, None]
    truth = GLIF.allen(3, g_L=np.array([9.0, 11.0]), asc_amps=[[-9.0, -12.0], [-150.0, -100.0]])
    rates = lifjax.simulate(truth, currents, 500.0, record=()).firing_rate
    guess = dataclasses.replace(truth, g_L=np.full(2, 10.0))
    found = lifjax.fit_rates(guess, currents, rates, 500.0, free=("g_L",))
    assert (found.error < 2.1).all()
    np.testing.assert_allclose(found.neuron.g_L, truth.g_L, rtol=0.05)


@pytest.mark.parametrize("way", ["forwards", "backwards"])
@pytest.mark.parametrize(("name", "begin"), [("V_reset", -70.0), ("voltage_reset_fraction", 0.2)])
def test_a_fit_to_rates_too_high_ends_short_of_resets_that_a_run_is_refused_for(name, begin, way):
    neuron, free = dataclasses.replace(GLIF.allen(5), **{name: begin}), (name,)
    if way == "backwards":  # which free fields of two shapes take
        neuron, free = dataclasses.replace(neuron, g_L=np.full(2, neuron.g_L)), (name, "g_L")
    found = lifjax.fit_rates(neuron, [450.0, 700.0], [240.0, 250.0], 100.0, free=free, steps=30)
    assert ("reverse" in found.method) == (way == "backwards")
    assert (found.neuron.room > 0).all()
    assert getattr(found.neuron, name) > begin


def test_a_fit_of_elements_says_why_not():
    with pytest.raises(ValueError, match="'asc_amps' cannot be fitted: it has one value for each element"):
        lifjax.fit_rates(GLIF.allen(3), 500.0, 20.0, 500.0, free=("asc_amps",))
