"""A trained model in the Python API: sampling, scoring, configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from charrnn.config.schema import Config
from charrnn.config.values import Number
from charrnn.errors import SamplingError, TextError, counted, plural, shown
from charrnn.model.encoder import Encoder
from charrnn.model.evaluation import Score, SegmentScores, WindowScore, score_windows
from charrnn.model.model import Model
from charrnn.model.prediction import LabelTree, Reply, label_log_probs, likeliest, texts_of_labels
from charrnn.model.record_sampling import RecordSampler, SampledRecord, Selection, separator_of
from charrnn.model.sampling import (
    SamplingParams,
    checked_number,
    continuations,
    generators,
    random_seed,
)
from charrnn.text.decoding import normalise_newlines
from charrnn.text.known import KnownRecords
from charrnn.text.labels import Labels
from charrnn.text.part import encode_list, own_corpus
from charrnn.text.streams import scoring_windows
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.windows import ScoringWindow

_LENGTH = 500  # characters of a sample, unless the model knows how long a record may be
_ROWS = 64  # records that are written side by side, at most
_NOT_NEGATIVE, _POSITIVE = Number(0, whole=True), Number(1, whole=True)


class LanguageModel:
    """A model with its vocabulary and configuration; `charrnn.load` returns one.

    The line ends of every text are read like those of the training text: with `data.newlines: lf`,
    CR LF and CR are read as LF.

    Threads may share a model, and so may processes forked from one that has it. Where forked
    processes work side by side, set OPENBLAS_NUM_THREADS=1 before NumPy is imported, so that they
    do not compete for the cores.

    Attributes:
        config: the configuration of the run.
        vocabulary: the symbols that the model knows.
        model: the network.
        text_sha256: digest of the data that it was trained on.
        longest_record: symbols of the longest record that it was trained on; None for a text.
        labels: the prompts and the replies of the training, where these are few.
        encoder: turns strings into codes.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        model: Model,
        text_sha256: str = "",
        longest_record: int | None = None,
        labels: Labels | None = None,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.model = model
        self.text_sha256 = text_sha256
        self.longest_record = longest_record
        self.labels = labels or Labels()
        self.encoder = Encoder(config.data, vocabulary, self.labels)

    def __repr__(self) -> str:
        symbols = counted(self.vocabulary.size, self.vocabulary.tokens)
        return f"<LanguageModel {self.config.model}, {symbols}>"

    @property
    def default_length(self) -> int:
        """Characters of a sample by default: 500, or twice the longest training record."""
        return _LENGTH if self.longest_record is None else 2 * self.longest_record

    def sample(
        self,
        prime: str = "",
        length: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop: str | None = None,
        skip_unknown: bool = False,
    ) -> str:
        """Return a continuation of `prime`, without the prime.

        Args:
            prime: the text to continue, read as at the start of a line: after a newline, unless it
                begins with one.
            length: number of characters, by default 500. A record ends before, where the model ends
                it; by default after twice the longest training record at the latest.
            temperature: divides the logits. Below 1, likely tokens become likelier; above 1, they
                become less likely; 0 is greedy.
            top_k: choose among the k likeliest tokens.
            top_p: choose among the fewest likeliest tokens whose probabilities sum to top_p or
                more.
            greedy: always choose the likeliest token.
            seed: seed of the random numbers; the same seed gives the same text.
            stop: end after this text, of characters that the model knows.
            skip_unknown: remove characters from the prime that the model does not know.

        Raises:
            SamplingError: an argument has a wrong type or is out of range.
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
        **choosing: Any,
    ) -> Iterator[list[str]]:
        """Yield N continuations of `prime`, piece by piece.

        Args:
            N: number of continuations.
            first: number of the first; continuation k draws its random numbers from (seed, k).
            prime, length, seed, stop, skip_unknown: see `sample`.
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
            params=SamplingParams(**choosing),
            rngs=[*generators(_checked_seed(seed), range(first, first + N))],
            stop=stop,
        )

    def sample_records(
        self,
        n: int,
        prime: str = "",
        length: int | None = None,
        *,
        prompt: str | None = None,
        unique: bool = False,
        new: bool = False,
        keep_cut: bool = False,
        **options: Any,
    ) -> Iterator[SampledRecord]:
        """Yield whole records that begin with `prime`, as they are written.

        64 records are written side by
        side, which takes much less time than one after another.

        Args:
            n: number of records.
            prime: the beginning of each record, or of each reply.
            prompt: the prompt of each reply, if the model was trained on prompts and replies.
            length: tokens after the prime, at most; by default twice the longest training record.
            unique: leave out repeats.
            new: leave out records that stand in the data, which is read again from `data.path`.
            keep_cut: yield attempts that reach `length` before their end, too.
            options: `temperature`, `top_k`, `top_p`, `greedy`, `seed` and `skip_unknown`; see
                `sample`. Attempt k draws its random numbers from (seed, k), so the records do not
                depend on n.

        Yields:
            `SampledRecord`s in the order of `attempt`, each with its `text` (without the prime) and
            its `log_prob`: nats of the text and, if it has `ended`, its end after the prime, at
            temperature 1.

        Raises:
            SamplingError, TextError: see `sample`.
            SamplingError: the model was not trained on records, or 100 n attempts were not enough.
            TextError: the data is asked for and cannot be read, or has changed since the training.

        >>> names = charrnn.load("runs/names")
        >>> [record.ended for record in names.sample_records(3, "A", seed=1, unique=True)]
        [True, True, True]
        """
        sampler = self.record_sampler(n, prime, length, prompt=prompt, **options)
        selection = self.selection(n, sampler, unique=unique, new=new, keep_cut=keep_cut)
        return selection.of(sampler.attempts())

    def record_sampler(
        self,
        n: int,
        prime: str = "",
        length: int | None = None,
        *,
        prompt: str | None = None,
        seed: int | Sequence[int] | None = None,
        skip_unknown: bool = False,
        **choosing: Any,
    ) -> RecordSampler:
        """Return a sampler of about n records; see `sample_records` for arguments and errors."""
        if self.vocabulary.end is None:
            raise SamplingError("this model was not trained on records, so it cannot write one")
        return RecordSampler(
            self.model,
            self.vocabulary,
            self.encoder.prompt(prompt, skip_unknown=skip_unknown),
            self.encoder.prime(prime, skip_unknown=skip_unknown),
            self._checked_length(length),
            SamplingParams(**choosing),
            _checked_seed(seed),
            rows=min(checked_number("n", n, _POSITIVE), _ROWS),
        )

    def selection(
        self,
        n: int,
        sampler: RecordSampler,
        *,
        unique: bool = False,
        new: bool = False,
        keep_cut: bool = False,
        note: Callable[[str], object] = lambda _: None,
    ) -> Selection:
        """Return a selection of n records; see `sample_records` for arguments and errors.

        Args:
            n: number of records.
            sampler: makes the attempts.
            keep_cut: take records that reached the greatest length, too.
            note: called with a message when large data is encoded.
        """
        known = None
        if new:
            try:
                corpus = own_corpus(self.config.data, self.text_sha256, note)
            except TextError as error:
                hint = "without the data of the training, no record is known to be new"
                raise TextError(error.problem, hint=hint) from None
            known = KnownRecords(corpus, sampler.prompt).have
        return Selection(
            checked_number("n", n, _POSITIVE),
            sampler.prime_text,
            unique=unique,
            known=known,
            keep_cut=keep_cut,
        )

    def show(self, length: int, seed: int | Sequence[int]) -> Iterator[str]:
        """Yield a sample of a number of characters, piece by piece; as many records as it takes."""
        separator, first = separator_of(self.config.data, self.vocabulary), 0
        while length > 0:
            for (piece,) in self.stream(length=length, seed=seed, first=first):
                yield piece
                length -= len(piece)
            if separator is None or length <= len(separator):
                return
            yield separator
            length, first = length - len(separator), first + 1

    def predict(
        self, prompts: Iterable[str], top: int | None = 1, *, skip_unknown: bool = False
    ) -> list[list[Reply]]:
        """Return the likeliest labels of prompts, with their probabilities.

        The model must have been trained on prompts with few different replies, its labels. All
        labels are scored exactly, so their probabilities sum to 1.

        Args:
            prompts: the texts.
            top: number of labels for each prompt; None: all.
            skip_unknown: remove characters that the model does not know.

        Returns:
            For each prompt, its `Reply`s, the likeliest first, each with its `text` and its
            `probability`.

        Raises:
            SamplingError: the model has no labels, or `top` is not a number of at least 1.
            TextError: `prompts` is not an iterable of strings, or a prompt has a character that the
                model does not know.

        >>> kinds = charrnn.load("runs/kinds")
        >>> [[first], [second]] = kinds.predict(["ab", "zb"])
        >>> first.text, second.text
        ('early', 'late')
        """
        end, prompt_end = self.vocabulary.end, self.vocabulary.prompt_end
        texts = self.label_texts()
        most = len(texts) if top is None else checked_number("top", top, _POSITIVE)
        assert end is not None
        codes = [
            np.concatenate([[end], one, [prompt_end]])
            for one in self.encoder.prompts(prompts, skip_unknown=skip_unknown)
        ]
        found: list[list[Reply]] = [[] for _ in codes]
        batches = label_log_probs(self.model, codes, LabelTree(self.labels.replies, end))
        while True:
            with self.model.lock:  # for one batch, so that other threads wait only shortly
                batch = next(batches, None)
            if batch is None:
                return found
            for place, log_probs in zip(batch[0].tolist(), batch[1], strict=True):
                found[place] = likeliest(log_probs, texts, most)

    def label_texts(self) -> list[str]:
        """Return the labels that `predict` tells apart.

        Raises:
            SamplingError: the model has none.
        """
        return texts_of_labels(self.labels, self.vocabulary)

    def score(self, text: str, *, skip_unknown: bool = False) -> Score:
        """Score a text: measure how well the model predicts each token except the first.

        A model of records reads the text as one record, and predicts its first token and its end
        too.

        Args:
            text: the text to score.
            skip_unknown: remove characters that the model does not know.

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
        return sum(self._score_windows(windows), Score(0, 0.0))

    def score_records(
        self, records: Iterable[str] | Iterable[tuple[str, str]], *, skip_unknown: bool = False
    ) -> list[Score]:
        """Score records: measure how well the model predicts each of them, and its end.

        Each is read on its own, from zero states, so its score does not depend on the others. Many
        records are read side by side, which is much faster than one by one.

        Args:
            records: the text of each, without its end; for a model of prompts and replies, a pair
                of strings each, of which the reply and its end are scored.
            skip_unknown: remove characters that the model does not know.

        Returns:
            A `Score` for each record, in their order. `nats` is the loss summed over its tokens and
            its end, which is -log of the record's probability; `chars` is their number, one more
            than the record has tokens; `loss_nats` is their quotient, in nats per token.

        Raises:
            TextError: `records` is not an iterable of strings, or a record has a blank line or a
                character that the model does not know.
            TextError: the model was not trained on records.

        >>> names = charrnn.load("runs/names")
        >>> scores = names.score_records(["Anna", "Annnnna"])
        >>> [score.chars for score in scores]
        [5, 8]
        >>> odd = max(scores, key=lambda score: score.nats)
        """
        if self.vocabulary.end is None:
            raise TextError(
                "records: this model was not trained on records, so it scores none",
                hint="score(text) scores a text",
            )
        codes = self.encoder.records(records, skip_unknown=skip_unknown)
        if not codes:
            return []
        corpus = encode_list(self.vocabulary, codes)
        scores = SegmentScores(corpus.segments(*corpus.everything))
        windows = corpus.scoring_windows(*corpus.everything)
        for window in self._score_windows(windows, self.vocabulary.separator):
            scores.add(window)
        return list(scores)

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


def _checked_seed(seed: int | Sequence[int] | None) -> int | list[int]:
    """Return a seed of Python integers, a random one for None, or raise SamplingError."""
    if seed is None:
        return random_seed()
    if isinstance(seed, Sequence) and not isinstance(seed, (str, bytes)):
        return [checked_number("seed", one, _NOT_NEGATIVE) for one in seed]
    number: int = checked_number("seed", seed, _NOT_NEGATIVE)
    return number
