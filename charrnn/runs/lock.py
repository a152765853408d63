"""One training in a folder at a time."""

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

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # some network's folders
_held: set[int] = set()  # descriptors of locked files, for what happens at a fork


@contextmanager
def lock_run(run: RunFolder, note: Callable[[str], object]) -> Iterator[None]:
    """Keep other trainings out of a run's folder while inside.

    The folder is made where it is missing, and removed again where nothing was put into it. The
    lock is the system's, on a file that names this process: it ends with the process, however that
    ends, and the file that is left then keeps nobody out. A run that
    can only be read needs none: what is in it can be told of all the same, and a training that has
    something to write finds out.

    Args:
        run: the folder.
        note: told where the file system has no locks.

    Raises:
        RunError: another training is in the folder, or it cannot be made or written to.
    """
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"{run.path}: is a file", Remedy("run_dir", "names a folder"))
    made = [folder for folder in (run.path, *run.path.parents) if not folder.exists()]
    descriptor = None
    try:
        descriptor = _locked(run, note)
        _held.add(descriptor)
    except OSError as error:
        _remove_empty(made)
        if not _only_to_be_read(run, error):
            raise RunError(f"{run.path}: cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        if descriptor is not None:
            _held.discard(descriptor)
            _unlock(run, descriptor)
        _remove_empty(made)


def _only_to_be_read(run: RunFolder, error: OSError) -> bool:
    """Whether a lock is refused because nothing at all can be written beside the run."""
    if error.errno == errno.EROFS:
        return run.holds_run()
    # A lock that is there, and not to be opened, may be that of another user's training.
    return isinstance(error, PermissionError) and run.holds_run() and not run.lock.exists()


def _locked(run: RunFolder, note: Callable[[str], object]) -> int:
    """Make the folder; return the descriptor of its lock, which is this process's now."""
    while True:
        make_folder(run.path)
        try:
            descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            if run.path.exists():
                raise
            continue  # a training that wrote nothing has just ended, and has removed the folder
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
            with contextlib.suppress(OSError):  # a full disk: it is a lock without a name, too
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
            return descriptor
        os.close(descriptor)  # its training has just ended, and has removed it


def _lock(descriptor: int) -> None:
    """Lock an open file, or fail at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond what is written, which others may read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(run: RunFolder, descriptor: int) -> None:
    """Remove the file, and let go of it."""
    if sys.platform == "win32":
        os.close(descriptor)  # an open file cannot be removed there
    with contextlib.suppress(OSError):  # it keeps nobody out
        run.lock.unlink()
    if sys.platform != "win32":
        os.close(descriptor)  # after that, so that the file is surely this one's


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, as far as there is nothing in them."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _let_go() -> None:
    """Close what a forked process has inherited: the lock is to end with this one's parent."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
