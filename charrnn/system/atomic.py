"""Files that are whole at any moment, also after a failure of power.

Every call that changes something on the disk is made by `open` or by name from `os`, so that a test
can stand in its place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# What an fsync of a folder says on file systems that know no such thing.
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Write to a temporary file beside `path`, flush it to disk, then rename it over `path`.

    Whatever fails, `path` holds what it held before, or (when only the flush of its folder failed)
    the new bytes, whole; and the temporary file is removed.

    Raises:
        OSError: the first failure, with `path` as its filename.
    """
    temporary = os.fspath(path.with_name(f".{path.name}.{os.urandom(4).hex()}"))
    try:
        with _renamed(temporary, path) as file:
            yield file
        flush_folder(path.parent)
    except OSError as error:
        if error.filename in (None, temporary):  # not one that the bytes come from
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


@contextmanager
def _renamed(temporary: str, path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file, which takes the place of `path` if all goes well, and else goes away."""
    file = open(temporary, "xb")  # noqa: SIM115
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # the first failure is the one to tell of
            file.close()
        with suppress(OSError):
            os.unlink(temporary)
        raise


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of writes to `path` that were killed, and no others."""
    for leftover in path.parent.glob(f".{path.name}.{'[0-9a-z_]' * 8}"):
        leftover.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that they outlast a loss of power."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder last; not every system lets a folder be opened for it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(descriptor)
