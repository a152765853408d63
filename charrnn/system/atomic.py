"""Atomic writes: a file holds its old or its new contents, also after a loss of power.

Every call that changes the disk is `open`, a method of the open file, or a function named as
`os.x`, so that a test can replace `open` and `os` in this module.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# The errors of file systems that cannot flush a folder.
_CANNOT_FLUSH_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Write to a temporary file beside `path`, flush it to disk, then rename it to `path`.

    If anything fails, the temporary file is removed and `path` keeps its old contents; if only the
    flush of the folder fails, `path` holds the new contents.

    Yields:
        The temporary file, opened in binary mode for writing; it can be read and mapped too.

    Raises:
        OSError: the first failure, with `path` as its filename.
    """
    temporary = os.fspath(path.with_name(f".{path.name}.{os.urandom(4).hex()}"))
    try:
        file = open(temporary, "x+b")  # noqa: SIM115
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):  # the first failure is raised
                file.close()
            with suppress(OSError):
                os.unlink(temporary)
            raise
        flush_folder(path.parent)
    except OSError as error:
        if error.filename in (None, temporary):  # else it is about a file that the caller reads
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed writes to `path` have left, and no other files."""
    for leftover in path.parent.glob(f".{path.name}.{'[0-9a-z_]' * 8}"):
        leftover.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and flush their names to disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Flush the names of a folder's files to disk, where the system can do so."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH_FOLDERS:
            raise
    finally:
        os.close(descriptor)
