"""The tiers themselves: which tests run in which, what may take how long, and what a long run notes."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from one_thread import usual_environment
from tiers import QUICK_EXAMPLES, TIERS, examples

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
BURN = "end = time.process_time() + 0.6\nwhile time.process_time() < end: pass"
PROJECT = {
    "conftest.py": """
import pathlib
import tiers
tiers.LIMIT, tiers.ROOT = 0.3, pathlib.Path(__file__).parent
""",
    "test_some.py": f"""
import subprocess, sys, time
import pytest

BURN = '''import time
{BURN}'''

def test_plain(): pass

def test_sleeps(): time.sleep(0.6)

def test_burns(): exec(BURN)

def test_its_child_burns(): subprocess.run([sys.executable, "-c", BURN], check=True)

@pytest.mark.seconds(5)
def test_may_burn(): exec(BURN)

@pytest.mark.slow
def test_slow(): exec(BURN)

@pytest.mark.slow(keep=2)
@pytest.mark.parametrize("number", range(5))
def test_sampled(number): pass

@pytest.mark.long("test_plain")
@pytest.mark.parametrize("number", range(3))
def test_long(number):
    assert number != 1 or BURN.endswith("pass")
""",
}
QUICK = ["plain", "sleeps", "burns", "its_child_burns", "may_burn", "sampled[0]", "sampled[2]"]
FULL = [*QUICK[:5], "slow", *(f"sampled[{number}]" for number in range(5))]
LONG = [f"long[{number}]" for number in range(3)]


@pytest.fixture
def project(tmp_path):
    for name, content in PROJECT.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def outcomes(project: Path, *arguments: str) -> dict[str, list[str]]:
    """Run the project's tests; their names by what became of them."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tiers", "-p", "no:cacheprovider", "-v", "--strict-markers",
         "--long-report", "report.json", *arguments],
        cwd=project, capture_output=True, text=True, check=False, timeout=100,
        env=usual_environment(PYTHONPATH=os.pathsep.join([str(TESTS), *sys.path])),
    )  # fmt: skip
    found: dict[str, list[str]] = {"output": [done.stdout + done.stderr]}
    for name, outcome in re.findall(r"^test_some\.py::test_(\S+) ([A-Z]+)", done.stdout, re.MULTILINE):
        found.setdefault(outcome, []).append(name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "names"), list(zip(TIERS, (QUICK, FULL, LONG), strict=True)))
def test_what_runs_and_what_takes_too_long(project, tier, names):
    found = outcomes(project, "--tier", tier)
    too_long = ["burns", "its_child_burns"] if tier == "quick" else []
    assert found.get("FAILED", []) == too_long
    assert found["PASSED"] == [name for name in names if name not in too_long]
    assert found["output"][0].count("a test of the quick tier may take 0.3 s") >= len(too_long)


@pytest.mark.slow
def test_in_the_full_tier_too_much_is_too_much(project):
    (project / "conftest.py").write_text(PROJECT["conftest.py"].replace("= 0.3", "= 0.05"))
    assert outcomes(project, "--tier", "full")["FAILED"] == ["burns", "its_child_burns"]


@pytest.mark.slow
def test_without_a_tier_all_but_the_long_tests_run(project):
    assert f"{len(FULL)}/{len(FULL) + len(LONG)} tests collected" in outcomes(project, "--co")["output"][0]


@pytest.mark.slow
def test_a_long_run_goes_on_where_it_was_stopped(project):
    report = project / "report.json"
    source = project / "test_some.py"
    source.write_text(PROJECT["test_some.py"].replace('endswith("pass")', 'endswith("fail")'))
    found = outcomes(project, "--tier", "long")
    assert (found["PASSED"], found["FAILED"]) == (["long[0]", "long[2]"], ["long[1]"])
    noted = json.loads(report.read_text())
    assert [part["outcome"] for _, part in sorted(noted.items())] == ["passed", "failed", "passed"]
    for part in noted.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", part["date"])
        assert part["processor"]
        assert part["seconds"] >= 0
        assert len(part["sources"]) == 64
    assert outcomes(project, "--tier", "long")["FAILED"] == ["long[1]"]
    assert "PASSED" not in outcomes(project, "--tier", "long"), "what passed was run again"
    assert "PASSED" in outcomes(project, "--tier", "long", "--again")
    source.write_text(PROJECT["test_some.py"])
    assert outcomes(project, "--tier", "long")["PASSED"] == LONG, "the test is another one: all is run again"
    (project / "src" / "valence").mkdir(parents=True)
    (project / "src" / "valence" / "new.py").touch()
    assert outcomes(project, "--tier", "long", "-k", "long and 2")["PASSED"] == ["long[2]"], "so are the sources"
    assert len(json.loads(report.read_text())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["long", "long()", "long('test_absent')", "long('test_long')"])
def test_a_long_test_without_a_sister_is_refused(project, mark):
    path = project / "test_some.py"
    path.write_text(path.read_text().replace('long("test_plain")', mark))
    assert "must name a shorter test of this file" in outcomes(project, "--tier", "quick")["output"][0]


TRIED = []


@settings(max_examples=examples(40))
@given(st.integers())
def test_examples_are_counted(number):
    TRIED.append(number)


def test_the_quick_tier_has_few_examples(request):
    quick = request.config.getoption("tier") == "quick"
    assert settings().max_examples == (QUICK_EXAMPLES if quick else 100)
    assert examples(40) == (QUICK_EXAMPLES if quick else 40)
    assert settings().deadline is None


@pytest.mark.slow
def test_every_number_of_examples_knows_the_tier():
    bare = [
        f"{path.relative_to(TESTS)}, line {node.value.lineno}"
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "max_examples" and isinstance(node.value, ast.Constant)
    ]
    assert bare == [], "say max_examples=examples(…)"


def test_a_process_of_tests_has_one_thread():
    assert os.environ["OMP_NUM_THREADS"] == os.environ["RAYON_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in usual_environment()
    torch = pytest.importorskip("torch")
    assert torch.get_num_threads() == 1


def test_what_is_typed_and_what_is_documented():
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    recipes = dict(re.findall(r"^(test[a-z-]*): .*\n\t(.*)$", makefile, re.MULTILINE))
    assert {name: re.findall(r"--tier (\w+)", line) for name, line in recipes.items()} == {
        "test": ["quick"],
        "test-all": ["full"],
        "test-long": ["long"],
    }
    assert re.findall(r"^make (.*)$", ci, re.MULTILINE) == ["demo", "check", "test-all"]
    assert "--durations=30" in recipes["test-all"]
    for page, commands in {"README.md": ["test", "test-all"], "CONTRIBUTING.md": list(recipes)}.items():
        for command in commands:
            assert re.search(rf"^    make {command} ", (ROOT / page).read_text(), re.MULTILINE), (page, command)
