"""charrnn eval with a model of prompts whose replies are free: how many of them it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from charrnn.errors import SamplingError

if TYPE_CHECKING:
    from charrnn.model.beam import Search
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.part import Part
    from charrnn.workers.prediction import LabelPredictions
    from charrnn.workers.replies import ReplyPredictions


def search_of(checkpoint: Checkpoint, beam: int | None) -> Search | None:
    """Return how a model searches replies; None if it searches none.

    Raises:
        SamplingError: it searches none, and there is a beam.
    """
    from charrnn.model.beam import search_for

    found = search_for(checkpoint.vocabulary, checkpoint.labels, checkpoint.longest_record, beam)
    if beam is not None and found is None:
        raise SamplingError(
            "--beam is for models of prompts and replies that are both many", hint="remove it"
        )
    return found


def replies_of_part(
    checkpoint: Checkpoint, part: Part, search: Search | None
) -> ReplyPredictions | None:
    """Search the replies to the prompts of a part; None without a search."""
    from charrnn.system.progress import progress
    from charrnn.text.records import RecordCorpus
    from charrnn.workers.replies import predict_replies

    if search is None or not isinstance(part.corpus, RecordCorpus):
        return None
    with progress(part.end - part.start, "prompts", "replying") as advance:
        return predict_replies(
            checkpoint.config,
            checkpoint.parameters,
            search,
            part.corpus,
            part.start,
            part.end,
            advance,
        )


def in_order_of_file(
    found: LabelPredictions | ReplyPredictions, part: Part
) -> Iterator[tuple[str, float]]:
    """Yield the likeliest reply to each record of a part and its probability."""
    from charrnn.text.records import RecordCorpus

    assert isinstance(part.corpus, RecordCorpus)
    yield from map(found.predicted, part.corpus.starts[part.start : part.end].argsort().tolist())
