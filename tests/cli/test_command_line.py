"""What all commands have in common."""

import subprocess
import sys

import pytest

import valence
from valence.cli import _COMMANDS


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.slow
def test_help_has_an_example(run, command):
    done = run(command, "--help")
    output = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"Usage: valence {command}" in output
    assert "Example" in output
    assert f"\n    valence {command}" in output
    assert max(map(len, output.splitlines())) <= 100


def test_help_of_all(run):
    output = run("--help").stdout.decode()
    for command, line in _COMMANDS.items():
        assert f"  {command} " in output
        assert line in output
    assert run("-h").stdout.decode() == output


def test_version(run):
    assert run("--version").stdout.decode() == f"valence, version {valence.__version__}\n"


def test_python_m_valence(run):
    done = subprocess.run([sys.executable, "-m", "valence", "--help"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, run("--help").stdout)


@pytest.mark.parametrize("arguments", [["clasify", "x"], ["--colour"], ["evaluate"], ["train"]])
@pytest.mark.slow
def test_wrong_use_exits_with_2_and_a_hint(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--help' for help" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.slow
def test_help_into_a_closed_pipe(valence_command):
    done = subprocess.run(
        ["sh", "-c", '("$@"; echo "exit $?" >&2) | true', "sh", "sh", "-c", 'sleep 0.3; exec "$@"', "sh",
         *valence_command, "classify", "--help"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == b"exit 141\n"


@pytest.mark.slow
def test_export_says_what_is_wrong(run, tmp_path):
    done = run("export", tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"valence: error: {tmp_path}: not a model folder")


@pytest.mark.slow
def test_export_asks_for_a_folder_before_anything_is_fetched(run):
    done = run("export", "owner/model")
    assert done.returncode == 1
    assert (
        done.stderr
        == b"valence: error: owner/model: export writes into a model folder; copy a hub model to one first\n"
    )
