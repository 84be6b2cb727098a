"""What a neuron is: its parameters, its state and one step of one neuron. A model is one file here."""

from lifjax.neurons.adex import AdEx
from lifjax.neurons.base import Grid, Input, Neuron, Output, Parameter, parameter, parameters, pytree
from lifjax.neurons.eif import EIF
from lifjax.neurons.glif import GLIF
from lifjax.neurons.lif import LIF

__all__ = [
    "EIF",
    "GLIF",
    "LIF",
    "AdEx",
    "Grid",
    "Input",
    "Neuron",
    "Output",
    "Parameter",
    "parameter",
    "parameters",
    "pytree",
]
