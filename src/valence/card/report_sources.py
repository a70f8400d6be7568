"""The reports of a model as sources. A report that is measured again makes statements of the same names."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from valence.card.anchors import slug
from valence.card.statement import Basis, Kind, Source, Statement, Value
from valence.errors import ModelError
from valence.evaluation.metrics import CLASS_METRICS
from valence.reports.audit import ProbeReport
from valence.reports.comparison import ComparisonReport
from valence.reports.evaluation import EvaluationReport
from valence.reports.printing import megabytes, significant
from valence.reports.report import JsonObject
from valence.reports.training import TrainingReport

__all__ = ["ComparisonSource", "EvaluationSource", "ProbeSource", "TrainingSource", "data_titles", "probe_sources"]

_DIGITS = 8  # of a hash that tells data apart
_LISTED_AT_MOST = 12  # of a list among the hyper-parameters; of a longer one its length
_SIDES = ("first", "second")  # of a comparison


@dataclass(frozen=True, eq=False)
class EvaluationSource(Source):
    """An evaluation.

    Args:
        report: what was measured.
        title: of its data, unlike that of any other evaluation.
    """

    written_by = "valence evaluate"
    report: EvaluationReport
    title: str

    @property
    def positive(self) -> str | None:
        """What precision, recall and F1 are of: a class, or None for the mean over classes.

        Where an earlier version did not say it, it was the second of two classes.
        """
        labels = self.report.confusion_matrix.labels
        if self.says_positive:
            return self.report.positive or None
        return labels[1] if len(labels) == 2 else None

    @property
    def says_positive(self) -> bool:
        """Whether the report says what precision, recall and F1 are of, which earlier versions did not."""
        return self.report.positive is None or isinstance(self.report.positive, str)

    def headline(self, metric: str) -> str:
        """Find what stands for a classifier: without a positive class its mean over classes.

        Args:
            metric: a name of the report.

        Returns:
            The end of the anchor of its statement.
        """
        return f"macro_{metric}" if self.report.is_macro and metric in CLASS_METRICS else metric

    def metric_title(self, metric: str) -> str:
        """Name a metric so that nobody can take it for that of another class.

        Args:
            metric: a name of the report.

        Returns:
            Such as "F1 of POSITIVE", "macro F1" or "AUC".
        """
        title = self.report.metrics[metric].title
        if metric not in CLASS_METRICS:
            return title
        return f"macro {title}" if self.positive is None else f"{title} of {self.positive}"

    def statements(self) -> Iterator[Statement]:
        """List what the card can state; a metric that is not defined on the data is left out."""
        return self.every(hidden=[metric for metric in self.report.metrics if self.headline(metric) != metric])

    def every(self, hidden: Collection[str] = ()) -> Iterator[Statement]:
        """List all that was measured.

        Args:
            hidden: metrics that means over the classes stand for.

        Yields:
            The statements.
        """
        report, n_texts = self.report, self.report.n_texts
        sizes = _class_sizes(report)
        smallest = min(size for pair in sizes for size in pair if size > 0)
        yield self.state_count("n_texts", n_texts, "n_texts", unit="texts")
        yield self.state("level", report.interval.level, f"{report.interval.level * 100:g} %", "interval.level")
        for name, metric in report.metrics.items():
            basis = Basis(metric.kind, n_texts, n_texts if name == "accuracy" else smallest)
            if name not in hidden:
                yield from self.state_estimate(name, metric.estimate, name, basis, metric.unit)
        # A class that is never named has precision 0, and one text more or less changes that wholly.
        over_classes = Basis("share", n_texts, max(1, min(map(min, sizes))))
        for name in (f"macro_{metric}" for metric in CLASS_METRICS):
            if estimate := getattr(report, name):
                yield from self.state_estimate(name, estimate, name, over_classes)
        for number, (one, pair) in enumerate(zip(report.per_class or (), sizes, strict=False)):
            what, key = f"class.{number}", f"per_class.{number}"
            yield self.state_count(f"{what}.support", one.support, f"{key}.support", unit="texts")
            of_class = Basis("share", n_texts, max(1, min(pair)))
            for metric_name in CLASS_METRICS:
                estimate = getattr(one, metric_name)
                yield from self.state_estimate(f"{what}.{metric_name}", estimate, f"{key}.{metric_name}", of_class)


def _class_sizes(report: EvaluationReport) -> list[tuple[int, int]]:
    """Count the texts of each class, true and predicted: one label more or less weighs most in the smallest."""
    counts = report.confusion_matrix.counts
    return [(sum(row), sum(column)) for row, column in zip(counts, zip(*counts, strict=True), strict=True)]


def data_titles(reports: dict[str, EvaluationReport]) -> dict[str, str]:
    """Name the data of evaluations, each in one line and unlike the others: the title is what identifies them.

    Args:
        reports: by the slugs of their files.

    Returns:
        Titles by the same slugs: the name of the data, and where several have the same, what tells them apart.
    """
    names = {slug_: _one_line(report.data.name) for slug_, report in reports.items()}
    titles = dict(names)
    for name in [name for name, count in Counter(names.values()).items() if count > 1]:
        alike = [slug_ for slug_ in names if names[slug_] == name]
        said = {slug_: _told_apart_by(reports[slug_]) for slug_ in alike}
        kinds = [kind for kind in next(iter(said.values())) if len({one[kind] for one in said.values()}) > 1]
        for slug_ in alike:
            titles[slug_] = f"{name} ({', '.join(said[slug_][kind] for kind in kinds)})" if kinds else name
    counts = Counter(titles.values())
    return {slug_: title if counts[title] == 1 else f"{title} [{slug_}]" for slug_, title in titles.items()}


def _told_apart_by(report: EvaluationReport) -> dict[str, str]:
    """Say of an evaluation what may tell it from another on data of the same name."""
    reading, columns = report.long_text, report.data.columns
    in_windows = f"longer ones in windows, stride {reading.stride}, {reading.aggregation}"
    read = columns and {"text": list(columns.text or ()), "pair": columns.pair, "label": columns.label}
    return {
        "data": f"SHA-256 {_one_line(report.data.sha256)[:_DIGITS]}",
        "columns": _one_line(f"columns {read}"),
        "engine": _one_line(report.model.engine),
        "length": f"{report.max_length} tokens",
        "reading": in_windows if reading.how == "window" else _one_line(f"longer ones: {reading.how}"),
    }


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


@dataclass(frozen=True, eq=False)
class ComparisonSource(Source):
    """A comparison of the model with another one.

    Args:
        report: what was measured.
    """

    written_by = "valence compare --out"
    report: ComparisonReport

    @property
    def positive(self) -> str | None:
        """The class that F1 is of; None for the mean over classes, or where an earlier version did not say it."""
        return self.report.positive or None

    @property
    def has_f1(self) -> bool:
        """Whether F1 was measured, too, which earlier versions did not do."""
        return self.report.positive is None or isinstance(self.report.positive, str)

    @property
    def titles(self) -> list[str]:
        """How the two are told apart."""
        return [one.engine if one.name is None else f"{one.name} ({one.engine})" for one in self.report.models]

    def statements(self) -> Iterator[Statement]:
        """List what the card can state."""
        report, n_texts = self.report, self.report.data.texts
        assert n_texts is not None, "seen to when it was read"
        share = Basis("share", n_texts, n_texts)
        yield self.state_count("n_texts", n_texts, "data.texts", unit="texts")
        for side, model in zip(_SIDES, report.models, strict=True):
            key = f"models.{side}"
            yield from self.state_estimate(f"{side}.accuracy", model.accuracy, f"{key}.accuracy", share)
            if self.has_f1:
                least = min(
                    (count for one in model.per_class or () for count in (one.support, one.predicted)), default=0
                )
                of_classes = Basis("share", n_texts, max(1, least))
                for metric in ("macro_f1", *([] if self.positive is None else ["f1"])):
                    estimate = getattr(model, metric) or None
                    yield from self.state_estimate(f"{side}.{metric}", estimate, f"{key}.{metric}", of_classes)
            if model.parameters is not None:
                yield self.state_count(f"{side}.parameters", model.parameters, f"{key}.parameters")
            yield self.state(f"{side}.bytes", model.bytes, megabytes(model.bytes), f"{key}.bytes", "exact", "bytes")
            speed, what = model.texts_per_second, "texts_per_second"
            yield self.state(f"{side}.{what}", speed, f"{speed:,.0f}", f"{key}.{what}", "speed", "texts/s")
        first, second = (model.texts_per_second for model in report.models)
        if second > 0:
            yield self.state(
                "speed_ratio", first / second, f"{first / second:.2f}", "models.*.texts_per_second", "speed"
            )
        yield from self.state_estimate("difference", report.difference, "difference", share, form="{:+.4f}".format)
        test = report.mcnemar
        for what, count in (("mcnemar.only_first", test.only_first), ("mcnemar.only_second", test.only_second)):
            yield self.state_count(what, count, what, Basis("count", n_texts))
        yield self.state("mcnemar.p_value", test.p_value, f"{test.p_value:.3g}", "mcnemar.p_value", "p-value")
        yield self.state("agreement", report.agreement, f"{report.agreement:.2%}", "agreement", share)


@dataclass(frozen=True, eq=False)
class ProbeSource(Source):
    """What a probe of an audit found.

    Args:
        number: of the probe in its report.
        probe: what it found.
        is_before: whether it is of the model before its bias was reduced, which is not here to be measured again.
    """

    written_by = "valence audit"
    number: int
    probe: ProbeReport
    is_before: bool = False

    def statements(self) -> Iterator[Statement]:
        """List what the card can state; a score that is not defined for this model is left out."""
        key = f"probes.{self.number}"
        if self.probe.n_texts is not None:
            yield self.state_count("n_texts", self.probe.n_texts, f"{key}.n_texts", unit="texts")
        for name, estimate in self.probe.figures.items():
            kind: Kind = "p-value" if _is_p_value(name) else "bias"
            yield from self.state_estimate(slug(name), estimate, f"{key}.figures.{name}", Basis(kind), form=significant)


def probe_sources(file: str, probes: Iterable[ProbeReport], is_before: bool = False) -> list[ProbeSource]:
    """Take an audit apart.

    Args:
        file: of its report.
        probes: of the audit.
        is_before: see `ProbeSource`.

    Returns:
        A source for each probe.
    """
    start = "bias-before" if is_before else "bias"
    return [
        ProbeSource(file, f"{start}.{slug(probe.name)}", number, probe, is_before)
        for number, probe in enumerate(probes)
    ]


def _is_p_value(name: str) -> bool:
    plain = name.lower().replace("-", "_").replace(" ", "_")
    return plain == "p" or "p_value" in plain or plain.endswith("_p")


@dataclass(frozen=True, eq=False)
class TrainingSource(Source):
    """A training. None of it can be measured again without training again.

    Args:
        report: what the model was trained with, and how that went.
    """

    written_by = "valence train"
    report: TrainingReport

    @property
    def stages(self) -> dict[str, JsonObject]:
        """The earlier runs that the weights come from, by name.

        Raises:
            ModelError: if the report says something else there.
        """
        found = self.report.settings.get("earlier_stages") or {}
        if not isinstance(found, dict) or not all(isinstance(stage, dict) for stage in found.values()):
            raise ModelError(f"{self.file}: expected stages by name at earlier_stages, found {found!r:.80}")
        return found

    def hyper_parameters(self) -> Iterator[Statement]:
        """List the settings of the run, also those in objects.

        Yields:
            A statement for each.
        """
        for key, value in _flat(self.report.settings):
            yield Statement(f"hyper-parameter.{slug(key)}", value, _setting_text(value), self, key, Basis())

    def statements(self) -> Iterator[Statement]:
        """List what the card can state."""
        yield from self.hyper_parameters()
        report, train, unlabelled = self.report, self.report.train or None, self.report.unlabelled or None
        yield from self._numbers(
            {
                "steps": report.steps,
                "kept_epoch": report.kept_epoch,
                "train.examples": None if train is None else train.examples,
                "unlabelled.documents": None if unlabelled is None else unlabelled.documents,
                "documents": report.documents,
            }
        )
        if isinstance(seconds := report.seconds, int | float):
            yield self.state("seconds", seconds, f"{seconds:,.0f}", "seconds", unit="s")
            yield self.state("minutes", seconds / 60, f"{seconds / 60:,.1f}", "seconds", unit="min")
        for unit, speed in (("examples", report.examples_per_second), ("tokens", report.tokens_per_second)):
            key = f"{unit}_per_second"
            if isinstance(speed, int | float):
                yield self.state(key, speed, f"{speed:,.0f}", key, unit=f"{unit}/s")
        machine = report.machine
        yield from self._numbers({"machine.processors": machine.processors, "machine.threads": machine.threads})
        if isinstance(report.teachers, tuple):
            yield self.state_count("teachers", len(report.teachers), "teachers", "stated")

    def _numbers(self, found: Mapping[str, object]) -> Iterator[Statement]:
        for key, number in found.items():
            if isinstance(number, int | float):
                yield self.state(key, number, f"{number:,}", key)


def _flat(settings: JsonObject, start: str = "") -> Iterator[tuple[str, Value]]:
    """Walk through the hyper-parameters, also through those in objects."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        elif isinstance(value, list):
            short = len(value) <= _LISTED_AT_MOST and all(isinstance(one, str | int | float) for one in value)
            yield f"{start}{key}", ", ".join(map(str, value)) if short else f"{len(value):,} entries"
        elif value is None or isinstance(value, str | int | float):
            yield f"{start}{key}", value


def _setting_text(value: Value) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
