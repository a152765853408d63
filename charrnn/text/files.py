"""Find the files of a text and read their bytes."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from typing import BinaryIO, NamedTuple

from charrnn.errors import TextError

_UNSIZED = 1 << 30  # bytes read at most of what has no size, such as a pipe, which may never end


class FileState(NamedTuple):
    """Size and time of a file; both are compared to notice that it has changed."""

    size: int  # bytes
    changed_ns: int


def find_files(path: str | tuple[str, ...], *, folders: bool = False) -> list[str]:
    """Return the files of a path, of a glob (alphabetically) or of a list (in its order).

    Args:
        path: one or several.
        folders: whether a folder stands for the files in it, without hidden ones.
    """
    files: list[str] = []
    for item in (path,) if isinstance(path, str) else path:
        if folders and os.path.isdir(item):
            with reading(item):
                matches = sorted(name for name in os.listdir(item) if not name.startswith("."))
            matches = [os.path.join(item, name) for name in matches]
        elif os.path.exists(item):
            matches = [item]
        else:
            matches = sorted(set(_matches(item))) if glob.has_magic(item) else []
        matches = [match for match in matches if not os.path.isdir(match)]
        if not matches:
            raise _missing(item)
        files += matches
    return files


def state_of(file: str) -> FileState:
    """Return the state of a file.

    Raises:
        TextError: the file cannot be read, for instance because it has been deleted.
    """
    with reading(file):
        return _state(os.stat(file))


def read_chunks(file: str, size: int, expected: FileState | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file or a pipe in chunks.

    Args:
        file: its name.
        size: bytes of a chunk; the last one may be shorter.
        expected: the state that a file must keep; by default its state when it is opened.

    Raises:
        TextError: the file cannot be read, changes while it is read, or may have no end.
    """
    with reading(file):
        found = os.stat(file)
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            raise TextError(f"{file}: is a device, not a text; name a file or a pipe")
        with open(file, "rb") as opened:
            if not stat.S_ISFIFO(found.st_mode):  # what is written to a pipe changes its time
                expected = expected or _state(os.fstat(opened.fileno()))
            for chunk in bounded_chunks(opened, file, size, max(found.st_size, _UNSIZED)):
                _check_unchanged(opened, file, expected)
                yield chunk
            _check_unchanged(opened, file, expected)


def _check_unchanged(opened: BinaryIO, file: str, expected: FileState | None) -> None:
    if expected and _state(os.fstat(opened.fileno())) != expected:
        raise TextError(f"{file}: has changed while it was read; start again")


def bounded_chunks(
    opened: BinaryIO, where: str, size: int, most: int | None = None
) -> Iterator[bytes]:
    """Yield the chunks of an open file, pipe or standard input.

    Args:
        opened: open for reading.
        where: its name in errors.
        size: bytes of a chunk.
        most: bytes to read at most; by default 1 GB.

    Raises:
        TextError: there is more, and may be no end.
    """
    most, read = most or _UNSIZED, 0
    while chunk := opened.read(size):
        read += len(chunk)
        if read > most:
            raise TextError(
                f"{where}: has more than {most / 1e6:,.0f} MB and may have no end; save the text "
                "to a file, which may have any size"
            )
        yield chunk


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Turn the system's errors about a file into TextError."""
    try:
        yield
    except FileNotFoundError:
        raise TextError(f"{file}: no such file") from None
    except OSError as error:
        raise TextError(f"{file}: cannot be read: {error.strerror}") from None


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_size, found.st_mtime_ns)


def _matches(pattern: str) -> Iterator[str]:
    """Yield the paths that match a glob.

    `**` enters a folder once, however many links lead to it: `glob` itself follows a circle of
    links until the system refuses to.
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
    """Yield a folder and the folders below it, each once and without hidden ones."""
    seen = set()
    for folder, names, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield folder


def _missing(item: str) -> TextError:
    """Return the error of a path that leads to no file."""
    hint = "in a configuration file a path is relative to the file, otherwise to the current folder"
    if os.path.isdir(item):
        texts = os.path.join(glob.escape(item), "*.txt")
        return TextError(f"{item}: is a folder", hint=f"name its texts, as in {texts}")
    if os.path.islink(item) and not os.path.lexists(os.path.realpath(item)):
        return TextError(f"{item}: is a link to {os.path.realpath(item)}, where there is no file")
    try:
        os.stat(item)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass  # ValueError: the name is not one that a file can have
    except OSError as error:
        return TextError(f"{item}: cannot be read: {error.strerror}")
    problem = f"{item}: no {'file matches' if glob.has_magic(item) else 'such file'}"
    return TextError(problem, hint=hint)
