"""lifjax: populations of integrate-and-fire neurons on JAX, run at the speed of the machine and fitted by gradients."""

import importlib
import importlib.metadata
from types import ModuleType
from typing import TYPE_CHECKING

from lifjax import analysis, export, neurons, noise, surrogate, theory, tutorial
from lifjax.fit import Fit, fit, fit_rates, targets
from lifjax.neurons import EIF, GIF, GLIF, LIF, QIF, AdaptiveLIF, AdEx, Izhikevich
from lifjax.record import Recording, Run, State
from lifjax.simulate import fi_curve, integrate, resume, simulate
from lifjax.stimulus import (
    constant,
    ornstein_uhlenbeck,
    poisson,
    poisson_train,
    pulse,
    ramp,
    samples,
    sinusoid,
    spike_train,
    steps,
    synapse,
    white_noise,
)
from lifjax.store import load

if TYPE_CHECKING:
    from lifjax import plot

__version__ = importlib.metadata.version("lifjax")

__all__ = [
    "EIF",
    "GIF",
    "GLIF",
    "LIF",
    "QIF",
    "AdEx",
    "AdaptiveLIF",
    "Fit",
    "Izhikevich",
    "Recording",
    "Run",
    "State",
    "analysis",
    "constant",
    "export",
    "fi_curve",
    "fit",
    "fit_rates",
    "integrate",
    "load",
    "neurons",
    "noise",
    "ornstein_uhlenbeck",
    "plot",
    "poisson",
    "poisson_train",
    "pulse",
    "ramp",
    "resume",
    "samples",
    "simulate",
    "sinusoid",
    "spike_train",
    "steps",
    "surrogate",
    "synapse",
    "targets",
    "theory",
    "tutorial",
    "white_noise",
]


def __getattr__(name: str) -> ModuleType:
    # plot comes with matplotlib, which takes longer to import than all the rest.
    if name == "plot":
        return importlib.import_module("lifjax.plot")
    raise AttributeError(f"module 'lifjax' has no attribute {name!r}")
