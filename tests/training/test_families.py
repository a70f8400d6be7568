"""Every family is fine-tuned, resumed, distilled and frozen alike, and what comes out is what `transformers` reads."""

import json
import signal
from pathlib import Path

import click
import numpy as np
import pytest
from processes import train_here

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

import valence  # noqa: E402
from family_models import make_family_model  # noqa: E402
from valence.cli.training_monitor import TrainingMonitor  # noqa: E402
from valence.families import FAMILIES  # noqa: E402

pytest_plugins = ("training_fixtures",)

_TEXTS = ["good film", "this plot was very bad, and my dog is cute", "a good dog"]
_SETTINGS = ("--epochs", 6, "--batch-size", 8, "--learning-rate", 3e-3)
_NEW = [name for name in FAMILIES if name not in ("distilbert", "bert")]


def train(data: Path, base: Path, out: Path, *more: object) -> None:
    train_here(data, "--base", base, "--out", out, *_SETTINGS, *more)


def interrupted_after(monkeypatch: pytest.MonkeyPatch, step: int, *arguments: object) -> None:
    """Train until an interrupt comes at a step."""

    def interrupt(monitor: TrainingMonitor, done: int, *_: object) -> None:
        if done == step:
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingMonitor, "on_step", interrupt)
        with pytest.raises(click.exceptions.Abort):
            train(*arguments)


def check_with_transformers(folder: Path, texts: list) -> None:
    """Logits, from the text on, are those of `transformers`."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    single = isinstance(texts[0], str)
    inputs = tokenizer(*([texts] if single else map(list, zip(*texts, strict=True))), padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).logits.numpy()
    for engine in ("torch", "onnx"):
        assert np.abs(valence.load(folder, engine=engine).logits(texts) - expected).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("architecture", _NEW)
def test_fine_tuning_learns_and_resumes_to_the_same_weights(architecture, train_tsv, dev_tsv, tmp_path, monkeypatch):
    base = make_family_model(tmp_path / "base", architecture, "masked-lm").path
    train(train_tsv, base, tmp_path / "whole", "--eval", dev_tsv)
    interrupted_after(monkeypatch, 30, train_tsv, base, tmp_path / "parts", "--eval", dev_tsv)
    train(train_tsv, base, tmp_path / "parts", "--eval", dev_tsv, "--resume")
    whole, parts = (folder / "model.safetensors" for folder in (tmp_path / "whole", tmp_path / "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    report = json.loads((tmp_path / "whole" / "reports" / "training.json").read_text())
    assert report["architecture"] == architecture
    assert report["epochs_done"][-1]["accuracy"] > 0.8  # of labels that one word decides
    assert "freeze" not in report
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["model_type"] == architecture
    check_with_transformers(tmp_path / "whole", _TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [*_NEW, "distilbert"])
def test_frozen_embeddings_stay_and_the_rest_moves(architecture, train_tsv, tmp_path, monkeypatch):
    base = make_family_model(tmp_path / "base", architecture, "masked-lm").path
    frozen = ("--freeze", "embeddings", "--epochs", 1)
    train(train_tsv, base, tmp_path / "whole", *frozen)
    interrupted_after(monkeypatch, 9, train_tsv, base, tmp_path / "parts", *frozen)
    with pytest.raises(valence.ValenceError, match="freeze"):
        train(train_tsv, base, tmp_path / "parts", "--epochs", 1, "--resume")  # another run
    train(train_tsv, base, tmp_path / "parts", *frozen, "--resume")
    before, whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "whole", "parts"))
    words = f"{architecture}.embeddings.word_embeddings.weight"
    assert torch.equal(before[words], whole[words])
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    same = {name for name in before.keys() & whole.keys() if torch.equal(before[name], whole[name])}
    assert same == {words}
    report = json.loads((tmp_path / "whole" / "reports" / "training.json").read_text())
    assert report["freeze"] == "embeddings"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", _NEW)
def test_pairs_are_marked_as_the_family_does(architecture, tmp_path):
    folder = make_family_model(tmp_path / "model", architecture)
    from valence.runtime.export.export import export_model

    export_model(folder)
    check_with_transformers(folder.path, [("good film", "bad plot"), ("my dog", "the dog, the cute dog")])


@pytest.mark.slow
@pytest.mark.parametrize(("teacher", "student"), [("mpnet", "distilbert"), ("roberta", "electra"), ("bert", "roberta")])
def test_teacher_and_student_each_read_the_text_their_way(teacher, student, train_tsv, dev_tsv, tmp_path):
    from valence.cli.distill import command

    base = make_family_model(tmp_path / "teacher-base", teacher, "masked-lm").path
    train(train_tsv, base, tmp_path / "teacher", "--architecture", teacher)
    base = make_family_model(tmp_path / "student-base", student, "masked-lm").path
    out = tmp_path / "student"
    arguments = (train_tsv, "--teacher", tmp_path / "teacher", "--base", base, "--eval", dev_tsv, "--out", out)
    command.main([str(argument) for argument in (*arguments, *_SETTINGS)], standalone_mode=False)
    report = json.loads((out / "reports" / "training.json").read_text())
    assert report["architecture"] == student
    assert report["epochs_done"][-1]["accuracy"] > 0.8
    check_with_transformers(out, _TEXTS)


@pytest.mark.parametrize("architecture", _NEW)
def test_no_family_starts_another_but_a_bert_a_distilbert(architecture, train_tsv, tmp_path):
    base = make_family_model(tmp_path / "base", architecture).path
    title = FAMILIES[architecture].title
    with pytest.raises(valence.ValenceError, match=f"a {title} checkpoint cannot start a DistilBERT"):
        train(train_tsv, base, tmp_path / "out", "--architecture", "distilbert")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(
        "".join(f"the {one} film was {two} and the plot is {one}\n" for one in "abc" for two in "defg") * 12
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("architecture", _NEW)
def test_a_raw_model_is_pretrained_and_distilled(architecture, corpus, tmp_path, monkeypatch):
    from valence.cli.distill import command as distil
    from valence.cli.pretrain import command as pretrain

    base = make_family_model(tmp_path / "base", architecture, "masked-lm").path
    settings = ("--epochs", 8, "--batch-size", 8, "--learning-rate", 3e-3, "--whole-words")
    for command, arguments, out in (
        (pretrain, (corpus, "--base", base), tmp_path / "raw"),
        (distil, (corpus, "--raw", "--teacher", tmp_path / "raw", "--layers", 1), tmp_path / "smaller"),
    ):
        command.main([str(one) for one in (*arguments, "--out", out, *settings)], standalone_mode=False)
        evaluations = json.loads(next((out / "reports").glob("*.json")).read_text())["evaluations"]
        if command is pretrain:
            assert evaluations[-1]["loss"] < 0.8 * evaluations[0]["loss"]
        theirs = transformers.AutoModelForMaskedLM.from_pretrained(out).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(out)
        sentences = ["the a film was d", f"the film {tokenizer.mask_token} g"]
        inputs = tokenizer(sentences, padding=True, return_tensors="pt")
        with torch.inference_mode():
            expected = theirs(**inputs).logits
        filler = valence.load_masked_lm(out)
        fills = filler.fill(f"the film {tokenizer.mask_token} g", top_k=3)
        place = int((inputs["input_ids"][1] == tokenizer.mask_token_id).nonzero())
        scores = expected[1, place].softmax(-1)
        for fill in fills:
            assert fill.score == pytest.approx(float(scores[fill.token_id]), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [*_NEW, "bert"])
def test_layers_are_matched_where_the_network_stays_what_it_is(architecture, tmp_path):
    from valence.cli.distill import command

    data = tmp_path / "pairs.jsonl"
    rows = [("good film", "great film", "same"), ("good film", "bad plot", "other"), ("my dog", "the dog", "same")]
    keys = ("sentence1", "sentence2", "label")
    data.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows * 8))
    teacher = make_family_model(tmp_path / "teacher", architecture, labels=("other", "same")).path
    arguments = (data, "--teacher", teacher, "--layer-by-layer", "--layers", 1, "--out", tmp_path / "out")
    settings = ("--epochs", 1, "--batch-size", 8)
    run = [str(one) for one in (*arguments, *settings)]
    if architecture == "bert":
        with pytest.raises(
            valence.ValenceError, match="a BERT is matched as a DistilBERT, which cannot tell the texts"
        ):
            command.main(run, standalone_mode=False)
        return
    command.main(run, standalone_mode=False)
    check_with_transformers(tmp_path / "out", [("good film", "bad plot"), ("my dog", "the dog, the cute dog")])


@pytest.mark.slow
def test_fresh_embeddings_are_not_frozen(train_tsv, tmp_path):
    from valence.cli.distill import command

    teacher = make_family_model(tmp_path / "teacher", "mpnet").path
    arguments = (
        train_tsv,
        "--teacher",
        teacher,
        "--hidden-size",
        16,
        "--freeze",
        "embeddings",
        "--out",
        tmp_path / "o",
    )
    with pytest.raises(valence.ValenceError, match="16 wide starts with fresh embeddings, as its base is 32 wide"):
        command.main([str(one) for one in arguments], standalone_mode=False)


@pytest.mark.slow
def test_types_of_another_tokenizer_reach_every_engine(tmp_path):
    """A RoBERTa that was trained with BERT's tokenizer, whose pairs have token types."""
    from valence.runtime.export.export import export_model
    from valence.runtime.export.sample import Sample

    folder = make_family_model(tmp_path / "model", "roberta", n_token_types=2)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"):
        (folder.path / file).unlink(missing_ok=True)
    names = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
    (folder.path / "vocab.txt").write_text("".join(f"{name}\n" for name in names))
    (folder.path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    export_model(folder)
    pairs = [("good film", "bad film"), ("film", "good")]
    check_with_transformers(folder.path, pairs)
    export_model(folder, "int8", Sample(["good film", "bad"]), allow_disagreement=True)
    expected = valence.load(folder.path, engine="torch").logits(pairs)
    swapped = valence.load(folder.path, engine="torch").logits([(" ".join(pair), "") for pair in pairs])
    found = valence.load(folder.path, engine="onnx").logits(pairs)
    assert np.abs(found - expected).max() < 0.3 * np.abs(swapped - expected).max()
