"""A lock that keeps a second training out of a run folder."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from charrnn.errors import Remedy, RunError
from charrnn.runs.folder import RunFolder
from charrnn.system.atomic import make_folder

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # on some network drives
_held: set[int] = set()  # descriptors of locked files, which a forked process closes


@contextmanager
def lock_run(run: RunFolder, note: Callable[[str], object]) -> Iterator[None]:
    """Keep other trainings out of a run folder while the context is open.

    A missing folder is made, and removed at the end if it is still empty. The operating system
    holds the lock, on a file that names this process. The lock ends with the process, however that
    ends; a file that remains keeps nobody out. A run on a read-only file system is not locked: it
    can be shown, and a training that writes to it fails.

    Args:
        run: the folder.
        note: called with a message if the file system has no locks.

    Raises:
        RunError: another training holds the lock, or the folder cannot be made or written to.
    """
    made: list[Path] = []
    descriptor = None
    try:
        if run.path.exists() and not run.path.is_dir():
            raise RunError(f"{run.path}: is a file", Remedy("run_dir", "names a folder"))
        made = [folder for folder in (run.path, *run.path.parents) if not folder.exists()]
        descriptor = _locked(run, note)
        _held.add(descriptor)
    except OSError as error:
        _remove_empty(made)
        if not _is_read_only(run, error):
            raise RunError(f"{run.path}: cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        if descriptor is not None:
            _held.discard(descriptor)
            _unlock(run, descriptor)
        _remove_empty(made)


def _is_read_only(run: RunFolder, error: OSError) -> bool:
    """Return whether locking failed because this process cannot write to the folder of a run."""
    try:
        if error.errno == errno.EROFS:
            return run.holds_run()
        # A lock file that exists but cannot be opened may belong to another user's training.
        return isinstance(error, PermissionError) and run.holds_run() and not run.lock.exists()
    except OSError:  # nor can it look into the folder
        return False


def _locked(run: RunFolder, note: Callable[[str], object]) -> int:
    """Make the folder and lock it; return the descriptor of the lock file."""
    while True:
        make_folder(run.path)
        try:
            descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            if run.path.exists():
                raise
            continue  # another training has just ended and removed its empty folder
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
                os.close(descriptor)
                if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    raise
                raise RunError(
                    f"{run.path}: {holder or 'another process'} is training here; wait for it or "
                    "stop it",
                    Remedy("run_dir", "names another folder"),
                ) from None
            note(f"{run.path}: its file system has no locks; let no other training write here")
        if _is_at(descriptor, run.lock):
            with contextlib.suppress(OSError):  # on a full disk, the file stays empty
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
            return descriptor
        os.close(descriptor)  # another training has just ended and removed the file


def _lock(descriptor: int) -> None:
    """Lock an open file, or raise an OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the text, so that others can read it
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(run: RunFolder, descriptor: int) -> None:
    """Remove the lock file and release the lock."""
    if sys.platform == "win32":
        os.close(descriptor)  # Windows cannot remove an open file
    with contextlib.suppress(OSError):  # a file that remains keeps nobody out
        run.lock.unlink()
    if sys.platform != "win32":
        os.close(descriptor)  # last, so that the file removed is surely this process's


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is still the file at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to the first that is not empty."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _close_inherited() -> None:
    """Close the lock files that a forked process inherits, so that locks end with its parent."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
