"""Tell a list of short lines, and blocks between blank lines, from running text.

Running text that is cut into records loses what a line has to do with the next one. A list that is
read as one text loses less. So a text is one text unless it differs in several ways from prose,
verse, plays, conversations, logs, tables and programs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median_low as median
from typing import NamedTuple

from charrnn.errors import counted, shown

READ = 1 << 20  # symbols at the start of a text that are looked at

_LEAST_LINES, _LEAST_BLOCKS = 50, 20
_LEAST_DOUBTED = 20  # lines that may be a list
_RARE, _SOME, _MOST = 0.02, 0.1, 0.9  # shares of lines
_IN_MOST_BLOCKS = 0.8  # share of blocks

# A list of words (names, molecules, addresses on the web) or of phrases (titles, places).
_LONGEST_WORD, _LONGEST_PHRASE = 120, 40  # characters of the median line
_MOST_WORDS = 6  # of the median phrase, and of the title of a block
_TITLES = 0.7  # share of the long words of phrases, the first ones aside, with a capital
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_LONGEST_UNSPACED = 4  # characters of the median line in a script without spaces
_WRAPPED = 40  # characters; longer lines of one length are a text with line ends put in

_STOPS = tuple(".,;:!?…—–\"'”’»)。，、；：！？")  # noqa: RUF001
_STOPS_OF_WORDS = tuple(".,;:。，、；：")  # noqa: RUF001 - passwords end in others
_NUMBERS = re.compile(r"[-+]?[\d.,]*\d([eE][-+]?\d+)?%?(\s+[-+]?[\d.,]*\d([eE][-+]?\d+)?%?)*\s*")
_DATE = re.compile(r"\d+[-/.:]\d+[-/.:]\d+")
_TIME = re.compile(r"\W?\d{1,4}[-/:.]\d{1,2}\S*\s.*[^\W\d_]{2}")  # and words after it
_BRACKETED = re.compile(r"[\[<(][^\s\])>]")
_SPEAKER = re.compile(r"[^\s:>]+(?: [^\s:>]+)?\s?[:>]\s+(?=\S)")
_PAIR = re.compile(r"[^,;\t|]+[,;\t|][^\s,;\t|][^,;\t|]*")
_MARKS = frozenset("#<>@;%")

_FIELD = re.compile(r"([^\W\d_][\w .-]{0,24}?)\s?[:=]")
_DATA = re.compile(r"(?=.*\d)(?:[\d{\[(]|(?!.*[^\W\d_]{3}))")  # begins with a number, or no words


class Shape(NamedTuple):
    """What a text consists of, if it is not running text, or perhaps is not."""

    records: str | None  # "line" or "paragraph", a value of data.records; None: perhaps lines
    reason: str  # in words and numbers


def shape_of(text: str, *, cut: bool = False) -> Shape | None:
    """Return whether a text is, or may be, a list, or consists of blocks; None for running text.

    Args:
        text: its first READ characters are looked at; lines end in LF or CR LF.
        cut: whether it is the beginning of a longer one, so that its last line may not be whole.

    >>> shape_of("".join(f"name{n}\\n" for n in range(100))).reason
    '100 lines with a median of 6 characters: a list'
    """
    cut = cut or len(text) > READ
    lines = [line.rstrip() for line in text[:READ].split("\n")]
    if cut:
        lines = lines[:-1]
    if not any(lines) or "\0" in text[:READ]:
        return None
    filled = [line for line in lines if line]
    if _share(line[0] in "<." for line in filled) > _SOME:  # tags, speakers, requests of troff
        return None
    lines_read = len(lines) - (not cut and not lines[-1])  # of all lines, blank ones too
    while not lines[-1]:
        lines.pop()
    the = "its first " if cut else ""
    doubts, lines_in_all = _doubts(lines), counted(len(filled), "line")
    is_list = len(doubts) <= 1 and _is_list(filled)
    if is_list and not doubts:
        length = counted(median(map(len, filled)), "character")
        return Shape("line", f"{the}{lines_in_all} with a median of {length}: a list")
    blocks = _blocks(lines)[: -1 if cut else None]
    if found := _common_form(blocks):
        length, number = counted(median(map(len, blocks)), "line"), counted(len(blocks), "block")
        return Shape(
            "paragraph",
            f"{the}{number} between blank lines with a median of {length}, {found}",
        )
    if is_list and len(filled) >= _LEAST_DOUBTED:
        return Shape(None, f"{the}{counted(lines_read, 'line')} may be a list, but {doubts[0]}")
    return None


def _doubts(lines: Sequence[str]) -> list[str]:
    """Return in words why lines may be no list although each looks like an item of one."""
    counts = Counter(lines)
    blank = counts.pop("", 0)
    n, (line, equal) = counts.total(), counts.most_common(1)[0]
    doubts = {
        "they are few": n < _LEAST_LINES,
        f"{equal:,} of them are {shown(line)}": equal > max(3, _RARE * n),  # or words of a text
        f"{counted(blank, 'blank line')} stand between them": blank > _RARE * len(lines) / 2,
    }
    return [doubt for doubt, applies in doubts.items() if applies]


def _is_list(lines: Sequence[str]) -> bool:
    """Return whether lines, none of them blank, look like the items of a list."""
    n, lengths = len(lines), sorted(map(len, lines))
    if sum(lengths) > 5 * n * max(4, lengths[n // 4]):
        return False  # lines of two kinds, short and long
    starts = Counter(line[0] for line in lines)
    numbers = _share(map(_NUMBERS.fullmatch, lines)) - _share(map(_DATE.match, lines))
    if (
        sum(starts[space] for space in " \t") > _RARE * n  # a program, verse
        or any(_RARE < starts[mark] / n < 1 - _RARE for mark in _MARKS)  # comments, headers
        or numbers > _SOME  # a series
        or _share(map(_PAIR.fullmatch, lines)) > _MOST  # a table of two columns
    ):
        return False
    words = [line.split() for line in lines]
    if _share(len(row) == 1 for row in words) >= _MOST:
        return _are_words(lines, lengths)
    return _are_phrases(lines, lengths, words)


def _are_words(lines: Sequence[str], lengths: Sequence[int]) -> bool:
    """Return whether lines, nearly all of them without a space, are the words of a list."""
    unspaced = _share(map(_UNSPACED.search, lines)) > _SOME
    wrapped = lengths[-1] >= _WRAPPED and lengths.count(lengths[-1]) > len(lines) / 2
    return (
        lengths[len(lines) // 2] <= (_LONGEST_UNSPACED if unspaced else _LONGEST_WORD)
        and not wrapped
        and _share(line.endswith(_STOPS_OF_WORDS) for line in lines) <= _SOME
    )


def _are_phrases(
    lines: Sequence[str], lengths: Sequence[int], words: Sequence[Sequence[str]]
) -> bool:
    """Return whether lines of several words are the phrases of a list: no sentences, no verse."""
    n, middle, count = len(lines), lengths[len(lines) // 2], median(map(len, words))
    wrapped = middle >= 0.75 * _LONGEST_PHRASE and middle > 0.85 * lengths[int(0.99 * n)]
    if (
        middle > _LONGEST_PHRASE
        or count > _MOST_WORDS
        or wrapped
        or _share(line.endswith(_STOPS) for line in lines) > _SOME / 2
        or _share(map(_TIME.match, lines)) > _SOME  # a log, a conversation
        or _share(map(_BRACKETED.match, lines)) > _SOME
    ):
        return False
    said = sorted(len(line[m.end() :].split()) for line in lines if (m := _SPEAKER.match(line)))
    if len(said) > 0.5 * n and said[len(said) * 3 // 4] >= 3:
        return False  # a conversation
    firsts = [next(filter(str.isalnum, line), "") for line in lines]
    lower = _share(map(str.islower, firsts))
    if count <= 2:
        return lower <= _SOME or lower >= _MOST  # in between: sentences over several lines
    # Lines of three words and more may be verse, unless they are written like titles.
    long_words = [word for row in words for word in row[1:] if len(word) > 4]
    titles = _share(word[0].isupper() or word[0].isdigit() for word in long_words)
    return lower <= _SOME and titles >= _TITLES


def _blocks(lines: Iterable[str]) -> list[list[str]]:
    """Return the lines of each block between blank lines."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return blocks if blocks[-1] else blocks[:-1]


def _common_form(blocks: Sequence[Sequence[str]]) -> str:
    """Return in words what nearly all blocks have, as the paragraphs of a text have not, or ""."""
    n = len(blocks)
    if n < _LEAST_BLOCKS or _share(len(block) > 1 for block in blocks) < _IN_MOST_BLOCKS:
        return ""
    fields: Counter[str] = Counter()  # blocks in which a field occurs once; a speaker comes again
    for block in blocks:
        names = Counter(found.group(1) for line in block if (found := _FIELD.match(line)))
        fields.update(name for name, count in names.items() if count == 1)
    common = [name for name, count in fields.items() if count >= _IN_MOST_BLOCKS * n]
    if len(common) > 1:
        shown = ", ".join(common[:3]) + (", ..." if len(common) > 3 else "")
        return f"most of them with the fields {shown}"
    for mark in ">@":
        marked = _share(
            [line.startswith(mark) for line in block] == [True, *[False] * (len(block) - 1)]
            for block in blocks
        )
        if marked >= _MOST:
            return f"most of them with a first line that begins with {mark}"
    titles = [block[0] for block in blocks if _is_title(block[0])]
    if (
        len(titles) >= _MOST * n
        and len(set(titles)) >= _IN_MOST_BLOCKS * n  # speakers of a play come again
        and _share(any(map(_DATA.match, block[1:])) for block in blocks) >= _IN_MOST_BLOCKS
        and _share(line[0].isspace() for block in blocks for line in block) <= _SOME
    ):
        return "most of them with a title and a line of figures"
    return ""


def _is_title(line: str) -> bool:
    return line[0].isalpha() and len(line.split()) <= _MOST_WORDS and not line.endswith(_STOPS)


def _share(flags: Iterable[object]) -> float:
    """Return the share of true values; 0 of none."""
    values = [bool(flag) for flag in flags]
    return sum(values) / max(1, len(values))
