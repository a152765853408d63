"""Signals: a clean stop during any work, also for a shell's background job."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import assert_same_run, timeless, train, wait_until, write_config

# Imported while a test patches a name, this module would keep the patch.
import charrnn.model.language_model
import charrnn.runs.load  # before a test replaces what it imports
import charrnn.system.signals
from charrnn.commands.cli import run
from charrnn.model.sampling import continuations
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.system.signals import Interrupted, graceful_interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ENDLESS = {
    "train.backend": "numpy",  # Numba takes a second in each process
    "train.max_steps": 10**7,
    "train.validate_every": 5,
    "train.checkpoint_every": 10**6,
}
each_signal = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)


def as_usual() -> None:
    """Start a process with the default handlers; nohup, for one, ignores SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def in_the_background() -> None:
    """Ignore what a shell without job control makes its background jobs ignore."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


def started(place: Path, first: Callable[[], None], *arguments: str) -> subprocess.Popen[str]:
    """Start an endless training."""
    config = write_config(place, ENDLESS)
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", "train", str(config), "--run-dir", "run", *arguments],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=first,
    )


def wait_for_validation(process: subprocess.Popen[str]) -> None:
    """Wait for the first validation."""
    assert process.stderr is not None
    for line in process.stderr:
        if "validation" in line:
            return


def communicated(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end of a process, which must come soon, and return its output."""
    try:
        return process.communicate(timeout=20)
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("number", "code", "first", "workers"),
    [
        (signal.SIGINT, 130, as_usual, 1),
        (signal.SIGINT, 130, in_the_background, 2),
        (signal.SIGTERM, 143, in_the_background, 1),
        (signal.SIGHUP, 129, as_usual, 2),
    ],
)
def test_a_signal_saves_and_stops(
    number: signal.Signals,
    code: int,
    first: Callable[[], None],
    workers: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with started(tmp_path, first, "--set", f"train.workers={workers}") as process:
        wait_for_validation(process)
        began = time.monotonic()
        process.send_signal(number)
        out, err = communicated(process)
    assert time.monotonic() - began < 5  # seconds, some of them for other programs
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    run_dir = tmp_path / "run"
    step = load_checkpoint(run_dir / "last.npz").counters.step
    last_line = err.splitlines()[-1]
    assert last_line.startswith(f"interrupted at step {step:,}, saved in ")
    assert "--resume" in last_line
    assert not list(run_dir.glob(".*"))
    command = ["train", str(tmp_path / "tiny.yaml"), "--run-dir", str(run_dir), "--resume"]
    assert run([*command, "--set", f"train.max_steps={step + 10}"]) == 0
    err = capsys.readouterr().err
    assert f"continuing from step {step:,}" in err
    assert f"finished: {step + 10:,} steps" in err


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks /proc who handles what")
@each_signal
@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_a_signal_during_the_start(
    number: signal.Signals, code: int, after_s: float, tmp_path: Path
) -> None:
    """There is no traceback, and the folder holds nothing or a run that can be resumed."""
    with started(tmp_path, in_the_background) as process:
        wait_until(lambda: handles(process.pid, number), 20)
        time.sleep(after_s)
        process.send_signal(number)
        _, err = communicated(process)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "interrupted" in err or not err
    run_dir = tmp_path / "run"
    assert not run_dir.exists() or not list(run_dir.glob(".*"))
    last = run_dir / "last.npz"
    step = load_checkpoint(last).counters.step if last.exists() else 0
    train(tmp_path, ENDLESS | {"train.max_steps": 30}, "--resume")
    if step < 30:  # else nothing was left to do
        whole = tmp_path / "whole"
        config = write_config(tmp_path, ENDLESS | {"train.max_steps": 30})
        assert run(["train", str(config), "--run-dir", str(whole)]) == 0
        assert_same_run(run_dir, whole)


def handles(process: int, number: signal.Signals) -> bool:
    """Return whether a process handles a signal itself."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


def test_a_second_signal_during_the_start_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, codes = 0.0, []
    monkeypatch.setattr("charrnn.system.signals.time.monotonic", lambda: now_s)
    monkeypatch.setattr("charrnn.system.signals.os._exit", codes.append)
    with charrnn.system.signals.prompt_interrupts(__name__):
        with pytest.raises(charrnn.system.signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)
        for now_s in (0.1, 0.2):  # noqa: B007
            signal.raise_signal(signal.SIGTERM)
        assert codes == []
        now_s = 0.5
        signal.raise_signal(signal.SIGINT)
        assert codes == [130]


@pytest.mark.parametrize(
    "body", ["import outer\n    print('went on')", "return __import__('outer')"]
)
def test_an_interrupt_during_an_import_waits_for_its_end(body: str, tmp_path: Path) -> None:
    """Some modules print an exception in an import and continue."""
    (tmp_path / "inner.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    (tmp_path / "outer.py").write_text(
        "import traceback\n"
        "try:\n"
        "    import inner\n"
        "except BaseException:\n"
        "    traceback.print_exc()\n"
        "print('imported')\n"
    )
    script = (
        "from charrnn.system.signals import Interrupted, prompt_interrupts\n"
        f"def work():\n    {body}\n"
        "with prompt_interrupts(__name__):\n"
        "    try:\n"
        "        work()\n"
        "    except Interrupted as interrupted:\n"
        "        print(interrupted.number)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\n15\n", "")


def test_an_interrupt_is_raised_again_if_its_exception_was_lost() -> None:
    with charrnn.system.signals.prompt_interrupts(__name__):
        with contextlib.suppress(charrnn.system.signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(charrnn.system.signals.Interrupted), graceful_interrupts():
            raise AssertionError("the work has started")


def test_another_command_ends_with_the_code_of_the_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(argument: str | None) -> Path:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError(argument)

    monkeypatch.setattr("charrnn.runs.folder.find_checkpoint", find)
    assert run(["sample"]) == 143
    assert capsys.readouterr().err == "charrnn: interrupted\n"


def test_an_interrupted_sample_ends_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prompt of the shell would follow the text otherwise."""

    def pieces(*_: object, **__: object) -> Iterator[list[str]]:
        yield ["and the"]
        signal.raise_signal(signal.SIGINT)

    run_dir = train(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr("charrnn.model.text_model.continuations", pieces)
    assert run(["sample", str(run_dir), "--prime", "bee "]) == 130
    out, err = capsys.readouterr()
    assert out == "bee and the\n"
    assert err.endswith("charrnn: interrupted\n")


def test_a_sample_in_training_is_interrupted_and_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A long sample of a large model takes minutes."""
    written = 0

    def counted(*arguments: object, **named: object) -> Iterator[list[str]]:
        nonlocal written
        for piece in continuations(*arguments, **named):  # type: ignore[arg-type]
            written += 1
            if written == 100:
                signal.raise_signal(signal.SIGINT)
            yield piece

    monkeypatch.setattr("charrnn.model.language_model.continuations", counted)
    config = write_config(tmp_path, {"train.validate_every": 5, "train.sample_length": 1000})
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 130
    assert written < 110
    assert load_checkpoint(tmp_path / "run" / "last.npz").counters.validated_step == 0
    for more in (["--run-dir", "run", "--resume"], ["--run-dir", "whole"]):
        assert run(["train", str(config), "--run-dir", str(tmp_path / more[1]), *more[2:]]) == 0
    assert timeless(tmp_path / "run") == timeless(tmp_path / "whole")
    samples = [r for r in timeless(tmp_path / "run") if r["split"] == "sample"]
    assert [(r["step"], len(r["text"])) for r in samples] == [
        (step, 1000) for step in (5, 10, 15, 20)
    ]


def test_a_second_interrupt_ends_the_process_if_it_is_not_the_same_press(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, codes = 0.0, []
    monkeypatch.setattr("charrnn.system.signals.time.monotonic", lambda: now_s)
    monkeypatch.setattr("charrnn.system.signals.os._exit", codes.append)
    monkeypatch.setattr("charrnn.system.signals.os.write", lambda *_: None)
    with contextlib.suppress(Interrupted), graceful_interrupts() as interrupted:
        for now_s in (5.0, 5.2, 5.25):  # noqa: B007
            signal.raise_signal(signal.SIGINT)
        assert (interrupted(), codes) == (signal.SIGINT, [])
        now_s = 6.5
        signal.raise_signal(signal.SIGTERM)
        assert (interrupted(), codes) == (signal.SIGINT, [128 + signal.SIGTERM])


def test_a_training_that_was_stopped_raises_when_it_has_saved() -> None:
    def stopped() -> None:
        with graceful_interrupts():
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        stopped()
    assert (caught.value.number, caught.value.saved) == (signal.SIGTERM, True)


def test_an_ignored_hang_up_stays_ignored() -> None:
    """It is ignored under nohup. An interrupt is handled, also in a shell's background job."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(Interrupted), graceful_interrupts() as interrupted:
            signal.raise_signal(signal.SIGHUP)
            assert interrupted() is None
            signal.raise_signal(signal.SIGINT)
            assert interrupted() == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_first_press_is_explained_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The step may take a while, and a second press loses it."""
    for terminal in (False, True):
        monkeypatch.setattr("charrnn.system.signals.os.isatty", lambda _, answer=terminal: answer)
        with contextlib.suppress(Interrupted), graceful_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        message = "\nfinishing the step and saving; a second Ctrl-C stops at once\n"
        assert capfd.readouterr().err == (message if terminal else "")
