"""Propose how to read a text: as one text, as records, or as a table with a prompt and a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.config.checks import KEYS_OF_RECORDS
from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import ConfigError, Remedy, counted, shown
from charrnn.planning.columns import BEHIND, choose_columns
from charrnn.planning.separators import Separator, find_separator
from charrnn.text.files import find_files
from charrnn.text.lines import are_labelled, beginning, find_shape, find_table, may_be_labelled
from charrnn.text.remarks import as_text
from charrnn.text.shape import READ
from charrnn.text.table_format import NAMED_TABLES, TableFormat

_OF_TABLES = [key for key, kinds in KEYS_OF_RECORDS.items() if not {*kinds} - {*TABLES}]
KEYS = ("records", *KEYS_OF_RECORDS)  # of the section data, which `propose_records` chooses
_LISTS = "lists, each with its label as the name of its file: data.label_from file"


class Records(NamedTuple):
    """Keys of the section data, and why they are proposed."""

    keys: dict[str, Any]
    instead: dict[str, Any]  # keys that differ for the other direction; empty if there is none
    reasons: list[str]  # lines of text
    doubt: str = ""  # why lines that may be records are read as one text
    remedy: Remedy | None = None  # what reads them as records
    features: Sequence[int | str] = ()  # columns of numbers that can be given, too


def propose_records(data: DataConfig, given: Mapping[str, Any]) -> Records:
    """Propose what the records of a text are.

    Args:
        data: where the text is, and how it is read.
        given: values of keys in KEYS, which are kept.

    Raises:
        ConfigError: the text is a table without a column to learn.
        TextError: the text cannot be read, or is no table although it is given as one.
    """
    records, others = given.get("records"), {key for key, one in given.items() if one is not None}
    others -= {"features_path"}  # which any records may have
    if "records" in given and records not in TABLES:
        return Records({}, {}, [])
    pairs = Records({}, {}, [])
    as_table = bool({*_OF_TABLES} & {*given}) or records in TABLES
    if as_table or not others - {"split_by"}:
        found = find_table(data)
        if given.get("delimiter"):
            _refuse_other(given["delimiter"], found, data)
            found = TableFormat("csv", given["delimiter"])
        elif records in TABLES and (found is None or found.records != records):
            found = TableFormat(records, "\t" if found and found.records == "tsv" else None)
        if found and found.columns != 2:
            return _table(data, given, found)
        free = not as_table and "prompt_separator" not in given and not _is_named(data)
        separator = find_separator(data) if free else None
        if found:
            table = _table(data, given, found)
            # The cells of the table would begin or end with the blanks of a separator.
            bare = separator is None or separator.text.strip() != found.delimiter
            if bare or table.keys.get("header"):
                return table
        if separator and (pairs := _pairs(separator)).keys:
            return pairs
    alone = "label_from" not in given and not others - {"label_as", "split_by"}
    if given.get("label_from") or (alone and are_labelled(data)):
        keys = {"records": "line", "label_from": "file", "label_as": "reply"}
        if "label_as" in given:
            return Records(keys, {}, [_LISTS])
        way = "learned: line -> label, as accuracy can be measured"
        return Records(keys, {"label_as": "prompt"}, [_LISTS, f"{way}; label -> line {BEHIND}"])
    if given.get("prompt_separator"):
        return Records({"records": "line"}, {}, [])
    shape = None if as_table else find_shape(data)
    if shape is None or shape.records is None:
        if alone and not as_table and not pairs.doubt and may_be_labelled(data):
            files = counted(len(find_files(data.path)), "file")
            way = "charrnn init with data.label_from=file learns to tell the file of a line"
            return Records({}, {}, [], f"{files} of lines may be one for each label; {way}")
        if pairs.doubt or not shape:
            return pairs
        each = Remedy("data.records=line", "reads each line as a record")
        return Records({}, {}, [], shape.reason, each)
    reason = f"{shape.reason}; data.records {shape.records}"
    return Records({"records": shape.records}, {}, [reason])


def _refuse_other(delimiter: str, found: TableFormat | None, data: DataConfig) -> None:
    """Raise an error about a delimiter that the first row of a table with another one lacks."""
    if found is None or found.columns < 2 or delimiter == (found.delimiter or "\t"):
        return
    text = as_text(beginning(find_files(data.path), data)[:READ], data)
    if delimiter not in text.lstrip().partition("\n")[0]:
        raise ConfigError(
            f"data.delimiter: {data.where} looks like {found}, and its first row has no "
            f"{shown(delimiter)}; leave this key out, or read each line as a record with "
            "data.records=line"
        )


def _table(data: DataConfig, given: Mapping[str, Any], found: TableFormat) -> Records:
    """Propose the format and the columns of a table."""
    keys: dict[str, Any] = {"records": found.records}
    if found.records == "csv":
        keys["delimiter"] = found.delimiter or ","
    columns = choose_columns(replace(data, **{**keys, **given}), given.keys(), str(found))
    keys |= columns.keys
    return Records(keys, columns.instead, columns.reasons, features=columns.features)


def _is_named(data: DataConfig) -> bool:
    """Return whether a file is named like a table."""
    return any(file.lower().endswith(NAMED_TABLES) for file in find_files(data.path))


def _pairs(found: Separator) -> Records:
    """Propose lines with a prompt and a reply, or say why they are one text."""
    lines, mark = counted(found.lines, "line"), shown(found.text)
    way = f"data.prompt_separator: {mark} reads pairs"
    if found.without:
        few = counted(len(found.without), "line")
        return Records(
            {},
            {},
            [],
            f"{lines} may be pairs with {mark} between them, but {few} lack it, the first of them "
            f"line {found.without[0]:,}; {way}, once these are complete",
        )
    labels = counted(found.prompt.distinct, "value")
    if found.is_said:
        return Records(
            {},
            {},
            [],
            f"{lines} begin with one of {labels} and {mark}, as in a conversation or a log; "
            f"{way} of a label and a text",
        )
    if found.prompt.is_label:
        why = f"learned: label ({labels}) -> text; for text -> label, exchange the sides"
    elif found.reply.is_label:
        labels = counted(found.reply.distinct, "value")
        why = f"learned: text -> label ({labels}), as accuracy can be measured"
    else:
        why = f"learned: text before {mark} -> text after it"
    whole = "data.prompt_separator: null does not divide lines"
    return Records(
        {"records": "line", "prompt_separator": found.text},
        {},
        [f"{lines} with {mark} between prompt and reply: data.records line", f"{why} ({whole})"],
    )
