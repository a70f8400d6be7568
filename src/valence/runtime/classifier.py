"""The classifier: the one path from texts to predictions.

Shapes: N texts, W windows of one text, C classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from valence.errors import ConfigError, InputError
from valence.reading import Aggregation, LongText, Reading, Text
from valence.runtime.calibration import Calibration
from valence.runtime.engine import Engine
from valence.runtime.execution import Outcome, run_texts, run_tokenized
from valence.runtime.prediction import Prediction, WindowPrediction
from valence.runtime.scores import aggregate, check_aggregation, scores_of
from valence.text.tokenizer import TokenizedText, Tokenizer

__all__ = ["Classifier", "Prediction", "WindowPrediction"]

_WINDOW_TEXTS = 8192
_WINDOW_CHARACTERS = 1 << 23  # of texts in memory; a longer text is alone


class Classifier:
    """A tokenizer, an engine and class names; `valence.load` makes one. Threads may share it.

    Args:
        tokenizer: texts to token ids.
        engine: token ids to logits.
        labels: C class names.
        problem_type: one of `valence.folder.PROBLEM_TYPES`. None: softmax over several classes, and for a
            single logit the sigmoid, as in the text-classification pipeline of `transformers`.
        long_text: what is done with a text of more tokens than the model reads: "window" reads it in windows,
            "truncate" leaves out its end and says so, "error" refuses it. Of a pair the second text is divided.
        stride: the tokens that neighbouring windows share.
        aggregation: how windows become one answer: "mean", "max" or "vote"; see `valence.runtime.scores.aggregate`.
        reading: `long_text`, `stride` and `aggregation` in one, given instead of these.
        calibration: of the scores; None leaves them as the model gives them.

    Raises:
        ConfigError: if the engine has another number of classes than there are names.
        InputError: if another argument is of no use.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        engine: Engine,
        labels: tuple[str, ...],
        problem_type: str | None = None,
        long_text: LongText = "window",
        stride: int = 0,
        aggregation: Aggregation = "mean",
        *,
        reading: Reading | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if len(labels) != engine.n_classes:
            raise ConfigError(f"{len(labels)} labels ({', '.join(labels)}) for a model of {engine.n_classes} classes")
        if len(set(labels)) < len(labels):
            raise ConfigError(f"two classes share a name: {', '.join(labels)}")
        if reading is None:
            reading = Reading(tokenizer.max_length, long_text, stride, aggregation)
        elif (long_text, stride, aggregation) != ("window", 0, "mean"):
            raise InputError("give either reading, or long_text, stride and aggregation")
        check_aggregation(reading.aggregation, problem_type)
        self.tokenizer = tokenizer
        self.engine = engine
        self.labels = labels
        self.problem_type = problem_type
        self.reading = reading.fitted(tokenizer.max_length)
        self.calibration = calibration

    def __repr__(self) -> str:
        return (
            f"Classifier(labels=[{', '.join(self.labels)}], engine={self.engine.name!r}, "
            f"max_length={self.tokenizer.max_length}, long_text={self.long_text!r})"
        )

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take up what was pickled, by an earlier version too, which kept the parts of `reading` one by one."""
        old = {name: state.pop(name) for name in ("long_text", "stride", "aggregation") if name in state}
        self.__dict__.update({"calibration": None} | state)
        if "reading" not in state:
            self.reading = replace(Reading(self.tokenizer.max_length), **old)  # type: ignore[arg-type]  # it checks them

    @property
    def long_text(self) -> LongText:
        """What is done with a text of more tokens than the model reads."""
        return self.reading.long_text

    @long_text.setter
    def long_text(self, value: LongText) -> None:
        self.reading = replace(self.reading, long_text=value)

    @property
    def stride(self) -> int:
        """The tokens that neighbouring windows share."""
        return self.reading.stride

    @stride.setter
    def stride(self, value: int) -> None:
        self.reading = replace(self.reading, stride=value)

    @property
    def aggregation(self) -> Aggregation:
        """How windows become one answer."""
        return self.reading.aggregation

    @aggregation.setter
    def aggregation(self, value: Aggregation) -> None:
        check_aggregation(value, self.problem_type)
        self.reading = replace(self.reading, aggregation=value)

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
            good, problem = self._until_problem([texts], 0, None)
            if problem is not None:
                raise problem
            return self._predictions(self._run(good))[0]
        return list(self.stream(texts))

    def stream(self, texts: Iterable[Text], window: int = _WINDOW_TEXTS) -> Iterator[Prediction]:
        """Classify texts as they come, in flat memory.

        Texts are taken from the iterable a window at a time: as many as asked for, fewer where they are very long
        (eight million characters). Their predictions are all there before the next window is taken, so at most one
        window of texts is read ahead, and nothing runs while the caller uses a prediction. The larger the window,
        the better batches fit; a source that is slow or waits for answers wants a small one, down to 1. Equal texts
        are computed once within a window, and nothing is remembered from one window to the next.

        Where the iterable raises an error, or yields what is no text, the predictions of all texts before come
        first, then the error. Closing the generator ends the work.

        Args:
            texts: any iterable of texts or pairs, even an endless one. It is read in the caller's thread.
            window: texts that are taken at once.

        Returns:
            An iterator over the predictions, in order.

        Raises:
            InputError: if `texts` is not an iterable of texts, or the window is not a positive number.
        """
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise InputError(f"window must be a whole number from 1, found {window!r}")
        if isinstance(texts, str | tuple):
            raise InputError("a stream reads an iterable of texts, found a single text: call the classifier with it")
        outcomes = self._outcomes(_iterator(texts), window)
        return (prediction for outcome in outcomes for prediction in self._predictions(outcome))

    def logits(self, texts: Iterable[Text]) -> NDArray[np.float32]:
        """Run texts through the model without interpreting the result: no calibration is applied.

        Args:
            texts: an iterable of texts or pairs.

        Returns:
            float32 [N, C], in order; of a text in windows the mean, each weighted by its tokens.

        Raises:
            InputError: if something is not a text, or too long with `long_text="error"`; if windows are to be
                aggregated by anything but their mean.
        """
        if self.aggregation != "mean":
            raise InputError(f"the logits of windows have a mean only: aggregation is {self.aggregation!r}")
        source = iter([texts]) if isinstance(texts, str | tuple) else _iterator(texts)
        parts = [self._mean_logits(outcome) for outcome in self._outcomes(source, _WINDOW_TEXTS)]
        return np.concatenate([np.empty((0, self.engine.n_classes), dtype=np.float32), *parts])

    def logits_of_tokens(self, tokenized: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Run texts that are tokenised already; of a text in windows the first is read.

        Args:
            tokenized: N texts.

        Returns:
            float32 [N, C], in order.

        Raises:
            EngineError: if the model computes infinities or what is not a number at all.
        """
        return run_tokenized(self.engine, tokenized, self.tokenizer.pad_token_id)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Turn logits into scores as the model's problem type asks.

        Args:
            logits: [N, C].

        Returns:
            [N, C]: softmax, sigmoid (multi-label, or a single logit), or the logits themselves (regression); calibrated
            where the model has a calibration.
        """
        return scores_of(logits, self.problem_type, self.calibration)

    def _outcomes(self, source: Iterator[object], size: int) -> Iterator[Outcome]:
        """Run texts a window at a time; raise the first error after what comes before it."""
        done = 0
        while True:
            window, problem = _take(source, size)
            good, problem = self._until_problem(window, done, problem)
            if good:
                yield self._run(good)
            if problem is not None:
                raise problem
            if not window:
                return
            done += len(window)

    def _until_problem(
        self, texts: list[Any], done: int, problem: Exception | None
    ) -> tuple[list[Text], Exception | None]:
        """Find the first text that cannot be read; return those before it, and the error it or the source raises."""
        good = len(texts)
        for index, text in enumerate(texts):
            try:
                self.tokenizer.check(text, done + index)
            except InputError as no_text:
                good, problem = index, no_text
                break
        if self.long_text == "error":
            for index, text in enumerate(self.tokenizer.encode(texts[:good])):
                if text.truncated:
                    return texts[:index], self.tokenizer.too_long(text, done + index)
        return texts[:good], problem

    def _run(self, texts: list[Text]) -> Outcome:
        return run_texts(self.tokenizer, self.engine, texts, self.reading)

    def _predictions(self, outcome: Outcome) -> list[Prediction]:
        scores = self.probabilities(outcome.logits)
        winners: list[int] = scores.argmax(axis=1).tolist()
        values: list[list[float]] = scores.tolist()
        predictions = []
        for place in outcome.places:
            text, row = outcome.texts[place], outcome.rows[place]
            if text.windows:
                stop = row + len(text.windows)
                predictions.append(self._prediction_of_windows(text, outcome.logits[row:stop], values[row:stop]))
                continue
            predictions.append(
                Prediction(
                    self.labels[winners[row]],
                    values[row][winners[row]],
                    dict(zip(self.labels, values[row], strict=True)),
                    text.n_tokens,
                    text.n_tokens > self.tokenizer.max_length,
                    n_unknown=text.n_unknown,
                )
            )
        return predictions

    def _prediction_of_windows(
        self, text: TokenizedText, logits: NDArray[np.float32], values: list[list[float]]
    ) -> Prediction:
        """Aggregate the windows of one text: logits [W, C] and scores."""
        weights = np.array([window.n_tokens for window in text.windows])
        scores, winner = aggregate(logits, weights, self.aggregation, self.problem_type, self.calibration)
        windows = tuple(
            WindowPrediction(
                self.labels[(best := int(np.argmax(own)))],
                own[best],
                dict(zip(self.labels, own, strict=True)),
                window.start,
                window.end,
                window.n_tokens,
            )
            for window, own in zip(text.windows, values, strict=True)
        )
        named = dict(zip(self.labels, scores.tolist(), strict=True))
        score = float(scores[winner])
        return Prediction(self.labels[winner], score, named, text.n_tokens, False, windows, text.n_unknown)

    def _mean_logits(self, outcome: Outcome) -> NDArray[np.float32]:
        """Take the logits of each text, [N, C]; of one in windows their mean."""
        logits = outcome.logits[[outcome.rows[place] for place in outcome.places]]
        for index, place in enumerate(outcome.places):
            if windows := outcome.texts[place].windows:
                rows = outcome.logits[outcome.rows[place] : outcome.rows[place] + len(windows)]
                logits[index] = np.average(rows, axis=0, weights=[window.n_tokens for window in windows])
        return logits


def _take(source: Iterator[object], size: int) -> tuple[list[Any], Exception | None]:
    """Take so many texts, and the error with which the source ended, if it did."""
    texts: list[object] = []
    characters = 0
    try:
        for item in islice(source, size):
            # JSON has no tuples, and a list of two strings inside a list can only mean a pair.
            text = tuple(item) if isinstance(item, list) and len(item) == 2 else item
            texts.append(text)
            parts = text if isinstance(text, tuple) else (text,)
            characters += sum(len(part) for part in parts if isinstance(part, str))
            if characters >= _WINDOW_CHARACTERS:
                break
    except Exception as problem:  # whatever it is: the texts before it are answered first
        return texts, problem
    return texts, None


def _iterator(texts: Any) -> Iterator[object]:
    try:
        if not isinstance(texts, bytes | dict):
            return iter(texts)
    except TypeError:
        pass
    raise InputError(f"expected a text, a pair of texts, or an iterable of these, found {type(texts).__name__}")
