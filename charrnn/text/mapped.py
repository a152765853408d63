"""Arrays in files that are verified once and then mapped into memory.

A file holds, little-endian: magic, bytes of an item, size of the head in bytes, number of items n,
SHA-256 of the header so far with the head and the checksums; the head, whose meaning is its
writer's; the items; the CRC-32 of each block of items, uint32. All processes that map a file share
one copy in memory.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from charrnn.kernels import Array
from charrnn.system.atomic import atomic_write

MAGIC = b"charrnn4"  # the digit changes with the format, and with the rules by which a text is read
BLOCK = 8 << 20  # bytes with a digest of their own, so that threads can share the work
THREADS = min(4, os.cpu_count() or 1)
_HEADER = struct.Struct("<8sQQQ32s")
_DIGEST, _CRC = 32, 4  # bytes


class MappedArray(NamedTuple):
    """A file that has been verified."""

    head: bytes
    items: Array  # (n,), np.memmap, read-only


def read_mapped(file: Path, below: Callable[[bytes], int]) -> MappedArray | None:
    """Return the head and the mapped array of a file; None if it is missing or damaged.

    Args:
        file: its path.
        below: returns the bound, from the head, that all items must be below; it may raise
            ValueError or struct.error.
    """
    try:
        with open(file, "rb") as opened:
            header = opened.read(_HEADER.size)
            magic, itemsize, size, n, check = _HEADER.unpack(header)
            if magic != MAGIC or itemsize not in (1, 2, 4, 8):
                return None
            begin = _HEADER.size + size
            end = begin + n * itemsize
            blocks = -(-(end - begin) // BLOCK)
            if os.fstat(opened.fileno()).st_size != end + _CRC * blocks:
                return None
            head = opened.read(size)
            opened.seek(end)
            checksums = opened.read()
            if check != _check(header[:-_DIGEST], head, checksums):
                return None
            items = np.memmap(opened, f"<u{itemsize}", "r", begin, (n,))
        found = _checksums(file, begin, end, items.dtype, below(head))
    except (OSError, ValueError, struct.error):
        return None
    return MappedArray(head, items) if found == checksums else None


def write_mapped(
    file: Path, head_size: int, dtype: np.dtype[Any], write: Callable[[IO[bytes]], bytes]
) -> None:
    """Write an array to a file that exists only once it is complete.

    Args:
        file: its path.
        head_size: bytes of the head.
        dtype: type of the items, unsigned and little-endian.
        write: takes the open file, writes the items to it from its position on, and returns the
            head.

    Raises:
        OSError: the file cannot be written.
    """
    begin = _HEADER.size + head_size
    with atomic_write(file) as opened:
        opened.seek(begin)
        head = write(opened)
        opened.flush()
        end = opened.seek(0, os.SEEK_END)
        checksums = _checksums(opened.name, begin, end, dtype)
        opened.write(checksums)
        n = (end - begin) // dtype.itemsize
        header = _HEADER.pack(MAGIC, dtype.itemsize, head_size, n, bytes(_DIGEST))[:-_DIGEST]
        opened.seek(0)
        opened.write(header + _check(header, head, checksums) + head)


def _check(header: bytes, head: bytes, checksums: bytes) -> bytes:
    return hashlib.sha256(header + head + checksums).digest()


def _checksums(
    file: str | Path, begin: int, end: int, dtype: np.dtype[Any], below: int | None = None
) -> bytes:
    """Return the checksums of a file's items; raise ValueError if one is not below a bound."""
    one = partial(_checksum, file, end, dtype, below)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(one, range(begin, end, BLOCK)))
    return np.array(found, "<u4").tobytes()


def _checksum(
    file: str | Path, end: int, dtype: np.dtype[Any], below: int | None, start: int
) -> int:
    crc = 0
    for piece in pieces_of(file, start, min(start + BLOCK, end)):
        if below is not None and np.frombuffer(piece, dtype).max() >= below:
            raise ValueError("an item is too large")
        crc = zlib.crc32(piece, crc)
    return crc


def pieces_of(file: str | Path, start: int, end: int) -> Iterator[memoryview]:
    """Yield the bytes of a file from `start` to `end` at most, all pieces in the same memory."""
    buffer = memoryview(bytearray(1 << 18))
    with open(file, "rb", buffering=0) as opened:
        opened.seek(start)
        while start < end and (count := opened.readinto(buffer[: end - start])):
            yield buffer[:count]
            start += count
