"""What a neuron is: its parameters, its state and one step of one neuron. A model is one file here."""

from lifjax.neurons.adex import AdEx
from lifjax.neurons.base import Grid, Input, Neuron, Output, Parameter, parameter, parameters, pytree
from lifjax.neurons.eif import EIF
from lifjax.neurons.gif import GIF, AdaptiveLIF
from lifjax.neurons.lif import LIF

__all__ = [
    "EIF",
    "GIF",
    "LIF",
    "AdEx",
    "AdaptiveLIF",
    "Grid",
    "Input",
    "Neuron",
    "Output",
    "Parameter",
    "parameter",
    "parameters",
    "pytree",
]
