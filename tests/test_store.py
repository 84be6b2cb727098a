"""Runs on disk: what is read is what a run in memory has, and nothing that interrupts one changes or loses it."""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import zarr

import lifjax
from lifjax import backend
from lifjax.record import OFFSET
from lifjax.simulate import blocks, stream
from lifjax.store import Folder, chunks
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
    inner = told["attributes"]["lifjax"]
    inner["sha256"] = hashlib.sha256(
        json.dumps({name: x for name, x in inner.items() if name != "sha256"}, sort_keys=True).encode()
    ).hexdigest()
    file.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"run of subprocess\.Popen, which load cannot make"):
        lifjax.load(begun)
    for path in (pathlib.Path(lifjax.__file__).parent / "store").glob("*.py"):
        assert "pickle" not in path.read_text()


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
