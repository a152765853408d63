"""Progress: lines that come now and then, and a bar on a terminal."""

from __future__ import annotations

import io
import os
import struct
from types import SimpleNamespace

import pytest

import charrnn.system.progress
from charrnn.system.progress import Lines, countdown, progress
from charrnn.training.reporter import TerminalReporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that the test advances."""
    found = SimpleNamespace(now_s=100.0)
    found.monotonic = lambda: found.now_s
    monkeypatch.setattr(charrnn.system.progress, "time", found)
    monkeypatch.setattr(charrnn.training.reporter, "time", found)
    return found


def test_lines_come_after_two_seconds_and_then_every_five(clock: SimpleNamespace) -> None:
    said = list[tuple[float, str]]()
    lines = Lines(lambda line: said.append((clock.now_s - 100, line)), "scoring", 2_000, "chars")
    for _ in range(20):
        clock.now_s += 1
        lines.advance(100)
    assert [at for at, _ in said] == [2, 7, 12, 17]
    assert said[1][1] == "scoring  700/2,000 chars  100 chars/s  13 s left"


def test_short_work_and_the_end_of_long_work_have_no_line(clock: SimpleNamespace) -> None:
    said = list[str]()
    Lines(said.append, "scoring", 100, "chars").advance(50)
    lines = Lines(said.append, "scoring", 100, "chars")
    clock.now_s += 60
    lines.advance(100)
    assert said == []


def test_the_first_piece_of_work_counts_for_no_rate(clock: SimpleNamespace) -> None:
    """It may have waited for processes and for functions to be compiled."""
    said = list[str]()
    lines = Lines(said.append, "writing", 10, "records")
    clock.now_s += 60
    lines.advance(1)
    clock.now_s += 5
    lines.advance(1)
    assert said == [
        "writing  1/10 records  - records/s  - left",
        "writing  2/10 records  0.2 records/s  40 s left",
    ]


def test_a_bar_is_on_the_terminal_from_the_beginning_and_leaves_it() -> None:
    """The first part of the work may take long."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        with progress(4_000, "chars", "scoring", file):
            shown = os.read(master, 1000).decode()
        assert "scoring:   0%" in shown
        assert os.read(master, 1000).decode().endswith("\r")
    os.close(master)


def test_a_countdown_is_on_the_terminal_and_leaves_it() -> None:
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        with countdown(5.0, 1.5, file) as advance:
            assert os.read(master, 1000).decode().endswith("| 4 s left")
            advance(9.0)  # longer than planned
        assert os.read(master, 2000).decode().endswith(" \r")
    os.close(master)
    with io.StringIO() as pipe, countdown(5.0, 0.0, pipe) as advance:
        advance(1.0)
        assert pipe.getvalue() == ""


def test_a_long_validation_of_a_training_has_lines_in_a_pipe(clock: SimpleNamespace) -> None:
    """Steps and validations together make a line in five seconds, at most."""
    file = io.StringIO()
    reporter = TerminalReporter(file)
    reporter.begin(0, 100, None, "char")
    for _ in range(2):  # the first one counts for no rate
        clock.now_s += 3
        reporter.step(1, 50, 2.0, 3.0)
    with reporter.progress("validating", 1_000, "chars") as advance:
        for _ in range(9):
            clock.now_s += 1
            advance(100)
    assert file.getvalue().splitlines() == [
        "epoch 1  step 2/100  loss 2.000  17 characters/s  4 min 54 s left",
        "validating  500/1,000 chars  100 chars/s  5 s left",
    ]
