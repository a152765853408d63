"""Check the file that a command writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from charrnn.config.paths import named_path
from charrnn.errors import RunError
from charrnn.system.own_files import may_replace


def output_path(output: str) -> Path:
    """Return the path of a file to write.

    Raises:
        RunError: if it is a folder, or its folder does not exist.
    """
    path = named_path(output, "-o")
    if not path.name:
        raise RunError(f"-o {output!r}: names no file to write")
    if path.is_dir():
        raise RunError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise RunError(f"{path}: there is no folder {path.parent}; make it first")
    return path


def replaceable_path(output: str, endings: Sequence[str]) -> Path:
    """Return the path of a chart or page to write, which is new or replaces one of charrnn's.

    Args:
        output: the file's path.
        endings: the endings that its name may have.

    Raises:
        RunError: if another file is there, or the name has another ending.
    """
    path = output_path(output)
    ending = path.suffix.lower()
    if ending not in endings:
        choices = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise RunError(f"-o {output}: name a file that ends in {choices}")
    if not may_replace(path):
        raise RunError(f"{path}: exists already and is not from charrnn; -o names another file")
    return path
