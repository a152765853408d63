"""The symbols of files of records, with the symbols that begin, end and divide them.

Every record ends with the end of a record. One with a prompt has the end of a prompt before its
reply.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import TextError, counted, shown
from charrnn.kernels import Array
from charrnn.text.features import FeatureRows
from charrnn.text.rows import BLANKS, as_string, bytes_of, is_blank
from charrnn.text.tables import Table, also_in
from charrnn.text.vocabulary import SYMBOLS, code_points

SEPARATORS = {"line": "\n", "paragraph": "\n\n", **dict.fromkeys(TABLES, "\n")}  # printed
_NEWLINE = ord("\n")
_BLANKS = np.array([ord(c) for c in BLANKS], np.uint32)
_TOGETHER = 1 << 12  # rows encoded together
# What stands in strings for the ends of a record and of a prompt: no text has these characters.
_MARKS = {"char": ("\ud800", "\ud801"), "byte": ("\u0100", "\u0101")}


class RecordFile(NamedTuple):
    """A file of records."""

    name: str  # in errors; with data.label_from its stem is the label
    pieces: Iterable[Array]  # of its symbols, (n,) each


def with_ends(
    files: Iterable[RecordFile],
    config: DataConfig,
    *,
    first: bool = True,
    features: FeatureRows | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> Iterator[Array]:
    """Yield the symbols of files, with an end symbol before and after each record.

    Rows of a table in which the prompt, the reply or a feature is blank are left out.

    Args:
        files: to read.
        config: what a record is.
        first: whether no other records come before, whose last end symbol is the first one here.
        features: takes those of the rows of a table.
        note: called with a message about the rows of each file that are left out.

    Raises:
        TextError: a file is not a table as configured, or a line has no reply.
    """
    if first:
        yield np.array([SYMBOLS[config.tokens]], np.uint32)
    for file in files:
        if config.records in TABLES:
            yield from _symbols(_rows(file, config, features, note), config)
        elif config.has_prompts:
            yield from _symbols(_pairs(file, config), config)
        else:
            yield from _split(file.pieces, config)


def _symbols(records: Iterable[str], config: DataConfig) -> Iterator[Array]:
    """Yield the symbols of strings, in which marks stand for ends."""
    end_mark, prompt_mark = map(ord, _MARKS[config.tokens])
    waiting: list[str] = []
    for record in chain(records, [None]):
        if record is not None:
            waiting.append(record)
        if waiting and (record is None or len(waiting) == _TOGETHER):
            symbols = code_points("".join(waiting)).astype(np.uint32)
            for number, mark in enumerate((end_mark, prompt_mark)):
                symbols[symbols == mark] = SYMBOLS[config.tokens] + number
            yield symbols
            waiting.clear()


def _rows(
    file: RecordFile,
    config: DataConfig,
    features: FeatureRows | None,
    note: Callable[[str], object],
) -> Iterator[str]:
    """Yield the rows of a table, with marks."""
    end, prompt_end = _MARKS[config.tokens]
    table = Table(file.name, file.pieces, config)
    rows, blank = 0, Counter[str]()  # rows in which a column is blank
    first_blank = 0  # line
    for row in table:
        rows += 1
        if column := table.blank_column(row):
            blank[column] += 1
            first_blank = first_blank or row.line
            continue
        if features is not None:
            features.add(table.features(row))
        yield (
            f"{row.reply}{end}"
            if row.prompt is None
            else f"{row.prompt}{prompt_end}{row.reply}{end}"
        )
    if blank:
        n = blank.total()
        columns = ", ".join(f"{name} is blank in {many:,}" for name, many in blank.items())
        note(
            f"{file.name}: {n:,} of {counted(rows, 'row')} {'is' if n == 1 else 'are'} left out, "
            f"the first of them at line {first_blank:,}: {columns}"
        )


def _pairs(file: RecordFile, config: DataConfig) -> Iterator[str]:
    """Yield the prompts and replies of lines or paragraphs, with marks."""
    end, prompt_end = _MARKS[config.tokens]
    empty: list[int] = []  # records without a reply, all of which are reported
    for number, text in enumerate(_texts(file.pieces, config), 1):
        prompt, reply = _pair(file.name, number, text, config)
        if is_blank(reply):
            empty.append(number)
        elif not empty:
            yield f"{prompt}{prompt_end}{reply}{end}"
    _refuse_empty(file.name, empty)


def _pair(name: str, number: int, text: str, config: DataConfig) -> tuple[str, str]:
    if config.label_from:
        label = label_of(name, config)
        return (label, text) if config.label_as == "prompt" else (text, label)
    separator = bytes_of(config.prompt_separator or "", config)
    prompt, found, reply = text.partition(separator)
    if not found:
        raise TextError(
            f"{name}: record {number:,}, {shown(text)}, has no {shown(config.prompt_separator)} "
            "(data.prompt_separator); complete the line or remove it"
        )
    return prompt, reply


def label_of(name: str, config: DataConfig) -> str:
    """Return the label of the records of a file: its name without the ending."""
    return bytes_of(os.fsencode(Path(name).stem).decode("utf-8", "replace"), config)


def _refuse_empty(name: str, empty: Sequence[int]) -> None:
    """Raise an error if records, given by their numbers, have no reply."""
    if not empty:
        return
    first, *others = empty
    problem = f"{name}: record {first:,}: the reply is empty"
    if not others:
        raise TextError(f"{problem}; write one, or remove the record")
    problem += also_in("record", others)
    raise TextError(f"{problem}; write these replies, or remove the records")


def _texts(pieces: Iterable[Array], config: DataConfig) -> Iterator[str]:
    """Yield the lines or paragraphs of a file as strings."""
    end, rest = _MARKS[config.tokens][0], ""
    for symbols in _split(pieces, config):
        marked = np.where(symbols == SYMBOLS[config.tokens], ord(end), symbols)
        *texts, rest = (rest + as_string(marked)).split(end)
        yield from texts


def _split(pieces: Iterable[Array], config: DataConfig) -> Iterator[Array]:
    """Yield the symbols of a text with an end symbol after each record.

    A line is a record, or a paragraph between blank lines. Lines without a visible symbol are
    blank; they are no records.

    Args:
        pieces: of the text, (n,) symbols each.
        config: whether records are lines or paragraphs.
    """
    end, nothing = SYMBOLS[config.tokens], np.empty(0, np.uint32)
    waiting: list[Array] = []  # pieces since the last whole line
    for piece, final in chain(((one, False) for one in pieces), [(nothing, True)]):
        waiting.append(piece.astype(np.uint32))
        if not final and not (piece == _NEWLINE).any():
            continue
        symbols = np.concatenate(waiting)
        if final and len(symbols) and symbols[-1] != _NEWLINE:
            symbols = np.append(symbols, np.uint32(_NEWLINE))
        newlines = np.flatnonzero(symbols == _NEWLINE)
        done = len(newlines) if final else max(0, len(newlines) - 1)  # the last line waits
        cut = int(newlines[done - 1]) + 1 if done else 0
        lines, ends, waiting = symbols[:cut].copy(), newlines[:done], [symbols[cut:]]
        if not done:
            continue
        first = np.concatenate([[0], ends[:-1] + 1])
        visible = ~_is_space(lines[first])
        if not visible.all():
            visible = np.logical_or.reduceat(~_is_space(lines), first)
        if config.records == "paragraph":
            next_end = int(newlines[done]) if done < len(newlines) else len(symbols)
            next_visible = not _is_space(symbols[cut:next_end]).all() and not final
            closed = ~np.append(visible[1:], next_visible)
        else:
            closed = np.ones(done, np.bool_)
        lines[ends[closed]] = end
        if visible.all():
            yield lines
        elif visible.any():
            yield lines[np.repeat(visible, np.diff(np.append(first, cut)))]


def _is_space(symbols: Array) -> Array:
    """Return which of (n,) symbols leave a line blank."""
    spaces: Array = np.isin(symbols, _BLANKS)
    return spaces
