"""Train the embedded default model, export it to int8, measure it and write its card: `make default-model`.

    python scripts/build_default_model.py [--work runs/default]

Reads SST-2 and the base encoder from ../shared. Writes

    models/default/              the checkpoint in fp16, its training report
    src/valence/default_model/   what the package ships: the int8 engine, tokenizer, config, reports, card

Interrupted training goes on where it stopped when the command is given again. Nothing is chosen on any data but
SST-2 dev, on which the best of the epochs is kept.
"""

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from valence.checkpoint.checkpoint import load_model, save_model
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.evaluation.evaluate import evaluate
from valence.files import write_json, write_text
from valence.folder import ModelFolder
from valence.runtime.export.export import export_model
from valence.runtime.export.sample import Sample
from valence.runtime.load import load_folder

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
BASE = SHARED / "models" / "all-MiniLM-L6-v2"
CHECKPOINT = ROOT / "models" / "default"
EMBEDDED = ROOT / "src" / "valence" / "default_model"
TRAIN, DEV = SHARED / "data" / "sst2" / "train.tsv", SHARED / "data" / "sst2" / "dev.tsv"
SEED = 42
# Measured, and never looked at while training or choosing.
OTHER_DATA = {
    "imdb-sample": SHARED / "data" / "imdb" / "sample.tsv",
    "yelp-dev": SHARED / "data" / "yelp" / "dev.parquet",
    "pros_cons-dev": SHARED / "data" / "pros_cons" / "dev.parquet",
}


@dataclass(frozen=True)
class Source:
    """Something that the weights were made from."""

    what: str
    origin: str
    licence: str


SOURCES = (
    Source(
        "base encoder",
        "sentence-transformers/all-MiniLM-L6-v2, itself trained from nreimers/MiniLM-L6-H384-uncased "
        "(MiniLM: Wang et al. 2020)",
        "Apache-2.0",
    ),
    Source("vocabulary", "bert-base-uncased (BERT: Devlin et al. 2019)", "Apache-2.0"),
    Source(
        "training data",
        "SST-2 train: Stanford Sentiment Treebank, binary (Socher et al. 2013), in the form of GLUE (Wang et al. 2019)",
        "none is stated by its source",
    ),
)


def main() -> None:
    """Build everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "default", help="where the run is kept")
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED} is not there: it holds the training data and the base encoder")
    train(arguments.work)
    keep_checkpoint(arguments.work)
    ship()
    print(f"wrote {CHECKPOINT.relative_to(ROOT)} and {EMBEDDED.relative_to(ROOT)}")


def train(work: Path) -> None:
    """Fine-tune as any user would; a finished run is not repeated.

    Args:
        work: the model folder of the run.
    """
    if (work / "reports" / "training.json").is_file():
        print(f"{work}: trained already; remove it to train anew")
        return
    resume = ["--resume"] if (work / "training_state").is_dir() else []
    command = ["train", str(TRAIN), "--eval", str(DEV), "--base", str(BASE), "--out", str(work), "--recipe", "small"]
    subprocess.run([sys.executable, "-m", "valence", *command, "--seed", str(SEED), *resume], check=True)


def keep_checkpoint(work: Path) -> None:
    """Keep the trained checkpoint in fp16.

    Args:
        work: the model folder of the run.
    """
    trained = ModelFolder(work, "default")
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    save_model(load_model(trained, "classification"), CHECKPOINT, trained.labels, torch.float16)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(work / name, CHECKPOINT / name)
    report = json.loads((work / "reports" / "training.json").read_text(encoding="utf-8"))
    report["kept_as"] = {"dtype": "float16", "weights_sha256": ModelFolder(CHECKPOINT, "default").weights_hash()}
    write_json(CHECKPOINT / "reports" / "training.json", report)


def ship() -> None:
    """Export the kept checkpoint, measure the engine that ships, and write its card."""
    checkpoint = ModelFolder(CHECKPOINT, "default")
    train = read_examples(find_source(str(TRAIN), "train"), known=checkpoint.labels)
    training = json.loads((CHECKPOINT / "reports" / "training.json").read_text(encoding="utf-8"))
    rows = training["agreement_sample"]["rows"]
    sample = Sample([train.texts[row] for row in rows], f"{len(rows):,} training texts of SST-2")
    export_model(checkpoint, "int8", sample, report=print)
    shutil.rmtree(EMBEDDED, ignore_errors=True)
    EMBEDDED.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(CHECKPOINT / name, EMBEDDED / name)
    shutil.move(CHECKPOINT / "onnx", EMBEDDED / "onnx")
    shutil.copytree(CHECKPOINT / "reports", EMBEDDED / "reports")
    shipped = ModelFolder(EMBEDDED, "default", embedded=True)
    classifier = load_folder(shipped)
    reports: dict[str, Any] = {}
    for name, path in {"sst2-dev": DEV, **OTHER_DATA}.items():
        data = read_examples(find_source(str(path), "eval"), known=classifier.labels)
        reports[name] = evaluate(classifier, data, shipped)
        write_json(EMBEDDED / "reports" / f"evaluation-{name}.json", reports[name])
        figure = reports[name]["accuracy"]
        print(f"{name}: accuracy {figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})")
    write_text(EMBEDDED / "README.md", card(shipped, reports))
    shutil.copy(EMBEDDED / "README.md", CHECKPOINT / "README.md")


def card(folder: ModelFolder, reports: dict[str, Any]) -> str:
    """Render the model card from the reports.

    Args:
        folder: the embedded model.
        reports: an evaluation per data set.

    Returns:
        Markdown.
    """
    training = json.loads((folder.reports / "training.json").read_text(encoding="utf-8"))
    manifest = json.loads(folder.manifest_file.read_text(encoding="utf-8"))
    export = manifest["exports"][manifest["default"]]
    agreement = ", ".join(
        f"{figures['labels']:.2%} of {figures['n_texts']:,} labels agree with the {engine} engine"
        for engine, figures in export["agreement"].items()
    )
    rows = "\n".join(
        f"| {name} | {report['n_texts']:,} | {report['accuracy']['value']:.4f} | "
        f"{report['accuracy']['low']:.4f} to {report['accuracy']['high']:.4f} | {report['f1']['value']:.4f} |"
        for name, report in reports.items()
    )
    sources = "\n".join(f"| {source.what} | {source.origin} | {source.licence} |" for source in SOURCES)
    return f"""# valence default: English sentiment, {" or ".join(folder.labels or ())}

A DistilBERT of {training["parameters"] / 1e6:.1f} M parameters (6 layers, 384 wide), fine-tuned on SST-2. The package
ships it as an {export["precision"]} export of {export["bytes"] / 1e6:.1f} MB.

## Use

    import valence
    valence.load()("Hello, my dog is cute")

It was trained on phrases and sentences of English film reviews. It knows two answers and gives one of them to neutral
texts too, mostly with high confidence. Like other models of its kind it may answer differently for texts that name
different countries, groups or people; do not let it decide about people.

## Measured

The engine as shipped, with 95 % bootstrap intervals; the files in `reports/` hold every figure. The epoch was
chosen on {training["chosen_on"]}, nothing on any other set.

| data | texts | accuracy | interval | F1 |
| --- | --- | --- | --- | --- |
{rows}

Against the same weights in fp32 on {export["sample"]}: {agreement}.

## Training

Recipe `{training["recipe"]}`: learning rate {training["learning_rate"]:g}, batch size {training["batch_size"]}, \
{training["epochs"]} epochs, length {training["max_length"]}, seed {training["seed"]}, {training["precision"]}. \
`make default-model` does it again.

## Origin and licences

The weights are offered under Apache-2.0 as far as the authors of valence can do so. They were made from:

| what | origin | licence |
| --- | --- | --- |
{sources}
"""


if __name__ == "__main__":
    main()
