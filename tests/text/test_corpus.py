"""Reading a text into codes, its splits, and its streams and windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_text, write_config

from charrnn.commands.cli import run
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text.decoding import read_symbols
from charrnn.text.load import load_corpus
from charrnn.text.streams import Streams

BOM = b"\xef\xbb\xbf"


def read(path: Path | tuple[Path, ...], **keys: Any) -> str:
    """Return the text of a data section."""
    where = tuple(map(str, path)) if isinstance(path, tuple) else str(path)
    corpus = load_corpus(DataConfig(path=where, **keys))
    if corpus.vocabulary.tokens == "byte":
        return bytes(corpus.vocabulary.symbols[corpus.codes].tolist()).decode("latin-1")
    return corpus.vocabulary.decode(corpus.codes)


@pytest.fixture(
    params=[None, 1, 3, 7], ids=lambda size: f"in chunks of {size}" if size else "whole"
)
def each_way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Read a text whole, or like a large one: a few bytes at a time, through the cache."""
    if request.param:
        monkeypatch.setattr("charrnn.text.load.LARGE", 0)
        monkeypatch.setattr("charrnn.text.decoding.CHUNK", request.param)
        monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))


whole_and_in_chunks = pytest.mark.usefixtures("each_way")


# Streams and windows.


@given(st.integers(1, 9), st.integers(1, 12), st.data())
def test_each_character_is_trained_on_once_with_the_next_one_as_target(
    N: int, T: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(N + 1, 300))
    codes = np.arange(n, dtype=np.uint16)  # all distinct: each code is its place
    streams = Streams(codes, N, T)
    windows = [streams.window(index) for index in range(streams.windows)]
    for inputs, targets, *_ in windows:
        assert inputs.shape == targets.shape
        assert np.array_equal(targets, inputs + 1)
    assert all(inputs.shape == (T, N) for inputs, *_ in windows[:-1])
    last_T, last_N = windows[-1][0].shape
    assert 1 <= last_T <= T
    assert last_N == N
    read_by_stream = np.concatenate([inputs for inputs, *_ in windows]).T  # (N, length)
    used = read_by_stream.size
    assert read_by_stream.ravel().tolist() == list(range(used))  # contiguous, in order, once
    assert n - N <= used < n


def test_the_streams_of_a_part_that_is_not_divisible() -> None:
    streams = Streams(np.arange(12, dtype=np.uint8), batch_size=2, seq_length=3)
    assert streams.windows == 2
    inputs, targets, *_ = streams.window(0)
    assert inputs.T.tolist() == [[0, 1, 2], [5, 6, 7]]
    inputs, targets, *_ = streams.window(1)
    assert inputs.T.tolist() == [[3, 4], [8, 9]]
    assert targets.T.tolist() == [[4, 5], [9, 10]]  # 5 is the first of the next stream


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 9), st.data())
def test_fresh_streams_read_each_character_of_the_ring_once_an_epoch(
    N: int, T: int, seed: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(N + 1, 300))
    streams = Streams(np.arange(n, dtype=np.uint16), N, T, seed)
    for epoch in range(3):
        steps = range(epoch * streams.windows, (epoch + 1) * streams.windows)
        windows = [streams.window(step) for step in steps]
        assert [window.inputs.size for window in windows] == [streams.weight(s) for s in steps]
        assert [window.fresh for window in windows] == [s % streams.windows == 0 for s in steps]
        assert all(np.array_equal(targets, (inputs + 1) % n) for inputs, targets, *_ in windows)
        read_in_order = np.concatenate([inputs for inputs, *_ in windows]).T.ravel()
        assert n - N < read_in_order.size <= n
        first = read_in_order[0]
        assert np.array_equal(read_in_order, (first + np.arange(read_in_order.size)) % n)


def test_fresh_streams_begin_elsewhere_in_each_epoch_and_with_each_seed() -> None:
    codes = np.arange(60_000, dtype=np.uint16)

    def starts(seed: int) -> list[int]:
        streams = Streams(codes, 7, 10, seed)
        return [int(streams.window(epoch * streams.windows)[0][0, 0]) for epoch in range(9)]

    assert len({*starts(1), *starts(2)}) == 18
    assert starts(1) == starts(1)
    assert max(starts(1)) > 40_000
    assert min(starts(1)) < 20_000


@pytest.mark.parametrize("seed", [None, 3], ids=["fixed", "fresh"])
def test_some_streams_of_a_window_are_those_of_the_whole(seed: int | None) -> None:
    streams = Streams(np.arange(100, dtype=np.uint8), 5, 3, seed)
    for step in range(2 * streams.windows):
        whole, part = streams.window(step), streams.window(step, slice(2, 4))
        assert np.array_equal(whole.inputs[:, 2:4], part.inputs)
        assert np.array_equal(whole.targets[:, 2:4], part.targets)


# Splits.


@whole_and_in_chunks
@pytest.mark.parametrize(
    ("n", "valid", "test", "train_end", "middle_end"),
    [
        (1000, 0.1, 0.0, 900, 1000),
        (1000, 0.1, 0.2, 700, 800),
        (1000, 0.0, 0.0, 1000, 1000),
        (1000, 0.0, 0.25, 750, 750),
        (10, 0.1, 0.1, 8, 9),
        (11, 0.1, 0.1, 8, 9),
        (19, 0.1, 0.1, 15, 17),
        (7, 0.3, 0.3, 2, 4),
        (3, 0.5, 0.0, 1, 3),
        (1000, 0.3, 0.3, 400, 700),
        (100, 0.33, 0.33, 34, 67),
        (10, 0.2, 0.1, 7, 9),
    ],
)
def test_the_cut_points(
    tmp_path: Path, n: int, valid: float, test: float, train_end: int, middle_end: int
) -> None:
    path = tmp_path / "text.txt"
    path.write_text(tiny_text(n), encoding="utf-8")
    corpus = load_corpus(DataConfig(str(path), valid_fraction=valid, test_fraction=test))
    assert corpus.split("train") == (0, train_end)
    assert corpus.split("valid") == (train_end, middle_end)
    assert corpus.split("test") == (middle_end, n)


# Reading.


@whole_and_in_chunks
@pytest.mark.parametrize(
    ("raw", "keys", "text"),
    [
        (BOM + b"ab", {}, "ab"),
        (BOM + b"ab", {"encoding": "UTF_8"}, "ab"),
        (BOM + b"ab", {"encoding": "utf-8-sig"}, "ab"),
        (BOM + b"ab", {"encoding": "u8"}, "ab"),
        (BOM + b"ab", {"tokens": "byte"}, "\xef\xbb\xbfab"),
        (b"a" + BOM + b"b", {}, "a\ufeffb"),
        (BOM + BOM + b"ab", {}, "\ufeffab"),
        (b"a\r\nb\rc\n", {}, "a\nb\nc\n"),
        (b"a\r\r\n\nb", {}, "a\n\n\nb"),
        (b"a\r\nb\rc\n", {"newlines": "keep"}, "a\r\nb\rc\n"),
        (b"a\r\nb\rc\n", {"tokens": "byte"}, "a\r\nb\rc\n"),
        ("\u00e9t\u00e9".encode("latin-1"), {"encoding": "latin-1"}, "\u00e9t\u00e9"),
        ("\u20aca".encode("cp1252"), {"encoding": "cp1252"}, "\u20aca"),
        ("\u00e9\U0001f41d".encode("utf-16"), {"encoding": "utf-16"}, "\u00e9\U0001f41d"),
        ("a\r\nb".encode("utf-16"), {"encoding": "utf-16"}, "a\nb"),
        ("\u00e9".encode(), {"tokens": "byte"}, "\xc3\xa9"),
        (b"\xff\xfe\x00", {"tokens": "byte"}, "\xff\xfe\x00"),
        (b"\xff\x00", {"tokens": "byte", "encoding": "ascii"}, "\xff\x00"),
        (b"a\x0bb\x0c\xe2\x80\xa8", {}, "a\x0bb\x0c\u2028"),  # other line ends are left unchanged
    ],
)
def test_the_text_of_a_file(tmp_path: Path, raw: bytes, keys: dict[str, str], text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    assert read(path, **keys) == text


@whole_and_in_chunks
@pytest.mark.parametrize(
    ("raw", "encoding", "offset", "byte"),
    [
        (b"abc\xff", "utf-8", 3, 0xFF),
        (BOM + b"abc\xff", "utf-8", 6, 0xFF),
        (b"a\r\nb\xe9t", "utf-8", 4, 0xE9),
        (b"\xc3", "utf-8", 0, 0xC3),
        (b"ab\xe2\x82", "utf-8", 2, 0xE2),
        (b"a\xc3\xa9", "ascii", 1, 0xC3),
        (b"a\x00b", "utf-16-le", 2, 0x62),
    ],
)
def test_the_error_names_the_byte_that_is_not_in_the_encoding(
    tmp_path: Path, raw: bytes, encoding: str, offset: int, byte: int
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    with pytest.raises(TextError) as caught:
        read(path, encoding=encoding)
    message = str(caught.value)
    assert message.startswith(f"{path}: byte {offset} (0x{byte:02x}) is not {encoding}: ")
    assert "data.encoding" in message
    assert "data.tokens=byte" in message


@whole_and_in_chunks
def test_a_glob_is_read_alphabetically_and_a_list_in_its_order(tmp_path: Path) -> None:
    for name, text in {"b.txt": "2b", "a.txt": "1a", "c.md": "3c", "sub/d.txt": "4d"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(BOM + text.encode())
    assert read(tmp_path / "*.txt") == "1a2b"
    assert read(tmp_path / "**" / "*.txt") == "1a2b4d"
    assert read((tmp_path / "c.md", tmp_path / "*.txt")) == "3c1a2b"
    assert read((tmp_path / "b.txt", tmp_path / "a.txt")) == "2b1a"


def test_an_existing_file_is_not_read_as_a_glob(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("this")
    (tmp_path / "a1.txt").write_text("other")
    assert read(tmp_path / "a[1].txt") == "this"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("none.txt", "no such file"),
        ("*.md", "no file matches"),
        ("sub", "is a folder; name its texts, as in"),
        ("su*", "no file matches"),  # only a folder does
        ("empty.txt", "the text is empty"),
        ("same.txt", "the text is 'a' (U+0061) throughout"),
    ],
)
def test_a_text_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, problem: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "same.txt").write_text("aaaa")
    config = write_config(tmp_path)
    (tmp_path / "run").mkdir()
    override = f"data.path={tmp_path / path}"
    run_dir = tmp_path / "run"
    assert run(["train", str(config), "--run-dir", str(run_dir), "--set", override]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"charrnn: error: {tmp_path / path}: {problem}")
    assert captured.err.count("\n") == 1
    assert not list(run_dir.iterdir())


@whole_and_in_chunks
def test_a_missing_file_of_a_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab")
    with pytest.raises(TextError, match=r"b\.txt: no such file"):
        read((tmp_path / "a.txt", tmp_path / "b.txt"))


@whole_and_in_chunks
def test_the_digest_is_of_the_symbols_not_of_the_files(tmp_path: Path) -> None:
    digests = []
    for name, raw in {"a": b"a\nb", "b": BOM + b"a\r\nb", "c": b"b\na", "d": b"c\nd"}.items():
        (tmp_path / name).write_bytes(raw)
        digests.append(load_corpus(DataConfig(str(tmp_path / name))).text_sha256)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3  # "c\nd" has the codes of "a\nb", and other characters


@whole_and_in_chunks
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_dropped_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    raw = "ab".encode(encoding)
    if encoding in ("utf-8", "utf-16-le", "utf-16-be"):  # their codecs write no mark
        raw = "\ufeff".encode(encoding) + raw
    (tmp_path / "text.txt").write_bytes(raw)
    config = DataConfig(str(tmp_path / "text.txt"), encoding=encoding)
    assert np.concatenate(list(read_symbols(config.path, config))).tolist() == [ord("a"), ord("b")]


@whole_and_in_chunks
def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(rb"ab\ud800c")
    config = DataConfig(str(tmp_path / "text.txt"), encoding="unicode_escape")
    with pytest.raises(TextError, match=r"character 2 is U\+D800"):
        list(read_symbols(config.path, config))
