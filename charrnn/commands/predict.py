"""charrnn predict."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from charrnn.commands.arguments import find_and_load, refuse_escapes, report_skipped
from charrnn.commands.options import IntInRange, unknown_option
from charrnn.commands.tables import fields, fitted, print_lines, width_of
from charrnn.errors import SamplingError

if TYPE_CHECKING:
    from charrnn.kernels import Array
    from charrnn.model.prediction import Reply
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.prompts import Prompt

_TOGETHER = 100_000  # prompts that are predicted together, at most
_PROBABILITIES = 1 << 23  # of them, about
_TITLES = ("prompt", "reply", "probability")


class Question(NamedTuple):
    """A prompt to answer."""

    prompt: Prompt
    codes: Array  # (n,)


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a prompt.")
@unknown_option
def predict(
    prompts: tuple[str, ...],
    checkpoint_name: str | None,
    file: str | None,
    top: int,
    as_json: bool,
    unknown: str,
) -> None:
    """Tell the label of texts.

    Prints the likeliest reply to each PROMPT, and its probability among all labels. The model must
    have been trained on prompts with few different replies, its labels. In a pipe, tabs divide
    prompt, reply, probability and the other columns of a table.
    """
    if (file is None) == (not prompts):
        raise click.UsageError("give either PROMPTs or --file, which names a file of prompts.")
    if prompts and checkpoint_name is None and len(prompts) > 1 and _is_model(prompts[0]):
        raise click.UsageError(f"{prompts[0]} is a model; --model {prompts[0]} names it.")
    path, checkpoint = find_and_load(checkpoint_name)
    labels = _labels(checkpoint, path)
    questions = _questions(prompts, file, checkpoint, skip_unknown=unknown == "skip")
    if checkpoint_name is None:
        click.echo(str(path), err=True)
    skipped = sum(len(one.prompt.symbols) - len(one.codes) for one in questions)
    report_skipped(skipped, checkpoint.vocabulary.tokens)
    answers = _answers(questions, checkpoint, labels, top)
    if as_json:
        print_lines(map(json.dumps, _objects(answers)))
    elif sys.stdout.isatty():
        print_lines(_table(answers, questions, labels))
    else:
        print_lines(_lines(answers, questions))


def _is_model(prompt: str) -> bool:
    """Return whether a prompt is the path of a checkpoint or a run folder."""
    path = Path(prompt)
    return (path.suffix == ".npz" and path.is_file()) or (path / "last.npz").is_file()


def _labels(checkpoint: Checkpoint, path: Path) -> list[str]:
    """Return the labels that a model tells apart.

    Raises:
        SamplingError: it has none.
    """
    vocabulary = checkpoint.vocabulary
    if vocabulary.prompt_end is None:
        raise SamplingError(
            f"{path}: was not trained on prompts and replies; data.prompt_column and "
            "data.reply_column of a table, data.prompt_separator or data.label_from name them"
        )
    if not checkpoint.labels.replies:
        raise SamplingError(
            f"{path}: has no labels, as the replies that it was trained on are many; charrnn "
            "sample --prompt TEXT writes replies"
        )
    return [vocabulary.decode(label) for label in checkpoint.labels.replies]


def _questions(
    arguments: Sequence[str], file: str | None, checkpoint: Checkpoint, *, skip_unknown: bool
) -> list[Question]:
    """Return the prompts of the arguments or of a file.

    Raises:
        TextError: the file cannot be read, or the model does not know a character.
    """
    from charrnn.config.paths import named_path
    from charrnn.text.decoding import normalise_newlines
    from charrnn.text.prompts import Prompt, read_prompts

    vocabulary, data = checkpoint.vocabulary, checkpoint.config.data
    if file is None:
        where, prompts = "PROMPT", list[Prompt]()
        for number, text in enumerate(arguments, 1):
            if not skip_unknown:
                refuse_escapes(where, text, vocabulary)
            symbols = vocabulary.symbols_of(normalise_newlines(text, data))
            prompts.append(Prompt(number, text, symbols, {}))
    else:
        where = "standard input" if file == "-" else file
        file = file if file == "-" else str(named_path(file, "--file"))
        prompts, where = read_prompts(data, file), f"{where}: line"
    return [
        Question(
            one, vocabulary.encode(one.symbols, f"{where} {one.line}", skip_unknown=skip_unknown)
        )
        for one in prompts
    ]


def _answers(
    questions: Sequence[Question], checkpoint: Checkpoint, labels: Sequence[str], top: int
) -> Iterator[tuple[Prompt, list[Reply]]]:
    """Yield each prompt with its likeliest replies, in their order."""
    import numpy as np

    from charrnn.model.prediction import likeliest
    from charrnn.system.progress import progress
    from charrnn.text.part import encode_prompts
    from charrnn.workers.prediction import predict_by_workers

    together = max(1, min(_TOGETHER, _PROBABILITIES // len(labels)))
    terminal = sys.stdout.isatty()  # which then shows the answers; a bar must not be among them
    quiet = nullcontext[Callable[[int], object]](lambda _: None)
    with quiet if terminal else progress(len(questions), "prompts") as whole:
        for first in range(0, len(questions), together):
            some = questions[first : first + together]
            corpus = encode_prompts(checkpoint.vocabulary, [one.codes for one in some])
            with progress(len(some), "prompts") if terminal else nullcontext(whole) as advance:
                log_probs = predict_by_workers(
                    checkpoint.config,
                    corpus,
                    checkpoint.parameters,
                    *corpus.everything,
                    checkpoint.labels.replies,
                    advance,
                )
            for one, row in zip(some, log_probs[np.argsort(corpus.starts)], strict=True):
                yield one.prompt, likeliest(row, labels, top)


def _objects(answers: Iterable[tuple[Prompt, list[Reply]]]) -> Iterator[dict[str, object]]:
    for prompt, replies in answers:
        found: dict[str, object] = {
            "prompt": prompt.text,
            "replies": [{"reply": one.text, "probability": one.probability} for one in replies],
        }
        yield found | ({"columns": prompt.columns} if prompt.columns else {})


def _lines(
    answers: Iterable[tuple[Prompt, list[Reply]]], questions: Sequence[Question]
) -> Iterator[str]:
    """Yield lines with the same fields: those of columns that a row lacks are empty."""
    names = dict.fromkeys(name for one in questions for name in one.prompt.columns)
    for prompt, replies in answers:
        others = [prompt.columns.get(name, "") for name in names]
        for reply in replies:
            yield fields([prompt.text, reply.text, f"{reply.probability:.4f}", *others])


def _table(
    answers: Iterable[tuple[Prompt, list[Reply]]],
    questions: Sequence[Question],
    labels: Sequence[str],
) -> Iterator[str]:
    """Yield the rows of a table that fits the terminal."""
    left = shutil.get_terminal_size().columns - len(_TITLES[2]) - 4
    reply = min(width_of([_TITLES[1], *labels]), max(len(_TITLES[1]), left // 2))
    prompt = min(
        width_of([_TITLES[0], *(one.prompt.text for one in questions)]),
        max(len(_TITLES[0]), left - reply),
    )

    def row(*cells: str) -> str:
        return f"{fitted(cells[0], prompt)}  {fitted(cells[1], reply)}  {cells[2]}"

    yield row(*_TITLES)
    for one, replies in answers:
        for found in replies:
            yield row(one.text, found.text, f"{found.probability:>{len(_TITLES[2])}.4f}")
