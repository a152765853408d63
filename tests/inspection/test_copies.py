"""The longest copies, each compared with a search for every substring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.inspection import copies
from charrnn.inspection.copies import SHORTEST, Copy, longest_copies
from charrnn.text.corpus import Corpus
from charrnn.text.encoding import EncodedText
from charrnn.text.reading import Reading
from charrnn.text.record_reading import reading_of
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import Vocabulary

LETTERS = "\nabcdefghijklmnopqrstuvwxyz "
PLAIN = Vocabulary(np.array(sorted(map(ord, LETTERS))), "char")
LISTED = Vocabulary(np.array([*sorted(map(ord, LETTERS)), 0x110000]), "char")


def codes_of(text: str) -> np.ndarray:
    """Return the codes of a text; a dot stands for the end of a record."""
    pieces = text.split(".")
    ends = np.array([LISTED.end], np.uint8)
    codes = [PLAIN.encode(PLAIN.symbols_of(piece), "") for piece in pieces]
    return np.concatenate([codes[0], *(one for piece in codes[1:] for one in (ends, piece))])


def text_of(text: str) -> Reading:
    """Return a text as one part."""
    n = len(text)
    return reading_of(Corpus(codes_of(text), PLAIN, "", n, n), 0, n)


def records_of(text: str) -> Reading:
    """Return records, each with a dot after it, as one part."""
    codes = codes_of("." + text)
    corpus = RecordCorpus.undivided(EncodedText(codes, LISTED, "", (len(codes),)))
    return reading_of(corpus, *corpus.everything)


def expected(sample: str, text: str, k: int) -> list[tuple[int, int, bool]]:
    """Return the longest copies as their definition has them."""
    free = [True] * len(sample)
    found = list[tuple[int, int, bool]]()
    dotted, records = f".{sample}.", "." in text
    for length in range(len(sample), 0, -1):
        for start in range(len(sample) - length + 1):
            stop = start + length
            stretch = sample[start:stop]
            if not all(free[start:stop]) or "." in stretch:
                continue
            in_sample = dotted[start] == dotted[stop + 1] == "."
            whole = records and in_sample and f".{stretch}." in f".{text}"
            if whole or (length >= SHORTEST and stretch in text):
                found.append((start, stop, whole))
                free[start:stop] = [False] * length
    return found[:k]


def check(sample: str, text: str, k: int, found: list[Copy]) -> None:
    """Compare copies with their definition."""
    assert [(one.start, one.end, one.whole) for one in found] == expected(sample, text, k)
    for one in found:
        stretch = sample[one.start : one.end]
        place = f".{text}".index(f".{stretch}.") if one.whole else text.index(stretch)
        assert one.place == place
        counted = "." if "." in text else "\n"
        assert one.number == text[:place].count(counted) + 1


def spliced(letters: str) -> st.SearchStrategy[tuple[str, str]]:
    """Return samples with pieces of the texts beside them."""

    def with_pieces(text: str) -> st.SearchStrategy[tuple[str, str]]:
        piece = st.tuples(st.integers(0, len(text)), st.integers(0, 90)).map(
            lambda cut: text[cut[0] : cut[0] + cut[1]]
        )
        pieces = st.lists(st.one_of(piece, st.text(letters, max_size=12)), max_size=6)
        return st.tuples(pieces.map("".join), st.just(text))

    return st.text(letters, min_size=1, max_size=300).flatmap(with_pieces)


@given(both=spliced("ab\n"), k=st.integers(0, 5))
@example(both=("ab" * 60, "ab" * 40), k=3)
@example(both=("a" * 10 + "b" * 10, "a" * 9 + "\n" + "b" * 10 + "a" * 10 + "b"), k=2)
def test_copies_of_a_text(both: tuple[str, str], k: int) -> None:
    sample, text = both
    check(sample, text, k, longest_copies(codes_of(sample), text_of(text), k))


@given(both=spliced("ab."), k=st.integers(0, 9))
@example(both=("abba.a.b", "a.abba.bbbbbbbbbbbb."), k=9)
def test_copies_of_records(both: tuple[str, str], k: int) -> None:
    sample, text = both
    text = ".".join([one for one in text.split(".") if one] or ["a"]) + "."
    check(sample, text, k, longest_copies(codes_of(sample), records_of(text), k))


@pytest.mark.parametrize("kind", [text_of, records_of])
def test_copies_across_blocks(kind: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_BLOCK", 50)
    rng = np.random.default_rng(1)
    text = "".join(rng.choice([*"abcdefgh "], 3000)) + ("." if kind is records_of else "\n")
    for length in (9, 17, 40, 70):
        for start in rng.integers(0, 2900, 20).tolist():
            sample = "zz" + text[start : start + length] + "zzabc"
            reading = records_of(text) if kind is records_of else text_of(text)
            check(sample, text, 2, longest_copies(codes_of(sample), reading, 2))


def test_codes_of_two_bytes() -> None:
    symbols = np.arange(0x4E00, 0x4E00 + 60_000)
    vocabulary = Vocabulary(symbols, "char")
    codes = np.random.default_rng(1).integers(0, 60_000, 5000).astype(vocabulary.code_dtype)
    reading = reading_of(Corpus(codes, vocabulary, "", 5000, 5000), 0, 5000)
    sample = np.concatenate([codes[400:412], codes[:20], codes[4000:4100]])
    found = longest_copies(sample, reading, 3)
    places = [(one.start, one.end, one.place) for one in found]
    assert places == [(32, 132, 4000), (12, 32, 0), (0, 12, 400)]


def test_each_search_counts_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_BLOCK", 64)
    counted = list[int]()
    longest_copies(codes_of("abcdefgh" * 12), text_of("abc xyz " * 50), 3, counted.append)
    assert len(counted) > copies.SEARCHES
    assert sum(counted) == copies.SEARCHES * 400
