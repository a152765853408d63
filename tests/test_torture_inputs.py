"""A short form of the mutated configurations and records, and the random command lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torture.command_lines import arguments, command_lines
from torture.mutated_configs import configurations, mutated
from torture.mutated_runs import runs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_mutated_configurations(tmp_path: Path) -> None:
    figures = configurations(tmp_path, 25, seed=1)
    assert "with exit code 0" in figures
    assert "with exit code 1" in figures


def test_mutated_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert "with exit code 0" in runs(tmp_path, 10, seed=1)


def test_random_command_lines(tmp_path: Path) -> None:
    figures = command_lines(tmp_path, 25, seed=1)
    assert all(f"with exit code {code}" in figures for code in (0, 1, 2))


def test_a_case_can_be_made_again() -> None:
    assert mutated(1, 2) == mutated(1, 2) != mutated(1, 3)
    assert arguments(1, 2) == arguments(1, 2) != arguments(1, 3)
