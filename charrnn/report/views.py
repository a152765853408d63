"""What the model of a run has learned, from `charrnn.inspection`, in the form that a page needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.errors import TextError, counted, plural
from charrnn.inspection.colours import ACTIVATION, NATS, Scale
from charrnn.inspection.features import line_numbers, text_features
from charrnn.inspection.glyphs import token_glyphs
from charrnn.inspection.gradient_flow import StateGradient, gradient_by_lag, loss_positions
from charrnn.inspection.predictions import Prediction, predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import MIN_CHARS, UnitCorrelation, activations, correlated_units
from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.part import encode_split
from charrnn.text.vocabulary import Vocabulary

_READ = 20_000  # characters of the part, at most
_COLOURED = 700  # characters of a coloured text, at most
_LINES = 24  # of a coloured text, at most
_PREDICTED = 48  # characters whose predictions are shown
_LEAD = 256  # characters read before those
_LIKELIEST = 5  # predictions for each character
_SURPRISING = 10  # characters in the table
_UNITS = 2  # units with a coloured text
_LAGS, _LOSSES = 60, 32


class ColouredGlyph(NamedTuple):
    """A character of a text in the colour of its level."""

    glyph: str
    level: int | None  # of a `Scale`; None has no colour
    ends_line: bool


class ExpectedGlyph(NamedTuple):
    """A character that the model expects."""

    glyph: str
    probability: float
    is_actual: bool  # whether it is the next character of the text


class SurprisingGlyph(NamedTuple):
    """A character that surprised the model."""

    line: int
    before: str  # the text before it
    glyph: str
    nats: float


class UnitText(NamedTuple):
    """A text coloured by the activation of a unit."""

    correlation: UnitCorrelation
    text: list[ColouredGlyph]
    largest: float  # activation that the end of the scale stands for


class Views(NamedTuple):
    """All views of one model."""

    part: str  # the part of the text, in words
    predicted: list[tuple[str, list[ExpectedGlyph]]]  # by character, the likeliest next ones
    surprise: list[ColouredGlyph]
    mean_nats: float
    chars: int
    surprising: list[SurprisingGlyph]
    correlated_units: list[UnitCorrelation]
    units: list[UnitText]
    gradients: list[StateGradient]


def inspect_model(checkpoint: Checkpoint) -> Views:
    """Inspect a model on the validation part of its text, or on the training part without one.

    Raises:
        TextError: the text is missing, has changed, or is too short.
    """
    part, codes, start, end = _part(checkpoint)
    model, vocabulary = checkpoint.model(), checkpoint.vocabulary
    spaced, plain = (token_glyphs(vocabulary, spaces=spaces) for spaces in (True, False))
    nats = nats_by_character(model, codes, start, end)
    shown = _excerpt(codes, vocabulary, start, end)
    features = text_features(codes, vocabulary, start, end)
    correlations = []
    if end - start >= MIN_CHARS:
        correlations = correlated_units(model, codes, start, end, features, 1)
    units = []
    for correlation in correlations[:_UNITS]:
        excerpt = _excerpt(codes, vocabulary, start, end, features[correlation.feature])
        values = activations(model, codes, start, end, correlation.unit)
        largest = max(1.0, float(np.abs(np.nan_to_num(values)).max()))
        values = values[excerpt.start - start : excerpt.stop - start] / largest
        text = _coloured(codes[excerpt], values, ACTIVATION, plain)
        units.append(UnitText(correlation, text, largest))
    lines = line_numbers(codes, vocabulary, start, end)
    K = min(_LAGS, end - 1)
    return Views(
        part,
        [_expected(one, spaced) for one in _predictions(model, codes, start, end)],
        _coloured(codes[shown], nats[: shown.stop - start], NATS, plain),
        float(np.nanmean(nats, dtype=np.float64)),
        end - start,
        [
            SurprisingGlyph(
                one.line, "".join(plain[c] for c in one.before), spaced[one.code], one.nats
            )
            for one in most_surprising(codes[start:end], nats, lines, _SURPRISING)
        ],
        correlations,
        units,
        gradient_by_lag(model, codes, loss_positions(start, end, K, _LOSSES), K),
    )


def _part(checkpoint: Checkpoint) -> tuple[str, Array, int, int]:
    """Return a part's name, the whole text, and where the part starts and ends.

    A part has at most 20,000 characters, which take a second or two.
    """
    has_validation = checkpoint.config.data.has_validation
    tokens = checkpoint.vocabulary.tokens
    split, name = ("valid", "validation") if has_validation else ("train", "training")
    part = encode_split(checkpoint.config.data, checkpoint.text_sha256, split, cut=checkpoint.cut)
    codes, start, end = part.codes, part.start, part.end
    if end - start < 2:
        raise TextError(
            f"the {name} part of the text is too short; inspecting a model takes two "
            f"{plural(tokens)}"
        )
    if end - start > _READ:
        end = start + _READ
        return f"the first {counted(_READ, tokens)} of the {name} part", codes, start, end
    return f"the {name} part", codes, start, end


def _predictions(model: Model, codes: Array, start: int, end: int) -> list[Prediction]:
    """Return the predictions at the beginning of a part, after reading the text before it."""
    lead = min(_LEAD, start)
    read = predictions(model, codes[start - lead : min(end, start + _PREDICTED + 1)], _LIKELIEST)
    return read[lead : lead + _PREDICTED]


def _excerpt(
    codes: Array, vocabulary: Vocabulary, start: int, end: int, feature: Array | None = None
) -> slice:
    """Return where to colour a part: its beginning, or where a feature (end - start,) varies most.

    The slice is one of the whole text.
    """
    if feature is not None and end - start > _COLOURED:
        firsts = np.arange(0, end - start - _COLOURED, _COLOURED // 4)
        start += int(firsts[np.argmax([feature[i : i + _COLOURED].std() for i in firsts])])
    part = codes[start : min(end, start + _COLOURED)]
    line_ends = np.flatnonzero((vocabulary.symbols == ord("\n"))[part])[:_LINES]
    length = line_ends[-1] + 1 if len(line_ends) == _LINES else len(part)
    return slice(start, start + int(length))


def _coloured(
    codes: Array, values: Array, scale: Scale, glyphs: Sequence[str]
) -> list[ColouredGlyph]:
    return [
        ColouredGlyph(glyphs[code], scale.level(value), glyphs[code] == "↵")
        for code, value in zip(codes.tolist(), values.tolist(), strict=True)
    ]


def _expected(one: Prediction, glyphs: Sequence[str]) -> tuple[str, list[ExpectedGlyph]]:
    expected = [
        ExpectedGlyph(glyphs[code], p, code == one.actual)
        for code, p in zip(one.likeliest, one.probabilities, strict=True)
    ]
    return glyphs[one.read], expected
