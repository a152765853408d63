"""Short runs of the torture of checkpoints; `make torture` runs it in full."""

from __future__ import annotations

from pathlib import Path

from torture.mutated_checkpoints import checkpoints
from torture.pickles import every_place


def test_mutated_checkpoints_are_refused_or_read_as_before(tmp_path: Path) -> None:
    assert "with exit code 1" in checkpoints(tmp_path, 120, 0)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    assert "none executed" in every_place(tmp_path, 0, 1)
