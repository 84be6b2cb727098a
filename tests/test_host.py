"""The ways of numbers to and from a GPU, taken on a CPU: they change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lifjax
from lifjax.backend import host

CPU = jax.local_devices(backend="cpu")[0]


@pytest.fixture
def elsewhere(monkeypatch):
    """As if the device had memory of its own, and any array were large."""
    monkeypatch.setattr(host, "on_cpu", lambda: False)
    for name in ("_WORTH_PINNING", "_WORTH_MAKING_THERE", "_WORTH_A_CORE"):
        monkeypatch.setattr(host, name, 1)


@pytest.mark.parametrize("record", [(), ("V", "spikes")])
def test_a_run_is_the_same_where_the_device_has_memory_of_its_own(record, request):
    def go():
        noise = lifjax.white_noise(np.linspace(150.0, 300.0, 300), 5.0)
        return lifjax.simulate(lifjax.LIF(), noise, 20.3, record=record)

    usual = go()
    request.getfixturevalue("elsewhere")
    run = go()
    np.testing.assert_array_equal(run.spike_count, usual.spike_count)
    np.testing.assert_array_equal(run.state.neuron.V, usual.state.neuron.V)
    if record:
        np.testing.assert_array_equal(run.V, usual.V)
        np.testing.assert_array_equal(run.spikes, usual.spikes)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("cores", [1, 3, 64])
def test_rows_copied_by_several_cores_are_all_there(rows, cores, elsewhere, monkeypatch):
    monkeypatch.setattr("lifjax.backend.cores", lambda: cores)
    given, into = np.random.default_rng(0).random((rows, 3)), np.full((rows, 3), np.nan)
    host.copy(into, given)
    np.testing.assert_array_equal(into, given)


def test_a_core_that_fails_to_copy_is_heard(elsewhere):
    with pytest.raises(ValueError, match="broadcast"):
        host.copy(np.zeros((4, 2)), np.zeros((4, 3)))


@pytest.mark.parametrize("device", [None, CPU])
def test_what_is_made_on_the_device_is_what_would_have_been_sent(device, elsewhere):
    same = np.broadcast_to(np.float32(-75.0), 5)
    made = host.placed({"V": same, "n": np.arange(5)}, device)
    assert isinstance(made["V"], jax.Array)
    np.testing.assert_array_equal(made["V"], same)
    np.testing.assert_array_equal(made["n"], np.arange(5))
    nothing = host.zeros((3, 2), np.uint8, device)
    assert (nothing.shape, nothing.dtype, int(nothing.sum())) == ((3, 2), np.uint8, 0)


def test_numbers_come_through_pinned_memory_where_there_is_some(elsewhere, monkeypatch):
    class Elsewhere:
        """An array of a GPU, as far as it matters here."""

        def __init__(self, kinds):
            self.sharding, self.nbytes, self.kinds = self, 100, kinds

        def block_until_ready(self):
            return self

        def devices(self):
            return {self}

        platform = "gpu"

        def addressable_memories(self):
            return [type("Memory", (), {"kind": kind}) for kind in self.kinds]

        def with_memory_kind(self, kind):
            return kind

        def __array__(self, dtype=None, copy=None):
            return np.array([1, 2])

    sent = []
    monkeypatch.setattr(jax, "device_put", lambda x, to: sent.append(to) or jnp.array([3, 4]))
    assert host.seen(Elsewhere(["device", "pinned_host"])).tolist() == [3, 4]
    assert host.seen(Elsewhere(["device"])).tolist() == [1, 2]
    assert sent == ["pinned_host"]
