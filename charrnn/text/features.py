"""Features: numbers of each record, from which a model makes its first states.

They come from columns of a table (data.feature_columns) or from a file of their own
(data.features_path), and are standardised by those of the training part.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.errors import TextError, counted
from charrnn.kernels import Array
from charrnn.text.files import find_files, reading
from charrnn.text.shuffle import mixed

LARGEST = 1e100  # number, whose square is finite
MOST_FEATURES = 1 << 20
_FARTHEST = 1e6  # standard deviations; what is farther counts as this far
_TOGETHER = 1 << 20  # numbers that are looked at together


class FeatureScale(NamedTuple):
    """The mean and the standard deviation of each feature over the records of a training part."""

    mean: Array  # (F,) float64
    std: Array  # (F,) float64, above 0

    @property
    def F(self) -> int:  # noqa: N802 - the letter of the dimension key
        """Number of features."""
        return len(self.mean)

    @classmethod
    def of(cls, values: Array) -> FeatureScale:
        """Return the scale of features (n, F); one that is constant has the deviation 1."""
        with np.errstate(all="ignore"):  # squares of tiny numbers underflow
            std = values.std(0)
        varies = (values.max(0) > values.min(0)) & (std > 0)
        return cls(values.mean(0), np.where(varies, std, 1.0))

    def standardised(self, values: Array) -> Array:
        """Return features (n, F) less the mean, in standard deviations, float32."""
        found: Array = np.empty(values.shape, np.float32)
        rows = max(1, _TOGETHER // self.F)
        for start in range(0, len(values), rows):
            block = slice(start, start + rows)
            with np.errstate(all="ignore"):  # the quotient may overflow, and is clipped then
                deviations = (values[block] - self.mean) / self.std
            found[block] = deviations.clip(-_FARTHEST, _FARTHEST)
        return found


class FeatureRows:
    """The features of the rows of tables, in the order in which they are read.

    Args:
        F: their number in a row.
    """

    def __init__(self, F: int) -> None:
        self.F = F
        self._numbers = array("d")

    def add(self, numbers: Sequence[float]) -> None:
        """Add those of a row."""
        self._numbers.extend(numbers)

    def take(self, values: Array) -> None:
        """Take features (n, F) float64 in place of those that were added."""
        self._numbers = array("d", values.tobytes())

    def clear(self) -> None:
        """Forget all rows, before they are read again."""
        self._numbers = array("d")

    @property
    def values(self) -> Array:
        """The features of all rows, (n, F) float64."""
        return np.frombuffer(self._numbers, np.float64).reshape(-1, self.F)


def read_features(path: str | tuple[str, ...]) -> Array:
    """Return the features (n, F) float64 of one or several `.npy` files, one after another.

    Raises:
        TextError: a file cannot be read, or is no matrix of finite real numbers; the error names
            file, row and column.
    """
    found = [(file, _read(file)) for file in find_files(path)]
    (first, one), *others = found
    for file, other in others:
        if other.shape[1] != one.shape[1]:
            raise TextError(
                f"{file}: has {counted(other.shape[1], 'column')}, and {first} "
                f"{one.shape[1]:,}; the files of data.features_path are joined, and must have the "
                "same features"
            )
    return np.concatenate([values for _, values in found])


def _read(file: str) -> Array:
    """Return the features of a file, which is not trusted."""
    try:
        with reading(file):
            stored = np.load(file, mmap_mode="r", allow_pickle=False)
    except TextError:
        raise
    except Exception:  # of the parser of the header, which may raise anything
        stored = None
    if not isinstance(stored, np.ndarray):
        raise TextError(
            f"{file}: is not a .npy file with an array of numbers; numpy.save writes one"
        )
    if stored.dtype.kind not in "biuf":
        raise TextError(
            f"{file}: has values of type {stored.dtype}, and features are real numbers; save the "
            "array with .astype('float32')"
        )
    if stored.ndim != 2 or not 1 <= stored.shape[1] <= MOST_FEATURES:
        raise TextError(
            f"{file}: has the shape {stored.shape}, not (records, features); save it with a row "
            "for each record"
        )
    with np.errstate(over="ignore"):  # of longer floats
        values = stored.astype(np.float64)
    rows = max(1, _TOGETHER // values.shape[1])
    for start in range(0, len(values), rows):
        wrong = np.argwhere(~(np.abs(values[start : start + rows]) <= LARGEST))
        if len(wrong):
            row, column = wrong[0].tolist()
            raise TextError(
                f"{file}: row {start + row + 1:,}, column {column + 1:,}: "
                f"{not_usable(float(values[start + row, column]))}"
            )
    return values


def not_usable(number: float) -> str:
    """Return why a number cannot be a feature, and the remedy."""
    if np.isfinite(number):
        return f"{number:g} is larger than {LARGEST:g}; divide the numbers of this column"
    return f"{number} is not finite; write a finite number, or leave the record out"


def row_digests(values: Array) -> Array:
    """Return a digest (n,) uint64 of each row of features (n, F)."""
    bits = np.ascontiguousarray(values + 0.0, "<f8").view(np.uint64)  # of 0 also where it is -0
    found: Array = np.zeros(len(values), np.uint64)
    for column in bits.T:
        found = mixed(found + column)
    return found


def check_rows(path: str | tuple[str, ...], rows: int, records: int, where: str) -> None:
    """Refuse a file of features whose rows are not as many as the records.

    Raises:
        TextError: also names a reason why they may differ.
    """
    if rows != records:
        name = path if isinstance(path, str) else "data.features_path"
        raise TextError(
            f"{name}: has {counted(rows, 'row')}, and {where} {counted(records, 'record')}; save a "
            "row for each record, in their order (blank lines and rows that are left out have none)"
        )


def digest_with(text_sha256: str, values: Array) -> str:
    """Return the digest of records and their features (R, F) float64, from that of the records."""
    digest = hashlib.sha256(f"{text_sha256} {values.shape}".encode())
    digest.update(np.ascontiguousarray(values, "<f8").data)
    return digest.hexdigest()
