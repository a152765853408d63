"""The prompts of a file, to be answered by a model that is trained already.

The file has the form of the data that the model was trained on: a table, with or without the column
of replies, or a prompt a line, or a record. In place of a table with one prompt column, a list of
its cells is read too.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NamedTuple

from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import Remedy, TextError
from charrnn.kernels import Array
from charrnn.text.decoding import CHUNK, decode_symbols, read_symbols
from charrnn.text.files import bounded_chunks, read_chunks, reading, state_of
from charrnn.text.other_table import explained, is_list
from charrnn.text.remarks import as_text
from charrnn.text.rows import bytes_of, is_blank, lines_of, name_of, text_of
from charrnn.text.tables import Table
from charrnn.text.vocabulary import Vocabulary, code_points

_IN_MEMORY = 1 << 24  # bytes of standard input; more are kept in a temporary file


class Prompt(NamedTuple):
    """A prompt of a file."""

    line: int  # number of its first line, from 1
    text: str
    codes: Array  # (n,)
    unknown: Array  # symbols that were left out, as the model does not know them
    columns: dict[str, str]  # the other cells of its row in a table, by the name of their column
    features: Sequence[float] = ()  # of its row


class PromptFile:
    """The prompts of a file in its order, read piece by piece, as often as they are asked for.

    Standard input and pipes, which can be read only once, are kept in a temporary file.

    Args:
        data: the configuration of the model, which was trained on prompts.
        vocabulary: of the model.
        file: its path; `-` is standard input.
        skip_unknown: leave out characters that are not in the vocabulary.

    Attributes:
        is_list: once it was read, whether each line is a prompt, although the model reads a table.

    Raises:
        TextError: also from the iterator: the file cannot be read, has changed meanwhile, is not a
            table as configured, has no prompts, or an unknown character.
    """

    def __init__(
        self, data: DataConfig, vocabulary: Vocabulary, file: str, *, skip_unknown: bool = False
    ) -> None:
        self._data, self._vocabulary, self._file = data, vocabulary, file
        self._skip_unknown = skip_unknown
        self.is_list = False
        self._where = "standard input" if file == "-" else file
        if data.features_path:
            raise TextError(
                f"{self._where}: has no features, and this model reads those of data.features_path "
                "with each prompt",
                Remedy("features=[...]", "gives them, with a prompt as an argument"),
            )
        self._kept: BinaryIO | None = None
        if file == "-":
            opened = sys.stdin and sys.stdin.buffer
            self._kept = _kept(bounded_chunks(opened, self._where, CHUNK) if opened else ())
            return
        with reading(file):
            is_pipe = stat.S_ISFIFO(os.stat(file).st_mode)
        if is_pipe:
            self._kept = _kept(read_chunks(file, CHUNK))
        else:
            self._state = state_of(file)

    def __iter__(self) -> Iterator[Prompt]:
        data, where, none = self._data, self._where, True
        source = self._pieces()
        begin = next(source, None)
        if begin is not None:
            source = chain([begin], source)
            self.is_list = is_list(as_text(begin, data), where, data)
            if self.is_list:
                data = replace(data, records="line")
        with explained(where, source, data, with_reply=False) as pieces:
            read = _rows(where, pieces, data) if data.records in TABLES else _texts(pieces, data)
            for line, cell, columns, features in read:
                none, symbols = False, code_points(cell if data.has_prompts else "")
                codes = self._vocabulary.encode(
                    symbols, f"{where}: line {line}", skip_unknown=self._skip_unknown
                )
                unknown = self._vocabulary.unknown(symbols)
                yield Prompt(line, text_of(cell, data), codes, unknown, columns, features)
        if none:
            raise TextError(f"{where}: has no prompts; every line or row is blank")

    def close(self) -> None:
        """Delete the temporary file."""
        if self._kept is not None:
            self._kept.close()

    def _pieces(self) -> Iterator[Array]:
        remedy = f"save it as {self._data.encoding}, the encoding of the model's text"
        if self._kept is None:
            return read_symbols(self._file, self._data, remedy, self._state)
        self._kept.seek(0)
        chunks = bounded_chunks(self._kept, self._where, CHUNK)
        return decode_symbols(chunks, self._where, self._data, remedy)


def _kept(chunks: Iterable[bytes]) -> BinaryIO:
    """Return a temporary file with some bytes, in memory if they are few."""
    file: BinaryIO = SpooledTemporaryFile(_IN_MEMORY)  # type: ignore[assignment]  # noqa: SIM115
    try:
        for chunk in chunks:
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    return file


_Read = tuple[int, str, dict[str, str], Sequence[float]]  # line, prompt, other cells, features


def _rows(where: str, pieces: Iterable[Array], data: DataConfig) -> Iterator[_Read]:
    """Yield the prompts of a table, with the cells of all columns but theirs."""
    table = Table(where, pieces, data, with_reply=False)
    names, named = list[str](), list[tuple[str, int | str, str]]()
    for name in table.header or ():  # one that is there twice has its number
        name = name_of(name, data)
        names.append(str(len(names) + 1) if name in names else name)
    for row in table:
        features = table.features(row)
        prompt = row.prompt  # without one, the features are shown
        prompt = ",".join(f"{one:g}" for one in features) if prompt is None else prompt
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
        yield row.line, prompt, others, features


def _texts(pieces: Iterable[Array], data: DataConfig) -> Iterator[_Read]:
    """Yield the prompts of lines or paragraphs, which may have replies after a separator."""
    separator = bytes_of(data.prompt_separator or "", data)
    of_paragraphs = data.records == "paragraph" and data.label_as == "reply"
    numbered = enumerate((line.removesuffix("\n") for line in lines_of(pieces)), 1)
    for blank, lines in groupby(numbered, lambda one: is_blank(one[1])):
        if blank:
            continue
        if of_paragraphs:
            (first, text), *others = lines
            yield first, "\n".join([text, *(line for _, line in others)]), {}, ()
            continue
        for number, line in lines:
            yield number, line.partition(separator)[0] if separator else line, {}, ()
