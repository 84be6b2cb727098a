"""What is exported is read back by the field's own readers as the same spikes."""

import datetime

import libsonata
import neo
import numpy as np
import pynwb
import pytest

import lifjax
import lifjax.store

TAU = np.linspace(8.0, 12.0, 30)


SOME = {"seed": 5, "every": 2, "neurons": [3, 29], "population": 30}
MODELS = {
    "GIF": (lifjax.GIF(q_sfa=[2.0], tau_sfa=[50.0]), np.linspace(200.0, 600.0, 30), {}),
    "GLIF": (
        lifjax.GLIF(asc_amps=[-10.0, -200.0], asc_decay=[0.003, 0.1]),
        np.linspace(300.0, 900.0, 30),
        {"record": ("V", "I_asc", "spikes")},
    ),
    "AdEx": (
        lifjax.AdEx(b=np.linspace(20.0, 200.0, 30)),
        900.0 + lifjax.synapse(lifjax.poisson_train(500.0), weight=1.0, tau_syn=5.0, E_rev=0.0),
        {"record": ("V", "w", "spikes"), "integrator": "rk4"},
    ),
}


@pytest.fixture(
    scope="module", params=["in memory", "on disk", "from a state", "between grid times", "between, on disk", *MODELS]
)
def run(request, tmp_path_factory):
    neuron, noise = lifjax.LIF(tau_m=TAU), lifjax.white_noise(np.linspace(150.0, 260.0, 30), 5.0)
    how = {"record": ("V", "spikes", "current"), **SOME}
    if request.param in MODELS:
        neuron, noise, more = MODELS[request.param]
        how |= more
    if "disk" in request.param or request.param in MODELS:
        how["out"] = tmp_path_factory.mktemp("export") / "run"
    if request.param == "from a state":
        how["state"] = lifjax.simulate(neuron, noise, 33.3, seed=5).state
    if "between" in request.param:
        how |= {"integrator": "exact", "spike_timing": "interpolated"}
    run = lifjax.simulate(neuron, noise, 300.0, **how)
    return lifjax.load(how["out"]) if "out" in how else run


def test_what_is_exported_of_a_run_on_disk_is_what_is_in_memory(run):
    if not isinstance(run, lifjax.store.StoredRun):
        return
    how = {
        "dt": run.dt, "record": (*run.traces, "spikes"), **SOME, "integrator": run.integrator,
        "spike_timing": run.spike_timing,
    }  # fmt: skip
    other = lifjax.simulate(run.neuron, run.stimulus, run.duration, **how)
    for one, two in zip(run.events(), other.events(), strict=True):
        np.testing.assert_array_equal(one, two)
    for name, x in other.traces.items():
        np.testing.assert_array_equal(run.traces[name], x)


def test_libsonata_reads_the_same_spikes(run, tmp_path):
    lifjax.export.sonata(run, tmp_path / "spikes.h5", population="mine")
    population = libsonata.SpikeReader(tmp_path / "spikes.h5")["mine"]
    times, neurons = run.events()
    assert len(times) > 100
    assert population.sorting == "by_id"
    found = population.get_dict()
    order = np.argsort(times, kind="stable")
    np.testing.assert_array_equal(np.sort(found["timestamps"]), times[order])
    for neuron in (0, 3, 17, 29):
        own = population.get(node_ids=[neuron])
        assert [time for _, time in own] == times[neurons == neuron].tolist()


def test_pynwb_reads_the_same_spikes_and_traces(run, tmp_path):
    begun = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    lifjax.export.nwb(run, tmp_path / "run.nwb", start=begun)
    assert pynwb.validate(path=tmp_path / "run.nwb") == []
    with pynwb.NWBHDF5IO(tmp_path / "run.nwb", "r") as io:
        file = io.read()
        assert file.session_start_time == begun
        assert len(file.units) == 30
        for neuron, train in enumerate(run.spike_times):
            np.testing.assert_array_equal(file.units["spike_times"][neuron], train / 1000)
        V = file.acquisition["V"]
        np.testing.assert_array_equal(V.data[:], run.V)
        assert (V.unit, V.conversion) == ("volts", 1e-3)
        np.testing.assert_allclose(V.starting_time + np.arange(len(V.data)) / V.rate, run.times / 1000, atol=1e-12)
        for name, x in run.traces.items():
            assert file.acquisition[name].unit == {"V": "volts"}.get(name, "amperes")
            np.testing.assert_array_equal(file.acquisition[name].data[:], x)


def test_neo_reads_the_same_spikes_from_an_nwb_file(run, tmp_path):
    lifjax.export.nwb(run, tmp_path / "run.nwb")
    (block,) = neo.io.NWBIO(str(tmp_path / "run.nwb"), mode="r").read_all_blocks()
    trains = block.segments[0].spiketrains
    assert len(trains) == 30
    for theirs, train in zip(trains, run.spike_times, strict=True):
        np.testing.assert_array_equal(theirs.rescale("s").magnitude, train / 1000)
        assert float(theirs.t_stop.rescale("s")) == (run.start_time + run.duration) / 1000


def test_neo_has_the_same_spikes_and_traces(run):
    segment = lifjax.export.neo(run).segments[0]
    assert len(segment.spiketrains) == 30
    for mine, train in zip(segment.spiketrains, run.spike_times, strict=True):
        np.testing.assert_array_equal(mine.rescale("ms").magnitude, train)
        assert float(mine.t_stop) == run.start_time + run.duration
    V = next(signal for signal in segment.analogsignals if signal.name == "V")
    np.testing.assert_array_equal(V.magnitude, run.V)
    np.testing.assert_allclose(V.times.rescale("ms").magnitude, run.times, atol=1e-9)
    assert str(V.dimensionality) == "mV"
    assert {signal.name: str(signal.dimensionality) for signal in segment.analogsignals} == {
        name: "mV" if name == "V" else "pA" for name in run.traces
    }


def test_a_single_neuron_and_silent_ones_can_be_exported(tmp_path):
    for name, current in (("one", 300.0), ("silent", [0.0, 0.0, 300.0])):
        run = lifjax.simulate(lifjax.LIF(), current, 50.0, record=("spikes",))
        lifjax.export.sonata(run, tmp_path / f"{name}.h5")
        lifjax.export.nwb(run, tmp_path / f"{name}.nwb")
        times, neurons = run.events()
        found = libsonata.SpikeReader(tmp_path / f"{name}.h5")["lifjax"].get()
        assert sorted(found) == sorted(zip(neurons.tolist(), times.tolist(), strict=True))
        with pynwb.NWBHDF5IO(tmp_path / f"{name}.nwb", "r") as io:
            np.testing.assert_array_equal(io.read().units["spike_times"][int(run.spike_count.size) - 1], times / 1000)
        assert len(lifjax.export.neo(run).segments[0].spiketrains) == run.spike_count.size


def test_a_file_that_is_there_is_not_written_over_and_one_that_fails_leaves_nothing(tmp_path, monkeypatch):
    run = lifjax.simulate(lifjax.LIF(), 300.0, 50.0, record=())
    with pytest.raises(ValueError, match="spikes were not recorded"):
        lifjax.export.sonata(run, tmp_path / "spikes.h5")
    lifjax.export.nwb(run, tmp_path / "run.nwb")
    for export in (lifjax.export.nwb, lifjax.export.sonata):
        with pytest.raises(FileExistsError, match="is there already"):
            export(lifjax.simulate(lifjax.LIF(), 300.0, 50.0), tmp_path / "run.nwb")
    full = lifjax.simulate(lifjax.LIF(), 300.0, 50.0)
    monkeypatch.setattr(lifjax.Run, "events_of", lambda *_: (_ for _ in ()).throw(RuntimeError("struck")))
    with pytest.raises(RuntimeError, match="struck"):
        lifjax.export.sonata(full, tmp_path / "spikes.h5")
    assert [file.name for file in tmp_path.iterdir()] == ["run.nwb"]
