"""What a page knows about its model, beside the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from charrnn.inspection.units import UnitCorrelation, all_units
from charrnn.kernels import CELLS, Array
from charrnn.model.record_sampling import separator_of
from charrnn.model.text_model import default_length
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.labels import label_texts


def describe(checkpoint: Checkpoint, units: Sequence[UnitCorrelation] = ()) -> dict[str, Any]:
    """Return the description of a checkpoint's model, as an object for JSON.

    Codes count from 0. `symbols` are those of texts, code points or bytes; `end` and `promptEnd`
    are the codes above them, None where there are none. `prompts` and `labels` have the texts and
    the codes of the few prompts or replies of a training, None where these are many. `length` is
    that of a text or a record by default. `units` are those to look at, each with its place among
    all states, as the engine's `read` takes it, and the feature that it follows.
    """
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    data, model = config.data, config.model
    places = {unit: place for place, unit in enumerate(all_units(checkpoint.model()))}
    return {
        "cell": model.cell,
        "gates": len(CELLS[model.cell].gates),
        "states": len(CELLS[model.cell].states),
        "layers": model.num_layers,
        "hidden": model.hidden_size,
        "embedding": model.embedding_size,
        "V": len(vocabulary),
        "tokens": data.tokens,
        "symbols": vocabulary.symbols[: vocabulary.size].tolist(),
        "end": vocabulary.end,
        "promptEnd": vocabulary.prompt_end,
        "reversePrompts": vocabulary.reverse_prompts,
        "learnsPrompts": vocabulary.prompt_end is None
        or bool(checkpoint.config.train.prompt_weight and not vocabulary.reverse_prompts),
        "newlines": data.newlines,
        "separator": separator_of(data, vocabulary),
        "prompts": _texts(checkpoint, checkpoint.labels.prompts),
        "labels": _texts(checkpoint, checkpoint.labels.replies),
        "features": _features(checkpoint),
        "length": default_length(checkpoint.longest_record),
        "units": [
            {**unit._asdict(), "place": places[unit], "feature": feature, "r": r}
            for unit, feature, r in units
        ],
    }


def _texts(checkpoint: Checkpoint, labels: Sequence[Array]) -> dict[str, Any] | None:
    if not labels:
        return None
    texts = label_texts(labels, checkpoint.vocabulary)
    return {"texts": texts, "codes": [label.tolist() for label in labels]}


def _features(checkpoint: Checkpoint) -> dict[str, Any] | None:
    if checkpoint.scale is None:
        return None
    names = [str(name) for name in checkpoint.config.data.feature_names]
    scale = {key: values.tolist() for key, values in checkpoint.scale._asdict().items()}
    return {"names": names, **scale}
