"""Passes every call that changes a run's files on the disk through a hook."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import charrnn.runs.metrics
import charrnn.system.atomic

_OF_OS = ("fsync", "replace", "unlink", "open", "close", "ftruncate")


class Call(NamedTuple):
    """A call of `open`, of a file's method, or of a function in `os`."""

    number: int  # from 0, in this process
    name: str
    path: str  # the file, as it was opened
    do: Callable[[], Any]
    half: Callable[[], int] | None  # of a write: write one half, and return its size


Hook = Callable[[Call], Any]  # makes the call or not, and returns its result


def install(hook: Hook) -> None:
    """Pass every call of this process through a hook."""
    calls = _Calls(hook)
    for module in (charrnn.system.atomic, charrnn.runs.metrics):
        module.open = calls.open_file  # type: ignore[attr-defined]
        module.os = calls  # type: ignore[attr-defined]


class _Calls:
    """Replaces `os` and `open`."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._number = 0
        self._paths: dict[int, str] = {}  # of descriptors

    def through(
        self, name: str, path: str, do: Callable[[], Any], half: Callable[[], int] | None = None
    ) -> Any:
        call = Call(self._number, name, path, do, half)
        self._number += 1
        return self._hook(call)

    def open_file(self, path: Any, mode: str, buffering: int = -1) -> Any:
        path = os.fspath(path)
        raw = self.through("open", path, lambda: _Raw(path, mode.replace("b", "")))
        raw.calls = self
        self._paths[raw.fileno()] = path
        return io.BufferedWriter(raw) if buffering else raw

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if name not in _OF_OS:
            return function

        def hooked(what: Any, *arguments: Any) -> Any:
            path = self._paths.get(what, "") if isinstance(what, int) else os.fspath(what)
            result = self.through(f"os.{name}", path, lambda: function(what, *arguments))
            if name == "open":
                self._paths[result] = path
            return result

        return hooked


class _Raw(io.FileIO):
    """A file without a buffer.

    Its seeks do not pass through the hook: the flush before a seek is a write, and the seek itself
    does not touch the disk.
    """

    calls: _Calls

    def write(self, data: Any) -> int:
        path, view = str(self.name), memoryview(data).cast("B")
        half = view[: len(view) // 2]
        whole = super().write
        return int(self.calls.through("write", path, lambda: whole(view), lambda: whole(half) or 0))

    def close(self) -> None:
        close = super().close
        try:
            if not self.closed and hasattr(self, "calls"):
                self.calls.through("close", str(self.name), close)
        finally:
            close()  # the system closes a file even if it reports an error
