"""charrnn predict: prints the likeliest replies as a table, as lines or as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from charrnn.commands.tables import fields, fitted, print_lines, print_objects, width_of

if TYPE_CHECKING:
    from charrnn.model.prediction import Reply
    from charrnn.text.prompts import Prompt

Answers: TypeAlias = "Iterable[tuple[Prompt, list[Reply]]]"

_TITLES = ("prompt", "reply", "probability")


class Totals(NamedTuple):
    """What is known of prompts after they were read once."""

    prompts: int
    codes: int
    skipped: int  # characters that the model does not know
    columns: Sequence[str]  # names of the other cells of all rows
    width: int  # of the widest prompt on a terminal


def print_answers(answers: Iterator[Answers], totals: Totals, *, as_json: bool) -> None:
    """Print some prompts after others with their likeliest replies.

    Args:
        answers: some prompts with their replies, at least once.
        totals: of all prompts.
        as_json: print an object for each prompt; otherwise a terminal gets a table, a pipe lines.
    """
    if as_json:
        print_objects(_objects(answers))
    elif sys.stdout.isatty():
        print_lines(_table(answers, totals))
    else:
        print_lines(_lines(answers, totals))


def _objects(answers: Iterable[Answers]) -> Iterator[dict[str, object]]:
    for prompt, replies in chain.from_iterable(answers):
        found: dict[str, object] = {
            "prompt": prompt.text,
            "replies": [{"reply": one.text, "probability": one.probability} for one in replies],
        }
        yield found | ({"columns": prompt.columns} if prompt.columns else {})


def _lines(answers: Iterable[Answers], totals: Totals) -> Iterator[str]:
    """Yield lines with the same fields: those of columns that a row lacks are empty."""
    for prompt, replies in chain.from_iterable(answers):
        others = [prompt.columns.get(name, "") for name in totals.columns]
        for reply in replies:
            yield fields([prompt.text, reply.text, f"{reply.probability:.4f}", *others])


def _table(answers: Iterator[Answers], totals: Totals) -> Iterator[str]:
    """Yield the rows of a table that fits the terminal."""
    left = shutil.get_terminal_size().columns - len(_TITLES[2]) - 4
    first = [*next(answers)]
    widest = width_of([_TITLES[1], *(one.text for _, replies in first for one in replies)])
    reply = min(widest, max(len(_TITLES[1]), left // 2, left - totals.width))
    prompt = max(len(_TITLES[0]), min(totals.width, left - reply))

    def row(*cells: str) -> str:
        return f"{fitted(cells[0], prompt)}  {fitted(cells[1], reply)}  {cells[2]}"

    yield row(*_TITLES)
    for one, replies in chain(first, chain.from_iterable(answers)):
        for found in replies:
            yield row(one.text, found.text, f"{found.probability:>{len(_TITLES[2])}.4f}")
