"""A first label from a cold process: time and memory of the whole process, valence beside a transformers pipeline.

    python benchmarks/cold_start.py [--runs 7]

Each process starts Python, loads a model from disk, labels one sentence and ends. The two run in turn (A B A B …), so
that a slower moment of the machine meets both. The pipeline has a DistilBERT of the usual size (66 M parameters)
with random weights, as users get from the hub: what is timed does not depend on the weights' values. Writes
benchmarks/results/cold_start.json.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from valence.benchmark.pool import ask_once
from valence.benchmark.process import run_to_end
from valence.versions import installed_versions

RESULTS = Path(__file__).parent / "results" / "cold_start.json"
PACKAGES = ("transformers", "torch", "onnxruntime")
SENTENCE = "Hello, my dog is cute"
_PIPELINE = """
import sys
from transformers import pipeline
print(pipeline("text-classification", model=sys.argv[1])(sys.argv[2]))
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    valence = str(Path(sys.executable).parent / "valence")
    with tempfile.TemporaryDirectory() as folder:
        ask_once("write", source=None, target=folder)
        commands = {
            "valence classify, embedded default": [valence, "classify", SENTENCE],
            "transformers pipeline, DistilBERT 66 M": [sys.executable, "-c", _PIPELINE, folder, SENTENCE],
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for round_number in range(arguments.runs + 1):
            for name, command in commands.items():
                figures = run_to_end(command)
                if round_number:  # the first round fills the file cache
                    measured[name].append(figures)
    rows = {
        name: {
            "seconds": {"median": statistics.median(s for s, _ in runs), "min": min(s for s, _ in runs)},
            "peak_mib": {"median": statistics.median(m for _, m in runs), "max": max(m for _, m in runs)},
        }
        for name, runs in measured.items()
    }
    ours, theirs = rows.values()
    report = {
        "runs": arguments.runs,
        "rows": rows,
        "ratio": {
            "seconds": theirs["seconds"]["median"] / ours["seconds"]["median"],
            "peak_mib": theirs["peak_mib"]["median"] / ours["peak_mib"]["median"],
        },
        "processors": os.cpu_count(),
        "versions": installed_versions(*PACKAGES),
    }
    for name, row in rows.items():
        print(f"{name:40} {row['seconds']['median']:6.2f} s  {row['peak_mib']['median']:6.0f} MiB (medians)")
    print(f"{'ratio':40} {report['ratio']['seconds']:6.1f} x  {report['ratio']['peak_mib']:6.1f} x")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
