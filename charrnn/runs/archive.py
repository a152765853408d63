"""Arrays in a file, written as `numpy.savez` writes them and read without pickle.

Members are stored, not compressed, so no array is larger than the file. Their headers are never
parsed: each must be the text that `numpy.save` writes for the type and shape that the caller
expects, and the member must be as long as they imply.

The member `sha256` is a digest of the others: the SHA-256, in hexadecimal, of one line for each
array in the order of their names, which ends in the array's own SHA-256:

    layers.0.b <f4 (20,) 9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader, FileIO
from typing import IO

import numpy as np

from charrnn.errors import CheckpointError, shown, shown_name
from charrnn.kernels import Array

DIGEST = "sha256"

_MAGIC = b"\x93NUMPY\x01\x00"
_CHUNK = 1 << 20  # bytes; the zip directory of the largest model, with 1000 layers, is half as long

# What zipfile raises for sizes, offsets, names, versions and checksums that cannot be right. It
# warns of odd names, which is an error where the host has made warnings errors.
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    OverflowError,
    RuntimeError,
    UserWarning,
    ValueError,
    struct.error,
)


def write_arrays(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Write arrays and their digest into an empty file."""
    digest = _digest([_digest_line(name, array) for name, array in arrays.items()])
    # numpy.savez of NumPy 1 leaves its ZipFile open if a write fails, which prints a traceback.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in {**arrays, DIGEST: np.array(digest)}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


class ArrayArchive:
    """A file of arrays, each checked before it is read.

    Args:
        file: open for reading, without a buffer.

    Raises:
        CheckpointError: from the constructor and from every method. The message says what is wrong
            with the file, without its name.
    """

    def __init__(self, file: FileIO) -> None:
        reader = _BoundedReader(file)
        try:
            self._zip = zipfile.ZipFile(reader)
        except _DAMAGE:
            raise CheckpointError("is not a checkpoint, or a damaged one") from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise CheckpointError(f"its member {shown(info.filename)} is compressed")
            if info.header_offset < 0:  # zipfile does not check it, and seek raises an OSError
                raise CheckpointError(f"its member {shown(info.filename)} is damaged")
            if info.filename in self._members:
                raise CheckpointError(f"it holds {shown(info.filename)} twice")
            self._members[info.filename] = info
        if sum(info.file_size for info in self._members.values()) > reader.seek(0, os.SEEK_END):
            raise CheckpointError("its members overlap, or are larger than the file")
        self._digest_lines: list[str] = []  # of the arrays read so far

    def check_names(self, names: Collection[str]) -> None:
        """Refuse an archive that lacks one of these arrays, or holds anything else."""
        for name in names:
            self._info(name)
        if unknown := self._members.keys() - {f"{name}.npy" for name in names}:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise CheckpointError(
                f"it holds {shown(min(unknown))}{more}, which does not belong there"
            )

    def length(self, name: str) -> int:
        """Return how many elements of 4 bytes an array's member holds."""
        with self._opened(name) as (_, _, size):
            return size // 4

    def check(self, name: str, shape: tuple[int, ...], dtype: str) -> None:
        """Refuse an array of another shape, type (as in <f4) or number of bytes."""
        with self._opened(name) as (_, header, size):
            expected = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
            if header != expected:
                raise CheckpointError(
                    f"the array {name} does not fit: its header is {shown_name(header, 80)} and "
                    f"should be {expected}"
                )
            if size != math.prod(shape) * np.dtype(dtype).itemsize:
                raise CheckpointError(f"the array {name} is cut off or too long")

    def read_into(self, name: str, array: Array) -> None:
        """Fill a C-contiguous array of the shape and type that `check` has seen."""
        view = _bytes_of(array).data
        with self._opened(name) as (member, _, _):
            for start in range(0, len(view), _CHUNK):
                view[start : start + _CHUNK] = member.read(_CHUNK)  # ValueError if it is shorter
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"the array {name} has values that are not finite")
        self._digest_lines.append(_digest_line(name, array))

    def read_text(self, name: str, max_chars: int) -> str:
        """Return an array that is one text of at most `max_chars` characters."""
        length = self.length(name)
        if length > max_chars:
            raise CheckpointError(f"the array {name} does not fit: it is too long")
        self.check(name, (), f"<U{length}")
        text: Array = np.empty((), f"<U{length}")
        self.read_into(name, text)
        try:
            return _bytes_of(text).tobytes().decode("utf-32-le", "surrogatepass")
        except UnicodeDecodeError:
            raise CheckpointError(f"the array {name} is damaged: it is not text") from None

    def check_digest(self) -> None:
        """Refuse an archive whose arrays, as read so far, are not those that were written."""
        digest = _digest(self._digest_lines)
        if self.read_text(DIGEST, len(digest)) != digest:
            raise CheckpointError("its contents have changed: they do not match their digest")

    def _info(self, name: str) -> zipfile.ZipInfo:
        if f"{name}.npy" not in self._members:
            raise CheckpointError(f"the array {name} is missing; this is not a charrnn checkpoint")
        return self._members[f"{name}.npy"]

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], str, int]]:
        """Open a member; yield it, its header, and the number of bytes after the header."""
        info = self._info(name)
        try:
            with self._zip.open(info) as member:
                start = member.read(10)
                header = member.read(int.from_bytes(start[8:], "little"))
                if start[:8] != _MAGIC:
                    raise CheckpointError(f"the member {name} is not an array in NumPy's format 1")
                size = info.file_size - len(start + header)
                yield member, header.decode("latin-1").rstrip(), size
        # zipfile compares the CRC with the last byte: at once for a small member, and at the end of
        # `read_into` for a large one.
        except _DAMAGE:
            raise CheckpointError(f"the array {name} is damaged") from None


class _BoundedReader(BufferedReader):
    """A file that refuses long reads: `zipfile` reads a directory of any length in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _CHUNK:
            raise zipfile.BadZipFile
        return super().read(size)


def _bytes_of(array: Array) -> Array:
    """Return an array's bytes as (n,) uint8, without a copy if it is C-contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _digest_line(name: str, array: Array) -> str:
    digest = hashlib.sha256(_bytes_of(array).data).hexdigest()
    return f"{name} {array.dtype.str} {array.shape} {digest}\n"


def _digest(lines: Collection[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
