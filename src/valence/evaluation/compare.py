"""Two classifiers on the same labelled texts: which is better, by how much, and is it more than chance?"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.data.examples import Examples, Text
from valence.data.positive import find_positive
from valence.data.recorded import describe_data
from valence.errors import InputError
from valence.evaluation.evaluate import (
    class_warnings,
    describe_classes,
    describe_classifier,
    describe_environment,
    require_single_label,
)
from valence.evaluation.metrics import CLASS_METRICS, accuracy_interval, measure_classes
from valence.evaluation.speed import seconds_in_turn
from valence.folder import ModelFolder
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
    on_progress: Callable[[int], None] = lambda done: None,
    positive: str | None = None,
) -> dict[str, Any]:
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
            warnings.warn(f"{contestant.folder.name} on {data.source.title}: {warning}", stacklevel=2)
    sample = data.texts[:_SPEED_TEXTS]
    seconds = seconds_in_turn([partial(contestant.classifier, sample) for contestant in contestants], rounds)
    difference = bootstrap_difference(right[0], right[1], resamples)
    test = mcnemar(right[0], right[1])
    return {
        "data": {**describe_data(data), "texts": len(data)},
        "positive": None if number_of_positive is None else data.names[number_of_positive],
        "models": [
            {
                **describe_classifier(contestant.classifier, contestant.folder),
                "accuracy": asdict(accuracy_interval(was_right, resamples)),
                **{name: asdict(found.of(number_of_positive)[name]) for name in CLASS_METRICS},
                **describe_classes(found, data.names),
                "parameters": contestant.folder.n_parameters,
                "bytes": _bytes(contestant),
                "texts_per_second": round(len(sample) / taken, 1),
            }
            for contestant, was_right, found, taken in zip(contestants, right, classwise, seconds, strict=True)
        ],
        "difference": {"value": difference.value, "low": difference.low, "high": difference.high},
        "interval": {"level": 0.95, "method": "percentile bootstrap over texts", "resamples": resamples, "seed": 0},
        "mcnemar": {"only_first": test.only_first, "only_second": test.only_second, "p_value": test.p_value},
        "agreement": float((predicted[0] == predicted[1]).mean()),
        "differing": [
            {
                "text": _shown(data.texts[number]),
                "label": data.names[data.labels[number]],
                "first": data.names[predicted[0][number]],
                "second": data.names[predicted[1][number]],
            }
            for number in np.flatnonzero(predicted[0] != predicted[1])
        ],
        **describe_environment(),
    }


def _shown(text: Text) -> str | list[str]:
    return text if isinstance(text, str) else list(text)


def _predict(
    classifier: Classifier, data: Examples, on_progress: Callable[[int], None], done_before: int
) -> NDArray[np.int64]:
    number = {label: index for index, label in enumerate(data.names)}
    predicted = np.empty(len(data), dtype=np.int64)
    for index, prediction in enumerate(classifier.stream(data.texts)):
        predicted[index] = number[prediction.label]
        on_progress(done_before + index + 1)
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


def as_markdown(report: dict[str, Any], n_texts: int | None = None) -> str:
    """Write a comparison for people.

    Args:
        report: from `compare`.
        n_texts: how many of the texts on which the two differ are listed; None for all.

    Returns:
        Markdown.
    """
    first, second = report["models"]
    difference, test = report["difference"], report["mcnemar"]
    rows = [
        ("", first["name"], second["name"]),
        ("---", "---", "---"),
        *_figure_rows(report),
        ("parameters", *(_count(model["parameters"]) for model in report["models"])),
        ("size on disk", *(f"{model['bytes'] / 1e6:,.1f} MB" for model in report["models"])),
        ("texts per second", *(f"{model['texts_per_second']:,.0f}" for model in report["models"])),
        ("engine", first["engine"], second["engine"]),
    ]
    differing = report["differing"]
    shown = differing if n_texts is None else differing[:n_texts]
    lines = [
        f"## {_cell(first['name'])} and {_cell(second['name'])} on {_cell(report['data']['name'])}, "
        f"{report['data']['texts']:,} texts",
        "",
        *("| " + " | ".join(map(_cell, row)) + " |" for row in rows),
        "",
        f"- difference in accuracy (second minus first): {difference['value']:+.4f} "
        f"({difference['low']:+.4f} to {difference['high']:+.4f}, paired bootstrap)",
        f"- McNemar's exact test: {test['only_first']:,} texts that the first alone has right, {test['only_second']:,} "
        f"that the second alone has right; p = {test['p_value']:.3g}",
        f"- the same label on {report['agreement']:.2%} of the texts",
    ]
    if differing:
        rest = f", {len(shown)} of them" if len(shown) < len(differing) else ""
        lines += ["", f"{len(differing):,} texts on which they differ{rest}:", "", "| label | first | second | text |"]
        lines.append("| --- | --- | --- | --- |")
        lines += [
            "| "
            + " | ".join(_cell(part) for part in (row["label"], row["first"], row["second"], _joined(row["text"])))
            + " |"
            for row in shown
        ]
    return "\n".join(lines) + "\n"


def _figure_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Show how good the two are; where no class is the positive one, the mean over classes stands in front."""
    models = report["models"]

    def row(title: str, key: str) -> tuple[str, ...]:
        return (title, *(_interval(model[key]) for model in models))

    accuracy = row("accuracy (95 % interval)", "accuracy")
    if "positive" not in report:  # a report of an earlier version
        return [accuracy]
    macro = row("macro F1 (95 % interval)", "macro_f1")
    classes = [
        (
            f"precision, recall, F1 of {first['label']}",
            *(", ".join(f"{one[name]['value']:.4f}" for name in CLASS_METRICS) for one in (first, second)),
        )
        for first, second in zip(models[0]["per_class"], models[1]["per_class"], strict=True)
    ][:_SHOWN_CLASSES]
    if report["positive"] is None:
        return [macro, accuracy, *classes]
    return [accuracy, row(f"F1 of {report['positive']} (95 % interval)", "f1"), macro, *classes]


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else " / ".join(text)


def _cell(text: str) -> str:
    """Keep a text from breaking the table it stands in, or steering a terminal."""
    shown = "".join(character if character.isprintable() else " " for character in text).replace("|", "\\|")
    return shown if len(shown) <= _CELL_CHARACTERS else f"{shown[:_CELL_CHARACTERS]}…"
