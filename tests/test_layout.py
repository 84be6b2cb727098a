"""However a run is laid on the machine, it is the same run, bit for bit; and what compiles when."""

import hashlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cuda import assert_translated

import lifjax
from lifjax import backend
from lifjax.simulate import blocks, kernel, strips
from lifjax.simulate.core import make_ready
from lifjax.simulate.step import laid_out
from lifjax.stimulus.base import terms

STIMULI = {
    "constant": np.linspace(150.0, 500.0, 300),
    "white noise": lifjax.white_noise(200.0, 5.0),
    "sum": lifjax.ornstein_uhlenbeck(200.0, 80.0, 5.0) + lifjax.pulse(50.0, 10.0, 30.0),
    "Poisson": lifjax.poisson(2000.0, 20.0, 5.0),
    "synapses": lifjax.synapse(
        lifjax.poisson_train(3000.0, correlation=0.3, source=[0, 1, 1] * 100), 1.5, 2.0, E_rev=0.0
    )
    + lifjax.white_noise(150.0, 5.0, correlation=0.2),
}
ALL = ("V", "spikes", "current")

PROGRAM = """
import hashlib, sys, numpy as np, lifjax
from lifjax import backend
backend._BLOCK, backend._SHARE, low = (int(x) for x in sys.argv[1:])
backend._STEPS_A_CALL = (low, low)
noisy = lifjax.white_noise(np.linspace(150, 260, 5000), 5.0) + lifjax.ornstein_uhlenbeck(20.0, 30.0, 5.0)
digest = hashlib.sha256()
trains = lifjax.poisson_train(2000.0, correlation=0.3, source=np.arange(5000) % 7)
synapses = lifjax.synapse(trains, 0.7, 2.0, kernel="alpha", E_rev=0.0)
few = {"neurons": [0, 77, 4999]}
for stimulus, how in ((noisy, few), (synapses, few), (np.linspace(150, 500, 5000), {})):
    neuron = lifjax.LIF(tau_m=np.linspace(8, 12, 5000))
    run = lifjax.simulate(neuron, stimulus, 60.3, seed=7, **how)
    run = lifjax.simulate(neuron, stimulus, 33.3, state=run.state, **how)
    for x in (run.V, run.spikes, run.spike_count, run.state.neuron.V, run.state.neuron.refractory):
        digest.update(np.ascontiguousarray(x).tobytes())
print(digest.hexdigest())
"""


def assert_same(one, other):
    np.testing.assert_array_equal(one.spike_count, other.spike_count)
    np.testing.assert_array_equal(one.state.neuron.V, other.state.neuron.V)
    assert one.traces.keys() == other.traces.keys()
    for name in one.traces:
        np.testing.assert_array_equal(one.traces[name], other.traces[name])
    if one.octets is not None:
        np.testing.assert_array_equal(np.hstack(one.octets), np.hstack(other.octets))


@pytest.mark.slow
def test_devices_blocks_chunks_engines_and_options_give_the_same_bits_in_fresh_processes():
    def digest(block=8192, share=1024, chunk=16384, **env):
        argv = [sys.executable, "-c", PROGRAM, str(block), str(share), str(chunk)]
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **env}, check=True)
        return done.stdout.strip()

    def devices(count):
        return f"--xla_force_host_platform_device_count={count}"

    fused = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
    whole = digest(share=10**6)
    assert len(whole) == len(hashlib.sha256().hexdigest())
    assert digest(XLA_FLAGS=devices(2)) == whole
    assert digest(block=700, share=100, chunk=64, XLA_FLAGS=devices(8)) == whole
    assert digest(XLA_FLAGS=fused) == whole
    assert digest(LIFJAX_ENGINE="scan", block=700, chunk=64, XLA_FLAGS=f"{devices(4)} {fused}") == whole


@pytest.mark.parametrize("engine", ["scan", "kernel"])
@pytest.mark.parametrize(
    ("stimulus", "record"),
    [*((name, ALL) for name in STIMULI), *((name, ()) for name in ("constant", "white noise"))]
    + [(name, ("spikes",)) for name in ("sum", "synapses")],
)
def test_every_engine_gives_the_same_run(engine, stimulus, record, monkeypatch):
    def go():
        neuron = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 300))
        return lifjax.simulate(neuron, STIMULI[stimulus], 20.3, record=record)

    usual = go()
    monkeypatch.setenv("LIFJAX_ENGINE", engine)
    assert_same(go(), usual)


@pytest.mark.parametrize("model", ["AdEx", "GIF"])
def test_what_is_drawn_ahead_is_what_each_step_draws(model, monkeypatch):
    def go(duration, **how):
        stimulus = lifjax.white_noise(400.0, 20.0, correlation=0.5) + lifjax.ornstein_uhlenbeck(100.0, 50.0, 5.0)
        return lifjax.simulate(getattr(lifjax, model)(), stimulus, duration, population=40, record=(), **how)

    usual = go(60.3)
    assert usual.spike_count.sum() > 0
    first = go(20.1)
    rest = go(40.2, state=first.state)
    np.testing.assert_array_equal(first.spike_count + rest.spike_count, usual.spike_count)
    monkeypatch.setenv("LIFJAX_ENGINE", "scan")
    assert_same(go(60.3), usual)


def test_the_kernel_gives_the_same_run_in_float64(x64, monkeypatch):
    noisy = lifjax.white_noise(np.linspace(150.0, 260.0, 300), 5.0) + lifjax.ornstein_uhlenbeck(20.0, 30.0, 5.0)
    usual = lifjax.simulate(lifjax.LIF(), noisy, 20.3, record=("spikes",))
    assert usual.spike_count.sum() > 0
    monkeypatch.setenv("LIFJAX_ENGINE", "kernel")
    assert_same(lifjax.simulate(lifjax.LIF(), noisy, 20.3, record=("spikes",)), usual)


@pytest.mark.parametrize("record", [ALL, ()])
def test_strips_of_a_block_change_nothing(record, monkeypatch):
    def go():
        neuron, current = lifjax.AdEx(t_ref=np.linspace(0.0, 2.0, 96)), lifjax.pulse(1000.0, 1.0, 50.0)
        return lifjax.simulate(neuron, current, 40.3, record=record)

    blocks._chunk_as_it_comes.clear_cache()
    monkeypatch.setattr(backend, "_STRIP", 32)
    assert backend.strip(96) == 32
    narrow = go()
    assert narrow.spike_count.sum() > 96
    blocks._chunk_as_it_comes.clear_cache()
    monkeypatch.setattr(strips, "_TRIED", (0, 0))  # as with a version of JAX that is later than all that were tried
    assert_same(go(), narrow)


def test_an_engine_that_does_not_work_is_done_without_and_said_once(monkeypatch, cpu):
    def fail(*args, **kwargs):
        raise NotImplementedError("no such chip")

    usual = lifjax.simulate(lifjax.LIF(), 300.0, 7.7, population=77)
    monkeypatch.setattr(backend, "_usual", {"cpu": "kernel"})
    monkeypatch.setattr(kernel, "advance", fail)
    with pytest.warns(UserWarning, match="kernel engine does not work here.*NotImplementedError: no such chip"):
        run = lifjax.simulate(lifjax.LIF(), 300.0, 7.7, population=77)
    assert_same(run, usual)
    assert backend.engine() == "scan"
    assert_same(lifjax.simulate(lifjax.LIF(), 300.0, 7.7, population=77), usual)


def test_an_engine_that_was_asked_for_is_not_replaced(monkeypatch):
    def fail(*args, **kwargs):
        raise NotImplementedError("no such chip")

    monkeypatch.setenv("LIFJAX_ENGINE", "kernel")
    monkeypatch.setattr(kernel, "advance", fail)
    with pytest.raises(NotImplementedError, match="no such chip"):
        lifjax.simulate(lifjax.LIF(), 300.0, 7.7, population=78)


def test_an_unknown_engine_is_refused(monkeypatch):
    monkeypatch.setenv("LIFJAX_ENGINE", "steam")
    with pytest.raises(ValueError, match="LIFJAX_ENGINE = 'steam' is unknown; choose one of packed, kernel, scan"):
        lifjax.simulate(lifjax.LIF(), 300.0, 1.0)


@pytest.mark.parametrize("stimulus", ["constant", "white noise", "sum", "Poisson", "synapses"])
def test_the_kernel_can_be_translated_for_a_cuda_gpu(stimulus):
    plan, carry, _ = make_ready(lifjax.LIF(), terms(STIMULI[stimulus]), 80, 0.1, 0, None, "euler", 300)

    def go(plan, carry, count, out, first, stop):
        ready, _ = laid_out(plan)
        return kernel.advance(plan, ready, carry, count, out, first, stop, every=1, interpret=False)

    out = {"spikes": jnp.zeros((11, 300), jnp.uint8), "V": jnp.zeros((81, 300))}
    assert_translated(go, plan, carry, jnp.zeros(300, jnp.int32), out, jnp.int32(0), jnp.int32(80))


def test_one_compilation_serves_all_durations_seeds_numbers_and_a_linear_models_integrators_with_any_number_of_chunks():
    compiled = []

    def hear(name, seconds, **kwargs):
        if name.endswith("backend_compile_duration"):
            compiled.append(kwargs.get("fun_name"))

    def go(duration, mean=200.0, tau_m=10.0, **how):
        compiled.clear()
        stimulus = lifjax.white_noise(mean, 5.0)
        lifjax.simulate(lifjax.LIF(tau_m=tau_m), stimulus, duration, record=("spikes",), population=2111, **how)
        return len([name for name in compiled if "chunk" in str(name)])

    def recorded(length):
        compiled.clear()
        stimulus = lifjax.samples(np.linspace(0.0, 500.0, length))
        lifjax.simulate(lifjax.LIF(), stimulus, length / 10, record=("spikes",), population=2111)
        return len([name for name in compiled if "chunk" in str(name)])

    jax.monitoring.register_event_duration_secs_listener(hear)
    try:
        assert (recorded(700), recorded(513), recorded(1024)) == (1, 0, 0)
        assert go(50.0) == 1
        assert go(2000.0) == 0  # more steps than one call takes
        assert go(77.7, mean=250.0, tau_m=12.0, seed=5) == 0
        assert go(50.0, integrator="exact") == 0
    finally:
        jax.monitoring.unregister_event_duration_listener(hear)
