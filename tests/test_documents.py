"""Documents that can go stale: what is generated is what the generator writes, what is shown runs."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import valence

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")


@pytest.fixture(scope="module")
def write_docs():
    module = importlib.util.module_from_spec(SPECIFICATION)
    SPECIFICATION.loader.exec_module(module)
    return module


@pytest.mark.seconds(4)
def test_generated_documents_are_up_to_date(write_docs):
    stale = [
        path.name
        for path, content in write_docs.documents().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]
    assert stale == [], "run `make docs`"


def test_the_readme_names_every_folder_of_the_package():
    tree = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [path.name for path in (ROOT / "src" / "valence").iterdir() if path.is_dir() and path.name[0] != "_"]
    assert [name for name in folders if f"{name}/" not in tree] == []


def test_the_readmes_python_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)  # our own README
    assert isinstance(names["clf"], valence.Classifier)


def test_links_between_documents_lead_somewhere():
    broken = [
        f"{page.name}: {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_changelog_and_package_name_the_same_version():
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == valence.__version__


def test_every_command_shows_an_example(write_docs):
    reference = write_docs.command_reference()
    for section in reference.split("\n## ")[2:]:
        assert "Examples:" in section, section.splitlines()[0]


def test_every_install_line_names_our_distribution():
    """`valence` is another project in the package registry."""
    written = [ROOT / "pyproject.toml", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("src/**/*.py")]
    foreign = [
        f"{path.relative_to(ROOT)}, line {number}"
        for path in written
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"(?<![\w.-])valence\[|pip install valence(?!-text)", line)
    ]
    assert foreign == []
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["name"] == "valence-text"
    assert metadata["scripts"] == {"valence": "valence.cli:main"}
