"""Topics from scratch: run the two commands of docs/train.md on AG News and keep what they print.

    python benchmarks/topics.py [--data ../shared/data/agnews] [--base ../shared/models/all-MiniLM-L6-v2]

Takes a few minutes. Writes benchmarks/results/topics.txt, which `make docs` shows in docs/train.md.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "topics.txt"


def main() -> None:
    """Train, evaluate, keep the output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/agnews")
    parser.add_argument("--base", default="../shared/models/all-MiniLM-L6-v2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            ["train", f"{arguments.data}/train.tsv", "--base", arguments.base, "--out", "agnews", "--epochs", "2"],
            ["evaluate", "agnews", f"{arguments.data}/test.tsv"],
        ]
        lines: list[str] = []
        for command in commands:
            lines += ["", f"    $ valence {' '.join(command)}"]
            real = [str(Path(word).resolve()) if word.startswith("..") else word for word in command]
            done = subprocess.run(
                [sys.executable, "-m", "valence", *real],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(done.stdout)
            lines += [f"    {line}".rstrip() for line in _shortened(done.stdout.splitlines())]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def _shortened(lines: list[str]) -> list[str]:
    """Leave out the progress lines, all but a mark that there were some."""
    kept: list[str] = []
    for line in lines:
        if not line.startswith("step "):
            kept.append(line)
        elif kept[-1] != "…":
            kept.append("…")
    return kept


if __name__ == "__main__":
    main()
