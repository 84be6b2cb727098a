"""Files that are not what was written, and disks that cannot be written to: all is named, nothing trusted or lost."""

import errno
import functools
import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from stored import NEURON, NOISY, assert_same, chunk_files, failing_after, files, interrupted_after, struck_after

import lifjax

HOWS = ("truncated", "altered", "first byte", "last byte", "empty", "missing")


def damage(file, how):
    """Do to a file what `HOWS` says; what gives it back."""
    body = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        place = {"altered": len(body) // 2, "first byte": 0, "last byte": -1}.get(how)
        changed = bytearray(body)
        if place is not None:
            changed[place] ^= 4
        file.write_bytes({"truncated": body[:-3], "empty": b""}.get(how, bytes(changed)))
    return functools.partial(file.write_bytes, body)


def used(folder):
    """All of a run that is on disk, read."""
    there = lifjax.load(folder)
    there.verify()
    return there


@pytest.fixture(params=["on the way", "ended"])
def short(request, tmp_path, small, often, monkeypatch):
    """A folder with a run of few files."""
    run = functools.partial(lifjax.simulate, NEURON, NOISY, 25.7, seed=3, every=8, neurons=[7, 299, 0])
    if request.param == "ended":
        run(out=tmp_path / "run")
    else:
        struck_after(monkeypatch, 13, tmp_path / "run", run)
    return tmp_path / "run"


@pytest.mark.parametrize("how", HOWS)
def test_each_file_of_a_run_that_is_damaged_is_named_and_never_trusted(short, how):
    before, reached = files(short), used(short).steps
    ended = reached == 257
    assert reached > 0
    assert len(before) > 15
    for name in (name for name in before if not name.startswith("checkpoints/")):
        late, back = beyond(short, name), damage(short / name, how)
        damaged = files(short)
        if late:
            used(short)  # what is written anew is not looked at
        else:
            # The end of a run that has ended is not looked for, and what it wrote is looked at when it is read.
            for use in (used,) if ended and "/c/" in name else (used, lifjax.resume):
                with pytest.raises(ValueError, match=re.escape(str(short / name))):
                    use(short)
        assert files(short) == damaged
        back()
    assert files(short) == before


def beyond(folder, name):
    """Whether a file holds only rows that come after the last checkpoint."""
    array, _, rest = name.partition("/c/")
    there = lifjax.load(folder)
    if array not in there.folder.chunks:
        return False
    return int(rest.split("/")[0]) * there.folder.chunks[array].chunk[0] >= there.rows(array)[1]


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_checkpoint_is_named_and_the_other_one_used(short, how):
    before, there = files(short), used(short)
    one, other = sorted((short / "checkpoints").iterdir())
    for file in (one, other):
        back = damage(file, how)
        with pytest.warns(UserWarning, match=f"{file} is (damaged|missing).*; the other one, of step"):
            assert (used(short).steps == there.steps) or there.stopped
        back()
    damage(one, how)
    damage(other, how)
    for use in (lifjax.load, lifjax.resume):
        with pytest.raises(ValueError, match=r"damaged|missing|holds no checkpoint") as error:
            use(short)
        assert str(short) in str(error.value)
    back()
    with pytest.warns(UserWarning, match=f"{one} is (damaged|missing)"):
        again = lifjax.resume(short)
    assert_same(again, lifjax.simulate(NEURON, NOISY, 25.7, seed=3, every=8, neurons=[7, 299, 0]))
    assert used(short).steps == 257  # without a warning: what was damaged is whole again
    assert before if there.stopped else files(short) == before


def test_no_byte_of_the_description_can_be_another(short):
    file = short / "zarr.json"
    body = file.read_bytes()
    for place in range(0, len(body), 11):
        file.write_bytes(body[:place] + bytes([body[place] ^ (1 << place % 8)]) + body[place + 1 :])
        for use in (lifjax.load, lifjax.resume):
            with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
                use(short)


def test_a_chunk_put_in_the_place_of_another_is_found(begun):
    lifjax.resume(begun)
    one, other = chunk_files(begun, "spikes")[:2]
    shutil.copy(other, one)
    with pytest.raises(ValueError, match="other spikes than were counted"):
        lifjax.load(begun).verify()


def test_a_folder_in_another_format_says_which_version_wrote_it(begun):
    file = begun / "zarr.json"
    told = json.loads(file.read_text())
    told["attributes"]["lifjax"] |= {"format": 7, "versions": {"lifjax": "3.2"}}
    file.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"was written by lifjax 3\.2 in format 7"):
        lifjax.load(begun)


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(disk, options):
    for _ in range(100):  # while a file is being written it cannot be
        if subprocess.run(["mount", "-o", f"remount,{options}", disk], capture_output=True).returncode == 0:
            return
        time.sleep(0.01)
    raise AssertionError(f"cannot be remounted with {options}")


SHORT = functools.partial(lifjax.simulate, NEURON, NOISY, 25.7, seed=3)


def test_a_disk_that_is_full_at_any_size_is_one_clear_error_and_loses_nothing(disk, tmp_path, small, often):
    whole, reached = files(SHORT(out=tmp_path / "whole").folder.path), set()
    for size in itertools.count(8, 24):  # kB
        remount(disk, f"size={size}k")
        try:
            SHORT(out=disk / "run")
            break
        except OSError as error:
            told = error
        assert told.errno == errno.ENOSPC
        assert "make room" in str(told)
        assert str(disk) in str(told)
        if (disk / "run").exists():
            reached.add(used(disk / "run").steps)
        else:
            assert list(disk.iterdir()) == []
            reached.add(None)
        remount(disk, "size=16m")
        SHORT(out=disk / "run", resume=True)
        assert files(disk / "run") == whole
        shutil.rmtree(disk / "run")
    assert files(disk / "run") == whole
    assert {None, 0} < reached <= {None, 0, 64, 128, 192, 256, 257}
    assert len(reached) > 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO], ids=errno.errorcode.get)
def test_a_write_that_fails_wherever_it_is_is_one_clear_error_and_loses_nothing(
    tmp_path, small, often, monkeypatch, code
):
    run = functools.partial(lifjax.simulate, NEURON, NOISY, 12.9, seed=3, record=("spikes",))
    with failing_after(monkeypatch, 10**9, None) as seen:
        whole = files(run(out=tmp_path / "whole").folder.path)
    remedy = "make room" if code == errno.ENOSPC else "can be (written to|made)"
    for number in range({errno.ENOSPC: 0, errno.EACCES: 1, errno.EIO: 2}[code], len(seen), 6):
        folder = tmp_path / str(number)
        failing = failing_after(monkeypatch, number, OSError(code, os.strerror(code)))
        with failing, pytest.raises(OSError, match=f"{os.strerror(code)}; the run .*{remedy}.*{folder}") as error:
            run(out=folder)
        assert error.value.errno == code
        if folder.exists():
            used(folder)
        run(out=folder, resume=True)
        assert files(folder) == whole
        shutil.rmtree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_a_folder_that_becomes_read_only_is_one_clear_error_and_is_gone_on_with_later(
    disk, tmp_path, small, often, monkeypatch
):
    whole = files(SHORT(out=tmp_path / "whole").folder.path)
    with monkeypatch.context() as patch:
        interrupted_after(patch, 13, lambda: remount(disk, "ro"))
        with pytest.raises(
            OSError, match=r"Read-only.*is kept until step \d+.*can be written to, then resume"
        ) as error:
            SHORT(out=disk / "run")
    assert error.value.errno == errno.EROFS
    assert 0 < used(disk / "run").steps < 257
    before = files(disk / "run")
    with pytest.raises(OSError, match=r"Read-only.*can be written to"):
        lifjax.resume(disk / "run")
    assert files(disk / "run") == before
    with pytest.raises(OSError, match=r"Read-only.*choose a folder that can be made.*other"):
        SHORT(out=disk / "other")
    remount(disk, "rw")
    lifjax.resume(disk / "run")
    assert files(disk / "run") == whole
    remount(disk, "ro")
    assert lifjax.resume(disk / "run").steps == 257  # nothing is left to do, and nothing is written


def test_what_no_folder_can_be_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for out, told in {
        5: "out = 5 is a int; give a path", b"run": "out = b'run' is a bytes", "": "out = '' is no path",
        "a\0b": "is no path", tmp_path / "file" / "run": "cannot be written there: choose a folder that can be made",
    }.items():  # fmt: skip
        with pytest.raises((TypeError, ValueError, OSError), match=told):
            lifjax.simulate(lifjax.LIF(), 300.0, 1e6, out=out)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "zarr" else found(name))
    for use in (functools.partial(SHORT, out=tmp_path / "run"), functools.partial(lifjax.load, tmp_path)):
        with pytest.raises(ModuleNotFoundError, match=r'needs zarr: pip install "lifjax\[store\]"') as error:
            use()
        assert error.value.name == "zarr"
