"""Training and loading from Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import contents, train, write_config

from charrnn import load, load_config
from charrnn import train as train_run
from charrnn.errors import ConfigError, RunError


def test_a_configuration_made_by_hand_is_checked_before_a_run_is_replaced(tmp_path: Path) -> None:
    run_dir = train(tmp_path)
    config = load_config(tmp_path / "tiny.yaml")
    before = contents(run_dir)
    wrong: list[Any] = [("learning_rate", "fast"), ("optimizer", "foo"), ("batch_size", -3)]
    for key, value in wrong:
        changed = replace(config, train=replace(config.train, **{key: value}))
        with pytest.raises(ConfigError, match=f"train.{key}"):
            train_run(changed, run_dir, overwrite=True)
    with pytest.raises(RunError, match="choose one"):
        train_run(config, run_dir, resume=True, overwrite=True)
    with pytest.raises(RunError, match="run_dir is empty"):
        train_run(config, "")
    assert contents(run_dir) == before


def test_the_repr_of_a_model(tmp_path: Path) -> None:
    model = load(train(tmp_path))
    assert repr(model) == f"<LanguageModel rnn 1 x 8, {len(model.vocabulary)} characters>"


def test_train_takes_the_path_of_a_configuration(tmp_path: Path) -> None:
    assert train_run(write_config(tmp_path), tmp_path / "run").steps == 20
