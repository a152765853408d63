"""The commands: parse, call one library function, print.

Nothing heavy is imported before a command needs it, so that --help and --version answer at once.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from charrnn import __version__
from charrnn.errors import CharRNNError

if TYPE_CHECKING:
    from charrnn.evaluation import Score
    from charrnn.language_model import LanguageModel

_INTERRUPTED = 130

# NumPy's matrix products on one thread, unless the user wishes otherwise: the threads of a product
# wait for each other in a busy loop, and where another program takes one of their cores a step can
# take twenty times as long. It also makes the bits independent of the number of cores. This must
# happen before NumPy is imported.
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class _Finite(click.FloatRange):
    """A float within bounds; nan is within none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be used here.", param, ctx)
        return number


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="charrnn")
def cli() -> None:
    """Train character-level language models with recurrent networks, and let them write.

    \b
    charrnn train config.yaml        train a model on your text
    charrnn sample --prime "Once"    let the newest model write
    charrnn eval                     measure how well it predicts
    """


@cli.command()
@click.argument("config")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the configuration, as in train.learning_rate=1e-3. May be repeated.",
)
@click.option(
    "--run-dir", metavar="DIR", help="Folder to write to.  [default: runs/NAME-OF-CONFIG]"
)
@click.option("--resume", is_flag=True, help="Go on exactly where the run stopped.")
@click.option("--overwrite", is_flag=True, help="Begin anew in a folder that holds a run.")
@click.option(
    "--init-from", metavar="CHECKPOINT", help="Begin with the weights of another run or file."
)
def train(
    config: str,
    overrides: tuple[str, ...],
    run_dir: str | None,
    resume: bool,
    overwrite: bool,
    init_from: str | None,
) -> int:
    """Train a model as the file CONFIG says.

    The folder of the run gets config.yaml (as resolved), metrics.jsonl, best.npz and last.npz.
    Ctrl-C saves and stops; --resume goes on from there, bit for bit.
    """
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite begins anew; give one.")
    from charrnn.config import load_config
    from charrnn.reporting import TerminalReporter
    from charrnn.runs import RUNS, find_checkpoint
    from charrnn.training import train as train_run

    outcome = train_run(
        load_config(config, overrides),
        run_dir or RUNS / Path(config).stem,
        resume=resume,
        overwrite=overwrite,
        init_from=None if init_from is None else find_checkpoint(init_from),
        reporter=TerminalReporter(),
    )
    return 0 if outcome.signal is None else 128 + outcome.signal


@cli.command()
@click.argument("checkpoint", required=False)
@click.option("--prime", metavar="TEXT", help="Text to go on from.")
@click.option(
    "--prime-file", metavar="FILE", help="File with the text to go on from; - is standard input."
)
@click.option("--no-prime", is_flag=True, help="Print the continuation without the prime.")
@click.option(
    "--length",
    metavar="N",
    type=click.IntRange(min=0),
    default=500,
    show_default=True,
    help="New characters to write.",
)
@click.option(
    "--temperature",
    metavar="X",
    type=_Finite(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 more of the likely, above 1 more of the unlikely; 0 is --greedy.",
)
@click.option(
    "--top-k", metavar="K", type=click.IntRange(min=1), help="Choose among the K likeliest."
)
@click.option(
    "--top-p",
    metavar="P",
    type=_Finite(min=0, max=1, min_open=True),
    help="Choose among the likeliest that together have probability P.",
)
@click.option("--greedy", is_flag=True, help="Take the likeliest character each time.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    help="For the same text each time.  [default: drawn, and printed to stderr]",
)
@click.option(
    "--num-samples",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Texts to write side by side; a line of --- stands between them.",
)
@click.option("--stop", metavar="TEXT", help="End a text after this.")
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What to do with a character of the prime that the model does not know.",
)
def sample(
    checkpoint: str | None,
    prime: str | None,
    prime_file: str | None,
    no_prime: bool,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    greedy: bool,
    seed: int | None,
    num_samples: int,
    stop: str | None,
    unknown: str,
) -> None:
    """Let a model write.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/. The prime
    and its continuation go to stdout.
    """
    if prime is not None and prime_file is not None:
        raise click.UsageError("--prime and --prime-file both name a prime; give one.")
    if stop == "":
        raise click.UsageError("--stop: an empty text is everywhere; give at least one character.")
    from charrnn.language_model import load
    from charrnn.sampling import Choosing

    model = load(checkpoint)
    text = prime or "" if prime_file is None else _read_prime(prime_file, model)
    if seed is None:
        seed = secrets.randbits(32)
        if not greedy:
            click.echo(f"seed {seed}", err=True)
    try:
        pieces = model.stream(
            text,
            length,
            N=num_samples,
            choosing=Choosing(temperature, top_k, top_p, greedy),
            seed=seed,
            stop=stop,
            skip_unknown=unknown == "skip",
        )
    except CharRNNError as error:
        raise CharRNNError(f"{error}; --unknown skip leaves such characters out") from None
    _print_samples(pieces, "" if no_prime else text, num_samples)


@cli.command(name="eval")
@click.argument("arguments", metavar="[CHECKPOINT] [TEXT_FILE]", nargs=-1)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    help="Part of the model's own text to score.  [default: valid]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def evaluate(arguments: tuple[str, ...], split: str | None, as_json: bool) -> None:
    """Measure how well a model predicts a text.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/. Of
    TEXT_FILE every character but the first is scored, of a split every one.
    """
    checkpoint, text_file = _checkpoint_and_text(arguments)
    if text_file is not None and split is not None:
        raise click.UsageError("--split is of the model's own text; give it or TEXT_FILE.")
    from charrnn.checkpoint import load_checkpoint
    from charrnn.evaluation import codes_of_file, codes_of_split, score_windows
    from charrnn.reporting import progress
    from charrnn.runs import find_checkpoint

    path = find_checkpoint(checkpoint)
    loaded = load_checkpoint(path)
    if text_file is not None:
        codes, start, end = codes_of_file(loaded, text_file)
    else:
        codes, start, end = codes_of_split(loaded, split or "valid")
    click.echo(f"{path}, {text_file or (split or 'valid') + ' part'}", err=True)
    with progress(end - max(start, 1)) as advance:
        windows = []
        for window in score_windows(loaded.model(), codes, start, end):
            windows.append(window)
            advance(window.chars)
    _print_score(sum(windows[1:], windows[0]), as_json)


@cli.command()
@click.argument("checkpoint", required=False)
def info(checkpoint: str | None) -> None:
    """Show what a checkpoint is: configuration, vocabulary, parameters, losses, steps.

    CHECKPOINT is a file or a run's folder; left out, it is the newest run under runs/.
    """
    from charrnn.checkpoint import load_checkpoint
    from charrnn.description import checkpoint_text
    from charrnn.runs import find_checkpoint

    path = find_checkpoint(checkpoint)
    click.echo(checkpoint_text(path, load_checkpoint(path)))


def _checkpoint_and_text(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """Tell which of eval's arguments is which."""
    if len(arguments) > 2:
        raise click.UsageError(f"too many arguments: {' '.join(arguments)}")
    if len(arguments) == 2:
        return arguments[0], arguments[1]
    if not arguments:
        return None, None
    (only,) = arguments
    if only.endswith(".npz") or os.path.isdir(only):
        return only, None
    return None, only


def _read_prime(file: str, model: LanguageModel) -> str:
    from charrnn.corpus import decode_text
    from charrnn.errors import TextError

    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise TextError(f"--prime-file {file}: cannot be read: {error.strerror}") from None
    if model.vocabulary.tokens == "byte":
        return raw.decode("utf-8", "surrogateescape")
    return decode_text(raw, f"--prime-file {file}", newlines=model.config.data.newlines)


def _print_samples(pieces: Any, prime: str, num_samples: int) -> None:
    """Write one text as it is made, several one after the other."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        if num_samples > 1:
            grown = list(zip(*pieces, strict=True)) or [()] * num_samples
            texts = [prime + "".join(pieces_of_one) for pieces_of_one in grown]
            separated = "---\n".join(text if text.endswith("\n") else text + "\n" for text in texts)
            sys.stdout.write(separated)
            sys.stdout.flush()
            return
        last = prime
        sys.stdout.write(prime)
        for (piece,) in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
            last = piece or last
        sys.stdout.write("" if last.endswith("\n") else "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough. Python would flush once more at its end, into nothing now.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_score(score: Score, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(score.to_dict()))
        return
    click.echo(f"characters  {score.chars:,}")
    click.echo(f"nats/char   {score.loss_nats:.4f}")
    click.echo(f"bits/char   {score.bits_per_char:.4f}")
    click.echo(f"perplexity  {score.perplexity:.3f}")


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: the one place where errors become messages."""
    for variable in _BLAS_THREADS:
        os.environ.setdefault(variable, "1")
    try:
        result = cli.main(args, prog_name="charrnn", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except CharRNNError as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("not enough memory; try a smaller train.batch_size, seq_length or model")
    except OSError as error:
        return _failed(f"{error.filename or 'output'}: {error.strerror}")
    return result if isinstance(result, int) else 0


def _failed(message: str) -> int:
    click.echo(f"charrnn: error: {message}", err=True)
    return 1


def main() -> NoReturn:
    """The entry point."""
    sys.exit(run())
