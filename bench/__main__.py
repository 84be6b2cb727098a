"""Measure lifjax, the yardsticks and the peers on the same work: python -m bench.

Prints what it finds, writes it to bench/results/MACHINE.json, draws bench/results/MACHINE.png, and with --readme puts
the tables into the README. Peers get virtual environments of their own, which are built at their first run.
"""

import argparse
import dataclasses
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import jax

import lifjax
from bench import report
from bench.contest import compete
from bench.roofline import roofline
from bench.workloads import GROUPS, Workload

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str | int | float]:
    """What it is measured on."""
    return {
        "device": lifjax.backend.device_name(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load before": os.getloadavg()[0],
        "date": datetime.now(UTC).date().isoformat(),
        "jax": jax.__version__,
        "lifjax": lifjax.__version__,
    }


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="gpu: ours alone, kernel against scan")
    parser.add_argument("--only", default="", help="workloads whose group or title contains this")
    parser.add_argument("--without", default=(), nargs="*", metavar="NAME", help="contestants to leave out")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each contestant, in turn (default 7)")
    parser.add_argument("--out", type=Path, help="file for the results (default: bench/results/MACHINE.json)")
    parser.add_argument("--readme", action="store_true", help="show the results in the README")
    return parser.parse_args()


def main() -> None:
    """Run what is asked for, keeping what other calls found about the same machine."""
    args = asked()
    if args.device == "gpu":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the contestants share its memory
    if args.device == "gpu" and jax.default_backend() != "gpu":
        raise SystemExit("--device gpu: JAX sees no GPU here; lifjax devices says why")
    here = machine()
    name = re.sub(r"[^a-z0-9]+", "_", str(here["device"]).lower().replace("(r)", "")).strip("_")
    path = args.out or RESULTS / f"{name}.json"
    results = json.loads(path.read_text()) if path.exists() else {"groups": {}}
    results["machine"] = here
    for group, workloads in GROUPS.items():
        if (group == "gpu") != (args.device == "gpu"):
            continue
        for workload in workloads:
            if args.only not in group and args.only not in workload.title:
                continue
            print(f"{group}: {workload.title}", flush=True)
            one = measured(workload, args.rounds, args.without)
            if group == "gpu":
                one["roofline"] = roofline(workload)
            results["groups"].setdefault(group, {})[workload.title] = one
            print(report.lines(one), flush=True)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n")  # nothing measured is lost
    if args.device == "cpu":
        report.figure(results, path.with_suffix(".png"))
    if args.readme:
        report.write_readme(path, ("gpu",) if args.device == "gpu" else ("speed", "fit"))


def measured(workload: Workload, rounds: int, without: list[str]) -> dict[str, object]:
    """One workload and what each contestant made of it."""
    contestants = tuple(x for x in workload.contestants if x.name not in without)
    found = compete(
        dataclasses.replace(workload, contestants=contestants), rounds, lambda line: print(line, flush=True)
    )
    told = {field.name: getattr(workload, field.name) for field in dataclasses.fields(workload)[1:-1]}
    return {"workload": told, "date": datetime.now(UTC).isoformat(timespec="seconds"), "contestants": found}


if __name__ == "__main__":
    main()
