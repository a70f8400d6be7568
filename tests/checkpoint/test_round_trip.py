"""What we save `transformers` loads, and the other way round, with the same tensors and logits."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from reference import HEADS, SHAPES, batch, build, build_config, largest_difference, save
from valence.checkpoint.checkpoint import load_model, save_model
from valence.checkpoint.config import encoder_config
from valence.checkpoint.names import second_names
from valence.errors import CheckpointError
from valence.folder import ModelFolder
from valence.model.heads import TaskModel

TOLERANCE = 1e-5
LABELS = ("bad", "so-so", "good")


def make(head, tmp_path, seed=0, **more):
    """Their model, and the folder they save."""
    if head[1] == "classification":
        more.setdefault("num_labels", 3)
    theirs = build(HEADS[head], build_config(head[0], **more), seed)
    return theirs, save(theirs, tmp_path / "theirs")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_they_load_what_we_save(head, tied, tmp_path):
    config = encoder_config(make(head, tmp_path, activation="gelu_new", tie_word_embeddings=tied)[1])
    ours = TaskModel(config, head[1], 3).eval()
    ours.initialise(seed=4)
    save_model(ours, tmp_path / "ours", LABELS if head[1] == "classification" else None)
    theirs, loading = HEADS[head].from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert {kind: sorted(names) for kind, names in loading.items() if names} == {}
    assert largest_difference(ours, theirs.eval(), batch(theirs.config)) < TOLERANCE
    if head[1] == "classification":
        assert tuple(theirs.config.id2label[index] for index in range(3)) == LABELS
        assert theirs.config.label2id["good"] == 2
    automatic = transformers.AutoConfig.from_pretrained(tmp_path / "ours")
    assert automatic.architectures == [HEADS[head].__name__]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_both_save_the_same_tensors(head, tied, tmp_path):
    _, folder = make(head, tmp_path, tie_word_embeddings=tied)
    save_model(load_model(folder, head[1]), tmp_path / "ours", folder.labels)
    theirs = load_file(folder.path / "model.safetensors")
    ours = load_file(tmp_path / "ours" / "model.safetensors")
    if not tied:  # the twin that nothing computes with is not kept
        ours |= {name: theirs[name] for name in second_names(head[0]).values() if head[1] == "masked-lm"}
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_the_config_survives(head, tmp_path):
    _, folder = make(head, tmp_path, shape=SHAPES[2], activation="relu", attention_probs_dropout_prob=0.3)
    model = load_model(folder, head[1])
    save_model(model, tmp_path / "ours", folder.labels)
    saved = ModelFolder(tmp_path / "ours", "ours")
    assert encoder_config(saved) == encoder_config(folder) == model.config
    known = json.loads((folder.path / "config.json").read_text())
    written = json.loads((saved.path / "config.json").read_text())
    differing = {key for key in written.keys() & known.keys() if written[key] != known[key]}
    assert differing <= {"classifier_dropout", "problem_type"}


@pytest.mark.parametrize("head", [("distilbert", "masked-lm"), ("bert", "masked-lm")], ids="-".join)
def test_untied_projection(head, tmp_path):
    theirs, folder = make(head, tmp_path, tie_word_embeddings=False)
    assert largest_difference(load_model(folder, head[1]), theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_sharded_files(head, tmp_path):
    theirs, _ = make(head, tmp_path)
    folder = save(theirs, tmp_path / "sharded", max_shard_size="12KB")
    assert len(folder.weight_files) > 2
    assert largest_difference(load_model(folder, head[1]), theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_old_pytorch_files(head, zipped, tmp_path):
    theirs, folder = make(head, tmp_path)
    torch.save(theirs.state_dict(), folder.path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    (folder.path / "model.safetensors").unlink()
    reread = ModelFolder(folder.path, "old")
    assert largest_difference(load_model(reread, head[1]), theirs, batch(theirs.config)) < TOLERANCE


def test_sharded_old_pytorch_files(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    names = sorted(theirs.state_dict())
    parts = {"pytorch_model-00001-of-00002.bin": names[:9], "pytorch_model-00002-of-00002.bin": names[9:]}
    for file, part in parts.items():
        torch.save({name: theirs.state_dict()[name] for name in part}, folder.path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder.path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder.path / "model.safetensors").unlink()
    reread = ModelFolder(folder.path, "old")
    assert largest_difference(load_model(reread, "classification"), theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype, tmp_path):
    theirs, _ = make(("distilbert", "classification"), tmp_path)
    folder = save(theirs.to(dtype), tmp_path / "other")
    ours = load_model(folder, "classification")
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    assert largest_difference(ours, theirs.float(), batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_saving_in_half_precision(dtype, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    save_model(load_model(folder, "classification"), tmp_path / "half", LABELS, dtype)
    assert {tensor.dtype for tensor in load_file(tmp_path / "half" / "model.safetensors").values()} == {dtype}
    loaded = HEADS["bert", "classification"].from_pretrained(tmp_path / "half")
    assert loaded.dtype == dtype  # the config says so
    ours = load_model(ModelFolder(tmp_path / "half", "half"), "classification")
    assert largest_difference(ours, loaded.float().eval(), batch(theirs.config)) < TOLERANCE


def rewrite(folder, change):
    """Pass a folder's tensors through a function."""
    path = folder.path / "model.safetensors"
    tensors = change(load_file(path))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def old_names(tensors):
    return {
        (name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")): tensor
        for name, tensor in tensors.items()
    }


def with_buffers(tensors):
    ids = torch.arange(64)[None]
    return {**tensors, "bert.embeddings.position_ids": ids, "bert.embeddings.token_type_ids": torch.zeros_like(ids)}


def with_tied(tensors):
    words = tensors["bert.embeddings.word_embeddings.weight"]
    return {**tensors, "cls.predictions.decoder.weight": words.clone()}


def with_bias_twin(tensors):
    return {**tensors, "cls.predictions.decoder.bias": tensors["cls.predictions.bias"].clone()}


def with_bias_renamed(tensors):
    tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
    return tensors


def with_words_only_in_the_head(tensors):
    tensors["cls.predictions.decoder.weight"] = tensors.pop("bert.embeddings.word_embeddings.weight")
    return tensors


def with_other_heads(tensors):
    return {
        **tensors,
        "cls.seq_relationship.weight": torch.ones(2, 36),
        "bert.pooler.dense.bias": torch.ones(36),
        "qa_outputs.bias": torch.ones(2),
    }


@pytest.mark.parametrize(
    "change",
    [
        old_names,
        with_buffers,
        with_tied,
        with_bias_twin,
        with_bias_renamed,
        with_words_only_in_the_head,
        with_other_heads,
    ],
    ids=lambda change: change.__name__,
)
def test_not_errors(change, tmp_path):
    theirs, folder = make(("bert", "masked-lm"), tmp_path)
    before = set(load_file(folder.path / "model.safetensors"))
    rewrite(folder, change)
    assert set(load_file(folder.path / "model.safetensors")) != before
    assert largest_difference(load_model(folder, "masked-lm"), theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("task", ["masked-lm", "next-sentence"])
def test_a_checkpoint_with_both_pretraining_heads(task, tmp_path):
    both = build(transformers.BertForPreTraining, build_config("bert"))
    ours = load_model(save(both, tmp_path), task)
    inputs = batch(both.config)
    with torch.inference_mode():
        answer = both(**inputs)
        expected = answer.prediction_logits if task == "masked-lm" else answer.seq_relationship_logits
        difference = (ours(**inputs) - expected).abs()
    if task == "masked-lm":
        difference = difference[inputs["attention_mask"].bool()]
    assert difference.max() < TOLERANCE


@pytest.mark.parametrize("key", ["id2label", "num_labels"])
@pytest.mark.parametrize("head", [("distilbert", "classification"), ("bert", "classification")], ids="-".join)
def test_without_id2label_the_rows_are_counted(head, key, tmp_path):
    theirs, folder = make(head, tmp_path, num_labels=5)
    config = json.loads((folder.path / "config.json").read_text())
    config.pop("id2label")
    config.pop("label2id")
    if key == "num_labels":
        config["num_labels"] = 5
    (folder.path / "config.json").write_text(json.dumps(config))
    ours = load_model(ModelFolder(folder.path, "x"), "classification")
    assert largest_difference(ours, theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("key", ["pad_token_id", "classifier_dropout", "tie_word_embeddings", "layer_norm_eps"])
def test_null_in_a_config_is_the_default(key, tmp_path):
    _, folder = make(("bert", "masked-lm"), tmp_path)
    config = json.loads((folder.path / "config.json").read_text())
    (folder.path / "config.json").write_text(json.dumps({**config, key: None}))
    expected = encoder_config(folder)
    assert encoder_config(ModelFolder(folder.path, "x")) == expected


def test_without_names_the_classes_are_numbered(tmp_path):
    _, folder = make(("bert", "classification"), tmp_path)
    save_model(load_model(folder, "classification"), tmp_path / "ours")
    loaded = HEADS["bert", "classification"].from_pretrained(tmp_path / "ours")
    assert loaded.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}


@pytest.mark.parametrize("rows", [1, 3])
def test_the_kind_of_problem_is_saved(rows, tmp_path):
    kind = "regression" if rows == 1 else "multi_label_classification"
    _, folder = make(("distilbert", "classification"), tmp_path, num_labels=rows, problem_type=kind)
    save_model(load_model(folder, "classification"), tmp_path / "ours", folder.labels, problem_type=kind)
    loaded = HEADS["distilbert", "classification"].from_pretrained(tmp_path / "ours")
    assert (loaded.config.problem_type, loaded.config.num_labels) == (kind, rows)


def test_a_single_row_without_a_kind_can_be_read_back(tmp_path):
    _, folder = make(("distilbert", "classification"), tmp_path, num_labels=1)
    save_model(load_model(folder, "classification"), tmp_path / "ours", ("score",))
    assert HEADS["distilbert", "classification"].from_pretrained(tmp_path / "ours").config.num_labels == 1


def test_a_failed_save_leaves_the_old_file(tmp_path):
    _, folder = make(("distilbert", "classification"), tmp_path)
    model = load_model(folder, "classification")
    save_model(model, tmp_path / "ours", LABELS)
    before = (tmp_path / "ours" / "model.safetensors").read_bytes()
    (tmp_path / "ours" / ".model.safetensors.partial").mkdir()  # stands in the way of the new file
    model.initialise(seed=1)
    with pytest.raises(OSError, match=r"model\.safetensors"):
        save_model(model, tmp_path / "ours", LABELS)
    assert (tmp_path / "ours" / "model.safetensors").read_bytes() == before


def test_an_untied_config_needs_its_projection(tmp_path):
    _, folder = make(("distilbert", "masked-lm"), tmp_path)
    config = json.loads((folder.path / "config.json").read_text())
    (folder.path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    with pytest.raises(CheckpointError, match=r"missing: vocab_projector.weight \[53, 36\]"):
        load_model(ModelFolder(folder.path, "x"), "masked-lm")
