"""Records with a prompt and a reply: what is scored and trained on, how they are drawn, labels."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.reader import override_defaults
from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.kernels import Array
from charrnn.text import labels as labels_module
from charrnn.text import load, record_index
from charrnn.text import records as records_module
from charrnn.text.digests import digests
from charrnn.text.encoding import EncodedText
from charrnn.text.known import KnownRecords
from charrnn.text.labels import MOST_LABELS, early_codes
from charrnn.text.load import load_corpus
from charrnn.text.part import encode_file
from charrnn.text.records import RecordCorpus
from charrnn.text.vocabulary import SYMBOLS, Vocabulary

TRAIN = override_defaults().train
KEYS = {"records": "jsonl", "prompt_column": "p", "reply_column": "r", "valid_fraction": 0.0}

Pairs = Sequence[tuple[str, str]]


def corpus_of(path: Path, pairs: Iterable[tuple[str, str]], **keys: object) -> RecordCorpus:
    """Write pairs of prompt and reply as JSON lines, and read them."""
    path.write_text("".join(json.dumps({"p": p, "r": r}) + "\n" for p, r in pairs))
    data = replace(DataConfig(str(path)), **(KEYS | keys))  # type: ignore[arg-type]
    return cast(RecordCorpus, load_corpus(data))


def pairs_of(corpus: RecordCorpus, part: str = "") -> list[tuple[str, str]]:
    """Return the pairs of a part, by rank; by default of all parts."""
    start, end = corpus.split(part) if part else corpus.everything
    found = []
    for rank in range(start, end):
        codes = record_codes(corpus, rank)
        at = int(np.flatnonzero(codes == corpus.vocabulary.prompt_end)[0])
        found.append(tuple(map(corpus.vocabulary.decode, (codes[1:at], codes[at + 1 : -1]))))
    return cast("list[tuple[str, str]]", found)


def record_codes(corpus: RecordCorpus, rank: int) -> Array:
    """Return the codes of a record, with its begin and end."""
    first = int(corpus.starts[rank])
    length = int(corpus.lengths.length[corpus.lengths.run(np.array(rank))])
    return corpus.codes[first : first + length + 2]


def weights_of(corpus: RecordCorpus, prompt_weight: float) -> Counter[tuple[float, ...]]:
    """Return what each record's symbols count for, one after another, by the plain rule."""
    return Counter(
        (prompt_weight,) * (len(prompt) + 1) + (1.0,) * (len(reply) + 1)
        for prompt, reply in pairs_of(corpus)
    )


PAIRS = st.lists(
    st.tuples(st.text("ab", min_size=1, max_size=12), st.text("cd", min_size=1, max_size=12))
    | st.tuples(st.text("ab", min_size=60, max_size=150), st.sampled_from(["c", "cd" * 70]))
    | st.integers(1, 8).map(lambda n: ("a" * n, "c" * (9 - n))),  # these change places
    max_size=30,
).map(lambda pairs: [("a", "c"), *pairs])


@given(PAIRS, st.integers(1, 4), st.integers(1, 300), st.sampled_from([1, 7, 64]))
def test_each_symbol_of_a_reply_is_scored_once_and_none_of_a_prompt(  # type: ignore[no-untyped-def]
    tmp_path_factory, pairs: Pairs, shares: int, together: int, searched: int
) -> None:
    corpus = corpus_of(tmp_path_factory.mktemp("scoring") / "list", pairs)
    times = np.zeros(len(corpus.codes), np.intp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_module, "_SCORED", together)
        patch.setattr(records_module, "_SEARCHED", searched)
        patch.setattr(records_module, "_COUNTED", 3)
        for k in range(shares):
            for window in corpus.scoring_windows(*corpus.everything, (k, shares)):
                assert window.scored is not None
                places = window.positions[window.scored]
                np.add.at(times, places, 1)
                assert np.array_equal(corpus.codes[places], window.targets[window.scored])
        expected = np.zeros(len(corpus.codes), np.intp)
        ranks = range(corpus.everything[1])
        for rank in ranks:
            first, codes = int(corpus.starts[rank]), record_codes(corpus, rank)
            reply = int(np.flatnonzero(codes == corpus.vocabulary.prompt_end)[0]) + 1
            expected[first + reply : first + len(codes)] = 1
        assert np.array_equal(times, expected)
        assert corpus.scored(*corpus.everything) == expected.sum()
        each = [corpus.scored(rank, rank + 1) for rank in ranks]
        assert each == [len(reply) + 1 for _, reply in pairs_of(corpus)]
        for start in ranks[:9]:
            for end in range(start, min(start + 9, len(ranks))):
                assert corpus.scored(start, end) == sum(each[start:end])


@settings(max_examples=20)
@given(
    PAIRS,
    st.integers(1, 7),
    st.integers(1, 9) | st.integers(30, 70),
    st.sampled_from(["fresh", "fixed"]),
    st.sampled_from([0.0, 0.25, 0.3, 1.0]),
    st.lists(st.integers(0, 7), max_size=3),
)
def test_a_reply_counts_once_an_epoch_and_a_prompt_by_its_weight(  # type: ignore[no-untyped-def]
    tmp_path_factory,
    pairs: Pairs,
    N: int,
    T: int,
    streams: str,
    prompt_weight: float,
    cuts: list[int],
) -> None:
    """So do the rows of each of several workers, and prompts that end in a later window."""
    corpus = corpus_of(tmp_path_factory.mktemp("windows") / "list", pairs)
    train = replace(TRAIN, batch_size=N, seq_length=T, streams=streams, prompt_weight=prompt_weight)
    windows = corpus.training_windows(train, 5)
    parts = [slice(*ends) for ends in pairwise([0, *sorted(min(cut, N) for cut in cuts), N])]
    replies = sum(len(reply) + 1 for _, reply in pairs)
    prompts = sum(len(prompt) + 1 for prompt, _ in pairs)
    for epoch in range(2):
        total, symbols, rows = 0.0, 0, list[list[float]]()
        for step in range(epoch * windows.windows, (epoch + 1) * windows.windows):
            window = windows.window(step)
            assert window.weights is not None
            each = [windows.window(step, part).weights for part in parts]
            assert np.array_equal(np.concatenate(cast("list[Array]", each), 1), window.weights)
            assert windows.weight(step) == pytest.approx(window.weights.sum(), rel=1e-6, abs=1e-9)
            total += windows.weight(step)
            symbols += windows.symbols(step)
            rows += [[] for _ in range(N if window.fresh else 0)]
            for row, now in zip(rows[-N:], window.weights.T.tolist(), strict=True):
                row += now
            if not prompt_weight:
                counted = window.weights > 0
                assert windows.weight(step) == counted.sum()
                assert not (window.targets[counted] == corpus.vocabulary.prompt_end).any()
        assert symbols == replies + prompts == corpus.sizes.train
        assert total == pytest.approx(replies + prompt_weight * prompts, rel=1e-9)
        mean = total / windows.windows
        assert windows.scale(0) * mean == pytest.approx(1, rel=1e-9)
        expected = weights_of(corpus, float(np.float32(prompt_weight)))
        found = Counter[tuple[float, ...]]()
        for row in rows:  # what follows the end of a row's record is padding
            end = max((k for k, one in enumerate(row) if one == 1), default=-1) + 1
            assert not any(row[end:])
            found[tuple(row[:end])] += 1
        del found[()]  # rows without a record
        assert found == expected


@settings(max_examples=20)
@given(PAIRS, st.integers(1, 7), st.integers(1, 9) | st.integers(30, 70), st.floats(0.1, 3))
def test_a_symbol_of_a_reply_is_predicted_at_each_symbol_of_its_prompt(  # type: ignore[no-untyped-def]
    tmp_path_factory, pairs: Pairs, N: int, T: int, weight: float
) -> None:
    """With the same weight in all, however long the prompt is, and in whatever windows."""
    corpus = corpus_of(tmp_path_factory.mktemp("windows") / "list", pairs)
    train = replace(TRAIN, batch_size=N, seq_length=T, early_weight=weight)
    windows, end, prompt_end = (
        corpus.training_windows(train, 5),
        corpus.vocabulary.end,
        corpus.vocabulary.prompt_end,
    )
    found = Counter[tuple[str, str]]()
    rows: list[tuple[list[int], list[int], list[float]]] = []
    for step in range(windows.windows):
        window = windows.window(step)
        assert window.early is not None
        rows += [([], [], []) for _ in range(N if window.fresh else 0)]
        for k, (inputs, codes, weights) in enumerate(rows[-N:]):
            inputs += window.inputs[:, k].tolist()
            codes.append(int(window.early.codes[k]))
            weights += window.early.weights[:, k].tolist()
    for inputs, codes, weights in rows:
        if not any(weights):
            continue
        text = inputs[1 : inputs.index(prompt_end)]
        expected = [0.0, *([weight / len(text)] * len(text))]
        expected += [0.0] * (len(inputs) - len(expected))
        assert weights == pytest.approx(expected, rel=1e-6)
        first = {code for code in codes if code != end}  # no reply in these pairs is empty
        assert len(first) == 1
        text_of = corpus.vocabulary.decode
        prompt = corpus.vocabulary.as_read(np.array(text))  # backwards twice is forwards
        found[text_of(prompt), text_of(np.array([*first]))] += 1
    codes_of = {
        text_of(label): text_of(np.array([code]))
        for label, code in zip(
            corpus.labels.replies, early_codes(corpus.labels.replies).values(), strict=True
        )
    }
    assert found == Counter(
        (prompt, codes_of.get(reply, reply[0])) for prompt, reply in pairs if prompt
    )


def test_labels_with_a_common_beginning_have_different_early_targets() -> None:
    labels = [np.array(label, np.uint8) for label in ([1], [1, 2], [1, 2, 3], [2, 1], [4, 1])]
    assert [*early_codes(labels).values()] == [1, 2, 3, 2, 4]  # the fourth has none of its own
    assert early_codes([]) == {}


# How records are drawn.


@given(
    st.lists(
        st.tuples(st.text("ab", min_size=1, max_size=3), st.text("cd", min_size=1, max_size=3))
    ),
    st.sampled_from(["prompt", "reply", "record"]),
    st.randoms(use_true_random=False),
)
def test_no_two_parts_share_the_side_that_draws(  # type: ignore[no-untyped-def]
    tmp_path_factory, pairs: Pairs, side: str, rng: random.Random
) -> None:
    """Nor do parts depend on the order of the records, or on others."""
    path = tmp_path_factory.mktemp("parts") / "list"

    def parts(records: Pairs) -> dict[object, str]:
        try:
            corpus = corpus_of(path, records, split_by=side, valid_fraction=0.3, test_fraction=0.2)
        except TextError:  # a part is empty
            return {}
        assert corpus.split_by == side
        found: dict[object, str] = {}
        for part in ("train", "valid", "test"):
            for pair in pairs_of(corpus, part):
                key = {"prompt": pair[0], "reply": pair[1], "record": pair}[side]
                assert found.setdefault(key, part) == part
        assert Counter(pairs_of(corpus)) == Counter(records)
        return found

    known = parts(pairs)
    others = list(pairs)
    rng.shuffle(others)
    for records in (others, [*pairs, ("new", "é"), ("n", "a")]):
        found = parts(records)
        assert not known or not found or known.items() <= found.items()


def test_the_side_that_draws_is_the_prompt_of_any_reply(tmp_path: Path) -> None:
    """A prompt with several replies is in one part; by record it is in several."""
    pairs = [(f"p{n % 40}", f"r{n}") for n in range(400)]
    for side, shared in (("prompt", False), ("record", True)):
        corpus = corpus_of(tmp_path / "list", pairs, split_by=side, valid_fraction=0.3)
        train, valid = ({p for p, _ in pairs_of(corpus, part)} for part in ("train", "valid"))
        assert bool(train & valid) == shared


@pytest.mark.parametrize("side", ["prompt", "reply"])
def test_a_side_with_few_values_is_named_as_the_cause_of_an_empty_part(
    tmp_path: Path, side: str
) -> None:
    """Its key stays behind when the columns are exchanged."""
    pairs = [("ab"[n % 2], f"{n}") for n in range(500)]
    pairs = pairs if side == "prompt" else [(reply, prompt) for prompt, reply in pairs]
    keys = {"valid_fraction": 0.01}
    with pytest.raises(TextError) as refused:
        corpus_of(tmp_path / "list", pairs, split_by=side, **keys)
    assert str(refused.value).endswith(
        f": the validation part is empty, as data.split_by: {side} draws the 500 records by the "
        f"{side}, and few of these differ; data.split_by=null draws them by the side with more "
        "different values"
    )
    assert len(pairs_of(corpus_of(tmp_path / "list", pairs, **keys), "valid"))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), min_size=1))
def test_the_side_with_more_distinct_values_draws(tmp_path_factory, pairs: Pairs) -> None:  # type: ignore[no-untyped-def]
    prompts, replies = (len({pair[side] for pair in pairs}) for side in (0, 1))
    corpus = corpus_of(tmp_path_factory.mktemp("side") / "list", pairs)
    assert corpus.split_by == ("reply" if replies > prompts else "prompt")


@pytest.mark.parametrize("side", ["prompt", "reply"])
def test_few_labels_do_not_draw_where_distinct_values_are_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """The sample of digests may have none of the labels."""
    monkeypatch.setattr(record_index, "COUNTED", 999)
    monkeypatch.setattr(record_index, "_SAMPLED", 100)
    for n in range(5):
        labels = [f"{n}{one}" for one in "abc"]
        pairs = [(f"{k}", labels[k % 3]) for k in range(1000)]
        pairs = pairs if side == "prompt" else [(label, text) for text, label in pairs]
        assert corpus_of(tmp_path / "list", pairs).split_by == side


def test_labels_are_counted_in_little_memory() -> None:
    """Blocks of many records hold few different labels."""
    R, symbols = 400_000, np.array([ord("a"), SYMBOLS["char"], SYMBOLS["char"] + 1])
    vocabulary = Vocabulary(symbols, "char")
    codes = np.array([vocabulary.end, *[0, vocabulary.prompt_end, 0, vocabulary.end] * R], np.uint8)
    text = EncodedText(codes, vocabulary, "", (len(codes),))
    distinct = record_index._Distinct(text)
    tracemalloc.start()
    try:
        for places in record_index.places_of(text):
            distinct.add(digests(text, places).reply)
            del places
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert distinct.estimate == 1 / R
    assert kept < R


def test_prompts_are_measured_in_little_memory() -> None:
    """A matrix of the symbols of all records would take 512 bytes for each."""
    R, symbols = 200_000, np.array([ord("a"), SYMBOLS["char"], SYMBOLS["char"] + 1])
    vocabulary = Vocabulary(symbols, "char")
    one = [0, 0, vocabulary.prompt_end, 0, vocabulary.end]
    codes = np.array([vocabulary.end, *one * R], np.uint8)
    corpus = RecordCorpus.undivided(EncodedText(codes, vocabulary, "", (len(codes),)))
    ranks = np.arange(R)
    tracemalloc.start()
    try:
        segments = corpus.segments(0, R)
        replies = sum(map(len, corpus.reply_codes(ranks[-100:])))
        scored, peak = corpus.scored(1, R), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert segments.prompts is not None
    assert (segments.prompts == 3).all()
    assert (replies, scored) == (100, 2 * (R - 1))
    assert peak < 150 * R


# Labels.


@given(st.integers(1, 12), st.integers(1, 9), st.randoms(use_true_random=False))
def test_labels_are_few_texts_of_the_training_part(  # type: ignore[no-untyped-def]
    tmp_path_factory, labels: int, times: int, rng: random.Random
) -> None:
    path = tmp_path_factory.mktemp("labels") / "list"
    names = ["x" * (n % 3) + chr(97 + n) for n in range(labels)]
    pairs = [(f"{k}", names[k % labels]) for k in range(labels * times)]
    rng.shuffle(pairs)
    for _ in range(2):  # the second time, prompts and replies change sides
        try:
            corpus = corpus_of(path, pairs, valid_fraction=0.3, split_by="record")
        except TextError:  # a part is empty
            return
        trained = list(zip(*pairs_of(corpus, "train"), strict=True))
        for found, texts in zip(corpus.labels, trained, strict=True):
            distinct = set(texts)
            few = 1 < len(distinct) <= len(texts) / 5
            shown = [corpus.vocabulary.decode(one) for one in found]
            assert shown == (sorted(distinct) if few else [])
        pairs = [(reply, prompt) for prompt, reply in pairs]


@pytest.mark.parametrize("labels", [MOST_LABELS, MOST_LABELS + 1])
def test_there_are_256_labels_at_most(tmp_path: Path, labels: int) -> None:
    pairs = [(f"{k}", f"{k % labels:x}") for k in range(5 * labels)]
    found = corpus_of(tmp_path / "list", pairs).labels
    assert len(found.replies) == (labels if labels <= MOST_LABELS else 0)
    assert found.prompts == ()


def test_long_texts_are_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint would refuse them."""
    pairs = [(f"{k}", "xy"[k % 2] * 5) for k in range(20)]
    for most, number in ((12, 2), (11, 0)):  # both with their ends
        monkeypatch.setattr(labels_module, "MOST_CODES", most)
        assert len(corpus_of(tmp_path / "list", pairs).labels.replies) == number


def test_labels_of_the_validation_part_alone_are_not_known(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text('{"p": "b", "r": "never"}\n' * 9)
    pairs = [(f"{k}", "xy"[k % 2]) for k in range(20)]
    corpus = corpus_of(tmp_path / "list", pairs, valid_path=str(other))
    assert [*map(corpus.vocabulary.decode, corpus.labels.replies)] == ["x", "y"]
    assert pairs_of(corpus, "valid") == [("b", "never")] * 9


# A label for each file.


def label_files(folder: Path) -> None:
    """Write files of two languages in two folders, with a name in both."""
    for name, words in {
        "a/Deutsch.txt": "eins zwei drei",
        "a/Français.csv": "un deux trois",
        "b/Deutsch.list": "vier fünf",
        "b/.hidden.txt": "no",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(f"{word}\n" for word in words.split()))
    (folder / "a" / "sub").mkdir()


GERMAN = [("Deutsch", word) for word in ("eins", "zwei", "drei")]
FRENCH = [("Français", word) for word in ("un", "deux", "trois")]
MORE = [("Deutsch", word) for word in ("vier", "fünf")]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize("label_as", ["prompt", "reply"])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a", GERMAN + FRENCH),
        (("b", "a"), MORE + GERMAN + FRENCH),
        ("*/*.txt", GERMAN),
        ("?/D*", GERMAN + MORE),
        (("b/Deutsch.list", "a/Français.csv"), MORE + FRENCH),
    ],
)
def test_a_file_name_is_the_label(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: str | tuple[str, ...],
    expected: Pairs,
    label_as: str,
    tokens: str,
    large: bool,
) -> None:
    label_files(tmp_path)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    if large:
        monkeypatch.setattr(load, "LARGE", 0)
    several = (names,) if isinstance(names, str) else names
    path = tuple(str(tmp_path / name) for name in several)
    data = DataConfig(path, tokens, records="line", label_from="file", label_as=label_as)
    corpus = cast(RecordCorpus, load_corpus(replace(data, valid_fraction=0.0)))
    found = pairs_of(corpus)
    found = found if label_as == "prompt" else [(reply, prompt) for prompt, reply in found]
    assert Counter(found) == Counter(expected)
    assert isinstance(corpus.codes, np.memmap) == large


def test_a_label_in_another_encoding_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "Français.txt").write_bytes("été\nhiver\n".encode("latin-1"))
    data = DataConfig(str(tmp_path / "*.txt"), encoding="latin-1", records="line")
    data = replace(data, label_from="file", valid_fraction=0.0)
    pairs = pairs_of(cast(RecordCorpus, load_corpus(data)))
    assert Counter(pairs) == Counter([("Français", "été"), ("Français", "hiver")])


def test_a_paragraph_with_the_label_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("a\nb\n\n \n\nc")
    data = DataConfig(str(tmp_path), records="paragraph", label_from="file", valid_fraction=0.0)
    pairs = pairs_of(cast(RecordCorpus, load_corpus(data)))
    assert Counter(pairs) == Counter([("poem", "a\nb"), ("poem", "c")])


def test_a_renamed_file_has_its_own_codes_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    (tmp_path / "texts").mkdir()
    file = tmp_path / "texts" / "old.txt"
    file.write_text("ab\nba\n")
    data = DataConfig(str(file.parent), records="line", label_from="file", valid_fraction=0.0)
    for name in ("old", "new", "old"):
        file = file.rename(file.with_name(f"{name}.txt"))
        assert {p for p, _ in pairs_of(cast(RecordCorpus, load_corpus(data)))} == {name}


@pytest.mark.parametrize("label_as", ["prompt", "reply"])
def test_a_file_to_score_has_its_own_label(tmp_path: Path, label_as: str) -> None:
    label_files(tmp_path)
    data = DataConfig(str(tmp_path / "a"), records="line", label_from="file", label_as=label_as)
    data = replace(data, valid_fraction=0.0)
    vocabulary = load_corpus(data).vocabulary
    (tmp_path / "Deutsch.new").write_text("drei\nzwei\n")
    part = encode_file(data, vocabulary, str(tmp_path / "Deutsch.new"))
    pairs = [("Deutsch", "drei"), ("Deutsch", "zwei")]
    pairs = pairs if label_as == "prompt" else [(reply, label) for label, reply in pairs]
    assert pairs_of(cast(RecordCorpus, part.corpus)) == pairs


def test_a_folder_to_score_has_the_labels_of_its_files(tmp_path: Path) -> None:
    label_files(tmp_path)
    data = DataConfig(str(tmp_path / "a"), records="line", label_from="file", valid_fraction=0.0)
    own = cast(RecordCorpus, load_corpus(data))
    part = encode_file(data, own.vocabulary, str(tmp_path / "a"))
    assert sorted(pairs_of(cast(RecordCorpus, part.corpus))) == sorted(pairs_of(own))
    alone = replace(data, label_from=None, prompt_separator=" ")
    with pytest.raises(TextError, match=r"a: is a folder; name one of its files$"):
        encode_file(alone, own.vocabulary, str(tmp_path / "a"))


def test_standard_input_has_no_label(tmp_path: Path) -> None:
    label_files(tmp_path)
    data = DataConfig(str(tmp_path / "a"), records="line", label_from="file", valid_fraction=0.0)
    with pytest.raises(
        TextError, match=r"^standard input: has no name, and data\.label_from takes"
    ):
        encode_file(data, load_corpus(data).vocabulary, "-")


def test_a_known_reply_is_one_to_the_same_prompt(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "list", [("a", "xy"), ("ab", "x"), ("bb", "y"), ("b", "bx")])
    vocabulary, texts = corpus.vocabulary, ["xy", "x", "y", "bx", "b"]
    for prompt, known in (("a", ["xy"]), ("ab", ["x"]), ("bb", ["y"]), ("b", ["bx"]), ("ba", [])):
        codes = vocabulary.encode(vocabulary.symbols_of(prompt), "prompt")
        found = KnownRecords(corpus).have(texts, codes)
        assert [text for text, one in zip(texts, found, strict=True) if one] == known


# The cache.


@pytest.mark.parametrize("side", [None, "prompt", "reply", "record"])
@pytest.mark.parametrize("block", [1 << 21, 50, 7])
def test_large_tables_are_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str | None, block: int
) -> None:
    """Read in blocks, they have the same parts and labels as in memory."""
    pairs = [(f"{k % 70}", "xyz"[k % 3] * (k % 5 + 1)) for k in range(300)]
    keys = {"split_by": side, "valid_fraction": 0.3, "test_fraction": 0.1}
    expected = corpus_of(tmp_path / "list", pairs, **keys)
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    monkeypatch.setattr(record_index, "_BLOCK", block)
    for named in (side, expected.split_by):  # the second time, the index is read
        keys["split_by"] = named
        found = corpus_of(tmp_path / "list", pairs, **keys)
        assert isinstance(found.starts, np.memmap)
        assert np.array_equal(found.starts, expected.starts)
        assert found.cut_points == expected.cut_points
        assert found.predicted == expected.predicted
        assert found.split_by == expected.split_by == (side or "prompt")
        for one, other in zip(found.labels, expected.labels, strict=True):
            assert [*map(np.ndarray.tolist, one)] == [*map(np.ndarray.tolist, other)]
        assert 2 < len(found.labels.replies) <= 15
        monkeypatch.setattr(load, "write_index", None)


def test_another_side_has_another_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LARGE", 0)
    pairs = [(f"{k % 20}", f"{k % 30}") for k in range(60)]
    valid = [
        set(
            pairs_of(
                corpus_of(tmp_path / "list", pairs, split_by=side, valid_fraction=0.4), "valid"
            )
        )
        for side in ("prompt", "reply", "prompt")
    ]
    assert valid[0] == valid[2] != valid[1]
