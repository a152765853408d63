"""The JSON text of a checkpoint: configuration, counters, text digest; every value is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from charrnn.config.reader import config_from_dict
from charrnn.config.schema import MAX_SAMPLE_LENGTH, PROMPTS, SECTIONS, Config, unset_keys
from charrnn.errors import CheckpointError, ConfigError, NewerFormatError, shown

FORMAT = 4
MAX_CHARS = 4 << 20  # characters of the JSON text

# The format that introduced each key. Earlier formats have the default in its place. A counter that
# is not listed is in every format.
_KEYS = {
    "format": 1,
    "config": 1,
    "tokens": 1,
    "text_sha256": 1,
    "text_chars": 2,
    "cut_points": 4,
    "steps_per_epoch": 4,
    "longest_record": 4,
    "counters": 1,
}
_NEW_COUNTERS = {"divergences": 2, "elapsed_s": 3, "out_of_time": 3}

_LARGEST_COUNT = 2**53  # which every reader of JSON represents exactly


@dataclass
class Counters:
    """The numbers of a training in progress."""

    step: int = 0  # steps, made or skipped
    validated_step: int = 0  # step of the last validation
    best_loss_nats: float | None = None  # lowest validation loss
    best_step: int = 0
    validations_since_best: int = 0
    valid_loss_nats: float | None = None  # of the last validation
    train_loss_nats: float | None = None  # of the last training line in the metrics
    unlogged_nats: float = 0.0  # training loss summed since the last line in the metrics
    unlogged_chars: float = 0  # their weights; whole unless prompts have another than replies
    out_of_patience: bool = False
    divergences: int = 0  # updates skipped because loss or gradient was not finite
    elapsed_s: float = 0.0  # only under a time limit; else checkpoints hold no times
    out_of_time: bool = False

    def record_validation(self, loss_nats: float, scheduled: bool, patience: int | None) -> bool:
        """Record a validation at the current step.

        Args:
            loss_nats: the validation loss.
            scheduled: whether the validation counts towards the patience.
            patience: validations without a better loss before training ends; None is no limit.

        Returns:
            Whether the loss is the best so far.
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
        """Set `out_of_patience` for a patience, which a resume may have changed."""
        self.out_of_patience = patience is not None and self.validations_since_best >= patience


@dataclass(frozen=True)
class Meta:
    """What a checkpoint holds besides its arrays."""

    config: Config
    counters: Counters
    text_sha256: str
    text_chars: int | None
    cut_points: tuple[int, int] | None
    steps_per_epoch: int | None = None
    longest_record: int | None = None  # symbols, without end; None for a text
    format: int = FORMAT

    def to_text(self) -> str:
        """Return the JSON text, in the newest format.

        Raises:
            CheckpointError: `from_text` would refuse the text.
        """
        counters = asdict(self.counters)
        _check_counters(counters)
        values = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "tokens": self.config.data.tokens,
            "text_sha256": self.text_sha256,
            "text_chars": self.text_chars,
            "cut_points": self.cut_points,
            "steps_per_epoch": self.steps_per_epoch,
            "longest_record": self.longest_record,
            "counters": counters,
        }
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        if len(text) > MAX_CHARS:
            raise CheckpointError("data.path lists too many files; use a glob pattern instead")
        return text

    @classmethod
    def from_text(cls, text: str) -> Meta:
        """Parse a JSON text and check every value.

        Raises:
            NewerFormatError: a newer charrnn wrote the text.
            CheckpointError: a key or a value is not one that charrnn writes.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise CheckpointError("its meta data are not valid JSON") from None
        if not isinstance(values, dict) or "format" not in values:
            raise CheckpointError("its meta data have no format; this is not a charrnn checkpoint")
        format_ = values["format"]
        if type(format_) is not int or format_ < 1:
            raise CheckpointError(f"its format is {shown(format_)}, which does not exist")
        if format_ > FORMAT:
            raise NewerFormatError(
                f"it has format {shown(format_)}, and this charrnn reads formats 1 to {FORMAT}; "
                "update charrnn to read it"
            )
        _check_keys("meta data", values, [key for key, since in _KEYS.items() if since <= format_])
        config = _config(values["config"])
        if values["tokens"] != config.data.tokens:
            raise CheckpointError(
                f"its tokens are {shown(values['tokens'])}, and its configuration has data.tokens "
                f"{config.data.tokens}"
            )
        digest, chars = values["text_sha256"], values.get("text_chars")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise CheckpointError(f"its text_sha256 is {shown(digest)}, not a SHA-256")
        if not (chars is None or _is_count(chars)):
            raise CheckpointError(f"its text_chars is {shown(chars)}, not a number of characters")
        cut = values.get("cut_points")
        if format_ >= 4 and not _are_cut_points(cut, chars):
            raise CheckpointError(
                f"its cut_points are {shown(cut)}, not two places in a text of length "
                f"{shown(chars)}"
            )
        steps = values.get("steps_per_epoch")
        if not (steps is None or (_is_count(steps) and steps)):
            raise CheckpointError(f"its steps_per_epoch is {shown(steps)}, not a number of steps")
        longest = values.get("longest_record")
        if not (longest is None or (config.data.records and _is_count(longest))):
            raise CheckpointError(
                f"its longest_record is {shown(longest)}, not a length of records"
            )
        counters = values["counters"]
        known = [f.name for f in fields(Counters) if _NEW_COUNTERS.get(f.name, 1) <= format_]
        _check_keys("counters", counters, known)
        _check_counters(counters)
        cut = cut and tuple(cut)
        return cls(config, Counters(**counters), digest, chars, cut, steps, longest, format_)


def _config(values: Any) -> Config:
    _check_keys("configuration's sections", values, ["seed", *SECTIONS])
    for name in SECTIONS:
        _check_mapping(f"configuration's values of {name}", values[name])
    if "path" not in values["data"]:
        raise CheckpointError("its configuration lacks data.path")
    # Files without these keys were trained with these values.
    model = {"dropout_per": "step", "weight_dropout": 0.0, **values["model"]}
    has_prompts = any(values["data"].get(key) for key in PROMPTS)
    data = {"reverse_prompts": False if has_prompts else None, **values["data"]}
    older = {"workers": 1, "backend": "numpy", "streams": "fixed"}
    older |= {"early_weight": 0.0, "valid_chars": 0, "activation_penalty": 0.0}
    train = older | values["train"]
    if not has_prompts:
        train["prompt_weight"] = 0.0  # which older files have as 0.1
    if _is_count(train.get("sample_length")):  # older files may exceed the bound
        train["sample_length"] = min(int(train["sample_length"]), MAX_SAMPLE_LENGTH)
    sections = {"data": data, "model": model, "train": train}
    try:
        config = config_from_dict({**values, **sections}, "its configuration")
    except ConfigError as error:
        raise CheckpointError(error.problem.split("\n")[0]) from None
    if unset := unset_keys(config):
        raise CheckpointError(f"its configuration has no value for {unset[0]}")
    return config


def _check_keys(what: str, values: Any, expected: Iterable[str]) -> None:
    _check_mapping(what, values)
    for name in expected:
        if name not in values:
            raise CheckpointError(f"its {what} lack {name}")
    if unknown := values.keys() - set(expected):
        raise CheckpointError(f"its {what} have an unknown key {shown(min(unknown))}")


def _check_mapping(what: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise CheckpointError(f"its {what} are {shown(values)}, not names with values")


def _check_counters(found: Mapping[str, Any]) -> None:
    """Refuse a counter of another type than its default."""
    for name, value in found.items():
        default = getattr(Counters(), name)
        if isinstance(default, bool):
            fits, expected = isinstance(value, bool), "true or false"
        elif name == "unlogged_chars" and isinstance(value, float):
            fits, expected = _is_finite(value) and value >= 0, "a finite number of at least 0"
        elif isinstance(default, int):
            fits, expected = _is_count(value), "a whole number of at least 0"
        elif default is None:
            fits, expected = value is None or _is_finite(value), "a finite number or null"
        else:
            fits, expected = _is_finite(value) and value >= 0, "a finite number of at least 0"
        if not fits:
            raise CheckpointError(f"its counter {name} is {shown(value)}, not {expected}")


def _are_cut_points(cut: Any, chars: Any) -> bool:
    """Return whether a value is where two parts of a text end; null for an unknown text."""
    if cut is None and chars is None:
        return True
    if not (isinstance(cut, list) and len(cut) == 2 and all(map(_is_count, [*cut, chars]))):
        return False
    return bool(0 < cut[0] <= cut[1] <= chars)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_COUNT


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)
