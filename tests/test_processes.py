"""Several processes that share a run find what one finds, and where one of them ends, all end and nothing is lost."""

import os
import signal
import socket
import subprocess
import sys
import time
import types

import pytest

import lifjax
from lifjax import processes
from lifjax.cli import main, several
from lifjax.simulate import stream

PROGRAM = """
import errno, hashlib, os, signal, sys
import numpy as np
import lifjax
from lifjax import backend, processes
from lifjax.simulate import stream
from lifjax.store import chunks

out, mode, address, count, number = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
backend._STEPS_A_CALL = (64, 256)
backend._ROWS_A_CHUNK = (16, 64)
stream.CHECKPOINT = stream._MEETING = 0.0
if count > 1:
    processes.join(address, count, number)
meet, meetings = processes.meet, []

def dying(word):
    meetings.append(word)
    if mode == "die" and number == 1 and len(meetings) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return meet(word)

def full(file, *parts):
    if mode == "full" and number == 1 and len(meetings) >= 5 and "spikes" in str(file):
        raise OSError(errno.ENOSPC, "No space left on device", str(file))
    return write(file, *parts)

write = chunks.write_whole
if mode:
    processes.meet, chunks.write_whole = dying, full
noisy = lifjax.white_noise(np.linspace(150, 260, 3000), 5.0)
try:
    run = lifjax.simulate(
        lifjax.LIF(tau_m=np.linspace(8, 12, 3000)), noisy, 250.7, seed=7, neurons=[0, 77, 2999, 1500],
        out=out if out != "-" else None, resume=out != "-",
    )
    digest = hashlib.sha256()
    for x in (run.V[:], np.hstack(run.octets), run.spike_count, run.state.neuron.V, run.state.neuron.refractory):
        digest.update(np.ascontiguousarray(x).tobytes())
    print(digest.hexdigest())
except (processes.OtherProcessError, OSError) as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    os._exit(3)
"""


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def launch(count, out="-", mode=""):
    """What each of several processes of the program prints, and their exit statuses."""
    address = free_address()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(out), mode, address, str(count), str(number)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    said = [process.communicate(timeout=100) for process in started]
    return [out.strip() for out, _ in said], [process.returncode for process in started], said


@pytest.mark.slow
def test_any_number_of_processes_finds_the_same_bits_also_where_some_of_them_died_or_failed(tmp_path):
    (whole,), _, _ = launch(1)
    assert len(whole) == 64

    found, codes, said = launch(3, tmp_path / "three")
    assert (found, codes) == ([whole] * 3, [0] * 3), said

    found, codes, said = launch(3, tmp_path / "some", "die")
    assert codes[1] == -signal.SIGKILL
    assert 3 in codes, said  # if the runtime does not end a process first
    told = next(out for out, code in zip(found, codes, strict=True) if code == 3)
    assert "OtherProcessError: another of the 3 processes is lost" in told
    assert "the run is kept until step " in told
    done = lifjax.load(tmp_path / "some").steps
    assert 0 < done < 2507

    found, codes, said = launch(2, tmp_path / "some", "full")
    assert codes == [3, 3], said
    assert "OtherProcessError: process 1 of 2 failed: OSError: [Errno 28] No space left on device" in found[0]
    assert "No space left on device; the run is kept until step " in found[1]
    assert done <= lifjax.load(tmp_path / "some").steps < 2507

    found, codes, said = launch(1, tmp_path / "some")
    assert (found, codes) == ([whole], [0]), said


def lifjax_run(*words):
    command = [sys.executable, "-m", "lifjax", "run", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_the_command_line_starts_processes_and_they_find_what_one_does(tmp_path):
    flags = "--neurons", 3000, "--duration", 50, "--seed", 5, "--quiet"
    out, err = lifjax_run(*flags, "--out", tmp_path / "two", "--processes", 2).communicate(timeout=100)
    assert "2 processes on" in out, err
    assert f"written to {tmp_path / 'two'}" in out
    assert main(["run", *map(str, flags), "--out", str(tmp_path / "one")]) == 0
    one, two = (lifjax.load(tmp_path / name / "run.zarr") for name in ("one", "two"))
    assert one.spike_count.sum() > 1000
    for a, b in zip(one.events(), two.events(), strict=True):
        assert (a == b).all()
    assert {file.name for file in (tmp_path / "two").iterdir()} == {file.name for file in (tmp_path / "one").iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_process_that_is_killed_ends_the_others_and_the_command_says_so(tmp_path):
    started = lifjax_run("--neurons", 3000, "--duration", 1e6, "--out", tmp_path / "run", "--processes", 2)
    until = time.monotonic() + 60
    while not (tmp_path / "run" / "run.zarr").exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.0)
    second = next(pid for pid in children_of(started.pid) if command_of(pid).endswith(",2,1"))
    os.kill(second, signal.SIGKILL)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "process 1 of 2 was ended by SIGKILL, and the others with it; lifjax run --resume" in err
    assert lifjax.load(tmp_path / "run" / "run.zarr").wanted == 10_000_000


@pytest.mark.parametrize(("codes", "told"), [((2, -9), 1), ((-6, -9), 1), ((-9, -6), 0), ((3, 0), 0), ((3, -6), 0)])
def test_of_processes_that_failed_the_one_that_was_ended_from_outside_is_told_of(codes, told):
    children = [types.SimpleNamespace(poll=lambda code=code: code) for code in codes]
    assert several._struck(children, 0) == told


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(word) for word in children.read().split()]


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        return command.read().rstrip(b"\0").replace(b"\0", b" ").decode()


def test_processes_that_cannot_be_are_refused_with_one_clear_error(capfd, tmp_path):
    for words, told in (
        (["--processes", "0"], "--processes = 0 must be at least 1"),
        (["--processes", "99999"], "--processes = 99999 is far beyond the "),
        (["--processes", "2", "--distributed"], "give one"),
        (["--processes", "2", "--tau_m", "-1"], "tau_m = -1.0 ms: the membrane time constant must be above 0 ms"),
        (["--distributed"], "processes cannot find each other: "),
    ):
        assert main(["run", *words, "--out", str(tmp_path / "run")]) == 2
        assert told in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_of_several_processes_each_has_whole_chunks_and_too_many_are_refused(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 3)
    shares = []
    for number in range(3):
        monkeypatch.setattr(processes, "number", lambda number=number: number)
        shares.append(processes.share(7))
    assert shares == [(0, 2), (2, 4), (4, 7)]
    with pytest.raises(ValueError, match="that 2 processes can share, not 3; use at most 2"):
        processes.share(2)
    with pytest.raises(ValueError, match="that 1 process can share, not 3; use at most 1"):
        processes.share(1)


def test_what_fails_in_another_process_is_raised_here_and_what_fails_here_is_told(monkeypatch):
    said = []

    def gathered(own):
        said.append(bytes(own).decode().strip())
        other = b'{"failed": "OSError: full"}' if len(said) == 2 else b"{}"
        return [own, memoryview(other.ljust(len(own)))]

    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr("jax.experimental.multihost_utils.process_allgather", gathered)
    assert processes.together(lambda: 3) == 3
    with pytest.raises(processes.OtherProcessError, match="process 1 of 2 failed: OSError: full"):
        processes.together(lambda: 3)

    def wrong():
        raise ValueError("ä" * 5000)

    with pytest.raises(ValueError, match="äää"):
        processes.together(wrong)
    assert said[-1].startswith('{"failed": "ValueError: \\u00e4')

    def lost(own):
        raise ValueError("UNKNOWN: Gloo AllGather failed: connection closed\nat some place")

    monkeypatch.setattr("jax.experimental.multihost_utils.process_allgather", lost)
    with pytest.raises(processes.OtherProcessError, match=r"another of the 2 processes is lost \(.*closed\)") as told:
        processes.meet({})
    assert told.value.lost


def test_many_chosen_neurons_that_processes_would_have_to_write_together_are_refused(monkeypatch, tmp_path):
    many = list(range(0, 200, 2))
    lifjax.simulate(lifjax.LIF(), 300.0, 5.0, population=200, neurons=many, record=("V", "spikes"), out=tmp_path / "r")
    run = lifjax.load(tmp_path / "r")
    monkeypatch.setattr(processes, "share", lambda parts: (0, parts))
    kept = stream.Stream(run.folder, 0)
    assert [strip.j for strip in kept.strips["V"]] == [0]
    kept.writer.close()
    monkeypatch.setattr(run.folder, "size", 100)
    with pytest.raises(ValueError, match="V of 100 neurons cannot be written by 1 processes; choose at most 64"):
        stream.Stream(run.folder, 0)
