"""What is known of a model folder: where each fact comes from, and what is missing."""

import json
import shutil

import pytest

from valence.card.anchors import slug
from valence.card.sources import model_hashes, read_sources
from valence.errors import ConfigError, InputError, ModelError
from valence.files import sha256
from valence.folder import ModelFolder
from valence.hub import find_model


@pytest.fixture(scope="module")
def facts(unchanged):
    return read_sources(unchanged.model)


def test_every_fact_is_in_the_file_it_names(facts, unchanged):
    seen = 0
    for fact in facts.statements.values():
        if (
            fact.source.file.endswith(".safetensors")
            or "*" in fact.key
            or fact.name.startswith("hyper-parameter.debias")
        ):
            continue
        content = json.loads((unchanged.folder / fact.source.file).read_text())
        keys = fact.key.replace("models.first", "models.0").replace("models.second", "models.1").split(".")
        while keys:
            if isinstance(content, list):
                content = content[int(keys.pop(0))] if keys[0].isdigit() else len(content)
                continue
            taken = next(n for n in range(1, len(keys) + 1) if ".".join(keys[:n]) in content)  # a key may hold dots
            content = content[".".join(keys[:taken])]
            keys = keys[taken:]
        if fact.name == "training.minutes":
            content /= 60
        assert fact.value == (len(content) if fact.name == "training.teachers" else content), fact
        seen += 1
    assert seen > 60


def test_each_kind_of_fact(facts, unchanged):
    by_name = facts.statements
    report = unchanged.report("evaluation-reviews.json")
    accuracy = by_name["evaluation.reviews.accuracy"]
    assert (accuracy.value, accuracy.text) == (report["accuracy"]["value"], f"{report['accuracy']['value']:.4f}")
    assert (accuracy.basis.kind, accuracy.basis.n_texts, accuracy.is_bound) == ("share", 80, False)
    assert by_name["evaluation.reviews.accuracy.low"].is_bound
    assert by_name["evaluation.reviews.level"].text == "95 %"
    assert by_name["model.layers"].value == 2
    assert by_name["model.parameters"].value == unchanged.model.n_parameters
    assert by_name["size.model.onnx"].value == (unchanged.folder / "onnx" / "model.onnx").stat().st_size
    assert by_name["agreement.model.onnx.onnx.labels"].text == "100.00%"
    assert by_name["bias.countries.standard_deviation.high"].text == "0.0153"
    assert by_name["bias-before.countries.standard_deviation"].text == "0.2551"
    assert by_name["bias.names.p_value"].basis.kind == "p-value"
    assert "bias.countries.worst_standard_deviation.low" not in by_name
    assert by_name["comparison.speed_ratio"].basis.kind == "speed"
    assert by_name["training.minutes"].text == "1.6"


def test_every_hyper_parameter_is_a_fact(facts):
    found = {
        name.removeprefix("hyper-parameter."): fact.text
        for name, fact in facts.statements.items()
        if name.startswith("hyper-parameter.")
    }
    assert found == {
        "recipe": "small",
        "learning_rate": "5e-05",
        "epochs": "3",
        "batch_size": "32",
        "warmup_steps": "not set",
        "layer_by_layer": "no",
        "debias.weight": "0.5",
        "debias.swapped": "countries, names",
        "debias.never_trained_on": "16 entries",
    }


def test_what_is_missing_is_said_and_nothing_invented(tiny_classifier):
    facts = read_sources(ModelFolder(tiny_classifier, str(tiny_classifier)))
    assert not any(name.startswith(("evaluation", "bias", "training", "comparison")) for name in facts.statements)
    missing = {missing.what: missing.advice for missing in facts.missing}
    assert missing["every figure of merit"] == "valence evaluate MODEL DATA"
    assert missing["the report of the training"] == "valence train"
    assert missing["what the model does to countries, names and groups"] == "valence audit MODEL --out DIR"
    assert missing["the origin and licence of the weights"] == "reports/origin.json, written by hand"
    assert any("speed" in what for what in missing)


@pytest.mark.parametrize(
    ("name", "start"),
    [("evaluation-reviews.json", "evaluation"), ("audit.json", "bias"), ("training.json", "training")],
)
def test_a_report_of_other_weights_counts_as_missing(carded, name, start):
    other = {"weights_sha256": "0" * 64, "engine_sha256": "1" * 64}
    carded.change(name, model={**carded.report(name).get("model", {}), **other}, weights_sha256="0" * 64)
    facts = read_sources(carded.model)
    assert not any(fact.startswith(f"{start}.") for fact in facts.statements)
    assert any("of other weights than the folder holds" in missing.what for missing in facts.missing)


def test_reports_from_another_folder(carded, tmp_path):
    moved = shutil.move(carded.folder / "reports", tmp_path / "elsewhere")
    assert "evaluation.reviews.accuracy" not in read_sources(carded.model).statements
    facts = read_sources(carded.model, tmp_path / "elsewhere")
    assert facts.statements["evaluation.reviews.accuracy"].source.file == "reports/evaluation-reviews.json"
    with pytest.raises(InputError, match="no such folder of reports"):
        read_sources(carded.model, moved / "deeper")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "evaluation-reviews.json",
            {"accuracy": {"value": "high"}},
            "expected a number at accuracy.value, found 'high'",
        ),
        ("evaluation-reviews.json", {"accuracy": 0.9}, "expected an object at accuracy, found 0.9"),
        ("evaluation-reviews.json", {"loss": {"low": 1}}, "expected a value at loss.value, found None"),
        ("evaluation-reviews.json", {"n_texts": -1}, "expected a whole number from 0 at n_texts, found -1"),
        (
            "evaluation-reviews.json",
            {"confusion_matrix": {"labels": [], "counts": "many"}},
            "expected a list at confusion_matrix.counts, found 'many'",
        ),
        (
            "evaluation-reviews.json",
            {"confusion_matrix": {"labels": [], "counts": [[1, 2], [3]]}},
            "expected as many columns as rows of counts",
        ),
        (
            "evaluation-reviews.json",
            {"confusion_matrix": {"labels": [], "counts": [[0, 0], [0, 0]]}},
            "expected as many columns as rows of counts, not all of them 0 at confusion_matrix, found",
        ),
        ("audit.json", {"probes": {"countries": 1}}, "expected a list at probes, found {'countries': 1}"),
        (
            "audit.json",
            {"probes": [{"name": "countries", "figures": [1]}]},
            "expected an object at probes.0.figures, found [1]",
        ),
        (
            "audit.json",
            {"probes": [{"name": "countries", "figures": {"fine": {"value": 1}, "mean of a.b": {"value": "high"}}}]},
            "expected a number at probes.0.figures.mean of a.b.value, found 'high'",
        ),
        ("comparison.json", {"models": []}, "expected a list of 2 at models, found []"),
        (
            "comparison.json",
            {"data": {"name": "a", "sha256": "b"}},
            "expected a whole number at data.texts, found None",
        ),
        ("training.json", {"seconds": "many"}, "expected a number at seconds, found 'many'"),
        ("training.json", {"train": 3}, "expected an object at train, found 3"),
        ("origin.json", {"language": 3}, "expected a text or a list of texts at language, found 3"),
        ("origin.json", {"sources": [{"what": "data"}]}, "expected a value at sources.0.origin, found None"),
        ("origin.json", {"data": [{"name": "a"}]}, "expected a value at data.0.from, found None"),
    ],
)
def test_a_broken_report_is_named(carded, name, change, said):
    carded.change(name, **change)
    with pytest.raises(ModelError) as problem:
        read_sources(carded.model)
    assert str(problem.value).startswith(f"{carded.folder / 'reports' / name}: {said}")


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00\x01", '{"a": ' * 2000])
def test_a_report_that_is_no_json(carded, content):
    (carded.folder / "reports" / "audit.json").write_text(content)
    with pytest.raises(ModelError, match=r"audit\.json: "):
        read_sources(carded.model)


def test_infinity_is_no_figure(carded):
    path = carded.folder / "reports" / "evaluation-reviews.json"
    path.write_text(path.read_text().replace('"loss": {\n    "value": ', '"loss": {\n    "value": Infinity, "was": '))
    with pytest.raises(ModelError, match=r"expected a number at loss\.value, found inf"):
        read_sources(carded.model)


def test_two_reports_with_the_same_name(carded):
    reports = carded.folder / "reports"
    shutil.copy(reports / "evaluation-reviews.json", reports / "evaluation-reviews!.json")
    with pytest.raises(ModelError, match=r"too similar names"):
        read_sources(carded.model)


def test_a_metric_that_is_not_defined_is_left_out(carded):
    carded.change("evaluation-reviews.json", auc=None)
    by_name = read_sources(carded.model).statements
    assert "evaluation.reviews.auc" not in by_name
    assert "evaluation.reviews.f1" in by_name


def test_a_bias_figure_that_is_not_defined_is_left_out(carded):
    audit = carded.report("audit.json")
    audit["probes"][1]["figures"]["correlation"] = {"value": None, "low": None, "high": None}
    carded.change("audit.json", probes=audit["probes"])
    by_name = read_sources(carded.model).statements
    assert "bias.names.correlation" not in by_name
    assert "bias.names.mean_difference" in by_name


def test_the_set_that_the_epoch_was_chosen_on_comes_first(carded):
    reports = carded.folder / "reports"
    shutil.copy(reports / "evaluation-reviews.json", reports / "evaluation-another.json")
    assert [one.title for one in read_sources(carded.model).evaluations] == ["reviews [reviews]", "reviews [another]"]


def test_hashes_are_those_that_reports_name(unchanged):
    hashes = model_hashes(unchanged.model)
    model = unchanged.report("evaluation-reviews.json")["model"]
    assert {model["engine_sha256"], model["weights_sha256"]} <= hashes
    assert sha256(unchanged.folder / "onnx" / "model.onnx") in hashes


def test_a_folder_without_labels(carded):
    config = json.loads((carded.folder / "config.json").read_text())
    for key in ("id2label", "label2id"):
        config.pop(key, None)
    (carded.folder / "config.json").write_text(json.dumps(config))
    shutil.rmtree(carded.folder / "reports")
    facts = read_sources(carded.model)
    assert not any(missing.section == "Evaluation" for missing in facts.missing)


def test_a_broken_config_is_an_error(carded):
    (carded.folder / "config.json").write_text("{")
    with pytest.raises(ConfigError):
        read_sources(carded.model)


def test_the_embedded_default():
    facts = read_sources(find_model("default"))
    assert facts.statements["model.parameters"].value == 22_713_218
    assert {"evaluation.sst2-dev.accuracy", "size.model_int8.onnx"} <= facts.statements.keys()
    assert not any("other weights" in missing.what for missing in facts.missing)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("sst2-dev", "sst2-dev"), ("a--b  c", "a-b-c"), ("<!-- x -->", "x"), ("日本", "unnamed"), ("", "unnamed")],
)
def test_slugs_fit_into_html_comments(text, expected):
    assert slug(text) == expected
    assert "--" not in slug(text)
