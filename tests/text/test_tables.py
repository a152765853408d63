"""Tables: their rows become records with a prompt and a reply, and errors name file and line."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text import load
from charrnn.text.load import load_corpus
from charrnn.text.records import RecordCorpus
from charrnn.text.rows import BLANKS
from charrnn.text.tables import Table

Pair = tuple[str | None, str]
CSV: dict[str, Any] = {"records": "csv", "prompt_column": 1, "reply_column": 2}
NAMED = {**CSV, "prompt_column": "a", "reply_column": "b"}
TSV = {**CSV, "records": "tsv"}
JSONL = {**NAMED, "records": "jsonl"}


def corpus_of(path: Path, raw: str | bytes | None, **keys: Any) -> RecordCorpus:
    """Write a table, unless it is written already, and read its records."""
    if raw is not None:
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    data = replace(DataConfig(str(path), valid_fraction=0.0), **keys)
    return cast(RecordCorpus, load_corpus(data))


def pairs_of(corpus: RecordCorpus, part: str = "") -> list[Pair]:
    """Return prompt and reply of each record in the order of the text."""
    start, end = corpus.split(part) if part else corpus.everything
    known, found = corpus.vocabulary, []
    for place in np.sort(corpus.starts[start:end]).tolist():
        codes = corpus.codes[place + 1 :]
        codes = codes[: int(np.argmax(codes == known.end))]
        divided = np.flatnonzero(codes == known.prompt_end)
        prompt = known.decode(codes[: divided[0]]) if len(divided) else None
        found.append((prompt, known.decode(codes[divided[0] + 1 :] if len(divided) else codes)))
    return found


def pairs_in(path: Path, raw: str | bytes | None, **keys: Any) -> list[Pair]:
    return pairs_of(corpus_of(path, raw, **keys))


# What the table is -> its bytes, the keys, and its records.
READ: dict[str, tuple[str | bytes, dict[str, Any], Sequence[Pair]]] = {
    "plain": ("a1,b1\na2,b2\n", CSV, [("a1", "b1"), ("a2", "b2")]),
    "no end of the last line": ("a1,b1\na2,b2", CSV, [("a1", "b1"), ("a2", "b2")]),
    "quotes": ('"a,1","b ""1"""\n', CSV, [("a,1", 'b "1"')]),
    "embedded newlines": ('"a\n1",b1\na2,"b\n\n2\n"\n', CSV, [("a\n1", "b1"), ("a2", "b\n\n2\n")]),
    "text after a quoted cell": ('"a"1,b1\n', CSV, [("a1", "b1")]),
    "a quote inside a cell": ('5" disk,b"1"\n', CSV, [('5" disk', 'b"1"')]),
    "spaces stay": (" a1 , b1\na2,b2\n", CSV, [(" a1 ", " b1"), ("a2", "b2")]),
    "a space after all": (' a1 , " b,1"\na2, b2\n', CSV, [("a1 ", " b,1"), ("a2", "b2")]),
    "semicolons": ("a,1;b1\n", {**CSV, "delimiter": ";"}, [("a,1", "b1")]),
    "bars and tabs": ("a\t1|b1\n", {**CSV, "delimiter": "|"}, [("a\t1", "b1")]),
    "tabs and quotes": ('"a\t1"\tb1\n', {**CSV, "delimiter": "\t"}, [("a\t1", "b1")]),
    "another letter as delimiter": ("a1§b1\n", {**CSV, "delimiter": "§"}, [("a1", "b1")]),
    "by name": ("b,x,a\nb1,x1,a1\n", NAMED, [("a1", "b1")]),
    "by name with spaces": ("a , b\na1,b1\n", NAMED, [("a1", "b1")]),
    "the exact name counts first": (" a,a,b\nx,a1,b1\n", NAMED, [("a1", "b1")]),
    "a name in quotes": ('"a","b"\na1,b1\n', NAMED, [("a1", "b1")]),
    "by number below a header": ("a,b\na1,b1\n", {**CSV, "header": True}, [("a1", "b1")]),
    "by name and number": ("a,b\na1,b1\n", {**CSV, "reply_column": "b"}, [("a1", "b1")]),
    "numbers without a header": ("a,b\na1,b1\n", CSV, [("a", "b"), ("a1", "b1")]),
    "the header after blank lines": ("\n,\na,b\na1,b1\n", NAMED, [("a1", "b1")]),
    "two columns as prompt": (
        "a1,b1,c1\n",
        {**CSV, "prompt_column": (3, 1)},
        [("c1\ta1", "b1")],
    ),
    "no prompt": ("a1,b1\na2,b2\n", {**CSV, "prompt_column": None}, [(None, "b1"), (None, "b2")]),
    "a blank prompt": (",b1\na2,b2\n", CSV, [("a2", "b2")]),
    "a blank reply": ('a1,b1\n"a\n2"," "\na3,b3\n', CSV, [("a1", "b1"), ("a3", "b3")]),
    "one of two prompts is blank": (
        "a1,,c1\n,b2,c2\n ,,c3\n",
        {**CSV, "prompt_column": (1, 2), "reply_column": 3},
        [("a1\t", "c1"), ("\tb2", "c2")],
    ),
    "blanks of JSON": (
        '{"a": "a1", "b": null}\n{"a": "", "b": "b2"}\n{"a": "a3", "b": "b3"}',
        JSONL,
        [("a3", "b3")],
    ),
    "no prompt and no reply": (
        "a1,\na2,b2\n",
        {**CSV, "prompt_column": None},
        [(None, "b2")],
    ),
    "more cells than needed": ("a1,b1,,,\na2,b2\n", CSV, [("a1", "b1"), ("a2", "b2")]),
    "blank lines": ("\na1,b1\n \n\n,\n , ,\na2,b2\n\n", CSV, [("a1", "b1"), ("a2", "b2")]),
    "CR LF": ("a1,b1\r\na2,b2\r\n", CSV, [("a1", "b1"), ("a2", "b2")]),
    "CR": ("a1,b1\ra2,b2\r", CSV, [("a1", "b1"), ("a2", "b2")]),
    "CR LF kept": (
        'a1,b1\r\n"a\r\n2",b2\r\n',
        {**CSV, "newlines": "keep"},
        [("a1", "b1"), ("a\r\n2", "b2")],
    ),
    "other line ends stay": ("a\u2028\x0b\x851,b1\n", CSV, [("a\u2028\x0b\x851", "b1")]),
    "a byte order mark": ("\ufeffa,b\na1,b1\n", NAMED, [("a1", "b1")]),
    "a byte order mark and a quote": ('\ufeff"a","b"\na1,b1\n', NAMED, [("a1", "b1")]),
    "UTF-16": ("a,b\na1,é\n".encode("utf-16"), {**NAMED, "encoding": "utf-16"}, [("a1", "é")]),
    "Latin-1": ("a,b\na1,é\n".encode("latin-1"), {**NAMED, "encoding": "latin-1"}, [("a1", "é")]),
    "bytes": (
        "\ufeffprénom,b\nZoé,蜂\n",
        {**NAMED, "tokens": "byte", "prompt_column": "prénom"},
        [("Zoé", "蜂")],
    ),
    "TSV": ("a1\tb1\na,2\tb2\n", TSV, [("a1", "b1"), ("a,2", "b2")]),
    "TSV has no quotes": ('"a1\tb "1"\n', TSV, [('"a1', 'b "1"')]),
    "TSV with CR LF kept": ("a1\tb1\r\n", {**TSV, "newlines": "keep"}, [("a1", "b1")]),
    "TSV with blank lines": ("\t\na1\tb1\n\n \n", TSV, [("a1", "b1")]),
    "TSV by name": ("b\ta\nb1\ta1\n", {**NAMED, "records": "tsv"}, [("a1", "b1")]),
    "JSON lines": ('{"a": "a1", "b": "b1"}\n', JSONL, [("a1", "b1")]),
    "JSON in another order": ('\n{"b":"b1","x":[1],"a":"a1"}\n \n', JSONL, [("a1", "b1")]),
    "JSON escapes": (r'{"a": "a\n\u00e9", "b": "\ud83d\udc1d"}', JSONL, [("a\né", "🐝")]),
    "numbers of JSON, as spelled": (
        '{"a": 1.50, "b": -1e3}\n{"a": ' + "9" * 5000 + ', "b": NaN}',
        JSONL,
        [("1.50", "-1e3"), ("9" * 5000, "NaN")],
    ),
    "booleans of JSON": ('{"a": true, "b": false}', JSONL, [("true", "false")]),
    "nothing of JSON in other keys": (
        '{"a": "a1", "b": "b1", "c": null, "d": {"e": [1]}}',
        JSONL,
        [("a1", "b1")],
    ),
    "the last of equal keys": ('{"a": "a1", "b": "x", "b": "b1"}', JSONL, [("a1", "b1")]),
    "numbers as keys": ('{"1": "a1", "2": "b1"}', {**CSV, "records": "jsonl"}, [("a1", "b1")]),
    "JSON as bytes": ('\ufeff{"a": "é", "b": "蜂"}', {**JSONL, "tokens": "byte"}, [("é", "蜂")]),
    "a line separator in JSON": ('{"a": "a\u20281", "b": "b1"}', JSONL, [("a\u20281", "b1")]),
}


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize("name", READ)
def test_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, chunk: int) -> None:
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", chunk)
    raw, keys, expected = READ[name]
    assert pairs_in(tmp_path / "t.csv", raw, **keys) == expected


# What is wrong with a table -> its bytes, the keys, and words of the message.
REFUSED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "a missing column": (
        "text,lable\nx,y\n",
        {**CSV, "prompt_column": "text", "reply_column": "label"},
        "t.csv: line 1: no column is called 'label' (data.reply_column) (did you mean lable?); the "
        "columns are 'text', 'lable'. Without names in the first line, give numbers from 1",
    ),
    "a missing column, as bytes": (
        "prénom,é\nx,y\n",
        {**CSV, "prompt_column": "prenom", "tokens": "byte"},
        "(did you mean prénom?); the columns are 'prénom', 'é'",
    ),
    "a name without a header": (
        "a,b\n",
        {**NAMED, "header": False},
        "data.prompt_column: 'a' is a name, and with data.header: false columns have numbers",
    ),
    "two columns of a name": (
        "a,b,b\n1,2,3\n",
        NAMED,
        "line 1: columns 2 and 3 are both called 'b'; give data.reply_column as a number",
    ),
    "a column on both sides": (
        "a,b\nx,y\n",
        {**NAMED, "prompt_column": 2},
        "t.csv: 'b' is data.reply_column and, by another name, data.prompt_column; give two",
    ),
    "too few cells": (
        '"a\n1",b1\n\n"a\n2"\n',
        CSV,
        "t.csv: line 4: has 1 cell, and data.reply_column is cell 2; complete the row or remove it",
    ),
    "too few cells in many rows": (
        "p,r\n" + "a\n" * 2 + "a,b\n" + "a\n" * 5,
        CSV,
        "t.csv: line 2: has 1 cell, and data.reply_column is cell 2, as in lines 3, 5, 6, 7, 8, "
        "... (7 in all); complete these rows or remove them",
    ),
    "too few cells for the prompt": (
        "a1\n",
        {**CSV, "prompt_column": 7, "reply_column": 1},
        "line 1: has 1 cell, and data.prompt_column is cell 7",
    ),
    "too many cells": (
        "a,b\nx,y,\nx, and z,y\n",  # an empty cell more is harmless
        NAMED,
        "line 3: has 3 cells, and the header 2; quote a cell in which the delimiter stands",
    ),
    "too few cells of TSV": ("a1\tb1\na2\n", TSV, "line 2: has 1 cell, and data.reply_column"),
    "only blank replies": ("a1,\na2, \n", CSV, "has no records; each line is blank, or each row"),
    "a quote that is not closed": (
        'a1\tb1\na2\t"b2\na3\tb3\n',
        {**CSV, "delimiter": "\t"},
        "t.csv: line 2: a quote is not closed; close it, or double a quote in a cell; data.records:"
        " tsv reads tab-separated values, in which quotes have no meaning",
    ),
    "a quote that the next one seems to close": (
        'a1,b1\n"a2,b2\n"a3",b3\n"a4",b4\n',
        CSV,
        "t.csv: line 2: a quote is not closed; close it, or double a quote in a cell",
    ),
    "a quote of a reply that is not closed": (
        '"a1",b1\n"a2","b2\n"a3","b3"\n',
        CSV,
        "t.csv: line 2: a quote is not closed",
    ),
    "a quote before a line": ('a1,"b1', CSV, "line 1: a quote is not closed"),
    "a quote that swallows much": (
        'a1,"b1\n' + "a,b\n" * 50_000,
        CSV,
        "line 1: a cell has more than 131,072 characters, or a quote is not closed",
    ),
    "a long cell": (
        "a1,b1\na2," + "b" * 140_000,
        CSV,
        "line 2: a cell has more than 131,072 characters, or a quote is not closed",
    ),
    "CR in a row": (
        "a1,b1\ra2,b2\n",
        {**CSV, "newlines": "keep"},
        "line 1: a carriage return stands in a cell without quotes",
    ),
    "half a line of JSON": (
        '{"a": "x", "b": "y"}\n{"a": "x", "b": \n{"a": "x", "b": "y"}\n',
        JSONL,
        "t.csv: line 2: is not JSON: Expecting value at column 16; each line is one object",
    ),
    "replies that are missing": (
        '{"a": "x"}\n{"a": "x", "b": "y"}\n{"a": "x"}',
        JSONL,
        "t.csv: line 1: has no text or number 'b' (data.reply_column), as in "
        "line 3; its keys with one are 'a'; complete these rows or remove them",
    ),
    "a missing key": (
        '{"a": "x", "b": "y"}\n{"a": "x", "bb": "y", "c": 1}',
        JSONL,
        "t.csv: line 2: has no text or number 'b' (data.reply_column) (did you mean bb?); its keys "
        "with one are 'a', 'bb', 'c'; complete the row or remove it",
    ),
    "a nested value": ('{"a": {"c": 1}, "b": "y"}', JSONL, "has no text or number 'a'"),
    "no JSON": ('{"a": "x", "b": "y"}\n{"a" "x"}', JSONL, "line 2: is not JSON: Expecting ':'"),
    "a control character in JSON": (
        '{"a": "x", "b": "\x01y"}',
        JSONL,
        "line 1: is not JSON: Invalid control character at column 18; each line is one object",
    ),
    "an escape that JSON lacks": (
        r'{"a": "x", "b": "\y"}',
        JSONL,
        r"line 1: is not JSON: Invalid \escape at column 18; each line is one object",
    ),
    "JSON that ends early": (
        '{"a": "x", "b": "y',
        JSONL,
        "line 1: is not JSON: Unterminated string starting at column 17; each line is one object",
    ),
    "JSON that is not UTF-8": (
        b'{"a": "\xff", "b": "y"}',
        {**JSONL, "tokens": "byte"},
        "line 1: is not JSON: it is not UTF-8; each line is one object",
    ),
    "deep JSON": ("[" * 100_000, JSONL, "line 1: is not JSON: it is too deep"),
    "a list": (
        '["x", "y"]',
        JSONL,
        "line 1: ['x', 'y'] is not an object, as in {\"text\": \"...\"}",
    ),
    "half of a pair": (
        r'{"a": "x", "b": "y\ud800"}',
        JSONL,
        r"line 1: 'y\ud800' has half of a surrogate pair, which is no character; remove it",
    ),
    "half of a pair, as bytes": (
        r'{"a": "x", "b": "y\udc1d"}',
        {**JSONL, "tokens": "byte"},
        "half of a surrogate pair",
    ),
    "nothing": ("", CSV, "the text has no records"),
    "only a header": ("a,b\n", NAMED, "the text has no records"),
    "only blank rows": (",\n\n , \n", CSV, "the text has no records"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    raw, keys, words = REFUSED[name]
    with pytest.raises(TextError) as caught:
        pairs_in(tmp_path / "t.csv", raw, **keys)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_limit_of_the_process_stays_and_counts(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    raw = f"a1,{'b' * 100}\na2,b2\n"
    assert len(pairs_in(tmp_path / "t.csv", raw, **CSV)) == 2
    with pytest.raises(TextError):
        pairs_in(tmp_path / "t.csv", f"a1,{'b' * 2 * before}\n", **CSV)
    assert csv.field_size_limit() == before
    csv.field_size_limit(50)
    try:
        with pytest.raises(TextError, match="more than 50 characters"):
            pairs_in(tmp_path / "t.csv", raw, **CSV)
        assert csv.field_size_limit() == 50
    finally:
        csv.field_size_limit(before)
    long = "b" * 2 * before
    raw = json.dumps({"a": "x", "b": long})
    assert pairs_in(tmp_path / "t.csv", raw, **JSONL) == [("x", long)]
    assert pairs_in(tmp_path / "t.csv", f"x\t{long}", **TSV) == [("x", long)]


def test_a_nul_is_a_character(tmp_path: Path) -> None:
    assert pairs_in(tmp_path / "t.csv", "a\0\tb1\n", **TSV) == [("a\0", "b1")]
    if sys.version_info >= (3, 11):
        assert pairs_in(tmp_path / "t.csv", "a\0,b1\n", **CSV) == [("a\0", "b1")]
    else:
        with pytest.raises(TextError, match="line 1: line contains NUL"):
            pairs_in(tmp_path / "t.csv", "a\0,b1\n", **CSV)


def test_each_file_has_its_header(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\na1,b1\n")
    (tmp_path / "2.csv").write_text("\ufeffb,a\nb2,a2\n", encoding="utf-8")
    (tmp_path / "3.csv").write_text("")
    expected = [("a1", "b1"), ("a2", "b2")]
    assert pairs_in(tmp_path / "*.csv", None, **NAMED) == expected
    (tmp_path / "4.csv").write_text("a,c\na3,b3\n")
    with pytest.raises(TextError, match=r"4\.csv: line 1: no column is called 'b'"):
        pairs_in(tmp_path / "*.csv", None, **NAMED)


def test_tables_for_validation_and_testing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{k}{n},{k}" for n in range(40) for k in "xy"]
    Path("t.csv").write_text("\n".join(["a,b", *rows]))
    Path("valid.csv").write_text("b,a\nx,y1\n")
    Path("test.csv").write_text("b,c,a\ny,3,x2\ny,3,x3\n")
    Path("my.yaml").write_text(
        "data: {path: t.csv, records: csv, prompt_column: a, reply_column: b, "
        "valid_path: valid.csv, test_path: test.csv}\n"
        "model: {hidden_size: 4}\ntrain: {max_steps: 3}\n"
    )
    corpus = corpus_of(tmp_path / "t.csv", None, **NAMED, valid_path=str(tmp_path / "valid.csv"))
    assert pairs_of(corpus, "valid") == [("y1", "x")]
    assert len(pairs_of(corpus, "train")) == 80
    assert run(["train", "my.yaml"]) == 0
    capsys.readouterr()
    assert run(["eval", "--split", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 2
    Path("valid.csv").write_text("b,c\nx,y1\n")
    assert run(["train", "my.yaml", "--overwrite"]) == 1
    assert "valid.csv: line 1: no column is called 'a'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["plain", "embedded newlines", "bytes", "JSON lines", "UTF-16"])
def test_a_large_table_gives_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    raw, keys, expected = READ[name]
    small = corpus_of(tmp_path / "t.csv", raw, **keys)
    monkeypatch.setattr(load, "LARGE", 0)
    for _ in range(2):  # the second one is read from the cache
        large = corpus_of(tmp_path / "t.csv", None, **keys)
        assert isinstance(large.codes, np.memmap)
        assert pairs_of(large) == expected
        assert large.text_sha256 == small.text_sha256
        assert np.array_equal(large.starts, small.starts)
    other = corpus_of(tmp_path / "t.csv", None, **{**keys, "prompt_column": None})
    assert pairs_of(other) == [(None, reply) for _, reply in expected]


def test_a_table_may_lack_replies() -> None:
    """Those whose replies are predicted do."""

    def prompts(text: str, **keys: Any) -> list[str | None]:
        data = DataConfig("t.csv", **keys)
        symbols = np.array([ord(c) for c in text], np.uint32)
        table = Table("t.csv", [symbols], data, with_reply=False)
        return [row.prompt for row in table]

    assert prompts("a\na1\n", **NAMED) == ["a1"]
    assert prompts("a1\na2\n", **CSV) == ["a1", "a2"]
    assert prompts('{"a": "a1"}\n', **JSONL) == ["a1"]
    assert prompts("a, b\na1,b1\na2\na3,\n", **NAMED) == ["a1", "a2", "a3"]
    assert prompts("a1,b1\na2\n", **CSV) == ["a1", "a2"]
    assert prompts('{"a": "a1", "b": "b1"}\n{"a": "a2", "b": null}\n', **JSONL) == ["a1", "a2"]
    for keys in (CSV, NAMED, TSV, JSONL):
        assert prompts("", **keys) == []
        assert prompts("\n \n", **keys) == []


# Any table that an independent writer writes.

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6)
FILLED = CELL.filter(lambda cell: bool(cell.strip()))
ROWS = st.lists(st.tuples(CELL, FILLED, FILLED), min_size=2)


@given(ROWS, st.sampled_from(",;|\t"), st.booleans(), st.booleans())
def test_what_is_written_as_csv_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    header: bool,
    quoted: bool,
) -> None:
    buffer = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writerows([("x", "a b", "é"), *rows] if header else rows)
    raw = buffer.getvalue().encode()
    columns: Any = ("a b", "é") if header else (2, 3)
    for prompt, tokens in ((columns[0], "char"), ((1, 2), "char"), (None, "byte")):
        expected = [
            (None if prompt is None else f"{one}\t{two}" if prompt == (1, 2) else two, reply)
            for one, two, reply in rows
        ]
        keys = {"records": "csv", "prompt_column": prompt, "reply_column": columns[1]}
        keys |= {"delimiter": delimiter, "header": header, "tokens": tokens}
        path = tmp_path_factory.getbasetemp() / "drawn.csv"
        assert pairs_in(path, raw, **keys) == expected


@given(ROWS, st.booleans())
def test_what_is_written_as_json_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], ascii_only: bool
) -> None:
    lines = [dict(zip("xyz", row, strict=True)) for row in rows]
    raw = "\n".join(json.dumps(line, ensure_ascii=ascii_only) for line in lines)
    keys = {"records": "jsonl", "prompt_column": ("x", "y"), "reply_column": "z"}
    path = tmp_path_factory.getbasetemp() / "drawn.jsonl"
    for tokens in ("char", "byte"):
        found = pairs_in(path, raw, **keys, tokens=tokens)
        assert found == [(f"{one}\t{two}", reply) for one, two, reply in rows]


@given(ROWS)
def test_what_is_written_as_tsv_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    plain = [[cell.replace("\t", " ").replace("\n", " ") for cell in row] for row in rows]
    raw = "\n".join(map("\t".join, plain))
    keys = {"records": "tsv", "prompt_column": 2, "reply_column": 3}
    path = tmp_path_factory.getbasetemp() / "drawn.tsv"
    assert pairs_in(path, raw, **keys) == [(row[1], row[2]) for row in plain]


@pytest.mark.parametrize("char", [*BLANKS.replace("\n", ""), "\u2003", "\x1c", "\u200b", "."])
def test_lines_and_rows_agree_on_what_is_blank(tmp_path: Path, char: str) -> None:
    raw = f"a1\n{char}\nb1\n"
    lines = corpus_of(tmp_path / "t.txt", raw, records="line", newlines="keep")
    rows = corpus_of(tmp_path / "t.tsv", raw, records="tsv", reply_column=1, newlines="keep")
    expected = 2 if char in BLANKS else 3
    assert (len(lines.starts), len(rows.starts)) == (expected, expected)
    if char in BLANKS:
        with pytest.raises(TextError, match="the reply is empty"):
            pairs_in(tmp_path / "t.txt", f"a1->{char}\n", records="line", prompt_separator="->")
