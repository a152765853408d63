"""The configuration: what is refused and how, what is understood, and that it survives its file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import contents, settled, tiny_text, train, write_config

from charrnn.backends import BACKENDS
from charrnn.cli import run
from charrnn.config import Config, all_keys
from charrnn.config_reader import config_from_dict, load_config
from charrnn.config_values import Auto, Choice, Encoding, Interval, Kind, Number, Optional, Paths
from charrnn.errors import ConfigError
from charrnn.optimizers import RULES, SCHEDULES

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


@pytest.mark.parametrize(
    ("dotted", "written", "meant"),
    [
        ("train.learning_rate", "1e-3", 1e-3),  # text to PyYAML
        ("train.learning_rate", "'0.5'", 0.5),
        ("train.learning_rate", "1", 1.0),  # a whole number where a float is asked
        ("train.clip_norm", "5", 5.0),
        ("train.max_steps", "1e4", 10_000),
        ("train.max_steps", "1.0e4", 10_000),
        ("train.batch_size", "3.0", 3),
        ("train.batch_size", "'7'", 7),
        ("seed", "0x10", 16),
        ("train.validate_every", "1e3", 1000),
        ("train.validate_every", "epoch", "epoch"),
        ("train.checkpoint_every", "0.5s", "0.5s"),
        ("train.checkpoint_every", "20", 20),
        ("train.clip_norm", "null", None),
        ("train.clip_norm", "", None),
        ("model.embedding_size", "null", None),
        ("model.embedding_size", "4", 4),
        ("data.encoding", "latin-1", "latin-1"),
        ("train.workers", "auto", "auto"),
        ("train.workers", "2", 2),
        ("train.workers", "'2.0'", 2),
        ("train.backend", "numba", "numba"),
    ],
)
def test_understood(dotted: str, written: str, meant: Any, tmp_path: Path) -> None:
    """The same in the file and with --set; the type is the key's."""
    section, _, key = dotted.rpartition(".")
    path = tmp_path / "c.yaml"
    path.write_text(DATA)
    from_override = load_config(path, [f"{dotted}={written}"])
    if section == "data":
        path.write_text(f"data: {{path: text.txt, {key}: {written}}}")
    else:
        path.write_text(
            DATA + (f"{section}:\n  {key}: {written}" if section else f"{key}: {written}")
        )
    from_file = load_config(path)
    for config in (from_file, from_override):
        value = getattr(getattr(config, section) if section else config, key)
        assert value == meant
        assert type(value) is type(meant)


def test_the_default_configuration(tmp_path: Path) -> None:
    """Only data.path is required, and a section may be left empty."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (DATA + "model:\ntrain:\n").encode())  # as Notepad saves it
    config = load_config(path)
    defaults = {key: spec["default"] for key, spec in all_keys().items()}
    assert config.seed == defaults["seed"]
    assert (config.model.cell, config.model.num_layers, config.model.hidden_size) == (
        "lstm",
        2,
        128,
    )
    assert (config.train.optimizer, config.train.learning_rate) == ("adam", 2e-3)
    assert (config.train.max_epochs, config.train.max_steps) == (30, None)
    assert (config.train.clip_norm, config.train.clip_value) == (5.0, None)


@pytest.mark.parametrize(
    ("train_section", "limits"),
    [
        ({}, (30, None)),
        ({"max_epochs": None, "max_steps": None}, (30, None)),
        ({"max_steps": 7}, (None, 7)),
        ({"max_epochs": 3}, (3, None)),
        ({"max_epochs": 3, "max_steps": 7}, (3, 7)),
    ],
)
def test_limits(train_section: dict[str, Any], limits: tuple[int | None, int | None]) -> None:
    config = config_from_dict({"data": {"path": "text.txt"}, "train": train_section})
    assert (config.train.max_epochs, config.train.max_steps) == limits


@pytest.mark.parametrize(
    ("train_section", "clipping"),
    [
        ({}, (5.0, None)),
        ({"clip_norm": None}, (None, None)),
        ({"clip_value": 1.0}, (None, 1.0)),  # the default norm gives way
        ({"clip_value": 1.0, "clip_norm": None}, (None, 1.0)),
    ],
)
def test_clipping(
    train_section: dict[str, Any], clipping: tuple[float | None, float | None]
) -> None:
    config = config_from_dict({"data": {"path": "text.txt"}, "train": train_section})
    assert (config.train.clip_norm, config.train.clip_value) == clipping


@pytest.mark.parametrize("optimizer", RULES)
def test_hyperparameters_are_resolved_for_the_optimizer(optimizer: str) -> None:
    """Its own get their defaults, unless they are given; all others are null."""
    own = RULES[optimizer].hyperparameters
    section: dict[str, Any] = {"optimizer": optimizer}
    config = config_from_dict({"data": {"path": "text.txt"}, "train": section})
    for name in {name for rule in RULES.values() for name in rule.hyperparameters}:
        assert getattr(config.train, name) == own.get(name)
    for name in own:
        given_one = {"data": {"path": "text.txt"}, "train": section | {name: 0.25}}
        assert getattr(config_from_dict(given_one).train, name) == 0.25


def test_paths_are_relative_to_where_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file to the file's folder, with --set to the current one."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "configs" / "c.yaml"
    path.write_text("data: {path: ../data/text.txt}")
    for written in (path, Path("../configs/c.yaml")):
        assert load_config(written).data.path == str(tmp_path / "data" / "text.txt")
    path.write_text("data: {path: [a.txt, 'b/*.txt', /c.txt]}")
    assert load_config(path).data.path == (
        str(tmp_path / "configs" / "a.txt"),
        str(tmp_path / "configs" / "b" / "*.txt"),
        "/c.txt",
    )
    overridden = load_config(path, ["data.path=../data/text.txt"])
    assert overridden.data.path == str(tmp_path / "data" / "text.txt")
    assert load_config(path, ["data.path=[d.txt]"]).data.path == (str(tmp_path / "here" / "d.txt"),)


def test_a_tilde_is_the_home_folder_or_part_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/reader")
    path = tmp_path / "c.yaml"
    path.write_text("data: {path: ~/text.txt}")
    assert load_config(path).data.path == "/home/reader/text.txt"
    path.write_text("data: {path: '~backup.txt'}")
    assert load_config(path).data.path == str(tmp_path / "~backup.txt")


def test_the_last_override_counts(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"seed": 3})
    assert load_config(path, ["seed=4", "seed=5"]).seed == 5


PATH = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(
    lambda name: "/" + name
)


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Any value that a kind of key can take."""
    if isinstance(kind, Optional):
        return st.none() | values_of(kind.kind)
    if isinstance(kind, Auto):
        return st.just("auto") | values_of(kind.kind)
    if isinstance(kind, Number) and kind.whole:
        return st.integers(int(kind.low), int(min(kind.high, 10**12)))
    if isinstance(kind, Number):
        high = min(kind.high, 1e12)
        return st.floats(kind.low, high, exclude_min=kind.strict_low, exclude_max=kind.strict_high)
    if isinstance(kind, Interval):
        seconds = st.floats(0.01, 1e6).map(lambda s: f"{s:.2f}s")
        return st.integers(1, 10**9) | (st.just("epoch") if kind.unit == "epoch" else seconds)
    if isinstance(kind, Choice):
        return st.sampled_from(kind.options)
    if isinstance(kind, Encoding):
        return st.sampled_from(["utf-8", "latin-1", "cp1252", "utf-16"])
    assert isinstance(kind, Paths)
    return PATH | st.lists(PATH, min_size=1, max_size=3)


@st.composite
def configurations(draw: st.DrawFn) -> Config:
    """Any valid configuration: every key drawn, then made to agree with the others."""
    flat = {key: draw(values_of(spec["kind"])) for key, spec in all_keys().items()}
    if flat["data.valid_fraction"] + flat["data.test_fraction"] >= 1:
        flat["data.valid_fraction"] = 0.0
    if not flat["data.valid_fraction"]:
        flat["train.patience"] = None
    own = RULES[flat["train.optimizer"]].hyperparameters
    for name in {name for rule in RULES.values() for name in rule.hyperparameters} - own.keys():
        flat[f"train.{name}"] = None
    if flat["train.clip_value"] is not None:
        flat["train.clip_norm"] = None
    bounds = ("train.min_learning_rate", "train.learning_rate")
    flat |= dict(zip(bounds, sorted(flat[key] for key in bounds), strict=True))
    for name in ("decay_every", "decay_factor", "min_learning_rate"):
        if name not in SCHEDULES[flat["train.schedule"]]:
            flat[f"train.{name}"] = all_keys()[f"train.{name}"]["default"]
    nested: dict[str, Any] = {"seed": flat.pop("seed")}
    for dotted, value in flat.items():
        section, key = dotted.split(".")
        nested.setdefault(section, {})[key] = value
    return config_from_dict(nested)


@given(configurations())
def test_a_configuration_survives_its_file(config: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path) == config


@given(configurations())
def test_a_configuration_survives_its_dictionary(config: Config) -> None:
    """As a checkpoint keeps it."""
    assert config_from_dict(config.to_dict()) == config


def test_every_key_is_in_the_file_that_a_run_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """config.yaml is the configuration as resolved: all keys, overrides applied, paths absolute."""
    monkeypatch.chdir(tmp_path)
    run_dir = train(tmp_path, {"train.optimizer": "momentum"}, "--set", "seed=9")
    kept = yaml.safe_load((run_dir / "config.yaml").read_text(encoding="utf-8"))
    dotted = {"seed"} | {
        f"{section}.{key}" for section in ("data", "model", "train") for key in kept[section]
    }
    assert dotted == set(all_keys())
    assert kept["seed"] == 9
    assert kept["data"]["path"] == str(tmp_path / "text.txt")
    assert kept["train"]["momentum"] == 0.9
    assert kept["train"]["beta1"] is None
    assert kept["train"]["workers"] == 1  # of as few streams
    assert kept["train"]["backend"] in BACKENDS
    monkeypatch.chdir(os.path.dirname(tmp_path))
    given = load_config(tmp_path / "tiny.yaml", ["seed=9"])
    assert load_config(run_dir / "config.yaml") == settled(given)


def test_a_text_given_for_a_configuration_is_told_what_to_do(tmp_path: Path) -> None:
    text = tmp_path / "poem.txt"
    text.write_text("a line: of: text\n")
    with pytest.raises(ConfigError, match=r"name it in a configuration:\ndata:\n  path: .*poem"):
        load_config(text)
