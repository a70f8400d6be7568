"""Two processes do together what one does alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import environment, run, valence

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.checkpoint.config import encoder_config  # noqa: E402
from valence.files import write_json  # noqa: E402
from valence.folder import ModelFolder  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402

pytestmark = pytest.mark.slow  # two processes, which start slowly

pytest_plugins = ("training_fixtures",)


@pytest.fixture(scope="module")
def plain_base(bert_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base without dropout, which two processes draw in another way than one."""
    folder = tmp_path_factory.mktemp("plain") / "base"
    model = TaskModel(encoder_config(ModelFolder(bert_base, str(bert_base))), "masked-lm")
    model.initialise(seed=3)
    save_model(model, folder)
    config = json.loads((folder / "config.json").read_text())
    none = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"), 0.0)
    write_json(folder / "config.json", config | none)
    (folder / "vocab.txt").write_bytes((bert_base / "vocab.txt").read_bytes())
    return folder


def in_two_processes(*arguments: object) -> list[str]:
    launch = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "valence")
    return [sys.executable, "-m", *launch, *map(str, arguments)]


def test_two_processes_end_in_the_weights_of_one(
    plain_base: Path, train_tsv: Path, dev_tsv: Path, tmp_path: Path
) -> None:
    # The last batch of an epoch has 3 examples: one process gets two of them, the other one.
    settings = ("--batch-size", 7, "--epochs", 2, "--precision", "fp32", "--architecture", "bert", "--save-every", 10)
    command = ("train", train_tsv, "--eval", dev_tsv, "--base", plain_base, *settings, "--out")
    one = run(valence(*command, tmp_path / "one"))
    assert one.returncode == 0, one.stderr
    two = run(in_two_processes(*command, tmp_path / "two", "--json"))
    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["processes"] == 2, "one report, and nothing else"
    assert two.stderr.count("recipe small: 44 steps") == 1
    assert two.stderr.count("epoch 2: train loss") == 1
    alone, together = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    start = load_file(plain_base / "model.safetensors")
    assert max(float((alone[name] - start[name]).abs().max()) for name in start if name in alone) > 1e-4
    for name, value in alone.items():
        if not name.endswith("key.bias"):  # without a gradient but for rounding, which AdamW makes large
            torch.testing.assert_close(
                together[name], value, rtol=0, atol=2e-6, msg=lambda text, n=name: f"{n}: {text}"
            )
    figures = [json.loads((tmp_path / name / "reports" / "training.json").read_text()) for name in ("one", "two")]
    accuracies = [[epoch["accuracy"] for epoch in report["epochs_done"]] for report in figures]
    assert accuracies[0] == accuracies[1]


def test_two_processes_stop_at_the_same_step_and_go_on(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    settings = ("--batch-size", 8, "--epochs", 60, "--keep", "last", "--save-every", 100000)
    command = ("train", train_tsv, "--base", bert_base, *settings, "--resume", "--out", tmp_path / "model")
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            in_two_processes(*command), stdout=file, stderr=file, env=environment(), start_new_session=True
        ) as process,
    ):
        while process.poll() is None and "epoch 1:" not in log.read_text():
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGTERM)  # the other process must learn of it from this one
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
    said = log.read_text()
    assert "is kept: go on with --resume" in said
    states = [path.name for path in (tmp_path / "model" / "training_state").glob("*step-*")]
    assert len(states) == 1, states
    assert f"the state at step {int(states[0].removeprefix('step-'))} is kept" in said
