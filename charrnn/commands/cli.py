"""The group of commands, and the one place that turns errors into messages and exit codes.

A command imports NumPy and the other slow modules when it runs, so --help and --version are fast.
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
from charrnn.commands.export import export
from charrnn.commands.info import info
from charrnn.commands.init import init
from charrnn.commands.inspect import inspect
from charrnn.commands.options import option_of
from charrnn.commands.plot import plot
from charrnn.commands.predict import predict
from charrnn.commands.report import report
from charrnn.commands.sample import sample
from charrnn.commands.train import train
from charrnn.commands.wrong_usage import with_advice
from charrnn.config.paths import current_folder
from charrnn.errors import CharRNNError, ConfigError
from charrnn.system.cores import default_to_one_blas_thread
from charrnn.system.signals import Interrupted, prompt_interrupts
from charrnn.system.terminal import visible, wrapped

_LONGEST_USAGE_ERROR = 2000  # characters; it quotes arguments, which can be long


class _Commands(click.Group):
    """A group of commands, each of which succeeds when the reader of its output goes away."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python flushes stdout at exit, which would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="charrnn")
def cli() -> None:
    """Train character-level language models, and sample text from them.

    \b
    charrnn train my-text.txt        train a model on your text
    charrnn init my-text.txt         write its configuration, to be changed
    charrnn sample --prime "Once"    continue a text with the newest model
    charrnn eval                     measure how well it predicts
    charrnn predict "Once"           tell the label of a text, or reply to it
    charrnn inspect                  see what it has learned
    charrnn report                   write a page about the training
    charrnn export                   write a page that runs the model in a browser
    charrnn bench                    measure the speed of this machine
    """


COMMANDS = (init, train, sample, evaluate, predict, inspect, report, plot, export, info, bench)

for command in COMMANDS:
    cli.add_command(command)


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line, print its error if it fails, and return its exit code."""
    default_to_one_blas_thread()
    _prepare_streams()
    try:
        with prompt_interrupts(__name__):
            result = cli.main(args, prog_name="charrnn", standalone_mode=False)
    except click.ClickException as error:
        message = StringIO()
        with_advice(error, sys.argv[1:] if args is None else args).show(message)
        shown = visible(message.getvalue().rstrip()[:_LONGEST_USAGE_ERROR])
        click.echo(wrapped(shown, sys.stderr), err=True)
        return error.exit_code
    except Interrupted as interrupted:
        return 128 + interrupted.number if interrupted.saved else _interrupted(interrupted.number)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(signal.SIGINT)
    except CharRNNError as error:
        return _failed(error.worded(option_of))
    except MemoryError:
        return _failed("not enough memory; try a smaller train.batch_size, seq_length or model")
    except OSError as error:
        return _failed(f"{error.filename or 'output'}: {error.strerror}")
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    """Encode output as UTF-8, and open the null device in place of a closed stream."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the parent process has closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _interrupted(number: int) -> int:
    click.echo("charrnn: interrupted", err=True)
    return 128 + number


def _failed(message: str) -> int:
    try:
        current_folder()
    except ConfigError as error:  # a relative path leads nowhere then
        if error.problem not in message:
            message = f"{message}; {error.problem}"
    click.echo(wrapped(f"charrnn: error: {message}", sys.stderr), err=True)
    return 1
