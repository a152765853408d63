"""A trained model in the Python API: what it does with texts, with records and with prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from charrnn.config.values import Number
from charrnn.errors import SamplingError, TextError
from charrnn.kernels import Array
from charrnn.model.evaluation import Score, SegmentScores
from charrnn.model.record_sampling import RecordSampler, SampledRecord, Selection, separator_of
from charrnn.model.reply_model import ReplyModel
from charrnn.model.sampling import continuations
from charrnn.model.sampling_params import SamplingParams, checked_number, checked_seed, generators
from charrnn.text.known import KnownRecords
from charrnn.text.part import encode_list, own_corpus

_ROWS = 64  # records that are written side by side, at most
_POSITIVE = Number(1, whole=True)


class LanguageModel(ReplyModel):
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
        scale: mean and standard deviation of each feature; None for a model without features.
        encoder: turns strings into codes.
    """

    def sample_records(
        self,
        n: int,
        prime: str = "",
        length: int | None = None,
        *,
        prompt: str | None = None,
        features: Iterable[float] | None = None,
        unique: bool = False,
        new: bool = False,
        keep_cut: bool = False,
        **options: Any,
    ) -> Iterator[SampledRecord]:
        """Yield whole records that begin with `prime`, as they are written.

        They are written side by side, 64 at a time, which takes much less time than one after
        another.

        Args:
            n: number of records.
            prime: the beginning of each record, or of each reply.
            prompt: the prompt of each reply, if the model was trained on prompts and replies.
            features: the features of each record, if the model was trained with features.
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
        sampler = self.record_sampler(n, prime, length, prompt=prompt, features=features, **options)
        selection = self.selection(n, sampler, unique=unique, new=new, keep_cut=keep_cut)
        return selection.of(sampler.attempts())

    def record_sampler(
        self,
        n: int,
        prime: str = "",
        length: int | None = None,
        *,
        prompt: str | None = None,
        features: Iterable[float] | None = None,
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
            SamplingParams.of(self.vocabulary, **choosing),
            checked_seed(seed),
            rows=min(checked_number("n", n, _POSITIVE), _ROWS),
            features=self.encoder.features(features),
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
            known = partial(KnownRecords(corpus).have, prompt=sampler.prompt)
        return Selection(
            checked_number("n", n, _POSITIVE),
            sampler.prime_text,
            unique=unique,
            known=known,
            keep_cut=keep_cut,
        )

    def show(
        self, length: int, seed: int | Sequence[int], features: Array | None = None
    ) -> Iterator[str]:
        """Yield a sample of a number of characters, piece by piece; as many records as it takes.

        Args:
            length: number of characters.
            seed: of the random numbers.
            features: (F,) of each record, standardised; None for a model without.
        """
        separator, first = separator_of(self.config.data, self.vocabulary), 0
        while length > 0:
            for (piece,) in continuations(
                self.model,
                self.vocabulary,
                self.encoder.prime(""),
                length=length,
                params=SamplingParams.of(self.vocabulary),
                rngs=[*generators(seed, [first])],
                features=features,
            ):
                yield piece
                length -= len(piece)
            if separator is None or length <= len(separator):
                return
            yield separator
            length, first = length - len(separator), first + 1

    def score_records(
        self,
        records: Iterable[str] | Iterable[tuple[str, str]],
        *,
        skip_unknown: bool = False,
        features: Iterable[Iterable[float]] | None = None,
    ) -> list[Score]:
        """Score records: measure how well the model predicts each of them, and its end.

        Each is read on its own, from zero states, so its score does not depend on the others. Many
        records are read side by side, which is much faster than one by one.

        Args:
            records: the text of each, without its end; for a model of prompts and replies, a pair
                of strings each, of which the reply and its end are scored.
            skip_unknown: remove characters that the model does not know.
            features: those of each record, if the model was trained with features.

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
        first = self.encoder.features_of_each(features, len(codes))
        if not codes:
            return []
        corpus = encode_list(self.vocabulary, codes, first)
        scores = SegmentScores(corpus.segments(*corpus.everything))
        windows = corpus.scoring_windows(*corpus.everything)
        for window in self._score_windows(windows, self.vocabulary.separator):
            scores.add(window)
        return list(scores)
