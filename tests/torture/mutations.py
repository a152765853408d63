"""What may happen to a configuration's text, and to its bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

from torture.odd_values import PIECES, SMALL, VALUES

from charrnn.config.schema import all_keys

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))


def _value(text: str, chance: random.Random) -> str:
    """Another value for a key."""
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if ": " in line] or [0]
    i = chance.choice(places)
    lines[i] = f"{lines[i].partition(':')[0]}: {chance.choice(VALUES)}"
    return "\n".join(lines)


def _small(text: str, chance: random.Random) -> str:
    """Another value for a key, which it may well take."""
    lines = text.split("\n")
    i = chance.choice([i for i, line in enumerate(lines) if ": " in line] or [0])
    lines[i] = f"{lines[i].partition(':')[0]}: {chance.choice(SMALL)}"
    return "\n".join(lines)


def _key(text: str, chance: random.Random) -> str:
    """A line more: a key of the program or of nobody, at some depth."""
    lines = text.split("\n")
    name = chance.choice((*all_keys(), "unknown", "data", "model", "train", "<<", "3", "[a]", ""))
    name = chance.choice((name, name.split(".")[-1], name[:-1], name.upper(), name * 50))
    line = " " * chance.choice((0, 2, 2, 2, 4)) + f"{name}: {chance.choice(VALUES)}"
    lines.insert(chance.randint(0, len(lines)), line)
    return "\n".join(lines)


def _section(text: str, chance: random.Random) -> str:
    """A section that is something else."""
    lines = text.split("\n")
    heads = [i for i, line in enumerate(lines) if line.endswith(":")] or [0]
    i = chance.choice(heads)
    lines[i] += f" {chance.choice(VALUES)}"
    return "\n".join(lines)


def _lines(text: str, chance: random.Random) -> str:
    """A line doubled, lost, moved or indented."""
    lines = text.split("\n")
    i, j = (chance.randrange(len(lines)) for _ in range(2))
    how = chance.randrange(5)
    if how == 0:
        lines.insert(j, lines[i])
    elif how == 1:
        del lines[i]
    elif how == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif how == 3:
        lines[i] = chance.choice((" ", "\t", "- ", "   ")) + lines[i]
    else:
        (a, colon, x), (b, other, y) = lines[i].partition(": "), lines[j].partition(": ")
        lines[i], lines[j] = f"{a}{colon}{y}", f"{b}{other}{x}"
    return "\n".join(lines)


def _piece(text: str, chance: random.Random) -> str:
    """A sign somewhere."""
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 50)) + text[at:]


def _part(text: str, chance: random.Random) -> str:
    """A part lost or repeated."""
    start = chance.randint(0, len(text))
    end = min(len(text), start + chance.choice((1, 2, 5, 20, 100)))
    return text[:start] + text[start:end] * chance.choice((0, 0, 2, 3, 100)) + text[end:]


def _whole(text: str, chance: random.Random) -> str:
    """Something before, after, around or instead of it all."""
    value = chance.choice(VALUES)
    return chance.choice(
        (
            LAUGHS + text,
            text + LAUGHS,
            f"{text}\n---\n{text}",
            f"{text}\n{value}",
            f"{value}\n{text}",
            value,
            f"x: &x {{{text.splitlines()[0] if text else ''}}}\n{text}\n<<: *x\n",
            "- " + text,
            text * chance.choice((2, 500)),
            "# " + text,
            text.replace("\n", chance.choice(("\r\n", "\r", "\x85", "\n\n", "\n\t"))),
            text + "\n" + "# x\n" * 80_000,
            text + "\nmore: " + "x" * 300_000,
            "".join(" " * i + "a:\n" for i in range(chance.choice((5, 30, 500)))) + text,
        )
    )


def _flipped(raw: bytes, chance: random.Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(raw or b"x")
    for _ in range(chance.choice((1, 1, 3, 10))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _noise(raw: bytes, chance: random.Random) -> bytes:
    """Bytes of any value put in, or instead of it all."""
    noise = chance.randbytes(chance.choice((1, 4, 100, 3000)))
    at = chance.randint(0, len(raw))
    return chance.choice((raw[:at] + noise + raw[at:], noise))


def _encoded(raw: bytes, chance: random.Random) -> bytes:
    """Another encoding, a byte order mark, an end too early."""
    text = raw.decode("utf-8", "replace")
    at = chance.randint(0, len(raw))
    return chance.choice(
        (
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.encode("utf-32"),
            b"\xef\xbb\xbf" + raw,
            b"\xef\xbb\xbf" * 2 + raw,
            raw[:at] + b"\xef\xbb\xbf" + raw[at:],
            raw[:at],
            raw[:at] + b"\0" + raw[at:],
            raw[:at] + b"\xed\xa0\x80" + raw[at:],
            raw[:at] + b"\xff" + raw[at:],
            text.encode("cp037", "replace"),
        )
    )


OF_TEXT: tuple[Callable[[str, random.Random], str], ...] = (
    *(
        _value,
        _value,
        _value,
        _small,
        _small,
        _small,
        _key,
        _key,
        _section,
        _lines,
        _lines,
        _piece,
        _part,
        _whole,
    ),
)
OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _flipped,
    _noise,
    _encoded,
)
