"""Ctrl-C and its kin: the first asks for a clean stop, a later one stops at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_ONE_PRESS_S = 1.0  # signals that come within this time are one wish, not two


@contextmanager
def graceful_interrupts() -> Iterator[Callable[[], int | None]]:
    """While inside, note a signal instead of being stopped by it.

    A signal that comes more than a second after the first ends the process at once. A hang-up that
    is ignored, as under nohup, stays ignored.

    Yields:
        A function that returns the number of the signal that came, or None.
    """
    received: list[tuple[int, float]] = []  # number and time

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        received.append((number, time.monotonic()))
        if received[-1][1] - received[0][1] > _ONE_PRESS_S:
            os.write(2, b"\nstopped at once; the last checkpoint that was written is whole\n")
            # An exception could come in the middle of anything; files are replaced atomically.
            os._exit(128 + number)

    before = {}
    try:
        for number in SIGNALS:
            handler = signal.getsignal(number) or signal.SIG_DFL
            if number == signal.SIGINT or handler is not signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, note)
    except ValueError:  # not in the main thread, which alone may handle signals
        before = {}
    try:
        yield lambda: received[0][0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
