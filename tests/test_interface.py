"""What scripts rely on stays: keys of reports and `--json`, options, exit codes, names and keywords of the library.

`interface.json` holds what there was when the formats were frozen. More may come; nothing of it may go or move. After
an addition that shall stay: run the test with VALENCE_WRITE_INTERFACE=tests/interface.json.
"""

import dataclasses
import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SNAPSHOT = Path(__file__).with_name("interface.json")
TEXTS = ("good film", "the plot was awful")
TRAIN = ("--batch-size", 8, "--precision", "fp32", "--epochs", 1)


def shape(value: object) -> object:
    """Reduce JSON to its keys and kinds; a list to what its entries have in common and beyond."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [merged([shape(inner) for inner in value])]
    return "value"


def merged(shapes: list) -> object:
    """Put the keys of several objects together; what is of several kinds is only a value."""
    objects = [one for one in shapes if isinstance(one, dict)]
    if not objects or len(objects) < len(shapes):
        return "value"
    names = dict.fromkeys(name for one in objects for name in one)
    return {name: merged([one[name] for one in objects if name in one]) for name in names}


def lost(before: object, now: object, place: str = "") -> Iterator[str]:
    """Name what is not there any more."""
    if isinstance(before, dict):
        if not isinstance(now, dict):
            yield f"{place} is no object any more"
            return
        for key, inner in before.items():
            if key in now:
                yield from lost(inner, now[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is gone"
    elif isinstance(before, list):
        if not isinstance(now, list):
            yield f"{place} is no list any more"
        elif before and now:
            yield from lost(before[0], now[0], f"{place}[]")
    elif isinstance(before, str) and before != "value" and before != now:
        yield f"{place} was {before}, and is {now}"
    elif isinstance(now, dict | list):
        yield f"{place} was a plain value"


def commands() -> dict[str, object]:
    """Every command with its options, and what each is called in Python."""
    from valence.cli import cli

    context = cli.make_context("valence", [], resilient_parsing=True)
    found = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = {option: "value" for one in command.params for option in (*one.opts, *one.secondary_opts)}
    return found


def library() -> dict[str, object]:
    """The names that are offered, keywords with their defaults, fields of answers."""
    import valence
    from valence.runtime.load import load_folder

    answers = (valence.Prediction, valence.MaskFill, valence.NextSentence)
    functions: tuple[Callable, ...] = (valence.load, valence.load_masked_lm, valence.load_next_sentence, load_folder)
    return {
        "names": dict.fromkeys(valence.__all__, "value"),
        "keywords": {
            function.__name__: {
                name: "value" if one.default is inspect.Parameter.empty else f"default {one.default!r}"
                for name, one in inspect.signature(function).parameters.items()
            }
            for function in functions
        },
        "fields": {kind.__name__: [one.name for one in dataclasses.fields(kind)] for kind in answers},
    }


def write_data(folder: Path) -> dict[str, Path]:
    rows = [f"{'good' if number % 2 else 'awful'} film {'dog ' * (number % 5)}\t{number % 2}" for number in range(24)]
    for name in ("train", "dev"):
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    (folder / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n")
    sentences = ["The film was good.", "My dog and the plot were awful.", "Good acting in this film."]
    documents = [" ".join(sentences[(number + step) % 3] for step in range(4)) for number in range(8)]
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n")
    return {name: folder / name for name in ("train.tsv", "dev.tsv", "text.txt")}


def write_answers(path: Path, classifier: Path) -> Path:
    """Texts of which a model has two thirds right."""
    from valence.runtime.load import load

    texts = [f"{'good' if number % 2 else 'awful'} film {number}" for number in range(120)]
    labels = [
        one.label if number % 3 else min(one.scores, key=one.scores.__getitem__)
        for number, one in enumerate(load(classifier)(texts))
    ]
    rows = [f"{text}\t{label}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["text\tlabel", *rows, ""]))
    return path


def outputs(classifier: Path, raw: Path, folder: Path) -> dict[str, object]:
    """What each command prints with --json and what it leaves in files, reduced to its shape."""
    from click.testing import CliRunner

    from valence.cli import cli

    data = write_data(folder)
    train, dev, text = data["train.tsv"], data["dev.tsv"], data["text.txt"]
    found: dict[str, object] = {}

    def run(*arguments: object, status: int = 0, lines: bool = False) -> None:
        done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert done.exit_code == status, f"{arguments}: {done.output}"
        printed = done.stdout.splitlines() if lines else [done.stdout]
        answers = [shape(json.loads(line)) for line in printed]
        found[str(arguments[0])] = merged(answers) if lines else answers[0]

    def report(name: str, path: Path) -> None:
        found[name] = shape(json.loads(path.read_text(encoding="utf-8")))

    run("info", classifier, "--json")
    run("classify", "--model", classifier, *TEXTS, "--json", lines=True)
    run("explain", classifier, TEXTS[0], "--method", "leave-one-out", "--json")
    run("evaluate", classifier, dev, "--json", "--resamples", 20, "--out", folder / "evaluation.json")
    report("evaluation.json", folder / "evaluation.json")
    run("compare", classifier, classifier, dev, "--json", "--resamples", 20, "--rounds", 1)
    probes = ("--probe", "countries", "--probe", "names", "--probe", "kept-labels")
    run("audit", classifier, *probes, "--json", "--against", classifier, "--out", folder / "audit")
    run("fill-mask", "this [MASK] was good", "--model", raw, "--json")
    run("next-sentence", TEXTS[0], TEXTS[1], "--model", raw, "--json")
    run("pseudo-log-likelihood", *TEXTS, "--model", raw, "--json")
    run("train", train, "--eval", dev, "--base", raw, "--out", folder / "trained", *TRAIN, "--json")
    report("training.json", folder / "trained" / "reports" / "training.json")
    run("export", folder / "trained", "--precision", "int8", "--json", "--allow-disagreement")
    report("manifest.json", folder / "trained" / "onnx" / "manifest.json")
    run("pretrain", text, "--base", raw, "--out", folder / "pretrained", *TRAIN, "--max-length", 32, "--json")
    report("pretraining.json", folder / "pretrained" / "reports" / "pretraining.json")
    student = ("--layers", 1, *TRAIN, "--json")
    run("distill", train, "--eval", dev, "--teacher", classifier, "--base", raw, "--out", folder / "student", *student)
    report("distilled training.json", folder / "student" / "reports" / "training.json")
    raw_student = ("--layers", 1, *TRAIN, "--max-length", 32, "--json")
    run("distill", text, "--raw", "--teacher", raw, "--out", folder / "raw-student", *raw_student)
    report("distillation.json", folder / "raw-student" / "reports" / "distillation.json")
    run("card", folder / "trained", "--json")
    run("calibrate", classifier, write_answers(folder / "held-out.tsv", classifier), "--json")
    report("calibration.json", classifier / "calibration.json")
    return found


def titles(classifier: Path) -> list[str]:
    """The row titles of `valence info`."""
    from click.testing import CliRunner

    from valence.cli import cli

    lines = CliRunner().invoke(cli, ["info", str(classifier)]).stdout.splitlines()
    return [line[:14].strip() for line in lines if line[:14].strip()]


def exit_codes(classifier: Path, folder: Path) -> dict[str, str]:
    """What a shell script asks about."""
    calls = {
        "a text": ["classify", "--model", classifier, "good film"],
        "no such model": ["classify", "--model", folder / "absent", "good film"],
        "no such option": ["classify", "--absent"],
        "no such command": ["absent"],
        "no such data": ["evaluate", classifier, folder / "absent.tsv"],
        "no card to check": ["card", classifier, "--check"],
        "help": ["--help"],
    }
    found = {}
    for name, call in calls.items():
        start = [sys.executable, "-m", "valence", *map(str, call)]
        found[name] = f"exit {subprocess.run(start, capture_output=True, check=False).returncode}"
    return found


def interface(classifier: Path, raw: Path, folder: Path) -> dict[str, object]:
    """All that scripts rely on."""
    return {
        "library": library(),
        "commands": commands(),
        "outputs": outputs(classifier, raw, folder),
        "info": dict.fromkeys(titles(classifier), "value"),
        "exit codes": exit_codes(classifier, folder),
    }


@pytest.mark.slow
def test_nothing_that_scripts_rely_on_is_gone(tiny_classifier, raw_model, tmp_path):
    pytest.importorskip("sklearn")
    before = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    classifier = Path(shutil.copytree(tiny_classifier, tmp_path / "classifier"))  # commands write reports to it
    now = interface(classifier, raw_model, tmp_path)
    if target := os.environ.get("VALENCE_WRITE_INTERFACE"):
        Path(target).write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    assert list(lost(before, now)) == []


def test_what_is_gone_is_noticed():
    before = {"a": {"b": "value", "c": ["value"]}, "d": "default 1", "e": [{"f": "value"}]}
    assert not list(lost(before, before | {"new": "value"}))
    assert list(
        lost(before, {"a": {"b": {"x": "value"}, "c": ["value"]}, "d": "default 2", "e": [{"g": "value"}]})
    ) == [
        ".a.b was a plain value",
        ".d was default 1, and is default 2",
        ".e[].f is gone",
    ]
