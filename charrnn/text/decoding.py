"""Text files as symbols, piece by piece, so that a text may be larger than the memory."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import Remedy, TextError
from charrnn.kernels import Array
from charrnn.text.files import FileState, read_chunks
from charrnn.text.vocabulary import code_points

CHUNK = 1 << 20  # bytes read at a time
_NO_TEXTS = ("idna", "punycode")  # encodings of single names; what they take grows with n * n
_RUN = 1 << 24  # bytes that a decoder may put off, which it goes through anew with each chunk
_OTHER_ENCODING = (
    Remedy("data.encoding=latin-1", "reads another encoding (cp1252, utf-16, ...)"),
    Remedy("data.tokens=byte", "reads bytes"),
)


def read_symbols(
    file: str,
    config: DataConfig,
    remedy: str | None = None,
    expected: FileState | None = None,
) -> Iterator[Array]:
    """Yield a file's bytes, or its code points with the line ends as configured.

    A byte order mark at the very start is not part of the text, except with byte tokens.
    `expected` is the state that the file must have, by default that at the beginning.

    Yields:
        (n,) uint8 or uint32, n > 0.

    Raises:
        TextError: for a file that cannot be read or is not in its encoding, with `remedy`.
    """
    chunks = read_chunks(file, CHUNK, expected)
    if config.tokens == "byte":
        for chunk in chunks:
            yield np.frombuffer(chunk, np.uint8)
        return
    position = 0
    for text in _decoded(chunks, file, config.encoding, config.newlines, remedy):
        if text.isascii():
            yield np.frombuffer(text.encode("ascii"), np.uint8)
        else:
            symbols = code_points(text)
            _refuse_surrogates(symbols, file, position)
            yield symbols
        position += len(text)


def decode_text(
    raw: bytes,
    where: str,
    encoding: str = "utf-8",
    newlines: str = "lf",
    remedy: str | None = None,
) -> str:
    """Decode a text's bytes; see `read_symbols`.

    Raises:
        TextError: with the byte offset of what is not in the encoding, and the remedy.
    """
    return "".join(_decoded([raw] if raw else [], where, encoding, newlines, remedy))


def _decoded(
    chunks: Iterable[bytes], where: str, encoding: str, newlines: str, remedy: str | None
) -> Iterator[str]:
    """Yield what chunks of bytes say, never an empty text."""
    if codecs.lookup(encoding).name == "utf-8-sig":
        encoding = "utf-8"  # which leaves the mark, so that offsets are the file's
    if codecs.lookup(encoding).name in _NO_TEXTS:
        raise _cannot_decode(f"{where}: {encoding} encodes single names, not texts", remedy)
    chunks = iter(chunks)
    head = b""
    while len(head) < 4 and (chunk := next(chunks, b"")):  # 4: the longest byte order mark
        head += chunk
    decoder = codecs.getincrementaldecoder(_with_byte_order(encoding, head))()
    read, at_start, after_cr = 0, True, False
    for chunk, final in chain(((c, False) for c in chain([head], chunks)), [(b"", True)]):
        read += len(chunk)
        try:
            text = decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raw = error.object  # ends where the chunk does, and may begin before it
            raise _cannot_decode(
                f"{where}: byte {read - len(raw) + error.start} (0x{raw[error.start]:02x}) is not "
                f"{encoding}: {error.reason}",
                remedy,
            ) from None
        except UnicodeError as error:
            raise _cannot_decode(f"{where}: is not {encoding}: {error}", remedy) from None
        if (put_off := len(decoder.getstate()[0])) > _RUN:
            raise TextError(
                f"{where}: from byte {read - put_off} on nothing can be decoded before the end of "
                f"a run of more than {_RUN / 1e6:.0f} MB; save the text in another encoding, such "
                "as utf-8"
            )
        if at_start and text:
            at_start, text = False, text.removeprefix("\ufeff")  # a byte order mark
        if newlines == "lf" and text:
            line_end_goes_on, after_cr = after_cr and text[0] == "\n", text[-1] == "\r"
            text = text[line_end_goes_on:]
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
        if text:
            yield text


def _cannot_decode(problem: str, remedy: str | None) -> TextError:
    """Return the error of a text in another encoding, with the remedy or the keys that help."""
    return TextError(f"{problem}; {remedy}") if remedy else TextError(problem, *_OTHER_ENCODING)


def _with_byte_order(encoding: str, head: bytes) -> str:
    """Return the encoding of a text that begins so.

    Without a mark UTF-16 and UTF-32 are in the machine's order; read in chunks, Python's would
    refuse them.
    """
    marks = {
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    }
    name = codecs.lookup(encoding).name
    if name not in marks or head.startswith(marks[name]):
        return encoding
    return f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"


def _refuse_surrogates(symbols: Array, file: str, position: int) -> None:
    surrogates = (symbols >= 0xD800) & (symbols < 0xE000)
    if surrogates.any():
        first = int(np.argmax(surrogates))
        raise TextError(
            f"{file}: character {position + first} is U+{symbols[first]:04X}, half of a pair "
            "that encodes a character; take the bytes as they are (data.tokens: byte)"
        )
