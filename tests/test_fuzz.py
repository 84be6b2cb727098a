"""Whatever is given to a public door, it ends in one clear error or in finite numbers.

Doors are found by their names in ``lifjax.__all__``, and what to give them by the names of their arguments or, for
models, by the metadata of their parameters: what is new joins by itself, or a test asks for it. Each case gives a door
what is usual and spoils an argument or two. ``LIFJAX_FUZZ=20000 pytest -n 0 tests/test_fuzz.py`` runs so many cases,
goes on after a finding, and prints what became of them.
"""

import collections
import contextlib
import dataclasses
import faulthandler
import inspect
import linecache
import os
import signal
import types
import warnings
from collections.abc import Callable
from typing import Any

import fuzz_files as files
import fuzz_values as values
import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import lifjax
import lifjax.plot
from lifjax import backend
from lifjax.fit.check import check_targets
from lifjax.neurons.base import parameters
from lifjax.stimulus.trains import Train

LONG = values.LONG
SHORT = 1000
SECONDS = 60  # after which a case hangs
MEMORY = 2**30  # bytes that doors are told there are
HERE, HOUSE = os.path.abspath(__file__), os.path.dirname(lifjax.__file__)
EVERY = ("V", "spikes", "current")
ALL = {name: getattr(lifjax, name) for name in lifjax.__all__}
MODELS = [x for x in ALL.values() if isinstance(x, type) and hasattr(x, "integrators")]
FUNCTIONS = [x for x in ALL.values() if isinstance(x, types.FunctionType)]
NO_DOORS = {"Recording", "Run", "State", "neurons", "noise"}  # what doors hand back, and what is inside of a run
TOLD = {parameter for x in MODELS for parameter in parameters(x)}


@dataclasses.dataclass(frozen=True)
class Door:
    """name: of what is called; call: with drawn arguments; usual: what to draw each from; needed: those that are always
    given; spoilt: whether some are to be spoilt; nan: whether it says that it may give no number; bare: whether it says
    that it checks nothing.
    """

    name: str
    call: Callable[..., Any]
    usual: dict[str, Any]
    needed: frozenset[str] = frozenset()
    spoilt: bool = True
    nan: bool = False
    bare: bool = False


def door(room, f, call=None, **told):
    """The door of a function, whose arguments are drawn by their names."""
    name, usual, needed = f.__name__, {}, set()
    for argument, one in inspect.signature(f).parameters.items():
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        keys = (f"{name}.{argument}", f"{room}.{argument}", argument)
        found = next((key for key in keys if key in values.ARGUMENTS), None)
        assert found, f"tests/fuzz_values.py: say in ARGUMENTS what {argument!r} of {room}.{name} may be"
        usual[argument] = values.ARGUMENTS[found]
        needed |= {argument} if one.default is one.empty else set()
    return Door(f"{room}.{name}" if room else name, call or f, usual, frozenset(needed), **told)


def public(module):
    """The functions that a module has for everyone."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    found = [getattr(module, name) for name in names]
    return [f for f in found if isinstance(f, types.FunctionType) and f.__module__.startswith(module.__name__)]


def of_model(cls):
    def call(integrator="euler", **fields):
        neuron = cls(**fields)
        return lifjax.simulate(neuron, 300.0, 1.0, population=2, record=EVERY, integrator=integrator)

    ways = {"integrator": list(cls.integrators if LONG else cls.integrators[:1])}
    return Door(cls.__name__, call, {**values.field_values(cls), **ways})


def of_making(cls, name):
    f = getattr(cls, name)
    return dataclasses.replace(
        door("", f, lambda **given: lifjax.simulate(f(**given), 300.0, 1.0, population=2, record=EVERY)),
        name=f"{cls.__name__}.{name}",
    )


def of_stimulus(f):
    def call(**given):
        made = f(**given)
        made = lifjax.synapse(made, 1.0, 5.0) if isinstance(made, Train) else made
        return lifjax.simulate(values.LIF, made, 1.0, population=2, record=EVERY)

    return door("", f, call)


def of_target(f):
    def call(**given):
        made = f(**given)
        return reached(lifjax.fit(values.LIF, 300.0, made, 20.0, steps=1)) if LONG else check_targets(made)

    return door("targets", f, call)


def reached(found):
    """What a fit found; a standard error may be infinite."""
    return found.rates, found.error, found.parameters


def of_surrogate(f):
    def call(**given):
        spike = f(**given)
        return spike(-55.5, -55.0, 20.0), jax.grad(spike)(-55.0, -55.0, 20.0)

    return door("surrogate", f, call)


def of_picture(f):
    def call(**given):
        made = f(**given)
        (made if isinstance(made, Figure) else made.figure).draw_without_rendering()

    return door("plot", f, call)


def of_fit(f):
    own, options = door("fit", f, lambda **given: reached(f(**given))), dict(door("fit", lifjax.fit).usual)
    if f is not lifjax.fit:
        del options["loss"]
    return dataclasses.replace(own, name=f.__name__, usual=options | own.usual)


def groups():
    """Doors that share what is compiled, and how many of a hundred cases they have."""
    variations = {"cv", "cv2", "lv", "fanofactor", "correlation_coefficient", "mean_firing_rate"}
    defaults = Door("tutorial.default_pars", lifjax.tutorial.default_pars, values.PARS, nan=True)
    return {
        "models": (22, [
            *map(of_model, MODELS),
            *(of_making(cls, name) for cls in MODELS for name, f in vars(cls).items() if isinstance(f, classmethod)),
        ]),
        "stimuli": (16, [of_stimulus(f) for f in FUNCTIONS if f.__module__.startswith("lifjax.stimulus")]),
        "runs": (16, [door("", lifjax.simulate), door("", lifjax.integrate, bare=True, nan=True), door("", lifjax.fi_curve)]),
        "fits": (10, [of_fit(lifjax.fit_rates), of_fit(lifjax.fit), *map(of_target, public(lifjax.targets))]),
        "numbers": (20, [
            *(door("analysis", f, nan=f.__name__ in variations) for f in public(lifjax.analysis)),
            *(door("theory", f) for f in public(lifjax.theory)),
            *(of_surrogate(f) for f in public(lifjax.surrogate) if "slope" in inspect.signature(f).parameters),
            *(door("tutorial", f, nan=f.__name__ == "run_LIF") for f in public(lifjax.tutorial) if f.__name__ != "default_pars"), defaults,
        ]),
        "pictures": (6, [*map(of_picture, public(lifjax.plot)), *(door("export", f, nan=True) for f in public(lifjax.export))]),
        "files": (5, [Door(name, call, usual, frozenset(usual), spoilt=False, nan=True) for name, call, usual in files.DOORS]),
        "commands": (5, [Door(name, call, usual, frozenset(usual), spoilt=False) for name, call, usual in files.COMMANDS]),
    }  # fmt: skip


GROUPS = groups()
TALLY: collections.Counter = collections.Counter()
FINDINGS: dict[tuple, str] = {}


def drawn(draw, door):
    """Arguments of a door."""
    names = sorted(door.usual)
    chosen = door.needed | draw(st.frozensets(st.sampled_from(names), max_size=4))
    spoilt = draw(st.frozensets(st.sampled_from(sorted(chosen)), max_size=2)) if door.spoilt and chosen else frozenset()
    given = {}
    for name in sorted(chosen):
        usual = door.usual[name]
        usual = usual() if callable(usual) else usual
        usual = st.sampled_from(usual) if isinstance(usual, list) else usual
        given[name] = draw(values.hostile(shapes=bool(LONG)) if name in spoilt else usual)
    return given


class HangError(BaseException):
    """A case takes too long."""


@contextlib.contextmanager
def limited():
    """End what takes too long: by an error, or if nothing hears it the process, with what it was doing."""

    def late(*_):
        raise HangError(f"still at work after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


def judged(door, given):
    """What became of a case: "finite", or the kind of error; raise where it is neither."""
    with limited(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        if door.bare:
            warnings.simplefilter("ignore", RuntimeWarning)
        try:
            result = door.call(**given)
        except (ValueError, TypeError, MemoryError, OSError) as error:
            if not door.bare:
                check_told(door, error)
            return type(error).__name__
        finally:
            plt.close("all")
    if isinstance(result, str):
        return result
    if not door.nan:
        for leaf in jax.tree.leaves(result):
            x = np.asarray(leaf)
            assert x.dtype.kind not in "fc" or np.isfinite(x).all(), f"not finite: {leaf!r:.300}"
    return "finite"


def check_told(door, error):
    """Raise unless an error is lifjax's own, in one line that names an argument, or the system's about a file."""
    said, last = str(error), error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    file, line = last.tb_frame.f_code.co_filename, linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno)
    own = file.startswith(HOUSE) and line.lstrip().startswith("raise")
    signature = file == HERE and isinstance(error, TypeError)
    assert own or signature or (isinstance(error, OSError) and error.filename), f"from the depths: {error!r:.300}"
    assert said, "says nothing"
    assert "\n" not in said or "array" in said or "[[" in said, f"more than one line: {said}"
    assert len(said) < 700, f"too long: {said}"
    assert any(name in said for name in {*door.usual, *TOLD, "path", *files.NAMES}), f"names nothing: {said}"


def where(error):
    """The last line of lifjax that an error came through."""
    found = "?"
    step = (error.__context__ if isinstance(error, AssertionError) and error.__context__ else error).__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(HOUSE):
            found = f"{os.path.relpath(step.tb_frame.f_code.co_filename, HOUSE)}:{step.tb_lineno}"
        step = step.tb_next
    return found


@pytest.fixture(scope="module", autouse=True)
def _tally(request):
    yield
    manager = request.config.pluginmanager
    tell = manager.get_plugin("terminalreporter")
    if LONG and tell is not None:
        with manager.get_plugin("capturemanager").global_and_fixture_disabled():
            write_tally(tell)


def write_tally(tell):
    """How many cases of each door ended how, and each kind of finding once."""
    kinds = sorted({kind for _, kind in TALLY}, key=lambda kind: (kind != "finite", kind))
    tell.write_line(f"\n{'door':36}" + "".join(f"{kind:>20}" for kind in ("cases", *kinds)))
    rows = [*sorted({name for name, _ in TALLY}), None]
    for row in rows:
        counts = [sum(n for (name, of), n in TALLY.items() if row in (None, name) and of == kind) for kind in kinds]
        tell.write_line(f"{row or 'all':36}" + "".join(f"{n:20}" for n in (sum(counts), *counts)))
    for (name, *_), told in sorted(FINDINGS.items()):
        tell.write_line(f"FINDING {name}{told}")


@pytest.mark.parametrize("group", GROUPS)
def test_a_door_ends_in_clear_words_or_in_finite_numbers(group, monkeypatch):
    share, doors = GROUPS[group]
    monkeypatch.chdir(files.WHERE)
    monkeypatch.setattr(backend, "available_memory", lambda: MEMORY)
    if not LONG:
        monkeypatch.setenv("LIFJAX_ENGINE", "scan")  # compiles soonest, and finds the same

    @settings(
        max_examples=(LONG or SHORT) * share // 100, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate] if LONG else [Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.data())
    def fuzz(data):
        door = data.draw(st.sampled_from(doors))
        given = drawn(data.draw, door)
        note(f"{door.name}({given!r:.1000})")
        if values.too_long(given):
            return
        try:
            became = judged(door, given)
        except (Exception, HangError) as error:
            if not LONG:
                raise
            became = "FINDING"
            told = f"({given!r:.400})\n    {where(error)}: {type(error).__name__}: {error!s:.400}"
            FINDINGS.setdefault((door.name, type(error).__name__, where(error)), told)
        TALLY[door.name, became] += 1

    fuzz()
    names = {door.name for door in doors}
    found = [told for (name, *_), told in FINDINGS.items() if name in names]
    assert not found, "\n".join([f"{len(found)} findings", *found])


def test_every_public_name_is_a_door():
    doors = {door.name for _, several in GROUPS.values() for door in several}
    rooms = {name.partition(".")[0] for name in doors}
    assert set(lifjax.__all__) <= doors | rooms | NO_DOORS
