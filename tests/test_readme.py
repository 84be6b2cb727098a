"""The README says what is so: its code runs, its commands exist, its table is the metadata."""

import pathlib
import re
import shlex

import matplotlib.pyplot as plt
import pytest

import lifjax
from lifjax.cli import main, parser
from lifjax.neurons import parameters

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_python_of_the_readme_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[number], f"README block {number}", "exec"), {})
    plt.close("all")


@pytest.mark.parametrize(
    "line", [line for block in blocks("bash") for line in block.splitlines() if line.startswith("lifjax ")]
)
def test_the_commands_of_the_readme_are_understood(line):
    parser().parse_args(shlex.split(line, comments=True)[1:])


def test_the_first_two_blocks_are_one_line_each_to_run_and_to_test():
    run, test = blocks("bash")[:2]
    assert run == "pip install . && lifjax run\n"
    assert test.startswith('pip install -e ".[test]" && pytest')
    assert test.count("\n") == 1


def test_the_table_of_parameters_is_the_models_own():
    rows = [
        f"| `{name}` | {getattr(lifjax.LIF(), name):g} {told.unit} | {told.meaning} |"
        for name, told in parameters(lifjax.LIF).items()
    ]
    table = README.split("<!-- parameters -->")[1].split("<!-- /parameters -->")[0]
    assert table.strip().splitlines()[2:] == rows


def test_what_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_command_and_public_room_is_in_the_readme(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    for command in re.findall(r"^    (\w+) ", capsys.readouterr().out, re.M):
        assert f"lifjax {command}" in README
    for name in lifjax.__all__:
        if name not in ("Recording", "Run", "State", "neurons", "noise"):
            assert re.search(rf"\b{name}\b", README), f"{name} is not in the README"
