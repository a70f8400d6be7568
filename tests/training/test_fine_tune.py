"""The folder that training makes: complete, readable elsewhere, and described in full."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from processes import run, train_here
from processes import valence as valence_command

torch = pytest.importorskip("torch")

import valence  # noqa: E402
from valence.errors import CheckpointError, InputError, TrainingError  # noqa: E402
from valence.files import sha256  # noqa: E402
from valence.folder import ModelFolder  # noqa: E402
from valence.training.state import RunState  # noqa: E402

pytest_plugins = ("training_fixtures",)

_TEXTS = ["good film", "this plot was bad, very bad", "", "my dog and the film"]


@pytest.fixture(scope="module")
def trained(bert_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "model"
    arguments = ("--batch-size", 8, "--epochs", 3, "--learning-rate", 3e-3, "--precision", "fp32")
    train_here(train_tsv, "--eval", dev_tsv, "--base", bert_base, "--out", out, *arguments)
    return out


def report(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "reports" / "training.json").read_text(encoding="utf-8"))
    return content


def check_with_transformers(folder: Path, texts: list[str] | list[tuple[str, str]]) -> None:
    """Compare with AutoModelForSequenceClassification, which must find every tensor and no other."""
    transformers = pytest.importorskip("transformers")
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    parts = zip(*texts, strict=True) if isinstance(texts[0], tuple) else [texts]
    batch = tokenizer(*map(list, parts), padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**batch).logits.numpy()
    for engine in ("onnx", "torch"):
        found = valence.load(folder, engine=engine).logits(texts)
        assert np.abs(found - expected).max() < 1e-5, engine
    assert tuple(model.config.id2label.values()) == ModelFolder(folder, str(folder)).labels


@pytest.mark.slow
def test_the_folder_is_complete(trained: Path) -> None:
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert files == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
        "onnx/model.onnx",
        "onnx/manifest.json",
        "reports/training.json",
    }


def test_transformers_loads_it_and_gives_the_same_logits(trained: Path) -> None:
    check_with_transformers(trained, _TEXTS)


def test_it_has_learnt_and_classifies_at_once(trained: Path) -> None:
    classifier = valence.load(trained)
    assert "onnx" in classifier.engine.name
    assert [prediction.label for prediction in classifier(["good film", "the plot was bad"])] == [
        "POSITIVE",
        "NEGATIVE",
    ]


def test_the_report_says_everything(trained: Path, bert_base: Path, train_tsv: Path, dev_tsv: Path) -> None:
    found = report(trained)
    expected = {
        "recipe": "small",
        "learning_rate": 3e-3,
        "epochs": 3,
        "batch_size": 8,
        "max_length": 64,  # the recipe's 128, and the base has 64 positions
        "warmup_steps": None,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "gradient_clip": 1.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "precision": "fp32",
        "keep": "best",
        "processes": 1,
        "architecture": "distilbert",
        "seed": 42,
        "labels": ["NEGATIVE", "POSITIVE"],
        "base": "tiny-bert",
        "base_sha256": sha256(bert_base / "model.safetensors"),
        "weights_sha256": sha256(trained / "model.safetensors"),
        "steps": 57,
        "initialised": ["classifier.bias", "classifier.weight", "pre_classifier.bias", "pre_classifier.weight"],
    }
    assert {name: found[name] for name in expected} == expected
    for name, path, rows in (("train", train_tsv, 150), ("evaluation", dev_tsv, 40)):
        described = found[name]
        assert isinstance(described, dict)
        assert described["sha256"] == sha256(path)
        assert described["examples"] == rows
    epochs = found["epochs_done"]
    assert isinstance(epochs, list)
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3]
    best = max(epochs, key=lambda entry: (entry["accuracy"], -entry["loss"]))
    assert found["kept_epoch"] == best["epoch"]
    assert found["chosen_on"] == found["evaluation"]["name"]  # type: ignore[index]
    assert found["examples_per_second"] == pytest.approx(450 / found["seconds"], rel=0.2)  # type: ignore[operator]
    assert {"valence", "torch", "accelerate", "tokenizers"} <= found["versions"].keys()  # type: ignore[union-attr]
    assert {"device", "threads", "processors", "python"} <= found["machine"].keys()  # type: ignore[union-attr]
    evaluated = valence.load(trained, engine="torch").logits(
        [line.split("\t")[0] for line in dev_tsv.read_text().splitlines()[1:]]
    )
    labels = [int(line.split("\t")[1]) for line in dev_tsv.read_text().splitlines()[1:]]
    assert (evaluated.argmax(axis=1) == labels).mean() == pytest.approx(best["accuracy"])


def test_nothing_in_the_folder_tells_where_it_was_made(trained: Path, bert_base: Path, train_tsv: Path) -> None:
    for path in trained.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        for place in (str(trained.parent), str(bert_base.parent), str(train_tsv.parent), str(Path.home())):
            assert place not in text, f"{path.name}: {place}"


@pytest.mark.slow
def test_a_base_of_any_spelling_is_named_without_its_path(
    bert_base: Path, train_tsv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bert_base)
    train_here(train_tsv, "--base", ".", "--out", tmp_path / "a", "--epochs", 1, "--batch-size", 150)
    dotted = f"{bert_base}/../{bert_base.name}/"
    train_here(train_tsv, "--base", dotted, "--out", tmp_path / "b", "--epochs", 1, "--batch-size", 150)
    assert report(tmp_path / "a")["base"] == report(tmp_path / "b")["base"] == "tiny-bert"


@pytest.mark.slow
def test_several_classes(bert_base: Path, tmp_path: Path) -> None:
    data = tmp_path / "topics.csv"
    words = {"Animals": "cute dog", "Film": "film acting", "Greeting": "hello my", "Story": "plot"}
    data.write_text("text,topic\n" + "".join(f"this {text} was,{topic}\n" for topic, text in words.items()) * 12)
    out = tmp_path / "model"
    settings = ("--label-column", "topic", "--epochs", 10, "--batch-size", 8, "--learning-rate", 3e-3, "--keep", "last")
    train_here(data, "--base", bert_base, "--out", out, *settings)
    assert report(out)["labels"] == sorted(words)
    assert report(out)["kept_epoch"] == 10
    assert report(out)["chosen_on"] is None
    classifier = valence.load(out)
    assert {classifier(f"this {text} was").label for text in words.values()} == set(words)
    check_with_transformers(out, _TEXTS)


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_pairs(bert_base: Path, tmp_path: Path, architecture: str) -> None:
    data = tmp_path / "pairs.jsonl"
    rows = [("good film", "great film", "same"), ("good film", "bad plot", "other"), ("my dog", "the dog", "same")]
    keys = ("sentence1", "sentence2", "label")
    data.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows * 8))
    out = tmp_path / "model"
    train_here(
        data, "--base", bert_base, "--out", out, "--architecture", architecture, "--epochs", 1, "--batch-size", 8
    )
    found = report(out)
    assert found["architecture"] == architecture
    assert json.loads((out / "config.json").read_text())["model_type"] == architecture
    expected = ["classifier.bias", "classifier.weight"]
    pooled = [f"bert.pooler.dense.{part}" for part in ("bias", "weight")]  # the masked-LM base has no pooler
    other = [f"pre_classifier.{part}" for part in ("bias", "weight")]
    initialised = found["initialised"]
    assert isinstance(initialised, list)
    assert len(initialised) == 4
    assert set(expected) <= set(initialised)
    assert {name.removeprefix("bert.") for name in initialised} - set(expected) == {
        name.removeprefix("bert.") for name in (pooled if architecture == "bert" else other)
    }
    if architecture == "bert":
        check_with_transformers(out, [("good film", "bad plot"), ("my dog", "the dog, the dog")])


def test_what_the_base_lacks_and_what_is_left_out_is_said(
    bert_base: Path, train_tsv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_here(train_tsv, "--base", bert_base, "--out", tmp_path / "model", "--epochs", 1, "--batch-size", 50)
    said = capsys.readouterr().err
    assert "left out of the base (another task's head): cls.predictions" in said
    assert "not in the base, so initialised: classifier.bias, classifier.weight, pre_classifier" in said
    assert "150 examples, 2 classes (NEGATIVE, POSITIVE), recipe small: 3 steps" in said


def test_a_classifier_can_be_trained_further(
    trained: Path, train_tsv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    train_here(train_tsv, "--base", trained, "--out", out, "--epochs", 1, "--batch-size", 50, "--learning-rate", 1e-9)
    said = capsys.readouterr().err
    assert "initialised" not in said
    assert "left out" not in said
    before, after = (valence.load(folder).logits(_TEXTS) for folder in (trained, out))
    assert np.abs(before - after).max() < 1e-4


def test_a_distilbert_cannot_start_a_bert(trained: Path, train_tsv: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot start a BERT"):
        train_here(train_tsv, "--base", trained, "--out", tmp_path / "model", "--architecture", "bert")


def test_a_warm_up_longer_than_the_run_is_warned_of(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    arguments = ("--epochs", 1, "--batch-size", 50, "--recipe", "sst2")
    with pytest.warns(UserWarning, match="the warm-up takes 600 steps and the whole run 3: .*lower --warmup-steps"):
        train_here(train_tsv, "--base", bert_base, "--out", tmp_path / "model", *arguments)


def test_every_value_can_be_overridden(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    values = {
        "epochs": 1,
        "learning_rate": 2e-4,
        "batch_size": 30,
        "warmup_steps": 2,
        "max_length": 16,
        "weight_decay": 0.01,
        "precision": "fp32",
        "keep": "last",
        "seed": 7,
    }
    options = [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", value)]
    train_here(train_tsv, "--base", bert_base, "--out", tmp_path / "model", "--recipe", "sst2", *options)
    found = report(tmp_path / "model")
    assert {name: found[name] for name in values} == values
    assert found["recipe"] == "sst2"


def test_json_is_the_report(
    bert_base: Path, train_tsv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    train_here(train_tsv, "--base", bert_base, "--out", out, "--epochs", 1, "--batch-size", 150, "--json")
    assert json.loads(capsys.readouterr().out) == report(out)


def test_a_folder_of_train_and_dev_is_read_as_one(
    bert_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path
) -> None:
    assert dev_tsv.parent == train_tsv.parent
    train_here(train_tsv.parent, "--base", bert_base, "--out", tmp_path / "model", "--epochs", 1, "--batch-size", 150)
    assert report(tmp_path / "model")["evaluation"]["examples"] == 40  # type: ignore[index]


@pytest.mark.slow
def test_tensorboard_logs(bert_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out, logs = tmp_path / "model", tmp_path / "model" / "logs"  # inside the folder to make: that must work, too
    arguments = ("--epochs", 2, "--batch-size", 50, "--learning-rate", 1e-3, "--tensorboard", logs)
    train_here(train_tsv, "--eval", dev_tsv, "--base", bert_base, "--out", out, *arguments)
    events = EventAccumulator(str(logs))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == pytest.approx([0.0, 1e-3, 8e-4, 6e-4, 4e-4, 2e-4], rel=1e-5)
    assert len(events.Scalars("epoch/accuracy")) == 2


@pytest.mark.slow
def test_an_unfinished_start_is_no_obstacle(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    """Killed before the run was written down, a run can be started again, with or without --resume."""
    for number, more in enumerate(((), ("--resume",))):
        out = tmp_path / str(number)
        (out / "training_state").mkdir(parents=True)
        (out / "training_state" / ".run.json.abc").write_text("{")
        train_here(train_tsv, "--base", bert_base, "--out", out, "--epochs", 1, "--batch-size", 150, *more)
        assert (out / "model.safetensors").is_file()
        shutil.rmtree(out)


def test_a_run_that_cannot_start_leaves_the_folder_free(
    bert_base: Path, trained: Path, train_tsv: Path, tmp_path: Path
):
    out = tmp_path / "model"
    arguments = (train_tsv, "--out", out, "--epochs", 1, "--precision", "fp32")
    with pytest.raises(CheckpointError, match="cannot start a BERT"):
        train_here(*arguments, "--base", trained, "--architecture", "bert")
    assert not out.exists()
    train_here(*arguments, "--base", bert_base, "--architecture", "bert")
    assert (out / "config.json").is_file()


@pytest.mark.slow
def test_a_run_that_failed_before_its_first_state_can_be_begun_anew(bert_base: Path, train_tsv: Path, tmp_path: Path):
    out = tmp_path / "model"
    arguments = (train_tsv, "--base", bert_base, "--out", out, "--epochs", 1, "--precision", "fp32")
    with pytest.raises(TrainingError, match="nothing was saved yet"):
        train_here(*arguments, "--learning-rate", 1e30, "--warmup-steps", 0)
    train_here(*arguments)
    assert (out / "config.json").is_file()
    assert not (out / "training_state").exists()


@pytest.mark.slow
def test_two_processes_do_not_train_into_one_folder(bert_base: Path, train_tsv: Path, tmp_path: Path):
    out = tmp_path / "model"
    arguments = (train_tsv, "--base", bert_base, "--out", out, "--epochs", 1)
    with RunState(out / "training_state").locked():
        done = run(valence_command("train", *arguments))
    assert done.returncode == 1
    assert "another process is training into this folder" in done.stderr
    assert run(valence_command("train", *arguments)).returncode == 0


@pytest.mark.parametrize(
    ("base", "more", "message"),
    [("default", (), "an engine without a checkpoint"), (None, ("--max-length", 65), "reads at most 64 tokens")],
)
def test_refused_before_anything_is_written(bert_base: Path, train_tsv: Path, tmp_path: Path, base, more, message):
    with pytest.raises(InputError, match=message):
        train_here(train_tsv, "--base", base or bert_base, "--out", tmp_path / "model", *more)
    assert not (tmp_path / "model").exists()
