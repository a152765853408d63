"""Tables: prompt, reply and features of each row, by the names or numbers of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, counted, did_you_mean, shown
from charrnn.kernels import Array
from charrnn.text.features import LARGEST, not_usable
from charrnn.text.rows import is_blank, name_of, rows_of, text_of
from charrnn.text.table_format import better_delimiter

_MOST_NAMES = 10  # in a message
_MOST_LINES = 5  # in a message, after the first one


class Row(NamedTuple):
    """A row of a table."""

    line: int  # number of its first line, from 1
    cells: Any  # of CSV and TSV a sequence of strings; of JSON a mapping
    prompt: str | None  # None if there is no prompt column
    reply: str | None  # None if it is not read


class Table:
    """The rows of a file, read as they are asked for.

    Args:
        where: name of the file, for errors.
        pieces: its symbols, (n,) each.
        config: kind of table, and its columns.
        with_reply: whether the reply is read; without it, its column may be missing or incomplete,
            and a table without names may have the cells of a single prompt column alone.

    Attributes:
        header: the names of the columns; None if the table does not name them.

    Raises:
        TextError: also from the iterator: the file is not such a table, or lacks a column; the
            error names file, line, problem and remedy.
    """

    def __init__(
        self,
        where: str,
        pieces: Iterable[Array],
        config: DataConfig,
        *,
        with_reply: bool = True,
    ) -> None:
        self._where, self._config = where, config
        prompts, reply = config.prompt_column, config.reply_column
        assert reply is not None  # the configuration is checked
        prompts = (prompts,) if isinstance(prompts, (int, str)) else prompts or ()
        features = config.feature_names
        named = any(isinstance(column, str) for column in (*prompts, *features, reply))
        named = named if config.header is None else config.header
        self._rows = rows_of(where, pieces, config)
        self.header: Sequence[str] | None = None
        self._prompts: list[Any] = []  # positions from 0; keys of JSON
        self._reply: Any = None
        self._features: list[Any] = []
        first = next(self._rows, None)
        if first is None:  # the file is empty
            return
        self._first_line, self._first_cells = first
        if named and config.records != "jsonl":
            self.header = self._first_cells
        else:
            self._rows = chain([first], self._rows)
        self._prompts = [self._place(column, "data.prompt_column") for column in prompts]
        self._features = [self._place(column, "data.feature_columns") for column in features]
        if with_reply:
            self._reply = self._place(reply, "data.reply_column")
        self._alone = (
            not with_reply
            and self.header is None
            and config.records != "jsonl"
            and len(prompts) == len(first[1]) == 1
            and not features
        )
        if self._alone:
            self._prompts = [0]
        for key, places in (("prompt_column", self._prompts), ("feature_columns", self._features)):
            if self._reply in places:
                raise TextError(
                    f"{where}: {shown(reply)} is data.reply_column and, by another name, "
                    f"data.{key}; give two columns"
                )

    def __iter__(self) -> Iterator[Row]:
        for line, cells in self._rows:
            if self.header is not None and not all(map(is_blank, cells[len(self.header) :])):
                raise TextError(
                    f"{self._where}: line {line}: has {counted(len(cells), 'cell')}, and the "
                    f"header {len(self.header)}; quote a cell in which the delimiter stands, or "
                    "remove the row"
                )
            if self._alone and len(cells) > 1:
                raise TextError(
                    f"{self._where}: line {line}: has {counted(len(cells), 'cell')}, and the first "
                    "row one, the prompt; give all rows the prompt alone, or all columns"
                )
            prompts = [self._cell(line, cells, one, "data.prompt_column") for one in self._prompts]
            reply = None
            if self._reply is not None:
                reply = self._cell(line, cells, self._reply, "data.reply_column")
            yield Row(line, cells, "\t".join(prompts) if prompts else None, reply)

    def features(self, row: Row) -> list[float]:
        """Return the features of a row.

        Raises:
            TextError: one of them is missing, or no number; the error names file, line and column.
        """
        return [self._number(row, place) for place in self._features]

    def blank_column(self, row: Row) -> str:
        """Return which column that a row needs is blank in it, as errors call it; "" if none is.

        Of several prompts one is enough.
        """
        if row.prompt is not None and is_blank(row.prompt):
            return " and ".join(map(self._named, self._prompts))
        if row.reply is not None and is_blank(row.reply):
            return self._named(self._reply)
        cells = (
            (place, self._cell(row.line, row.cells, place, "data.feature_columns"))
            for place in self._features
        )
        return next((self._named(place) for place, cell in cells if is_blank(cell)), "")

    def _number(self, row: Row, place: Any) -> float:
        cell = self._cell(row.line, row.cells, place, "data.feature_columns")
        try:
            number = float("" if "_" in cell else cell)
        except ValueError:
            problem = "is blank" if is_blank(cell) else f"is {shown(cell)}, not a number"
            point = ", with a point before decimals" if "," in cell else ""
            problem += f"; write a number{point}, or remove the row"
        else:
            if abs(number) <= LARGEST:
                return number
            problem = f"is {shown(cell)}: {not_usable(number)}"
        raise TextError(
            f"{self._where}: line {row.line:,}: {self._named(place)} (data.feature_columns) "
            f"{problem}"
        )

    def _named(self, place: Any) -> str:
        """Return what an error calls the column at a position, or of a key."""
        if isinstance(place, str):
            return shown(place)
        if self.header is None:
            return f"column {place + 1}"
        return shown(name_of(self.header[place], self._config))

    @property
    def prompt_columns(self) -> Sequence[int | str]:
        """The columns of the prompt: positions from 0, or keys of objects."""
        return self._prompts

    def _called(self, name: str) -> list[int]:
        """Return the positions of the columns with a name, spaces around it aside if need be."""
        header = [text_of(one, self._config) for one in self.header or ()]
        found = [k for k, one in enumerate(header) if one == name]
        return found or [k for k, one in enumerate(header) if one.strip() == name.strip()]

    def _place(self, column: int | str, key: str) -> int | str:
        """Return the position of a column, from 0, or its key in JSON."""
        if self._config.records == "jsonl":
            return str(column)
        if isinstance(column, int):
            return column - 1
        if self.header is None:
            raise TextError(
                f"{key}: {shown(column)} is a name, and with data.header: false columns have "
                "numbers, from 1"
            )
        found = self._called(column)
        if len(found) == 1:
            return found[0]
        line = f"{self._where}: line {self._first_line}"
        if found:
            numbers = " and ".join(str(k + 1) for k in found[:2])
            raise TextError(
                f"{line}: columns {numbers} are both called {shown(column)}; give {key} as a number"
            )
        problem = f"{line}: no column is called {shown(column)} ({key})"
        if other := self._better_delimiter():
            raise TextError(f"{problem}, as {other}")
        names = [name_of(name, self._config) for name in self.header]
        raise TextError(
            f"{problem}{did_you_mean(column, names)}; the columns are {_listed(names)}. Without "
            "names in the first line, give numbers from 1"
        )

    def _better_delimiter(self) -> str:
        delimiter = "\t" if self._config.records == "tsv" else self._config.delimiter or ","
        return better_delimiter(self._first_cells, delimiter)

    def _cell(self, line: int, cells: Any, place: Any, key: str) -> str:
        """Return the cell of a row at a position, or of a key; `key` is what names its column."""
        try:
            cell: str = cells[place]
            return cell
        except IndexError:
            keys, problem = (
                "",
                (f"has {counted(len(cells), 'cell')}, and {key} is cell {place + 1}"),
            )
            if len(self._first_cells) <= place and (other := self._better_delimiter()):
                raise TextError(f"{self._where}: line {line:,}: {problem}; {other}") from None
        except KeyError:
            problem = f"has no text or number {shown(place)} ({key}){did_you_mean(place, cells)}"
            keys = f"; its keys with one are {_listed([*cells])}"
        others: list[int] = []
        with suppress(TextError):  # about a later row
            others.extend(
                other
                for other, row in self._rows
                if (len(row) <= place if isinstance(place, int) else place not in row)
            )
        remedy = "complete these rows or remove them" if others else "complete the row or remove it"
        problem = f"{self._where}: line {line:,}: {problem}{also_in('line', others)}{keys}"
        raise TextError(f"{problem}; {remedy}")


def also_in(unit: str, others: Sequence[int]) -> str:
    """Return in words where an error occurs too, given the numbers of other units of a file."""
    if not others:
        return ""
    listed = ", ".join(f"{number:,}" for number in others[:_MOST_LINES])
    listed += f", ... ({len(others) + 1:,} in all)" if len(others) > _MOST_LINES else ""
    return f", as in {unit}{'s' * (len(others) > 1)} {listed}"


def _listed(names: Sequence[str]) -> str:
    """Return the first of some names for a message."""
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"{', '.join(map(shown, names[:_MOST_NAMES])) or 'none'}{more}"
