"""Ctrl-C and other signals: a training saves before it stops, any other command stops at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
# One Ctrl-C can arrive several times: from the terminal, from mpiexec, make or a service manager.
_ONE_PRESS_S = 0.3


class Interrupted(BaseException):
    """A signal has ended a command; `saved` says whether a training has reported and saved."""

    def __init__(self, number: int, *, saved: bool = False) -> None:
        super().__init__(number)
        self.number = number
        self.saved = saved


class _Handler:
    """A signal handler that remembers the first signal, and ends the process at a later one.

    Args:
        raising_in: the name of the module for `prompt_interrupts`, or None to remember the signal
            without raising `Interrupted`.
    """

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
                os.write(2, b"\nfinishing the step and saving; a second Ctrl-C stops at once\n")
        elif time.monotonic() - self._at_s > _ONE_PRESS_S:
            if self._raising_in is None:
                os.write(2, b"\nstopped at once; the last checkpoint, if any, can be resumed\n")
            # An exception could come in the middle of anything. Nothing is lost: files are replaced
            # atomically, and workers end when the process that started them has ended.
            os._exit(128 + number)


@contextmanager
def prompt_interrupts(module: str) -> Iterator[None]:
    """Raise `Interrupted` at the first signal inside; end the process at a second one.

    Args:
        module: the name of the caller's module. If a signal arrives during an import that this
            module's code has caused, `Interrupted` is raised when the import is complete.
    """
    with _handled_by(_Handler(raising_in=module)):
        yield


@contextmanager
def graceful_interrupts() -> Iterator[Callable[[], object]]:
    """Remember the first signal inside without stopping; end the process at a second one.

    Yields:
        A function that returns a true value if a signal has arrived.

    Raises:
        Interrupted: at the end, if a signal has arrived; at the beginning, if one arrived earlier,
            within `prompt_interrupts`, and its exception was lost, as in a finaliser or in a
            library that catches every exception.
    """
    handler = _Handler()
    with _handled_by(handler):
        yield lambda: handler.number
    if handler.number is not None:
        raise Interrupted(handler.number, saved=True)


@contextmanager
def keyboard_interrupts() -> Iterator[Callable[[], object]]:
    """Remember the first SIGINT inside without stopping; raise KeyboardInterrupt at a second one.

    Other signals, and SIGINT outside the main thread or where the host ignores it, are the host's.

    Yields:
        A function that returns a true value if a SIGINT has arrived.

    Raises:
        KeyboardInterrupt: at the end, if a SIGINT has arrived.
    """
    arrived_s: float | None = None

    def handler(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal arrived_s
        if arrived_s is None:
            arrived_s = time.monotonic()
        elif time.monotonic() - arrived_s > _ONE_PRESS_S:
            raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    if previous in (signal.SIG_IGN, None) or current_thread() is not main_thread():
        yield lambda: False
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: arrived_s is not None
    finally:
        signal.signal(signal.SIGINT, previous)
    if arrived_s is not None:
        raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Restore the default action of signals inside, which ends the process.

    The ranks of MPI wait for each other while mpi4py is imported. Python calls no handler during
    this wait, which never ends if an interrupt has ended another rank.
    """
    with _handled_by(signal.SIG_DFL):
        yield


@contextmanager
def _handled_by(handler: _Handler | signal.Handlers) -> Iterator[None]:
    """Install a handler for all signals inside.

    SIGINT is handled even if it was ignored, because a shell makes its background jobs ignore it.
    SIGHUP stays ignored, because nohup asks for that.
    """
    previous = {}
    try:
        for number in SIGNALS:
            old = signal.getsignal(number) or signal.SIG_DFL
            if number == getattr(signal, "SIGHUP", None) and old is signal.SIG_IGN:
                continue
            previous[number] = signal.signal(number, handler) or signal.SIG_DFL
    except ValueError:  # only the main thread can handle signals
        previous = {}
    try:
        for old in previous.values():
            if isinstance(old, _Handler) and old.number:
                raise Interrupted(old.number)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _importer(frame: FrameType | None, module: str) -> FrameType | None:
    """Return the frame below `module`'s whose import statement is running, or None.

    If imports are nested, this is the outermost one.
    """
    found = None
    while frame is not None and frame.f_globals.get("__name__") != module:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            found = frame.f_back
        frame = frame.f_back
    return found


def _raise_in(frame: FrameType, exception: BaseException) -> None:
    """Raise an exception when a frame reaches its next line, as a debugger would.

    An exception in the middle of an import would be lost: some modules written in C print its
    traceback and continue.
    """

    def at_the_next_line(*_: object) -> NoReturn:
        sys.settrace(None)
        raise exception

    frame.f_trace = at_the_next_line
    sys.settrace(lambda *_: None)
