"""Bad input: one clear error before any work, naming the argument, its value, its unit and the remedy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lifjax
from lifjax.simulate import blocks

LIF, synapse, poisson_train, spike_train = lifjax.LIF, lifjax.synapse, lifjax.poisson_train, lifjax.spike_train
nan, inf = math.nan, math.inf


@pytest.fixture(autouse=True)
def no_work(monkeypatch):
    """Fail if a run gets as far as its first chunk."""

    def worked(*args, **kwargs):
        raise AssertionError("the run began")

    monkeypatch.setenv("LIFJAX_ENGINE", "packed")  # so that no other is tried
    monkeypatch.setattr(blocks, "_chunk", worked)


def go(neuron=None, stimulus=300.0, duration=10.0, **kwargs):
    return lifjax.simulate(LIF() if neuron is None else neuron, stimulus, duration, **kwargs)


REFUSED = {
    # what is wrong: (call, error, what the message must say)
    "sample step of nothing": (lambda: go(stimulus=lifjax.samples([1.0], 5e-324)), ValueError, "dt = 5e-324 ms is below 1e-15 ms"),
    "sample step beyond counting": (lambda: go(stimulus=lifjax.samples([1.0], 1e-12)), ValueError, "dt = 1e-12 ms is too short"),
    "tau_m of nothing": (lambda: go(LIF(tau_m=[10.0, 1e-300])), ValueError, r"tau_m\[1\] = 1e-300 ms is below 1e-15 ms"),
    "integrator of no word": (lambda: go(integrator=np.zeros(0)), ValueError, "integrator = array.* is unknown"),
    "spike timing of no word": (lambda: go(spike_timing=[1]), ValueError, r"spike_timing = \[1\] is unknown"),
    "ragged neurons": (lambda: go(neurons=[[1], [1, 2]], population=5), ValueError, "list of whole numbers"),
    "record of no words": (lambda: go(record=[{}]), ValueError, "record: {} is unknown"),
    "folder of a number": (lambda: go(out=5.0), TypeError, "out = 5.0 is a float; give a path"),
    "folder without a name": (lambda: go(out=""), ValueError, "out = '' is no path"),
    "seed with many digits": (lambda: go(seed=10**5000), ValueError, "seed = a int is out of range"),
    "no model to integrate": (lambda: lifjax.integrate(5, 300.0, 10), TypeError, "neuron = 5 is no neuron model"),
    "NaN background of one current": (lambda: lifjax.fi_curve(LIF(), 300.0, background=nan), ValueError, "I = nan pA"),
    "state of another model": (lambda: go(state=lifjax.State(step=5, neuron=lifjax.AdEx().start())), TypeError, "state is none of LIF's"),
    "state of another model to integrate": (lambda: lifjax.integrate(LIF(), 1.0, 5, state=lifjax.State(step=5, neuron=lifjax.AdEx().start())), TypeError, "state is none of LIF's"),
    "seed to integrate that is no whole number": (lambda: lifjax.integrate(LIF(), 1.0, 5, seed=1.5), TypeError, "seed is a float"),
    "time span as a population": (lambda: go(population=np.timedelta64(5, "ms")), ValueError, "is no shape"),
    "after-spike current without a beginning": (lambda: go(lifjax.GLIF(asc_amps=[1.0], asc_decay=[0.1], asc_init=[])), ValueError, "0 of asc_init"),
    "more bins than are handed back": (lambda: lifjax.analysis.time_histogram([1.0], 1e-9, 0.0, 10.0), ValueError, "bin_size = 1e-09 ms makes 1e.10 bins"),
    "ragged window": (lambda: lifjax.analysis.autocorrelation([1.0], 1.0, [[1], [1, 2]]), ValueError, "is not two whole numbers that rise"),
    "picture of no run": (lambda: lifjax.plot.phase_plane(-1.0), TypeError, "run = -1.0 is a float; give a run"),
    "tutorial of no time": (lambda: lifjax.tutorial.default_pars(T=-3e124), ValueError, r"pars: T = -3e\+124 must be one finite number at least 0"),
    "window beyond counting": (lambda: lifjax.analysis.autocorrelation([1.0], 1.0, (-(10**12), 10**12)), ValueError, "narrow window"),
    "van Rossum's tau of two": (lambda: lifjax.targets.van_rossum([1.0], [1.0, 2.0]), ValueError, "tau has shape"),
    "target V as a number": (lambda: lifjax.fit(LIF(), 1.0, lifjax.targets.voltage(5.0), 10.0), ValueError, "give a row for each grid step"),
    "nothing free": (lambda: lifjax.fit_rates(LIF(), 1.0, 5.0, 10.0, free=5), TypeError, "free = 5 is no name"),
    "more restarts than are begun": (lambda: lifjax.fit_rates(LIF(), 1.0, 5.0, 10.0, restarts=2**31), ValueError, "restarts = 2147483648 is more than"),
    "state between grid times to integrate on the grid": (lambda: lifjax.integrate(LIF(), 1.0, 5, state=lifjax.State(step=5, neuron=LIF.interpolated.start(LIF()))), TypeError, "state is none of LIF's"),
    "no run to draw": (lambda: lifjax.plot.raster(5), TypeError, "run = 5 is a int; give a run"),
    "no axes to draw into": (lambda: lifjax.plot.fi_curve([1.0], [1.0], ax=5), TypeError, "ax = 5 is a int; give Matplotlib's Axes"),
    "no run to export": (lambda: lifjax.export.neo([]), TypeError, r"run = \[\] is a list; give a run"),
    "parameters of the tutorial without T": (lambda: lifjax.tutorial.my_GWN({}, 1.0, 1.0), ValueError, "pars = {} has no 'dt'"),
    "dt of zero in the tutorial": (lambda: lifjax.tutorial.default_pars(dt=0.0), ValueError, "pars: dt = 0.0 must be .* above 0"),
    "membrane that never settles": (lambda: lifjax.theory.escape_rate(lifjax.GIF(C_m=1e15), 300.0), ValueError, "so raise dt"),
    "slope that float32 cannot square": (lambda: lifjax.surrogate.gaussian(1e300), ValueError, r"slope = 1e\+300 must be"),
    "file of a fit that is none": (lambda: lifjax.Fit.load(nan), TypeError, "path = nan is a float; give a path"),
    "NaN parameter": (lambda: go(LIF(tau_m=nan)), ValueError, "LIF: tau_m = nan ms is not finite"),
    "infinite parameter": (lambda: go(LIF(E_L=[1.0, -inf])), ValueError, r"E_L\[1\] = -inf mV is not finite"),
    "NaN in a 2-D parameter": (lambda: go(LIF(g_L=[[1.0, nan]])), ValueError, r"g_L\[0, 1\] = nan nS"),
    "tau_m of zero": (lambda: go(LIF(tau_m=0.0)), ValueError, "tau_m = 0.0 ms: the membrane time constant must be above 0 ms"),
    "negative g_L": (lambda: go(LIF(g_L=-1)), ValueError, "g_L = -1 nS: the leak conductance must be above 0 nS"),
    "negative t_ref": (lambda: go(LIF(t_ref=-0.5)), ValueError, "t_ref = -0.5 ms: .* at least 0 ms"),
    "V_reset at V_th": (lambda: go(LIF(V_reset=-55.0)), ValueError, "V_reset = -55.0 mV must be below V_th = -55.0 mV"),
    "V_reset above one V_th": (lambda: go(LIF(V_th=[-50.0, -80.0])), ValueError, r"V_reset\[1\] = -75.0 mV .* V_th\[1\] = -80"),
    "text as a parameter": (lambda: go(LIF(tau_m="10")), TypeError, "tau_m = '10' is a str"),
    "None as a parameter": (lambda: go(LIF(tau_m=None)), TypeError, "tau_m = None"),
    "complex parameter": (lambda: go(LIF(tau_m=np.array(1j))), TypeError, "complex"),
    "bool as a parameter": (lambda: go(LIF(tau_m=True)), TypeError, "tau_m = True is a bool"),
    "ragged list": (lambda: go(LIF(tau_m=[[1.0], [1.0, 2.0]])), TypeError, "ragged"),
    "masked array": (lambda: go(LIF(tau_m=np.ma.masked_array([10.0, 20.0], [0, 1]))), TypeError, "masked array"),
    "record of a number": (lambda: go(record=5), TypeError, "record = 5 is no name"),
    "stride beyond any run": (lambda: go(every=2**31), ValueError, "every = 2147483648"),
    "shape as a bool": (lambda: go(population=True), ValueError, "population = True is no shape"),
    "pulse of shapes that do not fit": (lambda: go(stimulus=lifjax.pulse(1.0, [1, 2], [3, 4, 5])), ValueError, "do not broadcast"),
    "no model for an f-I curve": (lambda: lifjax.fi_curve(5, [300.0]), TypeError, "no neuron model"),
    "state before time 0": (lambda: go(state=lifjax.State(step=-5, neuron=LIF().start())), ValueError, "step = -5"),
    "state of a number": (lambda: go(state=lifjax.State(step=5, neuron=3.0)), TypeError, "state of an earlier run"),
    "unknown integrator of integrate": (lambda: lifjax.integrate(LIF(), 1.0, 5, integrator="rk"), ValueError, "'rk' is unknown"),
    "unknown recording of integrate": (lambda: lifjax.integrate(LIF(), 1.0, 5, record="v"), ValueError, "'v' is unknown"),
    "negative steps of integrate": (lambda: lifjax.integrate(LIF(), 1.0, -5), ValueError, "steps = -5"),
    "fraction of a step of integrate": (lambda: lifjax.integrate(LIF(), 1.0, 5.0), TypeError, "integer"),
    "empty array": (lambda: go(LIF(tau_m=[])), ValueError, "tau_m is empty"),
    "unknown parameter": (lambda: LIF(tau=10.0), TypeError, "tau"),
    "model instead of an instance": (lambda: go(LIF), TypeError, "no neuron model"),
    "no model": (lambda: go(3.0), TypeError, "no neuron model"),
    "dt of zero": (lambda: go(dt=0.0), ValueError, "dt = 0.0 ms: the grid step must be above 0 ms"),
    "negative dt": (lambda: go(dt=-0.1), ValueError, "dt = -0.1 ms"),
    "NaN dt": (lambda: go(dt=nan), ValueError, "dt = nan ms is not finite"),
    "dt array": (lambda: go(dt=[0.1, 0.2]), ValueError, "dt has shape"),
    "dt at tau_m": (lambda: go(dt=10.0), ValueError, "dt = 10.0 ms must be below LIF: tau_m = 10.0 ms"),
    "duration of zero": (lambda: go(duration=0.0), ValueError, "duration = 0.0 ms: .* above 0 ms"),
    "infinite duration": (lambda: go(duration=inf), ValueError, "duration = inf ms is not finite"),
    "text duration": (lambda: go(duration="1 s"), TypeError, "duration = '1 s' is a str"),
    "too many steps": (lambda: go(duration=1e12), ValueError, "at most"),
    "shapes that do not broadcast": (
        lambda: go(LIF(tau_m=[10.0] * 3), [300.0] * 4), ValueError, r"LIF.tau_m \(3,\), Constant.I \(4,\)"),
    "population that does not fit": (lambda: go(LIF(tau_m=[10.0] * 3), population=4), ValueError, r"population \(4,\)"),
    "population of zero": (lambda: go(population=0), ValueError, "population = 0"),
    "negative population": (lambda: go(population=(3, -1)), ValueError, "population"),
    "fraction of a neuron": (lambda: go(population=2.5), ValueError, "population = 2.5"),
    "unknown recording": (lambda: go(record=("V", "v")), ValueError, "'v' is unknown; choose from 'V', 'spikes', 'current'"),
    "every of zero": (lambda: go(every=0), ValueError, "every = 0"),
    "every of a half": (lambda: go(every=0.5), ValueError, "every = 0.5"),
    "neuron beyond the population": (lambda: go(neurons=[0, 5], population=5), ValueError, "from 0 to 4"),
    "negative neuron": (lambda: go(neurons=[-1], population=5), ValueError, "from 0 to 4"),
    "neurons as one number": (lambda: go(neurons=0, population=5), ValueError, "list of whole numbers"),
    "integrator of another model": (lambda: go(integrator="rk4"), ValueError, "not for LIF; choose .euler. or .exact."),
    "unknown integrator": (lambda: go(integrator="heun"), ValueError, ".heun. is unknown; choose one of .euler., .exact."),
    "negative seed": (lambda: go(seed=-1), ValueError, "seed = -1 is out of range"),
    "large seed": (lambda: go(seed=2**64), ValueError, "out of range"),
    "seed that is no whole number": (lambda: go(seed=1.5), TypeError, "seed = 1.5 is a float"),
    "state of another kind": (lambda: go(state={"V": 1}), TypeError, "state is a dict"),
    "NaN state": (
        lambda: go(state=lifjax.State(step=0, neuron=LIF(V_init=nan).start())), ValueError, "V = nan mV is not finite"),
    "NaN current": (lambda: go(stimulus=nan), ValueError, "Constant: I = nan pA is not finite"),
    "text current": (lambda: go(stimulus="300"), TypeError, "I = '300' is a str"),
    "no current": (lambda: go(stimulus=None), TypeError, "I = None"),
    "pulse that ends before it starts": (lambda: go(stimulus=lifjax.pulse(1.0, 5.0, 3.0)), ValueError, "start.* below stop"),
    "NaN pulse": (lambda: go(stimulus=lifjax.pulse(1.0, nan, 3.0)), ValueError, "nan ms"),
    "steps and times of other lengths": (lambda: go(stimulus=lifjax.steps([1.0, 2.0], [0.0])), ValueError, "one time"),
    "times that fall": (lambda: go(stimulus=lifjax.steps([1.0, 2.0], [5.0, 0.0])), ValueError, "must rise"),
    "steps as a number": (lambda: go(stimulus=lifjax.steps(1.0, 0.0)), ValueError, "leading axis"),
    "ramp back in time": (lambda: go(stimulus=lifjax.ramp(0.0, 1.0, 9.0, 5.0)), ValueError, "below"),
    "ramp after the run": (lambda: go(stimulus=lifjax.ramp(0.0, 1.0, 50.0)), ValueError, "after the end of the run"),
    "ramp without end in a later run": (
        lambda: go(stimulus=lifjax.ramp(0.0, 1.0), state=lifjax.State(step=5, neuron=LIF().start())), ValueError, "give stop="),
    "negative frequency": (lambda: go(stimulus=lifjax.sinusoid(1.0, -1.0)), ValueError, "frequency = -1.0 Hz"),
    "samples shorter than the run": (
        lambda: go(stimulus=lifjax.samples(np.zeros(99))), ValueError, "covers 9.9 ms .* ends at 10 ms; shorten the run"),
    "samples that end on the way": (lambda: go(stimulus=lifjax.samples(np.zeros(9), dt=1.0)), ValueError, "covers 9 ms"),
    "samples as a number": (lambda: go(stimulus=lifjax.samples(5.0)), ValueError, "leading axis"),
    "no samples": (lambda: go(stimulus=lifjax.samples([])), ValueError, "empty"),
    "NaN sample": (lambda: go(stimulus=lifjax.samples([0.0, nan] * 90)), ValueError, r"values\[1\] = nan pA"),
    "sample step of zero": (lambda: go(stimulus=lifjax.samples(np.zeros(200), dt=0.0)), ValueError, "dt = 0.0 ms"),
    "NaN sample step": (lambda: go(stimulus=lifjax.samples(np.zeros(200), dt=nan)), ValueError, "dt = nan ms"),
    "text sample step": (lambda: go(stimulus=lifjax.samples(np.zeros(200), dt="1")), TypeError, "dt = '1'"),
    "negative sigma": (lambda: go(stimulus=lifjax.white_noise(0.0, -1.0)), ValueError, "sigma = -1.0 pA"),
    "OU tau of zero": (lambda: go(stimulus=lifjax.ornstein_uhlenbeck(0.0, 1.0, 0.0)), ValueError, "tau = 0.0 ms"),
    "negative rate": (lambda: go(stimulus=lifjax.poisson(-1.0, 1.0, 5.0)), ValueError, "rate = -1.0 Hz"),
    "too high a rate": (lambda: go(stimulus=lifjax.poisson(1e6, 1.0, 5.0)), ValueError, "100 input spikes a step"),
    "correlation above 1": (lambda: go(stimulus=lifjax.white_noise(0.0, 1.0, correlation=[0.5, 1.5])), ValueError, r"correlation\[1\] = 1.5 must be at most 1"),
    "negative correlation": (lambda: go(stimulus=lifjax.ornstein_uhlenbeck(0.0, 1.0, 5.0, correlation=-0.1)), ValueError, "correlation = -0.1: .* at least 0"),
    "half a source": (lambda: go(stimulus=lifjax.white_noise(0.0, 1.0, correlation=0.1, source=[0.0, 0.5])), ValueError, r"source\[1\] = 0.5 must be a whole number"),
    "negative source": (lambda: go(stimulus=synapse(poisson_train(1.0, correlation=0.1, source=-1), 1.0, 5.0)), ValueError, "source = -1: .* at least 0"),
    "negative rate of a train": (lambda: go(stimulus=synapse(poisson_train([5.0, -2.0]), 1.0, 5.0)), ValueError, r"PoissonTrain: rate\[1\] = -2.0 Hz: .* at least 0 Hz"),
    "too high a rate of a shared train": (lambda: go(stimulus=synapse(poisson_train(1e6, correlation=0.1), 1.0, 5.0)), ValueError, "100 input spikes a step"),
    "correlation of counts above 1": (lambda: go(stimulus=synapse(poisson_train(1.0, correlation=2.0), 1.0, 5.0)), ValueError, "correlation = 2.0 must be at most 1"),
    "negative spike time": (lambda: go(stimulus=synapse(spike_train([-1.0, 2.0]), 1.0, 5.0)), ValueError, r"times\[0\] = -1.0 ms: the time of a spike must be at least 0 ms"),
    "NaN spike time": (lambda: go(stimulus=synapse(spike_train([[1.0], [], [2.0, nan]]), 1.0, 5.0)), ValueError, r"times\[2\]\[1\] = nan ms is not finite"),
    "infinite spike time": (lambda: go(stimulus=synapse(spike_train([1.0, inf]), 1.0, 5.0)), ValueError, r"times\[1\] = inf ms is not finite"),
    "unsorted spike times": (lambda: go(stimulus=synapse(spike_train([[9.0], [3.0, 2.0]]), 1.0, 5.0)), ValueError, r"times\[1\]\[1\] = 2 ms comes after 3 ms; sort"),
    "NaN spike weight": (lambda: go(stimulus=synapse(spike_train([1.0], [nan]), 1.0, 5.0)), ValueError, r"weights\[0\] = nan is not finite"),
    "spike weights of another shape": (lambda: spike_train([[1.0], [2.0, 3.0]], [1.0, 2.0, 3.0]), ValueError, "one weight for each time"),
    "a number as spike times": (lambda: spike_train(5.0), TypeError, "times is a float, no row of numbers"),
    "text as spike times": (lambda: spike_train(["a"]), TypeError, "times is a list"),
    "a matrix as a train": (lambda: spike_train([[[1.0]], [2.0]]), TypeError, r"times\[0\] has shape \(1, 1\)"),
    "trains that do not broadcast": (lambda: go(LIF(tau_m=[9.0] * 3), synapse(spike_train([[1.0], [2.0]]), 1.0, 5.0)), ValueError, r"LIF.tau_m \(3,\), SpikeTrain.spikes \(2,\)"),
    "rates that do not broadcast": (lambda: go(stimulus=synapse(poisson_train([1.0, 2.0]), [1.0] * 3, 5.0)), ValueError, r"Synapse.weight \(3,\), PoissonTrain.rate \(2,\)"),
    "times without a train": (lambda: synapse([1.0, 2.0], 1.0, 5.0), TypeError, "spikes is a list, no train"),
    "unknown kernel": (lambda: synapse(poisson_train(1.0), 1.0, 5.0, kernel="beta"), ValueError, "kernel = 'beta' is unknown; choose one of 'delta'"),
    "kernel without a time constant": (lambda: synapse(poisson_train(1.0), 1.0), ValueError, "needs tau_syn"),
    "delta kernel with a time constant": (lambda: synapse(poisson_train(1.0), 1.0, 5.0, kernel="delta"), ValueError, "has no tau_syn"),
    "delta kernel with a reversal potential": (lambda: synapse(poisson_train(1.0), 1.0, E_rev=0.0, kernel="delta"), ValueError, "has no E_rev"),
    "synaptic time constant of zero": (lambda: go(stimulus=synapse(poisson_train(1.0), 1.0, 0.0)), ValueError, "Synapse: tau_syn = 0.0 ms"),
    "negative conductance": (lambda: go(stimulus=synapse(poisson_train(1.0), -2.0, 5.0, E_rev=0.0)), ValueError, "weight = -2 nS is below 0"),
    "negative weight of a conductance": (lambda: go(stimulus=synapse(spike_train([1.0], [-2.0]), 1.0, 5.0, E_rev=0.0)), ValueError, "weights = -2 nS is below 0"),
    "NaN reversal potential": (lambda: go(stimulus=synapse(poisson_train(1.0), 1.0, 5.0, E_rev=nan)), ValueError, "E_rev = nan mV"),
    "bad term in a sum": (lambda: go(stimulus=1.0 + lifjax.white_noise(0.0, 1.0) + nan), ValueError, "I = nan"),
    "NaN currents of an f-I curve": (lambda: lifjax.fi_curve(LIF(), [nan]), ValueError, r"currents\[0\] = nan pA"),
    "text currents of an f-I curve": (lambda: lifjax.fi_curve(LIF(), "1"), TypeError, "currents"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_before_any_work(what):
    call, error, told = REFUSED[what]
    with pytest.raises(error, match=told) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


def test_a_traced_value_is_sent_to_integrate():
    with pytest.raises(TypeError, match=r"lifjax\.integrate"):
        jax.jit(lambda tau: go(LIF(tau_m=tau)).spike_count)(10.0)


def test_parameters_that_only_just_make_sense_are_let_through():
    for call in (
        lambda: go(LIF(t_ref=0.0)),
        lambda: go(dt=9.999),
        lambda: go(stimulus=lifjax.samples(np.zeros(100))),
        lambda: go(stimulus=lifjax.samples(np.zeros(10), dt=1.0)),
        lambda: go(stimulus=np.int64(3)),
        lambda: go(LIF(tau_m=jnp.float32(3.0)), seed=np.uint64(2**63)),
        lambda: go(stimulus=lifjax.white_noise(0.0, 0.0)),
    ):
        with pytest.raises(AssertionError, match="the run began"):
            call()


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3), st.complex_numbers(),
    st.lists(st.floats(), max_size=3), st.lists(st.integers(-5, 5), max_size=3), st.dictionaries(st.text(), st.floats(), max_size=1),
    st.lists(st.lists(st.floats(), max_size=2), max_size=2),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_anything_at_all_is_refused_in_words_or_taken(data):
    fields = {
        name: data.draw(anything) for name in data.draw(st.sets(st.sampled_from(["V_th", "V_reset", "tau_m", "t_ref"])))
    }
    names = ["duration", "dt", "seed", "record", "every", "neurons", "integrator", "state", "population"]
    arguments = {name: data.draw(anything) for name in data.draw(st.sets(st.sampled_from(names), max_size=2))}
    make = data.draw(
        st.sampled_from(
            [
                lambda x: x,
                lambda x: lifjax.white_noise(0.0, x),
                lambda x: lifjax.pulse(x, x, 5.0),
                lambda x: lifjax.samples(x, 1.0),
                lambda x: lifjax.samples([1.0] * 50, x),
                lambda x: lifjax.steps(x, x),
                lambda x: lifjax.ramp(0.0, x, 0.0, x),
                lambda x: lifjax.sinusoid(1.0, x),
                lambda x: lifjax.poisson(x, 1.0, x),
                lambda x: synapse(spike_train(x), 1.0, 5.0),
                lambda x: synapse(spike_train(x, x), x, 5.0, E_rev=x),
                lambda x: synapse(poisson_train(1.0, correlation=x, source=x), 1.0, x, kernel="alpha"),
                lambda x: lifjax.white_noise(0.0, 1.0, correlation=x, source=x),
            ]
        )
    )
    try:
        go(**{"neuron": LIF(**fields), "stimulus": make(data.draw(anything)), "duration": 1.0, **arguments})
    except (ValueError, TypeError, MemoryError) as error:
        assert str(error)
        assert not isinstance(error, jax.errors.JAXTypeError)
    except AssertionError as error:
        assert str(error) == "the run began"
