"""charrnn sample and `sample_records`: whole records, and what is left out of them."""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import count, islice, pairwise
from pathlib import Path

import pytest
from small_models import wandering, writing_records
from support import processes_of, train, wait_until

import charrnn
from charrnn.backends.backend import resolve_backend
from charrnn.commands.cli import run
from charrnn.errors import TextError
from charrnn.kernels import CELLS
from charrnn.model import record_sampling
from charrnn.model.record_sampling import SampledRecord
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint
from charrnn.workers import sampling as workers_sampling
from charrnn.workers.sampling import attempts_by_workers

LETTERS = "abcde"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a list of words, blocks, and a model of each."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(1)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(1, 12))) for _ in range(300)]
    Path("words.txt").write_text("\n".join(words))
    Path("blocks.txt").write_text("\n\n".join(f"{a}\n{b}" for a, b in pairwise(words)))
    save_checkpoint(Path("words.npz"), writing_records(tmp_path / "words.txt"))
    save_checkpoint(Path("blocks.npz"), writing_records(tmp_path / "blocks.txt", "paragraph"))
    save_checkpoint(Path("text.npz"), wandering())
    return tmp_path


def sampled(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    """Run `charrnn sample` with a seed; return the lines of stdout, and stderr."""
    assert run(["sample", *arguments, "--seed", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\n")
    return captured.out.removesuffix("\n").split("\n"), captured.err


@pytest.mark.usefixtures("folder")
def test_a_record_depends_on_the_seed_and_its_number_alone() -> None:
    model = charrnn.load("words.npz")
    expected = list(model.sample_records(60, "a", seed=3))
    assert [record.attempt for record in expected] == list(range(60))
    assert len({record.text for record in expected}) > 20
    for n in (1, 7, 200):  # as many records are written side by side
        found = list(islice(model.sample_records(n, "a", seed=3), 60))
        assert [one.text for one in found] == [one.text for one in expected[:n]]
    assert expected[0].text == model.sample("a", seed=3)
    texts = ["".join(parts) for parts in zip(*model.stream("a", N=60, seed=3), strict=True)]
    assert texts == [record.text for record in expected]


@pytest.mark.usefixtures("folder")
def test_the_default_temperature_of_records_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    model = charrnn.load("words.npz")
    expected = [one.text for one in model.sample_records(20, seed=1, temperature=1)]
    assert [one.text for one in model.sample_records(20, seed=1, temperature=0.8)] != expected
    assert [one.text for one in model.sample_records(20, seed=1)] == expected
    assert sampled(capsys, "words.npz", "-n", "20")[0] == expected
    assert "".join(model.show(60, 1)).startswith(f"{expected[0]}\n{expected[1]}\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("rows", [1, 3])
def test_fewer_rows_write_the_same_records(rows: int) -> None:
    """Also after many steps, when every row has begun another record."""
    sampler = charrnn.load("words.npz").record_sampler(64, "a", seed=2)
    found = []
    for one in (sampler, replace(sampler, rows=rows)):
        attempts = (record for some in one.attempts() for record in some)
        found.append(list(islice(attempts, 400)))
    assert [one.text for one in found[0]] == [one.text for one in found[1]]
    log_probs = ([one.log_prob for one in records] for records in found)
    assert next(log_probs) == pytest.approx(next(log_probs), rel=1e-5)


@pytest.mark.usefixtures("folder")
def test_rows_do_not_run_far_ahead_of_a_long_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after an attempt that has not ended is held in memory."""
    sampler = replace(charrnn.load("words.npz").record_sampler(64, "a", seed=2), rows=8)

    def write(most_ahead: int) -> tuple[list[str], int]:
        """Return 400 records in order, and how far one was ahead of the first that was missing."""
        monkeypatch.setattr(record_sampling, "_MOST_AHEAD", most_ahead)
        found, ahead, missing = dict[int, str](), 0, 0
        for some in sampler._finished(3, 5):
            found |= {(one.attempt - 3) // 5: one.text for one in some}
            missing = next(k for k in count(missing) if k not in found)
            ahead = max(ahead, max(found) - missing)
            if missing >= 400:
                return [found[k] for k in range(400)], ahead
        raise AssertionError

    expected, far = write(10_000)
    assert far > 2 * 18
    for most_ahead in (1, 10):
        found, ahead = write(most_ahead)
        assert found == expected
        assert ahead < most_ahead + sampler.rows


def test_a_process_does_not_run_far_ahead() -> None:
    """A slow process is waited for, so that few attempts are held in memory."""

    class Slow:
        def __init__(self) -> None:
            self.received = 0

        def poll(self) -> bool:
            return False

        def recv(self) -> list[SampledRecord]:
            self.received += 1
            return [SampledRecord(1, "", 0.0, True)]

    pipe = Slow()
    own = ([SampledRecord(k, "", 0.0, True)] for k in count(0, 2))
    shares = workers_sampling._all_shares(own, [pipe])  # type: ignore[list-item]
    assert len(list(islice(shares, workers_sampling._MOST_AHEAD // 2))) == 1 << 13
    assert pipe.received == 0
    assert len(list(islice(shares, 4))) == 4
    assert pipe.received > 0


@pytest.mark.usefixtures("folder")
def test_more_processes_write_the_same_records() -> None:
    sampler = charrnn.load("words.npz").record_sampler(200, "a", seed=2)
    found = []
    for workers in (1, 3):
        with attempts_by_workers(sampler, workers) as attempts:
            found.append(list(islice((one for some in attempts for one in some), 500)))
    assert [one.attempt for one in found[1]] == list(range(500))
    assert [one.text for one in found[0]] == [one.text for one in found[1]]


@pytest.mark.parametrize("cell", CELLS)
def test_compiled_gates_write_the_same_records(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apart from near-ties; they are used for many records only."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(f"{a}{b}" for a in "abcde" for b in "xyz" * 9))
    folder = train(tmp_path, {"data.records": "line", "model.cell": cell, "train.max_steps": 20})
    sampler = charrnn.load(folder).record_sampler(400, seed=2)
    assert workers_sampling.compiled_for(sampler, 400) is sampler
    compiled = workers_sampling.compiled_for(sampler, 10**9)
    assert compiled.model.backend.name == resolve_backend("auto")
    texts = []
    for one in (sampler, compiled):
        attempts = (record for some in one.attempts() for record in some)
        texts.append([record.text for record in islice(attempts, 1000)])
    assert sum(a != b for a, b in zip(*texts, strict=True)) <= 1
    assert len({*texts[0]}) > 50


@pytest.mark.usefixtures("folder")
def test_the_log_probability_of_a_record() -> None:
    """At temperature 1, of its symbols and its end, whatever the temperature it was drawn at."""
    model = charrnn.load("words.npz")
    for record in model.sample_records(40, seed=1, temperature=2.0):
        assert record.log_prob == pytest.approx(-model.score(record.text).nats, rel=1e-5)


@pytest.mark.usefixtures("folder")
def test_json_has_the_text_and_its_log_probability(capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = sampled(capsys, "words.npz", "-n", "9", "--prime", "ab", "--json")
    model = charrnn.load("words.npz")
    written = list(model.sample_records(9, "ab", seed=1))
    assert [json.loads(line) for line in lines] == [
        {"text": "ab" + one.text, "log_prob": pytest.approx(one.log_prob), "ended": True}
        for one in written
    ]
    continuations, _ = sampled(
        capsys, "words.npz", "-n", "9", "--prime", "ab", "--json", "--no-prime"
    )
    assert [json.loads(line)["text"] for line in continuations] == [one.text for one in written]


@pytest.mark.usefixtures("folder")
def test_a_record_that_is_cut_is_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    kept, err = sampled(capsys, "words.npz", "-n", "90", "--length", "3", "--keep-cut")
    assert err == ""
    assert len(kept) == 90
    assert max(map(len, kept)) == 3
    lines, err = sampled(capsys, "words.npz", "-n", "90", "--length", "3")
    assert len(lines) == 90
    left_out = int(err.removeprefix("left out: ").partition(" records that reached the")[0])
    model = charrnn.load("words.npz")
    whole = [one.text for one in model.sample_records(90 + left_out, length=400, seed=1)]
    assert lines == [text for text in whole if len(text) <= 3][:90]
    assert kept == [text[:3] for text in whole[:90]]


@pytest.mark.usefixtures("folder")
def test_the_log_probability_of_a_cut_record_has_no_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["words.npz", "-n", "50", "--json", "--length"]
    cut, whole = (sampled(capsys, *arguments, n, "--keep-cut")[0] for n in ("1", "400"))
    model = charrnn.load("words.npz")
    for a, b in zip(map(json.loads, cut), map(json.loads, whole), strict=True):
        if len(b["text"]) > 1:
            end = model.score(a["text"]).nats + a["log_prob"]  # of the end after it
            assert end > 0.1
            assert a["log_prob"] > b["log_prob"]


@pytest.mark.usefixtures("folder")
def test_the_greatest_length_is_twice_the_longest_training_record() -> None:
    checkpoint, text = load_checkpoint("words.npz"), load_checkpoint("text.npz")
    longest = max(map(len, Path("words.txt").read_text().split("\n")))
    assert checkpoint.longest_record == longest == 12
    assert text.longest_record is None
    assert charrnn.load("words.npz").default_length == 24
    assert charrnn.load("text.npz").default_length == 500


@pytest.mark.usefixtures("folder")
def test_unique_leaves_out_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    plain, err = sampled(capsys, "words.npz", "-n", "200")
    assert err == ""
    assert len(set(plain)) < 200
    lines, err = sampled(capsys, "words.npz", "-n", "200", "--unique")
    assert len(lines) == len(set(lines)) == 200
    assert lines[: len(set(plain))] == list(dict.fromkeys(plain))
    assert " repeats" in err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("prime", ["", "a"])
def test_new_leaves_out_what_stands_in_the_data(
    capsys: pytest.CaptureFixture[str], prime: str
) -> None:
    arguments = ["words.npz", "-n", "300", "--prime", prime]
    words = set(Path("words.txt").read_text().split("\n"))
    plain, _ = sampled(capsys, *arguments)
    assert words & set(plain)
    lines, err = sampled(capsys, *arguments, "--new")
    expected = [line for line in plain if line not in words]
    assert lines[: len(expected)] == expected
    assert not words & set(lines)
    assert " of the data" in err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("change", ["changed", "gone"])
def test_new_needs_the_data_of_the_training(
    capsys: pytest.CaptureFixture[str], change: str
) -> None:
    if change == "gone":
        Path("words.txt").unlink()
    else:
        with Path("words.txt").open("a") as file:
            file.write("\nab")
    assert run(["sample", "words.npz", "--new", "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    problem = "has changed since the training" if change == "changed" else "words.txt"
    assert problem in captured.err
    assert "no record is known to be new" in captured.err
    with pytest.raises(TextError):
        charrnn.load("words.npz").sample_records(1, new=True)


@pytest.mark.usefixtures("folder")
def test_attempts_have_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "words.npz", "-n", "7", "--length", "1", "--unique", "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert set(captured.out.split("\n")) == {*LETTERS, ""}
    assert "only 6 of 7 records found in 700 attempts, which left out " in captured.err
    assert " repeats, " in captured.err
    assert " records that reached the greatest length\n" in captured.err
    left_out = captured.err.partition("left out ")[2]
    assert sum(map(int, re.findall(r"\d+", left_out))) == 700 - 6


@pytest.mark.usefixtures("folder")
def test_blocks_have_a_blank_line_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = sampled(capsys, "blocks.npz", "-n", "20", "--prime", "ab")
    model = charrnn.load("blocks.npz")
    texts = ["ab" + one.text for one in model.sample_records(20, "ab", seed=1)]
    assert "\n".join(lines) == "\n\n".join(texts)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("has_lines", [True, False])
def test_replies_of_a_table_that_have_lines(
    has_lines: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have a blank line between them, like blocks."""
    newline = "\n" if has_lines else ""
    rows = "".join(f'x,"a{newline}b"\ny,"b{newline}a{k}"\n' for k in range(60))
    Path("table.csv").write_text(f"kind,text\n{rows}")
    columns = {"prompt_column": "kind", "reply_column": "text", "split_by": "record"}
    save_checkpoint(Path("table.npz"), writing_records(Path("table.csv"), "csv", **columns))
    lines, _ = sampled(capsys, "table.npz", "-n", "20", "--prompt", "x")
    model = charrnn.load("table.npz")
    texts = [one.text for one in model.sample_records(20, prompt="x", seed=1)]
    assert "\n".join(lines) == ("\n\n" if has_lines else "\n").join(texts)
    assert any("\n" in text for text in texts) == has_lines


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("prime", ["ab\n\nc", "ab\n\n", "\nab", "ab\n\r\n", "\n"])
def test_a_prime_of_blocks_has_no_blank_line(
    prime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = charrnn.load("blocks.npz")
    for sample in (partial(model.sample_records, 1), model.sample, model.stream):
        with pytest.raises(TextError, match="prime: has a blank line, which would end the record"):
            sample(prime)  # type: ignore[operator]
    for command in (["sample", "--prime", prime], ["inspect", "predictions", "--text", prime]):
        assert run([*command, "blocks.npz"]) == 1
        captured = capsys.readouterr()
        assert not captured.out
        assert re.fullmatch(r"charrnn: error: (prime|--text): has a blank line, .*\n", captured.err)


@pytest.mark.usefixtures("folder")
def test_a_prime_of_blocks_has_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for prime in ("", "ab", "ab\n", "ab\nc"):
        assert sampled(capsys, "blocks.npz", "--prime", prime, "-n", "5")[0][0]
    assert run(["sample", "words.npz", "--prime", "ab\ncd"]) == 1
    message = "prime: '\\n' (U+000A) in 'ab\\ncd' is not among the 5 characters this model knows"
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("record", ["ab\n\nc", "ab\n", "\nab", "\n"])
def test_no_record_with_a_blank_line_is_scored(record: str) -> None:
    model = charrnn.load("blocks.npz")
    with pytest.raises(TextError, match=r"records\[1\]: has a blank line, .* newline at its end"):
        model.score_records(["ab\nc", record])
    with pytest.raises(TextError, match="text: has a blank line"):
        model.score(record)
    assert [score.chars for score in model.score_records(["ab\nc", "ab", ""])] == [5, 3, 1]


def test_a_prime_file_may_end_with_a_newline(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "prime").write_text("ab\n")
    expected = sampled(capsys, "words.npz", "-n", "5", "--prime", "ab")[0]
    assert sampled(capsys, "words.npz", "-n", "5", "--prime-file", "prime")[0] == expected


@pytest.mark.usefixtures("folder")
def test_an_unknown_character_that_is_skipped_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines, err = sampled(capsys, "words.npz", "--prime", "aXb", "--unknown", "skip", "--json")
    assert json.loads(lines[0])["text"].startswith("ab")
    assert "left out: 1 character" in err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["--unique", "--new", "--keep-cut", "--json"])
def test_options_of_records_are_refused_for_a_text(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sample", "text.npz", option]) == 2
    assert f"{option} is for records" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_model_of_a_text_writes_no_records() -> None:
    with pytest.raises(charrnn.CharRNNError, match="was not trained on records"):
        charrnn.load("text.npz").sample_records(1)


def test_bytes_complete_a_character_of_the_prime(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\u00e9\n\u00e8\n\u00e9\u00e8\n" * 20, encoding="utf-8")
    save_checkpoint(tmp_path / "bytes.npz", writing_records(words, tokens="byte"))
    (tmp_path / "prime").write_bytes(b"\xc3")
    arguments = [str(tmp_path / "bytes.npz"), "--prime-file", str(tmp_path / "prime"), "-n", "60"]
    lines, _ = sampled(capsys, *arguments)
    assert {"\u00e9", "\u00e8"} < set(lines)
    new, err = sampled(capsys, *arguments, "--new")
    assert not {"\u00e9", "\u00e8", "\u00e9\u00e8"} & set(new)
    assert " of the data" in err


@pytest.mark.parametrize(
    ("method", "ending"), [("fork", "interrupt"), ("fork", "closed pipe"), ("spawn", "interrupt")]
)
def test_no_process_is_left(folder: Path, method: str, ending: str) -> None:
    """Neither after Ctrl-C, nor when the reader of the output goes away."""
    launcher = folder / "launcher.py"
    launcher.write_text(LAUNCHER)
    command = [sys.executable, str(launcher), method, "sample", "words.npz", "-n", "1000000"]
    with subprocess.Popen(
        [*command, "--seed", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(100_000)) == 100_000
        helpers = processes_of(process.pid)
        assert helpers
        if ending == "interrupt":
            process.send_signal(signal.SIGINT)
        process.stdout.close()
        error = process.stderr.read().decode()
        assert process.wait() == (130 if ending == "interrupt" else 0)
        others = [line for line in error.splitlines() if not line.startswith("writing  ")]
        assert others == (["charrnn: interrupted"] if ending == "interrupt" else [])
        wait_until(lambda: not processes_of(process.pid))


# The command with three processes, started by the method in the first argument.
LAUNCHER = """\
import sys
import charrnn.workers.sampling

if __name__ == "__main__":
    method = sys.argv.pop(1)
    charrnn.workers.sampling.start_method = lambda: method
    charrnn.workers.sampling.free_cores = lambda: 3
    from charrnn.__main__ import main
    main()
"""


@pytest.mark.usefixtures("folder")
def test_a_process_that_is_killed_is_reported() -> None:
    sampler = charrnn.load("words.npz").record_sampler(200, seed=2)
    with attempts_by_workers(sampler, 2) as attempts:
        multiprocessing.active_children()[0].kill()
        with pytest.raises(charrnn.CharRNNError, match="a process that writes records has ended"):
            list(attempts)


@pytest.mark.usefixtures("folder")
def test_processes_are_started_only_for_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_sampling, "free_cores", lambda: 4)
    sampler = charrnn.load("words.npz").record_sampler(200)
    assert workers_sampling.workers_for(sampler, 1) == 1
    assert workers_sampling.workers_for(sampler, 10**9) == 4


@pytest.mark.usefixtures("folder")
def test_long_records_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the memory for codes is made anew in the middle of a record."""
    model = charrnn.load("words.npz")
    model.model.views["output.b"][-1] = -2.0
    expected = [one.text for one in model.sample_records(20, length=10_000, seed=1)]
    assert max(map(len, expected)) > 100
    monkeypatch.setattr(record_sampling, "_STEPS", 2)
    assert [one.text for one in model.sample_records(20, length=10_000, seed=1)] == expected
    assert expected[3] == "".join(p for (p,) in model.stream(length=10_000, seed=1, first=3))
