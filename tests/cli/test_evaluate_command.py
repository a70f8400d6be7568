"""valence evaluate: the report printed, written, and refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

METRICS = ["accuracy", "precision", "recall", "f1", "auc", "loss", "mcc"]


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "reviews.tsv"
    path.write_text("text\tlabel\ngood film\t1\nbad film\t0\nawful\tnegative\nthe plot was great\tPOSITIVE\n")
    return path


def evaluate(run, *arguments, **options):
    return run("evaluate", *arguments, "--resamples", "50", **options)


@pytest.mark.slow
def test_json_and_the_report_in_the_folder(run, model, data):
    done = evaluate(run, model, data, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for name in METRICS:
        assert list(report[name]) == ["value", "low", "high"]
        assert report[name]["low"] <= report[name]["high"]
    assert list(report)[:8] == ["format", *METRICS]
    assert report["n_texts"] == 4
    assert json.loads((model / "reports" / "evaluation-reviews.json").read_text()) == report


@pytest.mark.slow
def test_readable_report(run, model, data):
    done = evaluate(run, model, data)
    output = done.stdout.decode()
    assert done.returncode == 0
    assert output.startswith("reviews: 4 texts, 0 read in windows at 64 tokens; engine onnx fp32\n")
    for name in METRICS:
        assert f"\n{name} " in output
    assert "95 % interval" in output
    assert "NEGATIVE" in output
    assert output.endswith(f"report: {model / 'reports' / 'evaluation-reviews.json'}\n")


@pytest.mark.slow
def test_out(run, model, data, tmp_path):
    out = tmp_path / "new" / "report.json"
    done = evaluate(run, model, data, "--out", out, "--json")
    assert json.loads(out.read_text()) == json.loads(done.stdout)
    assert not (model / "reports").exists()


@pytest.mark.parametrize("out", ["file.txt/report.json", "folder"])
@pytest.mark.slow
def test_out_that_cannot_be_written(run, model, data, tmp_path, out):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "folder").mkdir()
    done = evaluate(run, model, data, "--out", tmp_path / out)
    message = done.stderr.decode().splitlines()[-1]
    assert done.returncode == 1
    assert message.startswith(f"valence: error: {tmp_path / out}: cannot be written: ")
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.slow
def test_the_embedded_default_is_never_written_to(run, data, tmp_path):
    import valence.hub

    folder = Path(valence.hub.__file__).parent / "default_model"
    if not (folder / "config.json").is_file():
        pytest.skip("needs the embedded model")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = evaluate(run, "default", data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_texts"] == 4
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert evaluate(run, "default", data, "--out", tmp_path / "report.json").returncode == 0
    assert json.loads((tmp_path / "report.json").read_text())["n_texts"] == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text\tlabel\ngood\t1\nbad\n", "line 3: expected 2 fields"),
        ("text\tlabel\ngood\t1\nbad\t\n", "line 3: the row has no label"),
        ("text\tlabel\ngood\tPOSITIV\n", "line 2: unknown label 'POSITIV'"),
        ("text\tlabel\ngood\t2\n", "line 2: unknown label '2'"),
        ("text\tlabel\n", "no rows"),
        ("text\tstars\ngood\t2\n", "which column is the label?"),
        ("", "empty"),
    ],
)
@pytest.mark.slow
def test_bad_data(run, model, data, content, said):
    data.write_text(content)
    done = evaluate(run, model, data)
    assert (done.returncode, done.stdout) == (1, b"")
    message = done.stderr.decode()
    assert message.startswith(f"valence: error: {data}")
    assert said in message
    assert message.count("\n") == 1
    assert not (model / "reports").exists()


@pytest.mark.slow
def test_labels_of_the_data(run, model, data):
    data.write_text("text\tlabel\ngood\t0\nbad\t1\nfilm\t1\n")
    by_name = evaluate(run, model, data, "--data-labels", "positive,negative", "--json")
    (data.parent / "labels.txt").write_text("Positive\nNegative\n")
    beside = evaluate(run, model, data, "--json")
    counts = json.loads(by_name.stdout)["confusion_matrix"]["counts"]
    assert json.loads(beside.stdout)["confusion_matrix"]["counts"] == counts
    assert [sum(row) for row in counts] == [2, 1]
    other = evaluate(run, model, data, "--data-labels", "bad,good", "--json")
    assert [sum(row) for row in json.loads(other.stdout)["confusion_matrix"]["counts"]] == [1, 2]
    assert other.stderr.decode().count("matched to the model's (NEGATIVE, POSITIVE) by number") == 1


@pytest.mark.slow
def test_placeholder_names_are_warned_of_once(run, model, data):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}))
    data.write_text("text\tlabel\ngood\t1\nbad\t0\n")
    assert evaluate(run, model, data).stderr.decode().count("does not name its classes") == 1
    assert "does not name" not in evaluate(run, model, data, "--labels", "bad,good").stderr.decode()


@pytest.mark.slow
def test_a_class_without_texts(run, model, data):
    data.write_text("text\tlabel\ngood\t1\nbad\t1\n")
    done = evaluate(run, model, data)
    assert re.search("^auc +not defined: the data lacks a class$", done.stdout.decode(), re.MULTILINE)
    assert json.loads(evaluate(run, model, data, "--json").stdout)["auc"] is None


@pytest.mark.slow
def test_the_report_says_what_was_measured(run, model, data):
    from valence.files import sha256

    exported = json.loads(evaluate(run, model, data, "--json").stdout)["model"]
    assert exported["engine_sha256"] == sha256(model / "onnx" / "model.onnx")
    assert exported["weights_sha256"] == sha256(model / "model.safetensors")
    checkpoint = json.loads(evaluate(run, model, data, "--json", "--engine", "torch").stdout)["model"]
    assert checkpoint["engine_sha256"] == checkpoint["weights_sha256"] == exported["weights_sha256"]
    shutil.move(model / "model.safetensors", model / "elsewhere")
    assert json.loads(evaluate(run, model, data, "--json").stdout)["model"] == exported


@pytest.mark.parametrize("out", [".", "reviews.tsv/report.json"])
@pytest.mark.slow
def test_an_unusable_out_is_refused_before_the_work(run, model, data, out):
    done = evaluate(run, model, data, "--out", data.parent / out)
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr
    assert b"evaluating" not in done.stderr


@pytest.mark.slow
def test_another_kind_of_model_is_refused_before_its_data_is_read(run, model, tmp_path):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    done = evaluate(run, model, tmp_path / "no such file.tsv")
    assert done.returncode == 1
    assert b"one label per text" in done.stderr
