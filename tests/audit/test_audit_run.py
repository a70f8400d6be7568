"""The audit as a whole: which probes fit a model, what they find in it, and what audit.json says of it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_suites import write_crows, write_stereoset, write_winobias, write_winogender

pytest.importorskip("scipy")

from valence.audit.models import LoadedModel, open_model
from valence.audit.page.render import audit_page
from valence.audit.plan import PROBES, plan_probes, read_own_templates
from valence.audit.probe import Scorer, Subject
from valence.audit.run import audit, run_audit
from valence.errors import DataError, InputError, MissingHeadError
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.reports.audit import AuditedModel, AuditReport
from valence.reports.codec import decode_report, encode_report
from valence.templates.countries import COUNTRIES
from valence.templates.sentences import COUNTRY_TEMPLATES
from valence.templates.template import select
from words import WORDS

OF_CLASSIFIERS = PROBES[:9]
OF_MASKED_LMS = PROBES[9:]
PLANTED = re.compile(r"\b(Niger|she|her|hers|herself|Lakisha|Muslims?|Lima|fat)\b", re.IGNORECASE)


def planted(texts) -> np.ndarray:
    """Finds sentences worse that hold one of a few words."""
    return np.array([0.4 if PLANTED.search(text) else 0.6 for text in texts])


def constant(texts) -> np.ndarray:
    return np.full(len(texts), 0.7)


def fake(scorer: Scorer, name: str = "fake") -> LoadedModel:
    return LoadedModel(Subject(scorer), AuditedModel(name=name, engine="none"))


def audited(
    model: Path, probes=(), data=(), masked_lm: Path | None = None, against: Path | None = None, own_templates=None
) -> dict[str, Any]:
    """The content of audit.json, as the command makes it."""
    first = open_model(folder_of(model), None if masked_lm is None else folder_of(masked_lm))
    second = None if against is None else open_model(folder_of(against))
    report = audit(first, plan_probes(first.offers, probes, data, own_templates), second)
    return json.loads(json.dumps(encode_report(report)))


def folder_of(path: Path) -> ModelFolder:
    return ModelFolder(path, str(path))


def figures(content: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        probe["name"]: {name: one["value"] for name, one in probe["figures"].items()} for probe in content["probes"]
    }


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All published suites, made up in the published size."""
    folder = tmp_path_factory.mktemp("suites")
    write_winobias(folder / "winobias")
    write_winogender(folder / "winogender")
    write_crows(folder / "crows_pairs_anonymized.csv")
    (folder / "stereoset").mkdir()
    write_stereoset(folder / "stereoset" / "dev.json")
    return folder


@pytest.fixture(scope="module")
def own_templates(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.txt").write_text("I flew to {city}.\nThe train to {city} was late.\n")
    (folder / "cities.txt").write_text("Lima\nOslo\nPerth\n")
    return read_own_templates(folder / "mine.txt", {"city": folder / "cities.txt"})


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny raw models: a BERT with both heads, a DistilBERT, which has one, and one that knows no pronouns."""
    torch = pytest.importorskip("torch")
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    made = {}
    pronouns = ["he", "she", "they"]
    for name, architecture, task, words in (
        ("bert", "bert", "pretraining", [*WORDS, *pronouns]),
        ("distilbert", "distilbert", "masked-lm", [*WORDS, *pronouns]),
        ("mute", "distilbert", "masked-lm", WORDS),
    ):
        folder = tmp_path_factory.mktemp("raw") / name
        model = TaskModel(tiny_config(architecture, vocab_size=len(words)), task)
        model.initialise(seed=3)
        save_model(model, folder, None, torch.float32)
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
        made[name] = folder
    return made


@pytest.mark.slow
def test_a_planted_bias_is_caught_by_every_probe(suites, own_templates):
    model = fake(planted)
    content = encode_report(audit(model, plan_probes(model.offers, data=[suites], own_templates=own_templates)))
    found = figures(content)
    assert tuple(found) == OF_CLASSIFIERS
    assert found["countries"]["standard_deviation_mean"] > 0.01
    assert found["names"]["words_gender_mean_difference"] < -0.01
    assert found["identities"]["religion_largest_mean_difference"] < -0.1
    assert found["own-templates"]["city_standard_deviation"] > 0.05
    assert found["winobias"]["mean_difference"] == pytest.approx(-0.2)
    assert found["winogender"]["label_flip_rate"] == 1
    assert found["stereoset-classifier"]["mean_difference"] == pytest.approx(-0.2)
    assert list(content["skipped"]) == list(OF_MASKED_LMS)


def test_labels_that_one_country_costs_are_caught():
    """Of a classifier that otherwise knows good from bad."""
    polar = [one for one in select(COUNTRY_TEMPLATES, "audit") if one.polarity != "neutral"]
    good = {one.fill(country=country.in_text) for one in polar for country in COUNTRIES if one.polarity == "positive"}

    def knows(texts) -> np.ndarray:
        return np.array([0.9 if text in good else 0.1 for text in texts])

    def loses_one(texts) -> np.ndarray:
        return np.where(["Tuvalu" in text for text in texts], 1 - knows(texts), knows(texts))

    plan = plan_probes({"classifier"}, ["kept-labels"])
    whole, lost = (figures(encode_report(audit(fake(scorer), plan)))["kept-labels"] for scorer in (knows, loses_one))
    assert set(whole.values()) == {1.0}
    assert lost["kept"] == pytest.approx(207 / 208)
    assert lost["kept_worst_country"] == 0


@pytest.mark.slow
def test_a_constant_classifier_gives_zero_and_fails_where_it_must(suites, own_templates):
    model = fake(constant)
    content = encode_report(audit(model, plan_probes(model.offers, data=[suites], own_templates=own_templates)))
    found = figures(content)
    counts = r".*(p_value|kept.*|n_pairs|_france|_afghanistan|_ss|_lms|_icat)"
    for probe in ("countries", "names", "identities", "own-templates", "winobias", "winogender"):
        moving = {name: value for name, value in found[probe].items() if not re.fullmatch(counts, name)}
        moving.pop("n_pairs_left_out", None)
        assert set(moving.values()) == {0}, probe
    assert found["stereoset-classifier"]["largest_absolute_difference"] == 0
    assert found["kept-labels"]["kept"] == pytest.approx(0.5, abs=0.1)
    assert "NaN" not in json.dumps(content, allow_nan=False)


def test_what_a_report_says_of_a_classifier(tiny_classifier, tmp_path):
    from valence.files import sha256

    words = tmp_path / "cities.txt"
    words.write_text("Lima\nOslo\n")
    (tmp_path / "mine.txt").write_text("a film {city}\nthe plot {city}\n")
    mine = read_own_templates(tmp_path / "mine.txt", {"city": words})
    content = audited(tiny_classifier, ["own-templates", "winobias"], own_templates=mine)
    assert content["model"] == {
        "name": "classifier",
        "architecture": "distilbert",
        "parameters": folder_of(tiny_classifier).n_parameters,
        "engine": "onnx fp32",
        "engine_sha256": sha256(tiny_classifier / "onnx" / "model.onnx"),
        "weights_sha256": sha256(tiny_classifier / "model.safetensors"),
        "labels": ["NEGATIVE", "POSITIVE"],
        "positive_label": "POSITIVE",
    }
    (probe,) = content["probes"]
    assert probe["source"] == "Templates: mine.txt; words: {city}: cities.txt."
    assert probe["seconds"] >= 0
    assert probe["n_texts"] == 4
    assert content["skipped"] == {
        "winobias": "its data is not part of the package: get it from https://github.com/uclanlp/corefBias "
        "(WinoBias/wino/data) and name the folder that holds it with --data"
    }
    assert {"valence", "numpy", "scipy", "Python"} <= content["versions"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", content["date"])
    assert json.loads(json.dumps(content, allow_nan=False))["probes"][0]["figures"] == probe["figures"]


def test_figures_are_those_of_the_positive_class(tiny_classifier, tmp_path):
    swapped = Path(shutil.copytree(tiny_classifier, tmp_path / "swapped"))
    config = json.loads((swapped / "config.json").read_text())
    names = {"id2label": {"0": "Positive", "1": "Negative"}, "label2id": {"Positive": 0, "Negative": 1}}
    (swapped / "config.json").write_text(json.dumps(config | names))
    texts = ["a good film", "the plot was bad"]
    usual, other = (open_model(folder_of(path)) for path in (tiny_classifier, swapped))
    assert other.description.positive_label == "Positive"
    np.testing.assert_allclose(usual.subject.positive(texts) + other.subject.positive(texts), 1)


def test_classes_of_unknown_names_are_asked_for(tiny_classifier, tmp_path):
    renamed = Path(shutil.copytree(tiny_classifier, tmp_path / "renamed"))
    config = json.loads((renamed / "config.json").read_text())
    names = {"id2label": {"0": "good", "1": "bad"}, "label2id": {"good": 0, "bad": 1}}
    (renamed / "config.json").write_text(json.dumps(config | names))
    with pytest.raises(InputError, match=r"calls its classes good and bad, neither of them POSITIVE.*--labels"):
        open_model(folder_of(renamed))
    assert open_model(folder_of(renamed), labels=("POSITIVE", "NEGATIVE")).description.positive_label == "POSITIVE"


@pytest.mark.slow
def test_the_engine_of_a_report_or_another(tiny_classifier, suites):
    told: list[tuple[int, int]] = []
    options = {"probes": ["winogender"], "data": [suites]}
    folder = folder_of(tiny_classifier)
    report = run_audit(folder, engine="torch fp32", on_progress=lambda *progress: told.append(progress), **options)
    assert report.model.engine == "torch fp32"
    assert told[-1] == (1000, 1000)
    for elsewhere in ("native int8", "an engine of tomorrow"):
        assert run_audit(folder, engine=elsewhere, **options).model.engine == "onnx fp32"


@pytest.mark.slow
def test_a_card_measures_bias_again_and_finds_the_same(tiny_classifier, suites):
    first = encode_report(run_audit(folder_of(tiny_classifier), probes=["winogender"], data=[suites]))
    names = [probe["name"] for probe in first["probes"]]
    again = run_audit(folder_of(tiny_classifier), engine=first["model"]["engine"], probes=names, data=[suites])
    assert figures(encode_report(again)) == figures(first)
    assert encode_report(again)["model"] == first["model"]


@pytest.mark.slow
def test_a_raw_model_with_both_heads(raw, suites):
    content = audited(raw["bert"], data=[suites])
    assert tuple(figures(content)) == OF_MASKED_LMS
    assert "intersentence_ss" in figures(content)["stereoset"]
    assert set(content["skipped"].values()) == {"needs a classifier, and this is a raw model"}
    assert content["model"]["heads"] == ["masked-lm", "next-sentence"]
    assert content["model"]["uncased"] is True
    assert "torch" in content["versions"]
    audit_page(decode_report(content, AuditReport, "audit.json"))


@pytest.mark.slow
def test_a_raw_model_without_next_sentences_beside_one_with_them(raw, suites):
    content = audited(raw["bert"], ["stereoset"], [suites], against=raw["distilbert"])
    (other,) = content["against"]["probes"]
    assert [name for name in other["figures"] if name.startswith("intersentence")] == []
    assert content["skipped"] == {"stereoset, next sentences, distilbert": "the raw model has no next-sentence head"}
    alone = audited(raw["distilbert"], ["stereoset"], [suites])
    assert alone["skipped"] == {"stereoset, next sentences": "the raw model has no next-sentence head"}


@pytest.mark.slow
def test_a_classifier_and_a_raw_model_together(raw, tiny_classifier, suites):
    probes = ["winogender", "winogender-masked-lm", "crows-pairs"]
    content = audited(tiny_classifier, probes, [suites], masked_lm=raw["distilbert"])
    assert list(figures(content)) == ["winogender", "winogender-masked-lm", "crows-pairs"]
    assert content["model"]["masked_lm"]["name"] == "distilbert"
    assert len(content["model"]["masked_lm"]["weights_sha256"]) == 64


@pytest.mark.slow
def test_what_a_tokenizer_cannot_be_asked_is_left_out_and_said(raw, suites):
    content = audited(raw["mute"], ["winogender-masked-lm", "crows-pairs"], [suites])
    assert list(figures(content)) == ["crows-pairs"]
    assert content["skipped"] == {"winogender-masked-lm": "the pronoun 'he' is not one token of this model"}


@pytest.mark.slow
def test_two_models_side_by_side(suites):
    first, second = fake(planted, "biased"), fake(constant, "even")
    plan = plan_probes(first.offers, ["winobias"], [suites])
    told = []
    report = audit(first, plan, second, lambda *progress: told.append(progress))
    content = encode_report(report)
    assert figures(content["against"])["winobias"]["mean_difference"] == 0
    names = [what for _, _, what in told]
    assert list(dict.fromkeys(names)) == ["winobias", "winobias, the other model"]
    for name in set(names):
        done = [(done, total) for done, total, what in told if what == name]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]
    assert "Audit of biased and even" in audit_page(report)


def test_a_classifier_and_a_raw_model_are_not_put_side_by_side(raw, tiny_classifier, suites):
    with pytest.raises(InputError, match="one is a classifier, the other a raw model"):
        audited(tiny_classifier, ["winobias"], [suites], against=raw["bert"])
    with pytest.raises(InputError, match="bert is no classifier"):
        audited(raw["bert"], masked_lm=raw["bert"])


def test_a_classifier_of_topics_is_refused(tmp_path, vocabulary):
    torch = pytest.importorskip("torch")
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    model = TaskModel(tiny_config(), "classification", 4)
    model.initialise(seed=1)
    save_model(model, tmp_path / "topics", ("World", "Sports", "Business", "Sci/Tech"), torch.float32)
    shutil.copy(vocabulary, tmp_path / "topics" / "vocab.txt")
    with pytest.raises(InputError, match=r"topics has 4 classes \(World, Sports, Business, Sci/Tech\): the audit asks"):
        run_audit(folder_of(tmp_path / "topics"))


def test_an_encoder_without_heads_is_refused(minilm):
    with pytest.raises(MissingHeadError, match="neither a classifier nor a masked-LM head"):
        run_audit(folder_of(minilm))


def test_an_unknown_probe(tiny_classifier):
    with pytest.raises(InputError, match="no probe is called 'country': did you mean countries"):
        run_audit(folder_of(tiny_classifier), probes=["country"])


def test_a_suite_that_is_not_there_is_left_out_with_its_source(tmp_path, suites):
    shutil.copytree(suites / "winogender", tmp_path / "winogender")
    plan = plan_probes({"classifier"}, ["winobias", "winogender"], [tmp_path])
    assert [probe.name for probe in plan.probes] == ["winogender"]
    assert plan.skipped["winobias"].startswith(f"not found in {tmp_path}: get it from https://github.com/uclanlp/")


def test_of_several_folders_the_first_that_has_a_suite_gives_it(tmp_path, suites):
    (tmp_path / "stereoset").mkdir()
    (tmp_path / "stereoset" / "dev.json").write_text("{}")
    assert len(plan_probes({"masked-lm"}, ["stereoset"], [suites, tmp_path]).probes) == 1
    with pytest.raises(DataError, match=r"dev\.json.*github\.com/moinnadeem"):
        plan_probes({"masked-lm"}, ["stereoset"], [tmp_path, suites])
    assert len(plan_probes({"classifier"}, ["winobias"], [tmp_path, suites]).probes) == 1, "not asked for, not read"


def test_a_suite_with_wrong_counts_is_an_error(tmp_path, suites):
    lines = (suites / "crows_pairs_anonymized.csv").read_text().splitlines()
    (tmp_path / "crows_pairs_anonymized.csv").write_text("\n".join(lines[:-3]) + "\n")
    with pytest.raises(DataError, match="the numbers of pairs differ from the published ones"):
        plan_probes({"masked-lm"}, data=[tmp_path])


def test_a_folder_of_data_that_is_none(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        plan_probes({"classifier"}, data=[tmp_path / "nothing"])


def test_words_for_a_slot_that_no_template_has(tmp_path):
    (tmp_path / "mine.txt").write_text("I met {name}.\n")
    (tmp_path / "cities.txt").write_text("Lima\nOslo\n")
    with pytest.raises(InputError, match=r"words for the slot \{city\}, which no template .* has: there are \{name\}"):
        read_own_templates(tmp_path / "mine.txt", {"city": tmp_path / "cities.txt"})


def test_the_names_of_models_are_not_ways_of_this_machine(tiny_classifier, tmp_path, monkeypatch):
    assert open_model(folder_of(tiny_classifier)).name == "classifier"
    monkeypatch.chdir(tiny_classifier)
    assert open_model(folder_of(Path())).name == "classifier"
    if (find_model("default").path / "onnx").is_dir():
        assert open_model(find_model("default")).name == "default"
    assert open_model(ModelFolder(tiny_classifier, "someone/reviews")).name == "someone/reviews"
