"""Train the embedded default model, export it to int8, measure it and write its card: `make default-model`.

    python scripts/build_default_model.py [--work runs/default]

Reads the data and the base encoder from ../shared; `default_recipe.py` has the recipe. Writes

    models/default/              the checkpoint in fp16, its training report
    src/valence/default_model/   what the package ships: the int8 engine, tokenizer, config, reports, card

Interrupted, it goes on where it stopped when the command is given again.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from default_recipe import (
    EVALUATION,
    LABELLED_TEXTS,
    MORE_LABELLED,
    NAMES,
    SHARED,
    STUDENT_SEEDS,
    gather_texts,
    make_student,
    make_teachers,
)
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
CHECKPOINT = ROOT / "models" / "default"
EMBEDDED = ROOT / "src" / "valence" / "default_model"


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
    Source(
        "training data",
        "sentences of Yelp reviews (Shen et al. 2017, shentianxiao/language-style-transfer)",
        "Apache-2.0 for the source project; the review text has terms of its own",
    ),
    Source(
        "training data",
        'pros and cons of product reviews: "Pros and cons dataset by Bing Liu", http://www.cs.uic.edu/~liub '
        "(Ganapathibhotla and Liu 2008)",
        "CC BY 4.0",
    ),
    Source(
        "training data",
        "titles, and sentences without their labels, of Amazon reviews: Multi-Domain Sentiment Dataset (Blitzer et "
        "al. 2007)",
        "none is stated by its source",
    ),
    Source(
        "training data",
        "sentences without labels: the unsupervised part of the Large Movie Review Dataset (Maas et al. 2011)",
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
    work: Path = arguments.work
    teachers = make_teachers(work)
    gather_texts(work)
    student = make_student(work, teachers)
    keep_checkpoint(student)
    ship(work)
    print(f"wrote {CHECKPOINT.relative_to(ROOT)} and {EMBEDDED.relative_to(ROOT)}")


def keep_checkpoint(student: Path) -> None:
    """Keep the trained checkpoint in fp16.

    Args:
        student: its model folder.
    """
    trained = ModelFolder(student, "default")
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    save_model(load_model(trained, "classification"), CHECKPOINT, trained.labels, torch.float16)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(student / name, CHECKPOINT / name)
    report = json.loads((student / "reports" / "training.json").read_text(encoding="utf-8"))
    report["kept_as"] = {"dtype": "float16", "weights_sha256": ModelFolder(CHECKPOINT, "default").weights_hash()}
    write_json(CHECKPOINT / "reports" / "training.json", report)


def ship(work: Path) -> None:
    """Export the kept checkpoint, measure the engine that ships, and write its card.

    Args:
        work: the folder of the recipe, with the texts that were learnt from.
    """
    checkpoint = ModelFolder(CHECKPOINT, "default")
    train = read_examples(find_source(str(work / LABELLED_TEXTS), "train"), known=NAMES)
    training = json.loads((CHECKPOINT / "reports" / "training.json").read_text(encoding="utf-8"))
    rows = training["agreement_sample"]["rows"]
    sample = Sample([train.texts[row] for row in rows], f"{len(rows):,} training texts")
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
    for name, path in EVALUATION.items():
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
    n_unlabelled = training["unlabelled"]["documents"]
    n_texts = training["train"]["examples"] + n_unlabelled
    n_more = sum(MORE_LABELLED.values())
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

A DistilBERT of {training["parameters"] / 1e6:.1f} M parameters (6 layers, 384 wide), trained on SST-2 and other
reviews. The package ships it as an {export["precision"]} export of {export["bytes"] / 1e6:.1f} MB.

## Use

    import valence
    valence.load()("Hello, my dog is cute")

It was trained on phrases and sentences of English reviews, most of them of films. It knows two answers and gives one
of them to neutral texts too, mostly with high confidence. Like other models of its kind it may answer differently for
texts that name different countries, groups or people; do not let it decide about people.

## Measured

The engine as shipped, with 95 % bootstrap intervals; the files in `reports/` hold every figure. One of two seeds was
chosen on {training["chosen_on"]}, nothing on any other set.

| data | texts | accuracy | interval | F1 |
| --- | --- | --- | --- | --- |
{rows}

Against the same weights in fp32 on {export["sample"]}: {agreement}.

## Training

{len(training["teachers"])} teachers as large as the model were fine-tuned on SST-2 from the base encoder, one epoch
each, differing in the seed alone. The model started from the same encoder and learnt their mean probabilities of
{n_texts:,} texts: SST-2, {n_more:,} short texts of other labelled reviews, and {n_unlabelled:,} sentences whose labels
were not read. Where there is a label, it makes up {1 - training["soft_weight"]:.0%} of the loss. This was done with
the seeds {" and ".join(map(str, STUDENT_SEEDS))}; the one that is better on SST-2 dev was kept.

Learning rate {training["learning_rate"]:g}, batch size {training["batch_size"]}, {training["epochs"]} epoch, \
length {training["max_length"]}, seed {training["seed"]}, \
{training["precision"]}. `make default-model` does it again.

## Origin and licences

The weights are offered under Apache-2.0 as far as the authors of valence can do so. They were made from:

| what | origin | licence |
| --- | --- | --- |
{sources}
"""


if __name__ == "__main__":
    main()
