"""A text as codes: read, encoded, split, and cut into windows."""

from __future__ import annotations

import codecs
import glob
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.vocabulary import Vocabulary, code_points

_OTHER_ENCODING = (
    "if the text is in another encoding, name it (data.encoding: latin-1, cp1252, utf-16, ...), or "
    "take the bytes as they are (data.tokens: byte)"
)


@dataclass(frozen=True)
class Corpus:
    """An encoded text.

    The splits are contiguous: training, validation, test.
    """

    codes: Array  # (n,) unsigned integers
    vocabulary: Vocabulary
    train_end: int
    valid_end: int

    def split(self, name: str) -> tuple[int, int]:
        """Return start and end of 'train', 'valid' or 'test'."""
        bounds = {
            "train": (0, self.train_end),
            "valid": (self.train_end, self.valid_end),
            "test": (self.valid_end, len(self.codes)),
        }
        return bounds[name]

    def sha256(self) -> str:
        """Return a digest of the text as the model sees it: its symbols, not its files."""
        digest = hashlib.sha256(self.vocabulary.symbols.astype("<u4").tobytes())
        digest.update(self.codes.astype(self.codes.dtype.newbyteorder("<"), copy=False).data)
        return digest.hexdigest()


def load_corpus(config: DataConfig) -> Corpus:
    """Read and encode the configured text.

    Raises:
        TextError: for a text that cannot be read, is empty, or has one distinct character.
    """
    files = find_files(config.path)
    where = config.path if isinstance(config.path, str) else f"{len(files)} files"
    symbols = np.concatenate([read_symbols(file, config) for file in files])
    if not len(symbols):
        raise TextError(f"{where}: the text is empty; there is nothing to learn from")
    vocabulary = Vocabulary.of(symbols, config.tokens)
    if len(vocabulary) < 2:
        name = vocabulary.name(int(symbols[0]))
        raise TextError(f"{where}: the text is {name} throughout; it takes at least two characters")
    codes = vocabulary.encode(symbols, where)
    return Corpus(codes, vocabulary, *cut_points(len(codes), config))


def cut_points(n: int, config: DataConfig) -> tuple[int, int]:
    """Return where the training and the validation part of n characters end."""
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    return train_end, max(train_end, int(n * (1 - config.test_fraction)))


def find_files(path: str | tuple[str, ...]) -> list[str]:
    """Return the files of a path, a glob (alphabetically) or a list (in its order)."""
    files: list[str] = []
    for item in (path,) if isinstance(path, str) else path:
        matches = [item] if os.path.exists(item) else sorted(glob.glob(item, recursive=True))
        matches = [match for match in matches if not os.path.isdir(match)]
        if not matches:
            raise TextError(_missing(item))
        files += matches
    return files


def read_symbols(file: str, config: DataConfig, remedy: str = _OTHER_ENCODING) -> Array:
    """Return a file's bytes, or its code points with the line ends as configured.

    A byte order mark at the very start is not part of the text, except with byte tokens.
    """
    try:
        raw = Path(file).read_bytes()
    except FileNotFoundError:
        raise TextError(f"{file}: no such file") from None
    except OSError as error:
        raise TextError(f"{file}: cannot be read: {error.strerror}") from None
    if config.tokens == "byte":
        return np.frombuffer(raw, np.uint8)
    symbols = code_points(decode_text(raw, file, config.encoding, config.newlines, remedy))
    surrogates = (symbols >= 0xD800) & (symbols < 0xE000)
    if surrogates.any():
        position = int(np.argmax(surrogates))
        raise TextError(
            f"{file}: character {position} is U+{symbols[position]:04X}, half of a pair "
            "that encodes a character; take the bytes as they are (data.tokens: byte)"
        )
    return symbols


def decode_text(
    raw: bytes,
    where: str,
    encoding: str = "utf-8",
    newlines: str = "lf",
    remedy: str = _OTHER_ENCODING,
) -> str:
    """Decode a text's bytes; see `read_symbols`.

    Raises:
        TextError: with the byte offset of what is not in the encoding, and the remedy.
    """
    if codecs.lookup(encoding).name == "utf-8-sig":
        encoding = "utf-8"  # which leaves the mark, so that offsets are the file's
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(
            f"{where}: byte {error.start} (0x{raw[error.start]:02x}) is not {encoding}: "
            f"{error.reason}; {remedy}"
        ) from None
    except UnicodeError as error:
        raise TextError(f"{where}: is not {encoding}: {error}; {remedy}") from None
    text = text.removeprefix("\ufeff")  # a byte order mark
    if newlines == "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _missing(item: str) -> str:
    if os.path.isdir(item):
        return f"{item}: is a folder; name its texts, as in {os.path.join(item, '*.txt')}"
    if glob.has_magic(item):
        return (
            f"{item}: no file matches; data.path is relative to the configuration file, with --set "
            "to the current folder"
        )
    return (
        f"{item}: no such file; data.path is relative to the configuration file, with --set to the "
        "current folder"
    )


class Streams:
    """The training part as N parallel streams, in windows of T steps.

    The part is cut into N contiguous streams of equal length; the target of each character is the
    one after it, of a stream's last character the next stream's first. At most N characters at the
    end are left over. The last window of an epoch may be shorter.
    """

    def __init__(self, codes: Array, batch_size: int, seq_length: int) -> None:
        length = (len(codes) - 1) // batch_size
        used = batch_size * length
        self._inputs = codes[:used].reshape(batch_size, length)  # (N, length)
        self._targets = codes[1 : used + 1].reshape(batch_size, length)  # (N, length)
        self._seq_length = seq_length
        self.windows = -(-length // seq_length)  # in an epoch

    def window_length(self, index: int) -> int:
        """Return the steps of an epoch's window."""
        return min(self._seq_length, self._inputs.shape[1] - index * self._seq_length)

    def window(self, index: int, streams: slice = slice(None)) -> tuple[Array, Array]:
        """Return inputs and targets of an epoch's window, each (T, N), or of some streams of it."""
        start = index * self._seq_length
        part = slice(start, start + self._seq_length)
        inputs = self._inputs[streams, part].T.astype(np.intp, order="C")  # (T, N)
        targets = self._targets[streams, part].T.astype(np.intp, order="C")  # (T, N)
        return inputs, targets
