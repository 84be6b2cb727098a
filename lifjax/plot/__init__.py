"""Pictures of what neurons did, drawn with Matplotlib.

A picture is drawn into the Axes that it is given, or into a new pyplot figure, and hands its Axes back; `run` and
`population` make a whole figure. Your rcParams are left alone. Where a run lacks something, a ValueError says what to
record.

Colours are of Okabe and Ito (2008, "Color universal design"), safe for colour-blind readers, one a quantity: blue for
membrane potential, vermilion for current, green for rates; spikes have the colour of the text.
"""

from lifjax.plot.figures import population, run
from lifjax.plot.fits import fit, fit_error, fit_parameter, fitted_rates
from lifjax.plot.panels import (
    current,
    fi_curve,
    isi_histogram,
    membrane_potential,
    population_rate,
    raster,
    rate_histogram,
)
from lifjax.plot.phase import phase_plane

__all__ = [
    "current",
    "fi_curve",
    "fit",
    "fit_error",
    "fit_parameter",
    "fitted_rates",
    "isi_histogram",
    "membrane_potential",
    "phase_plane",
    "population",
    "population_rate",
    "raster",
    "rate_histogram",
    "run",
]
