"""charrnn predict."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charrnn.commands.arguments import find_and_load, refuse_escapes, unescaped
from charrnn.commands.options import IntInRange, escapes_option, features_option
from charrnn.commands.predictions import Answers, LeftOut, Totals, print_answers
from charrnn.commands.tables import width_of
from charrnn.errors import SamplingError, shown_name
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.kernels import Array
    from charrnn.model.beam import Search
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.prompts import Prompt

_PROMPTS = 1 << 14  # that are in memory, at most
_CODES = 1 << 22  # of them together, about


@click.command()
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option(
    "--model",
    "checkpoint_name",
    metavar="CHECKPOINT",
    help="An .npz file or a run folder.  [default: the newest run under runs/]",
)
@click.option(
    "--file",
    metavar="FILE",
    help="File of prompts, like the model's data, with or without replies; - is standard input.",
)
@click.option(
    "--top",
    metavar="N",
    type=IntInRange(1),
    default=1,
    show_default=True,
    help="Number of likeliest replies to print for each prompt, one a line.",
)
@click.option(
    "--beam",
    metavar="N",
    type=IntInRange(1, 1000),
    help="Beginnings of free replies that the search keeps for each prompt, 1 to 1000.  "
    "[default: 5, or --top]",
)
@click.option(
    "--length",
    metavar="N",
    type=IntInRange(1),
    help="Characters of a free reply, at most.  [default: twice the longest training record]",
)
@features_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a prompt.")
@escapes_option
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    help="Refuse prompts with characters that the model does not know, or skip them.  [default: "
    "skip, but refuse a prompt of no others]",
)
def predict(
    prompts: tuple[str, ...],
    checkpoint_name: str | None,
    file: str | None,
    top: int,
    beam: int | None,
    length: int | None,
    features: tuple[float, ...] | None,
    as_json: bool,
    escapes: bool,
    unknown: str | None,
) -> None:
    """Tell the label of texts, or another reply to prompts.

    Prints the likeliest reply to each PROMPT, and its probability. The model must have been trained
    on prompts and replies. If the replies were few, they are its labels, and all of them are
    scored; other replies are found by beam search. A model of features alone takes --features in
    place of a PROMPT. In a pipe, tabs divide prompt, reply, probability and the other columns of a
    table.
    """
    if (file is None) == (not prompts) and (file or features is None):
        more = "" if file or prompts else " (- is standard input)"
        raise click.UsageError(
            f"give either PROMPTs or --file FILE, which names a file of prompts{more}."
        )
    if file is not None and features is not None:
        raise click.UsageError("--features is for PROMPTs; a --file has them in its columns.")
    if prompts and checkpoint_name is None and len(prompts) > 1 and _is_model(prompts[0]):
        raise click.UsageError(f"{prompts[0]} is a model; --model {prompts[0]} names it.")
    if name := next(map(shown_name, filter(os.path.isfile, prompts)), ""):
        click.echo(f"{name}: read as a prompt; --file {name} reads the file", err=True)
    path, checkpoint = find_and_load(checkpoint_name)
    if escapes:
        prompts = tuple(map(unescaped, prompts))
    labels, replies = _replies(checkpoint, path, top, beam, length)
    asked = _prompts(prompts, file, checkpoint, features, unknown)
    if checkpoint_name is None:
        click.echo(str(path), err=True)
    unit = {None: "PROMPT", "-": "standard input: line"}.get(file, f"{file}: line")
    left_out = LeftOut(checkpoint.vocabulary, unit, refuse_nothing_left=unknown is None)
    totals = _totals(asked, left_out)
    if getattr(asked, "is_list", False):
        note = f"each line is a {checkpoint.config.data.prompt_column}, as there is no such column"
        click.echo(wrapped(f"{unit.removesuffix(': line')}: {note}", sys.stderr), err=True)
    if note := left_out.note():
        click.echo(wrapped(note, sys.stderr), err=True)
    answers = _answers(asked, totals, checkpoint, replies, labels, top)
    print_answers(answers, totals, as_json=as_json)


def _is_model(prompt: str) -> bool:
    """Return whether a prompt is the path of a checkpoint or a run folder."""
    is_file = prompt.endswith(".npz") and os.path.isfile(prompt)
    return is_file or os.path.isfile(os.path.join(prompt, "last.npz"))


def _replies(
    checkpoint: Checkpoint, path: Path, top: int, beam: int | None, length: int | None
) -> tuple[list[str], tuple[Array, ...] | Search]:
    """Return the labels that a model tells apart, as texts and as codes, or a search.

    Raises:
        SamplingError: the model was not trained on prompts, or --beam is too narrow.
    """
    from charrnn.model.beam import Search
    from charrnn.model.prediction import texts_of_labels

    if checkpoint.vocabulary.prompt_end is None and checkpoint.scale is None:
        raise SamplingError(
            f"{path}: this model was not trained on prompts and replies",
            hint="data.prompt_column and data.reply_column of a table, data.prompt_separator or "
            "data.label_from name them",
        )
    labels = checkpoint.labels.replies
    if not labels:
        return [], Search.of(top, beam, length or 2 * (checkpoint.longest_record or 1))
    for name, value in (("--beam", beam), ("--length", length)):
        if value is not None:
            raise click.UsageError(f"{name} is for free replies; {path} scores all of its labels.")
    return texts_of_labels(checkpoint.labels, checkpoint.vocabulary), labels


def _prompts(
    arguments: Sequence[str],
    file: str | None,
    checkpoint: Checkpoint,
    features: Sequence[float] | None,
    unknown: str | None,
) -> Iterable[Prompt]:
    """Return the prompts of the arguments, which have the same features, or of a file.

    Where nothing is left of a prompt, `unknown` decides; see `LeftOut`.

    Raises:
        SamplingError: the features are not those that the model reads.
        TextError: the file cannot be read, or the model does not know a character.
    """
    import numpy as np

    from charrnn.config.paths import named_path
    from charrnn.model.encoder import Encoder
    from charrnn.text.prompts import Prompt, PromptFile

    vocabulary, data = checkpoint.vocabulary, checkpoint.config.data
    if file is not None:
        file = file if file == "-" else str(named_path(file, "--file"))
        prompts = PromptFile(data, vocabulary, file, skip_unknown=unknown != "error")
        return click.get_current_context().with_resource(closing(prompts))
    found = list[Prompt]()
    encoder = Encoder(data, vocabulary, checkpoint.labels, checkpoint.scale)
    encoder.features(features)  # refuses others
    if vocabulary.prompt_end is None:
        if arguments:
            raise SamplingError("PROMPT: this model reads features alone; give no prompt")
        shown_as = ",".join(f"{one:g}" for one in features or ())
        return [
            Prompt(1, shown_as, np.empty(0, vocabulary.code_dtype), np.empty(0), {}, features or ())
        ]
    if not arguments:
        raise SamplingError("this model replies to prompts, and there is none; give one")
    # A prompt that must be one of a few is refused where it is none, rather than changed.
    one_of_few = bool(checkpoint.labels.prompts) and not checkpoint.labels.replies
    skip_unknown = unknown == "skip" or (unknown is None and not one_of_few)
    for number, text in enumerate(arguments, 1):
        if unknown != "skip":
            refuse_escapes("PROMPT", text, vocabulary, ", or add --escapes")
        codes = encoder.asked(text, f"PROMPT {number}", skip_unknown=skip_unknown)
        if not text:
            note = f"PROMPT {number} is empty; its reply is what the model expects without a text"
            click.echo(wrapped(note, sys.stderr), err=True)
        found.append(Prompt(number, text, codes, encoder.unknown(text), {}, features or ()))
    return found


def _totals(prompts: Iterable[Prompt], left_out: LeftOut) -> Totals:
    """Read all prompts, so that an error comes before any output."""
    number = codes = width = 0
    columns, terminal = dict[str, None](), sys.stdout.isatty()
    for one in prompts:
        number, codes = number + 1, codes + len(one.codes)
        left_out.add(one)
        columns |= dict.fromkeys(one.columns)
        if terminal:
            width = max(width, width_of([one.text]))
    return Totals(number, codes, [*columns], width)


def _blocks(prompts: Iterable[Prompt]) -> Iterator[list[Prompt]]:
    """Yield the prompts, some at a time."""
    some: list[Prompt] = []
    codes = 0
    for one in prompts:
        some.append(one)
        codes += len(one.codes)
        if len(some) == _PROMPTS or codes >= _CODES:
            yield some
            some, codes = [], 0
    if some:
        yield some


def _answers(
    prompts: Iterable[Prompt],
    totals: Totals,
    checkpoint: Checkpoint,
    replies: tuple[Array, ...] | Search,
    labels: Sequence[str],
    top: int,
) -> Iterator[Answers]:
    """Yield some prompts after others with their likeliest replies, in their order."""
    import numpy as np

    from charrnn.system.progress import progress
    from charrnn.text.part import encode_prompts
    from charrnn.workers.predictor import Predictor

    terminal = sys.stdout.isatty()  # which then shows the answers; a bar must not be among them
    quiet = nullcontext[Callable[[int], object]](lambda _: None)
    predictor = Predictor(
        checkpoint.config,
        checkpoint.parameters,
        replies,
        totals.prompts,
        totals.codes + 2 * totals.prompts,  # with the ends of prompts and of empty replies
    )
    with (
        closing(predictor),
        quiet if terminal else progress(totals.prompts, "prompts", "predicting") as whole,
    ):
        for some in _blocks(prompts):
            features = None
            if checkpoint.scale:
                features = checkpoint.scale.standardised(np.array([one.features for one in some]))
            corpus = encode_prompts(checkpoint.vocabulary, [one.codes for one in some], features)
            with (
                progress(len(some), "prompts", "predicting")
                if terminal
                else nullcontext(whole) as advance
            ):
                found = predictor.replies(corpus, labels, top, advance)
            yield zip(some, found, strict=True)
