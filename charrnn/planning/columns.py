"""Choose which columns of a table to learn: a prompt that is given, and the reply to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.errors import ConfigError, Remedy, counted, shown
from charrnn.planning.column import TableColumn
from charrnn.planning.table_columns import TableColumns, read_columns

BEHIND = "is in the file, behind #"  # the other direction, as init writes it
GIVEN_BEHIND = "can be given (data.feature_columns), behind #"
_MOST_SHOWN = 3  # cells of a first row, and columns
_MOST_KINDS = 6  # columns with what they are


class Columns(NamedTuple):
    """Keys of the section data for a table."""

    keys: dict[str, Any]
    instead: dict[str, Any]  # keys that differ for the other direction; empty if there is none
    reasons: list[str]  # lines of text
    features: Sequence[int | str] = ()  # columns of numbers that can be given, too


def choose_columns(data: DataConfig, given: Collection[str], table: str) -> Columns:
    """Choose prompt, reply and header of a table.

    A column with few values is a label, and the reply to the longest text with the most values.
    Without a label, two texts are prompt and reply, and a single one is the reply. So are the only
    two columns of a table if they are dates, or dates and texts.

    Args:
        data: where the table is, and its format. Its columns count if they are given.
        given: keys of the section data that are not chosen.
        table: how it is read, in words.

    Raises:
        ConfigError: there is no column to learn.
        TextError: the table cannot be read.
    """
    found = read_columns(data, given)
    columns = found.filled
    keys: dict[str, Any] = {} if data.records == "jsonl" else {"header": found.header}
    names = _named(found, is_given="header" in given) if keys else ""
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
    first, second, why = _sides(columns, free, label, texts)
    if second is None or "prompt_column" in given:
        raise _no_text(data, columns)
    numbers = [] if data.has_features or label else [one for one in free if one.is_feature]
    unused = [one for one in free if one not in (first, second, *numbers)]
    unused += [one for one in found.sparse if not any(map(one.fits, taken))]
    keys |= {"prompt_column": first.key} if first else {}
    keys["reply_column"] = second.key
    learned = f"learned: {first} -> {second}" if first else f"learned: {second}"
    other = f"; {second} -> {first} {BEHIND}" if first else ""
    return Columns(
        keys,
        {"prompt_column": second.key, "reply_column": first.key} if first else {},
        [how, f"{learned}, {why}{other}", *_given_too(numbers, first), *_not_used(unused)],
        [one.key for one in numbers],
    )


def _sides(
    columns: Sequence[TableColumn],
    free: Sequence[TableColumn],
    label: TableColumn | None,
    texts: Sequence[TableColumn],
) -> tuple[TableColumn | None, TableColumn | None, str]:
    """Return the prompt and the reply to learn, and why; without a reply there is nothing.

    Args:
        columns: of the table.
        free: those that have no use yet.
        label: the best one of them.
        texts: those of them that are texts, the one with the most text first.
    """
    if label and texts:
        why = f"a label ({counted(label.distinct, 'value')}), as accuracy can be measured"
        return texts[0], label, why
    if len(texts) > 1:
        first, second = sorted(texts[:2], key=columns.index)
        return first, second, "as no column is a label"
    if len(columns) == len(free) == 2 and all(one.is_date or one.is_text for one in free):
        return free[0], free[1], "as there are no other columns"
    return None, texts[0] if texts else None, "the only column of texts"


def _named(found: TableColumns, *, is_given: bool) -> str:
    """Return in words whether the first row names the columns, and what changes that."""
    if found.header:
        change = " (if that is a row of data: data.header=false)"
        return f", named by its first row{'' if is_given else change}"
    cells = ", ".join(map(shown, found.doubted[:_MOST_SHOWN]))
    more = ", ..." if len(found.doubted) > _MOST_SHOWN else ""
    change = f" (if {cells}{more} are names: data.header=true)" if found.doubted else ""
    return f", not named by its first row{change}"


def _given_too(numbers: Sequence[TableColumn], prompt: TableColumn | None) -> list[str]:
    """Return in words which columns of numbers can be given, and which rows that leaves out."""
    if not numbers:
        return []
    gaps = ", ".join(f"{one} in {counted(one.blank, 'row')}" for one in numbers if one.blank)
    left_out = f"; this leaves out rows in which one is blank ({gaps})" if gaps else ""
    alone = prompt is None and len(numbers) == 1
    as_text = f"; data.prompt_column: {numbers[0].key} reads it as a text" if alone else ""
    return [f"{_listed(numbers)} {GIVEN_BEHIND}{as_text}{left_out}"]


def _not_used(columns: Sequence[TableColumn]) -> list[str]:
    """Return in words which columns are not used, why not, and how to use them."""
    if not columns:
        return []
    kinds = [f"{one} ({one.kind}{_gaps(one)})" for one in columns[:_MOST_KINDS]]
    more = ", ..." if len(columns) > _MOST_KINDS else ""
    return [
        f"not used: {', '.join(kinds)}{more}; data.prompt_column, data.reply_column and "
        "data.feature_columns choose columns"
    ]


def _gaps(column: TableColumn) -> str:
    """Return in words how many cells a column lacks, if that is why it is not used."""
    if not column.is_numbers and column.rows > column.blank + column.missing:
        return ""
    blank = f", blank in {counted(column.blank, 'row')}, which it would leave out"
    missing = f", missing in {counted(column.missing, 'row')}"
    return (blank if column.blank else "") + (missing if column.missing else "")


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


def _no_text(data: DataConfig, columns: Iterable[TableColumn]) -> ConfigError:
    found = [f"{one} ({one.kind})" for one in columns]
    more = ", ..." if len(found) > _MOST_KINDS else ""
    return ConfigError(
        f"{data.where}: no column of this table is a text to learn: "
        f"{', '.join(found[:_MOST_KINDS]) or 'it has no rows'}{more}; "
        "data.prompt_column and data.reply_column choose two",
        Remedy("data.records=null", "reads the whole table as one text"),
    )
