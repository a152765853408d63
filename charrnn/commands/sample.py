"""charrnn sample."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from charrnn.commands.arguments import refuse_escapes, refuse_mpiexec, report_skipped, unescaped
from charrnn.commands.options import (
    FloatInRange,
    IntInRange,
    checkpoint_argument,
    escapes_option,
    features_option,
    unknown_option,
)
from charrnn.errors import CharRNNError, CheckpointError, SamplingError, TextError, counted
from charrnn.system.terminal import wrapped

if TYPE_CHECKING:
    from charrnn.model.language_model import LanguageModel

_PRIME_BYTES = 1 << 24  # of a prime file, at most


@click.command()
@checkpoint_argument
@click.option("--prime", metavar="TEXT", help="Text to continue.")
@click.option(
    "--prime-file", metavar="FILE", help="File with the text to continue; - is standard input."
)
@click.option("--prompt", metavar="TEXT", help="Prompt to write replies for.")
@features_option
@click.option("--no-prime", is_flag=True, help="Print the continuation without the prime.")
@click.option(
    "-l",
    "--length",
    metavar="N",
    type=IntInRange(min=0),
    help="Number of characters to write, of a record at most.  "
    "[default: 500; of records twice the longest training record]",
)
@click.option(
    "-t",
    "--temperature",
    metavar="X",
    type=FloatInRange(min=0),
    help="Below 1, likely characters become likelier; above 1, less likely; 0 is --greedy.  "
    "[default: 0.8; of records, or with --top-k or --top-p, 1]",
)
@click.option("--top-k", metavar="K", type=IntInRange(min=1), help="Sample from the K likeliest.")
@click.option(
    "--top-p",
    metavar="P",
    type=FloatInRange(min=0, max=1, min_open=True),
    help="Sample from the likeliest that together have probability P.",
)
@click.option("--greedy", is_flag=True, help="Take the likeliest character at each step.")
@click.option(
    "--seed",
    metavar="N",
    type=IntInRange(min=0),
    help="Seed, which makes the text reproducible.  [default: random, printed on stderr]",
)
@click.option(
    "-n",
    "--num-samples",
    metavar="N",
    type=IntInRange(min=1),
    default=1,
    show_default=True,
    help="Number of texts to write, with a line of --- between them; of records, one a line.",
)
@click.option(
    "--stop",
    metavar="TEXT",
    help=r"End a text after this; \n, \t and \\ stand for a newline, a tab and a backslash.",
)
@escapes_option
@click.option("--unique", is_flag=True, help="Leave out records that are repeats.")
@click.option("--new", is_flag=True, help="Leave out records that stand in the model's data.")
@click.option("--keep-cut", is_flag=True, help="Print records that reach --length, too.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a record a line with its log-probability."
)
@unknown_option
def sample(
    checkpoint: str | None,
    prime: str | None,
    prime_file: str | None,
    prompt: str | None,
    features: tuple[float, ...] | None,
    no_prime: bool,
    length: int | None,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    greedy: bool,
    seed: int | None,
    num_samples: int,
    stop: str | None,
    escapes: bool,
    unique: bool,
    new: bool,
    keep_cut: bool,
    as_json: bool,
    unknown: str,
) -> None:
    """Sample text from a model.

    Prints the prime and its continuation. CHECKPOINT is an .npz file or a run folder, by default
    the newest run under runs/.
    """
    if prime is not None and prime_file is not None:
        raise click.UsageError("--prime and --prime-file both name a prime; give one.")
    if greedy and temperature:
        raise click.UsageError("--greedy is a --temperature of 0; give one.")
    greedy = greedy or temperature == 0
    if stop == "":
        raise click.UsageError("--stop: the text is empty; give at least one character.")
    from charrnn.model.sampling_params import GREEDY_ALONE, random_seed
    from charrnn.runs.checkpoint import reading_note
    from charrnn.runs.load import load
    from charrnn.text.decoding import normalise_newlines

    for option, value in (("--top-k", top_k), ("--top-p", top_p)):
        if value is not None and greedy:
            raise click.UsageError(GREEDY_ALONE.format(option, "--greedy") + ".")
    refuse_mpiexec()
    path = _find(checkpoint)
    if note := reading_note(path):
        click.echo(note, err=True)
    model = load(path)
    if escapes:
        prime, prompt = (text if text is None else unescaped(text) for text in (prime, prompt))
    stop = stop if stop is None else unescaped(stop)
    if prime_file is None:
        text = normalise_newlines(prime or "", model.config.data)
    else:
        text = _read_prime(prime_file, model)
    of_records = {"--unique": unique, "--new": new, "--keep-cut": keep_cut, "--json": as_json}
    if prompt is not None and model.vocabulary.prompt_end is None:
        raise click.UsageError("--prompt: this model was not trained on prompts and replies.")
    if model.vocabulary.end is not None:
        if stop is not None:
            raise click.UsageError("--stop: a record ends where the model ends it.")
        if prompt is None and model.labels.replies and model.vocabulary.prompt_end is not None:
            raise SamplingError(
                "this model tells the label of a text; charrnn predict TEXT prints it, with its "
                "probability"
            )
    elif given_of_records := [option for option, is_given in of_records.items() if is_given]:
        raise click.UsageError(
            f"{given_of_records[0]} is for records, and this model writes a text; a model trained "
            "with data.records: line writes a list."
        )
    model.encoder.features(features)  # refuses others before anything is printed
    drawn = seed is None and not greedy
    if seed is None:
        seed = random_seed()
    skip_unknown = unknown == "skip"
    if not skip_unknown:
        refuse_escapes("--prime", prime or "", model.vocabulary, ", or add --escapes")
        refuse_escapes("--prompt", prompt or "", model.vocabulary, ", or add --escapes")
    model.encoder.prime(text, skip_unknown=skip_unknown)
    skipped = len(model.encoder.unknown(text))
    if prompt is not None and model.vocabulary.end is not None:
        asked = model.encoder.prompt(prompt, skip_unknown=skip_unknown)
        skipped += 0 if asked is None else len(model.encoder.unknown(prompt))
    choosing: dict[str, Any] = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "greedy": greedy,
        "seed": seed,
        "skip_unknown": skip_unknown,
    }
    sampler = None
    if model.vocabulary.end is not None:  # which checks the prompt, too
        sampler = model.record_sampler(
            num_samples, text, length, prompt=prompt, features=features, **choosing
        )
    if checkpoint is None:
        click.echo(str(path), err=True)
    if drawn:
        click.echo(f"seed {seed}", err=True)
    report_skipped(skipped, model.vocabulary.tokens)
    if model.labels.replies:
        note = (
            "this model replies with labels; charrnn predict PROMPT prints the likeliest, with its "
            "probability"
        )
        click.echo(wrapped(note, sys.stderr), err=True)
    if sampler is None:
        from charrnn.commands.sample_texts import print_texts

        length = model.default_length if length is None else length
        print_texts(
            model, text, length, num_samples, shows_prime=not no_prime, stop=stop, **choosing
        )
        return
    from charrnn.commands.sample_records import print_records
    from charrnn.model.record_sampling import separator_of

    selection = model.selection(
        num_samples,
        sampler,
        unique=unique,
        new=new,
        keep_cut=keep_cut,
        note=lambda message: click.echo(message, err=True),
    )
    print_records(
        sampler,
        selection,
        num_samples,
        prompt=prompt,
        prime="" if no_prime else sampler.prime_text,
        separator=separator_of(model.config.data, model.vocabulary) or "\n",
        as_json=as_json,
    )


def _find(checkpoint: str | None) -> Path:
    """Return the path of the checkpoint that the argument names.

    Raises:
        CheckpointError: there is none; the error asks whether the argument is a prime or a prompt.
    """
    from charrnn.runs.folder import find_checkpoint

    try:
        return find_checkpoint(checkpoint)
    except CheckpointError as error:
        if checkpoint is None or os.path.lexists(checkpoint) or "did you mean" in error.problem:
            raise
        hint = f"did you mean {_options_for(checkpoint)}?"
        raise CheckpointError(error.problem, hint=hint) from None


def _options_for(text: str) -> str:
    """Return the options that give a text, or features, to the newest model."""
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint

    prime = f"--prime {quote(text)}"
    try:
        newest = load_checkpoint(find_checkpoint(None))
    except CharRNNError:
        return prime
    prompt = f"--prompt {quote(text)}" if newest.vocabulary.prompt_end is not None else ""
    if newest.scale is None:
        return prompt or prime
    try:
        is_numbers = bool([float(one) for one in text.split(",")])
    except ValueError:
        is_numbers = False
    if is_numbers:
        return f"--features {text}{' --prompt TEXT' if prompt else ''}"
    return f"--features X,Y,... {prompt or prime}"


def _read_prime(file: str, model: LanguageModel) -> str:
    from charrnn.config.paths import named_path
    from charrnn.text.decoding import decode_text

    path = named_path(file, "--prime-file")
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(_PRIME_BYTES + 1) if sys.stdin else b""
        else:
            with path.open("rb") as opened:
                raw = opened.read(_PRIME_BYTES + 1)
    except OSError as error:
        raise TextError(f"--prime-file {file}: cannot be read: {error.strerror}") from None
    if len(raw) > _PRIME_BYTES:
        raise TextError(
            f"--prime-file {file}: has more than {counted(_PRIME_BYTES, 'byte')}; the last few "
            "thousand characters of a text are enough for a prime"
        )
    if model.vocabulary.tokens == "byte":
        text = raw.decode("utf-8", "surrogateescape")
    else:
        text = decode_text(
            raw,
            f"--prime-file {file}",
            newlines=model.config.data.newlines,
            remedy="save it as UTF-8",
        )
    # Files end with a newline, which records of one line do not have.
    return text if ord("\n") in model.vocabulary.symbols else text.removesuffix("\n")
