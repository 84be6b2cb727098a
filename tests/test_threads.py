"""The threads of a run and the client of XLA that they call: nobody else's JAX changes, nor does what is found."""

import os
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lifjax
from lifjax import backend
from lifjax.backend import threads

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="about a CPU")


def run():
    return lifjax.simulate(lifjax.LIF(), np.linspace(150.0, 400.0, 3000), 20.3)


def same(one, other):
    assert len(jax.tree.leaves(one.state)) > 2
    for x, y in zip(jax.tree.leaves(one.state), jax.tree.leaves(other.state), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(one.V, other.V)
    np.testing.assert_array_equal(one.spikes, other.spikes)


def test_a_run_leaves_the_default_device_and_what_others_compute_as_they_were():
    before = jnp.arange(3.0)
    run()
    after = before + 1
    assert after.devices() == before.devices() == {jax.devices()[0]}
    assert jax.config.jax_default_device is None


@pytest.mark.skipif(len(jax.devices()) > 1, reason="with several devices each is used as it is")
def test_calls_of_a_run_are_made_by_a_client_of_its_own():
    with threads.at_once():
        (own,) = jnp.arange(3.0).devices()
    assert own.platform == "cpu"
    assert own.client is not jax.devices()[0].client


def test_a_run_is_the_same_where_there_is_no_such_client(monkeypatch):
    usual = run()
    monkeypatch.setattr(threads, "_device", lambda: None)
    same(run(), usual)


def test_a_version_of_jax_without_such_a_client_is_used_as_it_is(monkeypatch):
    from jaxlib import xla_client

    def refuse(**_):
        raise TypeError("no such argument")

    monkeypatch.setattr(xla_client, "make_cpu_client", refuse)
    assert threads._device.__wrapped__() is None


def test_threads_are_told_the_default_device_and_the_working_precision():
    chosen, found = jax.devices()[0], []
    with jax.default_device(chosen), jax.enable_x64(True):
        threads.on_every_core(lambda _: found.append((jax.config.jax_default_device, jnp.zeros(1).dtype)), range(5))
    assert set(found) == {(chosen, np.dtype(np.float64))}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no such call")
def test_threads_may_use_every_core_again_once_they_have_begun(monkeypatch):
    monkeypatch.setattr(backend, "cores", lambda: 2)
    begun = threading.Barrier(2)

    def work(_):
        begun.wait(10.0)
        threading.Event().wait(20 * threads._APART)
        found.append(os.sched_getaffinity(0))

    for _ in range(3):
        found = []
        threads.on_every_core(work, range(2))
        assert found == [os.sched_getaffinity(0)] * 2


def test_what_a_thread_raises_is_heard():
    def work(i):
        if i == 3:
            raise ValueError("the third")

    with pytest.raises(ValueError, match="the third"):
        threads.on_every_core(work, range(5))
