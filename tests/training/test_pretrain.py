"""Pretraining and distilling from the command line: what comes out, what can be resumed, what is refused."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import run, steps_saved, stop_when, valence

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import valence as package  # noqa: E402
from valence.errors import InputError, MissingHeadError, TrainingError  # noqa: E402

pytest_plugins = ("training_fixtures",)

_ARGUMENTS = ("--batch-size", 8, "--max-length", 24, "--learning-rate", 3e-3, "--save-every", 7, "--epochs", 3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents in which each sentence says what the next one is about."""
    chance = random.Random(4)
    topics = (("film", "plot"), ("dog", "cute"), ("acting", "great"), ("hello", "this"))
    documents = []
    for _ in range(60):
        topic = chance.choice(topics)
        sentences = [
            f"{' '.join(chance.choices(topic, k=chance.randrange(2, 6)))} was {chance.choice(topic)}.".capitalize()
            for _ in range(chance.randrange(3, 9))
        ]
        documents.append(" ".join(sentences))
    path = tmp_path_factory.mktemp("corpus") / "articles.txt"
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


def here(name: str, *arguments: object) -> None:
    """Run a command in this process; errors come out as they are."""
    import importlib

    command = importlib.import_module(f"valence.cli.{name}").command
    command.main([str(argument) for argument in arguments], standalone_mode=False)


def report(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "reports" / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def raw(bert_base: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with both heads."""
    out = tmp_path_factory.mktemp("raw") / "bert"
    command = ("pretrain", corpus, "--base", bert_base, "--architecture", "bert", "--next-sentence", *_ARGUMENTS)
    result = run(valence(*command, "--epochs", 20, "--out", out))
    assert result.returncode == 0, result.stderr
    assert "on held-out data loss" in result.stderr
    assert "perplexity on held-out text" in result.stdout
    return out


@pytest.mark.slow
def test_it_learns_words_and_neighbours(raw: Path) -> None:
    found = report(raw, "pretraining.json")
    before, after = found["before"], found["after"]
    assert before["step"] == 0
    assert after["step"] == found["steps"]
    assert after["perplexity"] < before["perplexity"] / 2
    assert after["next_sentence_accuracy"] > 0.6
    curve = found["curve"]
    assert 20 <= len(curve) <= 200
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    assert [point["step"] for point in found["evaluations"]] == sorted({e["step"] for e in found["evaluations"]})
    assert len(found["evaluations"]) >= 5


@pytest.mark.slow
def test_transformers_loads_what_came_out(raw: Path) -> None:
    model, loading = transformers.BertForPreTraining.from_pretrained(raw, output_loading_info=True)
    assert {kind: sorted(names) for kind, names in loading.items() if names} == {}
    theirs = transformers.pipeline("fill-mask", model=str(raw), tokenizer=str(raw))("the [MASK] was good")
    ours = package.load_masked_lm(raw).fill("the [MASK] was good")
    assert [fill.token_id for fill in ours] == [answer["token"] for answer in theirs]
    assert model.config.architectures == ["BertForPreTraining"]


@pytest.mark.slow
def test_commands_use_what_came_out(raw: Path) -> None:
    filled = run(valence("fill-mask", "Film plot was [MASK].", "--model", raw, "--top-k", 2, "--json"))
    assert filled.returncode == 0, filled.stderr
    fills = json.loads(filled.stdout)
    assert [set(fill) for fill in fills] == [{"mask", "token", "token_id", "score", "text"}] * 2
    assert {fill["token"] for fill in fills} == {"film", "plot"}
    follows = run(valence("next-sentence", "Film was plot.", "Plot film was plot.", "--model", raw, "--json"))
    answer = json.loads(follows.stdout)
    assert set(answer) == {"is_next", "probability"}
    assert answer["is_next"] == (answer["probability"] >= 0.5)
    likely = run(valence("pseudo-log-likelihood", "film plot", "dog", "--model", raw, "--json"))
    expected = package.load_masked_lm(raw).pseudo_log_likelihood(["film plot", "dog"])
    assert [row["pseudo_log_likelihood"] for row in json.loads(likely.stdout)] == pytest.approx(expected, abs=1e-4)
    piped = run(valence("pseudo-log-likelihood", "--model", raw), input="film plot\ndog\n")
    assert [line.split("\t")[1] for line in piped.stdout.splitlines()] == ["film plot", "dog"]
    candidates = run(valence("fill-mask", "a [MASK] and a [MASK]", "--model", raw, "--candidates", "dog,film"))
    assert [line.split("\t")[0] for line in candidates.stdout.splitlines()] == ["0", "0", "1", "1"]


def same_weights(out: Path, expected: Path) -> None:
    assert (out / "model.safetensors").read_bytes() == (expected / "model.safetensors").read_bytes()
    assert not (out / "training_state").exists()


def interrupted_ends_like(command: list[object], expected: Path, out: Path, total: int) -> None:
    """Kill a run at a step drawn anew each time, ask it to stop later; then let it end."""
    resuming = valence(*command, "--out", out, "--resume")
    chance = random.Random()
    for how in (signal.SIGKILL, signal.SIGTERM):
        reached = steps_saved(out)
        goal = min(reached + chance.randrange(1, max(2, total // 4)), total - 8)
        code, said = stop_when(out, resuming, lambda g=goal: steps_saved(out) >= g, how)  # type: ignore[misc]
        assert code == (-signal.SIGKILL if how == signal.SIGKILL else 130), said
    last = run(resuming)
    assert last.returncode == 0, last.stderr
    same_weights(out, expected)


@pytest.mark.slow
def test_a_killed_pretraining_ends_in_the_same_weights(bert_base: Path, corpus: Path, tmp_path: Path) -> None:
    command = ["pretrain", corpus, "--base", bert_base, "--whole-words", *_ARGUMENTS, "--epochs", 20]
    whole = run(valence(*command, "--out", tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    found = report(tmp_path / "whole", "pretraining.json")
    interrupted_ends_like(command, tmp_path / "whole", tmp_path / "cut", found["steps"])
    again = report(tmp_path / "cut", "pretraining.json")
    for name in ("curve", "evaluations", "epochs_done", "weights_sha256"):
        assert again[name] == found[name], name


@pytest.mark.slow
def test_a_raw_model_is_distilled(raw: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    result = run(
        valence("distill", corpus, "--raw", "--teacher", raw, "--layers", 1, "--out", out, *_ARGUMENTS, "--epochs", 4)
    )
    assert result.returncode == 0, result.stderr
    found = report(out, "distillation.json")
    kept = found["kept"]
    assert kept["student"]["parameters"] < kept["teacher"]["parameters"]
    assert kept["share_kept"] == kept["student"]["figure"] / kept["teacher"]["figure"]
    assert "smaller" in result.stdout
    model, loading = transformers.DistilBertForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert {kind: sorted(names) for kind, names in loading.items() if names} == {}
    assert model.config.n_layers == 1
    assert len(package.load_masked_lm(out).fill("a [MASK]")) == 5
    with pytest.raises(MissingHeadError):
        package.load_next_sentence(out)


@pytest.mark.slow
def test_a_killed_raw_distillation_ends_in_the_same_weights(raw: Path, corpus: Path, tmp_path: Path) -> None:
    command = ["distill", corpus, "--raw", "--teacher", raw, "--hidden-size", 16, *_ARGUMENTS, "--epochs", 20]
    command += ["--soft-targets", "masked"]
    whole = run(valence(*command, "--out", tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    steps = report(tmp_path / "whole", "distillation.json")["steps"]
    interrupted_ends_like(command, tmp_path / "whole", tmp_path / "cut", steps)


@pytest.fixture(scope="module")
def teacher(bert_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("teacher") / "teacher"
    settings = ("--batch-size", 8, "--epochs", 3, "--learning-rate", 3e-3, "--precision", "fp32")
    here("train", train_tsv, "--eval", dev_tsv, "--base", bert_base, "--out", out, *settings)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--layer-by-layer",), ("--teacher-engine", "onnx")])
def test_a_classifier_is_distilled(
    teacher: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    out = tmp_path / "small"
    settings = ("--layers", 1, "--batch-size", 8, "--epochs", 3, "--learning-rate", 3e-3)
    here("distill", train_tsv, "--eval", dev_tsv, "--teacher", teacher, "--out", out, *settings, *more)
    found = report(out, "training.json")
    assert found["teacher_engine"] == ("onnx" if "onnx" in more else None)
    kept = found["kept"]
    assert "torch" in kept["teacher"]["engine"], "the two are compared in the same engine"
    assert "torch" in kept["student"]["engine"]
    assert kept["student"]["figure"] > 0.7
    assert kept["student"]["parameters"] < kept["teacher"]["parameters"]
    assert kept["smaller"] == 1 - kept["student"]["parameters"] / kept["teacher"]["parameters"]


@pytest.mark.slow
def test_a_killed_distillation_of_a_classifier_ends_in_the_same_weights(
    teacher: Path, train_tsv: Path, dev_tsv: Path, corpus: Path, tmp_path: Path
) -> None:
    more = ("--eval", dev_tsv, "--unlabelled", corpus, "--layer-by-layer", "--hidden-size", 16)
    settings = ("--batch-size", 8, "--epochs", 8, "--learning-rate", 4e-3, "--save-every", 7)
    command = ["distill", train_tsv, "--teacher", teacher, "--layers", 1, *more, *settings]
    whole = run(valence(*command, "--out", tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    found = report(tmp_path / "whole", "training.json")
    assert found["kept"]["student"]["figure"] > 0.6
    assert found["unlabelled"]["documents"] == 60
    assert f"{found['kept']['share_kept']:.1%} kept" in whole.stdout
    interrupted_ends_like(command, tmp_path / "whole", tmp_path / "cut", found["steps"])
    labels = [prediction.label for prediction in package.load(tmp_path / "cut")(["good film", "bad plot"])]
    assert set(labels) <= {"NEGATIVE", "POSITIVE"}


@pytest.mark.slow
def test_an_ensemble_teaches_its_mean(teacher: Path, train_tsv: Path, bert_base: Path, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load_file

    other = tmp_path / "other"
    here("train", train_tsv, "--base", bert_base, "--out", other, "--epochs", 1, "--seed", 3, "--batch-size", 8)
    out = tmp_path / "out"
    settings = ("--temperature", 3, "--batch-size", 8, "--epochs", 40, "--save-every", 5)
    command = valence("distill", train_tsv, "--teacher", teacher, "--teacher", other, "--out", out, *settings)
    stop_when(out, command, lambda: steps_saved(out) >= 5, signal.SIGKILL)
    found = load_file(out / "training_state" / "part-soft-targets-000000000.safetensors")["probabilities"]
    texts = [line.split("\t")[0] for line in train_tsv.read_text().splitlines()[1:]]
    logits = [package.load(folder, engine="torch").logits(texts) / 3 for folder in (teacher, other)]
    expected = np.mean([np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in logits], axis=0)
    assert np.abs(found - expected).max() < 1e-5


_PRETRAIN = "{corpus} --base {base} --out {out}"
_DISTILL = "{train} --teacher {teacher} --out {out}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("pretrain", "{corpus} --base default --out {out}", InputError, "engine without a checkpoint"),
        ("pretrain", f"{_PRETRAIN} --next-sentence", InputError, "needs --architecture bert"),
        ("pretrain", f"{_PRETRAIN} --max-length 100", InputError, "reads at most 64 tokens"),
        ("pretrain", "{one} --base {base} --out {out}", InputError, "there is one document only"),
        ("pretrain", "{corpus} --base {base} --out {base}", InputError, "exists and is not empty"),
        ("pretrain", f"{_PRETRAIN} --learning-rate 1e30 --batch-size 1 --warmup-steps 0", TrainingError, "no number"),
        ("distill", "{corpus} --raw --teacher {teacher} --out {out}", InputError, "needs a masked-LM head"),
        ("distill", f"{_DISTILL} --hidden-size 30 --heads 4", InputError, "30 cannot be shared among 4 heads"),
        ("distill", f"{_DISTILL} --soft-targets all", InputError, "--soft-targets goes with --raw"),
        ("distill", f"{_DISTILL} --raw --temperature 0", InputError, "--temperature does not go with --raw"),
        ("distill", "{train} --teacher default --out {out}", InputError, "name the student.s checkpoint with --base"),
        ("pretrain", "{blank} --base {base} --out {out} --eval {corpus}", InputError, "the text holds no words"),
        ("pretrain", "{corpus} --base {base} --out {out} --eval {blank}", InputError, "the held-out text holds no w"),
        ("pretrain", f"{_PRETRAIN} --architecture bert --next-sentence --max-length 8", InputError, "at least 16"),
        ("distill", f"{_DISTILL} --temperature 0", InputError, "temperature must lie above 0"),
        ("distill", "{train} --teacher {base} --out {out}", MissingHeadError, "no classifier"),
        ("distill", f"{{train}} {_DISTILL}", InputError, "one labelled data set"),
    ],
)
def test_what_cannot_be_done_is_refused(
    name: str,
    arguments: str,
    error: type[Exception],
    message: str,
    corpus: Path,
    bert_base: Path,
    teacher: Path,
    train_tsv: Path,
    tmp_path: Path,
) -> None:
    one = tmp_path / "one.txt"
    one.write_text("A film.\n")
    blank = tmp_path / "blank.txt"
    blank.write_text("\u200b\n\u200d\n", encoding="utf-8")
    places = {
        "corpus": corpus,
        "base": bert_base,
        "teacher": teacher,
        "train": train_tsv,
        "one": one,
        "blank": blank,
    }
    filled = [word.format(out=tmp_path / "out", **places) for word in arguments.split()]
    with pytest.raises(error, match=message):
        here(name, *filled)
    assert not (tmp_path / "out").exists() or error is TrainingError, "a run that could not start leaves nothing"
