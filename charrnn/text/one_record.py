"""Checks that a text which somebody gives as a record, or as its beginning, can be one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text.record_reader import RecordFile, with_ends
from charrnn.text.vocabulary import Vocabulary

_VISIBLE = ord("x")


def check_record(
    codes: Array, vocabulary: Vocabulary, config: DataConfig, where: str, *, begins: bool = False
) -> None:
    """Check that a file which has just this text has it as one record.

    Only blocks are checked: the vocabulary of lines has no newline, and a cell of a table may hold
    any text.

    Args:
        codes: (n,), the text; of records with prompts, a prompt or a reply.
        vocabulary: of the codes.
        config: how the model's text was read.
        where: the name of the text in the error.
        begins: whether the text is the beginning of a record, which may end within a blank line.

    Raises:
        TextError: the text has a blank line.
    """
    if config.records != "paragraph":
        return
    symbols = np.append(vocabulary.symbols[codes], [_VISIBLE] * begins).astype(np.uint32)
    side = replace(config, label_from=None, prompt_separator=None)  # without the other one
    read = np.concatenate([*with_ends([RecordFile("", [symbols])], side)])
    if not np.array_equal(read[1:-1], symbols):
        at_end = "" if begins else " and no newline at its end"
        raise TextError(
            f"{where}: has a blank line, which would end the record; a record of this model "
            f"(data.records: paragraph) has none{at_end}"
        )
