"""The yardstick in C, bench/yardstick.c: compiled on the spot, float32, a thread a core."""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import protocol as p

from lifjax import noise

work = p.workload()
neurons, steps, record = work["neurons"], work["steps"], work["record"]
if record == "spikes":
    record = "counts"  # the limit for recorded spikes is a run that need not record them
if record == "events" or (work["stimulus"] == "noise" and record == "V"):
    p.cannot("the yardstick has no such work")

FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-shared", "-fPIC"]
SOURCE = Path(__file__).parents[1] / "yardstick.c"
compiler = os.environ.get("CC", "gcc")
with tempfile.TemporaryDirectory() as folder:
    library = Path(folder) / "yardstick.so"
    subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(library)], check=True)
    c = ctypes.CDLL(str(library))
about = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


class Neuron(ctypes.Structure):
    """The struct of the same name."""

    _fields_ = [(name, ctypes.c_float) for name in ("V_th", "V_reset", "keep", "scale", "base")] + [
        ("n_ref", ctypes.c_int32)
    ]


gain = p.DT / p.TAU_M
neuron = Neuron(p.V_TH, p.V_RESET, 1 - gain, gain / p.G_L, gain * p.E_L, p.N_REF)
n, total = ctypes.c_long(neurons), ctypes.c_long(steps)
key = [ctypes.c_uint32(int(word)) for word in noise.key(0)]  # the deviates of seed 0 in lifjax
I, count = p.currents(neurons), np.zeros(neurons, np.int32)
size = steps * neurons if record == "V" or record == "writes" else 0
raw = np.zeros(size + 16, np.float32)
V = raw[-raw.ctypes.data % 64 // 4 :][:size]  # from where a line of a cache begins
pointer = {name: ctypes.c_void_p(x.ctypes.data) for name, x in {"I": I, "count": count, "V": V}.items()}


def run() -> int:
    """All steps from the start."""
    if record == "writes":
        c.writes(n, total, pointer["V"])
    elif record == "V":
        c.voltages(neuron, pointer["I"], n, total, pointer["count"], pointer["V"])
    elif work["stimulus"] == "noise":
        spread = ctypes.c_float(p.SPREAD)
        c.noise(neuron, pointer["I"], spread, *key, n, total, pointer["count"])
    else:
        c.counts(neuron, pointer["I"], n, total, pointer["count"])
    return int(count.sum(dtype=np.int64))


p.serve(run, {compiler: about}, "seconds of the C function, float32; memory that it writes to is there before")
