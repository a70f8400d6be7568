"""The first use of an engine in a process, by several threads at once: it never hangs."""

import pytest

from every_engine import LOAD, script, skip_unless

COLD = """
import threading
sys.setswitchinterval(1e-6)  # threads take turns as often as can be
engine, folder, way = sys.argv[1:]
model = load(engine, folder)
if way == "batch":
    many(model)
else:
    together = threading.Barrier(2)
    threads = [threading.Thread(target=lambda: (together.wait(), one(model), many(model))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
EXPORT = """
import sys
sys.setswitchinterval(1e-6)
from valence.cli import cli
cli.main(["export", *sys.argv[1:]])
"""


EACH_ENGINE = pytest.mark.parametrize("engine", ["native", "onnx", "openvino", "torch"])
EACH_WAY = pytest.mark.parametrize("way", ["batch", "threads of the caller"])
EACH_RAW_MODEL = pytest.mark.parametrize("kind", ["masked words", "next sentence"])


@pytest.mark.slow
@EACH_WAY
@EACH_ENGINE
def test_a_cold_process(every_engine, engine, way, runs):
    skip_unless(engine)
    for _ in range(runs):
        script(LOAD + COLD, engine, every_engine, way, seconds=60)


@pytest.mark.slow
@EACH_RAW_MODEL
def test_a_cold_process_with_a_raw_model(raw_model, kind, runs):
    for _ in range(runs):
        script(LOAD + COLD, kind, raw_model, "threads of the caller", seconds=60)


@pytest.mark.slow
def test_a_cold_export_for_openvino(raw_model, every_engine, tmp_path, runs):
    pytest.importorskip("nncf")
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(every_engine, folder, ignore=shutil.ignore_patterns("onnx"))
    for _ in range(runs):
        script(EXPORT, folder, "--engine", "openvino", "--precision", "fp32", seconds=120)


@pytest.mark.long("test_a_cold_process")
@EACH_WAY
@EACH_ENGINE
def test_many_cold_processes(every_engine, engine, way, runs):
    test_a_cold_process(every_engine, engine, way, runs)


@pytest.mark.long("test_a_cold_process_with_a_raw_model")
@EACH_RAW_MODEL
def test_many_cold_processes_with_a_raw_model(raw_model, kind, runs):
    test_a_cold_process_with_a_raw_model(raw_model, kind, runs)


@pytest.mark.long("test_a_cold_export_for_openvino")
def test_many_cold_exports_for_openvino(raw_model, every_engine, tmp_path, runs):
    test_a_cold_export_for_openvino(raw_model, every_engine, tmp_path, runs)


@pytest.mark.parametrize("first", ["valence", "onnxruntime"])
def test_onnx_runtime_reports_nothing_to_its_makers(every_engine, tmp_path, first):
    """It would write an identifier into the home folder, and start a thread that calls home."""
    code = """
import os, sys, threading
from pathlib import Path
import numpy
before = len(os.listdir("/proc/self/task"))
import valence
model = valence.load(sys.argv[1], engine="onnx", threads=1)
model("good film")
print(len(os.listdir("/proc/self/task")) - before)
"""
    if first == "onnxruntime":
        code = "from valence.runtime.onnx_engine import OnnxEngine\nimport onnxruntime\n" + code
    home = tmp_path / "home"
    output = script(
        code, every_engine, seconds=60, HOME=str(home), XDG_CACHE_HOME=str(home), CI="", OMP_NUM_THREADS="1"
    )
    assert output == "0\n"
    assert not home.exists()
