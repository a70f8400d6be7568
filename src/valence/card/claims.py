"""The claims of a card that valence did not render, and checking them.

A claims file (claims/*.json) lists what a published card says: each figure, how it is measured, on which data (by the
SHA-256 of its file), and where it stands in the card: a row of the model-index or a pattern in the text. A claim that
is known not to hold exactly says so and why, so that it neither fails nor passes unnoticed.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from valence.card.data_files import DataFiles
from valence.card.fact import Fact, Kind
from valence.card.findings import Checked, Finding
from valence.card.measure import NotMeasured, OnProgress, load_like
from valence.card.readme import Readme
from valence.card.report import Report, is_number
from valence.card.tolerances import CLAIMED_SCORE, PER_CENT_DIGITS, Setting, setting_of, tolerance
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import MissingExtraError, ModelError, ValenceError
from valence.files import read_json
from valence.folder import ModelFolder
from valence.reports.codec import encode_report

__all__ = ["Claim", "Claims", "check_claims", "check_results", "find_claims", "read_claims"]

_FOLDER = Path(__file__).parent / "claims"
_KINDS = ("metric", "score", "stated", "other model")
_WORDS = ("unit", "metric", "data", "label", "pattern", "why")
_UNKNOWN = "missing: the hash of the data, and how it was measured; a card that valence card writes says both"
_NO_REPORT = "missing: a report of the training; the folder has none, and only the card says so"


@dataclass(frozen=True)
class Claim:
    """A figure of a published card.

    Args:
        name: what it is.
        kind: "metric", "score" (of single texts), "stated" (a hyper-parameter), "other model".
        value: as published.
        unit: "%" where it is a hundred times the share.
        metric: of `valence.evaluation.metrics.METRICS`, with " macro", " micro" or " weighted" for such a mean.
        data: the name of its data in the file.
        texts: for a score: the ways in which the text may have been written.
        label: for a score: of which class.
        row: of the model-index: data set, split and name.
        pattern: that finds the figure in the text of the card.
        holds: whether it is known to hold; False: known not to, exactly.
        why: what else is known of it.
    """

    name: str
    kind: str
    value: float
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


@dataclass(frozen=True)
class Claims:
    """What a published card says.

    Args:
        models: names of the model.
        card: where the card is.
        data: names of data sets to what they are and where they come from, and their SHA-256.
        claims: the figures.
    """

    models: tuple[str, ...]
    card: str
    data: dict[str, tuple[str, str]]
    claims: tuple[Claim, ...]


def read_claims(path: Path) -> Claims:
    """Read a claims file.

    Args:
        path: the file.

    Returns:
        The claims.

    Raises:
        ModelError: if it is not one.
    """
    file = Report(path, path.name, read_json(path))
    data = {
        name: (
            f"{file.text('data', name, 'is')}, from {file.text('data', name, 'from')}",
            file.text("data", name, "sha256"),
        )
        for name in file.find("data") or {}
    }
    claims = []
    for entry in file.objects("claims"):
        kind = entry.text("kind")
        if kind not in _KINDS:
            raise entry.wrong(("kind",), f"one of {', '.join(_KINDS)}", kind)
        words = {
            key: entry.text(key)
            for key in ("unit", "metric", "data", "label", "pattern", "why")
            if key in entry.content
        }
        if kind == "metric" and words.get("data") not in data:
            raise entry.wrong(("data",), f"one of {', '.join(data)}", words.get("data"))
        if not isinstance(entry.content.get("holds", True), bool):
            raise entry.wrong(("holds",), "true or false", entry.find("holds"))
        claims.append(
            Claim(
                entry.text("name"),
                kind,
                entry.number("value"),
                texts=entry.texts("texts"),
                row=entry.texts("row"),
                holds=entry.content.get("holds", True),
                **words,
            )
        )
    return Claims(file.texts("models"), file.text("card"), data, tuple(claims))


def find_claims(folder: ModelFolder, readme: Readme | None) -> Claims | None:
    """Find the claims that valence ships for a model.

    Args:
        folder: the model.
        readme: its card, if it has one.

    Returns:
        The claims; None where none are known under the model's name, or under that in its card's model-index.
    """
    names = {folder.name, None if readme is None else readme.card.model_name}
    for path in sorted(_FOLDER.glob("*.json")):
        claims = read_claims(path)
        if names & set(claims.models):
            return claims
    return None


def check_claims(
    folder: ModelFolder,
    claims: Claims,
    readme: Readme | None,
    data: Sequence[Path] = (),
    on_progress: OnProgress = lambda what, done, total: None,
) -> Checked:
    """Check the claims of a published card.

    Args:
        folder: the model.
        claims: what its card said when they were written down.
        readme: its card as it lies in the folder, if one does.
        data: folders in which data are found by their hash.
        on_progress: is told what is measured.

    Returns:
        What became of each claim, and of each row of the model-index that is none of them.
    """
    check = _Check(folder, claims, data, on_progress)
    findings = [check.judge(claim, *_in_card(claim, readme)) for claim in claims.claims]
    known = {claim.row for claim in claims.claims}
    if readme is not None:
        findings += [finding for row, finding in _rows(readme) if row not in known]
    return Checked(tuple(findings))


def check_results(readme: Readme) -> Checked:
    """List the model-index of a card of which nothing else is known.

    Args:
        readme: the card.

    Returns:
        Each row as not checked.
    """
    return Checked(tuple(finding for _, finding in _rows(readme)))


def _rows(readme: Readme) -> Iterator[tuple[tuple[str, ...], Finding]]:
    for result in readme.card.results:
        row = (result.data, result.split or "", result.metric_name or result.metric)
        name = f"model-index: {result.metric_name or result.metric} on {result.data} {result.split or ''}"
        yield row, Finding(f"{name.strip():.200}", f"{result.value!s:.60}", "not checked", _UNKNOWN)


def _in_card(claim: Claim, readme: Readme | None) -> tuple[Any, int | None]:
    """Find what the card says today, and on which line; the published value where it no longer says anything."""
    if readme is None:
        return claim.value, None
    for result in readme.card.results:
        if claim.row and (result.data, result.split, result.metric_name) == claim.row:
            return result.value, None
    if claim.pattern and (match := re.search(claim.pattern, readme.card.text)) is not None:
        line = readme.card.text_line + readme.card.text.count("\n", 0, match.start(1))
        try:
            return float(match[1]), line
        except ValueError:
            return match[1], line
    return claim.value, None


class _Check:
    def __init__(self, folder: ModelFolder, claims: Claims, data: Sequence[Path], on_progress: OnProgress) -> None:
        self.folder = folder
        self.claims = claims
        self.on_progress = on_progress
        self.has_data = bool(data)
        self.files = DataFiles(data)

    def judge(self, claim: Claim, stated: Any, line: int | None) -> Finding:
        shown = f"{stated!s:.60}{' %' if claim.unit == '%' else ''}"
        if not is_number(stated) or float(stated) != float(claim.value):
            return Finding(
                claim.name, shown, "fails", f"the published card says {claim.value} ({self.claims.card})", line
            )
        if claim.kind == "stated":
            return Finding(claim.name, shown, "not checked", _NO_REPORT, line)
        if claim.kind == "other model":
            return Finding(claim.name, shown, "not checked", f"missing: the other model; {claim.why}", line)
        found = self.score(claim) if claim.kind == "score" else self.metric(claim)
        if isinstance(found, NotMeasured):
            return Finding(claim.name, shown, "not checked", found.why, line)
        value, allowed, detail = found
        holds = abs(value - claim.share) <= allowed
        if not holds and not claim.holds:
            return Finding(claim.name, shown, "known not to hold", f"{detail}: {claim.why}", line)
        if not holds:
            return Finding(claim.name, shown, "fails", f"{detail}; at most {allowed:.3g} apart is allowed", line)
        return Finding(claim.name, shown, "measured again", detail, line)

    def metric(self, claim: Claim) -> tuple[float, float, str] | NotMeasured:
        """Measure a metric; give it, how far from the claim it may lie, and words for it."""
        measured = self.evaluation(claim.data)
        if isinstance(measured, NotMeasured):
            return measured
        report, setting, engine = measured
        name, _, mean = claim.metric.partition(" ")
        counts = report.find("confusion_matrix", "counts")
        found = _mean_over_classes(counts, name, mean) if mean else report.find(name, "value")
        if found is None:
            return NotMeasured(f"missing: {claim.metric} is not defined here")
        n_texts = report.count("n_texts")
        kind: Kind = "auc" if name == "auc" else "loss" if name == "loss" else "share"
        smallest = n_texts if name == "accuracy" or mean else min(sum(row) for row in counts)
        fact = Fact(claim.name, found, "", "", "", kind, n_texts=n_texts, n_smallest=smallest)
        allowed = tolerance(fact, setting) or 0.0
        if not claim.holds:  # known to be off by a little: as exactly as its digits say
            allowed = PER_CENT_DIGITS
        return float(found), allowed, f"{found:.6g} by {engine} on {n_texts:,} texts"

    @functools.cache  # noqa: B019  # as long as the check takes
    def evaluation(self, name: str) -> tuple[Report, Setting, str] | NotMeasured:
        what, digest = self.claims.data[name]
        if not self.has_data:
            return NotMeasured(f"missing: {what} (SHA-256 {digest}): give the folder that holds it with --data")
        self.on_progress(f"looking for {name}", 0, 1)
        path = self.files.find(digest, name)
        if path is None:
            return NotMeasured(f"missing: {what}: no file below {self.files.where()} has the SHA-256 {digest}")
        try:
            if find_spec("sklearn") is None:
                raise MissingExtraError("evaluate", "Evaluating")
            from valence.evaluation.evaluate import evaluate

            classifier = self.classifier()
            examples = read_examples(find_source(str(path), "eval"), known=classifier.labels)
            measured = evaluate(
                classifier,
                examples,
                self.folder,
                1,  # a claim has no interval
                lambda done: self.on_progress(f"measuring on {name}", done, len(examples)),
            )
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")
        engine = classifier.engine.name
        return Report(path, path.name, encode_report(measured)), setting_of("torch fp32", engine), engine

    @functools.cache  # noqa: B019
    def classifier(self) -> Any:
        return load_like(self.folder, "torch fp32")

    def score(self, claim: Claim) -> tuple[float, float, str] | NotMeasured:
        """Score the ways in which a text may have been written, and take the one that is nearest to the claim."""
        try:
            classifier = self.classifier()
            scores = {text: classifier(text).scores.get(claim.label) for text in claim.texts}
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")
        if not scores or None in scores.values():
            return NotMeasured(f"missing: a class called {claim.label}")
        text = min(scores, key=lambda text: abs(scores[text] - claim.share))
        return scores[text], CLAIMED_SCORE, f"{scores[text]:.4f} for {text!r} by {classifier.engine.name}"


def _mean_over_classes(counts: list[list[int]], metric: str, mean: str) -> float | None:
    """Average precision, recall or F1 over the classes: confusion counts [C, C], row: true, column: predicted."""
    true, predicted = [sum(row) for row in counts], [sum(column) for column in zip(*counts, strict=True)]
    right = [counts[index][index] for index in range(len(counts))]
    if mean == "micro":  # of one label per text all three are the accuracy
        return sum(right) / max(1, sum(true))
    weights = true if mean == "weighted" else [1] * len(counts)
    below = {
        "precision": predicted,
        "recall": true,
        "f1": [(one + other) / 2 for one, other in zip(true, predicted, strict=True)],
    }.get(metric)
    if below is None or mean not in ("macro", "weighted"):
        raise ModelError(f"no such metric in a claims file: {metric} {mean}")
    values = [part / whole if whole else 0.0 for part, whole in zip(right, below, strict=True)]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / max(1, sum(weights))
