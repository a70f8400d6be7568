"""valence classify: what goes in, what comes out, and how it ends."""

import gzip
import json
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import valence
from terminal import on_terminal
from valence.folder import ModelFolder
from valence.runtime.calibration import CALIBRATION, calibration_fingerprint
from valence.runtime.choice import open_engine

LINE = re.compile(rb"(NEGATIVE|POSITIVE)\t[01]\.\d{6}\t(.*)")


def texts_of(output: bytes) -> list[str]:
    """The texts of plain output, each on a line that is as it should be."""
    lines = output.split(b"\n")
    assert lines.pop() == b""
    return [LINE.fullmatch(line)[2].decode() for line in lines]


def refused(done: subprocess.CompletedProcess, *said: str, code: int = 1) -> None:
    """It ended with one plain message."""
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert "Traceback" not in message
    for words in said:
        assert words in message
    if code == 1:
        assert message.startswith("valence: error: ")
        assert message.count("\n") == 1


@pytest.mark.slow
def test_texts_from_arguments(classify, tiny_classifier):
    done = classify("the film was good", "", "awful")
    assert (done.returncode, done.stderr) == (0, b"")
    expected = valence.load(tiny_classifier)(["the film was good", "", "awful"])
    assert done.stdout.decode() == "".join(
        f"{prediction.label}\t{prediction.score:.6f}\t{text}\n"
        for text, prediction in zip(["the film was good", "", "awful"], expected, strict=True)
    )


@pytest.mark.slow
def test_json_lines(classify, tiny_classifier):
    texts = ["the film was good", "", "a\tb\nc", "good " * 70, "caf\u00e9 \U0001f600 \u2028 \x85 \x1b[31m"]
    done = classify("--json", "--long-text", "truncate", *texts)
    lines = done.stdout.decode().splitlines()  # also splits at U+2028 and U+0085, which must be escaped
    assert len(lines) == len(texts)
    for line, text, prediction in zip(
        lines, texts, valence.load(tiny_classifier, long_text="truncate")(texts), strict=True
    ):
        found = json.loads(line)
        assert list(found) == ["text", "label", "score", "scores", "n_tokens", "n_unknown", "truncated"]
        assert found["text"] == text
        assert found["label"] == prediction.label
        assert found["scores"] == pytest.approx(prediction.scores, abs=1e-9)
        assert (found["n_tokens"], found["truncated"]) == (prediction.n_tokens, prediction.truncated)
        assert found["n_unknown"] == prediction.n_unknown == (3 if text.startswith("caf") else 0)
    assert "café \U0001f600" in lines[4]
    assert json.loads(lines[3])["truncated"] is True


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'label\tsentence\n1\t"one" film\n0\t\n'),
        ("a.csv", 'label,sentence\r\n1,"""one"" film"\r\n0,\r\n'),
        ("a.jsonl", '{"sentence": "\\"one\\" film", "label": 1}\n\n{"sentence": "", "label": 0}\n'),
        ("a.txt", '"one" film\n\n'),
    ],
)
@pytest.mark.slow
def test_texts_from_a_file(classify, tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    done = classify("--file", tmp_path / name)
    told = b"" if name == "a.txt" else b"a: text from 'sentence'; not read: 'label'\n"
    assert (done.returncode, done.stderr) == (0, told)
    assert texts_of(done.stdout) == ['"one" film', ""]


@pytest.mark.slow
def test_texts_from_parquet_and_pairs(classify, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2], "first": ["a", "b"], "second": ["c", "d"]}), path)
    done = classify("--file", path, "--text-column", "first")
    assert texts_of(done.stdout) == ["a", "b"]
    done = classify("--file", path, "--text-column", "first", "--pair-column", "second")
    assert texts_of(done.stdout) == ["a\tc", "b\td"]
    done = classify("--file", path, "--text-column", "first", "--pair-column", "second", "--json")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == [["a", "c"], ["b", "d"]]


@pytest.mark.parametrize(
    ("stdin", "texts"),
    [
        (b"good\nbad\n", ["good", "bad"]),
        (b"good\nbad", ["good", "bad"]),
        (b"good\r\n\r\nbad\r\n", ["good", "", "bad"]),
        (b"\n\n", ["", ""]),
        (b"", []),
        (b"\xef\xbb\xbfgood\n", ["good"]),
        ("naïve 漢字 \U0001f600\n".encode(), ["naïve 漢字 \U0001f600"]),
        (b"a\tb\x0cc\n", ["a\tb\\x0cc"]),
        (b"good\na\0b\n", ["good", "a\\x00b"]),
    ],
)
@pytest.mark.slow
def test_standard_input_is_one_text_a_line(classify, stdin, texts):
    done = classify(stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    assert texts_of(done.stdout) == texts


@pytest.mark.slow
def test_many_lines_in_order(classify):
    texts = [f"film {n} " + "good " * (n % 40) for n in range(6000)]
    done = classify(stdin="".join(f"{text}\n" for text in texts).encode())
    assert texts_of(done.stdout) == texts


@pytest.mark.slow
def test_a_huge_line(classify):
    text = "good " * 200_000
    done = classify("--json", stdin=f"bad\n{text}\nbad\n".encode())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["n_tokens"] for line in found] == [3, 200_002, 3]
    assert found[1]["truncated"] is False
    assert sum(window["n_tokens"] for window in found[1]["windows"]) == 200_000
    message = done.stderr.decode()
    assert message.startswith("valence: warning: a text of 200,002 tokens is read in 3,226 windows")
    assert message.count("\n") == 1
    assert found[1]["text"] == text


@pytest.mark.slow
def test_invalid_utf8_comes_after_the_lines_before_it(classify):
    done = classify(stdin=b"good\nbad\ncaf\xe9\ngood\n")
    refused(done, "standard input, line 3", "not UTF-8: byte 4 of the line is 0xe9")
    assert texts_of(done.stdout) == ["good", "bad"]


@pytest.mark.slow
def test_a_bad_row_comes_after_the_rows_before_it(classify, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "good"}\n{"text": "bad"}\n{"text": 5}\n')
    done = classify("--file", tmp_path / "a.jsonl")
    refused(done, "a.jsonl, line 3: 'text' must be a text, found 5")
    assert texts_of(done.stdout) == ["good", "bad"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "two\r\nlines",
        "a\x1b[2Jb",
        "a\x9b2Jb",
        "a\x07\x08b",
        "a\x85b",
        "a\u2028b\u2029c",
        "a\u202eb",
        "a\x7fb",
    ],
)
def test_a_text_keeps_to_its_line_and_steers_nothing(classify, text):
    done = classify(text, "good")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 2
    assert all(character.isprintable() or character == "\t" for line in lines for character in line)
    assert len(classify("--json", text, "good").stdout.decode().splitlines()) == 2


@pytest.mark.slow
def test_windows(classify, tiny_classifier, tmp_path):
    text = "good bad film " * 50
    (tmp_path / "a.txt").write_text(f"{text}\ngood\n")
    options = ("--long-text", "window", "--stride", "8", "--aggregate", "vote")
    done = classify("--json", "--file", tmp_path / "a.txt", *options)
    long, short = (json.loads(line) for line in done.stdout.splitlines())
    expected = valence.load(tiny_classifier, long_text="window", stride=8, aggregation="vote")(text)
    assert long["scores"] == expected.scores
    assert len(long["windows"]) == len(expected.windows) == 3
    assert list(long["windows"][0]) == ["label", "score", "scores", "start", "end", "n_tokens"]
    assert [(window["start"], window["end"]) for window in long["windows"]] == [
        (window.start, window.end) for window in expected.windows
    ]
    assert "windows" not in short
    refused(classify("--stride", "40", "good"), "stride must be a whole number from 0 to 31", "found 40")
    refused(classify("--stride", "4", "--long-text", "truncate", "good"), "go with long_text 'window'")


@pytest.mark.slow
def test_a_file_that_ends_badly_comes_out_to_there(classify, tmp_path):
    rows = "".join(json.dumps({"text": f"good {n}"}) + "\n" for n in range(9000))
    (tmp_path / "a.jsonl").write_text(rows + '{"text": 5}\n')
    done = classify("--file", tmp_path / "a.jsonl")
    refused(done, "a.jsonl, line 9001: 'text' must be a text, found 5")
    assert texts_of(done.stdout) == [f"good {n}" for n in range(9000)]


@pytest.mark.slow
def test_bytes_that_are_no_text_as_an_argument(classify):
    refused(classify(b"good", b"caf\xe9"), "text 2 is not valid Unicode: character 4")


@pytest.mark.slow
def test_output_is_utf8_whatever_the_locale(classify):
    for env in ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}):
        done = classify(stdin="caf\u00e9 \U0001f600\n".encode(), env=env)
        assert (done.returncode, texts_of(done.stdout)) == (0, ["caf\u00e9 \U0001f600"])


def test_long_texts_refused(classify):
    done = classify("--long-text", "error", "--max-length", "8", stdin=b"good\n" + b"good " * 10 + b"\n")
    refused(done, "text 2 has 12 tokens, the limit is 8")
    assert texts_of(done.stdout) == ["good"]  # what came before it is not lost


@pytest.mark.slow
def test_a_text_that_is_refused_late_is_read_once_and_has_its_number(classify):
    n_before = 2048 + 3  # in the second of the groups that are read at once
    done = classify("--long-text", "error", "--max-length", "8", stdin=b"good\n" * n_before + b"good " * 10 + b"\n")
    refused(done, f"text {n_before + 1} has 12 tokens, the limit is 8")
    assert texts_of(done.stdout) == ["good"] * n_before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "absent.tsv"], "absent.tsv: no such file"),
        (["--file", "."], "a folder: expected a file"),
        (["--file", "README"], "no such file"),
        (["--encoding", "rot13", "--file", "absent.tsv"], "unknown encoding 'rot13'"),
        (["--delimiter", "ab", "--file", "absent.tsv"], "the delimiter must be one character"),
        (["--labels", "A,B,C", "x"], "has 2 classes; expected as many labels"),
        (["--labels", "A,A", "x"], "labels must be different names"),
        (["--max-length", "100000", "x"], "max length must lie between 3 and the model's 64 positions"),
        (["--revision", "main", "x"], "a revision goes with a hub id"),
        (["--model", "./absent", "x"], "absent"),
        (["--model", "~nobody-of-that-name/x", "x"], "nobody-of-that-name"),
    ],
)
@pytest.mark.slow
def test_bad_input_ends_with_one_line(classify, arguments, said):
    refused(classify(*arguments), said)


@pytest.mark.slow
def test_bad_columns(classify, tmp_path):
    (tmp_path / "a.tsv").write_text("one\ttwo\na\tb\n")
    refused(classify("--file", tmp_path / "a.tsv"), "which column is the text? The columns are 'one', 'two'")
    refused(classify("--file", tmp_path / "a.tsv", "--text-column", "tow"), "no column 'tow'", "did you mean 'two'?")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--colour", "x"], "No such option"),
        (["--engine", "tensorflow", "x"], "Invalid value for '--engine'"),
        (["--threads", "0", "x"], "Invalid value for '--threads'"),
        (["--max-length", "many", "x"], "Invalid value for '--max-length'"),
        (["--file", "a.tsv", "x"], "give texts or --file, not both"),
        (["--text-column", "a", "x"], "go with --file"),
        (["-5 stars"], "No such option"),
    ],
)
@pytest.mark.slow
def test_wrong_options_exit_with_2_and_a_hint(classify, arguments, said):
    refused(classify(*arguments), said, "Try 'valence classify --help' for help", "Usage: valence classify", code=2)


def test_a_text_that_starts_with_a_dash(classify):
    assert texts_of(classify("--", "-1 star").stdout) == ["-1 star"]


@pytest.mark.slow
def test_options(classify):
    done = classify("--labels", "bad,good", "--engine", "torch", "--threads", "1", "film")
    assert done.stdout.split(b"\t")[0] in (b"bad", b"good")
    assert classify("--engine", "onnx", "film").stdout.split(b"\t")[0] in (b"NEGATIVE", b"POSITIVE")


def pipeline(valence_command, tiny_classifier, tail: str) -> subprocess.CompletedProcess:
    """yes | valence classify | TAIL, with the exit status of classify at the end of standard error."""
    command = f'(yes good 2>/dev/null | "$@"; echo "exit $?" >&2) | {tail}'
    arguments = [*valence_command, "classify", "--model", str(tiny_classifier)]
    return subprocess.run(["sh", "-c", command, "sh", *arguments], capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("tail", ["head -1", "head -3000 | tail -1"])
def test_head_ends_it_without_a_word(valence_command, tiny_classifier, tail):
    done = pipeline(valence_command, tiny_classifier, tail)
    assert done.stderr == b"exit 141\n"
    assert texts_of(done.stdout) == ["good"]


def test_a_reader_that_has_gone_before_the_first_line(valence_command, tiny_classifier):
    assert pipeline(valence_command, tiny_classifier, "true").stderr == b"exit 141\n"


def test_a_full_disk(valence_command, tiny_classifier):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*valence_command, "classify", "--model", tiny_classifier, "good"],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    refused(done, "No space left on device")


@pytest.mark.parametrize(
    ("closed", "said"), [(">&-", "standard output is closed"), ("<&-", "standard input is closed")]
)
@pytest.mark.slow
def test_closed_streams(valence_command, tiny_classifier, closed, said):
    arguments = [*valence_command, "classify", "--model", str(tiny_classifier)]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *arguments], capture_output=True, timeout=60, check=False
    )
    refused(done, said)


@pytest.fixture
def started(valence_command, tiny_classifier):
    """A process that reads from a pipe which stays open."""
    process = subprocess.Popen(
        [*valence_command, "classify", "--model", str(tiny_classifier)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def answer(process, seconds=20) -> bytes:
    assert select.select([process.stdout], [], [], seconds)[0], "no answer"
    return process.stdout.readline()


@pytest.mark.slow
def test_a_slow_stream_is_answered_line_by_line(started):
    for text in (b"good", b"bad", b""):
        started.stdin.write(text + b"\n")
        started.stdin.flush()
        assert LINE.fullmatch(answer(started).rstrip(b"\n"))[2] == text
    started.stdin.write(b"half a ")
    started.stdin.flush()
    assert not select.select([started.stdout], [], [], 0.2)[0]
    started.stdin.write(b"line")
    output, errors = started.communicate(timeout=20)
    assert (texts_of(output), errors, started.returncode) == (["half a line"], b"", 0)


def test_interrupt(started):
    started.stdin.write(b"good\n")
    started.stdin.flush()
    answer(started)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=20)
    assert started.returncode == 130
    assert errors.decode().strip() == "valence: interrupted"


def shown(valence_command, tiny_classifier, *texts, env=None) -> str:
    return on_terminal([*valence_command, "classify", "--model", str(tiny_classifier), *texts], env)


@pytest.mark.slow
def test_a_terminal_gets_readable_coloured_lines(valence_command, tiny_classifier):
    texts = ["the film was good " * 8, "bad\x1b[2J", "good " * 70]
    output = shown(valence_command, tiny_classifier, "--long-text", "truncate", *texts)
    lines = output.split("\n")[:-1]
    assert len(lines) == 3
    for line, text in zip(lines, texts, strict=True):
        coloured = re.fullmatch(r"\x1b\[3\dm\x1b\[1m(NEGATIVE|POSITIVE|unclear )\x1b\[0m  0\.\d{4}  ([^\x1b]*)", line)
        assert coloured, line
        assert coloured[2].startswith(text.replace("\x1b", "\\x1b"))
    assert lines[2].endswith("  (truncated)")
    plain = shown(valence_command, tiny_classifier, "--long-text", "truncate", *texts, env={"NO_COLOR": "1"})
    assert plain == re.sub(r"\x1b\[\d+m", "", output)
    assert shown(valence_command, tiny_classifier, "good " * 70).endswith("  (2 windows)\n")


def with_temperature(model: Path, temperature: float) -> Path:
    """Bring the scores of a model nearer to one half, or farther from it."""
    folder = ModelFolder(model, str(model))
    engine = open_engine(folder)
    entry = {"temperature": temperature, "fingerprint": calibration_fingerprint(folder, engine)}
    (model / CALIBRATION).write_text(json.dumps({"format": 1, "engines": {engine.name: entry}}))
    return model


def test_what_is_neither_is_unclear_on_a_terminal_alone(valence_command, classify, tiny_classifier, tmp_path):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    texts = ["good film", "awful plot"]
    for temperature, is_clear in ((0.01, True), (50, False)):
        with_temperature(model, temperature)
        labels = [
            json.loads(line)["label"] for line in classify("--json", "--model", model, *texts).stdout.splitlines()
        ]
        assert set(labels) <= {"NEGATIVE", "POSITIVE"}
        lines = shown(valence_command, model, *texts).split("\n")[:-1]
        for line, label, text in zip(lines, labels, texts, strict=True):
            colour = {"NEGATIVE": 31, "POSITIVE": 32}[label] if is_clear else 33
            found = re.fullmatch(r"\x1b\[(\d+)m\x1b\[1m(\w+ *)\x1b\[0m  (0\.\d{4}|1\.0000)  " + text, line)
            assert found, line
            assert (int(found[1]), found[2]) == (colour, label if is_clear else "unclear ")
            assert (float(found[3]) > 2 / 3) is is_clear


@pytest.mark.parametrize("kind", ["three classes", "multi_label_classification"])
def test_other_models_are_never_unclear(valence_command, tiny_classifier, every_engine, tmp_path, kind):
    source = every_engine if kind == "three classes" else tiny_classifier
    model = Path(shutil.copytree(source, tmp_path / "model"))
    if kind != "three classes":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"problem_type": kind}))
    with_temperature(model, 50)
    output = shown(valence_command, model, "good film", env={"NO_COLOR": "1"})
    assert re.fullmatch(r"(a|b|c|NEGATIVE|POSITIVE)  0\.[345]\d{3}  good film\n", output)


EMOJI = "\U0001f642"


def test_a_terminal_is_told_of_texts_that_are_mostly_unknown(valence_command, tiny_classifier):
    texts = ["good", EMOJI, f"good {EMOJI}", f"good {EMOJI} {EMOJI}", "", f"{EMOJI} " * 70]
    lines = shown(valence_command, tiny_classifier, *texts, env={"NO_COLOR": "1"}).split("\n")
    notes = ["", "  (1 of 1 tokens unknown)", "", "  (2 of 3 tokens unknown)", ""]
    notes.append("  (2 windows)  (70 of 70 tokens unknown)")
    for line, text, note in zip(lines, texts, notes, strict=False):
        assert line.endswith(text + note)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize("source", ["arguments", "stdin", "file", "pairs"])
@pytest.mark.slow
def test_a_pipe_gets_the_usual_lines_and_one_warning_at_the_end(classify, tmp_path, source, as_json):
    texts = [EMOJI, "good", f"{EMOJI} {EMOJI} a", f"good {EMOJI}", ""]
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    rows = "".join(f"{EMOJI}\t{text}\n" for text in texts)
    (tmp_path / "a.tsv").write_text(f"a\tb\n{rows}", encoding="utf-8")
    done = {
        "arguments": lambda: classify(*as_json, *texts),
        "stdin": lambda: classify(*as_json, stdin=(tmp_path / "a.txt").read_bytes()),
        "file": lambda: classify(*as_json, "--file", tmp_path / "a.txt"),
        "pairs": lambda: classify(*as_json, "--file", tmp_path / "a.tsv", "--text-column", "a", "--pair-column", "b"),
    }[source]()
    count = 4 if source == "pairs" else 2
    assert done.stderr.decode() == (
        f"valence: warning: {count} texts are mostly made of what the model does not know, such as emoji: "
        "such a label means little (n_unknown with --json)\n"
    )
    assert done.returncode == 0
    if as_json:
        found = [json.loads(line)["n_unknown"] for line in done.stdout.splitlines()]
        assert found == ([2, 1, 3, 2, 1] if source == "pairs" else [1, 0, 2, 1, 0])
    elif source != "pairs":
        assert texts_of(done.stdout) == texts


def test_no_colour_and_no_wrapping_off_a_terminal(classify):
    text = "the film was good " * 50
    done = classify(text, env={"FORCE_COLOR": "1", "COLUMNS": "40"})
    assert texts_of(done.stdout) == [text]


@pytest.mark.parametrize(
    "content",
    [
        b'id,text\n1,good film\n2,"bad, film"\n',
        b"id\ttext\n1\tgood film\n2\tbad, film\n",
        b'{"text": "good film"}\n{"text": "bad, film"}\n',
        b'[{"text": "good film"}, {"text": "bad, film"}]',
        gzip.compress(b'id;text\n1;good film\n2;"bad, film"\n', mtime=0),
    ],
)
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.slow
def test_a_table_on_standard_input(classify, content, name):
    done = classify("--file", name, stdin=content)
    assert done.returncode == 0, done.stderr
    assert texts_of(done.stdout) == ["good film", "bad, film"]


@pytest.mark.slow
def test_options_of_tables(classify, tmp_path):
    path = tmp_path / "sheet.txt"
    path.write_bytes("1~café, good\n2~naïve\n".encode("cp1252"))
    reading = ("--format", "csv", "--encoding", "cp1252", "--delimiter", "~", "--no-header", "--text-column", "2")
    done = classify("--file", path, *reading)
    assert (done.returncode, texts_of(done.stdout)) == (0, ["café, good", "naïve"])
    assert done.stderr == b"sheet: text from 'column 2'; not read: 'column 1'\n"
    assert b"--file" in classify("--encoding", "cp1252", "good").stderr


@pytest.mark.parametrize("stdin", [b"good\rbad\rfilm\r", b"good\rbad\rfilm", b"\xef\xbb\xbfgood\rbad\rfilm"])
@pytest.mark.slow
def test_carriage_returns_alone_end_lines_of_standard_input(classify, stdin):
    assert texts_of(classify(stdin=stdin).stdout) == ["good", "bad", "film"]


def test_a_carriage_return_within_a_line_of_standard_input_is_said(classify):
    done = classify(stdin=b"good\rbad\nfilm\n")
    assert texts_of(done.stdout) == ["good\\rbad", "film"]
    assert b"standard input, line 1: carriage returns within the line" in done.stderr


def test_nothing_on_standard_input_is_no_table(classify):
    refused(classify("--file", "-", stdin=b""), "nothing in it")


@pytest.mark.parametrize("command", ["classify", "train", "evaluate", "compare", "distill", "pretrain", "export"])
@pytest.mark.slow
def test_every_command_that_reads_tables_takes_the_same_options(run, command):
    output = run(command, "--help").stdout.decode()
    for option in ("--text-column", "--format", "--encoding", "--delimiter", "--no-header"):
        assert f"{option} " in output
