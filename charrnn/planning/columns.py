"""Choose which columns of a table to learn: a prompt that is given, and the reply to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.config.values import Column
from charrnn.errors import ConfigError, Remedy, counted, shown_name
from charrnn.text.decoding import read_symbols
from charrnn.text.files import find_files
from charrnn.text.labels import LEAST_OF_LABEL, MOST_LABELS
from charrnn.text.rows import rows_of, text_of

BEHIND = "is in the file, behind #"  # the other direction
_MOST_VALUES = 1 << 16  # different values that are counted
_LOOKED_AT = 500  # cells of a column whose form is looked at
_MOST = 0.9  # share of them that is enough
_MOST_NUMBERS = 20  # values of a label of numbers
_LONGEST_NAME = 60  # characters of the name of a column

_FORMS = {  # of cells that are not the text to learn
    "numbers": re.compile(r"[-+]?[$€£]?\s?\d[\d., ]*([eE][-+]?\d+)?\s?[%$€£]?|[-+]?[.,]\d+"),
    "dates": re.compile(
        r"\W?\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b.*|\d{1,2}:\d\d\b.*|\d{1,2}\.? [^\W\d]{3,9}\.? \d{4}.*"
    ),
    "links": re.compile(r"(https?|ftp)://\S+|www\.\S+|[^\s@]+@[^\s@]+\.\w+"),
    "codes": re.compile(r"[A-Za-z]{0,4}[-_#:]?\d[\d-]*|(?=.*\d)[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*"),
}
_IDS = re.compile(r"(?i:(.*[ _-])?(id|uuid|guid|index|key))|.*Id")
# Names of columns. They decide among several labels, and whether the first row names columns.
_LABELS = re.compile(
    "(label|class|genre|topic|sentiment|emotion|intent|severity|level|type|kind|tag|language|lang|"
    "nationality|gender|rating|target)s?|categor(y|ies)|stars"
)
_USUAL = re.compile(
    f"{_LABELS.pattern}|.*_.*|(text|sentence|message|title|name|question|answer|prompt|response|input|output|source|word|"
    "description|review|comment|content|author|date|year|url|id)s?|repl(y|ies)|body"
)


class Columns(NamedTuple):
    """Keys of the section data for a table."""

    keys: dict[str, Any]
    instead: dict[str, Any]  # keys that differ for the other direction; empty if there is none
    reasons: list[str]  # lines of text


class _Column:
    """What is known of a column."""

    def __init__(self, place: int | str) -> None:
        self.place = place  # from 0, or a key of JSON
        self.name: str | None = None
        self.rows = 0  # whose cell is not blank
        self._chars = 0
        self._values = set[int]()  # digests
        self._first: list[str] = []

    def add(self, cell: str) -> None:
        """Count a cell."""
        if text := cell.strip():
            self.rows += 1
            self._chars += len(text)
            if len(self._values) < _MOST_VALUES:
                self._values.add(hash(text))
            if len(self._first) < _LOOKED_AT:
                self._first.append(text)

    def __contains__(self, cell: str) -> bool:
        return hash(cell.strip()) in self._values

    def __str__(self) -> str:
        return f"column {self.key}" if isinstance(self.key, int) else shown_name(self.key)

    @property
    def key(self) -> int | str:
        """The value of prompt_column or reply_column for it."""
        return self.name or (self.place + 1 if isinstance(self.place, int) else self.place)

    def fits(self, key: int | str | None) -> bool:
        """Return whether this value of prompt_column or reply_column stands for it."""
        if isinstance(key, int) and isinstance(self.place, int):
            return key == self.place + 1
        return key is not None and str(key) == self.name

    @property
    def distinct(self) -> int:
        """The number of its different values."""
        return len(self._values)

    @property
    def form(self) -> str:
        """What nearly all of its cells are: a key of _FORMS, or texts."""
        for form, pattern in _FORMS.items():
            if sum(map(bool, map(pattern.fullmatch, self._first))) >= _MOST * len(self._first):
                return form
        return "texts"

    @property
    def named_like_a_label(self) -> bool:
        """Whether its name is usual for a label."""
        return bool(_LABELS.fullmatch((self.name or "").strip().lower()))

    @property
    def is_label(self) -> bool:
        """Whether it has few different values, each of them often."""
        if not 1 < self.distinct <= min(MOST_LABELS, self.rows / LEAST_OF_LABEL):
            return False
        form = self.form
        few = self.distinct <= _MOST_NUMBERS or self.named_like_a_label
        return form == "texts" or (form in ("numbers", "codes") and few)

    @property
    def is_text(self) -> bool:
        """Whether it is worth learning: many different texts."""
        return self.form == "texts" and not self.is_label and not _IDS.fullmatch(self.name or "")

    @property
    def weight(self) -> float:
        """The more, the likelier it is the text of the table."""
        return self._chars / max(1, self.rows) * self.distinct


def choose_columns(data: DataConfig, given: Collection[str], table: str) -> Columns:
    """Choose prompt, reply and header of a table.

    A column with few values is a label, and the reply to the longest text with the most values.
    Without a label, two texts are prompt and reply, and a single one is the reply.

    Args:
        data: where the table is, and its format. Its columns count if they are given.
        given: keys of the section data that are not chosen.
        table: how it is read, in words.

    Raises:
        ConfigError: there is no column to learn.
        TextError: the table cannot be read.
    """
    columns, header = _read(data, given)
    keys: dict[str, Any] = {} if data.records == "jsonl" else {"header": header}
    names = f", {'' if header else 'not '}named by its first row" if keys else ""
    how = f"{table}{names}: data.records {data.records}"
    prompts = data.prompt_column if isinstance(data.prompt_column, tuple) else (data.prompt_column,)
    replies = [one for one in columns if "reply_column" in given and one.fits(data.reply_column)]
    free = [one for one in columns if one not in replies and not any(map(one.fits, prompts))]
    label = max((one for one in free if one.is_label), key=_rank, default=None)
    texts = sorted((one for one in free if one.is_text), key=lambda one: -one.weight)
    text = texts[0] if texts else None
    if "reply_column" in given:
        prompt = text if replies and replies[0].is_label else label or text
        if "prompt_column" not in given and prompt:
            keys["prompt_column"] = prompt.key
        return Columns(keys, {}, [how])
    if "prompt_column" in given and (reply := label if label and data.prompt_column else text):
        return Columns({**keys, "reply_column": reply.key}, {}, [how, f"learned: {reply}"])
    if text is None:
        raise _no_text(data, columns)
    if label:
        first, second = text, label
        why = f"a label ({counted(label.distinct, 'value')}), as accuracy can be measured"
    elif len(texts) > 1:
        first, second = sorted(texts[:2], key=columns.index)
        why = "as no column is a label"
    else:
        why = f"learned: {text}, the only column of texts"
        return Columns({**keys, "reply_column": text.key}, {}, [how, why])
    return Columns(
        {**keys, "prompt_column": first.key, "reply_column": second.key},
        {"prompt_column": second.key, "reply_column": first.key},
        [how, f"learned: {first} -> {second}, {why}; {second} -> {first} {BEHIND}"],
    )


def _rank(column: _Column) -> tuple[bool, bool, int]:
    """Return the order of labels: by name, words before numbers, the last columns first."""
    last = column.place if isinstance(column.place, int) else 0
    return column.named_like_a_label, column.form == "texts", last


def _no_text(data: DataConfig, columns: Iterable[_Column]) -> ConfigError:
    found = [f"{one} ({'a label' if one.is_label else one.form})" for one in columns]
    more = ", ..." if len(found) > 6 else ""
    return ConfigError(
        f"{data.where}: no column of this table is a text to learn: "
        f"{', '.join(found[:6]) or 'it has no rows'}{more}; "
        "data.reply_column chooses one",
        Remedy("data.records=null", "reads the whole table as one text"),
    )


def _read(data: DataConfig, given: Collection[str]) -> tuple[list[_Column], bool]:
    """Return the columns that most rows fill, and whether the first row names them."""
    found: dict[int | str, _Column] = {}
    head: Sequence[str] | None = None
    rows = 0
    for file in find_files(data.path):
        for number, (_, cells) in enumerate(rows_of(file, read_symbols(file, data), data)):
            if not isinstance(cells, dict) and not number and head in (None, cells):
                head = cells
                continue
            rows += 1
            for place, cell in cells.items() if isinstance(cells, dict) else enumerate(cells):
                if place not in found:
                    found[place] = _Column(place)
                found[place].add(cell)
    columns = [one for one in found.values() if one.rows > rows / 2]
    if head is None:
        for column in columns:
            column.name = str(column.place)
        return [one for one in columns if _is_key(one.name)], False
    by_name = [data.prompt_column, data.reply_column]
    header = any(isinstance(one, (str, tuple)) for one in by_name) or _are_names(head, columns)
    if "header" in given and data.header is not None:
        header = data.header
    for column in columns:
        cell = head[int(column.place)] if int(column.place) < len(head) else ""
        if not header:
            column.add(cell)
        elif head.count(cell) == 1 and _is_key(name := text_of(cell, data)):
            column.name = name
    return columns, header


def _is_key(name: str | None) -> bool:
    """Return whether a column can be given by this name."""
    try:
        return Column().parse(name) == name and "\ufffd" not in name
    except ValueError:
        return False


def _are_names(head: Sequence[str], columns: Sequence[_Column]) -> bool:
    """Return whether the first row of a table names its columns."""
    cells = [cell.strip() for cell in head]
    filled = [cell for cell in cells if cell]
    if len({*filled}) < max(len(filled), len(cells) / 2):
        return False
    if any(len(cell) > _LONGEST_NAME or _form(cell) != "texts" for cell in filled):
        return False
    pairs = [(cells[int(one.place)], one) for one in columns if int(one.place) < len(cells)]
    if any(cell in column for cell, column in pairs if cell):
        return False
    return any(
        column.form != "texts" or column.is_label or _USUAL.fullmatch(cell.lower())
        for cell, column in pairs
        if cell
    )


def _form(cell: str) -> str:
    return next((form for form, one in _FORMS.items() if one.fullmatch(cell)), "texts")
