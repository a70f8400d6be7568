"""The package as users get it: a wheel, installed outside the checkout."""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from one_thread import usual_environment
from valence.runtime.native_engine import why_not_native

pytestmark = pytest.mark.slow  # it builds and installs

ROOT = Path(__file__).resolve().parent.parent
KERNELS = "valence/runtime/native/_encoder.so"
COMPILES = sys.platform == "linux" and platform.machine() == "x86_64" and shutil.which("cc") is not None


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of the checkout: the kernels are compiled where the source lies."""
    copy = tmp_path_factory.mktemp("source") / "valence"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return copy


def build(source: Path, out: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True, text=True, check=False, env=usual_environment(**environment),
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done = build(source, out)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel_without_kernels(source, tmp_path_factory) -> Path:
    """Built where there is no C compiler."""
    out = tmp_path_factory.mktemp("plain")
    done = build(source, out, CC="/nonexistent/cc")
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


def install(wheel: Path, site: Path) -> dict[str, str]:
    """Install into a folder; return the environment in which that is the package that is found."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True)
    return os.environ | {"PYTHONPATH": str(site)}


def required(name: str) -> Iterator[str]:
    """What a package asks for, without extras, and what that asks for in turn."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from required(requirement.name)


@pytest.fixture(scope="module")
def base_install(wheel, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """Runs valence where the wheel and what it asks for are installed, and nothing else can be found."""
    folder = tmp_path_factory.mktemp("base")
    site = folder / "site"
    environment = install(wheel, site)
    for name in set(required("valence-text")):
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(package.locate_file(top))

    def run(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-S", "-m", "valence", *map(str, arguments)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return run


def test_the_wheel_carries_every_file_of_the_package(wheel, source):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (source / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(source / "src").as_posix() for path in files} <= names
    assert {
        "valence/templates/countries.csv",
        "valence/templates/name_sentences.csv",
        "valence/templates/behaviour_audit.txt",
        "valence/templates/behaviour_training.txt",
        "valence/audit/page/audit.html.j2",
        "valence/audit/page/page.css",
        "valence/audit/page/page.js",
        "valence/audit/world/countries-50m.json",
        "valence/audit/world/LICENSE",
        "valence/card/check/published_cards/distilbert-base-uncased-finetuned-sst-2-english.json",
    } <= names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "MODEL", "good", "--method", "integrated-gradients"], "pip install 'valence-text[explain]'"),
        (["explain", "default", "good", "--method", "integrated-gradients"], "use --method leave-one-out"),
        (["audit", "default", "--out", "out"], "pip install 'valence-text[audit]'"),
        (["train", "absent.tsv", "--base", "MODEL", "--out", "out"], "pip install 'valence-text[train]'"),
        (["evaluate", "default", "absent.tsv"], "pip install 'valence-text[evaluate]'"),
    ],
)
def test_a_base_install_names_the_extra_in_one_line(base_install, tiny_classifier, arguments, said):
    done = base_install(*(tiny_classifier if argument == "MODEL" else argument for argument in arguments))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("valence: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_base_install_explains_and_writes_cards(base_install, tmp_path):
    done = base_install("explain", "default", "The film was good, but the plot is awful.")
    assert (done.returncode, done.stderr) == (0, "")
    assert "awful" in done.stdout
    done = base_install("card", "default", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "README.md").read_text(encoding="utf-8").startswith("---\n")
    done = base_install("card", "default", "--out", tmp_path, "--check")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr


def test_the_wheel_carries_model_types_and_licences(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"valence/py.typed", "valence/default_model/onnx/manifest.json", "valence/default_model/README.md"} <= set(
        names
    )
    assert any(name.endswith("/LICENSE") for name in names)
    assert any(name.endswith("/NOTICE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "models/", "scripts/"))]
    assert wheel.stat().st_size < 50e6


@pytest.mark.skipif(not COMPILES, reason="needs a C compiler on Linux on x86-64")
def test_a_wheel_with_kernels_is_for_this_platform(wheel):
    assert wheel.name.endswith(f"-py3-none-linux_{platform.machine()}.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert KERNELS in names
    assert not [name for name in names if "native" in name and not name.endswith((".so", ".c", ".py"))]


def test_a_wheel_without_kernels_is_for_every_platform(wheel_without_kernels, tmp_path):
    assert wheel_without_kernels.name.endswith("-py3-none-any.whl")
    assert KERNELS not in zipfile.ZipFile(wheel_without_kernels).namelist()
    environment = install(wheel_without_kernels, tmp_path / "site")
    code = """
import valence
print(valence.load().engine.name, valence.load()("Hello, my dog is cute").label, sep="\\n")
try:
    valence.load(engine="native")
except valence.EngineError as problem:
    print(problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "onnx int8",
        "POSITIVE",
        "the native engine cannot run: its kernels were not compiled when valence was installed (they need Linux on "
        "x86-64 and a C compiler)",
    ]


def test_no_compiler_is_an_error_where_kernels_are_required(source, tmp_path):
    done = build(source, tmp_path, CC="/nonexistent/cc", VALENCE_REQUIRE_NATIVE="1")
    assert done.returncode != 0
    assert "the native engine was not compiled: /nonexistent/cc: " in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))


def test_the_wheel_classifies_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    environment = install(wheel, site)
    code = (
        "import valence; c = valence.load(); "
        "print(valence.__file__, c('Hello, my dog is cute').label, c.engine.name, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    engine = "native int8" if COMPILES and why_not_native() is None else "onnx int8"
    assert done.stdout.splitlines() == [str(site / "valence" / "__init__.py"), "POSITIVE", engine]
    script = subprocess.run(
        [str(site / "bin" / "valence"), "classify", "The plot was a mess and the acting was worse"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout.startswith("NEGATIVE\t")
