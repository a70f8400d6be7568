"""What the default model's recipe reads."""

import pytest

pytest.importorskip("torch")

from pyarrow import parquet

from default_recipe import (
    EVALUATION,
    LABELLED_TEXTS,
    MORE_LABELLED,
    NAMES,
    SENTENCES,
    UNLABELLED_TEXTS,
    _train_side_by_side,
    gather_texts,
    opinion_sentences,
)
from valence.data.examples import read_examples
from valence.data.sources import find_source

pytest_plugins = ("training_fixtures",)


def test_reviews_are_cut_into_sentences():
    reviews = [
        "One two three four five.<br /><br />Too short! Again one two three four five six?",
        "One two three four five. " + "word " * 60 + "end.",
        "Control\x85characters\x00are spaces in a text.",
    ]
    assert list(opinion_sentences(reviews)) == [
        "One two three four five.",
        "Again one two three four five six?",
        "Control characters are spaces in a text.",
    ]


def test_trainings_run_side_by_side_once(bert_base, train_tsv, tmp_path, capfd):
    settings = ["--epochs", "1", "--batch-size", "64", "--precision", "fp32"]
    commands = [
        ["train", str(train_tsv), "--base", str(bert_base), "--out", str(tmp_path / name), *settings] for name in "abc"
    ]
    _train_side_by_side(commands)
    weights = [(tmp_path / name / "model.safetensors").stat().st_mtime_ns for name in "abc"]
    _train_side_by_side(commands)
    assert [(tmp_path / name / "model.safetensors").stat().st_mtime_ns for name in "abc"] == weights
    with pytest.raises(SystemExit, match="did not finish"):
        _train_side_by_side([["train", str(tmp_path / "absent.tsv"), *commands[0][2:4], "--out", str(tmp_path / "d")]])
    assert "absent.tsv" in capfd.readouterr().err


def test_the_texts_hold_no_evaluation_text(shared, tmp_path):
    """And nothing of the data that never trains a shipped model: only the files named are opened."""
    gather_texts(tmp_path)
    labelled = parquet.read_table(tmp_path / LABELLED_TEXTS)
    sentences = parquet.read_table(tmp_path / UNLABELLED_TEXTS)
    assert labelled.num_rows == 67_349 + sum(MORE_LABELLED.values())
    assert sentences.num_rows == sum(SENTENCES.values())
    learnt = {
        " ".join(text.lower().split())
        for table in (labelled, sentences)
        for text in table.column("sentence").to_pylist()
    }
    measured_on = {
        " ".join(str(text).lower().split())
        for path in EVALUATION.values()
        for text in read_examples(find_source(str(path), "eval"), known=NAMES).texts
    }
    assert len(measured_on) > 8_000
    # Two phrases of SST-2, which is left as it is published, are also listed as a pro.
    assert learnt & measured_on == {"great acting", "a whole lot"}
