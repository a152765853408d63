"""Where the members of a zip file lie, if it is one of the plainest kind.

The format leaves much open: a comment, data before and after, two members on the same bytes, one
name twice, sizes of which either of two may count, compression to a thousandth. A file that makes
use of any of it was not written by charrnn, and the easiest way to be safe from it is to refuse it.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from typing import BinaryIO, NamedTuple

from charrnn.errors import CheckpointError, shown

_MOST_MEMBERS = 10_000  # the largest model, of 1000 layers, has some 7000
_LONGEST_ENTRY = 256  # bytes that a member may take in the directory, name and all

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_END_64_PLACE = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
_SIZES_64 = struct.Struct("<2H2Q")  # a field after a member's name, where it may be large
_REGULAR = (0, stat.S_IFREG)  # types of file; none is given on some systems


class Member(NamedTuple):
    """A stored member."""

    start: int  # of its data, in the file
    size: int
    crc: int


def read_members(file: BinaryIO) -> dict[str, Member]:
    """Return a zip file's members by name, in their order.

    Raises:
        CheckpointError: saying what is wrong with the file, without its name.
    """
    count, directory = _end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    # What zipfile raises, besides its own, for sizes, offsets, versions and names that cannot be.
    except (zipfile.BadZipFile, struct.error, OverflowError, NotImplementedError, ValueError):
        raise _no_checkpoint() from None
    if len(infos) != count:
        raise _no_checkpoint()
    members: dict[str, Member] = {}
    place = 0
    for info in infos:
        if info.header_offset != place:
            raise CheckpointError(
                f"the member {shown(info.filename)} does not begin where the one before it ends"
            )
        if info.filename in members:
            raise CheckpointError(f"the member {shown(info.filename)} is there twice")
        member = _member(file, info)
        members[info.filename] = member
        place = member.start + member.size
    if place != directory:
        raise CheckpointError("there is something between its last member and its directory")
    return members


def _no_checkpoint() -> CheckpointError:
    return CheckpointError("is not a checkpoint, or a damaged one")


def _end(file: BinaryIO) -> tuple[int, int]:
    """Return the number of members and the place of the directory, by the end of the file.

    It is read before zipfile does, which would take memory for whatever it says, and would look for
    another end if this is none.
    """
    size = file.seek(0, os.SEEK_END)
    tail_size = _END_64.size + _END_64_PLACE.size + _END.size
    file.seek(max(0, size - tail_size))
    tail = file.read(tail_size)
    if len(tail) < _END.size:
        raise _no_checkpoint()
    signature, *disks, here, count, length, place, comment = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6" or comment or any(disks):
        raise _no_checkpoint()
    after = size - _END.size
    if tail[-_END.size - _END_64_PLACE.size :][:4] == b"PK\6\7":
        after = size - tail_size
        if after < 0 or place <= zipfile.ZIP64_LIMIT:  # it is there where it is needed
            raise _no_checkpoint()
        signature, *_, here_64, count_64, length_64, place_64 = _END_64.unpack_from(tail)
        if (here_64, count_64, length_64, min(place_64, 0xFFFFFFFF)) != (
            here,
            count,
            length,
            place,
        ):
            raise _no_checkpoint()
        place = place_64
    if here != count or count > _MOST_MEMBERS or length > count * _LONGEST_ENTRY:
        raise _no_checkpoint()
    if place + length != after:
        raise _no_checkpoint()
    return count, place


def _member(file: BinaryIO, info: zipfile.ZipInfo) -> Member:
    """Return where a member's data lie, if nothing about it is out of the ordinary."""
    size, place = info.file_size, info.header_offset
    problem = ""
    if info.compress_type != zipfile.ZIP_STORED:
        problem = "is compressed"
    elif info.flag_bits & 1:
        problem = "is encrypted"
    elif info.flag_bits or info.volume or info.comment or info.orig_filename != info.filename:
        problem = "is not as numpy.savez writes one"
    elif stat.S_IFMT(info.external_attr >> 16) not in _REGULAR:
        problem = "is not a file"
    elif info.compress_size != size:
        problem = "has two sizes"
    elif info.extra and max(size, place) <= zipfile.ZIP64_LIMIT:
        problem = "has something added to it in the directory"
    else:
        start = _data_start(file, info)
        if start is not None:
            return Member(start, size, info.CRC)
        problem = "has a header that does not agree with the directory"
    raise CheckpointError(f"the member {shown(info.filename)} {problem}")


def _data_start(file: BinaryIO, info: zipfile.ZipInfo) -> int | None:
    """Return where a member's data begin, or None if its own header is not as it should be."""
    size, name = info.file_size, info.filename.encode("ascii", "replace")
    field = _SIZES_64.pack(1, 16, size, size)
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size + len(name) + len(field))
    if len(raw) < _LOCAL.size:
        return None
    signature, _, flags, method, _, _, crc, *sizes, name_length, field_length = _LOCAL.unpack_from(
        raw
    )
    if not field_length:
        field = b""
    fits = (
        (signature, flags, method, crc) == (b"PK\3\4", 0, zipfile.ZIP_STORED, info.CRC)
        and (sizes == [size, size] or (bool(field) and sizes == [0xFFFFFFFF, 0xFFFFFFFF]))
        and (name_length, field_length) == (len(name), len(field))
        and raw[_LOCAL.size :].startswith(name + field)
    )
    return info.header_offset + _LOCAL.size + name_length + field_length if fits else None
