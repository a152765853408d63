"""Recognise prompts and replies from which a model cannot learn what their owner expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import counted, shown
from charrnn.kernels import Array
from charrnn.text.labels import LEAST_OF_LABEL, MOST_LABELS
from charrnn.text.rows import as_string, text_of
from charrnn.text.vocabulary import Vocabulary

_FEW = 50  # records, whose replies a model memorises
_REPEATED = 1.5  # records of a reply on average; some replies are meant as labels then
_END, _PROMPT_END = "\ud800", "\ud801"  # no text has these characters


def remark_on_pairs(codes: Array, vocabulary: Vocabulary, config: DataConfig, *, cut: bool) -> str:
    """Return a remark on records with a prompt and a reply, or "".

    Args:
        codes: (n,), the beginning of the encoded records.
        vocabulary: of the records.
        config: how they were read.
        cut: whether there are more. These may be in the order of their labels, so that the
            beginning does not say how many labels there are.
    """
    symbols = vocabulary.symbols[codes].astype(np.uint32)
    symbols[codes == vocabulary.end] = ord(_END)
    symbols[codes == vocabulary.prompt_end] = ord(_PROMPT_END)
    records = [one.partition(_PROMPT_END) for one in as_string(symbols).split(_END)[1:-1]]
    prompts = [text_of(prompt, config) for prompt, _, _ in records]
    replies = [text_of(reply, config) for _, _, reply in records]
    if not records:  # the first one is long
        return ""
    found = "" if cut else _constant("prompt", prompts) or _constant("reply", replies)
    found = found or _blanks(prompts, replies, config.prompt_separator)
    found = found or _alike("prompts", prompts) or _alike("replies", replies)
    return found or ("" if cut else _few(replies))


def _constant(side: str, texts: Sequence[str]) -> str:
    if len({*texts}) != 1 or len(texts) < 2:
        return ""
    return (
        f"every {side} is {shown(texts[0])}, so there is nothing to learn about replies from "
        f"their prompts; a {side} must differ between records"
    )


def _blanks(prompts: Sequence[str], replies: Sequence[str], separator: str | None) -> str:
    """Recognise a separator that has lost its blanks, as YAML reads it without quotes."""
    before = all(prompt.endswith(" ") for prompt in prompts)
    after = all(reply.startswith(" ") for reply in replies)
    if separator is None or not (before or after):
        return ""
    sides = [*["prompt ends"] * before, *["reply begins"] * after]
    whole = f"{' ' * before}{separator}{' ' * after}"
    return (
        f"every {' and every '.join(sides)} with a blank; data.prompt_separator: {whole!r}, in "
        "quotes, leaves it out"
    )


def _alike(side: str, texts: Sequence[str]) -> str:
    """Recognise labels that differ by capitals or by blanks alone."""
    counts = Counter(texts)
    if len(counts) > min(MOST_LABELS, len(texts) / LEAST_OF_LABEL):
        return ""
    known: dict[str, str] = {}
    for text, _ in counts.most_common():
        other = known.setdefault(" ".join(text.split()).casefold(), text)
        if other != text:
            return (
                f"the {side} {shown(other)} ({counted(counts[other], 'record')}) and {shown(text)} "
                f"({counts[text]:,}) are two labels; write them alike if they mean the same"
            )
    return ""


def _few(replies: Sequence[str]) -> str:
    """Recognise records too few to learn from, or labels with too few records each."""
    n, distinct = len(replies), len({*replies})
    if n < _FEW:
        return (
            f"{counted(n, 'record')} with a prompt are few: the model memorises their replies, "
            "and answers other prompts at random; hundreds are better"
        )
    each = n / distinct
    if distinct <= MOST_LABELS and _REPEATED <= each < LEAST_OF_LABEL:
        return (
            f"{counted(n, 'record')} have {distinct:,} different replies, {each:.2g} of them for "
            f"each; if these are labels, they need at least {LEAST_OF_LABEL} on average, for "
            "charrnn predict and eval to choose among them"
        )
    return ""
