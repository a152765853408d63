"""Keep encoded large texts, and the index of their records, in files that are mapped into memory.

The name of a file is a digest of its source: the bytes of the text, and the settings that they are
read with. So a file never goes stale. All of it is verified when it is opened, because compiled
code relies on codes below V.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np

from charrnn.config.schema import RECORD_KEYS, DataConfig
from charrnn.kernels import Array
from charrnn.text.encoding import EncodedText, Pieces, write_codes
from charrnn.text.files import reading
from charrnn.text.mapped import BLOCK, MAGIC, THREADS, pieces_of, read_mapped, write_mapped
from charrnn.text.record_index import (
    Notes,
    RecordIndex,
    count_records,
    order_records,
    start_dtype,
)
from charrnn.text.record_reader import label_of
from charrnn.text.vocabulary import OTHERS, SYMBOLS, Vocabulary, code_dtype

_HEAD = struct.Struct("<32sQQ")  # SHA-256 of symbols and codes, V, end of the first text; symbols
_ABANDONED_S = 3600  # since the last write to an unfinished file
_UNUSED_S = 90 * 24 * 3600  # since a file was last opened
_KEY = "[0-9a-f]" * 64  # a glob
_CODES, _RECORDS, _FEATURES = ".codes", ".records", ".features"  # ends of names
_COLUMNS = struct.Struct("<Q")  # F, in the head of a file of features
_INFINITY = 0xFFF0 << 48  # bits of -inf; those of finite numbers are below


def codes_file(
    folder: Path,
    texts: Iterable[Sequence[str]],
    config: DataConfig,
    advance: Callable[[float], object] = lambda _: None,
) -> Path:
    """Return the file for the codes of some texts, each of several files.

    The name depends on the bytes of the files and on the settings that their codes depend on.
    `advance` is called with the size of each block, in MB, when it is read.
    """
    settings = [config.tokens]
    if config.tokens != "byte":
        settings += [config.encoding, config.newlines]
    if config.records:
        settings += [config.records, *(repr(getattr(config, key)) for key in RECORD_KEYS)]
    if config.feature_columns:
        settings.append(repr(config.feature_columns))
    digest = hashlib.sha256(MAGIC + "\0".join(settings).encode())
    with ThreadPoolExecutor(THREADS) as pool:
        for files in texts:
            digest.update(b"\1")
            for file in files:
                if config.label_from:
                    digest.update(label_of(file, config).encode("utf-8", "surrogatepass"))
                with reading(file):
                    size = os.path.getsize(file)
                digest.update(b"\0" + size.to_bytes(8, "little"))
                starts = range(0, size, BLOCK)
                for start, block in zip(
                    starts, pool.map(_block_digest, [file] * len(starts), starts), strict=True
                ):
                    digest.update(block)
                    advance(min(BLOCK, size - start) / 1e6)
    return folder / f"{digest.hexdigest()}{_CODES}"


def _block_digest(file: str, start: int) -> bytes:
    digest = hashlib.sha256()
    with reading(file):
        for piece in pieces_of(file, start, start + BLOCK):
            digest.update(piece)
    return digest.digest()


def read_codes(file: Path, tokens: str) -> EncodedText | None:
    """Return encoded texts, their codes mapped into memory; None if they are missing or damaged."""
    most = SYMBOLS[tokens] + OTHERS
    found = read_mapped(file, lambda head: _HEAD.unpack_from(head)[1])
    if found is None:
        return None
    sha256, V, first_end = _HEAD.unpack_from(found.head)
    symbols = np.frombuffer(found.head, "<u4", offset=_HEAD.size)
    if len(symbols) != V or V < 2 or found.items.dtype != code_dtype(V):
        return None
    if not np.all(symbols[:-1] < symbols[1:]) or symbols[-1] >= most:
        return None
    _keep(file)
    ends = (first_end, len(found.items))
    return EncodedText(found.items, Vocabulary(symbols, tokens), sha256.hex(), ends)


def write_codes_file(
    file: Path, texts: Iterable[Pieces], vocabulary: Vocabulary, where: str
) -> None:
    """Encode texts, given as pieces of symbols, to a file that exists only once it is complete.

    Raises:
        OSError: the file cannot be written.
    """
    symbols = vocabulary.symbols.astype("<u4").tobytes()

    def write(opened: IO[bytes]) -> bytes:
        written = write_codes(opened.write, texts, vocabulary, where)
        head = _HEAD.pack(bytes.fromhex(written.sha256), len(vocabulary), written.ends[0])
        return head + symbols

    _make(file.parent)
    write_mapped(file, _HEAD.size + len(symbols), code_dtype(len(vocabulary)), write)


def records_file(codes: Path, config: DataConfig, features: Array | None = None) -> Path:
    """Return the file for the index of the records in the codes of a file.

    Args:
        codes: the file.
        config: how records are drawn into parts.
        features: (R,) uint64, a digest of those of each record; None: none.
    """
    settings = (*config.fractions, bool(config.valid_path), config.split_by)
    parts = "/".join(map(str, settings))
    key = hashlib.sha256(f"{codes.name} {parts}".encode())
    if features is not None:
        key.update(features.data)
    return codes.with_name(f"{key.hexdigest()}{_RECORDS}")


def read_index(file: Path, text: EncodedText) -> RecordIndex | None:
    """Return the index of a text's records, mapped into memory; None if missing or damaged."""
    found = read_mapped(file, RecordIndex.codes)
    if found is None or RecordIndex.codes(found.head) != len(text.codes):
        return None
    _keep(file)
    return RecordIndex.from_head(found.head, found.items)


def write_index(
    file: Path, text: EncodedText, config: DataConfig, features: Array | None = None
) -> None:
    """Write the index of a text's records to a file that exists only once it is complete.

    Args:
        file: its path.
        text, config, features: see `count_records`.

    Raises:
        OSError: the file cannot be written.
        TextError: a part that the configuration asks for is empty.
    """
    _make(file.parent)
    with tempfile.TemporaryFile(dir=file.parent) as spool:
        notes = Notes(spool)
        found = count_records(text, config, notes, features)
        dtype = start_dtype(len(text.codes))

        def write(opened: IO[bytes]) -> bytes:
            begin = opened.tell()
            _fill(opened, found.number * dtype.itemsize)
            starts = np.memmap(opened, dtype, "r+", begin, (found.number,))
            head = order_records(found, notes, starts).head(len(text.codes))
            starts.flush()
            return head

        write_mapped(file, found.head_size, dtype, write)


def read_feature_rows(codes: Path, F: int) -> Array | None:
    """Return the features (n, F) of the rows behind a file of codes; None if missing or damaged."""
    file = codes.with_suffix(_FEATURES)
    found = read_mapped(file, lambda _: _INFINITY)
    if found is None or found.head != _COLUMNS.pack(F) or len(found.items) % F:
        return None
    _keep(file)
    return found.items.view("<f8").reshape(-1, F)


def write_feature_rows(codes: Path, values: Array) -> None:
    """Write the features (n, F) of the rows behind a file of codes.

    Raises:
        OSError: the file cannot be written.
    """

    def write(opened: IO[bytes]) -> bytes:
        opened.write(np.ascontiguousarray(values, "<f8").data)
        return _COLUMNS.pack(values.shape[1])

    write_mapped(codes.with_suffix(_FEATURES), _COLUMNS.size, np.dtype("<u8"), write)


def _fill(opened: IO[bytes], size: int) -> None:
    """Write zeros: a write to a mapped file with holes would kill the process on a full disk."""
    for first in range(0, size, BLOCK):
        opened.write(bytes(min(BLOCK, size - first)))
    opened.flush()


def _keep(file: Path) -> None:
    """Note that a file is in use, so that `_tidy` keeps it."""
    with contextlib.suppress(OSError):
        os.utime(file)


def _make(folder: Path) -> None:
    """Make the folder, or tidy it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the text may be private
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """Remove what killed writes have left, files of an older format, and files long unused.

    Other processes may be writing meanwhile, and can still read the files that they have opened.
    """
    for end in (_CODES, _RECORDS, _FEATURES):
        for pattern, seconds in ((f".{_KEY}{end}.*", _ABANDONED_S), (f"{_KEY}{end}", _UNUSED_S)):
            for file in folder.glob(pattern):
                with contextlib.suppress(OSError):
                    if time.time() - file.stat().st_mtime > seconds or _is_older(file):
                        file.unlink()


def _is_older(file: Path) -> bool:
    """Return whether a file is of an older format."""
    with open(file, "rb") as opened:
        magic = opened.read(len(MAGIC))
    return magic[:-1] == MAGIC[:-1] and magic < MAGIC
