"""A step of linear equations: what a quantity that fades leaves of itself and makes of others, exactly or by Euler."""

import math
from collections.abc import Callable
from typing import Any

_TERMS = 24  # for places down to -3, where a step is three times as long as a time constant


def differences(exact: bool) -> Callable[..., Any]:
    """The divided differences of the exponential at two or three places near 0; not exact, those of its Euler step.

    With places x = -dt / tau they say what linear equations make of each other in a step: dt exp[x, y] is what a
    quantity of time constant x gets from one of y that begins with 1, dt^2 exp[x, y, z] what reaches one more from
    there. As the sum of h_n(x, y, z) / (n + 2)!, with complete homogeneous polynomials h_n, equal places are no case
    of their own and no digit is lost.

    Example:
        >>> differ = differences(exact=True)
        >>> print(f"{differ(0.0, -0.5):.6f}", f"{differ(-0.5, -0.5):.6f}")  # (1 - exp(-0.5)) / 0.5 and exp(-0.5)
        0.786939 0.606531
    """

    def differ(*places: Any) -> Any:
        order = len(places) - 1
        if not exact:
            return 1.0 if order == 1 else 0.0
        total, below = 0.0, float(math.factorial(order))
        h = [1.0] * len(places)  # h_n of the first place, of the first two, and so on
        for n in range(1, _TERMS):
            total = total + h[-1] / below
            below *= n + order
            for i, x in enumerate(places):
                h[i] = x * h[i] + (h[i - 1] if i else 0.0)
        return total

    return differ
