"""The accuracy of a trained model of labels on its validation part."""

from __future__ import annotations

from collections.abc import Callable

from charrnn.errors import CharRNNError, counted
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.text.corpus import Corpus
from charrnn.text.reading import reading_of
from charrnn.text.records import RecordCorpus
from charrnn.workers.prediction import predict_labels

_MOST = 0.03  # of the work of the training, at most, unless the next number is more
_OPERATIONS = 1e10  # which take less than a second
_FEW = 50  # records; fewer say little
_PASSES = 3  # a step of training is a forward pass and a backward one, which is twice the work


class _Stopped(Exception):  # noqa: N818 - no error
    """A stop is requested."""


def validation_accuracy(
    run: RunFolder, corpus: Corpus, epochs: float, stop_requested: Callable[[], object]
) -> str:
    """Return the accuracy of best.npz in words; "" if there is none in time.

    Args:
        run: the run, whose training has ended.
        corpus: its data.
        epochs: that it has taken.
        stop_requested: returns a true value if the accuracy is not to be waited for.
    """
    start, end = corpus.split("valid")
    labels = corpus.labels.replies
    if not labels or start == end or not isinstance(corpus, RecordCorpus):
        return ""

    def predicted(_: int) -> None:
        if stop_requested():
            raise _Stopped

    try:
        checkpoint = load_checkpoint(run.best)
        parameters = checkpoint.parameters
        mean = corpus.sizes.symbols(start, end) / (end - start)
        trained = _PASSES * epochs * corpus.sizes.train
        steps = max(_MOST * trained, _OPERATIONS / (2 * len(parameters)))
        records = int(steps / (mean + sum(len(label) + 1 for label in labels)))
        if records < min(_FEW, end - start):
            return ""
        which = ""
        if records < end - start:
            reading = reading_of(corpus, start, end, max(1, int(records * mean)))
            assert isinstance(reading.corpus, RecordCorpus)
            corpus, (start, end), which = reading.corpus, reading.bounds, "the first "
        found = predict_labels(checkpoint.config, parameters, labels, corpus, start, end, predicted)
    except (_Stopped, CharRNNError):  # the model is trained all the same
        return ""
    accuracy = found.classification.accuracy
    return f"validation accuracy {accuracy:.1%} of {which}{counted(end - start, 'record')}"
