"""Zip files written byte by byte, so that a test can give each field a wrong value."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from charrnn.kernels import Array

# The fields of a member's header, of its entry in the directory, and of the end record.
LOCAL = ("signature", "version", "flags", "method", "time", "date", "crc", "packed", "size")
LOCAL += ("name_length", "extra_length")
CENTRAL = ("signature", "made_by", *LOCAL[1:], "comment_length")
CENTRAL += ("disk", "internal", "external", "offset")
END = ("signature", "disk", "first_disk", "here", "count", "length", "offset", "comment_length")


@dataclass
class Entry:
    """A member, with the wrong fields of its two headers."""

    name: str
    data: bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    before: bytes = b""  # bytes between the previous member and this one
    hole: int = 0  # zeros after the data, which take no space on most file systems

    def changed(self, **fields: Any) -> Entry:
        """Return the entry with wrong fields in both headers."""
        return replace(self, local={**self.local, **fields}, central={**self.central, **fields})


def entries_of(file: Path | BinaryIO) -> list[Entry]:
    """Return the members of a sound zip file."""
    with zipfile.ZipFile(file) as archive:
        return [Entry(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_bytes(entries: Sequence[Entry], **more: Any) -> bytes:
    """Return the bytes that `write_zip` writes."""
    file = io.BytesIO()
    write_zip(file, entries, **more)
    return file.getvalue()


def write_zip(
    file: BinaryIO,
    entries: Sequence[Entry],
    *,
    before_directory: bytes = b"",
    end: Mapping[str, Any] | None = None,
    comment: bytes = b"",
) -> None:
    """Write a zip file, with right fields except those that the arguments give."""
    directory = b""
    for entry in entries:
        file.write(entry.before)
        local, central = _fields(entry, file.tell())
        file.write(struct.pack("<4s5H3L2H", *(local[name] for name in LOCAL)))
        file.write(local["name"] + local["extra"] + entry.data)
        file.seek(entry.hole, os.SEEK_CUR)
        directory += struct.pack("<4s6H3L5H2L", *(central[name] for name in CENTRAL))
        directory += central["name"] + central["extra"] + central["comment"]
    file.write(before_directory)
    last = {"signature": b"PK\5\6", "disk": 0, "first_disk": 0, "here": len(entries)}
    last |= {"count": len(entries), "length": len(directory), "offset": file.tell()}
    last |= {"comment_length": len(comment), **(end or {})}
    file.write(directory)
    file.write(struct.pack("<4s4H2LH", *(last[name] for name in END)) + comment)


def _fields(entry: Entry, offset: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a member's header and of its directory entry."""
    size = len(entry.data) + entry.hole
    right = {"version": 20, "flags": 0, "method": 0, "time": 0, "date": 33}
    right |= {"crc": zlib.crc32(entry.data), "packed": size, "size": size}
    right |= {"name": entry.name.encode(), "extra": b"", "comment": b"", "offset": offset}
    right |= {"made_by": 20 | 3 << 8, "disk": 0, "internal": 0, "external": 0o600 << 16}
    local = {**right, "signature": b"PK\3\4", **entry.local}
    central = {**right, "signature": b"PK\1\2", **entry.central}
    for fields in (local, central):
        for name in ("name", "extra", "comment"):
            fields[f"{name}_length"] = len(fields[name])
    return local, central


def npy_bytes(array: Array, header: bytes | None = None, version: bytes = b"\1\0") -> bytes:
    """Return a member's bytes for an array, with the given header or the right one."""
    if header is None:
        order = np.isfortran(array)
        values = {"descr": array.dtype.str, "fortran_order": order, "shape": array.shape}
        header = "{{{}, }}".format(", ".join(f"'{k}': {v!r}" for k, v in values.items())).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<L", len(header))
    return b"\x93NUMPY" + version + length + header + array.tobytes("A")
