"""A checkpoint that cannot be used ends in one error of ours that says everything."""

import json
import os
import pickle
import struct

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from reference import HEADS, build, build_config, save
from valence.checkpoint.checkpoint import load_base, load_model
from valence.errors import CheckpointError, ConfigError, MissingHeadError, ModelError, ModelNotFoundError
from valence.folder import ModelFolder


@pytest.fixture
def folder(tmp_path):
    """A DistilBERT classifier to spoil."""
    return save(build(HEADS["distilbert", "classification"], build_config("distilbert")), tmp_path / "model")


def edit_config(folder, **changes):
    content = json.loads((folder.path / "config.json").read_text()) | changes
    content = {key: value for key, value in content.items() if value != "REMOVE"}
    (folder.path / "config.json").write_text(json.dumps(content))


def edit_tensors(folder, remove=(), **add):
    tensors = load_file(folder.path / "model.safetensors")
    for name in remove:
        del tensors[name]
    tensors |= {name.replace("__", "."): tensor for name, tensor in add.items()}
    save_file(tensors, folder.path / "model.safetensors")


def refusal(path, error, task="classification"):
    """The message of the error that loading ends in; the very class is checked."""
    with pytest.raises(ModelError) as caught:
        load_model(ModelFolder(path, "the-model"), task)
    assert type(caught.value) is error
    return str(caught.value)


def test_every_misfit_is_named_at_once(folder):
    edit_tensors(
        folder,
        remove=["distilbert.transformer.layer.1.ffn.lin1.weight", "pre_classifier.bias"],
        distilbert__transformer__layer__0__attention__q_lin__weight=torch.zeros(36, 35),
        classifier__weight=torch.zeros(2, 36, dtype=torch.int32),
        distilbert__transformer__layer__2__ffn__lin1__bias=torch.zeros(20),
        adapter__weight=torch.zeros(3),
        classifier__scale=torch.zeros(2),
    )
    message = refusal(folder.path, CheckpointError)
    for line in (
        "missing: transformer.layer.1.ffn.lin1.weight [20, 36]",
        "missing: pre_classifier.bias [36]",
        "wrong shape: transformer.layer.0.attention.q_lin.weight is [36, 35], expected [36, 36]",
        "wrong type: classifier.weight is torch.int32",
        "unexpected: transformer.layer.2.ffn.lin1.bias [20]",
        "unexpected: adapter.weight [3]",
        "unexpected: classifier.scale [2]",
    ):
        assert line in message
    assert len(message.splitlines()) == 8
    assert str(folder.path) in message


@pytest.mark.parametrize("head", HEADS, ids="-".join)
@pytest.mark.slow
def test_each_missing_tensor_of_each_head_is_noticed(head, tmp_path):
    folder = save(build(HEADS[head], build_config(head[0])), tmp_path)
    whole = load_file(folder.path / "model.safetensors")
    for name in whole:
        save_file({other: t for other, t in whole.items() if other != name}, folder.path / "model.safetensors")
        with pytest.raises(CheckpointError, match="missing: ") as caught:
            load_model(folder, head[1])
        assert name.removeprefix(head[0] + ".") in str(caught.value)


@pytest.mark.parametrize("shape", [(), (0, 36), (3,), (2, 36, 1)])
def test_a_classifier_of_a_strange_shape(folder, shape):
    edit_tensors(folder, classifier__weight=torch.zeros(shape))
    assert "wrong shape: classifier.weight" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.complex64])
def test_quantised_weights_are_not_taken_for_plain_ones(folder, dtype):
    edit_tensors(folder, classifier__bias=torch.zeros(2).to(dtype))
    assert f"wrong type: classifier.bias is {dtype}" in refusal(folder.path, CheckpointError)


def test_labels_and_rows_that_differ(folder):
    edit_config(folder, id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2})
    edit_tensors(folder, remove=["pre_classifier.bias"])
    message = refusal(folder.path, CheckpointError)
    assert "names 3 labels, the classifier has 2 rows" in message
    assert "missing: pre_classifier.bias" in message


def test_a_number_of_labels_that_differs(folder):
    edit_config(folder, id2label=None, num_labels=4)
    assert "names 4 labels, the classifier has 2 rows" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize("twin", [torch.zeros(36), torch.zeros(36, dtype=torch.float16), torch.zeros(3)])
def test_two_tensors_under_one_name(folder, twin):
    edit_tensors(folder, embeddings__LayerNorm__gamma=twin)
    assert "embeddings.LayerNorm.weight" in refusal(folder.path, CheckpointError)


def test_a_tied_projection_that_differs(tmp_path):
    folder = save(build(HEADS["distilbert", "masked-lm"], build_config("distilbert")), tmp_path)
    edit_tensors(folder, vocab_projector__weight=torch.zeros(53, 36))
    assert "vocab_projector.weight differs" in refusal(folder.path, CheckpointError, "masked-lm")


@pytest.mark.parametrize("name", ["xlnet", None, "", 3, ["bert"], {}])
def test_unknown_architecture(folder, name):
    edit_config(folder, model_type=name)
    message = refusal(folder.path, ConfigError)
    assert repr(name) in message
    assert "distilbert, bert" in message


@pytest.mark.parametrize("gone", ["REMOVE", None])
def test_every_missing_key_is_named(folder, gone):
    keys = ("dim", "hidden_dim", "max_position_embeddings", "n_heads", "n_layers", "vocab_size")
    edit_config(folder, **dict.fromkeys(keys, gone))
    assert ", ".join(keys) in refusal(folder.path, ConfigError)


def test_every_unusable_value_is_named(folder):
    edit_config(folder, dim="36", n_layers=2.0, n_heads=True, dropout="0.1", activation=7, tie_word_embeddings=1)
    message = refusal(folder.path, ConfigError)
    for key in ("dim", "n_layers", "n_heads", "dropout", "activation", "tie_word_embeddings"):
        assert f"{key} must be" in message


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
@pytest.mark.parametrize("value", ["x", -1, 10**30, 10**400, 1e308, float("nan"), float("inf"), [], {}, False])
def test_no_value_of_any_key_ends_in_another_error(architecture, value, tmp_path):
    folder = save(build(HEADS[architecture, "classification"], build_config(architecture)), tmp_path)
    content = json.loads((folder.path / "config.json").read_text())
    keys = [key for key in content if type(content[key]) in (int, float)]
    assert len(keys) > 8
    for key in [*keys, "classifier_dropout"] if architecture == "bert" else keys:
        if key in ("qa_dropout", "bos_token_id", "eos_token_id"):
            continue  # of no use to any of our heads
        (folder.path / "config.json").write_text(json.dumps({**content, key: value}))
        refusal(tmp_path, ConfigError)


@pytest.mark.parametrize("key", ["vocab_size", "dim", "n_layers", "hidden_dim", "max_position_embeddings"])
@pytest.mark.slow
def test_a_huge_size_is_refused_before_memory_is_asked_for(folder, key):
    edit_config(folder, **{key: 1000 if key == "n_layers" else 99_999})
    assert "do not fit the config" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize(
    ("key", "value"),
    [("is_decoder", True), ("add_cross_attention", True), ("position_embedding_type", "relative_key")],
)
def test_settings_that_we_do_not_compute(folder, key, value):
    edit_config(folder, **{key: value})
    assert key in refusal(folder.path, ConfigError)


def test_an_activation_that_we_do_not_have(folder):
    edit_config(folder, activation="mish")
    assert "gelu_pytorch_tanh" in refusal(folder.path, ConfigError)


def test_heads_that_do_not_divide_the_width(folder):
    edit_config(folder, n_heads=5)
    assert "36 is not a multiple of 5" in refusal(folder.path, ConfigError)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"n": ' + b"1" * 5000 + b"}"])
def test_a_config_that_is_not_json(folder, content):
    (folder.path / "config.json").write_bytes(content)
    assert "config.json" in refusal(folder.path, ConfigError)


def test_a_truncated_file_at_any_length(folder):
    path = folder.path / "model.safetensors"
    whole = path.read_bytes()
    for length in (0, 3, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "not a whole safetensors file" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize("size", [2**63, 10**9, 2])
def test_a_header_that_lies_about_its_size(folder, size):
    (folder.path / "model.safetensors").write_bytes(struct.pack("<Q", size) + b"{}" + b" " * 100)
    assert "model.safetensors" in refusal(folder.path, CheckpointError)


def test_no_weights(folder):
    (folder.path / "model.safetensors").unlink()
    assert "expected model.safetensors" in refusal(folder.path, ModelNotFoundError)


@pytest.fixture
def sharded(tmp_path):
    model = build(HEADS["distilbert", "classification"], build_config("distilbert"))
    return save(model, tmp_path / "sharded", max_shard_size="12KB")


def edit_index(folder, change):
    path = folder.path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))


def test_all_truncated_shards_are_named(sharded):
    spoiled = (sharded.weight_files[0], sharded.weight_files[2])
    for path in spoiled:
        path.write_bytes(path.read_bytes()[:-1])
    message = refusal(sharded.path, CheckpointError)
    assert all(path.name in message for path in spoiled)


def test_all_missing_shards_are_named(sharded):
    gone = (sharded.weight_files[0], sharded.weight_files[1])
    for path in gone:
        path.unlink()
    message = refusal(sharded.path, ModelNotFoundError)
    assert all(path.name in message for path in gone)


@pytest.mark.parametrize("outside", ["../x.safetensors", "/etc/passwd", "sub/../../x.safetensors", ".."])
def test_a_shard_outside_the_folder(sharded, outside):
    first = sharded.weight_files[0]
    (sharded.path.parent / "x.safetensors").write_bytes(first.read_bytes())
    edit_index(sharded, lambda names: names.update({name: outside for name in names if names[name] == first.name}))
    with pytest.raises(ModelError, match=r"must lie in the model folder|are missing"):
        load_model(ModelFolder(sharded.path, "x"), "classification")


def test_an_index_that_promises_too_much(sharded):
    file = sharded.weight_files[0].name
    edit_index(sharded, lambda names: names.update({"b.weight": file, "a.weight": file}))
    assert "no shard holds: a.weight, b.weight" in refusal(sharded.path, CheckpointError)


def test_an_index_of_a_single_shard_is_checked_too(folder):
    (folder.path / "model.safetensors").rename(folder.path / "only.safetensors")
    index = {"weight_map": {"a.weight": "only.safetensors"}}
    (folder.path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "no shard holds: a.weight" in refusal(folder.path, CheckpointError)


def test_a_tensor_in_two_shards(sharded):
    first, second = sharded.weight_files[:2]
    save_file(load_file(first) | load_file(second), second)
    assert str(second) in refusal(sharded.path, CheckpointError)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[]", "no"])
def test_an_index_that_is_none(sharded, content):
    (sharded.path / "model.safetensors.index.json").write_text(content)
    assert "model.safetensors.index.json" in refusal(sharded.path, ConfigError)


class Bomb:
    """Makes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "inside a tensor dictionary"])
def test_a_malicious_pickle_is_not_executed(folder, tmp_path, kind):
    made = tmp_path / "made"
    path = folder.path / "pytorch_model.bin"
    (folder.path / "model.safetensors").unlink()
    bomb = {"a": torch.zeros(2), "b": Bomb(made)} if kind.startswith("inside") else Bomb(made)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save(bomb, path, _use_new_zipfile_serialization=kind != "legacy")
    assert "never executed" in refusal(folder.path, CheckpointError)
    assert not made.exists()
    if kind != "pickle":  # the bomb is real
        torch.load(path, weights_only=False)
        assert made.exists()


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(2)],
        {0: torch.zeros(2)},
        {"classifier.weight": torch.zeros(2), "epoch": 3},
        {"state_dict": {"classifier.weight": torch.zeros(2)}},
        {"classifier.weight": torch.zeros(2, device="meta")},
        {"classifier.weight": torch.zeros(2, 36).to_sparse()},
    ],
    ids=["list", "numbered", "with a number", "nested", "meta", "sparse"],
)
def test_a_pytorch_file_of_something_else(folder, content):
    torch.save(content, folder.path / "pytorch_model.bin")
    (folder.path / "model.safetensors").unlink()
    assert "pytorch_model.bin" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_pytorch_file(folder, zipped):
    path = folder.path / "pytorch_model.bin"
    torch.save(load_file(folder.path / "model.safetensors"), path, _use_new_zipfile_serialization=zipped)
    (folder.path / "model.safetensors").unlink()
    whole = path.read_bytes()
    for length in (0, 1, 2, 100, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "damaged" in refusal(folder.path, CheckpointError)


@pytest.mark.parametrize(
    "model_class", [transformers.DistilBertModel, transformers.BertModel], ids=["distilbert", "bert"]
)
@pytest.mark.parametrize(
    ("task", "words"),
    [("classification", "no classifier: fine-tune it first (valence train"), ("masked-lm", "no masked-LM head")],
)
def test_a_raw_checkpoint_has_no_head(model_class, task, words, tmp_path):
    save(build(model_class, build_config(model_class.config_class.model_type)), tmp_path)
    message = refusal(tmp_path, MissingHeadError, task)
    assert words in message
    assert "the-model" in message


def test_a_masked_lm_checkpoint_is_no_classifier(tmp_path):
    save(build(transformers.BertForPreTraining, build_config("bert")), tmp_path)
    assert "--base the-model" in refusal(tmp_path, MissingHeadError)


def test_next_sentences_need_a_bert(folder, tmp_path):
    assert "DistilBERT" in refusal(folder.path, MissingHeadError, "next-sentence")
    save(build(HEADS["bert", "masked-lm"], build_config("bert")), tmp_path / "bert")
    assert "no next-sentence head" in refusal(tmp_path / "bert", MissingHeadError, "next-sentence")


def test_a_token_classifier_is_not_taken_for_a_text_classifier(tmp_path):
    model = build(transformers.DistilBertForTokenClassification, build_config("distilbert"))
    save(model, tmp_path)
    assert "missing: pre_classifier.weight" in refusal(tmp_path, CheckpointError)


def test_a_base_that_does_not_fit(tmp_path):
    """All of its faults in one error, also where a BERT is to become a DistilBERT."""
    folder = save(build(transformers.BertModel, build_config("bert")), tmp_path)
    edit_tensors(
        folder,
        remove=["encoder.layer.0.output.dense.bias", "embeddings.token_type_embeddings.weight"],
        embeddings__position_embeddings__weight=torch.zeros(()),
        adapter__weight=torch.zeros(1),
    )
    for architecture in ("distilbert", "bert"):
        with pytest.raises(CheckpointError) as caught:
            load_base(folder, architecture, ("a", "b"), seed=0)
        for name in ("encoder.layer.0.output.dense.bias", "token_type", "position_embeddings", "adapter.weight"):
            assert name in str(caught.value)
