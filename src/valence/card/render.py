"""Sources to README.md, in the sections that the card of distilbert-base-uncased-finetuned-sst-2-english has, and more.

The words are in card.md.j2; here is what they are about. Every statement stands between its anchors. What is missing is
left out, and a note says how to measure it. The same sources always give the same card, so that a card can be compared
with what its sources give today.
"""

import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from valence.card.anchors import anchored, slug
from valence.card.front_matter import Result, write_front_matter
from valence.card.markdown import Markdown, code, escape, fenced, joined, one_line, table
from valence.card.report_sources import ComparisonSource, EvaluationSource, ProbeSource
from valence.card.sources import MAPS, RISKS, Sources
from valence.card.statement import Source, Statement
from valence.evaluation.metrics import CLASS_METRICS
from valence.families import family_of
from valence.reports.model_ref import model_name
from valence.reports.report import JsonObject

__all__ = ["render"]

_TEMPLATE = Path(__file__).parent / "card.md.j2"
_MAPS = dict(zip(MAPS, ("Map of the positive score by country", "The same map before"), strict=True))
_SHOWN_CLASSES = 30  # of each data set; the report has all
_SHAPE = {
    "layers": "layers",
    "width": "wide",
    "heads": "attention heads",
    "feed_forward_width": "wide within the feed-forward parts",
    "vocabulary": "word pieces",
    "positions": "tokens at most",
}
_Row = list[str]  # cells are escaped, unless they are Markdown


def render(sources: Sources, name: str | None = None) -> str:
    """Write a model's card.

    Args:
        sources: all that is known of it.
        name: under which it is loaded; the model's own if None, and never a path of this machine.

    Returns:
        The content of README.md.
    """
    page = _Page(sources, name or one_line(model_name(sources.folder)) or "model")
    text = _template().render(page.content())
    assert "\n<!--" not in text, "a line that begins with an anchor is read as HTML"
    return write_front_matter(page.metadata(), page.name, page.results(), text)


@cache
def _template() -> jinja2.Template:
    # Autoescape is for HTML; finalize sees every value that is inserted, and nothing of the template's own text.
    environment = jinja2.Environment(
        autoescape=False,
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"as_markdown": Markdown, "joined": joined, "paragraph": _paragraph, "table": table}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _paragraph(markdown: str) -> str:
    """Put lines of Markdown into one, after a blank line; nothing at all if they are empty."""
    said = " ".join(filter(None, map(str.strip, markdown.split("\n"))))
    return f"\n{said}\n" if said else ""


class _Page:
    """What the template is about.

    Args:
        sources: of the card.
        name: under which the model is loaded.
    """

    def __init__(self, sources: Sources, name: str) -> None:
        self.sources = sources
        self.name = name
        self.labels = sources.folder.labels or ()
        self.model_type = str(sources.folder.config.get("model_type", ""))
        self.family = family_of(self.model_type)

    def content(self) -> dict[str, object]:
        sources, origin, training = self.sources, self.sources.origin, self.sources.training
        loaded, option = "", ""
        if not sources.folder.embedded:
            loaded, option = repr(str(code(self.name))), f" --model {shlex.quote(code(self.name))}"
        papers = ["" if self.family is None else self.family.citation, *origin.listed("citations")]
        return {
            "page": self,
            "sources": sources,
            "origin": origin,
            "training": training,
            "labels": self.labels,
            "loaded": Markdown(loaded),
            "option": Markdown(option),
            "family": "transformer" if self.family is None else self.family.title,
            "shape": [
                Markdown(f"{self.figure(sources.config, what)} {words}")
                for what, words in _SHAPE.items()
                if self.has(sources.config, what)
            ],
            "citations": fenced("\n\n".join("\n".join(paper.splitlines()) for paper in papers if paper)),
            "risks": RISKS,
            "maps": _MAPS,
            "shown_classes": _SHOWN_CLASSES,
            "has": self.has,
            "figure": self.figure,
            "interval": self.interval,
        }

    def has(self, source: Source, what: str) -> bool:
        return f"{source.anchor}.{what}" in self.sources.statements

    def figure(self, source: Source, what: str, otherwise: str | None = None) -> Markdown:
        name = f"{source.anchor}.{what}"
        if otherwise is not None and name not in self.sources.statements:
            return escape(otherwise)
        return _shown(self.sources.statements[name])

    def interval(self, source: Source, what: str, otherwise: str | None = None) -> Markdown:
        value = self.figure(source, what, otherwise)
        if not self.has(source, f"{what}.low") or not self.has(source, f"{what}.high"):
            return value
        return Markdown(f"{value} ({self.figure(source, f'{what}.low')} to {self.figure(source, f'{what}.high')})")

    def scores(self, source: ProbeSource) -> list[_Row]:
        """Lay out what a probe found, beside what it found before if anything."""
        whats = {name: slug(name) for name in source.probe.figures}
        earlier = [one for one in self.sources.probes_before if slug(one.probe.name) == slug(source.probe.name)]
        before = [one for one in earlier if any(self.has(one, what) for what in whats.values())]
        rows: list[_Row] = [["figure", "before", "now"] if before else ["figure", "value"]]
        for name, what in whats.items():
            cells = [self.interval(one, what, "not measured") for one in (*before, source)]
            rows.append([name.replace("_", " "), *cells])
        return rows

    def chosen_by(self) -> str:
        """Say by which metric the epoch was chosen, where an earlier version did not leave it unsaid."""
        report = None if self.sources.training is None else self.sources.training.report
        if report is None or not report.chosen_by:
            return ""
        titles = {"macro_f1": "macro F1", "f1": f"F1 of {report.settings.get('positive')}"}
        return f" by {titles.get(report.chosen_by, report.chosen_by)}"

    def stage_parts(self, name: str, stage: JsonObject) -> list[str]:
        """Say what an earlier run of the training was."""
        assert self.sources.training is not None
        settings = {one.key: one for one in self.sources.training.hyper_parameters()}
        found: list[str] = []
        for key, word in (("examples", "text"), ("epochs", "epoch"), ("steps", "step")):
            if (one := settings.get(f"earlier_stages.{name}.{key}")) is not None:
                found.append(Markdown(f"{_shown(one)} {word}{'' if one.value == 1 else 's'}"))
        kept, chosen_on = settings.get(f"earlier_stages.{name}.kept_epoch"), stage.get("chosen_on")
        if kept is not None and isinstance(chosen_on, str):
            found.append(
                Markdown(
                    f"epoch number {_shown(kept)} was kept, the best on {escape(chosen_on)}, so that the figures there "
                    "are slightly flattered"
                )
            )
        return [*found, *([weights] if isinstance(weights := stage.get("weights"), str) else [])]

    def hyper_parameters(self) -> list[_Row]:
        settings = () if self.sources.training is None else self.sources.training.hyper_parameters()
        return [["hyper-parameter", "value"], *([one.key.replace("_", " "), _shown(one)] for one in settings)]

    def metrics(self) -> list[str]:
        """List the metrics of all evaluations, in the order to show."""
        return list(dict.fromkeys(name for source in self.sources.evaluations for name in source.report.metrics))

    def evaluation(self) -> list[_Row]:
        """Lay out the metrics of all evaluations, each in its column."""
        sources = self.sources.evaluations
        metrics = [name for name in self.metrics() if any(self.has(one, one.headline(name)) for one in sources)]
        front = ["accuracy"]
        if "f1" in metrics and all(one.headline("f1") == "macro_f1" for one in sources):
            # where no class is the positive one, accuracy alone looks good though a class is never found
            front = ["f1", "accuracy"]
            metrics = [*(name for name in front if name in metrics), *(name for name in metrics if name not in front)]
        alike = len({one.positive for one in sources}) == 1
        rows: list[_Row] = [["data", "texts", *(_column(sources, name, alike) for name in metrics), "engine"]]
        for source in sources:
            cells = []
            for name in metrics:
                show = self.interval if name in front else self.figure
                of_class = name in CLASS_METRICS and not alike
                nothing = "not defined" if name in source.report.metrics else "not measured"
                which = f" ({escape(source.positive or 'macro')})" if of_class else ""
                cells.append(Markdown(show(source, source.headline(name), nothing) + which))
            texts = self.figure(source, "n_texts")
            rows.append([source.title, texts, *cells, source.report.model.engine])
        return rows

    def classes(self) -> list[_Row]:
        """Lay out how well each class is found."""
        rows: list[_Row] = [["data", "class", "texts", "precision", "recall", "F1"]]
        for source in self.sources.evaluations:
            classes = source.report.per_class or ()
            lowest = sorted(range(len(classes)), key=lambda number: classes[number].f1.value)[:_SHOWN_CLASSES]
            for number in sorted(lowest):
                whats = [f"class.{number}.{what}" for what in ("support", *CLASS_METRICS)]
                rows.append([source.title, classes[number].label, *(self.figure(source, what) for what in whats)])
            if classes:
                macro = [self.figure(source, f"macro_{metric}", "not measured") for metric in CLASS_METRICS]
                rows.append([source.title, Markdown("*mean over classes (macro)*"), "", *macro])
        return rows

    def compared(self, source: ComparisonSource) -> list[_Row]:
        def row(title: str, what: str, otherwise: str | None = None) -> _Row:
            return [title, *(self.interval(source, f"{side}.{what}", otherwise) for side in ("first", "second"))]

        metrics = [row("accuracy", "accuracy")]
        if source.has_f1 and source.positive is None:
            metrics = [row("macro F1", "macro_f1"), *metrics]
        elif source.has_f1:
            metrics += [row(f"F1 of {source.positive}", "f1"), row("macro F1", "macro_f1")]
        return [
            ["", *source.titles],
            *metrics,
            row("parameters", "parameters", "not known"),
            row("size", "bytes"),
            row("texts per second", "texts_per_second"),
        ]

    def never_said(self, source: EvaluationSource) -> list[str]:
        classes = source.report.per_class or ()
        return [one.label for one in classes if one.support and not one.predicted][:_SHOWN_CLASSES]

    def absent(self, source: EvaluationSource) -> list[str]:
        return [one.label for one in source.report.per_class or () if not one.support][:_SHOWN_CLASSES]

    def origins(self) -> list[_Row]:
        sources = self.sources.origin.sources or ()
        return [["what", "origin", "licence"], *([one.what, one.origin, one.licence] for one in sources)]

    def sizes(self) -> list[_Row]:
        rows: list[_Row] = [["export", "size", "labels as in fp32", "score differs by (99th percentile)"]]
        for source in self.sources.exports:
            agreements = [one for one in self.sources.agreements if one.export is source.export]
            labels = [f"{self.figure(one, 'labels')} of {self.figure(one, 'n_texts')}" for one in agreements]
            apart = [self.figure(one, "p99_difference") for one in agreements]
            both = [
                joined(
                    (Markdown(f"{escape(one.engine)}: {cell}") for one, cell in zip(agreements, cells, strict=True)),
                    "; ",
                )
                for cells in (labels, apart)
            ]
            size = self.figure(source, slug(source.export.file))
            rows.append([source.export.file, size, *(cell or "-" for cell in both)])
        if (weights := self.sources.weights) is not None:
            rows.append([weights.file, self.figure(weights, "weights"), "", ""])
        return rows

    # The front matter

    def metadata(self) -> dict[str, object]:
        sources, origin = self.sources, self.sources.origin
        measured = {result.metric for result in self.results()}
        return {
            "language": origin.listed("language") or None,
            "license": None if origin.licence is None else origin.licence.lower(),
            "library_name": "transformers" if sources.folder.weight_files else "valence",
            "tags": [tag for tag in ("valence", self.model_type, sources.export and sources.export.format) if tag],
            "pipeline_tag": "text-classification" if self.labels else "fill-mask",
            "metrics": [name for name in self.metrics() if name in measured] or None,
            "base_model": origin.listed("base_model") or None,
            "datasets": origin.listed("datasets") or None,
        }

    def results(self) -> list[Result]:
        return [
            Result(
                source.title,
                metric,
                statement.indexed,
                source.title,
                shown[0].upper() + shown[1:],
                sha256=source.report.data.sha256,
            )
            for source in self.sources.evaluations
            for metric in source.report.metrics
            if (statement := self.sources.statements.get(f"{source.anchor}.{source.headline(metric)}")) is not None
            for shown in [one_line(source.metric_title(metric))]
        ]


def _shown(statement: Statement) -> Markdown:
    return Markdown(anchored(statement.name, escape(statement.text)))


def _column(sources: Sequence[EvaluationSource], metric: str, alike: bool) -> str:
    """Name a metric in the head of a table: with its class, where that is the same in all rows."""
    source = next(one for one in sources if metric in one.report.metrics)
    return source.metric_title(metric) if alike else source.report.metrics[metric].title
