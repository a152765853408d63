"""Progress of work that takes a while: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from charrnn.system.terminal import duration

LINE_EVERY_S = 5.0  # without a terminal to draw a bar on
FIRST_LINE_S = 2.0  # after which a wait needs a word


class Lines:
    """Prints now and then how far some work is, at what rate, and how long it still takes.

    Args:
        say: prints a line.
        doing: what is done, such as "scoring".
        total: the amount of work, in `unit`.
        unit: the name of what is counted, in the plural.
        first_s: seconds before the first line.
    """

    def __init__(
        self,
        say: Callable[[str], object],
        doing: str,
        total: float,
        unit: str,
        first_s: float = FIRST_LINE_S,
    ) -> None:
        self._say, self._doing, self._total, self._unit = say, doing, total, unit
        self._done = 0.0
        self._next = time.monotonic() + first_s
        self._first: tuple[float, float] | None = None  # amount, and when it was done

    def advance(self, amount: float) -> None:
        """Count some work, and print a line if it is time for one."""
        self.count(amount)
        now = time.monotonic()
        if now >= self._next and self._done < self._total:
            self._next = now + LINE_EVERY_S
            rate = self._rate
            shown = "-" if not rate else f"{rate:,.{0 if rate >= 10 else 1}f}"
            self._say(
                f"{self._doing}  {self._done:,.0f}/{self._total:,.0f} {self._unit}  "
                f"{shown} {self._unit}/s  {self.left}"
            )

    def count(self, amount: float) -> None:
        """Count some work, without a line."""
        self._done += amount
        if self._first is None:
            # It may have waited for processes and compiled functions: the rate starts here.
            self._first = amount, time.monotonic()

    @property
    def left(self) -> str:
        """The time left in words."""
        rate = self._rate
        return f"{duration((self._total - self._done) / rate)} left" if rate else "- left"

    @property
    def _rate(self) -> float:
        """The amount of work in a second; 0 if it is not known yet."""
        if self._first is None:
            return 0.0
        amount, at = self._first
        return (self._done - amount) / max(time.monotonic() - at, 1e-9)


@contextmanager
def progress(
    total: int, unit: str, doing: str, file: TextIO | None = None
) -> Iterator[Callable[[int], object]]:
    """Show how far some work is: a bar on a terminal, now and then a line elsewhere.

    Args:
        total: the amount of work, in `unit`.
        unit: the name of what is counted, in the plural.
        doing: what is done, such as "scoring".
        file: stream to write to; by default stderr.

    Yields:
        A function that counts an amount of work as done.
    """
    file = file or sys.stderr
    if not file.isatty():
        yield Lines(partial(print, file=file, flush=True), doing, total, unit).advance
        return
    from charrnn.system.bar import Bar

    with Bar(
        file=file,
        desc=doing,
        total=total,
        unit=f" {unit}",
        unit_scale=total >= 1000,  # 12.3k
        leave=False,
        dynamic_ncols=True,
    ) as bar:
        yield bar.update


@contextmanager
def countdown(
    total_s: float, done_s: float = 0.0, file: TextIO | None = None
) -> Iterator[Callable[[float], object]]:
    """Show on a terminal how much of a time is left; elsewhere show nothing.

    Args:
        total_s: the whole time.
        done_s: what is over of it already.
        file: stream to write to; by default stderr.

    Yields:
        A function that counts seconds as over.
    """
    file = file or sys.stderr
    if not file.isatty():
        yield lambda _: None
        return

    from charrnn.system.bar import Bar

    def left(seconds: float) -> str:
        return f"{duration(math.ceil(seconds))} left"

    with Bar(
        file=file,
        total=total_s,
        initial=done_s,
        leave=False,
        dynamic_ncols=True,
        unit=left(total_s - done_s),
        bar_format="|{bar}| {unit}",
    ) as bar:

        def advance(seconds: float) -> None:
            seconds = min(seconds, total_s - bar.n)  # the last piece of work may take longer
            bar.unit = left(total_s - bar.n - seconds)
            bar.update(seconds)

        yield advance
