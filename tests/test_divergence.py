"""A training that diverges: said, and nothing of use is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import write_config

import charrnn.trainer
import charrnn.updater
import charrnn.worker
from charrnn.checkpoint import load_checkpoint
from charrnn.cli import run
from charrnn.kernels import Array


@pytest.mark.parametrize("rate", ["1e38", "1e39", "1e300"])
@pytest.mark.parametrize("due", ["validate_every", "checkpoint_every", "log_every"])
def test_a_run_that_diverges_says_so(
    rate: str, due: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message; no warning, no traceback, and no checkpoint that could not be read again."""
    overrides = {"train.optimizer": "sgd", "train.learning_rate": rate, "train.clip_norm": None}
    config = write_config(tmp_path, overrides | {f"train.{due}": 1})
    run_dir = tmp_path / "run"
    assert run(["train", str(config), "--run-dir", str(run_dir)]) == 1
    err = capsys.readouterr().err
    assert err.count("charrnn: error: ") == 1
    assert "diverged" in err
    assert "train.learning_rate" in err
    for checkpoint in run_dir.glob("*.npz"):
        assert np.isfinite(load_checkpoint(checkpoint).parameters).all()
    assert not list(run_dir.glob(".*"))  # of a write that was given up


def test_the_checkpoint_before_a_divergence_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = 0
    update = charrnn.updater.Optimizer.update

    def spoilt(self: Any, parameters: Array, gradient: Array, rate: float, t: int) -> None:
        nonlocal steps
        steps = t
        update(self, parameters, gradient, rate, t)
        if t == 13:
            parameters[0] = np.nan

    monkeypatch.setattr(charrnn.updater.Optimizer, "update", spoilt)
    config = write_config(tmp_path, {"train.checkpoint_every": 5})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    assert steps == 13
    assert "the training diverged" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == 10
