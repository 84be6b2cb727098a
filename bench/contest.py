"""Contestants on the same work, in turn: each in a process and an environment of its own, warmed up, then in rounds."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import resource
import select
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.workloads import Contestant, Workload

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"
PATIENCE = 600.0  # s that a contestant may take to set itself up and run once, or to run once more
SHARE = 30.0  # s of all rounds after the first that one contestant may take
MEMORY = 0.6  # of the machine's, that a contestant may take

Say = Callable[[str], object]


class CannotError(Exception):
    """A contestant cannot do the work."""


@functools.cache
def python(script: Path) -> str:
    """The interpreter for a peer's script: of a virtual environment with what the script says that it needs.

    What it needs is written in it as inline script metadata (PEP 723). A script without runs in this environment.

    Raises:
        CannotError: the environment could not be built.
    """
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", script.read_text(encoding="utf-8"), re.M)
    if block is None:
        return sys.executable
    packages = tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.M))["dependencies"]
    first = re.match(r"[\w-]+", packages[0])[0]
    name = f"{first}-{hashlib.sha256(json.dumps([packages, sys.version]).encode()).hexdigest()[:8]}"
    folder = ENVIRONMENTS / name
    if not (folder / "complete").exists():
        for command in (["-m", "venv", "--clear", str(folder)], ["-m", "pip", "install", "--quiet", *packages]):
            interpreter = sys.executable if "venv" in command else str(folder / "bin" / "python")
            done = subprocess.run([interpreter, *command], capture_output=True, text=True)
            if done.returncode:
                raise CannotError(f"pip install {' '.join(packages)} failed: {_last_line(done.stderr)}")
        (folder / "complete").touch()
    return str(folder / "bin" / "python")


class Process:
    """A contestant at its work: see bench/peers/protocol.py."""

    def __init__(self, contestant: Contestant, workload: Workload) -> None:
        script = HERE / "peers" / f"{contestant.script}.py"
        work = dataclasses.asdict(workload) | {"record": contestant.record or workload.record}
        # A file, since a pipe that nobody reads fills up.
        self.errors = open(os.memfd_create("errors"), "w+b", buffering=0)  # noqa: SIM115
        self.process = subprocess.Popen(
            [python(script), str(script), json.dumps(work | {"threads": contestant.threads, "mode": contestant.mode})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"OMP_NUM_THREADS": str(contestant.threads)} | contestant.environment,
        )
        _limit_memory(self.process.pid)
        self.told = self._answer()

    def run(self) -> dict[str, Any]:
        """Do the work once."""
        self.process.stdin.write(b"run\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):  # what it has not read is lost with it
                stream.close()

    def _answer(self) -> dict[str, Any]:
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.errors.seek(0)
            reason = _last_line(self.errors.read().decode(errors="replace")) if ready else f"takes over {PATIENCE:g} s"
            self.end()
            raise CannotError(reason or f"ended with {self.process.returncode}")
        answer = json.loads(line)
        if "cannot" in answer:
            self.end()
            raise CannotError(answer["cannot"])
        return answer


def compete(workload: Workload, rounds: int, say: Say) -> dict[str, Any]:
    """All contestants of a workload, in turn in each round.

    Returns:
        For each, by name: "seconds" of each round and their "median", "spikes", "first" (seconds of its first run),
        "memory" (bytes that it grew by), "versions" and "note"; or "cannot" and why.
    """
    found: dict[str, Any] = {}
    processes: dict[str, Process] = {}
    try:
        for contestant in workload.contestants:
            begun = time.perf_counter()
            try:
                process = processes[contestant.name] = Process(contestant, workload)
                told = process.told
                found[contestant.name] = {"seconds": [], "spikes": told["first"]["spikes"]} | {
                    "first": told["first"]["seconds"],
                    "versions": told["versions"],
                    "note": told["note"],
                }
                say(f"  {contestant.name}: ready after {time.perf_counter() - begun:.1f} s")
            except CannotError as reason:
                found[contestant.name] = {"cannot": str(reason)}
                say(f"  {contestant.name}: cannot: {reason}")
        for number in range(rounds):
            for name, process in list(processes.items()):
                one = found[name]
                if number and (number + 1) * statistics.median(one["seconds"]) > SHARE:
                    continue
                time.sleep(0.05)  # the threads of the one before come to rest
                try:
                    answer = process.run()
                except CannotError as reason:
                    found[name] = {"cannot": str(reason)}
                    del processes[name]
                    continue
                one["seconds"].append(answer["seconds"])
                one["memory"] = answer["memory"]
    finally:
        for process in processes.values():
            with contextlib.suppress(OSError):
                process.end()
    for one in found.values():
        if "seconds" in one:
            one["median"] = statistics.median(one["seconds"])
    return _checked(found, workload)


def _checked(found: dict[str, Any], workload: Workload) -> dict[str, Any]:
    """The same, with "cannot" for whoever does not find as many spikes as we do."""
    ours = found.get("lifjax", {}).get("spikes", 0)
    for contestant in workload.contestants:
        one = found[contestant.name]
        if "spikes" in one and ours and not contestant.record and abs(one["spikes"] - ours) > workload.tolerance(ours):
            found[contestant.name] = {"cannot": f"finds {one['spikes']} spikes where lifjax finds {ours}"} | one
    return found


def _limit_memory(process: int) -> None:
    most = int(MEMORY * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    gpu = any(Path("/proc/driver/nvidia/gpus").glob("*"))  # whose driver maps far more than it takes
    if hasattr(resource, "prlimit") and not gpu:  # Linux
        resource.prlimit(process, resource.RLIMIT_DATA, (most, most))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
