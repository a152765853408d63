"""Locks that survive a fork."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import ClassVar
from weakref import WeakSet


class ForkSafeLock:
    """A lock that is open in a forked process, whichever thread held it at the fork.

    Only the thread that forks goes on in the new process, so a lock of another thread would stay
    locked for ever.
    """

    _all: ClassVar[WeakSet[ForkSafeLock]] = WeakSet()

    def __init__(self) -> None:
        self._lock = self._held = threading.Lock()
        self._all.add(self)

    def __enter__(self) -> None:
        lock = self._lock
        lock.acquire()
        self._held = lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.release()

    @classmethod
    def _renew(cls) -> None:
        for one in cls._all:
            one._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ForkSafeLock._renew)
