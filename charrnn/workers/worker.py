"""A worker: the gradient of its streams, and the score of its share of a text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from charrnn.backends.backend import backend
from charrnn.config.schema import Config
from charrnn.kernels import CELLS, Array
from charrnn.model.beam import FoundReply, Search, find_replies
from charrnn.model.dropout_masks import MaskGenerator
from charrnn.model.evaluation import WindowScore, score_windows
from charrnn.model.model import Model, States
from charrnn.model.parameters import parameter_count, parameter_views
from charrnn.model.prediction import LabelTree, label_log_probs
from charrnn.text.corpus import Corpus
from charrnn.text.records import RecordCorpus
from charrnn.text.windows import TrainingWindows

_PREDICTED = 512  # records in a worker's share of a block, for which it predicts replies

Task = tuple[Any, ...]  # name of a method of `Worker`, and its arguments


@dataclass(frozen=True)
class Job:
    """What a group of workers works on; the same for all of them."""

    config: Config  # with the number of workers and the backend resolved
    corpus: Corpus  # its arrays are empty in a job that is sent to another process
    trains: bool = True  # whether there is training to do, and not only scoring
    labels: tuple[Array, ...] = ()  # codes of each, to be predicted
    search: Search | None = None  # how replies are searched
    validation: Corpus | None = None  # what a validation scores; None: the validation part

    @property
    def workers(self) -> int:
        """Number of workers."""
        return int(self.config.train.workers)

    @property
    def V(self) -> int:  # noqa: N802 - the letter of the dimension key
        """Size of the vocabulary."""
        return len(self.corpus.vocabulary)

    @property
    def F(self) -> int:  # noqa: N802 - the letter of the dimension key
        """Number of features of a record."""
        return self.corpus.F

    def with_arrays(self, arrays: Mapping[str, Array] | None = None) -> Job:
        """Return the job with other arrays of the text, by default empty ones."""
        empty = {name: array[:0] for name, array in self.corpus.arrays.items()}
        others: dict[str, Any] = dict(arrays or empty)
        return replace(self, corpus=replace(self.corpus, **others))

    def streams_of(self, rank: int) -> range:
        """Return the streams of the batch that belong to a worker."""
        N = self.config.train.batch_size
        return range(N * rank // self.workers, N * (rank + 1) // self.workers)

    @property
    def parameter_count(self) -> int:
        """P, the number of parameters."""
        return parameter_count(self.config.model, self.V, self.F)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of all states of the batch: (layers, states per layer, N, H)."""
        model = self.config.model
        states = len(CELLS[model.cell].states)
        return model.num_layers, states, self.config.train.batch_size, model.hidden_size


class Buffers(NamedTuple):
    """The arrays of a worker; it keeps no other state between training tasks."""

    parameters: Array  # (P,), read
    states: Array  # `Job.state_shape`, of which its streams are read
    gradient: Array  # (P,), written
    next_states: Array  # `Job.state_shape`, of which its streams are written


class Worker:
    """Does tasks for its streams.

    Args:
        job: what the group works on.
        rank: number of this worker, from 0.
        buffers: arrays to read and write; the results of tasks are small.
    """

    def __init__(self, job: Job, rank: int, buffers: Buffers) -> None:
        self._job = job
        self._rank = rank
        self._mine = job.streams_of(rank)
        self.streams = slice(self._mine.start, self._mine.stop)  # its part of the batch
        self._buffers = buffers
        self.model = Model(
            job.config.model, job.V, buffers.parameters, backend(job.config.train.backend), job.F
        )
        self._gradient = parameter_views(buffers.gradient, self.model.shapes)
        self._mask_generator = MaskGenerator(job.config.model, job.config.seed)
        self._scores: Iterator[WindowScore] = iter(())

    @cached_property
    def training_windows(self) -> TrainingWindows:
        """The windows of all steps of the training."""
        return self._job.corpus.training_windows(self._job.config.train, self._job.config.seed)

    def warm_up(self) -> None:
        """Compile the functions that training and scoring call, or load them from the cache."""
        one = np.zeros((1, 1), np.intp)
        self.model.loss_gradient(one, one, self.model.zero_states(1), self._gradient)

    def do(self, task: Task) -> Any:
        """Do a task; return its result."""
        name, *arguments = task
        return getattr(self, name)(*arguments)

    def train(self, step: int) -> float:
        """Write this worker's share of the gradient and its next states.

        Args:
            step: counted from 0.

        Returns:
            nats: weighted loss, summed over the characters of its streams.
        """
        window = self.training_windows.window(step, self.streams)
        states: States = [tuple(layer[:, self.streams]) for layer in self._buffers.states]
        if window.fresh:
            states = self.model.zero_states(len(self._mine))
        nats, states = self.model.loss_gradient(
            window.inputs,
            window.targets,
            states,
            self._gradient,
            self._mask_generator.masks(step, len(window.inputs), self._mine),
            self.training_windows.scale(step),
            window.weights,
            window.early,
            window.features,
            self._job.config.train.activation_penalty,
        )
        for next_layer, layer in zip(self._buffers.next_states, states, strict=True):
            for next_state, state in zip(next_layer, layer, strict=True):
                next_state[self.streams] = state
        return nats

    def peak_gflops(self) -> float:
        """Return the rate of large float32 matrix products in GFLOP/s; takes 0.4 s or more."""
        side = 1024
        a, b, c = np.random.default_rng(1).random((3, side, side), np.float32)
        start, products = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - start) < 0.4 or products < 3:
            np.matmul(a, b, out=c)
            products += 1
        return products * 2 * side**3 / elapsed_s / 1e9

    def score(self, start: int, end: int, each: bool, index: int) -> WindowScore | None:
        """Score this worker's share of a window of the characters from `start` to `end`.

        Args:
            start, end: part of the text.
            each: whether the score has a piece for each line or record.
            index: number of the window; windows are scored in order, and 0 starts again.

        Returns:
            The score, or None after the last window.
        """
        if index == 0:
            share = (self._rank, self._job.workers)
            corpus = self._job.corpus
            windows = corpus.scoring_windows(start, end, share)
            separator = corpus.vocabulary.separator if each else None
            self._scores = score_windows(self.model, windows, separator)
        return next(self._scores, None)

    def validate(self, index: int) -> WindowScore | None:
        """Score this worker's share of a window of `Job.validation`; see `score`."""
        if index == 0:
            corpus = self._job.validation
            assert corpus is not None
            share = (self._rank, self._job.workers)
            windows = corpus.scoring_windows(*corpus.everything, share)
            self._scores = score_windows(self.model, windows)
        return next(self._scores, None)

    def read(self, corpus: Corpus) -> None:
        """Take other records for the tasks that follow; their vocabulary is the same."""
        self._job = replace(self._job, corpus=corpus)

    def predict(self, start: int, end: int, index: int) -> Array | None:
        """Predict the labels of this worker's share of a block of records.

        Args:
            start, end: ranks of the records, of which only the prompts are read.
            index: number of the block.

        Returns:
            The log-probabilities (n, labels) of its share, in the order of the ranks, or None after
            the last block.
        """
        if (share := self._prompts(start, end, index)) is None:
            return None
        prompts, features = share
        found = np.empty((len(prompts), self._tree.size))
        for places, log_probs in label_log_probs(self.model, prompts, self._tree, features):
            found[places] = log_probs
        return found

    def find(self, start: int, end: int, index: int) -> list[list[FoundReply]] | None:
        """Search the likeliest replies to its share of a block of records; see `predict`."""
        share, search = self._prompts(start, end, index), self._job.search
        if share is None:
            return None
        assert search is not None
        prompts, features = share
        found: list[list[FoundReply]] = [[] for _ in prompts]
        vocabulary = self._job.corpus.vocabulary
        for places, replies in find_replies(self.model, vocabulary, prompts, search, features):
            for place, some in zip(places.tolist(), replies, strict=True):
                found[place] = some
        return found

    def _prompts(self, start: int, end: int, index: int) -> tuple[list[Array], Array | None] | None:
        """Return prompts and features of this worker's share of a block, None after the last."""
        K, corpus = self._job.workers, self._job.corpus
        assert isinstance(corpus, RecordCorpus)
        first = start + index * K * _PREDICTED
        if first >= end:
            return None
        bounds = (first + _PREDICTED * k for k in (self._rank, self._rank + 1))
        ranks = np.arange(*(min(bound, end) for bound in bounds))
        return corpus.prompt_codes(ranks), corpus.features_of(ranks)

    @cached_property
    def _tree(self) -> LabelTree:
        end = self._job.corpus.vocabulary.end
        assert end is not None
        return LabelTree(self._job.labels, end)
