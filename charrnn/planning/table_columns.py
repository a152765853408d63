"""Read the columns of a table, with their names, and decide which of them can be learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.config.values import Column
from charrnn.planning.column import TableColumn
from charrnn.planning.header import are_names, may_be_names
from charrnn.text.decoding import read_symbols
from charrnn.text.files import find_files
from charrnn.text.rows import name_of, rows_of, text_of


class TableColumns(NamedTuple):
    """The columns of a table."""

    filled: Sequence[TableColumn]  # in most rows
    sparse: Sequence[TableColumn]  # the others
    header: bool  # whether the first row names them
    doubted: Sequence[str]  # the cells of a first row that may do so, although it is taken for data


def read_columns(data: DataConfig, given: Collection[str]) -> TableColumns:
    """Return the columns of a table, named by its first row if it looks like that.

    Args:
        data: where the table is, and its format.
        given: keys of the section data that have a value of their own in it.

    Raises:
        TextError: the table cannot be read.
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
    columns = [*found.values()]
    for column in columns:
        column.missing = rows - column.rows - column.blank
    filled = [one for one in columns if one.rows > rows / 2]
    sparse = [one for one in columns if 0 < one.rows <= rows / 2]
    if head is None:
        for column in columns:
            column.name = str(column.place)
        filled, sparse = ([one for one in some if _is_key(one.name)] for some in (filled, sparse))
        return TableColumns(filled, sparse, False, ())
    by_name = [data.prompt_column, data.reply_column, *data.feature_names]
    header = any(isinstance(one, (str, tuple)) for one in by_name) or are_names(head, filled)
    given_header = "header" in given and data.header is not None
    if given_header:
        header = bool(data.header)
    names = [name_of(cell, data) for cell in head]
    for column in columns:
        place = int(column.place)
        if not header:
            column.add(head[place] if place < len(head) else "")
        elif place < len(names) and names.count(names[place]) == 1 and _is_key(names[place]):
            column.name = names[place]
    doubted = [] if header or given_header or not may_be_names(head) else head
    return TableColumns(filled, sparse, header, [text_of(cell, data) for cell in doubted])


def _is_key(name: str | None) -> bool:
    """Return whether a column can be given by this name."""
    try:
        return Column().parse(name) == name and "\ufffd" not in name
    except ValueError:
        return False
