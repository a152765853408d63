"""Training and loading from Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import contents, train, write_config

from charrnn import LanguageModel, load, load_config
from charrnn import train as train_run
from charrnn.errors import CharRNNError, ConfigError, RunError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(train(tmp_path_factory.mktemp("tiny")))


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


WRONG: dict[str, list[Any]] = {
    "prime": [3, None, b"bee", ["bee"]],
    "length": [2.5, "10", None, -1, True, float("nan"), [1]],
    "N": [0, 1.5, None, "two"],
    "temperature": ["hot", None, -1, float("inf"), 1j, np.arange(2)],
    "top_k": [0, 1.5, "all", False],
    "top_p": [0, 1.5, "most", float("nan")],
    "seed": [-1, 2.5, "one", [1, -1], ["one"], b"1", np.int64(-1)],
    "stop": ["", 3, b"bee"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in WRONG.items() for v in vs])
def test_a_wrong_argument_of_sampling_is_named(name: str, value: Any, tiny: LanguageModel) -> None:
    methods = [tiny.stream] if name == "N" else [tiny.stream, tiny.sample]
    for method in methods:
        with pytest.raises(CharRNNError, match=rf"^{name}: "):
            method(**{name: value})


@pytest.mark.parametrize("text", [None, 3, b"bee", ["bee"]])
def test_a_text_to_score_is_a_string(text: Any, tiny: LanguageModel) -> None:
    with pytest.raises(CharRNNError, match=rf"^text: is of type {type(text).__name__}, not a str"):
        tiny.score(text)


def test_numbers_may_be_numpys(tiny: LanguageModel) -> None:
    plain = tiny.sample("bee", 9, temperature=0.5, top_k=3, top_p=0.75, seed=2)
    assert plain == tiny.sample(
        np.str_("bee"),
        np.int32(9),  # type: ignore[arg-type]
        temperature=np.float32(0.5),  # type: ignore[arg-type]
        top_k=np.uint8(3),  # type: ignore[arg-type]
        top_p=np.float64(0.75),
        seed=np.int64(2),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("path", [3, b"run", ["run"]])
def test_a_wrong_path_is_named(path: Any, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with pytest.raises(CharRNNError, match=r"^path: is of type"):
        load(path)
    with pytest.raises(CharRNNError, match=r"^run_dir: is of type"):
        train_run(config, path)
    with pytest.raises(CharRNNError, match=r"^init_from: is of type"):
        train_run(config, tmp_path / "run", init_from=path)
    assert not (tmp_path / "run").exists()
