"""A text as codes: read, encoded, split, and cut into windows."""

from __future__ import annotations

import glob
import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config import Config, DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.vocabulary import Vocabulary, code_points

_UTF8_BOM = b"\xef\xbb\xbf"


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


def load_corpus(config: DataConfig, vocabulary: Vocabulary | None = None) -> Corpus:
    """Read and encode the configured text.

    Args:
        config: the data section.
        vocabulary: the one to encode with; without it, the text's own.

    Raises:
        TextError: for a text that cannot be read, is empty, or has one distinct character.
    """
    files = find_files(config.path)
    where = config.path if isinstance(config.path, str) else ", ".join(config.path)
    symbols = np.concatenate([read_symbols(file, config) for file in files])
    if not len(symbols):
        raise TextError(f"{where}: the text is empty; there is nothing to learn from")
    if vocabulary is None:
        vocabulary = Vocabulary.of(symbols, config.tokens)
    if len(vocabulary) < 2:
        name = vocabulary.name(int(symbols[0]))
        raise TextError(f"{where}: the text is {name} throughout; it takes at least two characters")
    codes = vocabulary.encode(symbols, where)
    n = len(codes)
    train_end = int(n * (1 - config.valid_fraction - config.test_fraction))
    valid_end = int(n * (1 - config.test_fraction))
    return Corpus(codes, vocabulary, train_end, max(train_end, valid_end))


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


def read_symbols(file: str, config: DataConfig) -> Array:
    """Return a file's bytes, or its code points with the line ends as configured.

    A byte order mark at the very start is not part of the text, except with byte tokens.
    """
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise TextError(f"{file}: cannot be read: {error.strerror}") from None
    if config.tokens == "byte":
        return np.frombuffer(raw, np.uint8)
    return code_points(decode_text(raw, file, config.encoding, config.newlines))


def decode_text(raw: bytes, where: str, encoding: str = "utf-8", newlines: str = "lf") -> str:
    """Decode a text's bytes; see `read_symbols`.

    Raises:
        TextError: with the byte offset of what is not in the encoding.
    """
    bom = len(_UTF8_BOM) if raw.startswith(_UTF8_BOM) and encoding_is_utf8(encoding) else 0
    try:
        text = raw[bom:].decode(encoding)
    except UnicodeDecodeError as error:
        offset = bom + error.start
        raise TextError(
            f"{where}: byte {offset} (0x{raw[offset]:02x}) is not {encoding}: {error.reason}; "
            "if the text is in another encoding, name it (data.encoding: latin-1, cp1252, "
            "utf-16, ...), or take the bytes as they are (data.tokens: byte)"
        ) from None
    except UnicodeError as error:
        raise TextError(f"{where}: is not {encoding}: {error}; set data.encoding") from None
    if newlines == "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def encoding_is_utf8(encoding: str) -> bool:
    """Whether a name is one of UTF-8's."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


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


def check_sizes(corpus: Corpus, config: Config) -> None:
    """Refuse a text that is too small for one window.

    Raises:
        TextError: with the smallest values that would work.
    """
    N, T = config.train.batch_size, config.train.seq_length
    n, needed = corpus.train_end, N * T + 1
    where = config.data.path if isinstance(config.data.path, str) else "the text"
    if n < needed:
        mends = [f"a text of {_text_needed(needed, config.data):,} characters"]
        if n > T:
            mends.append(f"train.batch_size {(n - 1) // T}")
        if n > N:
            mends.append(f"train.seq_length {(n - 1) // N}")
        raise TextError(
            f"{where}: the training part has {n:,} characters; train.batch_size {N} x "
            f"train.seq_length {T} needs {needed:,}. It would work with {', or '.join(mends)}"
        )
    for name in ("valid", "test"):
        start, end = corpus.split(name)
        fraction = getattr(config.data, f"{name}_fraction")
        if fraction and end - start < T:
            least = math.ceil(T / len(corpus.codes) * 10_000) / 10_000
            mend = f"data.{name}_fraction {least:g} or more, or 0 for none"
            if least >= 0.5:
                mend = f"data.{name}_fraction 0 for none, or a longer text"
            raise TextError(
                f"{where}: the {name} part has {end - start:,} characters; one window of "
                f"train.seq_length {T} needs as many. It would work with {mend}"
            )


def _text_needed(train_chars: int, config: DataConfig) -> int:
    share = 1 - config.valid_fraction - config.test_fraction
    return math.ceil(train_chars / share)


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

    def window(self, index: int) -> tuple[Array, Array]:
        """Return inputs and targets, each (T, N), of an epoch's window."""
        start = index * self._seq_length
        part = slice(start, start + self._seq_length)
        inputs = self._inputs[:, part].T.astype(np.intp, order="C")  # (T, N)
        targets = self._targets[:, part].T.astype(np.intp, order="C")  # (T, N)
        return inputs, targets
