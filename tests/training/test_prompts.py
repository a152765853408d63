"""Training on prompts and replies: the same bits after an interruption, weights of 0, transfer."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import make_run
from support import assert_same_run, contents, write_config
from support import train as train_by_command
from training.test_records import Stop

import charrnn
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config
from charrnn.errors import SamplingError
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.metrics import read_metrics
from charrnn.text.load import load_corpus
from charrnn.training.recipe import fill_defaults
from charrnn.training.reporter import Reporter
from charrnn.training.train import train as train_run
from charrnn.workers.group import WorkerGroup

RUN: dict[str, Any] = {
    "data.records": "csv",
    "data.prompt_column": "name",
    "data.reply_column": "kind",
    "data.valid_fraction": 0.2,
    "model.cell": "lstm",
    "model.dropout": 0.2,
    "train.streams": "fresh",
    "train.batch_size": 40,
    "train.seq_length": 6,
    "train.max_steps": 40,
    "train.validate_every": 7,
    "train.log_every": 4,
    "train.early_weight": 0.5,
    "train.sample_length": 20,
}
LABELS = ("high", "low", "l")


def make_table(folder: Path, overrides: Mapping[str, Any] | None = None) -> Path:
    """Write a table of words, some of them longer than two windows; return a configuration."""
    rng = random.Random(2)
    parts = ("ka", "ro", "mi", "n", "el", "sha", "t")
    rows = ["name,kind"]
    for _ in range(150):
        word = "".join(rng.choices(parts, k=rng.randint(1, 8)))
        rows.append(f"{word},{LABELS[word.count('a') % 3]}")
    (folder / "text.txt").write_text("\n".join(rows))
    return write_config(folder, {**RUN, **(overrides or {})})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_table(tmp_path))


def lines_of(run_dir: Path, split: str) -> list[dict[str, Any]]:
    """Return the records of a split in a run's metrics."""
    return [one for one in read_metrics(run_dir / "metrics.jsonl") if one["split"] == split]


class Notes(Reporter):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str, mark: str = "", strong: str = "", spare: str = "") -> None:  # noqa: ARG002
        self.notes.append(text)


# Resuming.


@pytest.mark.parametrize(("workers", "prompt_weight"), [(1, 0.3), (2, 0.3), (1, 0.0)])
def test_a_run_stopped_after_every_step_ends_with_the_same_bits(
    tmp_path: Path, workers: int, prompt_weight: float
) -> None:
    """Even after a window of prompts alone, with weight 0."""
    keys = {"train.workers": workers, "train.prompt_weight": prompt_weight}
    config = load_config(make_table(tmp_path, keys | {"train.max_steps": 16}))
    train_run(config, tmp_path / "whole")
    for step in range(1, 16):
        with pytest.raises(KeyboardInterrupt):
            train_run(config, tmp_path / "run", resume=True, reporter=Stop(step))
        assert load_checkpoint(tmp_path / "run" / "last.npz").counters.step == step
    train_run(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("side", [None, "reply", "record"])
def test_the_side_that_draws_is_written_and_kept(
    tmp_path: Path, config: Config, side: str | None
) -> None:
    """A resumed run has the side of the run, not that of the rule, where the key is not set."""
    data = replace(config.data, split_by=side, valid_fraction=0.6)
    config = replace(config, train=replace(config.train, batch_size=20))
    chosen = replace(config, data=data)
    train_run(chosen, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_run(chosen, tmp_path / "run", reporter=Stop(5))
    written = f"split_by: {side or 'prompt'}\n"
    assert written in (tmp_path / "run" / "config.yaml").read_text()
    assert load_checkpoint(tmp_path / "run" / "last.npz").config.data.split_by == (side or "prompt")
    unset = replace(config, data=replace(data, split_by=None))
    assert train_run(unset, tmp_path / "run", resume=True).steps == 40
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("side", ["reply", "record"])
def test_a_run_is_not_resumed_with_another_side(tmp_path: Path, config: Config, side: str) -> None:
    train_run(replace(config, train=replace(config.train, max_steps=2)), tmp_path / "run")
    other = replace(config, data=replace(config.data, split_by=side))
    with pytest.raises(
        charrnn.CharRNNError, match=rf"data\.split_by is '?{side}'?, and was '?prompt"
    ):
        train_run(other, tmp_path / "run", resume=True)


@pytest.mark.parametrize("label_as", ["prompt", "reply"])
def test_a_renamed_file_is_another_text(tmp_path: Path, label_as: str) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, words in (("en", "one two three four"), ("de", "eins zwei drei vier")):
        (texts / name).write_text("\n".join(words.split() * 9))
    (tmp_path / "text.txt").write_text("")
    keys = {key: value for key, value in RUN.items() if not key.endswith("_column")}
    keys |= {"data.records": "line", "data.label_from": "file", "data.label_as": label_as}
    keys |= {"train.batch_size": 3, "train.max_steps": 3}
    path = write_config(tmp_path, keys)
    path.write_text(path.read_text().replace("path: text.txt", "path: texts"))
    train_run(load_config(path), tmp_path / "run")
    train_run(load_config(path, ["train.max_steps=4"]), tmp_path / "run", resume=True)
    (texts / "de").rename(texts / "ge")
    with pytest.raises(charrnn.CharRNNError, match=r"new in its vocabulary: 'g'"):
        train_run(load_config(path, ["train.max_steps=5"]), tmp_path / "run", resume=True)


# Steps.


def windows_without_replies(config: Config, steps: int) -> set[int]:
    windows = load_corpus(config.data).training_windows(config.train, config.seed)
    return {step for step in range(steps) if not windows.weight(step)}


def test_a_step_of_prompts_alone_makes_no_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a weight, neither momentum nor weight decay moves the parameters."""
    keys = {"train.prompt_weight": 0, "train.early_weight": 0}
    keys |= {"train.optimizer": "adamw", "train.weight_decay": 0.1}
    keys |= {"train.batch_size": 20, "train.log_every": 1}
    config = load_config(make_table(tmp_path, keys))
    idle = windows_without_replies(config, 40)
    assert 5 < len(idle) < 20
    after, train = dict[int, bytes](), WorkerGroup.train

    def observed(group: WorkerGroup, step: int) -> float:
        after[step - 1] = group.parameters.tobytes()
        nats = train(group, step)
        assert (nats == 0 and not group.gradient.any()) == (step in idle)
        return nats

    monkeypatch.setattr(WorkerGroup, "train", observed)
    train_run(config, tmp_path / "run")
    after[39] = load_checkpoint(tmp_path / "run" / "last.npz").parameters.tobytes()
    assert {step for step in range(40) if after[step] == after[step - 1]} == idle
    lines = [
        one for one in read_metrics(tmp_path / "run" / "metrics.jsonl") if one["split"] == "train"
    ]
    assert [one["step"] for one in lines] == [s + 1 for s in range(40) if s not in idle]
    assert all(0 < one["loss_nats"] < 5 for one in lines)


@pytest.mark.parametrize("prompt_weight", [0.0, 0.3])
def test_a_divergence_among_prompts_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt_weight: float
) -> None:
    """Also in a step of weight 0; and a resumed run ends with the same bits."""
    keys = {"train.prompt_weight": prompt_weight, "train.batch_size": 20}
    config = load_config(make_table(tmp_path, keys))
    spoilt = max(windows_without_replies(config, 40), default=20)
    assert spoilt > 3
    train = WorkerGroup.train
    monkeypatch.setattr(
        WorkerGroup,
        "train",
        lambda group, step: train(group, step) + (np.nan if step in (3, spoilt) else 0),
    )
    train_run(config, tmp_path / "whole")
    found = load_checkpoint(tmp_path / "whole" / "last.npz")
    assert found.counters.divergences == 2
    for step in (4, spoilt + 1):
        with pytest.raises(KeyboardInterrupt):
            train_run(config, tmp_path / "run", resume=True, reporter=Stop(step))
    train_run(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_validation_scores_replies_alone(tmp_path: Path, config: Config) -> None:
    train_run(config, tmp_path / "run")
    corpus, model = load_corpus(config.data), charrnn.load(tmp_path / "run" / "last.npz")
    start, end = corpus.split("valid")
    pairs = []
    for rank in range(start, end):
        (prompt,) = corpus.prompt_codes(np.array([rank]))
        first = int(corpus.starts[rank]) + len(prompt)  # type: ignore[attr-defined]
        reply = corpus.codes[first : first + 9]
        reply = reply[: int(np.flatnonzero(reply == corpus.vocabulary.end)[0])]
        pairs.append((corpus.vocabulary.decode(prompt[1:-1]), corpus.vocabulary.decode(reply)))
    assert {reply for _, reply in pairs} == set(LABELS)
    scores = model.score_records(pairs)
    nats, chars = sum(one.nats for one in scores), sum(one.chars for one in scores)
    assert chars == sum(len(reply) + 1 for _, reply in pairs) == corpus.scored(start, end)
    valid = [
        one for one in read_metrics(tmp_path / "run" / "metrics.jsonl") if one["split"] == "valid"
    ]
    assert valid[-1]["loss_nats"] == pytest.approx(nats / chars, rel=1e-5)


# Labels, and what is written.


def test_labels_are_kept_in_the_checkpoint(tmp_path: Path, config: Config) -> None:
    train_run(config, tmp_path / "run")
    for name in ("last.npz", "best.npz"):
        model = charrnn.load(tmp_path / "run" / name)
        assert model.label_texts() == sorted(LABELS)
        assert model.labels.prompts == ()
        ((best,),) = model.predict(["kami"])
        assert best.text in LABELS


REMARK = (
    "this model replies with labels; charrnn predict PROMPT prints the likeliest, with its "
    "probability\n"
)


def test_a_missing_prompt_is_refused_before_anything_is_printed(
    tmp_path: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    train_run(config, tmp_path / "run")
    assert run(["sample", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == (
        "charrnn: error: this model tells the label of a text; charrnn predict TEXT prints it, "
        "with its probability\n"
    )


@pytest.mark.parametrize("options", [{}, {"greedy": True}, {"temperature": 3.0}, {"top_k": 2}])
def test_a_reply_has_no_end_of_a_prompt(
    tmp_path: Path, config: Config, options: dict[str, Any]
) -> None:
    """Even of a model that writes nothing else."""
    train_run(replace(config, train=replace(config.train, max_steps=2)), tmp_path / "run")
    model = charrnn.load(tmp_path / "run" / "last.npz")
    model.model.views["output.b"][model.vocabulary.prompt_end] = 100
    written = model.sample_records(20, prompt="kami", length=9, seed=1, keep_cut=True, **options)
    texts = [one.text for one in written]
    assert len(texts) == 20
    assert not re.search("[\t\ud800-\udfff]", "".join(texts))
    assert any(texts)
    assert all(
        np.isfinite(one.log_prob)
        for one in model.sample_records(3, prompt="ka", seed=1, keep_cut=True)
    )


def test_a_sampled_reply_has_the_probability_of_its_score(tmp_path: Path, config: Config) -> None:
    train_run(config, tmp_path / "run")
    model = charrnn.load(tmp_path / "run" / "last.npz")
    written = [*model.sample_records(20, prompt="kami", seed=1)]
    scores = model.score_records([("kami", one.text) for one in written])
    for one, score in zip(written, scores, strict=True):
        assert one.log_prob == pytest.approx(-score.nats, abs=1e-4)


# Weights of another run.


def test_weights_of_records_without_prompts_and_back(tmp_path: Path, config: Config) -> None:
    """The end of a prompt is a new symbol, or one that is dropped."""
    data = replace(config.data, prompt_column=None, reply_column="name")
    pairs = replace(config, train=replace(config.train, max_steps=3))
    plain = replace(pairs, data=data, train=replace(pairs.train, early_weight=0.0))
    train_run(plain, tmp_path / "plain")
    for chosen, target, source, change in (
        (pairs, "pairs", "plain", "added: 3: 'g' (U+0067) 'w' (U+0077) the end of a prompt, d"),
        (plain, "back", "pairs", "dropped: 3: 'g' (U+0067) 'w' (U+0077) the end of a prompt"),
    ):
        notes = Notes()
        train_run(chosen, tmp_path / target, init_from=tmp_path / source, reporter=notes)
        assert any(change in note for note in notes.notes), notes.notes


def test_the_command_line_trains_on_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, run_dir = make_table(tmp_path), str(tmp_path / "run")
    assert run(["train", str(config), "--run-dir", run_dir]) == 0
    assert "150 records of " in capsys.readouterr().err
    assert run(["sample", run_dir, "--prompt", "kami", "-n", "5", "--seed", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 5


def test_a_known_prompt_is_compared_as_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line ends of the text, and without characters that are skipped."""
    (tmp_path / "text.txt").write_text('kind,name\n"a\nb",x\nc,y\n' * 30)
    keys: dict[str, Any] = {"data.records": "csv", "data.valid_fraction": 0}
    keys |= {"data.prompt_column": "kind", "data.reply_column": "name"}
    run_dir = str(train_by_command(tmp_path, keys))

    def sampled(prompt: str, *more: str) -> str:
        capsys.readouterr()
        assert run(["sample", run_dir, "--prompt", prompt, "--seed", "1", *more]) in (0, 1)
        return capsys.readouterr().err

    assert sampled("a\r\nb") == REMARK
    assert sampled("cÄÖ", "--unknown", "skip") == (
        f"left out: 2 characters that the model does not know\n{REMARK}"
    )
    for prompt in ("cÄ", "cc"):
        message = f"prompt: this model was not trained with '{prompt}' as a prompt"
        assert message in sampled(prompt)
    assert "not trained with 'cc' as a prompt" in sampled("cc", "--unknown", "skip")
    model = charrnn.load(run_dir)
    assert [*model.sample_records(2, prompt="cÄ", seed=1, skip_unknown=True)] == [
        *model.sample_records(2, prompt="c", seed=1)
    ]
    with pytest.raises(charrnn.CharRNNError, match="not trained with 'cÄ' as a prompt"):
        model.sample_records(2, prompt="cÄ", seed=1)


def test_a_finished_training_of_labels_has_an_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of `eval`, or of the first records of a large part, at a resumed end too."""
    run_dir = make_run(tmp_path, "table")
    ((accuracy, baseline),) = re.findall(
        r"; best .*, validation accuracy (\S+) of 276 records (\(.*?\)); ", end(capsys)
    )
    assert run(["eval", str(run_dir), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    texts = {label: sum(row.values()) for label, row in found["confusion"].items()}
    label = max(texts, key=texts.__getitem__)
    assert accuracy == f"{found['accuracy']:.1%}"
    assert baseline == f"({texts[label] / 276:.1%} if always {label!r})"
    config = str(run_dir / "config.yaml")
    more = ["--run-dir", str(tmp_path / "two"), "--set", "train.workers=2"]
    assert run(["train", config, *more]) == 0
    assert f", validation accuracy {accuracy} of 276 records {baseline}; " in end(capsys)
    before = contents(run_dir)
    again = ["train", config, "--resume"]
    assert run(again) == 0
    assert f", validation accuracy {accuracy} of 276 records {baseline}; " in end(capsys)
    assert contents(run_dir) == before
    monkeypatch.setattr("charrnn.training.accuracy._OPERATIONS", 1e7)
    monkeypatch.setattr("charrnn.training.accuracy._MOST", 0)
    for name in ("few", "writer"):
        (tmp_path / name).mkdir()
    make_run(tmp_path / "few", "table")
    (records,) = re.findall(r"validation accuracy \S+ of the first (\d+) records \(", end(capsys))
    assert 50 < int(records) < 150
    make_run(tmp_path / "writer", "writer")
    assert "accuracy" not in end(capsys)


def end(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line on stderr."""
    return capsys.readouterr().err.splitlines()[-1]


# Early targets.


@pytest.mark.parametrize(("weight", "learns"), [(None, True), (0, False)])
def test_a_label_is_learned_from_the_begin_of_long_prompts(
    tmp_path: Path, weight: float | None, learns: bool
) -> None:
    """With early targets, which labels have by default, in a training too short without them."""
    rng = random.Random(4)
    noise = ("".join(rng.choices("cdefgh ", k=rng.randint(25, 35))) for _ in range(400))
    rows = [f"{(label := rng.choice('ab'))}{text}\t{label.upper()}" for text in noise]
    (tmp_path / "text.txt").write_text("\n".join(rows))
    keys = {"data.records": "line", "data.prompt_separator": "\t", "data.valid_fraction": 0.2}
    keys |= {"model.hidden_size": 16, "train.batch_size": 20, "train.seq_length": 40}
    keys |= {"train.max_steps": 250, "train.learning_rate": 0.02, "train.early_weight": weight}
    run_dir = train_by_command(tmp_path, keys)
    config = load_checkpoint(run_dir / "last.npz").config
    assert config.train.early_weight == (1 if weight is None else weight)
    texts = [row.split("\t") for row in rows]
    model = charrnn.load(run_dir / "last.npz")
    found = model.predict([text for text, _ in texts])
    right = sum(one.text == label for ((one,), (_, label)) in zip(found, texts, strict=True))
    assert (right > 0.95 * len(rows)) == learns, right


@pytest.mark.parametrize(
    ("prompt", "reply", "early", "drops"),
    [("name", "kind", 1.0, True), ("kind", "name", 0.0, False), (None, "name", 0.0, True)],
)
def test_labels_decide_the_early_weight_and_the_weight_dropout(
    tmp_path: Path, prompt: str | None, reply: str, early: float, drops: bool
) -> None:
    """No recurrent weight is dropped where the states have to keep a label."""
    keys = {"data.prompt_column": prompt, "data.reply_column": reply, "train.early_weight": None}
    keys |= {"model.weight_dropout": None, "train.max_steps": 4000}
    config = load_config(make_table(tmp_path, keys))
    corpus = load_corpus(config.data)
    filled = fill_defaults(config, corpus.sizes, len(corpus.vocabulary))
    assert filled.train.early_weight == early
    assert (filled.model.weight_dropout > 0) == drops


def test_a_training_shows_replies_to_prompts_of_the_validation_part(tmp_path: Path) -> None:
    """In the order of the file; from Python, such a model continues no text."""
    config = load_config(make_table(tmp_path, {"train.sample_length": 60}))
    charrnn.train(config, tmp_path / "run")
    corpus = load_corpus(config.data)
    start, end = corpus.split("valid")
    part = start + corpus.starts[start:end].argsort()  # type: ignore[attr-defined]
    prompts = [
        corpus.vocabulary.decode(codes[1:-1])
        for codes in corpus.prompt_codes(part)  # type: ignore[attr-defined]
    ]
    shown = [one["text"] for one in lines_of(tmp_path / "run", "sample")]
    assert shown
    for text in shown:
        pairs = [line.split(" -> ") for line in text.split("\n")]
        assert [one for one, *_ in pairs[:-1]] == prompts[: len(pairs) - 1]
        assert len(text) <= 60
    with pytest.raises(SamplingError, match="replies to prompts, so it continues no text; predict"):
        charrnn.load(tmp_path / "run").sample("kami")
