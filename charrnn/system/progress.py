"""A progress bar for commands that read through a text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(total: int, unit: str = "chars") -> Iterator[Callable[[int], object]]:
    """A bar for what takes over a second, on a terminal; yields the function that moves it."""
    with tqdm(
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        delay=1,
        leave=False,
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        yield bar.update
