"""A file that a command is to write."""

from __future__ import annotations

import os
from pathlib import Path

from charrnn.errors import RunError

_MADE_BY = b"charrnn"
_LOOKED_AT = 2000  # bytes at the beginning and the end, where a picture or a page says who made it


def checked_target(output: str) -> Path:
    """Return where to write.

    Raises:
        RunError: it is a folder, or in none that exists.
    """
    target = Path(output)
    if not target.name:
        raise RunError(f"-o {output!r}: names no file to write")
    if target.is_dir():
        raise RunError(f"{target}: is a folder; name a file in it")
    if not target.parent.is_dir():
        raise RunError(f"{target}: there is no folder {target.parent}; make it first")
    return target


def replaceable_target(output: str) -> Path:
    """Return where to write what charrnn draws: nowhere yet, or over what it has drawn before.

    Raises:
        RunError: there is something else.
    """
    target = checked_target(output)
    if target.exists() and not (target.is_file() and _MADE_BY in _ends_of(target)):
        raise RunError(f"{target}: is there already, and not from charrnn; -o names another file")
    return target


def _ends_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        head = opened.read(_LOOKED_AT)
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _LOOKED_AT))
        return head + opened.read(_LOOKED_AT)
