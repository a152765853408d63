"""Turns the strings that the Python API is given into codes, and refuses those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import Remedy, SamplingError, TextError, did_you_mean, shown, shown_name
from charrnn.kernels import Array
from charrnn.text.decoding import normalise_newlines
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
    """

    def __init__(self, data: DataConfig, vocabulary: Vocabulary, labels: Labels) -> None:
        self._data, self._vocabulary, self._labels = data, vocabulary, labels

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

    def skipped(self, text: str, codes: Array) -> int:
        """Return how many characters of a text its codes (n,) leave out."""
        return len(self._vocabulary.symbols_of(normalise_newlines(text, self._data))) - len(codes)

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
        changed = not skip_unknown and self.skipped(prompt, codes)
        is_known = any(np.array_equal(codes, one) for one in self._labels.prompts)
        if known and (changed or not is_known):
            raise SamplingError(
                f"prompt: this model was not trained with {shown(prompt)} as a prompt"
                f"{did_you_mean(prompt, known)}{names}"
            )
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


def _each(items: Any, where: str, kind: str) -> Iterable[tuple[str, Any]]:
    """Return items with what error messages call them."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TextError(f"{where}: is of type {type(items).__name__}, not a list of {kind}")
    return ((f"{where}[{k}]", item) for k, item in enumerate(items))
