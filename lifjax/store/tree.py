"""What was run, told in JSON, from which it can be made again without executing anything that a file says."""

import dataclasses
import hashlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

Told = Any  # what json.dumps takes
_OURS = ("lifjax.neurons", "lifjax.stimulus")
_SHOWN = 5  # differences that an error names


def describe(x: Any, name: str, arrays: dict[str, np.ndarray]) -> Told:
    """A model, a stimulus or a state in JSON; arrays are told by their digest and put into ``arrays`` by name.

    Raises:
        TypeError: it holds something that is neither a number nor a dataclass, a tuple, a list or a dictionary.

    Example:
        >>> describe((200.0, np.float32(0.5)), "stimulus", {})
        {'tuple': [200.0, {'number': 0.5, 'dtype': 'float32'}]}
    """
    if x is None or isinstance(x, bool | int | str) or (type(x) is float and math.isfinite(x)):
        return x
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = {f.name: describe(getattr(x, f.name), f"{name}.{f.name}", arrays) for f in dataclasses.fields(x)}
        return {"kind": kind_of(type(x)), "fields": fields}
    if isinstance(x, dict):
        return {"dict": {str(key): describe(value, f"{name}.{key}", arrays) for key, value in x.items()}}
    if isinstance(x, tuple):
        return {"tuple": [describe(item, f"{name}.{i}", arrays) for i, item in enumerate(x)]}
    if isinstance(x, float | list | np.ndarray | np.generic | jax.Array):
        return _array(np.asarray(x), name, arrays)
    raise TypeError(f"{name} is a {type(x).__name__}, which cannot be written down; run without out=")


def _array(x: np.ndarray, name: str, arrays: dict[str, np.ndarray]) -> Told:
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {x.dtype}, which cannot be written down; run without out=")
    if x.ndim == 0:
        value = x.item()
        return {"number": value if math.isfinite(value) else repr(value), "dtype": str(x.dtype)}
    arrays[name] = x
    return {"array": name, "shape": list(x.shape), "dtype": str(x.dtype), "sha256": digest(x)}


def digest(x: np.ndarray) -> str:
    """SHA-256 of an array's numbers, in C order."""
    return hashlib.sha256(np.ascontiguousarray(x).data).hexdigest()


def rebuild(told: Told, arrays: Mapping[str, np.ndarray], known: Mapping[str, type]) -> Any:
    """What was described.

    Args:
        told: what `describe` returned.
        arrays: the arrays, by name.
        known: the classes that may be made, by `kind_of`.

    Raises:
        KeyError: a class that is not known; its kind.
    """
    if not isinstance(told, dict):
        return told
    if "kind" in told:
        fields = {name: rebuild(value, arrays, known) for name, value in told["fields"].items()}
        return known[told["kind"]](**fields)
    if "dict" in told:
        return {name: rebuild(value, arrays, known) for name, value in told["dict"].items()}
    if "tuple" in told:
        return tuple(rebuild(value, arrays, known) for value in told["tuple"])
    if "array" in told:
        return arrays[told["array"]]
    return np.dtype(told["dtype"]).type(told["number"])


def kind_of(cls: type) -> str:
    """A class by its full name.

    Example:
        >>> from lifjax.neurons import LIF
        >>> kind_of(LIF)
        'lifjax.neurons.lif.LIF'
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def ours() -> dict[str, type]:
    """The dataclasses of neurons and stimuli that lifjax has, by `kind_of`.

    Example:
        >>> "lifjax.stimulus.base.Constant" in ours()
        True
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(_OURS)]
    found = [x for module in modules for x in vars(module).values() if isinstance(x, type)]
    return {kind_of(x): x for x in found if dataclasses.is_dataclass(x)}


def kinds_in(x: Any) -> dict[str, type]:
    """The dataclasses that something is made of, by `kind_of`."""
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        inner = [getattr(x, field.name) for field in dataclasses.fields(x)]
        found = {kind_of(type(x)): type(x)}
    else:
        inner = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, tuple) else []
        found = {}
    for item in inner:
        found |= kinds_in(item)
    return found


def differences(old: Told, new: Told, name: str = "") -> Iterator[str]:
    """What is not the same in two descriptions, for people.

    Example:
        >>> list(differences({"dt": 0.1, "seed": 1}, {"dt": 0.1, "seed": 2}))
        ['seed was 1 and is 2']
    """
    if isinstance(old, dict) and isinstance(new, dict) and "sha256" not in old and "sha256" not in new:
        if old.get("kind") != new.get("kind"):
            yield f"{name} was a {old.get('kind', 'number')} and is a {new.get('kind', 'number')}"
            return
        for key in {**old, **new}:
            inner = name if key in ("kind", "fields", "dict", "tuple") else f"{name}.{key}" if name else key
            yield from differences(old.get(key), new.get(key), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{name}[{i}]")
    elif old != new:
        yield f"{name} was {_short(old)} and is {_short(new)}"


def _short(told: Told) -> str:
    if isinstance(told, dict) and "sha256" in told:
        return f"an array {tuple(told['shape'])} of {told['dtype']} ({told['sha256'][:8]})"
    if isinstance(told, dict) and "kind" in told:
        return f"a {told['kind']}"
    return repr(told)


def few(lines: Iterator[str]) -> str:
    """The first of several lines, joined.

    Example:
        >>> few(iter(["a", "b"]))
        'a; b'
    """
    found = list(lines)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more
