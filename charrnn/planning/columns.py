"""Choose which columns of a table to learn: a prompt that is given, and the reply to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.config.values import Column
from charrnn.errors import ConfigError, Remedy, counted, shown
from charrnn.planning.column import TableColumn
from charrnn.planning.header import are_names, may_be_names
from charrnn.text.decoding import read_symbols
from charrnn.text.files import find_files
from charrnn.text.rows import rows_of, text_of

BEHIND = "is in the file, behind #"  # the other direction
_MOST_SHOWN = 3  # cells of a first row


class Columns(NamedTuple):
    """Keys of the section data for a table."""

    keys: dict[str, Any]
    instead: dict[str, Any]  # keys that differ for the other direction; empty if there is none
    reasons: list[str]  # lines of text
    features: Sequence[int | str] = ()  # columns of numbers that can be given, too


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
    columns, header, doubted = _read(data, given)
    keys: dict[str, Any] = {} if data.records == "jsonl" else {"header": header}
    names = f", {'' if header else 'not '}named by its first row" if keys else ""
    if doubted:
        shown_row = ", ".join(map(shown, doubted[:_MOST_SHOWN]))
        more = ", ..." if len(doubted) > _MOST_SHOWN else ""
        names += f" (data.header: true if {shown_row}{more} are names)"
    how = f"{table}{names}: data.records {data.records}"
    prompts = data.prompt_column if isinstance(data.prompt_column, tuple) else (data.prompt_column,)
    replies = [one for one in columns if "reply_column" in given and one.fits(data.reply_column)]
    taken = (*prompts, *data.feature_names)
    free = [one for one in columns if one not in replies and not any(map(one.fits, taken))]
    label = max((one for one in free if one.is_label), key=_rank, default=None)
    texts = sorted((one for one in free if one.is_text), key=lambda one: -one.weight)
    text = texts[0] if texts else None
    given_prompts = [one for column in prompts for one in columns if one.fits(column)]
    if "reply_column" in given:
        prompt = text if replies and replies[0].is_label else label or text
        if "prompt_column" not in given and prompt and not data.has_features:
            keys["prompt_column"] = prompt.key
            given_prompts = [prompt]
        return Columns(keys, {}, [how, _learned(given_prompts, replies[0])] if replies else [how])
    if "prompt_column" in given and (reply := label if label and data.prompt_column else text):
        return Columns(
            {**keys, "reply_column": reply.key}, {}, [how, _learned(given_prompts, reply)]
        )
    if text is None:
        raise _no_text(data, columns)
    numbers = [] if data.has_features or label else [one for one in free if one.is_feature]
    given_too = [f"{_listed(numbers)} can be given (data.feature_columns), behind #"]
    given_too = given_too if numbers else []
    if label:
        first, second = text, label
        why = f"a label ({counted(label.distinct, 'value')}), as accuracy can be measured"
    elif len(texts) > 1:
        first, second = sorted(texts[:2], key=columns.index)
        why = "as no column is a label"
    else:
        same = [f"{one} is the same in all rows" for one in free if one.is_constant]
        why = "; ".join([f"learned: {text}, the only column of texts", *same[:1]])
        return Columns(
            {**keys, "reply_column": text.key},
            {},
            [how, why, *given_too],
            [one.key for one in numbers],
        )
    return Columns(
        {**keys, "prompt_column": first.key, "reply_column": second.key},
        {"prompt_column": second.key, "reply_column": first.key},
        [
            how,
            f"learned: {first} -> {second}, {why}; {second} -> {first} {BEHIND}",
            *given_too,
        ],
        [one.key for one in numbers],
    )


def _learned(prompts: Sequence[TableColumn], reply: TableColumn) -> str:
    """Return in words what is learned of columns that were given."""
    names = " and ".join(map(str, prompts))
    return f"learned: {names} -> {reply}" if names else f"learned: {reply}"


def _listed(columns: Sequence[TableColumn]) -> str:
    """Return the first of some columns in words."""
    more = ", ..." if len(columns) > _MOST_SHOWN else ""
    return f"{', '.join(map(str, columns[:_MOST_SHOWN]))}{more}"


def _rank(column: TableColumn) -> tuple[bool, bool, int]:
    """Return the order of labels: by name, words before numbers, the last columns first."""
    last = column.place if isinstance(column.place, int) else 0
    return column.named_like_a_label, column.form == "texts", last


def _kind(column: TableColumn) -> str:
    if column.is_constant:
        return "the same in all rows"
    return "a label" if column.is_label else column.form


def _no_text(data: DataConfig, columns: Iterable[TableColumn]) -> ConfigError:
    found = [f"{one} ({_kind(one)})" for one in columns]
    more = ", ..." if len(found) > 6 else ""
    return ConfigError(
        f"{data.where}: no column of this table is a text to learn: "
        f"{', '.join(found[:6]) or 'it has no rows'}{more}; "
        "data.prompt_column and data.reply_column choose two",
        Remedy("data.records=null", "reads the whole table as one text"),
    )


def _read(
    data: DataConfig, given: Collection[str]
) -> tuple[list[TableColumn], bool, Sequence[str]]:
    """Return the columns that most rows fill, and whether the first row names them.

    The third value is the first row if it is not taken for names and may be.
    """
    found: dict[int | str, TableColumn] = {}
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
                    found[place] = TableColumn(place)
                found[place].add(cell)
    columns = [one for one in found.values() if one.rows > rows / 2]
    if head is None:
        for column in columns:
            column.name = str(column.place)
        return [one for one in columns if _is_key(one.name)], False, ()
    by_name = [data.prompt_column, data.reply_column, *data.feature_names]
    header = any(isinstance(one, (str, tuple)) for one in by_name) or are_names(head, columns)
    given_header = "header" in given and data.header is not None
    if given_header:
        header = bool(data.header)
    for column in columns:
        cell = head[int(column.place)] if int(column.place) < len(head) else ""
        if not header:
            column.add(cell)
        elif head.count(cell) == 1 and _is_key(name := text_of(cell, data)):
            column.name = name
    doubted = [] if header or given_header or not may_be_names(head) else head
    return columns, header, [text_of(cell, data) for cell in doubted]


def _is_key(name: str | None) -> bool:
    """Return whether a column can be given by this name."""
    try:
        return Column().parse(name) == name and "\ufffd" not in name
    except ValueError:
        return False
