"""What a run's model has learned, as a page shows it: the views of `charrnn.inspection`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import TextError
from charrnn.inspection.features import line_numbers, text_features
from charrnn.inspection.glyphs import glyphs
from charrnn.inspection.gradient_flow import gradient_by_lag, loss_positions
from charrnn.inspection.predictions import Prediction, predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import ENOUGH, UnitCorrelation, activations, correlated_units
from charrnn.kernels import Array
from charrnn.model.model import Model
from charrnn.report.charts import Curve
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.part import encode_split
from charrnn.text.vocabulary import Vocabulary

_READ = 20_000  # characters, of a longer part
_SHOWN = 700  # characters in colours
_LINES = 24  # that the characters in colours have, at most
_PREDICTED = 48  # characters whose predictions are shown
_LEAD = 256  # characters read before them
_EXPECTED = 5  # of the likeliest
_SURPRISING = 10
_UNITS = 2  # that are shown along the text
_LAGS, _LOSSES = 60, 32
_BEFORE = 30  # characters before a surprising one
_LEVELS_NATS = (1, 2, 3, 4, 6)
_LEVELS_ACTIVATION = (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75)


class Sign(NamedTuple):
    """A character of a text, with the level of its number; a line ends after it or not."""

    sign: str
    level: int | None
    ends: bool


class Surprise(NamedTuple):
    """A character that was surprising."""

    line: int
    before: str
    sign: str
    nats: float


class UnitView(NamedTuple):
    """A unit along the text."""

    correlation: UnitCorrelation
    signs: list[Sign]
    scale: float  # that activation 1 stands for


class Views(NamedTuple):
    """All of them, of one model."""

    part: str  # which part of the text it is
    predicted: list[tuple[str, str | None, int | None, list[tuple[str, float, bool]]]]
    surprise: list[Sign]
    mean_nats: float
    chars: int
    surprising: list[Surprise]
    correlated_units: list[UnitCorrelation]
    units: list[UnitView]
    curves: list[Curve]


def views_of(checkpoint: Checkpoint) -> Views:
    """Look at a model, on the validation part of its text, or the training part without one.

    Raises:
        TextError: the text is not there any more, or is another.
    """
    part, codes, start, end = _part(checkpoint)
    model, vocabulary = checkpoint.model(), checkpoint.vocabulary
    spaced, plain = glyphs(vocabulary, spaces=True), glyphs(vocabulary, spaces=False)
    nats = nats_by_character(model, codes, start, end)
    shown = _excerpt(codes, vocabulary, start, end)
    features = text_features(codes, vocabulary, start, end)
    found = []
    if end - start >= ENOUGH:
        found = correlated_units(model, codes, start, end, features, 1)
    units = []
    for correlation in found[:_UNITS]:
        of_unit = _excerpt(codes, vocabulary, start, end, features[correlation.feature])
        values = activations(model, codes, start, end, correlation.unit)
        scale = max(1.0, float(np.abs(np.nan_to_num(values)).max()))
        values /= scale
        levels = _levels(values[of_unit.start - start : of_unit.stop - start], _LEVELS_ACTIVATION)
        units.append(UnitView(correlation, _signs(codes[of_unit], levels, plain), scale))
    lines = line_numbers(codes, vocabulary, start, end)
    return Views(
        part,
        [_predicted(one, spaced) for one in _predictions(model, codes, start, end)],
        _signs(codes[shown], _levels(nats[: shown.stop - start], _LEVELS_NATS), plain),
        float(np.nanmean(nats, dtype=np.float64)),
        end - start,
        [
            Surprise(
                p.line,
                "".join(
                    plain[c] for c in codes[max(start, start + p.place - _BEFORE) : start + p.place]
                ),
                spaced[codes[start + p.place]],
                p.nats,
            )
            for p in most_surprising(nats, lines, _SURPRISING)
        ],
        found,
        units,
        _curves(checkpoint, codes, start, end),
    )


def _part(checkpoint: Checkpoint) -> tuple[str, Array, int, int]:
    """The part that is looked at, cut to what is read of it in a second or two."""
    part = "valid" if checkpoint.config.data.valid_fraction else "train"
    codes, start, end = encode_split(checkpoint.config.data, checkpoint.text_sha256, part)
    if end - start < 2:
        raise TextError("the text is too short to look at the model with it")
    name = {"valid": "validation", "train": "training"}[part]
    if end - start > _READ:
        end = start + _READ
        return f"the first {_READ:,} characters of the {name} part", codes, start, end
    return f"the {name} part", codes, start, end


def _predictions(model: Model, codes: Array, start: int, end: int) -> list[Prediction]:
    """What is expected at the beginning of a part, after reading what stands before it."""
    lead = min(_LEAD, start)
    read = predictions(model, codes[start - lead : min(end, start + _PREDICTED + 1)], _EXPECTED)
    return read[lead : lead + _PREDICTED]


def _excerpt(
    codes: Array, vocabulary: Vocabulary, start: int, end: int, feature: Array | None = None
) -> slice:
    """What is shown of a part: its beginning, or where a feature (end - start,) varies most."""
    if feature is not None and end - start > _SHOWN:
        firsts = np.arange(0, end - start - _SHOWN, _SHOWN // 4)
        start += int(firsts[np.argmax([feature[i : i + _SHOWN].std() for i in firsts])])
    part = codes[start : min(end, start + _SHOWN)]
    line_ends = np.flatnonzero((vocabulary.symbols == ord("\n"))[part])[:_LINES]
    length = line_ends[-1] + 1 if len(line_ends) == _LINES else len(part)
    return slice(start, start + int(length))


def _levels(values: Array, bounds: Sequence[float]) -> list[int | None]:
    levels = np.searchsorted(bounds, values, side="right").tolist()
    return [
        None if missing else level for level, missing in zip(levels, np.isnan(values), strict=True)
    ]


def _signs(codes: Array, levels: Sequence[int | None], signs: Sequence[str]) -> list[Sign]:
    return [
        Sign(signs[code], level, signs[code] == "↵")
        for code, level in zip(codes.tolist(), levels, strict=True)
    ]


def _predicted(one: Prediction, signs: Sequence[str]) -> Any:
    expected = [
        (signs[code], p, code == one.actual)
        for code, p in zip(one.likeliest, one.probabilities, strict=True)
    ]
    return signs[one.read], None if one.actual is None else signs[one.actual], one.rank, expected


def _curves(checkpoint: Checkpoint, codes: Array, start: int, end: int) -> list[Curve]:
    K = min(_LAGS, end - 1)
    lags = gradient_by_lag(checkpoint.model(), codes, loss_positions(start, end, K, _LOSSES), K)
    return [Curve(f"layer {lag.layer}, {lag.state}", lag.quartiles) for lag in lags]
