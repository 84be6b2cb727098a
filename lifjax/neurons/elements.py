"""Parameters that have a value for each of several elements, such as after-spike currents."""

from typing import Any

import numpy as np


def listed(values: Any) -> Any:
    """What is said of elements, nothing where it is None."""
    return () if values is None else values


def elements(*values: Any) -> list[tuple[Any, ...]]:
    """For each element what is said of it; what is said once holds for all of them.

    Example:
        >>> elements((1.0,), (0.1, 0.2))
        [(1.0, 0.1), (1.0, 0.2)]
    """
    values = tuple(listed(x) for x in values)
    (many,) = np.broadcast_shapes(*((len(x),) for x in values))
    return [tuple(x[i if len(x) == many else 0] for x in values) for i in range(many)]
