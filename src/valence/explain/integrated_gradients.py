"""Integrated gradients: the score's gradient along the way from a text that says nothing to the text itself.

Source: Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks"; the `captum` package.

Shapes: B batch, T tokens, D width, C classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from valence.errors import EngineError, InputError
from valence.explain.attribution import Attribution, WordAttribution, find_target
from valence.explain.inputs import ModelInput, inputs_of
from valence.explain.words import Word, token_counts, words_of
from valence.model.heads import TaskModel
from valence.progress import OnProgress, silent
from valence.runtime.classifier import Classifier
from valence.runtime.torch_engine import TorchEngine
from valence.text.tokenizer import Text

__all__ = ["integrated_gradients"]

_FIRST_STEPS = 32
_MOST_STEPS = 512
_BATCH_TOKENS = 2048  # forwards and backwards; bounds the memory


def integrated_gradients(
    classifier: Classifier, text: Text, target: str | None = None, on_progress: OnProgress = silent
) -> Attribution:
    """Share out among the words what lies between the score of a text and that of padding in its place.

    The score is the target's log-odds: its logit minus the logarithm of the others' summed exponentials, which for
    two classes is the difference of the logits; where classes do not exclude each other, and for a regression, the
    logit itself. A probability near 0 or 1 hardly moves, whatever the words say; log-odds do, so that the sum of the
    attributions can be checked against a difference worth the name. Of a text in windows the score is the mean over
    these, each weighted by its tokens.

    The baseline has the padding token at every place of the text; special tokens stay. Steps are doubled until the
    sum is right or there are 512; `Attribution.is_complete` says which.

    Args:
        classifier: runs on the torch engine in fp32.
        text: a text or a pair.
        target: the class; the one that the classifier predicts if None.
        on_progress: is told how many readings are done; more are to come where more steps are needed.

    Returns:
        For each word the sum of its tokens' attributions.

    Raises:
        EngineError: if the classifier runs on another engine, which gives no gradients.
        InputError: if the text cannot be read or has too many words, there is no such class, or windows are
            aggregated by anything but their mean.
        ModelError: if the tokenizer joins texts in an unknown way.
    """
    wanted = None if target is None else find_target(classifier.labels, target)
    classifier.tokenizer.check(text)
    words = words_of(classifier.tokenizer, text)
    counts = token_counts(words, text)
    with _differentiable(classifier) as model:
        prediction = classifier(text)
        if prediction.windows is not None and classifier.aggregation != "mean":
            raise InputError(
                f"integrated gradients explain the mean of windows, and aggregation is {classifier.aggregation!r}: "
                "use leave-one-out"
            )
        tokenized = classifier.tokenizer.encode([text], classifier.reading)[0]
        readings = inputs_of(tokenized, counts, classifier.stride, classifier.tokenizer.separators)
        label = wanted or prediction.label
        score = _Score(model, classifier, classifier.labels.index(label))
        full, baseline = score.at_both_ends(readings)
        result = Attribution(
            text=text,
            method="integrated-gradients",
            engine=classifier.engine.name,
            label=prediction.label,
            target=label,
            target_score=prediction.scores[label],
            unit="value" if classifier.problem_type == "regression" else "log-odds",
            score=full,
            words=(),
            truncated=prediction.truncated,
            n_windows=len(readings),
            baseline_score=baseline,
        )
        n_steps, done = _FIRST_STEPS, 0
        while True:
            of_tokens = [np.zeros(count) for count in counts]
            for number, reading in enumerate(readings, start=1):
                _add(of_tokens, reading, score.attributions(reading, n_steps))
                on_progress(done + number, done + len(readings))
            done += len(readings)
            result = replace(result, n_steps=n_steps, words=tuple(_of_word(word, of_tokens) for word in words))
            if result.is_complete or n_steps == _MOST_STEPS:
                return result
            n_steps *= 2


@contextmanager
def _differentiable(classifier: Classifier) -> Iterator[TaskModel]:
    """Give the model of a classifier, which drops nothing out for as long as it is looked at."""
    engine = classifier.engine
    if not isinstance(engine, TorchEngine) or "fp32" not in engine.name:
        raise EngineError(
            f"integrated gradients need the torch engine in fp32, found {engine.name}: load the model with "
            "engine='torch' and precision='fp32', or use leave-one-out"
        )
    model = engine.model
    was_training = model.training
    model.eval()
    try:
        yield model
    finally:
        model.train(was_training)


class _Score:
    """The score of a class, and its gradients."""

    def __init__(self, model: TaskModel, classifier: Classifier, target: int) -> None:
        self._model = model
        self._target = target
        self._exclusive = classifier.problem_type not in ("regression", "multi_label_classification")
        self._pad_token_id = classifier.tokenizer.pad_token_id
        self._device = next(model.parameters()).device
        calibration = classifier.calibration
        self._temperature = 1.0 if calibration is None else calibration.temperature
        biases = None if calibration is None else calibration.biases
        self._biases = None if biases is None else torch.tensor(biases, device=self._device)  # [C]
        self._integral = LayerIntegratedGradients(self._of_batch, model.encoder.embeddings)

    def at_both_ends(self, readings: list[ModelInput]) -> tuple[float, float]:
        """Score the text and the baseline, both as the mean of their readings."""
        full = baseline = 0.0
        for reading in readings:
            ids, blank, types = self._tensors(reading)
            with torch.inference_mode():
                full += reading.weight * self._of_batch(ids, types).item()
                baseline += reading.weight * self._of_batch(blank, types).item()
        return full, baseline

    def attributions(self, reading: ModelInput, n_steps: int) -> NDArray[np.float64]:
        """Integrate from the baseline to the reading, [T]."""
        ids, blank, types = self._tensors(reading)
        given: Tensor = self._integral.attribute(
            ids,
            blank,
            additional_forward_args=(types,),
            n_steps=n_steps,
            internal_batch_size=max(1, _BATCH_TOKENS // ids.shape[1]),
        )  # [1, T, D]
        summed: NDArray[np.float64] = given.detach()[0].double().sum(dim=1).cpu().numpy()
        return reading.weight * summed

    def _of_batch(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Score texts of one length: int64 [B, T] to [B]."""
        logits: Tensor = self._model(input_ids, None, token_type_ids) / self._temperature  # [B, C]
        if self._biases is not None:
            logits = logits + self._biases
        own = logits[:, self._target]
        if logits.shape[1] == 1 or not self._exclusive:
            return own
        others = torch.cat([logits[:, : self._target], logits[:, self._target + 1 :]], dim=1)  # [B, C - 1]
        return own - others.logsumexp(dim=1)

    def _tensors(self, reading: ModelInput) -> tuple[Tensor, Tensor, Tensor | None]:
        """Give the ids, the baseline's ids and the types, each int64 [1, T]."""
        blank = reading.ids.copy()
        for run in reading.runs:
            blank[run.column : run.column + run.count] = self._pad_token_id
        ids, baseline = (torch.from_numpy(values[None]).long().to(self._device) for values in (reading.ids, blank))
        types = None if reading.type_ids is None else torch.from_numpy(reading.type_ids[None]).long().to(self._device)
        return ids, baseline, types


def _add(of_tokens: list[NDArray[np.float64]], reading: ModelInput, attributions: NDArray[np.float64]) -> None:
    """Give the text's tokens what their places in a reading, [T], were given."""
    for run in reading.runs:
        of_tokens[run.part][run.token : run.token + run.count] += attributions[run.column : run.column + run.count]


def _of_word(word: Word, of_tokens: list[NDArray[np.float64]]) -> WordAttribution:
    own = of_tokens[word.part][word.tokens.start : word.tokens.stop]
    return WordAttribution(word.text, word.start, word.end, float(own.sum()), word.part)
