"""Whether a report can be written is tried before the work, really; and what was found is printed in any case."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from valence.cli.output import show_and_keep
from valence.errors import ValenceError
from valence.files import why_not_writable, write_text

ENOUGH = 4096  # bytes of a file, for what is tried


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reviews.tsv"
    path.write_text("text\tlabel\n" + "good film\t1\nbad film\t0\nawful\t0\nthe plot was great\t1\n" * 3)
    return path


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


@pytest.fixture
def mounted(tmp_path) -> Iterator[Callable[..., Path]]:
    """Mount a small disk, which may be made read-only or full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a disk needs root")

    def again(*options: str) -> Path:
        if options:
            subprocess.run(["mount", "-o", f"remount,{','.join(options)}", disk], check=True)
        return disk

    yield again
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path, left: int = 0) -> None:
    """Fill a disk but for so many bytes."""
    free = os.statvfs(disk)
    with (disk / "filling").open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - left))


def arguments(command: str, model: Path, data: Path, tmp_path: Path, *more: object) -> list[object]:
    """A run of a command that reports, but for where its report goes."""
    given: dict[str, list[object]] = {
        "evaluate": [model, data, "--resamples", 5],
        "compare": [model, model, data, "--resamples", 5, "--rounds", 1],
        "explain": [model, "the film was good"],
        "audit": [model, "--probe", "own-templates", "--templates", tmp_path / "mine.txt"],
        "card": [model],
        "train": [data, "--base", model],
        "distill": [data, "--teacher", model],
        "pretrain": [data, "--base", model],
        "bench": [model, "--data", tmp_path, "--quick"],
    }
    (tmp_path / "mine.txt").write_text("I flew to {country}.\n")
    return [command, *given[command], *more]


OUT = {
    "evaluate": "--out", "compare": "--out", "explain": "--html", "audit": "--out", "card": "--out",
    "train": "--out", "distill": "--out", "pretrain": "--out", "bench": "--json",
}  # fmt: skip


def said(done: subprocess.CompletedProcess) -> str:
    text = done.stderr.decode()
    assert "Traceback" not in text, text
    return text.splitlines()[-1]


# A file or folder that the user names: refused at once.


@pytest.mark.parametrize("command", OUT)
@pytest.mark.slow
def test_an_out_on_a_read_only_disk_is_refused_before_the_work(run, model, data, tmp_path, mounted, command):
    disk = mounted("ro")
    done = run(*arguments(command, model, data, tmp_path, OUT[command], disk / "new" / "report"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{disk / 'new' / 'report'}" in said(done)
    assert "cannot be written: Read-only file system" in said(done)
    assert done.stderr.count(b"\n") == 1, "nothing was begun"


@pytest.mark.parametrize("command", OUT)
@pytest.mark.slow
def test_an_out_on_a_full_disk_is_refused_before_the_work(run, model, data, tmp_path, mounted, command):
    disk = mounted()
    fill(disk)
    done = run(*arguments(command, model, data, tmp_path, OUT[command], disk / "new" / "report"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert "cannot be written: No space left on device" in said(done)
    assert done.stderr.count(b"\n") == 1, "nothing was begun"
    assert [path.name for path in disk.iterdir()] == ["filling"]


@pytest.mark.parametrize("command", OUT)
@pytest.mark.parametrize("kind", ["below a file", "below a link to nothing"])
@pytest.mark.slow
def test_an_out_that_cannot_be(run, model, data, tmp_path, command, kind):
    (tmp_path / "in the way").write_text("") if kind == "below a file" else (tmp_path / "in the way").symlink_to("no")
    done = run(*arguments(command, model, data, tmp_path, OUT[command], tmp_path / "in the way" / "report"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert "cannot be written: Not a directory" in said(done)
    assert done.stderr.count(b"\n") == 1, "nothing was begun"


# A file that is written at last, on a disk that is full by then.


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain"])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.slow
def test_figures_are_printed_where_the_disk_is_full_at_the_end(run, model, data, tmp_path, command, as_json):
    usual = run(*arguments(command, model, data, tmp_path, *["--json"] * as_json))
    done = run(*arguments(command, model, data, tmp_path, OUT[command], "/dev/full", *["--json"] * as_json))
    assert usual.returncode == 0, usual.stderr
    assert done.returncode == 1
    assert said(done) == (
        "valence: error: /dev/full: cannot be written: No space left on device; what was found is printed, and not kept"
    )
    if as_json:
        assert json.loads(done.stdout).keys() == json.loads(usual.stdout).keys()
    else:
        assert done.stdout.splitlines()[0] == usual.stdout.splitlines()[0]
        lines = usual.stdout.splitlines()
        assert len(done.stdout.splitlines()) == len(lines) - lines[-1].startswith(b"report: ")
    assert os.stat("/dev/full").st_rdev == os.makedev(1, 7), "a device is written to, not replaced"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.slow
def test_figures_are_printed_where_a_file_may_not_grow(model, data, tmp_path, valence_command, as_json):
    """As a quota and a full disk do, after what was tried."""
    labels = ("a" * ENOUGH, "b")  # so that the report is large
    options = [*arguments("evaluate", model, data, tmp_path), "--labels", ",".join(labels), *["--json"] * as_json]
    done = subprocess.run(
        [*valence_command, *map(str, options)], capture_output=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ENOUGH, ENOUGH)),
    )  # fmt: skip
    assert done.returncode == 1
    path = model / "reports" / "evaluation-reviews.json"
    assert (
        said(done)
        == f"valence: error: {path}: cannot be written: File too large; what was found is printed, and not kept"
    )
    assert (json.loads(done.stdout)["n_texts"] == 12) if as_json else done.stdout.startswith(b"reviews: 12 texts")
    assert list((model / "reports").iterdir()) == []


@pytest.mark.slow
def test_an_audit_on_a_disk_that_is_full_at_the_end(run, model, data, tmp_path, mounted):
    disk = mounted()
    fill(disk, 2 * ENOUGH)
    done = run(*arguments("audit", model, data, tmp_path, "--out", disk / "audit"))
    assert done.returncode == 1
    assert "No space left on device; what was found is printed, and not kept" in said(done)
    assert b"own-templates\n" in done.stdout
    assert (model / "reports" / "audit.json").is_file(), "where there is room it is kept"


@pytest.mark.slow
def test_a_report_is_kept_where_nobody_reads_what_is_printed(model, data, tmp_path, valence_command):
    options = arguments("evaluate", model, data, tmp_path)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*valence_command, *map(str, options)], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == 1
    assert "No space left on device" in said(done)
    assert json.loads((model / "reports" / "evaluation-reviews.json").read_text())["n_texts"] == 12


# The model's own folder: said at the start, printed, and status 1.


def check_told_and_printed(done: subprocess.CompletedProcess, path: Path, why: str) -> None:
    columns, *lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert columns == "reviews: text from 'text', label from 'label'"
    assert lines[0] == (
        f"valence: warning: {path}: cannot be written: {why}; what is found will be printed, and not kept: "
        "name a file with --out"
    )
    assert lines[-1].startswith(f"valence: error: {path}: cannot be written: ")
    assert done.stdout.startswith(b"reviews: 12 texts")
    assert b"report: " not in done.stdout


@pytest.mark.parametrize("reports", [False, True], ids=["no folder of reports", "a folder of reports"])
@pytest.mark.parametrize("state", ["read-only", "full"])
@pytest.mark.slow
def test_a_model_on_a_disk_that_takes_no_report(run, tiny_classifier, data, tmp_path, mounted, state, reports):
    model = Path(shutil.copytree(tiny_classifier, mounted() / "model"))
    if reports:
        (model / "reports").mkdir()
    if state == "full":
        fill(mounted())
    else:
        mounted("ro")
    done = run(*arguments("evaluate", model, data, tmp_path))
    why = "No space left on device" if state == "full" else "Read-only file system"
    check_told_and_printed(done, model / "reports" / "evaluation-reviews.json", why)
    kept = run(*arguments("evaluate", model, data, tmp_path, "--out", tmp_path / "kept.json"))
    assert kept.returncode == 0, kept.stderr
    assert json.loads((tmp_path / "kept.json").read_text())["n_texts"] == 12


@pytest.mark.parametrize("kind", ["a file", "a link to nothing"])
@pytest.mark.slow
def test_something_in_the_way_of_the_reports(run, model, data, tmp_path, kind):
    (model / "reports").write_text("") if kind == "a file" else (model / "reports").symlink_to("nothing")
    done = run(*arguments("evaluate", model, data, tmp_path))
    path = model / "reports" / "evaluation-reviews.json"
    check_told_and_printed(done, path, f"Not a directory: {model / 'reports'}")


@pytest.mark.parametrize("command", ["evaluate", "audit"])
@pytest.mark.slow
def test_a_model_that_permissions_protect(model, data, tmp_path, valence_command, command):
    """Root without the right to override permissions is like anybody else."""
    (model / "reports").mkdir()
    (model / "reports").chmod(0o555)
    options = arguments(command, model, data, tmp_path, *(["--out", tmp_path / "out"] if command == "audit" else []))
    start = [*valence_command, *map(str, options)]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("giving up the rights of root needs setpriv")
        start = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *start]
    done = subprocess.run(start, capture_output=True, timeout=60, check=False)
    if command == "evaluate":
        check_told_and_printed(done, model / "reports" / "evaluation-reviews.json", "Permission denied")
    else:
        assert done.returncode == 1
        assert b"audit.json: cannot be written: Permission denied; what is found will be in " in done.stderr
        assert (tmp_path / "out" / "audit.json").is_file()
    assert list((model / "reports").iterdir()) == []


@pytest.mark.slow
def test_an_audit_of_a_model_on_a_read_only_disk(run, tiny_classifier, data, tmp_path, mounted):
    model = Path(shutil.copytree(tiny_classifier, mounted() / "model"))
    mounted("ro")
    done = run(*arguments("audit", model, data, tmp_path, "--out", tmp_path / "audit"))
    lines = done.stderr.decode().splitlines()
    path, kept = model / "reports" / "audit.json", tmp_path / "audit" / "audit.json"
    assert done.returncode == 1
    assert lines[0].startswith(f"valence: warning: {path}: cannot be written: Read-only file system; ")
    assert lines[-1] == f"valence: error: {path} cannot be written: Read-only file system; {kept} has what was found"
    assert json.loads(kept.read_text())["probes"]


@pytest.mark.slow
def test_the_embedded_default_needs_no_place(run, data, tmp_path):
    done = run(*arguments("evaluate", Path("default"), data, tmp_path))
    assert (done.returncode, b"warning" in done.stderr) == (0, False)


# What it is made of.


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, None),
        (lambda path: path.write_text("old"), None),
        (lambda path: path.symlink_to("nothing"), None),  # replaced, as a file would be
        (lambda path: path.mkdir(), "it is a folder, and a file is expected"),
        (os.mkfifo, None),
    ],
    ids=["nothing", "a file", "a link to nothing", "a folder", "a pipe"],
)
def test_what_may_be_there_already(tmp_path, make, why):
    path = tmp_path / "there.json"
    make(path)
    before = [(one.name, one.lstat().st_mtime_ns, one.lstat().st_mode) for one in tmp_path.iterdir()]
    assert why_not_writable(path) == why
    assert [(one.name, one.lstat().st_mtime_ns, one.lstat().st_mode) for one in tmp_path.iterdir()] == before
    assert why_not_writable(tmp_path / "deep" / "er" / "x") is None


@pytest.mark.parametrize("name", ["x" * 300, "x" * 250])
def test_a_name_that_is_too_long(tmp_path, name):
    assert why_not_writable(tmp_path / name) == "File name too long"


def test_a_device_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", f"print(open({str(pipe)!r}).read())"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        write_text(pipe, "content")
        assert reader.communicate(timeout=30)[0] == "content\n"
    assert pipe.is_fifo()
    write_text(Path("/dev/null"), "content")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("problem", [BrokenPipeError(), KeyboardInterrupt(), ValueError()])
def test_the_report_is_written_though_it_cannot_be_shown(tmp_path, problem):
    def show() -> None:
        raise problem

    with pytest.raises(type(problem)):
        show_and_keep(show, tmp_path / "report", lambda path: write_text(path, "kept"))
    assert (tmp_path / "report").read_text() == "kept"
    with pytest.raises(type(problem)):  # what came first is told
        show_and_keep(show, Path("/dev/full"), lambda path: write_text(path, "lost"))
    with pytest.raises(ValenceError, match="No space left"):
        show_and_keep(lambda: None, Path("/dev/full"), lambda path: write_text(path, "lost"))
