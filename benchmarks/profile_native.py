"""Where the native engine's time goes, by the steps of a layer, and how fast its products are.

    python benchmarks/profile_native.py

Compiles the kernels with a counter around every step, and runs the sentences of SST-2 dev through the usual DistilBERT
shape (66 M parameters, random weights) and the default model on one thread, in batches of about 512 tokens, five
times; the fastest pass counts. Writes benchmarks/results/profile_native.json. Needs a C compiler and ../shared.
"""

import ctypes
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hatch_build import compile_kernels  # noqa: E402

from valence.benchmark.models import write_checkpoint  # noqa: E402
from valence.folder import ModelFolder  # noqa: E402
from valence.hub import find_model  # noqa: E402
from valence.runtime import native_engine  # noqa: E402
from valence.runtime.export.export import export_model  # noqa: E402
from valence.text.batching import collate, plan_batches  # noqa: E402
from valence.text.tokenizer import Tokenizer  # noqa: E402

DEV = ROOT.parent / "shared" / "data" / "sst2" / "dev.tsv"
RESULTS = ROOT / "benchmarks" / "results" / "profile_native.json"
PHASES = (
    "embeddings",
    "query, key, value",
    "attention",
    "attention output",
    "residuals, layer norms, quantising",
    "feed-forward up, activation, quantising",
    "feed-forward down",
    "head",
)
BATCH_TOKENS = 512
PASSES = 5


def main() -> None:
    """Measure both models and write the result."""
    if not DEV.is_file():
        sys.exit(f"{DEV} is not there: it holds the sentences")
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "_encoder.so"
        if problem := compile_kernels(ROOT / "src/valence/runtime/native/encoder.c", library, ("-DPROFILE",)):
            sys.exit(f"the kernels cannot be compiled: {problem}")
        native_engine._LIBRARY = library
        random = Path(temporary) / "random"
        write_checkpoint(None, random)
        export_model(ModelFolder(random, "random"), "int8", allow_disagreement=True, two_steps=())
        report = {
            "distilbert": profile(ModelFolder(random, "random")),
            "default": profile(find_model("default")),
        }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def profile(folder: ModelFolder) -> dict[str, Any]:
    """Run the sentences through a model.

    Args:
        folder: with an int8 export.

    Returns:
        Shares of the time by phase, texts/s, and the products' billions of operations per second.
    """
    engine = native_engine.NativeEngine(folder.manifest_file.parent / "model_int8.safetensors", threads=1)
    phases = native_engine._library().valence_phases
    phases.restype = ctypes.POINTER(ctypes.c_uint64)
    sentences = [line.split("\t")[0] for line in DEV.read_text(encoding="utf-8").splitlines()[1:]]
    tokenized = Tokenizer.from_folder(folder)(sentences)
    lengths = [len(text.ids) for text in tokenized]
    batches = [collate([tokenized[i] for i in batch], 0) for batch in plan_batches(lengths, BATCH_TOKENS)]
    best, seconds = np.zeros(len(PHASES)), float("inf")
    for _ in range(PASSES):
        before = np.array(phases()[: len(PHASES)], dtype=np.float64)
        start = time.perf_counter()
        for batch in batches:
            engine.logits(batch, side_by_side=True)
        elapsed = time.perf_counter() - start
        if elapsed < seconds:
            best, seconds = np.array(phases()[: len(PHASES)], dtype=np.float64) - before, elapsed
    return {
        "texts_per_second": round(len(sentences) / seconds, 1),
        "shares": {name: round(value, 4) for name, value in zip(PHASES, best / best.sum(), strict=True)},
    }


if __name__ == "__main__":
    main()
