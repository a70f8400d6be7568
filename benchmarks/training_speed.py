"""Training speed beside the transformers Trainer: the same data, base checkpoint, batch size and number of steps.

    python benchmarks/training_speed.py DATA --base BASE [--steps 100] [--rounds 3]
    python benchmarks/training_speed.py ../shared/data/sst2/train.tsv --base ../shared/models/all-MiniLM-L6-v2
    python benchmarks/training_speed.py ../shared/data/sst2/train.tsv --base MPNET --steps 20 --out \
        benchmarks/results/training_speed_mpnet.json

The Trainer is used as the documentation of transformers does it for text classification: AutoTokenizer,
DataCollatorWithPadding, TrainingArguments as they are but for the batch size, fp32. valence trains the same
architecture once as it does by default (bf16 products where the processor has them), once in fp32, and once by default
with frozen word embeddings. Each run is a
process of its own on the CPU and makes one pass over the first steps * 32 rows. The runs take turns (A B C A B C …),
so that a slower moment of the machine meets all. The time is that of training alone, with the checkpoint that both
save at its end and without reading and tokenising. Writes benchmarks/results/training_speed.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from valence.data.examples import Examples, read_examples
from valence.data.sources import find_source
from valence.training.recipe import RECIPES, Freezing, TrainingPrecision
from valence.versions import installed_versions

RESULTS = Path(__file__).parent / "results" / "training_speed.json"
BATCH_SIZE = 32
MAX_LENGTH = 128
SEED = 42
PACKAGES = ("transformers", "accelerate", "torch")
TRAINER = "transformers Trainer, fp32"


def train_with_trainer(examples: Examples, base: str, folder: str) -> dict[str, float]:
    """Train with transformers.

    Args:
        examples: the data.
        base: the checkpoint to start from.
        folder: where the Trainer writes.

    Returns:
        Seconds of training and the mean loss.
    """
    import transformers

    transformers.set_seed(SEED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokens = tokenizer(examples.texts, truncation=True, max_length=MAX_LENGTH)
    labels = examples.labels.tolist()
    rows = [{**{name: tokens[name][i] for name in tokens}, "labels": label} for i, label in enumerate(labels)]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(examples.names))
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=BATCH_SIZE,
            num_train_epochs=1,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
        ),
        train_dataset=rows,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    metrics = trainer.train().metrics
    return {"seconds": metrics["train_runtime"], "loss": metrics["train_loss"]}


def train_with_valence(
    examples: Examples, base: str, folder: str, precision: TrainingPrecision, freeze: Freezing | None = None
) -> dict[str, float]:
    """Train with valence.

    Args:
        examples: the data.
        base: the checkpoint to start from.
        folder: where the state is written.
        precision: of the products.
        freeze: what keeps its values.

    Returns:
        Seconds of training and the mean loss.
    """
    import dataclasses

    from valence.checkpoint.checkpoint import load_base
    from valence.checkpoint.config import encoder_config
    from valence.hub import find_model
    from valence.text.tokenizer import Tokenizer
    from valence.training.classification import Classification
    from valence.training.devices import make_accelerator
    from valence.training.loop import train
    from valence.training.state import RunState

    model_folder = find_model(base)
    model = load_base(model_folder, encoder_config(model_folder).architecture, examples.names, SEED).model
    tokenizer = Tokenizer.from_folder(model_folder, MAX_LENGTH)
    data = Classification(tokenizer(examples.texts), examples.labels.tolist(), tokenizer.pad_token_id)
    recipe = dataclasses.replace(
        RECIPES["small"](), batch_size=BATCH_SIZE, epochs=1, precision=precision, freeze=freeze
    )
    progress = train(model, data, recipe, SEED, RunState(Path(folder)), make_accelerator())
    return {"seconds": progress.seconds, "loss": progress.history[0]["train_loss"]}


CONTENDERS: dict[str, Callable[[Examples, str, str], dict[str, float]]] = {
    TRAINER: train_with_trainer,
    "valence, fp32": lambda examples, base, folder: train_with_valence(examples, base, folder, "fp32"),
    "valence, default (bf16 where there)": lambda examples, base, folder: train_with_valence(
        examples, base, folder, "auto"
    ),
    "valence, default, frozen embeddings": lambda examples, base, folder: train_with_valence(
        examples, base, folder, "auto", "embeddings"
    ),
}


def run(name: str, rows: Path, base: str) -> dict[str, float]:
    """Run one contender in a process of its own.

    Args:
        name: which.
        rows: the data.
        base: the checkpoint to start from.

    Returns:
        Seconds of training and the mean loss.
    """
    command = [sys.executable, __file__, str(rows), "--base", base, "--contender", name]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


def write_first_rows(examples: Examples, n_rows: int, path: Path) -> None:
    """Write the rows that a run reads, so that all contenders read the very same.

    Args:
        examples: the data.
        n_rows: how many rows.
        path: a file ending in .jsonl; a labels.txt comes to lie beside it.
    """
    pairs = zip(examples.texts, examples.labels.tolist(), strict=True)
    lines = [json.dumps({"text": text, "label": label}) for text, label in islice(pairs, n_rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (path.parent / "labels.txt").write_text("".join(f"{name}\n" for name in examples.names), encoding="utf-8")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Let the contenders take turns.

    Args:
        arguments: of the command line.

    Returns:
        The report.

    Raises:
        SystemExit: if there are too few rows.
    """
    examples = read_examples(find_source(arguments.data, "train"))
    n_examples = arguments.steps * BATCH_SIZE
    if len(examples) < n_examples:
        raise SystemExit(f"{arguments.steps} steps need {n_examples} rows, {arguments.data} has {len(examples)}")
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        write_first_rows(examples, n_examples, rows)
        for round_number in range(arguments.rounds):
            for name, runs in measured.items():
                runs.append(run(name, rows, arguments.base))
                print(
                    f"round {round_number + 1}: {name:36} {n_examples / runs[-1]['seconds']:7.1f} examples/s",
                    file=sys.stderr,
                )
    speeds = {name: [n_examples / figures["seconds"] for figures in runs] for name, runs in measured.items()}
    return {
        "data": examples.source.title,
        "base": Path(arguments.base).name,
        "steps": arguments.steps,
        "batch_size": BATCH_SIZE,
        "rounds": arguments.rounds,
        "rows": {
            name: {
                "examples_per_second": {"median": statistics.median(found), "min": min(found), "max": max(found)},
                "ratio_to_trainer": statistics.median(
                    ours / theirs for ours, theirs in zip(found, speeds[TRAINER], strict=True)
                ),
                "train_loss": measured[name][0]["loss"],
            }
            for name, found in speeds.items()
        },
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": installed_versions(*PACKAGES),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a labelled table, as `valence train` reads it")
    parser.add_argument("--base", required=True, help="the checkpoint to start from, a folder or a hub id")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender is not None:
        with tempfile.TemporaryDirectory() as folder:
            examples = read_examples(find_source(arguments.data, "train"))
            print(json.dumps(CONTENDERS[arguments.contender](examples, arguments.base, folder)))
        return
    report = measure(arguments)
    for name, row in report["rows"].items():
        print(
            f"{name:36} {row['examples_per_second']['median']:7.1f} examples/s (median)  "
            f"{row['ratio_to_trainer']:5.2f} x  train loss {row['train_loss']:.3f}"
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
