"""Training with features: what is learned from them, the same bits after a stop, every door."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import assert_same_run, write_config
from training.test_records import Stop

import charrnn
from charrnn.config.reader import load_config
from charrnn.errors import CharRNNError, SamplingError, TextError
from charrnn.kernels import CELLS
from charrnn.model.parameters import initial_parameters, parameter_views
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.text.load import load_corpus
from charrnn.training.recipe import fill_defaults
from charrnn.training.train import train as train_run
from charrnn.workers import processes

RUN: dict[str, Any] = {
    "data.path": "t.csv",
    "data.records": "csv",
    "data.reply_column": "name",
    "data.feature_columns": ["x", "y"],
    "data.valid_fraction": 0.2,
    "model.cell": "gru",
    "model.num_layers": 2,
    "model.hidden_size": 12,
    "train.batch_size": 30,
    "train.seq_length": 4,
    "train.learning_rate": 0.02,
    "train.max_steps": 20,
    "train.validate_every": 7,
    "train.sample_length": 20,
    "train.early_weight": 0,
}


_PROJECTION = ("features.W", "features.b")


def name_of(x: float, y: float) -> str:
    """Return the text that two features determine; some are longer than two windows."""
    return f"{'low' if x < 100 else 'elevated'} {'left' if y < 0 else 'right'}"


def make_table(folder: Path, overrides: Mapping[str, Any] | None = None) -> Path:
    """Write a table of numbers, each with its text; return a configuration."""
    rng = random.Random(2)
    rows = ["name,y,word,x,kind"]
    for _ in range(240):
        x, y = round(rng.gauss(100, 20), 2), round(rng.uniform(-1, 1), 4)
        word = "".join(rng.choices("abc", k=rng.randint(1, 5)))
        label = "yes" if (x < 100) == (word[0] == "a") else "no"
        rows.append(f"{name_of(x, y)},{y},{word},{x},{label}")
    (folder / "t.csv").write_text("\n".join(rows))
    return write_config(folder, {**RUN, **(overrides or {})})


LABELS = {"data.prompt_column": "word", "data.reply_column": "kind", "data.feature_columns": "x"}


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_is_learned_from_features(tmp_path: Path, cell: str) -> None:
    """It is wrong in three of four cases if a feature is ignored, or is not one of its record."""
    keys = {"model.cell": cell, "train.max_steps": 400, "train.validate_every": 400}
    keys |= {"train.seq_length": None}  # as long as the texts, so that gradients reach features
    train_run(load_config(make_table(tmp_path, keys)), tmp_path / "run")
    model = charrnn.load(tmp_path / "run")
    drawn = initial_parameters(model.config.model, model.model.V, model.config.seed, F=2)
    first = parameter_views(drawn, model.model.shapes)
    assert all((model.model.views[name] != first[name]).all() for name in _PROJECTION)
    for x, y in ((70, -0.9), (70, 0.9), (130, -0.9), (130, 0.9)):
        assert model.sample(features=[x, y], greedy=True) == name_of(x, y)
        written = model.sample_records(5, features=np.array([x, y]), greedy=True)
        assert [one.text for one in written] == [name_of(x, y)] * 5
    right, wrong = model.score_records(["low left"] * 2, features=[(70, -0.9), (130, 0.9)])
    assert right.nats < 1 < 5 < wrong.nats


def test_a_label_is_learned_from_a_prompt_and_a_feature(tmp_path: Path) -> None:
    keys = {**LABELS, "train.max_steps": 400, "train.validate_every": 400}
    train_run(load_config(make_table(tmp_path, keys)), tmp_path / "run")
    model = charrnn.load(tmp_path / "run")
    prompts, features = ["abc", "abc", "cab", "cab"], [[70], [130], [70], [130]]
    found = model.predict(prompts, features=features)
    assert [one.text for (one,) in found] == ["yes", "no", "no", "yes"]
    for prompt, row, (one,) in zip(prompts, features, found, strict=True):
        ((alone,),) = model.predict([prompt], features=[row])
        assert alone.text == one.text
        assert alone.probability == pytest.approx(one.probability, rel=1e-5)
        (score,) = model.score_records([(prompt, one.text)], features=[row])
        assert np.exp(-score.nats) == pytest.approx(one.probability, abs=0.02)


# Resuming.


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("labels", [False, True])
def test_a_run_stopped_after_every_step_ends_with_the_same_bits(
    tmp_path: Path, workers: int, labels: bool
) -> None:
    keys = {"train.workers": workers, "train.max_steps": 12, **(LABELS if labels else {})}
    config = load_config(make_table(tmp_path, keys))
    train_run(config, tmp_path / "whole")
    for step in range(1, 12):
        with pytest.raises(KeyboardInterrupt):
            train_run(config, tmp_path / "run", resume=True, reporter=Stop(step))
        assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == step
    train_run(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("change", ["a number", "columns", "the order of rows"])
def test_a_run_is_not_resumed_with_other_features(tmp_path: Path, change: str) -> None:
    path = make_table(tmp_path)
    train_run(load_config(path, ["train.max_steps=2"]), tmp_path / "run")
    head, first, *rest = (tmp_path / "t.csv").read_text().splitlines()
    if change == "a number":
        name, y, *others = first.split(",")
        first = ",".join([name, f"{float(y) + 1e-9!r}", *others])
    if change == "columns":
        head = head.replace("x", "z").replace("y", "x").replace("z", "y")
    rows = [*rest, first] if change == "the order of rows" else [first, *rest]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(TextError, match="its characters or features have changed"):
        train_run(load_config(path, ["train.max_steps=4"]), tmp_path / "run", resume=True)


def test_other_columns_are_another_configuration(tmp_path: Path) -> None:
    path = make_table(tmp_path)
    train_run(load_config(path, ["train.max_steps=2"]), tmp_path / "run")
    with pytest.raises(CharRNNError, match=r"data\.feature_columns is 'x', and was \['x', 'y'\]"):
        train_run(load_config(path, ["data.feature_columns=x"]), tmp_path / "run", resume=True)


def test_a_file_of_features_may_have_moved(tmp_path: Path) -> None:
    path = make_table(tmp_path, {"data.feature_columns": None, "data.features_path": "f.npy"})
    np.save(tmp_path / "f.npy", np.random.default_rng(1).normal(size=(240, 2)))
    train_run(load_config(path, ["train.max_steps=2"]), tmp_path / "run")
    moved = (tmp_path / "f.npy").rename(tmp_path / "g.npy")
    config = load_config(path, ["train.max_steps=4", f"data.features_path={moved}"])
    assert train_run(config, tmp_path / "run", resume=True).steps == 4


# Defaults.


@pytest.mark.parametrize(("columns", "T"), [(["x", "y"], 201), (None, 80)])
def test_windows_are_long_enough_for_a_gradient_to_reach_features(
    tmp_path: Path, columns: list[str] | None, T: int
) -> None:
    path = make_table(tmp_path, {"data.feature_columns": columns, "train.seq_length": None})
    rows = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(f"{rows}\n{'l' * 200},1,a,1,no")
    corpus = load_corpus(load_config(path, ["data.valid_fraction=0"]).data)
    filled = fill_defaults(load_config(path), corpus.sizes, len(corpus.vocabulary))
    assert filled.train.seq_length == T


# Workers.


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_have_the_features_of_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(processes, "start_method", lambda: method)
    path = make_table(tmp_path, {"train.max_steps": 15})
    for workers in (1, 3):
        config = load_config(path, [f"train.workers={workers}"])
        train_run(config, tmp_path / f"run{workers}")
    one, three = (load_checkpoint(tmp_path / f"run{n}" / "last.npz") for n in (1, 3))
    assert one.scale is not None
    assert np.allclose(one.parameters, three.parameters, rtol=1e-2, atol=1e-4)
    losses = [
        [line["loss_nats"] for line in read_metrics(tmp_path / f"run{n}" / "metrics.jsonl")
         if line["split"] == "valid"]
        for n in (1, 3)
    ]  # fmt: skip
    assert np.allclose(*losses, rtol=1e-4)
    assert len(losses[0]) > 2


def test_a_sample_has_the_features_of_the_first_validation_record(tmp_path: Path) -> None:
    config = load_config(make_table(tmp_path))
    train_run(config, tmp_path / "run")
    corpus, model = load_corpus(config.data), charrnn.load(tmp_path / "run" / "last.npz")
    assert model.scale is not None
    start, end = corpus.split("valid")
    rank = start + int(corpus.starts[start:end].argmin())  # type: ignore[attr-defined]
    features = model.scale.mean + model.scale.std * corpus.features[rank]  # type: ignore[attr-defined]
    shown = [
        line["text"]
        for line in read_metrics(tmp_path / "run" / "metrics.jsonl")
        if line["split"] == "sample"
    ]
    first = model.sample(features=features, seed=[config.seed, 20], length=20)  # type: ignore[arg-type]
    assert shown[-1].split("\n")[0] == first


# Doors.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    train_run(load_config(make_table(folder)), folder / "run")
    return folder


def test_a_score_is_the_same_alone_and_in_a_file(folder: Path) -> None:
    model = charrnn.load(folder / "run" / "last.npz")
    rows = [line.split(",") for line in (folder / "t.csv").read_text().splitlines()[1:40]]
    texts, features = [row[0] for row in rows], [(float(row[3]), float(row[1])) for row in rows]
    together = model.score_records(texts, features=features)
    assert len({score.nats for score in together}) > 30
    for text, row, one in zip(texts, features, together, strict=True):
        assert model.score(text, features=row).nats == pytest.approx(one.nats, rel=1e-5)
        assert model.score_records([text], features=[row])[0].nats == pytest.approx(
            one.nats, rel=1e-5
        )
    first = next(model.sample_records(1, features=features[0], seed=3))
    (score,) = model.score_records([first.text], features=[features[0]])
    assert first.log_prob == pytest.approx(-score.nats, rel=1e-4)


def test_validation_is_the_score_of_the_validation_records(folder: Path) -> None:
    found = load_checkpoint(folder / "run" / "last.npz")
    corpus, model = load_corpus(found.config.data), charrnn.load(folder / "run" / "last.npz")
    assert found.scale is not None
    ranks = np.arange(*corpus.split("valid"))
    texts = [corpus.vocabulary.decode(one) for one in corpus.reply_codes(ranks)]  # type: ignore[attr-defined]
    features = found.scale.mean + found.scale.std * corpus.features[ranks]  # type: ignore[attr-defined]
    scores = model.score_records(texts, features=features)
    mean = sum(one.nats for one in scores) / sum(one.chars for one in scores)
    assert found.counters.valid_loss_nats == pytest.approx(mean, rel=1e-5)


GIVEN: dict[str, tuple[Any, str]] = {
    "none": (
        None,
        r"reads 2 features \(x, y\), and there are none; features=\[\.\.\.\] gives",
    ),
    "one": ([1], r"this model reads 2 features \(x, y\), and there are 1$"),
    "three": ([1, 2, 3], r"this model reads 2 features \(x, y\), and there are 3$"),
    "nan": ([1, float("nan")], r"features\[1\]: nan is not finite"),
    "infinite": (np.array([1, -np.inf]), r"features\[1\]: -inf is not finite"),
    "strings": (["1", 2], r"features\[0\]: '1' is not a number"),
    "a string": ("12", r"'12' is not a list of numbers"),
    "a number": (3, r"3 is not a list of numbers"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_wrong_features_are_refused(folder: Path, name: str) -> None:
    model, (features, problem) = charrnn.load(folder / "run" / "last.npz"), GIVEN[name]
    for door in (
        lambda: model.sample(features=features),
        lambda: model.sample_records(1, features=features),
        lambda: model.stream(features=features),
        lambda: model.score("low left", features=features),
    ):
        with pytest.raises(SamplingError, match=problem):
            door()
    if name not in ("a number",):
        of_each = None if features is None else [features]
        with pytest.raises(SamplingError, match=problem.replace("features\\[", ".*\\[")):
            model.score_records(["low left"], features=of_each)


def test_features_of_each_text_are_as_many_as_the_texts(folder: Path) -> None:
    model = charrnn.load(folder / "run" / "last.npz")
    with pytest.raises(SamplingError, match="there are 2 lists of them, not 1; give one for each"):
        model.score_records(["low left"], features=[[1, 2], [3, 4]])
    assert model.score_records([], features=[]) == []


def test_a_model_without_features_takes_none(tmp_path: Path) -> None:
    keys = {"data.feature_columns": None, "data.valid_fraction": 0}
    config = load_config(make_table(tmp_path, keys))
    train_run(config, tmp_path / "run")
    model = charrnn.load(tmp_path / "run")
    assert model.scale is None
    assert model.model.F == 0
    for door in (
        lambda: model.sample(features=[1.0]),
        lambda: model.sample_records(1, features=[1.0]),
        lambda: model.score("low", features=[1.0]),
        lambda: model.score_records(["low"], features=[[1.0]]),
    ):
        with pytest.raises(SamplingError, match="this model was not trained with features"):
            door()


# Weights of another run.


def test_weights_of_features_act_alike_in_another_run(folder: Path, tmp_path: Path) -> None:
    """Those of the same name, in another order and on another scale; a new one is drawn."""
    rows = [line.split(",") for line in (folder / "t.csv").read_text().splitlines()]
    for row in rows[1:]:
        row[4] = "1"  # one more feature, constant
    (tmp_path / "t.csv").write_text("\n".join(",".join(row) for row in rows[:150]))
    keys = {**RUN, "data.feature_columns": ["y", "kind", "x"], "train.learning_rate": 1e-12}
    keys |= {"train.max_steps": 1, "data.valid_fraction": 0.4, "train.optimizer": "sgd"}
    config = load_config(write_config(tmp_path, keys))
    train_run(config, tmp_path / "run", init_from=folder / "run" / "last.npz")
    old, new = (
        charrnn.load(folder / "run" / "last.npz"),
        charrnn.load(tmp_path / "run" / "last.npz"),
    )
    assert old.scale is not None
    assert new.scale is not None
    assert abs(new.scale.mean[2] - old.scale.mean[0]) > 1e-3
    text = "elevated left"
    expected = old.score(text, features=[117, -0.5]).nats
    assert new.score(text, features=[-0.5, 1, 117]).nats == pytest.approx(expected, rel=1e-4)
    assert new.score(text, features=[-0.5, 9, 117]).nats != pytest.approx(expected, rel=1e-4)
