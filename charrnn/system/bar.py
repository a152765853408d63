"""The bar on a terminal: the one module that imports tqdm, when there is a bar to draw."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

FREE_COLUMNS = 2  # behind a bar, for the ^C of a terminal, which would wrap else


class Bar(tqdm):  # type: ignore[type-arg]
    """A bar without tqdm's monitor thread, which would keep worker processes from being forked."""

    monitor_interval = 0

    @property
    def format_dict(self) -> Any:
        """What a bar is drawn from; its width leaves the last columns of the terminal free."""
        found = super().format_dict
        columns = found["ncols"]
        return {**found, "ncols": columns and max(1, columns - FREE_COLUMNS)}
