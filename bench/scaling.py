"""Weak scaling: how the speed of a run on disk grows with processes and with devices, each with as many neurons.

Run: python bench/scaling.py [--neurons N] [--seconds S] [--rounds R]

Each process is bound to a core of its own as long as there are any, and has JAX's CPU device split in as many as said.
A row's work is ``neurons`` for each process, or device; what is timed is a second run of the same shape, from a barrier
to a barrier, with all spikes written to disk. The share is the speed over that of the first row times the cores in use.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lifjax
from lifjax import backend, processes


def work(args: argparse.Namespace) -> None:
    """One process of a run; the first prints what it took."""
    address, count, number = args.join.split(",")
    if int(count) > 1:
        processes.join(address, int(count), int(number))
    for name, duration in (("warm", 100.0), ("run", 1000 * args.seconds)):
        processes.meet({})
        begun = time.perf_counter()
        run = lifjax.simulate(
            lifjax.LIF(), lifjax.white_noise(160.0, 3.0), duration, record=("spikes",), population=args.neurons,
            out=args.folder / name,
        )  # fmt: skip
        seconds = time.perf_counter() - begun
    if processes.number() == 0:
        print(json.dumps({"seconds": seconds, "spikes": int(run.spike_count.sum(dtype="int64")), "steps": run.steps}))


def measured(count: int, devices: int, cores: list[int], neurons: int, seconds: float) -> dict[str, Any]:
    """One run by so many processes with so many devices each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = Path(tempfile.mkdtemp(prefix="lifjax-scaling-"))
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    argv = ["--neurons", str(neurons), "--seconds", str(seconds), "--folder", str(folder)]
    try:
        started, all_ = [], os.sched_getaffinity(0)
        for number in range(count):
            os.sched_setaffinity(0, [cores[number % len(cores)]] if count > 1 or len(cores) == 1 else cores)
            command = [sys.executable, __file__, *argv, "--join", f"{address},{count},{number}"]
            out = subprocess.PIPE if number == 0 else subprocess.DEVNULL
            started.append(subprocess.Popen(command, stdout=out, env={**os.environ, "XLA_FLAGS": flags}))
        os.sched_setaffinity(0, all_)
        out = started[0].communicate()[0]
        if any(process.wait() for process in started):
            raise SystemExit("a process failed")
        return json.loads(out.splitlines()[-1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=200_000, help="for each process, or device")
    parser.add_argument("--seconds", type=float, default=1.0, help="of model time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--join", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.join:
        work(args)
        return
    cores = sorted(os.sched_getaffinity(0))
    print(f"{backend.device_name()}, load {os.getloadavg()[0]:.2f}; {args.neurons:,} neurons each, {args.seconds:g} s")
    rows = [(f"{count} process{'es' if count > 1 else ''}, a core each", count, 1) for count in (1, 2, 3, 4)]
    rows += [(f"1 process, all cores, {devices} devices", 1, devices) for devices in (1, 2, 4, 8)]
    found: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    spikes: dict[int, set[int]] = {}
    for _ in range(args.rounds):
        for name, count, devices in rows:
            parts = count * devices
            one = cores[:1] if name == rows[0][0] else cores
            told = measured(count, devices, one, args.neurons * parts, args.seconds)
            found[name].append(args.neurons * parts * told["steps"] / told["seconds"])
            spikes.setdefault(parts, set()).add(told["spikes"])
    assert all(len(same) == 1 for same in spikes.values()), "spikes differ between layouts of one population"
    first = statistics.median(found[rows[0][0]])
    for name, count, devices in rows:
        speed, used = statistics.median(found[name]), min(count, len(cores)) if devices == 1 and count > 1 else None
        used = used or (1 if name == rows[0][0] else len(cores))
        print(f"{name:32} {speed / 1e9:6.3f} G neuron-steps/s on {used} cores: {speed / first / used:.2f} of linear")


if __name__ == "__main__":
    main()
