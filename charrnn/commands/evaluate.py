"""charrnn eval."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import load_model_and_part, models_and_text
from charrnn.commands.evaluate_labels import label_lines, labels_of_part
from charrnn.commands.evaluate_replies import in_order_of_file, replies_of_part, search_of
from charrnn.commands.options import IntInRange, checkpoint_and_text_arguments, text_options
from charrnn.commands.tables import fields, json_line, print_lines, print_objects
from charrnn.errors import TextError, plural
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.model.evaluation import Score, SegmentScores, WindowScore
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.part import Part
    from charrnn.text.windows import Segments
    from charrnn.workers.prediction import LabelPredictions
    from charrnn.workers.replies import ReplyPredictions

_PREDICTED = ("predicted", "probability")


@click.command(name="eval")
@checkpoint_and_text_arguments
@text_options
@click.option(
    "--each",
    is_flag=True,
    help="Print for each record, or each line of a text: nats, nats per character, and the record; "
    "of a record with a prompt the prompt, the reply and the predicted reply.",
)
@click.option(
    "--beam",
    metavar="N",
    type=IntInRange(1, 1000),
    help="Beginnings of free replies that the search keeps for each prompt.  [default: 5]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; with --each one a record."
)
def evaluate(
    arguments: tuple[str, ...],
    split: str | None,
    unknown: str,
    each: bool,
    beam: int | None,
    as_json: bool,
) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is an .npz file or a run folder, by default the newest run under runs/. TEXT_FILE is
    any text file, or - for standard input; without it, a split of the model's own text is read.
    Every character of a split is scored, and every character of a text file but the first. Records
    are scored from their beginning, end included; of those with a prompt the reply. A model that
    tells labels is measured by these too: accuracy, beside the share of the most frequent label,
    macro-F1, recall and confusion; one that searches free replies by the share of exact ones and
    the edit distance.
    """
    checkpoint, part = load_model_and_part(arguments, split, unknown)
    search = search_of(checkpoint, beam)
    _, text_file = models_and_text(arguments, split)
    if text_file and _is_own_text(checkpoint, part, text_file):
        note = (
            f"{part.name}: most of it was trained on, so these figures flatter; charrnn eval "
            "without a file scores the validation part"
        )
        click.echo(wrapped(note, sys.stderr), err=True)
    from charrnn.model.evaluation import SegmentScores
    from charrnn.system.progress import progress
    from charrnn.workers.scoring import score_by_workers

    corpus, tokens = part.corpus, checkpoint.vocabulary.tokens
    scores = SegmentScores(corpus.segments(part.start, part.end)) if each else None
    with progress(corpus.scored(part.start, part.end), plural(tokens), "scoring") as advance:

        def scored(window: WindowScore) -> None:
            advance(window.chars)
            if scores is not None:
                scores.add(window)

        score = score_by_workers(
            checkpoint.config,
            corpus,
            checkpoint.parameters,
            part.start,
            part.end,
            scored,
            each,
        )
    labels = labels_of_part(checkpoint, part)
    replies = replies_of_part(checkpoint, part, search)
    if scores is not None:
        _print_each(scores, part, labels or replies, as_json)
    else:
        _print_score(score, tokens, part.records, labels, replies, as_json)


def _is_own_text(checkpoint: Checkpoint, part: Part, file: str) -> bool:
    """Return whether a file, read as a part, is of the model's own text, or a copy of this."""
    from charrnn.text.files import find_files

    if part.corpus.text_sha256 == checkpoint.text_sha256:
        return True
    data = checkpoint.config.data
    try:
        own = find_files(data.path, folders=bool(data.label_from))
        return file != "-" and any(os.path.samefile(file, one) for one in own)
    except (TextError, OSError):  # the text has been moved
        return False


def _texts(part: Part, segments: Segments) -> Iterator[dict[str, str]]:
    """Yield the text of each line or record, without its newline or end; a prompt on its own."""
    codes, vocabulary = part.corpus.codes, part.corpus.vocabulary
    decode = vocabulary.decode
    if segments.prompts is None:
        for first, last in zip(segments.first, segments.last, strict=True):
            yield {"text": decode(codes[first : last + 1]).removesuffix("\n")}
        return
    for first, last, size in zip(segments.first, segments.last, segments.prompts, strict=True):
        begin = first + size  # of the reply
        yield {"prompt": decode(codes[first : begin - 1]), "reply": decode(codes[begin:last])}


def _print_each(
    scores: SegmentScores,
    part: Part,
    replies: LabelPredictions | ReplyPredictions | None,
    as_json: bool,
) -> None:
    predicted = repeat(None) if replies is None else in_order_of_file(replies, part)
    rows = zip(scores, _texts(part, scores.segments), predicted, strict=replies is not None)
    print_lines(_line(*row, as_json) for row in rows)


def _line(
    score: Score, texts: dict[str, str], predicted: tuple[str, float] | None, as_json: bool
) -> str:
    # The first line of a file may be a single character, which is not scored.
    nats_per_char = score.loss_nats if score.chars else None
    if as_json:
        label = {} if predicted is None else dict(zip(_PREDICTED, predicted, strict=True))
        return json_line({"nats": score.nats, "nats_per_char": nats_per_char} | texts | label)
    mean = "nan" if nats_per_char is None else f"{nats_per_char:.4f}"
    cells = [f"{score.nats:.4f}", mean, *texts.values()]
    if predicted is not None:
        cells += [predicted[0], f"{predicted[1]:.4f}"]
    return fields(cells)


def _print_score(
    score: Score,
    tokens: str,
    records: int | None,
    labels: LabelPredictions | None,
    replies: ReplyPredictions | None,
    as_json: bool,
) -> None:
    figures: dict[str, object] = {**score.to_dict()}
    rows = {
        plural(tokens): f"{score.chars:,}",
        f"nats/{tokens}": f"{score.loss_nats:.4f}",
        f"bits/{tokens}": f"{score.bits_per_char:.4f}",
        "perplexity": f"{score.perplexity:.3f}",
    }
    if records is not None:
        nats_per_record = score.nats / records
        figures |= {"records": records, "nats_per_record": nats_per_record}
        rows |= {"records": f"{records:,}", "nats/record": f"{nats_per_record:.4f}"}
    if labels is not None:
        found = labels.classification
        figures |= {
            "accuracy": found.accuracy,
            "majority": found.majority[1],
            "macro_f1": found.macro_f1,
            "recall": found.recall,
            "confusion": found.confusion,
        }
        rows |= {
            "accuracy": f"{found.accuracy:.4f}",
            "most frequent": f"{found.majority[1]:.4f}",
            "macro-F1": f"{found.macro_f1:.4f}",
        }
    if replies is not None:
        figures |= replies.transcription._asdict()
        rows |= {
            "prompts": f"{replies.transcription.prompts:,}",
            "exact replies": f"{replies.transcription.exact:.4f}",
            "edit distance": f"{replies.transcription.edit_distance:.4f}",
        }
    if as_json:
        print_objects([figures])
        return
    width = max(map(len, rows)) + 2
    for name, figure in rows.items():
        click.echo(f"{name:<{width}}{figure}")
    if labels is not None:
        print_lines(label_lines(labels.grouped))
