"""A probe of one's own: registered, run, written, shown on the page and the terminal; no other file is touched."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")
pytest.importorskip("altair")

from valence.audit.page.render import audit_page
from valence.audit.plan import PROBES, plan_probes, probe_names, register_probe
from valence.audit.run import run_audit
from valence.errors import InputError
from valence.folder import ModelFolder
from valence.reports.audit import AuditReport
from valence.reports.codec import read_report, write_report

TOY = """
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate


class WeekdaysProbe:
    name = "weekdays"
    needs = frozenset({"classifier"})
    headline = "spread"

    def run(self, subject, on_progress=None):
        texts = [f"The film is on {day}." for day in ("Monday", "Friday", "Sunday")]
        scores = positive_probabilities(require(subject.positive, "classifier"), texts, Progress(3, on_progress))
        return ProbeReport(
            name=self.name,
            title="Days of the week",
            asks="Whether Mondays are worse.",
            figures={"spread": Estimate(float(scores.max() - scores.min())), "mean": Estimate(float(scores.mean()))},
            cannot_show="Holidays.",
            source="A calendar.",
            n_texts=3,
            tables=(Table("By day", ("Text", "P(POSITIVE)"), tuple(zip(texts, scores.tolist()))),),
            details={"templates": {"The film is on {day}.": {"Monday": float(scores[0]), "Sunday": float(scores[2])}}},
        )
"""


@pytest.fixture
def toy():
    made: dict[str, type] = {}
    exec(TOY, made)
    take_back = register_probe(made["WeekdaysProbe"])
    yield made["WeekdaysProbe"]
    take_back()
    assert probe_names() == PROBES


@pytest.mark.slow
def test_a_registered_probe_is_run_written_read_and_shown(toy, tiny_classifier, tmp_path):
    assert probe_names() == (*PROBES, "weekdays")
    report = run_audit(ModelFolder(tiny_classifier, "model"), probes=["weekdays"])
    (probe,) = report.probes
    assert probe.headline == ("spread",)
    assert probe.seconds is not None
    write_report(tmp_path / "audit.json", report)
    assert read_report(tmp_path / "audit.json", AuditReport).probes == report.probes
    page = audit_page(report)
    for words in ("Days of the week", "Whether Mondays are worse.", "Holidays.", "By day", "The film is on Sunday."):
        assert words in page


def test_a_name_is_given_once(toy):
    with pytest.raises(InputError, match="there is a probe called 'weekdays' already"):
        register_probe(toy)


def test_what_is_taken_back_is_gone():
    with pytest.raises(InputError, match="no probe is called 'weekdays'"):
        plan_probes({"classifier"}, ["weekdays"])


@pytest.mark.slow
def test_the_command_runs_it(tiny_classifier, tmp_path):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    code = f"{TOY}\nfrom valence.audit.plan import register_probe\nregister_probe(WeekdaysProbe)\n"
    code += "from valence.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", str(model), "--probe", "weekdays", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "weekdays" in lines
    assert [line.split()[0] for line in lines if line.startswith("  ")] == ["spread"], "its headline"
    assert done.stderr.splitlines() == ["auditing: weekdays"]
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert written["format"] == 1
    assert written["probes"][0]["name"] == "weekdays"
    assert "Days of the week" in (tmp_path / "out" / "audit.html").read_text()


@pytest.mark.parametrize(
    ("about", "said"),
    [
        *(
            ({"name": name}, "a probe needs a name of small letters")
            for name in ("", None, "../x", "a\nb", "--help", "A")
        ),
        ({"needs": frozenset({"bogus"})}, "a probe needs some of classifier, masked-lm, next-sentence"),
        ({"headline": "("}, "the headline is no regular expression"),
    ],
)
def test_a_probe_of_no_use_is_refused_at_once(about, said):
    made: dict[str, type] = {}
    exec(TOY, made)
    with pytest.raises(InputError, match=said):
        register_probe(type("Other", (made["WeekdaysProbe"],), about))
    assert probe_names() == PROBES
