"""Large texts are read piece by piece, encoded once, and mapped from a file."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text.cache import codes_file, read_codes, write_codes_file
from charrnn.text.corpus import Corpus
from charrnn.text.encoding import Written
from charrnn.text.load import load_corpus
from charrnn.text.streams import Streams

TEXT = "Größe, 大きさ 🐝\r\n" * 9 + "end"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of encoded texts, where every text counts as large."""
    monkeypatch.setattr("charrnn.text.load.LARGE", 0)
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", 7)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "texts"


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """A text of a few hundred bytes."""
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return DataConfig(str(tmp_path / "text.txt"))


@pytest.fixture
def notes() -> list[str]:
    """The notes of `load_corpus`, which is called with `notes.append`."""
    return []


def mapped_file(corpus: Corpus) -> Path | None:
    """Return the file that the codes are mapped from, or None if they are held in memory."""
    codes = corpus.codes
    return Path(str(codes.filename)) if isinstance(codes, np.memmap) else None


def text_of(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.codes)


READ = TEXT.replace("\r\n", "\n")


def test_the_first_start_encodes_and_the_second_one_maps(
    cache: Path, data: DataConfig, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_corpus(data, notes.append)
    (file,) = cache.iterdir()
    assert notes == [f"encoding 0 MB once, kept in {cache}"]

    def nothing(*_: object) -> Iterator[Any]:
        raise AssertionError

    monkeypatch.setattr("charrnn.text.load.read_symbols", nothing)
    second = load_corpus(data, notes.append)
    assert len(notes) == 1
    for corpus in (first, second):
        assert text_of(corpus) == READ
        assert not corpus.codes.flags.writeable
        assert mapped_file(corpus) == file
    assert first.text_sha256 == second.text_sha256


@pytest.mark.parametrize("V", [255, 256, 257, 65_536, 65_537])
def test_cached_and_held_in_memory_are_the_same(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, V: int
) -> None:
    path = tmp_path / "text.txt"
    symbols = range(0x10000, 0x10000 + V)
    path.write_text("".join(map(chr, symbols)), encoding="utf-8")
    monkeypatch.setattr("charrnn.text.decoding.CHUNK", 1 << 16)
    cached = load_corpus(DataConfig(str(path)))
    monkeypatch.setenv("CHARRNN_CACHE_DIR", "")
    streamed = load_corpus(DataConfig(str(path)))
    monkeypatch.setattr("charrnn.text.load.LARGE", 1 << 30)
    whole = load_corpus(DataConfig(str(path)))
    assert mapped_file(cached)
    for other in (streamed, whole):
        assert not mapped_file(other)
        assert np.array_equal(other.codes, cached.codes)
        assert other.codes.dtype == cached.codes.dtype
        assert other.vocabulary == cached.vocabulary
        assert other.text_sha256 == cached.text_sha256
    assert cached.codes.tolist() == list(range(V))
    assert len(list(cache.iterdir())) == 1


@pytest.mark.usefixtures("cache")
def test_another_process_can_map_the_same_file(data: DataConfig) -> None:
    codes = load_corpus(data).codes
    assert isinstance(codes, np.memmap)
    code = (
        "import sys, numpy; file, dtype, offset, n = sys.argv[1:]; "
        "codes = numpy.memmap(file, dtype, 'r', int(offset), (int(n),)); "
        "sys.stdout.buffer.write(codes.tobytes())"
    )
    described = (str(codes.filename), codes.dtype.str, str(codes.offset), str(len(codes)))
    done = subprocess.run([sys.executable, "-c", code, *described], capture_output=True, check=True)
    assert done.stdout == codes.tobytes()


@pytest.mark.usefixtures("cache")
def test_windows_are_plain_arrays(data: DataConfig) -> None:
    streams = Streams(load_corpus(data).codes, batch_size=2, seq_length=5)
    assert {type(array) for array in streams.window(0)[:2]} == {np.ndarray}


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:0],
        lambda raw: raw[:20],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"charrnn0" + raw[8:],
        lambda raw: bytes(len(raw)),
        lambda raw: raw[:16] + b"\xff" * 8 + raw[24:],
        lambda raw: raw[:8] + b"\xff" * 8 + raw[16:],
        lambda raw: raw[:8] + bytes(16) + raw[24:],
    ],
)
def test_a_damaged_file_is_written_again(
    cache: Path, data: DataConfig, notes: list[str], damage: Any
) -> None:
    load_corpus(data)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert text_of(load_corpus(data, notes.append)) == READ
    assert notes == [f"{file}: is damaged; encoding 0 MB again"]
    assert file.read_bytes() == whole


def test_no_flipped_bit_goes_unnoticed(
    cache: Path, data: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.text.mapped.BLOCK", 50)
    load_corpus(data)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    assert read_codes(file, "char") is not None
    assert len(whole) == 64 + 48 + 4 * 14 + len(READ) + 4 * -(-len(READ) // 50)
    for place in range(len(whole)):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )
        assert read_codes(file, "char") is None, place


@pytest.mark.parametrize(
    ("symbols", "codes"),
    [((97, 98), b"\0\1\2"), ((97, 97), b"\0\1"), ((98, 97), b"\0\1"), ((97, 1 << 31), b"\0\1")],
)
def test_codes_and_symbols_are_checked_whatever_the_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symbols: tuple[int, ...], codes: bytes
) -> None:
    """Compiled code reads the row of a code; a vocabulary has a table up to its last symbol."""

    def write_codes(write: Any, *_: object) -> Written:
        write(memoryview(codes))
        return Written("0" * 64, (len(codes),), 0)

    class Symbols:
        symbols: Any

        def __len__(self) -> int:
            return len(self.symbols)

    vocabulary: Any = Symbols()
    monkeypatch.setattr("charrnn.text.cache.write_codes", write_codes)
    file = tmp_path / "text.codes"
    vocabulary.symbols = np.array((97, 98, 99))
    write_codes_file(file, [], vocabulary, "")
    assert read_codes(file, "char") is not None
    vocabulary.symbols = np.array(symbols)
    write_codes_file(file, [], vocabulary, "")
    assert read_codes(file, "char") is None


def test_old_and_unused_texts_are_removed(cache: Path, data: DataConfig) -> None:
    cache.mkdir(parents=True)
    kept = {
        "1" * 64: b"charrnn4",
        "2" * 64: b"charrnn5",
        "3" * 64: b"another",
        "4" * 63: b"charrnn3",
    }
    gone = {"5" * 64: b"charrnn3", "6" * 64: b"charrnn4"}
    for name, magic in (kept | gone).items():
        (cache / f"{name}.codes").write_bytes(magic + b"...")
    for name in ("4" * 63, "6" * 64):
        os.utime(cache / f"{name}.codes", (time.time() - 91 * 24 * 3600,) * 2)
    load_corpus(data)
    left = {path.stem for path in cache.iterdir()}
    assert left > set(kept)
    assert not left & set(gone)


def test_opening_a_text_keeps_it(cache: Path, data: DataConfig) -> None:
    load_corpus(data)
    (file,) = cache.iterdir()
    os.utime(file, (0, 0))
    load_corpus(data)
    assert time.time() - file.stat().st_mtime < 60


def test_without_a_writable_folder_the_codes_are_held_in_memory(
    cache: Path, data: DataConfig, notes: list[str]
) -> None:
    cache.parent.write_text("a file")
    corpus = load_corpus(data, notes.append)
    assert text_of(corpus) == READ
    assert not mapped_file(corpus)
    assert re.fullmatch(
        rf"{re.escape(str(cache))}: cannot be written: .+; the encoded text is held in memory",
        notes[-1],
    )


def test_on_a_full_disk_the_codes_are_held_in_memory(
    cache: Path, data: DataConfig, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Written:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("charrnn.text.cache.write_codes", full)
    assert text_of(load_corpus(data, notes.append)) == READ
    assert f"cannot be written: {os.strerror(errno.ENOSPC)}" in notes[-1]
    assert not list(cache.iterdir())


def test_a_cache_that_is_turned_off_is_not_written(
    cache: Path, data: DataConfig, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", "")
    assert text_of(load_corpus(data, notes.append)) == READ
    assert notes == ["encoding 0 MB in memory: the cache is turned off"]
    assert not cache.parent.exists()


def test_a_small_text_is_not_cached(
    cache: Path, data: DataConfig, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.text.load.LARGE", len(TEXT.encode()))
    assert text_of(load_corpus(data, notes.append)) == READ
    assert not notes
    assert not cache.parent.exists()


def test_the_key_depends_on_the_bytes_the_files_and_the_settings(tmp_path: Path) -> None:
    def key(*raws: bytes, **keys: Any) -> str:
        files = [str(tmp_path / f"{place}.txt") for place in range(len(raws))]
        for file, raw in zip(files, raws, strict=True):
            Path(file).write_bytes(raw)
        return codes_file(tmp_path, [files], DataConfig(path=tuple(files), **keys)).name

    keys = [
        key(b"abcd"),
        key(b"abce"),
        key(b"abcd", b""),
        key(b"ab", b"cd"),  # a byte order mark counts only at the start of a file
        key(b"abc", b"d"),
        key(b"abcd", newlines="keep"),
        key(b"abcd", encoding="latin-1"),
        key(b"abcd", tokens="byte"),
    ]
    assert len(set(keys)) == len(keys)
    assert key(b"abcd", valid_fraction=0.5) == keys[0]
    assert key(b"abcd", tokens="byte", encoding="latin-1") == keys[-1]
    files = [str(tmp_path / f"{place}.txt") for place in (0, 0)]
    config = DataConfig(path=files[0])
    assert codes_file(tmp_path, [files], config) != codes_file(tmp_path, [files[:1]] * 2, config)


def test_the_key_of_a_text_of_several_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    monkeypatch.setattr("charrnn.text.cache.BLOCK", 3)
    keys = set()
    for raw in (b"abcdefgh", b"abcdefgi", b"abXdefgh", b"defabcgh"):
        path.write_bytes(raw)
        of_threads = set()
        for threads in (1, 4):
            monkeypatch.setattr("charrnn.text.cache.THREADS", threads)
            of_threads.add(codes_file(tmp_path, [[str(path)]], DataConfig(str(path))))
        assert len(of_threads) == 1
        keys |= of_threads
    assert len(keys) == 4


def test_a_changed_text_is_encoded_again(cache: Path, data: DataConfig) -> None:
    load_corpus(data)
    Path(str(data.path)).write_text("another", encoding="utf-8")
    assert text_of(load_corpus(data)) == "another"
    assert len(list(cache.iterdir())) == 2


def test_a_text_that_changes_while_it_is_read_is_refused(cache: Path, data: DataConfig) -> None:
    def change(_: str) -> None:  # called once the key is known
        with open(str(data.path), "ab") as file:
            file.write(b"!")

    with pytest.raises(TextError, match="has changed while it was read"):
        load_corpus(data, change)
    assert not cache.exists()


def test_several_writers_at_once(cache: Path, data: DataConfig) -> None:
    together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(load_corpus, data, lambda _: together.wait()) for _ in range(4)]
        assert [text_of(future.result()) for future in futures] == [READ] * 4
    (file,) = cache.iterdir()
    assert read_codes(file, "char") is not None


def test_the_leftovers_of_a_killed_write_are_removed_later(cache: Path, data: DataConfig) -> None:
    cache.mkdir(parents=True)
    old, new = (cache / f".{'0' * 64}.codes.{name}" for name in ("old", "new"))
    other = cache / ".other"
    for leftover in (old, new, other):
        leftover.write_text("half")
    for leftover in (old, other):
        os.utime(leftover, (time.time() - 7200,) * 2)
    load_corpus(data)
    assert not old.exists()
    assert new.exists()
    assert other.exists()


@pytest.mark.skipif(os.name == "nt", reason="no permissions of this kind")
def test_a_private_text_stays_private(cache: Path, data: DataConfig) -> None:
    load_corpus(data)
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_read_once(cache: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT.encode(),))
    writer.start()
    assert text_of(load_corpus(DataConfig(str(pipe)))) == READ
    writer.join()
    assert not cache.exists()
