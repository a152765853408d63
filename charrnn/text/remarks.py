"""Recognise texts that are probably not what their owner takes them for.

A remark is no error: somebody may want to train on just this file. It names the likely way out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter

import numpy as np

from charrnn.config.schema import TABLES, DataConfig
from charrnn.kernels import Array
from charrnn.text.files import find_files
from charrnn.text.pair_remarks import remark_on_pairs
from charrnn.text.shape import READ, Shape, shape_of
from charrnn.text.table_format import NAMED_TABLES, TableFormat, table_format, uneven_table
from charrnn.text.vocabulary import Vocabulary

_READ = 1 << 18  # symbols at the start of a text in which another format is looked for
_FEW = 3  # characters that may be an accident
_MANY_NULS = 0.2  # share of a text
_LEAST_SURE = 16  # bytes in which NULs are no accident
_SURE_NULS, _RARE_NULS = 0.8, 0.05  # share of the places that have NULs, and of the others
_MOST = 0.95  # share of what is counted that is enough

_UNPACK = "unpack it and name the text inside"
_SAVE = "save it as plain text"
_NAME = "name a text, or export the text in it"
_SIGNATURES = (  # the beginning of a file, as Latin-1 reads it
    ("\x1f\x8b", "a file compressed with gzip", _UNPACK),
    ("BZh", "a file compressed with bzip2", _UNPACK),
    ("\xfd7zXZ", "a file compressed with xz", _UNPACK),
    ("(\xb5/\xfd", "a file compressed with zstd", _UNPACK),
    ("7z\xbc\xaf\x27\x1c", "a 7z file", _UNPACK),
    ("Rar!\x1a\x07", "a rar file", _UNPACK),
    (
        "PK\x03\x04",
        "a zip file, or a document in one (docx, xlsx, odt, epub)",
        f"{_SAVE}, a table as CSV",
    ),
    ("%PDF-", "a PDF", _SAVE),
    ("{\\rtf", "a document in rich text format", _SAVE),
    ("\xd0\xcf\x11\xe0", "a document of an older office program", _SAVE),
    ("SQLite format 3\0", "a database", "write one column of it to a file, one value a line"),
    ("PAR1\x15", "a Parquet table", "write it as CSV"),
    ("\x89PNG", "a picture (png)", _NAME),
    ("\xff\xd8\xff", "a picture (jpg)", _NAME),
    ("GIF8", "a picture (gif)", _NAME),
    ("II*\0", "a picture (tiff)", _NAME),
    ("MM\0*", "a picture (tiff)", _NAME),
    ("ID3\x03", "a sound (mp3)", _NAME),
    ("ID3\x04", "a sound (mp3)", _NAME),
    ("\xff\xfb", "a sound (mp3)", _NAME),
    ("OggS\0", "a sound (ogg)", _NAME),
    ("fLaC", "a sound (flac)", _NAME),
    ("\x1aE\xdf\xa3", "a video (mkv, webm)", _NAME),
    ("\x7fELF", "a program", _NAME),
    ("\xca\xfe\xba\xbe", "a program", _NAME),
)
_FURTHER_IN = (  # likewise, after the length of the file
    (4, "ftyp", "a video, a sound or a picture (mp4, m4a, heic)", _NAME),
    (8, "WAVE", "a sound (wav)", _NAME),
    (8, "AVI ", "a video (avi)", _NAME),
    (8, "WEBP", "a picture (webp)", _NAME),
)


def remark_on(
    codes: Array, vocabulary: Vocabulary, config: DataConfig, *, lists: bool = False
) -> str:
    """Return a remark on a text that does not look like a text, or on its labels, or "".

    Args:
        codes: (n,), the encoded text, of which the beginning is looked at.
        vocabulary: of the text.
        config: how the text was read.
        lists: whether a list that is read as one text gets a remark too.
    """
    symbols = vocabulary.symbols[codes[:READ]]
    if vocabulary.end is not None:  # begin of the first record, ends of all
        symbols = np.where(codes[:READ] == vocabulary.end, ord("\n"), symbols)[1:]
    cut = len(codes) > READ
    if found := _no_text(symbols, config, cut=cut):
        return f"{config.where}: this looks like {found}"
    if vocabulary.prompt_end is not None:
        found = remark_on_pairs(codes[:READ], vocabulary, config, cut=cut)
        return f"{config.where}: {found}" if found else ""
    if not lists or config.records is not None:
        return ""
    shape = _shape(symbols, config, cut=cut)
    if shape is None or shape.records != "line":
        return ""
    return (
        f"{config.where}: {shape.reason}, read as one text; data.records: line reads each line as "
        "a record with a begin and an end of its own"
    )


def trained_validation(config: DataConfig) -> str:
    """Return a remark on a file for validation that is trained on too, or ""."""
    if not config.valid_path:
        return ""
    try:
        return _trained_too(config.path, config.valid_path, folders=bool(config.label_from))
    except OSError:  # a file was deleted meanwhile
        return ""


def _trained_too(
    path: str | tuple[str, ...], valid_path: str | tuple[str, ...], *, folders: bool
) -> str:
    """Return the remark; each file is read at most once, and only if another is as large."""
    trained, valid = (
        {file: os.stat(file) for file in find_files(one, folders=folders) if os.path.isfile(file)}
        for one in (path, valid_path)
    )
    places = {(found.st_dev, found.st_ino) for found in trained.values()}
    sizes = {found.st_size for found in valid.values()}
    trained_bytes = {
        _digest(file): file for file, found in trained.items() if found.st_size in sizes
    }
    for file, found in valid.items():
        if (found.st_dev, found.st_ino) in places:
            too = "is a text of data.path too"
        elif other := trained_bytes and trained_bytes.get(_digest(file)):
            too = f"has the same bytes as {other}"
        else:
            continue
        return (
            f"data.valid_path: {file} {too}, so the validation loss will flatter; name a text that "
            "is not trained on"
        )
    return ""


def _digest(file: str) -> bytes:
    found = hashlib.sha256()
    with open(file, "rb") as opened:
        while chunk := opened.read(_READ):
            found.update(chunk)
    return found.digest()


def shape_in(symbols: Array, config: DataConfig, *, cut: bool) -> Shape | None:
    """Return whether a text is a list or consists of blocks, and is no table.

    Args:
        symbols: (n,), the beginning of the text.
        config: how it is read; of its paths, the ends of names are looked at.
        cut: whether there is more of the text.
    """
    return None if _no_text(symbols, config, cut=cut) else _shape(symbols, config, cut=cut)


def _shape(symbols: Array, config: DataConfig, *, cut: bool) -> Shape | None:
    paths = (config.path,) if isinstance(config.path, str) else config.path
    if any(path.lower().endswith(NAMED_TABLES) for path in paths):
        return None
    return shape_of(as_text(symbols, config), cut=cut)


def _no_text(symbols: Array, config: DataConfig, *, cut: bool) -> str:
    """Return what the beginning of a text looks like if it is something else, or ""."""
    cut = cut or len(symbols) > _READ
    symbols = symbols[:_READ]
    text = as_text(symbols, config)
    byte = config.tokens == "byte"
    head = symbols[:64].astype("u1").tobytes().decode("latin-1") if byte else text[:64]
    return (
        known_format(head)
        or _nuls(symbols, config)
        or _mojibake(text, config)
        or (
            config.records not in TABLES and (_json(text, cut=cut) or _table(text, config, cut=cut))
        )
        or ""
    )


def as_text(symbols: Array, config: DataConfig) -> str:
    """Return symbols (n,) as a string; bytes are read as UTF-8."""
    if config.tokens == "byte":
        return symbols.astype("u1").tobytes().decode("utf-8", "replace")
    return symbols.astype("<u4").tobytes().decode("utf-32-le", "replace")


def known_format(head: str) -> str:
    """Return which format a file has that begins so, and a way out; "" for a text.

    Args:
        head: the beginning of the file, decoded as Latin-1.
    """
    for signature, kind, way_out in _SIGNATURES:
        if head.startswith(signature):
            return f"{kind}; {way_out}"
    for place, signature, kind, way_out in _FURTHER_IN:
        if head[place:].startswith(signature) and not head[:place].isprintable():
            return f"{kind}; {way_out}"
    return ""


def unmarked_encoding(raw: bytes) -> str | None:
    """Return the encoding of bytes that are surely UTF-16 or UTF-32 without a byte order mark.

    Nearly all of their NULs stand where these encodings have them. A text may have a few others.

    Args:
        raw: the beginning of a file.
    """
    if len(raw) < _LEAST_SURE:
        return None
    return _by_nuls(np.frombuffer(raw[:READ], np.uint8) == 0, _RARE_NULS, _SURE_NULS)


def _by_nuls(nuls: Array, few: float, many: float) -> str | None:
    """Return the encoding of an ASCII text with NULs (n,) in these places, if there is one.

    Args:
        nuls: whether each byte, or symbol, is a NUL.
        few: share of NULs up to which a place of four has none.
        many: share of NULs above which it has them.
    """
    if len(nuls) < 4:
        return None
    shares = [nuls[k::4].mean() for k in range(4)]
    if any(few < share <= many for share in shares):
        return None
    return {
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
    }.get(tuple(share > many for share in shares))


def _nuls(symbols: Array, config: DataConfig) -> str:
    """Recognise UTF-16 and UTF-32 by their NULs: where the other bytes of an ASCII text stand."""
    nuls = symbols == 0
    if len(nuls) < 2 * _FEW or nuls.mean() < _MANY_NULS:
        return ""
    name = _by_nuls(nuls, 0.5, 0.5)
    if name is None:
        return f"binary data, {nuls.mean():.0%} of it NULs; name a text"
    chars = "" if config.tokens == "char" else "data.tokens: char with "
    return f"UTF-16 or UTF-32 without its mark; {chars}data.encoding: {name} reads it"


def _mojibake(text: str, config: DataConfig) -> str:
    """Recognise UTF-8 that was read as Latin-1 or cp1252: its non-ASCII runs are bytes of UTF-8."""
    runs = re.findall(r"[^\x00-\x7f]{2,}", text)
    decoded = [_as_utf8(run) for run in runs]
    right = [(run, one) for run, one in zip(runs, decoded, strict=True) if one]
    if len(right) < max(_FEW, _MOST * len(runs)):
        return ""
    (run, one), _ = Counter(right).most_common(1)[0]
    example = f"UTF-8 that was read as Latin-1 or cp1252 ({run!r} for {one!r})"
    if config.encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig"):
        return f"{example}; data.encoding: utf-8 reads it"
    return f"{example} and saved again; iconv -f utf-8 -t cp1252 repairs it"


def _as_utf8(run: str) -> str:
    """Return the text whose UTF-8 bytes are shown as these characters, or ""."""
    raw = bytearray()
    for char in run:
        try:
            raw += char.encode("cp1252") if ord(char) > 0xFF else char.encode("latin-1")
        except UnicodeEncodeError:
            return ""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _json(text: str, *, cut: bool) -> str:
    """Recognise JSON that is no table: a list of objects, one value in one line, lists in lines."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if re.match(r'\[\s*\{\s*"', text.lstrip()) and not any(line[0] == "[" for line in lines[1:]):
        return (
            "a list of JSON objects; jq -c '.[]' LIST.json > LINES.jsonl writes one object a line, "
            "and charrnn init reads these lines as a table"
        )
    if not lines or not all(re.match(r'\{\s*"|\[\s*["\[{]', line) for line in lines):
        return ""
    if not all(line[-1] in "]}" for line in (lines[:-1] if cut else lines)):
        return ""
    if len(lines) == 1:
        return "one line of JSON; write the texts in it to a file, one a line"
    if all(line[0] == "[" for line in lines):
        return "lists of JSON; write one text of each to a file, one a line"
    return ""


def table_in(text: str, path: str) -> TableFormat | None:
    """Return how to read a file if it is a table.

    Args:
        text: its beginning.
        path: its name.
    """
    return table_format(text[:_READ], path, cut=len(text) > _READ)


def _table(text: str, config: DataConfig, *, cut: bool) -> str:
    """Recognise a table, and say how to learn its columns."""
    path = config.path if isinstance(config.path, str) else config.path[0]
    found = table_format(text, path, cut=cut)
    if found is None and (uneven := uneven_table(text, path, cut=cut)):
        return (
            f"{uneven}; complete or remove such rows, or quote a cell in which the delimiter "
            "stands, and charrnn init reads it as a table"
        )
    if found is None or found.columns == 1:
        return ""
    return f"{found}; data.records: {found.records} reads it, and charrnn init chooses its columns"
