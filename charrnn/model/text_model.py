"""A trained model of texts: sampling and scoring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from charrnn.config.schema import Config
from charrnn.config.values import Number
from charrnn.errors import SamplingError, TextError, counted, plural, shown
from charrnn.kernels import Array
from charrnn.model.encoder import Encoder
from charrnn.model.evaluation import Score, WindowScore, score_windows
from charrnn.model.model import Model
from charrnn.model.sampling import continuations
from charrnn.model.sampling_params import SamplingParams, checked_number, checked_seed, generators
from charrnn.text.decoding import normalise_newlines
from charrnn.text.features import FeatureScale
from charrnn.text.labels import Labels
from charrnn.text.streams import scoring_windows
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow

_LENGTH = 500  # characters of a sample, unless the model knows how long a record may be
_NOT_NEGATIVE, _POSITIVE = Number(0, whole=True), Number(1, whole=True)


def default_length(longest_record: int | None) -> int:
    """Return the characters of a sample by default, for symbols of the longest record."""
    return _LENGTH if longest_record is None else 2 * longest_record


class TextModel:
    """What `LanguageModel` does with a text; see there."""

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        model: Model,
        text_sha256: str = "",
        longest_record: int | None = None,
        labels: Labels | None = None,
        scale: FeatureScale | None = None,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.model = model
        self.text_sha256 = text_sha256
        self.longest_record = longest_record
        self.labels = labels or Labels()
        self.scale = scale
        self.encoder = Encoder(config.data, vocabulary, self.labels, scale)

    def __repr__(self) -> str:
        symbols = counted(self.vocabulary.size, self.vocabulary.tokens)
        return f"<LanguageModel {self.config.model}, {symbols}>"

    @property
    def default_length(self) -> int:
        """Characters of a sample by default: 500, or twice the longest training record."""
        return default_length(self.longest_record)

    def sample(
        self,
        prime: str = "",
        length: int | None = None,
        *,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop: str | None = None,
        skip_unknown: bool = False,
        features: Iterable[float] | None = None,
    ) -> str:
        """Return a continuation of `prime`, without the prime.

        Args:
            prime: the text to continue, read as at the start of a line: after a newline, unless it
                begins with one.
            length: number of characters, by default 500. A record ends before, where the model ends
                it; by default after twice the longest training record at the latest.
            temperature: divides the logits. Below 1, likely tokens become likelier; above 1, they
                become less likely; 0 is greedy. By default 0.8 for a text without `top_k` and
                `top_p`, otherwise 1.
            top_k: choose among the k likeliest tokens.
            top_p: choose among the fewest likeliest tokens whose probabilities sum to top_p or
                more.
            greedy: always choose the likeliest token.
            seed: seed of the random numbers; the same seed gives the same text.
            stop: end after this text, of characters that the model knows.
            skip_unknown: remove characters from the prime that the model does not know.
            features: the numbers from which a model of records that was trained with features
                starts, as they stand in its data.

        Raises:
            SamplingError: an argument has a wrong type or is out of range, or features are missing.
            TextError: the prime or the stop text contains a character that the model does not
                know, or the prime of a record a blank line.

        >>> text = model.sample("Once upon a time", length=40, seed=1)
        >>> len(text)
        40
        >>> text == model.sample("Once upon a time", length=40, seed=1)
        True
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
            features=features,
        )
        return "".join(piece for (piece,) in pieces)

    def stream(
        self,
        prime: str = "",
        length: int | None = None,
        *,
        N: int = 1,
        first: int = 0,
        seed: int | Sequence[int] | None = None,
        stop: str | None = None,
        skip_unknown: bool = False,
        features: Iterable[float] | None = None,
        **choosing: Any,
    ) -> Iterator[list[str]]:
        """Yield N continuations of `prime`, piece by piece.

        Args:
            N: number of continuations.
            first: number of the first; continuation k draws its random numbers from (seed, k).
            prime, length, seed, stop, skip_unknown, features: see `sample`.
            choosing: `temperature`, `top_k`, `top_p` and `greedy`; see `sample`.

        Yields:
            For each step, the new piece of each continuation: usually one character, and empty
            after the continuation has ended.

        Raises:
            SamplingError, TextError: see `sample`.

        >>> pieces = list(model.stream("Once upon a time", length=5, N=2))
        >>> [len(pair) for pair in pieces]
        [2, 2, 2, 2, 2]
        >>> first, second = ("".join(continuation) for continuation in zip(*pieces))
        >>> len(first), len(second)
        (5, 5)
        """
        if self.vocabulary.prompt_end is not None:
            raise SamplingError(
                "this model replies to prompts, so it continues no text",
                hint="predict([prompt]) and sample_records(n, prompt=...) write replies",
            )
        if stop is not None and (not isinstance(stop, str) or not stop):
            raise SamplingError(f"stop: {shown(stop)} is not a string of at least one character")
        if stop is not None:
            stop = normalise_newlines(stop, self.config.data)
            try:
                self.encoder.text(stop, "stop")
            except TextError as error:
                raise TextError(f"{error.problem}, so it never writes this text") from None
        N = checked_number("N", N, _POSITIVE)
        return continuations(
            self.model,
            self.vocabulary,
            self.encoder.prime(prime, skip_unknown=skip_unknown),
            length=self._checked_length(length),
            params=SamplingParams.of(self.vocabulary, **choosing),
            rngs=[*generators(checked_seed(seed), range(first, first + N))],
            stop=stop,
            features=self.encoder.features(features),
        )

    def score(
        self,
        text: str,
        *,
        skip_unknown: bool = False,
        features: Iterable[float] | None = None,
    ) -> Score:
        """Score a text: measure how well the model predicts each token except the first.

        A model of records reads the text as one record, and predicts its first token and its end
        too.

        Args:
            text: the text to score.
            skip_unknown: remove characters that the model does not know.
            features: see `sample`.

        Returns:
            A `Score`, with `chars`, `loss_nats`, `bits_per_char` and `perplexity`.

        Raises:
            TextError: the text has fewer than two tokens, a character that the model does not
                know, or a blank line although it is a record.

        >>> score = model.score("Once upon a time")
        >>> score.chars
        15
        """
        codes = self.encoder.record(text, "text", skip_unknown=skip_unknown)
        if self.vocabulary.prompt_end is not None:
            raise TextError(
                "text: this model scores replies to prompts, and a text has no prompt",
                hint="score_records([(prompt, reply)]) scores them",
            )
        if self.vocabulary.end is not None:
            codes = self.vocabulary.as_record(codes)
        if len(codes) < 2:
            needed = plural(self.vocabulary.tokens)
            raise TextError(f"text: has nothing to predict; at least two {needed} are needed")
        windows = scoring_windows(codes, 0, len(codes), self.model.V)
        if (first := self.encoder.features(features)) is not None:
            windows = _with_features(windows, first[None])
        return sum(self._score_windows(windows), Score(0, 0.0))

    def _score_windows(
        self, windows: Iterable[ScoringWindow], separator: int | None = None
    ) -> Iterator[WindowScore]:
        """Yield the score of each window; see `score_windows`."""
        scores = score_windows(self.model, windows, separator)
        while True:
            with self.model.lock:  # for one window, so that other threads wait only shortly
                window = next(scores, None)
            if window is None:
                return
            yield window

    def _checked_length(self, length: int | None) -> int:
        number: int = checked_number(
            "length", self.default_length if length is None else length, _NOT_NEGATIVE
        )
        return number


def _with_features(windows: Iterable[ScoringWindow], features: Array) -> Iterator[ScoringWindow]:
    """Yield windows whose fresh rows have features (n, F)."""
    for window in windows:
        yield window if window.fresh is None else window._replace(features=features)
