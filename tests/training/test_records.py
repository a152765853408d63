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
from charrnn.config.schema import Config, DataConfig
from charrnn.model.evaluation import Score
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters
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


@pytest.mark.parametrize("step", [1, 20, 21, 37, 38, 39, STEPS - 1])
def test_a_resumed_run_ends_with_the_same_bits(
    step: int, place: Path, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_run(config, tmp_path, reporter=Stop(step))
    assert load_checkpoint(tmp_path / "last.npz").counters.step == step
    assert train_run(config, tmp_path, resume=True).steps == STEPS
    assert_same_run(tmp_path, place / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_stopped_after_every_step_ends_with_the_same_bits(
    workers: int, config: Config, tmp_path: Path
) -> None:
    """Two epochs, each with records that continue in the next window."""
    few = replace(config.train, batch_size=60, max_steps=None, max_epochs=2, workers=workers)
    every = replace(few, validate_every=3, log_every=1)
    config = replace(config, train=every)
    steps = train_run(config, tmp_path / "whole").steps
    assert steps > 10
    for step in range(1, steps):
        with pytest.raises(KeyboardInterrupt):
            train_run(config, tmp_path / "run", resume=True, reporter=Stop(step))
        assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == step
    assert train_run(config, tmp_path / "run", resume=True).steps == steps
    assert_same_run(tmp_path / "run", tmp_path / "whole")


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


@pytest.mark.parametrize("tokens", ["char", "byte"])
def test_records_with_crlf_and_accents(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], tokens: str
) -> None:
    """In latin-1; with byte tokens in UTF-8, where a carriage return is a symbol like others."""
    encoding = "latin-1" if tokens == "char" else "utf-8"
    names = [f"\u00e9{a}\u00fc{b}" for a in "bcdfg" for b in "aeiou"] * 4
    (tmp_path / "text.txt").write_bytes("".join(f"{n}\r\n" for n in names).encode(encoding))
    keys = {"data.tokens": tokens, "data.encoding": encoding, "model.dropout": 0}
    keys |= {"train.learning_rate": 0.02, "train.max_steps": 250}
    folder = train(tmp_path, RUN | keys)
    assert b"text.txt: 100 records of " in capsysbinary.readouterr().err
    assert run(["eval", str(folder), str(tmp_path / "text.txt"), "--json"]) == 0
    whole = json.loads(capsysbinary.readouterr().out)
    symbols = 4 if tokens == "char" else 7
    assert whole["chars"] == len(names) * (symbols + 1)
    assert whole["loss_nats"] < 1.0  # log 25 / 5 at best
    assert run(["sample", str(folder), "-n", "20", "--seed", "1"]) == 0
    written = capsysbinary.readouterr().out
    assert (written.count(b"\r\n") > 10) == (tokens == "byte")
    lines = written.decode("utf-8").splitlines()
    assert len(lines) == 20
    assert len(set(lines) & set(names)) > 5


def test_an_empty_prime_begins_a_record(place: Path) -> None:
    model = charrnn.load(place / "whole")
    codes = [
        model.encoder.text(name, "name")[0] for name in ("ka", "ro", "mi", "n", "el", "sha", "t")
    ]
    begin = model.model.zero_states(1)
    logits, _, _ = model.model.forward(np.array([[model.vocabulary.end]]), begin)
    likeliest = int(logits[0, 0].argmax())
    assert likeliest in codes
    first = model.sample(length=1, greedy=True)
    assert first == model.vocabulary.decode(np.array([likeliest]))


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
    rows = [(one["after"], one["actual"]) for one in found]
    assert rows == [("", "k"), ("k", "a"), ("a", None)]


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
