"""Interrupted runs: killed, terminated or stopped anywhere, they end in the same weights, bit for bit."""

import json
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import being_saved, run, steps_saved, stop_when, train_here, valence

from valence.errors import InputError, TrainingError

pytest.importorskip("torch")

from valence.training.state import RunState

pytestmark = pytest.mark.slow  # runs are killed and begun again

pytest_plugins = ("training_fixtures",)

_SETTINGS = ("--batch-size", 8, "--epochs", 8, "--learning-rate", 1e-3, "--save-every", 7)
_STEPS = 152


@pytest.fixture(scope="module")
def command(bert_base: Path, train_tsv: Path, dev_tsv: Path) -> list[object]:
    return ["train", train_tsv, "--eval", dev_tsv, "--base", bert_base, *_SETTINGS]


@pytest.fixture(scope="module")
def uninterrupted(command: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    out = tmp_path_factory.mktemp("uninterrupted") / "model"
    result = run(valence(*command, "--out", out))
    assert result.returncode == 0, result.stderr
    return out


def same_result(out: Path, expected: Path) -> None:
    assert (out / "model.safetensors").read_bytes() == (expected / "model.safetensors").read_bytes()
    found, wanted = (json.loads((path / "reports" / "training.json").read_text()) for path in (out, expected))
    for name in (
        "steps",
        "epochs_done",
        "kept_epoch",
        "weights_sha256",
        "train",
        "learning_rate",
        "seed",
        "base_sha256",
    ):
        assert found[name] == wanted[name], name
    assert not (out / "training_state").exists()


def test_killed_at_any_step_a_run_ends_in_the_same_weights(
    command: list[object], uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    resuming = valence(*command, "--out", out, "--resume")
    chance = random.Random()  # another moment each time: whatever the moment, the test must pass
    state = out / "training_state"
    moments: list[tuple[str, Callable[[], bool]]] = [("at the very start", lambda: (state / "run.json").exists())]
    for low, high in ((1, 50), (51, 100)):
        step = chance.randrange(low, high)
        pause = chance.random() * 0.05
        moments.append((f"after step {step}", lambda s=step, p=pause: steps_saved(out) >= s and not time.sleep(p)))  # type: ignore[misc]
    moments.append(("while saving", lambda: steps_saved(out) > 100 and being_saved(out)))
    for name, ready in moments:
        code, said = stop_when(out, resuming, ready, signal.SIGKILL)
        assert code == -signal.SIGKILL, f"not killed {name}: {said}"
        assert steps_saved(out) < _STEPS, f"the run was finished {name}"
    assert being_saved(out), "the last kill did not hit a save"
    last = run(resuming)
    assert last.returncode == 0, last.stderr
    assert "resumed after step" in last.stderr
    same_result(out, uninterrupted)


@pytest.mark.long("test_killed_at_any_step_a_run_ends_in_the_same_weights")
def test_killed_at_a_hundred_steps(command: list[object], uninterrupted: Path, tmp_path: Path) -> None:
    for number in range(25):  # each kills four times
        folder = tmp_path / str(number)
        folder.mkdir()
        test_killed_at_any_step_a_run_ends_in_the_same_weights(command, uninterrupted, folder)


def test_a_run_that_is_asked_to_stop_saves_its_state_first(
    command: list[object], uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    resuming = valence(*command, "--save-every", 100000, "--out", out, "--resume")
    for number, how in enumerate((signal.SIGTERM, signal.SIGINT)):
        before = steps_saved(out)
        code, said = stop_when(out, resuming, lambda b=before: steps_saved(out) > b, how)  # type: ignore[misc]
        assert code == 130, said
        stopped = steps_saved(out)
        assert f"the state at step {stopped} is kept: go on with --resume" in said
        assert "Traceback" not in said
        assert before < stopped < _STEPS, number
    assert run(resuming).returncode == 0
    same_result(out, uninterrupted)


@pytest.mark.long("test_a_run_that_is_asked_to_stop_saves_its_state_first")
def test_asked_to_stop_many_times(command: list[object], uninterrupted: Path, tmp_path: Path) -> None:
    for number in range(25):
        folder = tmp_path / str(number)
        folder.mkdir()
        test_a_run_that_is_asked_to_stop_saves_its_state_first(command, uninterrupted, folder)


def test_a_resumed_run_must_be_the_one_begun(
    command: list[object], train_tsv: Path, bert_base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    stop_when(out, valence(*command, "--out", out), lambda: steps_saved(out) >= 3, signal.SIGKILL)
    changed = tmp_path / "train.tsv"
    changed.write_text(train_tsv.read_text() + "good dog\t1\n")
    shutil.copy(train_tsv.with_name("labels.txt"), tmp_path)
    with pytest.raises(TrainingError, match="cannot resume") as refusal:
        train_here(changed, *command[2:], "--out", out, "--resume", "--learning-rate", 2e-3, "--seed", 7)
    said = str(refusal.value)
    assert "learning_rate: begun with 0.001, now 0.002" in said
    assert "seed: begun with 42, now 7" in said
    assert re.search("train: begun with .*'examples': 150.* now .*'examples': 151", said)
    assert len(said.splitlines()) == 1 + 3, "the differences, and nothing else"
    with pytest.raises(InputError, match="holds an unfinished run: go on with --resume"):
        train_here(*command[1:], "--out", out)


def test_another_column_is_another_run(bert_base: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("first,second,label\n" + "good dog,bad film,NO\nbad film,good dog,YES\n" * 8)
    state = RunState(tmp_path / "model" / "training_state")
    arguments = (table, "--base", bert_base, "--out", tmp_path / "model", "--learning-rate", 1e30)
    with pytest.raises(TrainingError, match="no number"):
        train_here(*arguments, "--text-column", "first", "--batch-size", 1)
    assert state.begun
    with pytest.raises(TrainingError, match=r"cannot resume[^\n]*\n  train: [^\n]*$"):
        train_here(*arguments, "--text-column", "second", "--batch-size", 1, "--resume")


def test_a_finished_run_has_nothing_to_resume(command: list[object], uninterrupted: Path) -> None:
    before = (uninterrupted / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="the run is finished, there is nothing to resume"):
        train_here(*command[1:], "--out", uninterrupted, "--resume")
    with pytest.raises(InputError, match="exists and is not empty: choose another --out"):
        train_here(*command[1:], "--out", uninterrupted)
    assert (uninterrupted / "model.safetensors").read_bytes() == before
