"""Progress of a training on stderr: a bar on a terminal, now and then a line in a file or pipe."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from charrnn.errors import plural
from charrnn.system.progress import FIRST_LINE_S, LINE_EVERY_S, Lines, progress
from charrnn.system.terminal import (
    GREEN,
    coloured,
    duration,
    terminal_columns,
    wants_colours,
    wrapped,
)

if TYPE_CHECKING:
    from charrnn.system.bar import Bar

_SAMPLE_LENGTH = 120  # characters of a sample on a terminal
_COLUMNS = 80  # of a terminal of unknown width
_REDRAW_S = 0.1  # during a validation
_SHORTEST_BAR = 8  # columns, with what is around it


class Reporter:
    """Receives the events of a training; this base class ignores them."""

    worded: Callable[[str], str] = str  # returns how a note words an argument of the Python API
    sample_length = 0  # characters of a sample, unless the configuration says how many

    def block(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show the summary of the training, rows of a name and a text."""

    def begin(self, step: int, total: int | None, left_s: float | None, tokens: str) -> None:
        """Start or resume after `step` steps, until `total` steps or for `left_s` seconds.

        `tokens` is what the model reads, "char" or "byte".
        """

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:
        """Show a step that took some seconds; `loss_nats` is the mean over its characters."""

    @contextmanager
    def progress(
        self,
        doing: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        unit: str,  # noqa: ARG002
    ) -> Iterator[Callable[[int], object]]:
        """Show how far a validation or the like is; see `charrnn.system.progress.progress`."""
        yield lambda _: None

    def note(self, text: str, mark: str = "", strong: str = "", spare: str = "") -> None:
        """Print a text that stays.

        Args:
            text: one or more lines.
            mark: stands before each of them.
            strong: the end of the text, which is coloured where there are colours.
            spare: a piece of the text that is left out on a terminal too narrow for it.
        """

    def end(self) -> None:
        """Finish: no more steps follow."""


class TerminalReporter(Reporter):
    """Draws a bar with rate and time left on a terminal; otherwise prints a line now and then.

    Args:
        file: stream to write to; by default stderr.
        worded: returns how a note words an argument of the Python API; by default unchanged.
    """

    def __init__(self, file: TextIO | None = None, worded: Callable[[str], str] = str) -> None:
        self.worded = worded
        self._file = file or sys.stderr
        self._bar: Bar | None = None
        self._is_terminal = self._file.isatty()
        self._coloured = wants_colours(self._file)
        self.sample_length = _SAMPLE_LENGTH if self._is_terminal else 0
        self._loss_nats: float | None = None
        self._line_at = -math.inf

    def block(self, rows: Sequence[tuple[str, str]]) -> None:
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            self._print(f"{name:<{width}}  {text}", indent=width + 2)

    def begin(self, step: int, total: int | None, left_s: float | None, tokens: str) -> None:
        self._step, self._total, self._left_s, self._tokens = step, total, left_s, tokens
        self._began_at, self._is_first = step, True
        self._chars, self._seconds = 0, 0.0
        self._start = self._line_at = time.monotonic()
        if self._is_terminal:
            from charrnn.system.bar import Bar

            self._bar = Bar(
                total=1.0,
                file=self._file,
                dynamic_ncols=True,
                leave=False,
                unit="",
                bar_format="{desc} |{bar}| {unit}",
            )

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:
        self._step += 1
        if self._is_first and self._step != self._total:
            # The first step may wait for functions to be compiled; rate and time left start here.
            self._left_s = self._left_s and self._left_s - (time.monotonic() - self._start)
            self._began_at, self._start = self._step, time.monotonic()
            chars, seconds = 0, 0.0
        self._is_first = False
        self._chars += chars
        self._seconds += seconds
        old = self._loss_nats
        if math.isfinite(loss_nats):
            self._loss_nats = loss_nats if old is None else 0.9 * old + 0.1 * loss_nats
        if self._bar is not None:
            before, after = self._beside_bar(epoch)
            self._bar.set_description_str(before, refresh=False)
            self._bar.unit = after
            self._bar.update(self._share() - self._bar.n)
        elif time.monotonic() - self._line_at >= LINE_EVERY_S:
            speed = f"  {self._rate()}  {self._time_left()} left" if self._chars else ""
            self._line(f"epoch {epoch}  {self._place()}  loss {self._loss()}{speed}")

    @contextmanager
    def progress(self, doing: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
        bar = self._bar
        if self._is_terminal and bar is None:  # after the training
            with progress(total, unit, doing, self._file) as advance:
                yield advance
            return
        first_s = max(FIRST_LINE_S, self._line_at + LINE_EVERY_S - time.monotonic())
        lines = Lines(self._line, doing, total, unit, first_s)
        if bar is None:
            yield lines.advance
            return
        bar.unit = ""
        bar.set_description_str(f"{doing}  {self._place()}")
        drawn_at = time.monotonic()

        def advance_bar(amount: int) -> None:
            nonlocal drawn_at
            lines.count(amount)
            if time.monotonic() - drawn_at >= _REDRAW_S:
                drawn_at = time.monotonic()
                bar.unit = lines.left
                bar.refresh()

        yield advance_bar

    def note(self, text: str, mark: str = "", strong: str = "", spare: str = "") -> None:
        columns = terminal_columns(self._file)
        if spare and columns and len(mark + text) >= columns:
            text = text.replace(spare, "")
        self._print(text, mark=mark, strong=strong)

    def _line(self, text: str) -> None:
        """Print one of the lines that come now and then."""
        self._line_at = time.monotonic()
        self.note(text)

    def _beside_bar(self, epoch: int) -> tuple[str, str]:
        """Return what stands before the bar and after it; on a narrow terminal, it is less."""
        left = f"{self._time_left()} left" if self._chars else "- left"
        before, after = self._place(), f"loss {self._loss()}  {left}"
        with_rate = f"loss {self._loss()}  {self._rate()}  {left}"
        from charrnn.system.bar import FREE_COLUMNS

        columns = terminal_columns(self._file) or _COLUMNS
        for one in ((f"epoch {epoch}  {before}", with_rate), (before, with_rate)):
            if sum(map(len, one)) + _SHORTEST_BAR + FREE_COLUMNS <= columns:
                return one
        return before, after

    def _print(self, text: str, indent: int = 0, mark: str = "", strong: str = "") -> None:
        if self._bar is not None:
            self._bar.clear()
        try:
            shown = wrapped(text, self._file, indent, mark)
            if strong and self._coloured:
                strong = strong if shown.endswith(strong) else strong.strip()  # on its own line
                shown = f"{shown.removesuffix(strong)}{coloured(strong, GREEN)}"
            print(shown, file=self._file, flush=True)
        except OSError:  # the reader of the pipe has ended; the training continues without output
            self._file = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            os.dup2(self._file.fileno(), 2)
        if self._bar is not None:
            self._bar.refresh()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _loss(self) -> str:
        return "-" if self._loss_nats is None else f"{self._loss_nats:.3f}"

    def _rate(self) -> str:
        """Return the rate of the steps alone; the time left includes validations and the rest."""
        if not self._chars:
            return f"- {plural(self._tokens)}/s"
        return f"{self._chars / max(self._seconds, 1e-9):,.0f} {plural(self._tokens)}/s"

    def _place(self) -> str:
        of_all = "" if self._total is None else f"/{self._total:,}"
        return f"step {self._step:,}{of_all}"

    def _share(self) -> float:
        """Return the share done of the steps or the time left at `begin`, whichever is larger."""
        by_steps = by_time = 0.0
        if self._total is not None:
            by_steps = (self._step - self._began_at) / (self._total - self._began_at)
        if self._left_s is not None:
            by_time = (time.monotonic() - self._start) / max(self._left_s, 1e-9)
        return min(1.0, max(by_steps, by_time))

    def _time_left(self) -> str:
        share, elapsed_s = max(self._share(), 1e-9), time.monotonic() - self._start
        return duration(elapsed_s / share * (1 - share))
