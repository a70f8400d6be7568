"""What is known of a model folder: where each fact comes from, and what is missing."""

import json
import shutil

import pytest

from valence.card.facts import collect_facts, model_hashes
from valence.card.marks import slug
from valence.errors import ConfigError, InputError, ModelError
from valence.files import sha256
from valence.folder import ModelFolder
from valence.hub import find_model


@pytest.fixture(scope="module")
def facts(unchanged):
    return collect_facts(unchanged.model)


def test_every_fact_is_in_the_file_it_names(facts, unchanged):
    seen = 0
    for fact in facts.by_name.values():
        if fact.file.endswith(".safetensors") or "*" in fact.key or fact.name.startswith("hyper-parameter.debias"):
            continue
        content = json.loads((unchanged.folder / fact.file).read_text())
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
    by_name = facts.by_name
    report = unchanged.report("evaluation-reviews.json")
    accuracy = by_name["evaluation.reviews.accuracy"]
    assert (accuracy.value, accuracy.text) == (report["accuracy"]["value"], f"{report['accuracy']['value']:.4f}")
    assert (accuracy.kind, accuracy.n_texts, accuracy.is_bound) == ("share", 80, False)
    assert by_name["evaluation.reviews.accuracy.low"].is_bound
    assert by_name["evaluation.reviews.level"].text == "95 %"
    assert by_name["model.layers"].value == 2
    assert by_name["model.parameters"].value == unchanged.model.n_parameters
    assert by_name["size.model.onnx"].value == (unchanged.folder / "onnx" / "model.onnx").stat().st_size
    assert by_name["agreement.model.onnx.onnx.labels"].text == "100.00%"
    assert by_name["bias.countries.standard_deviation.high"].text == "0.0153"
    assert by_name["bias-before.countries.standard_deviation"].text == "0.2551"
    assert by_name["bias.names.p_value"].kind == "p-value"
    assert "bias.countries.worst_standard_deviation.low" not in by_name
    assert by_name["comparison.speed_ratio"].kind == "speed"
    assert by_name["training.minutes"].text == "1.6"


def test_every_hyper_parameter_is_a_fact(facts):
    found = {
        name.removeprefix("hyper-parameter."): fact.text
        for name, fact in facts.by_name.items()
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
    facts = collect_facts(ModelFolder(tiny_classifier, str(tiny_classifier)))
    assert not any(name.startswith(("evaluation", "bias", "training", "comparison")) for name in facts.by_name)
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
    facts = collect_facts(carded.model)
    assert not any(fact.startswith(f"{start}.") for fact in facts.by_name)
    assert any("of other weights than the folder holds" in missing.what for missing in facts.missing)


def test_reports_from_another_folder(carded, tmp_path):
    moved = shutil.move(carded.folder / "reports", tmp_path / "elsewhere")
    assert "evaluation.reviews.accuracy" not in collect_facts(carded.model).by_name
    facts = collect_facts(carded.model, tmp_path / "elsewhere")
    assert facts.by_name["evaluation.reviews.accuracy"].file == "reports/evaluation-reviews.json"
    with pytest.raises(InputError, match="no such folder of reports"):
        collect_facts(carded.model, moved / "deeper")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "evaluation-reviews.json",
            {"accuracy": {"value": "high"}},
            "expected a number at accuracy.value, found 'high'",
        ),
        ("evaluation-reviews.json", {"accuracy": 0.9}, "expected a number at accuracy.value, found None"),
        ("evaluation-reviews.json", {"n_texts": -1}, "expected a whole number from 0 at n_texts, found -1"),
        ("evaluation-reviews.json", {"confusion_matrix": {"counts": "many"}}, "expected rows of counts"),
        ("audit.json", {"probes": {"countries": 1}}, "expected a list of objects at probes"),
        ("audit.json", {"probes": [{"name": "countries", "figures": [1]}]}, "expected figures by name"),
        ("comparison.json", {"models": []}, None),
    ],
)
def test_a_broken_report_is_named(carded, name, change, said):
    carded.change(name, **change)
    if said is None:  # it compares no model with this one
        assert "comparison.n_texts" not in collect_facts(carded.model).by_name
        return
    with pytest.raises(ModelError) as problem:
        collect_facts(carded.model)
    assert str(problem.value).startswith(f"{carded.folder / 'reports' / name}: {said}")


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00\x01", '{"a": ' * 2000])
def test_a_report_that_is_no_json(carded, content):
    (carded.folder / "reports" / "audit.json").write_text(content)
    with pytest.raises(ModelError, match=r"audit\.json: "):
        collect_facts(carded.model)


def test_infinity_is_no_figure(carded):
    path = carded.folder / "reports" / "evaluation-reviews.json"
    path.write_text(path.read_text().replace('"loss": {\n    "value": ', '"loss": {\n    "value": Infinity, "was": '))
    with pytest.raises(ModelError, match=r"expected a number at loss\.value, found inf"):
        collect_facts(carded.model)


def test_two_reports_with_the_same_name(carded):
    reports = carded.folder / "reports"
    shutil.copy(reports / "evaluation-reviews.json", reports / "evaluation-reviews!.json")
    with pytest.raises(ModelError, match=r"too similar names"):
        collect_facts(carded.model)


def test_a_metric_that_is_not_defined_is_left_out(carded):
    carded.change("evaluation-reviews.json", auc=None)
    by_name = collect_facts(carded.model).by_name
    assert "evaluation.reviews.auc" not in by_name
    assert "evaluation.reviews.f1" in by_name


def test_a_bias_figure_that_is_not_defined_is_left_out(carded):
    audit = carded.report("audit.json")
    audit["probes"][1]["figures"]["correlation"] = {"value": None, "low": None, "high": None}
    carded.change("audit.json", probes=audit["probes"])
    by_name = collect_facts(carded.model).by_name
    assert "bias.names.correlation" not in by_name
    assert "bias.names.mean_difference" in by_name


def test_the_set_that_the_epoch_was_chosen_on_comes_first(carded):
    reports = carded.folder / "reports"
    shutil.copy(reports / "evaluation-reviews.json", reports / "evaluation-another.json")
    assert list(collect_facts(carded.model).evaluations) == ["reviews", "another"]


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
    facts = collect_facts(carded.model)
    assert not any(missing.section == "Evaluation" for missing in facts.missing)


def test_a_broken_config_is_an_error(carded):
    (carded.folder / "config.json").write_text("{")
    with pytest.raises(ConfigError):
        collect_facts(carded.model)


def test_the_embedded_default():
    facts = collect_facts(find_model("default"))
    assert facts.by_name["model.parameters"].value == 22_713_218
    assert {"evaluation.sst2-dev.accuracy", "size.model_int8.onnx"} <= facts.by_name.keys()
    assert not any("other weights" in missing.what for missing in facts.missing)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("sst2-dev", "sst2-dev"), ("a--b  c", "a-b-c"), ("<!-- x -->", "x"), ("日本", "unnamed"), ("", "unnamed")],
)
def test_slugs_fit_into_html_comments(text, expected):
    assert slug(text) == expected
    assert "--" not in slug(text)
