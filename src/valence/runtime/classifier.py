"""The classifier: the one path from texts to predictions.

Shapes: N texts, C classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from valence.errors import ConfigError, EngineError, InputError
from valence.runtime.engine import Engine
from valence.text.batching import collate, plan_batches
from valence.text.tokenizer import LongText, Text, TokenizedText, Tokenizer

__all__ = ["Classifier", "Prediction"]

_BATCH_TOKENS = 1024  # a batch this size keeps two cores busy and its activations in their caches
_WINDOW_TEXTS = 8192  # texts tokenised at a time; bounds the memory for token ids


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one text."""

    label: str
    """The class with the highest score."""
    score: float
    """Its score: a probability, or the predicted number itself for a regression model."""
    scores: dict[str, float] = field(hash=False)
    """The score of every class. They add up to 1 unless the model is multi-label or a regression."""
    n_tokens: int
    """Tokens the text has, special tokens included; more than were read if `truncated`."""
    truncated: bool
    """Whether the text was longer than the limit, so that its end was not read."""


class Classifier:
    """A tokenizer, an engine and class names; `valence.load` makes one.

    Args:
        tokenizer: texts to token ids.
        engine: token ids to logits.
        labels: C class names.
        problem_type: one of `valence.folder.PROBLEM_TYPES`. None: softmax over several classes, and for a
            single logit the sigmoid, as in the text-classification pipeline of `transformers`.
        long_text: "truncate" leaves out the end of a long text and says so, "error" refuses it.

    Raises:
        ConfigError: if the engine has another number of classes than there are names.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        engine: Engine,
        labels: tuple[str, ...],
        problem_type: str | None = None,
        long_text: LongText = "truncate",
    ) -> None:
        if len(labels) != engine.n_classes:
            raise ConfigError(f"{len(labels)} labels ({', '.join(labels)}) for a model of {engine.n_classes} classes")
        if len(set(labels)) < len(labels):
            raise ConfigError(f"two classes share a name: {', '.join(labels)}")
        if long_text not in ("truncate", "error"):
            raise InputError(f"long_text must be 'truncate' or 'error', found {long_text!r}")
        self.tokenizer = tokenizer
        self.engine = engine
        self.labels = labels
        self.problem_type = problem_type
        self.long_text: LongText = long_text

    def __repr__(self) -> str:
        return (
            f"Classifier(labels=[{', '.join(self.labels)}], engine={self.engine.name!r}, "
            f"max_length={self.tokenizer.max_length})"
        )

    @overload
    def __call__(self, texts: Text) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is iterable too

    @overload
    def __call__(self, texts: Iterable[Text]) -> list[Prediction]: ...

    def __call__(self, texts: Text | Iterable[Text]) -> Prediction | list[Prediction]:
        """Classify one text, or several.

        Args:
            texts: a string; a tuple of two strings, which are read together as a pair; or an iterable of
                either. An empty text is classified like any other.

        Returns:
            One prediction for one text; for an iterable a list in its order.

        Raises:
            InputError: if something is not a text, or too long with `long_text="error"`.
        """
        if isinstance(texts, str | tuple):
            return self._predict([texts])[0]
        return self._predict(_as_list(texts))

    def logits(self, texts: Iterable[Text]) -> NDArray[np.float32]:
        """Run texts through the model without interpreting the result.

        Args:
            texts: an iterable of texts or pairs.

        Returns:
            float32 [N, C], in order.

        Raises:
            InputError: if something is not a text, or too long with `long_text="error"`.
        """
        return self._run(_as_list([texts] if isinstance(texts, str | tuple) else texts))[0]

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Turn logits into scores as the model's problem type asks.

        Args:
            logits: [N, C].

        Returns:
            [N, C]: softmax, sigmoid (multi-label, or a single logit), or the logits themselves (regression).
        """
        values = logits.astype(np.float64)
        if self.problem_type == "regression":
            return values
        if self.problem_type == "multi_label_classification" or values.shape[1] == 1:
            return 0.5 * (1.0 + np.tanh(0.5 * values))  # the sigmoid, without overflow
        exponentials = np.exp(values - values.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    def _predict(self, texts: Sequence[Text]) -> list[Prediction]:
        logits, n_tokens = self._run(texts)
        scores = self.probabilities(logits)
        best = scores.argmax(axis=1)
        return [
            Prediction(
                self.labels[best[row]],
                float(scores[row, best[row]]),
                dict(zip(self.labels, scores[row].tolist(), strict=True)),
                n_tokens[row],
                n_tokens[row] > self.tokenizer.max_length,
            )
            for row in range(len(texts))
        ]

    def _run(self, texts: Sequence[Text]) -> tuple[NDArray[np.float32], list[int]]:
        """Compute logits [N, C] and the number of tokens of each text."""
        logits = np.empty((len(texts), self.engine.n_classes), dtype=np.float32)
        n_tokens: list[int] = []
        for start in range(0, len(texts), _WINDOW_TEXTS):
            tokenized = self.tokenizer(texts[start : start + _WINDOW_TEXTS], self.long_text, first=start)
            logits[start : start + len(tokenized)] = self.logits_of_tokens(tokenized)
            n_tokens += [text.n_tokens for text in tokenized]
        return logits, n_tokens

    def logits_of_tokens(self, tokenized: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Run texts that are tokenised already.

        Args:
            tokenized: N texts.

        Returns:
            float32 [N, C], in order.

        Raises:
            EngineError: if the model computes infinities or what is not a number at all.
        """
        logits = np.empty((len(tokenized), self.engine.n_classes), dtype=np.float32)
        for indices in plan_batches([len(text.ids) for text in tokenized], _BATCH_TOKENS):
            batch = collate([tokenized[index] for index in indices], self.tokenizer.pad_token_id)
            logits[indices] = self.engine.logits(batch)
        if not np.isfinite(logits).all():
            raise EngineError(
                f"the model computes logits that are not finite numbers (engine {self.engine.name}): "
                "its weights or its export are damaged"
            )
        return logits


def _as_list(texts: Any) -> list[Text]:
    try:
        listed = None if isinstance(texts, bytes | dict) else list(texts)
    except TypeError:
        listed = None
    if listed is None:
        raise InputError(f"expected a text, a pair of texts, or an iterable of these, found {type(texts).__name__}")
    # JSON has no tuples, and a list of two strings inside a list can only mean a pair.
    return [tuple(item) if isinstance(item, list) and len(item) == 2 else item for item in listed]
