"""The facts of each kind of report. A report that is measured again gives facts of the same names."""

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from valence.card.fact import Fact, Kind
from valence.card.marks import slug
from valence.card.report import Report, is_number
from valence.evaluation.metrics import CLASS_METRICS, METRICS

__all__ = [
    "agreement_facts",
    "audit_facts",
    "averaged",
    "comparison_facts",
    "data_titles",
    "evaluation_facts",
    "headline",
    "megabytes",
    "training_facts",
]

_KINDS: dict[str, Kind] = {"auc": "auc", "loss": "loss"}

# What training.json holds beside hyper-parameters.
_NO_HYPER_PARAMETERS = frozenset(
    {
        *("labels", "base", "base_sha256", "train", "unlabelled", "evaluation", "teachers", "parameters", "left_out"),
        *("initialised", "steps", "epochs_done", "curve", "evaluations", "seconds", "examples_per_second", "before"),
        *("tokens_per_second", "kept_epoch", "chosen_on", "chosen_by", "weights_sha256", "agreement_sample"),
        *("kept", "kept_as", "base_head", "base_labels", "versions", "machine", "after"),
        *("documents", "characters", "sha256"),
    }
)
_DIGITS = 8  # of a hash that tells data apart
_LISTED_AT_MOST = 12  # of a list among the hyper-parameters; of a longer one its length


def evaluation_facts(name: str, report: Report) -> Iterator[Fact]:
    """List what an evaluation measured.

    Args:
        name: the slug of its data.
        report: as `valence.evaluation.evaluate.evaluate` makes it.

    Yields:
        The facts; a metric that is not defined on the data is left out.

    Raises:
        ModelError: if the report is not one of an evaluation.
    """
    n_texts = report.count("n_texts")
    sizes = _class_sizes(report)
    smallest = min(size for pair in sizes for size in pair if size > 0)
    yield Fact(f"evaluation.{name}.n_texts", n_texts, f"{n_texts:,}", report.file, "n_texts", "exact", "texts")
    level = report.number("interval", "level")
    yield Fact(f"evaluation.{name}.level", level, f"{level * 100:g} %", report.file, "interval.level")
    for metric in METRICS:
        if headline(report, metric) != metric or (metric in report.content and report.find(metric) is None):
            continue
        yield from _with_interval(
            f"evaluation.{name}.{metric}",
            report,
            (metric,),
            kind=_KINDS.get(metric, "share"),
            unit="nats" if metric == "loss" else "",
            n_texts=n_texts,
            n_smallest=n_texts if metric == "accuracy" else smallest,
        )

    if "per_class" not in report.content:  # a report of an earlier version
        return
    # A class that is never named has precision 0, and one text more or less changes that wholly.
    share: dict[str, Any] = {"kind": "share", "n_texts": n_texts}
    for metric in CLASS_METRICS:
        least = max(1, min(map(min, sizes)))
        yield from _with_interval(
            f"evaluation.{name}.macro_{metric}", report, (f"macro_{metric}",), n_smallest=least, **share
        )
    for number, (one, pair) in enumerate(zip(report.objects("per_class"), sizes, strict=False)):
        start, where = f"evaluation.{name}.class.{number}", f"per_class.{number}"
        count = one.count("support")
        yield Fact(f"{start}.support", count, f"{count:,}", report.file, f"{where}.support", "exact", "texts")
        for metric in CLASS_METRICS:
            yield from _with_interval(f"{start}.{metric}", one, (metric,), where, n_smallest=max(1, min(pair)), **share)


def headline(report: Report, metric: str) -> str:
    """Find what stands for a classifier: without a positive class precision, recall and F1 are means over classes.

    Args:
        report: of an evaluation.
        metric: of `METRICS`.

    Returns:
        Its key in the report, which is the end of its fact's name.
    """
    is_macro = "positive" in report.content and report.find("positive") is None
    return f"macro_{metric}" if is_macro and metric in CLASS_METRICS else metric


def averaged(report: Report) -> str | None:
    """Say what precision, recall and F1 of an evaluation or a comparison are of.

    Args:
        report: of an evaluation or a comparison.

    Returns:
        The name of a class, or None for the mean over classes. Where an earlier version did not say it, it was the
        second of two classes.

    Raises:
        ModelError: if the report names something else than a text.
    """
    if "positive" in report.content:
        return None if report.find("positive") is None else report.text("positive")
    labels = report.texts("confusion_matrix", "labels")
    return labels[1] if len(labels) == 2 else None


def _with_interval(
    name: str, report: Report, keys: tuple[str, ...], where: str = "", form: str = ".4f", **more: Any
) -> Iterator[Fact]:
    """List a figure and the ends of its interval, as far as it has them."""
    for end in ("value", "low", "high"):
        if end != "value" and report.find(*keys, end) is None:
            continue
        value = report.number(*keys, end)
        yield Fact(
            name if end == "value" else f"{name}.{end}",
            value,
            format(value, form) if form else _bias_text(value),
            report.file,
            ".".join(filter(None, (where, *keys, end))),
            is_bound=end != "value",
            **more,
        )


def data_titles(reports: dict[str, Report]) -> dict[str, str]:
    """Name the data of evaluations, each in one line and unlike the others: the title is what identifies them.

    Args:
        reports: of evaluations, by the slugs of their files.

    Returns:
        Titles by the same slugs: the name of the data, and where several have the same, what tells them apart.

    Raises:
        ModelError: if a report does not name its data.
    """
    names = {slug_: _one_line(report.text("data", "name")) for slug_, report in reports.items()}
    titles = dict(names)
    for name in [name for name, count in Counter(names.values()).items() if count > 1]:
        alike = [slug_ for slug_ in names if names[slug_] == name]
        said = {slug_: _told_apart_by(reports[slug_]) for slug_ in alike}
        kinds = [kind for kind in next(iter(said.values())) if len({one[kind] for one in said.values()}) > 1]
        for slug_ in alike:
            titles[slug_] = f"{name} ({', '.join(said[slug_][kind] for kind in kinds)})" if kinds else name
    counts = Counter(titles.values())
    return {slug_: title if counts[title] == 1 else f"{title} [{slug_}]" for slug_, title in titles.items()}


def _told_apart_by(report: Report) -> dict[str, str]:
    """Say of an evaluation what may tell it from another on data of the same name."""
    how, stride, aggregation = (report.find("long_text", key) for key in ("how", "stride", "aggregation"))
    columns = report.find("data", "columns")
    read = {"window": f"longer ones in windows, stride {stride}, {aggregation}"}.get(str(how), f"longer ones: {how}")
    return {
        "data": f"SHA-256 {_one_line(report.text('data', 'sha256'))[:_DIGITS]}",
        "columns": _one_line(f"columns {columns}"),
        "engine": _one_line(report.text("model", "engine")),
        "length": f"{report.find('max_length')} tokens",
        "reading": _one_line(read),
    }


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _class_sizes(report: Report) -> list[tuple[int, int]]:
    """Count the texts of each class, true and predicted: one label more or less weighs most in the smallest."""
    counts = report.find("confusion_matrix", "counts")
    try:
        rows, columns = [sum(row) for row in counts], [sum(column) for column in zip(*counts, strict=True)]
        sizes = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
        if not any(size > 0 for pair in sizes for size in pair):
            raise ValueError("no texts")
    except (TypeError, ValueError):
        raise report.wrong(("confusion_matrix", "counts"), "rows of counts", counts) from None
    return sizes


def agreement_facts(name: str, file: str, place: str, agreement: dict[str, dict[str, Any]]) -> Iterator[Fact]:
    """List how well an export agrees with its source.

    Args:
        name: the slug of the export's file.
        file: the manifest.
        place: of the export in it.
        agreement: figures by engine, as the manifest has them.

    Yields:
        The facts.
    """
    for engine, figures in agreement.items():
        n_texts = int(figures["n_texts"])
        start = f"agreement.{name}.{slug(engine)}"
        key = f"{place}.agreement.{engine}"
        yield Fact(f"{start}.n_texts", n_texts, f"{n_texts:,}", file, f"{key}.n_texts", "exact", "texts")
        labels = float(figures["labels"])
        yield Fact(f"{start}.labels", labels, f"{labels:.2%}", file, f"{key}.labels", "labels", "", n_texts)
        for figure in ("p99_difference", "largest_difference"):
            value = float(figures[figure])
            yield Fact(f"{start}.{figure}", value, f"{value:.4f}", file, f"{key}.{figure}", "score", "", n_texts)


def comparison_facts(name: str, report: Report) -> Iterator[Fact]:
    """List what a comparison of two models measured.

    Args:
        name: the slug of its file.
        report: as `valence.evaluation.compare.compare` makes it.

    Yields:
        The facts.

    Raises:
        ModelError: if the report is not one of a comparison.
    """
    fact = functools.partial(Fact, file=report.file)
    n_texts = report.count("data", "texts")
    share: dict[str, Any] = {"kind": "share", "n_texts": n_texts, "n_smallest": n_texts}
    yield fact(f"{name}.n_texts", n_texts, f"{n_texts:,}", key="data.texts", kind="exact", unit="texts")
    models = report.objects("models")
    if len(models) != 2:
        raise report.wrong(("models",), "two models", report.find("models"))
    for which, model in zip(("first", "second"), models, strict=True):
        start, where = f"{name}.{which}", f"models.{which}"
        yield from _with_interval(f"{start}.accuracy", model, ("accuracy",), where, **share)
        if "positive" in report.content:
            least = min(one.count(key) for one in model.objects("per_class") for key in ("support", "predicted"))
            for metric in ("macro_f1", *(["f1"] if report.find("positive") is not None else [])):
                of_classes = share | {"n_smallest": max(1, least)}
                yield from _with_interval(f"{start}.{metric}", model, (metric,), where, **of_classes)
        if model.find("parameters") is not None:
            count = model.count("parameters")
            yield fact(f"{start}.parameters", count, f"{count:,}", key=f"{where}.parameters", kind="exact")
        size = model.count("bytes")
        yield fact(f"{start}.bytes", size, megabytes(size), key=f"{where}.bytes", kind="exact", unit="bytes")
        speed, key = model.number("texts_per_second"), f"{where}.texts_per_second"
        yield fact(f"{start}.texts_per_second", speed, f"{speed:,.0f}", key=key, kind="speed", unit="texts/s")
    if (reference := models[1].number("texts_per_second")) > 0:
        ratio = models[0].number("texts_per_second") / reference
        yield fact(f"{name}.speed_ratio", ratio, f"{ratio:.2f}", key="models.*.texts_per_second", kind="speed")
    yield from _with_interval(f"{name}.difference", report, ("difference",), form="+.4f", **share)
    for key in ("only_first", "only_second"):
        count = report.count("mcnemar", key)
        yield fact(f"{name}.mcnemar.{key}", count, f"{count:,}", key=f"mcnemar.{key}", kind="count", n_texts=n_texts)
    p_value = report.number("mcnemar", "p_value")
    yield fact(f"{name}.mcnemar.p_value", p_value, f"{p_value:.3g}", key="mcnemar.p_value", kind="p-value")
    agreement = report.number("agreement")
    yield Fact(f"{name}.agreement", agreement, f"{agreement:.2%}", report.file, "agreement", **share)


def audit_facts(start: str, report: Report) -> Iterator[Fact]:
    """List what an audit found.

    Args:
        start: of the names: "bias", or another word for an audit of another model.
        report: reports/audit.json.

    Yields:
        The facts.

    Raises:
        ModelError: if the report is not one of an audit.
    """
    for place, probe in enumerate(report.objects("probes")):
        name, where = slug(probe.text("name")), f"probes.{place}"
        if probe.find("n_texts") is not None:
            count = probe.count("n_texts")
            key = f"{where}.n_texts"
            yield Fact(f"{start}.{name}.n_texts", count, f"{count:,}", report.file, key, "exact", "texts")
        figures = probe.find("figures")
        if not isinstance(figures, dict):
            raise report.wrong((where, "figures"), "figures by name", figures)
        for figure, found in figures.items():
            if isinstance(found, dict) and found.get("value", 0) is None:
                continue  # it is not defined for this model
            kind: Kind = "p-value" if _is_p_value(figure) else "bias"
            full = f"{start}.{name}.{slug(figure)}"
            yield from _with_interval(full, probe, ("figures", figure), where, form="", kind=kind)


def training_facts(report: Report) -> Iterator[Fact]:
    """List what the report of a training says, every hyper-parameter among it.

    Args:
        report: reports/training.json.

    Yields:
        The facts; none of them can be measured again without training again.
    """
    fact = functools.partial(Fact, file=report.file)
    for key, value in _flat(report.content):
        yield fact(f"hyper-parameter.{slug(key)}", value, _setting_text(value), key=key)
    for keys in (("steps",), ("kept_epoch",), ("train", "examples"), ("unlabelled", "documents"), ("documents",)):
        if is_number(value := report.find(*keys)):
            yield fact(f"training.{'.'.join(keys)}", value, f"{value:,}", key=".".join(keys))
    if is_number(seconds := report.find("seconds")):
        yield fact("training.seconds", seconds, f"{seconds:,.0f}", key="seconds", unit="s")
        yield fact("training.minutes", seconds / 60, f"{seconds / 60:,.1f}", key="seconds", unit="min")
    for key in ("examples_per_second", "tokens_per_second"):
        if is_number(value := report.find(key)):
            yield fact(f"training.{key}", value, f"{value:,.0f}", key=key, unit=key.replace("_per_second", "/s"))
    for key in ("processors", "threads"):
        if is_number(value := report.find("machine", key)):
            yield fact(f"training.machine.{key}", value, f"{value:,}", key=f"machine.{key}")
    teachers = report.find("teachers")
    if isinstance(teachers, list):
        yield fact("training.teachers", len(teachers), f"{len(teachers):,}", key="teachers")


def _flat(content: dict[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """Walk through the hyper-parameters, also through those in objects."""
    for key, value in content.items():
        if not start and key in _NO_HYPER_PARAMETERS:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        elif isinstance(value, list):
            short = len(value) <= _LISTED_AT_MOST and all(isinstance(one, str | int | float) for one in value)
            yield f"{start}{key}", ", ".join(map(str, value)) if short else f"{len(value):,} entries"
        else:
            yield f"{start}{key}", value


def _setting_text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def megabytes(n_bytes: int) -> str:
    """Print a size.

    Args:
        n_bytes: how large.

    Returns:
        In millions of bytes.
    """
    return f"{n_bytes / 1e6:,.1f} MB"


def _bias_text(value: float | int) -> str:
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _is_p_value(figure: str) -> bool:
    plain = figure.lower().replace("-", "_").replace(" ", "_")
    return plain == "p" or "p_value" in plain or plain.endswith("_p")
