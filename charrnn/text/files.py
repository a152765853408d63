"""The files of a text: where they are, and their bytes."""

from __future__ import annotations

import glob
import os
import select
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import dropwhile
from typing import NamedTuple

from charrnn.errors import TextError

_WRITER_S = 5.0  # that a pipe is given until something writes to it
_UNSIZED = 1 << 30  # bytes; what has no size, such as a pipe, may never end


class FileState(NamedTuple):
    """What is another when a file has changed."""

    size: int  # bytes
    changed_ns: int


def find_files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of a path, a glob (alphabetically) or a list (in its order)."""
    files: list[str] = []
    for item in (path,) if isinstance(path, str) else path:
        if os.path.exists(item):
            matches = [item]
        else:
            matches = sorted(set(_matches(item))) if glob.has_magic(item) else []
        matches = [match for match in matches if not os.path.isdir(match)]
        if not matches:
            raise TextError(_missing(item))
        files += matches
    return files


def state_of(file: str) -> FileState:
    """Return the state of a file, which may have gone since it was found."""
    with reading(file):
        return _state(os.stat(file))


def read_chunks(file: str, size: int, expected: FileState | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file or a pipe, so many at a time.

    Args:
        file: its name.
        size: bytes of a chunk; the last may have fewer.
        expected: the state of the file, if it is known; it must not change.

    Raises:
        TextError: where it cannot be read, changes meanwhile, or may have no end.
    """
    with reading(file):
        found = os.stat(file)
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            raise TextError(f"{file}: is a device, not a text; name a file or a pipe")
        if stat.S_ISFIFO(found.st_mode):
            chunks = _piped(file, size)
        else:
            chunks = _unchanged(file, size, expected)
        read, most = 0, max(found.st_size, _UNSIZED)
        with closing(chunks):
            for chunk in chunks:
                read += len(chunk)
                if read > most:
                    raise TextError(
                        f"{file}: gives more than {most / 1e6:,.0f} MB and may have no end; save "
                        "the text to a file, which may be of any size"
                    )
                yield chunk


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except FileNotFoundError:
        raise TextError(f"{file}: no such file") from None
    except OSError as error:
        raise TextError(f"{file}: cannot be read: {error.strerror}") from None


def _unchanged(file: str, size: int, expected: FileState | None) -> Generator[bytes, None, None]:
    """Yield a file's bytes, as long as nobody writes to it."""
    with open(file, "rb") as opened:
        expected = expected or _state(os.fstat(opened.fileno()))
        while True:
            chunk = opened.read(size)
            if _state(os.fstat(opened.fileno())) != expected:
                raise TextError(f"{file}: has changed while it was read; begin again")
            if not chunk:
                return
            yield chunk


def _piped(file: str, size: int) -> Generator[bytes, None, None]:
    """Yield what is written to a pipe; where nobody opens it to write, do not wait for ever."""
    with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as pipe:
        if first := _first_written(pipe.fileno(), size, file):
            yield first
        os.set_blocking(pipe.fileno(), True)
        while chunk := pipe.read(size):
            yield chunk


def _first_written(descriptor: int, size: int, file: str) -> bytes:
    """Return what is in a pipe as soon as it has a writer, which may yet have written nothing."""
    poll, end = select.poll(), time.monotonic() + _WRITER_S
    poll.register(descriptor, select.POLLIN)
    while time.monotonic() < end:
        events = poll.poll(50)  # ms; none while there has been no writer
        try:
            first = os.read(descriptor, size)
        except BlockingIOError:
            return b""
        if first or events:
            return first
    raise TextError(
        f"{file}: is a pipe that nothing has written to for {_WRITER_S:.0f} seconds; start what "
        "writes to it first"
    )


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_size, found.st_mtime_ns)


def _matches(pattern: str) -> Iterator[str]:
    """Yield what a glob matches.

    Below `**` a folder is entered once, however many links lead to it: `glob` itself would go
    round in a circle of links as long as the system lets it.
    """
    parts = pattern.split(os.sep)
    if "**" not in parts:
        yield from glob.iglob(pattern)
        return
    at = parts.index("**")
    rest = dropwhile(lambda part: part in ("**", ""), parts[at:])
    below = os.sep.join(rest) or "*"
    for top in glob.iglob(os.sep.join([*parts[:at], ""]) or os.curdir):
        for folder in _folders(top):
            yield from _matches(os.path.join(glob.escape(folder), below))


def _folders(top: str) -> Iterator[str]:
    """Yield a folder and those below it, each once, but for hidden ones."""
    seen = set()
    for folder, names, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield folder


def _missing(item: str) -> str:
    """Return what to say of a path that leads to no file."""
    hint = (
        "data.path is relative to its configuration file, or in an override to the current folder"
    )
    if os.path.isdir(item):
        return f"{item}: is a folder; name its texts, as in {os.path.join(item, '*.txt')}"
    if os.path.islink(item) and not os.path.lexists(os.path.realpath(item)):
        return f"{item}: is a link to {os.path.realpath(item)}, where there is no file"
    try:
        os.stat(item)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass  # ValueError: no file can have such a name
    except OSError as error:
        return f"{item}: cannot be read: {error.strerror}"
    return f"{item}: no {'file matches' if glob.has_magic(item) else 'such file'}; {hint}"
