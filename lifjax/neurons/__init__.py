"""What a neuron is: its parameters, its state and one step of one neuron. A model is one file here."""

from lifjax.neurons.base import Grid, Neuron, Output, Parameter, parameter, parameters, pytree
from lifjax.neurons.lif import LIF

__all__ = ["LIF", "Grid", "Neuron", "Output", "Parameter", "parameter", "parameters", "pytree"]
