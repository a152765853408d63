"""Rows of tables: CSV, tab-separated values and JSON lines.

Cells are strings. With byte tokens, a character of a cell is a byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, counted, shown
from charrnn.kernels import Array
from charrnn.text.table_format import LOOKED_AT, has_blanks_between

BLANKS = " \t\n\r\v\f\xa0\u3000"  # a line, a cell or a record of nothing else is blank
NO_RECORDS = "has no records; each line is blank, or each row in a column that it needs"
_MARK = "\xef\xbb\xbf"  # UTF-8's byte order mark, byte by byte
_CELLS = (str, bool, type(None))  # of an object of JSON; numbers are read as they are spelled


def rows_of(where: str, pieces: Iterable[Array], config: DataConfig) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a table, the one with the names of columns among them.

    Rows without a visible character are left out.

    Args:
        where: name of the file, for errors.
        pieces: its symbols, (n,) each.
        config: kind of table.

    Yields:
        The number of a row's first line, from 1, and its cells: of CSV and TSV a sequence of
        strings, of JSON a mapping.

    Raises:
        TextError: the file is not such a table.
    """
    lines = lines_of(pieces)
    if config.tokens == "byte":
        first = next(lines, "")
        lines = chain([first.removeprefix(_MARK)], lines)
    readers = {"csv": _csv, "tsv": _tsv, "jsonl": _jsonl}
    return readers[config.records or ""](where, lines, config)


def _csv(
    where: str, lines: Iterable[str], config: DataConfig
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the rows of CSV: cells may be quoted, and have line ends then.

    If all cells of the first rows stand behind a blank, it belongs to the delimiter.
    """
    ended, read = False, list[str]()  # lines of the row

    def watched() -> Iterator[str]:
        nonlocal ended
        for line in lines:
            read.append(line)
            yield line
        ended = True

    delimiter = config.delimiter or ","
    lines = iter(lines)
    head = [*islice(lines, LOOKED_AT)]
    lines = chain(head, lines)
    blanks = has_blanks_between(head, delimiter)
    reader = csv.reader(watched(), delimiter=delimiter, skipinitialspace=blanks)
    line, problem = 1, ""
    try:
        for cells in reader:
            if ended or (len(read) > 1 and not _is_closed(read, delimiter, blanks)):
                # The reader has asked for another line to end this row, or the cell ends at a quote
                # that opens one of a later row.
                problem = "a quote is not closed; close it, or double a quote in a cell"
                break
            if not all(map(is_blank, cells)):
                yield line, cells
            line = reader.line_num + 1
            read.clear()
    except csv.Error as error:
        problem = str(error)
        if "limit" in problem:
            problem = (
                f"a cell has more than {counted(csv.field_size_limit(), 'char')}, or a quote is "
                "not closed; close it, or double a quote in a cell"
            )
        elif "new-line" in problem:
            problem = (
                "a carriage return stands in a cell without quotes; remove it, or read it as a "
                "line end (data.newlines: lf)"
            )
    if problem:
        tabs = "data.records: tsv reads tab-separated values, in which quotes have no meaning"
        raise TextError(f"{where}: line {line}: {problem}", hint=tabs if delimiter == "\t" else "")


def _is_closed(lines: Sequence[str], delimiter: str, blanks: bool) -> bool:
    """Return whether each quoted cell of a row ends at the quote that closes it."""
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=blanks, strict=True)
    try:
        return bool([*rows])
    except csv.Error:
        return False


def _tsv(
    where: str,  # noqa: ARG001
    lines: Iterable[str],
    config: DataConfig,  # noqa: ARG001
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the rows of tab-separated values, in which quotes have no meaning."""
    for number, line in enumerate(lines, 1):
        if not is_blank(line):
            yield number, line.rstrip("\r\n").split("\t")


def _jsonl(
    where: str, lines: Iterable[str], config: DataConfig
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the objects of JSON lines: texts, numbers and booleans, as spelled; null is blank."""
    for number, line in enumerate(lines, 1):
        if is_blank(line):
            continue
        try:
            # Without its line end, so that the column of an error at the end is one of this line.
            text = text_of(line, config, "strict").rstrip(" \t\r\n")
            found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            reasons = {"UnicodeDecodeError": "it is not UTF-8", "RecursionError": "it is too deep"}
            problem = reasons.get(type(error).__name__) or str(error)
            if isinstance(error, json.JSONDecodeError):  # some messages end with " at", some do not
                problem = f"{error.msg.rstrip(': ').removesuffix(' at')} at column {error.colno}"
            raise TextError(
                f"{where}: line {number}: is not JSON: {problem}; each line is one object"
            ) from None
        if not isinstance(found, dict):
            raise TextError(
                f'{where}: line {number}: {shown(found)} is not an object, as in {{"text": "..."}}'
            )
        cells = {key: _spelled(value) for key, value in found.items() if isinstance(value, _CELLS)}
        try:
            yield number, {key: bytes_of(cell, config) for key, cell in cells.items()}
        except UnicodeEncodeError as error:
            raise TextError(
                f"{where}: line {number}: {shown(error.object)} has half of a surrogate pair, "
                "which is no character; remove it"
            ) from None


def _spelled(value: str | bool | None) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character."""
    return not text.strip(BLANKS)


def bytes_of(text: str, config: DataConfig) -> str:
    """Return a string with a character for each byte of its UTF-8, with byte tokens."""
    raw = text.encode()
    return raw.decode("latin-1") if config.tokens == "byte" else text


def text_of(cell: str, config: DataConfig, errors: str = "replace") -> str:
    """Return the text of a string with a character for each byte, with byte tokens."""
    return cell.encode("latin-1").decode("utf-8", errors) if config.tokens == "byte" else cell


def name_of(cell: str, config: DataConfig) -> str:
    """Return the name of a column, without blanks around it, given its cell in the header."""
    return text_of(cell, config).strip()


def lines_of(pieces: Iterable[Array]) -> Iterator[str]:
    """Yield the lines of a file, each with its newline; only LF ends one."""
    begun: list[str] = []  # of a line over several pieces, which are joined once
    for piece in pieces:
        *ends, rest = as_string(piece).split("\n")
        for end in ends:
            yield "".join([*begun, end, "\n"])
            begun.clear()
        begun.append(rest)
    if last := "".join(begun):
        yield last


def as_string(symbols: Array) -> str:
    """Return symbols (n,) as a string: of code points, or of a character for each byte."""
    if symbols.dtype == np.uint8:
        return symbols.tobytes().decode("latin-1")
    return symbols.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
