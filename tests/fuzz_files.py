"""What the fuzz does to files: folders with a run, files of a fit, settings and tables of the command line."""

import argparse
import contextlib
import io
import itertools
import pathlib
import shlex
import shutil
import sys
import tempfile
from unittest import mock

import fuzz_values as values
import numpy as np
from hypothesis import strategies as st
from matplotlib.figure import Figure

import lifjax
from lifjax.cli import fi, fit, main, run

WHERE = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-"))
NUMBER = itertools.count()
NAMES = {"case-", "fuzz-", "known", "--"}  # the names of files, and of flags


def fresh(ending=""):
    """A path that is free."""
    return WHERE / f"case-{next(NUMBER)}{ending}"


def damage(file, way, at, byte):
    """Alter a file, or what is in its place."""
    body = file.read_bytes()
    at = at % (len(body) + 1)
    if way == "gone":
        file.unlink()
    elif way == "folder":
        file.unlink()
        file.mkdir()
    else:
        flipped = body[:at] + bytes([body[at] ^ byte]) + body[at + 1 :] if at < len(body) else body
        file.write_bytes(
            {"cut": body[:at], "more": body + b"x", "junk": b"\xff{]", "flip": flipped, "json": b"[1]"}[way]
        )


WAYS = {
    "file": st.integers(0, 40), "way": st.sampled_from(["flip", "cut", "gone", "folder", "more", "junk", "json"]),
    "at": st.integers(0, 5000), "byte": st.integers(1, 255),
}  # fmt: skip


def damaged_folder(file, way, at, byte, half=False):
    folder = fresh()
    shutil.copytree(values.stored_run(), folder)
    if half:  # as if it had ended before its last checkpoint
        max((folder / "checkpoints").iterdir(), key=lambda x: x.stat().st_mtime_ns).unlink()
    there = sorted(x for x in folder.rglob("*") if x.is_file())
    damage(there[file % len(there)], way, at, byte)
    return folder


def check_same(found):
    whole = lifjax.load(values.stored_run())
    done = found.steps  # fewer where the last checkpoint is lost
    np.testing.assert_array_equal(np.asarray(found.V), np.asarray(whole.V)[:done])
    times, neurons = whole.events()
    np.testing.assert_array_equal(found.events()[1], neurons[times < (done - 0.5) * found.dt])
    if done == whole.steps:
        np.testing.assert_array_equal(found.spike_count, whole.spike_count)
    shutil.rmtree(found.folder.path)


def load(**how):
    check_same(lifjax.load(damaged_folder(**how)))


def resume(**how):
    check_same(lifjax.resume(damaged_folder(**how, half=True)))


def load_fit(file, way, at, byte):
    path = fresh(".npz")
    values.fit_of().save(path)
    damage(path, way, at, byte)
    found, whole = lifjax.Fit.load(path), values.fit_of()
    np.testing.assert_array_equal(found.error, whole.error)
    np.testing.assert_array_equal(found.neuron.tau_m, whole.neuron.tau_m)


def any_path(door):
    """A door that reads a path, given anything."""
    return {"path": values.hostile() | st.sampled_from([str(WHERE), WHERE / "none", "", "/"])}, lambda path: door(path)


DOORS = [
    ("load", load, WAYS),
    ("resume", resume, WAYS),
    ("Fit.load", load_fit, WAYS),
    *((f"{f.__qualname__}", call, usual) for f in (lifjax.load, lifjax.resume, lifjax.Fit.load) for usual, call in [any_path(f)]),
]  # fmt: skip

TOML = (
    "neurons = 3\nduration = 20.0\nmean = 300.0\nseed = 1\ntau_m = 12.0\nintegrator = 'exact'\n[spread]\nV_th = 1.0\n"
)
RECORDING = "time_ms,current_pA,voltage_mV\n0,0,-70\n1,300,-70\n2,300,-69\n3,300,-68\n"
TARGETS = "current_pA,rate_hz,neuron\n250,20,0\n300,60,0\n250,30,1\n300,70,1\n"


def words(known, *more):
    """Flags with cells."""
    flags = [f"--{name}" for name in known if name not in ("neurons", "duration", "steps", "restarts", "trials")]
    pairs = st.tuples(st.sampled_from([*flags, *more]), st.sampled_from([*values.CELLS, "exact", "5", "10.5", "tau_m"]))
    return st.lists(pairs.map(list), max_size=3).map(lambda found: [word for pair in found for word in pair])


class Heard(io.StringIO):
    """Standard error that remembers about which error it is told."""

    error: BaseException | None = None

    def write(self, text):
        self.error = sys.exception() or self.error
        return super().write(text)


def command(*begin):
    """A door that says words to the command line."""

    def call(words, toml=None, csv=None):
        told, path = list(begin), fresh()
        for flag, body in (("--config", toml), ("--current" if begin[0] == "run" else "", csv)):
            if body is not None:
                file = fresh(".txt")
                file.write_bytes(body)
                told += [flag, str(file)] if flag else [str(file)]
        told += [*words, *(() if begin[0] == "devices" else ("--quiet", "--out", str(path)))]
        heard, drawn = Heard(), lambda self, *_, **__: values.LONG and self.draw_without_rendering()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(heard):
            try:
                with mock.patch.object(Figure, "savefig", drawn):
                    status = main(told)
            except SystemExit as end:  # words that make no command are refused with the usage
                status = end.code
        lines = heard.getvalue().strip().splitlines()
        if (status == 2 and heard.error is None) or (lines and lines[0].startswith("usage")):
            assert status == 2, status
            assert ": error: " in lines[-1], lines
            return "exit 2, with the usage"
        if status == 2:
            assert len(lines) == 1, lines
            assert lines[0].startswith("lifjax: error: "), lines
            if isinstance(heard.error, argparse.ArgumentTypeError):  # argparse's own words for what a flag says
                return "exit 2"
            raise heard.error if isinstance(heard.error, Exception) else AssertionError(lines)
        assert status == 0, (status, lines, shlex.join(told))
        shutil.rmtree(path, ignore_errors=True)
        return None

    return call


def maybe(text):
    return st.none() | values.mangled(text)


SMALL = ("--neurons", "3", "--duration", "20")
COMMANDS = [
    ("lifjax run", command("run", *SMALL), {"words": words(run.KNOWN, "--spread", "--resume", "--force", "--no"), "toml": maybe(TOML)}),
    ("lifjax run --config", command("run", *(() if values.LONG else SMALL)), {"words": st.just([]), "toml": values.mangled(TOML)}),
    ("lifjax run --current", command("run"), {"words": words({"mean": 0, "tau_m": 0}), "csv": values.mangled(RECORDING)}),
    ("lifjax fi", command("fi", "--points", "4", "--duration", "20"), {"words": words(fi.KNOWN), "toml": maybe(TOML.partition("\n")[2])}),
    ("lifjax fit", command("fit", "--steps", "1", "--duration", "20"), {"words": words(fit.KNOWN, "--bounds"), "csv": values.mangled(TARGETS)}),
    ("lifjax devices", command("devices"), {"words": words({"no": 0})}),
]  # fmt: skip
