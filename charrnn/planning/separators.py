"""Find what divides each line of a text into a prompt and a reply: an arrow, a bar, a colon."""

from __future__ import annotations

from typing import NamedTuple

from charrnn.config.schema import DataConfig
from charrnn.planning.column import TableColumn
from charrnn.text.files import find_files
from charrnn.text.lines import beginning
from charrnn.text.remarks import as_text
from charrnn.text.rows import is_blank
from charrnn.text.shape import READ

_ARROWS = (" => ", " -> ", " → ", " ||| ", " | ", "=>", "->", "→")  # rare in running text
_COMMON = (": ", " ; ", "; ")  # these divide lines only if one side is a label
_LEAST_LINES, _LEAST_COMMON = 8, 20
_MOST = 0.95  # share of lines that have it exactly once
_SPEAKERS = frozenset(("user", "assistant", "system", "human", "bot", "ai", "me", "you", "q", "a"))


class Separator(NamedTuple):
    """What divides lines into two sides."""

    text: str
    lines: int  # that were looked at
    without: tuple[int, ...]  # numbers of lines that lack it
    prompt: TableColumn
    reply: TableColumn

    @property
    def is_said(self) -> bool:
        """Whether the lines may be those of a conversation or a log: NAME: text."""
        names = self.prompt.values
        named = any(name != name.lower() or name in _SPEAKERS for name in names)
        return self.text == ": " and self.prompt.is_label and named


def find_separator(data: DataConfig) -> Separator | None:
    """Return what divides nearly all lines at the beginning of a text; None if nothing does.

    Args:
        data: where the text is, and how it is read; data.records is not looked at.

    Raises:
        TextError: the beginning of the text cannot be read.
    """
    all_lines = _first_lines(data)
    lines = [(number, line) for number, line in all_lines if not is_blank(line)]
    in_blocks = len(all_lines) - len(lines) > (1 - _MOST) * len(all_lines)  # with fields: a colon
    for text in (*_ARROWS, *_COMMON):
        common = text in _COMMON
        if len(lines) < (_LEAST_COMMON if common else _LEAST_LINES) or (common and in_blocks):
            return None
        if sum(line.count(text) == 1 for _, line in lines) < _MOST * len(lines):
            continue
        prompt, reply, without = TableColumn(0), TableColumn(1), list[int]()
        for number, line in lines:
            before, found, after = line.partition(text)
            if found:
                prompt.add(before)
                reply.add(after)
            else:
                without.append(number)
        if prompt.blank or reply.blank:
            continue
        if not common or (not without and (prompt.is_label or reply.is_label)):
            return Separator(text, len(lines), tuple(without), prompt, reply)
    return None


def _first_lines(data: DataConfig) -> list[tuple[int, str]]:
    """Return the whole lines at the beginning of a text, with their numbers."""
    symbols = beginning(find_files(data.path), data)
    lines = as_text(symbols[:READ], data).split("\n")
    if len(symbols) > READ:
        del lines[-1]
    return [(number, line.rstrip("\r")) for number, line in enumerate(lines, 1)]
