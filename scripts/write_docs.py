"""Write what the documents say from what was measured and from the commands' own help: `make docs`.

docs/commands.md and docs/*.svg are written whole; README.md and docs/*.md have tables between
`<!-- NAME -->` and `<!-- end -->`. A test fails where a document is not what this writes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from learning_curves import learning_curves
from valence.audit.page.charts import as_svg, reliability_diagram
from valence.benchmark import tables
from valence.benchmark.chart import throughput_chart
from valence.benchmark.results import Report
from valence.cli import cli
from valence.evaluation.compare import as_markdown
from valence.families import FAMILIES, Task
from valence.reports.codec import decode_report, read_report
from valence.reports.comparison import ComparisonReport
from valence.reports.evaluation import EvaluationReport
from valence.templates.countries import COUNTRIES

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "src" / "valence" / "default_model"
RESULTS = ROOT / "benchmarks" / "results"
_HEAD = """# Command reference

Written by `make docs` from each command's own `--help`; do not edit.

Exit status: 0 done, 1 something could not be used or done (one plain message says what), 2 wrong options,
130 interrupted. Messages and progress go to standard error, results to standard output.
"""
_WIDTH = 100
_SST2_EXAMPLES = 3 * 67_349


def command_reference() -> str:
    """Render docs/commands.md.

    Returns:
        Markdown.
    """
    settings = {**cli.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(cli, info_name="valence", **settings)
    sections = [f"## valence\n\n```text\n{cli.get_help(context)}\n```\n"]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        command._help_option = None  # kept from an earlier call in this process, which may have known no -h
        inner = click.Context(command, info_name=name, parent=context, terminal_width=_WIDTH, max_content_width=_WIDTH)
        sections.append(f"## valence {name}\n\n```text\n{command.get_help(inner)}\n```\n")
    return _HEAD + "\n" + "\n".join(sections)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _cold(row: dict[str, Any]) -> str:
    return f"{row['seconds']['median']:.2f} s and {row['peak_mib']['median']:.0f} MiB"


def measured_table() -> str:
    """Render the README's table of the default model.

    Returns:
        Markdown.
    """
    dev = _read(DEFAULT / "reports" / "evaluation-sst2-dev.json")
    training = _read(DEFAULT / "reports" / "training.json")
    manifest = _read(DEFAULT / "onnx" / "manifest.json")
    export = manifest["exports"][manifest["default"]]
    agreement = ", ".join(f"{figures['labels']:.1%} ({engine})" for engine, figures in export["agreement"].items())
    cold = _read(RESULTS / "cold_start.json")
    ours, theirs = cold["rows"].values()
    beside = _read(DEFAULT / "reports" / "comparison-reference.json")  # speed is measured beside another model
    ours_alone = beside["models"][0]
    where = f"{beside['machine']['processors']} cores, {ours_alone['engine']}"
    even = [f"{_audited(name, 'countries', 'standard_deviation_mean'):.3f}" for name in ("audit", "audit-before")]
    return f"""| the embedded default | |
| --- | --- |
| accuracy on SST-2 dev (95 % interval) | {_interval(dev["accuracy"])} |
| P(POSITIVE) of neutral sentences over 208 countries, standard deviation | {even[0]} (before debiasing {even[1]}) |
| parameters | {training["parameters"] / 1e6:.1f} M |
| size | {export["bytes"] / 1e6:.1f} MB, {export["precision"]} |
| labels as in fp32, {export["sample"]} | {agreement} |
| speed on SST-2 dev, {where} | {ours_alone["texts_per_second"]:,.0f} texts/s |
| first label from a cold process | {_cold(ours)}; a `transformers` pipeline in the same run: {_cold(theirs)} |"""


def evaluation_table() -> str:
    """Render the default model's scores on every evaluation set.

    Returns:
        Markdown.
    """
    reports = [_read(path) for path in sorted((DEFAULT / "reports").glob("evaluation-*.json"))]
    (positive,) = {report["positive"] for report in reports}
    lines = [
        f"| data | texts | accuracy (95 % interval) | F1 of {positive} | macro F1 | AUC | loss | MCC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for report in reports:
        figures = " | ".join(f"{report[name]['value']:.4f}" for name in ("f1", "macro_f1", "auc", "loss", "mcc"))
        lines.append(
            f"| {report['data']['name']} | {report['n_texts']:,} | {_interval(report['accuracy'])} | {figures} |"
        )
    return "\n".join(lines)


def profile_table() -> str:
    """Render where the native engine's time goes.

    Returns:
        Markdown.
    """
    report = _read(RESULTS / "profile_native.json")
    models = {"distilbert": "66 M parameters", "default": "the default model"}
    lines = [f"| step | {' | '.join(models.values())} |", "| --- | --- | --- |"]
    lines += [
        f"| {step} | " + " | ".join(f"{report[model]['shares'][step]:.1%}" for model in models) + " |"
        for step in report["default"]["shares"]
    ]
    speeds = " | ".join(f"{report[model]['texts_per_second']:,.0f}" for model in models)
    return "\n".join([*lines, f"| texts/s on one thread | {speeds} |"])


def cold_start_table() -> str:
    """Render the cold-start benchmark.

    Returns:
        Markdown.
    """
    cold = _read(RESULTS / "cold_start.json")
    lines = ["| process | seconds (median) | peak memory |", "| --- | --- | --- |"]
    for name, row in cold["rows"].items():
        lines.append(f"| {name} | {row['seconds']['median']:.2f} | {row['peak_mib']['median']:.0f} MiB |")
    lines.append(f"| ratio | {cold['ratio']['seconds']:.1f} | {cold['ratio']['peak_mib']:.1f} |")
    return "\n".join(lines)


def training_speed_table() -> str:
    """Render the training benchmark.

    Returns:
        Markdown.
    """
    report = _read(RESULTS / "training_speed.json")
    lines = [
        "| run | examples/s (median) | ratio | three epochs of SST-2 at this rate |",
        "| --- | --- | --- | --- |",
    ]
    for name, row in report["rows"].items():
        rate = row["examples_per_second"]["median"]
        minutes = _SST2_EXAMPLES / rate / 60
        lines.append(f"| {name} | {rate:,.1f} | {row['ratio_to_trainer']:.2f} | {minutes:.0f} minutes |")
    return "\n".join(lines)


def families_table() -> str:
    """Render what can be done with each family of models, as its record says.

    Returns:
        Markdown.
    """
    heads: dict[str, Task] = {"masked words": "masked-lm", "next sentences": "next-sentence"}
    lines = [
        f"| family | `model_type` | classifies, trains | {' | '.join(heads)} | ONNX, OpenVINO | native engine | reads "
        "text as |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for family in FAMILIES.values():
        tokenizing = family.tokenizing
        marks = f"`{tokenizing.special.cls_token}` A {f'`{tokenizing.special.sep_token}` ' * tokenizing.separators}B"
        model = tokenizing.model if tokenizing.model == "WordPiece" else "byte-level BPE"
        row = [
            f"[{family.title}]({family.paper})",
            f"`{family.name}`",
            "yes",
            *("yes" if head in family.heads else "no" for head in heads.values()),
            "fp32, int8",
            "yes" if family.why_not_native is None else f"no: {family.why_not_native}",
            f"{model}, {marks} `{tokenizing.special.sep_token}`, `{tokenizing.special.mask_token}`",
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def topics_output() -> str:
    """Show what the two commands of the topics example printed.

    Returns:
        Markdown.
    """
    return (RESULTS / "topics.txt").read_text(encoding="utf-8").rstrip()


def _bench(render: Callable[..., str], *arguments: str) -> Callable[[], str]:
    """Render a table of `valence bench`."""
    return lambda: _where_measured("performance.json", lambda report: render(report, *arguments))


def _where_measured(name: str, render: Callable[..., str]) -> str:
    """Render a file of results, or say that it is not there."""
    path = RESULTS / name
    return render(_read(path)) if path.is_file() else f"Not measured yet: `make bench` writes `{name}`."


def few_labels_table() -> str:
    """Render how good a classifier of few labels is, beside logistic regression on frozen embeddings.

    Returns:
        Markdown.
    """
    path = RESULTS / "few_labels.json"
    if not path.is_file():
        return "Not measured yet."
    report = _read(path)
    lines = [
        "| data | rows per class | epochs, steps | `valence train`: mean (lowest to highest) | median | regression: "
        "mean | embeddings of length 1 | difference to the better |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in report["rows"].items():
        for size, row in rows.items():
            ours, raw, unit = (row[who] for who in _FEW_LABELS)
            lines.append(
                f"| {report['data'][name]['test']} | {size} ({len(ours['draws'])} draws) "
                f"| {row['epochs']}, {row['steps']} | **{ours['mean']:.3f}** "
                f"({ours['min']:.3f} to {ours['max']:.3f}) | {ours['median']:.3f} | {raw['mean']:.3f} | "
                f"{unit['mean']:.3f} | {row['difference']:+.3f} |"
            )
    tested = " and ".join(f"{data['texts']:,} texts of {data['test']}" for data in report["data"].values())
    lines += [
        "",
        f"The same draws from each training file for all; {tested}; base {report['base']}.",
    ]
    return "\n".join(lines)


def pretraining_table() -> str:
    """Render what pretraining changed.

    Returns:
        Markdown.
    """
    if not all((RESULTS / name).is_file() for name in ("raw_model.json", "pretraining.json")):
        return "Not measured yet."
    measured, run = _read(RESULTS / "raw_model.json"), _read(RESULTS / "pretraining.json")
    before, after = measured["before"], measured["after"]
    rows = [
        ("perplexity of hidden words", "perplexity", ",.1f"),
        ("hidden words that are the most likely one", "top1", ".1%"),
        ("hidden words among the five most likely", "top5", ".1%"),
        (f"one hidden word in each of {after['sentences']} sentences, among the five most likely", *_FOUND),
        ("next sentences told from random ones", "next_sentence_accuracy", ".1%"),
    ]
    lines = [f"| on {measured['text']}, {measured['documents']:,} articles | before | after |", "| --- | --- | --- |"]
    lines += [f"| {title} | {before[name]:{form}} | {after[name]:{form}} |" for title, name, form in rows]
    lines += [
        "",
        f"{run['seconds'] / 60:.0f} minutes on {run['machine']['processors']} cores, {run['steps']:,} steps, "
        f"{run['tokens_per_second']:,.0f} tokens/s, {run['precision']}.",
        "",
        "![learning curves of pretraining](pretraining.svg)",
    ]
    return "\n".join(lines)


def reviews_table() -> str:
    """Render what pretraining on reviews changed.

    Returns:
        Markdown.
    """
    path = RESULTS / "pretraining_reviews.json"
    if not path.is_file():
        return "Not measured yet."
    run = _read(path)
    before, after = run["before"], run["after"]
    lines = [
        f"| on {run['evaluation']['documents']:,} reviews held out | before | after |",
        "| --- | --- | --- |",
        f"| perplexity of hidden words | {before['perplexity']:,.1f} | {after['perplexity']:,.1f} |",
        f"| hidden words that are the most likely one | {before['top1']:.1%} | {after['top1']:.1%} |",
        f"| hidden words among the five most likely | {before['top5']:.1%} | {after['top5']:.1%} |",
        "",
        f"{run['seconds'] / 60:.0f} minutes, {run['steps']:,} steps, {run['tokens_per_second']:,.0f} tokens/s.",
    ]
    return "\n".join(lines)


def distillation_table() -> str:
    """Render what students keep of their teachers.

    Returns:
        Markdown.
    """
    found = [(title, _read(RESULTS / name)) for name, title in _DISTILLED.items() if (RESULTS / name).is_file()]
    if not found:
        return "Not measured yet."
    lines = [
        "| | layers | parameters | texts/s | figure | share kept | smaller | faster | training |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, report in found:
        kept = report["kept"]
        shares = [_share(kept[name]) for name in ("share_kept", "smaller", "faster")]
        for who, rest in (("teacher", [""] * 4), ("student", [*shares, f"{report['seconds'] / 60:.0f} minutes"])):
            side = kept[who]
            cells = [f"{title}: {who}", f"{side['layers']}", f"{side['parameters'] / 1e6:.1f} M"]
            cells += [f"{side['texts_per_second']:,.0f}", f"{side['figure']:.4f}", *rest]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        *(
            f"{title[0].upper()}{title[1:]}: the figure is {report['kept']['figure']}; timed are "
            f"{report['kept']['texts']} ({report['kept']['student']['engine']})."
            for title, report in found
        ),
    ]
    if (RESULTS / "distillation_raw.json").is_file():
        lines += ["", "![learning curves of the raw student](distillation.svg)"]
    return "\n".join(lines)


def comparison_table() -> str:
    """Render the default beside a BERT of the same base.

    Returns:
        Markdown.
    """
    path = RESULTS / "comparison.json"
    if not path.is_file():
        return "Not measured yet."
    return as_markdown(decode_report(_read(path), ComparisonReport, path), n_texts=5).rstrip()


def stages_table() -> str:
    """Render the default beside its first stage, which read SST-2 alone.

    Returns:
        Markdown.
    """
    lines = [
        "| data | stage 1 | default | default - stage 1 (95 % interval) | stage 1 alone right | default alone | p |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted((RESULTS / "default-beside-stage-1").glob("*.json")):
        report = _read(path)
        first, second = (f"{one['accuracy']['value']:.4f}" for one in report["models"])
        apart, test = report["difference"], report["mcnemar"]
        lines.append(
            f"| {report['data']['name']} | {first} | {second} | {apart['value']:+.4f} ({apart['low']:+.4f} to "
            f"{apart['high']:+.4f}) | {test['only_first']} | {test['only_second']} | {test['p_value']:.2g} |"
        )
    return "\n".join(lines)


def even_table() -> str:
    """Render what debiasing changed in the default model, beside what it was to reach.

    Returns:
        Markdown.
    """
    lines = ["| | before | now | at most |", "| --- | --- | --- | --- |"]
    for title, probe, figure, limit in _EVEN:
        before, now = (f"{_audited(name, probe, figure):.4f}" for name in ("audit-before", "audit"))
        lines.append(f"| {title} | {before} | {now} | {limit} |")
    return "\n".join(lines)


def _audited(report: str, probe: str, figure: str) -> float:
    """Look up a figure of an audit of the default."""
    probes = _read(DEFAULT / "reports" / f"{report}.json")["probes"]
    value: float = next(one for one in probes if one["name"] == probe)["figures"][figure]["value"]
    return value


_KEPT_OUT = sum(not country.used_in_training for country in COUNTRIES)
_COUNTRIES = "P(POSITIVE) over 208 countries, standard deviation"
_EVEN = (
    (f"{_COUNTRIES}: mean of 12 templates", "countries", "standard_deviation_mean", "0.015"),
    (f"{_COUNTRIES}: worst template", "countries", "standard_deviation_worst", "0.04"),
    (f"{_COUNTRIES}: the card's template", "countries", "card_template_standard_deviation", "0.04"),
    (
        f"the same, {_KEPT_OUT} countries never trained on: mean",
        "countries",
        "never_trained_standard_deviation_mean",
        "0.015",
    ),
    (
        f"the same, {_KEPT_OUT} countries never trained on: worst",
        "countries",
        "never_trained_standard_deviation_worst",
        "0.04",
    ),
    ("the card's template: France", "countries", "card_template_france", ""),
    ("the card's template: Afghanistan", "countries", "card_template_afghanistan", ""),
    (
        "names by gender: difference of the two means, without sign",
        "names",
        "names_gender_mean_absolute_difference",
        "0.02",
    ),
    ("names by race: the same", "names", "names_race_mean_absolute_difference", "0.02"),
    ("gendered words: difference of a pair, without sign", "names", "words_gender_mean_absolute_difference", "0.02"),
    ("single names, mean distance from the mean of all names", "names", "names_mean_absolute_difference", ""),
    (
        "single names, largest distance of one from the mean of all names",
        "names",
        "names_largest_absolute_difference",
        "",
    ),
    ("clear sentences that keep their label with any country", "kept-labels", "kept", "(at least 0.99)"),
)
"""Title, probe, figure and limit."""


def _share(share: float | None) -> str:
    return "not defined" if share is None else f"{share:.1%}"


_FOUND = ("found_among_five", ".0%")
_FEW_LABELS = ("valence train", "logistic regression", "logistic regression, embeddings of length 1")
_DISTILLED = {"distillation_classifier.json": "classifier", "distillation_raw.json": "raw model"}
_TABLES: dict[str, Callable[[], str]] = {
    "measured": measured_table,
    "evaluations": evaluation_table,
    "even": even_table,
    "stages": stages_table,
    "cold start": cold_start_table,
    "training speed": training_speed_table,
    "bench chart": lambda: _where_measured(
        "performance.json", lambda report: "![texts per second of every engine](performance.svg)"
    ),
    "bench machine": _bench(tables.machine_text),
    "bench aims": _bench(tables.aims_table),
    "bench short": _bench(tables.throughput_table, "short", "random"),
    "bench long": _bench(tables.throughput_table, "long", "random"),
    "bench single": _bench(tables.single_table, "random"),
    "bench default short": _bench(tables.throughput_table, "short", "default"),
    "bench default long": _bench(tables.throughput_table, "long", "default"),
    "bench default single": _bench(tables.single_table, "default"),
    "bench default accuracy": _bench(tables.accuracy_table, "default"),
    "bench cold": _bench(tables.cold_table),
    "bench floor": _bench(tables.floor_text),
    "profile": profile_table,
    "bench skipped": _bench(tables.skipped_text),
    "bench stream": lambda: _where_measured("stream.json", tables.stream_table),
    "families": families_table,
    "topics": topics_output,
    "few labels": few_labels_table,
    "pretraining": pretraining_table,
    "reviews": reviews_table,
    "distillation": distillation_table,
    "comparison": comparison_table,
}


_CURVES = {
    "pretraining": (
        "Pretraining on Wikinews",
        {
            "perplexity": "perplexity, held out",
            "top5": "words among the first five",
            "next_sentence_accuracy": "next-sentence accuracy",
        },
    ),
    "distillation_raw": (
        "Distilling six layers to three on Wikinews",
        {"perplexity": "perplexity, held out", "top5": "words among the first five"},
    ),
}


def filled(text: str) -> str:
    """Write the tables into a document.

    Args:
        text: the document, with marks where tables go.

    Returns:
        The document with tables.
    """
    for name, render in _TABLES.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        if mark:
            _, end, after = rest.partition("<!-- end -->")
            text = f"{before}{mark}{render()}\n{end}{after}"
    return text


def documents() -> dict[Path, str]:
    """Render every document.

    Returns:
        Files and what they should hold.
    """
    pages = {
        ROOT / "docs" / "commands.md": command_reference(),
    }
    if (RESULTS / "performance.json").is_file():
        chart = throughput_chart(cast(Report, _read(RESULTS / "performance.json")), "short", "random")
        pages[ROOT / "docs" / "performance.svg"] = chart
    for name, (title, panels) in _CURVES.items():
        if (RESULTS / f"{name}.json").is_file():
            svg = learning_curves(_read(RESULTS / f"{name}.json"), title, panels)
            pages[ROOT / "docs" / f"{name.removesuffix('_raw')}.svg"] = svg
    dev = read_report(DEFAULT / "reports" / "evaluation-sst2-dev.json", EvaluationReport)
    if dev is not None and dev.reliability:  # reports of earlier versions have none
        pages[ROOT / "docs" / "reliability.svg"] = as_svg(reliability_diagram(dev))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if path not in pages:
            pages[path] = filled(path.read_text(encoding="utf-8"))
    return pages


if __name__ == "__main__":
    for path, content in documents().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
