"""What a finished model writes: texts or records at two temperatures, or replies to prompts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.errors import plural
from charrnn.inspection.copies import SEARCHES, longest_copies
from charrnn.model.language_model import LanguageModel
from charrnn.system.progress import progress
from charrnn.text.corpus import Corpus
from charrnn.text.known import KnownRecords
from charrnn.text.part import part_of
from charrnn.text.records import RecordCorpus

_TEMPERATURES = (0.6, 1.0)
_CHARS = 1000  # of a text
_RECORDS = 16  # at each temperature
_LABELS = 6  # for which records are written, at most
_OF_A_LABEL = 3  # records for each
_PROMPTS = 12  # that are answered
_COPIES = 6  # stretches
_SEED = 1


class Line(NamedTuple):
    """A text, a record, or a reply."""

    text: str
    before: str = ""  # the prompt
    note: str = ""


class Written(NamedTuple):
    """What a model has written in one way."""

    heading: str
    lines: list[Line]


def write(model: LanguageModel, corpus: Corpus | None) -> list[Written]:
    """Return what a model writes; nothing for a model that only tells labels.

    Args:
        model: the finished model.
        corpus: its own text; None if it is gone.

    Raises:
        CharRNNError: a prompt of the text cannot be given as a string, as bytes may.
    """
    vocabulary = model.vocabulary
    if model.labels.replies:
        return []
    if vocabulary.prompt_end is not None and not model.labels.prompts:
        return [] if corpus is None else _replies(model, corpus)
    if vocabulary.end is None:
        return [
            Written(
                f"temperature {one:g}",
                [Line(model.sample(length=_CHARS, temperature=one, seed=_SEED))],
            )
            for one in _TEMPERATURES
        ]
    prompts: list[str | None] = [None]
    if vocabulary.prompt_end is not None:
        prompts = [vocabulary.decode(codes) for codes in model.labels.prompts[:_LABELS]]
    known = None if corpus is None else KnownRecords(corpus)
    of = "" if model.scale is None else ", with the mean of each feature"
    return [
        Written(
            f"temperature {one:g}{of}",
            [line for prompt in prompts for line in _records(model, known, prompt, one)],
        )
        for one in _TEMPERATURES
    ]


def _records(
    model: LanguageModel, known: KnownRecords | None, prompt: str | None, temperature: float
) -> list[Line]:
    """Return records that a model writes for a prompt, with a note on each that it has copied."""
    n = _RECORDS if prompt is None else _OF_A_LABEL
    sampler = model.record_sampler(
        n,
        length=_length(model),
        prompt=prompt,
        features=None if model.scale is None else model.scale.mean,
        seed=_SEED,
        temperature=temperature,
    )
    selection = model.selection(n, sampler, keep_cut=True)
    texts = [record.text for record in selection.of(sampler.attempts())]
    found = [False] * n if known is None else known.have(texts, sampler.prompt)
    return [
        Line(text, prompt or "", "in the data" if is_known else "")
        for text, is_known in zip(texts, found, strict=True)
    ]


class CopiedStretch(NamedTuple):
    """A stretch that a model has written and the training text has, too."""

    text: str
    number: int  # of its line or record in the text, from 1


def longest_copied(
    model: LanguageModel, corpus: Corpus, written: list[Written]
) -> list[CopiedStretch]:
    """Return the longest stretches that samples share with the training part.

    Nothing for a model of prompts, whose records are not written whole.
    """
    vocabulary = model.vocabulary
    if vocabulary.prompt_end is not None:
        return []
    reading = part_of(corpus, model.config.data, "train").reading()
    found = dict[str, CopiedStretch]()
    searched = len(written) * SEARCHES * len(reading.part)
    with progress(searched, plural(vocabulary.tokens), "searching for copies") as advance:
        for one in written:
            pieces = [
                model.encoder.text(line.text, "text", skip_unknown=True) for line in one.lines
            ]
            if vocabulary.end is not None:
                pieces = [np.append(codes, vocabulary.end) for codes in pieces]
            sample = np.concatenate(pieces)
            for copy in longest_copies(sample, reading, _COPIES, advance):
                text = vocabulary.decode(sample[copy.start : copy.end])
                found.setdefault(text, CopiedStretch(text, copy.number))
    return sorted(found.values(), key=lambda stretch: -len(stretch.text))[:_COPIES]


def _length(model: LanguageModel) -> int:
    """Return the length of a record or a reply, at most."""
    return min(model.default_length, _CHARS)


def _replies(model: LanguageModel, corpus: Corpus) -> list[Written]:
    """Return the likeliest replies to prompts, with a note on those that are wrong."""
    assert isinstance(corpus, RecordCorpus)
    split = "validation" if model.config.data.has_validation else "training"
    start, end = corpus.split("valid" if split == "validation" else "train")
    ranks = start + corpus.starts[start:end].argsort()[:_PROMPTS]
    vocabulary = model.vocabulary
    prompts = [
        vocabulary.decode(vocabulary.as_read(codes[1:-1])) for codes in corpus.prompt_codes(ranks)
    ]
    replies = [vocabulary.decode(codes) for codes in corpus.reply_codes(ranks)]
    features = corpus.features_of(ranks)
    if features is not None and model.scale is not None:
        features = features * model.scale.std + model.scale.mean
    found = model.predict(prompts, features=features, length=_length(model))
    lines = []
    for prompt, right, (reply, *_) in zip(prompts, replies, found, strict=True):
        note = "" if reply.text == right else f"right: {_cut(right)}"
        lines.append(Line(reply.text, _cut(prompt), note))
    return [Written(f"likeliest replies to prompts of the {split} part", lines)]


def _cut(text: str) -> str:
    """Return as much of a prompt or a reply as a model may write."""
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}…"
