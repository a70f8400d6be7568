"""Classifiers of any family, as other programs export them to ONNX: what they say, where they are, what they cannot."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import valence
from valence.errors import ConfigError, EngineError, InputError, ModelError, ModelNotFoundError, ValenceError
from valence.folder import ModelFolder
from valence.runtime.choice import choose_engine

pytest.importorskip("transformers")
pytest.importorskip("onnx")
import onnx

from other_families import deberta as random_deberta
from other_families import expected_logits, export, make, unigram

TEXTS = [
    "good",
    "the film was good",
    ("my dog", "is cute"),
    "a very bad plot " * 5,
    ("a very bad plot " * 30, "hello"),
    "",
    "xyz ünïcode 🎬",
    "a very bad plot, and the acting is awful!",
    ("", "hello"),
    "my dog is not cute. " * 9,
    "hello",
]


@pytest.fixture(params=["deberta", "modern_bert"])
def other(request) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(modern_bert, tmp_path) -> Path:
    """A copy that a test may change."""
    return copy(modern_bert, tmp_path / "model")


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns("reference")))


def edit(path: Path, **changes) -> None:
    """Change keys of a JSON file; None removes one."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


# What they say.


@pytest.mark.parametrize("size", [1, 3, len(TEXTS)])
def test_they_equal_transformers(other, size):
    limit = 64 if "deberta" in other.name else 100
    expected = expected_logits(other, TEXTS, limit)
    classifier = valence.load(other, long_text="truncate")
    assert (classifier.engine.name, classifier.tokenizer.max_length) == ("onnx", limit)
    found = np.concatenate([classifier.logits(TEXTS[start : start + size]) for start in range(0, len(TEXTS), size)])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_batch_is_padded_as_the_tokenizer_says(model):
    assert valence.load(model).tokenizer.pad_token_id == 3
    edit(model / "config.json", pad_token_id=None)
    assert valence.load(model).tokenizer.pad_token_id == 3


def test_classes_and_problem_come_from_the_config(deberta, tmp_path):
    model = copy(deberta, tmp_path / "model")
    assert valence.load(model).labels == ("bad", "mixed", "good")
    edit(model / "config.json", problem_type="multi_label_classification")
    scores = valence.load(model)("good film").scores
    logits = valence.load(model).logits(["good film"])[0]
    np.testing.assert_allclose(list(scores.values()), 1 / (1 + np.exp(-logits.astype(float))), atol=1e-6)
    edit(model / "config.json", id2label={"0": "bad", "1": "good"}, label2id=None)
    with pytest.raises(ConfigError, match=r"config\.json names 2 labels, the model has 3 classes"):
        valence.load(model)
    assert valence.load(model, labels=["x", "y", "z"]).labels == ("x", "y", "z")


def test_long_texts_are_read_in_windows(modern_bert):
    prediction = valence.load(modern_bert, stride=5)("the film was good " * 60)
    assert len(prediction.windows) > 1
    assert not prediction.truncated


@pytest.mark.parametrize(
    ("positions", "model_max_length", "pad", "limit"),
    [
        (64, None, 0, 64),
        (64, 10**30, 0, 64),
        (64, 40, 0, 40),
        (66, None, 1, 64),  # as XLM-RoBERTa has 514 of which 512 are tokens'
        (66, 10**30, 0, 66),
        (-1, 60, 0, 60),
        (None, None, 0, 512),
        (64, "many", 0, 64),
    ],
)
def test_the_limit(modern_bert, tmp_path, positions, model_max_length, pad, limit):
    model = copy(modern_bert, tmp_path / "model")
    edit(model / "config.json", max_position_embeddings=positions, pad_token_id=pad)
    edit(model / "tokenizer_config.json", model_max_length=model_max_length)
    assert valence.load(model).tokenizer.max_length == limit


def test_a_tokenizer_config_is_not_needed(model):
    expected = valence.load(model).logits(["good film"])
    (model / "tokenizer_config.json").unlink()
    np.testing.assert_array_equal(valence.load(model).logits(["good film"]), expected)


def test_they_pickle_and_take_any_number_of_threads(model):
    expected = valence.load(model, threads=1).logits(TEXTS)
    classifier = valence.load(model, threads=2)
    np.testing.assert_allclose(classifier.logits(TEXTS), expected, atol=1e-5)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(again.logits(TEXTS), expected, atol=1e-5)
    (model / "onnx" / "model.onnx").write_bytes(b"another")
    with pytest.raises(EngineError, match="holds other content than the model that was pickled"):
        pickle.loads(pickle.dumps(classifier))


# Where the file is, and what it may be like.


def test_where_the_file_is_looked_for(model):
    def runs(**options) -> str:
        classifier = valence.load(model, **options)
        return f"{classifier.engine.name}: {classifier.engine.files[0].relative_to(model)}"

    assert runs() == "onnx: onnx/model.onnx"
    for name in ("model.onnx", "model_int8.onnx", "model_quantized.onnx"):
        shutil.copy(model / "onnx" / "model.onnx", model / name)
    shutil.copy(model / "onnx" / "model.onnx", model / "onnx" / "model_int8.onnx")
    assert runs(engine="onnx") == "onnx: onnx/model.onnx"
    assert runs(precision="int8") == runs(precision="int8", engine="onnx") == "onnx int8: onnx/model_int8.onnx"
    shutil.rmtree(model / "onnx")
    assert runs() == "onnx: model.onnx"
    assert runs(precision="int8") == "onnx int8: model_quantized.onnx"
    (model / "model_quantized.onnx").unlink()
    assert runs(precision="int8") == "onnx int8: model_int8.onnx"
    (model / "model.onnx").unlink()
    with pytest.raises(EngineError, match=r"it holds no weights \(model_int8\.onnx runs with --precision int8\)"):
        valence.load(model)
    (model / "model_int8.onnx").unlink()
    with pytest.raises(EngineError, match="nothing to run: expected weights"):
        valence.load(model, precision="int8")


def test_precisions_that_are_not_there(model):
    with pytest.raises(InputError, match="precision='fp32' is for the torch engine, and onnx runs"):
        valence.load(model, precision="fp32")
    with pytest.raises(InputError, match="precision must be one of fp32, bf16, int8, found 'int4'"):
        valence.load(model, precision="int4")


def graph(path: Path, change) -> None:
    """Rewrite an ONNX file."""
    content = onnx.load(path)
    change(content)
    onnx.save(content, path)


def test_another_name_for_the_output_and_a_width_that_is_not_told(model):
    def rename(content):
        (output,) = content.graph.output
        content.graph.node.append(onnx.helper.make_node("Identity", [output.name], ["scores"]))
        output.name = "scores"
        output.type.tensor_type.ClearField("shape")
        last = onnx.helper.make_node("Identity", ["input_ids"], ["ids_again"])
        content.graph.node.append(last)
        content.graph.output.append(onnx.helper.make_tensor_value_info("ids_again", onnx.TensorProto.INT64, None))

    expected = valence.load(model).logits(["good film"])
    graph(model / "onnx" / "model.onnx", rename)
    np.testing.assert_array_equal(valence.load(model).logits(["good film"]), expected)
    edit(model / "config.json", id2label={"0": "a", "1": "b", "2": "c"}, label2id=None)
    with pytest.raises(EngineError, match=r"a column for each of the 3 classes of config\.json, found scores of 2"):
        valence.load(model)


def test_inputs_of_32_bits_and_a_model_of_halves(model):
    def narrow(content):
        for entry in content.graph.input:
            entry.type.tensor_type.elem_type = onnx.TensorProto.INT32
            wide = f"{entry.name}_wide"
            for node in content.graph.node:
                node.input[:] = [wide if name == entry.name else name for name in node.input]
            content.graph.node.insert(0, onnx.helper.make_node("Cast", [entry.name], [wide], to=onnx.TensorProto.INT64))
        (output,) = content.graph.output
        content.graph.node.append(onnx.helper.make_node("Cast", ["logits"], ["half"], to=onnx.TensorProto.FLOAT16))
        output.name, output.type.tensor_type.elem_type = "half", onnx.TensorProto.FLOAT16

    expected = valence.load(model).logits(["good film"])
    graph(model / "onnx" / "model.onnx", narrow)
    found = valence.load(model).logits(["good film"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def needs_positions(content):
    shape = ["batch", "tokens"]
    content.graph.input.append(onnx.helper.make_tensor_value_info("position_ids", onnx.TensorProto.INT64, shape))
    content.graph.node.append(onnx.helper.make_node("Identity", ["position_ids"], ["unused"]))


def of_one_shape(content):
    for entry in content.graph.input:
        entry.type.tensor_type.shape.dim[1].dim_value = 128


def of_floats(content):
    content.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    content.graph.node.insert(0, onnx.helper.make_node("Cast", ["attention_mask"], ["mask"], to=onnx.TensorProto.INT64))
    for node in list(content.graph.node)[1:]:
        node.input[:] = ["mask" if name == "attention_mask" else name for name in node.input]


def of_tokens(content):
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    content.graph.initializer.append(axes)
    content.graph.node.append(onnx.helper.make_node("Unsqueeze", ["logits", "axes"], ["deep"]))
    content.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("deep", onnx.TensorProto.FLOAT, ["batch", 1, 2])
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            needs_positions,
            r"it needs the input position_ids, and a text classifier is given input_ids, atten",
        ),
        (of_one_shape, r"its input input_ids has the fixed shape \['batch', 128\]: export it with dynamic axes"),
        (of_floats, r"expected whole numbers as its input attention_mask, found tensor\(float\)"),
        (of_tokens, r"its output deep is 2 x 1 x 2 for 2 texts of 3 tokens and 2 x 1 x 2 for 2 of 4"),
    ],
)
def test_graphs_that_do_not_fit(model, change, said):
    graph(model / "onnx" / "model.onnx", change)
    assert_one_line(model, EngineError, said)


def assert_one_line(model: Path, error: type[ValenceError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        valence.load(model)
    assert "\n" not in str(caught.value)


def test_what_is_no_classifier(model):
    """An encoder for sentence embeddings has a table as its output, too, and no class for its columns."""

    def embed(content):
        (output,) = content.graph.output
        content.graph.node.append(onnx.helper.make_node("Identity", ["logits"], ["sentence_embedding"]))
        output.name = "sentence_embedding"

    graph(model / "onnx" / "model.onnx", embed)
    edit(model / "config.json", id2label=None, label2id=None)
    assert_one_line(model, EngineError, "unnamed classes .* found sentence_embedding of 2: it seems to be no")


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 268000000\n"


@pytest.mark.parametrize(
    ("file", "content", "error", "said"),
    [
        ("onnx/model.onnx", "not a graph", EngineError, r"onnx/model\.onnx: ONNX Runtime cannot load it"),
        ("onnx/model.onnx", "", EngineError, r"onnx/model\.onnx: ONNX Runtime cannot load it"),
        ("onnx/model.onnx", POINTER, EngineError, r"onnx/model\.onnx: a git-lfs pointer stands in place .*268\.0 MB"),
        ("tokenizer.json", None, ModelNotFoundError, r"no tokenizer: expected tokenizer\.json"),
        ("tokenizer.json", "{", ModelError, r"tokenizer\.json: not a tokenizer that can be read"),
        ("config.json", "[", ConfigError, r"config\.json: not readable as JSON"),
        ("config.json", None, ModelNotFoundError, r"it has no config\.json"),
    ],
)
def test_files_that_are_broken_or_not_there(model, file, content, error, said):
    (model / file).unlink()
    if content is not None:
        (model / file).write_text(content)
    assert_one_line(model, error, said)


@pytest.mark.parametrize("name", ["model.onnx_data", "model.onnx.data"])
def test_tensors_beside_a_large_graph(model, name):
    expected = valence.load(model).logits(["good film"])
    path = model / "onnx" / "model.onnx"
    content = onnx.load(path)
    path.unlink()
    onnx.save(content, path, save_as_external_data=True, location=name, size_threshold=0)
    classifier = valence.load(model)
    assert classifier.engine.files == (path, path.with_name(name))
    np.testing.assert_array_equal(classifier.logits(["good film"]), expected)
    path.with_name(name).write_text(POINTER)
    assert_one_line(model, EngineError, rf"onnx/{name}: a git-lfs pointer stands in place")
    path.with_name(name).unlink()
    assert_one_line(model, EngineError, rf"model\.onnx: ONNX Runtime cannot load it: .*{name}")


@pytest.mark.slow
def test_the_newer_exporter_and_its_data_file(tmp_path):
    tokenizer = unigram()
    model = random_deberta(tokenizer.get_vocab_size(), type_vocab_size=0)
    make(tmp_path, model, tokenizer, ("input_ids", "attention_mask"), "DebertaV2Tokenizer")
    export(model, tmp_path / "onnx" / "model.onnx", ("input_ids", "attention_mask"), dynamo=True)
    classifier = valence.load(tmp_path, long_text="truncate")
    assert len(classifier.engine.files) == 2
    np.testing.assert_allclose(classifier.logits(TEXTS), expected_logits(tmp_path, TEXTS, 64), atol=1e-4)


# Which way a model runs, and why.


def test_a_known_family_is_run_from_its_weights_where_torch_is(tiny_classifier, tmp_path):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    (model / "onnx" / "manifest.json").unlink()
    choice = choose_engine(ModelFolder(model, "m"))
    assert choice.name == "torch"
    assert choice.reason.endswith("nobody knows how onnx/model.onnx of another program agrees with them")
    assert choice.others["onnx"] == "torch is preferred"
    by_onnx, by_torch = (valence.load(model, engine=engine) for engine in ("onnx", "torch"))
    assert by_onnx.engine.name == "onnx"
    np.testing.assert_allclose(by_onnx.logits(["good film"]), by_torch.logits(["good film"]), atol=1e-4)


def test_a_known_family_without_torch(tiny_classifier, tmp_path):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    (model / "onnx" / "manifest.json").unlink()
    assert without_torch("classify", "--model", model, "good film").stdout.endswith("\tgood film\n")
    engine = json.loads(without_torch("info", model, "--json").stdout)["engine"]
    assert engine["name"] == "onnx"
    assert engine["reason"] == "onnx/model.onnx was exported by another program, and runs on every processor"
    assert engine["others"]["torch"].startswith("running weights with torch needs more than the base install")


def test_info_says_which_way(modern_bert):
    facts = json.loads(without_torch("info", modern_bert, "--json").stdout)
    assert (facts["onnx"], facts["exports"], facts["max_tokens"]) == (["onnx/model.onnx"], [], 100)
    said = without_torch("info", modern_bert).stdout
    assert "exports       onnx/model.onnx, by another program\n" in said
    assert "runs here     onnx: onnx/model.onnx was exported by another program" in said
    assert "not torch: " in said
    assert "it holds another program's ONNX export of a modernbert only, so torch cannot run it" in said


def test_weights_alone_of_an_unknown_family(modern_bert, tmp_path):
    model = copy(modern_bert, tmp_path / "model")
    shutil.rmtree(model / "onnx")
    shutil.copy(modern_bert / "reference" / "model.safetensors", model)
    said = (
        "model_type 'modernbert' is not supported: valence loads the weights of .*; a classifier of another "
        r"family runs where its folder has an ONNX export as onnx/model\.onnx, which optimum or .* writes"
    )
    assert_one_line(model, ConfigError, said)
    assert without_torch("info", model).stdout.count("model_type 'modernbert' is not supported") > 0


# As a user does it, where neither torch nor transformers can be imported.

BLOCKED = """
import sys
for name in ("torch", "transformers", "onnx", "safetensors"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if sys.modules.get(name, name) is None else found(name)
from valence.cli import main; main()
"""


def without_torch(*arguments: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_from_the_command_line(other):
    done = without_torch("classify", "--model", other, "--json", "the film was good", "hello")
    assert done.stderr == ""
    expected = valence.load(other)(["the film was good", "hello"])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["label"] for one in found] == [one.label for one in expected]
    assert [one["score"] for one in found] == pytest.approx([one.score for one in expected], abs=1e-5)
