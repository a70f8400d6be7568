"""A run of the benchmark that is small enough for a test: real processes, a tiny model, few texts."""

from pathlib import Path
from typing import Any

import pytest

SENTENCES = ["the film was good", "a bad plot", "this is not very great acting and not awful", "my cute dog", "hello"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What --data names."""
    folder = tmp_path_factory.mktemp("data")
    rows = [f"{text} {number % 7}\t{number % 2}" for number, text in enumerate(SENTENCES * 8)]
    long = [f"{' '.join(SENTENCES)} {number}\t{number % 2}" for number in range(12)]
    for name, lines in (("sst2/dev.tsv", rows), ("sst2/train.tsv", rows), ("imdb/sample.tsv", long)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("sentence\tlabel\n" + "".join(f"{line}\n" for line in lines))
    (folder / "sst2" / "labels.txt").write_text("negative\npositive\n")
    return folder


@pytest.fixture(scope="session")
def report(data: Path, tiny_classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a run with the pipeline, with an engine of ours, and with the embedded default."""
    pytest.importorskip("transformers")
    from valence.benchmark.run import Settings, run_benchmark

    settings = Settings(
        models=(str(tiny_classifier), "default"),
        data=data,
        work=tmp_path_factory.mktemp("work"),
        only=("valence-onnx-fp32", "valence-embedded"),
        repeats=2,
        minutes=1,
        quick=True,
    )
    return run_benchmark(settings, lambda line: None)
