"""Weights as other programs save them: under more prefixes, in a trainer's checkpoint, with heads of other names."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import valence
from reference import HEADS, batch, build, build_config, largest_difference, save
from valence.checkpoint.checkpoint import load_base, load_model, save_model
from valence.checkpoint.names import canonical_name
from valence.cli import _LazyGroup
from valence.errors import CheckpointError, MissingHeadError, ModelError
from valence.families import FAMILIES
from valence.folder import ModelFolder

TOLERANCE = 1e-5
LABELS = ("NEGATIVE", "POSITIVE")


def add(prefix):
    return lambda name: prefix + name


def twice(name):
    family, _, rest = name.partition(".")
    return f"{family}.{name}" if family in FAMILIES and rest else name


def missing(name):
    family, _, rest = name.partition(".")
    return rest if family in FAMILIES and rest else name


def instead(wrapper):
    def change(name):
        plain = missing(name)
        return name if plain == name else f"{wrapper}.{plain}"

    return change


def around_layers(name):
    """FSDP, and activation checkpointing, wrap the layers one by one."""
    parts = name.split(".")
    if "layer" in parts:
        parts.insert(parts.index("layer") + 2, "_checkpoint_wrapped_module")
        parts.insert(0, "_fsdp_wrapped_module")
    return ".".join(parts)


WAYS = {
    "DataParallel": add("module."),
    "compile": add("_orig_mod."),
    "both": add("_orig_mod.module."),
    "Lightning": add("model."),
    "Lightning, compiled": add("model._orig_mod."),
    "net": add("net."),
    "network": add("module.network."),
    "backbone": add("model.backbone."),
    "family missing": missing,
    "family twice": twice,
    "model for family": instead("model"),
    "module.model": lambda name: "module.model." + instead("encoder")(name),
    "encoder for family": instead("encoder"),
    "transformer for family": instead("transformer"),
    "base_model": instead("base_model"),
    "FSDP": around_layers,
    "inside and outside": lambda name: "module." + around_layers(name),
    "old names": lambda name: "model." + name.replace("LayerNorm.weight", "LayerNorm.gamma"),
}
FORMATS = ("safetensors", "pytorch", "sharded safetensors", "sharded pytorch", "Lightning")


def write(folder, tensors, form="safetensors"):
    """Put other weights into a folder."""
    for file in folder.path.glob("*model*"):
        file.unlink()
    kind = "pytorch_model.bin" if "pytorch" in form or form == "Lightning" else "model.safetensors"
    saver = torch.save if kind.endswith(".bin") else save_file
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    if form == "Lightning":
        wrapped = {"epoch": 3, "state_dict": tensors, "loss": torch.zeros(()), "optimizer_states": [{"state": {}}]}
        torch.save(wrapped, folder.path / kind)
    elif form.startswith("sharded"):
        stem, _, ending = kind.rpartition(".")
        names, placed = sorted(tensors), {}
        for number, part in enumerate((names[::2], names[1::2]), start=1):
            file = f"{stem}-0000{number}-of-00002.{ending}"
            saver({name: tensors[name] for name in part}, folder.path / file)
            placed |= dict.fromkeys(part, file)
        (folder.path / f"{kind}.index.json").write_text(json.dumps({"weight_map": placed}))
    else:
        saver(tensors, folder.path / kind)
    return ModelFolder(folder.path, "the-model")


def make(head, path, **more):
    theirs = build(HEADS[head], build_config(head[0], **more))
    return theirs, save(theirs, path)


def renamed(theirs, change):
    tensors = {change(name): tensor for name, tensor in theirs.state_dict().items()}
    assert len(tensors) == len(theirs.state_dict())
    return tensors


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_known_prefixes_are_taken_off(head, way, tmp_path):
    theirs, folder = make(head, tmp_path)
    tensors = renamed(theirs, WAYS[way])
    if way != "old names" or head[0] != "distilbert":
        assert set(tensors) != set(theirs.state_dict())
    ours = load_model(write(folder, tensors), head[1])
    assert largest_difference(ours, theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_in_every_kind_of_file(head, form, tmp_path):
    theirs, folder = make(head, tmp_path)
    ours = load_model(write(folder, renamed(theirs, add("module.model.")), form), head[1])
    assert largest_difference(ours, theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("head", "task"),
    [
        (("distilbert", "classification"), "classification"),
        (("bert", "classification"), "classification"),
        (("distilbert", "masked-lm"), "masked-lm"),
        (("bert", "masked-lm"), "masked-lm"),
    ],
    ids="-".join,
)
def test_a_base_under_a_prefix_loses_nothing(head, task, way, tmp_path):
    theirs, folder = make(head, tmp_path, id2label=dict(enumerate(LABELS)))
    labels = LABELS if task == "classification" else ()
    base = load_base(write(folder, renamed(theirs, WAYS[way])), head[0], labels, 0, task)
    assert (base.left_out, base.initialised) == ((), ())
    assert largest_difference(base.model.eval(), theirs, batch(theirs.config)) < TOLERANCE


def test_both_pretraining_heads_under_a_prefix(tmp_path):
    theirs = build(transformers.BertForPreTraining, build_config("bert"))
    folder = write(save(theirs, tmp_path), renamed(theirs, add("module.")))
    base = load_base(folder, "bert", (), 0, "pretraining")
    assert (base.left_out, base.initialised) == ((), ())


def test_untied_biases_under_a_prefix(tmp_path):
    """Of BERT's two names for one bias the one that is computed with."""
    theirs, folder = make(("bert", "masked-lm"), tmp_path, tie_word_embeddings=False)
    ours = load_model(write(folder, renamed(theirs, add("model."))), "masked-lm")
    assert largest_difference(ours, theirs, batch(theirs.config)) < TOLERANCE


def test_an_average_of_weights_counts_its_steps(tmp_path):
    """torch.optim.swa_utils.AveragedModel."""
    theirs, folder = make(("bert", "classification"), tmp_path)
    tensors = renamed(theirs, add("module.")) | {"n_averaged": torch.tensor(7)}
    assert largest_difference(load_model(write(folder, tensors), "classification"), theirs, batch(theirs.config)) < 1e-5


def test_the_same_tensors_twice_are_one(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    tensors = theirs.state_dict() | renamed(theirs, add("module."))
    load_model(write(folder, tensors), "classification")


def line_by_line(message):
    """An error that can be read: a few lines, none of them endless."""
    lines = message.splitlines()
    assert len(lines) <= 14, message
    assert max(map(len, lines)) < 1000, message
    return message


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("other", ["model.", "module.", ""])
def test_two_copies_that_differ_are_refused(other, form, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path, id2label=dict(enumerate(LABELS)))
    copy = {f"{other}_orig_mod.{name}": tensor + 1 for name, tensor in theirs.state_dict().items()}
    spoiled = write(folder, theirs.state_dict() | copy, form)
    for load in (lambda: load_model(spoiled, "classification"), lambda: load_base(spoiled, "bert", LABELS, 0)):
        with pytest.raises(CheckpointError, match="two different tensors under one name") as caught:
            load()
        message = line_by_line(str(caught.value))
        assert set(re.findall(r"\(from (\S+) and (\S+)\)", message)[0]) == {
            "classifier.bias",
            f"{other}_orig_mod.classifier.bias",
        }
        assert "more" in message


UNKNOWN = {
    "a name of one's own": (add("sentiment_net."), "38 under 'sentiment_net.bert.'"),
    "teacher": (add("teacher."), "38 under 'teacher.bert.'"),
    "an average beside the model": (add("ema."), "'ema.bert.'"),
    "in the middle": (lambda name: name.replace("bert.", "bert.mine."), "'bert.mine.'"),
    "under module": (add("module.mine."), "'module.mine.bert.'"),
    "under a head's name": (add("classifier."), "'classifier.bert.'"),
    "numbered": (add("0.auto_model."), "'0.auto_model.bert.'"),
}


@pytest.mark.parametrize("loader", ["classification", "masked-lm", "next-sentence", "train", "distill", "pretrain"])
@pytest.mark.parametrize("way", UNKNOWN)
@pytest.mark.slow
def test_an_unknown_prefix_is_named(way, loader, tmp_path):
    """Whichever loader meets it: the encoder is never initialised, and the advice is not to fine-tune it."""
    theirs, folder = make(("bert", "classification"), tmp_path, id2label=dict(enumerate(LABELS)))
    change, found = UNKNOWN[way]
    spoiled = write(folder, renamed(theirs, change))
    loaders = {
        "train": lambda: load_base(spoiled, "bert", LABELS, 0),
        "distill": lambda: load_base(spoiled, "distilbert", LABELS, 0),
        "pretrain": lambda: load_base(spoiled, "bert", (), 0, "masked-lm"),
    }
    with pytest.raises(CheckpointError) as caught:
        loaders.get(loader, lambda: load_model(spoiled, loader))()
    message = line_by_line(str(caught.value))
    assert f"{spoiled.path}/model.safetensors: the encoder's tensors stand under a prefix that is not known" in message
    assert found.removeprefix("38 under ") in message
    assert "expected embeddings.word_embeddings.weight" in message
    assert "save_pretrained(FOLDER)" in message
    assert "fine-tune it first" not in message


@pytest.mark.parametrize("beside", ["teacher.", "ema.", "ema_model.module."])
def test_a_second_encoder_is_not_passed_over(beside, tmp_path):
    theirs, folder = make(("distilbert", "classification"), tmp_path, id2label=dict(enumerate(LABELS)))
    other = {beside + name: tensor + 1 for name, tensor in theirs.state_dict().items()}
    spoiled = write(folder, theirs.state_dict() | other)
    for load in (lambda: load_model(spoiled, "classification"), lambda: load_base(spoiled, "distilbert", LABELS, 0)):
        with pytest.raises(CheckpointError, match=f"unexpected: {beside}distilbert") as caught:
            load()
        line_by_line(str(caught.value))


def test_tensors_that_are_no_encoder(tmp_path):
    _, folder = make(("bert", "classification"), tmp_path)
    spoiled = write(folder, {f"conv{number}.weight": torch.zeros(2) for number in range(90)})
    with pytest.raises(
        CheckpointError, match=r"no tensors of a bert encoder: found conv0\.weight.* and 87 more"
    ) as one:
        load_model(spoiled, "classification")
    line_by_line(str(one.value))


def linear(name, rows=2, width=36):
    return {f"{name}.weight": torch.ones(rows, width), f"{name}.bias": torch.ones(rows)}


FOREIGN_HEADS = {
    "score": linear("score"),
    "fc": linear("fc"),
    "linear": linear("linear"),
    "head": linear("head"),
    "cls": linear("cls"),
    "classification_head": linear("classification_head.dense", 36) | linear("classification_head.out_proj"),
    "RoBERTa's": linear("classifier.dense", 36) | linear("classifier.out_proj"),
    "Sequential": linear("classifier.0", 36) | linear("classifier.3"),
    "my_head": linear("my_head"),
    "l1": linear("l1", 36) | linear("l2"),
    "wrapped": linear("model.fc"),
    "numbered": linear("1"),
}


@pytest.mark.parametrize("name", FOREIGN_HEADS)
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_a_head_under_another_name_is_named_and_the_advice_works(architecture, prefix, name, tmp_path):
    """What such a head computes no file says; the encoder trains on, and what was left out is said."""
    kind = transformers.DistilBertModel if architecture == "distilbert" else transformers.BertModel
    theirs = build(kind, build_config(architecture))
    encoder = {f"{architecture}.{key}": tensor for key, tensor in theirs.state_dict().items()}
    tensors = {prefix + key: tensor for key, tensor in (encoder | FOREIGN_HEADS[name]).items()}
    folder = write(save(theirs, tmp_path), tensors)
    with pytest.raises(MissingHeadError) as caught:
        load_model(folder, "classification")
    message = line_by_line(str(caught.value))
    assert "it has no classifier under the names that transformers gives it" in message
    assert "classifier.weight" in message
    for key, tensor in list(FOREIGN_HEADS[name].items())[:4]:
        assert f"{key.removeprefix('model.')} {list(tensor.shape)}" in message
    assert "valence train DATA --base the-model --out FOLDER" in message
    base = load_base(folder, architecture, LABELS, 0)  # as advised
    assert {key.removeprefix("model.") for key in FOREIGN_HEADS[name]} <= {
        key.removeprefix(prefix).removeprefix("model.") for key in base.left_out
    }
    assert not [key for key in base.initialised if "layer." in key or "embeddings" in key]
    assert base.head is None


def test_a_head_of_two_names_is_refused(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    with pytest.raises(CheckpointError, match=r"unexpected: fc.bias \[2\]\n  unexpected: fc.weight \[2, 36\]"):
        load_model(write(folder, theirs.state_dict() | linear("fc")), "classification")


@pytest.mark.parametrize("extra", ["criterion.weight", "train_accuracy.tp", "bert.encoder.layer.0.adapter.down.weight"])
def test_what_stands_beside_a_classifier_is_not_passed_over(extra, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    tensors = renamed(theirs, add("model.")) | {f"model.{extra}": torch.ones(2)}
    with pytest.raises(CheckpointError, match=f"unexpected: .*{extra}"):
        load_model(write(folder, tensors), "classification")


BESIDE = ("ema.", "teacher.", "ema.classifier", "teacher.classifier", "acc.total", "criterion.weight", "ema.pooler")


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_what_stands_beside_a_model_is_explained(architecture, beside, tmp_path):
    """A second network, whole or in part, or what the training kept: one more line says so, and what to do."""
    theirs, folder = make((architecture, "classification"), tmp_path, id2label=dict(enumerate(LABELS)))
    other = {f"{beside}{name}": tensor + 1 for name, tensor in theirs.state_dict().items()}
    tensors = other if beside.endswith(".") else {beside: torch.ones(2)}
    folder = write(folder, theirs.state_dict() | tensors)
    with pytest.raises(CheckpointError, match=f"unexpected: {beside}") as caught:
        load_model(folder, "classification")
    advice = line_by_line(str(caught.value)).splitlines()[-1]
    assert advice.startswith(f"  {beside}")
    assert (
        "stands beside the model: most likely a second network (an average, a teacher) or what the training" in advice
    )
    assert "save_pretrained(FOLDER)" in advice
    if beside.endswith("."):  # two encoders: which of them to train is not guessed
        with pytest.raises(CheckpointError, match="stands beside the model: most likely a second network"):
            load_base(folder, architecture, LABELS, 0)
    else:
        assert load_base(folder, architecture, LABELS, 0).left_out == (beside,)


OTHER_TASKS = {
    ("distilbert", "words"): transformers.DistilBertForTokenClassification,
    ("bert", "words"): transformers.BertForTokenClassification,
}


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("task", OTHER_TASKS, ids="-".join)
def test_a_classifier_of_words_is_explained_and_the_advice_works(task, prefix, tmp_path):
    theirs = build(OTHER_TASKS[task], build_config(task[0], id2label=dict(enumerate(LABELS))))
    folder = write(save(theirs, tmp_path), renamed(theirs, add(prefix)))
    transform = "pre_classifier" if task[0] == "distilbert" else "pooler.dense"
    with pytest.raises(CheckpointError, match=f"missing: {transform}.weight") as caught:
        load_model(folder, "classification")
    advice = line_by_line(str(caught.value)).splitlines()[-1]
    assert f"a classifier without {transform}.bias and {transform}.weight is most likely another task's" in advice
    assert "valence train DATA --base the-model --out FOLDER" in advice
    base = load_base(folder, task[0], LABELS, 0)  # as advised: its rows are not taken for a classifier of texts
    assert base.left_out == ("classifier.bias", "classifier.weight")
    assert {name.rpartition(".")[0].removeprefix("bert.") for name in base.initialised} == {"classifier", transform}
    assert base.head is None


@pytest.mark.parametrize(
    "part",
    ["bert.encoder.layer.0.attention.self.query.lora_A.weight", "bert.embeddings.prompt.weight", "adapter.weight"],
)
def test_a_base_with_adapters_is_refused(part, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    with pytest.raises(CheckpointError, match=f"unexpected: {part}"):
        load_base(write(folder, theirs.state_dict() | {part: torch.ones(2)}), "bert", LABELS, 0)


def many_layers(folder, **changes):
    path = folder.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return ModelFolder(folder.path, "the-model")


def as_other_family(tmp_path):
    theirs = build(transformers.DistilBertModel, build_config("distilbert", shape=(53, 36, 9, 3, 20, 64)))
    folder = save(build(transformers.BertModel, build_config("bert", shape=(53, 36, 9, 3, 20, 64))), tmp_path)
    return write(folder, theirs.state_dict())


def too_few_layers(tmp_path):
    _, folder = make(("bert", "classification"), tmp_path)
    return many_layers(folder, num_hidden_layers=40)


def too_many_layers(tmp_path):
    theirs = build(HEADS["bert", "classification"], build_config("bert", shape=(53, 36, 12, 3, 20, 64)))
    return many_layers(save(theirs, tmp_path), num_hidden_layers=1)


def another_width(tmp_path):
    theirs = build(HEADS["bert", "classification"], build_config("bert", shape=(53, 36, 12, 3, 20, 64)))
    return many_layers(save(theirs, tmp_path), hidden_size=48)


def of_integers(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    return write(folder, {name: tensor.to(torch.int8) for name, tensor in theirs.state_dict().items()})


def an_index_of_too_much(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    folder = write(folder, theirs.state_dict(), "sharded safetensors")
    path = folder.path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    file = next(iter(index["weight_map"].values()))
    index["weight_map"] |= {f"a.{number}.weight": file for number in range(500)}
    path.write_text(json.dumps(index))
    return folder


def shards_that_are_absent(tmp_path):
    folder = an_index_of_too_much(tmp_path)
    path = folder.path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {f"a{number}": f"model-{number}.safetensors" for number in range(500)}}))
    return folder


def damaged_shards(tmp_path):
    folder = shards_that_are_absent(tmp_path)
    for number in range(500):
        (folder.path / f"model-{number}.safetensors").write_bytes(b"no")
    return folder


def the_same_shard_twice(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    folder = write(folder, theirs.state_dict(), "sharded safetensors")
    first, second = folder.weight_files
    save_file(load_file(first) | load_file(second), second)
    return folder


def a_pickle_of_many_things(tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    folder = write(folder, theirs.state_dict(), "pytorch")
    content = {f"thing.{number}": number for number in range(500)}
    torch.save(theirs.state_dict() | content, folder.path / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize(
    "make_folder",
    [
        as_other_family,
        too_few_layers,
        too_many_layers,
        another_width,
        of_integers,
        an_index_of_too_much,
        shards_that_are_absent,
        damaged_shards,
        the_same_shard_twice,
        a_pickle_of_many_things,
    ],
    ids=lambda value: value.__name__,
)
def test_no_error_is_longer_than_a_few_lines(make_folder, tmp_path):
    folder = make_folder(tmp_path)
    for load in (lambda: load_model(folder, "classification"), lambda: load_base(folder, "bert", LABELS, 0)):
        with pytest.raises(ModelError) as caught:
            load()
        message = line_by_line(str(caught.value))
        assert "more" in message or make_folder is as_other_family


@pytest.mark.parametrize(
    "content",
    [
        lambda tensors: {"state_dict": tensors, "ema_state_dict": {name: t + 1 for name, t in tensors.items()}},
        lambda tensors: {"model": tensors, "module": tensors},
    ],
)
def test_several_models_in_a_trainers_checkpoint(content, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    folder = write(folder, theirs.state_dict(), "pytorch")
    torch.save(content(theirs.state_dict()), folder.path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"holds several sets of tensors.* torch\.save\(content\[NAME\], FILE\)"):
        load_model(folder, "classification")


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "module", "net"])
def test_a_trainers_checkpoint(key, tmp_path):
    theirs, folder = make(("bert", "classification"), tmp_path)
    folder = write(folder, theirs.state_dict(), "pytorch")
    torch.save({key: theirs.state_dict(), "epoch": 1, "optimizer": {"state": {}}}, folder.path / "pytorch_model.bin")
    ours = load_model(folder, "classification")
    assert largest_difference(ours, theirs, batch(theirs.config)) < TOLERANCE


def test_what_is_saved_has_the_names_of_transformers(tmp_path):
    theirs, folder = make(("distilbert", "classification"), tmp_path)
    ours = load_model(write(folder, renamed(theirs, add("model._orig_mod."))), "classification")
    save_model(ours, tmp_path / "ours", LABELS)
    assert load_file(tmp_path / "ours" / "model.safetensors").keys() == theirs.state_dict().keys()


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_names_of_the_tables_stand_as_they_are(architecture, tmp_path):
    theirs, _ = make((architecture, "classification"), tmp_path)
    for name in theirs.state_dict():
        assert canonical_name(canonical_name(name, architecture), architecture) == name.removeprefix(f"{architecture}.")


@pytest.fixture
def without_export(tiny_classifier, tmp_path):
    """A model whose weights every engine has to read anew."""
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model", ignore=shutil.ignore_patterns("onnx")))


def rename(folder, prefix):
    path = folder / "model.safetensors"
    save_file({prefix + name: tensor for name, tensor in load_file(path).items()}, path)


def run(*arguments):
    _LazyGroup("valence").main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model._orig_mod."])
@pytest.mark.slow
def test_engines_and_export_read_them(without_export, tiny_classifier, prefix):
    texts = ["good film", "a bad plot", ""]
    expected = valence.load(tiny_classifier, engine="torch").logits(texts)
    n_parameters = ModelFolder(without_export, "x").n_parameters
    rename(without_export, prefix)
    assert np.abs(valence.load(without_export, engine="torch").logits(texts) - expected).max() < TOLERANCE
    run("export", without_export)
    assert np.abs(valence.load(without_export, engine="onnx").logits(texts) - expected).max() < 1e-4
    assert ModelFolder(without_export, "x").n_parameters == n_parameters


@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--model", "MODEL", "hello"),
        ("export", "MODEL"),
        ("audit", "MODEL", "--out", "OUT"),
        ("fill-mask", "a [MASK]", "--model", "MODEL"),
        ("train", "DATA", "--base", "MODEL", "--out", "OUT"),
        ("distill", "DATA", "--teacher", "MODEL", "--out", "OUT"),
        ("pretrain", "DATA", "--base", "MODEL", "--out", "OUT"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_names_an_unknown_prefix(without_export, tmp_path, command):
    rename(without_export, "teacher.")
    data = tmp_path / "data.tsv"
    data.write_text("sentence\tlabel\n" + "good film\tPOSITIVE\nbad film\tNEGATIVE\n" * 4)
    places = {"MODEL": without_export, "DATA": data, "OUT": tmp_path / "out"}
    with pytest.raises(
        CheckpointError, match=r"under a prefix that is not known: 36 under 'teacher\.distilbert\.'"
    ) as one:
        run(*[places.get(part, part) for part in command])
    line_by_line(str(one.value))
