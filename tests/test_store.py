"""Runs on disk: what is read is what a run in memory has, and nothing that interrupts one changes or loses it."""

import hashlib
import json
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import zarr
from stored import ALL, NEURON, NOISY, assert_same, files, struck_after

import lifjax
from lifjax.record import OFFSET
from lifjax.store import stored as stored_room


def test_a_stored_run_is_the_run_in_memory_and_reads_what_is_asked_for(tmp_path, small):
    run = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, record=ALL)
    stored = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, record=ALL, out=tmp_path / "run")
    assert len(list((tmp_path / "run" / "spikes").rglob("c/*/*"))) > 8
    for one in (stored, lifjax.load(tmp_path / "run")):
        assert_same(one, run)
        one.verify()
    assert not stored.stopped
    assert stored.spike_times[7].tolist() == run.spike_times[7].tolist()
    assert [train.tolist() for train in stored.spike_times] == [train.tolist() for train in run.spike_times]
    assert [train.tolist() for train in stored.spike_times[5:9]] == [train.tolist() for train in run.spike_times[5:9]]
    some = np.array([299, 3, 64, 63])
    for one, other in zip(stored.events_of(some), run.events_of(some), strict=True):
        np.testing.assert_array_equal(one, other)
    for key in (
        5, -1, slice(10, 90, 7), slice(90, 10, -7), (3, 4), (slice(5, 9), 4), (slice(None), [1, 200]), (slice(2), ...),
        [4, 2], (slice(0, 0), 3), np.s_[7:, 100:200],
    ):  # fmt: skip
        np.testing.assert_array_equal(stored.V[key], run.V[key])
    np.testing.assert_array_equal(stored.V + 1, run.V + 1)
    assert stored.V.mean() == run.V.mean()
    np.testing.assert_array_equal(stored.firing_rate, run.firing_rate)
    with pytest.raises(IndexError):
        stored.V[603]
    assert stored.plot() is not None


@pytest.mark.parametrize(
    "how",
    [
        {"record": ()},
        {"record": "spikes"},
        {"record": ALL, "every": 3, "neurons": [7, 299, 64, 0]},
        {"record": ALL, "integrator": "exact", "spike_timing": "interpolated"},
        {"record": "V", "every": 1000},
    ],
    ids=str,
)
def test_every_way_to_record_can_be_stored_and_gone_on_with(tmp_path, small, often, how):
    first = lifjax.simulate(NEURON, NOISY, 20.3, seed=3)
    if "spike_timing" in how:
        first = lifjax.simulate(NEURON, NOISY, 20.3, seed=3, integrator="exact", spike_timing="interpolated")
    for name, state in (("start", None), ("on", first.state)):
        run = lifjax.simulate(NEURON, NOISY, 40.1, seed=3, state=state, **how)
        stored = lifjax.simulate(NEURON, NOISY, 40.1, seed=3, state=state, out=tmp_path / name, **how)
        assert_same(stored, run)
        stored.verify()
        if OFFSET in stored.folder.chunks:
            for one, other in zip(stored.events_of(np.arange(9)), run.events_of(np.arange(9)), strict=True):
                np.testing.assert_array_equal(one, other)


def test_shapes_single_neurons_float64_and_other_models_can_be_stored(tmp_path, small, x64):
    one = lifjax.simulate(lifjax.LIF(), 300.0, 50.0, out=tmp_path / "one")
    assert_same(one, lifjax.simulate(lifjax.LIF(), 300.0, 50.0))
    assert one.spike_times.tolist() == lifjax.simulate(lifjax.LIF(), 300.0, 50.0).spike_times.tolist()
    wide = {"stimulus": np.linspace(200.0, 400.0, 5)[:, None], "duration": 30.0}
    neuron = lifjax.AdEx(E_L=np.linspace(-71.0, -70.0, 40))
    assert_same(
        lifjax.simulate(neuron, **wide, record=("V", "w", "spikes"), out=tmp_path / "two"),
        lifjax.simulate(neuron, **wide, record=("V", "w", "spikes")),
    )
    assert lifjax.load(tmp_path / "two").w[3, 2, 1:4].shape == (3,)


def test_zarr_reads_the_folder_without_lifjax(tmp_path, small):
    run = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, record=ALL, out=tmp_path / "run")
    group = zarr.open_group(tmp_path / "run", mode="r")
    octets = np.asarray(group["spikes"][:])
    assert group["spikes"].attrs["first_row"] == 0
    np.testing.assert_array_equal(octets, np.hstack([np.asarray(block) for block in run.octets]))
    np.testing.assert_array_equal(group["V"][:], run.V)
    np.testing.assert_array_equal(group["given/neuron.tau_m"][:], NEURON.tau_m)
    told = group.attrs["lifjax"]
    assert told["versions"]["lifjax"] == lifjax.__version__
    assert (told["run"]["seed"], told["run"]["dt"], told["run"]["neuron"]["kind"]) == (3, 0.1, "lifjax.neurons.lif.LIF")


def test_reading_a_folder_executes_nothing_and_makes_no_class_that_it_was_not_given(begun):
    file = begun / "zarr.json"
    told = json.loads(file.read_text())
    told["attributes"]["lifjax"]["run"]["neuron"]["kind"] = "subprocess.Popen"
    file.write_text(json.dumps(told))
    seal(file)
    with pytest.raises(ValueError, match=r"run of subprocess\.Popen, which load cannot make"):
        lifjax.load(begun)
    for path in (pathlib.Path(lifjax.__file__).parent / "store").glob("*.py"):
        assert "pickle" not in path.read_text()


def seal(file):
    """Give an altered description the digest that it should have."""
    inner = json.loads(file.read_text())["attributes"]["lifjax"]
    text = file.read_text().replace(inner["sha256"], "0" * 64)
    file.write_text(text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest()))


MODELS = {
    "GIF": (lifjax.GIF(lambda_0=np.linspace(1.0, 50.0, 60), q_stc=[5.0, 1.0], tau_stc=[50.0, 200.0]), 400.0, {}),
    "GLIF": (
        lifjax.GLIF(asc_amps=[-10.0, -200.0], asc_decay=np.ones((2, 1)) * [[0.003], [0.1]], th_spike_add=0.4),
        np.linspace(300.0, 900.0, 60),
        {"record": ("V", "threshold", "I_asc", "spikes"), "integrator": "exact"},
    ),
    "AdEx": (
        lifjax.AdEx(b=np.linspace(20.0, 200.0, 60)),
        800.0 + lifjax.synapse(lifjax.poisson_train(500.0), weight=1.0, tau_syn=5.0, E_rev=0.0),
        {"record": ("V", "w", "spikes"), "integrator": "rk4"},
    ),
    "AdaptiveLIF": (lifjax.AdaptiveLIF(), lifjax.white_noise(np.linspace(200.0, 400.0, 60), 5.0, correlation=0.3), {}),
    "between grid times": (
        lifjax.LIF(),
        150.0
        + lifjax.synapse(
            lifjax.poisson_train(np.linspace(500.0, 2000.0, 60), correlation=0.5),
            weight=30.0, tau_syn=5.0, kernel="alpha",
        )
        + lifjax.synapse(lifjax.spike_train([np.array([3.0, 4.0, 20.0])] * 60), weight=500.0, tau_syn=2.0),
        {"integrator": "exact", "spike_timing": "interpolated"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_and_its_synapses_draw_and_keep_is_the_same_after_an_end_on_the_way(
    tmp_path, small, often, monkeypatch, name
):
    neuron, stimulus, how = MODELS[name]

    def simulate(**more):
        return lifjax.simulate(neuron, stimulus, 40.1, seed=3, population=60, **how, **more)

    run, whole = simulate(), simulate(out=tmp_path / "whole")
    assert run.spike_count.sum() > 60
    struck_after(monkeypatch, 6, tmp_path / "run", simulate)
    assert 0 < lifjax.load(tmp_path / "run").steps < 401
    assert_same(simulate(out=tmp_path / "run", resume=True), run)
    assert files(tmp_path / "run") == files(whole.folder.path)
    there = lifjax.load(tmp_path / "run")
    assert_same(there, run)
    there.verify()
    on = [lifjax.simulate(one.neuron, one.stimulus, 5.0, state=one.state, **how) for one in (there, run)]
    np.testing.assert_array_equal(on[0].spikes, on[1].spikes)


def test_a_run_is_written_in_memory_that_does_not_grow_with_its_length(tmp_path):
    program = """
        import resource, sys, lifjax
        run = lambda duration, out: lifjax.simulate(
            lifjax.LIF(), lifjax.white_noise(190.0, 5.0), duration, population=20_000, record=("spikes",), out=out
        )
        run(100.0, sys.argv[1] + "/short")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run(6000.0, sys.argv[1] + "/long")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    out = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert int(out.stdout) / 1000 < 60  # MB, of 150 that were recorded


def test_a_long_run_is_read_piece_by_piece(tmp_path, small, monkeypatch):
    monkeypatch.setattr(stored_room, "_SLAB", 2000)
    for name, how in (("grid", {}), ("between", {"integrator": "exact", "spike_timing": "interpolated"})):
        start = lifjax.simulate(NEURON, NOISY, 20.3, seed=3, **how).state
        run = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, record=("spikes",), state=start, **how)
        stored = lifjax.simulate(
            NEURON, NOISY, 60.3, seed=3, record=("spikes",), state=start, out=tmp_path / name, **how
        )
        for one, other in zip(stored.events(), run.events(), strict=True):
            np.testing.assert_array_equal(one, other)
