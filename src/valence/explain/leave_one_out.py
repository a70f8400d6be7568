"""Leave-one-out: what becomes of the score where a word is not there. Any engine can do it.

Source: Li, Monroe & Jurafsky 2016, "Understanding Neural Networks through Representation Erasure".

Shapes: T tokens, R readings of one text, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from valence.explain.attribution import Attribution, WordAttribution, find_target
from valence.explain.inputs import ModelInput, inputs_of
from valence.explain.words import Word, token_counts, words_of
from valence.progress import OnProgress, silent
from valence.runtime.classifier import Classifier
from valence.runtime.scores import aggregate
from valence.text.tokenizer import Text, TokenizedText

__all__ = ["leave_one_out"]

_AT_ONCE = 64  # words; bounds the memory and the wait for progress


def leave_one_out(
    classifier: Classifier, text: Text, target: str | None = None, on_progress: OnProgress = silent
) -> Attribution:
    """Leave out each word in turn, and see how far the score of a class falls.

    A word's tokens are taken out of what the model reads; where that is the start of a text, or windows of one,
    they end where they did, so that no other words come or go. The attributions promise no sum: words that say the
    same stand in for one another, and words that mean something only together each take all of it along.

    Args:
        classifier: runs on any engine; long texts are read as it reads them.
        text: a text or a pair.
        target: the class; the one that the classifier predicts if None.
        on_progress: is told how many words are done.

    Returns:
        For each word the target's score minus the score without the word.

    Raises:
        InputError: if the text cannot be read or has too many words, or there is no such class.
        ModelError: if the tokenizer joins texts in an unknown way.
    """
    wanted = None if target is None else find_target(classifier.labels, target)
    classifier.tokenizer.check(text)
    words = words_of(classifier.tokenizer, text)
    prediction = classifier(text)
    label = wanted or prediction.label
    score, number = prediction.scores[label], classifier.labels.index(label)
    readings = _Readings(classifier, text, words)
    found: list[WordAttribution] = []
    for first in range(0, len(words), _AT_ONCE):
        some = words[first : first + _AT_ONCE]
        for word, scores in zip(some, readings.scores_without(some), strict=True):
            fall = 0.0 if scores is None else score - float(scores[number])
            found.append(WordAttribution(word.text, word.start, word.end, fall, word.part))
            on_progress(len(found), len(words))
    return Attribution(
        text=text,
        method="leave-one-out",
        engine=classifier.engine.name,
        label=prediction.label,
        target=label,
        target_score=score,
        unit="value" if classifier.problem_type == "regression" else "probability",
        score=score,
        words=tuple(found),
        truncated=prediction.truncated,
        n_windows=len(prediction.windows or (None,)),
    )


class _Readings:
    """All that a classifier reads of a text, to be read again without some words."""

    def __init__(self, classifier: Classifier, text: Text, words: list[Word]) -> None:
        self._classifier = classifier
        self._text = classifier.tokenizer.encode([text], classifier.reading)[0]
        counts = token_counts(words, text)
        self._readings = inputs_of(self._text, counts, classifier.stride, classifier.tokenizer.separators)
        self._logits = classifier.logits_of_tokens([_without(reading, []) for reading in self._readings])  # [R, C]

    def scores_without(self, words: list[Word]) -> list[NDArray[np.float64] | None]:
        """Score the text without each of the words: [C], or None where the word was not read at all."""
        changed: list[TokenizedText] = []
        rows: list[dict[int, int]] = []  # for each word: the readings that have it -> their places in `changed`
        for word in words:
            rows.append({})
            for number, reading in enumerate(self._readings):
                if columns := _columns(reading, word):
                    rows[-1][number] = len(changed)
                    changed.append(_without(reading, columns))
        logits = self._classifier.logits_of_tokens(changed)
        return [self._score(logits, own) if own else None for own in rows]

    def _score(self, logits: NDArray[np.float32], rows: dict[int, int]) -> NDArray[np.float64]:
        """Score the text where some readings have other logits."""
        together = self._logits.copy()
        together[list(rows)] = logits[list(rows.values())]
        if not self._text.windows:
            scores: NDArray[np.float64] = self._classifier.probabilities(together)[0]
            return scores
        n_tokens = np.array([window.n_tokens for window in self._text.windows])
        classifier = self._classifier
        return aggregate(together, n_tokens, classifier.aggregation, classifier.problem_type, classifier.calibration)[0]


def _columns(reading: ModelInput, word: Word) -> list[int]:
    """Find the tokens of a word in a reading."""
    return [
        run.column + token - run.token
        for run in reading.runs
        if run.part == word.part
        for token in word.tokens
        if run.token <= token < run.token + run.count
    ]


def _without(reading: ModelInput, columns: list[int]) -> TokenizedText:
    """Take tokens out of a reading."""
    ids = np.delete(reading.ids, columns)
    types = None if reading.type_ids is None else np.delete(reading.type_ids, columns)
    return TokenizedText(ids, types, len(ids))
