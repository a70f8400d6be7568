"""What runs every engine: scripts that must end in time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from one_thread import usual_environment

TEXTS = [f"film {number} {'good ' * (number % 50)}" for number in range(150)]
_UNSET = ("TOKENIZERS_PARALLELISM", "MKL_DISABLE_FAST_MM")  # valence sets the second; a test may, too


def skip_unless(engine: str) -> None:
    """Skip a test of an engine that cannot run here."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    if engine == "native":
        from valence.runtime.native_engine import why_not_native

        if reason := why_not_native():
            pytest.skip(f"the native engine: {reason}")


def script(code: str | Path, *arguments: object, seconds: float, **environment: str) -> str:
    """Run code, or a file of it, in a process of its own; fail where it does not end in time, or not well."""
    variables = usual_environment(PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    variables = {name: value for name, value in variables.items() if name not in _UNSET}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *(["-c", code] if isinstance(code, str) else [code]), *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=variables | environment, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # with all that it has forked
        output, errors = process.communicate()
        raise AssertionError(f"it hangs: {output[-2000:]}{errors[-4000:]}") from None
    assert process.returncode == 0, f"exit code {process.returncode}: {output[-2000:]}{errors[-4000:]}"
    return output


LOAD = """
import sys
from every_engine import TEXTS
import valence

def load(engine, folder):
    if engine == "masked words":
        return valence.load_masked_lm(folder)
    if engine == "next sentence":
        return valence.load_next_sentence(folder)
    return valence.load(folder, engine=engine)

def one(model):
    if hasattr(model, "fill"):
        return [model.fill("a [MASK] film")[0].score]
    return [model("good", "film").probability] if hasattr(model, "predict") else [model("good film").score]

def many(model):
    if hasattr(model, "fill"):
        return model.pseudo_log_likelihood(TEXTS[1:20])
    if hasattr(model, "predict"):
        return [answer.probability for answer in model.predict([(text, "film") for text in TEXTS])]
    return [prediction.score for prediction in model(TEXTS)]
"""
