"""Codes of characters, which lose nothing and do not depend on the order of the text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ASTRAL = "\U0001d11e\U0001f41d"  # two code points of four UTF-8 bytes each
each_tokens = pytest.mark.parametrize("tokens", ["char", "byte"])


def vocabulary_of(text: str, tokens: str) -> Vocabulary:
    """Return the vocabulary of a text; with byte tokens, that of its UTF-8 bytes."""
    symbols = Vocabulary(np.array([], np.uint32), tokens).symbols_of(text)
    return Vocabulary.from_pieces([symbols], tokens)


def encoded(text: str, tokens: str) -> tuple[Vocabulary, Array]:
    """Return the vocabulary of a text and its codes."""
    vocabulary = vocabulary_of(text, tokens)
    return vocabulary, vocabulary.encode(vocabulary.symbols_of(text), "text")


@each_tokens
@given(TEXTS)
def test_decoding_inverts_encoding(tokens: str, text: str) -> None:
    vocabulary, codes = encoded(text, tokens)
    assert vocabulary.decode(codes) == text


@given(st.binary(min_size=1))
def test_bytes_that_are_not_utf_8_decode_as_in_python(raw: bytes) -> None:
    vocabulary = Vocabulary.from_pieces([np.frombuffer(raw, np.uint8)], "byte")
    codes = vocabulary.encode(np.frombuffer(raw, np.uint8), "text")
    assert bytes(vocabulary.symbols[codes].tolist()) == raw
    assert vocabulary.decode(codes) == raw.decode("utf-8", "replace")


@each_tokens
@given(TEXTS)
def test_decoding_code_by_code_equals_decoding_the_whole(tokens: str, text: str) -> None:
    vocabulary, codes = encoded(text, tokens)
    decoder, so_far = vocabulary.decoder(), ""
    for code in codes.tolist():
        so_far += decoder(code)
        assert text.startswith(so_far)  # whole code points, never half of one
    assert so_far == text


@given(st.binary(min_size=1))
@example(b"\xed\xa0")  # the beginning of half a pair: Python waits for its end, and finds two
def test_decoding_byte_by_byte_equals_decoding_the_whole(raw: bytes) -> None:
    vocabulary = Vocabulary.from_pieces([np.frombuffer(raw, np.uint8)], "byte")
    codes = vocabulary.encode(np.frombuffer(raw, np.uint8), "text")
    so_far = "".join(map(vocabulary.decoder(), codes.tolist()))
    unfinished = vocabulary.decode(codes).removeprefix(so_far)
    # The last bytes may be the beginning of a code point.
    assert unfinished in ("", "\ufffd", "\ufffd\ufffd")


def test_a_code_point_comes_out_with_its_last_byte() -> None:
    vocabulary, codes = encoded("a" + ASTRAL[0], "byte")
    assert list(map(vocabulary.decoder(), codes.tolist())) == ["a", "", "", "", ASTRAL[0]]


@each_tokens
@given(TEXTS, st.randoms(use_true_random=False))
def test_codes_ascend_with_the_symbols_whatever_the_order_of_the_text(
    tokens: str, text: str, rng: random.Random
) -> None:
    vocabulary = vocabulary_of(text, tokens)
    symbols = sorted(set(text.encode() if tokens == "byte" else map(ord, text)))
    assert vocabulary.symbols.tolist() == symbols
    ascending = vocabulary.encode(vocabulary.symbols, "symbols")
    assert ascending.tolist() == list(range(len(vocabulary)))
    shuffled = "".join(rng.sample(text, len(text)))
    assert vocabulary_of(shuffled, tokens) == vocabulary


def test_vocabularies_differ_by_symbols_and_by_tokens() -> None:
    assert vocabulary_of("ab", "char") != vocabulary_of("ac", "char")
    assert vocabulary_of("ab", "char") != vocabulary_of("ab", "byte")


@pytest.mark.parametrize(
    ("tokens", "text", "named"),
    [
        ("char", "ac?c", "'?' (U+003F) at position 2"),  # below the first symbol
        ("char", "acbc", "'b' (U+0062) at position 2"),  # between two
        ("char", "c\u00e9", "'\u00e9' (U+00E9) at position 1"),  # above the last
        ("char", ASTRAL[1] + "a", f"'{ASTRAL[1]}' (U+1F41D) at position 0"),
        ("char", "a\x00", r"'\x00' (U+0000) at position 1"),
        ("char", "axyz", "'x' (U+0078) at position 1"),  # the first of several
        ("byte", "aac\u00e9", "byte 0xc3 at position 3"),
        ("byte", "\n", "byte 0x0a at position 0"),
    ],
)
def test_an_unknown_character_is_named_with_its_position(
    tokens: str, text: str, named: str
) -> None:
    vocabulary = vocabulary_of("aacc", tokens)
    symbols = vocabulary.symbols_of(text)
    with pytest.raises(TextError) as caught:
        vocabulary.encode(symbols, "somewhere")
    assert str(caught.value).startswith(f"somewhere: {named} is not among the 2 ")


@each_tokens
@given(TEXTS, TEXTS)
def test_skip_unknown_leaves_out_the_unknown_symbols(tokens: str, known: str, text: str) -> None:
    vocabulary = vocabulary_of(known, tokens)
    symbols = vocabulary.symbols_of(text)
    codes = vocabulary.encode(symbols, "text", skip_unknown=True)
    among = set(vocabulary.symbols.tolist())
    assert vocabulary.symbols[codes].tolist() == [s for s in symbols.tolist() if s in among]


@pytest.mark.parametrize(
    ("V", "dtype"),
    [
        (2, np.uint8),
        (255, np.uint8),
        (256, np.uint8),
        (257, np.uint16),
        (65_535, np.uint16),
        (65_536, np.uint16),
        (65_537, np.uint32),
    ],
)
def test_codes_have_the_smallest_type_that_holds_them(V: int, dtype: type) -> None:
    vocabulary = Vocabulary(np.arange(V), "char")
    codes = vocabulary.encode(np.array([0, V - 1], np.uint32), "text")
    assert codes.dtype == dtype
    assert codes.tolist() == [0, V - 1]
    with_unknown = np.array([0, V, V - 1], np.uint32)
    with pytest.raises(TextError):
        vocabulary.encode(with_unknown, "text")
    codes = vocabulary.encode(with_unknown, "text", skip_unknown=True)
    assert codes.dtype == dtype
    assert codes.tolist() == [0, V - 1]


def test_a_character_outside_the_basic_plane_is_one_character() -> None:
    vocabulary, codes = encoded(ASTRAL, "char")
    assert len(vocabulary) == len(codes) == 2
    assert vocabulary.symbols.tolist() == [0x1D11E, 0x1F41D]


def test_a_surrogate_escape_becomes_its_byte() -> None:
    vocabulary = Vocabulary(np.arange(256), "byte")
    argument = b"a\xff".decode("utf-8", "surrogateescape")  # as Python reads the command line
    assert vocabulary.symbols_of(argument).tolist() == [0x61, 0xFF]


@pytest.mark.parametrize(
    ("symbol", "named"),
    [
        (0x41, "'A' (U+0041)"),
        (0x5D0, "'\u05d0' (U+05D0)"),  # Hebrew, visible
        (0x1F41D, f"'{ASTRAL[1]}' (U+1F41D)"),
        (0x27, '"\'" (U+0027)'),
        (0x1B, r"'\x1b' (U+001B)"),
        (0x85, r"'\x85' (U+0085)"),
        (0xA0, r"'\xa0' (U+00A0)"),
        (0x301, r"'\u0301' (U+0301)"),  # an accent, which would combine with the quote
        (0x378, r"'\u0378' (U+0378)"),  # unassigned
        (0x202E, r"'\u202e' (U+202E)"),  # reverses the following text
        (0x2028, r"'\u2028' (U+2028)"),
        (0xE000, r"'\ue000' (U+E000)"),
        (0xFEFF, r"'\ufeff' (U+FEFF)"),
        (0xFFFF, r"'\uffff' (U+FFFF)"),
        (0x10FFFF, r"'\U0010ffff' (U+10FFFF)"),
    ],
)
def test_the_name_of_a_character_is_printable(symbol: int, named: str) -> None:
    assert Vocabulary(np.arange(2), "char").name(symbol) == named


def test_every_name_fits_on_a_line_and_into_a_file() -> None:
    vocabulary = Vocabulary(np.arange(2), "char")
    every_31st = range(0x20000, 0x110000, 31)  # of planes where little is assigned
    for symbol in (*range(0x20000), *range(0xE0000, 0xE0200), *every_31st):
        name = vocabulary.name(symbol)
        assert name.isprintable()
        name.encode("utf-8")


@pytest.mark.parametrize("tokens", ["char", "byte"])
def test_a_prime_begins_a_line_or_a_record(tokens: str) -> None:
    lines, words = vocabulary_of("\nab", tokens), vocabulary_of("ab", tokens)
    records = Vocabulary(np.array([10, 97, SYMBOLS[tokens]]), tokens)
    for vocabulary, prime, read in (
        (lines, [1, 2], [0, 1, 2]),
        (lines, [], [0]),
        (lines, [0, 1], [0, 1]),
        (words, [0, 1], [0, 1]),
        (words, [], []),
        (records, [0, 1], [2, 0, 1]),
        (records, [], [2]),
    ):
        found = vocabulary.as_prime(np.array(prime, vocabulary.code_dtype))
        assert found.tolist() == read
        assert found.dtype == vocabulary.code_dtype


@pytest.mark.parametrize("tokens", ["char", "byte"])
def test_an_unknown_symbol_of_records_is_shown_in_its_record(tokens: str) -> None:
    """A position in a file would count the ends, and blank lines that are left out."""
    end = SYMBOLS[tokens]
    vocabulary = Vocabulary(np.array([97, 98, end]), tokens)
    for text, record in (
        ("|ab|aZb|ba|", "record 2, 'aZb',"),
        ("Za|", "'Za'"),
        ("|ab|bZ", "record 2, 'bZ',"),
    ):
        symbols = np.array([end if c == "|" else ord(c) for c in text], np.uint32)
        with pytest.raises(TextError, match=rf"file: .* in {record} is not among the 2 {tokens}"):
            vocabulary.encode(symbols, "file")
