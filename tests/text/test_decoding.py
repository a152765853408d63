"""A text decoded in pieces gives the same symbols, and the same errors, as a whole one."""

from __future__ import annotations

import codecs
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text.decoding import read_symbols

TEXT = "Größe, 大きさ 🐝\r\n" * 9 + "end"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030", "latin-1")


def read_in_chunks(raw: bytes, chunk: int, **keys: Any) -> list[int] | str:
    """Return the symbols of a file with these bytes, or the error without the file's name."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.text.decoding.CHUNK", chunk)
        file = Path(folder, "text")
        file.write_bytes(raw)
        try:
            pieces = list(read_symbols(str(file), DataConfig(str(file), **keys)))
        except TextError as error:
            return str(error).replace(str(file), "")
        assert all(map(len, pieces))
        return [symbol for symbols in pieces for symbol in symbols.tolist()]


NEWLINES = st.sampled_from(("lf", "keep"))
CHUNKS = st.integers(1, 7)
CHARACTERS = st.sampled_from([*"ab\r\n\u00e9\u4e2d\ufeff+-", "\r\n", "\U0001f41d"])
TEXTS = st.lists(CHARACTERS, max_size=20).map("".join)


@given(TEXTS, st.sampled_from(ENCODINGS), NEWLINES, CHUNKS)
def test_chunks_read_as_the_whole(text: str, encoding: str, newlines: str, chunk: int) -> None:
    raw = text.encode(encoding, "ignore")
    name = "utf-8" if encoding == "utf-8-sig" else encoding  # utf-8 keeps a second mark
    whole = raw.decode(name).removeprefix("\ufeff")
    if newlines == "lf":
        whole = whole.replace("\r\n", "\n").replace("\r", "\n")
    symbols = read_in_chunks(raw, chunk, encoding=encoding, newlines=newlines)
    assert symbols == [ord(character) for character in whole]


def as_a_whole(raw: bytes, encoding: str) -> list[int] | tuple[str, ...]:
    """Decode all bytes at once; return the symbols, or the possible beginnings of the error."""
    try:
        text, found = raw.decode(encoding), []
    except UnicodeDecodeError as error:
        at = error.start
        found = [f": byte {at} (0x{raw[at]:02x}) is not {encoding}: {error.reason}; "]
        text = raw[:at].decode(encoding, "ignore")  # a chunk of it may have been checked before
    text = text.removeprefix("\ufeff")
    if surrogate := re.search("[\ud800-\udfff]", text):
        found.append(f": character {surrogate.start()} is U+D")
    return tuple(found) or [ord(character) for character in text]


@given(TEXTS, st.data(), st.sampled_from(ENCODINGS), CHUNKS)
def test_damaged_bytes_give_the_same_error(
    text: str, data: st.DataObject, encoding: str, chunk: int
) -> None:
    raw = bytearray(text.encode(encoding, "ignore"))
    for _ in range(data.draw(st.integers(1, 3))):
        raw.insert(data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 255)))
    found = read_in_chunks(bytes(raw), chunk, encoding=encoding, newlines="keep")
    expected = as_a_whole(bytes(raw), "utf-8" if encoding == "utf-8-sig" else encoding)
    if isinstance(expected, tuple):
        assert str(found).startswith(expected)
    else:
        assert found == expected


def test_utf_16_without_a_mark_is_in_the_machines_order() -> None:
    order = "le" if sys.byteorder == "little" else "be"
    raw = "aé".encode(f"utf-16-{order}")
    assert read_in_chunks(raw, 1, encoding="utf-16") == [ord("a"), ord("é")]
    for mark, order in ((codecs.BOM_UTF16_BE, "be"), (codecs.BOM_UTF16_LE, "le")):
        raw = mark + "aé".encode(f"utf-16-{order}")
        assert read_in_chunks(raw, 1, encoding="utf-16") == [ord("a"), ord("é")]
    assert "is not utf-16: truncated data" in str(read_in_chunks(raw + b"a", 1, encoding="utf-16"))


def test_the_position_of_half_a_pair_is_that_in_the_file() -> None:
    error = read_in_chunks(b"\\u00e9b\r\n\\ud800", 3, encoding="unicode_escape")
    assert str(error).startswith(": character 3 is U+D800")


@pytest.mark.parametrize("encoding", ["idna", "punycode", "Punycode"])
def test_an_encoding_of_single_names_is_refused(encoding: str) -> None:
    """Its codec needs the whole text at once, and a day for a megabyte."""
    error = read_in_chunks(b"ab-", 1, encoding=encoding)
    assert str(error).startswith(
        f": {encoding} encodes single names, not texts; data.encoding=latin-1"
    )


@pytest.mark.parametrize(
    ("raw", "encoding", "begins"),
    [(b"ab+" + b"A" * 600, "utf-7", 2), (b"ab\\N{" + b"A" * 600, "unicode_escape", 2)],
)
def test_what_a_decoder_holds_back_is_bounded(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, encoding: str, begins: int
) -> None:
    """The codec scans all of it again with each chunk: a gigabyte a thousand times."""
    monkeypatch.setattr("charrnn.text.decoding._LONGEST_RUN", 500)
    error = read_in_chunks(raw, 7, encoding=encoding)
    assert str(error).startswith(f": from byte {begins} on nothing can be decoded before the end")
    monkeypatch.setattr("charrnn.text.decoding._LONGEST_RUN", 1 << 20)
    assert "nothing can be decoded" not in str(read_in_chunks(raw, 7, encoding=encoding))
