"""The structure: who imports whom, what is public, and that it is documented."""

import ast
import dataclasses
import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import lifjax
from lifjax import neurons, stimulus

PACKAGE = pathlib.Path(lifjax.__file__).parent
# Each room may import itself and those before it; the first three nothing of lifjax.
ROOMS = (
    "noise", "surrogate", "analysis", "neurons", "theory", "stimulus", "record", "backend", "processes", "store",
    "export", "simulate", "fit", "plot", "tutorial", "cli", "__main__", "__init__",
)  # fmt: skip
FREE = ROOMS[:3]
PUBLIC = ("noise", "surrogate", "analysis", "neurons", "theory", "fit.targets", "export", "plot", "tutorial")
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path):
    """(room imported, whether inside a function) for every import of lifjax in a file."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names = [f"lifjax.{alias.name}" for alias in node.names] if module == "lifjax" else [module]
        for name in names:
            if name.split(".")[0] == "lifjax":
                yield [*name.split("."), "__init__"][1], id(node) in inside


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_itself_and_the_rooms_above_it(path):
    here = room_of(path)
    assert here in ROOMS, f"{here} is a new room: say in ROOMS where it stands"
    for other, in_function in imports(path):
        if other == here or (other == "plot" and here in ("record", "fit") and in_function):
            continue
        assert here not in FREE, f"{here} imports {other}"
        assert ROOMS.index(other) < ROOMS.index(here), f"{here} imports {other}, which stands below it"


def test_only_plot_imports_matplotlib_at_the_top_and_only_fit_optax():
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            words = ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom) else ""
            assert "matplotlib" not in words or room_of(path) == "plot", path
            assert "optax" not in words or room_of(path) == "fit", path


def test_no_file_is_over_400_lines_and_no_function_over_60():
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = ast.get_docstring(node, clean=False) or ""
                assert node.end_lineno - node.lineno - doc.count("\n") <= 60, f"{path}: {node.name}"


def test_importing_lifjax_leaves_matplotlib_optax_tqdm_and_scipy_stats_alone():
    late = ("matplotlib", "optax", "tqdm", "scipy.stats")
    program = f"import sys, lifjax; print([name for name in {late} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def public():
    """(module, name, object) of every public name."""
    for module in (
        "",
        *(f".{room}" for room in PUBLIC),
    ):
        where = importlib.import_module("lifjax" + module)
        own = getattr(where, "__all__", None) or [
            name for name, x in vars(where).items() if not name.startswith("_") and inspect.isfunction(x)
            and x.__module__ == where.__name__
        ]  # fmt: skip
        for name in own:
            yield where.__name__, name, getattr(where, name)


@pytest.mark.parametrize(("module", "name", "what"), [pytest.param(*p, id=f"{p[0]}.{p[1]}") for p in public()])
def test_every_public_name_is_documented_with_an_example_that_runs(module, name, what):
    doc = inspect.getdoc(what)
    assert doc, f"{module}.{name} has no docstring"
    if inspect.isfunction(what) and module != "lifjax.plot":
        drawn = "Figure" in str(inspect.signature(what).return_annotation)
        assert ">>>" in doc or drawn, f"{module}.{name} shows no example"
        for argument in inspect.signature(what).parameters:
            assert re.search(rf"\b{re.escape(argument)}\b", doc), f"{module}.{name} does not speak of {argument}"


@pytest.mark.parametrize("model", [neurons.LIF])
def test_every_parameter_of_a_model_has_a_unit_and_a_meaning(model):
    told = neurons.parameters(model)
    assert set(told) == {field.name for field in dataclasses.fields(model)}
    for name, rule in told.items():
        assert rule.unit in ("ms", "mV", "nS", "pA", "pF", "Hz", "steps"), name
        assert rule.meaning
        assert dataclasses.fields(model)


def test_the_contract_of_names_holds():
    for name in (
        "LIF", "simulate", "integrate", "constant", "pulse", "steps", "ramp", "sinusoid", "samples", "white_noise",
        "ornstein_uhlenbeck", "poisson", "fi_curve", "tutorial", "surrogate", "analysis", "theory", "plot", "noise",
        "Fit", "fit", "fit_rates", "targets",
        "synapse", "poisson_train", "spike_train",
    ):  # fmt: skip
        assert hasattr(lifjax, name)
        assert name in lifjax.__all__
    assert set(lifjax.__all__) >= set(stimulus.__all__) - {"Stimulus", "StimulusLike", "Sum", "terms"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lifjax.nothing
