"""charrnn eval with a model of labels: how well it tells them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from charrnn.commands.tables import fitted, width_of
from charrnn.errors import counted, shown

if TYPE_CHECKING:
    from charrnn.model.classification import Classification
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.part import Part
    from charrnn.workers.prediction import LabelPredictions

_LONGEST = 40  # columns of a label, at most
_NARROW = 12  # columns of a label above a table, at most
_CONFUSIONS = 10  # in a list, where there is no room for a table
_NAMED = 5  # unknown replies in a message


def labels_of_part(checkpoint: Checkpoint, part: Part) -> LabelPredictions | None:
    """Predict the labels of a part, and report replies that are none; None without labels."""
    from charrnn.system.progress import progress
    from charrnn.text.records import RecordCorpus
    from charrnn.workers.prediction import predict_labels

    labels, corpus = checkpoint.labels.replies, part.corpus
    if not labels or not isinstance(corpus, RecordCorpus):
        return None
    with progress(part.end - part.start, "prompts", "labelling") as advance:
        found = predict_labels(
            checkpoint.config, checkpoint.parameters, labels, corpus, part.start, part.end, advance
        )
    if found.unknown:
        others = found.names[found.labels :]
        names = ", ".join(map(shown, others[:_NAMED])) + (", ..." if others[_NAMED:] else "")
        known = counted(len(labels), "label")
        click.echo(
            f"records whose reply is none of the model's {known}, which count as wrong: "
            f"{found.unknown:,} of {len(found.true):,} ({names})",
            err=True,
        )
    return found


def label_lines(found: Classification) -> Iterator[str]:
    """Yield the recall of each label, and on a terminal a table of confusions."""
    texts = found.texts
    yield ""
    yield "recall"
    width = min(_LONGEST, width_of(texts))
    for label, share in found.recall.items():
        yield f"  {fitted(label, width)}  {share:.4f} of {texts[label]:,}"
    if sys.stdout.isatty():
        yield ""
        yield from _confusion_lines(found, shutil.get_terminal_size().columns)


def _confusion_lines(found: Classification, columns: int) -> Iterator[str]:
    """Yield a table of all counts, or a list of the most frequent confusions if it is too wide."""
    counts = found.confusion
    used = {name for row in counts.values() for name in row}
    predicted = [name for name in found.names if name in used]
    left = min(_NARROW, width_of(counts))
    widths = [
        max(
            min(_NARROW, width_of([name])),
            *(len(f"{row.get(name, 0):,}") for row in counts.values()),
        )
        for name in predicted
    ]
    if left + sum(widths) + 2 * len(widths) <= columns:
        yield "confusion: true labels in rows, predicted ones in columns"
        cells = [fitted(name, width) for name, width in zip(predicted, widths, strict=True)]
        yield "  ".join([" " * left, *cells]).rstrip()
        for true, row in counts.items():
            numbers = (f"{row.get(name, 0):,}" for name in predicted)
            cells = [f"{one:>{width}}" for one, width in zip(numbers, widths, strict=True)]
            yield "  ".join([fitted(true, left), *cells])
        return
    confusions = found.most_confused(_CONFUSIONS)
    if not confusions:
        return
    yield "most frequent confusions: true, predicted, records, share"
    digits = max(len(f"{one.texts:,}") for one in confusions)
    room = max(2, (columns - digits - 12) // 2)
    left = min(room, width_of(one.true for one in confusions))
    right = min(room, width_of(one.predicted for one in confusions))
    for one in confusions:
        pair = f"{fitted(one.true, left)}  {fitted(one.predicted, right)}"
        yield f"{pair}  {one.texts:>{digits},}  {one.share:>6.1%}"
