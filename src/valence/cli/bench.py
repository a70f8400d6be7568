"""valence bench."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from valence.cli.output import require_writable, show_and_keep
from valence.errors import InputError
from valence.files import write_json
from valence.hub import DEFAULT

__all__ = ["command"]

_RANDOM = "random"


@click.command(
    "bench",
    epilog="""\b
Examples:
  valence bench --checkpoint models/default --json results.json
  valence bench ./my-model --only valence-onnx-int8,onnxruntime-int8 --minutes 10
  valence bench --stream 1000000
""",
)
@click.argument("models", nargs=-1)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="The folder that holds sst2/ and imdb/.",
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The weights of the default model.")
@click.option("--only", help="Contenders, by commas; the pipeline of transformers always takes part.")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=25, show_default=True, help="About how long."
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="The most passes of one row.")
@click.option("--quick", is_flag=True, help="A few texts: whether it works, not how fast.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep prepared models here and use them again.")
@click.option(
    "--stream", type=click.IntRange(10_001), metavar="N", help="Stream N texts through the default model instead."
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the report to this file, as JSON.")
def command(
    models: tuple[str, ...],
    data: Path,
    checkpoint: Path | None,
    only: str | None,
    minutes: float,
    repeats: int,
    quick: bool,
    work: Path | None,
    stream: int | None,
    out: Path | None,
) -> None:
    """Measure valence beside its peers: the same weights, the same texts, in turn.

    MODELS are folders with a checkpoint, 'default', and 'random': a DistilBERT of the usual shape with random
    weights. Without any, the two last. A contender that is not installed is left out, and the report says so.
    """
    if stream is not None and (models or only):
        raise InputError("--stream measures the default model alone; leave out MODELS and --only")
    if out is not None:
        require_writable(out)
    if work is not None:
        require_writable(work / "calibration.json")
    if stream is not None:
        from valence.benchmark.stream import measure_stream
        from valence.benchmark.tables import stream_table

        streamed = measure_stream(stream, _say)
        text, found = stream_table(streamed), dict(streamed)
    else:
        from valence.benchmark.run import Settings, run_benchmark
        from valence.benchmark.tables import summary

        keys = tuple(filter(None, (only or "").split(",")))
        with ExitStack() as stack:
            folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="valence-bench-")))
            names = models or (_RANDOM, DEFAULT)
            report = run_benchmark(Settings(names, data, folder, keys, checkpoint, repeats, minutes, quick), _say)
        text, found = summary(report), dict(report)
    show_and_keep(lambda: click.echo(text), out, lambda path: write_json(path, found))


def _say(message: str) -> None:
    click.echo(message, err=True)
