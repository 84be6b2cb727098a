"""How far a run is: a bar in a terminal and in a notebook, and elsewhere, as in a log, a line now and then; Ctrl-C."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lifjax.backend import human

_A_LOOK = 0.5  # s between two looks at what is costly to find out
_LINES = (1.0, 60.0)  # s until the first line, and at most between two


class Progress:
    """Tells how far a run is, or nothing.

    Args:
        steps: how many there are.
        done: how many were done before.
        shown: whether to tell.
        found: finds out how many spikes there were so far, and how many bytes are on disk, or None.
    """

    def __init__(
        self,
        steps: int,
        done: int,
        shown: bool,
        found: Callable[[], tuple[int, int | None]],
    ) -> None:
        self.steps, self.done, self.shown, self.found = steps, done, shown, found
        self.before = done
        self.since: tuple[int, float] | None = None  # steps and time of the line before, or after the first steps

    def __enter__(self) -> Callable[[int], Any]:
        if not self.shown:
            return lambda now: None
        self.begun = self.looked = time.monotonic()
        if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
            self.wait = _LINES[0]
            return self._line
        from tqdm.auto import tqdm  # only here: it looks for a notebook, which takes time

        self.bar = tqdm(total=self.steps, initial=self.done, unit=" steps", unit_scale=True, desc="lifjax")
        return self._bar

    def _bar(self, now: int) -> None:
        self.done += now
        if (time.monotonic() - self.looked > _A_LOOK) or self.done == self.steps:
            self.bar.set_postfix_str(self._found(), refresh=False)
            self.looked = time.monotonic()
        self.bar.update(now)

    def _line(self, now: int) -> None:
        self.done += now
        if self.since is None:  # the first steps were compiled too, which tells nothing of those to come
            self.since = self.done, time.monotonic()
            return
        if time.monotonic() - self.looked < self.wait or self.done == self.steps:
            return
        self.looked, self.wait = time.monotonic(), min(2 * self.wait, _LINES[1])
        self._say()

    def _say(self) -> None:
        """A line: at what rate steps were done since the line before, and all of them at the end."""
        now, ended = time.monotonic(), self.done == self.steps
        steps, when = (
            self.since if self.since and self.since[0] < self.done and not ended else (self.before, self.begun)
        )
        rate = (self.done - steps) / max(now - when, 1e-9)
        self.since = self.done, now
        left = (self.steps - self.done) / rate if rate else 0.0
        end = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + left))
        until = f" in {_clock(now - self.begun)}" if ended else f", {_clock(left)} left, until {end}"
        print(
            f"lifjax: {self.done / max(self.steps, 1):4.0%}, {self.done:,} of {self.steps:,} steps, "
            f"{rate:,.0f} steps/s, {self._found()}{until}",
            file=sys.stderr,
            flush=True,
        )

    def _found(self) -> str:
        spikes, written = self.found()
        told = f"{spikes:,} spikes"
        return told if written is None else f"{told}, {human(written)} on disk"

    def __exit__(self, kind: object, *error: object) -> None:
        if not self.shown:
            return
        if hasattr(self, "bar"):
            self.bar.close()
        elif kind is None:
            self._say()


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Example:
        >>> _clock(3725.0)
        '1:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Stop:
    """Ctrl-C, heard between two chunks so that none is lost half done; a second Ctrl-C ends at once.

    Where there is but one, there is nothing to keep, and ``heard`` = False leaves Ctrl-C as it is.
    """

    asked = False

    def __init__(self, heard: bool = True) -> None:
        self.heard = heard and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "Stop":
        if self.heard:
            self.before = signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        if self.heard:
            signal.signal(signal.SIGINT, self.before)
