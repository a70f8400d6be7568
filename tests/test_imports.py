"""What imports what: folders point down only, and heavy packages are loaded where they are needed and nowhere else."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import valence
from valence.folder import ModelFolder
from valence.runtime.calibration import calibration_fingerprint
from valence.runtime.choice import open_engine

SOURCE = Path(valence.__file__).parent
# From the top down; folders on one line do not import each other.
LEVELS = (
    {"__main__"},
    {"cli"},
    {"card"},
    {"audit", "training", "explain", "benchmark"},
    {"evaluation"},
    {"runtime"},
    {"checkpoint"},
    {"model", "text", "data", "templates"},
    {"statistics"},
    {"reports"},
    {"hub"},
    {"folder"},
    {"families"},
    {"files", "rust", "reading"},
    {"errors", "forking", "processors", "progress", "versions"},
)
LEVEL_OF = {name: -depth for depth, names in enumerate(LEVELS) for name in names}
# Package -> the only files, or folders, that import it.
PLACES = {
    "accelerate": ("training/",),
    "altair": ("benchmark/chart.py", "audit/page/charts.py"),
    "captum": ("explain/integrated_gradients.py",),
    "click": ("cli/",),
    "ctranslate2": ("benchmark/peers.py",),
    "huggingface_hub": ("hub.py", "card/front_matter.py"),
    "jinja2": ("card/", "audit/"),
    "msgspec": ("reports/", "evaluation/", "training/", "audit/", "card/", "cli/audit.py"),
    "nncf": ("runtime/export/openvino_export.py", "benchmark/peers.py"),
    "onnx": ("runtime/export/",),
    "onnxruntime": ("runtime/onnx_engine.py", "benchmark/peers.py"),
    "openvino": ("runtime/openvino_engine.py",),
    "pyarrow": ("data/parquet_rows.py", "data/lines.py"),
    "rich": ("cli/training_monitor.py", "cli/progress.py"),
    "safetensors": (
        "checkpoint/tensors.py",
        "runtime/int8_tensors.py",
        "training/state.py",
    ),
    "scipy": ("statistics/",),
    "sklearn": ("evaluation/metrics.py", "evaluation/measure.py"),
    "tokenizers": ("text/",),
    "torch": (
        "model/",
        "checkpoint/",
        "runtime/torch_engine.py",
        "runtime/torch_masked_lm.py",
        "runtime/export/graph.py",
        "runtime/export/sensitivity.py",
        "explain/integrated_gradients.py",
        "training/",
        "cli/training_monitor.py",
        "benchmark/peers.py",
        "benchmark/floor.py",
    ),
    "transformers": ("benchmark/peers.py",),
    "vl_convert": ("benchmark/chart.py", "audit/page/charts.py"),
}
LIGHT = ("numpy", "click")  # anything else beside the standard library has its place above


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, also those within functions: line and module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: a relative import"
            if node.module == "valence":
                yield from ((node.lineno, f"valence.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, str(node.module)


FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
FILES.remove("__init__.py")  # imports on first use; has a test of its own


def folder_of(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES)
def test_imports_point_down_only(file):
    here = folder_of(file)
    for line, module in imports(SOURCE / file):
        package, *rest = module.split(".")
        if package != "valence" or rest == ["__version__"]:
            continue
        there = rest[0]
        assert there == here or LEVEL_OF[there] < LEVEL_OF[here], f"{file}, line {line}: {here} imports {there}"


@pytest.mark.parametrize("file", FILES)
def test_each_package_is_imported_in_its_place(file):
    for line, module in imports(SOURCE / file):
        package = module.split(".")[0]
        if package == "valence" or package in sys.stdlib_module_names:
            continue
        if package in PLACES:
            assert file.startswith(PLACES[package]), f"{file}, line {line}: {package} is imported elsewhere"
        else:
            assert package in LIGHT, f"{file}, line {line}: {package} has no place in tests/test_imports.py"


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("runtime/")])
def test_only_the_torch_engines_and_export_know_the_model(file):
    known = {module.split(".")[1] for _, module in imports(SOURCE / file) if module.startswith("valence.")}
    allowed = file in ("runtime/torch_engine.py", "runtime/torch_masked_lm.py") or file.startswith("runtime/export/")
    assert allowed or not known & {"checkpoint", "model"}


def modules_after(code: str, *arguments: str) -> set[str]:
    """The packages that a new interpreter has loaded after running some code."""
    report = "\nimport sys; print('\\n'.join({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stderr.split())


def test_import_valence_loads_nothing():
    loaded = modules_after("import valence")
    assert "valence" in loaded
    assert not loaded & {*PLACES, *LIGHT}


def test_classify_loads_no_heavy_package(tiny_classifier):
    code = "import sys; from valence.cli import cli; cli.main(standalone_mode=False)"
    loaded = modules_after(code, "classify", "--model", str(tiny_classifier), "good film")
    assert {"onnxruntime", "tokenizers", "numpy", "click"} <= loaded
    assert not loaded & set(PLACES) - {"onnxruntime", "tokenizers", "click"}


NO_REPORTS = (
    "import sys; from valence.cli import cli; cli.main(standalone_mode=False)\n"
    "assert not [name for name in sys.modules if name.startswith(('valence.reports', 'valence.statistics'))]"
)


@pytest.mark.parametrize("arguments", [["good film"], ["--json", "good film"]])
def test_classify_loads_no_reports(tiny_classifier, arguments):
    modules_after(NO_REPORTS, "classify", "--model", str(tiny_classifier), *arguments)


def test_classify_with_a_calibration_loads_no_reports(tiny_classifier, tmp_path):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    folder = ModelFolder(model, str(model))
    entry = {"temperature": 2.0, "fingerprint": calibration_fingerprint(folder, open_engine(folder))}
    (model / "calibration.json").write_text(json.dumps({"format": 1, "engines": {"onnx fp32": entry}}))
    loaded = modules_after(NO_REPORTS, "classify", "--model", str(model), "good film")
    assert not loaded & set(PLACES) - {"onnxruntime", "tokenizers", "click"}


def test_reading_a_plain_file_loads_no_pyarrow(tiny_classifier, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood,1\n")
    code = "import sys; from valence.cli import cli; cli.main(standalone_mode=False)"
    loaded = modules_after(code, "classify", "--model", str(tiny_classifier), "--file", str(tmp_path / "a.csv"))
    assert not loaded & set(PLACES) - {"onnxruntime", "tokenizers", "click"}
