"""Runs that were ended on the way: what goes on from the last checkpoint is, byte for byte, what was begun."""

import contextlib
import os
import re
import shutil
import signal

import kills
import numpy as np
import pytest
from stored import ALL, NEURON, NOISY, assert_same, failing_after, files, interrupted_after, struck_after

import lifjax
from lifjax import backend
from lifjax.simulate import blocks, progress
from lifjax.store import Folder, Strip, Writer, folder


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
        ({"duration": 70.0}, r"steps was 603 and is 700; .* go on from its end: state=lifjax\.load\(.*\)\.state"),
        ({"dt": 0.05}, r"dt was 0\.1 and is 0\.05"),
        ({"record": ("V",)}, "record"),
        ({"every": 2}, "every was 1 and is 2"),
        ({"neurons": [1]}, "neurons was None"),
        ({"integrator": "exact"}, "integrator was 'euler' and is 'exact'"),
        ({"integrator": "exact", "spike_timing": "interpolated"}, "spike_timing was 'grid' and is 'interpolated'"),
        ({"population": (2, 300)}, r"shape was \[300\] and is \[2, 300\]"),
        ({"neuron": lifjax.EIF()}, r"neuron was a lifjax\.neurons\.lif\.LIF and is a lifjax\.neurons\.eif\.EIF"),
        ({"state": lifjax.simulate(NEURON, NOISY, 1.0, seed=3).state}, "first_step was 0 and is 10; state was None"),
    ],
    ids=lambda x: next(reversed(x)) if isinstance(x, dict) else "",
)
def test_another_run_is_not_gone_on_with(begun, change, told):
    how = {"neuron": NEURON, "stimulus": NOISY, "duration": 60.3, "seed": 3, "out": begun, "resume": True} | change
    before = files(begun)
    with pytest.raises(ValueError, match=told):
        lifjax.simulate(**how)
    assert files(begun) == before


def test_what_ends_with_its_run_is_the_same_in_one_that_goes_on(tmp_path, small, often, monkeypatch):
    until_the_end = NOISY + lifjax.ramp(0.0, 100.0)
    lifjax.simulate(NEURON, until_the_end, 60.3, seed=3, out=tmp_path / "whole")

    def run(out):
        return lifjax.simulate(NEURON, until_the_end, 60.3, seed=3, out=out)

    lifjax.resume(struck_after(monkeypatch, 28, tmp_path / "run", run))
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_how_far_a_run_is_is_told_in_lines_where_there_is_no_terminal(begun, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINES", (0.0, 0.0))
    run = lifjax.resume(begun, progress=True)
    *lines, last = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    for line in lines:
        assert re.fullmatch(
            r"lifjax: +\d+%, \d+ of 603 steps, [\d,]+ steps/s, [\d,]+ spikes, [\d.]+ [kM]B on disk, "
            r"\d+:\d\d:\d\d left, until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d",
            line,
        ), line
    kept = [file for file in begun.rglob("*") if file.is_file() and {"c", "checkpoints"} & set(file.parts)]
    size = sum(file.stat().st_size for file in kept if "given" not in file.parts)
    assert "100%, 603 of 603 steps, " in last
    assert f"{run.spike_count.sum():,} spikes, {backend.human(size)} on disk in 0:00:0" in last


def test_the_rate_that_is_told_is_that_of_now(capsys, monkeypatch):
    """Not that of what was done before, nor of the first steps, which are compiled too."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress(10_000, 4000, True, lambda: (7, None)) as moved:
        for seconds, steps in ((50.0, 1000), (10.0, 1000), (5.0, 1000), (200.0, 1000)):
            now[0] += seconds
            moved(steps)
        now[0] += 100.0
        moved(2000)
    *others, last = capsys.readouterr().err.splitlines()
    assert [re.search(r"([\d,]+) steps/s", line)[1] for line in others] == ["100", "200", "5"]
    assert "0:06:40 left" in others[-1]  # 2000 steps at 5 a second
    assert "100%, 10,000 of 10,000 steps, 16 steps/s, 7 spikes in 0:06:05" in last


def test_another_version_or_precision_does_not_go_on_with_a_run(begun, monkeypatch, x64):
    with pytest.raises(ValueError, match="precision was 'float32' and is 'float64'"):
        lifjax.resume(begun)
    now = folder.versions()
    monkeypatch.setattr(folder, "versions", lambda: now | {"lifjax": "9.9"})
    with pytest.raises(ValueError, match=r"version\.lifjax was '.*' and is '9\.9'"):
        lifjax.resume(begun)


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


def test_two_processes_do_not_write_the_same_run(begun):
    with Folder.open(begun).alone(), pytest.raises(ValueError, match="is being written by another process"):
        lifjax.resume(begun)
    assert lifjax.resume(begun).steps == 603


def test_processes_can_each_write_their_own_neurons(tmp_path, small):
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
    one, other = (
        {name: digest for name, digest in files(tmp_path / name_of).items() if not name.startswith("checkpoints/")}
        for name_of in ("run", "whole")
    )
    assert one == other
    there = lifjax.load(tmp_path / "run")
    np.testing.assert_array_equal(there.spikes, whole.spikes)
    there.verify()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path):
    assert kills.survive(tmp_path, 2)["kills"] >= 1


def test_a_run_that_died_at_any_write_goes_on_to_the_same_bytes(tmp_path, small, often, monkeypatch):
    """As a kill leaves it: what was being written is there in part, and nothing is cleaned up."""
    whole = died(tmp_path / "whole", monkeypatch, 10**9)
    for number in range(0, whole, 3):
        folder = tmp_path / str(number)
        assert died(folder, monkeypatch, number) >= number
        died(folder, monkeypatch, number // 2)  # once more, on the way on
        died(folder, monkeypatch, 10**9)
        assert files(folder) == files(tmp_path / "whole")
    assert len(list(tmp_path.iterdir())) == 1 + len(range(0, whole, 3))


class Death(BaseException):
    """What nothing in a process that is killed hears."""


def died(folder, monkeypatch, number):
    """A run that dies at one of its writes, or at none; how many there were."""
    with failing_after(monkeypatch, number, Death(), dead=True) as seen, contextlib.suppress(Death):
        lifjax.simulate(NEURON, NOISY, 12.9, seed=3, record=("spikes",), out=folder, resume=True)
    return len(seen)
