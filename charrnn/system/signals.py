"""Ctrl-C and its kin: while training the first asks for a clean stop, a later one stops at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
# A terminal, mpiexec, make and a service's manager may each pass a wish on: that is one, not two.
_ONE_PRESS_S = 0.3


class Interrupted(BaseException):
    """A signal, where there is nothing to be saved first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Received:
    """A handler that notes signals; those that come later than the first one's press stop all."""

    def __init__(self, raising_in: str | None = None) -> None:
        self.number: int | None = None
        self._raising_in = raising_in
        self._at_s = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self._at_s = number, time.monotonic()
            if self._raising_in is not None:
                if (importer := _importer(frame, self._raising_in)) and not sys.gettrace():
                    _raise_in(importer, Interrupted(number))
                    return
                raise Interrupted(number)
            if os.isatty(2):
                os.write(2, b"\nfinishing the step and saving; a second time stops at once\n")
        elif time.monotonic() - self._at_s > _ONE_PRESS_S:
            _leave(number, tell=self._raising_in is None)


@contextmanager
def prompt_interrupts(module: str) -> Iterator[None]:
    """While inside, a signal raises `Interrupted`; a second one stops the process at once.

    Args:
        module: the name of the module that calls this; an import that is interrupted further in is
            let finish first.
    """
    with _handled_by(_Received(raising_in=module)):
        yield


@contextmanager
def graceful_interrupts() -> Iterator[Callable[[], int | None]]:
    """While inside, note a signal instead of being stopped by it; a second one stops at once.

    Yields:
        A function that returns the number of the signal that came, or None.

    Raises:
        Interrupted: one came before, within `prompt_interrupts`, and its exception was lost, as
            happens in a finaliser or where a library takes it for a failure of its own.
    """
    handler = _Received()
    with _handled_by(handler):
        yield lambda: handler.number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While inside, a signal ends the process, as it would any other program.

    MPI's ranks wait for each other while it is imported: no handler of Python's would be called
    until all are there, and one that an interrupt has ended before never comes.
    """
    with _handled_by(signal.SIG_DFL):
        yield


@contextmanager
def _handled_by(handler: _Received | signal.Handlers) -> Iterator[None]:
    """Handle the signals so while inside.

    A shell lets its background jobs ignore SIGINT: it is handled all the same. A hang-up that is
    ignored, as under nohup, stays ignored.
    """
    before = {}
    try:
        for number in SIGNALS:
            old = signal.getsignal(number) or signal.SIG_DFL
            if number == getattr(signal, "SIGHUP", None) and old is signal.SIG_IGN:
                continue
            before[number] = signal.signal(number, handler) or signal.SIG_DFL
    except ValueError:  # not in the main thread, which alone may handle signals
        before = {}
    try:
        for old in before.values():
            if isinstance(old, _Received) and old.number:
                raise Interrupted(old.number)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _importer(frame: FrameType | None, module: str) -> FrameType | None:
    """Return what imports a module just now, if anything does: the outermost, if it is in turn."""
    found = None
    while frame is not None and frame.f_globals.get("__name__") != module:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            found = frame.f_back
        frame = frame.f_back
    return found


def _raise_in(frame: FrameType, exception: BaseException) -> None:
    """Raise an exception as soon as a frame goes on, in the way of a debugger.

    Modules written in C print a traceback of what comes while they import another, and go on.
    """

    def at_the_next_line(*_: object) -> NoReturn:
        sys.settrace(None)
        raise exception

    frame.f_trace = at_the_next_line
    sys.settrace(lambda *_: None)


def _leave(number: int, *, tell: bool) -> NoReturn:
    """End the process: an exception could come in the middle of anything.

    Files are replaced atomically, and workers end when they find themselves alone.
    """
    if tell:
        os.write(2, b"\nstopped at once; the last checkpoint, if there is one, can be resumed\n")
    os._exit(128 + number)
