"""Target rates, spike trains or voltages to parameters, by gradients through the one step of a model.

`fit_rates` and `fit` are the doors; `lifjax.targets` is what can be asked for. The only room that uses optax.
"""

from lifjax.fit import targets
from lifjax.fit.door import fit, fit_rates
from lifjax.fit.response import Response
from lifjax.fit.result import Fit

__all__ = ["Fit", "Response", "fit", "fit_rates", "targets"]
