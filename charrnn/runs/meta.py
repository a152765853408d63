"""What a checkpoint holds beside its arrays, as JSON: each value checked, none beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from charrnn.config.reader import config_from_dict
from charrnn.config.schema import MOST_SHOWN, SECTIONS, Config, unset_keys
from charrnn.errors import CheckpointError, NewerFormatError, shown
from charrnn.runs.strict_json import strict_json

FORMAT = 3
MOST_CHARS = 4 << 20

# The keys, and those of the counters that are not of the first format, with the format that each
# came with. What came later than a file has its default there.
_KEYS = {"format": 1, "config": 1, "tokens": 1, "text_sha256": 1, "text_chars": 2, "counters": 1}
_NEW_COUNTERS = {"divergences": 2, "elapsed_s": 3, "out_of_time": 3}

_LARGEST_NUMBER = 2**53  # whole, that any reader of JSON can hold


@dataclass
class Counters:
    """Where a training stands; what of it is a number."""

    step: int = 0  # made or skipped
    validated_step: int = 0  # step of the last validation
    best_loss_nats: float | None = None
    best_step: int = 0
    validations_since_best: int = 0
    valid_loss_nats: float | None = None  # of the last validation
    train_loss_nats: float | None = None  # of the last training line in the metrics
    unlogged_nats: float = 0.0  # training loss summed since the last line in the metrics
    unlogged_chars: int = 0
    out_of_patience: bool = False
    divergences: int = 0  # updates skipped, as loss or gradient was not finite
    elapsed_s: float = 0.0  # where the clock ends the training; elsewhere files hold no times
    out_of_time: bool = False

    def record_validation(self, loss_nats: float, scheduled: bool, patience: int | None) -> bool:
        """Hold a validation at this step against the best so far; return whether it is better.

        Only one that is `scheduled` uses up patience.
        """
        best = self.best_loss_nats is None or loss_nats < self.best_loss_nats
        self.valid_loss_nats = loss_nats
        if best:
            self.best_loss_nats, self.best_step = loss_nats, self.step
            self.validations_since_best = 0
        elif scheduled:
            self.validations_since_best += 1
        self.update_patience(patience)
        return best

    def update_patience(self, patience: int | None) -> None:
        """Settle whether it is at its end; None has none."""
        self.out_of_patience = patience is not None and self.validations_since_best >= patience


@dataclass(frozen=True)
class Meta:
    """A checkpoint without its arrays."""

    config: Config
    counters: Counters
    text_sha256: str
    text_chars: int | None
    format: int = FORMAT

    def to_text(self) -> str:
        """Return it as it is written, in the newest format.

        Raises:
            CheckpointError: for what `from_text` would refuse.
        """
        counters = asdict(self.counters)
        _check_counters(counters)
        values = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "tokens": self.config.data.tokens,
            "text_sha256": self.text_sha256,
            "text_chars": self.text_chars,
            "counters": counters,
        }
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        if len(text) > MOST_CHARS:
            raise CheckpointError("data.path names too many files; a glob stands for any number")
        return text

    @classmethod
    def from_text(cls, text: str) -> Meta:
        """Check what was written.

        Raises:
            NewerFormatError: it is of a format that came after this charrnn.
            CheckpointError: naming what is wrong.
        """
        try:
            values = strict_json(text)
        except ValueError as error:
            raise CheckpointError(f"its meta data are not JSON that can be read: {error}") from None
        if not isinstance(values, dict) or "format" not in values:
            raise CheckpointError("its meta data have no format; this is no checkpoint of charrnn")
        format_ = values["format"]
        if type(format_) is not int or format_ < 1:
            raise CheckpointError(f"its format is {shown(format_)}, which is none")
        if format_ > FORMAT:
            raise NewerFormatError(
                f"it has format {format_}, and this charrnn reads formats 1 to {FORMAT}; a newer "
                "charrnn wrote it: update charrnn to read it"
            )
        _check_keys("meta data", values, [key for key, since in _KEYS.items() if since <= format_])
        config = _config(values["config"])
        if values["tokens"] != config.data.tokens:
            raise CheckpointError(
                f"its tokens are {shown(values['tokens'])}, and in its configuration "
                f"{config.data.tokens}"
            )
        digest, chars = values["text_sha256"], values.get("text_chars")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise CheckpointError(f"its digest of the text is {shown(digest)}, which is none")
        if not (chars is None or _is_count(chars)):
            raise CheckpointError(f"its text has {shown(chars)} characters, which is no number")
        counters = values["counters"]
        known = [f.name for f in fields(Counters) if _NEW_COUNTERS.get(f.name, 1) <= format_]
        _check_keys("counters", counters, known)
        _check_counters(counters)
        return cls(config, Counters(**counters), digest, chars, format_)


def _config(values: Any) -> Config:
    _check_keys("configuration's sections", values, ["seed", *SECTIONS])
    for name in SECTIONS:
        _check_mapping(f"configuration's values of {name}", values[name])
    if "path" not in values["data"]:
        raise CheckpointError("its configuration lacks data.path")
    # What was written before there were these keys was computed so.
    model = {"dropout_per": "step", "weight_dropout": 0.0, **values["model"]}
    train = {"workers": 1, "backend": "numpy", "streams": "fixed", **values["train"]}
    if _is_count(train.get("sample_length")):  # there was no bound; it may be another at each start
        train["sample_length"] = min(int(train["sample_length"]), MOST_SHOWN)
    config = config_from_dict({**values, "model": model, "train": train}, "its configuration")
    if left_open := unset_keys(config):
        raise CheckpointError(f"its configuration leaves {left_open[0]} open")
    return config


def _check_keys(what: str, values: Any, expected: Iterable[str]) -> None:
    _check_mapping(what, values)
    for name in expected:
        if name not in values:
            raise CheckpointError(f"its {what} lack {name}")
    if unknown := values.keys() - set(expected):
        raise CheckpointError(f"its {what} have {shown(min(unknown))}, which is unknown")


def _check_mapping(what: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise CheckpointError(f"its {what} are {shown(values)}, and should be names with values")


def _check_counters(found: Mapping[str, Any]) -> None:
    """Refuse a counter that is not of the type that it has in a new training."""
    for name, value in found.items():
        new = getattr(Counters(), name)
        if isinstance(new, bool):
            fits = isinstance(value, bool)
        elif isinstance(new, int):
            fits = _is_count(value)
        else:
            fits = isinstance(value, float) and math.isfinite(value)
            fits = fits and value >= 0 if new is not None else fits or value is None
        if not fits:
            raise CheckpointError(f"its counter {name} is {shown(value)}, which is none")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_NUMBER
