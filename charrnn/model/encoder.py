"""Turns the strings that the Python API is given into codes, and refuses those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import (
    Remedy,
    SamplingError,
    TextError,
    counted,
    did_you_mean,
    shown,
    shown_name,
)
from charrnn.kernels import Array
from charrnn.text.decoding import normalise_newlines
from charrnn.text.features import LARGEST, FeatureScale, not_usable
from charrnn.text.labels import Labels, label_texts
from charrnn.text.one_record import check_record
from charrnn.text.vocabulary import Vocabulary, character_name

_NAMED = 20  # known prompts in a message


class Encoder:
    """Encodes texts, primes, prompts and records for a model.

    Every method takes `skip_unknown`: whether characters that the model does not know are removed.
    Every method raises TextError if a text is not a string, or has a character that the model does
    not know or, with byte tokens, that cannot be encoded.

    Args:
        data: how the model's text was read. The line ends of every text are read alike.
        vocabulary: the symbols that the model knows.
        labels: the prompts of the training, where these are few.
        scale: of features; None for a model without.
    """

    def __init__(
        self,
        data: DataConfig,
        vocabulary: Vocabulary,
        labels: Labels,
        scale: FeatureScale | None = None,
    ) -> None:
        self._data, self._vocabulary, self._labels = data, vocabulary, labels
        self._scale = scale

    def text(self, text: str, where: str, *, skip_unknown: bool = False) -> Array:
        """Return the codes (n,) of a text, which error messages call `where`."""
        if not isinstance(text, str):
            raise TextError(f"{where}: is of type {type(text).__name__}, not a string")
        text = normalise_newlines(text, self._data)
        try:
            symbols = self._vocabulary.symbols_of(text)
        except UnicodeEncodeError as error:
            name = character_name(text[error.start])
            raise TextError(
                f"{where}: {name} at position {error.start} is half of a surrogate pair, "
                "which has no bytes"
            ) from None
        return self._vocabulary.encode(symbols, where, skip_unknown=skip_unknown)

    def unknown(self, text: str) -> Array:
        """Return the symbols of a text that the model does not know."""
        symbols = self._vocabulary.symbols_of(normalise_newlines(text, self._data))
        return self._vocabulary.unknown(symbols)

    def prime(self, prime: str, *, skip_unknown: bool = False) -> Array:
        """Return the codes (n,) of a prime; a blank line, which no record has, is refused."""
        codes = self.text(prime, "prime", skip_unknown=skip_unknown)
        check_record(codes, self._vocabulary, self._data, "prime", begins=True)
        return codes

    def record(self, text: str, where: str, *, skip_unknown: bool = False) -> Array:
        """Return the codes (n,) of a text, which a model of records reads as one record."""
        codes = self.text(text, where, skip_unknown=skip_unknown)
        check_record(codes, self._vocabulary, self._data, where)
        return codes

    def prompt(self, prompt: str | None, *, skip_unknown: bool = False) -> Array | None:
        """Return the codes (n,) of a prompt; None for a model without prompts.

        Raises:
            SamplingError: there is no prompt, or one too many, or it is none of the few known.
        """
        if self._vocabulary.prompt_end is None:
            if prompt is not None:
                raise SamplingError("prompt: this model was not trained on prompts and replies")
            return None
        known = label_texts(self._labels.prompts, self._vocabulary)
        names = f"; it knows {', '.join(map(shown_name, known[:_NAMED]))}" if known else ""
        names += ", ..." if len(known) > _NAMED else ""
        if prompt is None:
            raise SamplingError(
                f"prompt: this model replies to prompts, and there is none{names}",
                Remedy("prompt=TEXT", "gives one"),
            )
        codes = self.record(prompt, "prompt", skip_unknown=skip_unknown or bool(known))
        changed = not skip_unknown and len(self.unknown(prompt))
        is_known = any(np.array_equal(codes, one) for one in self._labels.prompts)
        if known and (changed or not is_known):
            problem = "needs a prompt, and this one is empty"
            if prompt:
                near = did_you_mean(prompt, known)
                problem = f"was not trained with {shown(prompt)} as a prompt{near}"
            raise SamplingError(f"prompt: this model {problem}{names}")
        return codes

    def asked(self, prompt: str, where: str, *, skip_unknown: bool = False) -> Array:
        """Return the codes (n,) of a prompt to which a reply is predicted.

        Raises:
            SamplingError: the model writes replies to the few prompts of its training, and this one
                is none of them.
        """
        if self._labels.prompts and not self._labels.replies:
            codes = self.prompt(prompt, skip_unknown=skip_unknown)
            assert codes is not None
            return codes
        return self.record(prompt, where, skip_unknown=skip_unknown)

    def prompts(self, prompts: Any, *, skip_unknown: bool = False) -> list[Array]:
        """Return the codes of several prompts to which replies are predicted, each (n,)."""
        return [
            self.asked(prompt, place, skip_unknown=skip_unknown)
            for place, prompt in _each(prompts, "prompts", "strings")
        ]

    def records(self, records: Any, *, skip_unknown: bool = False) -> list[Array]:
        """Return the codes of several records, each (n,); those with prompts are given as pairs."""
        if self._vocabulary.prompt_end is None:
            return [
                self.record(record, place, skip_unknown=skip_unknown)
                for place, record in _each(records, "records", "strings")
            ]
        found = []
        for place, pair in _each(records, "records", "pairs of strings, prompt and reply"):
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                raise TextError(f"{place}: {shown(pair)} is not a pair of strings")
            sides = (self.record(one, place, skip_unknown=skip_unknown) for one in pair)
            found.append(self._vocabulary.as_pair(*sides))
        return found

    def features(self, features: Any, where: str = "features") -> Array | None:
        """Return the features (F,) of a record, standardised; None for a model without.

        Raises:
            SamplingError: they are not as many finite numbers as the model reads.
        """
        if self._scale is None:
            if features is not None:
                raise SamplingError(f"{where}: this model was not trained with features")
            return None
        names = ", ".join(map(shown_name, map(str, self._data.feature_names[:_NAMED])))
        names += ", ..." if len(self._data.feature_names) > _NAMED else ""
        reads = f"this model reads {counted(self._scale.F, 'feature')}{f' ({names})' * bool(names)}"
        if features is None:
            raise SamplingError(
                f"{where}: {reads}, and there are none", Remedy("features=[...]", "gives them")
            )
        if isinstance(features, str) or not isinstance(features, Iterable):
            raise SamplingError(f"{where}: {shown(features)} is not a list of numbers; {reads}")
        numbers = [_number(one, f"{where}[{k}]") for k, one in enumerate(features)]
        if len(numbers) != self._scale.F:
            raise SamplingError(f"{where}: {reads}, and there are {len(numbers):,}")
        standardised: Array = self._scale.standardised(np.array([numbers]))[0]
        return standardised

    def features_of_each(self, features: Any, n: int) -> Array | None:
        """Return the features (n, F) of n records, standardised; None for a model without."""
        if self._scale is None or features is None:
            self.features(features)  # refuses them, or none of them
            return None
        if isinstance(features, str) or not isinstance(features, Iterable):
            raise SamplingError(f"features: {shown(features)} is not a list of lists of numbers")
        rows = [self.features(one, f"features[{k}]") for k, one in enumerate(features)]
        if len(rows) != n:
            raise SamplingError(
                f"features: there are {counted(len(rows), 'list')} of them, not {n:,}; give one "
                "for each text"
            )
        return np.array(rows, np.float32).reshape(n, self._scale.F)


def _number(value: Any, where: str) -> float:
    """Return a feature as a number."""
    number = value.item() if isinstance(value, np.generic) else value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise SamplingError(f"{where}: {shown(value)} is not a number")
    if not abs(number) <= LARGEST:
        raise SamplingError(f"{where}: {not_usable(float(number))}")
    return float(number)


def _each(items: Any, where: str, kind: str) -> Iterable[tuple[str, Any]]:
    """Return items with what error messages call them."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TextError(f"{where}: is of type {type(items).__name__}, not a list of {kind}")
    return ((f"{where}[{k}]", item) for k, item in enumerate(items))
