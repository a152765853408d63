"""Tells files that charrnn has drawn or exported from those of others."""

from __future__ import annotations

import os
from pathlib import Path

# The first bytes of each kind of file. Near one of its ends it names charrnn.
_SIGNATURES = {
    ".html": b"<!doctype html>",
    ".gif": b"GIF8",
    ".pdf": b"%PDF",
    ".png": b"\x89PNG",
    ".svg": b"<?xml",
}
_SEARCHED = 2000  # bytes at either end


def may_replace(path: Path) -> bool:
    """Return whether nothing has a path, or a file that charrnn has written."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and _is_by_charrnn(path, _SIGNATURES[path.suffix.lower()])


def _is_by_charrnn(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        start = file.read(_SEARCHED)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _SEARCHED))
        return start.startswith(signature) and b"charrnn" in start + file.read(_SEARCHED)
