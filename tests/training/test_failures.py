"""Whatever goes wrong, the last good state stays, and the user reads one clear line."""

import resource
import subprocess
import time
from pathlib import Path

import pytest
from processes import environment, run, train_here, valence

from tiny import tiny_config

torch = pytest.importorskip("torch")

from valence.errors import DataError, InputError, TrainingError  # noqa: E402

pytestmark = pytest.mark.slow  # runs in processes of their own

pytest_plugins = ("training_fixtures",)


def error_of(text: str) -> str:
    """The one line that tells of the error."""
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("valence: error: ")]
    assert len(lines) == 1, text
    assert text.rstrip().endswith(lines[0])
    return lines[0]


def test_a_full_disk_leaves_the_last_state_and_the_run_goes_on_from_there(
    bert_base: Path, train_tsv: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    settings = ("--batch-size", 8, "--epochs", 8, "--save-every", 10)
    command = valence("train", train_tsv, "--base", bert_base, *settings, "--out", out)
    # A limit on the size of files, set while the run is under way, stands for the disk that fills up.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        while process.poll() is None and not list(out.glob("training_state/step-*")):
            time.sleep(0.001)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        said = process.stderr.read()
    assert process.returncode == 1
    error = error_of(said)
    assert "cannot write the state at step" in error
    assert "File too large" in error
    assert "Make room and go on with --resume" in error
    states = list(out.glob("training_state/*step-*"))
    assert len(states) == 1, "the last good state and no other, nor a part of one"
    assert f"the state at step {int(states[0].name.removeprefix('step-'))} is kept" in error
    assert run([*command, "--resume"]).returncode == 0


def test_a_really_full_disk(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    """A file system of 450 kB holds one state of 290 kB, and not a second one beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=450k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        out = disk / "model"
        command = valence("train", train_tsv, "--base", bert_base, "--save-every", 2, "--out", out)
        result = run(command)
        assert result.returncode == 1
        error = error_of(result.stderr)
        assert "cannot write the state at step 4" in error
        assert "No space left on device" in error
        assert "the state at step 2 is kept" in error
        assert [path.name for path in out.glob("training_state/*step-*")] == ["step-00000002"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_too_little_memory_is_said_in_one_line(train_tsv: Path, vocabulary: Path, tmp_path: Path) -> None:
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    wide = tiny_config(intermediate_size=32768, initializer_range=0.02)  # the activations of a batch take about 2 GB
    base, out = tmp_path / "wide", tmp_path / "model"
    save_model(TaskModel(wide, "masked-lm"), base)
    (base / "vocab.txt").write_bytes(vocabulary.read_bytes())
    command = valence("train", train_tsv, "--base", base, "--batch-size", 150, "--out", out)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        while process.poll() is None and not (out / "training_state" / "run.json").exists():
            time.sleep(0.001)
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 250 * 2**20
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        said = process.stderr.read()
    assert process.returncode == 1, said
    error = error_of(said)
    assert "out of memory at step 1; nothing was saved yet" in error
    assert "smaller --batch-size or --max-length" in error


def test_a_learning_rate_beyond_reason_is_said_in_one_line(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no number any more.*Start again with a lower --learning-rate") as error:
        train_here(train_tsv, "--base", bert_base, "--out", tmp_path / "model", "--learning-rate", 1e30)
    assert "\n" not in str(error.value)


def test_an_out_that_cannot_be_written_is_found_before_training(
    bert_base: Path, train_tsv: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(InputError, match="file is not a folder: choose another --out"):
        train_here(train_tsv, "--base", bert_base, "--out", file)
    with pytest.raises(TrainingError, match="model: cannot be written: Not a directory"):
        train_here(train_tsv, "--base", bert_base, "--out", file / "model")


def test_the_data_is_checked_before_anything_is_written(bert_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("sentence\tlabel\ngood dog\t1\nbad dog\tNEUTRAL\n")
    out = tmp_path / "model"
    with pytest.raises(DataError, match=r"bad.tsv, line 3: .*NEUTRAL"):
        train_here(train_tsv, "--eval", bad, "--base", bert_base, "--out", out)
    bad.write_text("sentence\tlabel\ngood dog\t1\nbad dog\t2\n")
    with pytest.raises(DataError, match=r"bad.tsv, line 3: .*2"):
        train_here(train_tsv, "--eval", bad, "--base", bert_base, "--labels", "NO,YES", "--out", out)
    with pytest.raises(DataError, match="no such file"):
        train_here(train_tsv, "--eval", tmp_path / "absent.tsv", "--base", bert_base, "--out", out)
    with pytest.raises(InputError, match="epochs must be at least 1, found 0"):
        train_here(train_tsv, "--base", bert_base, "--out", out, "--epochs", 0)
    assert not out.exists()
