"""The folder of a run: a Zarr group whose attributes say what is run, its arrays, and its checkpoints.

The group's description ends with the SHA-256 of itself, with noughts in that place, and holds those of all files that
are written before the run begins.
"""

import contextlib
import errno
import glob
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lifjax.neurons.check import check_path
from lifjax.store.checkpoint import Checkpoints, there
from lifjax.store.chunks import PARTIAL, Chunks, DamagedError, sync_folder
from lifjax.store.tree import differences, digest, few

FORMAT = 2
CHECKPOINTS = "checkpoints"
GIVEN = "given"  # the group of the arrays that were given: parameters, stimuli
_DESCRIPTION = "zarr.json"
_DIMENSIONS = {"spikes": ("octet", "neuron")}
_NOUGHTS = "0" * 64  # in the place of a digest of the text that it is in
_PACKAGES = ("zarr", "numcodecs", "google_crc32c")
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class Folder:
    """A folder with a run in it.

    path: where it is.
    run: what was run, as `lifjax.store.tree.describe` tells it.
    versions: of lifjax and what it ran on.
    width: neurons of a chunk of spikes.
    size, parts: how many neurons there are, and how many columns of such chunks.
    chunks: the arrays that are recorded, by name.
    checkpoints: its checkpoints.
    """

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        self.path, self.run, self.versions, self.width = path, told["run"], told["versions"], told["width"]
        self.chunks = {name: Chunks.of(path / name, one) for name, one in told["chunks"].items()}
        self.size = int(np.prod(self.run["shape"], dtype=np.int64))
        self.parts = -(-self.size // self.width)
        self.checkpoints = Checkpoints(path / CHECKPOINTS, self.size)

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
        told = {
            "format": FORMAT, "versions": versions(), "run": run, "width": width,
            "chunks": {name: array.told() for name, array in chunks.items()},
        }  # fmt: skip
        try:
            with _draft(path) as draft:
                group = zarr.create_group(draft)
                for name, array in chunks.items():
                    array.create(group, _DIMENSIONS.get(name, ("time", "neuron")), _attributes(name, run, array))
                kept = group.create_group(GIVEN)
                for name, x in given.items():
                    kept.create_array(name, data=x, compressors=[ZstdCodec(level=1), Crc32cCodec()])
                told["files"] = _files(draft)
                _seal(draft / _DESCRIPTION, told)
                Checkpoints(draft / CHECKPOINTS, 0).save(run["first_step"], 0, *start)
                _sync(draft)
                if path.exists():
                    path.rmdir()
                draft.rename(path)
                sync_folder(path.parent)
        except OSError as error:
            remedy = "make room, or choose another disk" if full(error) else "choose a folder that can be made"
            said = f"{error.strerror or error}; the run cannot be written there: {remedy}"
            raise OSError(error.errno, said, str(path)) from error
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
            raise ValueError(f"{path} holds no run that lifjax stored; give a folder that simulate(..., out=) wrote")
        description = path / _DESCRIPTION
        if told.get("format") != FORMAT:
            wrote = told.get("versions", {}).get("lifjax", "unknown")
            raise ValueError(
                f"{path} was written by lifjax {wrote} in format {told.get('format')!r}, or {description} is damaged; "
                f"this version, {versions()['lifjax']}, reads format {FORMAT}: use that one"
            )
        if told["sha256"] != _sealed(description.read_bytes(), told["sha256"]):
            raise DamagedError(f"{description} is damaged: its checksum does not agree")
        for name, digest_ in told["files"].items():
            require_whole(path / name, digest_)
        return cls(path, told)

    def require_same(self, run: dict[str, Any]) -> None:
        """Raise ValueError unless this run, with these versions, is the one in the folder."""
        now = versions()
        found = few(differences({"version": self.versions, **self.run}, {"version": now, **run}))
        if not found:
            return
        remedy = "give what it was begun with, or another folder"
        if self.run | {"steps": run["steps"]} == run and self.versions == now:
            remedy += f", and there go on from its end: state=lifjax.load({str(self.path)!r}).state"
        raise ValueError(f"{self.path} holds another run: {found}; {remedy}")

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
        with _held(self.path / _DESCRIPTION) as mine:
            if mine is False:
                raise ValueError(f"{self.path} is being written by another process; wait until that has ended")
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


def folder_of(given: Any, name: str) -> Path:
    """The folder that an argument means, and what is needed to store a run in it.

    Raises:
        TypeError, ValueError: it is no path.
        ModuleNotFoundError: packages are missing.

    Example:
        >>> folder_of("/tmp/../tmp/run", "out").name
        'run'
    """
    path = check_path(name, given)
    lacking = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if lacking:
        told = f'{name} = {str(path)!r} needs {", ".join(lacking)}: pip install "lifjax[store]"'
        raise ModuleNotFoundError(told, name=lacking[0])
    return Path(os.path.realpath(path))


def full(error: OSError) -> bool:
    """Whether an error says that there is no room."""
    return error.errno in _FULL


def holds_run(path: Path) -> bool:
    """Whether there is a folder that lifjax wrote."""
    return path.is_dir() and _told(path) is not None


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {name: importlib.metadata.version(name) for name in ("lifjax", "jax", "jaxlib")}


def require_whole(file: Path, sha256: str) -> None:
    """Raise DamagedError unless a file is the one of this digest."""
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedError(f"{file} is missing") from None
    if found != sha256:
        raise DamagedError(f"{file} is damaged: its checksum does not agree")


def _told(path: Path) -> dict[str, Any] | None:
    """What lifjax wrote into a group's attributes, or None where there is nothing of it."""
    if not path.exists():
        raise FileNotFoundError(f"there is no folder {path}")
    description = path / _DESCRIPTION
    ours = path.is_dir() and there(path / CHECKPOINTS)
    try:
        text = description.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        if ours:
            raise DamagedError(f"{description} is missing") from None
        return None
    try:
        told = json.loads(text)["attributes"]["lifjax"]
        if isinstance(told, dict) and "sha256" in told:
            return told
    except (ValueError, KeyError, TypeError):
        pass
    if ours or '"lifjax"' in text:
        raise DamagedError(f"{description} is damaged: it cannot be read")
    return None


def _seal(description: Path, told: dict[str, Any]) -> None:
    """Write what is told into a group's description, with the digest of it all."""
    group = json.loads(description.read_bytes())
    group["attributes"]["lifjax"] = told | {"sha256": _NOUGHTS}
    body = json.dumps(group, indent=2).encode()
    description.write_bytes(body.replace(_NOUGHTS.encode(), _sealed(body, _NOUGHTS).encode()))


def _sealed(body: bytes, sha256: str) -> str:
    """The digest of a description that says that this is its digest."""
    return hashlib.sha256(body.replace(str(sha256).encode(), _NOUGHTS.encode())).hexdigest()


def _files(folder: Path) -> dict[str, str]:
    """The digests of all files in a folder but its description, by their names."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file != folder / _DESCRIPTION)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A new folder beside where it is to be; those that were left behind by processes that were killed are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError), _held(old) as mine:
            if mine:
                shutil.rmtree(old)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent))
    try:
        with _held(draft):
            mask = os.umask(0)
            os.umask(mask)
            draft.chmod(0o777 & ~mask)  # mkdtemp opens it to its owner alone
            yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool | None]:
    """Hold a file or a folder: whether nobody else does, or None where the system cannot tell."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield None
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        mine: bool | None = True
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mine = False
        except OSError:  # file systems without locks
            mine = None
        yield mine
    finally:
        os.close(opened)


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
