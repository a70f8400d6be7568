"""Distilling from files of soft labels: what a student learns of them, beside a teacher or without one."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes import run, steps_saved, stop_when, valence

torch = pytest.importorskip("torch")

import valence as package  # noqa: E402
from valence.errors import DataError, InputError, TrainingError  # noqa: E402
from valence.training.soft_targets import soft_target_loss, weighted_soft_target_loss  # noqa: E402

pytest_plugins = ("training_fixtures",)

NAMES = ("NEGATIVE", "POSITIVE")
LEARN = ("--layers", 2, "--batch-size", 16, "--learning-rate", 3e-3, "--precision", "fp32")


def here(*arguments: object) -> None:
    """Run `valence distill` in this process; errors come out as they are."""
    from valence.cli.distill import command

    command.main([str(argument) for argument in arguments], standalone_mode=False)


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "reports" / "training.json").read_text(encoding="utf-8"))
    return content


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def sentences(word: str, count: int, seed: int) -> list[str]:
    """Sentences that hold a word that says something, or with an empty one none."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        words = chance.choices(["the", "film", "plot", "was", "and", "this", "my", "dog"], k=chance.randrange(3, 9))
        found.append(" ".join([*words[:2], *([word] if word else []), *words[2:]]))
    return found


PROBABILITIES = {"good": 0.9, "bad": 0.1, "cute": 0.8, "": 0.5}


def write_soft(path: Path, count: int = 60, seed: int = 0) -> Path:
    rows = [
        {"text": text, "probabilities": {"POSITIVE": positive, "NEGATIVE": round(1 - positive, 3)}}
        for word, positive in PROBABILITIES.items()
        for text in sentences(word, count, seed)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_soft(tmp_path_factory.mktemp("soft") / "soft.jsonl")


@pytest.fixture(scope="module")
def teacher(bert_base: Path, train_tsv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from valence.cli.train import command

    out = tmp_path_factory.mktemp("teacher") / "model"
    settings = ("--batch-size", 8, "--epochs", 3, "--learning-rate", 3e-3, "--precision", "fp32")
    arguments = (train_tsv, "--base", bert_base, "--out", out, *settings)
    command.main([str(one) for one in arguments], standalone_mode=False)
    return out


def test_the_loss_is_that_of_each_text_at_its_temperature():
    logits, targets = torch.randn(3, 4), torch.randn(3, 4).softmax(-1)
    found = weighted_soft_target_loss(logits, targets, torch.tensor([1.0, 3.0, 2.0]), torch.tensor([1.0, 0.5, 0.0]))
    each = [soft_target_loss(logits[i : i + 1], targets[i : i + 1], t) for i, t in enumerate((1.0, 3.0))]
    assert torch.allclose(found, (each[0] + 0.5 * each[1]) / 3, atol=1e-6)
    even = torch.full((3, 4), 2.0), torch.full((3, 4), 0.25)
    assert weighted_soft_target_loss(*even, torch.ones(3), torch.ones(3)).abs() < 1e-6, "even answers are learnt"


@pytest.mark.slow
def test_a_student_learns_the_probabilities_themselves(
    bert_base: Path, soft: Path, dev_tsv: Path, tmp_path: Path
) -> None:
    """Without a teacher and without labels: neutral texts come out even, and others as sure as they were said to be."""
    out = tmp_path / "small"
    here("--soft-labels", soft, "--base", bert_base, "--eval", dev_tsv, "--epochs", 12, *LEARN, "--out", out)
    classifier = package.load(out)
    for word, positive in PROBABILITIES.items():
        found = [answer.scores["POSITIVE"] for answer in classifier(sentences(word, 20, seed=9))]
        assert abs(np.mean(found) - positive) < 0.06, word
    found = report(out)
    assert found["labels"] == ["NEGATIVE", "POSITIVE"]
    assert found["train"] is None
    assert found["kept"] is None, "there is no teacher to compare with"
    assert "teachers" not in found
    assert "agreement_sample" not in found
    assert found["soft_weight"] == 1
    (described,) = found["soft_labels"]
    assert (described["name"], described["examples"]) == ("soft", 240)
    assert found["epochs_done"][-1]["accuracy"] > 0.9
    manifest = json.loads((out / "onnx" / "manifest.json").read_text())
    assert "built-in sentences" in json.dumps(manifest)


@pytest.mark.slow
def test_parquet_and_json_lines_end_in_the_same_weights(bert_base: Path, soft: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in soft.read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "struct.parquet")
    flat = [{"text": row["text"]} | row["probabilities"] for row in rows]
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "columns.parquet")
    lists = [{"text": row["text"], "probabilities": [row["probabilities"][name] for name in NAMES]} for row in rows]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    ends = set()
    for name in (soft, "struct.parquet", "columns.parquet", "lists.jsonl"):
        out = tmp_path / f"of-{Path(name).name}"
        named = ("--labels", ",".join(NAMES)) if name in ("columns.parquet", "lists.jsonl") else ()
        arguments = ("--base", bert_base, "--epochs", 1, *LEARN, "--out", out)
        here("--soft-labels", tmp_path / name, *named, *arguments)
        ends.add(weights(out))
    assert len(ends) == 1


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_weights(teacher: Path, soft: Path, train_tsv: Path, tmp_path: Path) -> None:
    more = (train_tsv, "--teacher", teacher)
    settings = ("--layers", 1, "--batch-size", 8, "--epochs", 2, "--learning-rate", 3e-3, "--save-every", 7)
    command = ["distill", *more, "--soft-labels", soft, *settings]
    whole = run(valence(*command, "--out", tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "cut"
    resuming = valence(*command, "--out", out, "--resume")
    code, said = stop_when(out, resuming, lambda: steps_saved(out) >= 21, signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    other = write_soft(tmp_path / "soft.jsonl", seed=5)
    with pytest.raises(TrainingError, match=r"cannot resume(.|\n)*soft_labels: begun with") as refusal:
        here(*more, "--soft-labels", other, *settings, "--out", out, "--resume")
    assert len(str(refusal.value).splitlines()) == 2, "the soft labels differ, and nothing else"
    last = run(resuming)
    assert last.returncode == 0, last.stderr
    assert "resumed after step" in last.stderr
    assert weights(out) == weights(tmp_path / "whole")


@pytest.mark.slow
def test_soft_labels_take_the_place_of_a_teachers_answer(
    teacher: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path
) -> None:
    """A teacher that knows "good" and "bad" is contradicted about some texts, and asked about the others alone."""
    texts = [line.split("\t")[0] for line in train_tsv.read_text().splitlines()[1:]]
    others = sentences("", 30, seed=3)
    rows = [
        {"text": f" {text} ", "probabilities": {"positive": 0.5, "negative": 0.5}} for text in [*texts[:40], *others]
    ]
    soft = tmp_path / "soft.jsonl"
    soft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = tmp_path / "more.txt"
    more.write_text("\n".join([*sentences("good", 25, seed=4), *others]) + "\n")
    arguments = (
        train_tsv,
        "--eval",
        dev_tsv,
        "--unlabelled",
        more,
        "--teacher",
        teacher,
        "--soft-labels",
        soft,
        *LEARN,
    )
    out = tmp_path / "small"
    command = valence("distill", *arguments, "--epochs", 40, "--save-every", 2, "--out", out)
    stop_when(out, command, lambda: steps_saved(out) >= 2, signal.SIGKILL)
    from safetensors.numpy import load_file

    asked = load_file(out / "training_state" / "part-soft-targets-000000000.safetensors")["probabilities"]
    known = {text.strip() for text in texts[:40]}
    left = [text for text in texts if text.strip() not in known]
    unlabelled = [text for text in more.read_text().splitlines() if text not in set(others)]
    assert len(asked) == len(left) + len(unlabelled)
    logits = package.load(teacher, engine="torch").logits([*left, *unlabelled]) / 2
    assert np.abs(asked - np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).max() < 1e-5
    here(*arguments, "--epochs", 2, "--out", tmp_path / "whole")
    found = report(tmp_path / "whole")
    assert found["unlabelled"]["documents"] == len(unlabelled), "those of which the teachers alone say something"
    assert found["kept"]["teacher"]["figure"] > 0.7
    assert found["soft_weight"] == 0.5


@pytest.mark.slow
def test_labels_and_soft_labels_without_a_teacher(bert_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path):
    rows = [{"text": text, "probabilities": {"NEGATIVE": 0.5, "POSITIVE": 0.5}} for text in sentences("", 80, seed=2)]
    soft = tmp_path / "soft.jsonl"
    soft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "small"
    settings = ("--base", bert_base, "--epochs", 25, *LEARN)
    here(train_tsv, "--eval", dev_tsv, "--soft-labels", soft, *settings, "--out", out)
    classifier = package.load(out)
    even = [answer.scores["POSITIVE"] for answer in classifier(sentences("", 20, seed=9))]
    assert abs(np.mean(even) - 0.5) < 0.1
    assert np.mean([answer.label == "POSITIVE" for answer in classifier(sentences("good", 20, seed=9))]) > 0.9
    assert np.mean([answer.label == "NEGATIVE" for answer in classifier(sentences("bad", 20, seed=9))]) > 0.9
    found = report(out)
    assert found["train"]["examples"] == 150
    assert found["kept"] is None
    assert "agreement_sample" in found


@pytest.mark.slow
def test_a_weight_counts_as_so_many_rows_and_contradictions_give_the_mean(bert_base: Path, tmp_path: Path) -> None:
    texts = sentences("good", 40, seed=1)
    yes, no = {"POSITIVE": 1.0, "NEGATIVE": 0.0}, {"POSITIVE": 0.0, "NEGATIVE": 1.0}
    rows = [
        {"text": text, "probabilities": said, "weight": weight}
        for text in texts
        for said, weight in ((yes, 3), (no, 1))
    ]
    soft = tmp_path / "soft.jsonl"
    soft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "small"
    here("--soft-labels", soft, "--base", bert_base, "--epochs", 20, *LEARN, "--out", out)
    found = [answer.scores["POSITIVE"] for answer in package.load(out)(sentences("good", 20, seed=9))]
    assert abs(np.mean(found) - 0.75) < 0.1


@pytest.mark.slow
def test_debiasing_and_layers_go_with_soft_labels(teacher: Path, soft: Path, tmp_path: Path) -> None:
    arguments = ("--teacher", teacher, "--soft-labels", soft, "--epochs", 1, *LEARN)
    here(*arguments, "--layer-by-layer", "--debias", "names", "--out", tmp_path / "out")
    assert report(tmp_path / "out")["layer_by_layer"] is True

    from valence.cli.card import command

    command.main([str(tmp_path / "out")], standalone_mode=False)
    assert "Texts with a probability for each class: soft." in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ("--soft-labels {soft} --out {out}", InputError, "without --teacher, name the checkpoint .* with --base"),
        ("--soft-labels {soft} --base {base} --temperature 3 --out {out}", InputError, "--temperature goes with --t"),
        ("--soft-labels {soft} --base {base} --unlabelled {soft} --out {out}", InputError, "--unlabelled goes with"),
        ("--soft-labels {soft} --base {base} --layer-by-layer --out {out}", InputError, "--layer-by-layer goes with"),
        ("--soft-labels {soft} --base {base} --soft-weight 0 --out {out}", InputError, "leaves nothing to learn"),
        ("--soft-labels {soft} --base {base} --labels A,B --out {out}", DataError, "soft.jsonl, line 1: unknown class"),
        ("--soft-labels {absent} --base {base} --out {out}", DataError, "no such file or folder"),
        ("{train} --raw --teacher {base} --soft-labels {soft} --out {out}", InputError, "--soft-labels does not go"),
        ("{train} --soft-labels {train} --base {base} --out {out}", DataError, "soft labels are read from JSON Lines"),
        ("{train} {train} --soft-labels {soft} --base {base} --out {out}", InputError, "one labelled data set"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(
    arguments: str, error: type[Exception], message: str, soft: Path, bert_base: Path, train_tsv: Path, tmp_path: Path
) -> None:
    places = {"soft": soft, "base": bert_base, "train": train_tsv, "absent": tmp_path / "absent.jsonl"}
    with pytest.raises(error, match=message):
        here(*(word.format(out=tmp_path / "out", **places) for word in arguments.split()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"), [(("--out", "out"), "Missing argument"), (("texts", "--out", "out"), "Missing option")]
)
def test_something_to_learn_from_is_still_needed(arguments: tuple[str, ...], message: str) -> None:
    from click.testing import CliRunner

    from valence.cli.distill import command

    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert message in done.output
