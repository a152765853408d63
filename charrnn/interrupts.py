"""Ctrl-C and its kin: the first asks for a clean stop, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def graceful_interrupts() -> Iterator[Callable[[], int | None]]:
    """While inside, note a signal instead of being stopped by it.

    A hang-up that is ignored, as under nohup, stays ignored.

    Yields:
        A function that returns the number of the signal that came, or None.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        received.append(number)
        for other in before:
            at_once = signal.default_int_handler if other == signal.SIGINT else signal.SIG_DFL
            signal.signal(other, at_once)

    before = {}
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number) or signal.SIG_DFL
            if number == signal.SIGINT or handler is not signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, note)
    except ValueError:  # not in the main thread, which alone may handle signals
        before = {}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
