"""valence card."""

import sys
from pathlib import Path

import click

from valence.card.check.result import CheckResult
from valence.card.readme import Readme, read_readme
from valence.card.sources import Sources, read_sources
from valence.card.write import README, with_pictures, write_card
from valence.cli.output import echo_json, one_line, require_writable
from valence.cli.progress import progress_bars
from valence.errors import DataError, InputError
from valence.files import refuse_lfs_pointer
from valence.folder import ModelFolder
from valence.hub import find_model

__all__ = ["command"]


@click.command(
    "card",
    epilog="""\b
Examples:
  valence card ./my-model
  valence card default --out ./card
  valence card default --check --data ../shared/data
  valence card distilbert-base-uncased-finetuned-sst-2-english --check --data ../shared/data
\b
Exit status with --check: 0 all was checked and holds; 1 a claim fails; 3 none fails, but
something was not checked.
""",
)
@click.argument("model")
@click.option("--revision", help="Branch, tag or commit, for a hub id.")
@click.option(
    "--reports", type=click.Path(path_type=Path), help="Where the reports lie.  [default: the folder reports of MODEL]"
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder of README.md and its pictures.  [default: MODEL itself]"
)
@click.option("--check", is_flag=True, help="Check every figure of README.md instead of writing it.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    help="With --check: a folder in which data and other models are found by their hash; may be repeated.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: the facts, or what became of each figure."
)
def command(
    model: str,
    revision: str | None,
    reports: Path | None,
    out: Path | None,
    check: bool,
    data: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write the card of MODEL from its config and reports, or check the one it has.

    Every figure comes from a report; what no report says is left out, with a note. --check says of each
    figure of README.md whether it was measured again, is equal to its report, was measured as a ratio to
    a reference in the same run, or could not be checked, and what that needs.
    """
    if data and not check:
        raise click.UsageError("--data goes with --check")
    folder = find_model(model, revision)
    if check:
        _check(folder, reports, (out or folder.path) / README, data, as_json)
    else:
        _write(folder, read_sources(folder, reports), out, Path(model).expanduser().is_dir(), as_json)


def _write(folder: ModelFolder, sources: Sources, out: Path | None, is_own: bool, as_json: bool) -> None:
    if out is None and (folder.embedded or not is_own):
        raise InputError(f"{folder.name}: its folder is not yours to write to; name one with --out")
    target = folder.path if out is None else out
    require_writable(target / README)
    _spare(target / README)
    sources = write_card(sources, target)
    if as_json:
        echo_json(
            {
                "card": str(target / README),
                "facts": [statement.as_json() for statement in sources.statements.values()],
                "missing": [vars(missing) for missing in sources.missing],
            }
        )
        return
    click.echo(f"{target / README}: {len(sources.statements):,} statements")
    for missing in sources.missing:
        click.echo(one_line(f"  left out: {missing.what} (what gives it: {missing.advice})"))


def _spare(path: Path) -> None:
    """Refuse to write over a README that somebody wrote by hand."""
    refuse_lfs_pointer(path, DataError)
    try:
        by_hand = path.is_file() and b"<!-- fact:" not in path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    if by_hand:
        raise InputError(f"{path} was not written by valence card: move it away, or name another folder with --out")


def _check(folder: ModelFolder, reports: Path | None, path: Path, data: tuple[Path, ...], as_json: bool) -> None:
    from valence.card.check.compare import check_card
    from valence.card.check.published import check_model_index, check_published, find_published
    from valence.card.check.remeasure import Remeasurer

    readme = read_readme(path) if path.is_file() else None
    published = None if _is_rendered(readme) else find_published(folder, readme)
    with progress_bars() as on_progress:
        if published is not None:
            checked = check_published(folder, published, readme, data, on_progress)
        elif readme is not None and readme.card.results and not _is_rendered(readme):
            checked = check_model_index(readme)
        else:
            sources, _ = with_pictures(read_sources(folder, reports))
            checked = check_card(
                sources, readme or read_readme(path), Remeasurer(sources, data, on_progress=on_progress)
            )
    if as_json:
        echo_json({"card": str(path), **checked.as_json()})
    else:
        _show(checked, path)
    sys.exit(checked.exit_code)


def _is_rendered(readme: Readme | None) -> bool:
    return readme is not None and bool(readme.anchors.statements or readme.anchors.unclosed)


def _show(checked: CheckResult, path: Path) -> None:
    """Print a line for each figure; what is missing or wrong, once for all figures that it concerns."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in checked.statements:
        where = "" if one.line is None else f", line {one.line}"
        told_below = one.outcome in ("fails", "not checked")
        detail = "" if told_below else f": {one.detail}"
        click.echo(one_line(f"{one.outcome}: {one.name}{where}: {one.claimed}{detail}"))
        if told_below:
            reasons.setdefault((one.outcome, one.detail), []).append(f"{one.name}{where}")
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in checked.counts().items())
    click.echo(f"\n{path}: {counts or 'no figures'}")
    for (outcome, detail), names in sorted(reasons.items(), reverse=True):  # what fails comes last
        whose = "; ".join(names) if outcome == "fails" else f"{len(names):,} figures"
        click.echo(one_line(f"  {outcome}: {whose}: {detail}"))
    if checked.left_out:
        click.echo(f"  {len(checked.left_out):,} figures of the reports are not in it: valence card renders it anew")
