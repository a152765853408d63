"""A progress bar for commands that read a text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]
    """A bar without tqdm's monitor thread, which would keep worker processes from being forked."""

    monitor_interval = 0


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a progress bar on a terminal if the work takes over a second.

    Args:
        total: the amount of work, in `unit`.
        unit: the name of what is counted.

    Yields:
        A function that advances the bar by an amount.
    """
    with Bar(
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        delay=1,
        leave=False,
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        yield bar.update
