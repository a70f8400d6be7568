"""Checking a card: what holds, what was changed, what is missing."""

import json
import random
import re
import shutil

import pytest

import valence.evaluation.compare
from valence.card.anchors import read_anchors
from valence.card.check.compare import check_card, expected_card
from valence.card.check.published import check_published, find_published, read_published
from valence.card.check.remeasure import Remeasurer
from valence.card.check.tolerances import changed_labels, setting_of, tolerance
from valence.card.readme import parse_readme, read_readme
from valence.card.render import render
from valence.card.sources import read_sources
from valence.card.statement import Basis
from valence.errors import DataError, InputError, ModelError
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.reports.audit import AuditReport
from valence.reports.codec import decode_report, read_report, write_report
from valence.reports.evaluation import EvaluationReport

MARK = re.compile(r"<!-- fact:(\S+) -->([^<]*)<!-- end -->")
CARD_MODEL = "distilbert-base-uncased-finetuned-sst-2-english"


@pytest.fixture(scope="module")
def facts(unchanged):
    return read_sources(unchanged.model)


@pytest.fixture(scope="module")
def text(facts):
    return render(facts)


@pytest.fixture(scope="module")
def bench(facts):
    """Without data and audit; what it has measured once it knows."""
    return Remeasurer(facts, auditor=_no_audit)


def audit_report(content):
    return decode_report(content, AuditReport, "audit.json")


def _no_audit(*arguments):
    raise ModelError("no audit here")


@pytest.fixture(scope="module")
def again(unchanged):
    """An audit that finds what was found before."""
    return lambda folder, engine, probes, data, on_progress: audit_report(unchanged.report("audit.json"))


@pytest.fixture(autouse=True)
def timed(monkeypatch):
    """Replace what is timed: the first model is three times as fast as the second."""
    monkeypatch.setattr(valence.evaluation.compare, "seconds_in_turn", lambda works, rounds: [0.1, 0.3])


def check(facts, text, *data, auditor=_no_audit):
    """Bias is measured again only where a test says how: the reports' probes are made up."""
    return check_card(facts, parse_readme(text, "README.md"), Remeasurer(facts, data, auditor))


def changed(digits: str) -> str:
    """Another text of the same length; the last digit is another one."""
    place = max((index for index, character in enumerate(digits) if character.isdigit()), default=None)
    if place is None:
        return "x" + digits[1:]
    return f"{digits[:place]}{(int(digits[place]) + 1) % 10}{digits[place + 1 :]}"


@pytest.mark.slow
def test_everything_is_checked_and_holds(facts, text, unchanged, again):
    checked = check(facts, text, unchanged.data, unchanged.other, auditor=again)
    assert [finding for finding in checked.statements if finding.outcome in ("fails", "not checked")] == []
    assert checked.exit_code == 0
    assert checked.left_out == ()
    outcomes = {finding.name: finding.outcome for finding in checked.statements}
    assert outcomes["evaluation.reviews.accuracy"] == "measured again"
    assert outcomes["model-index: f1 on reviews"] == "measured again"
    assert outcomes["bias.countries.standard_deviation"] == "measured again"
    assert outcomes["bias-before.countries.standard_deviation"] == "equal to its report"
    assert outcomes["agreement.model.onnx.onnx.labels"] == "measured again"
    assert outcomes["size.model.onnx"] == outcomes["model.parameters"] == "measured again"
    assert outcomes["comparison.second.accuracy"] == "measured again"
    assert outcomes["hyper-parameter.learning_rate"] == outcomes["training.minutes"] == "equal to its report"


def figures_of(text):
    return list(MARK.finditer(text))


def numbers_of(text):
    return list(re.finditer(r"\d+", text))


def some(all_of_them, count=40):
    """Of many damages those that the quick tier tries."""
    return sorted(random.Random(7).sample(all_of_them, count), key=lambda found: found.start())


def changed_figures_fail(facts, text, bench, figures):
    expected = expected_card(facts, parse_readme(text, "README.md"))
    for figure in figures:
        start, end = figure.span(2)
        readme = parse_readme(text[:start] + changed(figure[2]) + text[end:], "README.md")
        checked = check_card(facts, readme, bench, expected)
        assert checked.exit_code == 1, figure[0]
        failing = [finding for finding in checked.statements if finding.outcome == "fails"]
        assert [finding.name for finding in failing] == [figure[1]]
        assert failing[0].line == text.count("\n", 0, start) + 1
        assert failing[0].claimed == changed(figure[2])


def changed_numbers_fail(facts, text, bench, numbers):
    for number in numbers:
        start, end = number.span()
        changed_text = text[:start] + changed(number[0]) + text[end:]
        try:
            # Not with a card rendered beforehand: the number may be one of the name.
            checked = check_card(facts, parse_readme(changed_text, "README.md"), bench)
        except (DataError, InputError):
            continue  # the command ends with status 1, too
        assert checked.exit_code == 1, changed_text[max(0, start - 60) : end + 20]


def changed_figures_of_the_default_fail(facts, text, figures):
    bench = Remeasurer(facts, auditor=_no_audit)
    expected = expected_card(facts, parse_readme(text, "README.md"))
    for figure in figures:
        start, end = figure.span(figure.lastindex)
        readme = parse_readme(text[:start] + changed(figure[figure.lastindex]) + text[end:], "README.md")
        checked = check_card(facts, readme, bench, expected)
        failing, *more = [finding.name for finding in checked.statements if finding.outcome == "fails"]
        assert checked.exit_code == 1
        assert figure.lastindex == 1 or (failing, more) == (figure[1], [])
        assert figure.lastindex == 2 or (failing.startswith("model-index: ") and more == ["a line"])


@pytest.mark.slow
def test_any_changed_figure_fails_and_is_named(facts, text, bench):
    figures = figures_of(text)
    assert len(figures) > 60
    changed_figures_fail(facts, text, bench, figures)


@pytest.mark.slow
def test_some_changed_figures_fail_and_are_named(facts, text, bench):
    changed_figures_fail(facts, text, bench, some(figures_of(text)))


@pytest.mark.slow
def test_any_changed_number_fails(facts, text, bench):
    """Numbers in the metadata, in code, in names and in the words, too, marked or not."""
    numbers = numbers_of(text)
    assert len(numbers) > 180
    changed_numbers_fail(facts, text, bench, numbers)


@pytest.mark.slow
def test_some_changed_numbers_fail(facts, text, bench):
    changed_numbers_fail(facts, text, bench, some(numbers_of(text)))


@pytest.fixture(scope="module")
def of_the_default():
    """Facts, card and figures of the shipped model."""
    facts = read_sources(find_model("default"))
    text = render(facts)
    return facts, text, [*figures_of(text), *re.finditer(r"^      value: (\S+)$", text, re.MULTILINE)]


@pytest.mark.slow
def test_any_changed_figure_of_the_default_fails(of_the_default):
    facts, text, figures = of_the_default
    assert len([figure for figure in figures if figure.lastindex == 2]) > 80
    assert len([figure for figure in figures if figure.lastindex == 1]) == 28
    changed_figures_of_the_default_fail(facts, text, figures)


@pytest.mark.slow
def test_some_changed_figures_of_the_default_fail(of_the_default):
    facts, text, figures = of_the_default
    changed_figures_of_the_default_fail(facts, text, some(figures, 20))


@pytest.mark.slow
def test_a_figure_that_the_model_does_not_reach_fails(carded):
    """The card and its report agree, and both are wrong."""
    report = carded.report("evaluation-reviews.json")
    report["f1"]["value"] += 0.3
    carded.change("evaluation-reviews.json", f1=report["f1"])
    facts = read_sources(carded.model)
    checked = check(facts, render(facts), carded.data)
    failing = {finding.name for finding in checked.statements if finding.outcome == "fails"}
    assert failing == {"evaluation.reviews.f1", "model-index: f1 on reviews"}
    assert checked.exit_code == 1


@pytest.mark.slow
def test_a_bias_that_is_larger_than_claimed_fails(facts, text, unchanged):
    worse = unchanged.report("audit.json")
    worse["probes"][0]["figures"]["worst_standard_deviation"]["value"] += 0.05
    checked = check(facts, text, auditor=lambda *arguments: audit_report(worse))
    failing = [finding for finding in checked.statements if finding.outcome == "fails"]
    assert [finding.name for finding in failing] == ["bias.countries.worst_standard_deviation"]
    assert "measured 0.0821 by onnx fp32" in failing[0].detail


@pytest.mark.slow
def test_an_audit_gets_what_it_needs_and_may_refuse(facts, text, unchanged):
    asked = []

    def refuse(folder, engine, probes, data, on_progress):
        asked.append((folder, engine, list(probes), list(data)))
        raise ModelError("the names are not here: get them from there")

    checked = check(facts, text, unchanged.data, auditor=refuse)
    assert asked == [(unchanged.model, "onnx fp32", ["countries", "names"], [unchanged.data])]
    found = {finding.name: finding for finding in checked.statements}
    assert found["bias.names.mean_difference"].outcome == "not checked"
    assert "get them from there" in found["bias.names.mean_difference"].detail


@pytest.mark.slow
def test_bias_is_measured_again_by_the_audit_itself(carded):
    pytest.importorskip("scipy")
    from valence.audit.run import run_audit

    write_report(carded.folder / "reports" / "audit.json", run_audit(carded.model, probes=["names"]))
    for name in ("audit-before.json", "comparison.json"):
        (carded.folder / "reports" / name).unlink()
    facts = read_sources(carded.model)
    mine = {
        finding.name: finding.outcome
        for finding in check(facts, render(facts), auditor=None).statements
        if finding.name.startswith("bias.")
    }
    assert mine["bias.names.n_texts"] == "measured again"
    assert set(mine.values()) == {"measured again"}


@pytest.mark.slow
def test_without_data_nothing_fails_and_it_is_said_what_is_needed(facts, text, again):
    checked = check(facts, text, auditor=again)
    assert checked.exit_code == 3
    found = {finding.name: finding for finding in checked.statements}
    sha256 = facts.evaluations[0].report.data.sha256
    assert found["evaluation.reviews.auc"].detail == (
        f"missing: the data reviews (SHA-256 {sha256}): give the folder that holds it with --data"
    )
    assert found["comparison.speed_ratio"].outcome == "not checked"
    assert found["model.parameters"].outcome == "measured again"


@pytest.mark.slow
def test_data_that_is_another_file_now(facts, text, again, tmp_path, unchanged):
    shutil.copy(unchanged.data / "reviews.tsv", tmp_path / "reviews.tsv")
    with (tmp_path / "reviews.tsv").open("a") as file:
        file.write("one more\t1\n")
    checked = check(facts, text, tmp_path, auditor=again)
    found = {finding.name: finding for finding in checked.statements}
    assert found["evaluation.reviews.auc"].detail.startswith(f"missing: no file below {tmp_path} is the data reviews")


@pytest.mark.slow
def test_the_other_model_is_needed_for_a_comparison(facts, text, unchanged, again):
    checked = check(facts, text, unchanged.data, auditor=again)
    found = {finding.name: finding for finding in checked.statements}
    assert found["comparison.difference"].outcome == "not checked"
    assert "the other model, other" in found["comparison.difference"].detail
    assert checked.exit_code == 3


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (5.0, 1), (0.1, 1)])
@pytest.mark.slow
def test_speed_is_a_ratio_within_a_factor_of_two(carded, again, factor, code):
    report = carded.report("comparison.json")
    for model, speed in zip(report["models"], (3000.0 * factor, 1000.0), strict=True):
        model["texts_per_second"] = speed
    carded.change("comparison.json", models=report["models"])
    facts = read_sources(carded.model)
    checked = check(facts, render(facts), carded.data, carded.other, auditor=again)
    assert checked.exit_code == code
    found = {finding.name: finding for finding in checked.statements}
    wanted = "fails" if code else "measured as a ratio to the reference in the same run"
    for name in ("comparison.speed_ratio", "comparison.first.texts_per_second"):
        assert found[name].outcome == wanted
        assert "3.00 times as fast as the reference" in found[name].detail


def test_a_card_of_a_model_that_was_trained_on_since(carded, text):
    """Its reports are of other weights, so nothing stands behind its figures any more."""
    weights = carded.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    shutil.rmtree(carded.folder / "onnx")
    checked = check(read_sources(carded.model), text)
    failing = {finding.name: finding.detail for finding in checked.statements if finding.outcome == "fails"}
    said = "no report of the model gives this figure; its report is written by valence evaluate"
    assert failing["evaluation.reviews.accuracy"] == said


def test_an_engine_that_the_manifest_does_not_describe(carded):
    facts = read_sources(carded.model)
    text = render(facts)
    with (carded.folder / "onnx" / "model.onnx").open("ab") as file:
        file.write(b"\x00")
    checked = check(facts, text)
    failing = {finding.name: finding.detail for finding in checked.statements if finding.outcome == "fails"}
    assert "not the file that the manifest describes" in failing["size.model.onnx"]


@pytest.mark.slow
def test_what_is_added_by_hand_is_not_checked(facts, text, unchanged, again):
    added = text.replace("## Training\n", "## Notes\n\nWe used it on 17,000 letters.\n\n## Training\n")
    checked = check(facts, added, unchanged.data, unchanged.other, auditor=again)
    notes = [finding for finding in checked.statements if finding.outcome == "not checked"]
    assert [finding.claimed for finding in notes] == ["## Notes", "We used it on 17,000 letters."]
    assert added.splitlines()[notes[1].line - 1] == "We used it on 17,000 letters."
    assert checked.exit_code == 3


@pytest.mark.slow
def test_a_figure_without_its_mark_is_noticed(facts, text):
    without = text.replace("<!-- fact:training.steps -->345<!-- end -->", "346")
    checked = check(facts, without)
    (failing,) = [finding for finding in checked.statements if finding.outcome == "fails"]
    assert failing.name == "a line"
    assert "346" in failing.claimed
    assert "345" in failing.detail
    assert checked.left_out == ("training.steps",)


ACCURACY = "<!-- fact:evaluation.reviews.accuracy -->"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"Accuracy {ACCURACY}", f"Accuracy -{ACCURACY}"),
        (f"Accuracy {ACCURACY}", f"Accuracy 1{ACCURACY}"),
        (f"Accuracy {ACCURACY}", f"Accuracy ninety per cent <span hidden>{ACCURACY}"),
        (f"Accuracy {ACCURACY}", "Accuracy <!-- fact:evaluation.reviews.auc -->"),
        ("fact:evaluation.reviews.precision", "fact:evaluation.reviews.recall"),
        ("| precision | recall |", "| recall | precision |"),
        ("| figure | before | now |", "| figure | now | before |"),
        (" minutes (", " hours ("),
        ("times as fast as", "times as slow as"),
        ("The second minus the first", "The first minus the second"),
        ("| learning rate |", "| weight decay |"),
        ("\nimport valence\n", "\nimport valence  # 2 threads\n"),
        ("type: text-classification", "type: image-classification"),
        ("license: apache-2.0", "license: mit"),
        ("| reviews | <!--", "| reviews \\| <!--"),
        ("345<!-- end -->", "3\\45<!-- end -->"),
    ],
)
def test_a_figure_that_stands_for_something_else_fails(facts, text, bench, old, new):
    assert old in text
    changed_text = text.replace(old, new, 1)
    checked = check_card(facts, parse_readme(changed_text, "README.md"), bench)
    assert checked.exit_code == 1


@pytest.mark.parametrize(
    "lines",
    [
        r"## Risks, (.*\n)+?(?=## Training\n)",
        r"\| learning rate \|.*\n",
        r"tags:\n(- .*\n)+",
        r"    - type: f1\n(      .*\n)+",
    ],
)
@pytest.mark.slow
def test_what_is_taken_out_is_not_checked(facts, text, unchanged, again, lines):
    """A section, a row of a table, some metadata or a row of the model-index: nobody may overlook that it is gone."""
    shorter, n = re.subn(lines, "", text)
    assert n == 1
    checked = check(facts, shorter, unchanged.data, unchanged.other, auditor=again)
    found = [finding for finding in checked.statements if finding.outcome in ("fails", "not checked")]
    assert {(finding.name, finding.outcome) for finding in found} == {("a line left out", "not checked")}
    assert checked.exit_code == 3


@pytest.mark.slow
def test_a_damaged_mark_is_noticed(facts, text):
    broken = text.replace("<!-- fact:training.steps -->345<!-- end -->", "<!-- fact:training.steps -->345")
    failing = [finding for finding in check(facts, broken).statements if finding.outcome == "fails"]
    assert failing[0].name == "training.steps"
    assert failing[0].detail == "the mark of this figure is damaged"


@pytest.mark.slow
def test_line_ends_and_another_name_change_nothing(facts, text, unchanged, again):
    edited = text.replace("\n", "\r\n") + "\r\n"
    for before in ("- name: {}", "'{}'", "--model {}"):
        edited = edited.replace(before.format("tiny-reviews"), before.format("somebody/reviews-7"))
    checked = check(facts, edited, unchanged.data, unchanged.other, auditor=again)
    assert [finding for finding in checked.statements if finding.outcome in ("fails", "not checked")] == []
    table = text.replace(" |\n| --- |", " |\n\n| --- |", 1)
    (finding,) = [one for one in check(facts, table, auditor=again).statements if one.name == "a line"]
    assert (finding.claimed, finding.outcome) == ("(empty)", "not checked"), "the table would be none"


@pytest.mark.slow
def test_figures_that_the_card_leaves_out_are_named(facts, text, unchanged, again):
    before, _, rest = text.partition("## Time of Training")
    shorter = before + "## Origin and Licences" + rest.partition("## Origin and Licences")[2]
    checked = check(facts, shorter, unchanged.data, unchanged.other, auditor=again)
    assert checked.exit_code == 3
    out = [finding for finding in checked.statements if finding.outcome == "not checked"]
    assert [finding.name for finding in out] == ["a line left out"] * 2
    assert out[0].claimed == "## Time of Training"
    assert set(checked.left_out) >= {"training.minutes", "training.seconds"}


def test_a_card_with_no_figures_is_refused(facts):
    with pytest.raises(InputError, match="no figure that valence can find: valence card renders one"):
        check(facts, "# A model\n\nIt is good.\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"---\nlicense: [\n---\n# A", "line 2: the metadata between the --- lines cannot be read"),
        (b"---\n- a\n- b\n---\n# A", "the metadata between the --- lines cannot be read: repo card metadata block"),
        (b"---\n1: 2\n---\n# A", "the metadata between the --- lines cannot be read"),
        (b"---\na: " + b"[" * 5000 + b"\n---\n# A", "the metadata between the --- lines cannot be read"),
        (b"# fine\n\xff\xfe broken", "line 2: not UTF-8, as a card must be"),
        (b"# A\n" * 400_000, "too large for a card: more than 1,048,576 bytes"),
        (b"# A\n" * 20_000, "too large for a card: more than 10,000 lines"),
    ],
)
@pytest.mark.slow
def test_a_hostile_card_is_one_clear_error(tmp_path, content, said):
    path = tmp_path / "README.md"
    path.write_bytes(content)
    with pytest.raises(DataError) as problem:
        read_readme(path)
    assert str(problem.value).startswith(str(path))
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    "metadata",
    [
        "a: &a [" + "1," * 200 + "]\nb: &b [" + "*a," * 200 + "]\nc: [" + "*b," * 200 + "]",
        "a: &a [*a]",
    ],
)
def test_metadata_that_is_endless_is_as_good_as_any(facts, text, bench, metadata):
    added = text.replace("---\n", f"---\n{metadata}\n", 1)
    checked = check_card(facts, parse_readme(added, "README.md"), bench)
    added_lines = [finding for finding in checked.statements if finding.name == "a line"]
    assert [finding.outcome for finding in added_lines] == ["not checked"] * len(metadata.splitlines())


@pytest.mark.parametrize("place", ["type: reviews", "name: reviews", "type: f1", "value: 0."])
@pytest.mark.parametrize("value", ["0x" + "f" * 5000, "*a7"])
def test_a_model_index_of_odd_values_is_one_clear_error(text, place, value):
    key = place.split(":")[0]
    lists = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 10}]\n" for n in range(1, 8))
    assert place in text
    odd = re.sub(rf"{re.escape(place)}.*", f"{key}: {value}", text, count=1).replace("---\n", f"---\n{lists}", 1)
    with pytest.raises(DataError, match=r"^README\.md: "):
        parse_readme(odd, "README.md")


@pytest.mark.slow
def test_a_card_without_a_model_index_may_lie_under_another_name(carded):
    (carded.folder / "reports" / "evaluation-reviews.json").unlink()
    facts = read_sources(carded.model)
    assert "model-index" not in render(facts)
    for name in ("somebody/else", "it's (mine)"):
        checked = check(facts, render(facts, name))
        assert [finding.name for finding in checked.statements if finding.name.startswith("a line")] == []


def test_the_embedded_default_has_its_own_name():
    facts = read_sources(find_model("default"))
    renamed = render(facts).replace("- name: default\n", "- name: a-larger-one\n")
    checked = check(facts, renamed)
    assert [one.claimed for one in checked.statements if one.outcome == "fails"] == ["- name: a-larger-one"]


def test_no_card_is_an_error_too(tmp_path):
    with pytest.raises(DataError, match="valence card MODEL writes one"):
        read_readme(tmp_path / "README.md")


@pytest.mark.slow
def test_a_card_full_of_marks_and_numbers_takes_no_longer_than_a_moment(facts):
    hostile = "# x\n" + "<!-- fact:a -->1<!-- end --> 5 <!-- fact:" * 20_000
    checked = check(facts, hostile)
    assert checked.exit_code == 1


def test_lines_of_figures(text):
    marked = read_anchors("a\nb <!-- fact:x -->1<!-- end --> c <!-- fact:y -->2<!-- end -->\n\nd <!-- fact:z", 10)
    assert [(figure.name, figure.text, figure.line) for figure in marked.statements] == [("x", "1", 11), ("y", "2", 11)]
    assert marked.unclosed == (("z", 13),)


# Tolerances


def test_the_native_engine_has_to_give_every_digit_again():
    accuracy = Basis("share", n_texts=872, n_smallest=872)
    assert setting_of("native int8", "native int8") == "exact"
    assert tolerance(accuracy, 0.9, "exact") < 1e-5
    assert setting_of("torch fp32", "torch fp32") == "fp32"
    assert tolerance(accuracy, 0.9, "fp32") == pytest.approx(1 / 872)
    assert setting_of("native int8", "onnx int8") == setting_of("onnx int8", "onnx int8") == "other"
    assert changed_labels(872, "other") == 5
    assert tolerance(accuracy, 0.9, "other") == pytest.approx(5 / 872)
    assert tolerance(Basis("p-value"), 1e-9, "other") is None


# Cards that others wrote


def published(folder, **values):
    """A card with some of the figures of the published one."""
    value = {"accuracy": "0.9105504587155964", "france": "0.89", "rate": "1e-5", **values}
    (folder / "README.md").write_text(
        f"---\nlicense: apache-2.0\nmodel-index:\n- name: {CARD_MODEL}\n  results:\n"
        "  - task: {type: text-classification}\n"
        "    dataset: {name: glue, type: glue, config: sst2, split: validation}\n    metrics:\n"
        f"    - {{type: accuracy, value: {value['accuracy']}, name: Accuracy}}\n"
        "    - {type: accuracy, value: 0.5, name: Accuracy on something else}\n---\n\n"
        "This model reaches an accuracy of 91.3 on the dev set (another version reaches an accuracy of 92.7).\n"
        f"({value['france']} if the country is France, but 0.08 if the country is Afghanistan)\n"
        f"- learning_rate = {value['rate']}\n- batch_size = 32\n"
    )
    return read_readme(folder / "README.md")


@pytest.fixture(scope="module")
def claims(tmp_path_factory, unchanged):
    """The shipped claims about the data of the tests."""
    path = tmp_path_factory.mktemp("claims") / "claims.json"
    import valence.card.check.published as module

    (shipped,) = (module._FOLDER).glob("*.json")
    content = json.loads(shipped.read_text())
    sha256 = unchanged.report("evaluation-reviews.json")["data"]["sha256"]
    for data in content["data"].values():
        data["sha256"] = sha256
    path.write_text(json.dumps(content))
    return read_published(path)


def test_the_shipped_claims_are_those_of_the_published_card(unchanged, carded):
    readme = published(carded.folder)
    claims = find_published(carded.model, readme)
    assert find_published(ModelFolder(carded.folder, f"distilbert/{CARD_MODEL}"), None) == claims
    assert find_published(unchanged.model, None) is None
    values = {claim.name: claim.value for claim in claims.statements}
    assert len(claims.statements) == 26
    assert values["accuracy on GLUE validation"] == 0.9105504587155964 == 794 / 872
    assert values["precision on GLUE validation"] == 413 / 460
    assert values["recall on GLUE validation"] == 413 / 444
    assert values["positive score for France"] == 0.89
    assert values["positive score for Afghanistan"] == 0.08
    assert values["learning rate"] == 1e-5
    (off,) = [claim for claim in claims.statements if not claim.holds]
    assert (off.value, off.unit) == (91.3, "%")


def test_claims_are_measured_on_the_model(carded, claims):
    """The tiny model is another one, so that what can be measured does not hold."""
    readme = published(carded.folder)
    checked = check_published(carded.model, claims, readme, [carded.data])
    found = {finding.name: finding for finding in checked.statements}
    assert found["accuracy on GLUE validation"].outcome == "fails"
    assert "on 80 texts" in found["accuracy on GLUE validation"].detail
    assert found["accuracy on the dev set, in the text"].outcome == "known not to hold"
    assert "796" in found["accuracy on the dev set, in the text"].detail
    assert found["positive score for France"].outcome == "fails"
    assert "This film was filmed in France" in found["positive score for France"].detail
    for name in ("learning rate", "accuracy of bert-base-uncased, in the text", "epochs"):
        assert found[name].outcome == "not checked"
        assert found[name].detail.startswith("missing: ")
    assert found["model-index: Accuracy on something else on glue validation"].outcome == "not checked"
    assert found["learning rate"].line == 15
    assert checked.exit_code == 1


def test_the_mean_over_classes_is_scikit_learns(unchanged):
    from sklearn.metrics import precision_recall_fscore_support

    from valence.card.check.published import _mean_over_classes

    report = read_report(unchanged.folder / "reports" / "evaluation-reviews.json", EvaluationReport)
    true, predicted = [], []
    for row, cells in enumerate(report.confusion_matrix.counts):
        for column, count in enumerate(cells):
            true += [row] * count
            predicted += [column] * count
    for mean in ("macro", "micro", "weighted"):
        expected = precision_recall_fscore_support(true, predicted, average=mean, zero_division=0)
        for metric, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert _mean_over_classes(report, metric, mean) == pytest.approx(value)
    assert _mean_over_classes(report, "accuracy", "macro") is None
    assert _mean_over_classes(report, "f1", "typical") is None


def test_claims_that_the_model_reaches_hold(carded, tmp_path):
    report = carded.report("evaluation-reviews.json")
    score = read_sources(carded.model)  # only to be sure that the folder is whole
    assert score.statements
    entries = [
        {"name": metric, "kind": "metric", "value": report[metric]["value"], "metric": metric, "data": "reviews"}
        for metric in ("accuracy", "f1", "auc", "loss")
    ]
    path = tmp_path / "claims.json"
    data = {"reviews": {"sha256": report["data"]["sha256"], "is": "reviews", "from": "the tests"}}
    path.write_text(json.dumps({"models": ["tiny"], "card": "here", "data": data, "statements": entries}))
    checked = check_published(carded.model, read_published(path), None, [carded.data])
    assert [finding.outcome for finding in checked.statements] == ["measured again"] * 4
    assert checked.exit_code == 0
    without = check_published(carded.model, read_published(path), None)
    assert {finding.outcome for finding in without.statements} == {"not checked"}
    assert "from the tests" in without.statements[0].detail
    assert without.exit_code == 3


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"accuracy": "0.9205504587155964"}, "accuracy on GLUE validation"),
        ({"accuracy": "high"}, "accuracy on GLUE validation"),
        ({"france": "0.88"}, "positive score for France"),
        ({"rate": "2e-5"}, "learning rate"),
    ],
)
def test_a_changed_copy_of_a_published_card_fails(carded, claims, values, name):
    checked = check_published(carded.model, claims, published(carded.folder, **values))
    failing = {finding.name: finding.detail for finding in checked.statements if finding.outcome == "fails"}
    assert "the published card says" in failing[name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "guess"}, "expected one of metric, score, stated, other model at statements.0.kind, found 'guess'"),
        ({"kind": "metric", "data": "elsewhere"}, "expected one of reviews at statements.0.data, found 'elsewhere'"),
        ({"value": "high"}, "expected a number at statements.0.value, found 'high'"),
        ({"holds": "perhaps"}, "expected true or false at statements.0.holds, found 'perhaps'"),
    ],
)
def test_a_broken_claims_file_is_named(tmp_path, change, said):
    path = tmp_path / "claims.json"
    entry = {"name": "a", "kind": "stated", "value": 1, **change}
    data = {"reviews": {"sha256": "0", "is": "reviews", "from": "the tests"}}
    path.write_text(json.dumps({"models": [], "card": "here", "data": data, "statements": [entry]}))
    with pytest.raises(ModelError, match=re.escape(f"{path}: {said}")):
        read_published(path)
