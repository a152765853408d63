"""Read a configuration file and `KEY=VALUE` overrides into a checked `Config`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from charrnn.config.near_keys import advice
from charrnn.config.paths import absolute_path, each_path, named_path
from charrnn.config.safe_yaml import LARGEST, InvalidYAMLError, parse_yaml
from charrnn.config.schema import PATHS, PROMPTS, SECTIONS, TABLES, Config, all_keys
from charrnn.errors import ConfigError, Remedy, counted, shown, shown_name
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES

_MOST_ERRORS = 10  # reported together
KEYS_OF_RECORDS = {  # keys of the section data, and the values of data.records that have them
    "prompt_column": TABLES,
    "reply_column": TABLES,
    "feature_columns": TABLES,
    "features_path": ("line", "paragraph", *TABLES),
    "header": ("csv", "tsv"),
    "delimiter": ("csv",),
    "prompt_separator": ("line",),
    "label_from": ("line", "paragraph"),
    "label_as": ("line", "paragraph"),
    "split_by": ("line", "paragraph", *TABLES),
    "reverse_prompts": ("line", "paragraph", *TABLES),
}
_OTHER_PROMPTS = ("prompt_separator", "label_from")
_OLD_PROMPT_WEIGHT = 0.1  # once the default, which is in the config.yaml of any older run
_PATHS = [f"data.{key}" for key in PATHS]
_TEXTS = ("data.delimiter", "data.prompt_separator")  # in which each character counts
_NULLS = ("", "~", "null", "Null", "NULL")
_HERE = Path()  # the current folder


def load_config(
    path: str | os.PathLike[str], overrides: Iterable[str] = (), *, origin: str = "overrides"
) -> Config:
    """Return the configuration of a YAML file, with overrides applied.

    >>> config = charrnn.load_config("my.yaml", ["train.max_steps=100"])
    >>> config.train.max_steps
    100

    Args:
        path: the file. A text path in it is relative to its folder.
        overrides: `KEY=VALUE` strings, the last of which counts for a key. A text path in one of
            them is relative to the current folder.
        origin: the source of the overrides, as errors name it.

    Raises:
        ConfigError: the file cannot be read, or a value is wrong; the error names file, key,
            problem and what would be right.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"{shown(path)} is not the path of a YAML configuration")
    path = named_path(path, "config")
    builder = _Builder()
    builder.add(_read_yaml(path), str(path), path.parent)
    builder.override(overrides, origin)
    return builder.build()


def override_defaults(
    overrides: Iterable[str] = (),
    text: str | Sequence[str] = os.devnull,
    *,
    origin: str = "overrides",
    proposed: Mapping[str, Any] | None = None,
) -> Config:
    """Return the default configuration with `KEY=VALUE` overrides.

    Args:
        overrides: as for `load_config`.
        text: path or paths of the text; by default an empty file.
        origin: as for `load_config`.
        proposed: values that take the place of defaults, by key, as in 'data.records'.

    Raises:
        ConfigError: a value is wrong.
    """
    builder = _Builder()
    for key, value in {"data.path": text, **(proposed or {})}.items():
        builder.set(key, value, "configuration")
    builder.override(overrides, origin)
    return builder.build()


def override_values(overrides: Iterable[str], *, origin: str = "overrides") -> dict[str, Any]:
    """Return the checked values of `KEY=VALUE` overrides by key, as in 'model.cell'.

    Raises:
        ConfigError: a value is wrong by itself, whatever the other keys are.
    """
    builder = _Builder()
    builder.override(overrides, origin)
    return builder.values()


def config_from_dict(values: Mapping[str, Any], where: str = "configuration") -> Config:
    """Return the configuration of plain dictionaries, as `Config.to_dict` makes them.

    Args:
        values: the dictionaries. A text path in them is relative to the current folder.
        where: their source, as errors name it.

    Raises:
        ConfigError: a value is wrong.
    """
    builder = _Builder()
    builder.add(values, where)
    return builder.build()


class _Builder:
    """Collects checked values by key, as in 'model.cell', with the source of each value."""

    def __init__(self) -> None:
        self._keys = all_keys()
        self._values: dict[str, Any] = {}
        self._where: dict[str, str] = {}
        self._file = "configuration"
        self._errors: list[ConfigError] = []

    def add(self, mapping: Any, where: str, folder: Path = _HERE) -> None:
        """Add the values of a whole configuration."""
        self._file = where
        if not isinstance(mapping, Mapping):
            if ways := _if_a_text(Path(where)):
                raise ConfigError(f"{where}: is not a configuration", *ways)
            raise ConfigError(
                f"{where}: a configuration is a mapping of keys to values; it needs at least\n"
                "data:\n  path: your-text.txt"
            )
        for name, value in mapping.items():
            with self._collecting():
                self._add_section(name, value, where, folder)

    def _add_section(self, name: Any, value: Any, where: str, folder: Path) -> None:
        if name in self._keys and "." in name:
            section, key = name.split(".")
            raise ConfigError(f"{where}: {name}: write it as '{key}' below '{section}:'")
        if name not in SECTIONS:
            self.set(str(name), value, where, folder)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                with self._collecting():
                    self.set(f"{name}.{key}", item, where, folder)
        elif isinstance(value, str) and ":" in value:
            raise ConfigError(
                f"{where}: {name}: {shown(value)} has no space after its colon; "
                f"write {shown(value.replace(':', ': ', 1))}"
            )
        elif value is not None:
            raise ConfigError(
                f"{where}: {name}: {shown(value)} is not a section; "
                f"put its keys below it, indented, as in '{name}:' and then "
                f"'  {next(k for k in self._keys if k.startswith(name)).split('.')[1]}: ...'"
            )

    def override(self, overrides: Iterable[str], origin: str) -> None:
        """Add the values of `KEY=VALUE` overrides."""
        # A single string would be read letter by letter.
        if isinstance(overrides, (str, bytes)) or not isinstance(overrides, Iterable):
            raise ConfigError(
                f"{shown(overrides)} is not a list of overrides; write ['train.max_steps=100']"
            )
        for override in overrides:
            with self._collecting():
                dotted, value = _parse_override(override, origin)
                self.set(dotted, value, origin)

    def set(self, dotted: str, value: Any, where: str, folder: Path = _HERE) -> None:
        """Check and add one value; paths become absolute."""
        if dotted not in self._keys:
            raise ConfigError(f"{where}: {shown_name(dotted)}: unknown key{advice(dotted)}")
        try:
            value = self._keys[dotted]["kind"].parse(value)
        except ValueError as error:
            raise ConfigError(f"{where}: {dotted}: {error}") from None
        if dotted in _PATHS:
            value = each_path(partial(absolute_path, folder=folder), value)
        self._values[dotted] = value
        self._where[dotted] = where

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        """Keep an error, so that those of other keys can be reported with it."""
        try:
            yield
        except ConfigError as error:
            self._errors.append(error)

    def values(self) -> dict[str, Any]:
        """Return the values that were added, if none of them is wrong."""
        if self._errors:
            raise ConfigError("\n".join(error.problem for error in self._errors[:_MOST_ERRORS]))
        return self._values

    def build(self) -> Config:
        """Return the configuration, once the keys that depend on each other are checked."""
        self.values()
        if "data.path" not in self._values:
            raise ConfigError(
                f"{self._file}: data.path is missing; name the text to train on:\n"
                "data:\n  path: your-text.txt"
            )
        values = {key: spec["default"] for key, spec in self._keys.items()} | self._values
        self._check_fractions(values)
        self._check_records(values)
        self._check_columns(values)
        self._fill_clipping(values)
        self._fill_hyperparameters(values)
        self._check_schedule(values)
        rate = values["train.learning_rate"]
        if rate is not None and values["train.min_learning_rate"] > rate:
            self._fail("train.min_learning_rate", f"is above train.learning_rate {rate}", values)
        sections = {
            name: cls(**{f.name: values[f"{name}.{f.name}"] for f in fields(cls)})
            for name, cls in SECTIONS.items()
        }
        config = Config(seed=values["seed"], **sections)
        if config.train.patience is not None and not config.data.has_validation:
            self._fail("train.patience", "needs a validation part; set data.valid_fraction", values)
        return config

    def _check_fractions(self, values: dict[str, Any]) -> None:
        keys = [f"data.{part}_fraction" for part in ("valid", "test")]
        if sum(values[key] for key in keys if not values[key.replace("fraction", "path")]) >= 1:
            self._fail(
                max(keys, key=lambda k: (k in self._values, values[k])),
                "leaves nothing to train on; both fractions must add up to less than 1",
                values,
            )

    def _check_records(self, values: dict[str, Any]) -> None:
        """Refuse keys that the kind of records does not have, and tables without a reply."""
        kind = values["data.records"]
        for key, kinds in KEYS_OF_RECORDS.items():
            default = self._keys[f"data.{key}"]["default"]
            if values[f"data.{key}"] != default and kind not in kinds:
                others = ", ".join(kinds)
                self._fail(f"data.{key}", f"needs data.records to be one of {others}", values)
        if kind in TABLES and values["data.reply_column"] is None:
            raise ConfigError(
                f"{self._where['data.records']}: data.records: {kind} needs data.reply_column, the "
                "column to learn, and usually data.prompt_column, the column that is given"
            )
        if values["data.features_path"]:
            self._check_features_path(values)
        if values["data.label_from"] and values["data.prompt_separator"]:
            self._fail("data.prompt_separator", "excludes data.label_from; set one", values)
        has_prompts = any(values[f"data.{key}"] for key in PROMPTS)
        if values["data.split_by"] in ("prompt", "reply") and not has_prompts:
            self._fail("data.split_by", "needs records with a prompt and a reply", values)
        if values["train.prompt_weight"] == _OLD_PROMPT_WEIGHT and not has_prompts:
            values["train.prompt_weight"] = None
        if values["data.reverse_prompts"] and not has_prompts:
            self._fail("data.reverse_prompts", "needs records with a prompt and a reply", values)
        weights = {
            "train.prompt_weight": values["train.prompt_weight"],  # 0 for a text, where filled in
            "train.early_weight": values["train.early_weight"],
        }
        for key, is_given in weights.items():
            if is_given and not has_prompts:
                self._fail(key, "needs records with a prompt and a reply", values)
        if values["data.label_as"] != "prompt" and not values["data.label_from"]:
            self._fail("data.label_as", "needs data.label_from: file", values)

    def _check_features_path(self, values: dict[str, Any]) -> None:
        """Refuse a second source of features, and parts whose features the file would not have."""
        if values["data.feature_columns"] is not None:
            self._fail("data.features_path", "excludes data.feature_columns; set one", values)
        for key in ("data.valid_path", "data.test_path"):
            if values[key]:
                self._fail(
                    key,
                    "has records without features, as data.features_path has those of data.path; "
                    "use data.feature_columns of a table, or a fraction in place of this path",
                    values,
                )

    def _check_columns(self, values: dict[str, Any]) -> None:
        """Refuse a column on both sides, and delimiters that the reader of CSV cannot have."""
        reply = values["data.reply_column"]
        for key in ("data.prompt_column", "data.feature_columns"):
            others = values[key] if isinstance(values[key], tuple) else (values[key],)
            if reply and reply in others:
                self._fail("data.reply_column", f"is {key} too; give two columns", values)
        delimiter = values["data.delimiter"] or ","
        if delimiter in '"\r':
            self._fail(
                "data.delimiter", "quotes a cell or ends a row; use another, such as ; or |", values
            )
        if values["data.tokens"] == "byte" and not delimiter.isascii():
            self._fail(
                "data.delimiter", "is several bytes, and data.tokens: byte needs ASCII", values
            )

    def _fill_clipping(self, values: dict[str, Any]) -> None:
        if values["train.clip_value"] is None:
            return
        if self._values.get("train.clip_norm") is not None:
            self._fail("train.clip_value", "excludes train.clip_norm; set one of them", values)
        values["train.clip_norm"] = None

    def _fill_hyperparameters(self, values: dict[str, Any]) -> None:
        name = values["train.optimizer"]
        rule = OPTIMIZERS[name]
        for parameter, default in rule.hyperparameters.items():
            key = f"train.{parameter}"
            if values[key] is None and not self._keys[key].get("fillable"):
                values[key] = default
        all_rules = dict.fromkeys(p for r in OPTIMIZERS.values() for p in r.hyperparameters)
        others = [p for p in all_rules if p not in rule.hyperparameters]
        wrong = [p for p in others if values[f"train.{p}"] is not None]
        if wrong:
            used = ", ".join(rule.hyperparameters) or "only learning_rate"
            problem = f"is set, but optimizer {name} does not use it (it has: {used})"
            also = "".join(f", nor train.{p}" for p in wrong[1:])
            them = "them" if wrong[1:] else "it"
            remedy = f"leave {them} out, or set {them} to null"
            self._fail(f"train.{wrong[0]}", f"{problem}{also}; {remedy}", values)

    def _check_schedule(self, values: dict[str, Any]) -> None:
        name = values["train.schedule"]
        for parameter in dict.fromkeys(p for used in SCHEDULES.values() for p in used):
            key = f"train.{parameter}"
            if parameter not in SCHEDULES[name] and values[key] != self._keys[key]["default"]:
                users = ", ".join(s for s, used in SCHEDULES.items() if parameter in used)
                self._fail(key, f"is not used by schedule {name} (only by {users})", values)

    def _fail(self, key: str, problem: str, values: Mapping[str, Any]) -> None:
        where = self._where.get(key, self._file)
        raise ConfigError(f"{where}: {key}: {shown(values[key])} {problem}")


def _parse_override(override: str, origin: str) -> tuple[str, Any]:
    if not isinstance(override, str):
        raise ConfigError(
            f"{shown(override)} is not a string KEY=VALUE, as in 'train.max_steps=100'"
        )
    dotted, equals, raw = override.partition("=")
    if not equals or not dotted.strip():
        raise ConfigError(
            f"{origin} {shown_name(override)}: expected KEY=VALUE, as in train.learning_rate=1e-3"
        )
    key = dotted.strip()
    if key in _TEXTS and raw not in _NULLS and raw.strip()[:1] not in ("'", '"'):
        return key, raw  # YAML would strip blanks and read | and - as signs of its own
    try:
        return key, parse_yaml(raw)
    except InvalidYAMLError as problem:
        raise ConfigError(
            f"{origin} {shown_name(override)}: {shown(raw)} is not a YAML value: {problem}, as "
            "in 'data.path=\"*.txt\"'"
        ) from None


def _if_a_text(path: Path) -> tuple[Remedy, ...]:
    """Return the remedy for the case that a file is not a configuration but a text."""
    if path.suffix.lower() in (".yaml", ".yml") or not path.is_file():
        return ()
    return (Remedy(f"charrnn.propose({str(path)!r})", "proposes one, if it is a text to train on"),)


def _read_yaml(path: Path) -> Any:
    try:
        if path.suffix == ".npz" and path.is_file():
            raise ConfigError(
                f"{path}: is a checkpoint, not a configuration; name the config.yaml of its run, "
                "or read it with 'charrnn sample' or 'charrnn eval'"
            )
        with path.open("rb") as file:  # which may be a pipe
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise ConfigError(
                f"{path}: has more than {counted(LARGEST, 'byte')}, and no configuration does",
                *_if_a_text(path),
            )
        return parse_yaml(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name a YAML configuration") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name a YAML configuration in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8",
            *_if_a_text(path),
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except InvalidYAMLError as problem:
        raise ConfigError(f"{path}: {problem}", *_if_a_text(path)) from None
