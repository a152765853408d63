"""Keep encoded large texts in files, and map these into memory.

The name of a file is a digest of its source: the bytes of the text, and the settings that they are
read with. So a file never goes stale. All processes that map it share one copy in memory.

A file holds, little-endian: magic, number of codes n, number of symbols V, SHA-256 of symbols and
codes, SHA-256 of the header so far with the symbols and the checksums; the symbols, uint32; the
codes, of the smallest type that holds V - 1; the CRC-32 of each block of codes, uint32. All of it
is verified when a file is opened, because compiled code relies on codes below V.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.kernels import Array
from charrnn.system.atomic import atomic_write
from charrnn.text.encoding import EncodedText, write_codes
from charrnn.text.files import reading
from charrnn.text.vocabulary import SYMBOLS, Vocabulary, code_dtype

_MAGIC = (
    b"charrnn2"  # the digit changes with the format, and with the rules by which a text is read
)
_HEADER = struct.Struct("<8sQQ32s32s")
_DIGEST, _CRC = 32, 4  # bytes
_BLOCK = 8 << 20  # bytes with a digest of their own, so that threads can share the work
_THREADS = min(4, os.cpu_count() or 1)
_ABANDONED_S = 3600  # since the last write to an unfinished file
_UNUSED_S = 90 * 24 * 3600  # since a file was last opened
_KEY = "[0-9a-f]" * 64  # a glob


def content_key(files: Sequence[str], config: DataConfig) -> str:
    """Return a digest of the bytes of files and of the settings that their codes depend on."""
    settings = [config.tokens]
    if config.tokens != "byte":
        settings += [config.encoding, config.newlines]
    if config.records:
        settings.append(config.records)
    digest = hashlib.sha256(_MAGIC + "\0".join(settings).encode())
    with ThreadPoolExecutor(_THREADS) as pool:
        for file in files:
            with reading(file):
                size = os.path.getsize(file)
            digest.update(b"\0" + size.to_bytes(8, "little"))
            starts = range(0, size, _BLOCK)
            for block in pool.map(_block_digest, [file] * len(starts), starts):
                digest.update(block)
    return digest.hexdigest()


def _block_digest(file: str, start: int) -> bytes:
    digest = hashlib.sha256()
    with reading(file):
        for piece in _pieces(file, start, start + _BLOCK):
            digest.update(piece)
    return digest.digest()


def _pieces(file: str | Path, start: int, end: int) -> Iterator[memoryview]:
    """Yield the bytes of a file from `start` to `end` at most, all pieces in the same memory."""
    buffer = memoryview(bytearray(1 << 18))
    with open(file, "rb", buffering=0) as opened:
        opened.seek(start)
        while start < end and (count := opened.readinto(buffer[: end - start])):
            yield buffer[:count]
            start += count


def read_cached(file: Path, tokens: str) -> EncodedText | None:
    """Return an encoded text, its codes mapped into memory; None if it is missing or damaged."""
    most = SYMBOLS[tokens] + 1  # with the end symbol
    try:
        with open(file, "rb") as opened:
            head = opened.read(_HEADER.size)
            magic, n, V, sha256, check = _HEADER.unpack(head)
            if magic != _MAGIC or not 2 <= V <= most:
                return None
            begin, dtype = _HEADER.size + 4 * V, code_dtype(V)
            end = begin + n * dtype.itemsize
            blocks = -(-(end - begin) // _BLOCK)
            if os.fstat(opened.fileno()).st_size != end + _CRC * blocks:
                return None
            raw_symbols = opened.read(4 * V)
            opened.seek(end)
            checksums = opened.read()
            if check != hashlib.sha256(head[:-_DIGEST] + raw_symbols + checksums).digest():
                return None
            symbols = np.frombuffer(raw_symbols, "<u4")
            if not np.all(symbols[:-1] < symbols[1:]) or symbols[-1] >= most:
                return None
            codes = np.memmap(opened, dtype, "r", begin, (n,))
        if not _verified(file, begin, end, dtype, V, checksums):
            return None
    except (OSError, ValueError, struct.error):
        return None
    with contextlib.suppress(OSError):
        os.utime(file)  # so that _tidy keeps it
    return EncodedText(codes, Vocabulary(symbols, tokens), sha256.hex())


def _verified(
    file: Path, begin: int, end: int, dtype: np.dtype[Any], V: int, checksums: bytes
) -> bool:
    """Return whether codes have their checksums, and are below V."""

    def block(start: int) -> int:
        crc = 0
        for piece in _pieces(file, start, min(start + _BLOCK, end)):
            if np.frombuffer(piece, dtype).max() >= V:
                return -1
            crc = zlib.crc32(piece, crc)
        return crc

    expected: list[int] = np.frombuffer(checksums, "<u4").tolist()
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(block, range(begin, end, _BLOCK))) == expected


def write_cached(file: Path, pieces: Iterable[Array], vocabulary: Vocabulary, where: str) -> None:
    """Encode a text, given as pieces of symbols, to a file that exists only once it is complete.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the text may be private
    _tidy(file.parent)
    with atomic_write(file) as opened:
        symbols = vocabulary.symbols.astype("<u4").tobytes()
        opened.write(bytes(_HEADER.size) + symbols)
        codes = _Blocks(opened)
        n, sha256, _ = write_codes(codes.write, pieces, vocabulary, where)
        checksums = np.array(codes.checksums, "<u4").tobytes()
        opened.write(checksums)
        head = _HEADER.pack(_MAGIC, n, len(vocabulary), bytes.fromhex(sha256), bytes(_DIGEST))
        check = hashlib.sha256(head[:-_DIGEST] + symbols + checksums).digest()
        opened.seek(0)
        opened.write(head[:-_DIGEST] + check)


class _Blocks:
    """Writes to a file, and takes a checksum of each block."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = 0  # bytes missing from the last block
        self.checksums: list[int] = []

    def write(self, data: memoryview) -> None:
        """Write some bytes."""
        data = data.cast("B")
        self._file.write(data)
        while data:
            if not self._left:
                self.checksums.append(0)
                self._left = _BLOCK
            part, data = data[: self._left], data[self._left :]
            self.checksums[-1] = zlib.crc32(part, self.checksums[-1])
            self._left -= len(part)


def _tidy(folder: Path) -> None:
    """Remove what killed writes have left, texts of an older format, and texts long unused.

    Other processes may be writing meanwhile, and can still read the files that they have opened.
    """
    for pattern, seconds in ((f".{_KEY}.codes.*", _ABANDONED_S), (f"{_KEY}.codes", _UNUSED_S)):
        for file in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > seconds or _is_older(file):
                    file.unlink()


def _is_older(file: Path) -> bool:
    """Return whether a file is a text of an older format."""
    with open(file, "rb") as opened:
        magic = opened.read(len(_MAGIC))
    return magic[:-1] == _MAGIC[:-1] and magic < _MAGIC
