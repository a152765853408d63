"""Rows of tables: CSV, tab-separated values and JSON lines, with the columns to learn.

Cells are strings. With byte tokens, a character of a cell is a byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError, counted, did_you_mean, shown
from charrnn.kernels import Array

_MARK = "\xef\xbb\xbf"  # UTF-8's byte order mark, byte by byte
_MOST_NAMES = 10  # in a message


class Row(NamedTuple):
    """A row of a table."""

    line: int  # number of its first line, from 1
    cells: Any  # of CSV and TSV a sequence of strings; of JSON a mapping
    prompt: str | None  # None if there is no prompt column
    reply: str | None  # None if the table has no reply column


class Table:
    """The rows of a file, read as they are asked for.

    Args:
        where: name of the file, for errors.
        pieces: its symbols, (n,) each.
        config: kind of table, and its columns.
        needs_reply: whether a table without the reply column is an error.

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
        needs_reply: bool = True,
    ) -> None:
        self._where, self._config = where, config
        lines = _lines(pieces, config)
        readers: dict[str, Callable[[Iterable[str]], Iterator[tuple[int, Any]]]]
        readers = {"csv": self._csv, "tsv": self._tsv, "jsonl": self._jsonl}
        self._rows = readers[config.records or ""](lines)
        prompts = config.prompt_column
        prompts = (prompts,) if isinstance(prompts, (int, str)) else prompts or ()
        assert config.reply_column is not None  # the configuration is checked
        reply = config.reply_column
        self.header: Sequence[str] | None = None
        self._prompts: Sequence[Any] = prompts
        self._reply: Any = reply
        if config.records == "jsonl":
            self._prompts, self._reply = [*map(str, prompts)], str(reply)
            if not needs_reply:
                line, cells = next(self._rows, (1, {str(reply): ""}))
                self._rows = chain([(line, cells)], self._rows)
                self._reply = self._reply if self._reply in cells else None
            return
        named = any(isinstance(column, str) for column in (*prompts, reply))
        if named if config.header is None else config.header:
            _, header = next(self._rows, (1, []))
            self.header = [*header]
        self._prompts = [self._position(column, "data.prompt_column") for column in prompts]
        if needs_reply or self._has(reply):
            self._reply = self._position(reply, "data.reply_column")
        else:
            self._reply = None

    def __iter__(self) -> Iterator[Row]:
        get: Callable[..., str] = (
            self._cell_of_object if self._config.records == "jsonl" else self._cell
        )
        for line, cells in self._rows:
            prompts = [get(line, cells, column, "prompt") for column in self._prompts]
            reply = None if self._reply is None else get(line, cells, self._reply, "reply")
            yield Row(line, cells, "\t".join(prompts) if prompts else None, reply)

    @property
    def prompt_columns(self) -> Sequence[int | str]:
        """The columns of the prompt: positions from 0, or keys of objects."""
        return self._prompts

    def _has(self, column: int | str) -> bool:
        """Return whether the table has a column; one by number is the last, and may be missing."""
        if isinstance(column, str):
            return self.header is not None and bytes_of(column, self._config) in self.header
        if self.header is not None:
            return column <= len(self.header)
        line, cells = next(self._rows, (1, []))
        self._rows = chain([(line, cells)], self._rows)
        return column <= len(cells)

    def _position(self, column: int | str, key: str) -> int:
        """Return the position of a column, from 0."""
        if isinstance(column, int):
            return column - 1
        header = self.header
        if header is None:
            raise TextError(
                f"{key}: {shown(column)} is a name, and with data.header: false columns have "
                "numbers, from 1"
            )
        wanted = bytes_of(column, self._config)
        found = [k for k, name in enumerate(header) if name == wanted]
        found = found or [k for k, name in enumerate(header) if name.strip() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            numbers = " and ".join(str(k + 1) for k in found[:2])
            raise TextError(
                f"{self._where}: line 1: columns {numbers} are both called {shown(column)}; give "
                f"{key} as a number"
            )
        names = ", ".join(shown(name) for name in header[:_MOST_NAMES]) or "none"
        near = did_you_mean(column, header)
        raise TextError(
            f"{self._where}: line 1: no column is called {shown(column)} ({key}){near}; the "
            f"columns are {names}{', ...' if len(header) > _MOST_NAMES else ''}. Without names in "
            "the first line, give numbers from 1"
        )

    def _cell(self, line: int, cells: Sequence[str], column: int, side: str) -> str:
        if column >= len(cells):
            raise TextError(
                f"{self._where}: line {line}: has {counted(len(cells), 'cell')}, and "
                f"data.{side}_column is cell {column + 1}; complete the row or remove it"
            )
        return cells[column]

    def _cell_of_object(self, line: int, cells: Mapping[str, str], column: str, side: str) -> str:
        if column not in cells:
            keys = ", ".join(shown(name) for name in [*cells][:_MOST_NAMES]) or "none"
            raise TextError(
                f"{self._where}: line {line}: has no text or number {shown(column)} "
                f"(data.{side}_column){did_you_mean(column, [*cells])}; its keys with one are "
                f"{keys}; complete the row or remove it"
            )
        return cells[column]

    def _csv(self, lines: Iterable[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield the rows of CSV: cells may be quoted, and have line ends then."""
        begun = ended_inside = False  # whether a row has begun; whether the file ended in one

        def watched() -> Iterator[str]:
            nonlocal begun, ended_inside
            for line in lines:
                begun = True
                yield line
            ended_inside = begun

        reader = csv.reader(watched(), delimiter=self._config.delimiter or ",")
        line, problem = 1, ""
        while not problem:
            begun = False
            try:
                cells = next(reader, None)
                problem = "a quote is not closed" if ended_inside else ""
            except csv.Error as error:
                problem = f"{error}; is a quote not closed?"
            else:
                if cells is None:
                    return
                if cells and not problem:
                    yield line, cells
                line = line if problem else reader.line_num + 1
        raise TextError(
            f"{self._where}: line {line}: {problem}; close it, or double a quote in a cell",
            hint="data.records: tsv reads tab-separated values, in which quotes have no meaning",
        )

    def _tsv(self, lines: Iterable[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield the rows of tab-separated values, in which quotes have no meaning."""
        for number, line in enumerate(lines, 1):
            if row := line.rstrip("\r\n"):
                yield number, row.split("\t")

    def _jsonl(self, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield the objects of JSON lines, with their texts and numbers as strings."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            source = line.encode("latin-1") if self._config.tokens == "byte" else line
            try:
                found = json.loads(source)
            except (ValueError, RecursionError) as error:
                problem = getattr(error, "msg", "it is not JSON")
                raise TextError(
                    f"{self._where}: line {number}: is not JSON: {problem}; each line is one object"
                ) from None
            if not isinstance(found, dict):
                raise TextError(
                    f"{self._where}: line {number}: {shown(found)} is not an object, as in "
                    '{"text": "..."}'
                )
            yield number, {key: self._string(one, number) for key, one in found.items() if _is(one)}

    def _string(self, value: object, line: int) -> str:
        """Return a text, or a number as JSON spells it."""
        text = value if isinstance(value, str) else json.dumps(value)
        try:
            return bytes_of(text, self._config)
        except UnicodeEncodeError:
            raise TextError(
                f"{self._where}: line {line}: {shown(value)} has half of a surrogate pair, which "
                "is no character; remove it"
            ) from None


def _is(value: object) -> bool:
    return isinstance(value, (str, int, float))


def bytes_of(text: str, config: DataConfig) -> str:
    """Return a string with a character for each byte of its UTF-8, with byte tokens."""
    raw = text.encode()
    return raw.decode("latin-1") if config.tokens == "byte" else text


def _lines(pieces: Iterable[Array], config: DataConfig) -> Iterator[str]:
    """Yield the lines of a file, each with its newline; only LF ends one."""
    rest, first = "", True
    for piece in pieces:
        text = rest + as_string(piece)
        if first and config.tokens == "byte":
            text = text.removeprefix(_MARK)
        first = False
        *lines, rest = text.split("\n")
        for line in lines:
            yield f"{line}\n"
    if rest:
        yield rest


def as_string(symbols: Array) -> str:
    """Return symbols (n,) as a string: of code points, or of a character for each byte."""
    if symbols.dtype == np.uint8:
        return symbols.tobytes().decode("latin-1")
    return symbols.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
