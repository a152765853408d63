"""Recognise tables: CSV with its delimiter, tab-separated values and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from charrnn.errors import counted, shown

NAMED_TABLES = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson")  # ends of names
_NAMED_ROWS = (".csv", ".tsv", ".tab")  # of these, those with cells between delimiters
_TAB = "\t"
_DELIMITERS = {_TAB: "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
LOOKED_AT = 200  # lines at the start of a text
_FEW_ROWS = 8  # of prose, which may have as many commas each
_MOST = 0.95  # share of rows that is enough
_UNEVEN = 0.75  # share of rows from which on the others are likely to be mistakes


class TableFormat(NamedTuple):
    """How to read a table."""

    records: str  # csv, tsv or jsonl, a value of data.records
    delimiter: str | None = None  # of csv
    columns: int = 0  # of csv and tsv
    blanks: bool = False  # whether each delimiter of csv has a blank after it, which is left out

    def __str__(self) -> str:
        """Return the format in words, as in 'a table of 3 columns with commas between them'."""
        if self.records == "jsonl":
            return "JSON lines"
        if self.columns < 2:
            return f"a table of {counted(self.columns, 'column')}" if self.columns else "a table"
        between = _DELIMITERS.get(self.delimiter or _TAB, shown(self.delimiter))
        between += " and blanks" if self.blanks else ""
        return f"a table of {counted(self.columns, 'column')} with {between} between them"


def table_format(text: str, path: str, *, cut: bool) -> TableFormat | None:
    """Return how to read a text if it is a table, otherwise None.

    Rows have the same number of cells. Two cells with a comma between them are prose, and so are a
    few rows, unless the file is named like a table; one that is may have a single column.

    Args:
        text: the beginning of the file.
        path: its name.
        cut: whether there is more of it, so that the last line may not be whole.
    """
    lines = io.StringIO(text, newline="\n").readlines()
    whole = lines[: min(LOOKED_AT, len(lines) - cut)]
    ending = path.lower().rpartition(".")[2]
    if ending in ("jsonl", "ndjson") or _are_objects(whole):
        return TableFormat("jsonl")
    named = f".{ending}" in _NAMED_ROWS
    cut = len(whole) < len(lines)
    widths = {one: _width(_cells(whole, one, cut=cut)) for one in _DELIMITERS}
    by_share = sorted(widths.items(), key=lambda one: -one[1][1])  # a header tells, too
    for delimiter, (columns, share, rows) in by_share:
        plain = delimiter == "," and ending != "csv"  # prose has commas too
        enough = share >= _MOST and (named or rows >= _FEW_ROWS)
        if enough and columns > 1 + plain:
            if delimiter == _TAB and not _is_quoted(whole):
                return TableFormat("tsv", None, columns)
            return TableFormat("csv", delimiter, columns, has_blanks_between(whole, delimiter))
    if named and all(columns == 1 and share >= _MOST for columns, share, _ in widths.values()):
        return TableFormat("tsv", None, 1) if ending != "csv" else TableFormat("csv", ",", 1)
    return None


def uneven_table(text: str, path: str, *, cut: bool) -> str:
    """Return in words what a file is that is a table but for some rows, or "".

    It is named like a table. Most of its rows have the same number of cells, too few for
    `table_format`.

    Args:
        text, path, cut: see `table_format`, which does not recognise it.
    """
    if not path.lower().endswith(_NAMED_ROWS):
        return ""
    lines = io.StringIO(text, newline="\n").readlines()
    whole = lines[: min(LOOKED_AT, len(lines) - cut)]
    for delimiter in _DELIMITERS:
        blanks = has_blanks_between(whole, delimiter)
        reader = csv.reader(whole, delimiter=delimiter, skipinitialspace=blanks)
        rows, line = list[tuple[int, int]](), 1
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    rows.append((line, len(cells)))
                line = reader.line_num + 1
        except csv.Error:
            continue
        columns, count = Counter(cells for _, cells in rows).most_common(1)[0] if rows else (0, 0)
        others = [(line, cells) for line, cells in rows if cells != columns]
        if columns > 1 and count >= max(_FEW_ROWS, _UNEVEN * len(rows)) and others:
            found = TableFormat("tsv" if delimiter == _TAB else "csv", delimiter, columns)
            line, width = others[0]
            first = f"line {line:,}, which has {counted(width, 'cell')}"
            many = f"{len(others)} of {counted(len(rows), 'row')} do not fit, the first of them "
            return f"{found}, but {many if len(others) > 1 else ''}{first}"
    return ""


def has_blanks_between(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether all cells of CSV but the first of a row stand behind a blank, or are empty.

    The blank belongs to the delimiter then, and a quote after it opens a cell.

    Args:
        lines: of the beginning of the file.
        delimiter: between the cells.
    """
    if delimiter.isspace():
        return False
    quoted = re.compile(rf'(^|{re.escape(delimiter)})( ?)"(?:[^"]|"")*"')
    bare = (quoted.sub(r'\1\2""', line.rstrip("\r\n")) for line in lines)
    cells = [cell for line in bare for cell in line.split(delimiter)[1:] if cell]
    return bool(cells) and all(cell[0] == " " for cell in cells)


def better_delimiter(row: Sequence[str], delimiter: str) -> str:
    """Return in words which delimiter divides a row into more cells than its own, or "".

    Args:
        row: the cells of the first row.
        delimiter: that they are read with.
    """
    line = delimiter.join(row)
    best = max(_DELIMITERS, key=line.count)
    if best == delimiter or line.count(best) < len(row):
        return ""
    key = "records: tsv" if best == _TAB else f"delimiter: '{best}'"
    if delimiter == _TAB:
        key = f"records: csv and data.{key}"
    return f"the columns seem to be separated by {_DELIMITERS[best]}; set data.{key}"


def _are_objects(lines: Sequence[str]) -> bool:
    """Return whether each line, blank ones aside, is an object of JSON."""
    filled = [line for line in lines if line.strip()]
    if len(filled) < 2 or not all(re.match(r'\s*\{\s*"', line) for line in filled):
        return False
    try:
        return all(isinstance(json.loads(line), dict) for line in filled)
    except (ValueError, RecursionError):
        return False


def _cells(lines: Sequence[str], delimiter: str, *, cut: bool) -> list[tuple[str, ...]]:
    """Return the distinct rows of CSV, without the last one if it may not be whole."""
    try:
        blanks = has_blanks_between(lines, delimiter)
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=blanks))
    except csv.Error:
        return []
    return [*{tuple(row) for row in (rows[:-1] if cut else rows) if any(map(str.strip, row))}]


def _width(rows: Sequence[Sequence[str]]) -> tuple[int, float, int]:
    """Return the commonest number of cells, the share of rows that have it, and their number."""
    if not rows:
        return 0, 0.0, 0
    columns, count = Counter(map(len, rows)).most_common(1)[0]
    return columns, count / len(rows), count


def _is_quoted(lines: Sequence[str]) -> bool:
    """Return whether cells between tabs are quoted: a whole column, or those with tabs in them."""
    rows = [line.rstrip("\r\n").split("\t") for line in lines if line.strip()]
    columns, share, _ = _width(rows)
    if share < _MOST:
        return True
    whole = [row for row in rows if len(row) == columns]
    return any(
        sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in column) >= _MOST * len(whole)
        for column in zip(*whole, strict=True)
    )
