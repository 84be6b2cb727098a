"""The twenty firing patterns of Mihalas and Niebur (2009, doi:10.1162/neco.2008.12-07-680): numbers and inputs.

Numbers are those of their Table 1, as Detorakis' replication has them (ReScience 2017). Inputs are as published, but
longer where a pattern needs time to show and away from edges, where the published one sits on one.

An input is made of parts: how long it is [ms] and the current over C [V/s], or those at the ends of a ramp.
"""

import numpy as np

DT = 0.1  # ms
_PULSE = 24, 1.5

# Pattern -> (a [1/s], A1 / C, A2 / C [V/s]), parts of the input.
PATTERNS: dict[str, tuple[tuple[float, float, float], list[tuple[float, ...]]]] = {
    "tonic spiking": ((0, 0, 0), [(500, 1.5)]),
    "class 1": ((0, 0, 0), [(1000, 1.001)]),
    "spike frequency adaptation": ((5, 0, 0), [(200, 2)]),
    "phasic spiking": ((5, 0, 0), [(1000, 1.5)]),
    "accommodation": ((5, 0, 0), [(100, 1.46), (500, 0), (100, 0.5), (100, 1), (100, 1.46), (100, 0)]),
    "threshold variability": ((5, 0, 0), [(50, 0), _PULSE, (276, 0), (50, -1.5), (25, 0), _PULSE, (51, 0)]),
    "rebound spike": ((5, 0, 0), [(50, 0), (750, -4), (400, 0)]),
    "class 2": ((5, 0, 0), [(1000, 2.02)]),
    "integrator": (
        (5, 0, 0),
        [(50, 0), (20, 1.5), (5, 0), (20, 1.5), (255, 0), (20, 1.5), (50, 0), (20, 1.5), (60, 0)],
    ),
    "input bistability": (
        (5, 0, 0),
        [(1500, 0, 1.75), (500, 1.75), (200, 3), (1000, 1.75), (300, 1.6), (1000, 1.75)],
    ),
    "hyperpolarization induced spiking": ((30, 0, 0), [(800, -1)]),
    "hyperpolarization induced bursting": ((30, 10, -0.6), [(800, -1)]),
    "tonic bursting": ((5, 10, -0.6), [(1000, 2)]),
    "phasic bursting": ((5, 10, -0.6), [(1000, 1.5)]),
    "rebound burst": ((5, 10, -0.6), [(100, 0), (500, -4), (400, 0)]),
    "mixed mode": ((5, 5, -0.3), [(1500, 2)]),
    "afterpotentials": ((5, 5, -0.3), [(15, 2.1), (485, 0)]),
    "basal bistability": ((0, 8, -0.1), [(10, 5), (90, 0), (10, 5), (390, 0)]),
    "preferred frequency": (
        (5, -3, 0.5),
        [
            (20, 0),
            (5, 5),
            (20, 0),
            (5, 4),
            (370, 0),
            (5, 5),
            (45, 0),
            (5, 4),
            (365, 0),
            (5, 5),
            (90, 0),
            (5, 4),
            (100, 0),
        ],
    ),
    "spike latency": ((-80, 0, 0), [(2, 8), (98, 0)]),
}


def current(parts: list[tuple[float, ...]], C: float = 100.0) -> np.ndarray:
    """A current [pA] at every `DT`, from its parts, for a capacitance [pF].

    Example:
        >>> current([(0.2, 1.0), (0.3, 0.0, 1.0)])
        array([100., 100.,   0.,  50., 100.])
    """
    return np.concatenate([np.linspace(part[1], part[-1], round(part[0] / DT)) for part in parts]) * C
