"""Reading a configuration: accepted values, defaults, paths, and the way to a file and back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import resolved, text_sizes, train, write_config

from charrnn.backends.backend import BACKENDS
from charrnn.config.checks import KEYS_OF_RECORDS
from charrnn.config.reader import (
    config_from_dict,
    load_config,
    override_defaults,
)
from charrnn.config.schema import TABLES, Config, all_keys
from charrnn.config.values import (
    Choice,
    Column,
    Encoding,
    Kind,
    Nullable,
    Number,
    OrWord,
    Paths,
    Switch,
    Text,
)
from charrnn.errors import ConfigError
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES
from charrnn.training import recipe

DATA = "data: {path: text.txt}\n"


@pytest.mark.parametrize(
    ("dotted", "written", "meant"),
    [
        ("train.learning_rate", "1e-3", 1e-3),  # a string to PyYAML
        ("train.learning_rate", "'0.5'", 0.5),
        ("train.learning_rate", "1", 1.0),  # a whole number for a float
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
def test_accepted_values(dotted: str, written: str, meant: Any, tmp_path: Path) -> None:
    """The file and --set accept the same values; the type is that of the key."""
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
    """Only data.path is required, and a section may be empty."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (DATA + "model:\ntrain:\n").encode())  # as Notepad saves it
    config = load_config(path)
    defaults = {key: spec["default"] for key, spec in all_keys().items()}
    assert config.seed == defaults["seed"]
    assert (config.model.cell, config.model.num_layers, config.model.hidden_size) == (
        None,
        None,
        None,
    )
    assert (config.train.optimizer, config.train.learning_rate) == ("cadamw", None)
    assert (config.train.schedule, config.train.checkpoint_every) == ("cosine", "60s")
    assert (config.train.max_epochs, config.train.max_steps) == (None, None)
    assert (config.train.clip_norm, config.train.clip_value) == (5.0, None)


@pytest.mark.parametrize(
    ("train_section", "limits"),
    [
        ({"max_steps": 7}, (None, 7)),
        ({"max_epochs": 3}, (3, None)),
        ({"max_epochs": 3, "max_steps": 7}, (3, 7)),
    ],
)
def test_limits(train_section: dict[str, Any], limits: tuple[int | None, int | None]) -> None:
    written = config_from_dict({"data": {"path": "text.txt"}, "train": train_section})
    for config in (written, recipe.fill_defaults(written, text_sizes(100_000, written.data), 50)):
        assert (config.train.max_epochs, config.train.max_steps) == limits


@pytest.mark.parametrize("train_section", [{}, {"max_epochs": None, "max_steps": None}])
def test_without_a_limit_the_number_of_epochs_is_filled_in(train_section: dict[str, Any]) -> None:
    written = config_from_dict({"data": {"path": "text.txt"}, "train": train_section})
    config = recipe.fill_defaults(written, text_sizes(100_000, written.data), 50)
    assert config.train.max_epochs is not None
    assert config.train.max_epochs >= 1
    assert config.train.max_steps is None


@pytest.mark.parametrize(
    ("train_section", "clipping"),
    [
        ({}, (5.0, None)),
        ({"clip_norm": None}, (None, None)),
        ({"clip_value": 1.0}, (None, 1.0)),  # the default norm is dropped
        ({"clip_value": 1.0, "clip_norm": None}, (None, 1.0)),
    ],
)
def test_clipping(
    train_section: dict[str, Any], clipping: tuple[float | None, float | None]
) -> None:
    config = config_from_dict({"data": {"path": "text.txt"}, "train": train_section})
    assert (config.train.clip_norm, config.train.clip_value) == clipping


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_hyperparameters_are_resolved_for_the_optimizer(optimizer: str) -> None:
    """Its own get their defaults unless they are given or filled in later; others are null."""
    own = OPTIMIZERS[optimizer].hyperparameters
    defaults = {name: value for name, value in own.items() if name != "weight_decay"}
    section: dict[str, Any] = {"optimizer": optimizer}
    config = config_from_dict({"data": {"path": "text.txt"}, "train": section})
    for name in {name for rule in OPTIMIZERS.values() for name in rule.hyperparameters}:
        assert getattr(config.train, name) == defaults.get(name)
    for name in own:
        given_one = {"data": {"path": "text.txt"}, "train": section | {name: 0.25}}
        assert getattr(config_from_dict(given_one).train, name) == 0.25


def test_paths_are_relative_to_where_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file to its folder, with --set to the current one."""
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


def test_a_tilde_stands_for_the_home_folder_or_is_part_of_a_name(
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


CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PATH = st.text(CHARACTER, min_size=1).map(lambda name: "/" + name)


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Generate any value that a kind of key can take."""
    if isinstance(kind, Nullable):
        return st.none() | values_of(kind.kind)
    if isinstance(kind, OrWord):
        return st.from_regex(kind.pattern, fullmatch=True) | values_of(kind.kind)
    if isinstance(kind, Number) and kind.whole:
        return st.integers(int(kind.low), int(min(kind.high, 10**12)))
    if isinstance(kind, Number):
        high = min(kind.high, 1e12)
        return st.floats(kind.low, high, exclude_min=kind.strict_low, exclude_max=kind.strict_high)
    if isinstance(kind, Choice):
        return st.sampled_from(kind.options)
    if isinstance(kind, Encoding):
        return st.sampled_from(["utf-8", "latin-1", "cp1252", "utf-16"])
    if isinstance(kind, Switch):
        return st.booleans()
    if isinstance(kind, Text):
        return st.text(CHARACTER.filter("\n".__ne__), min_size=1, max_size=1 if kind.single else 5)
    if isinstance(kind, Column):
        one = st.integers(1, 10**9 - 1) | st.text(CHARACTER, min_size=1, max_size=9).filter(
            lambda name: not name.isdigit()
        )
        return one | st.lists(one, min_size=1, max_size=3) if kind.several else one
    assert isinstance(kind, Paths)
    return PATH | st.lists(PATH, min_size=1, max_size=3)


@st.composite
def configurations(draw: st.DrawFn) -> Config:
    """Generate any valid configuration: draw every key, then make the keys agree."""
    flat = {key: draw(values_of(spec["kind"])) for key, spec in all_keys().items()}
    if flat["data.valid_fraction"] + flat["data.test_fraction"] >= 1:
        flat["data.valid_fraction"] = 0.0
    if not flat["data.valid_fraction"]:
        flat["train.patience"] = None
    own = OPTIMIZERS[flat["train.optimizer"]].hyperparameters
    for name in {
        name for rule in OPTIMIZERS.values() for name in rule.hyperparameters
    } - own.keys():
        flat[f"train.{name}"] = None
    if flat["train.clip_value"] is not None:
        flat["train.clip_norm"] = None
    bounds = ("train.min_learning_rate", "train.learning_rate")
    if flat["train.learning_rate"] is not None:
        flat |= dict(zip(bounds, sorted(flat[key] for key in bounds), strict=True))
    for name in ("decay_every", "decay_factor", "min_learning_rate"):
        if name not in SCHEDULES[flat["train.schedule"]]:
            flat[f"train.{name}"] = all_keys()[f"train.{name}"]["default"]
    for name, kinds in KEYS_OF_RECORDS.items():
        if flat["data.records"] not in kinds:
            flat[f"data.{name}"] = all_keys()[f"data.{name}"]["default"]
    if flat["data.records"] in TABLES:
        flat["data.reply_column"] = flat["data.reply_column"] or 1
        prompts = flat["data.prompt_column"]
        if flat["data.reply_column"] in (prompts if isinstance(prompts, list) else [prompts]):
            flat["data.prompt_column"] = None
        features = flat["data.feature_columns"]
        if flat["data.reply_column"] in (features if isinstance(features, list) else [features]):
            flat["data.feature_columns"] = None
    if flat["data.feature_columns"] or flat["data.valid_path"] or flat["data.test_path"]:
        flat["data.features_path"] = None
    delimiter = flat["data.delimiter"] or ","
    if delimiter in '"\r' or (flat["data.tokens"] == "byte" and not delimiter.isascii()):
        flat["data.delimiter"] = None
    if flat["data.label_from"]:
        flat["data.prompt_separator"] = None
    else:
        flat["data.label_as"] = "prompt"
    if not any(
        flat[f"data.{name}"] for name in ("prompt_column", "prompt_separator", "label_from")
    ):
        flat["data.split_by"] = None
        flat["data.reverse_prompts"] = None
        flat["train.prompt_weight"] = None
        flat["train.early_weight"] = None
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
    """A checkpoint keeps the dictionary."""
    assert config_from_dict(config.to_dict()) == config


def test_every_key_is_in_the_file_that_a_run_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """config.yaml holds all keys, with overrides applied and absolute paths."""
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
    assert kept["train"]["workers"] == 1  # two streams are too few for more
    assert kept["train"]["backend"] in BACKENDS
    monkeypatch.chdir(os.path.dirname(tmp_path))
    given = load_config(tmp_path / "tiny.yaml", ["seed=9"])
    assert load_config(run_dir / "config.yaml") == resolved(given)


def test_the_weight_of_prompts_of_older_runs_without_prompts_is_unset() -> None:
    """It was 0.1 by default, and stands in the config.yaml of every older run."""
    assert override_defaults(["train.prompt_weight=0.1"]).train.prompt_weight is None
    with pytest.raises(
        ConfigError, match=r"train\.prompt_weight: 0\.2 needs records with a prompt"
    ):
        override_defaults(["train.prompt_weight=0.2"])
