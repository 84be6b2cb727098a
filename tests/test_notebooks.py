"""The notebooks run as they stand, in a fresh process, and carry their pictures."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_unmodified(path, tmp_path):
    # IPython runs its cells in order and ends at the first error; a slider's function shows its error and goes on.
    out = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "IPYTHONDIR": str(tmp_path)},
    )
    assert out.returncode == 0, out.stdout + out.stderr
    for told in ("Traceback", "Error", "Warning"):
        assert told not in out.stdout + out.stderr, out.stdout + out.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_with_its_pictures_and_without_errors(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 6
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
