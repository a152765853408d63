"""A trained model as Python code uses it: sample, score, configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from charrnn.config.schema import Config
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.model.evaluation import Score, score
from charrnn.model.model import Model
from charrnn.model.sampling import SamplingParams, continuations
from charrnn.text.vocabulary import Vocabulary, character_name

_CHARS_FOR_A_WORKER = 20_000  # for fewer it does not pay to start one
_CHARS_FOR_COMPILED = 2_000_000  # and for fewer than these, to import the compiler


class LanguageModel:
    """A model with its vocabulary and configuration."""

    def __init__(self, config: Config, vocabulary: Vocabulary, model: Model) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.model = model

    def __repr__(self) -> str:
        model, symbols = self.config.model, f"{len(self.vocabulary)} {self.vocabulary.tokens}s"
        return f"<LanguageModel {model}, {symbols}>"

    def sample(
        self,
        prime: str = "",
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop: str | None = None,
        skip_unknown: bool = False,
    ) -> str:
        """Return a continuation of `prime`, without it.

        Args:
            prime: the text to go on from; none starts as after a line's end.
            length: characters to write.
            temperature: below 1 the likely becomes likelier, above 1 less so; 0 is greedy.
            top_k: choose among the k likeliest characters.
            top_p: choose among the likeliest that together have this probability.
            greedy: take the likeliest.
            seed: for the same text each time.
            stop: a text after which it ends.
            skip_unknown: leave characters out of the prime that the model does not know.

        Raises:
            TextError: for a character of the prime that is not in the vocabulary.
        """
        pieces = self.stream(
            prime,
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            greedy=greedy,
            seed=seed,
            stop=stop,
            skip_unknown=skip_unknown,
        )
        return "".join(piece for (piece,) in pieces)

    def stream(
        self,
        prime: str = "",
        length: int = 500,
        *,
        N: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | Sequence[int] | None = None,
        stop: str | None = None,
        skip_unknown: bool = False,
    ) -> Iterator[list[str]]:
        """Yield N continuations of `prime` as they grow, one step at a time.

        Args:
            N: continuations side by side.
            others: as for `sample`.

        Yields:
            N strings, what each continuation has grown by: often one character, empty once it has
            ended.

        Raises:
            TextError: for a character of the prime that is not in the vocabulary.
        """
        return continuations(
            self.model,
            self.vocabulary,
            self.encode(prime, "prime", skip_unknown=skip_unknown),
            N=N,
            length=length,
            params=SamplingParams(temperature, top_k, top_p, greedy),
            rng=np.random.default_rng(seed),
            stop=stop,
        )

    def score(self, text: str, *, skip_unknown: bool = False) -> Score:
        """Return how well the model predicts a text: each character but the first.

        Args:
            text: the text to score.
            skip_unknown: leave characters out that the model does not know.

        Raises:
            TextError: for a text of under two characters, or a character not in the vocabulary.
        """
        codes = self.encode(text, "text", skip_unknown=skip_unknown)
        if len(codes) < 2:
            raise TextError("text: has no character to predict; it takes at least two")
        return score(self.model, codes, 0, len(codes))

    def encode(self, text: str, where: str, *, skip_unknown: bool = False) -> Array:
        """Return the codes (n,) of a text, which errors call `where`.

        Raises:
            TextError: for a character that is not in the vocabulary, or with byte tokens for one
                that has no bytes.
        """
        try:
            symbols = self.vocabulary.symbols_of(text)
        except UnicodeEncodeError as error:
            name = character_name(text[error.start])
            raise TextError(
                f"{where}: {name} at position {error.start} is half of a pair, which has no bytes"
            ) from None
        return self.vocabulary.encode(symbols, where, skip_unknown=skip_unknown)
