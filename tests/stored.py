"""What the tests of runs on disk share."""

import contextlib
import functools
import hashlib
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest

import lifjax
from lifjax import backend
from lifjax.simulate import blocks, stream

NEURON = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 300))
NOISY = lifjax.white_noise(np.linspace(180.0, 260.0, 300), 5.0) + lifjax.ornstein_uhlenbeck(20.0, 30.0, 5.0)
ALL = ("V", "spikes", "current")
SMALL = {"_SHARE": 100, "_BLOCK": 64, "_STEPS_A_CALL": (64, 64), "_CHUNK": 1024, "_ROWS_A_CHUNK": (16, 64)}


def make_small(patch):
    """Blocks, calls and chunks small enough that a short run has several of each."""
    for name, value in SMALL.items():
        patch(backend, name, value)


def make_often(patch):
    """A checkpoint after every round."""
    patch(stream, "CHECKPOINT", 0.0)


def files(folder):
    """The digests of all files in a folder, by their names."""
    found = {str(file.relative_to(folder)): file for file in pathlib.Path(folder).rglob("*") if file.is_file()}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()}


def assert_same(stored, run):
    assert repr(stored).startswith(repr(run)[:30])
    np.testing.assert_array_equal(stored.spike_count, run.spike_count)
    assert stored.traces.keys() == run.traces.keys()
    for name, trace in run.traces.items():
        assert stored.traces[name].shape == trace.shape
        np.testing.assert_array_equal(stored.traces[name], trace)
    for one, other in zip(jax.tree.leaves(stored.state), jax.tree.leaves(run.state), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
    if run.octets is not None:
        np.testing.assert_array_equal(stored.spikes, run.spikes)
        for one, other in zip(stored.events(), run.events(), strict=True):
            np.testing.assert_array_equal(one, other)


def interrupted_after(monkeypatch, calls, how):
    """Do something in the middle of a run, once so many calls were made."""
    chunk, made = blocks._chunk, []

    def counted(*args, **kwargs):
        made.append(0)
        if len(made) == calls:
            how()
        return chunk(*args, **kwargs)

    monkeypatch.setattr(blocks, "_chunk", counted)


def chunk_files(folder, name):
    return sorted(file for file in (folder / name / "c").rglob("*") if file.is_file())


def struck_after(monkeypatch, calls, folder, simulate):
    """A folder with a run that failed once so many calls were made."""

    def fail():
        raise RuntimeError("struck")

    with monkeypatch.context() as patch:
        interrupted_after(patch, calls, fail)
        patch.setattr(blocks, "do_without", lambda *_: False)
        with pytest.raises(RuntimeError, match="struck"):
            simulate(out=folder)
    return folder


@contextlib.contextmanager
def failing_after(monkeypatch, number, error, dead=False):
    """Let all that brings files to the disk fail once it was done so many times; what was done.

    ``dead``: as in a process that was killed, nothing is cleaned up either.
    """
    fsync, replace, unlink, rmtree, seen = os.fsync, pathlib.Path.replace, pathlib.Path.unlink, shutil.rmtree, []

    def event(act, *args):
        seen.append(args)
        if len(seen) > number:
            raise error
        return act(*args)

    def alive():
        return not dead or len(seen) <= number

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", functools.partial(event, fsync))
        patch.setattr(pathlib.Path, "replace", lambda *args: event(replace, *args))
        patch.setattr(pathlib.Path, "unlink", lambda *args, **how: alive() and unlink(*args, **how))
        patch.setattr(shutil, "rmtree", lambda *args, **how: alive() and rmtree(*args, **how))
        yield seen
