"""Files that are not what was written, and disks that cannot be written to: all is named, nothing trusted or lost."""

import errno
import functools
import json
import os
import re
import shutil
import subprocess

import pytest
from stored import NEURON, NOISY, assert_same, chunk_files, files, struck_after

import lifjax
from lifjax.store import chunks

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


def mounted(folder, size, options=""):
    """A small file system of its own, or None where none can be mounted."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", folder], capture_output=True)
    return folder if done.returncode == 0 else None


def test_a_disk_that_is_full_is_one_clear_error_and_what_was_done_is_kept(tmp_path, small, often):
    disk = mounted(tmp_path / "disk", "1m")
    if disk is None:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(OSError, match=r"No space left.*is kept until step \d+.*resume it") as error:
            lifjax.simulate(NEURON, NOISY, 200.0, seed=3, out=disk / "run")
        assert error.value.errno == errno.ENOSPC
        part = lifjax.load(disk / "run")
        assert 0 < part.steps < 2000
        part.verify()
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert_same(lifjax.resume(disk / "run"), lifjax.simulate(NEURON, NOISY, 200.0, seed=3))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_write_that_fails_is_one_clear_error_and_what_was_done_is_kept(tmp_path, small, often, monkeypatch):
    write, written = chunks.write_whole, []

    def full(file, *parts):
        written.append(file)
        if len(written) > 60:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        return write(file, *parts)

    monkeypatch.setattr(chunks, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left.*is kept until step \d+"):
        lifjax.simulate(NEURON, NOISY, 60.3, seed=3, out=tmp_path / "run")
    monkeypatch.undo()
    assert_same(lifjax.resume(tmp_path / "run"), lifjax.simulate(NEURON, NOISY, 60.3, seed=3))


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path):
    disk = mounted(tmp_path / "disk", "1m", ",ro")
    if disk is None:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(OSError, match="Read-only"):
            lifjax.simulate(NEURON, NOISY, 1e6, out=disk / "run")
    finally:
        subprocess.run(["umount", disk], check=True)
