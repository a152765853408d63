"""--init-from: a run starts from the weights of another, matched by character."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import contents, train, write_config

import charrnn.training.trainer
from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import Config, DataConfig
from charrnn.kernels import CELLS, Array
from charrnn.model.evaluation import Score, score
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_shapes
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.text.load import load_corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.train import train as train_run
from charrnn.training.transfer import start_from

# Of the new text's characters b, d and f are kept, a, c, e and é are added; x and z are dropped. So
# the codes of the kept ones change.
OLD, NEW = "bdfxz" * 60, "abcdefé" * 60
KEPT, ADDED, DROPPED = "bdf", "aceé", "xz"

INPUTS = {"one-hot": {}, "embedding": {"model.embedding_size": 3}}
each_input = pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
each_cell = pytest.mark.parametrize("cell", CELLS)


def source_run(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    """Train on the old text; return the run's folder."""
    folder.mkdir()
    (folder / "text.txt").write_text(OLD, encoding="utf-8")
    return train(folder, {"model.num_layers": 2} | (overrides or {}))


def target_config(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    """Write a configuration for the new text, with another seed."""
    folder.mkdir()
    (folder / "text.txt").write_text(NEW, encoding="utf-8")
    return write_config(folder, {"model.num_layers": 2, "seed": 7} | (overrides or {}))


def model_of(checkpoint: Checkpoint) -> dict[str, Array]:
    return dict(checkpoint.model().views)


def start_of(
    config: Config, source: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Array], Vocabulary]:
    """Return the parameters and the vocabulary of a new run before its first step."""
    started: list[tuple[dict[str, Array], Vocabulary]] = []
    trainer_run = charrnn.training.trainer.Trainer.run

    def spy(self: Any, *arguments: Any) -> None:
        views = {name: view.copy() for name, view in self.model.views.items()}
        started.append((views, self.corpus.vocabulary))
        trainer_run(self, *arguments)

    monkeypatch.setattr(charrnn.training.trainer.Trainer, "run", spy)
    train_run(config, run_dir, init_from=source)
    return started[0]


def rows(name: str, array: Array, vocabulary: Vocabulary, characters: str) -> Array:
    """Return the weights of some characters, one row each."""
    codes = vocabulary.encode(vocabulary.symbols_of(characters), "test").astype(np.intp)
    return array[:, codes].T if name == "output.W" else array[codes]


@each_cell
@each_input
def test_weights_follow_their_character(
    cell: str, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept characters have the old weights, added ones the initial weights, bit for bit."""
    overrides = {"model.cell": cell, **given}
    source = load_checkpoint(source_run(tmp_path / "old", overrides) / "last.npz")
    config = load_config(target_config(tmp_path / "new", overrides))
    started, vocabulary = start_of(
        config, tmp_path / "old" / "run" / "last.npz", tmp_path / "run", monkeypatch
    )
    V = len(vocabulary)
    fresh = Model(config.model, V, initial_parameters(config.model, V, config.seed)).views
    taken = model_of(source)
    by_character = {"embedding.E" if given else "layers.0.Wx", "output.W", "output.b"}
    for name in parameter_shapes(config.model, V):
        if name not in by_character:
            np.testing.assert_array_equal(started[name], taken[name])
            continue
        np.testing.assert_array_equal(
            rows(name, started[name], vocabulary, KEPT),
            rows(name, taken[name], source.vocabulary, KEPT),
        )
        np.testing.assert_array_equal(
            rows(name, started[name], vocabulary, ADDED),
            rows(name, fresh[name], vocabulary, ADDED),
        )


def test_kept_added_and_dropped_characters_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = source_run(tmp_path / "old")
    config = target_config(tmp_path / "new")
    capsys.readouterr()
    new_run = tmp_path / "new" / "run"
    assert run(["train", str(config), "--run-dir", str(new_run), "--init-from", str(run_dir)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = (line for line in err.splitlines() if line.startswith("weights copied"))
    assert "kept: 3, " in line
    assert "added: 4: 'a' (U+0061) 'c' (U+0063) 'e' (U+0065) 'é' (U+00E9)" in line
    assert "dropped: 2: 'x' (U+0078) 'z' (U+007A)" in line
    assert load_checkpoint(new_run / "last.npz").counters.step == 20  # counted from 0


def test_the_source_is_unchanged_and_only_needed_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new run is resumed without its source."""
    source = source_run(tmp_path / "old")
    before = contents(source)
    config = target_config(tmp_path / "new")
    new_run = tmp_path / "new" / "run"
    command = ["train", str(config), "--run-dir", str(new_run)]
    assert run([*command, "--init-from", str(source / "best.npz")]) == 0
    assert contents(source) == before
    for path in source.iterdir():
        path.unlink()
    assert run([*command, "--resume", "--set", "train.max_steps=25"]) == 0
    assert "continuing from step 20" in capsys.readouterr().err


def test_a_run_may_start_again_from_its_own_weights(tmp_path: Path) -> None:
    """--overwrite reads the weights before it deletes them."""
    run_dir = train(tmp_path, {"train.max_steps": 40})
    train(tmp_path, {"train.max_steps": 10}, "--overwrite", "--init-from", str(run_dir))
    assert load_checkpoint(run_dir / "last.npz").counters.step == 10


@pytest.mark.parametrize(
    ("overrides", "differences"),
    [
        ({"model.cell": "gru"}, ["model.cell is rnn, the configuration's gru"]),
        ({"model.hidden_size": 9}, ["model.hidden_size is 8, the configuration's 9"]),
        ({"model.num_layers": 1}, ["model.num_layers is 2, the configuration's 1"]),
        ({"model.embedding_size": 3}, ["model.embedding_size is null, the configuration's 3"]),
        (
            {"model.cell": "lstm", "model.hidden_size": 9, "model.num_layers": 3},
            ["model.cell is rnn", "model.hidden_size is 8", "model.num_layers is 2"],
        ),
        ({"data.tokens": "byte"}, ["data.tokens is char, the configuration's byte"]),
    ],
    ids=["cell", "hidden_size", "num_layers", "embedding_size", "several", "tokens"],
)
def test_another_model_is_refused(
    overrides: dict[str, Any],
    differences: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message names the checkpoint and every difference, and nothing is written."""
    source_run(tmp_path / "old")
    target_config(tmp_path / "new", overrides)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    before = contents(tmp_path)
    assert run(["train", "new/tiny.yaml", "--init-from", "old/run"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "charrnn: error: old/run/best.npz: " in err
    for difference in differences:
        assert difference in err, err
    assert contents(tmp_path) == before


def test_dropout_may_differ(tmp_path: Path) -> None:
    """Dropout has no weights."""
    source = source_run(tmp_path / "old", {"model.dropout": 0.5})
    config = target_config(tmp_path / "new")
    assert (
        run(["train", str(config), "--run-dir", str(tmp_path / "r"), "--init-from", str(source)])
        == 0
    )


@pytest.mark.parametrize("fraction", [0.1, 0.0])
def test_a_text_is_as_far_as_the_source_predicts_it_worse(tmp_path: Path, fraction: float) -> None:
    sets = {"train.max_steps": 200, "train.learning_rate": 0.03}
    path = source_run(tmp_path / "old", sets) / "best.npz"
    source = load_checkpoint(path)
    target_config(tmp_path / "new")
    own, other = (
        start_from(source, path, Config(data=data), load_corpus(data)).source
        for folder in ("old", "new")
        for data in [DataConfig(str(tmp_path / folder / "text.txt"), valid_fraction=fraction)]
    )
    assert own.model == other.model == source.config.model
    assert abs(own.surplus_nats) < 0.1
    assert other.surplus_nats > 1


@pytest.mark.parametrize("part", ["valid", "train"])
def test_a_small_part_of_records_is_scored_whole(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source_run(tmp_path / "old") / "best.npz"
    (tmp_path / "list.txt").write_text("".join(f"bdf{'fx' * (k % 7)}{k}\n" for k in range(200)))
    fraction = 0.3 if part == "valid" else 0.0
    data = DataConfig(str(tmp_path / "list.txt"), records="line", valid_fraction=fraction)
    scored: list[Score] = []

    def spy(*arguments: Any) -> Score:
        scored.append(score(*arguments))
        return scored[-1]

    monkeypatch.setattr("charrnn.training.transfer.score", spy)
    corpus = load_corpus(data)
    start_from(load_checkpoint(path), path, Config(data=data), corpus)
    assert [one.chars for one in scored] == [corpus.scored(*corpus.split(part))]


UNSET = "data:\n  path: text.txt\n"


@pytest.mark.parametrize("rate", ["null", "1e-5", "0.02"])
def test_a_high_rate_for_fine_tuning_is_reported(
    tmp_path: Path, rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = train(tmp_path)
    sets = [f"train.learning_rate={rate}", "model.hidden_size=8", "train.max_steps=1"]
    command = ["train", str(tmp_path / "tiny.yaml"), "--run-dir", str(tmp_path / "b")]
    command += [word for one in sets for word in ("--set", one)]
    assert run([*command, "--init-from", str(source)]) == 0
    assert ("is high for fine-tuning; null gives" in capsys.readouterr().err) is (rate == "0.02")


@pytest.mark.parametrize("embedding", ["null", "4"])
def test_fine_tuning_on_a_small_text_with_unset_keys(tmp_path: Path, embedding: str) -> None:
    """The shape is that of the source; dropout and the rest are chosen for the new text."""
    for name, text in (("large", OLD * 40), ("small", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(text, encoding="utf-8")
        (tmp_path / name / "my.yaml").write_text(UNSET)
    large, small = (["train", str(tmp_path / name / "my.yaml")] for name in ("large", "small"))
    sets = [
        "train.max_steps=3",
        "model.cell=gru",
        "model.hidden_size=12",
        f"model.embedding_size={embedding}",
    ]
    large += [word for one in sets for word in ("--set", one)]
    assert run([*large, "--run-dir", str(tmp_path / "a")]) == 0
    small += ["--init-from", str(tmp_path / "a"), "--set", "train.max_epochs=20"]
    assert run([*small, "--run-dir", str(tmp_path / "b")]) == 0
    source, tuned = (load_checkpoint(tmp_path / name / "last.npz").config for name in "ab")
    assert tuned.model.cell == "gru"
    assert tuned.model.embedding_size == source.model.embedding_size
    assert tuned.model.weight_dropout != source.model.weight_dropout
    assert tuned.train.learning_rate < source.train.learning_rate
    small[-1] = "train.max_epochs=21"
    assert run([*small, "--resume", "--run-dir", str(tmp_path / "b")]) == 0
    resumed = load_checkpoint(tmp_path / "b" / "last.npz").config
    assert (resumed.model, resumed.train.max_epochs) == (tuned.model, 21)


def test_a_run_folder_names_a_source_as_everywhere(tmp_path: Path) -> None:
    source = train(tmp_path)
    config = write_config(tmp_path)
    outcome = train_run(config, tmp_path / "again", init_from=source)
    assert outcome.steps == 20
