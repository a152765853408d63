"""Configurations that are refused: file, key, problem, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import contents, tiny_text, write_config

from charrnn.cli import run
from charrnn.config_reader import load_config
from charrnn.errors import ConfigError

DATA = "data: {path: text.txt}\n"
HUGE = "1" * 400  # a whole number beyond the floats

# What is wrong -> the file's text, and what the message must say after the file's name.
REFUSED: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "unknown key": (
        DATA + "model: {hiden_size: 8}",
        ("model.hiden_size", "unknown key", "did you mean model.hidden_size?"),
    ),
    "unknown key, none near": (
        DATA + "model: {xyz: 8}",
        ("model.xyz", "unknown key", "model has cell, num_layers, hidden_size"),
    ),
    "key of another section": (
        DATA + "model: {batch_size: 8}",
        ("model.batch_size", "unknown key", "did you mean train.batch_size?"),
    ),
    "key outside its section": (
        DATA + "hidden_size: 8",
        ("hidden_size", "unknown key", "did you mean model.hidden_size?"),
    ),
    "unknown section": (
        DATA + "gpu: {device: 0}",
        ("gpu", "unknown key", "top level has data, model, train, seed"),
    ),
    "misspelt section": (DATA + "modle: {cell: rnn}", ("modle", "did you mean model?")),
    "section that is a scalar": (
        DATA + "model: lstm",
        ("model", "'lstm' is not a section", "below it, indented", "cell: ..."),
    ),
    "section that is a list": (DATA + "train: [adam]", ("train", "is not a section", "indented")),
    "section instead of a value": (
        DATA + "train: {batch_size: {a: 1}}",
        ("train.batch_size", "{'a': 1} is not a whole number of at least 1"),
    ),
    "word for a whole number": (
        DATA + "model: {num_layers: two}",
        ("model.num_layers", "'two' is not a whole number of at least 1"),
    ),
    "fraction for a whole number": (
        DATA + "train: {batch_size: 2.5}",
        ("train.batch_size", "2.5 is not a whole number of at least 1"),
    ),
    "bool for a whole number": (
        DATA + "model: {num_layers: true}",
        ("model.num_layers", "true is not a whole number of at least 1"),
    ),
    "bool for a number": (
        DATA + "train: {learning_rate: yes}",
        ("train.learning_rate", "true is not a number above 0"),
    ),
    "list for a number": (
        DATA + "train: {learning_rate: [1.0]}",
        ("train.learning_rate", "[1.0] is not a number above 0"),
    ),
    "null where a value is needed": (
        DATA + "train: {batch_size: null}",
        ("train.batch_size", "null is not a whole number of at least 1"),
    ),
    "too small whole number": (
        DATA + "model: {hidden_size: 0}",
        ("model.hidden_size", "0 is not a whole number of at least 1"),
    ),
    "negative seed": (DATA + "seed: -1", ("seed", "-1 is not a whole number of at least 0")),
    "too large whole number": (DATA + f"seed: {HUGE}", ("seed", "is not", "at most")),
    "too large number": (
        DATA + f"train: {{learning_rate: {HUGE}}}",
        ("train.learning_rate", "is not a number above 0"),
    ),
    "number at a strict bound": (
        DATA + "train: {learning_rate: 0}",
        ("train.learning_rate", "0 is not a number above 0"),
    ),
    "number at a strict upper bound": (
        DATA + "model: {dropout: 1}",
        ("model.dropout", "1 is not a number of at least 0 and below 1"),
    ),
    "number above its bound": (
        DATA + "model: {dropout: 1.5}",
        ("model.dropout", "1.5 is not a number of at least 0 and below 1"),
    ),
    "nan": (
        DATA + "train: {learning_rate: .nan}",
        ("train.learning_rate", "nan is not a number above 0"),
    ),
    "nan as text": (
        DATA + "train: {learning_rate: nan}",
        ("train.learning_rate", "nan", "is not a number above 0"),
    ),
    "inf": (
        DATA + "train: {clip_norm: .inf}",
        ("train.clip_norm", "inf is not a number above 0"),
    ),
    "inf for a whole number": (
        DATA + "train: {max_steps: .inf}",
        ("train.max_steps", "inf is not a whole number of at least 1"),
    ),
    "unknown cell": (
        DATA + "model: {cell: lsmt}",
        ("model.cell", "'lsmt'", "choose rnn, lstm or gru", "did you mean lstm?"),
    ),
    "list for a choice": (
        DATA + "train: {optimizer: [adam]}",
        ("train.optimizer", "['adam']", "choose sgd, momentum"),
    ),
    "interval of another unit": (
        DATA + "train: {validate_every: 60s}",
        ("train.validate_every", "'60s' is not a whole number of steps", "the word epoch"),
    ),
    "interval in minutes": (
        DATA + "train: {checkpoint_every: 5m}",
        ("train.checkpoint_every", "'5m' is not a whole number of steps", "as in 60s"),
    ),
    "interval of no steps": (
        DATA + "train: {decay_every: 0}",
        ("train.decay_every", "0 is not a whole number of steps of at least 1"),
    ),
    "no workers": (
        DATA + "train: {workers: 0}",
        ("train.workers", "0 is not a whole number", "at least 1", "or the word auto"),
    ),
    "word for workers": (
        DATA + "train: {workers: all}",
        ("train.workers", "'all' is not a whole number", "or the word auto"),
    ),
    "unknown backend": (
        DATA + "train: {backend: nubma}",
        ("train.backend", "'nubma'", "choose auto, numpy or numba", "did you mean numba?"),
    ),
    "unknown encoding": (
        "data: {path: text.txt, encoding: utf9}",
        ("data.encoding", "'utf9' is not the name of a text encoding", "latin-1"),
    ),
    "number for a path": ("data: {path: 3}", ("data.path", "3 is not a file, a glob")),
    "empty list of paths": ("data: {path: []}", ("data.path", "[] is not a file, a glob")),
    "number in a list of paths": (
        "data: {path: [text.txt, 3]}",
        ("data.path", "3 is not a file or a glob"),
    ),
    "no data.path": ("seed: 1", ("data.path is missing", "path: your-text.txt")),
    "both clip keys": (
        DATA + "train: {clip_norm: 5, clip_value: 1}",
        ("train.clip_value", "train.clip_norm", "set one of them"),
    ),
    "another optimizer's hyperparameter": (
        DATA + "train: {momentum: 0.5}",
        ("train.momentum", "not a parameter of optimizer adam", "beta1, beta2, epsilon"),
    ),
    "hyperparameter of an optimizer without any": (
        DATA + "train: {optimizer: sgd, beta1: 0.5}",
        ("train.beta1", "not a parameter of optimizer sgd", "none but learning_rate"),
    ),
    "fractions that add up to 1": (
        "data: {path: text.txt, valid_fraction: 0.5, test_fraction: 0.5}",
        ("data.valid_fraction", "nothing to train on", "add up to < 1"),
    ),
    "fraction that with a default adds up to 1": (
        "data: {path: text.txt, test_fraction: 0.9}",
        ("data.test_fraction", "0.9", "nothing to train on", "add up to < 1"),
    ),
    "key of another schedule": (
        DATA + "train: {decay_factor: 0.5}",
        ("train.decay_factor", "0.5 is not used by schedule constant", "step, exponential"),
    ),
    "patience without validation": (
        "data: {path: text.txt, valid_fraction: 0}\ntrain: {patience: 3}",
        ("train.patience", "validation part", "data.valid_fraction"),
    ),
    "dotted key in the file": (
        DATA + "train.batch_size: 3",
        ("train.batch_size", "below 'train:'"),
    ),
    "min_learning_rate above learning_rate": (
        DATA + "train: {schedule: cosine, learning_rate: 1e-3, min_learning_rate: 1e-2}",
        ("train.min_learning_rate", "0.01 is above train.learning_rate"),
    ),
    "key that stands twice": (
        DATA + "seed: 1\nseed: 2",
        ("line 3, column 1", "the key seed", "second time"),
    ),
    "section that stands twice": (DATA + DATA, ("line 2, column 1", "the key data", "second time")),
    "key that is a number": (DATA + "1: 2", ("line 2, column 1", "1 is not a key")),
    "broken syntax": (DATA + "model: {cell: rnn", ("line 2, column 18", "not valid YAML")),
    "tab": ("data:\n\tpath: text.txt", ("line 2, column 1", r"'\t'", "with spaces, not tabs")),
    "two documents": (DATA + "---\n" + DATA, ("line 2, column 1", "another document")),
    "object of Python": (
        "data: !!python/object:os.system {}",
        ("line 1, column 7", "not valid YAML"),
    ),
    "control character": ("seed: \x01", ("not valid YAML", "#x0001")),
    "day that does not exist": (DATA + "seed: 2024-13-45", ("not valid YAML", "month")),
    "not UTF-8": (b"data: {path: caf\xe9.txt}", ("byte 16", "not UTF-8", "save the file as UTF-8")),
    "empty file": ("", ("a mapping of keys to values", "path: your-text.txt")),
    "only a comment": ("# nothing yet\n", ("a mapping of keys to values",)),
    "list at the top": ("- data\n- model\n", ("a mapping of keys to values",)),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(
    text: str | bytes,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message with file, key, problem and remedy; nothing else said, nothing written."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(tiny_text())
    Path("bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = contents(tmp_path)
    assert run(["train", "bad.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: bad.yaml: ")
    assert err.count("charrnn: error:") == 1
    assert "Traceback" not in err
    assert "\n\n" not in err
    assert all(word in err for word in words), err
    assert contents(tmp_path) == before


# A --set that is refused, and what the message must say.
REFUSED_OVERRIDES: dict[str, tuple[str, ...]] = {
    "train.max_steps": ("--set train.max_steps", "KEY=VALUE", "train.learning_rate=1e-3"),
    "train.max_step=3": ("--set", "train.max_step", "did you mean train.max_steps?"),
    "train=3": ("--set", "train", "section", "train.batch_size="),
    "=3": ("--set =3", "KEY=VALUE"),
    "train.max_steps=few": ("--set", "train.max_steps", "'few' is not a whole number"),
    "train.batch_size=": ("--set", "train.batch_size", "null is not a whole number"),
    "train.clip_value=1": ("--set", "train.clip_value", "train.clip_norm", "set one of them"),
    "train.momentum=0.5": ("--set", "train.momentum", "not a parameter of optimizer adam"),
    "data.test_fraction=0.9": ("--set", "data.test_fraction", "add up to < 1"),
    "seed=[1": ("--set seed=[1", "is not a YAML value"),
    "seed=2024-13-45": ("--set seed=2024-13-45", "is not a YAML value"),
    "seed=" + "1" * 5000: ("--set seed=", "is not"),
    "seed=" + "[" * 2000: ("--set seed=", "is not a YAML value"),
    "data.path=gone.txt": ("gone.txt: no such file", "current folder"),
}


@pytest.mark.parametrize(
    ("override", "words"), REFUSED_OVERRIDES.items(), ids=[o[:24] for o in REFUSED_OVERRIDES]
)
def test_refused_override(
    override: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {"train.clip_norm": 5.0})
    before = contents(tmp_path)
    assert run(["train", "tiny.yaml", "--set", override]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: ")
    assert len(err) < 400
    assert all(word in err for word in words), err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.yaml", "no such file; name a YAML configuration"),
        (".", "is a folder; name a YAML configuration in it"),
        ("tiny.yaml/x", "cannot be read: Not a directory"),
    ],
)
def test_configuration_that_is_no_file(
    path: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    before = contents(tmp_path)
    assert run(["train", path]) == 1
    assert capsys.readouterr() == ("", f"charrnn: error: {path}: {words}\n")
    assert contents(tmp_path) == before


def test_a_text_given_for_a_configuration_is_told_what_to_do(tmp_path: Path) -> None:
    text = tmp_path / "poem.txt"
    text.write_text("a line: of: text\n")
    with pytest.raises(ConfigError, match=r"name it in a configuration:\ndata:\n  path: .*poem"):
        load_config(text)
