"""Labels: the language of a word, beside scikit-learn and PyTorch.

    python tests/benchmarks/labels.py words WORDFREQ > words.tsv
    python tests/benchmarks/labels.py accuracy RUN... --peer PYTHON
    python tests/benchmarks/labels.py generation WRITER READER
    python tests/benchmarks/labels.py rate RUN --peer PYTHON

`words` writes the 2,000 commonest words of 20 languages in Latin script, without those that are in
several lists. WORDFREQ is the folder wordfreq/data of an unpacked wheel of that package, and
msgpack has to be installed. `accuracy` scores the test part of runs that differ in their seed,
beside a logistic regression on TF-IDF of character 1- to 4-grams that is trained on the same part,
with the C that is best on the validation part. `generation` lets the run WRITER, which writes texts
for labels, write 200 texts for each of ten labels, and the run READER, which tells the labels of
texts, tell theirs, beside its recall of the texts of its validation part. `rate` predicts on all
cores, beside the same model in PyTorch with batches of 256, with one thread and with two, of which
the better counts; they take turns.

PYTHON is an interpreter that has scikit-learn, and PyTorch for `rate`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

LANGUAGES = {
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fil": "Filipino",
    "fr": "French",
    "hu": "Hungarian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "lt": "Lithuanian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "sl": "Slovenian",
    "sv": "Swedish",
    "tr": "Turkish",
}
WORDS = 2000  # of a language
BINS = 15  # of the reliability
LABELS, SAMPLES = 10, 200  # of a label


def write_words(folder: Path) -> None:
    """Print a table of words and their languages."""
    import msgpack  # type: ignore[import-not-found,unused-ignore]

    lists = {}
    for code, language in LANGUAGES.items():
        files = (folder / f"{size}_{code}.msgpack.gz" for size in ("large", "small"))
        with gzip.open(next(file for file in files if file.exists())) as opened:
            groups = msgpack.load(opened)[1:]  # of equally common words, the commonest first
        words = [word for group in groups for word in group if word.isalpha()]
        lists[language] = words[:WORDS]
    count = Counter(word for words in lists.values() for word in words)
    print("word\tlanguage")
    for language, words in lists.items():
        for word in words:
            if count[word] == 1:
                print(f"{word}\t{language}")


def parts_of(run: str) -> dict[str, list[list[str]]]:
    """Return the (prompt, reply) pairs of each part of a run's data."""
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.text.load import load_corpus

    corpus: Any = load_corpus(load_checkpoint(find_checkpoint(run)).config.data)
    found = {}
    for name in ("train", "valid", "test"):
        reading = [corpus.vocabulary.decode(one) for one in records(corpus, *corpus.split(name))]
        found[name] = [one.rsplit("\t", 1) for one in reading]
    return found


def records(corpus: Any, start: int, end: int) -> list[Any]:
    """Return the codes of the records of some ranks."""
    import numpy as np

    ranks = np.arange(start, end)
    length = corpus.lengths.length[corpus.lengths.run(ranks)]
    bounds = zip(corpus.starts[ranks].tolist(), length.tolist(), strict=True)
    return [corpus.codes[first + 1 : first + 1 + size] for first, size in bounds]


def predictions(run: str) -> tuple[Any, list[str], float]:
    """Return the log-probabilities of the test part, the labels, and prompts per second."""
    from charrnn import load
    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.text.part import encode_split
    from charrnn.workers.predictor import Predictor

    checkpoint = load_checkpoint(find_checkpoint(run))
    part = encode_split(checkpoint.config.data, checkpoint.text_sha256, "test")
    start = time.perf_counter()
    predictor = Predictor(
        checkpoint.config,
        checkpoint.parameters,
        checkpoint.labels.replies,
        part.end - part.start,
        part.corpus.sizes.symbols(part.start, part.end),
    )
    with closing(predictor):
        log_probs = predictor.log_probs(part.corpus, part.start, part.end)
    seconds = time.perf_counter() - start
    return log_probs, load(run).label_texts(), len(log_probs) / seconds


def accuracy(runs: list[str], peer: str) -> None:
    """Print the accuracy of runs and of the regression, and the interval of their difference."""
    import numpy as np

    parts = parts_of(runs[0])
    true = np.array([reply for _, reply in parts["test"]])
    right = []
    for run in runs:
        log_probs, labels, _ = predictions(run)
        best = np.array(labels)[log_probs.argmax(1)]
        right.append(best == true)
        confidence = np.exp(log_probs.max(1))
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        gaps = [(confidence - right[-1])[bins == one].sum() for one in range(BINS)]
        error = sum(map(abs, gaps)) / len(true)
        print(f"{run}: {right[-1].mean():.2%}, expected calibration error {error:.2%}")
    answer = subprocess.run(
        [peer, __file__, "regression"],
        input=json.dumps(parts),
        capture_output=True,
        text=True,
        check=True,
    )
    other = json.loads(answer.stdout)
    baseline = np.array(other["right"])
    print(f"regression, C {other['C']}: {baseline.mean():.2%} of {len(true):,} words")
    difference = np.mean(right, axis=0) - baseline
    rng = np.random.default_rng(1)
    drawn = [difference[rng.integers(0, len(true), len(true))].mean() for _ in range(10_000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    print(f"difference {difference.mean():+.2%}, 95% interval {low:+.2%} to {high:+.2%}")


def generation(writer: str, reader: str) -> None:
    """Print for each label how many samples and how many real texts the reader assigns to it."""
    from charrnn import load

    model, judge = load(writer), load(reader)
    real: dict[str, list[str]] = {label: [] for label in judge.label_texts()}
    parts = parts_of(reader)
    known = {text for part in parts.values() for text, _ in part}
    for text, label in parts["valid"]:
        real[label].append(text)
    shares: list[tuple[float, float]] = []
    print("label  samples  new  texts  samples assigned  texts assigned")
    for label in list(real)[:LABELS]:
        samples = [one.text for one in model.sample_records(SAMPLES, prompt=label, seed=1)]
        new = sum(one not in known for one in samples)
        both = [
            statistics.mean(one.text == label for (one,) in judge.predict(texts))
            for texts in (samples, real[label])
        ]
        shares.append((both[0], both[1]))
        print(label, len(samples), new, len(real[label]), *(f"{one:.1%}" for one in both))
    print("mean", *(f"{statistics.mean(column):.1%}" for column in zip(*shares, strict=True)))


def regression() -> None:
    """Read the parts; print which words of the test part the regression gets right."""
    from sklearn.feature_extraction.text import (  # type: ignore[import-not-found,unused-ignore]
        TfidfVectorizer,
    )
    from sklearn.linear_model import (  # type: ignore[import-not-found,unused-ignore]
        LogisticRegression,
    )

    parts = json.load(sys.stdin)
    words, labels = ({name: [row[k] for row in parts[name]] for name in parts} for k in (0, 1))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)).fit(words["train"])
    x = {name: vectorizer.transform(words[name]) for name in words}
    fitted = {}
    for C in (1, 3, 10, 30):
        model = LogisticRegression(C=C, max_iter=5000, tol=1e-5).fit(x["train"], labels["train"])
        fitted[C] = (model.score(x["valid"], labels["valid"]), model)
        print(f"C {C}: validation {fitted[C][0]:.2%}", file=sys.stderr)
    C = max(fitted, key=lambda one: fitted[one][0])
    right = fitted[C][1].predict(x["test"]) == labels["test"]
    print(json.dumps({"C": C, "right": right.astype(int).tolist()}))


def rate(run: str, peer: str, rounds: int) -> None:
    """Print the prompts per second of both sides."""
    import numpy as np

    from charrnn.runs.checkpoint import load_checkpoint
    from charrnn.runs.folder import find_checkpoint
    from charrnn.text.load import load_corpus

    checkpoint = load_checkpoint(find_checkpoint(run))
    corpus: Any = load_corpus(checkpoint.config.data)
    model, model_config = checkpoint.model(), checkpoint.config.model
    arrays = {name.replace(".", "/"): array for name, array in model.views.items()}
    prompts = corpus.prompt_codes(np.arange(*corpus.split("test")))
    file = Path("labels-peer.npz")
    np.savez(
        file,
        **arrays,
        shape=[model_config.num_layers, model_config.hidden_size, model.V, corpus.vocabulary.end],
        prompts=np.concatenate(prompts),
        lengths=[len(one) for one in prompts],
        labels=np.concatenate(
            [np.append(one, corpus.vocabulary.end) for one in checkpoint.labels.replies]
        ),
    )
    found: dict[str, list[float]] = {"charrnn": [], "PyTorch": []}
    for _ in range(rounds):
        log_probs, _, ours = predictions(run)
        found["charrnn"].append(ours)
        rates = []
        for threads in (1, 2):
            command = [peer, __file__, "serve", str(file), "--threads", str(threads)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            theirs = json.loads(answer.stdout)
            rates.append(theirs["rate"])
            gap = np.abs(np.array(theirs["first"]) - log_probs[0]).max()
        found["PyTorch"].append(max(rates))
        print(
            f"charrnn {ours:,.0f}, PyTorch {max(rates):,.0f}; differ by {gap:.1e} nats", flush=True
        )
    ratio = statistics.median(a / b for a, b in zip(*found.values(), strict=True))
    print(f"median ratio {ratio:.2f}")
    file.unlink()


def serve(file: str, threads: int) -> None:
    """Predict with PyTorch; print the prompts per second, and the first answer."""
    import numpy as np
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    with np.load(file) as found:
        arrays = dict(found)
    layers, H, V, end = arrays["shape"].tolist()
    lstm, output = nn.LSTM(V, H, layers).eval(), nn.Linear(H, V)
    order = np.r_[0:H, H : 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]  # i, f, o, g -> i, f, g, o
    with torch.no_grad():
        for k in range(layers):
            names = {"weight_ih": "Wx", "weight_hh": "Wh", "bias_ih": "b"}
            for theirs, ours in names.items():
                array = arrays[f"layers/{k}/{ours}"].T[order]
                getattr(lstm, f"{theirs}_l{k}").copy_(torch.from_numpy(np.ascontiguousarray(array)))
            getattr(lstm, f"bias_hh_l{k}").zero_()
        output.weight.copy_(torch.from_numpy(arrays["output/W"].T.copy()))
        output.bias.copy_(torch.from_numpy(arrays["output/b"]))
    one_hot = torch.eye(V)
    ends = np.flatnonzero(arrays["labels"] == end)
    labels = [
        torch.from_numpy(one.astype(np.int64))
        for one in np.split(arrays["labels"].astype(np.int64), ends + 1)
    ]
    targets = nn.utils.rnn.pad_sequence(labels[: len(ends)])  # (T, L)
    counts = torch.arange(len(targets))[:, None] < torch.tensor([len(one) for one in labels[:-1]])
    cuts = np.cumsum(arrays["lengths"])[:-1]
    prompts = np.split(arrays["prompts"].astype(np.int64), cuts)
    order_of = np.argsort(arrays["lengths"], kind="stable")

    @torch.no_grad()
    def predict(batch: list[Any]) -> Any:
        length = torch.tensor([len(one) for one in batch])
        codes = nn.utils.rnn.pad_sequence([torch.from_numpy(one) for one in batch])
        packed = nn.utils.rnn.pack_padded_sequence(one_hot[codes], length, enforce_sorted=False)
        _, states = lstm(packed)
        N, L = len(batch), targets.shape[1]
        first = torch.log_softmax(output(states[0][-1]), 1)[:, targets[0]]  # (N, L)
        wide = tuple(state.repeat_interleave(L, 1) for state in states)
        h, _ = lstm(one_hot[targets[:-1]].repeat(1, N, 1), wide)
        rest = torch.log_softmax(output(h), 2)
        chosen = rest.gather(2, targets[1:].repeat(1, N)[:, :, None])[:, :, 0]
        total = first + (chosen * counts[1:].repeat(1, N)).sum(0).view(N, L)
        return torch.log_softmax(total, 1)

    answers: list[Any] = [None] * len(prompts)
    predict(prompts[:256])
    start = time.perf_counter()
    for k in range(0, len(prompts), 256):
        places = order_of[k : k + 256]
        for place, one in zip(places, predict([prompts[p] for p in places]), strict=True):
            answers[place] = one
    seconds = time.perf_counter() - start
    print(json.dumps({"rate": len(prompts) / seconds, "first": answers[0].tolist()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=["words", "accuracy", "generation", "rate", "regression", "serve"]
    )
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "words":
        write_words(Path(arguments.paths[0]))
    elif arguments.what == "accuracy":
        accuracy(arguments.paths, arguments.peer)
    elif arguments.what == "generation":
        generation(*arguments.paths)
    elif arguments.what == "rate":
        rate(arguments.paths[0], arguments.peer, arguments.rounds)
    elif arguments.what == "regression":
        regression()
    else:
        serve(arguments.paths[0], arguments.threads)


if __name__ == "__main__":
    main()
