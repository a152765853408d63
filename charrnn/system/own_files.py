"""Tells files that charrnn has drawn or exported from those of others."""

from __future__ import annotations

import os
from pathlib import Path

# The first bytes of each kind of file, and how it names charrnn near one of its ends. A page that
# only speaks of charrnn is somebody's own.
_SIGNATURES = {
    ".html": (b"<!doctype html>", b'<meta name="generator" content="charrnn '),
    ".gif": (b"GIF8", b"charrnn"),
    ".pdf": (b"%PDF", b"charrnn"),
    ".png": (b"\x89PNG", b"charrnn"),
    ".svg": (b"<?xml", b"charrnn"),
}
_SEARCHED = 2000  # bytes at either end


def may_replace(path: Path) -> bool:
    """Return whether nothing has a path, or a file that charrnn has written."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and _is_by_charrnn(path, *_SIGNATURES[path.suffix.lower()])


def _is_by_charrnn(path: Path, signature: bytes, name: bytes) -> bool:
    with path.open("rb") as file:
        start = file.read(_SEARCHED)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _SEARCHED))
        return start.startswith(signature) and name in start + file.read(_SEARCHED)
