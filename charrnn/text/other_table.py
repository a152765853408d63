"""Says what a file is that cannot be read as a model's table: another table, or a list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from charrnn.config.schema import TABLES, DataConfig
from charrnn.errors import TextError, shown
from charrnn.kernels import Array
from charrnn.text.remarks import as_text, table_in
from charrnn.text.table_format import TableFormat, uneven_table

_LIST = "a list of plain lines"


@contextmanager
def explained(
    where: str, pieces: Iterator[Array], data: DataConfig, *, with_reply: bool = True
) -> Iterator[Iterator[Array]]:
    """Yield the pieces of a file, and explain an error if they are of another form than expected.

    Args:
        where: name of the file.
        pieces: of its symbols, (n,) each.
        data: how the model's text was read.
        with_reply: whether the replies are read.

    Raises:
        TextError: in place of another one: it says what the file is, and what is expected.
    """
    begin = next(pieces, None)
    try:
        yield pieces if begin is None else chain([begin], pieces)
    except TextError:
        found = "" if begin is None else _form(as_text(begin, data), where, data, with_reply)
        if not found:
            raise
        raise TextError(f"{where}: is {found}; {_expected(found, data, with_reply)}") from None


def is_list(text: str, where: str, data: DataConfig) -> bool:
    """Return whether a file of prompts has one in each line, in place of the table of the model.

    The model reads one column of texts, and the file is no table: it has no delimiters, or as many
    as prose has.

    Args:
        text: its beginning.
        where: its name.
        data: how the model's text was read.
    """
    columns = _columns(data, with_reply=False)
    if data.records not in TABLES or not data.has_prompts:
        return False
    if len(columns) != 1 or not isinstance(columns[0], str):
        return False
    if _form(text, where, data, with_reply=False) == _LIST:
        return True
    if data.records == "jsonl" or _table_in(text, where):
        return False
    delimiter = "\t" if data.records == "tsv" else data.delimiter or ","
    first = next(filter(str.strip, text.split("\n")), "").split(delimiter)
    no_header = columns[0].strip() not in [cell.strip(' "\r') for cell in first]
    return no_header and not uneven_table(text, "short.csv", cut=True)


def _table_in(text: str, where: str) -> TableFormat | None:
    return table_in(text, where) or table_in(text, "short.csv")  # few rows are enough here


def _form(text: str, where: str, data: DataConfig, with_reply: bool) -> str:
    """Return what a file is that begins with a text, in words; "" if it may be as expected."""
    if data.records not in TABLES:
        return ""
    found = _table_in(text, where)
    line = next(filter(str.strip, text.split("\n")), "")
    delimiter = "\t" if data.records == "tsv" else data.delimiter or ","
    is_object = line.lstrip().startswith("{")  # a single one is not recognised
    if found is None or (data.records == "jsonl" and (found.records == "jsonl" or is_object)):
        return ""
    if "jsonl" not in (found.records, data.records) and delimiter in line:
        return ""
    if found.records != "jsonl" and found.columns == 1:
        is_header = line.strip().strip('"') in _columns(data, with_reply=True)
        prompts = _columns(data, with_reply=False)
        alone = not with_reply and len(prompts) == 1 and isinstance(prompts[0], int)
        return "" if is_header or alone else _LIST
    return str(found)


def _columns(data: DataConfig, *, with_reply: bool) -> list[int | str]:
    prompts, reply = data.prompt_column, data.reply_column
    columns = [prompts] if isinstance(prompts, (int, str)) else [*(prompts or ())]
    columns += data.feature_names
    return [*columns, reply] if with_reply and reply is not None else columns


def _expected(found: str, data: DataConfig, with_reply: bool) -> str:
    """Return which table a model reads, and what to do with a file of the form that was found."""
    columns = _columns(data, with_reply=with_reply)
    names = " and ".join(map(shown, columns))
    if data.records == "jsonl":
        return f"this model reads a JSON object in each line, with {names}; write such lines"
    delimiter = "\t" if data.records == "tsv" else data.delimiter or ","
    column = f"{'the ' if isinstance(columns[0], str) else ''}column{'s' * (len(columns) > 1)}"
    is_list = found == _LIST and len(columns) == 1 and isinstance(columns[0], str)
    remedy = f"write {columns[0]} as its first line" if is_list else "save it as such a table"
    return (
        f"this model reads {column} {names} of a table with {shown(delimiter)} between "
        f"columns; {remedy}"
    )
