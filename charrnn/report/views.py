"""What the model of a run has learned, from `charrnn.inspection`, in the form that a page needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.errors import TextError, counted, plural, singular
from charrnn.inspection.colours import ACTIVATION, NATS, Scale
from charrnn.inspection.features import text_features
from charrnn.inspection.glyphs import line_ends, token_glyphs
from charrnn.inspection.gradient_flow import StateGradient, gradient_by_lag
from charrnn.inspection.lines import LineSurprise, lines_by_surprise
from charrnn.inspection.predictions import Prediction, predictions
from charrnn.inspection.surprise import most_surprising, nats_by_character
from charrnn.inspection.units import MIN_CHARS, UnitCorrelation, activations, correlated_units
from charrnn.kernels import Array
from charrnn.model.classification import Classification, Confusion
from charrnn.model.model import Model
from charrnn.runs.checkpoint import Checkpoint
from charrnn.system.progress import progress
from charrnn.text.corpus import Corpus
from charrnn.text.part import Part, part_of
from charrnn.text.reading import Reading
from charrnn.text.records import RecordCorpus
from charrnn.workers.prediction import predict_labels

_READ = 20_000  # characters of the part, at most; they take a second or two
_LABELLED = 1_000_000  # characters of records whose labels are predicted, at most
_COLUMNS = 40  # labels in a table of confusions, at most
_CONFUSED = 20  # confusions listed in place of a table
_COLOURED = 700  # characters of a coloured text, at most
_LINES = 24  # of a coloured text, at most
_PREDICTED = 48  # characters whose predictions are shown
_LEAD = 256  # characters read before those
_LIKELIEST = 5  # predictions for each character
_SURPRISING = 10  # characters in the table
_ODD_LINES = 8  # in the table, at most
_ODD_NATS = 0.05  # per character; a line with fewer is not odd
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

    number: int  # of its line or record
    before: str  # the words before it
    glyph: str
    after: str  # the words after it
    nats: float


class UnitText(NamedTuple):
    """A text coloured by the activation of a unit."""

    correlation: UnitCorrelation
    text: list[ColouredGlyph]
    largest: float  # activation that the end of the scale stands for


class LabelFigures(NamedTuple):
    """How well a model tells the labels of records."""

    part: str  # the records, in words
    found: Classification
    predicted: list[str]  # labels with a column in the table; none if there are too many
    confused: list[Confusion]  # the most frequent ones, in place of the table


class Views(NamedTuple):
    """All views of one model."""

    part: str  # the part of the text, in words
    labels: LabelFigures | None  # of a model of labels
    predicted: list[tuple[str, list[ExpectedGlyph]]]  # by character, the likeliest next ones
    surprise: list[ColouredGlyph]
    mean_nats: float
    chars: int  # that have a loss: of records with a prompt the replies
    seen_nats: float | None  # mean loss on as much of the training part; None if `part` is that
    numbered: str  # "line" or "record"
    oddest: list[LineSurprise]  # lines or records
    surprising: list[SurprisingGlyph]
    correlated_units: list[UnitCorrelation]
    no_units: str  # why there are none
    units: list[UnitText]
    gradients: list[StateGradient]


def inspect_model(checkpoint: Checkpoint, corpus: Corpus) -> Views:
    """Inspect a model on the validation part of its text, or on the training part without one.

    Args:
        checkpoint: of the model.
        corpus: its own text.

    Raises:
        TextError: the text is too short.
    """
    data = checkpoint.config.data
    name = "validation" if data.has_validation else "training"
    part = part_of(corpus, data, "valid" if data.has_validation else "train")
    reading = part.reading(_READ)
    if len(reading.part) < 2:
        raise TextError(
            f"the {name} part of the text is too short; inspecting a model takes two "
            f"{plural(checkpoint.vocabulary.tokens)}"
        )
    model, vocabulary = checkpoint.model(), checkpoint.vocabulary
    spaced, plain = (token_glyphs(vocabulary, spaces=spaces) for spaces in (True, False))
    tokens = plural(vocabulary.tokens)
    with progress(reading.scored, tokens, "scoring") as advance:
        nats = nats_by_character(model, reading, advance)
    features = text_features(reading)
    correlations, no_units = [], "The text is too short to measure correlations."
    if len(reading.part) >= MIN_CHARS:
        no_units = "The text has none of the features that are looked for."
        with progress(len(reading.part), tokens, "reading") as advance:
            correlations = correlated_units(model, reading, features, 1, advance=advance)
    units = []
    for correlation in correlations[:_UNITS]:
        values = activations(model, reading, correlation.unit)
        largest = max(1.0, float(np.abs(np.nan_to_num(values)).max()))
        excerpt = _excerpt(reading, features[correlation.feature])
        text = _coloured(reading, excerpt, values / largest, ACTIVATION)
        units.append(UnitText(correlation, text, largest))
    K = min(_LAGS, reading.most_lags(_LOSSES))
    positions = reading.loss_positions(K, _LOSSES)
    with progress(len(positions), "losses", "backpropagating") as advance:
        gradients = gradient_by_lag(model, reading, positions, K, advance)
    return Views(
        _first_of(reading, part, name),
        _label_figures(checkpoint, part, name),
        [_expected(one, spaced) for one in _predictions(model, reading)],
        _coloured(reading, _excerpt(reading), nats, NATS),
        float(np.nanmean(nats, dtype=np.float64)),
        int(np.count_nonzero(~np.isnan(nats))),
        _seen_nats(model, part_of(corpus, data, "train")) if data.has_validation else None,
        reading.numbered,
        [
            one
            for one in lines_by_surprise(reading, nats, _ODD_LINES).oddest
            if one.nats > _ODD_NATS
        ],
        [
            SurprisingGlyph(
                one.number,
                "".join(plain[c] for c in one.before),
                spaced[one.code],
                "".join(plain[c] for c in one.after),
                one.nats,
            )
            for one in most_surprising(reading, nats, _SURPRISING)
        ],
        correlations,
        no_units,
        units,
        gradients,
    )


def _seen_nats(model: Model, part: Part) -> float | None:
    """Return the mean loss on the beginning of the training part; None if it is too short."""
    reading = part.reading(_READ)
    if len(reading.part) < MIN_CHARS:
        return None
    return float(np.nanmean(nats_by_character(model, reading), dtype=np.float64))


def _first_of(reading: Reading, part: Part, name: str) -> str:
    """Return in words which beginning of a part was read."""
    size, unit = reading.size
    if size < part.end - part.start:
        first = f"first {counted(size, unit)}" if size != 1 else f"first {singular(unit)}"
        return f"the {first} of the {name} part"
    return f"the {name} part"


def _label_figures(checkpoint: Checkpoint, part: Part, name: str) -> LabelFigures | None:
    """Return how well a model tells the labels of a part; None without labels."""
    labels = checkpoint.labels.replies
    if not labels:
        return None
    reading = part.reading(_LABELLED)
    assert isinstance(reading.corpus, RecordCorpus)
    found = predict_labels(
        checkpoint.config, checkpoint.parameters, labels, reading.corpus, *reading.bounds
    ).classification
    used = {label for row in found.confusion.values() for label in row}
    predicted = [label for label in found.names if label in used]
    few = max(len(predicted), len(found.texts)) <= _COLUMNS
    return LabelFigures(
        _first_of(reading, part, name),
        found,
        predicted if few else [],
        [] if few else found.most_confused(_CONFUSED),
    )


def _predictions(model: Model, reading: Reading) -> list[Prediction]:
    """Return the predictions at the beginning of a part, after reading the text before it."""
    found = list[Prediction]()
    for first, start, end in reading.stretches(_PREDICTED, _LEAD):
        codes = reading.codes[first : min(reading.end, end + 1)]
        features = reading.features_at(np.array([first]))
        found += predictions(model, codes, _LIKELIEST, features)[start - first : end - first]
    return found


def _excerpt(reading: Reading, feature: Array | None = None) -> slice:
    """Return where to colour a part (n,): its beginning, or where a feature (n,) varies most.

    An excerpt consists of whole lines or records, or of whole words if these are long.
    """
    start, part = 0, reading.part
    if feature is not None and len(part) > _COLOURED:
        firsts = np.arange(0, len(part) - _COLOURED, _COLOURED // 4)
        start = int(firsts[np.argmax([feature[i : i + _COLOURED].std() for i in firsts])])
    codes = part[start : start + _COLOURED]
    is_end = line_ends(reading.vocabulary)
    tokens = reading.vocabulary.symbols[: reading.vocabulary.size].tolist()
    blank = [chr(symbol).isspace() for symbol in tokens] + [False] * (len(is_end) - len(tokens))
    ends = np.flatnonzero(is_end[codes]) + 1
    cuts = ends, np.flatnonzero(np.array(blank)[codes]) + 1  # after a line, or after a word
    first, last, near = 0, len(codes), len(codes) // 4
    place = reading.start + start
    if place and not is_end[reading.codes[place - 1]]:
        first = next((int(at[0]) for at in cuts if len(at) and at[0] <= near), 0)
    if start + last < len(part):
        last = next((int(at[-1]) for at in cuts if len(at) and at[-1] >= last - near), last)
    ends = ends[ends > first][:_LINES]
    last = int(ends[-1]) if len(ends) == _LINES else last
    return slice(start + first, start + last)


def _coloured(reading: Reading, excerpt: slice, values: Array, scale: Scale) -> list[ColouredGlyph]:
    """Return an excerpt of a part with the colours of its values (n,)."""
    glyphs = token_glyphs(reading.vocabulary, spaces=False)
    ends = line_ends(reading.vocabulary).tolist()
    return [
        ColouredGlyph(glyphs[code], scale.level(value), ends[code])
        for code, value in zip(
            reading.part[excerpt].tolist(), values[excerpt].tolist(), strict=True
        )
    ]


def _expected(one: Prediction, glyphs: Sequence[str]) -> tuple[str, list[ExpectedGlyph]]:
    expected = [
        ExpectedGlyph(glyphs[code], p, code == one.actual)
        for code, p in zip(one.likeliest, one.probabilities, strict=True)
    ]
    return glyphs[one.read], expected
