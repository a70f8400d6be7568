"""Cards that others wrote and published, and checking what they state.

A file of published_cards/ lists the statements of such a card: each number, how it is measured, on which data (by the
SHA-256 of its file), and where it stands in the card: a row of the model-index or a pattern in the text. A statement
that is known not to hold exactly says so and why, so that it neither fails nor passes unnoticed.
"""

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path

from valence.card.check.data_files import DataFiles
from valence.card.check.remeasure import NotMeasured, load_like
from valence.card.check.result import CheckedStatement, CheckResult, Outcome
from valence.card.check.tolerances import CLAIMED_SCORE, PER_CENT_DIGITS, Setting, setting_of, tolerance
from valence.card.readme import Readme
from valence.card.statement import Basis
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import MissingExtraError, ModelError, ValenceError
from valence.evaluation.metrics import CLASS_METRICS
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent, step
from valence.reports.codec import read_report
from valence.reports.evaluation import EvaluationReport
from valence.reports.report import Report
from valence.runtime.classifier import Classifier
from valence.runtime.load import load_folder

__all__ = ["PublishedCard", "PublishedStatement", "check_published", "find_published", "read_published"]

_FOLDER = Path(__file__).parent / "published_cards"
_KINDS: tuple[str, ...] = ("metric", "score", "stated", "other model")
_ABOUT_DATA = ("is", "from", "sha256")
_UNKNOWN = "missing: the hash of the data, and how it was measured; a card that valence card writes says both"
_NO_REPORT = "missing: a report of the training; the folder has none, and only the card says so"
_Measured = tuple[EvaluationReport, Setting, str]  # the last is the engine


@dataclass(frozen=True)
class PublishedStatement:
    """A number that a published card states.

    Args:
        name: what it is.
        kind: "metric", "score" (of single texts), "stated" (a hyper-parameter), "other model".
        value: as published.
        unit: "%" where it is a hundred times the share.
        metric: of an evaluation, with " macro", " micro" or " weighted" for such a mean.
        data: the name of its data in the file.
        texts: for a score: the ways in which the text may have been written.
        label: for a score: of which class.
        row: of the model-index: data set, split and name.
        pattern: that finds the number in the text of the card.
        holds: whether it is known to hold; False: known not to, exactly.
        why: what else is known of it.
    """

    name: str
    kind: str
    value: int | float
    unit: str = ""
    metric: str = ""
    data: str = ""
    texts: tuple[str, ...] = ()
    label: str = ""
    row: tuple[str, ...] = ()
    pattern: str = ""
    holds: bool = True
    why: str = ""

    @property
    def share(self) -> float:
        """The value without its unit."""
        return self.value / 100 if self.unit == "%" else self.value


class PublishedCard(Report, frozen=True, kw_only=True):
    """What a published card states.

    Args:
        models: names of the model.
        card: where the card is.
        data: by name, what each data set "is", where it is "from", and its "sha256".
        statements: the numbers.
    """

    models: tuple[str, ...]
    card: str
    data: dict[str, dict[str, str]]
    statements: tuple[PublishedStatement, ...]


def read_published(path: Path) -> PublishedCard:
    """Read what a published card states.

    Args:
        path: the file.

    Returns:
        Its statements.

    Raises:
        ModelError: if it is no such file.
    """
    card = read_report(path, PublishedCard)
    if card is None:
        raise ModelError(f"{path}: no such file")
    for name, about in card.data.items():
        for key in _ABOUT_DATA:
            if key not in about:
                raise ModelError(f"{path}: expected a text at data.{name}.{key}, found None")
    for number, one in enumerate(card.statements):
        of_metric = {"data": (one.data, tuple(card.data))} if one.kind == "metric" else {}
        for key, (found, known) in {"kind": (one.kind, _KINDS), **of_metric}.items():
            if found not in known:
                expected = f"one of {', '.join(known)}"
                raise ModelError(f"{path}: expected {expected} at statements.{number}.{key}, found {found!r:.80}")
    return card


def find_published(folder: ModelFolder, readme: Readme | None) -> PublishedCard | None:
    """Find the published card of a model among those that valence ships.

    Args:
        folder: the model.
        readme: its card, if it has one.

    Returns:
        What the card states; None where none is known under the model's name, or that of its card's model-index.
    """
    names = {folder.name, None if readme is None else readme.card.model_name}
    cards = map(read_published, sorted(_FOLDER.glob("*.json")))
    return next((card for card in cards if names & set(card.models)), None)


def check_published(
    folder: ModelFolder,
    card: PublishedCard | None,
    readme: Readme | None,
    data: Sequence[Path] = (),
    on_progress: OnProgress = silent,
) -> CheckResult:
    """Check a published card.

    Args:
        folder: the model.
        card: what it stated when that was written down; None where nobody did.
        readme: the card as it lies in the folder, if one does.
        data: folders in which data are found by their hash.
        on_progress: is told what is measured.

    Returns:
        What became of each statement, and of each row of the model-index that is none of them.
    """
    statements = () if card is None else card.statements
    checked = [] if card is None else list(_Check(folder, card, data, on_progress).run(readme))
    known = {statement.row for statement in statements}
    rows = () if readme is None else _rows(readme)
    return CheckResult((*checked, *(one for row, one in rows if row not in known)))


def _rows(readme: Readme) -> Iterator[tuple[tuple[str, ...], CheckedStatement]]:
    for result in readme.card.results:
        row = (result.data, result.split or "", result.metric_name or result.metric)
        name = f"model-index: {result.metric_name or result.metric} on {result.data} {result.split or ''}"
        yield row, CheckedStatement(f"{name.strip():.200}", f"{result.value!s:.60}", "not checked", _UNKNOWN)


def _in_card(statement: PublishedStatement, readme: Readme | None) -> tuple[object, int | None]:
    """Find what the card says today, and on which line; the published value where it no longer says anything."""
    if readme is None:
        return statement.value, None
    for result in readme.card.results:
        if statement.row and (result.data, result.split, result.metric_name) == statement.row:
            return result.value, None
    if statement.pattern and (match := re.search(statement.pattern, readme.card.text)) is not None:
        line = readme.card.text_line + readme.card.text.count("\n", 0, match.start(1))
        try:
            return float(match[1]), line
        except ValueError:
            return match[1], line
    return statement.value, None


class _Check:
    def __init__(self, folder: ModelFolder, card: PublishedCard, data: Sequence[Path], on_progress: OnProgress) -> None:
        self.folder = folder
        self.card = card
        self.on_progress = on_progress
        self.has_data = bool(data)
        self.files = DataFiles(data)
        self.evaluations: dict[str, _Measured | NotMeasured] = {}

    def run(self, readme: Readme | None) -> Iterator[CheckedStatement]:
        for statement in self.card.statements:
            stated, line = _in_card(statement, readme)
            shown = f"{stated!s:.60}{' %' if statement.unit == '%' else ''}"
            yield CheckedStatement(statement.name, shown, *self.judge(statement, stated), line)

    def judge(self, statement: PublishedStatement, stated: object) -> tuple[Outcome, str]:
        if isinstance(stated, bool) or stated != statement.value:
            return "fails", f"the published card says {statement.value} ({self.card.card})"
        if statement.kind == "stated":
            return "not checked", _NO_REPORT
        if statement.kind == "other model":
            return "not checked", f"missing: the other model; {statement.why}"
        found = self.score(statement) if statement.kind == "score" else self.metric(statement)
        if isinstance(found, NotMeasured):
            return "not checked", found.why
        value, allowed, detail = found
        holds = abs(value - statement.share) <= allowed
        if not holds and not statement.holds:
            return "known not to hold", f"{detail}: {statement.why}"
        if not holds:
            return "fails", f"{detail}; at most {allowed:.3g} apart is allowed"
        return "measured again", detail

    def metric(self, statement: PublishedStatement) -> tuple[float, float, str] | NotMeasured:
        """Measure a metric; give it, how far from the card it may lie, and words for it."""
        if statement.data not in self.evaluations:
            self.evaluations[statement.data] = self.evaluate(statement.data)
        measured = self.evaluations[statement.data]
        if isinstance(measured, NotMeasured):
            return measured
        report, setting, engine = measured
        name, _, mean = statement.metric.partition(" ")
        value = _mean_over_classes(report, name, mean) if mean else _value(report, name)
        if value is None:
            return NotMeasured(f"missing: {statement.metric} is not defined here")
        n_texts = report.n_texts
        counts = report.confusion_matrix.counts
        smallest = n_texts if name == "accuracy" or mean else min(sum(row) for row in counts)
        basis = Basis("share" if mean else report.metrics[name].kind, n_texts, smallest)
        # one that is known to be off by a little is compared as exactly as its digits say
        allowed = (tolerance(basis, value, setting) or 0.0) if statement.holds else PER_CENT_DIGITS
        return value, allowed, f"{value:.6g} by {engine} on {n_texts:,} texts"

    def evaluate(self, name: str) -> _Measured | NotMeasured:
        what, origin, digest = (self.card.data[name][key] for key in _ABOUT_DATA)
        what = f"{what}, from {origin}"
        if not self.has_data:
            return NotMeasured(f"missing: {what} (SHA-256 {digest}): give the folder that holds it with --data")
        self.on_progress(0, 1, f"looking for {name}")
        path = self.files.find(digest, name)
        if path is None:
            return NotMeasured(f"missing: {what}: no file below {self.files.where} has the SHA-256 {digest}")
        try:
            if find_spec("sklearn") is None:
                raise MissingExtraError("evaluate", "Evaluating")
            from valence.evaluation.evaluate import evaluate

            examples = read_examples(find_source(str(path), "eval"), known=self.classifier.labels)
            report = evaluate(
                self.classifier,
                examples,
                self.folder,
                1,  # a published number has no interval
                step(self.on_progress, f"measuring on {name}"),
            )
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")
        engine = self.classifier.engine.name
        return report, setting_of("torch fp32", engine), engine

    @cached_property
    def classifier(self) -> Classifier:
        return load_like(self.folder, "torch fp32", partial(load_folder, calibrated=False))

    def score(self, statement: PublishedStatement) -> tuple[float, float, str] | NotMeasured:
        """Score the ways in which a text may have been written, and take the one that is nearest to the card."""
        try:
            scores = {text: self.classifier(text).scores for text in statement.texts}
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")
        found = {text: one[statement.label] for text, one in scores.items() if statement.label in one}
        if not found or len(found) < len(scores):
            return NotMeasured(f"missing: a class called {statement.label}")
        text = min(found, key=lambda text: abs(found[text] - statement.share))
        return found[text], CLAIMED_SCORE, f"{found[text]:.4f} for {text!r} by {self.classifier.engine.name}"


def _value(report: EvaluationReport, metric: str) -> float | None:
    estimate = report.metrics[metric].estimate if metric in report.metrics else None
    return None if estimate is None else estimate.value


def _mean_over_classes(report: EvaluationReport, metric: str, mean: str) -> float | None:
    """Average precision, recall or F1 over the classes."""
    classes = report.per_class or ()
    values = [getattr(one, metric).value for one in classes if metric in CLASS_METRICS]
    if mean == "micro" and values:  # of one label per text all three are the accuracy
        return _value(report, "accuracy")
    weights = {"macro": [1] * len(classes), "weighted": [one.support for one in classes]}.get(mean)
    if not values or weights is None:
        return None
    total: float = sum(map(operator.mul, values, weights))
    return total / max(1, sum(weights))
