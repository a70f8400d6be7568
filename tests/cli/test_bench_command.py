"""valence bench: what is refused before the work."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "fastest"], "no contender is called fastest"),
        (["--data", "nowhere"], "nowhere/sst2/dev.tsv: no such file; --data names"),
        (["random", "--stream", "20000"], "--stream measures the default model alone"),
        (["--json", "nowhere/there/x.json", "--only", "fastest"], "no contender"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_used(run, tmp_path, arguments, said):
    done = run("bench", *arguments, cwd=tmp_path)
    message = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in message
    assert message.count("\n") == 1


def test_too_few_to_stream(run):
    done = run("bench", "--stream", "100")
    assert done.returncode == 2
    assert "--stream" in done.stderr.decode()


def test_a_report_that_cannot_be_written_is_refused_before_the_work(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("bench", "--json", tmp_path / "file" / "report.json", cwd=tmp_path)
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr
    assert b"preparing" not in done.stderr
