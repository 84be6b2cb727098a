"""What holds in every test: ranks and dtypes are never promoted in silence."""

import functools
import gc

import jax
import matplotlib
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("Agg")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Let a worker of pytest-xdist end at once.

    Its results are told by then. What is left is to look five times through all that JAX holds for garbage, whose
    errors no one hears; after 10 seconds xdist kills it. A process that runs the tests by itself (-n 0) looks.
    """
    if hasattr(session.config, "workerinput"):
        gc.freeze()


@pytest.fixture
def x64():
    """Float64 for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def cpu():
    """For a test about what is done on a CPU alone."""
    if jax.default_backend() != "cpu":
        pytest.skip("threads over blocks and engines of a CPU")


@pytest.fixture
def small(monkeypatch):
    """Runs on disk that are cut into many pieces."""
    import stored

    stored.make_small(monkeypatch.setattr)


@pytest.fixture
def often(monkeypatch):
    """Runs on disk with a checkpoint after every round."""
    import stored

    stored.make_often(monkeypatch.setattr)


@pytest.fixture
def begun(tmp_path, small, often, monkeypatch):
    """A folder with a run that failed on the way."""
    import stored

    import lifjax

    run = functools.partial(lifjax.simulate, stored.NEURON, stored.NOISY, 60.3, seed=3)
    return stored.struck_after(monkeypatch, 28, tmp_path / "run", run)
