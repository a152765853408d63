"""A trained model of prompts and replies: predicting replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from charrnn.config.values import Number
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model.beam import Search, find_replies, texts_of_replies
from charrnn.model.prediction import LabelTree, Reply, label_log_probs, likeliest, texts_of_labels
from charrnn.model.sampling_params import checked_number
from charrnn.model.text_model import TextModel

_POSITIVE = Number(1, whole=True)
_Batches = Iterator[tuple[Array, list[list[Reply]]]]  # places of prompts, and their replies


class ReplyModel(TextModel):
    """What `LanguageModel` does with prompts; see there."""

    def predict(
        self,
        prompts: Iterable[str] | None = None,
        top: int | None = 1,
        *,
        beam: int | None = None,
        length: int | None = None,
        skip_unknown: bool = False,
        features: Iterable[Iterable[float]] | None = None,
    ) -> list[list[Reply]]:
        """Return the likeliest replies to prompts, with their probabilities.

        The model must have been trained on prompts and replies. If the replies were few, they are
        its labels: all of them are scored exactly, and their probabilities sum to 1. Other replies
        are found by beam search, and have the probability that sampling would write them.

        Args:
            prompts: the texts; None for a model of features alone.
            top: number of replies to each prompt; None: all labels.
            beam: beginnings of replies that are kept for each prompt at each step, by default 5 or
                `top`, at most 1,000.
            length: tokens of a reply, at most; by default twice the longest training record.
            skip_unknown: remove characters that the model does not know.
            features: those of each prompt, if the model was trained with features.

        Returns:
            For each prompt, its `Reply`s, the likeliest first, each with its `text` and its
            `probability`.

        Raises:
            SamplingError: the model has no prompts, or `top`, `beam` or `length` is not a number of
                at least 1; a model of labels takes neither `beam` nor `length`, and only such a
                model takes None for `top`.
            TextError: `prompts` is not an iterable of strings, or a prompt has a character that the
                model does not know.

        >>> kinds = charrnn.load("runs/kinds")
        >>> [[first], [second]] = kinds.predict(["ab", "zb"])
        >>> first.text, second.text
        ('early', 'late')
        """
        answers = self._answers(top, beam, length)
        if isinstance(features, Iterable):
            features = [*features]
        codes = self._asked(
            prompts, len(features) if isinstance(features, list) else 0, skip_unknown
        )
        found: list[list[Reply]] = [[] for _ in codes]
        batches = answers(codes, self.encoder.features_of_each(features, len(codes)))
        while True:
            with self.model.lock:  # for one batch, so that other threads wait only shortly
                batch = next(batches, None)
            if batch is None:
                return found
            for place, replies in zip(batch[0].tolist(), batch[1], strict=True):
                found[place] = replies

    def _asked(self, prompts: Any, n: int, skip_unknown: bool) -> list[Array]:
        """Return the codes of prompts, from the begin of a record; n begins for a model without."""
        end, prompt_end = self.vocabulary.end, self.vocabulary.prompt_end
        if prompt_end is None:
            if self.scale is None:
                raise SamplingError("this model was not trained on prompts and replies")
            if prompts is not None:
                raise SamplingError("prompts: this model reads features alone; give None")
            return [np.array([end])] * n
        return [
            np.concatenate([[end], self.vocabulary.as_read(one), [prompt_end]])
            for one in self.encoder.prompts(prompts, skip_unknown=skip_unknown)
        ]

    def _answers(
        self, top: int | None, beam: int | None, length: int | None
    ) -> Callable[[Sequence[Array], Array | None], _Batches]:
        """Return a function that answers prompts, some after others."""
        model, vocabulary, labels = self.model, self.vocabulary, self.labels.replies
        if not labels:
            if top is None:
                raise SamplingError("top: None stands for all labels, and this model has none")
            search = Search.of(top, beam, self._checked_length(length))
            return lambda prompts, features: (
                (places, [texts_of_replies(some, vocabulary) for some in replies])
                for places, replies in find_replies(model, vocabulary, prompts, search, features)
            )
        for name, value in (("beam", beam), ("length", length)):
            if value is not None:
                raise SamplingError(f"{name}: this model scores all of its labels, without it")
        texts, end = self.label_texts(), vocabulary.end
        assert end is not None
        most = len(texts) if top is None else checked_number("top", top, _POSITIVE)
        return lambda prompts, features: (
            (places, [likeliest(row, texts, most) for row in log_probs])
            for places, log_probs in label_log_probs(
                model, prompts, LabelTree(labels, end), features
            )
        )

    def label_texts(self) -> list[str]:
        """Return the labels that `predict` tells apart.

        Raises:
            SamplingError: the model has none.
        """
        return texts_of_labels(self.labels, self.vocabulary)
