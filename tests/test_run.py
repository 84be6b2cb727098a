"""Runs: cut in any way they are the same, they keep what was asked for, and they cost what they hand back."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lifjax
from lifjax import backend
from lifjax.record import unpack
from lifjax.simulate import blocks, core
from lifjax.simulate.check import check_end

NOISY = (
    lifjax.white_noise(200.0, 5.0)
    + lifjax.ornstein_uhlenbeck(20.0, 50.0, 5.0)
    + lifjax.poisson(500.0, 20.0, 5.0)
    + lifjax.sinusoid(50.0, 13.0)
    + lifjax.pulse(50.0, 20.0, 40.0)
)


def assert_same_end(a, b):
    assert jax.tree.structure(a.state) == jax.tree.structure(b.state)
    for x, y in zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def whole():
    return lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=3, population=7, record=("V", "spikes", "current"))


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 999), min_size=1, max_size=4, unique=True))
def test_any_cut_in_time_leaves_spikes_V_current_and_final_state_as_they_are(whole, cuts):
    edges, state, parts = [0, *sorted(cuts), 1000], None, []
    for begin, end in itertools.pairwise(edges):
        part = lifjax.simulate(
            lifjax.LIF(),
            NOISY,
            (end - begin) * 0.1,
            seed=3,
            population=7,
            state=state,
            record=("V", "spikes", "current"),
        )
        parts, state = [*parts, part], part.state
    assert whole.spike_count.sum() > 0
    for name in ("V", "spikes", "current", "times"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    np.testing.assert_array_equal(sum(part.spike_count for part in parts), whole.spike_count)
    assert_same_end(parts[-1], whole)


def lay(monkeypatch, block, begins, steps, calls=4):
    laid = backend.Layout(block, begins, steps, round=calls * steps)
    monkeypatch.setattr(blocks, "layout", lambda *_: laid)


@pytest.mark.parametrize(
    ("chunk", "block", "begins"),
    [(32, 7, (0,)), (64, 3, (0, 3, 4)), (1024, 4, (0, 3)), (32, 4, (0, 3)), (1024, 1, (0, 1, 2, 3, 4, 5, 6))],
)
def test_blocks_and_chunks_of_any_size_give_the_same_run(whole, chunk, block, begins, monkeypatch):
    lay(monkeypatch, block, begins, chunk)
    again = lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=3, population=7, record=("V", "spikes", "current"))
    for name in ("V", "spikes", "current", "spike_count"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert_same_end(again, whole)


def test_blocks_keep_subsets_strides_shapes_and_parameters_of_each_neuron(monkeypatch):
    rng = np.random.default_rng(1)
    neuron = lifjax.LIF(
        tau_m=rng.uniform(5, 20, (5, 1)), V_th=rng.uniform(-60, -50, 4), t_ref=rng.uniform(0, 3, (5, 4))
    )
    stimulus = (
        NOISY + lifjax.samples(rng.normal(0, 100, (1000, 5, 1))) + lifjax.steps(rng.normal(0, 50, (2, 4)), [0.0, 9.0])
    )
    kwargs = {"neurons": [19, 0, 7, 7, 12], "every": 3, "record": ("V", "current", "spikes"), "seed": 9}
    one = lifjax.simulate(neuron, stimulus, 100.0, **kwargs)
    lay(monkeypatch, 6, (0, 6, 12, 14), 64)
    cut = lifjax.simulate(neuron, stimulus, 100.0, **kwargs)
    for name in ("V", "current", "spikes", "spike_count"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(one, name))
    assert_same_end(cut, one)


@pytest.mark.parametrize("x64", [False, True])
def test_threads_over_blocks_give_the_run_of_one_block_in_both_precisions(x64, monkeypatch, cpu):
    with jax.enable_x64(x64):
        several = lifjax.simulate(lifjax.LIF(), NOISY, 20.0, seed=3, population=10_007, neurons=[3, 10_006])
        assert len(backend.layout(10_007, 0).begins) > 1
        lay(monkeypatch, 10_007, (0,), 256)
        one = lifjax.simulate(lifjax.LIF(), NOISY, 20.0, seed=3, population=10_007, neurons=[3, 10_006])
    assert one.V.dtype == (np.float64 if x64 else np.float32)
    np.testing.assert_array_equal(several.V, one.V)
    np.testing.assert_array_equal(np.hstack(several.octets), np.hstack(one.octets))
    assert_same_end(several, one)


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setenv("LIFJAX_ENGINE", "packed")  # so that no other is tried
    monkeypatch.setattr(blocks, "_chunk", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lifjax.simulate(lifjax.LIF(), 300.0, 1.0, population=10_000)


def test_too_little_memory_on_the_device_is_said_and_no_other_engine_tried(monkeypatch):
    def exhausted(*args, **kwargs):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")

    monkeypatch.setattr(blocks, "_chunk", exhausted)
    with pytest.raises(MemoryError, match=r"too little memory for 3,000 neurons at once: run fewer.*allocate 9 bytes"):
        lifjax.simulate(lifjax.LIF(), 300.0, 1.0, population=3000)
    assert backend.engine() == "packed"


@pytest.mark.parametrize("more", [8, 100, 5000])
def test_neurons_added_after_a_neuron_do_not_change_it(whole, more):
    run = lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=3, population=more)
    np.testing.assert_array_equal(run.V[:, :7], whole.V)
    np.testing.assert_array_equal(run.spikes[:, :7], whole.spikes)
    np.testing.assert_array_equal(run.state.neuron.V[:7], whole.state.neuron.V)


@pytest.mark.parametrize("record", [(), ("V",), ("spikes",), ("current", "spikes")])
def test_what_is_recorded_does_not_change_what_happens(whole, record):
    run = lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=3, population=7, record=record)
    np.testing.assert_array_equal(run.spike_count, whole.spike_count)
    assert_same_end(run, whole)


def test_another_seed_gives_other_spikes(whole):
    run = lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=4, population=7)
    assert (run.spikes != whole.spikes).any()


@pytest.mark.parametrize("every", [1, 3, 10, 1000, 5000])
def test_a_stride_keeps_the_multiples_of_it_in_absolute_time(whole, every):
    run = lifjax.simulate(lifjax.LIF(), NOISY, 100.0, seed=3, population=7, every=every)
    np.testing.assert_array_equal(run.V, whole.V[::every])
    np.testing.assert_array_equal(run.times, whole.times[::every])
    np.testing.assert_array_equal(run.spikes, whole.spikes)
    first = lifjax.simulate(lifjax.LIF(), NOISY, 33.3, seed=3, population=7, every=every)
    then = lifjax.simulate(lifjax.LIF(), NOISY, 66.7, seed=3, population=7, every=every, state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.V, then.V]), run.V)


def test_a_subset_keeps_those_neurons_in_the_order_asked_for(whole):
    run = lifjax.simulate(
        lifjax.LIF(), NOISY, 100.0, seed=3, population=7, neurons=[5, 0], record=("V", "current", "spikes")
    )
    np.testing.assert_array_equal(run.V, whole.V[:, [5, 0]])
    np.testing.assert_array_equal(run.current, whole.current[:, [5, 0]])
    np.testing.assert_array_equal(run.spikes, whole.spikes)


def test_spike_times_spikes_counts_and_rates_tell_the_same_story(whole):
    raster = whole.spikes
    assert raster.dtype == bool
    np.testing.assert_array_equal(raster.sum(axis=0), whole.spike_count)
    for j, times in enumerate(whole.spike_times):
        np.testing.assert_array_equal(times, np.flatnonzero(raster[:, j]) * 0.1)
    np.testing.assert_allclose(whole.firing_rate, whole.spike_count * 10.0)
    times, neuron = whole.events()
    assert (np.diff(neuron) >= 0).all()
    assert len(times) == raster.sum()


def test_one_neuron_has_one_array_of_spike_times_and_a_population_a_list_in_C_order():
    one = lifjax.simulate(lifjax.LIF(), 300.0, 50.0)
    assert isinstance(one.spike_times, np.ndarray)
    assert one.V.shape == one.times.shape == (500,)
    assert one.spike_count.shape == ()
    many = lifjax.simulate(lifjax.LIF(), [[300.0, 0.0, 500.0], [0.0, 400.0, 0.0]], 50.0)
    assert [len(times) for times in many.spike_times] == many.spike_count.ravel().tolist()
    assert many.V.shape == many.spikes.shape == (500, 2, 3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), octets=st.integers(0, 20), neurons=st.integers(1, 9))
def test_packed_spikes_unpack_to_where_their_bits_are(seed, octets, neurons):
    bits = np.random.default_rng(seed).random((octets * 8, neurons)) < 0.1
    packed = np.packbits(bits, axis=0, bitorder="little")
    step, neuron = unpack((packed[:, : neurons // 2], packed[:, neurons // 2 :]))
    expected = np.argwhere(bits.T)
    np.testing.assert_array_equal(np.stack([neuron, step], axis=1).reshape(-1, 2), expected)


def test_what_was_not_recorded_is_said_with_how_to_record_it():
    run = lifjax.simulate(lifjax.LIF(), 300.0, 10.0, record=())
    for name, told in (("V", "record=\\('V'"), ("current", "record=\\('current'"), ("spikes", 'record=\\("spikes"')):
        with pytest.raises(ValueError, match=told):
            getattr(run, name)


def test_a_run_of_another_length_seed_current_or_parameter_compiles_nothing():
    def go(duration, seed, mean, tau_m):
        lifjax.simulate(lifjax.LIF(tau_m=tau_m), lifjax.white_noise(mean, 5.0), duration, seed=seed, population=11)

    go(900.0, 0, 200.0, 10.0)
    go(100.0, 0, 200.0, 10.0)
    compiled = (blocks._chunk_as_it_comes, blocks._chunk_in_loops, core._begin)
    before = [function._cache_size() for function in compiled]
    for changed in ((55.5, 0, 200.0, 10.0), (100.0, 9, 200.0, 10.0), (100.0, 0, 250.0, 10.0), (1234.5, 0, 200.0, 12.0)):
        go(*changed)
    assert [function._cache_size() for function in compiled] == before


def test_the_users_own_state_survives_a_run_that_goes_on_from_it():
    state = lifjax.State(step=jnp.int32(0), neuron=lifjax.LIF(V_init=jnp.full(5, -60.0)).start())
    lifjax.simulate(lifjax.LIF(), 300.0, 10.0, state=state)
    np.testing.assert_array_equal(state.neuron.V, -60.0)  # not given away to the compiled function


def test_a_state_broadcasts_to_a_larger_population():
    first = lifjax.simulate(lifjax.LIF(), [250.0, 300.0], 30.0)
    then = lifjax.simulate(lifjax.LIF(), np.array([[0.0], [300.0]]), 30.0, state=first.state)
    assert then.shape == (2, 2)
    np.testing.assert_array_equal(then.V[0, 0], then.V[0, 1])


def test_a_run_that_does_not_fit_is_refused_with_its_size_before_any_memory_is_taken(monkeypatch):
    monkeypatch.setattr(backend, "available_memory", lambda: 10**9)
    with pytest.raises(MemoryError, match=r"needs 41\.3 GB.*1\.0 GB.*V takes 40\.0 GB.*neurons=.*every="):
        lifjax.simulate(lifjax.LIF(), 300.0, 1000.0, population=10**6)
    with pytest.raises(MemoryError, match="spikes takes"):
        lifjax.simulate(lifjax.LIF(), 300.0, 10_000.0, population=10**6, record=("spikes",))
    lifjax.simulate(lifjax.LIF(), 300.0, 1.0, population=1000)


def test_free_memory_is_known_here():
    assert 10**8 < backend.available_memory() < 10**14


@pytest.mark.parametrize("progress", [False, True])
def test_ctrl_c_hands_back_what_was_done_and_the_run_can_go_on(monkeypatch, progress, capsys):
    lay(monkeypatch, 7, (0,), 32, calls=1)
    chunk, calls = blocks._chunk, []

    def interrupted(*args, **kwargs):
        calls.append(0)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return chunk(*args, **kwargs)

    def go(duration, **how):
        kept = ("V", "spikes", "current")
        return lifjax.simulate(lifjax.LIF(), NOISY, duration, seed=3, population=7, record=kept, **how)

    monkeypatch.setattr(blocks, "_chunk", interrupted)
    with pytest.warns(UserWarning, match="stopped after 96 of 1000 steps"):
        run = go(100.0, progress=progress)
    monkeypatch.undo()
    assert run.steps == len(run.times) == len(run.V) == len(run.spikes) == 96
    rest, one = go(90.4, state=run.state), go(100.0)
    np.testing.assert_array_equal(np.concatenate([run.V, rest.V]), one.V)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_a_run_that_has_no_part_to_hand_back(monkeypatch):
    chunk = blocks._chunk

    def interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return chunk(*args, **kwargs)

    monkeypatch.setattr(blocks, "_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lifjax.simulate(lifjax.LIF(), 300.0, 100.0)
    monkeypatch.undo()
    assert lifjax.simulate(lifjax.LIF(), 300.0, 100.0).steps == 1000


def test_runs_work_in_a_thread_where_no_signal_can_be_heard():
    kept = []
    thread = threading.Thread(target=lambda: kept.append(lifjax.simulate(lifjax.LIF(), 300.0, 50.0)))
    thread.start()
    thread.join()
    assert kept[0].spike_count == 3


def test_a_progress_bar_shows_steps_and_ends_full(capsys):
    lifjax.simulate(lifjax.LIF(), 300.0, 100.0, progress=True)
    told = capsys.readouterr().err
    assert "100%" in told
    assert "steps/s" in told


def test_results_are_pytrees_and_say_what_they_are():
    run = lifjax.simulate(lifjax.LIF(), 300.0, 50.0)
    assert jax.tree.map(lambda x: x, run).V.shape == (500,)
    assert repr(run) == "Run(LIF, population=(), duration=50 ms, dt=0.1 ms, seed=0, spikes=3, recorded=['V', 'spikes'])"


def test_counts_of_a_million_neurons_take_less_than_400_MB():
    program = """
        import resource, jax, jax.numpy as jnp
        jnp.zeros(8).block_until_ready()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        import lifjax
        run = lifjax.simulate(lifjax.LIF(), 300.0, 100.0, population=1_000_000, record=())
        assert run.steps == 1000 and (run.spike_count == 7).all()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert int(out.stdout) / 1000 < 400


def test_fi_curve_has_the_shape_of_currents_and_population_and_the_rates_of_the_runs():
    rates = lifjax.fi_curve(lifjax.LIF(tau_m=[10.0, 20.0]), [[200.0, 300.0, 400.0]], duration=500.0)
    assert rates.shape == (1, 3, 2)
    for j, tau_m in enumerate((10.0, 20.0)):
        run = lifjax.simulate(lifjax.LIF(tau_m=tau_m), [200.0, 300.0, 400.0], 500.0)
        np.testing.assert_array_equal(rates[0, :, j], run.firing_rate)


def test_fi_curve_adds_a_background_to_each_current():
    rates = lifjax.fi_curve(lifjax.LIF(), [100.0, 190.0], background=lifjax.white_noise(0.0, 5.0) + 10.0, seed=2)
    run = lifjax.simulate(lifjax.LIF(), np.array([100.0, 190.0]) + lifjax.white_noise(0.0, 5.0) + 10.0, 1000.0, seed=2)
    np.testing.assert_array_equal(rates, run.firing_rate)
    assert rates[1] > rates[0]


def test_a_state_goes_on_with_its_own_seed_and_only_with_its_own_dt():
    noise = lifjax.white_noise(220.0, 5.0)
    whole = lifjax.simulate(lifjax.LIF(), noise, 100.0, seed=2**40 + 7)
    first = lifjax.simulate(lifjax.LIF(), noise, 40.0, seed=2**40 + 7)
    rest = lifjax.simulate(lifjax.LIF(), noise, 60.0, state=first.state)
    assert rest.seed == 2**40 + 7
    np.testing.assert_array_equal(np.concatenate([first.V, rest.V]), whole.V)
    _, pure = lifjax.integrate(lifjax.LIF(), noise, 600, state=first.state, record="V")
    np.testing.assert_array_equal(pure.V, rest.V)
    other = lifjax.simulate(lifjax.LIF(), noise, 60.0, state=first.state, seed=1)
    assert (other.V != rest.V).any()
    with pytest.raises(ValueError, match=r"dt = 0\.2 ms, but the state was reached with 0\.1 ms"):
        lifjax.simulate(lifjax.LIF(), noise, 60.0, state=first.state, dt=0.2)


def test_a_stopped_run_says_so_and_an_fi_curve_that_was_stopped_is_none(monkeypatch):
    chunk = blocks._chunk

    def interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return chunk(*args, **kwargs)

    lay(monkeypatch, 1, (0,), 32, calls=1)
    assert not lifjax.simulate(lifjax.LIF(), 300.0, 100.0).stopped
    monkeypatch.setattr(blocks, "_chunk", interrupted)
    with pytest.warns(UserWarning, match="stopped"):
        assert lifjax.simulate(lifjax.LIF(), 300.0, 100.0).stopped
    with pytest.warns(UserWarning, match="stopped"), pytest.raises(KeyboardInterrupt):
        lifjax.fi_curve(lifjax.LIF(), [300.0], 100.0)


def test_a_run_whose_numbers_outgrew_the_machine_is_an_error_that_has_the_run():
    run = lifjax.simulate(lifjax.LIF(), 300.0, 20.0, population=3)
    check_end(run)
    run.state.neuron.V[1] = np.inf
    told = r"LIF: V\[1\] is inf after 20 ms, beyond what float32 holds; lower dt = 0.1 ms.*attribute run of this error"
    with pytest.raises(ValueError, match=told) as caught:
        check_end(run)
    assert caught.value.run is run
