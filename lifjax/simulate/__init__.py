"""The one scan over time and the one vmap over neurons.

`integrate` is the pure core: no checks, no files, no host; jit it, vmap it, differentiate it. `simulate` is the door
for people: it checks, lays the run out in chunks that share one compiled function, and gathers what was recorded.
"""

from lifjax.simulate.core import integrate, population_shape
from lifjax.simulate.run import fi_curve, simulate
from lifjax.simulate.stream import resume

__all__ = ["fi_curve", "integrate", "population_shape", "resume", "simulate"]
