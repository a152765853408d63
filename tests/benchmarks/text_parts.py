"""The parts of a text that the peers of `peers.py` share, in plain Python.

Every system trains on the same characters, validates on the same stretches and is scored on the
same part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

STRETCHES, STRETCH = 25, 1000  # of the validation part: how many, and characters of each
WARM_UP = 200  # characters before a stretch, which are read but not scored


def read_text(path: Path) -> str:
    """Return a text as charrnn reads it: without a byte order mark, each line end a newline."""
    return path.read_text(encoding="utf-8-sig")


def cut_points(n: int, percents: Sequence[int] = (80, 10, 10)) -> list[int]:
    """Return where the parts of n characters end.

    >>> cut_points(1115394)
    [892315, 1003854, 1115394]

    Args:
        n: characters of the text.
        percents: share of each part, in their order.
    """
    return [n * sum(percents[: k + 1]) // 100 for k in range(len(percents))]


def stretches(start: int, end: int) -> tuple[list[int], int]:
    """Return the first places of evenly spaced stretches of a part, and the length of each.

    >>> stretches(892315, 1003854)[0][:2], stretches(892315, 1003854)[1]
    ([894045, 898507], 1000)

    Args:
        start, end: of the part, in the text.
    """
    length = min(STRETCH, (end - start) // STRETCHES)
    gap = (end - start) / STRETCHES
    return [int(start + (k + 0.5) * gap - length / 2) for k in range(STRETCHES)], length
