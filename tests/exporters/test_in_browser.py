"""The engine of a page in Chromium, beside charrnn itself with the same parameters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pytest
from chromium import Browser, Tab
from exported import KINDS, TEXT, Shape, ask, checkpoint_of, exported
from small_models import reciting

from charrnn.commands.cli import run
from charrnn.exporters.page import page
from charrnn.kernels import CELLS, Array
from charrnn.model.language_model import LanguageModel
from charrnn.model.sampling import SamplingParams
from charrnn.model.stepper import stepper

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(chromium.PATH is None, reason="needs Chromium"),
]

LSTM = Shape("lstm", 2)
# With these seeds, no two tokens of the greedy text are nearly equally likely, so that no order of
# summation changes it, and the text is long without repeating itself.
SEEDS = {
    ("text", Shape("rnn", 1)): 14,
    ("text", Shape("rnn", 1, 8)): 5,
    ("text", Shape("rnn", 3)): 8,
    ("text", Shape("rnn", 3, 8)): 8,
    ("text", Shape("lstm", 1)): 13,
    ("text", Shape("lstm", 1, 8)): 15,
    ("text", Shape("lstm", 3)): 1,
    ("text", Shape("lstm", 3, 8)): 3,
    ("text", Shape("gru", 1)): 2,
    ("text", Shape("gru", 1, 8)): 5,
    ("text", Shape("gru", 3)): 9,
    ("text", Shape("gru", 3, 8)): 13,
    ("text", Shape("mogrifier", 1)): 28,
    ("text", Shape("mogrifier", 1, 8)): 56,
    ("text", Shape("mogrifier", 3)): 43,
    ("text", Shape("mogrifier", 3, 8)): 64,
    ("bytes", LSTM): 4,
    ("without newline", LSTM): 11,
}
assert {shape.cell for _, shape in SEEDS} == {*CELLS}
FEATURES = {"features": [1.5, -0.25, 3.0], "features and pairs": [0.5, -2.0]}
PROMPTS = {
    "pairs": "ab e\u00e9",
    "labels": "cab",
    "writer": "<a",
    "features and pairs": "b\U0001d11e",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium.chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    """One tab for all pages, which write nothing to its console, and ask for nothing."""
    one = browser.tab()
    yield one
    assert one.messages == []
    assert one.loads
    asked = [url for url in one.requests if not url.startswith("blob:")]
    assert len(asked) == one.loads
    assert all(url.endswith("/model.html") for url in asked)


def gap(model: LanguageModel, text: str) -> float:
    """Return by how much the likeliest token was likelier than the next, where it was least."""
    vocabulary, states = model.vocabulary, model.model.zero_states(1)
    step, least = stepper(model.model, states), math.inf
    codes = vocabulary.encode(vocabulary.symbols_of(text), "text")
    for code in vocabulary.as_prime(codes)[:-1].tolist():
        second, first = np.partition(step(np.array([code]))[0], -2)[-2:]
        least = min(least, float(first - second))
    return least


@pytest.mark.parametrize(
    ("kind", "shape"), SEEDS, ids=[f"{kind} {shape[:3]}" for kind, shape in SEEDS]
)
@pytest.mark.parametrize("precision", [32, 16, 8])
def test_the_greedy_text_is_that_of_sample(
    tab: Tab,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    shape: Shape,
    precision: int,
) -> None:
    checkpoint = checkpoint_of(kind, shape, SEEDS[kind, shape])
    model = exported(tab, tmp_path, checkpoint, precision)
    arguments = ["--greedy", "--length", "1000", "--no-prime"]
    assert run(["sample", str(tmp_path / "model.npz"), *arguments]) == 0
    expected = capsys.readouterr().out
    pieces, done = ask(tab, "write", length=1000, greedy=True)
    text = "".join(pieces)
    assert len(text) == 1000
    assert text == expected[:1000]
    assert done == {"ended": False, "stopped": False, "unknown": ""}
    if kind == "text":
        assert gap(model, text) > 5e-4
    if precision == 32:  # the same bits without WebAssembly
        tab.run("window.plain = new Engine({plain: true}); await plain.ready")
        assert tab.run("return (await plain.ready).simd") is False
        assert tab.run("return (await engine.ready).simd") is True
        options = {"text": text[:200], "units": [0, 5], "next": 20}
        assert ask(tab, "read", "plain", **options) == ask(tab, "read", **options)


@pytest.mark.parametrize("prime", ["", "a\u4e2d", "\nab", "a\r\nb\rc"])
def test_a_prime_is_read_as_charrnn_reads_it(tab: Tab, tmp_path: Path, prime: str) -> None:
    shape = Shape("gru", 3, 8)
    model = exported(tab, tmp_path, checkpoint_of("text", shape, SEEDS["text", shape]))
    pieces, _ = ask(tab, "write", prime=prime, length=100, greedy=True)
    assert "".join(pieces) == model.sample(prime, 100, greedy=True)


def test_a_byte_order_mark_that_a_model_writes_is_kept(tab: Tab, tmp_path: Path) -> None:
    exported(tab, tmp_path, reciting("\n\ufeffa", tokens="byte"))
    pieces, _ = ask(tab, "write", length=4, greedy=True)
    assert "".join(pieces) == "\ufeffa\n\ufeff"


def log_probs(model: LanguageModel, codes: Array, features: Array | None = None) -> Array:
    """Return the log-probability (n, V) of every token after each of codes (n,)."""
    first = model.model.first_states(1, None if features is None else features[None])
    logits, _, _ = model.model.forward(codes[:, None].astype(np.intp), first)
    rows = logits[:, 0].astype(np.float64)
    rows -= rows.max(1, keepdims=True)
    found: Array = rows - np.log(np.exp(rows).sum(1, keepdims=True))
    return found


@pytest.mark.parametrize(
    ("cell", "precision"), [*((cell, 32) for cell in CELLS), ("lstm", 16), ("lstm", 8)]
)
@pytest.mark.parametrize("kind", ["text", "without newline", "bytes", "records", "features"])
def test_a_typed_text_has_the_surprises_of_charrnn(
    tab: Tab, tmp_path: Path, kind: str, cell: str, precision: int
) -> None:
    model = exported(tab, tmp_path, checkpoint_of(kind, Shape(cell, 2, 8)), precision)
    vocabulary, features = model.vocabulary, model.encoder.features(FEATURES.get(kind))
    text = "".join(np.random.default_rng(2).choice([*KINDS[kind].symbols], 120))
    own = vocabulary.encode(vocabulary.symbols_of(text), "text")
    codes = vocabulary.as_prime(own) if vocabulary.end is None else np.append(vocabulary.end, own)
    expected = log_probs(model, codes, features)
    found = ask(tab, "read", text=text, next=3, features=FEATURES.get(kind))
    assert [one["text"] for one in found["characters"]] == [*text]

    nats = np.append(np.nan, -expected[np.arange(len(codes) - 1), codes[1:]])[-len(own) :]
    sizes = [len(vocabulary.symbols_of(one)) for one in text]
    of_characters = np.add.reduceat(nats, np.cumsum([0, *sizes[:-1]]))
    shown = [math.nan if one["nats"] is None else one["nats"] for one in found["characters"]]
    np.testing.assert_allclose(shown, of_characters, atol=1e-4, rtol=0)
    likeliest = np.argsort(-expected[-1])[:3]
    assert [one["code"] for one in found["next"]] == likeliest.tolist()
    np.testing.assert_allclose(
        np.log([one["probability"] for one in found["next"]]), expected[-1][likeliest], atol=1e-4
    )


def test_a_text_that_is_typed_and_changed_is_read_anew_from_the_change(
    tab: Tab, tmp_path: Path
) -> None:
    model = exported(tab, tmp_path, checkpoint_of("text", LSTM))
    text = "".join(np.random.default_rng(2).choice([*TEXT], 200))
    options: dict[str, Any] = {"units": [0, 24, 30, 95], "next": 4}
    texts = [text[:n] for n in (0, 1, 31, 32, 33, 64, 65, 150, 200)]
    texts += [text[:95] + "a" + text[95:], text[:63], text[:63], "", "a" + text, "?" + text + "!"]
    known = {one: ask(tab, "read", text=one, **options) for one in texts}
    for one in texts[::-1]:
        assert ask(tab, "read", text=one, **options) == known[one]
    tab.run("window.other = new Engine(); await other.ready")
    for one in (texts[9], texts[-1]):
        assert ask(tab, "read", "other", text=one, **options) == known[one]
    unknown = [one["known"] for one in known["?" + text + "!"]["characters"]]
    assert unknown == [False, *[True] * 200, False]

    codes = model.vocabulary.as_prime(
        model.vocabulary.encode(model.vocabulary.symbols_of(text), "")
    )
    _, _, cache = model.model.forward(codes[:, None], model.model.zero_states(1))
    states = [state[:, 0] for layer in model.model.state_sequences(cache) for state in layer]
    active = [one["active"] for one in known[text]["characters"]]
    expected = np.concatenate(states, axis=1)[:, options["units"]][-len(text) :]
    np.testing.assert_allclose(active, expected, atol=1e-5)


def test_a_text_is_read_anew_for_other_features_or_units(tab: Tab, tmp_path: Path) -> None:
    exported(tab, tmp_path, checkpoint_of("features", LSTM))
    options = ({"features": [1, 2, 3]}, {"features": [1, 2, -3]}, {"features": [1, 2, -3]})
    first, second, third = (
        ask(tab, "read", text="abc", units=[k // 2], **one) for k, one in enumerate(options)
    )
    assert first["next"] != second["next"] == third["next"]
    for one, other in zip(second["characters"], third["characters"], strict=True):
        assert one["active"] != other["active"]
        assert one["nats"] == other["nats"]


RECORDS = [
    *(("records", ""), ("records", "ab"), ("blocks of bytes", "\u00e9"), ("pairs", "")),
    *(("pairs", "ca"), ("writer", ""), ("features", "b"), ("features and pairs", "")),
]


def records(tab: Tab, **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the records that an engine writes, and the rest of its answer."""
    parts, done = ask(tab, "records", **options)
    return [record for some in parts for record in some], done


def given(kind: str) -> dict[str, Any]:
    """Return the prompt and the features of a record."""
    return {"prompt": PROMPTS.get(kind), "features": FEATURES.get(kind)}


@pytest.mark.parametrize("shape", [LSTM, Shape("gru", 1, 8)], ids=["lstm", "gru"])
@pytest.mark.parametrize(("kind", "prime"), RECORDS)
def test_records_are_those_of_charrnn(
    tab: Tab, tmp_path: Path, kind: str, prime: str, shape: Shape
) -> None:
    model = exported(tab, tmp_path, checkpoint_of(kind, shape))
    for length in (3, 40):
        options = {"length": length, "greedy": True, **given(kind)}
        (expected,) = model.sample_records(1, prime, keep_cut=True, **options)
        (part,), done = records(tab, n=1, prime=prime, **options)
        assert (part["text"], part["ended"], part["attempt"]) == (expected.text, expected.ended, 0)
        assert part["logProb"] == pytest.approx(expected.log_prob, abs=1e-4)
        assert done == {"stopped": False, "unknown": ""}


def test_a_reply_has_no_end_of_a_prompt(tab: Tab, tmp_path: Path) -> None:
    checkpoint = checkpoint_of("pairs", LSTM)
    checkpoint.model().views["output.b"][-1] = 20  # it would be the likeliest token nearly always
    model = exported(tab, tmp_path, checkpoint)
    (expected,) = model.sample_records(1, prompt="a", greedy=True, length=30, keep_cut=True)
    ((part,), _) = records(tab, n=1, prompt="a", greedy=True, length=30)
    assert part["text"] == expected.text
    assert "\t" not in part["text"]
    assert len(part["text"]) > 1


@pytest.mark.parametrize("precision", [32, 8])
def test_the_probabilities_of_labels_are_those_of_predict(
    tab: Tab, tmp_path: Path, precision: int
) -> None:
    model = exported(tab, tmp_path, checkpoint_of("labels", LSTM), precision)
    for prompt in ("", "a", "cab\U0001f41d", "e" * 50):
        (expected,) = model.predict([prompt], top=None)
        found = ask(tab, "labels", prompt=prompt)
        assert [one["text"] for one in found] == [one.text for one in expected]
        assert [one["probability"] for one in found] == pytest.approx(
            [one.probability for one in expected], rel=1e-4
        )


@pytest.mark.parametrize("kind", ["pairs", "features and pairs", "features"])
@pytest.mark.parametrize("options", [{}, {"beam": 8, "top": 5}, {"beam": 3, "top": 3, "length": 2}])
def test_the_replies_of_a_beam_are_those_of_predict(
    tab: Tab, tmp_path: Path, kind: str, options: dict[str, int]
) -> None:
    model = exported(tab, tmp_path, checkpoint_of(kind, LSTM))
    prompt, features = given(kind).values()
    (expected,) = model.predict(
        prompt and [prompt], **{"top": 1, **options}, features=features and [features]
    )
    found = ask(tab, "replies", **given(kind), **options)
    assert [one["text"] for one in found] == [one.text for one in expected]
    assert [one["probability"] for one in found] == pytest.approx(
        [one.probability for one in expected], rel=1e-4
    )


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.4}, {"top_k": 4}, {"top_p": 0.8}])
def test_tokens_are_drawn_with_the_probabilities_of_the_model(
    tab: Tab, tmp_path: Path, settings: dict[str, float]
) -> None:
    """Pearson's chi-square over 20,000 draws of the first token of a record."""
    checkpoint = checkpoint_of("records", LSTM)
    checkpoint.model().views["output.W"][...] /= 8
    model = exported(tab, tmp_path, checkpoint)
    end, n = model.vocabulary.end, 20_000
    logits = log_probs(model, np.array([end]))[0]
    params = SamplingParams(**settings)
    p = np.exp(logits / params.temperature) / np.exp(logits / params.temperature).sum()
    order = np.argsort(-p)
    kept = order[: settings.get("top_k")]
    if params.top_p:
        kept = order[: 1 + np.searchsorted(np.cumsum(p[order]), params.top_p)]
    assert len(kept) > 3
    expected = n * p[kept] / p[kept].sum()
    names = {"topK": params.top_k, "topP": params.top_p, "temperature": params.temperature}
    parts, _ = records(tab, n=n, length=1, seed=5, **names)
    drawn = Counter(part["text"] for part in parts)
    seen = np.array([drawn.pop(model.vocabulary.decode(kept[[k]]), 0) for k in range(len(kept))])
    assert not drawn  # nothing else
    chi_square, degrees = float(((seen - expected) ** 2 / expected).sum()), len(kept) - 1
    assert chi_square < degrees + 3 * math.sqrt(2 * degrees)
    assert records(tab, n=3, length=1, seed=5, **names)[0] == parts[:3]
    assert records(tab, n=50, length=1, seed=6, **names)[0] != parts[:50]
    longer, _ = records(
        tab, n=50, length=4, seed=5, **names
    )  # record k depends on seed and k alone
    assert [one["text"][:1] for one in longer] == [one["text"] for one in parts[:50]]


def test_writing_can_be_stopped_and_goes_on(tab: Tab, tmp_path: Path) -> None:
    exported(tab, tmp_path, checkpoint_of("text", LSTM))
    settings = {"prime": "a?b", "seed": 2**40 + 3, "temperature": 1.5}
    pieces, _ = ask(tab, "write", length=60_000, **settings)
    whole = "".join(pieces)
    script = """
    let text = "";
    const settings = SETTINGS, add = (part) => {
      text += part;
      if (text.length > 1000) task.stop();
    };
    let task = engine.start("write", {...settings, length: 1e9}, add);
    const first = await task.done, n = Array.from(text).length;
    await engine.start("read", {text: "ab"}).done;
    const more = [];
    const rest = await engine.start("more", {length: 60000 - n}, (part) => more.push(part)).done;
    return [first, n, rest, text + more.join("")];
    """
    first, n, rest, text = tab.run(script.replace("SETTINGS", str(settings)))
    assert first == {"ended": False, "stopped": True, "unknown": "?"}
    assert rest == {"ended": False, "stopped": False}
    assert 1000 < n < 60_000
    assert text == whole


@pytest.mark.parametrize(("kind", "ask"), [("text", "write"), ("records", "records")])
def test_a_text_is_read_while_another_is_written(
    tab: Tab, tmp_path: Path, kind: str, ask: str
) -> None:
    exported(tab, tmp_path, checkpoint_of(kind, LSTM))
    script = """
    const options = {seed: 5, length: LENGTH, n: 3000}, parts = [], order = [];
    const task = engine.start("ASK", options, (part) => parts.push(part));
    const writing = task.done.then(() => order.push("written"));
    const found = [await engine.start("read", {text: "abc"}).done];
    order.push("read");
    await writing;
    found.push(await engine.start("read", {text: "abc"}).done);
    const undisturbed = [];
    await engine.start("ASK", options, (part) => undisturbed.push(part)).done;
    return [order, found, parts.flat(), undisturbed.flat()];
    """
    length = "20000" if ask == "write" else "8"
    order, found, parts, undisturbed = tab.run(script.replace("ASK", ask).replace("LENGTH", length))
    assert order == ["read", "written"]
    assert found[0] == found[1]
    if ask == "write":
        parts, undisturbed = "".join(parts), "".join(undisturbed)
    assert parts == undisturbed


def test_text_of_the_model_is_shown_and_never_run(tab: Tab, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)><!--<script>"
    checkpoint = checkpoint_of("labels", LSTM)
    (tmp_path / "model.html").write_text(page(checkpoint, 32, name=evil, version="0"))
    tab.go((tmp_path / "model.html").as_uri())
    assert tab.run("return document.querySelectorAll('img').length") == 0
    assert tab.run("return [document.title, engine.description.name]") == [evil, evil]


def test_what_the_page_may_not_do_is_refused(browser: Browser, tmp_path: Path) -> None:
    """This shows that the other tests would notice a message of the console, and a request."""
    tab = browser.tab()
    exported(tab, tmp_path, checkpoint_of("text", LSTM))
    tab.run("document.body.append(Object.assign(new Image(), {src: 'http://localhost/x.png'}))")
    browser.wait(lambda: bool(tab.messages))
    assert "Content Security Policy" in tab.messages[0]
    other = tmp_path / "other.html"
    other.write_text("<script>console.log('said')</script><img src='none.png'>")
    tab.go(other.as_uri())
    assert "said" in tab.messages
    assert tab.requests[-1].endswith("none.png")


def test_a_browser_that_may_not_compile_webassembly_does_without(
    browser: Browser, tmp_path: Path
) -> None:
    """Older ones do not know 'wasm-unsafe-eval'."""
    tab = browser.tab()
    html = page(checkpoint_of("text", LSTM), 32, name="a model", version="0")
    file = tmp_path / "model.html"
    file.write_text(html.replace(" 'wasm-unsafe-eval'", ""), encoding="utf-8")
    tab.go(file.as_uri())
    assert tab.run("return engine.ready") == {"simd": False}
    assert len("".join(ask(tab, "write", length=20, greedy=True)[0])) == 20
    tab.close()


def test_mistakes_of_a_caller_are_errors(tab: Tab, tmp_path: Path) -> None:
    exported(tab, tmp_path, checkpoint_of("features", LSTM))
    script = "return engine.start('records', {n: 1, features: [1]}).done.catch((e) => e.message)"
    assert tab.run(script) == "this model reads 3 features"
    assert records(tab, n=1, features=[1, 2, 3], seed=1)[0]  # it goes on working
