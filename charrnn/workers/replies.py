"""Predicting free replies to many records, and comparing them with those of the data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import numpy as np

from charrnn.config.schema import Config
from charrnn.kernels import Array
from charrnn.model.beam import FoundReply, Search, texts_of_replies
from charrnn.model.transcription import Transcription
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.workers.predictor import Predictor

_TOGETHER = 1 << 14  # records whose prompts and replies are read together


class ReplyPredictions(NamedTuple):
    """The likeliest reply to each record, in the order of their ranks."""

    replies: list[FoundReply]
    vocabulary: Vocabulary
    transcription: Transcription

    def predicted(self, k: int) -> tuple[str, float]:
        """Return the reply to record k, and its probability."""
        ((text, probability),) = texts_of_replies(self.replies[k : k + 1], self.vocabulary)
        return text, probability


def predict_replies(
    config: Config,
    parameters: Array,
    search: Search,
    corpus: RecordCorpus,
    start: int,
    end: int,
    predicted: Callable[[int], object] = lambda _: None,
) -> ReplyPredictions:
    """Search the likeliest reply to each record of some ranks; see `Predictor`."""
    symbols = corpus.sizes.symbols(start, end)
    with closing(Predictor(config, parameters, search, end - start, symbols)) as predictor:
        found = predictor.find(corpus, start, end, predicted)
    return compared([replies[0] for replies in found], corpus, start, end)


def compared(
    replies: list[FoundReply], corpus: RecordCorpus, start: int, end: int
) -> ReplyPredictions:
    """Compare the replies to records of some ranks with all that the records list for a prompt."""
    first = dict[bytes, int]()  # the first record with each prompt
    listed = dict[bytes, list[Array]]()
    for low in range(start, end, _TOGETHER):
        ranks = np.arange(low, min(low + _TOGETHER, end))
        features = corpus.features_of(ranks)
        pairs = zip(corpus.prompt_codes(ranks), corpus.reply_codes(ranks), strict=True)
        for k, (prompt, reply) in enumerate(pairs):
            key = prompt.tobytes() + (b"" if features is None else features[k].tobytes())
            k += low - start
            first.setdefault(key, k)
            listed.setdefault(key, []).append(reply)
    answers = [replies[k].codes for k in first.values()]
    transcription = Transcription.of(answers, [*listed.values()])
    return ReplyPredictions(replies, corpus.vocabulary, transcription)
