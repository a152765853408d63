"""The command line: the group of commands, and the one place where errors become messages.

Nothing heavy is imported before a command needs it, so that --help and --version answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import StringIO, TextIOWrapper
from typing import Any

import click

from charrnn import __version__
from charrnn.commands.bench import bench
from charrnn.commands.evaluate import evaluate
from charrnn.commands.info import info
from charrnn.commands.init import init
from charrnn.commands.inspect import inspect
from charrnn.commands.options import option_of
from charrnn.commands.plot import plot
from charrnn.commands.report import report
from charrnn.commands.sample import sample
from charrnn.commands.train import train
from charrnn.errors import CharRNNError, with_remedies
from charrnn.system.cores import default_to_one_blas_thread
from charrnn.system.signals import Interrupted, prompt_interrupts
from charrnn.system.terminal import visible, wrapped

_LONGEST_USAGE = 2000  # characters of a usage error, which quotes what was given


class _Commands(click.Group):
    """The commands; one whose reader has enough has done its work."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python would flush once more at its end, into nothing now.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="charrnn")
def cli() -> None:
    """Train character-level language models with recurrent networks, and let them write.

    \b
    charrnn init my-text.txt         write a configuration for your text
    charrnn train my-text.yaml       train a model on your text
    charrnn sample --prime "Once"    let the newest model write
    charrnn eval                     measure how well it predicts
    charrnn inspect                  see what it has learned
    charrnn report                   write a page about the training
    charrnn bench                    measure how fast it all goes here
    """


for command in (init, train, sample, evaluate, inspect, report, plot, info, bench):
    cli.add_command(command)


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: the one place where errors become messages."""
    default_to_one_blas_thread()
    _ready_streams()
    try:
        with prompt_interrupts(__name__):
            result = cli.main(args, prog_name="charrnn", standalone_mode=False)
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        click.echo(visible(said.getvalue().rstrip()[:_LONGEST_USAGE]), err=True)
        return error.exit_code
    except Interrupted as interrupted:
        return _interrupted(interrupted.number)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(signal.SIGINT)
    except CharRNNError as error:
        return _failed(with_remedies(error.problem, error.remedies, option_of))
    except MemoryError:
        return _failed("not enough memory; try a smaller train.batch_size, seq_length or model")
    except OSError as error:
        return _failed(f"{error.filename or 'output'}: {error.strerror}")
    return result if isinstance(result, int) else 0


def _ready_streams() -> None:
    """Let any character be printed, and nothing fail for want of a stream."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _interrupted(number: int) -> int:
    click.echo("charrnn: interrupted", err=True)
    return 128 + number


def _failed(message: str) -> int:
    click.echo(wrapped(f"charrnn: error: {message}", sys.stderr), err=True)
    return 1
