"""charrnn predict: prints the likeliest replies as a table, as lines or as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from charrnn.commands.tables import fields, fitted, print_lines, print_objects, width_of
from charrnn.errors import counted

if TYPE_CHECKING:
    from charrnn.model.prediction import Reply
    from charrnn.text.prompts import Prompt
    from charrnn.text.vocabulary import Vocabulary

Answers: TypeAlias = "Iterable[tuple[Prompt, list[Reply]]]"

_TITLES = ("prompt", "reply", "probability")
_MOST_NAMED = 6  # symbols in a note


class Totals(NamedTuple):
    """What is known of prompts after they were read once."""

    prompts: int
    codes: int
    columns: Sequence[str]  # names of the other cells of all rows
    width: int  # of the widest prompt on a terminal


class LeftOut:
    """What is left out of prompts, as the model does not know it.

    Args:
        vocabulary: of the model.
        unit: what a message calls a prompt, before its number.
        refuse_nothing_left: whether a prompt of unknown symbols alone is refused.
    """

    def __init__(self, vocabulary: Vocabulary, unit: str, *, refuse_nothing_left: bool) -> None:
        self._vocabulary, self._unit = vocabulary, unit
        self._refuse_nothing_left = refuse_nothing_left
        self._first = self._prompts = self._count = 0
        self._symbols: dict[int, None] = {}  # in the order of their appearance

    def add(self, prompt: Prompt) -> None:
        """Count what was left out of a prompt.

        Raises:
            TextError: nothing is left of it.
        """
        if not len(prompt.unknown):
            return
        if self._refuse_nothing_left and not len(prompt.codes):
            self._vocabulary.encode(prompt.unknown, f"{self._unit} {prompt.line}")
        self._first = self._first or prompt.line
        self._prompts += 1
        self._count += len(prompt.unknown)
        if len(self._symbols) <= _MOST_NAMED:
            self._symbols |= dict.fromkeys(prompt.unknown.tolist())

    def note(self) -> str:
        """Return in words what was left out of all prompts, or ""."""
        if not self._prompts:
            return ""
        one = self._prompts == 1
        where = f"{self._unit} {self._first}" if one else counted(self._prompts, "prompt")
        names = [self._vocabulary.name(one).rstrip(",") for one in self._symbols]
        named = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        count = counted(self._count, self._vocabulary.tokens)
        return f"{where}: left out {count} that the model does not know: {named}"


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
