"""The package as users get it: a wheel, installed outside the checkout."""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from valence.runtime.native_engine import why_not_native

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
        capture_output=True, text=True, check=False, env=os.environ | environment,
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
