"""Turn symbols into codes and back.

A symbol is a Unicode code point, or with byte tokens a byte. Its code is its index in the
vocabulary, whose symbols ascend. Records have one more symbol, above all others, for begin and end;
those with prompts have another, for the end of a prompt.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

import numpy as np

from charrnn.errors import Remedy, TextError, counted, plural, shown
from charrnn.kernels import Array

Decoder = Callable[[int], str]

# Possible symbols of a text, from 0. The next one is the end of a record, then that of a prompt.
SYMBOLS = {"char": 0x110000, "byte": 0x100}
OTHERS = 2


class Vocabulary:
    """The distinct symbols of a text, in ascending order.

    Args:
        symbols: (V,) strictly ascending integers.
        tokens: "char" or "byte".
        reverse_prompts: whether a model reads prompts backwards.

    Attributes:
        symbols: (V,) uint32.
        tokens: "char" or "byte".
        reverse_prompts: whether a model reads prompts backwards.
        code_dtype: the type of codes, the same for every text.
        end: the code of the symbol for begin and end of a record; None without records.
        prompt_end: the code of the symbol between prompt and reply; None without prompts.
        size: number of symbols that a text may have: V, without the two above.
        separator: the code after each record, or without records after each line, a newline; V,
            which no symbol has, if there is no newline.
    """

    def __init__(self, symbols: Array, tokens: str, *, reverse_prompts: bool = False) -> None:
        self.symbols = np.asarray(symbols, np.uint32)
        self.tokens = tokens
        self.reverse_prompts = reverse_prompts
        V = len(self.symbols)
        self.code_dtype = code_dtype(V)
        last = int(self.symbols[-1]) if V else 0
        self.size = int(self.symbols.searchsorted(SYMBOLS[tokens]))
        others = self.symbols[self.size :].tolist()
        self.end = self.size if SYMBOLS[tokens] in others else None
        self.prompt_end = V - 1 if SYMBOLS[tokens] + 1 in others else None
        newline = np.flatnonzero(self.symbols == ord("\n"))
        line_end = int(newline[0]) if len(newline) else V
        self.separator = line_end if self.end is None else self.end
        # Code V stands for an unknown symbol; `encode` clips symbols to the last entry.
        self._codes = np.full(last + 2, V, code_dtype(V + 1))  # (last + 2,)
        self._codes[self.symbols] = np.arange(V)

    @classmethod
    def from_pieces(cls, pieces: Iterable[Array], tokens: str) -> Vocabulary:
        """Return the vocabulary of a text, given as pieces of symbols, each (n,) integers."""
        present = np.zeros(SYMBOLS[tokens] + OTHERS, np.bool_)
        for symbols in pieces:
            if not np.take(present, symbols).all():  # reading is several times faster than writing
                present[symbols] = True
        return cls(np.flatnonzero(present), tokens)

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Vocabulary)
            and self.tokens == other.tokens
            and self.reverse_prompts == other.reverse_prompts
            and np.array_equal(self.symbols, other.symbols)
        )

    __hash__ = None  # type: ignore[assignment]

    def symbols_of(self, text: str) -> Array:
        """Return the (n,) symbols of a string: its code points, or its bytes in UTF-8."""
        if self.tokens == "byte":
            return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        return code_points(text)

    def encode(
        self, symbols: Array, where: str, *, skip_unknown: bool = False, first: int = 0
    ) -> Array:
        """Return the codes of symbols.

        Args:
            symbols: (n,) integers.
            where: the source of the symbols, for the error.
            skip_unknown: leave out symbols that are not in the vocabulary.
            first: the position of the first symbol in its source, for the error; of records the
                number of ends before it.

        Returns:
            (m,) `code_dtype`, with m = n, or less if unknown symbols are left out.

        Raises:
            TextError: a symbol is unknown; the error names it and its position.
        """
        V = len(self)
        codes = np.take(self._codes, symbols, mode="clip")  # (n,)
        unknown = codes == V  # (n,)
        if unknown.any():
            if not skip_unknown:
                position = int(np.argmax(unknown))
                place = f"at position {first + position}"
                if self.end is not None:
                    ends = symbols[:position] == SYMBOLS[self.tokens]
                    number = first + np.count_nonzero(ends)  # 0 for a single one without ends
                    record = shown(self._record_at(symbols, position))
                    place = f"in record {number:,}, {record}," if number else f"in {record}"
                raise TextError(
                    f"{where}: {self.name(int(symbols[position]))} {place} is not among the "
                    f"{counted(self.size, self.tokens)} this model knows",
                    Remedy("skip_unknown=True", f"leaves such {plural(self.tokens)} out"),
                )
            codes = codes[~unknown]
        return codes.astype(self.code_dtype, copy=False)

    def unknown(self, symbols: Array) -> Array:
        """Return the symbols, of (n,), that are not in the vocabulary."""
        found: Array = symbols[np.take(self._codes, symbols, mode="clip") == len(self)]
        return found

    def _record_at(self, symbols: Array, position: int) -> str:
        """Return the record, of symbols with ends, in which a position is."""
        ends = np.flatnonzero(symbols == SYMBOLS[self.tokens])
        index = np.searchsorted(ends, position)
        start, stop = np.concatenate([[-1], ends, [len(symbols)]])[index : index + 2]
        return self._text(symbols[start + 1 : stop])

    def as_record(self, codes: Array) -> Array:
        """Return codes (n,) with the symbol for begin and end of a record around them, (n + 2,)."""
        assert self.end is not None
        return np.pad(codes, 1, constant_values=self.end)

    def as_pair(self, prompt: Array, reply: Array) -> Array:
        """Return the codes of a prompt (p,) and a reply (r,) with their symbol between them."""
        assert self.prompt_end is not None
        return np.concatenate([prompt, [self.prompt_end], reply]).astype(self.code_dtype)

    def reading(self, *, reverse_prompts: bool) -> Vocabulary:
        """Return the same symbols for a model that reads prompts in this order."""
        if reverse_prompts == self.reverse_prompts:
            return self
        other = copy(self)
        other.reverse_prompts = reverse_prompts
        return other

    def as_read(self, prompt: Array) -> Array:
        """Return the codes (n,) of a prompt in the order in which a model reads them."""
        return prompt[::-1] if self.reverse_prompts else prompt

    def as_prime(self, codes: Array) -> Array:
        """Return a prime as a model reads it: after a newline, or after a record's begin symbol.

        After a newline the model predicts the start of a line better than from zero states alone. A
        prime that begins with a newline stays unchanged, and so does any prime if the vocabulary
        has no newline.

        Args:
            codes: (n,), the prime, which may be empty.

        Returns:
            (n,) or (n + 1,).

        >>> vocabulary = Vocabulary(code_points("\\nab"), "char")
        >>> vocabulary.decode(vocabulary.as_prime(np.array([1, 2])))
        '\\nab'
        """
        if self.separator == len(self) or self.separator in codes[:1]:
            return codes
        return np.insert(codes.astype(self.code_dtype, copy=False), 0, self.separator)

    def decode(self, codes: Array) -> str:
        """Return the text of (n,) codes; bytes that form no code point become U+FFFD.

        Begin and end of a record have no text, the end of a prompt is shown as a tab.
        """
        if self.end is None:
            return self._text(self.symbols[codes])
        return self._text(self.symbols[codes[codes != self.end]])

    def _text(self, symbols: Array) -> str:
        if self.prompt_end is not None:
            symbols = np.where(symbols > SYMBOLS[self.tokens], ord("\t"), symbols)
        if self.tokens == "byte":
            return symbols.astype(np.uint8).tobytes().decode("utf-8", "replace")
        return symbols.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def decoder(self, before: Array | None = None) -> Decoder:
        """Return a function that decodes one code after another into whole code points.

        For each code it returns the text that the code completes: a character, or with byte tokens
        an empty string until the last byte of a code point.

        Args:
            before: (n,) codes before the first one; a code point that begins there is completed.
        """
        symbols = self.symbols.tolist()
        texts = symbols[: self.size]
        if self.tokens == "char":
            return [*map(chr, texts), "", "\t"].__getitem__
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        pieces = [*(bytes([symbol]) for symbol in texts), b"", b"\t"]
        if before is not None:
            utf8.decode(b"".join(pieces[code] for code in before[-4:].tolist()))
        return lambda code: utf8.decode(pieces[code])

    def decode_after(self, before: Array, codes: Array) -> str:
        """Return the text that `decoder(before)` returns for codes (n,), all at once."""
        if self.tokens == "char":
            return self.decode(codes)
        decode = self.decoder(before)
        return "".join(map(decode, codes.tolist()))

    def name(self, symbol: int) -> str:
        """Return a symbol as messages show it: itself if it is visible, and its number."""
        if symbol == SYMBOLS[self.tokens]:
            return "the end of a record"
        if symbol > SYMBOLS[self.tokens]:
            return "the end of a prompt"
        if self.tokens == "byte":
            return f"byte 0x{symbol:02x}"
        if 0xDC80 <= symbol <= 0xDCFF:  # as Python decodes arguments of a command line
            return f"byte 0x{symbol - 0xDC00:02x}, which is not valid UTF-8,"
        return character_name(chr(symbol))


def character_name(character: str) -> str:
    """Return a character in quotes with its code point, as in 'é' (U+00E9).

    A character that is invisible, or would combine with the quote, is escaped.
    """
    combining = unicodedata.category(character).startswith("M")
    return f"{ascii(character) if combining else repr(character)} (U+{ord(character):04X})"


def code_points(text: str) -> Array:
    """Return the code points of a string as (n,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def code_dtype(V: int) -> np.dtype[Any]:
    """Return the smallest unsigned type that holds V - 1, in the byte order of files."""
    return np.dtype("u1" if V <= 1 << 8 else "<u2" if V <= 1 << 16 else "<u4")
