"""Training on records: the same bits after an interruption, weights, scores, samples."""

from __future__ import annotations

import json
import random
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import assert_same_run, resolved, train, write_config

import charrnn
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config, DataConfig, ModelConfig
from charrnn.kernels import CELLS
from charrnn.model.evaluation import Score, score
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_views
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.text.load import load_corpus
from charrnn.training.reporter import Reporter
from charrnn.training.train import train as train_run
from charrnn.training.transfer import transfer_parameters
from charrnn.workers.processes import start_group
from charrnn.workers.worker import Job

STEPS = 70
RUN = {
    "data.records": "line",
    "data.valid_fraction": 0.2,
    "model.cell": "lstm",
    "model.dropout": 0.2,
    "model.weight_dropout": 0.1,
    "train.streams": "fresh",
    "train.batch_size": 7,
    "train.seq_length": 6,
    "train.max_steps": STEPS,
    "train.validate_every": 20,
    "train.log_every": 9,
    "train.sample_length": 20,
}


def make_list(folder: Path) -> Path:
    """Write a list of names, some of them longer than two windows; return a configuration."""
    rng = random.Random(2)
    parts = ("ka", "ro", "mi", "n", "el", "sha", "t")
    names = ["".join(rng.choices(parts, k=rng.randint(1, 8))) for _ in range(150)]
    config = write_config(folder, RUN)
    (folder / "text.txt").write_text("\n".join(names))
    return config


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and the run `whole`, which was not interrupted."""
    folder = tmp_path_factory.mktemp("records")
    train_run(load_config(make_list(folder)), folder / "whole")
    return folder


@pytest.fixture
def config(place: Path) -> Config:
    return load_config(place / "tiny.yaml")


class Stop(Reporter):
    """Interrupts after a step."""

    def __init__(self, at: int) -> None:
        self._at = at

    def begin(self, step: int, total: int | None, left_s: float | None, tokens: str) -> None:  # noqa: ARG002
        self._step = step

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._step += 1
        if self._step == self._at:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [*range(1, 9), 20, 21, 37, 38, 39, STEPS - 1])
def test_a_resumed_run_ends_with_the_same_bits(
    step: int, place: Path, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_run(config, tmp_path, reporter=Stop(step))
    assert load_checkpoint(tmp_path / "last.npz").counters.step == step
    assert train_run(config, tmp_path, resume=True).steps == STEPS
    assert_same_run(tmp_path, place / "whole")


def test_several_workers_train_on_what_one_does(config: Config) -> None:
    corpus = load_corpus(config.data)
    gradients = []
    for workers in (1, 3):
        job = Job(resolved(config, workers), corpus)
        with closing(start_group(job)) as group:
            group.parameters[...] = initial_parameters(config.model, job.V, 1)
            nats = [group.train(0)]
            group.carry_states()
            nats += [group.train(1), group.train(2)]
            scores = sum(group.score_windows(*corpus.split("valid")), Score(0, 0.0))
            gradients.append((group.gradient.copy(), nats, scores))
    (one, nats, scores), (three, nats_of_three, scores_of_three) = gradients
    assert np.allclose(one, three, rtol=1e-4, atol=1e-6)
    assert nats == pytest.approx(nats_of_three, rel=1e-5)
    assert scores.chars == scores_of_three.chars == corpus.scored(*corpus.split("valid"))
    assert scores.nats == pytest.approx(scores_of_three.nats, rel=1e-5)


def small_model(cell: str, V: int) -> Model:
    """Return a model in float64."""
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=5)
    parameters = initial_parameters(config, V, seed=3, dtype=np.float64)
    parameters += 0.3 * np.random.default_rng(4).standard_normal(parameters.size)
    return Model(config, V, parameters)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing(cell: str, config: Config) -> None:
    """A step's gradient is that of its records one by one, each from zero states."""
    corpus = load_corpus(config.data)
    model = small_model(cell, len(corpus.vocabulary))
    windows = corpus.training_windows(replace(config.train, seq_length=40), 1)
    step = max(range(windows.windows), key=lambda one: windows.window(one).inputs.size)
    window, scale = windows.window(step), 1 / windows.weight(step)
    assert window.weights is not None
    assert not window.weights.all()
    together, alone = np.zeros((2, model.parameters.size))
    total_nats = 0.0
    views = parameter_views(together, model.shapes)
    states = model.zero_states(window.inputs.shape[1])
    nats, _ = model.loss_gradient(
        window.inputs, window.targets, states, views, scale=scale, weights=window.weights
    )
    for row in range(window.inputs.shape[1]):
        length = int(window.weights[:, row].sum())
        if not length:  # a row without a record
            continue
        inputs, targets = (a[:length, row : row + 1] for a in (window.inputs, window.targets))
        own = np.zeros(model.parameters.size)
        own_nats, _ = model.loss_gradient(
            inputs, targets, model.zero_states(1), parameter_views(own, model.shapes), scale=scale
        )
        alone += own
        total_nats += own_nats
    assert np.allclose(together, alone, rtol=1e-10, atol=1e-14)
    assert np.abs(alone).max() > 1e-3
    assert nats == pytest.approx(total_nats, rel=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_with_weights(cell: str) -> None:
    """Central differences, for weights that are not only 0 and 1."""
    model, rng = small_model(cell, 5), np.random.default_rng(1)
    codes = rng.integers(0, 5, (5, 3))
    weights = rng.random((4, 3)) * (rng.random((4, 3)) > 0.3)
    gradient = np.zeros(model.parameters.size)

    def loss(write: np.ndarray) -> float:
        nats, _ = model.loss_gradient(
            codes[:-1],
            codes[1:],
            model.zero_states(3),
            parameter_views(write, model.shapes),
            scale=0.7,
            weights=weights,
        )
        return 0.7 * nats

    loss(gradient)
    other = np.zeros_like(gradient)
    for i in rng.choice(len(gradient), 60, replace=False).tolist():
        kept = model.parameters[i]
        values = []
        for shifted in (kept + 1e-5, kept - 1e-5):
            model.parameters[i] = shifted
            values.append(loss(other))
        model.parameters[i] = kept
        numeric = (values[0] - values[1]) / 2e-5
        assert gradient[i] == pytest.approx(numeric, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_a_score_does_not_depend_on_the_company(cell: str, config: Config) -> None:
    corpus = load_corpus(config.data)
    model = small_model(cell, len(corpus.vocabulary))
    start, end = corpus.split("train")
    each = [score(model, corpus.scoring_windows(k, k + 1)).nats for k in range(start, end)]
    together = score(model, corpus.scoring_windows(start, end))
    assert together.nats == pytest.approx(sum(each), rel=1e-12)
    assert together.chars == corpus.sizes.train


def test_the_commands_read_and_write_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_list(tmp_path)
    folder = train(tmp_path, {**RUN, "train.learning_rate": 0.02, "train.max_steps": 200})
    err = capsys.readouterr().err
    assert "text.txt: 150 records of " in err
    assert run(["eval", str(folder), "--json"]) == 0
    split = json.loads(capsys.readouterr().out)
    assert 0 < split["loss_nats"] < 2.2
    assert run(["eval", str(folder), str(tmp_path / "text.txt"), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["chars"] == len((tmp_path / "text.txt").read_text()) + 1
    names = (tmp_path / "text.txt").read_text().split("\n")
    model = charrnn.load(folder)
    nats = sum(model.score(name).nats for name in names)
    assert nats == pytest.approx(whole["loss_nats"] * whole["chars"], rel=1e-5)
    for seed in range(5):
        assert run(["sample", str(folder), "--prime", "ka", "--seed", str(seed)]) == 0
        text = capsys.readouterr().out
        assert text.startswith("ka")
        assert text.count("\n") == 1
        assert len(text) < 60


def test_an_empty_prime_begins_a_record(place: Path) -> None:
    model = charrnn.load(place / "whole")
    codes = [model.encode(name, "name")[0] for name in ("ka", "ro", "mi", "n", "el", "sha", "t")]
    begin = model.model.zero_states(1)
    logits, _, _ = model.model.forward(np.array([[model.vocabulary.end]]), begin)
    likeliest = int(logits[0, 0].argmax())
    assert likeliest in codes
    first = model.sample(length=1, greedy=True)
    assert first == model.vocabulary.decode(np.array([likeliest]))


@pytest.mark.parametrize("view", ["surprise", "cells", "gradients"])
def test_views_of_records_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    assert run(["inspect", view, str(place / "whole"), "--split", "train"]) == 1
    assert "views read one text, and this model reads records" in capsys.readouterr().err


def test_a_run_of_records_is_no_run_of_a_text(place: Path, config: Config) -> None:
    other = replace(config, data=replace(config.data, records=None))
    with pytest.raises(charrnn.CharRNNError, match=r"data\.records"):
        train_run(other, place / "whole", resume=True)


def test_predictions_of_a_record(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["inspect", "predictions", str(place / "whole"), "--text", "ka"]
    assert run(words) == 0
    lines = capsys.readouterr().out.split("\n")
    assert any(line.lstrip().startswith("\u2403") for line in lines)
    assert run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [(one["after"], one["actual"]) for one in found][:3] == [
        ("", "k"),
        ("k", "a"),
        ("a", ""),
    ]


@pytest.mark.parametrize("kind", ["line", "paragraph"])
def test_the_end_of_a_record_takes_the_weights_of_a_newline(tmp_path: Path, kind: str) -> None:
    keys = {key: value for key, value in RUN.items() if key != "data.records"}
    (tmp_path / "text.txt").write_text("ab\nba\n\nab\nb\n\n" * 60)
    text = load_checkpoint(train(tmp_path, keys) / "last.npz")
    data = DataConfig(str(tmp_path / "text.txt"), records=kind, valid_fraction=0.0)
    vocabulary = load_corpus(data).vocabulary
    config, V = text.config.model, len(vocabulary)
    model = Model(config, V, initial_parameters(config, V, 5))
    match = transfer_parameters(text, model, vocabulary)
    assert match.added == ()
    newline = text.vocabulary.encode(np.array([ord("\n")]), "newline")[0]
    theirs = text.model().views
    assert np.array_equal(
        model.views["output.W"][:, vocabulary.end], theirs["output.W"][:, newline]
    )
    assert np.array_equal(
        model.views["layers.0.Wx"][vocabulary.end], theirs["layers.0.Wx"][newline]
    )
    records = replace(text, vocabulary=vocabulary, parameters=model.parameters)
    back = Model(config, len(text.vocabulary), np.zeros_like(text.parameters))
    match = transfer_parameters(records, back, text.vocabulary)
    assert match.added == ()
    assert np.array_equal(back.parameters, text.parameters)
