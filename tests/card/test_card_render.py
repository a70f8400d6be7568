"""The card as people and the hub read it."""

import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from valence.card.anchors import read_anchors
from valence.card.markdown import Markdown, escape
from valence.card.render import _template, render
from valence.card.sources import read_sources
from valence.errors import ModelError
from valence.folder import ModelFolder
from valence.hub import find_model

HOSTILE = (
    "<script>alert(1)</script> | **x** [a](http://b) `c` <!-- fact:model.layers -->9<!-- end --> & # \n## Owned\n---"
)


def shown(card: str) -> str:
    """What a reader sees: without comments."""
    return re.sub(r"<!--.*?-->", "", card)


@pytest.fixture(scope="module")
def text(unchanged):
    return render(read_sources(unchanged.model))


def test_the_sections_people_know_in_their_order(text):
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Model Details",
        "How to Get Started With the Model",
        "Uses",
        "Risks, Limitations and Biases",
        "Training",
        "Evaluation",
        "Comparison",
        "Size and Speed",
        "Time of Training",
        "Origin and Licences",
        "Citation",
    ]
    for heading in ("Direct Use", "Misuse and Out-of-scope Use", "Training Data", "Training Procedure", "Countries"):
        assert f"\n### {heading}\n" in text


def test_what_a_reader_sees(text, unchanged):
    seen = shown(text)
    report = unchanged.report("evaluation-reviews.json")
    accuracy = "{value:.4f} ({low:.4f} to {high:.4f})".format(**report["accuracy"])
    assert "\n# Tiny reviews\n" in seen
    assert f"Accuracy {accuracy} on 80 texts of reviews." in seen
    assert f"| reviews | 80 | {accuracy} |" in seen
    assert "| learning rate | 5e-05 |" in seen
    assert "| debias.never trained on | 16 entries |" in seen
    assert "| standard deviation | 0.2551 (0.0101 to 0.0153) | 0.0125 (0.0101 to 0.0153) |" in seen
    assert "What this cannot show: That there is no bias." in seen
    assert "| training data | sentences made up in 2026 | none is stated |" in seen
    assert "Training took 1.6 minutes (99 s) on cpu, 2 processors" in seen
    assert "It learnt what 2 other models answer in the mean (one, two)." in seen
    assert "times as fast as other (torch fp32)." in seen
    assert "sanh2019distilbert" in seen
    assert "Not known" not in seen


def test_earlier_stages_of_a_training_are_told(carded):
    stages = {
        "first": {"examples": 1000, "epochs": 3, "steps": 96, "kept_epoch": 2, "chosen_on": "reviews"},
        "second": {"examples": 500, "epochs": 1, "steps": 16},
        "third": {"weights": "the mean of first and second"},
    }
    carded.change("training.json", earlier_stages=stages, epochs=1)
    seen = shown(render(read_sources(carded.model)))
    assert "Labelled texts of the last stage: 1,234 (reviews-train)." in seen
    assert "- first: 1000 texts, 3 epochs, 96 steps, epoch number 2 was kept, the best on reviews, so that" in seen
    assert "- second: 500 texts, 1 epoch, 16 steps\n- third: the mean of first and second\n" in seen
    assert seen.count("slightly flattered") == 1, "of the last stage nothing was chosen"
    carded.change("training.json", earlier_stages=[1])
    with pytest.raises(ModelError, match="expected stages by name at earlier_stages"):
        render(read_sources(carded.model))


def test_the_maps_are_pictures_beside_it(text):
    assert "](map.svg)" in text
    assert "](map-before.svg)" in text


def test_no_figure_without_a_mark(text):
    """Every figure of a report is marked wherever it is shown; the rest of the text has no decimal but versions."""
    text = text.split("\n---\n", 1)[1]
    marked = read_anchors(text)
    assert len(marked.statements) > 60
    rest = re.sub(r"<!-- fact:\S+ -->[^<]*<!-- end -->", "", text)
    assert re.findall(r"\d\.\d{2,}", rest.replace("1910.01108", "")) == []
    assert not marked.unclosed


def test_no_line_begins_with_a_comment_for_it_would_be_html(text):
    assert not [
        line for line in text.splitlines() if line.lstrip(" -*|").startswith("<!--") and not line.startswith("|")
    ]


def test_the_hub_reads_the_metadata(text, unchanged):
    card = ModelCard(text)
    report = unchanged.report("evaluation-reviews.json")
    assert card.data.license == "apache-2.0"
    assert card.data.language == ["en"]
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.model_name == "tiny-reviews"
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {name: round(report[name]["value"], 6) for name in found}
    names = {"accuracy", "precision", "recall", "f1", "auc", "loss", "mcc", "brier", "ece", "ece_if_calibrated"}
    assert found.keys() == names
    assert {result.dataset_args["sha256"] for result in card.data.eval_results} == {report["data"]["sha256"]}
    assert (
        yaml.safe_load(text.split("---\n")[1])["model-index"][0]["results"][0]["task"]["type"] == "text-classification"
    )


def test_the_same_facts_give_the_same_card(text, unchanged):
    assert render(read_sources(unchanged.model)) == text


def test_no_path_of_this_machine(text, unchanged):
    assert str(unchanged.folder.parent) not in text


def test_nothing_is_invented_where_nothing_is_known(tiny_classifier):
    text = render(read_sources(ModelFolder(tiny_classifier, str(tiny_classifier))))
    card = ModelCard(text)
    assert card.data.get("eval_results") is None
    assert card.data.get("license") is None
    assert "This one has not been audited." in text
    assert "*Not known: every figure of merit. What gives it: valence evaluate MODEL DATA.*" in text
    assert "*Not known: the origin and licence of the weights." in text
    names = {figure.name.split(".")[0] for figure in read_anchors(card.text).statements}
    assert names == {"model", "size", "agreement"}


def test_names_and_labels_of_others_stay_text(carded):
    config = json.loads((carded.folder / "config.json").read_text())
    config["id2label"] = {"0": HOSTILE, "1": "```\nPOSITIVE"}
    (carded.folder / "config.json").write_text(json.dumps(config))
    probe = {
        "name": HOSTILE,
        "title": HOSTILE,
        "asks": HOSTILE,
        "figures": {HOSTILE: {"value": 0.5}},
        "source": HOSTILE,
    }
    carded.change("audit.json", probes=[probe])
    carded.change("origin.json", title=HOSTILE, sources=[dict.fromkeys(("what", "origin", "licence"), HOSTILE)])
    carded.change("origin.json", citations=[f"```\n{HOSTILE}"], licence=HOSTILE, language=[HOSTILE])
    carded.change("training.json", base=HOSTILE, recipe=HOSTILE, **{HOSTILE: 3})
    report = carded.report("evaluation-reviews.json")
    carded.change("evaluation-reviews.json", data={**report["data"], "name": HOSTILE})
    text = render(read_sources(carded.model))
    card = ModelCard(text)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.text)
    for element in ("<script", "<strong>x", 'href="http://b"', "<code>c", "Owned</h2>", "<hr"):
        assert element not in html, element
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert headings[0] == "Model Details"
    assert headings[-1] == "Citation"
    rows = {len(re.findall("<t[dh]", row)) for row in re.findall("<tr>.*?</tr>", html, re.DOTALL)}
    assert rows == {2, 3, 4, 6, 13}
    marked = read_anchors(card.text)
    assert [figure.text for figure in marked.statements if figure.name == "model.layers"] == ["2"]
    assert not marked.unclosed
    assert {result.dataset_name for result in card.data.eval_results} == {HOSTILE.replace("\n", " ")}


@pytest.mark.parametrize("folder_name", ['it\'s "quoted"', "a`b", "new\nline", "x<!-- fact:model.layers -->"])
def test_a_folder_of_any_name(carded, folder_name):
    folder = carded.folder.rename(carded.folder.parent / folder_name)
    text = render(read_sources(ModelFolder(folder, str(folder))))
    ModelCard(text)
    (snippet,) = re.findall(r"```python\n(import valence.*?)```", text, re.DOTALL)
    compile(snippet, "the card", "exec")
    marked = read_anchors(text)
    assert [figure.text for figure in marked.statements if figure.name == "model.layers"] == ["2"]


def test_a_raw_model(carded):
    config = json.loads((carded.folder / "config.json").read_text())
    config = {key: value for key, value in config.items() if "label" not in key}
    (carded.folder / "config.json").write_text(json.dumps({**config, "architectures": ["DistilBertForMaskedLM"]}))
    for path in [*carded.folder.glob("onnx/*"), *carded.folder.glob("reports/*")]:
        path.unlink()
    text = render(read_sources(carded.model))
    assert "is a raw model" in text
    assert "load_masked_lm('tiny-reviews')" in text
    assert ModelCard(text).data.pipeline_tag == "fill-mask"


def test_the_embedded_default():
    text = render(read_sources(find_model("default")))
    assert "valence.load()" in text
    assert "22,713,218" in shown(text)
    card = ModelCard(text)
    assert {result.dataset_name for result in card.data.eval_results} >= {"sst2-dev", "imdb-sample"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b*c", "a\\_b\\*c"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("one\ntwo\u202e", "one two "),
        ("x" * 1400, "x" * 1000 + "…"),
        ("|", "\\|"),
    ],
)
def test_escaping(text, expected):
    assert escape(text) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ text }}",
        "{{ [text] | joined }}",
        "{{ fine ~ text }}",
        "{{ text if text else fine }}",
        "{{ text | upper | lower }}",
    ],
)
def test_whatever_a_template_inserts_is_escaped(template):
    """Unless it is Markdown already; that and something else together is a text again."""
    inserted = _template().environment.from_string(template).render(text="*a* <b>", fine=Markdown(""))
    assert inserted == "\\*a\\* &lt;b&gt;"
    assert _template().environment.from_string("{{ fine }}").render(fine=Markdown("*a*")) == "*a*"
