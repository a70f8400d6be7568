"""Every command once, in this process, with tiny models: what the quick tier knows of the command line.

How commands behave as processes of their own is tested beside each, in the full tier.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub_server import HubServer
from valence.cli import cli
from valence.runtime.load import load

pytest.importorskip("torch")

LEARN = ("--batch-size", "50", "--epochs", "1", "--max-length", "16")
# Command -> its arguments; what stands in braces is a path.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "classify": ("good film", "--model", "{tiny}", "--json"),
    "train": ("{train}", "--eval", "{dev}", "--base", "{base}", "--out", "{out}", *LEARN),
    "evaluate": ("{copy}", "{dev}", "--resamples", "20", "--json"),
    "calibrate": ("{copy}", "{held-out}", "--json"),
    "compare": ("{tiny}", "{copy}", "{dev}", "--rounds", "1", "--json"),
    "audit": (
        "{copy}",
        "--probe",
        "own-templates",
        "--templates",
        "{templates}",
        "--words",
        "word={words}",
        "--out",
        "{out}",
    ),
    "card": ("{copy}",),
    "explain": ("{tiny}", "good film", "--json"),
    "fill-mask": ("a [MASK] film", "--model", "{raw}", "--json"),
    "pseudo-log-likelihood": ("good film", "--model", "{raw}", "--json"),
    "next-sentence": ("good film", "bad plot", "--model", "{raw}", "--json"),
    "pretrain": ("{text}", "--base", "{base}", "--out", "{out}", *LEARN),
    "distill": ("{train}", "--teacher", "{tiny}", "--layers", "1", "--out", "{out}", *LEARN),
    "export": ("{copy}", "--precision", "fp32"),
    "info": ("{copy}", "--json"),
    "bench": ("default", "--data", "{data}", "--only", "valence-embedded", "--quick", "--minutes", "0.01"),
    "models": (),  # has a test of its own, since it needs a hub
}


def test_no_command_is_left_out():
    assert list(ARGUMENTS) == cli.list_commands(None)


def write_rows(path: Path, n_rows: int) -> Path:
    rows = (f"{('bad', 'good')[row % 2]} film {row}\t{('NEGATIVE', 'POSITIVE')[row % 2]}" for row in range(n_rows))
    path.write_text("\n".join(["text\tlabel", *rows, ""]))
    return path


def write_answered(path: Path, model: Path) -> Path:
    """Texts of which the model has two thirds right."""
    texts = [f"{('bad', 'good')[row % 2]} film {row}" for row in range(120)]
    rows = [
        f"{text}\t{one.label if row % 3 else min(one.scores, key=one.scores.__getitem__)}"
        for row, (text, one) in enumerate(zip(texts, load(model)(texts), strict=True))
    ]
    path.write_text("\n".join(["text\tlabel", *rows, ""]))
    return path


@pytest.fixture
def named(tiny_classifier: Path, raw_model: Path, tmp_path: Path) -> Callable[[str], str]:
    """What an argument says with the paths that it names."""
    paths = {"tiny": tiny_classifier, "raw": raw_model, "base": raw_model}
    for name, rows in (("train", 50), ("dev", 20)):
        paths[name] = write_rows(tmp_path / f"{name}.tsv", rows)
    paths["held-out"] = write_answered(tmp_path / "held-out.tsv", tiny_classifier)
    paths["data"] = tmp_path / "data"
    for name in ("sst2/train.tsv", "sst2/dev.tsv", "imdb/sample.tsv"):
        (paths["data"] / name).parent.mkdir(parents=True, exist_ok=True)
        write_rows(paths["data"] / name, 40)
    (paths["data"] / "sst2" / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n")
    for name, lines in {
        "templates": "template\nA {word} film.\nThe {word} plot.\n",
        "words": "word\ngood\nbad\n",
    }.items():
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(lines)
    paths["text"] = tmp_path / "text.txt"
    paths["text"].write_text("the film was good\n\na bad plot and this acting\n" * 10)
    paths["copy"] = Path(shutil.copytree(tiny_classifier, tmp_path / "copy"))
    paths["out"] = tmp_path / "out"
    return lambda argument: argument.format_map(paths)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=[pytest.mark.seconds(8)] if name in ("audit", "bench") else [])
        for name in ARGUMENTS
        if name != "models"
    ],
)
def test_it_runs(command, named):
    arguments = [named(argument) for argument in ARGUMENTS[command]]
    done = CliRunner().invoke(cli, [command, *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()
    if "--json" in arguments:
        assert json.loads(done.stdout)
    if "{out}" in ARGUMENTS[command]:
        assert any(Path(named("{out}")).iterdir())


def test_models_are_listed(tiny_classifier, tmp_path):
    """In a process of its own, which asks a hub on this machine."""
    with HubServer() as hub:
        hub.add("a/sst2", tiny_classifier, tags=("text-classification", "bert", "safetensors"), downloads=1, likes=1)
        done = subprocess.run(
            [sys.executable, "-m", "valence", "models", "sst2", "--json"],
            capture_output=True, timeout=60, check=True,
            env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)},
        )  # fmt: skip
    assert [model["id"] for model in json.loads(done.stdout)] == ["a/sst2"]
