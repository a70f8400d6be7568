"""valence compare."""

from importlib.util import find_spec
from pathlib import Path

import click

from valence.cli.data_options import data_options, tell_columns
from valence.cli.output import echo_json, require_writable, show_and_keep
from valence.cli.progress import progress_bars
from valence.data.columns import ColumnNames
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import MissingExtraError
from valence.files import write_text
from valence.hub import find_model
from valence.reports.codec import encode_report, write_report
from valence.runtime.choice import EngineName
from valence.runtime.load import load_folder
from valence.runtime.registry import engine_names

__all__ = ["command"]

_SHOWN_TEXTS = 10  # of those on which the two differ; a file gets all of them


@click.command(
    "compare",
    epilog="""\b
Examples:
  valence compare default ./my-model dev.tsv
  valence compare ./distilbert ./bert hub:stanfordnlp/sst2:validation --out comparison.md
  valence compare ./one ./two dev.tsv --engine torch --json > comparison.json
""",
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.argument("data")
@data_options()
@click.option("--data-labels", help="What the data's class numbers mean: A,B or a file of one name a line.")
@click.option(
    "--positive",
    metavar="NAME",
    help="The class whose F1 stands beside the accuracy.  [default: of two classes the one called positive, pos, yes, "
    "true or 1; else the mean over classes (macro) does]",
)
@click.option("--labels-a", help="Class names for A instead of its own, by number.")
@click.option("--labels-b", help="Class names for B instead of its own, by number.")
@click.option("--revision-a", help="Branch, tag or commit of A, for a hub id.")
@click.option("--revision-b", help="Branch, tag or commit of B, for a hub id.")
@click.option("--engine", type=click.Choice(engine_names()), default="auto", show_default=True, help="What runs both.")
@click.option("--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]")
@click.option("--resamples", type=click.IntRange(1), default=1000, show_default=True, help="For the intervals.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="How often each is timed.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this file: .json, else Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def command(
    first: str,
    second: str,
    data: str,
    columns: ColumnNames,
    reading: TableOptions,
    data_labels: str | None,
    positive: str | None,
    labels_a: str | None,
    labels_b: str | None,
    revision_a: str | None,
    revision_b: str | None,
    engine: EngineName,
    threads: int | None,
    resamples: int,
    rounds: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare the classifiers A and B on the labelled texts of DATA.

    Accuracy of each with its interval, the difference with a paired bootstrap interval, McNemar's exact test,
    agreement, the texts on which they differ, size, and speed measured in turn.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("evaluate", "Comparing")
    from valence.evaluation.compare import Contestant, as_markdown, compare

    if out is not None:
        require_writable(out)
    contestants = []
    for name, labels, revision in ((first, labels_a, revision_a), (second, labels_b, revision_b)):
        folder = find_model(name, revision, engine)
        names = None if labels is None else parse_label_names(labels)
        contestants.append(Contestant(load_folder(folder, engine=engine, labels=names, threads=threads), folder))
    examples = read_examples(
        find_source(data, "eval", reading),
        columns,
        None if data_labels is None else parse_label_names(data_labels),
        known=contestants[0].classifier.labels,
    )
    tell_columns(examples)
    with progress_bars("comparing") as on_progress:
        on_progress(0, 2 * len(examples))
        report = compare(
            contestants[0],
            contestants[1],
            examples,
            resamples,
            rounds,
            on_progress,
            positive,
        )

    def show() -> None:
        if as_json:
            echo_json(encode_report(report))
        else:
            click.echo(as_markdown(report, n_texts=_SHOWN_TEXTS), nl=False)

    def write(path: Path) -> None:
        if path.suffix.lower() == ".json":
            write_report(path, report)
        else:
            write_text(path, as_markdown(report))

    show_and_keep(show, out, write)
    if out is not None and not as_json:
        click.echo(f"\nreport: {out}")
