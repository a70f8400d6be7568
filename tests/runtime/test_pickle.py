"""Every engine's models pickle, by naming their files, and give the same bits in other processes."""

import copy
import io
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import valence
from every_engine import LOAD, TEXTS, script, skip_unless
from valence.errors import EngineError
from valence.runtime.classifier import Classifier

torch = pytest.importorskip("torch")

ENGINES = ["native", "onnx", "openvino", "torch"]


def by_cloudpickle(model):
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(model))


def by_joblib(model):
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "the oldest protocol": lambda model: pickle.loads(pickle.dumps(model, 2)),
    "cloudpickle": by_cloudpickle,
    "joblib": by_joblib,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_bits(every_engine, engine, way):
    skip_unless(engine)
    model = valence.load(every_engine, engine=engine, labels=["x", "y", "z"], max_length=20, stride=2, threads=1)
    expected = model.logits(TEXTS)
    again = WAYS[way](model)
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.logits(TEXTS), expected)
    assert again("good film") == model("good film")
    del again
    np.testing.assert_array_equal(model.logits(TEXTS), expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("load", [valence.load_masked_lm, valence.load_next_sentence])
def test_raw_models(raw_model, load, way):
    model = load(raw_model)
    again = WAYS[way](model)
    if load is valence.load_masked_lm:
        assert again.fill("a [MASK] film") == model.fill("a [MASK] film")
    else:
        assert again("good", "film") == model("good", "film")


@pytest.mark.parametrize("engine", ENGINES)
def test_no_tensor_goes_along(every_engine, engine):
    skip_unless(engine)
    content = pickle.dumps(valence.load(every_engine, engine=engine).engine)
    assert len(content) < 2000
    assert b"torch.nn" not in content


SPAWN = """
import multiprocessing
import numpy as np
model = None

def receive(sent):
    global model
    model = sent

def answer(_):
    return one(model), many(model)

if __name__ == "__main__":
    sent = load(*sys.argv[1:3])
    expected = one(sent), many(sent)
    with multiprocessing.get_context(sys.argv[3]).Pool(2, receive, (sent,)) as pool:
        answers = pool.map(answer, range(4), chunksize=1)
    assert answers == [expected] * 4, (answers, expected)
    print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", [*ENGINES, "masked words"])
def test_a_pool_whose_initialiser_gets_the_model(request, tmp_path, kind, method):
    skip_unless(kind)
    if method == "forkserver" and kind not in ("onnx", "torch"):
        pytest.skip("as with spawn")
    folder = request.getfixturevalue("raw_model" if kind == "masked words" else "every_engine")
    (tmp_path / "job.py").write_text(LOAD + SPAWN)
    assert script(tmp_path / "job.py", kind, folder, method, seconds=120) == "same\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_files_that_are_gone_or_changed(every_engine, tmp_path, engine):
    skip_unless(engine)
    folder = tmp_path / "model"
    shutil.copytree(every_engine, folder)
    model = valence.load(folder, engine=engine)
    content = pickle.dumps(model)
    file = model.engine.files[0]
    whole = file.read_bytes()
    file.write_bytes(whole + b"\n")
    with pytest.raises(EngineError, match=f"{file.name}|config.json: it holds other content than the model that was"):
        pickle.loads(content)
    with pytest.raises(EngineError, match="it holds other content"):
        copy.deepcopy(model)  # it opens the file again, too
    file.write_bytes(whole)
    assert pickle.loads(content)("good film") == model("good film")
    shutil.rmtree(folder)
    with pytest.raises(EngineError, match=r"no such file; a model that was pickled opens its files again") as caught:
        pickle.loads(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_a_relative_path_and_another_working_directory(every_engine, monkeypatch, tmp_path, engine):
    skip_unless(engine)
    monkeypatch.chdir(every_engine.parent)
    model = valence.load(Path(every_engine.name), engine=engine)
    content = pickle.dumps(model)
    monkeypatch.chdir(tmp_path)
    assert pickle.dumps(model)
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))


def test_the_default_model_goes_to_a_package_that_is_elsewhere():
    model = valence.load()
    package = Path(valence.__file__).parent
    content = pickle.dumps(model.engine)
    assert str(package).encode() not in content
    assert pickle.loads(content).files[0].samefile(model.engine.files[0])


def test_models_in_memory_go_with_their_weights(every_engine, tmp_path):
    from valence.runtime.torch_engine import TorchEngine

    model = valence.load(every_engine, engine="torch")
    with torch.no_grad():
        model.engine.model.head.classifier.bias += 1.0  # it is no longer what its file says
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))
    made = Classifier(model.tokenizer, TorchEngine(copy.deepcopy(model.engine.model)), model.labels)
    again = copy.deepcopy(made)
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))


@pytest.mark.slow
def test_a_classifier_pickles_in_a_child(every_engine):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    code = """
import os, pickle, signal
model = load("onnx", sys.argv[1])
many(model)
if not os.fork():
    signal.alarm(20)
    os._exit(0 if many(pickle.loads(pickle.dumps(model))) == many(model) else 3)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    script(LOAD + code, every_engine, seconds=60)


def test_a_pickle_of_an_earlier_version_answers(tiny_classifier):
    """It kept the parts of `reading` one by one."""
    classifier = valence.load(tiny_classifier, long_text="truncate")
    state = dict(classifier.__dict__)
    del state["reading"]
    old = object.__new__(type(classifier))
    old.__setstate__(state | {"long_text": "truncate", "stride": 0, "aggregation": "mean"})
    assert old.reading == classifier.reading
    assert old("good film " * 100) == classifier("good film " * 100)
