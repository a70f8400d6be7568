"""Two classifiers on the same labelled texts: which is better, by how much, and is it more than chance?"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from valence.data.examples import Examples
from valence.data.positive import find_positive
from valence.data.recorded import describe_data
from valence.errors import InputError
from valence.evaluation.evaluate import class_reports, class_warnings, describe_classifier, require_single_label
from valence.evaluation.measure import Classwise, accuracy_interval, measure_classes
from valence.evaluation.metrics import CLASS_METRICS
from valence.evaluation.speed import seconds_in_turn
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent
from valence.reports.comparison import ComparedModel, ComparisonReport, Differing
from valence.reports.environment import Environment
from valence.reports.estimate import Estimate, Interval
from valence.reports.model_ref import model_name
from valence.reports.printing import count, fixed, interval, markdown_table, megabytes
from valence.runtime.classifier import Classifier
from valence.runtime.manifest import read_manifest
from valence.statistics.paired import bootstrap_difference, mcnemar

__all__ = ["Contestant", "as_markdown", "compare"]

_SPEED_TEXTS = 2000
_CELL_CHARACTERS = 200
_SHOWN_CLASSES = 30  # of those that a page lists; the JSON has all


@dataclass(frozen=True)
class Contestant:
    """A classifier and where it comes from."""

    classifier: Classifier
    folder: ModelFolder


def compare(
    first: Contestant,
    second: Contestant,
    data: Examples,
    resamples: int = 1000,
    rounds: int = 5,
    on_progress: OnProgress = silent,
    positive: str | None = None,
) -> ComparisonReport:
    """Measure two classifiers on the same texts.

    Args:
        first: one classifier.
        second: another, with the same labels; their order may differ.
        data: texts with the first's labels.
        resamples: for the bootstrap intervals.
        rounds: how often each is timed.
        on_progress: is told how many texts both together have labelled.
        positive: the class whose precision, recall and F1 stand for a classifier; see
            `valence.evaluation.evaluate.evaluate`.

    Returns:
        The report: each one's accuracy, precision, recall and F1 with their intervals, size and speed; the difference
        in accuracy (second minus first) with its interval, McNemar's exact test, the agreement, and the texts on which
        they differ.

    Raises:
        InputError: if their labels differ, one is not a classifier of one label per text, or has no such class.
    """
    contestants = (first, second)
    for contestant in contestants:
        require_single_label(contestant.classifier)
    if set(first.classifier.labels) != set(second.classifier.labels):
        raise InputError(
            f"the two have different labels: {', '.join(first.classifier.labels)} and "
            f"{', '.join(second.classifier.labels)}; give the second's in its own order with --labels-b"
        )
    number_of_positive = find_positive(data.names, positive)
    # [N] each, in the numbers of the data's labels
    predicted = [
        _predict(contestant.classifier, data, on_progress, number * len(data))
        for number, contestant in enumerate(contestants)
    ]
    right = [labels == data.labels for labels in predicted]
    classwise = [measure_classes(data.labels, labels, len(data.names), resamples) for labels in predicted]
    for contestant, found in zip(contestants, classwise, strict=True):
        for warning in class_warnings(found.per_class, data.names):
            warnings.warn(f"{model_name(contestant.folder)} on {data.source.title}: {warning}", stacklevel=2)
    sample = data.texts[:_SPEED_TEXTS]
    seconds = seconds_in_turn([partial(contestant.classifier, sample) for contestant in contestants], rounds)
    environment = Environment.now(contestant.classifier.engine.name for contestant in contestants)
    models = [
        _compared(contestant, accuracy_interval(was_right, resamples), found, data.names, number_of_positive, speed)
        for contestant, was_right, found, speed in zip(
            contestants, right, classwise, [len(sample) / taken for taken in seconds], strict=True
        )
    ]
    return ComparisonReport(
        data=describe_data(data, count=True),
        positive=None if number_of_positive is None else data.names[number_of_positive],
        models=(models[0], models[1]),
        difference=bootstrap_difference(right[0], right[1], resamples),
        interval=Interval(resamples=resamples),
        mcnemar=mcnemar(right[0], right[1]),
        agreement=float((predicted[0] == predicted[1]).mean()),
        differing=tuple(
            Differing(
                text=data.texts[number],
                label=data.names[data.labels[number]],
                first=data.names[predicted[0][number]],
                second=data.names[predicted[1][number]],
            )
            for number in np.flatnonzero(predicted[0] != predicted[1])
        ),
        versions=environment.versions,
        machine=environment.machine,
    )


def _compared(
    contestant: Contestant,
    accuracy: Estimate,
    classwise: Classwise,
    names: Sequence[str],
    positive: int | None,
    texts_per_second: float,
) -> ComparedModel:
    model = describe_classifier(contestant.classifier, contestant.folder)
    of = classwise.of(positive)
    return ComparedModel(
        **msgspec.structs.asdict(model),
        accuracy=accuracy,
        precision=of["precision"],
        recall=of["recall"],
        f1=of["f1"],
        macro_precision=classwise.macro["precision"],
        macro_recall=classwise.macro["recall"],
        macro_f1=classwise.macro["f1"],
        per_class=class_reports(classwise, names),
        parameters=contestant.folder.n_parameters,
        bytes=_bytes(contestant),
        texts_per_second=round(texts_per_second, 1),
    )


def _predict(classifier: Classifier, data: Examples, on_progress: OnProgress, done_before: int) -> NDArray[np.int64]:
    number = {label: index for index, label in enumerate(data.names)}
    predicted = np.empty(len(data), dtype=np.int64)
    for index, prediction in enumerate(classifier.stream(data.texts)):
        predicted[index] = number[prediction.label]
        on_progress(done_before + index + 1, 2 * len(data))
    return predicted


def _bytes(contestant: Contestant) -> int:
    """Add up what the classifier runs from: an export with what lies beside it, or the weights."""
    files = contestant.classifier.engine.files or contestant.folder.weight_files
    manifest = read_manifest(contestant.folder)
    paths = set(files)
    if manifest is not None:
        for file in files:
            entry = manifest.exports.get(file.name)
            if entry is not None and entry.beside is not None:
                paths.add(file.parent / entry.beside)
    return sum(path.stat().st_size for path in paths)


def as_markdown(report: ComparisonReport, n_texts: int | None = None) -> str:
    """Write a comparison for people.

    Args:
        report: from `compare`.
        n_texts: how many of the texts on which the two differ are listed; None for all.

    Returns:
        Markdown.
    """
    first, second = (_cell(model.name or "") for model in report.models)
    test, differing = report.mcnemar, report.differing
    rows = [
        ("", first, second),
        *_metric_rows(report),
        ("parameters", *(count(model.parameters) for model in report.models)),
        ("size on disk", *(megabytes(model.bytes) for model in report.models)),
        ("texts per second", *(f"{model.texts_per_second:,.0f}" for model in report.models)),
        ("engine", *(model.engine for model in report.models)),
    ]
    shown = differing if n_texts is None else differing[:n_texts]
    lines = [
        f"## {first} and {second} on {_cell(report.data.name)}, {report.data.texts or 0:,} texts",
        "",
        markdown_table([tuple(map(_cell, row)) for row in rows]),
        "",
        f"- difference in accuracy (second minus first): {interval(report.difference, '{:+.4f}'.format)[:-1]}, paired "
        "bootstrap)",
        f"- McNemar's exact test: {test.only_first:,} texts that the first alone has right, {test.only_second:,} "
        f"that the second alone has right; p = {test.p_value:.3g}",
        f"- the same label on {report.agreement:.2%} of the texts",
    ]
    if differing:
        rest = f", {len(shown)} of them" if len(shown) < len(differing) else ""
        lines += ["", f"{len(differing):,} texts on which they differ{rest}:", ""]
        cells = [tuple(map(_cell, (one.label, one.first, one.second, _joined(one.text)))) for one in shown]
        lines.append(markdown_table([("label", "first", "second", "text"), *cells]))
    return "\n".join(lines) + "\n"


def _metric_rows(report: ComparisonReport) -> list[tuple[str, ...]]:
    """Show how good the two are; where no class is the positive one, the mean over classes stands in front."""
    models = report.models

    def row(title: str, field: str) -> tuple[str, ...]:
        return (f"{title} (95 % interval)", *(interval(getattr(model, field)) for model in models))

    accuracy = row("accuracy", "accuracy")
    per_class = [model.per_class for model in models]
    if report.positive is msgspec.UNSET or not (isinstance(per_class[0], tuple) and isinstance(per_class[1], tuple)):
        return [accuracy]  # a report of an earlier version
    macro = row("macro F1", "macro_f1")
    classes = [
        (
            f"precision, recall, F1 of {first.label}",
            *(", ".join(fixed(getattr(one, name).value) for name in CLASS_METRICS) for one in (first, second)),
        )
        for first, second in zip(per_class[0], per_class[1], strict=True)
    ][:_SHOWN_CLASSES]
    if report.positive is None:
        return [macro, accuracy, *classes]
    return [accuracy, row(f"F1 of {report.positive}", "f1"), macro, *classes]


def _joined(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else " / ".join(text)


def _cell(text: str) -> str:
    """Keep a text from breaking the table it stands in, or steering a terminal."""
    shown = "".join(character if character.isprintable() else " " for character in text).replace("|", "\\|")
    return shown if len(shown) <= _CELL_CHARACTERS else f"{shown[:_CELL_CHARACTERS]}…"
