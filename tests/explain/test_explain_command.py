"""valence explain: what goes in, what comes out, and how it ends."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

import valence
from one_thread import usual_environment
from terminal import on_terminal
from valence.cli import explain as module
from valence.errors import MissingExtraError

COMMAND = [sys.executable, "-m", "valence", "explain"]
GRADIENTS = ("--method", "integrated-gradients")
LISTED = re.compile(r"[+-]\d\.\d+  ([+]*|[-]*) +(\S+)")


def explain(*arguments, stdin: bytes = b"", env: dict | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *(a if isinstance(a, bytes) else str(a) for a in arguments)],
        input=stdin, capture_output=True, timeout=120, check=False, env=usual_environment(**env or {}),
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess, *said: str, code: int = 1) -> None:
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert done.stdout == b""
    assert "Traceback" not in message
    for words in said:
        assert words in message
    if code == 1:
        assert message.startswith("valence: error: ")
        assert message.count("\n") == 1


@pytest.mark.slow
def test_the_default_model():
    done = explain("default", "The film was good, but the plot is awful.")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("The classifier says NEGATIVE; NEGATIVE gets 0.9")
    assert lines[2].endswith("leave-one-out promises none.")
    listed = [LISTED.fullmatch(line) for line in lines[4:]]
    assert [match[2] for match in listed] == [
        "The",
        "film",
        "was",
        "good",
        ",",
        "but",
        "the",
        "plot",
        "is",
        "awful",
        ".",
    ]
    assert max(listed, key=lambda match: len(match[1]))[2] == "awful"
    assert "+" * 20 in lines[13]


@pytest.mark.slow
def test_json():
    done = explain("default", "a dull film", "--target", "negative", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert (found["label"], found["target"], found["method"]) == ("NEGATIVE", "NEGATIVE", "leave-one-out")
    assert found["score"] == found["target_score"] == valence.load()("a dull film").scores["NEGATIVE"]
    assert [(word["text"], word["start"], word["end"]) for word in found["words"]] == [
        ("a", 0, 1),
        ("dull", 2, 6),
        ("film", 7, 11),
    ]
    assert found["sum"] == pytest.approx(sum(word["attribution"] for word in found["words"]))
    assert found["completeness_error"] is None


@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        (b"good film\n", "good film"),
        (b"good\r\n", "good"),
        (b"\xef\xbb\xbftwo\nlines\n\n", "two\nlines\n"),
        (b"", ""),
        ("naïve \U0001f600 a\0b".encode(), "naïve \U0001f600 a\0b"),
    ],
)
@pytest.mark.slow
def test_standard_input_is_one_text(tiny_classifier, stdin, text):
    done = explain(tiny_classifier, "-", "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["text"] == text


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"good\ncaf\xe9", "standard input, line 2: not UTF-8: byte 4 of the line is 0xe9"),
        ("good film".encode("utf-16"), "standard input: not UTF-8 but UTF-16"),
        (b"good " * 800_001, "standard input has more than 4,000,000 bytes: explain a part of it"),
        (b"good " * 10_001, "the text has 10,001 words, and at most 10,000 can be explained"),
        ("\u96fb".encode() * 1_000_001, "the text has 1,000,001 characters, and at most 1,000,000 can be explained"),
    ],
)
@pytest.mark.slow
def test_standard_input_that_cannot_be_explained(tiny_classifier, stdin, said):
    refused(explain(tiny_classifier, "-", stdin=stdin), said)


@pytest.mark.slow
def test_a_long_text_shows_its_strongest_words(tiny_classifier):
    done = explain(tiny_classifier, "good bad film . " * 30)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert "The text was read in 2 windows." in lines
    assert lines[-1] == "80 weaker words are not shown; --json and --html have all"
    assert sum(LISTED.fullmatch(line) is not None for line in lines) == 40


@pytest.mark.slow
def test_pairs(tiny_classifier):
    done = explain(tiny_classifier, "a dog", "--pair", "-", "--json")
    found = json.loads(done.stdout)
    assert found["text"] == ["a dog", "-"]
    assert [(word["part"], word["text"]) for word in found["words"]] == [(0, "a"), (0, "dog"), (1, "-")]


@pytest.mark.slow
def test_a_page(tiny_classifier, tmp_path):
    page = tmp_path / "new" / "page.html"
    done = explain(tiny_classifier, "<good> & bad", "--html", page)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().endswith(f"\npage: {page}\n")
    content = page.read_text(encoding="utf-8")
    assert content.startswith("<!DOCTYPE html>")
    assert "<good>" not in content
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "folder", page / "below.html"):
        refused(explain(tiny_classifier, "good", "--html", out), "cannot be written")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["good", "--target", "NEUTRAL"], "no class 'NEUTRAL': the target must be one of NEGATIVE, POSITIVE"),
        (["good", "--target", b"caf\xe9"], "the target must be one of NEGATIVE, POSITIVE"),
        ([b"caf\xe9"], "text 1 is not valid Unicode: character 4"),
        (["good", "--labels", "A,B,C"], "has 2 classes; expected as many labels"),
        (["good " * 80, "--long-text", "error"], "text 1 has 82 tokens, the limit is 64"),
        (["good", *GRADIENTS], "it holds exported engines only, and integrated gradients need"),
    ],
)
@pytest.mark.slow
def test_bad_input_ends_with_one_line(tiny_classifier, tmp_path, arguments, said):
    model = shutil.copytree(tiny_classifier, tmp_path / "model")
    (model / "model.safetensors").unlink()
    refused(explain(model, *arguments), said)


@pytest.mark.parametrize("model", ["default", "./absent"])
def test_models_that_cannot_do_it(model):
    said = "use --method leave-one-out" if model == "default" else "absent"
    refused(explain(model, "good", *GRADIENTS), said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'MODEL'"),
        (["default"], "Missing argument 'TEXT'"),
        (["default", "good", "bad"], "unexpected extra argument"),
        (["default", "good", "--method", "shap"], "Invalid value for '--method'"),
        (["default", "good", *GRADIENTS, "--engine", "onnx"], "by the torch engine, in fp32"),
        (
            ["default", "good", *GRADIENTS, "--precision", "bf16"],
            "by the torch engine, in fp32",
        ),
    ],
)
def test_wrong_options_exit_with_2_and_a_hint(arguments, said):
    refused(explain(*arguments), said, "Try 'valence explain --help' for help", code=2)


def test_a_missing_package_is_named(tiny_classifier, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'valence-text\[explain\]'"):
        CliRunner().invoke(
            module.command,
            [str(tiny_classifier), "good", *GRADIENTS],
            catch_exceptions=False,
        )


@pytest.mark.slow
def test_integrated_gradients(tiny_classifier, tmp_path):
    pytest.importorskip("captum")
    arguments = (tiny_classifier, "good\x1b[2J <film>", *GRADIENTS)
    done = explain(*arguments, "--json", "--html", tmp_path / "page.html")
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["engine"] == "torch fp32"
    assert found["expected_difference"] == found["score"] - found["baseline_score"]
    assert found["completeness_error"] == abs(found["sum"] - found["expected_difference"])
    assert found["complete"] is True
    assert found["n_steps"] >= 32
    assert "integrated" in (tmp_path / "page.html").read_text().lower()
    done = explain(*arguments)
    assert re.search(r"score -?\d\.\d+ minus baseline -?\d\.\d+ is [+-]\d\.\d+ \(error \S+, ", done.stdout.decode())
    assert "\x1b" not in done.stdout.decode()


def escaped(text: str) -> str:
    return text.replace("\n", "\\n").replace("\x1b", "\\x1b")


@pytest.mark.parametrize("target", ["NEGATIVE", "POSITIVE"])  # what speaks for the one speaks against the other
@pytest.mark.slow
def test_a_terminal_gets_colours_and_signs(target):
    text = "awful plot,\nbut good\x1b[2J"
    words = json.loads(explain("default", text, "--target", target, "--json").stdout)["words"]
    strongest = max(words, key=lambda word: abs(word["attribution"]))
    coloured, written = "", 0
    for word in words:
        strength = abs(word["attribution"] / strongest["attribution"])
        colour = "" if strength < 0.05 else "\x1b[32m" if word["attribution"] > 0 else "\x1b[31m"
        bold = "\x1b[1m" if strength >= 0.5 else ""
        coloured += escaped(text[written : word["start"]])
        coloured += colour + bold + word["text"] + "\x1b[0m" * (colour != "")
        written = word["end"]
    output = on_terminal([*COMMAND, "default", text, "--target", target])
    assert f"\n\n{coloured}{escaped(text[written:])}\n\n" in output
    sign, code = ("+", 32) if strongest["attribution"] > 0 else ("-", 31)
    bar = re.escape(20 * sign)
    listed = rf"{re.escape(sign)}\d\.\d+  {bar}  \x1b\[{code}m\x1b\[1m{strongest['text']}\x1b\[0m\n"
    assert re.search(listed, output)
    assert "\x1b[2J" not in output
    plain = on_terminal([*COMMAND, "default", text, "--target", target], {"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert re.search(rf"{re.escape(sign)}\d\.\d+  {bar}  {strongest['text']}\n", plain)


@pytest.mark.slow
def test_colour_off_a_terminal_is_not_forced(tiny_classifier):
    done = explain(tiny_classifier, "good film", env={"FORCE_COLOR": "1"})
    assert b"\x1b" not in done.stdout
