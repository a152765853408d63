"""A text as codes: read, encoded, split, and cut into windows."""

from __future__ import annotations

import codecs
import glob
import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config import Config, DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.vocabulary import Vocabulary, code_points

_UTF8_BOM = b"\xef\xbb\xbf"
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
    except OSError as error:
        raise TextError(f"{file}: cannot be read: {error.strerror}") from None
    if config.tokens == "byte":
        return np.frombuffer(raw, np.uint8)
    return code_points(decode_text(raw, file, config.encoding, config.newlines, remedy))


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
    bom = len(_UTF8_BOM) if raw.startswith(_UTF8_BOM) and encoding_is_utf8(encoding) else 0
    try:
        text = raw[bom:].decode(encoding)
    except UnicodeDecodeError as error:
        offset = bom + error.start
        raise TextError(
            f"{where}: byte {offset} (0x{raw[offset]:02x}) is not {encoding}: {error.reason}; "
            f"{remedy}"
        ) from None
    except UnicodeError as error:
        raise TextError(f"{where}: is not {encoding}: {error}; {remedy}") from None
    if newlines == "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def encoding_is_utf8(encoding: str) -> bool:
    """Whether a name is one of UTF-8's."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


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
        TextError: with the smallest changes, of which each would be enough.
    """
    n, data = len(corpus.codes), config.data
    N, T = config.train.batch_size, config.train.seq_length
    problem = _too_small(n, N, T, data)
    if not problem:
        return
    train_chars, *others = (size for _, size in _parts(n, data))
    fewer, shorter = (train_chars - 1) // T, min([(train_chars - 1) // N, *others])
    remedies = [
        (f"train.batch_size {fewer}", (n, fewer, T, data)),
        (f"train.seq_length {shorter}", (n, N, shorter, data)),
    ]
    for key in ("valid_fraction", "test_fraction"):
        if getattr(data, key):
            least = math.ceil(T / n * 10_000) / 10_000
            remedies.append((f"data.{key} {least:g}", (n, N, T, _changed(data, key, least))))
            remedies.append((f"data.{key} 0, for none", (n, N, T, _changed(data, key, 0.0))))
    enough = _text_needed(n, N, T, data)
    remedies.append((f"a text of {enough:,} characters", (enough, N, T, data)))
    mends = [mend for mend, sizes in remedies if not _too_small(*sizes)]
    where = data.path if isinstance(data.path, str) else "the text"
    raise TextError(f"{where}: {problem}. It would work with {'; or '.join(mends)}")


def _too_small(n: int, N: int, T: int, data: DataConfig) -> str:
    """Return which part of n characters is too small for a (T, N) window, or nothing."""
    if N < 1 or T < 1:
        return "there is no such window"
    (_, train_chars), *others = _parts(n, data)
    if train_chars < N * T + 1:
        return (
            f"the training part has {train_chars:,} characters; train.batch_size {N} x "
            f"train.seq_length {T} needs {N * T + 1:,}"
        )
    for name, size in others:
        if size < T:
            return (
                f"the {name} part has {size:,} characters; one window of train.seq_length {T} "
                "needs as many"
            )
    return ""


def _parts(n: int, data: DataConfig) -> list[tuple[str, int]]:
    """Return name and size of the parts that n characters are divided into."""
    train_end, valid_end = cut_points(n, data)
    parts = [("training", train_end)]
    if data.valid_fraction:
        parts.append(("validation", valid_end - train_end))
    if data.test_fraction:
        parts.append(("test", n - valid_end))
    return parts


def _changed(data: DataConfig, key: str, fraction: float) -> DataConfig:
    change: dict[str, Any] = {key: fraction}
    return replace(data, **change)


def _text_needed(n: int, N: int, T: int, data: DataConfig) -> int:
    """Return the fewest characters that are enough; rounding at the cuts decides the last few."""
    shares = [(N * T + 1, 1 - data.valid_fraction - data.test_fraction)]
    shares += [(T - 1, share) for share in (data.valid_fraction, data.test_fraction) if share]
    needed = max(n, *(int(size / share) - 2 for size, share in shares))
    while _too_small(needed, N, T, data):
        needed += 1
    return needed


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
