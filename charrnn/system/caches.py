"""The folder for caches: files that save time and can be deleted at any moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder for caches, which need not exist, or None if caches are turned off.

    CHARRNN_CACHE_DIR names the folder; set to an empty value, it turns caches off. By default the
    folder is `charrnn` in the user's cache folder.
    """
    named = os.environ.get("CHARRNN_CACHE_DIR")
    try:
        if named is not None:
            return Path(named).expanduser().absolute() if named else None
        return _user_cache_folder() / "charrnn"
    except (RuntimeError, FileNotFoundError):  # no home folder, or a deleted current folder
        return None


def _user_cache_folder() -> Path:
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # the XDG specification says to ignore a relative path
        return Path(named)
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"
