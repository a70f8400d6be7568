"""A family of one's own is added by a record: its models are trained, exported, run and described like any other."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from valence.errors import InputError
from valence.families import FAMILIES, ConfigKey, Family, Head, family_of, register_family
from valence.folder import ModelFolder

_TOY = Family(
    name="toy",
    title="ToyFormer",
    class_name="Toy",
    paper="https://example.org/toy",
    citation="@misc{toy2026, title = {Toys for Texts}}",
    keys=(
        ConfigKey("words", "vocab_size"),
        ConfigKey("max_position_embeddings", "max_positions"),
        ConfigKey("width", "hidden_size"),
        ConfigKey("depth", "n_layers"),
        ConfigKey("heads", "n_heads"),
        ConfigKey("inner", "intermediate_size"),
        ConfigKey("pad_token_id", "pad_token_id", 0),
        ConfigKey("spread", "initializer_range", 0.2),
    ),
    fixed={
        "n_token_types": 0,
        "activation": "relu",
        "dropout": 0.1,
        "attention_dropout": 0.0,
        "attention_output_dropout": 0.0,
        "classifier_dropout": 0.0,
        "layer_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    },
    required={"flavour": "plain"},
    embeddings=(
        ("embeddings.words.weight", "embeddings.w"),
        ("embeddings.positions.weight", "embeddings.p"),
        ("embeddings.norm.weight", "embeddings.n.weight"),
        ("embeddings.norm.bias", "embeddings.n.bias"),
    ),
    layer=(
        ("layers.{}.attention.query", "encoder.layer.{}.q"),
        ("layers.{}.attention.key", "encoder.layer.{}.k"),
        ("layers.{}.attention.value", "encoder.layer.{}.v"),
        ("layers.{}.attention.output", "encoder.layer.{}.o"),
        ("layers.{}.attention_norm", "encoder.layer.{}.n1"),
        ("layers.{}.feed_forward.up", "encoder.layer.{}.up"),
        ("layers.{}.feed_forward.down", "encoder.layer.{}.down"),
        ("layers.{}.feed_forward_norm", "encoder.layer.{}.n2"),
    ),
    heads={
        "classification": Head(
            (
                ("transform.weight", "summary.weight"),
                ("transform.bias", "summary.bias"),
                ("classifier.weight", "output.weight"),
                ("classifier.bias", "output.bias"),
            ),
            activation="gelu",
        )
    },
    tokenizing=FAMILIES["bert"].tokenizing,
)


@pytest.fixture
def toy() -> Iterator[Family]:
    register_family(_TOY)
    yield _TOY
    del FAMILIES["toy"]


@pytest.fixture
def base(toy: Family, tmp_path: Path, vocabulary: Path) -> Path:
    """Weights as somebody else's program would write them."""
    pytest.importorskip("torch")
    import torch
    from safetensors.torch import save_file

    folder, width = tmp_path / "base", 32
    folder.mkdir()
    vocabulary_size = len(vocabulary.read_text().splitlines())
    sizes = {"words": vocabulary_size, "width": width, "depth": 2, "heads": 4, "inner": 48}
    config = {"model_type": "toy", "max_position_embeddings": 40, "flavour": "plain", **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    shapes: dict[str, tuple[int, ...]] = {"embeddings.w": (vocabulary_size, width), "embeddings.p": (40, width)}
    shapes |= {"embeddings.n.weight": (width,), "embeddings.n.bias": (width,)}
    for layer in range(2):
        for _, name in _TOY.layer:
            module = name.format(layer)
            out, into = {"up": (48, width), "down": (width, 48)}.get(module.rpartition(".")[2], (width, width))
            shapes[f"{module}.weight"] = (width,) if ".n" in module else (out, into)
            shapes[f"{module}.bias"] = (out,)
    generator = torch.Generator().manual_seed(5)
    tensors = {f"toy.{name}": torch.randn(shape, generator=generator) * 0.2 for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.slow
def test_it_is_trained_exported_run_and_described(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import valence
    from valence.cli import cli

    data, out = tmp_path / "train.csv", tmp_path / "model"
    data.write_text("text,label\n" + "a good film,good\na bad film,bad\n" * 40)
    settings = ["--epochs", "6", "--batch-size", "8", "--learning-rate", "3e-3"]
    cli.main(["train", str(data), "--base", str(base), "--out", str(out), *settings], standalone_mode=False)
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["ToyForSequenceClassification"]
    assert {"model_type": "toy", "width": 32, "depth": 2}.items() <= config.items()
    cli.main(["export", str(out), "--precision", "int8", "--allow-disagreement"], standalone_mode=False)
    expected = valence.load(out, engine="torch")
    assert expected("this film is good").label == "good"
    found = valence.load(out, engine="onnx").logits(["this film is good", "bad film"])
    assert np.abs(found - expected.logits(["this film is good", "bad film"])).max() < 0.5
    capsys.readouterr()
    cli.main(["info", str(out)], standalone_mode=False)
    assert "ToyFormer, layers 2, width 32, heads 4" in capsys.readouterr().out
    cli.main(["card", str(out)], standalone_mode=False)
    card = (out / "README.md").read_text()
    assert "ToyFormer" in card
    assert "Toys for Texts" in card


def test_what_its_record_requires_is_checked(base: Path) -> None:
    from valence.checkpoint.config import encoder_config
    from valence.errors import ConfigError

    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"flavour": "sour"}))
    with pytest.raises(ConfigError, match="flavour must be \"plain\", found 'sour'"):
        encoder_config(ModelFolder(base, "toy"))
    (base / "config.json").write_text(json.dumps({name: value for name, value in config.items() if name != "depth"}))
    with pytest.raises(ConfigError, match="keys that a toy config needs are missing: depth"):
        encoder_config(ModelFolder(base, "toy"))


def test_a_head_that_it_lacks_is_named(base: Path) -> None:
    from valence.checkpoint.checkpoint import load_model
    from valence.errors import MissingHeadError

    for task, message in (("masked-lm", "a ToyFormer has no masked-LM head"), ("next-sentence", "no next-sentence")):
        with pytest.raises(MissingHeadError, match=message):
            load_model(ModelFolder(base, "toy"), task)  # type: ignore[arg-type]


def test_a_record_of_no_use_is_refused(toy: Family) -> None:
    with pytest.raises(InputError, match="there is a family 'toy' already"):
        register_family(toy)
    with pytest.raises(InputError, match="the family 'headless' has no head for classification"):
        register_family(dataclasses.replace(toy, name="headless", heads={}))
    assert family_of("headless") is None
    bert = FAMILIES["bert"]
    classifier = bert.heads["classification"]
    for change, message in (
        ({"keys": bert.keys[1:]}, "no key gives vocab_size"),
        ({"same": {"dropout": "nope"}}, "a field is like nope, which no key gives"),
        ({"heads": {**bert.heads, "fortune": classifier}}, "there is no task fortune"),
        ({"heads": {"classification": dataclasses.replace(classifier, activation="swish")}}, "activation 'swish'"),
        (
            {"heads": {"classification": Head((*classifier.tensors, classifier.tensors[0]))}},
            "pooler.dense.weight twice",
        ),
        ({"layer": (*bert.layer, ("more", "more"))}, "more is a tensor of every layer and has no {}"),
        ({"embeddings": (*bert.embeddings, bert.embeddings[0])}, "embeddings.words.weight is named twice"),
        ({"becomes": "nobody"}, "it becomes 'nobody', which is no family"),
        ({"tokenizing": dataclasses.replace(bert.tokenizing, model="Unigram")}, "the tokenizer's model is 'Unigram'"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            register_family(dataclasses.replace(bert, name="other", **change))
    assert family_of(["toy"]) is None
    with pytest.raises(InputError, match="a family is a Family with a name, found 'bert'"):
        register_family("bert")  # type: ignore[arg-type]


def test_a_record_without_a_tensor_that_the_network_has_is_named(base: Path) -> None:
    from valence.checkpoint.checkpoint import load_base
    from valence.errors import ConfigError

    FAMILIES["toy"] = dataclasses.replace(_TOY, layer=_TOY.layer[1:])
    with pytest.raises(ConfigError, match="the record of the family 'toy' names no tensor for encoder"):
        load_base(ModelFolder(base, "toy"), "toy", ("a", "b"), 0)
