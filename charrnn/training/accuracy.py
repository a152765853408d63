"""What a trained model reaches on all of its validation part: loss, accuracy, exact replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeVar

from charrnn.errors import CharRNNError, counted, plural, shown
from charrnn.kernels import Array
from charrnn.model.beam import FoundReply
from charrnn.model.evaluation import Score
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.text.record_reading import reading_of
from charrnn.text.records import RecordCorpus
from charrnn.training.reporter import Reporter
from charrnn.workers.group import WorkerGroup
from charrnn.workers.prediction import likeliest_labels
from charrnn.workers.replies import compared

Block = TypeVar("Block", Array, list[list[FoundReply]])

_MOST = 0.03  # of the work of the training, at most, unless the next number is more
_OPERATIONS = 1e10  # which take less than a second
_FEW = 50  # records; fewer say little
_PASSES = 3  # a step of training is a forward pass and a backward one, which is twice the work


def whole_validation(
    run: RunFolder,
    group: WorkerGroup,
    stop_requested: Callable[[], object],
    reporter: Reporter,
) -> str:
    """Return the loss of best.npz on all of the validation part, if validations score less.

    Args:
        run: the run, whose training has ended.
        group: its workers; they read the parameters of best.npz.
        stop_requested: returns a true value if the loss is not to be waited for.
        reporter: shows the progress.
    """
    if group.job.validation is None:
        return ""
    corpus, tokens = group.job.corpus, group.job.config.data.tokens
    start, end = corpus.split("valid")
    doing, scored = "scoring the whole validation part", corpus.scored(start, end)
    try:
        group.parameters[...] = load_checkpoint(run.best).parameters
        score = Score(0, 0.0)
        with reporter.progress(doing, scored, plural(tokens)) as advance:
            for window in group.score_windows(start, end):
                score += window
                advance(window.chars)
                if stop_requested():
                    return ""
    except CharRNNError:  # the model is trained all the same
        return ""
    return f"{score.loss_nats:.4f} on all {counted(score.chars, tokens)} of the validation part"


def validation_accuracy(
    run: RunFolder,
    group: WorkerGroup,
    epochs: float,
    stop_requested: Callable[[], object],
    reporter: Reporter,
) -> str:
    """Return the accuracy of best.npz in words; "" if there is none in time.

    Args:
        run: the run, whose training has ended.
        group: its workers; they read the parameters of best.npz.
        epochs: that the training has taken.
        stop_requested: returns a true value if the accuracy is not to be waited for.
        reporter: shows the progress.
    """
    corpus, labels, search = group.job.corpus, group.job.labels, group.job.search
    start, end = corpus.split("valid")
    if not (labels or search) or start == end or not isinstance(corpus, RecordCorpus):
        return ""
    mean = corpus.sizes.symbols(start, end) / (end - start)
    of_reply = search.beam * mean if search else sum(len(label) + 1 for label in labels)
    trained = _PASSES * epochs * corpus.sizes.train
    steps = max(_MOST * trained, _OPERATIONS / (2 * len(group.parameters)))
    records = int(steps / (mean + of_reply))
    which = ""
    if records < min(_FEW, end - start):
        return ""
    if records < end - start:
        reading = reading_of(corpus, start, end, int(records * mean))
        assert isinstance(reading.corpus, RecordCorpus)
        corpus, (start, end), which = reading.corpus, reading.bounds, "the first "
    try:
        group.parameters[...] = load_checkpoint(run.best).parameters
        group.read(corpus)
        measure = _exact if search else _accuracy
        with reporter.progress("predicting", end - start, "records") as advance:
            figure, count, beside = measure(group, corpus, start, end, stop_requested, advance)
    except CharRNNError:  # the model is trained all the same
        return ""
    if stop_requested():
        return ""
    return f"{figure} of {which}{count}{beside}"


def _accuracy(
    group: WorkerGroup,
    corpus: RecordCorpus,
    start: int,
    end: int,
    stop_requested: Callable[[], object],
    advance: Callable[[int], object],
) -> tuple[str, str, str]:
    """Return the share of records with the right label, their number, and the most frequent one."""
    blocks = _until(stop_requested, group.predict(start, end), advance)
    found = likeliest_labels(blocks, group.job.labels, corpus, start, end).classification
    label, share = found.majority
    figure = f"validation accuracy {found.accuracy:.1%}"
    return figure, counted(end - start, "record"), f" ({share:.1%} if always {shown(label)})"


def _exact(
    group: WorkerGroup,
    corpus: RecordCorpus,
    start: int,
    end: int,
    stop_requested: Callable[[], object],
    advance: Callable[[int], object],
) -> tuple[str, str, str]:
    """Return the share of prompts with an exact reply, and their number."""
    blocks = _until(stop_requested, group.find(start, end), advance)
    replies = [best for best, *_ in chain.from_iterable(blocks)]
    if stop_requested():
        return "", "", ""
    found = compared(replies, corpus, start, end).transcription
    return f"exact replies to {found.exact:.1%}", counted(found.prompts, "validation prompt"), ""


def _until(
    stop_requested: Callable[[], object], blocks: Iterator[Block], advance: Callable[[int], object]
) -> Iterator[Block]:
    """Yield blocks of predictions until a stop is requested, and count their records."""
    for block in blocks:
        if stop_requested():
            return
        yield block
        advance(len(block))
