"""What a run's model has learned, as a page shows it: the views of `charrnn.inspection`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError
from charrnn.evaluation import codes_of_split
from charrnn.glyphs import glyphs
from charrnn.inspection.features import text_features
from charrnn.inspection.lags import gradient_by_lag, places_of_losses
from charrnn.inspection.predictions import Prediction, predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import Follower, activations, followers
from charrnn.kernels import Array
from charrnn.report.charts import Curve

_READ = 20_000  # characters, of a longer part
_SHOWN = 700  # characters in colours
_PREDICTED = 48  # characters whose predictions are shown
_EXPECTED = 5  # of the likeliest
_SURPRISING = 8
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

    before: str
    sign: str
    nats: float


class UnitView(NamedTuple):
    """A unit along the text."""

    follower: Follower
    signs: list[Sign]


class Views(NamedTuple):
    """All of them, of one model."""

    part: str  # which part of the text it is
    predicted: list[tuple[str, str | None, int | None, list[tuple[str, float, bool]]]]
    surprise: list[Sign]
    mean_nats: float
    chars: int
    surprising: list[Surprise]
    followers: list[Follower]
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
    shown = slice(start, min(end, start + _SHOWN))
    features = text_features(codes[:end], vocabulary)
    found = followers(
        model, codes, start, end, {name: f[start:] for name, f in features.items()}, 1
    )
    units = []
    for follower in found[:_UNITS]:
        values = activations(model, codes, start, min(end, shown.stop + 1), follower.unit)
        values = values[: shown.stop - start]
        scale = max(1.0, float(np.abs(np.nan_to_num(values)).max(initial=0.0)))
        levels = _levels(values / scale, _LEVELS_ACTIVATION)
        units.append(UnitView(follower, _signs(codes[shown], levels, plain)))
    return Views(
        part,
        [
            _predicted(one, spaced)
            for one in predictions(model, codes[start : start + _PREDICTED], _EXPECTED)
        ],
        _signs(codes[shown], _levels(nats[:_SHOWN], _LEVELS_NATS), plain),
        float(np.nanmean(nats, dtype=np.float64)),
        end - start,
        [
            Surprise(
                "".join(
                    plain[c] for c in codes[max(start, start + p.place - _BEFORE) : start + p.place]
                ),
                spaced[codes[start + p.place]],
                p.nats,
            )
            for p in most_surprising(nats, np.zeros(len(nats), np.intp), _SURPRISING)
        ],
        found,
        units,
        _curves(checkpoint, codes, start, end),
    )


def _part(checkpoint: Checkpoint) -> tuple[str, Array, int, int]:
    """The part that is looked at, cut to what is read of it in a second or two."""
    part = "valid" if checkpoint.config.data.valid_fraction else "train"
    codes, start, end = codes_of_split(checkpoint, part)
    if end - start < 2:
        raise TextError("the text is too short to look at the model with it")
    name = {"valid": "validation", "train": "training"}[part]
    if end - start > _READ:
        end = start + _READ
        return f"the first {_READ:,} characters of the {name} part", codes, start, end
    return f"the {name} part", codes, start, end


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
    lags = gradient_by_lag(checkpoint.model(), codes, places_of_losses(start, end, K, _LOSSES), K)
    return [Curve(f"layer {lag.layer}, {lag.state}", lag.quartiles) for lag in lags]
