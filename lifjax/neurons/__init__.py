"""What a neuron is: its parameters, its state and one step of one neuron. A model is one file here."""

from lifjax.neurons.adex import AdEx
from lifjax.neurons.base import Grid, Input, Neuron, Output, Parameter, parameter, parameters, pytree
from lifjax.neurons.eif import EIF
from lifjax.neurons.gif import GIF, AdaptiveLIF
from lifjax.neurons.glif import GLIF
from lifjax.neurons.izhikevich import Izhikevich
from lifjax.neurons.lif import LIF
from lifjax.neurons.qif import QIF

__all__ = [
    "EIF",
    "GIF",
    "GLIF",
    "LIF",
    "QIF",
    "AdEx",
    "AdaptiveLIF",
    "Grid",
    "Input",
    "Izhikevich",
    "Neuron",
    "Output",
    "Parameter",
    "parameter",
    "parameters",
    "pytree",
]
