"""A lock that survives a fork."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from charrnn.system.locks import ForkSafeLock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def forked(act: Callable[[], object]) -> int:
    """Call a function in a forked process; return the exit status."""
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends a child that waits for ever
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def test_it_lets_one_thread_in_at_a_time() -> None:
    lock, order = ForkSafeLock(), list[str]()

    def second() -> None:
        with lock:
            order.append("second")

    thread = threading.Thread(target=second)
    with lock:
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_it_is_open_in_a_fork_if_another_thread_holds_it() -> None:
    lock, holding, done = ForkSafeLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holding.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        assert forked(lock.__enter__) == 0
    finally:
        done.set()
        thread.join()
    with lock:
        pass


def test_a_fork_that_holds_it_leaves_it_like_its_parent() -> None:
    lock = ForkSafeLock()

    def leave_and_enter() -> None:
        lock.__exit__(None, None, None)
        with lock:
            pass

    lock.__enter__()
    assert forked(leave_and_enter) == 0
    leave_and_enter()
