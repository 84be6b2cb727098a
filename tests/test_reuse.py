"""Memory of dropped recordings serves the next run, never one whose arrays someone still holds."""

import gc

import numpy as np
import pytest

import lifjax
from lifjax import backend
from lifjax.backend import host, reuse


@pytest.fixture(autouse=True)
def nothing_kept():
    gc.collect()
    reuse.drop()
    yield
    reuse.drop()


def test_memory_that_nobody_holds_is_used_again_and_other_is_not():
    first = reuse.empty((1000, 500), np.float32)
    place = first.ctypes.data
    part = first[10:20, 3]
    part[:] = 7.0
    del first
    other = reuse.empty((1000, 500), np.float32)  # a view of the first is there yet
    assert other.ctypes.data != place
    other[:] = 0.0
    assert (part == 7.0).all()
    del part
    again = reuse.empty((1000, 450), np.float32)
    assert again.ctypes.data == place
    assert again.flags.writeable
    assert again.shape == (1000, 450)
    much_smaller = reuse.empty((1000, 300), np.float32)
    assert much_smaller.ctypes.data not in (place, other.ctypes.data)


@pytest.mark.parametrize("kept", ["0", "1"])
def test_large_arrays_begin_where_a_line_of_a_cache_does(monkeypatch, kept):
    monkeypatch.setenv("LIFJAX_KEEP_MEMORY", kept)
    for size in (2**18, 2**18 + 1, 2**18 - 64, 2**18 + 1):  # the last one takes memory that was used
        array = reuse.empty((size, 3), np.float32)
        assert array.ctypes.data % 64 == 0
        array[:] = 1.0
        del array
    run = lifjax.simulate(lifjax.LIF(), np.full(3000, 300.0), 10.0, record="V")
    assert run.V.ctypes.data % 64 == 0


def test_small_arrays_are_numpys_and_a_switch_turns_it_off(monkeypatch):
    reuse.empty((10,), np.float32)
    assert reuse.drop() == 0
    monkeypatch.setenv("LIFJAX_KEEP_MEMORY", "0")
    reuse.empty((1000, 500), np.float32)
    assert reuse.drop() == 0


def test_no_more_than_a_share_of_the_machine_is_kept(monkeypatch):
    monkeypatch.setattr(reuse, "_most", lambda: 5 * 10**6)
    arrays = [reuse.empty((2, 10**6), np.uint8) for _ in range(4)]
    del arrays
    gc.collect()
    assert reuse.drop() == 2 * (2 * 10**6 + 64)


def test_a_run_that_would_not_fit_otherwise_gets_what_is_kept(monkeypatch):
    reuse.empty((20, 10**6), np.uint8)
    free = [10**6, 10**9]
    monkeypatch.setattr(backend, "available_memory", lambda: free.pop(0) if len(free) > 1 else free[0])
    backend.require_memory({"V": 10**8}, {"V": "record less"})
    assert reuse.drop() == 0


def test_runs_with_memory_that_was_used_before_are_the_same_and_leave_held_ones_alone():
    neuron = lifjax.LIF(tau_m=np.linspace(8.0, 12.0, 1000))
    first = lifjax.simulate(neuron, 300.0, 150.0)
    V, spikes = first.V.copy(), first.spikes
    second = lifjax.simulate(neuron, 400.0, 150.0)
    np.testing.assert_array_equal(first.V, V)
    del second
    third = lifjax.simulate(neuron, 300.0, 150.0)
    np.testing.assert_array_equal(third.V, V)
    np.testing.assert_array_equal(third.spikes, spikes)


def test_runs_of_a_kind_record_to_what_earlier_ones_left_and_others_do_not(monkeypatch):
    neuron, drive = lifjax.LIF(), np.linspace(250.0, 400.0, 3000)
    first = lifjax.simulate(neuron, drive, 20.0, record="V")
    made, zeros = [], host.zeros
    monkeypatch.setattr(host, "zeros", lambda *a: made.append(a) or zeros(*a))
    again = lifjax.simulate(neuron, drive, 20.0, record="V")
    assert not made
    assert (again.V == first.V).all()
    lifjax.simulate(neuron, drive, 20.0, record="V", every=2)
    assert made
    made.clear()
    monkeypatch.setenv("LIFJAX_KEEP_MEMORY", "0")
    assert (lifjax.simulate(neuron, drive, 20.0, record="V").V == first.V).all()
    assert made
