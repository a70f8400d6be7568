"""valence pretrain."""

from pathlib import Path

import click

from valence.cli.data_options import data_options
from valence.cli.output import echo_json
from valence.cli.training_monitor import TrainingMonitor, duration, need_training_packages, resume_hint, tell_base
from valence.cli.training_options import (
    RecipeChanges,
    change_recipe,
    require_checkpoint,
    require_folder,
    require_positions,
    training_options,
)
from valence.data.columns import ColumnNames
from valence.data.documents import read_documents
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import InputError
from valence.families import FAMILIES, Architecture
from valence.hub import find_model
from valence.reports.codec import encode_report
from valence.reports.report import present
from valence.training.recipe import pretraining

__all__ = ["command"]


@click.command(
    "pretrain",
    epilog="""\b
Examples:
  valence pretrain articles.txt --base distilbert-base-uncased --out my-raw-model
  valence pretrain news.txt reviews.parquet --eval held-out.txt --base ./encoder --out raw
  valence pretrain articles.txt --base ./encoder --architecture bert --next-sentence --out bert
  valence pretrain articles.txt --base ./encoder --out raw --resume     # after an interruption
""",
)
@click.argument("texts", nargs=-1, required=True)
@click.option("--base", required=True, help="The checkpoint to start from: a folder or a hub id.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The model folder to make.")
@click.option("--eval", "evaluation", help="Text to measure on.  [default: a hundredth of the documents, held out]")
@data_options(labels=False, pairs=False)
@click.option("--limit", type=click.IntRange(2), help="Read so many documents from the start.  [default: all]")
@click.option(
    "--architecture",
    type=click.Choice(list(FAMILIES)),
    help="The family to make. Of a BERT, bert keeps token types and distilbert folds them away.  "
    "[default: the base's, distilbert for a BERT]",
)
@click.option("--next-sentence", is_flag=True, help="Read pairs, and train BERT's next-sentence head, too.")
@click.option("--whole-words", is_flag=True, help="Hide all tokens of a word, or none.")
@click.option(
    "--evaluate-every", type=click.IntRange(1), help="Steps between two measurements.  [default: five in all]"
)
@training_options
def command(
    texts: tuple[str, ...],
    base: str,
    out: Path,
    evaluation: str | None,
    columns: ColumnNames,
    reading: TableOptions,
    limit: int | None,
    architecture: Architecture | None,
    next_sentence: bool,
    whole_words: bool,
    evaluate_every: int | None,
    seed: int,
    save_every: int,
    resume: bool,
    revision: str | None,
    tensorboard: Path | None,
    as_json: bool,
    overrides: RecipeChanges,
) -> None:
    """Train a raw model to guess hidden words of plain text.

    TEXTS are .txt files (a blank line ends a document; without blank lines every line is one), or tables with a
    column of texts (.tsv, .csv, .jsonl, .parquet), folders with a train file, or hub:OWNER/NAME.
    """
    need_training_packages()
    require_folder(out, tensorboard)
    folder = find_model(base, revision)
    require_checkpoint(folder)
    made = FAMILIES[architecture or folder.family.trained_as]
    if next_sentence and "pretraining" not in made.heads:
        able = " or ".join(name for name, family in FAMILIES.items() if "pretraining" in family.heads)
        raise InputError(f"--next-sentence needs --architecture {able}: a {made.title} has no next-sentence head")
    require_positions(overrides, folder)
    sources = [find_source(name, "train", reading) for name in texts]
    documents = read_documents(sources, columns.text)[:limit]

    from valence.checkpoint.config import encoder_config
    from valence.training.pretrain import Pretraining, hold_out, pretrain

    if evaluation is None:
        documents, held_out = hold_out(documents, seed)
    else:
        held_out = read_documents([find_source(evaluation, "eval", reading)], columns.text)
    run = Pretraining(
        documents=documents,
        held_out=held_out,
        sources=sources,
        base=folder,
        out=out,
        recipe=change_recipe(pretraining(encoder_config(folder).hidden_size), overrides),
        architecture=architecture,
        next_sentence=next_sentence,
        whole_words=whole_words,
        seed=seed,
        save_every=save_every,
        evaluate_every=evaluate_every,
    )
    title = f"{len(documents):,} documents, {sum(map(len, documents)) / 1e6:,.1f} million characters"
    with resume_hint(), TrainingMonitor(title, "sequences", tensorboard) as monitor:
        report = pretrain(run, resume, monitor, tell_base)
    if report is None:
        return  # another process reports
    if as_json:
        echo_json(encode_report(report))
        return
    before, after = present(report.before) or {}, present(report.after) or {}
    lines = [f"{out}: {duration(report)}, {present(report.tokens_per_second):,.0f} tokens/s"]
    for name, title in (
        ("perplexity", "perplexity on held-out text"),
        ("top5", "hidden words among the five most likely"),
        ("next_sentence_accuracy", "next sentences told from random ones"),
    ):
        if name in after:
            form = ",.1f" if name == "perplexity" else ".1%"
            lines.append(f"{title}: {before[name]:{form}} before, {after[name]:{form}} after")
    lines.append(f'try it: valence fill-mask --model {out} "This film was [MASK]."')
    click.echo("\n".join(lines))
