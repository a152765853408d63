"""Make the path of a text absolute, and relative again.

A path with `*`, `?` or `[` is a glob, unless a file has exactly that name. In an absolute glob the
folder it is relative to is escaped, because the name of a folder may have such characters too.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from charrnn.errors import ConfigError, shown
from charrnn.system.terminal import shortest


def each_path(
    change: Callable[[str], str], paths: str | Sequence[str] | None
) -> str | tuple[str, ...] | None:
    """Return the value of a key of paths with a function applied to each of them."""
    if paths is None or isinstance(paths, str):
        return paths and change(paths)
    return tuple(map(change, paths))


def current_folder() -> str:
    """Return the current folder.

    Raises:
        ConfigError: it has been deleted.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise ConfigError(
            "the current folder has been deleted; change to another one, or use absolute paths"
        ) from None


def named_path(path: str | os.PathLike[str], name: str) -> Path:
    """Return a path that a user has named; `~` at its beginning stands for a home folder.

    Args:
        path: as given.
        name: of the argument, for the error.

    Raises:
        ConfigError: no file can have this path.
    """
    try:
        text = os.path.expanduser(os.fspath(path))
        os.fsencode(text)
    except (TypeError, UnicodeEncodeError):
        raise ConfigError(f"{name}: {shown(path)} is not a path") from None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError(f"{name}: {shown(path)} is not a path")
    return Path(text)


def absolute_path(path: str, folder: Path) -> str:
    """Return a path or glob as an absolute one.

    Args:
        path: relative to `folder`, unless it is absolute or begins with `~` for a home folder.
        folder: absolute, or relative to the current folder.

    Raises:
        ConfigError: the path is relative to the current folder, which has been deleted.
    """
    base, below = os.fspath(folder), path
    user, _, rest = path.partition(os.sep)
    if user.startswith("~") and (home := os.path.expanduser(user)) != user:
        base, below = os.path.join(base, home), rest.lstrip(os.sep)
    if not os.path.isabs(os.path.join(base, below)):
        base = os.path.join(current_folder(), base)
    if glob.has_magic(below) and not os.path.exists(os.path.join(base, below)):
        base = glob.escape(base)
    return os.path.normpath(os.path.join(base, below))


def relative_path(path: str, folder: str | os.PathLike[str] = os.curdir) -> str:
    """Return the shortest form of an absolute path or glob that stands for it in `folder`."""
    try:
        base = os.path.abspath(folder)
    except FileNotFoundError:  # the current folder has been deleted
        return path
    if glob.has_magic(path) and not os.path.exists(path):
        base = glob.escape(base)
    near = shortest(path, base)
    # A folder named ~ must not be read as the home folder.
    return f".{os.sep}{near}" if near.startswith("~") else near
