"""Proposes a configuration for texts, and says why, as init and train do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from charrnn.commands.options import option_of
from charrnn.errors import counted, shown_name, with_remedies
from charrnn.system.terminal import duration

if TYPE_CHECKING:
    from charrnn.config.schema import DataConfig
    from charrnn.planning.proposal import Proposal
    from charrnn.planning.texts import Texts

_SHOWN_SHARE = 0.01  # of the time; less is not worth a word


class Proposed(NamedTuple):
    """A proposal in words."""

    proposal: Proposal
    instead: dict[str, Any]  # keys that differ for the other direction of records
    features: Sequence[int | str]  # columns that data.feature_columns may name
    header: list[str]  # lines above the configuration
    text: str  # its size
    reasons: list[str]  # why the text is read as it is
    model: str
    time: str


def proposed_for(
    texts: Texts,
    minutes: float | None,
    overrides: Sequence[str],
    values: dict[str, Any],
    *,
    remarks: bool,
) -> Proposed:
    """Propose a configuration for texts and this machine, which is measured for some seconds.

    Args:
        texts: to train on.
        minutes: that the training may take; None: what suits the texts.
        overrides: `KEY=VALUE` each.
        values: the values of the overrides, by key.
        remarks: whether remarks on the texts are printed.
    """
    from charrnn.planning.proposal import propose
    from charrnn.planning.texts import configuration
    from charrnn.system.progress import countdown

    if minutes is not None and "train.max_minutes" in values:
        raise click.UsageError("--minutes and train.max_minutes both set a time; give one.")
    config, records = configuration(texts, overrides, values, "--set")
    note = partial(click.echo, err=True)
    proposal = propose(config, minutes, note, countdown, remarks=remarks)
    reasons = [*records.reasons]
    if reasons and not proposal.config.data.has_prompts and "reply_column" not in records.keys:
        reasons[-1] += " (--set data.records=null reads one text)"
    of_text, of_time = _text_summary(proposal, texts.arguments), _time_summary(proposal)
    header = [f"{line}." for line in (of_text, *reasons, of_time)]
    if records.doubt:
        remedies = [records.remedy] if records.remedy else []
        reasons = [with_remedies(records.doubt, remedies, option_of)]
    instead = _other_direction(records.instead, proposal.config.data)
    return Proposed(
        proposal,
        instead,
        records.features,
        header,
        of_text,
        reasons,
        _model_summary(proposal),
        of_time,
    )


def _text_summary(proposal: Proposal, text: Sequence[str]) -> str:
    """Return the size of the text in words."""
    if len(text) > 1:
        return f"{counted(len(text), 'file')}: {proposal.text}"
    return f"{shown_name(os.path.basename(os.path.abspath(text[0])))}: {proposal.text}"


def _other_direction(instead: dict[str, Any], data: DataConfig) -> dict[str, Any]:
    """Return the keys of the other direction, with the side that draws a record into its part."""
    side = {"prompt": "reply", "reply": "prompt"}.get(data.split_by or "", data.split_by)
    return {**instead, "split_by": side} if instead else {}


def _model_summary(proposal: Proposal) -> str:
    """Return the model and its hyperparameters in words."""
    model, train = proposal.config.model, proposal.config.train
    return (
        f"{model}, dropout {model.dropout:g}, weight "
        f"dropout {model.weight_dropout:g}, "
        f"{counted(train.batch_size, proposal.units.row)} x {train.seq_length}, "
        f"{train.optimizer} {train.learning_rate:g}"
    )


def _time_summary(proposal: Proposal) -> str:
    """Return the length of the training in words, and how long it takes on this machine."""
    train = proposal.config.train
    limits = {"epoch": train.max_epochs, "step": train.max_steps, "minute": train.max_minutes}
    length = " or ".join(counted(n, name) for name, n in limits.items() if n is not None)
    speed = f"{counted(round(proposal.chars_per_s), proposal.units.step)}/s"
    if (share := proposal.validation_s / proposal.estimated_s) >= _SHOWN_SHARE:
        speed += f", {share:.0%} of the time validation"
    return (
        f"{length} of training: about {duration(proposal.estimated_s)} on this machine "
        f"({speed})"
        f"{'; longer would hardly help' if proposal.most_epochs else ''}"
    )
