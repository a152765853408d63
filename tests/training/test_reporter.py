"""The progress of a training: a line now and then in a file, a bar on a terminal."""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tqdm import tqdm

import charrnn.training.reporter
from charrnn.system.terminal import duration
from charrnn.training.reporter import TerminalReporter


class Clock:
    """A clock for the reporter that the test advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now_s)
        monkeypatch.setattr(charrnn.training.reporter, "time", clock)


@pytest.mark.parametrize("step_s", [0.01, 0.7, 4.9, 30.0])
def test_a_line_at_most_every_five_seconds(step_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, file = Clock(monkeypatch), io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(0, 3000, None, "char")
    printed_at = [clock.now_s]
    for _ in range(3000):
        clock.now_s += step_s
        before = file.tell()
        reporter.step(1, 100, 2.0, 0.01)
        if file.tell() > before:
            printed_at.append(clock.now_s)
    reporter.end()
    gaps = [later - earlier for earlier, later in itertools.pairwise(printed_at)]
    assert len(gaps) == len(file.getvalue().splitlines()) > 0
    assert min(gaps) >= 5 - 1e-6
    assert max(gaps) <= 5 + step_s + 1e-6
    assert "\r" not in file.getvalue()


def test_a_line_has_the_step_the_loss_the_rate_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rate counts the steps alone; the time left counts everything since the start."""
    clock, file = Clock(monkeypatch), io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(1500, 2500, None, "char")
    for _ in range(8):
        clock.now_s += 0.7
        reporter.step(3, 2500, 2.25, 0.5)
    assert file.getvalue() == (
        "epoch 3  step 1,508/2,500  loss 2.250  5,000 characters/s  11 min 34 s left\n"
    )


@pytest.mark.parametrize(
    ("total", "left_s", "place", "left"),
    [
        (None, 66.0, "step 2", "1 min 00 s"),
        (1000, 66.0, "step 2/1,000", "1 min 00 s"),  # the minute ends before 1,000 steps
        (4, 66.0, "step 2/4", "12 s"),
    ],
)
def test_the_time_left_ends_at_the_nearer_limit(
    total: int | None, left_s: float, place: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, file = Clock(monkeypatch), io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(0, total, left_s, "char")
    reporter.step(1, 100, 2.0, 0.5)
    clock.now_s += 6
    reporter.step(1, 100, 2.0, 0.5)
    assert file.getvalue() == f"epoch 1  {place}  loss 2.000  200 characters/s  {left} left\n"


def test_the_first_step_counts_for_neither_rate_nor_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may wait for functions to be compiled."""
    clock, file = Clock(monkeypatch), io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(0, 101, None, "char")
    for seconds in (60.0, 6.0):
        clock.now_s += seconds
        reporter.step(1, 100, 2.0, seconds)
    assert file.getvalue() == (
        "epoch 1  step 1/101  loss 2.000\n"
        "epoch 1  step 2/101  loss 2.000  17 characters/s  9 min 54 s left\n"
    )


def test_the_printed_loss_is_a_running_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides the noise of single steps."""
    clock, file = Clock(monkeypatch), io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(0, 100, None, "char")
    for loss_nats in (2.0, 4.0):
        clock.now_s += 6
        reporter.step(1, 100, loss_nats, 0.01)
    assert re.findall(r"loss (\S+)", file.getvalue()) == ["2.000", "2.200"]


def test_rows_are_aligned() -> None:
    file = io.StringIO()
    TerminalReporter(file).block([("text", "a.txt"), ("vocabulary", "5"), ("run", "runs/a")])
    assert file.getvalue() == "text        a.txt\nvocabulary  5\nrun         runs/a\n"


COLUMNS = 80


def screen(output: str) -> list[str]:
    """Return the final lines of a terminal, which breaks a line that is too long."""
    lines, row, column = [""], 0, 0
    for character in output:
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
            lines.append("")
        else:
            assert character.isprintable(), repr(character)
            if column == COLUMNS:
                row, column = row + 1, 0
                lines.append("")
            line = lines[row].ljust(column)
            lines[row] = line[:column] + character + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.fixture
def _no_thread_left() -> Iterator[None]:
    """The monitor thread of tqdm would keep later tests from forking."""
    yield
    if tqdm.monitor is not None:
        tqdm.monitor.exit()
        tqdm.monitor = None


@pytest.mark.usefixtures("_no_thread_left")
@pytest.mark.parametrize("columns", [COLUMNS, 60])
@pytest.mark.parametrize(
    ("total", "left_s", "epoch", "loss_nats"),
    [(20, None, 1, 2.345), (10**6, None, 1234, 12.345), (None, 60.0, 1, 2.345)],
    ids=["short", "long", "by the clock"],
)
def test_the_bar_on_a_terminal(
    total: int | None, left_s: float | None, epoch: int, loss_nats: float, columns: int
) -> None:
    """It fits into the terminal, notes stay above it, and it disappears at the end."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    notes = [f"epoch {epoch}  step {step}  validation 2.0000 nats/char" for step in range(10)]
    bits, best = " (2.885 bits)", "  best"
    fits = columns == COLUMNS
    whole = [f"{note}{bits if fits else ''}{best}" for note in notes]
    shown = ""

    def read() -> str:
        os.set_blocking(master, False)
        pieces = []
        try:
            while piece := os.read(master, 65536):
                pieces.append(piece)
        except BlockingIOError:
            pass
        return b"".join(pieces).decode()

    with os.fdopen(slave, "w", encoding="utf-8") as file:
        reporter = TerminalReporter(file)
        reporter.begin(10, total, left_s, "char")
        for note in notes:
            reporter.step(epoch, 2500, loss_nats, 0.01)
            reporter.note(f"{note}{bits}{best}", spare=bits)
            shown += read()
            lines = screen(shown)
            assert lines[: len(lines) - 1] == whole[: len(lines) - 1]
            bar = lines[-1]
            assert 0 < len(bar) <= columns - 2  # for ^C
            assert bar.startswith((f"epoch {epoch} ", "step "))
            assert re.search(r"step [\d,]+/[\d,]+ " if total else r"step [\d,]+ ", bar)
            assert f"loss {loss_nats:.3f}  " in bar
        assert re.search(r"(\d+ h \d\d min|\d+ m?s?(in \d\d s)?) left$", bar)
        if columns == COLUMNS:
            assert re.search(r"  [\d,]+ characters/s  ", bar)
        reporter.end()
        shown += read()
    os.close(master)
    assert screen(shown) == [*whole, ""]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (48.2, "48 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (7199.6, "2 h 00 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
