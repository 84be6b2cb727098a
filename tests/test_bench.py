"""The benchmark works on small work, and the README shows what it found."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench import report  # noqa: E402
from bench.contest import compete  # noqa: E402
from bench.workloads import GROUPS, LIFJAX, LOOP, NUMPY, C, Contestant, Workload  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", report.TABLES)
def test_the_tables_of_speed_in_the_readme_are_those_of_the_results(kind):
    path, tables = report.shown(README, kind)
    assert tables == report.TABLES[kind](json.loads((ROOT / path).read_text()), path)


def test_the_readme_shows_the_figure_of_the_same_results():
    path, _ = report.shown(README, "speed")
    figure = pathlib.PurePosixPath(path).with_suffix(".png")
    assert f"]({figure})" in README
    assert (ROOT / figure).stat().st_size > 10_000


def test_a_title_names_one_workload_of_its_group():
    for workloads in GROUPS.values():
        assert len({workload.title for workload in workloads}) == len(workloads)


@pytest.mark.slow
@pytest.mark.parametrize(("stimulus", "record"), [("dc", "counts"), ("dc", "spikes"), ("noise", "counts"), ("dc", "V")])
def test_contestants_of_the_same_work_find_the_same_spikes(stimulus, record):
    work = Workload("small", 300, 2000, stimulus, record, (LIFJAX, C, NUMPY, LOOP))
    found = compete(work, 2, lambda line: None)
    assert "loop over time for one neuron" in found[LOOP.name]["cannot"]
    for name in (LIFJAX.name, C.name, NUMPY.name):
        assert "cannot" not in found[name], (name, found[name])
        assert found[name]["spikes"] == pytest.approx(found[LIFJAX.name]["spikes"], abs=work.tolerance(3000))
        assert len(found[name]["seconds"]) == 2
        assert found[name]["median"] > 0


def test_a_contestant_that_finds_other_spikes_is_not_ranked(tmp_path, monkeypatch):
    peer = tmp_path / "peers" / "liar.py"
    peer.parent.mkdir()
    peer.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'bench' / 'peers')!r})\n"
        "import protocol as p\np.workload()\np.serve(lambda: 7, {})\n"
    )
    monkeypatch.setattr("bench.contest.HERE", tmp_path)
    honest, liar = Contestant("lifjax", "liar"), Contestant("liar", "liar")
    found = compete(Workload("lie", 1, 10, "dc", "counts", (honest, liar)), 1, lambda line: None)
    assert "cannot" not in found["liar"]
    peer.write_text(peer.read_text().replace("lambda: 7", "lambda: 7 if p.workload()['threads'] > 1 else 700"))
    found = compete(
        Workload("lie", 1, 10, "dc", "counts", (Contestant("lifjax", "liar", 2), Contestant("liar", "liar", 1))),
        1,
        lambda line: None,
    )
    assert found["liar"]["cannot"] == "finds 700 spikes where lifjax finds 7"
