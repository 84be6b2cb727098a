"""What a run of many neurons on many GPUs takes: bytes moved, time and disk, worked out from stated rates.

Run: python bench/estimate.py [--neurons 1e9] [--gpus 64] [--rate 10] [--seconds 1] [--dt 0.1]

What depends on lifjax alone is measured here, on a core of this machine: bytes a spike takes on disk, and how fast a
core packs the bits of a raster. What depends on a cluster is assumed, and said: each has a flag. The speed of a GPU is
an aim until `python -m bench --device gpu` has been run on one. What a run takes is the longest of its parts, since it
computes, copies and writes at the same time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import lifjax
from lifjax.backend import human
from lifjax.store.chunks import Chunks

STATE = 4 + 4  # bytes of V and of the refractory counter
COUNT = 4


def measured(rate: float, dt: float) -> tuple[float, float]:
    """Bytes of a spike on disk, and bytes of bits that a core packs and writes a second, at a firing rate [Hz]."""
    neurons, duration = 16_384, 1000.0
    means = np.linspace(50.0, 1000.0, 2000)  # pA
    mean = np.interp(rate, lifjax.theory.siegert_rate(lifjax.LIF(), means, 3.0), means)
    drive = lifjax.white_noise(float(mean), 3.0)
    run = lifjax.simulate(lifjax.LIF(), drive, duration, dt=dt, record=("spikes",), population=neurons)
    octets = np.hstack(run.octets)
    with tempfile.TemporaryDirectory() as folder:
        chunks = Chunks(Path(folder), octets.shape, (256, neurons), octets.dtype)
        begun, size, parts = time.perf_counter(), 0, range(len(octets) // 256)
        for i in parts:
            size += chunks.write(i, 0, octets[256 * i : 256 * (i + 1)])
        seconds = time.perf_counter() - begun
    rows = 256 * len(parts)
    spikes = int(np.bitwise_count(octets[:rows]).sum())
    return size / spikes, rows * neurons / seconds


def main() -> None:
    """Print the estimate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value, told in (
        ("neurons", 1e9, "population"),
        ("gpus", 64, "GPUs, a process each"),
        ("rate", 10.0, "Hz, mean firing rate"),
        ("seconds", 1.0, "s of model time"),
        ("dt", 0.1, "ms, grid step"),
        ("speed", 2e11, "neuron-steps a second of a GPU; the aim on an H100 with white noise, 1e12 with a constant"),
        ("link", 5e10, "bytes a second from a GPU to its host (PCIe 5)"),
        ("cores", 12, "cores for each GPU that pack and write"),
        ("disk", 5e10, "bytes a second that the file system takes from all together"),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, help=f"{told} [{value:g}]")
    args = parser.parse_args()
    steps, each = args.seconds * 1000 / args.dt, args.neurons / args.gpus
    spikes = args.neurons * args.rate * args.seconds
    spike, packing = measured(args.rate, args.dt)
    bits, disk, checkpoint = each * steps / 8, spikes * spike, args.neurons * (STATE + COUNT)
    parts = {
        "computing": each * steps / args.speed, "the link": bits / args.link,
        "packing": bits / packing / args.cores, "the disk": disk / args.disk,
    }  # fmt: skip
    computing, link, packed, written = parts.values()
    print(f"{args.neurons:.3g} neurons at {args.rate:g} Hz on {args.gpus:g} GPUs for {args.seconds:g} s")
    rows = [
        ("a GPU holds", human(each * (STATE + COUNT)), "V, counter and count of its neurons"),
        ("a GPU computes", f"{computing:.2f} s", f"at {args.speed:.3g} neuron-steps/s (--speed, assumed)"),
        ("it hands its host", human(bits), f"spikes as bits: {link:.2f} s at {human(args.link)}/s (--link, assumed)"),
        ("its cores pack that in", f"{packed:.2f} s", f"{args.cores:g} (--cores), {human(packing)}/s each, measured"),
        ("the disk takes", human(disk), f"{spike:.2f} bytes a spike, measured: {written:.2f} s (--disk, assumed)"),
        ("a checkpoint is", human(checkpoint), f"{checkpoint / args.disk:.2f} s; two are kept, one every 10 s"),
        ("processes tell each other", human(args.gpus * 2048), "at a meeting, every 2 s or so; nothing else"),
    ]
    for name, value, told in rows:
        print(f"{name:26} {value:>10}  {told}")
    longest = max(parts, key=parts.__getitem__)
    print(
        f"so a second of model time takes about {parts[longest] / args.seconds:.1f} s, which {longest} sets; with "
        f"counts alone (record=()) {computing / args.seconds:.2f} s, and {human(2 * checkpoint)} of disk"
    )


if __name__ == "__main__":
    main()
