"""Read a configuration file and `KEY=VALUE` overrides into a checked `Config`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from charrnn.config.checks import Settings, check_together
from charrnn.config.near_keys import advice
from charrnn.config.paths import absolute_path, each_path, named_path
from charrnn.config.safe_yaml import LARGEST, InvalidYAMLError, parse_yaml
from charrnn.config.schema import PATHS, SECTIONS, Config, all_keys
from charrnn.errors import ConfigError, Remedy, counted, shown, shown_name

_MOST_ERRORS = 10  # reported together
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
        settings = Settings(values, self._where, self._file)
        check_together(settings)
        sections = {
            name: cls(**{f.name: values[f"{name}.{f.name}"] for f in fields(cls)})
            for name, cls in SECTIONS.items()
        }
        config = Config(seed=values["seed"], **sections)
        if config.train.patience is not None and not config.data.has_validation:
            settings.fail("train.patience", "needs a validation part; set data.valid_fraction")
        return config


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
