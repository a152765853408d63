"""The message of wrong usage, with the command, option, key or argument that was probably meant."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from shlex import quote

import click

# What an argument, or the value of an option, may be meant by.
_OTHER_NAMES = {
    "MODEL": ("CHECKPOINT", "RUN"),
    "RUN": ("CHECKPOINT",),
    "CHECKPOINT": ("RUN",),
    "TEXT": ("TEXT_FILE",),
}
_OTHER_COMMANDS = {  # what other programs call them
    "benchmark": "bench",
    "classify": "predict",
    "complete": "sample",
    "evaluate": "eval",
    "generate": "sample",
    "help": "--help",
    "learn": "train",
    "score": "eval",
    "test": "eval",
    "version": "--version",
}
_EXAMPLES = {"init": "my-text.txt", "train": "my-text.txt"}  # of required arguments


def with_advice(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """Return an error, with advice in place of Click's own if there is any.

    Args:
        error: of Click.
        arguments: of the command line.
    """
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is None:
        return error
    if isinstance(error, click.NoSuchOption):
        if found := _for_option(error, ctx, arguments) or _near_options(error, ctx):
            return click.UsageError(f"No such option '{error.option_name}'; {found}", ctx)
        return error
    if isinstance(error, click.MissingParameter) and (text := _EXAMPLES.get(ctx.info_name or "")):
        missing = error.format_message().rstrip(".")
        return click.UsageError(f"{missing}, as in {ctx.command_path} {text}", ctx)
    if found := _for_command(error.message, ctx):
        return click.UsageError(found, ctx)
    if "extra argument" in error.message and "--prime" in _options(ctx):
        more = "--prime TEXT is a text to continue, --prompt TEXT a prompt to reply to"
        return click.UsageError(f"{error.message}; {more}.", ctx)
    return error


def _for_command(message: str, ctx: click.Context) -> str:
    """Return the message about a command that does not exist, if it stands for another; or ""."""
    name = re.match(r"No such command '(.*?)'", message, re.DOTALL)
    if name is None or ctx.parent is not None:
        return ""
    meant = _OTHER_COMMANDS.get(name[1].lower())
    if meant is None and (os.path.exists(name[1]) or re.search(r"\w\.\w+$", name[1])):
        is_model = name[1].endswith(".npz") or os.path.exists(os.path.join(name[1], "last.npz"))
        meant = f"{'sample' if is_model else 'train'} {quote(name[1])}"
    return f"No such command '{name[1]}'; did you mean {ctx.command_path} {meant}?" if meant else ""


def _near_options(error: click.NoSuchOption, ctx: click.Context) -> str:
    """Return which options are nearly one that does not exist, or begin with it, or ""."""
    name = error.option_name
    near = [one for one in _options(ctx) if name.startswith("--") and one.startswith(name)]
    near = near or [*(error.possibilities or ())]
    near.sort(key=lambda one: (-SequenceMatcher(None, name, one).ratio(), one))
    return f"did you mean {' or '.join(near)}?" if near else ""


def _for_option(error: click.NoSuchOption, ctx: click.Context, arguments: Sequence[str]) -> str:
    """Return what an option that does not exist probably stands for, or nothing."""
    from charrnn.config.near_keys import keys_like, nearest_key

    option = error.option_name
    name, value = option.lstrip("-"), _value(option, arguments)
    word = name.upper()
    meant = {word, *_OTHER_NAMES.get(word, ())}
    for one in ctx.command.params:
        if not meant & set(re.findall(r"\w+", one.metavar or str(one.name).upper())):
            continue
        if isinstance(one, click.Argument):
            return f"the {name} is an argument: {ctx.command_path} {value or word}"
        if one.metavar == "CHECKPOINT" and "--set" not in _options(ctx):  # keys may be meant
            return f"did you mean {one.opts[-1]} {value or one.metavar}?"
    if not option.startswith("--") or "--set" not in _options(ctx):
        return ""
    keys = keys_like(name)
    if not keys and not error.possibilities and (near := nearest_key(name)):
        keys = [near]
    ways = [f"--set {key}={value or '...'}" for key in keys]
    return f"did you mean {' or '.join(ways)}?" if ways else ""


def _options(ctx: click.Context) -> set[str]:
    return {name for one in ctx.command.params for name in one.opts}


def _value(option: str, arguments: Sequence[str]) -> str:
    """Return the value that an option was given, quoted for a shell; nothing without one."""
    for one, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = one.partition("=")
        if name == option:
            given = value if equals else "" if following.startswith("-") else following
            return quote(given) if given else ""
    return ""
