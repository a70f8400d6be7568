"""Facts to README.md, in the sections that the card of distilbert-base-uncased-finetuned-sst-2-english has, and more.

Every figure is a fact and carries its mark (valence.card.marks). What is missing is left out, and a note says how to
measure it. The same facts always give the same card, so that a card can be compared with what its reports give today.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from valence.card.fact import Fact
from valence.card.facts import MAPS, RISKS, Facts
from valence.card.marks import code, escape, mark, slug
from valence.card.metadata import Result, write_card
from valence.card.report import Report
from valence.card.report_facts import averaged, headline
from valence.card.wording import (
    EXAMPLE,
    FAMILIES,
    MAP_TITLES,
    METRIC_TITLES,
    MISUSE,
    NOT_AUDITED,
    ONLY_SHOWS,
    PAPERS,
)
from valence.evaluation.metrics import CLASS_METRICS, METRICS

__all__ = ["index_value", "render"]

_SHOWN_CLASSES = 30  # of each data set; the report has all
_SHAPE = {
    "layers": "layers",
    "width": "wide",
    "heads": "attention heads",
    "feed_forward_width": "wide within the feed-forward parts",
    "vocabulary": "word pieces",
    "positions": "tokens at most",
}


def render(facts: Facts, name: str | None = None) -> str:
    """Write a model's card.

    Args:
        facts: all that is known of it.
        name: under which it is loaded; the model's own if None, and never a path of this machine.

    Returns:
        The content of README.md.
    """
    page = _Page(facts, name or _own_name(facts))
    sections = (
        ("Model Details", page.details()),
        ("How to Get Started With the Model", page.start()),
        ("Uses", page.uses()),
        (RISKS, page.risks()),
        ("Training", page.training()),
        ("Evaluation", page.evaluation()),
        ("Comparison", page.comparison()),
        ("Size and Speed", page.size_and_speed()),
        ("Time of Training", page.time()),
        ("Origin and Licences", page.origin()),
        ("Citation", page.citation()),
    )
    parts = [f"# {escape(page.title())}", page.introduction()]
    for title, lines in sections:
        content = [*lines, *page.notes(title)]
        if content:
            parts += [f"## {title}", *content]
    text = "\n\n".join(parts) + "\n"
    assert "\n<!--" not in text, "a line that begins with a mark is read as HTML"
    return write_card(page.metadata(), page.name, page.results(), text)


def _own_name(facts: Facts) -> str:
    folder = facts.folder
    is_path = not folder.embedded and Path(folder.name).expanduser() == folder.path
    name = folder.path.resolve().name if is_path else folder.name
    return "".join(character if character.isprintable() else " " for character in name) or "model"


class _Page:
    """The sections, each a list of paragraphs.

    Args:
        facts: what they say.
        name: under which the model is loaded.
    """

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts = facts
        self.name = name
        self.labels = facts.folder.labels or ()
        self.model_type = str(facts.folder.config.get("model_type", ""))
        self.family = FAMILIES.get(self.model_type, "transformer")

    def title(self) -> str:
        return self.stated("title") or self.name

    def stated(self, key: str) -> str | None:
        """Look up what was written down by hand."""
        origin = self.facts.origin
        return None if origin is None or origin.find(key) is None else origin.text(key)

    def listed(self, key: str) -> list[str]:
        return [] if self.facts.origin is None else list(self.facts.origin.texts(key))

    def has(self, name: str) -> bool:
        return name in self.facts.by_name

    def figure(self, name: str, otherwise: str | None = None) -> str:
        if otherwise is not None and not self.has(name):
            return otherwise
        return mark(name, self.facts.by_name[name].text)

    def interval(self, name: str, otherwise: str | None = None) -> str:
        if not self.has(f"{name}.low") or not self.has(f"{name}.high"):
            return self.figure(name, otherwise)
        return f"{self.figure(name)} ({self.figure(f'{name}.low')} to {self.figure(f'{name}.high')})"

    def notes(self, section: str) -> Iterator[str]:
        for missing in self.facts.missing:
            if missing.section == section:
                yield f"*Not known: {escape(missing.what)}. What gives it: {escape(missing.advice)}.*"

    # The sections

    def introduction(self) -> str:
        texts = "English texts" if "en" in self.listed("language") else "texts"
        does = f"labels {texts} {_joined(map(escape, self.labels))}" if self.labels else "is a raw model"
        said = f"A {self.family} that {does}."
        for name, report in list(self.facts.evaluations.items())[:1]:
            start = f"evaluation.{name}"
            accuracy = f"ccuracy {self.interval(f'{start}.accuracy')}"
            on = f" on {self.figure(f'{start}.n_texts')} texts of {escape(self.facts.titles[name])}."
            f1 = f"{start}.{headline(report, 'f1')}"
            if f1.endswith(".macro_f1"):
                said += f" Macro F1 {self.interval(f1)}, a{accuracy}{on}"
            else:
                said += f" A{accuracy}{on}"
                if "positive" in report.content:
                    said += f" F1 of {escape(str(averaged(report)))}: {self.interval(f1)}."
        return said

    def details(self) -> list[str]:
        shape = [
            f"{self.figure(f'model.{name}')} {words}" for name, words in _SHAPE.items() if self.has(f"model.{name}")
        ]
        training, export = self.facts.training, self.facts.export
        base = training.text("base") if training is not None and training.find("base") is not None else ""
        rows = {
            "Model type": "text classification" if self.labels else "masked words",
            "Architecture": ": ".join(filter(None, [self.family, ", ".join(shape)])),
            "Parameters": self.figure("model.parameters", ""),
            "Labels": ", ".join(map(escape, self.labels)),
            "Languages": ", ".join(map(escape, self.listed("language"))),
            "Developed by": escape(self.stated("developed_by") or ""),
            "License": escape(self.stated("licence") or ""),
            "Started from": escape(base),
            "Runs as": "" if export is None else f"{escape(export.file)}, {escape(export.precision)}",
        }
        return ["\n".join(f"- **{title}:** {words}" for title, words in rows.items() if words)]

    def start(self) -> list[str]:
        loaded, option = "", ""
        if not self.facts.folder.embedded:
            loaded, option = repr(code(self.name)), f" --model {shlex.quote(code(self.name))}"
        if not self.labels:
            return [_fenced("python", f'import valence\n\nvalence.load_masked_lm({loaded})("This film was [MASK].")')]
        blocks = [
            _fenced("python", f'import valence\n\nclassify = valence.load({loaded})\nclassify("{EXAMPLE}").label'),
            _fenced("bash", f'valence classify "{EXAMPLE}"{option}'),
        ]
        if self.facts.folder.weight_files and loaded:
            pipeline = f'pipeline("text-classification", model={loaded})("{EXAMPLE}")'
            blocks.append("The folder is one that transformers reads, too:")
            blocks.append(_fenced("python", f"from transformers import pipeline\n\n{pipeline}"))
        return blocks

    def uses(self) -> list[str]:
        direct = "It finds words that fit into a gap of a text, and is meant to be fine-tuned."
        if self.labels:
            direct = (
                f"It gives a text one of its labels ({_joined(map(escape, self.labels))}) and a score for each. It "
                "gives one to every text, also to one that fits none of them, and often with a high score."
            )
        made_for = [escape(said)] if (said := self.stated("made_for")) else []
        return ["### Direct Use", direct, *made_for, "### Misuse and Out-of-scope Use", MISUSE]

    def risks(self) -> list[str]:
        if (audit := self.facts.audit) is None:
            return [NOT_AUDITED]
        maps = [name for name in MAPS if name in self.facts.pictures]
        lines = [ONLY_SHOWS, *(f"![{MAP_TITLES[name]}]({self.facts.picture_file(name)})" for name in maps)]
        for probe in audit.objects("probes"):
            lines += self.probe(probe)
        return lines

    def probe(self, probe: Report) -> list[str]:
        name = slug(probe.text("name"))
        said = {key: escape(probe.text(key)) for key in ("title", "asks", "cannot_show", "source") if probe.find(key)}
        texts = f"({self.figure(f'bias.{name}.n_texts')} texts.)" if self.has(f"bias.{name}.n_texts") else ""
        lines = [f"### {said.get('title', escape(probe.text('name')))}"]
        lines += filter(None, [" ".join(filter(None, [said.get("asks"), texts]))])
        figures = probe.find("figures") or {}
        before = any(self.has(f"bias-before.{name}.{slug(figure)}") for figure in figures)
        rows = [["figure", "before", "now"] if before else ["figure", "value"]]
        for figure in figures:
            starts = ("bias-before", "bias") if before else ("bias",)
            cells = [self.interval(f"{start}.{name}.{slug(figure)}", "not measured") for start in starts]
            rows.append([escape(figure.replace("_", " ")), *cells])
        lines += [_table(rows)] if figures else []
        for key, words in (("cannot_show", "What this cannot show"), ("source", "Source")):
            lines += [f"{words}: {said[key]}"] if key in said else []
        return lines

    def training(self) -> list[str]:
        if (training := self.facts.training) is None:
            return []
        lines = ["### Training Data", self.training_data(training), "### Training Procedure", self.procedure(training)]
        lines.append(self.stages(training))
        rows = [["hyper-parameter", "value"]]
        rows += [
            [escape(fact.key.replace("_", " ")), self.figure(name)]
            for name, fact in self.facts.by_name.items()
            if name.startswith("hyper-parameter.")
        ]
        return [*filter(None, lines), "#### Hyper-parameters", _table(rows)]

    def stages(self, training: Report) -> str:
        """List the runs that the weights come from, where there was more than one."""
        lines = []
        earlier = training.find("earlier_stages") or {}
        if not isinstance(earlier, dict):
            raise training.wrong(("earlier_stages",), "stages by name", earlier)
        for name in earlier:
            start = f"hyper-parameter.{slug(f'earlier_stages.{name}')}"
            found = [
                f"{self.figure(fact)} {word}" + ("" if self.facts.by_name[fact].value == 1 else "s")
                for key, word in (("examples", "text"), ("epochs", "epoch"), ("steps", "step"))
                if self.has(fact := f"{start}.{key}")
            ]
            chosen_on = training.find("earlier_stages", name, "chosen_on")
            if self.has(f"{start}.kept_epoch") and isinstance(chosen_on, str):
                kept = self.figure(f"{start}.kept_epoch")
                found.append(
                    f"epoch number {kept} was kept, the best on {escape(chosen_on)}, so that the figures there are "
                    "slightly flattered"
                )
            weights = training.find("earlier_stages", name, "weights")
            found += [escape(weights)] if isinstance(weights, str) else []
            lines.append(f"- {escape(name)}: {', '.join(found)}")
        return (
            "\n".join(["Before the last stage, whose hyper-parameters stand first below:\n", *lines]) if lines else ""
        )

    def training_data(self, training: Report) -> str:
        said = []
        if isinstance(training.find("train", "name"), str) and self.has("training.train.examples"):
            name = escape(training.text("train", "name"))
            last = " of the last stage" if training.find("earlier_stages") else ""
            said.append(f"Labelled texts{last}: {self.figure('training.train.examples')} ({name}).")
        unlabelled = self.facts.by_name.get("training.unlabelled.documents")
        if unlabelled is not None and unlabelled.value:
            said.append(f"Besides {self.figure(unlabelled.name)} texts whose labels were not read.")
        if self.has("training.documents"):
            said.append(f"In all {self.figure('training.documents')} documents.")
        if self.facts.origin is not None and self.facts.origin.objects("sources"):
            said.append("Where they come from is listed below.")
        return " ".join(said)

    def procedure(self, training: Report) -> str:
        said = []
        if self.has("training.teachers"):
            teachers = self.figure("training.teachers")
            alone = self.facts.by_name["training.teachers"].value == 1
            what = "other model, or an earlier stage of itself, answers" if alone else "other models answer in the mean"
            names = ", ".join(one.text("name") for one in training.objects("teachers") if one.find("name"))
            said.append(f"It learnt what {teachers} {what}" + (f" ({escape(names)})." if names else "."))
        if self.has("training.steps"):
            said.append(f"In all {self.figure('training.steps')} steps.")
        chosen = training.find("epochs") != 1 and isinstance(training.find("chosen_on"), str)
        if chosen and self.has("training.kept_epoch"):
            said.append(
                f"Epoch number {self.figure('training.kept_epoch')} was kept: the best on "
                f"{escape(training.text('chosen_on'))}{_chosen_by(training)}, so that the figures there are slightly "
                "flattered."
            )
        if again := self.stated("made_again_by"):
            said.append(f"To make it again: {escape(again)}.")
        return " ".join(said)

    def evaluation(self) -> list[str]:
        reports = self.facts.evaluations
        if not reports:
            return []
        facts = {
            name: {metric: f"evaluation.{name}.{headline(r, metric)}" for metric in METRICS}
            for name, r in reports.items()
        }
        metrics = [metric for metric in METRICS if any(self.has(facts[name][metric]) for name in reports)]
        front = ["accuracy"]
        if all(one["f1"].endswith(".macro_f1") for one in facts.values()):
            # where no class is the positive one, accuracy alone looks good though a class is never found
            front = ["f1", "accuracy"]
            metrics = [*front, *(metric for metric in metrics if metric not in front)]
        of = {name: averaged(report) for name, report in reports.items()}
        alike = len(set(of.values())) == 1
        titles = [_titled(metric, next(iter(of.values()))) if alike else METRIC_TITLES[metric] for metric in metrics]
        rows = [["data", "texts", *map(escape, titles), "engine"]]
        for name, report in reports.items():
            cells = []
            for metric in metrics:
                show = self.interval if metric in front else self.figure
                cell = show(facts[name][metric], "not defined")
                which = f" ({escape(of[name] or 'macro')})" if metric in CLASS_METRICS and not alike else ""
                cells.append(cell + which)
            texts = self.figure(f"evaluation.{name}.n_texts")
            rows.append([escape(self.facts.titles[name]), texts, *cells, escape(report.text("model", "engine"))])
        level = self.figure(f"evaluation.{next(iter(reports))}.level")
        said = f"In brackets {level} bootstrap intervals over texts; the reports have those of the other figures, too."
        return [said, _table(rows), *self.classes()]

    def classes(self) -> list[str]:
        """Show how well each class is found, and say which is never."""
        rows = [["data", "class", "texts", *(METRIC_TITLES[metric] for metric in CLASS_METRICS)]]
        notes = []
        for name, report in self.facts.evaluations.items():
            title, found = escape(self.facts.titles[name]), report.objects("per_class")
            if not found:
                continue
            shown = list(range(len(found)))
            if len(found) > _SHOWN_CLASSES:
                shown = sorted(sorted(shown, key=lambda number: found[number].number("f1", "value"))[:_SHOWN_CLASSES])
                notes.append(f"Of {title} the {_SHOWN_CLASSES} classes of the lowest F1 are shown; the report has all.")
            for number in shown:
                start = f"evaluation.{name}.class.{number}"
                figures = (self.figure(f"{start}.{metric}") for metric in CLASS_METRICS)
                rows.append([title, escape(found[number].text("label")), self.figure(f"{start}.support"), *figures])
            macro = (self.figure(f"evaluation.{name}.macro_{metric}") for metric in CLASS_METRICS)
            rows.append([title, "*mean over classes (macro)*", "", *macro])
            notes += [f"On {title} {said}." for said in _never_found(found)]
        return [_table(rows), *notes] if len(rows) > 1 else []

    def comparison(self) -> list[str]:
        lines = []
        for name, report in self.facts.comparisons.items():
            data = escape(report.text("data", "name"))
            both = (f"{name}.first", f"{name}.second")
            rows = [
                ["", *(escape(_model_title(model)) for model in report.objects("models"))],
                *self.compared(report, both),
                ["parameters", *(self.figure(f"{one}.parameters", "not known") for one in both)],
                ["size", *(self.figure(f"{one}.bytes") for one in both)],
                ["texts per second", *(self.figure(f"{one}.texts_per_second") for one in both)],
            ]
            lines += [
                f"On {self.figure(f'{name}.n_texts')} texts of {data}, both in turn:",
                _table(rows),
                f"The second minus the first: {self.interval(f'{name}.difference')} in accuracy. The first alone is "
                f"right on {self.figure(f'{name}.mcnemar.only_first')} texts, the second alone on "
                f"{self.figure(f'{name}.mcnemar.only_second')} (McNemar's exact test: p = "
                f"{self.figure(f'{name}.mcnemar.p_value')}). Both give the same label to "
                f"{self.figure(f'{name}.agreement')} of the texts.",
            ]
        return lines

    def compared(self, report: Report, both: Sequence[str]) -> list[list[str]]:
        accuracy = ["accuracy", *(self.interval(f"{one}.accuracy") for one in both)]
        if "positive" not in report.content:
            return [accuracy]
        macro = ["macro F1", *(self.interval(f"{one}.macro_f1") for one in both)]
        if (positive := averaged(report)) is None:
            return [macro, accuracy]
        return [accuracy, [f"F1 of {escape(positive)}", *(self.interval(f"{one}.f1") for one in both)], macro]

    def size_and_speed(self) -> list[str]:
        rows = [["export", "size", "labels as in fp32", "score differs by (99th percentile)"]]
        exports = {} if self.facts.manifest is None else self.facts.manifest.exports
        for export in exports.values():
            starts = {engine: f"agreement.{slug(export.file)}.{slug(engine)}" for engine in export.agreement}
            labels = [
                f"{escape(engine)}: {self.figure(f'{start}.labels')} of {self.figure(f'{start}.n_texts')}"
                for engine, start in starts.items()
            ]
            apart = [f"{escape(engine)}: {self.figure(f'{start}.p99_difference')}" for engine, start in starts.items()]
            size = self.figure(f"size.{slug(export.file)}")
            rows.append([escape(export.file), size, "; ".join(labels) or "-", "; ".join(apart) or "-"])
        if self.has("size.weights"):
            rows.append([escape(self.facts.by_name["size.weights"].file), self.figure("size.weights"), "", ""])
        lines = [_table(rows)] if len(rows) > 1 else []
        if exports:
            samples = dict.fromkeys(export.sample for export in exports.values())
            lines.append(f"An export is compared with the weights in fp32, here on {escape('; '.join(samples))}.")
        for name, report in self.facts.comparisons.items():
            if self.has(f"{name}.speed_ratio"):
                first, second = (escape(_model_title(model)) for model in report.objects("models"))
                ratio = self.figure(f"{name}.speed_ratio")
                lines.append(f"In one run, both in turn, {first} was {ratio} times as fast as {second}.")
        return lines

    def time(self) -> list[str]:
        if not self.has("training.seconds") or self.facts.training is None:
            return []
        said = f"{self.figure('training.minutes')} minutes ({self.figure('training.seconds')} s)"
        if self.facts.training.find("earlier_stages"):
            said += ", the runs of all stages added up,"
        if isinstance(device := self.facts.training.find("machine", "device"), str):
            said += f" on {escape(device)}"
        if self.has("training.machine.processors"):
            said += f", {self.figure('training.machine.processors')} processors"
        if self.has("training.tokens_per_second"):
            said += f", {self.figure('training.tokens_per_second')} tokens per second"
        return [f"Training took {said}."]

    def origin(self) -> list[str]:
        lines = [escape(said)] if (said := self.stated("licence_note")) else []
        columns = ("what", "origin", "licence")
        sources = () if self.facts.origin is None else self.facts.origin.objects("sources")
        rows = [[escape(source.text(key)) for key in columns] for source in sources]
        return [*lines, _table([columns, *rows])] if rows else lines

    def citation(self) -> list[str]:
        papers = [PAPERS[self.model_type]] if self.model_type in PAPERS else []
        papers += ["\n".join(code(line) for line in text.splitlines()) for text in self.listed("citations")]
        return [_fenced("bibtex", "\n\n".join(papers))] if papers else []

    # The metadata

    def metadata(self) -> dict[str, object]:
        licence, export = self.stated("licence"), self.facts.export
        metrics = {result.metric for result in self.results()}
        return {
            "language": self.listed("language") or None,
            "license": None if licence is None else licence.lower(),
            "library_name": "transformers" if self.facts.folder.weight_files else "valence",
            "tags": list(filter(None, ["valence", self.model_type, "" if export is None else export.format])),
            "pipeline_tag": "text-classification" if self.labels else "fill-mask",
            "metrics": [name for name in METRICS if name in metrics] or None,
            "base_model": self.listed("base_model") or None,
            "datasets": self.listed("datasets") or None,
        }

    def results(self) -> list[Result]:
        found = []
        for name, report in self.facts.evaluations.items():
            title = self.facts.titles[name]
            for metric in METRICS:
                fact = self.facts.by_name.get(f"evaluation.{name}.{headline(report, metric)}")
                if fact is not None:
                    named = "".join(c if c.isprintable() else " " for c in _titled(metric, averaged(report)))
                    shown = named[0].upper() + named[1:]
                    sha256 = report.text("data", "sha256")
                    found.append(Result(title, metric, index_value(fact), title, shown, sha256=sha256))
        return found


def index_value(fact: Fact) -> float:
    """Round a figure for the model-index, to digits of which each one counts.

    Args:
        fact: a number.

    Returns:
        The number with six digits after the point; in full, its last digits would not tell one number from another.
    """
    assert isinstance(fact.value, int | float)
    return round(float(fact.value), 6)


def _titled(metric: str, of: str | None) -> str:
    """Name a metric so that nobody can take it for that of another class."""
    title = METRIC_TITLES[metric]
    if metric not in CLASS_METRICS:
        return title
    return f"macro {title}" if of is None else f"{title} of {of}"


def _never_found(classes: Sequence[Report]) -> Iterator[str]:
    """Say which classes are never named, and which the data lack."""
    counted = [(escape(one.text("label")), one.count("support"), one.count("predicted")) for one in classes]
    if unsaid := [label for label, support, predicted in counted if support and not predicted]:
        yield f"no text is said to be {_joined(unsaid[:_SHOWN_CLASSES])}, though some are"
    if absent := [label for label, support, _ in counted if not support]:
        yield f"no text is {_joined(absent[:_SHOWN_CLASSES])}: how well that is found is not known, and counts as 0"


def _chosen_by(training: Report) -> str:
    """Say by which figure the epoch was chosen, where an earlier version did not leave it unsaid."""
    criterion, positive = training.find("chosen_by"), training.find("positive")
    shown = {"macro_f1": "macro F1", "f1": f"F1 of {positive}"}.get(str(criterion), str(criterion))
    return "" if criterion is None else f" by {escape(shown)}"


def _model_title(model: Report) -> str:
    return f"{model.text('name')} ({model.text('engine')})" if model.find("name") is not None else model.text("engine")


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def _fenced(language: str, content: str) -> str:
    lines = [line if not line.lstrip().startswith(("```", "~~~")) else f"# {line}" for line in content.splitlines()]
    return "\n".join([f"```{language}", *lines, "```"])


def _joined(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
