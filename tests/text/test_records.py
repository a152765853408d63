"""Records: cut from the text, drawn into parts, and handed out in windows."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.reader import override_defaults
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text import cache, load, record_index
from charrnn.text import records as records_module
from charrnn.text.known import KnownRecords
from charrnn.text.load import load_corpus
from charrnn.text.record_reader import RecordFile, with_ends
from charrnn.text.records import RecordCorpus
from charrnn.text.windows import ScoringWindow, Window

NAMES = [f"{a}{b}{c}" for a in "kmr" for b in ("a", "oo", "iana") for c in ("", "n", "lleth")]
TRAIN = override_defaults().train


def corpus_of(path: Path, text: str | bytes, **keys: object) -> RecordCorpus:
    """Write a text, and read its records."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = replace(DataConfig(str(path), records="line"), **keys)  # type: ignore[arg-type]
    return cast(RecordCorpus, load_corpus(data))


def records_of(corpus: RecordCorpus, part: str = "") -> list[str]:
    """Return the records of a part, by rank; by default of all parts."""
    start, end = corpus.split(part) if part else corpus.everything
    texts = []
    for rank in range(start, end):
        first = int(corpus.starts[rank]) + 1
        length = int(corpus.lengths.length[corpus.lengths.run(np.array(rank))])
        texts.append(corpus.vocabulary.decode(corpus.codes[first : first + length]))
    return texts


def read(corpus: RecordCorpus, window: Window | ScoringWindow, row: int, counts: np.ndarray) -> str:
    """Return what a row of a window predicts and is scored, the end as a full stop."""
    counted = counts[:, row] > 0
    targets = window.targets[counted, row]
    ends = targets == corpus.vocabulary.end
    assert not ends[:-1].any()
    return corpus.vocabulary.decode(targets) + "." * int(ends.sum())


# How records are cut.


@pytest.mark.parametrize("chunk", [1, 2, 5, 1 << 20])
@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("line", "ab\nc\n", ["ab", "c"]),
        ("line", "ab\nc", ["ab", "c"]),
        ("line", "\n\nab\n \t\n\nc d\n\n", ["ab", "c d"]),
        ("line", "ab\r\nc\r\n", ["ab", "c"]),
        ("line", " ab \nc", [" ab ", "c"]),
        ("line", "é\n蜂🐝\n", ["é", "蜂🐝"]),
        ("paragraph", "ab\nc\n\nd\n", ["ab\nc", "d"]),
        ("paragraph", "ab\nc\n \n\n\nd\n\ne", ["ab\nc", "d", "e"]),
        ("paragraph", "\n\nab\n", ["ab"]),
        ("paragraph", "ab\n\n\n", ["ab"]),
        ("paragraph", "ab\n  c\n\n\n d", ["ab\n  c", " d"]),
    ],
)
def test_the_records_of_a_text(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    kind: str,
    text: str,
    expected: list[str],
) -> None:
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", chunk)
    corpus = corpus_of(tmp_path / "list.txt", text, records=kind, valid_fraction=0.0)
    in_order = [one for _, one in sorted(zip(corpus.starts, records_of(corpus), strict=True))]
    assert in_order == expected
    assert "\n" not in "".join(in_order) or kind == "paragraph"


@pytest.mark.parametrize("keys", [{"newlines": "keep"}, {"tokens": "byte"}])
@pytest.mark.parametrize("kind", ["line", "paragraph"])
def test_a_carriage_return_stays_where_line_ends_are_kept(
    tmp_path: Path, keys: dict[str, str], kind: str
) -> None:
    text = b"ab\r\n\r\nc\r\n"
    corpus = corpus_of(tmp_path / "list.txt", text, records=kind, valid_fraction=0.0, **keys)
    assert sorted(records_of(corpus)) == ["ab\r", "c\r"]


@given(st.lists(st.text("ab \n", max_size=4), max_size=9), st.integers(1, 7))
def test_records_are_what_the_plain_rule_finds(pieces: list[str], chunk: int) -> None:
    text = "".join(pieces)
    lines = [line for line in text.split("\n") if line.strip()]
    blocks = [block.strip("\n") for block in re.split(r"\n(?:[ ]*\n)+", f"\n\n{text}\n\n")]
    symbols = np.frombuffer(text.encode("utf-32-le"), "<u4")
    cut = [symbols[i : i + chunk] for i in range(0, len(symbols), chunk)]
    for kind, expected in (("line", lines), ("paragraph", [b for b in blocks if b.strip()])):
        found = np.concatenate([*with_ends([RecordFile("t", cut)], DataConfig("t", records=kind))])
        ends = np.flatnonzero(found == 0x110000)
        assert ends[0] == 0
        assert ends[-1] == len(found) - 1
        spans = zip(ends[:-1] + 1, ends[1:], strict=True)
        assert ["".join(map(chr, found[a:b].tolist())) for a, b in spans] == expected


def test_a_record_ends_with_its_file(tmp_path: Path) -> None:
    for name, text in (("a", "x\ny"), ("b", "z\n")):
        (tmp_path / name).write_text(text)
    paths = (str(tmp_path / "a"), str(tmp_path / "b"))
    corpus = load_corpus(DataConfig(paths, records="line", valid_fraction=0.0))
    assert sorted(records_of(cast(RecordCorpus, corpus))) == ["x", "y", "z"]


def test_a_text_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="has no records"):
        corpus_of(tmp_path / "list.txt", "\n \n\t\n")


def test_the_end_is_a_symbol_of_the_vocabulary_that_is_never_printed(tmp_path: Path) -> None:
    for tokens in ("char", "byte"):
        corpus = corpus_of(tmp_path / "list.txt", "ab\nc\n", tokens=tokens, valid_fraction=0.0)
        vocabulary = corpus.vocabulary
        assert vocabulary.end == 3
        assert vocabulary.decode(corpus.codes) == "abc"
        decode = vocabulary.decoder()
        assert "".join(decode(code) for code in corpus.codes.tolist()) == "abc"


# Parts.


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=4, max_size=60), st.randoms())
def test_parts_do_not_depend_on_order_or_company(tmp_path_factory, names, random) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("parts") / "list.txt"
    keys = {"valid_fraction": 0.3, "test_fraction": 0.2}

    def parts(lines: list[str]) -> dict[str, str]:
        try:
            corpus = corpus_of(path, "\n".join(lines), **keys)
        except TextError:  # a part is empty
            return {}
        found: dict[str, str] = {}
        for part in ("train", "valid", "test"):
            for record in records_of(corpus, part):
                assert found.setdefault(record, part) == part  # repeats stay together
        assert Counter(records_of(corpus)) == Counter(lines)
        return found

    known = parts(names)
    others = list(names)
    random.shuffle(others)
    for lines in (others, [*names, "new", "names", "é"]):
        found = parts(lines)
        assert not known or not found or known.items() <= found.items()


def test_parts_have_about_their_fractions(tmp_path: Path) -> None:
    text = "\n".join(str(n) for n in range(10_000))
    corpus = corpus_of(tmp_path / "list.txt", text, valid_fraction=0.2, test_fraction=0.1)
    sizes = [end - start for start, end in map(corpus.split, ("train", "valid", "test"))]
    assert np.allclose(sizes, [7000, 2000, 1000], atol=150)
    other = corpus_of(tmp_path / "list.txt", text, valid_fraction=0.0, test_fraction=0.1)
    assert set(records_of(other, "test")) == set(records_of(corpus, "test"))


def test_repeats_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [str(n * n % 1000) for n in range(4000)]
    corpus = corpus_of(tmp_path / "list.txt", "\n".join(lines))
    assert corpus.repeats == len(lines) - len(set(lines))
    assert f"{corpus.repeats:,} of them repeats" in corpus.summary
    monkeypatch.setattr(record_index, "COUNTED", 2000)
    monkeypatch.setattr(record_index, "_SAMPLED", 2000)
    estimated = corpus_of(tmp_path / "list.txt", "\n".join(lines)).repeats
    assert estimated == pytest.approx(corpus.repeats, rel=0.1)


def test_an_empty_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"the validation part is empty, as none of 9 records"):
        corpus_of(tmp_path / "list.txt", "ab\nab\nab\n" * 3, valid_fraction=0.001)


# Windows of training.


@given(
    st.lists(st.text("abc", min_size=1, max_size=11), min_size=1, max_size=40),
    st.integers(1, 7),
    st.integers(1, 12),
    st.sampled_from(["fresh", "fixed"]),
)
def test_each_record_is_read_once_an_epoch_from_its_start(  # type: ignore[no-untyped-def]
    tmp_path_factory, names: list[str], N: int, T: int, streams: str
) -> None:
    path = tmp_path_factory.mktemp("windows") / "list.txt"
    corpus = corpus_of(path, "\n".join(["abc", *names]), valid_fraction=0.0)
    train = replace(TRAIN, batch_size=N, seq_length=T, streams=streams)
    windows = corpus.training_windows(train, 5)
    assert windows.windows == corpus.sizes.windows_in_epoch(train)
    for epoch in range(2):
        whole: list[str] = []
        for step in range(epoch * windows.windows, (epoch + 1) * windows.windows):
            window = windows.window(step)
            assert window.weights is not None
            assert window.inputs.shape == window.targets.shape == window.weights.shape
            assert window.inputs.shape[1] == N
            assert 1 <= len(window.inputs) <= T
            assert window.weights.sum() == windows.weight(step) > 0
            rows = [read(corpus, window, row, window.weights) for row in range(N)]
            if window.fresh:
                whole += [""] * N
                assert (window.inputs[0] == corpus.vocabulary.end).all()
            whole[-N:] = [before + now for before, now in zip(whole[-N:], rows, strict=True)]
        assert Counter(filter(None, whole)) == Counter(f"{one}." for one in ["abc", *names])


def test_the_rows_of_a_worker_are_those_of_the_whole(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "list.txt", "\n".join(NAMES))
    windows = corpus.training_windows(replace(TRAIN, batch_size=5, seq_length=4), 1)
    for step in range(2 * windows.windows):
        whole, part = windows.window(step), windows.window(step, slice(1, 3))
        assert np.array_equal(whole.inputs[:, 1:3], part.inputs)
        assert np.array_equal(whole.targets[:, 1:3], part.targets)
        assert np.array_equal(whole.weights[:, 1:3], part.weights)  # type: ignore[index]


def orders(tmp_path: Path, seed: int, streams: str) -> list[bytes]:
    """Return the windows of some epochs, each epoch as bytes."""
    corpus = corpus_of(tmp_path / "list.txt", "\n".join(NAMES))
    train = replace(TRAIN, batch_size=4, seq_length=20, streams=streams)
    windows = corpus.training_windows(train, seed)
    epochs = [range(e * windows.windows, (e + 1) * windows.windows) for e in range(3)]
    return [b"".join(windows.window(step).inputs.tobytes() for step in steps) for steps in epochs]


def test_each_epoch_has_a_fresh_order(tmp_path: Path) -> None:
    assert len({*orders(tmp_path, 1, "fresh"), *orders(tmp_path, 2, "fresh")}) == 6
    assert orders(tmp_path, 1, "fresh") == orders(tmp_path, 1, "fresh")
    assert len(set(orders(tmp_path, 1, "fixed"))) == 1


def test_rows_are_of_like_length(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    names = ["abcdefghijklmnop"[: random.integers(2, 16)] for _ in range(2000)]
    corpus = corpus_of(tmp_path / "list.txt", "\n".join(names))
    windows = corpus.training_windows(replace(TRAIN, batch_size=50, seq_length=16), 1)
    scored = sum(windows.weight(step) for step in range(windows.windows))
    computed = sum(windows.window(step).inputs.size for step in range(windows.windows))
    assert scored > 0.93 * computed


def test_the_defaults_keep_half_the_symbols_of_a_step_of_a_text(tmp_path: Path) -> None:
    text = "\n".join("abcdefgh"[: 2 + n % 7] for n in range(20_000))
    sizes = corpus_of(tmp_path / "list.txt", text).sizes
    assert sizes.most_steps(None, 1) == 9
    rows = sizes.rows(2560, 9)
    assert 1280 * 0.9 < rows * sizes.train / sizes.ends[0] < 1280 * 1.1


# Windows of scoring.


@given(
    st.lists(st.text("abc", min_size=1, max_size=150), min_size=1, max_size=40),
    st.integers(1, 4),
    st.integers(1, 300),
)
def test_each_symbol_is_scored_once(  # type: ignore[no-untyped-def]
    tmp_path_factory, names: list[str], shares: int, together: int
) -> None:
    path = tmp_path_factory.mktemp("scoring") / "list.txt"
    corpus = corpus_of(path, "\n".join(["abc", *names]), valid_fraction=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_module, "_SCORED", together)
        whole: list[str] = []
        each = [[*corpus.scoring_windows(*corpus.everything, (k, shares))] for k in range(shares)]
    assert len({len(windows) for windows in each}) == 1
    for windows in each:
        rows: list[str] = []
        for window in windows:
            if window.fresh is not None:
                whole += rows
                rows = [""] * window.inputs.shape[1]
                assert window.fresh.all()
                assert (window.inputs[0] == corpus.vocabulary.end).all()
            assert window.scored is not None
            now = [read(corpus, window, row, window.scored) for row in range(len(rows))]
            rows = [before + piece for before, piece in zip(rows, now, strict=True)]
        whole += rows
    assert Counter(whole) == Counter(f"{one}." for one in ["abc", *names])
    assert corpus.scored(*corpus.everything) == sum(map(len, whole))


def test_large_lists_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is the index of their records, read in blocks; the second start reads it alone."""
    text = "\n".join([*(name * (n % 3 + 1) for n, name in enumerate(NAMES * 5)), "long" * 40])
    expected = corpus_of(tmp_path / "list.txt", text)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    notes: list[str] = []
    data = DataConfig(str(tmp_path / "list.txt"), records="line")
    for block in (1 << 21, 50, 7):
        monkeypatch.setattr(record_index, "_BLOCK", block)
        for file in (tmp_path / "cache" / "texts").glob("*.records"):
            file.unlink()
        corpus = cast(RecordCorpus, load_corpus(data, notes.append))
        assert isinstance(corpus.codes, np.memmap)
        assert isinstance(corpus.starts, np.memmap)
        assert np.array_equal(corpus.starts, expected.starts)
        assert np.array_equal(corpus.lengths, expected.lengths)
        assert corpus.cut_points == expected.cut_points
        assert corpus.repeats == expected.repeats
    monkeypatch.setattr(load, "write_index", None)
    assert cast(RecordCorpus, load_corpus(data, notes.append)).repeats == expected.repeats
    assert len(notes) == 4  # the codes once, the index three times


def test_another_fraction_has_another_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    (tmp_path / "list.txt").write_text("\n".join(NAMES))
    data = DataConfig(str(tmp_path / "list.txt"), records="line", valid_fraction=0.2)
    cuts = [load_corpus(replace(data, valid_fraction=f)).cut_points for f in (0.2, 0.5, 0.2)]
    assert cuts[0] == cuts[2] != cuts[1]


def test_an_index_has_its_room_on_the_disk_before_it_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, a write to a mapped file with holes would kill the process."""
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    order, room = cache.order_records, []

    def observed(found: object, notes: object, starts: np.memmap) -> object:
        assert starts.filename is not None
        room.append(os.stat(starts.filename).st_blocks * 512 - starts.nbytes)
        return order(found, notes, starts)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "order_records", observed)
    corpus_of(tmp_path / "list.txt", "\n".join(NAMES * 1000))
    assert len(room) == 1
    assert room[0] >= 0


@pytest.mark.parametrize("problem", ["damaged", "full"])
def test_an_index_that_cannot_be_used_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    expected = corpus_of(tmp_path / "list.txt", "\n".join(NAMES))
    folder = tmp_path / "cache" / "texts"
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(folder.parent))
    monkeypatch.setattr(load, "LARGE", 0)
    data = DataConfig(str(tmp_path / "list.txt"), records="line")
    load_corpus(data)
    (file,) = folder.glob("*.records")
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"X" + whole[-8:])
    notes: list[str] = []
    if problem == "full":

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(load, "write_index", full)
    corpus = cast(RecordCorpus, load_corpus(data, notes.append))
    assert np.array_equal(corpus.starts, expected.starts)
    if problem == "full":
        assert "cannot be written: No space left on device" in notes[-1]
    else:
        assert file.read_bytes() == whole


def test_a_text_with_unknown_bytes_is_no_known_record(tmp_path: Path) -> None:
    """Without these bytes it would be one: U+FFFD stands for bytes that form no character."""
    corpus = corpus_of(tmp_path / "list.txt", b"a\nb\nab\n", tokens="byte", valid_fraction=0.0)
    assert KnownRecords(corpus).have(["a", "a\ufffd", "ba", "ab"]) == [True, False, False, True]


@pytest.mark.parametrize("test_fraction", [0.0, 0.5])
def test_a_blank_text_beside_one_for_validation(tmp_path: Path, test_fraction: float) -> None:
    (tmp_path / "valid.txt").write_text("ab\nc\n")
    keys = {"valid_path": str(tmp_path / "valid.txt"), "test_fraction": test_fraction}
    with pytest.raises(TextError, match=r"^data\.path: has no records; each line is blank, or "):
        corpus_of(tmp_path / "list.txt", "\n \n", **keys)


def test_what_a_record_is_has_its_own_codes_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text("\n\n".join(f"{a}\n{b}" for a in NAMES for b in "xy"))
    data = DataConfig(str(tmp_path / "list.txt"))
    kinds = [replace(data, records=records) for records in (None, "line", "paragraph")]
    expected = [load_corpus(kind) for kind in kinds]
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    for kind, corpus in zip(kinds, expected, strict=True):
        assert np.array_equal(load_corpus(kind).codes, corpus.codes)


def test_repeats_of_many_records_are_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(f"{n * n % 9973:b}" for n in range(20_000))
    exact = corpus_of(tmp_path / "list.txt", text).repeats
    monkeypatch.setattr(record_index, "COUNTED", 19_999)
    monkeypatch.setattr(record_index, "_SAMPLED", 5000)
    estimated = corpus_of(tmp_path / "list.txt", text).repeats
    assert estimated == pytest.approx(exact, rel=0.05)
    assert estimated != exact
