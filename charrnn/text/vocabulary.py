"""Characters to codes and back.

A symbol is a Unicode code point, or with byte tokens a byte. A code is the symbol's place in the
vocabulary, which is in ascending order.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np

from charrnn.errors import Remedy, TextError
from charrnn.kernels import Array

Decoder = Callable[[int], str]

SYMBOLS = {"char": 0x110000, "byte": 0x100}  # a symbol is less


class Vocabulary:
    """The symbols of a text, in ascending order.

    Args:
        symbols: strictly ascending integers.
        tokens: "char" or "byte".
    """

    def __init__(self, symbols: Array, tokens: str) -> None:
        self.symbols = np.asarray(symbols, np.uint32)  # (V,)
        self.tokens = tokens
        last = int(self.symbols[-1]) if len(self.symbols) else 0
        # Code V stands for 'not in the vocabulary'; what is beyond the table is sent to its end.
        self._codes = np.full(last + 2, len(self.symbols), smallest_dtype(len(self.symbols)))
        self._codes[self.symbols] = np.arange(len(self.symbols))

    @classmethod
    def of(cls, symbols: Array, tokens: str) -> Vocabulary:
        """Return the vocabulary of a text's symbols."""
        return cls.of_pieces([symbols], tokens)

    @classmethod
    def of_pieces(cls, pieces: Iterable[Array], tokens: str) -> Vocabulary:
        """Return the vocabulary of a text whose symbols come in pieces."""
        present = np.zeros(SYMBOLS[tokens], np.bool_)
        for symbols in pieces:
            if not np.take(present, symbols).all():  # reading is several times faster
                present[symbols] = True
        return cls(np.flatnonzero(present), tokens)

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Vocabulary)
            and self.tokens == other.tokens
            and np.array_equal(self.symbols, other.symbols)
        )

    __hash__ = None  # type: ignore[assignment]

    def symbols_of(self, text: str) -> Array:
        """Return the symbols of a string: its code points, or the bytes of its UTF-8 form."""
        if self.tokens == "byte":
            return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        return code_points(text)

    def encode(
        self, symbols: Array, where: str, *, skip_unknown: bool = False, first: int = 0
    ) -> Array:
        """Return the codes of symbols, in the smallest unsigned type that holds them.

        Args:
            symbols: (n,) integers.
            where: what the symbols are, for the error.
            skip_unknown: leave symbols out that are not in the vocabulary.
            first: the position of the first one, for the error.

        Raises:
            TextError: naming the first unknown symbol and its position.
        """
        V = len(self)
        codes: Array = np.take(self._codes, symbols, mode="clip")  # (n,)
        unknown = codes == V  # (n,)
        if not unknown.any():
            return codes.astype(smallest_dtype(V - 1), copy=False)
        if skip_unknown:
            known: Array = codes[~unknown]
            return known
        position = int(np.argmax(unknown))
        raise TextError(
            f"{where}: {self.name(int(symbols[position]))} at position {first + position} is not "
            f"among the {V} characters this model knows",
            Remedy("skip_unknown=True", "leaves such characters out"),
        )

    def decode(self, codes: Array) -> str:
        """Return the text of codes; bytes that form no code point become U+FFFD."""
        symbols = self.symbols[codes]
        if self.tokens == "byte":
            return symbols.astype(np.uint8).tobytes().decode("utf-8", "replace")
        return symbols.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def decoder(self) -> Decoder:
        """Return a function that takes one code after another and gives whole code points.

        What it gives for a code is the text that the code completes: a character, or with byte
        tokens nothing until a code point's last byte.
        """
        symbols = self.symbols.tolist()
        if self.tokens == "char":
            return [chr(symbol) for symbol in symbols].__getitem__
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        pieces = [bytes([symbol]) for symbol in symbols]
        return lambda code: utf8.decode(pieces[code])

    def name(self, symbol: int) -> str:
        """Return how a message shows a symbol: itself where it can be seen, and its number."""
        if self.tokens == "byte":
            return f"byte 0x{symbol:02x}"
        return character_name(chr(symbol))


def character_name(character: str) -> str:
    """Return a character in quotes with its code point, as in 'é' (U+00E9).

    What cannot be seen, or would join the quote, is escaped.
    """
    combining = unicodedata.category(character).startswith("M")
    return f"{ascii(character) if combining else repr(character)} (U+{ord(character):04X})"


def code_points(text: str) -> Array:
    """Return the code points of a string as (n,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def smallest_dtype(largest: int) -> type[np.unsignedinteger]:
    """Return the smallest unsigned type that holds the number."""
    if largest <= 0xFF:
        return np.uint8
    return np.uint16 if largest <= 0xFFFF else np.uint32
