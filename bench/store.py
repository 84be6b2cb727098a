"""How fast a run is that goes to disk, against the same run whose records are dropped.

Run: python bench/store.py [--neurons N] [--seconds S] [--rounds R] [--folder DIR]

Every spike of a million neurons that fire about 10 times a second, for 20 s of model time, is written with
``simulate(..., out=)``. It is measured against the same run with every spike recorded too, into memory that the next
call writes over: what the writing costs, and nothing else. Both in turn, each in a process of its own that has compiled
and warmed up. It takes a few GB of disk, which are given back.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import lifjax
from lifjax.simulate.blocks import Records, run_blocks
from lifjax.simulate.core import make_ready
from lifjax.stimulus.base import StimulusLike, terms

SPIKES = frozenset({"spikes"})


class Dropped(Records):
    """Records that nobody keeps."""

    def keep_octets(self, number: int, first: int, octets: np.ndarray) -> None:
        """Leave them."""


def drive(kind: str, neurons: int) -> StimulusLike:
    """What makes neurons fire about 10 times a second: constant currents around the rheobase, or white noise."""
    return (
        np.linspace(194.0, 206.0, neurons, dtype=np.float32) if kind == "constant" else lifjax.white_noise(160.0, 3.0)
    )


def work(kind: str, way: str, neurons: int, duration: float, folder: Path) -> dict[str, Any]:
    """One run; what it took."""
    begun = time.perf_counter()
    if way == "stored":
        run = lifjax.simulate(
            lifjax.LIF(), drive(kind, neurons), duration, record=("spikes",), population=neurons, out=folder
        )
        count = run.spike_count
    else:
        steps = round(duration / 0.1)
        plan, carry, _ = make_ready(
            lifjax.LIF(), terms(drive(kind, neurons)), steps, 0.1, 0, None, "euler", neurons
        )  # fmt: skip
        blocks, _ = run_blocks(plan, carry, steps, Dropped(plan.shape, 0, SPIKES, 1, None), False)
        _, count = blocks.gathered()
    told = {"seconds": time.perf_counter() - begun, "spikes": int(count.sum(dtype=np.int64))}
    told["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1000
    if way == "stored":
        told["bytes"] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        begun = time.perf_counter()
        train = lifjax.load(folder).spike_times[3 * neurons // 4]
        told |= {"reading": time.perf_counter() - begun, "train": len(train)}
    return told


def process(argv: list[str], folder: Path, way: str) -> dict[str, Any]:
    """One run in a process of its own, which leaves nothing on the disk."""
    try:
        out = subprocess.run(
            [sys.executable, __file__, *argv, "--way", way, "--folder", str(folder)], capture_output=True, check=True
        ).stdout
        return json.loads(out.splitlines()[-1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of model time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--kind", choices=("constant", "noise"), help="only this drive")
    parser.add_argument("--way", choices=("stored", "dropped"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        for name, duration in (("warm", 500.0), ("run", 1000 * args.seconds)):
            told = work(args.kind, args.way, args.neurons, duration, args.folder / name)
        print(json.dumps(told))
        return
    for kind in [args.kind] if args.kind else ["constant", "noise"]:
        argv = ["--kind", kind, "--neurons", str(args.neurons), "--seconds", str(args.seconds)]
        found: dict[str, list[dict[str, Any]]] = {"dropped": [], "stored": []}
        for _ in range(args.rounds):
            for way, all_ in found.items():
                all_.append(process(argv, args.folder / f"lifjax-bench-{os.getpid()}", way))
        dropped, stored = (statistics.median(one["seconds"] for one in all_) for all_ in found.values())
        one = found["stored"][0]
        assert one["spikes"] == found["dropped"][0]["spikes"]
        rate, steps = one["spikes"] / args.neurons / args.seconds, args.neurons * args.seconds * 1e4
        print(
            f"{kind}: {args.neurons:,} neurons at {rate:.1f} Hz for {args.seconds:g} s: dropped {dropped:.1f} s "
            f"({steps / dropped / 1e9:.2f} G/s), stored {stored:.1f} s ({steps / stored / 1e9:.2f} G/s): "
            f"speed ratio {dropped / stored:.2f}; {one['bytes'] / 1e9:.2f} GB on disk, "
            f"{one['bytes'] / one['spikes']:.2f} bytes a spike; memory at most {one['memory'] / 1e9:.2f} GB "
            f"(dropped {found['dropped'][0]['memory'] / 1e9:.2f} GB); one neuron's {one['train']} spikes read in "
            f"{statistics.median(x['reading'] for x in found['stored']):.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
