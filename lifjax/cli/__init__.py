"""The command line: ``lifjax run``, ``lifjax fi``, ``lifjax fit`` and ``lifjax devices``."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from lifjax import backend, processes
from lifjax.cli import fi, fit, run, several
from lifjax.cli.settings import Namespace


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each names the function that does its work."""
    top = argparse.ArgumentParser(
        prog="lifjax", description="Populations of leaky integrate-and-fire neurons.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"lifjax {importlib.metadata.version('lifjax')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run.add(commands)
    fi.add(commands)
    fit.add(commands)
    devices = commands.add_parser("devices", help="what JAX sees on this machine, and whether lifjax can use it")
    devices.set_defaults(work=_devices)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say.

    Args:
        arguments: the words after ``lifjax``; None takes those of the process.

    Returns:
        The exit status: 0 done, 2 refused with one clear error, 130 stopped by Ctrl-C.

    Example:
        >>> main(["run", "--tau_m", "-1"])
        2
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser().parse_args(words, argparse.Namespace(arguments=words))
    try:
        return int(given.work(given))
    except processes.OtherProcessError as error:
        if processes.number() == 0 or error.lost:
            print(f"lifjax: error: {error}", file=sys.stderr, flush=True)
        if error.lost:
            os._exit(1)  # whoever is lost would be waited for in the end
        return 2
    except (ValueError, TypeError, OSError, MemoryError, ImportError, argparse.ArgumentTypeError) as error:
        if not several.shared(given) or processes.number() == 0:  # the first is told of what went wrong in others
            print(f"lifjax: error: {_told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lifjax: stopped, nothing was written", file=sys.stderr)
        return 130


def _told(error: Exception) -> str:
    """An error for people: of a file its name and what is wrong with it, without the system's number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _devices(given: Namespace) -> int:
    for name, fact in backend.devices().items():
        print(f"{name:18} {fact}")
    return 0
