"""The package as users get it: a wheel, installed outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_carries_model_types_and_licences(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"valence/py.typed", "valence/default_model/onnx/manifest.json", "valence/default_model/README.md"} <= set(
        names
    )
    assert any(name.endswith("/LICENSE") for name in names)
    assert any(name.endswith("/NOTICE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "models/", "scripts/"))]
    assert wheel.stat().st_size < 50e6


def test_the_wheel_classifies_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = "import valence; print(valence.__file__); print(valence.load()('Hello, my dog is cute').label)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(site / "valence" / "__init__.py"), "POSITIVE"]
    script = subprocess.run(
        [str(site / "bin" / "valence"), "classify", "The plot was a mess and the acting was worse"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout.startswith("NEGATIVE\t")
