"""A file that a command is to write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from charrnn.errors import RunError

# How the files begin that charrnn draws; somewhere near their ends they name it.
_BEGINNINGS = {
    ".html": b"<!doctype html>",
    ".gif": b"GIF8",
    ".pdf": b"%PDF",
    ".png": b"\x89PNG",
    ".svg": b"<?xml",
}
_MADE_BY = b"charrnn"
_LOOKED_AT = 2000  # bytes at either end


def checked_output(output: str) -> Path:
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


def replaceable_output(output: str, kinds: Sequence[str]) -> Path:
    """Return where to write what charrnn draws: nowhere yet, or over what it has drawn before.

    Args:
        output: the file's path.
        kinds: what its name may end in.

    Raises:
        RunError: there is something else, or it has another ending.
    """
    target = checked_output(output)
    kind = target.suffix.lower()
    if kind not in kinds:
        endings = " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))
        raise RunError(f"-o {output}: name a file that ends in {endings}")
    if target.exists() and not (target.is_file() and _is_from_here(target, _BEGINNINGS[kind])):
        raise RunError(f"{target}: is there already, and not from charrnn; -o names another file")
    return target


def _is_from_here(file: Path, beginning: bytes) -> bool:
    with file.open("rb") as opened:
        head = opened.read(_LOOKED_AT)
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _LOOKED_AT))
        return head.startswith(beginning) and _MADE_BY in head + opened.read(_LOOKED_AT)
