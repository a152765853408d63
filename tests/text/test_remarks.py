"""Texts that are probably not what their owner takes them for get one remark."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text.load import load_corpus
from charrnn.text.remarks import remark_on

PROSE = "The cat sat on the mat; it saw the dog, who did not.\nNobody else, I think, was there.\n"
FRENCH = "Le père Noël a créé une forêt près du château, où l\u2019été s\u2019en va… « ça »\n"
TABLE = "".join(f"{n},name {n},{'good' if n % 2 else 'bad'}\n" for n in range(20))

MISTAKES: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "UTF-16, the other order": (
        (PROSE * 5).encode("utf-16-be"),
        {"encoding": "latin-1"},
        "data.encoding: utf-16-be reads it",
    ),
    "UTF-16 as Latin-1": (
        (PROSE * 5).encode("utf-16"),
        {"encoding": "latin-1"},
        "data.encoding: utf-16-le reads it",
    ),
    "UTF-32": (
        (PROSE * 5).encode("utf-32-le"),
        {"encoding": "ascii"},
        "data.encoding: utf-32-le reads it",
    ),
    "bytes of UTF-16": (
        (PROSE * 5).encode("utf-16-le"),
        {"tokens": "byte"},
        "data.tokens: char with data.encoding: utf-16-le reads it",
    ),
    "binary data": (
        bytes([7, 0, 0, 5, 0, 9, 9, 0, 1]) * 50,
        {"tokens": "byte"},
        "binary data, 44% of it NULs",
    ),
    "UTF-8 as Latin-1": (
        (FRENCH * 5).encode(),
        {"encoding": "latin-1"},
        "('Ã¨' for 'è'); data.encoding: utf-8 reads it",
    ),
    "UTF-8 as cp1252, saved again": (
        (FRENCH * 5).replace("à", "").encode().decode("cp1252").encode(),
        {},
        "and saved again; iconv -f utf-8 -t cp1252 repairs it",
    ),
    "the bytes of that": (
        (FRENCH * 5).encode().decode("cp1252").encode(),
        {"tokens": "byte"},
        "and saved again; iconv -f utf-8 -t cp1252 repairs it",
    ),
    "a line of JSON": (
        json.dumps([{"text": PROSE, "n": n} for n in range(5)]).encode(),
        {},
        "a list of JSON objects; jq -c",
    ),
    "a long line of JSON": (
        json.dumps({"texts": [PROSE] * 5000}).encode(),
        {},
        "one line of JSON; write the texts in it to a file",
    ),
    "JSON lines": (
        "".join(json.dumps({"text": PROSE, "n": n}) + "\n" for n in range(5)).encode(),
        {},
        "JSON lines; data.records: jsonl reads it, and charrnn init chooses its columns",
    ),
    "many JSON lines, as bytes": (
        "".join(json.dumps({"té": PROSE}, ensure_ascii=False) + "\n" for _ in range(5000)).encode(),
        {"tokens": "byte"},
        "JSON lines; data.records: jsonl reads it, and charrnn init chooses its columns",
    ),
    "many JSON lines": (
        "".join(json.dumps({"text": PROSE, "n": n}) + "\n" for n in range(5000)).encode(),
        {},
        "JSON lines; data.records: jsonl reads it, and charrnn init chooses its columns",
    ),
    "lists of JSON": (
        "".join(json.dumps([PROSE, n, "x"]) + "\n" for n in range(9)).encode(),
        {},
        "lists of JSON; write one text of each to a file, one a line",
    ),
    "a list of objects of JSON": (
        json.dumps([{"title": PROSE, "n": n} for n in range(9)], indent=1).encode(),
        {},
        "a list of JSON objects; jq -c '.[]' LIST.json > LINES.jsonl writes one object a line",
    ),
    "gzip": (gzip.compress(PROSE.encode()), {"tokens": "byte"}, "compressed with gzip; unpack it"),
    "gzip as Latin-1": (
        gzip.compress(PROSE.encode()),
        {"encoding": "latin-1"},
        "compressed with gzip; unpack it",
    ),
    "a PDF": (b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\n", {}, "a PDF; save it as plain text"),
    "a docx": (b"PK\x03\x04\x14\x00\x06\x00 word", {"tokens": "byte"}, "a zip file, or a document"),
    "a picture": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        {"encoding": "latin-1"},
        "a picture (png); name",
    ),
    "a video": (
        b"\0\0\0 ftypisom\0\0\2\0",
        {"tokens": "byte"},
        "a video, a sound or a picture (mp4",
    ),
    "commas": (
        TABLE.encode(),
        {},
        "a table of 3 columns with commas between them; data.records: csv reads it",
    ),
    "tabs": (
        TABLE.replace(",", "\t").encode(),
        {},
        "columns with tabs between them; data.records: tsv",
    ),
    "semicolons": (TABLE.replace(",", ";").encode(), {}, "a table of 3 columns with semicolons"),
    "quotes": (
        "".join(f'"{n}","a, b\nand ""c""","d"\n' for n in range(20)).encode(),
        {},
        "a table of 3 columns with commas",
    ),
    "a large table": ((TABLE * 5000).encode(), {}, "a table of 3 columns with commas"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_remark(tmp_path: Path, name: str) -> None:
    raw, keys, remark = MISTAKES[name]
    assert remark in _remark(tmp_path / "text.txt", raw, keys)


def test_a_table_that_is_read_as_one_gets_none(tmp_path: Path) -> None:
    cells = "".join(f"a, b{n}, c\t{'xy'[n % 2]}\n" for n in range(20)).encode()
    assert "tabs" in _remark(tmp_path / "t.tsv", cells, {})
    assert not _remark(tmp_path / "t.tsv", cells, {"records": "tsv", "reply_column": 1})


def test_two_columns_with_a_comma_are_a_table_by_the_name_of_the_file(tmp_path: Path) -> None:
    raw = "".join(f"Smith, John {n}\n" for n in range(9)).encode()
    assert "2 columns" in _remark(tmp_path / "people.csv", raw, {})
    assert not _remark(tmp_path / "people.txt", raw, {})


def test_a_table_whose_rows_differ_in_their_cells(tmp_path: Path) -> None:
    rows = [f'"{n}\n, {n}",good' for n in range(60)]  # two lines each
    for number, row in ((5, "five"), (20, "20,a,b"), (30, "30,")):
        rows[number] = row
    path, raw = tmp_path / "rows.csv", "\n".join(rows).encode()
    assert not _remark(path, raw, {"records": "csv", "reply_column": 1})
    rows[40:44] = ["x"] * 4
    remark = _remark(path, "\n".join(rows).encode(), {})
    assert "a table of 2 columns with commas between them, but 6 of 60 rows do not fit" in remark
    assert "the first of them line 11, which has 1 cell; complete or remove such rows" in remark
    assert not _remark(tmp_path / "rows.txt", "\n".join(rows).encode(), {})
    rows[0:60:2] = ["x"] * 30
    assert not _remark(path, "\n".join(rows).encode(), {})


TEXTS = {
    "prose": PROSE,
    "French": FRENCH * 5,
    "French in capitals": "ÉÈ ÀÉ CRÉÉE, ÇA ÂÉ!\n" * 9,
    "Chinese": "春眠不觉晓,处处闻啼鸟。\n夜来风雨声,花落知多少。\n" * 5,
    "Greek": "Μῆνιν ἄειδε, θεά, Πηληϊάδεω Ἀχιλῆος\n" * 5,
    "emoji": "👍🏽 good 👨‍👩‍👧 family é\n" * 5,
    "one word": "hello",
    "names": "emma\nolivia\nava\n" * 9,
    "labelled lines": "Korean: Kim\nItalian: Rossi\n" * 9,
    "molecules": "CC(=O)Oc1ccccc1C(=O)O\nC1CC1\n[NH4+]\n" * 9,
    "code": (ROOT / "charrnn" / "text" / "corpus.py").read_text(encoding="utf-8"),
    **{
        page.name: page.read_text(encoding="utf-8")
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    },
    "a file of make": (ROOT / "Makefile").read_text(encoding="utf-8"),
    "one configuration": '{"a": 1,\n "b": 2}\n',
    "a list of words": "[verse]\n[chorus]\n" * 5,
    "a few NULs": "a\0b c d e f g h\n" * 9,
    "numbers": "1 2 3\n10 20 30\n" * 9,
}


@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_gets_none(tmp_path: Path, name: str, tokens: str) -> None:
    raw = TEXTS[name].encode()
    assert _remark(tmp_path / "text.txt", raw, {"tokens": tokens}) == ""


def test_the_texts_shipped_get_none() -> None:
    for path in sorted((ROOT / "data").glob("*.txt")):
        assert _remark(path, None, {}) == ""


def test_a_compressed_text_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"not utf-8: .*; it looks like a file compressed with gz"):
        _remark(tmp_path / "text.gz", gzip.compress(PROSE.encode()), {})


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [PROSE, FRENCH], ids=["English", "French"])
def test_utf_16_without_a_mark_is_refused(
    text: str, encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a text as from a configuration, with the key that reads it."""
    file, config = tmp_path / "text.txt", tmp_path / "my.yaml"
    file.write_bytes((text * 20).encode(encoding))
    config.write_text("data: {path: text.txt}\nmodel: {hidden_size: 4}\ntrain: {max_steps: 2}\n")
    place = ["--run-dir", str(tmp_path / "run")]
    for command in (
        ["train", str(file), *place],
        ["train", str(config), *place],
        ["init", str(file), "-o", str(tmp_path / "new.yaml")],
    ):
        assert run(command) == 1
        assert capsys.readouterr().err == (
            f"charrnn: error: {file}: is {encoding} without a byte order mark, not utf-8; "
            f"--set data.encoding={encoding} reads it, --set data.tokens=byte reads bytes\n"
        )
    assert not (tmp_path / "run").exists()
    assert run(["train", str(config), *place, "--set", f"data.encoding={encoding}"]) == 0
    assert run(["eval", str(tmp_path / "run"), str(file)]) == 0


@pytest.mark.parametrize("raw", [b"ab\0c", b"a\0b\0c\0", b"some\0names\0" * 99, b"\0" * 50 + b"ab"])
def test_a_text_with_nuls_is_read(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    assert len(load_corpus(DataConfig(str(path))).codes) == len(raw)


def test_train_and_init_print_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, config = tmp_path / "text.txt", tmp_path / "my.yaml"
    text.write_bytes((PROSE * 20).encode("utf-16-le"))
    config.write_text(
        "data: {path: text.txt, encoding: latin-1}\n"
        "model: {hidden_size: 4}\ntrain: {max_steps: 2}\n"
    )
    train = ["train", str(config), "--run-dir", str(tmp_path / "run")]
    assert run(train) == 0
    assert capsys.readouterr().err.count("data.encoding: utf-16-le reads it") == 1
    assert run([*train, "--resume"]) == 0
    assert "utf-16" not in capsys.readouterr().err
    set_too = ["--minutes", "0.01", "--set", "data.encoding=latin-1"]
    assert run(["init", str(text), "-o", str(tmp_path / "new.yaml"), *set_too]) == 0
    assert capsys.readouterr().err.count("data.encoding: utf-16-le reads it") == 1
    set_too += ["--set", "train.max_steps=2", "--run-dir", str(tmp_path / "other")]
    assert run(["train", str(text), *set_too]) == 0
    assert capsys.readouterr().err.count("data.encoding: utf-16-le reads it") == 1


def _remark(path: Path, raw: bytes | None, keys: dict[str, Any]) -> str:
    if raw is not None:
        path.write_bytes(raw)
    config = DataConfig(str(path), **keys)
    corpus = load_corpus(config)
    return remark_on(corpus.codes, corpus.vocabulary, config)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "a picture (png); name a text, or export the text in it"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture (jpg)"),
        (b"GIF89a\x80\0\xf7", "a picture (gif)"),
        (b"RIFF\x24\x80\0\0WAVEfmt ", "a sound (wav)"),
        (b"\xff\xfb\x90\x64", "a sound (mp3)"),
        (
            b"PK\x03\x04\x14\0\x06\0",
            "or a document in one (docx, xlsx, odt, epub); save it as plain",
        ),
        (b"SQLite format 3\0\x10\0", "a database"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    head: bytes, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the advice to read its bytes in another encoding, which would train on noise."""
    file = tmp_path / "file"
    file.write_bytes(head + bytes(range(256)) * 20)
    assert run(["train", str(file)]) == 1
    err = capsys.readouterr().err
    assert kind in err
    assert "latin-1" not in err
