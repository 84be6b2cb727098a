"""The command line: what it prints, what it writes, and what it refuses."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from matplotlib.image import imread

import lifjax
from lifjax import backend
from lifjax.cli import main
from lifjax.cli.recording import read_recording
from lifjax.simulate import blocks, stream

SMALL = ["--neurons", "20", "--duration", "200", "--quiet"]
SHARED = pathlib.Path(__file__).parents[2] / "shared" / "data" / "cell_B6"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def csv(path, rows, header="time_ms,current_pA,voltage_mV"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def recording(path, n=400, dt=0.25):
    rows = [f"{k * dt},{300.0 if k > 100 else 0.0},{-70 - k % 3}" for k in range(n)]
    return csv(path, rows)


def test_run_prints_a_table_and_writes_all_that_is_needed_to_repeat_it(capsys):
    assert main(["run", *SMALL, "--seed", "3", "--tau_m", "12", "--spread", "tau_m=2"]) == 0
    told = capsys.readouterr().out
    for word in ("neurons", "20", "spikes", "mean rate", "Hz", "CV", "seconds", "neuron-steps/s", "device"):
        assert word in told
    folder = pathlib.Path("lifjax-run")
    assert {file.name for file in folder.iterdir()} == {
        "summary.json", "settings.toml", "spikes.npz", "run.png", "isi.png"
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["settings"]["tau_m"] == 12
    assert summary["settings"]["spread"] == {"tau_m": 2}
    assert set(summary["versions"]) == {"lifjax", "jax", "jaxlib", "numpy", "python"}
    spikes = np.load(folder / "spikes.npz")
    assert len(spikes["time_ms"]) == len(spikes["neuron"]) == summary["results"]["spikes"] > 0
    assert imread(folder / "run.png").std() > 0

    assert main(["run", "--config", "lifjax-run/settings.toml", "--quiet"]) == 0
    again = np.load("lifjax-run-2/spikes.npz")
    for name in ("time_ms", "neuron"):
        np.testing.assert_array_equal(again[name], spikes[name])


def test_run_simulates_what_the_python_of_the_same_names_does():
    main(["run", *SMALL, "--seed", "5", "--mean", "210", "--sigma", "3", "--integrator", "exact", "--out", "here"])
    noise = lifjax.white_noise(210.0, 3.0)
    run = lifjax.simulate(lifjax.LIF(), noise, 200.0, seed=5, population=20, integrator="exact", record=("spikes",))
    spikes = np.load("here/spikes.npz")
    np.testing.assert_array_equal(spikes["time_ms"], run.events()[0])
    np.testing.assert_array_equal(spikes["neuron"], run.events()[1])


def test_flags_go_before_the_file_and_the_file_before_defaults():
    pathlib.Path("my.toml").write_text("neurons = 7\nduration = 50\ntau_m = 20.0\n[spread]\nV_th = 1.0\n")
    assert main(["run", "--config", "my.toml", "--neurons", "9", "--quiet", "--out", "here"]) == 0
    settings = tomllib.loads(pathlib.Path("here/settings.toml").read_text())
    assert (settings["neurons"], settings["duration"], settings["tau_m"], settings["g_L"]) == (9, 50, 20, 10)
    assert settings["spread"] == {"V_th": 1.0}


def test_a_recorded_current_drives_a_neuron_for_its_length_and_its_voltage_is_drawn(capsys):
    path = recording(pathlib.Path("rec.csv"))
    assert main(["run", "--current", path, "--quiet"]) == 0
    settings = json.loads(pathlib.Path("lifjax-run/summary.json").read_text())["settings"]
    assert (settings["neurons"], settings["duration"], settings["mean"], settings["sigma"]) == (1, 100.0, 0.0, 0.0)
    assert imread("lifjax-run/voltage.png").std() > 0
    t = np.arange(400) * 0.25
    values = np.where(np.arange(400) > 100, 300.0, 0.0)
    run = lifjax.simulate(lifjax.LIF(), lifjax.samples(values, dt=0.25), 100.0)
    np.testing.assert_array_equal(np.load("lifjax-run/spikes.npz")["time_ms"], run.spike_times)
    assert t[-1] < 100
    assert main(["run", "--current", path, "--quiet", "--neurons", "5", "--duration", "50", "--sigma", "2"]) == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not beside this checkout")
def test_a_real_recording_drives_a_neuron():
    path = SHARED / "B6_IDRest_183.csv"
    recorded = read_recording(path)
    assert (recorded.dt, len(recorded.current)) == (0.25, 12_000)
    assert main(["run", "--current", str(path), "--quiet", "--out", "here"]) == 0
    summary = json.loads(pathlib.Path("here/summary.json").read_text())
    assert summary["results"]["duration_ms"] == 3000
    assert summary["results"]["spikes"] > 50
    assert pathlib.Path("here/voltage.png").stat().st_size > 10_000


def test_fi_writes_a_table_and_a_picture_that_agree_with_theory(capsys):
    assert main(["fi", "--points", "13", "--integrator", "exact", "--quiet"]) == 0
    assert "rheobase" in capsys.readouterr().out
    table = np.loadtxt("lifjax-fi/fi.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, 0], np.linspace(0, 600, 13))
    assert np.abs(table[:, 1] - table[:, 2]).max() < 3  # the grid rounds intervals up
    assert imread("lifjax-fi/fi.png").std() > 0
    assert main(["fi", "--points", "3", "--sigma", "5", "--quiet", "--duration", "500"]) == 0


TARGETS = ["220,22,3", "300,56,3", "400,88,3", "220,32,7", "300,62,7", "400,91,7"]


def test_fit_meets_rates_and_writes_what_it_found(capsys, empty_folder):
    path = csv(empty_folder / "targets.csv", TARGETS, "current_pA,rate_hz,neuron")
    assert main(["fit", path, "--quiet", "--bounds", "tau_m=5:40", "--bounds", "g_L=4:20"]) == 0
    told = capsys.readouterr().out
    for word in ("neuron 3", "neuron 7", "tau_m", "+-", "ms", "nS", "Hz", "seconds", "written to"):
        assert word in told
    folder = pathlib.Path("lifjax-fit")
    assert {file.name for file in folder.iterdir()} == {
        "summary.json", "settings.toml", "fit.csv", "fit.npz", "fit.png"
    }  # fmt: skip
    table = np.genfromtxt(folder / "fit.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["neuron"], [3, 7])
    assert (table["rmse_hz"] < 2).all()
    neuron = lifjax.LIF(tau_m=table["tau_m"], g_L=table["g_L"])
    rates = lifjax.fi_curve(neuron, [220.0, 300.0, 400.0])
    error = np.sqrt(((rates - np.array([[22, 32], [56, 62], [88, 91]])) ** 2).mean(axis=0))
    np.testing.assert_allclose(table["rmse_hz"], error, atol=1e-6)
    assert lifjax.Fit.load(folder / "fit.npz").neuron.tau_m.tolist() == pytest.approx(table["tau_m"].tolist())
    assert imread(folder / "fit.png").std() > 0
    assert json.loads((folder / "summary.json").read_text())["results"]["neurons"]["neuron"] == [3, 7]
    assert main(["fit", path, "--quiet", "--config", "lifjax-fit/settings.toml", "--steps", "2"]) == 0


BAD_FITS = {
    "no such column": (["current,rate_hz", "1,2"], [], "has no column current_pA"),
    "no rates": (["current_pA,rate_hz"], [], "has no line of numbers"),
    "a negative rate": (["current_pA,rate_hz", "300,-2"], [], "-2.0 Hz"),
    "a rate out of reach": (["current_pA,rate_hz", "300,501"], [], "above 476.19 Hz"),
    "unequal neurons": (["current_pA,rate_hz,neuron", "300,20,0", "400,30,0", "300,9,1"], [], "neuron 1 has 1"),
    "unknown parameter": (["current_pA,rate_hz", "300,20"], ["--free", "tau"], "did you mean 'tau_m'"),
    "bounds beyond the start": (["current_pA,rate_hz", "300,20"], ["--bounds", "tau_m=20:30"], "tau_m"),
}


@pytest.mark.parametrize("name", BAD_FITS)
def test_a_fit_that_makes_no_sense_is_refused_in_one_line(name, capsys, empty_folder):
    (header, *rows), flags, told = BAD_FITS[name]
    path = csv(empty_folder / "targets.csv", rows, header)
    assert main(["fit", path, "--quiet", *flags]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not list(empty_folder.glob("lifjax-fit*"))


def test_a_file_that_is_not_there_is_named_with_what_is_wrong(capsys, empty_folder):
    assert main(["fit", "nothere.csv"]) == 2
    assert capsys.readouterr().err == "lifjax: error: nothere.csv: No such file or directory\n"


def test_devices_says_what_jax_sees(capsys):
    assert main(["devices"]) == 0
    told = capsys.readouterr().out
    for word in ("jax", "devices", "cores", "used by lifjax", "float32"):
        assert word in told


def test_python_m_lifjax_is_the_same_and_the_version_is_told():
    out = subprocess.run([sys.executable, "-m", "lifjax", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == f"lifjax {lifjax.__version__}"


BAD_CSV = {
    "missing column": ("time_ms,current", ["0,1", "1,2"], "has no column current_pA"),
    "text": ("time_ms,current_pA", ["0,1", "1,abc", "2,1"], "line 3: current_pA is 'abc'"),
    "gap in a line": ("time_ms,current_pA", ["0,1", "1,", "2,1"], "line 3: current_pA is nothing"),
    "short line": ("time_ms,current_pA", ["0,1", "1", "2,1"], "line 3: current_pA is nothing"),
    "NaN": ("time_ms,current_pA", ["0,1", "1,nan", "2,1"], "line 3: current_pA is 'nan'"),
    "missing sample": ("time_ms,current_pA", ["0,1", "1,1", "2,1", "4,1", "5,1"], "line 5: .*without a gap"),
    "time that goes back": ("time_ms,current_pA", ["0,1", "1,1", "0.5,1", "2,1", "3,1"], "without a gap"),
    "one sample": ("time_ms,current_pA", ["0,1"], "at least 2"),
    "only a header": ("time_ms,current_pA", [], "at least 2"),
}


@pytest.mark.parametrize("what", BAD_CSV)
def test_a_bad_recording_is_refused_with_its_line(what, capsys, empty_folder):
    header, rows, told = BAD_CSV[what]
    assert main(["run", "--current", csv(pathlib.Path("rec.csv"), rows, header)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lifjax: error: ")
    assert re.search(told, error)
    assert [file.name for file in empty_folder.iterdir()] == ["rec.csv"]


REFUSED = {
    "negative tau_m": (["run", "--tau_m", "-1"], "tau_m = -1.0 ms"),
    "NaN mean": (["run", "--mean", "nan"], "mean = nan pA is not finite"),
    "no neurons": (["run", "--neurons", "0"], "neurons = 0"),
    "negative seed": (["run", "--seed", "-1"], "seed = -1"),
    "dt at tau_m": (["run", "--dt", "10"], "dt = 10.0 ms must be below"),
    "unknown integrator": (["run", "--integrator", "rk4"], "'rk4' is not for LIF"),
    "missing file": (["run", "--current", "none.csv"], "none.csv"),
    "missing settings": (["run", "--config", "none.toml"], "none.toml"),
    "a recording shorter than the run": (["run", "--current", "REC", "--duration", "1e4"], "covers 100 ms"),
    "too wide a spread": (["run", "--neurons", "500", "--spread", "tau_m=9"], r"tau_m["),
    "a curve of one point": (["fi", "--points", "1"], "points = 1"),
    "a curve from NaN": (["fi", "--first", "nan"], "first = nan"),
    "a population that does not fit": (["run", "--neurons", "100000000", "--duration", "1e6"], "memory"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_settings_are_refused_and_nothing_is_written(what, capsys, empty_folder):
    arguments, told = REFUSED[what]
    if "REC" in arguments:
        arguments = [recording(pathlib.Path("rec.csv")) if word == "REC" else word for word in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("lifjax: error: ")
    assert told in error
    assert not [file for file in empty_folder.iterdir() if file.name != "rec.csv"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tau = 1.0", "'tau' is unknown; did you mean 'tau_m'?"),
        ("neurons = 1.5", "neurons = 1.5 should be a whole number"),
        ("integrator = 3", "should be text"),
        ("tau_m = [1.0]", "should be a number"),
        ("neurons = true", "should be a whole number"),
        ("spread = 3", "should be a table"),
        ("[spread]\nbeta = 1.0", "'beta' is unknown"),
        ("[spread]\ntau_m = -1.0", "at least 0"),
        ("= 3", "no TOML"),
    ],
)
def test_bad_settings_files_are_refused(text, told, capsys):
    pathlib.Path("my.toml").write_text(text)
    assert main(["run", "--config", "my.toml"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("words", ["run --tau 3", "run --spread tau_m", "run --neurons x", "walk", ""])
def test_words_that_make_no_command_are_refused_with_its_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_not_overwritten_without_force(capsys, empty_folder):
    assert main(["run", *SMALL, "--out", "here"]) == 0
    before = pathlib.Path("here/summary.json").read_bytes()
    assert main(["run", *SMALL, "--out", "here", "--seed", "1"]) == 2
    assert "--force" in capsys.readouterr().err
    assert pathlib.Path("here/summary.json").read_bytes() == before
    assert main(["run", *SMALL, "--out", "here", "--seed", "1", "--force"]) == 0
    assert json.loads(pathlib.Path("here/summary.json").read_text())["settings"]["seed"] == 1
    assert [file.name for file in empty_folder.iterdir()] == ["here"]


def test_a_folder_that_holds_something_else_is_never_overwritten(capsys):
    pathlib.Path("mine").mkdir()
    pathlib.Path("mine/thesis.tex").write_text("x")
    assert main(["run", *SMALL, "--out", "mine", "--force"]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert pathlib.Path("mine/thesis.tex").read_text() == "x"


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(capsys, monkeypatch):
    monkeypatch.setattr(blocks, "_chunk", lambda *a, **k: pytest.fail("the run began"))
    pathlib.Path("file").write_text("x")
    assert main(["run", *SMALL, "--out", "file/here"]) == 2
    assert main(["run", *SMALL, "--out", "/proc/here"]) == 2
    assert main(["run", *SMALL, "--out", "file"]) == 2
    assert capsys.readouterr().err.count("lifjax: error: ") == 3


def test_an_empty_folder_may_be_filled():
    pathlib.Path("here").mkdir()
    assert main(["run", *SMALL, "--out", "here"]) == 0
    assert pathlib.Path("here/summary.json").exists()


def test_a_run_that_fails_leaves_nothing_behind(monkeypatch, empty_folder):
    def fail(*args, **kwargs):
        raise OSError("the disk is full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    assert main(["run", *SMALL]) == 2
    assert list(empty_folder.iterdir()) == []


def test_silent_neurons_are_told_and_drawn(capsys):
    assert main(["run", *SMALL, "--mean", "0", "--sigma", "0"]) == 0
    told = capsys.readouterr().out
    assert "too few intervals" in told
    assert "0.00 Hz" in told


@pytest.mark.slow
def test_ctrl_c_writes_what_was_done(empty_folder):
    program = [sys.executable, "-m", "lifjax", "run", "--neurons", "2000", "--duration", "600000", "--out", "here"]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    shown = b""
    while b"steps/s" not in shown:  # it has begun
        more = os.read(process.stderr.fileno(), 1000)
        assert more, shown
        shown += more
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped early" in out
    summary = json.loads(pathlib.Path("here/summary.json").read_text())
    assert summary["results"]["stopped early"]
    assert 0 < summary["results"]["duration_ms"] < 600_000


def test_force_spares_a_folder_that_holds_more_than_a_run(capsys):
    assert main(["run", *SMALL, "--out", "here"]) == 0
    pathlib.Path("here/thesis.tex").write_text("x")
    assert main(["run", *SMALL, "--out", "here", "--force"]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    pathlib.Path("other").mkdir()
    pathlib.Path("other/summary.json").write_text("{}")
    assert main(["run", *SMALL, "--out", "other", "--force"]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_a_name_that_another_run_took_meanwhile_is_not_written_over(monkeypatch, capsys):
    save = np.savez_compressed

    def meanwhile(*args, **kwargs):
        pathlib.Path("lifjax-run").mkdir()
        pathlib.Path("lifjax-run/summary.json").write_text("theirs")
        save(*args, **kwargs)

    monkeypatch.setattr(np, "savez_compressed", meanwhile)
    assert main(["run", *SMALL]) == 0
    assert "lifjax-run-2" in capsys.readouterr().out
    assert pathlib.Path("lifjax-run/summary.json").read_text() == "theirs"
    assert pathlib.Path("lifjax-run-2/spikes.npz").exists()


def test_a_run_with_out_is_on_disk_while_it_goes_on_and_resume_goes_on_with_it(monkeypatch, capsys, empty_folder):
    monkeypatch.setattr(backend, "_STEPS_A_CALL", (256, 256))
    monkeypatch.setattr(stream, "CHECKPOINT", 0.0)
    assert main(["run", *SMALL, "--out", "whole"]) == 0
    whole = pathlib.Path("whole")
    assert {file.name for file in whole.iterdir()} == {
        "summary.json", "settings.toml", "spikes.npz", "run.png", "isi.png", "run.zarr"
    }  # fmt: skip
    chunk, calls = blocks._chunk, []

    def struck(*args, **kwargs):
        calls.append(0)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return chunk(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_chunk", struck)
        assert main(["run", *SMALL, "--out", "here"]) == 130
    here = pathlib.Path("here")
    assert {file.name for file in here.iterdir()} == {"settings.toml", "run.zarr"}
    assert 0 < lifjax.load(here / "run.zarr").steps < 2000
    assert "lifjax run --resume here goes on" in capsys.readouterr().err
    assert main(["run", *SMALL, "--out", "here"]) == 2
    assert "--resume here" in capsys.readouterr().err
    assert main(["run", "--resume", "here", "--seed", "3"]) == 2
    assert "--seed cannot be changed" in capsys.readouterr().err
    assert main(["run", "--resume", "here", "--quiet"]) == 0
    assert "mean rate" in capsys.readouterr().out
    one, other = (np.load(folder / "spikes.npz") for folder in (here, whole))
    for name in ("time_ms", "neuron"):
        np.testing.assert_array_equal(one[name], other[name])
    assert (here / "settings.toml").read_text() == (whole / "settings.toml").read_text()
    assert main(["run", "--resume", "here/run.zarr", "--quiet"]) == 0
    assert "nothing was left to run" in capsys.readouterr().out
    for no_run in ("nowhere", "here/run.png"):
        assert main(["run", "--resume", no_run]) == 2
        assert f"--resume {no_run} is no folder" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        found = importlib.util.find_spec
        patch.setattr(importlib.util, "find_spec", lambda name: None if name == "zarr" else found(name))
        assert main(["run", "--resume", "here"]) == 2
        assert 'needs zarr: pip install "lifjax[store]"' in capsys.readouterr().err
    assert main(["run", *SMALL, "--out", "here", "--tau_m", "-1", "--force"]) == 2
    assert (here / "run.png").exists()  # what is refused replaces nothing
    assert main(["run", *SMALL, "--out", "here", "--force"]) == 0
    assert {file.name for file in empty_folder.iterdir()} == {"here", "whole"}
