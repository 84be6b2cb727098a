"""What a fit hands back."""

import dataclasses
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lifjax import neurons
from lifjax.fit.identify import Identifiability
from lifjax.neurons.base import Neuron, parameters
from lifjax.neurons.check import check_path, shown
from lifjax.stimulus.base import StimulusLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATUS = ("met", "settled", "silent", "at a bound", "out of steps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """The outcome of `lifjax.fit_rates` or `lifjax.fit`.

    neuron: the fitted neuron, which drops into `lifjax.simulate`.
    free: the names of the parameters that were fitted.
    start: their values at first.
    rates: rates of the fitted neuron [Hz], (*population,), by an ordinary run; a mean over trials.
    target_rates: what was asked for [Hz], or None where the fit was not to rates.
    error: of each group, root mean square over its conditions: of rates [Hz], by their weights, or of weighted
        residuals where there are no target rates; of the shape of the free fields.
    history: the error of the best so far until each iteration, (iterations, *error.shape), or the loss, (iterations,),
        where all is fitted together in reverse mode.
    status: of each group, of `STATUS`: "met" (within the tolerance), "settled" (no better was found in ``patience``
        iterations), "silent" (as that, and it is silent where it should fire), "at a bound" (as that, and a parameter
        is at a bound), "out of steps".
    converged: whether the error is as small as the targets can tell: within the tolerance, or a spike under one
        condition, or what trials leave open.
    tolerance: the error [Hz] up to which a group counts as converged, of the shape of error.
    std_error: standard error of each free parameter, by name, in its unit, of its field's shape; infinite where the
        targets leave it free.
    identifiability: what the targets fix and what they leave free; print it.
    method: how it was fitted, in words.
    iterations: of each group.
    stopped: whether Ctrl-C ended it.
    stimulus, duration [ms]: what drove it.
    again: the fit from other values, which `more` calls.
    """

    neuron: Neuron
    free: tuple[str, ...]
    start: dict[str, np.ndarray]
    rates: np.ndarray
    target_rates: np.ndarray | None
    error: np.ndarray
    history: np.ndarray
    status: np.ndarray
    converged: np.ndarray
    tolerance: np.ndarray
    std_error: dict[str, np.ndarray]
    identifiability: Identifiability | None
    method: str
    iterations: np.ndarray
    stopped: bool
    stimulus: StimulusLike
    duration: float
    again: Callable[..., "Fit"] | None = dataclasses.field(default=None, repr=False)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The fitted values by name, each of its field's shape."""
        return {name: np.asarray(getattr(self.neuron, name)) for name in self.free}

    def __repr__(self) -> str:
        size = self.error.size
        unit = "" if self.target_rates is None else " Hz"
        told = ", ".join(f"{int((self.status == s).sum())} {s}" for s in STATUS if (self.status == s).any())
        return (
            f"Fit({', '.join(self.free)}: {size} fit{'s' * (size > 1)}, error {np.median(self.error):.3g}{unit} in the "
            f"median, {self.error.max():.3g}{unit} at most; {told}; {self.method})"
        )

    def more(self, steps: int = 100, **changes: Any) -> "Fit":
        """Go on from where this fit ended.

        Args:
            steps: iterations.
            changes: arguments of the fit that are to be others, such as ``bounds`` or ``seed``.

        Raises:
            ValueError: this fit was read from a file, which does not hold what it was fitted to.
        """
        if self.again is None:
            raise ValueError("this fit came from a file; call lifjax.fit_rates with its neuron to go on")
        later = self.again(self.neuron, steps=steps, **changes)
        if later.history.shape[1:] != self.history.shape[1:]:
            return later
        whole = np.minimum.accumulate(np.concatenate([self.history, later.history]), axis=0)
        return dataclasses.replace(
            later, history=whole, start=self.start, iterations=self.iterations + later.iterations
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, NumPy's .npz, without pickle: parameters, rates, errors, history and words.

        Args:
            path: of the file; ".npz" is put to it where it lacks it.
        """
        file = check_path("path", path)
        neuron = {f"neuron.{name}": np.asarray(getattr(self.neuron, name)) for name in parameters(self.neuron)}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.target_rates is not None:
            arrays["target_rates"] = self.target_rates
        arrays |= {f"start.{name}": x for name, x in self.start.items()}
        arrays |= {f"std_error.{name}": x for name, x in self.std_error.items()}
        known = self.identifiability
        if known is not None:
            arrays |= {f"identifiability.{name}": getattr(known, name) for name in _KNOWN}
        words = {
            "format": 1,
            "model": type(self.neuron).__name__,
            "free": self.free,
            "method": self.method,
            "stopped": self.stopped,
            "duration": self.duration,
            "identifiability": None if known is None else [known.names, known.scales, known.words],
        }
        np.savez_compressed(file, allow_pickle=False, words=np.array(json.dumps(words)), **neuron, **arrays)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Fit":
        """Read what `save` wrote; the stimulus is not in the file and is 0.

        Args:
            path: of the file.

        Raises:
            ValueError: it is no such file, or a damaged one.
            OSError: it cannot be read.
        """
        file = check_path("path", path)
        with file.open("rb") as opened:  # which says what is wrong where there is none
            try:
                return Fit._read(opened)
            except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"path: {file} is no file of a lifjax fit, or a damaged one: {shown(error)}") from None

    @staticmethod
    def _read(opened: BinaryIO) -> "Fit":
        with np.load(opened, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        words = json.loads(str(held.pop("words")))

        def part(of: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(f"{of}."): x for name, x in held.items() if name.startswith(f"{of}.")}

        known, told = part("identifiability"), words["identifiability"]
        return Fit(
            neuron=getattr(neurons, words["model"])(**part("neuron")),
            free=tuple(words["free"]),
            start=part("start"),
            std_error=part("std_error"),
            target_rates=held.get("target_rates"),
            identifiability=None
            if told is None
            else Identifiability(tuple(told[0]), tuple(told[1]), **known, words=told[2]),
            method=words["method"],
            stopped=words["stopped"],
            duration=words["duration"],
            stimulus=0.0,
            **{name: held[name] for name in _ARRAYS},
        )

    def plot(self) -> "Figure":
        """A figure of the fit: see `lifjax.plot.fit`."""
        from lifjax import plot  # only here, so that importing lifjax does not import matplotlib

        return plot.fit(self)


_ARRAYS = ("rates", "error", "history", "status", "converged", "tolerance", "iterations")
_KNOWN = ("singular_values", "directions", "free")
