"""Decode text files piece by piece, so that a text may be larger than the memory."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import Remedy, TextError
from charrnn.kernels import Array
from charrnn.text.files import FileState, read_chunks
from charrnn.text.remarks import known_format, unmarked_encoding
from charrnn.text.vocabulary import code_points

CHUNK = 1 << 20  # bytes read at a time
_HEAD = 64  # bytes by which a byte order mark, or UTF-16 without it, is recognised, or more
_NO_TEXTS = ("idna", "punycode")  # encodings of single names; their time grows with n * n
_LONGEST_RUN = 1 << 24  # bytes that a decoder may hold back; it scans them again with each chunk
_OTHER_ENCODING = (
    Remedy("data.encoding=latin-1", "reads another encoding (cp1252, utf-16, ...)"),
    Remedy("data.tokens=byte", "reads bytes"),
)


def read_symbols(
    file: str,
    config: DataConfig,
    remedy: str | None = None,
    expected: FileState | None = None,
    advance: Callable[[float], object] = lambda _: None,
) -> Iterator[Array]:
    """Yield the symbols of a file; see `decode_symbols`.

    Args:
        file: its name.
        config: how the text is read.
        remedy: the advice of a decoding error; by default to change the configuration.
        expected: the state that the file must keep; by default its state when it is opened.
        advance: called with the size of each chunk, in MB, when it is read.

    Raises:
        TextError: the file cannot be read, or is not in its encoding.
    """

    def chunks() -> Iterator[bytes]:
        for chunk in read_chunks(file, CHUNK, expected):
            advance(len(chunk) / 1e6)
            yield chunk

    return decode_symbols(chunks(), file, config, remedy)


def decode_symbols(
    chunks: Iterable[bytes], where: str, config: DataConfig, remedy: str | None = None
) -> Iterator[Array]:
    """Yield the bytes of chunks, or their code points with line ends as configured.

    A byte order mark at the very start is not part of the text, except with byte tokens.

    Yields:
        (n,) uint8 or uint32, n > 0.

    Raises:
        TextError: the text is not in its encoding.
    """
    if config.tokens == "byte":
        for chunk in chunks:
            yield np.frombuffer(chunk, np.uint8)
        return
    position = 0
    for text in _decoded(chunks, where, config.encoding, config.newlines, remedy):
        if text.isascii():
            yield np.frombuffer(text.encode("ascii"), np.uint8)
        else:
            symbols = code_points(text)
            _refuse_surrogates(symbols, where, position)
            yield symbols
        position += len(text)


def normalise_newlines(text: str, config: DataConfig) -> str:
    """Return a string with line ends as the configured text has them once it is read."""
    if config.tokens == "byte" or config.newlines == "keep":
        return text
    return io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)


def decode_text(
    raw: bytes,
    where: str,
    encoding: str = "utf-8",
    newlines: str = "lf",
    remedy: str | None = None,
) -> str:
    """Return the text of some bytes; see `decode_symbols`.

    Raises:
        TextError: the bytes are not in the encoding; the error names the offset and the remedy.
    """
    return "".join(_decoded([raw] if raw else [], where, encoding, newlines, remedy))


def _decoded(
    chunks: Iterable[bytes], where: str, encoding: str, newlines: str, remedy: str | None
) -> Iterator[str]:
    """Yield the text of chunks of bytes in pieces, none of them empty."""
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        encoding = "utf-8"  # which keeps the mark, so that offsets are those in the file
    if codecs.lookup(encoding).name in _NO_TEXTS:
        raise _cannot_decode(f"{where}: {encoding} encodes single names, not texts", remedy)
    chunks = iter(chunks)
    head = b""
    while len(head) < _HEAD and (chunk := next(chunks, b"")):
        head += chunk
    if encoding == "utf-8" and (found := unmarked_encoding(head)):
        problem = f"{where}: is {found} without a byte order mark, not utf-8"
        if remedy:
            raise TextError(f"{problem}; {remedy}")
        raise TextError(problem, Remedy(f"data.encoding={found}", "reads it"), _OTHER_ENCODING[1])
    decoder = codecs.getincrementaldecoder(_with_byte_order(encoding, head))()
    line_ends = io.IncrementalNewlineDecoder(None, translate=newlines == "lf")
    read, at_start = 0, True
    for chunk, final in chain(((c, False) for c in chain([head], chunks)), [(b"", True)]):
        read += len(chunk)
        try:
            text = decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raw = error.object  # ends with the chunk, and may begin before it
            raise _cannot_decode(
                f"{where}: byte {read - len(raw) + error.start} (0x{raw[error.start]:02x}) is not "
                f"{encoding}: {error.reason}",
                remedy,
                head,
            ) from None
        except UnicodeError as error:
            raise _cannot_decode(f"{where}: is not {encoding}: {error}", remedy) from None
        if (held_back := len(decoder.getstate()[0])) > _LONGEST_RUN:
            raise TextError(
                f"{where}: from byte {read - held_back} on nothing can be decoded before the end "
                f"of a run of more than {_LONGEST_RUN / 1e6:.0f} MB; save the text in another "
                "encoding, such as utf-8"
            )
        if at_start and text:
            at_start, text = False, text.removeprefix("\ufeff")  # a byte order mark
        if text := line_ends.decode(text, final):
            yield text


def _cannot_decode(problem: str, remedy: str | None, head: bytes = b"") -> TextError:
    """Return the error about a text in another encoding, with the remedy or with keys that help."""
    if remedy:
        return TextError(f"{problem}; {remedy}")
    if found := known_format(head.decode("latin-1")):
        return TextError(f"{problem}; it looks like {found}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return TextError(problem, Remedy("data.encoding=utf-16", "fits its first two bytes"))
    return TextError(problem, *_OTHER_ENCODING)


def _with_byte_order(encoding: str, head: bytes) -> str:
    """Return the encoding of a text that begins with `head`, with its byte order if it needs one.

    UTF-16 and UTF-32 without a byte order mark are in the machine's order; Python's incremental
    decoders would refuse them.
    """
    marks = {
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    }
    name = codecs.lookup(encoding).name
    if name not in marks or head.startswith(marks[name]):
        return encoding
    return f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"


def _refuse_surrogates(symbols: Array, where: str, position: int) -> None:
    surrogates = (symbols >= 0xD800) & (symbols < 0xE000)
    if surrogates.any():
        first = int(np.argmax(surrogates))
        raise TextError(
            f"{where}: character {position + first} is U+{symbols[first]:04X}, half of a pair "
            "that encodes a character; read bytes instead (data.tokens: byte)"
        )
