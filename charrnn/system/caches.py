"""Where files are kept that save time and can be deleted at any moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder for caches, which need not exist, or None where they are turned off.

    It is $CHARRNN_CACHE_DIR where that is set; set and empty, it turns the caches off.
    """
    named = os.environ.get("CHARRNN_CACHE_DIR")
    if named is not None:
        return Path(named).expanduser().absolute() if named else None
    try:
        return _users_caches() / "charrnn"
    except RuntimeError:  # no home
        return None


def _users_caches() -> Path:
    """Return the folder that the system has for a user's caches."""
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # a relative one is to be ignored, says the XDG specification
        return Path(named)
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"
