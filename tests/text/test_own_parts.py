"""Texts of their own for validation and for testing: data.valid_path, data.test_path."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import train

from charrnn.commands.cli import run
from charrnn.config.reader import load_config
from charrnn.config.schema import DataConfig
from charrnn.errors import ConfigError, TextError
from charrnn.text import remarks
from charrnn.text.load import load_corpus
from charrnn.text.record_index import PARTS
from charrnn.text.records import RecordCorpus

TRAIN, VALID, TEST = "abcab " * 60, "cabd bac " * 12, "bacca ab" * 9


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """A text, and texts for validation and for testing; `d` is in the validation text alone."""
    for name, text in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        (tmp_path / f"{name}.txt").write_text(text)
    return DataConfig(str(tmp_path / "train.txt"), valid_path=str(tmp_path / "valid.txt"))


def parts_of(data: DataConfig) -> dict[str, str]:
    """Return the text of each part."""
    corpus = load_corpus(data)
    splits = {name: corpus.split(name) for name in ("train", "valid", "test")}
    return {n: corpus.vocabulary.decode(corpus.codes[a:b]) for n, (a, b) in splits.items()}


def test_a_part_with_a_path_takes_nothing_from_the_text(data: DataConfig) -> None:
    assert parts_of(data) == {"train": TRAIN, "valid": VALID, "test": ""}
    assert parts_of(replace(data, test_fraction=0.25)) == {
        "train": TRAIN[:270],
        "valid": VALID,
        "test": TRAIN[270:],
    }
    both = replace(data, test_path=data.valid_path, valid_fraction=0.9, test_fraction=0.9)
    assert parts_of(both) == {"train": TRAIN, "valid": VALID, "test": ""}
    only_test = replace(data, valid_path=None, test_path=data.valid_path, test_fraction=0.5)
    assert parts_of(only_test) == {"train": TRAIN[:324], "valid": TRAIN[324:], "test": ""}


def test_the_vocabulary_has_the_characters_of_the_validation_text(data: DataConfig) -> None:
    assert load_corpus(data).vocabulary.decode(np.arange(5)) == " abcd"


def test_several_files_and_a_large_text(
    data: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    paths = (str(tmp_path / "train.txt"), str(tmp_path / "test.txt"))
    several = replace(data, path=paths, valid_path=(str(tmp_path / "v*.txt"), paths[1]))
    expected = {"train": TRAIN + TEST, "valid": VALID + TEST, "test": ""}
    assert parts_of(several) == expected
    monkeypatch.setattr("charrnn.text.load.LARGE", 0)
    for _ in range(2):
        assert parts_of(several) == expected
        assert isinstance(load_corpus(several).codes, np.memmap)
    other = replace(data, path=(*paths, str(tmp_path / "valid.txt")), valid_path=paths[1])
    assert parts_of(other)["train"] == TRAIN + TEST + VALID


def test_records_of_the_validation_text_are_not_drawn(data: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("\n".join(str(n * n) for n in range(300)))
    (tmp_path / "valid.txt").write_text("4\n777\n\n4\n")
    corpus = load_corpus(replace(data, records="line", test_fraction=0.1))
    assert isinstance(corpus, RecordCorpus)
    sizes = [end - start for start, end in map(corpus.split, ("train", "valid", "test"))]
    assert sizes[1] == 3
    assert 15 < sizes[2] < 45
    assert sum(sizes) == 303
    assert corpus.repeats == 2
    start, end = corpus.split("valid")
    first = corpus.starts[start:end].astype(int) + 1
    assert corpus.vocabulary.decode(corpus.codes[first]) == "447"
    assert PARTS == ("training", "validation", "test")


@pytest.mark.parametrize("records", [None, "line"])
def test_lines_and_records_are_numbered_in_their_own_file(
    records: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("".join(f"{n * n:b}\n" for n in range(1000, 1060)))
    (tmp_path / "valid.txt").write_text("1011\n\n100\n1001\n")
    paths = {"data.path": "text.txt", "data.valid_path": "valid.txt", "data.test_fraction": 0.3}
    folder = train(tmp_path, {**paths, "data.records": records})
    unit, last = ("record", 3) if records else ("line", 4)  # a blank line is no record
    capsys.readouterr()
    most = {}
    for split in ("valid", "test"):
        assert run(["inspect", "surprise", str(folder), "--json", "--split", split]) == 0
        listed = json.loads(capsys.readouterr().out)["surprising"]
        most[split] = max(one[unit] for one in listed)
    assert most["valid"] == last
    assert 20 < most["test"] <= 60


def test_a_validation_text_without_records_is_refused(data: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "valid.txt").write_text(" \n\n")
    with pytest.raises(TextError, match=r"data\.valid_path: has no records"):
        load_corpus(replace(data, records="line"))
    (tmp_path / "valid.txt").write_text("a")
    with pytest.raises(TextError, match=r"data\.valid_path: has nothing to predict"):
        load_corpus(data)


def test_paths_are_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    config = tmp_path / "sub" / "c.yaml"
    config.write_text("data:\n  path: a.txt\n  valid_path: [b.txt, '*.c']\n  test_path: ../d.txt\n")
    data = load_config(config).data
    here = tmp_path / "sub"
    assert data.valid_path == (str(here / "b.txt"), str(here / "*.c"))
    assert data.test_path == str(tmp_path / "d.txt")
    with pytest.raises(ConfigError, match=r"valid_path: \[\] is not a file"):
        load_config(config, ["data.valid_path=[]"])
    # The other fraction alone has to leave something; patience needs only the path.
    more = ["data.valid_fraction=0", "train.patience=2", "data.test_fraction=0.9"]
    assert load_config(config, more).data.has_validation


@pytest.mark.parametrize("records", [None, "line"])
def test_a_run_with_its_own_parts(
    tmp_path: Path,
    records: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The validation loss is that of the file alone; the test text may have other characters."""
    monkeypatch.chdir(tmp_path)
    lines = ["".join("abcdef"[(n * k) % 6] for k in range(3 + n % 4)) for n in range(1, 90)]
    (tmp_path / "valid.txt").write_text("\n".join([*lines[::3], "xyz"]))
    (tmp_path / "test.txt").write_text("fed\nqed\n")
    keys = {
        "data.valid_path": "valid.txt",
        "data.test_path": "test.txt",
        "data.records": records,
        "train.max_steps": 6,
        "train.seq_length": 5,
        "train.batch_size": 4,
    }
    (tmp_path / "text.txt").write_text("\n".join(lines))
    folder = train(tmp_path, keys)

    def evaluated(*arguments: str) -> dict[str, float]:
        assert run(["eval", str(folder), *arguments, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    assert evaluated() == pytest.approx(evaluated("valid.txt"))
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss_nats"] for line in metrics if line["split"] == "valid"]
    assert evaluated("--split", "valid")["loss_nats"] == pytest.approx(min(losses))
    assert run(["eval", str(folder), "--split", "test"]) == 1
    assert "'q' (U+0071)" in capsys.readouterr().err
    known = evaluated("--split", "test", "--unknown", "skip")
    assert known == pytest.approx(evaluated("test.txt", "--unknown", "skip"))

    # A finished run is resumed with texts that have moved, not with others.
    (tmp_path / "moved.txt").write_bytes((tmp_path / "valid.txt").read_bytes())
    again = ["train", "tiny.yaml", "--run-dir", str(folder), "--resume"]
    assert run([*again, "--set", "data.valid_path=moved.txt"]) == 0
    assert run([*again, "--set", "data.test_path=moved.txt"]) == 0
    (tmp_path / "valid.txt").write_text("another")
    assert run(again) == 1
    assert "the text is not the one this run was trained on" in capsys.readouterr().err
    assert run(["eval", str(folder)]) == 1
    assert "has changed since the training" in capsys.readouterr().err
    (tmp_path / "valid.txt").unlink()
    assert run(["eval", str(folder)]) == 1
    assert "valid.txt: no such file" in capsys.readouterr().err


def test_a_run_is_not_resumed_with_other_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(f"{n:b}" for n in range(100, 400)))
    keys = {"data.test_fraction": 0.2, "data.records": "line", "train.batch_size": 4}
    folder = train(tmp_path, {**keys, "train.max_steps": 2, "train.seq_length": 5})
    again = ["train", "tiny.yaml", "--run-dir", str(folder), "--resume"]
    for key in ("data.test_path", "data.valid_path"):
        assert run([*again, "--set", f"{key}=text.txt"]) == 1
        expected = f"this run was trained on, because {key} was added. Undo this to resume; --init-"
        assert expected in capsys.readouterr().err
    assert run(again) == 0


@pytest.mark.parametrize("records", [None, "line"])
def test_the_message_names_every_part_that_was_removed_or_added(
    records: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(f"{n:b}" for n in range(100, 400))
    for name in ("text.txt", "other.txt"):
        (tmp_path / name).write_text(lines)
    keys = {"data.records": records, "data.test_path": "other.txt", "data.test_fraction": 0.2}
    more = {"train.batch_size": 4, "train.max_steps": 2, "train.seq_length": 5}
    folder = train(tmp_path, {**keys, **more})
    again = ["train", "tiny.yaml", "--run-dir", str(folder), "--resume"]
    paths = ["--set", "data.valid_path=other.txt", "--set", "data.test_path=null"]
    assert run([*again, *paths]) == 1
    message = "because data.valid_path was added and data.test_path was removed. Undo this"
    assert message in capsys.readouterr().err
    assert run(again) == 0


@pytest.mark.parametrize(
    ("valid_path", "remark"),
    [
        ("text.txt", "text.txt is a text of data.path too, so the validation loss will flatter"),
        ("link.txt", "link.txt is a text of data.path too"),
        ("copy.*", "copy.txt has the same bytes as "),
        ("other.txt", ""),
    ],
)
def test_a_validation_text_that_is_trained_on_gets_a_remark(
    valid_path: str,
    remark: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = " ".join(f"{n:b}" for n in range(100, 400))
    for name, content in {"text": text, "copy": text, "other": text[::-1]}.items():
        (tmp_path / f"{name}.txt").write_text(content)
    (tmp_path / "link.txt").symlink_to("text.txt")
    keys = {"data.valid_path": valid_path, "train.batch_size": 4, "train.max_steps": 1}
    train(tmp_path, keys)
    of_training = capsys.readouterr().err
    again = ["init", "text.txt", "--minutes", "0.001", "--set", f"data.valid_path={valid_path}"]
    assert run(again) == 0
    for err in (of_training, capsys.readouterr().err):
        shown = " ".join(err.split())
        assert shown.count("the validation loss will flatter") == bool(remark)
        assert remark in shown


def test_the_files_of_folders_are_compared_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for k in range(20):
            (tmp_path / folder / f"{k}.txt").write_text(f"{folder} {k:03}\n")
    read = []

    def digest(file: str) -> bytes:
        read.append(file)
        return original(file)

    original = remarks._digest
    monkeypatch.setattr(remarks, "_digest", digest)
    folder = str(tmp_path / "a")
    of_files = DataConfig(folder, records="line", label_from="file")
    data = replace(of_files, valid_path=str(tmp_path / "b"))
    assert remarks.trained_validation(data) == ""
    assert len(read) == 40
    (tmp_path / "b" / "13.txt").write_text("a 007\n")
    remark = remarks.trained_validation(data)
    assert f"13.txt has the same bytes as {tmp_path / 'a' / '7.txt'}, so the" in remark
    same = replace(of_files, valid_path=folder)
    assert "0.txt is a text of data.path too" in remarks.trained_validation(same)
