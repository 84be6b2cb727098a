r"""What drives a neuron: currents [pA] as functions of the grid time t_k, and synapses, worked out inside the scan.

Stimuli add up with ``+``, any number in them may be an array that broadcasts to the population, and a bare number or
array stands for a constant current. Nothing of the size of time by neurons is made, and noise is keyed by neuron and
absolute step (`lifjax.noise`), so a current is the same however a run is cut.

A stimulus is prepared once for a run (``prepare``: times become steps), may carry a state from step to step
(``begin``), and gives the current of a whole flat population at a step (``current``), or what else there is of an input
(``drive``).
"""

from lifjax.stimulus.base import Stimulus, StimulusLike, Sum, constant, terms
from lifjax.stimulus.noisy import ornstein_uhlenbeck, white_noise
from lifjax.stimulus.synapse import poisson, synapse
from lifjax.stimulus.trains import poisson_train, spike_train
from lifjax.stimulus.waveforms import pulse, ramp, samples, sinusoid, steps

__all__ = [
    "Stimulus",
    "StimulusLike",
    "Sum",
    "constant",
    "ornstein_uhlenbeck",
    "poisson",
    "poisson_train",
    "pulse",
    "ramp",
    "samples",
    "sinusoid",
    "spike_train",
    "steps",
    "synapse",
    "terms",
    "white_noise",
]
