"""The short form of `make torture` for texts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torture.mutated_texts import texts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_mutated_texts(tmp_path: Path) -> None:
    assert "exit code 0" in texts(tmp_path, 25, seed=30)
