"""The prompts of a file, to be answered by a model that is trained already.

The file has the form of the data that the model was trained on: a table, with or without the column
of replies, or a prompt a line, or a record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple

from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text.decoding import CHUNK, decode_symbols, read_symbols
from charrnn.text.files import bounded_chunks
from charrnn.text.rows import bytes_of, is_blank, lines_of, text_of
from charrnn.text.tables import Table
from charrnn.text.vocabulary import code_points


class Prompt(NamedTuple):
    """A prompt of a file."""

    line: int  # number of its first line, from 1
    text: str
    symbols: Array  # (n,), of the text
    columns: dict[str, str]  # the other cells of its row in a table, by the name of their column


def read_prompts(data: DataConfig, file: str) -> list[Prompt]:
    """Return the prompts of a file, in its order.

    Args:
        data: the configuration of the model, which was trained on prompts.
        file: its path; `-` is standard input.

    Raises:
        TextError: the file cannot be read, is not a table as configured, or has no prompts.
    """
    where = "standard input" if file == "-" else file
    remedy = f"save it as {data.encoding}, the encoding of the model's text"
    if file == "-":
        chunks = bounded_chunks(sys.stdin.buffer, where, CHUNK) if sys.stdin else iter(())
        pieces = decode_symbols(chunks, where, data, remedy)
    else:
        pieces = read_symbols(file, data, remedy)
    found = list[Prompt]()
    if (first := next(pieces, None)) is not None:
        pieces = chain([first], pieces)
        read = _rows(where, pieces, data) if data.records in TABLES else _texts(pieces, data)
        found = [*read]
    if not found:
        raise TextError(f"{where}: has no prompts; every line or row is blank")
    return found


def _rows(where: str, pieces: Iterable[Array], data: DataConfig) -> Iterator[Prompt]:
    """Yield the prompts of a table, with the cells of all columns but theirs."""
    table = Table(where, pieces, data, with_reply=False)
    names, named = list[str](), list[tuple[str, int | str, str]]()
    for name in table.header or ():  # one that is there twice has its number
        name = text_of(name, data)
        names.append(str(len(names) + 1) if name in names else name)
    for row in table:
        assert row.prompt is not None
        if isinstance(row.cells, dict):
            named = [(key, key, cell) for key, cell in row.cells.items()]
        else:
            names += (str(k + 1) for k in range(len(names), len(row.cells)))
            named = [(names[place], place, cell) for place, cell in enumerate(row.cells)]
        others = {
            name: text_of(cell, data)
            for name, column, cell in named
            if column not in table.prompt_columns
        }
        yield _prompt(row.line, row.prompt, data, others)


def _texts(pieces: Iterable[Array], data: DataConfig) -> Iterator[Prompt]:
    """Yield the prompts of lines or paragraphs, which may have replies after a separator."""
    separator = bytes_of(data.prompt_separator or "", data)
    of_paragraphs = data.records == "paragraph" and data.label_as == "reply"
    numbered = enumerate((line.removesuffix("\n") for line in lines_of(pieces)), 1)
    for blank, lines in groupby(numbered, lambda one: is_blank(one[1])):
        if blank:
            continue
        if of_paragraphs:
            (first, text), *others = lines
            text = "\n".join([text, *(line for _, line in others)])
            yield _prompt(first, text, data)
            continue
        for number, line in lines:
            yield _prompt(number, line.partition(separator)[0] if separator else line, data)


def _prompt(
    line: int, cell: str, data: DataConfig, columns: dict[str, str] | None = None
) -> Prompt:
    return Prompt(line, text_of(cell, data), code_points(cell), columns or {})
