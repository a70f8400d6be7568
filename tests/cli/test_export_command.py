"""valence export as a user runs it: what it says, which texts it compares on, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from valence.cli.export import _kept_sample
from valence.errors import ModelError
from valence.files import read_json
from valence.folder import ModelFolder
from valence.runtime.export.sample import BUILT_IN, Sample
from valence.runtime.manifest import read_manifest
from valence.runtime.native_engine import why_not_native

torch = pytest.importorskip("torch")

from tiny import tiny_config  # noqa: E402 (what it imports needs torch)
from valence.checkpoint.checkpoint import load_model, save_model  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.export.graph import products  # noqa: E402


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    """A copy of the tiny classifier without exports."""
    folder = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    shutil.rmtree(folder / "onnx")
    return folder


def sample_of(folder: Path, file: str = "model.onnx") -> str:
    return read_manifest(ModelFolder(folder, "m")).exports[file].sample


@pytest.mark.slow
def test_what_it_says(run, model):
    done = run("export", model)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = done.stdout.decode().splitlines()
    size = (model / "onnx" / "model.onnx").stat().st_size / 1e6
    assert first == f"{model / 'onnx' / 'model.onnx'}: {size:.1f} MB, compared on built-in sentences"
    assert second.startswith(
        "  onnx: the label of the source for 100.00% of 1,000 texts; the score differs by 0.0000 (99th"
    )


@pytest.mark.slow
def test_int8_with_a_sample_as_json(run, model, tmp_path):
    rows = tmp_path / "rows.tsv"
    rows.write_text("id\ttext\n1\tgood film\n2\tbad plot\n")
    done = run("export", model, "--precision", "int8", "--sample", rows, "--json", "--allow-disagreement")
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry == read_json(model / "onnx" / "manifest.json")["exports"]["model_int8.onnx"]
    assert (entry["sample"], entry["beside"]) == ("rows.tsv", "model_int8.safetensors")
    assert entry["agreement"]["onnx"]["n_texts"] == 2
    if why_not_native() is None:
        assert b"the native engine needs widths that are multiples of 64" in done.stderr


@pytest.mark.slow
def test_openvino(run, model, tmp_path):
    pytest.importorskip("nncf")
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\ngood film\nbad plot\n")
    done = run("export", model, "--engine", "openvino", "--precision", "int8", "--sample", rows, "--allow-disagreement")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"{model / 'onnx' / 'model_int8.xml'}: ")
    assert "  openvino: the label of the source for " in done.stdout.decode()
    assert {path.name for path in (model / "onnx").iterdir()} == {"manifest.json", "model_int8.xml", "model_int8.bin"}
    classified = run("classify", "--model", model, "--json", "good film")
    assert classified.returncode == 0, classified.stderr


@pytest.mark.slow
def test_a_refusal_names_figures_and_products(run, tmp_path, vocabulary):
    folder = tmp_path / "model"
    config = tiny_config()
    task_model = TaskModel(config, "classification", 2)
    task_model.initialise(seed=3)
    with torch.no_grad():  # one input is always zero, with weights that leave nothing of the others in int8
        for name, parameter in task_model.named_parameters():
            if name.endswith(("norm.weight", "norm.bias")):
                parameter[0] = 0.0
            elif name.endswith(("query.weight", "key.weight", "value.weight", "up.weight", "transform.weight")):
                parameter[:, 0] = 1e4
    save_model(task_model, folder, ("a", "b"))
    shutil.copy(vocabulary, folder / "vocab.txt")
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\n" + "\n".join(f"{a} {b} {c}" for a in "abcd" for b in "ijkl" for c in "opqr") + "\n")
    done = run("export", folder, "--precision", "int8", "--sample", rows)
    message = done.stderr.decode().splitlines()[-1]
    assert (done.returncode, done.stdout) == (1, b"")
    assert message.startswith(f"valence: error: {folder}: the int8 export gives onnx: the label of the source for ")
    assert "Needed are 99.5% of the labels and a 99th percentile of at most 0.05" in message
    assert any(name in message for name in products(config))
    assert message.endswith("--allow-disagreement keeps it")
    assert not (folder / "onnx" / "manifest.json").exists()
    kept = run("export", folder, "--precision", "int8", "--allow-disagreement", "--sample", rows)
    assert kept.returncode == 0, kept.stderr
    assert (folder / "onnx" / "manifest.json").is_file()


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory, vocabulary) -> Path:
    """A folder with what `valence train` leaves of a small run, and its data."""
    home = tmp_path_factory.mktemp("trained")
    task_model = TaskModel(tiny_config("bert", initializer_range=0.2), "masked-lm")
    task_model.initialise(seed=3)
    save_model(task_model, home / "base")
    shutil.copy(vocabulary, home / "base" / "vocab.txt")
    random = np.random.default_rng(0)
    words = ["the", "film", "plot", "was", "and", "this", "my", "dog", "good", "bad"]
    rows = [f"{' '.join(random.choice(words, 8))} {number}\t{number % 2}" for number in range(1200)]
    (home / "train.tsv").write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")
    done = run("train", "train.tsv", "--base", "base", "--out", "model", "--epochs", "1", cwd=home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "home"))


@pytest.mark.slow
def test_train_marks_the_texts_that_export_reads(run, home):
    kept = read_json(home / "model" / "reports" / "training.json")["agreement_sample"]
    rows = kept["rows"]
    assert len(rows) == len(set(rows)) == 1000
    assert rows == sorted(rows)
    assert 0 <= rows[0] <= rows[-1] < 1200
    assert read_manifest(ModelFolder(home / "model", "m")).exports["model.onnx"].agreement["onnx"]["n_texts"] == 1000
    done = run("export", "model", cwd=home)
    assert done.returncode == 0, done.stderr
    assert sample_of(home / "model") == "1,000 training texts of home-train"
    done = run("export", home / "model", cwd=home.parent)  # wherever one stands
    assert done.returncode == 0, done.stderr
    assert sample_of(home / "model") == "1,000 training texts of home-train"


@pytest.mark.slow
def test_the_marked_texts_are_those_rows(home, monkeypatch):
    monkeypatch.chdir(home)
    folder = ModelFolder(home / "model", "m")
    lines = (home / "train.tsv").read_text().splitlines()[1:]
    rows = read_json(folder.reports / "training.json")["agreement_sample"]["rows"]
    assert list(_kept_sample(folder).texts) == [lines[row].split("\t")[0] for row in rows]


@pytest.mark.parametrize("state", ["changed", "gone", "moved", "no report", "damaged report"])
def test_without_the_same_file_the_sample_is_built_in(home, state):
    data, report = home / "train.tsv", home / "model" / "reports" / "training.json"
    if state == "changed":
        data.write_text(data.read_text() + "good film\t1\n")
    elif state == "gone":
        data.unlink()
    elif state == "moved":
        shutil.move(home / "model", home.parent / "model")
        home = home.parent
    elif state == "no report":
        report.unlink()
    elif state == "damaged report":
        content = read_json(report)
        content["agreement_sample"]["rows"] = [10**9]
        report.write_text(json.dumps(content))
    assert _kept_sample(ModelFolder(home / "model", "m")) == Sample(BUILT_IN, "built-in sentences")


@pytest.mark.slow
def test_a_trained_model_exports_in_int8(run, home):
    """Whatever comes of it, the weights and the export before it are still there."""
    before = load_model(ModelFolder(home / "model", "m"), "classification").state_dict()
    done = run("export", "model", "--precision", "int8", "--allow-disagreement", cwd=home)
    assert done.returncode == 0, done.stderr
    assert set(read_manifest(ModelFolder(home / "model", "m")).exports) == {"model.onnx", "model_int8.onnx"}
    after = load_model(ModelFolder(home / "model", "m"), "classification").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe{", b'{"format": 2}', b'{"agreement_sample": {"rows": [-1]}}']
)
def test_a_damaged_report_of_the_training_is_told(model, content):
    (model / "reports").mkdir()
    (model / "reports" / "training.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"training\.json: "):
        _kept_sample(ModelFolder(model, "m"))
