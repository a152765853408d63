"""Encoded large texts, kept in files that are mapped into memory.

A file's name is a digest of what it was made from: the bytes of the text and the settings that
they were read with. So it never goes stale. Every process that maps it shares the one copy that
the system keeps.

It holds, little-endian: magic, number of codes n, number of symbols V, SHA-256 of symbols and
codes; the symbols, uint32; the codes, of the smallest type that holds V - 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from charrnn.atomic import replaced_atomically
from charrnn.config import DataConfig
from charrnn.kernels import Array
from charrnn.text_encoding import EncodedText, code_type, write_codes
from charrnn.text_files import reading
from charrnn.vocabulary import Vocabulary

_MAGIC = b"charrnn1"  # its digit changes with the format, and with how a text is read
_HEADER = struct.Struct("<8sQQ32s")
_BLOCK = 8 << 20  # bytes that have a digest of their own, so that threads can share the work
_THREADS = min(4, os.cpu_count() or 1)
_ABANDONED_S = 3600  # since the last byte was written


def content_key(files: Sequence[str], config: DataConfig) -> str:
    """Return a digest of the files' bytes and of what else the codes depend on."""
    settings = [config.tokens]
    if config.tokens != "byte":
        settings += [config.encoding, config.newlines]
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
    digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 18))
    left = _BLOCK
    with reading(file), open(file, "rb", buffering=0) as opened:
        opened.seek(start)
        while left and (count := opened.readinto(buffer[:left])):
            digest.update(buffer[:count])
            left -= count
    return digest.digest()


def read_cached(file: Path, tokens: str) -> EncodedText | None:
    """Return an encoded text, its codes mapped into memory, or None where it must be made."""
    try:
        with open(file, "rb") as opened:
            magic, n, V, sha256 = _HEADER.unpack(opened.read(_HEADER.size))
            begin, dtype = _HEADER.size + 4 * V, code_type(V)
            if magic != _MAGIC or file.stat().st_size != begin + n * dtype.itemsize:
                return None
            symbols = np.frombuffer(opened.read(4 * V), "<u4")
            codes = np.memmap(opened, dtype, "r", begin, (n,))
    except (OSError, ValueError, struct.error):
        return None
    return EncodedText(codes, Vocabulary(symbols, tokens), sha256.hex())


def write_cached(file: Path, pieces: Iterable[Array], vocabulary: Vocabulary, where: str) -> None:
    """Encode a text to a file, which is there only when it is whole.

    Raises:
        OSError: where it cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the text may be private
    _remove_abandoned(file.parent)
    with replaced_atomically(file) as opened:
        opened.write(bytes(_HEADER.size))
        opened.write(vocabulary.symbols.astype("<u4").data)
        n, sha256 = write_codes(opened, pieces, vocabulary, where)
        opened.seek(0)
        opened.write(_HEADER.pack(_MAGIC, n, len(vocabulary), bytes.fromhex(sha256)))


def _remove_abandoned(folder: Path) -> None:
    """Remove what writes that were killed have left; others may be writing at this moment."""
    for leftover in folder.glob(f".{'[0-9a-f]' * 64}.codes.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
                leftover.unlink()
