"""A run that is killed at random moments, and gone on with after each, against one that nothing interrupts.

Run: python tests/kills.py [--kills N] [--seed S]

Each process is killed by SIGKILL some tenths of a second after it has compiled. There are so many checkpoints
and chunks that much of its time goes to writing. What is on disk at the end is compared file by file.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from stored import files

import lifjax
from lifjax.store.chunks import PARTIAL

PROGRAM = """
import sys, tempfile, lifjax, stored
from lifjax import backend
stored.make_small(setattr)
stored.make_often(setattr)
backend._CHUNK, backend._ROWS_A_CHUNK = 2**16, (16, 1024)

def run(duration, out):
    how = {"record": ("V", "spikes"), "every": 5, "resume": True, "progress": True}
    lifjax.simulate(stored.NEURON, stored.NOISY, duration, out=out, **how)

with tempfile.TemporaryDirectory() as warm:  # else most kills would strike the compiler
    run(20.0, warm)
print("ready", flush=True)
run(float(sys.argv[1]), sys.argv[2])
"""


def begin(folder, duration):
    """A process that runs into a folder, from where it has compiled."""
    argv = [sys.executable, "-c", PROGRAM, str(duration), str(folder)]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parent
    )
    assert process.stdout.readline() == "ready\n"
    return process


def survive(folder, kills, seed=0, pause=0.3):
    """Run to the end in a folder, killed so many times; what was seen."""
    random, tally = np.random.default_rng(seed), {"kills": 0, "in a write": 0, "steps at kills": []}
    whole, killed = folder / "whole", folder / "killed"
    duration = 300.0 * (1 + kills)
    begun, process = time.monotonic(), begin(whole, duration)
    told = process.communicate()[1]
    assert process.returncode == 0, told
    tally["seconds uninterrupted"] = round(time.monotonic() - begun, 1)
    while process is not None:
        process = begin(killed, duration)
        if tally["kills"] == kills:
            told = process.communicate()[1]
            assert process.returncode == 0, told
            break
        time.sleep(random.uniform(0.0, 2 * pause))
        process.send_signal(signal.SIGKILL)
        told = process.communicate()[1]
        if process.returncode == 0:  # it came to its end before
            break
        assert process.returncode == -signal.SIGKILL, told
        tally["kills"] += 1
        tally["in a write"] += any(killed.rglob(f".*{PARTIAL}"))
        tally["steps at kills"].append(lifjax.load(killed).steps if killed.exists() else None)
    assert "on disk" in told
    one, other = files(killed), files(whole)
    assert one == other, sorted(name for name in {**one, **other} if one.get(name) != other.get(name))
    assert sorted(path.name for path in folder.iterdir()) == ["killed", "whole"], "something was left beside the run"
    lifjax.load(killed).verify()
    return tally | {"files": len(one), "the same": True}


def main():
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(survive(pathlib.Path(folder), args.kills, args.seed))


if __name__ == "__main__":
    main()
