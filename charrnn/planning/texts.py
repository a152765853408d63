"""Propose a configuration for the texts that a user names."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config.paths import named_path
from charrnn.config.reader import override_defaults, override_values
from charrnn.config.schema import MINUTES, Config
from charrnn.errors import ConfigError, Remedy, TextError, shown, shown_name, with_remedies
from charrnn.planning.proposal import propose as propose_sizes
from charrnn.planning.records import KEYS, Records, propose_records
from charrnn.text.files import find_files
from charrnn.text.lines import PARTS

_MOST_SHOWN = 5  # names of folders in a message
_READING = ("data.tokens", "data.encoding", "data.newlines")  # keys that say how a text is read


def propose(
    text: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    minutes: float | str | None = None,
    overrides: Iterable[str] = (),
    *,
    note: Callable[[str], object] = lambda _: None,
) -> Config:
    """Return a configuration for a text, sized to it and to this machine.

    It is the configuration that `charrnn train TEXT` trains with, and `charrnn init` writes: a list
    becomes records, of a table a prompt and a reply are learned. This machine is measured for some
    seconds.

    >>> config = charrnn.propose("my-text.txt", overrides=["train.max_steps=2"])
    >>> charrnn.train(config, "runs/proposed").steps
    2

    Args:
        text: path of a text, of a folder of texts, a glob, or several paths.
        minutes: time that the training may take on this machine: a number, or with a unit, as in
            "90s" or "1h". By default it is chosen for the text.
        overrides: `KEY=VALUE` strings, which the chosen values take into account; as for
            `load_config`.
        note: called with why the text is read as it is, with remarks on it, and before what takes a
            while; `print` shows them. By default they are not shown.

    Raises:
        ConfigError: a value is wrong, or there is no such text, or no column to learn in a table.
        TextError: the text cannot be read, or is too small.
    """
    overrides = overrides if isinstance(overrides, str) else [*overrides]
    values = override_values(overrides)
    if minutes is not None:
        if "train.max_minutes" in values:
            raise ConfigError("minutes and train.max_minutes both set a time; give one")
        try:
            minutes = MINUTES.parse(minutes)
        except ValueError as error:
            raise ConfigError(f"minutes: {error}") from None
    given = [text] if isinstance(text, (str, bytes)) or not isinstance(text, Sequence) else [*text]
    if not given:
        raise ConfigError(f"text: {shown(text)} names no text")
    texts = named_texts([str(named_path(one, "text")) for one in given], values, note)
    config, records = configuration(texts, overrides, values)
    doubt = with_remedies(records.doubt, [records.remedy] if records.remedy else [])
    for reason in filter(None, [*records.reasons, records.doubt and doubt]):
        note(reason)
    return propose_sizes(config, minutes, note).config


class Texts(NamedTuple):
    """The texts that arguments name."""

    arguments: Sequence[str]
    name: Path  # of the first argument, which may be a folder
    path: str | list[str]  # data.path
    config: Config  # defaults, with how they are read
    files: list[str]


def named_texts(
    arguments: Sequence[str],
    values: Mapping[str, Any],
    note: Callable[[str], object],
    origin: str = "overrides",
) -> Texts:
    """Return the texts that arguments name.

    Args:
        arguments: one or more files, a folder, or a glob.
        values: keys that are given, by name.
        note: called with a remark on what is not read.
        origin: the source of the values, as errors name it.

    Raises:
        ConfigError: there is no such text, or it can be read only once.
    """
    if "data.path" in values:
        raise ConfigError(f"{origin}: data.path: name the text as the argument for it")
    path: str | list[str] = arguments[0] if len(arguments) == 1 else list(arguments)
    name = named_path(arguments[0], "text")
    if len(arguments) == 1 and name.is_dir():
        path = _texts_in(name)
        if unread := _folders_in(name):
            note(f"{name}: the folders in it ({_listed(unread)}) are not read")
    reading = {key: values[key] for key in _READING if key in values}
    config = override_defaults((), path, proposed=reading)
    return Texts(arguments, name, path, config, _files(config.data.path))


def configuration(
    texts: Texts, overrides: Iterable[str], values: Mapping[str, Any], origin: str = "overrides"
) -> tuple[Config, Records]:
    """Return a configuration that says how texts are read, and why."""
    given = {key: values[f"data.{key}"] for key in KEYS if f"data.{key}" in values}
    records = propose_records(texts.config.data, given)
    proposed = {f"data.{key}": value for key, value in records.keys.items()}
    return override_defaults(overrides, texts.path, origin=origin, proposed=proposed), records


def _files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of the text; refuse those that can be read only once, such as pipes."""
    try:
        files = find_files(path)
    except TextError as error:
        problem = error.problem
        raise ConfigError(f"{problem}; name a text file, or several, or a glob") from None
    for file in files:
        if not os.path.isfile(file):
            raise ConfigError(
                f"{file}: is not a file that a training can read again; name a text file"
            )
    return files


def _texts_in(folder: Path) -> str:
    """Return a path or a glob for the texts in a folder, which have the same ending if they can."""
    try:
        files = find_files(str(folder), folders=True)
    except TextError:
        if not os.access(folder, os.R_OK | os.X_OK):
            raise
        raise _no_texts(folder) from None
    if len(files) == 1:
        return files[0]
    endings = {Path(file).suffix for file in files}
    ending = endings.pop() if len(endings) == 1 else ""
    return os.path.join(glob.escape(str(folder)), f"*{glob.escape(ending)}")


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that are neither hidden nor empty."""
    found = (one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    return sorted(one.name for one in found if os.access(one, os.R_OK) and any(one.iterdir()))


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    return f"{', '.join(map(shown_name, names[:_MOST_SHOWN]))}{more}"


def _no_texts(folder: Path) -> ConfigError:
    """Return the error about a folder without files; folders in it may be labels or parts."""
    names = _folders_in(folder)
    if not names:
        return ConfigError(
            f"{folder}: is a folder without texts in it; name a text, or a folder of texts"
        )
    problem = f"{folder}: has no texts, only folders ({_listed(names)}), which are not read"
    parts = {one: name for name in names if (one := PARTS.get(name.lower()))}
    if "training" not in parts:
        return ConfigError(
            f"{problem}; if the folders are labels, write the texts of each, one a line, to a file "
            f"of its name, as in {shown_name(names[0])}.txt, and name the folder of these files"
        )
    train = str(folder / parts.pop("training"))
    keys = {"validation": "valid_path", "test": "test_path"}
    others = [
        f"data.{keys[part]}={glob.escape(str(folder / name))}/*" for part, name in parts.items()
    ]
    return ConfigError(
        problem,
        Remedy(f"charrnn.propose({train!r}, None, {others!r})", "trains on the texts of each part"),
    )
