"""Train the embedded default model, export it to int8, measure and audit it and write its card: `make default-model`.

    python scripts/build_default_model.py [--work runs/default]
    python scripts/build_default_model.py --measure-only    # weights and audits stay: evaluate again, write the card

Reads SST-2, other reviews and the base encoder from ../shared. Writes

    models/default/              the checkpoint in fp16, its training report
    src/valence/default_model/   what the package ships: the int8 engine, tokenizer, config, reports, card
    benchmarks/results/default-beside-stage-1/   the model that ships beside the one that read SST-2 alone

A stage that is finished is not repeated, and an interrupted one goes on where it stopped, when the command is given
again. Nothing is chosen on any data but SST-2 dev, on which the best of the first stage's epochs is kept.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from default_texts import (
    DATA,
    DEV,
    EVALUATION,
    FEWER,
    LABELLED,
    LABELS,
    SHARED,
    TRAIN,
    UNLABELLED,
    gather_texts,
)
from valence.card.sources import read_sources
from valence.card.write import write_card
from valence.checkpoint.checkpoint import load_model, save_model
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.evaluation.evaluate import evaluate
from valence.files import write_json
from valence.folder import ModelFolder
from valence.reports.codec import encode_report, read_report, write_report
from valence.reports.printing import interval
from valence.reports.training import TrainingReport
from valence.runtime.export.export import export_model
from valence.runtime.export.sample import Sample
from valence.runtime.load import load_folder
from valence.training.counterfactuals import DEBIAS

ROOT = Path(__file__).resolve().parent.parent
BASE = SHARED / "models" / "all-MiniLM-L6-v2"
CHECKPOINT = ROOT / "models" / "default"
EMBEDDED = ROOT / "src" / "valence" / "default_model"
COMPARED = ROOT / "benchmarks" / "results" / "default-beside-stage-1"
ORIGIN = ROOT / "scripts" / "default_origin.json"  # what nobody can measure
FIRST, BROADER, MEAN, EVEN = "1-sst2", "2-other-reviews", "3-mean", "4-even"
"""The stages: SST-2 alone; other reviews beside it; the mean of the weights of both; the same answer whatever country,
name or group a text names."""
EVEN_SEEDS = (42, 43)
"""The last stage is done twice; the mean of the weights is kept."""
KEEPING = ("--layers", 6, "--temperature", 1, "--teacher-engine", "native", "--epochs", 1)
"""From the second stage on a model learns from an earlier one, too, so that it does not forget what that knew."""
_TOLD = ("learning_rate", "epochs", "batch_size", "seed", "soft_weight", "kept_epoch", "chosen_on", "steps", "seconds")


def main() -> None:
    """Build everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "default", help="where the runs are kept")
    parser.add_argument("--ship-only", action="store_true", help="do not train: ship what the runs ended in")
    parser.add_argument(
        "--measure-only", action="store_true", help="evaluate the model that ships again, and write its card anew"
    )
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED} is not there: it holds the training data and the base encoder")
    if arguments.measure_only:
        measure()
        write_default_card()
        print(f"wrote {EMBEDDED.relative_to(ROOT)}/reports/evaluation-*.json and the card")
        return
    if not arguments.ship_only:
        train(arguments.work)
    keep_checkpoint(arguments.work)
    ship(arguments.work)
    print(f"wrote {CHECKPOINT.relative_to(ROOT)} and {EMBEDDED.relative_to(ROOT)}")


def valence(*arguments: object) -> None:
    """Run a command as any user would.

    Args:
        *arguments: of the command line.
    """
    subprocess.run([sys.executable, "-m", "valence", *map(str, arguments)], check=True)


def train(work: Path) -> None:
    """Train in four stages.

    Args:
        work: where the runs are kept.
    """
    work.mkdir(parents=True, exist_ok=True)
    first, broader, mean = work / FIRST, work / BROADER, work / MEAN
    stage(first, 42, "train", TRAIN, "--eval", DEV, "--base", BASE, "--recipe", "small")
    gather_texts(work)
    export(first)
    more = ("--unlabelled", work / UNLABELLED, "--soft-weight", 0.5, "--learning-rate", "3e-5", *KEEPING)
    stage(broader, 1, "distill", work / LABELLED, *more, "--teacher", first, "--base", first)
    if not (mean / "config.json").is_file():
        average(first, broader, mean)
    export(mean)
    even = ("--debias", ",".join(DEBIAS), "--soft-weight", 1, "--learning-rate", "4e-5", "--max-length", 384, *KEEPING)
    runs = [work / f"{EVEN}-{seed}" for seed in EVEN_SEEDS]
    for run, seed in zip(runs, EVEN_SEEDS, strict=True):
        stage(run, seed, "distill", work / FEWER, *even, "--teacher", mean, "--base", mean)
    if not (work / EVEN / "config.json").is_file():
        average(runs[0], runs[1], work / EVEN)


def export(model: Path) -> None:
    """Export a stage to int8, so that it answers quickly.

    Args:
        model: its folder.
    """
    if not list((model / "onnx").glob("*int8*")):
        valence("export", model, "--precision", "int8")


def average(first: Path, second: Path, out: Path) -> None:
    """Make a model whose weights are the mean of two (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        first: a model folder.
        second: another, trained further from it or from the same.
        out: the model folder to make.
    """
    one, other = (load_model(ModelFolder(path, str(path)), "classification") for path in (first, second))
    with torch.no_grad():
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
            mine.add_(theirs).mul_(0.5)
    save_model(one, out, LABELS, torch.float32)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(second / name, out / name)


def stage(out: Path, seed: int, *command: object) -> None:
    """Train one stage; a finished one is not repeated.

    Args:
        out: its model folder.
        seed: for everything random.
        *command: without what says where, and with which seed.
    """
    if (out / "reports" / "training.json").is_file():
        print(f"{out}: trained already; remove it to train anew")
        return
    resume = ["--resume"] if (out / "training_state").is_dir() else []
    valence(*command, "--out", out, "--seed", seed, *resume)


def keep_checkpoint(work: Path) -> None:
    """Keep the trained checkpoint in fp16, and what is known of its training.

    Args:
        work: where the runs are kept.
    """
    run = work / EVEN
    trained = ModelFolder(run, "default")
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    save_model(load_model(trained, "classification"), CHECKPOINT, trained.labels, torch.float16)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(run / name, CHECKPOINT / name)
    report, other = (training_report(work / f"{EVEN}-{seed}") for seed in EVEN_SEEDS)
    earlier = {name: training_report(work / name) for name in (FIRST, BROADER)}
    for rate in ("examples_per_second", "tokens_per_second"):  # of one run, where the time is that of all
        report.pop(rate, None)
    report |= {
        "seed": list(EVEN_SEEDS),
        "weights": "the mean of one run with each seed",
        "weights_sha256": trained.weights_hash(),
        "seconds": round(report["seconds"] + other["seconds"] + sum(one["seconds"] for one in earlier.values()), 1),
        "steps": report["steps"] + other["steps"] + sum(one["steps"] for one in earlier.values()),
    }
    # What it all began with, and the one choice made on evaluation data, are of the first stage; exports are compared
    # with their source on the texts that it marked, which can be had without this run.
    firsts = ("base", "base_sha256", "kept_epoch", "chosen_on", "agreement_sample")
    report |= {key: earlier[FIRST][key] for key in firsts}
    report["kept_as"] = {"dtype": "float16", "weights_sha256": ModelFolder(CHECKPOINT, "default").weights_hash()}
    report["hyper_parameters"] = [*report["hyper_parameters"], "weights", "earlier_stages"]
    report["earlier_stages"] = {
        name: {"examples": found["train"]["examples"] + (found.get("unlabelled") or {}).get("documents", 0)}
        | {key: found[key] for key in _TOLD if found.get(key) is not None}
        for name, found in earlier.items()
    } | {MEAN: {"weights": f"the mean of {FIRST} and {BROADER}"}}
    write_json(CHECKPOINT / "reports" / "training.json", report)


def training_report(run: Path) -> dict[str, Any]:
    """Read what a stage says of itself.

    Args:
        run: its model folder.

    Returns:
        reports/training.json.
    """
    report = read_report(run / "reports" / "training.json", TrainingReport)
    assert report is not None, f"{run}: no report of its training"
    return encode_report(report)


def ship(work: Path) -> None:
    """Export the kept checkpoint, measure and audit the engine that ships, and write its card.

    Args:
        work: where the runs are kept.
    """
    checkpoint = ModelFolder(CHECKPOINT, "default")
    rows = training_report(CHECKPOINT)["agreement_sample"]["rows"]
    texts = read_examples(find_source(str(TRAIN), "train"), known=checkpoint.labels).texts
    sample = Sample([texts[row] for row in rows], f"{len(rows):,} training texts of SST-2")
    export_model(checkpoint, "int8", sample, report=print)
    shutil.rmtree(EMBEDDED, ignore_errors=True)
    EMBEDDED.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(CHECKPOINT / name, EMBEDDED / name)
    shutil.move(CHECKPOINT / "onnx", EMBEDDED / "onnx")
    shutil.copytree(CHECKPOINT / "reports", EMBEDDED / "reports")
    reports = EMBEDDED / "reports"
    shutil.copy(ORIGIN, reports / "origin.json")
    measure()
    valence("compare", "default", CHECKPOINT, DEV, "--out", reports / "comparison-reference.json")
    for name, path in EVALUATION.items():
        valence("compare", work / FIRST, "default", path, "--rounds", 1, "--out", COMPARED / f"{name}.json")
    before = work / MEAN
    for model, name in (("default", "audit"), (before, "audit-before")):
        valence("audit", model, "--data", DATA, "--out", work / name)
        shutil.copy(work / name / "audit.json", reports / f"{name}.json")
    write_default_card()


def measure() -> None:
    """Measure the model that ships on every evaluation set, as `valence evaluate` does."""
    shipped = ModelFolder(EMBEDDED, "default", embedded=True)
    classifier = load_folder(shipped)
    for name, path in EVALUATION.items():
        data = read_examples(find_source(str(path), "eval"), known=classifier.labels)
        report = evaluate(classifier, data, shipped)
        write_report(EMBEDDED / "reports" / f"evaluation-{name}.json", report)
        print(f"{name}: accuracy {interval(report.metrics['accuracy'].estimate)}")


def write_default_card() -> None:
    """Write the card from the reports, for the package and for the checkpoint."""
    write_card(read_sources(ModelFolder(EMBEDDED, "default", embedded=True)), EMBEDDED)
    for name in ("README.md", "map.png", "map-before.png"):
        shutil.copy(EMBEDDED / name, CHECKPOINT / name)


if __name__ == "__main__":
    main()
