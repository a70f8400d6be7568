"""valence card: written, checked, refused, as a user starts it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard

from valence.cli.card import command
from valence.hub import find_model


@pytest.mark.slow
def test_a_card_is_written_and_checked(carded, card):
    done = card(carded.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"{carded.folder / 'README.md'}: ")
    text = (carded.folder / "README.md").read_text(encoding="utf-8")
    assert ModelCard(text).data.model_name == "tiny-reviews"
    assert (carded.folder / "map.svg").is_file()
    assert (carded.folder / "map-before.svg").is_file()

    for name in ("audit.json", "comparison.json"):  # what is timed, or takes long, is measured again in other tests
        (carded.folder / "reports" / name).unlink()
    assert card(carded.folder).returncode == 0
    checked = card(carded.folder, "--check", "--data", carded.data)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "measured again: evaluation.reviews.accuracy, line " in checked.stdout
    assert "equal to its report: hyper-parameter.learning_rate, line " in checked.stdout
    assert "measuring on reviews" in checked.stderr

    text = (carded.folder / "README.md").read_text(encoding="utf-8")
    (carded.folder / "README.md").write_text(text.replace("-->345<!--", "-->346<!--"), encoding="utf-8")
    changed = card(carded.folder, "--check")
    assert changed.returncode == 1
    assert "fails: training.steps, line " in changed.stdout
    assert changed.stdout.splitlines()[-1].endswith(": reports/training.json says 345 (steps)")


@pytest.mark.slow
def test_what_is_missing_is_told(carded, card):
    for path in (carded.folder / "reports").iterdir():
        path.unlink()
    done = card(carded.folder, "--json")
    facts = json.loads(done.stdout)
    assert {fact["name"].split(".")[0] for fact in facts["facts"]} == {"model", "size", "agreement"}
    assert "every figure of merit" in {missing["what"] for missing in facts["missing"]}
    assert "left out: every figure of merit (what gives it: valence evaluate MODEL DATA)" in card(carded.folder).stdout


@pytest.fixture
def without_audit(tmp_path):
    """The reports of the default that are quickly measured again."""
    reports = find_model("default").reports
    return Path(shutil.copytree(reports, tmp_path / "reports", ignore=shutil.ignore_patterns("audit*.json")))


@pytest.mark.slow
def test_the_embedded_default_is_never_written_to(card, tmp_path, without_audit):
    done = card("default")
    assert done.returncode == 1
    assert "name one with --out" in done.stderr
    options = ("--reports", without_audit, "--out", tmp_path / "new")
    assert card("default", *options).returncode == 0
    assert "22,713,218" in (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    checked = card("default", *options, "--check")
    assert checked.returncode == 3
    assert "give the folder that holds it with --data" in checked.stdout


@pytest.mark.slow
def test_what_became_of_each_figure_as_json(card, tmp_path, without_audit):
    options = ("--reports", without_audit, "--out", tmp_path)
    assert card("default", *options).returncode == 0
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text.replace("-->22,713,218<!--", "-->12,713,218<!--", 1), encoding="utf-8")
    done = card("default", *options, "--check", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["exit_code"] == found["counts"]["fails"] == 1
    (failing,) = [finding for finding in found["findings"] if finding["outcome"] == "fails"]
    assert (failing["name"], failing["claimed"]) == ("model.parameters", "12,713,218")
    assert failing["detail"] == "reports/training.json says 22,713,218 (parameters)"
    assert text.splitlines()[failing["line"] - 1].startswith("- **Parameters:**")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check"], "there is no card to check; valence card MODEL writes one"),
        (["--reports", "elsewhere"], "no such folder of reports"),
        (["--out", "README.md/deeper"], "cannot be written"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_done_is_one_line(carded, card, arguments, said):
    (carded.folder.parent / "README.md").write_text("a file")
    done = card(carded.folder, *arguments, cwd=carded.folder.parent)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_data_without_check_is_a_wrong_option(carded, card):
    done = card(carded.folder, "--data", carded.data)
    assert done.returncode == 2
    assert "--data goes with --check" in done.stderr


@pytest.mark.slow
def test_data_that_is_no_folder(carded, card):
    card(carded.folder)
    done = card(carded.folder, "--check", "--data", carded.data / "reviews.tsv")
    assert done.returncode == 1
    assert "reviews.tsv: no such folder of data" in done.stderr


@pytest.mark.slow
def test_a_card_of_somebody_else(carded, card):
    """Its model-index is all that is known."""
    (carded.folder / "README.md").write_text(
        "---\nmodel-index:\n- name: theirs\n  results:\n  - task: {type: text-classification}\n"
        "    dataset: {name: reviews, type: reviews}\n    metrics:\n"
        "    - {type: accuracy, value: 0.99}\n---\n# Theirs\n"
    )
    done = card(carded.folder, "--check")
    assert done.returncode == 3
    assert "not checked: model-index: accuracy on reviews: 0.99" in done.stdout


@pytest.mark.slow
def test_help_has_examples_and_exit_codes(card):
    done = card("--help")
    assert "valence card default --check --data ../shared/data" in done.stdout
    assert "3 none fails" in done.stdout


MAPPED = [{"name": "France", "iso_numeric": "250", "value": 0.5}, {"name": "Peru", "iso_numeric": "604", "value": 0.7}]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(MAPPED, None), ([{"name": "France", "value": "high"}], "left out: the map"), ([250], "left out: the map")],
)
@pytest.mark.slow
def test_a_map_that_is_not_there_is_drawn(carded, rows, said):
    pytest.importorskip("vl_convert")
    for path in carded.folder.glob("reports/map*"):
        path.unlink()
    audit = carded.report("audit.json")
    audit["probes"][0]["details"] = {"maps": {"a template": rows}}
    carded.change("audit.json", probes=audit["probes"])
    done = CliRunner().invoke(command, [str(carded.folder)])
    assert done.exit_code == 0, done.output
    text = (carded.folder / "README.md").read_text()
    if said is None:
        assert (carded.folder / "map.png").read_bytes().startswith(b"\x89PNG")
        assert "](map.png)" in text
    else:
        assert said in done.output
        assert "](map.png)" not in text
        assert "*Not known: the map." in text
