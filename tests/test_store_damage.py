"""Files that are not what was written, and disks that cannot be written to: all is named, nothing trusted or lost."""


@pytest.mark.parametrize("how", ["truncated", "altered", "missing", "empty"])
def test_a_damaged_chunk_is_named_and_never_trusted(begun, how):
    file = chunk_files(begun, "spikes")[0]
    damage(file, how)
    for use in (lambda: lifjax.load(begun).events(), lambda: lifjax.load(begun).verify(), lambda: lifjax.resume(begun)):
        with pytest.raises(ValueError, match=str(file)):
            use()
    chunk = chunk_files(begun, "V")[0]
    damage(chunk, how)
    with pytest.raises(ValueError, match=str(chunk)):
        np.asarray(lifjax.load(begun).V[0])


def test_a_chunk_put_in_the_place_of_another_is_found(begun):
    lifjax.resume(begun)
    one, other = chunk_files(begun, "spikes")[:2]
    shutil.copy(other, one)
    with pytest.raises(ValueError, match="other spikes than were counted"):
        lifjax.load(begun).verify()


@pytest.mark.parametrize("how", ["truncated", "altered", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(begun, how):
    kept = sorted((begun / "checkpoints").iterdir())
    reached = lifjax.load(begun).steps
    newest = max(kept, key=lambda file: json.loads(file.read_bytes().split(b"\n")[1])["step"])
    damage(newest, how)
    with pytest.warns(UserWarning, match=f"{newest} is damaged"):
        assert lifjax.load(begun).steps < reached
    other = next(file for file in kept if file != newest)
    saved = other.read_bytes()
    damage(other, how)
    with pytest.raises(ValueError, match="damaged"):
        lifjax.resume(begun)
    other.write_bytes(saved)
    with pytest.warns(UserWarning, match="is damaged"):
        again = lifjax.resume(begun)
    assert_same(again, lifjax.simulate(NEURON, NOISY, 60.3, seed=3))


def test_an_altered_manifest_or_parameter_is_refused(begun):
    file = begun / "zarr.json"
    text = file.read_text()
    file.write_text(text.replace('"seed": 3', '"seed": 4'))
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    file.write_text(text[:-20])
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    file.write_text(text)
    inner = begun / "spikes" / "zarr.json"
    told = inner.read_text()
    inner.write_text(told.replace("uint8", "uint16"))
    with pytest.raises(ValueError, match=r"zarr\.json is damaged"):
        lifjax.load(begun)
    inner.write_text(told)
    damage(next(file for file in (begun / "given" / "neuron.tau_m" / "c").rglob("*") if file.is_file()), "altered")
    with pytest.raises(ValueError, match=r"neuron\.tau_m is damaged"):
        lifjax.load(begun)


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
