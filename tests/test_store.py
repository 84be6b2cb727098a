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

NEURON = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 300))
NOISY = lifjax.white_noise(np.linspace(180.0, 260.0, 300), 5.0) + lifjax.ornstein_uhlenbeck(20.0, 30.0, 5.0)
ALL = ("V", "spikes", "current")


@pytest.fixture
def small(monkeypatch):
    """Blocks, calls and chunks small enough that a short run has several of each."""
    monkeypatch.setattr(backend, "_SHARE", 100)
    monkeypatch.setattr(backend, "_BLOCK", 64)
    monkeypatch.setattr(backend, "_STEPS_A_CALL", (64, 64))
    monkeypatch.setattr(backend, "_CHUNK", 1024)
    monkeypatch.setattr(backend, "_ROWS_A_CHUNK", (16, 64))


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after every round."""
    monkeypatch.setattr(stream, "CHECKPOINT", 0.0)


def files(folder):
    """What is in a folder, by name; not the checkpoints, of which two take turns."""
    found = {str(file.relative_to(folder)): file for file in pathlib.Path(folder).rglob("*") if file.is_file()}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in found.items() if not name.startswith("checkpoints/")
    }  # fmt: skip


def assert_same(stored, run):
    assert repr(stored).startswith(repr(run)[:30])
    np.testing.assert_array_equal(stored.spike_count, run.spike_count)
    assert stored.traces.keys() == run.traces.keys()
    for name, trace in run.traces.items():
        assert stored.traces[name].shape == trace.shape
        np.testing.assert_array_equal(stored.traces[name], trace)
    for one, other in zip(_leaves(stored.state), _leaves(run.state), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
    if run.octets is not None:
        np.testing.assert_array_equal(stored.spikes, run.spikes)
        for one, other in zip(stored.events(), run.events(), strict=True):
            np.testing.assert_array_equal(one, other)


def _leaves(state):
    import jax

    return jax.tree.leaves(state)


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


def interrupted_after(monkeypatch, calls, how):
    """Do something in the middle of a run, once so many calls were made."""
    chunk, made = blocks._chunk, []

    def counted(*args, **kwargs):
        made.append(0)
        if len(made) == calls:
            how()
        return chunk(*args, **kwargs)

    monkeypatch.setattr(blocks, "_chunk", counted)


@pytest.mark.parametrize("how", [{"record": ALL}, {"record": ALL, "every": 3, "neurons": [7, 299, 64, 0]}], ids=str)
def test_a_run_stopped_by_ctrl_c_goes_on_to_the_same_bytes(tmp_path, small, monkeypatch, how):
    whole = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "whole", **how)
    interrupted_after(monkeypatch, 13, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.warns(UserWarning, match=r"stopped after \d+ of 603 steps.*resume=True"):
        part = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "run", **how)
    monkeypatch.setattr(blocks, "_chunk", blocks._chunk)
    assert part.stopped
    assert 0 < part.steps < 603
    part.verify()
    np.testing.assert_array_equal(part.V, whole.V[: len(part.V)])
    again = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "run", resume=True, **how)
    assert not again.stopped
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    assert_same(again, whole)
    before = files(tmp_path / "run")
    assert lifjax.resume(tmp_path / "run").steps == 603  # nothing is left to do
    assert files(tmp_path / "run") == before


PROGRAM = """
    import sys, numpy as np, lifjax
    from lifjax import backend
    from lifjax.simulate import stream
    backend._SHARE, backend._BLOCK, backend._STEPS_A_CALL = 100, 64, (64, 64)
    backend._CHUNK, backend._ROWS_A_CHUNK, stream.CHECKPOINT = 1024, (16, 64), 0.002
    noisy = lifjax.white_noise(np.linspace(180.0, 260.0, 300), 5.0) + lifjax.ornstein_uhlenbeck(20.0, 30.0, 5.0)
    neuron = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 300))
    lifjax.simulate(neuron, 150.0, 1.0)
    print("ready", flush=True)
    lifjax.simulate(
        neuron, noisy, float(sys.argv[2]), record=("V", "spikes"), every=5, out=sys.argv[1], resume=True, progress=True
    )
    print("done", flush=True)
"""


def killed_until_done(folder, duration, kills, seed):
    """Run in processes that are killed at random moments, so many times, then to the end; how many kills struck."""
    random, struck = np.random.default_rng(seed), 0
    argv = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), str(duration)]
    for number in range(kills + 1):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        if number < kills:
            time.sleep(random.exponential(0.4))
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), err
        struck += process.returncode != 0 and "done" not in out
        if process.returncode == 0:
            break
    if process.returncode:
        subprocess.run(argv, check=True, capture_output=True)
    return struck


def assert_survives(tmp_path, duration, kills, least):
    argv = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "whole"), str(duration)]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    assert "100%" in told
    assert "on disk" in told
    struck = killed_until_done(tmp_path / "run", duration, kills, seed=1)
    assert struck >= least
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    one, other = lifjax.load(tmp_path / "run"), lifjax.load(tmp_path / "whole")
    assert_same(one, other)
    one.verify()


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path):
    assert_survives(tmp_path, 3000.0, 3, 2)


@pytest.mark.slow
def test_a_run_that_was_killed_fifty_times_goes_on_to_the_same_bytes(tmp_path):
    assert_survives(tmp_path, 40_000.0, 50, 40)


@pytest.fixture
def begun(tmp_path, small, often, monkeypatch):
    """A folder with a run that failed on the way."""

    def fail():
        raise RuntimeError("struck")

    with monkeypatch.context() as patch:
        interrupted_after(patch, 28, fail)
        patch.setattr(blocks, "do_without", lambda *_: False)
        with pytest.raises(RuntimeError, match="struck"):
            lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_run_that_failed_keeps_what_was_done(begun):
    there = lifjax.load(begun)
    assert 0 < there.steps < 603
    there.verify()
    assert_same(lifjax.resume(begun), lifjax.simulate(NEURON, NOISY, 60.3, seed=3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"neuron": lifjax.LIF(tau_m=np.linspace(8.0, 12.5, 300))}, r"neuron\.tau_m was an array"),
        ({"neuron": lifjax.LIF(tau_m=NEURON.tau_m, V_th=-50.0)}, r"neuron\.V_th was -55\.0 and is -50\.0"),
        ({"stimulus": NOISY + 1.0}, "stimulus"),
        ({"seed": 4}, "seed was 3 and is 4"),
        ({"duration": 70.0}, "steps was 603 and is 700"),
        ({"dt": 0.05}, r"dt was 0\.1 and is 0\.05"),
        ({"record": ("V",)}, "record"),
        ({"every": 2}, "every was 1 and is 2"),
        ({"neurons": [1]}, "neurons was None"),
        ({"integrator": "exact"}, "integrator was 'euler' and is 'exact'"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_another_run_is_not_gone_on_with(begun, change, told):
    how = {"neuron": NEURON, "stimulus": NOISY, "duration": 60.3, "seed": 3, "out": begun, "resume": True} | change
    before = files(begun)
    with pytest.raises(ValueError, match=told):
        lifjax.simulate(**how)
    assert files(begun) == before


def test_another_version_or_precision_does_not_go_on_with_a_run(begun, monkeypatch, x64):
    with pytest.raises(ValueError, match="precision was 'float32' and is 'float64'"):
        lifjax.resume(begun)
    from lifjax.store import folder

    now = folder.versions()
    monkeypatch.setattr(folder, "versions", lambda: now | {"lifjax": "9.9"})
    with pytest.raises(ValueError, match=r"version\.lifjax was '.*' and is '9\.9'"):
        lifjax.resume(begun)


def chunk_files(folder, name):
    return sorted(file for file in (folder / name / "c").rglob("*") if file.is_file())


@pytest.mark.parametrize("how", ["truncated", "altered", "missing", "empty"])
def test_a_damaged_chunk_is_named_and_never_trusted(begun, how):
    file = chunk_files(begun, "spikes")[0]
    damage(file, how)
    for use in (lambda: lifjax.load(begun).events(), lambda: lifjax.load(begun).verify(), lambda: lifjax.resume(begun)):
        with pytest.raises(ValueError, match=str(file)):
            use()
    chunk = chunk_files(begun, "V")[0]
    damage(chunk, how)
    with pytest.raises(ValueError, match=str(chunk)):
        np.asarray(lifjax.load(begun).V[0])


def damage(file, how):
    body = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
        return
    body[len(body) // 2] ^= 4
    file.write_bytes({"truncated": body[:-3], "altered": body, "empty": b""}[how])


def test_a_chunk_put_in_the_place_of_another_is_found(begun):
    lifjax.resume(begun)
    one, other = chunk_files(begun, "spikes")[:2]
    shutil.copy(other, one)
    with pytest.raises(ValueError, match="other spikes than were counted"):
        lifjax.load(begun).verify()


@pytest.mark.parametrize("how", ["truncated", "altered", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(begun, how):
    kept = sorted((begun / "checkpoints").iterdir())
    reached = lifjax.load(begun).steps
    newest = max(kept, key=lambda file: json.loads(file.read_bytes().split(b"\n")[1])["step"])
    damage(newest, how)
    with pytest.warns(UserWarning, match=f"{newest} is damaged"):
        assert lifjax.load(begun).steps < reached
    other = next(file for file in kept if file != newest)
    saved = other.read_bytes()
    damage(other, how)
    with pytest.raises(ValueError, match="damaged"):
        lifjax.resume(begun)
    other.write_bytes(saved)
    with pytest.warns(UserWarning, match="is damaged"):
        again = lifjax.resume(begun)
    assert_same(again, lifjax.simulate(NEURON, NOISY, 60.3, seed=3))


def test_an_altered_manifest_or_parameter_is_refused(begun):
    file = begun / "zarr.json"
    text = file.read_text()
    file.write_text(text.replace('"seed": 3', '"seed": 4'))
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    file.write_text(text[:-20])
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    file.write_text(text)
    inner = begun / "spikes" / "zarr.json"
    told = inner.read_text()
    inner.write_text(told.replace("uint8", "uint16"))
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    inner.write_text(told)
    damage(next(file for file in (begun / "given" / "neuron.tau_m" / "c").rglob("*") if file.is_file()), "altered")
    with pytest.raises(ValueError, match=r"neuron\.tau_m is damaged"):
        lifjax.load(begun)


def test_a_folder_in_another_format_says_which_version_wrote_it(begun):
    file = begun / "zarr.json"
    told = json.loads(file.read_text())
    told["attributes"]["lifjax"] |= {"format": 7, "versions": {"lifjax": "3.2"}}
    file.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"was written by lifjax 3\.2 in format 7"):
        lifjax.load(begun)


def test_a_folder_that_is_not_ours_is_never_written_to(tmp_path, begun):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    for resume in (False, True):
        for path in (other, file):
            with pytest.raises(ValueError, match="holds no run"):
                lifjax.simulate(NEURON, NOISY, 1.0, out=path, resume=resume)
    with pytest.raises(ValueError, match="already holds a run"):
        lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=begun)
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    with pytest.raises(FileNotFoundError):
        lifjax.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no run"):
        lifjax.load(other)
    with pytest.raises(ValueError, match="give out= too"):
        lifjax.simulate(NEURON, NOISY, 1.0, resume=True)


def mounted(folder, size, options=""):
    """A small file system of its own, or None where none can be mounted."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", folder], capture_output=True)
    return folder if done.returncode == 0 else None


def test_a_disk_that_is_full_is_one_clear_error_and_what_was_done_is_kept(tmp_path, small, often):
    disk = mounted(tmp_path / "disk", "1m")
    if disk is None:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(OSError, match=r"No space left.*is kept until step \d+.*resume it") as error:
            lifjax.simulate(NEURON, NOISY, 200.0, seed=3, out=disk / "run")
        assert error.value.errno == errno.ENOSPC
        part = lifjax.load(disk / "run")
        assert 0 < part.steps < 2000
        part.verify()
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert_same(lifjax.resume(disk / "run"), lifjax.simulate(NEURON, NOISY, 200.0, seed=3))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_write_that_fails_is_one_clear_error_and_what_was_done_is_kept(tmp_path, small, often, monkeypatch):
    write, written = chunks.write_whole, []

    def full(file, *parts):
        written.append(file)
        if len(written) > 60:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        return write(file, *parts)

    monkeypatch.setattr(chunks, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left.*is kept until step \d+"):
        lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "run")
    monkeypatch.undo()
    assert_same(lifjax.resume(tmp_path / "run"), lifjax.simulate(NEURON, NOISY, 60.3, seed=3))


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path):
    disk = mounted(tmp_path / "disk", "1m", ",ro")
    if disk is None:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(OSError, match="Read-only"):
            lifjax.simulate(NEURON, NOISY, 1e6, out=disk / "run")
    finally:
        subprocess.run(["umount", disk], check=True)


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


def test_two_processes_do_not_write_the_same_run(begun):
    with Folder.open(begun).alone(), pytest.raises(ValueError, match="is being written by another process"):
        lifjax.resume(begun)
    assert lifjax.resume(begun).steps == 603


def test_processes_can_each_write_their_own_neurons(tmp_path, small):
    from lifjax.store import Strip, Writer

    whole = lifjax.simulate(NEURON, NOISY, 60.3, seed=3, record=("spikes",), out=tmp_path / "whole")
    folder = Folder.open(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "run", ignore=shutil.ignore_patterns("0-*"))
    shutil.rmtree(tmp_path / "run" / "spikes" / "c")
    array = Folder.open(tmp_path / "run").chunks["spikes"]
    edge = 2 * folder.width
    for begin, stop in ((0, edge), (edge, 300)):
        writer = Writer()
        for j in range(begin // folder.width, -(-stop // folder.width)):
            strip = Strip(writer, array, j)
            strip.put(0, np.asarray(whole.octets[j]))
            strip.flush(array.shape[0])
        writer.settle()
        writer.close()
        state = {"count": whole.spike_count[begin:stop]}
        told = {"tuple": [{"dict": {}}, {"tuple": []}]}
        Folder.open(tmp_path / "run").checkpoints.save(603, begin, told, state)
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    there = lifjax.load(tmp_path / "run")
    np.testing.assert_array_equal(there.spikes, whole.spikes)
    there.verify()
