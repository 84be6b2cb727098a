"""The folder of a run: a Zarr group whose attributes say what is run, its arrays, and its checkpoints."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.store.checkpoint import Checkpoints
from lifjax.store.chunks import PARTIAL, Chunks, DamagedError, sync_folder
from lifjax.store.tree import differences, digest, few

FORMAT = 1
CHECKPOINTS = "checkpoints"
GIVEN = "given"  # the group of the arrays that were given: parameters, stimuli
_DESCRIPTION = "zarr.json"
_DIMENSIONS = {"spikes": ("octet", "neuron")}


class Folder:
    """A folder with a run in it.

    path: where it is.
    run: what was run, as `lifjax.store.tree.describe` tells it.
    versions: of lifjax and what it ran on.
    width: neurons of a chunk of spikes.
    chunks: the arrays that are recorded, by name.
    checkpoints: its checkpoints.
    """

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        self.path, self.run, self.versions, self.width = path, told["run"], told["versions"], told["width"]
        self.chunks = {name: Chunks.of(path / name, one) for name, one in told["chunks"].items()}
        self.checkpoints = Checkpoints(path / CHECKPOINTS, int(np.prod(self.run["shape"], dtype=np.int64)))

    @classmethod
    def create(
        cls,
        path: Path,
        run: dict[str, Any],
        given: Mapping[str, np.ndarray],
        width: int,
        chunks: Mapping[str, Chunks],
        start: tuple[Any, dict[str, np.ndarray]],
    ) -> "Folder":
        """A new folder, made under another name, which takes its own once all is in it.

        Args:
            path, run, width, chunks: as the class says.
            given: the arrays that are spoken of in ``run``.
            start: the first checkpoint, what it says and its arrays.

        Raises:
            OSError: it cannot be written.
            ValueError: it is there already.
        """
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        check_free(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            told = {
                "format": FORMAT, "versions": versions(), "run": run, "width": width,
                "chunks": {name: array.told() for name, array in chunks.items()},
            }  # fmt: skip
            group = zarr.create_group(draft, attributes={"lifjax": told | {"sha256": _digest(told)}})
            for name, array in chunks.items():
                array.create(group, _DIMENSIONS.get(name, ("time", "neuron")), _attributes(name, run, array))
            kept = group.create_group(GIVEN)
            for name, x in given.items():
                kept.create_array(name, data=x, compressors=[ZstdCodec(level=1), Crc32cCodec()])
            Checkpoints(draft / CHECKPOINTS, 0).save(run["first_step"], 0, *start)
            _sync(draft)
            mask = os.umask(0)
            os.umask(mask)
            draft.chmod(0o777 & ~mask)  # mkdtemp opens it to its owner alone
            if path.exists():
                path.rmdir()
            draft.rename(path)
            sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(path, told)

    @classmethod
    def open(cls, path: Path) -> "Folder":
        """The folder that is there.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it holds no run, or one that another version wrote in another format.
            DamagedError: what it says was altered.
        """
        told = _told(path)
        if told is None:
            raise ValueError(f"{path} holds no run that lifjax stored")
        if told.get("format") != FORMAT:
            wrote = told.get("versions", {}).get("lifjax", "unknown")
            raise ValueError(
                f"{path} was written by lifjax {wrote} in format {told.get('format')!r}; this version, "
                f"{versions()['lifjax']}, reads format {FORMAT}: use that one"
            )
        if told.pop("sha256", None) != _digest(told):
            raise DamagedError(f"{path / _DESCRIPTION} is damaged: its checksum does not agree")
        return cls(path, told)

    def require_same(self, run: dict[str, Any]) -> None:
        """Raise ValueError unless this run, with these versions, is the one in the folder."""
        now = versions()
        found = few(differences({"version": self.versions, **self.run}, {"version": now, **run}))
        if found:
            raise ValueError(f"{self.path} holds another run: {found}; give what it was begun with, or another folder")

    def given(self) -> dict[str, np.ndarray]:
        """The arrays that were given, by name.

        Raises:
            DamagedError: one of them is not what was given.
        """
        import zarr

        found = {}
        for told in _arrays(self.run):
            name = told["array"]
            place = self.path / GIVEN / name
            try:
                x = np.asarray(zarr.open_array(place, mode="r")[...])
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
                raise DamagedError(f"{place} is damaged: {error}") from None
            if digest(x) != told["sha256"] or str(x.dtype) != told["dtype"]:
                raise DamagedError(f"{place} is damaged: it does not hold what was given")
            found[name] = x
        return found

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the one that writes here, where the system can tell.

        Raises:
            ValueError: another process does.
        """
        with (self.path / _DESCRIPTION).open("rb") as opened:
            try:
                import fcntl

                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"{self.path} is being written by another process; wait until that has ended"
                ) from None
            except (ImportError, OSError):  # Windows, and file systems without locks
                pass
            yield

    def clear(self) -> None:
        """Remove what was being written when a run ended."""
        for file in self.path.rglob(f".*{PARTIAL}"):
            file.unlink(missing_ok=True)


def check_free(path: Path) -> None:
    """Raise ValueError if there is something at a path already, be it a run or not."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if path.is_dir() and _told(path) is not None:
        raise ValueError(f"{path} already holds a run; give resume=True to go on with it, or another folder")
    raise ValueError(f"{path} is there already and holds no run that lifjax stored; choose another folder")


def holds_run(path: Path) -> bool:
    """Whether there is a folder that lifjax wrote."""
    return path.is_dir() and _told(path) is not None


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {name: importlib.metadata.version(name) for name in ("lifjax", "jax", "jaxlib")}


def _told(path: Path) -> dict[str, Any] | None:
    """What lifjax wrote into a group's attributes, or None where there is nothing of it."""
    if not path.exists():
        raise FileNotFoundError(f"there is no folder {path}")
    try:
        text = (path / _DESCRIPTION).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        told = json.loads(text)["attributes"]["lifjax"]
    except (ValueError, KeyError, TypeError):
        if b'"lifjax"' in text:
            raise DamagedError(f"{path / _DESCRIPTION} is damaged: it cannot be read") from None
        return None
    return told if isinstance(told, dict) else None


def _digest(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _arrays(told: Any) -> list[dict[str, Any]]:
    """Every array that is spoken of in what was run."""
    if isinstance(told, dict) and "array" in told:
        return [told]
    inner = list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else []
    return [one for item in inner for one in _arrays(item)]


def _attributes(name: str, run: dict[str, Any], array: Chunks) -> dict[str, Any]:
    """What someone who opens the array without lifjax needs to know."""
    dt, every = run["dt"], run["every"]
    if name == "spikes":
        said = "bit b of row i is step 8 (first_row + i) + b; time [ms] = step dt"
        return {"first_row": array.base, "dt": dt, "shape": run["shape"], "description": said}
    if name == "offset":
        said = "by how much a spike is after its grid time [ms]; row i is step first_row + i"
        return {"first_row": array.base, "dt": dt, "shape": run["shape"], "description": said}
    said = "row i is step every (first_row + i); time [ms] = step dt"
    return {"first_row": array.base, "dt": dt, "every": every, "shape": run["shape"], "description": said}


def _sync(folder: Path) -> None:
    """Bring a folder and all that is in it to the disk."""
    for root, _, files in os.walk(folder):
        for name in files:
            with (Path(root) / name).open("rb") as opened:
                os.fsync(opened.fileno())
        sync_folder(Path(root))
