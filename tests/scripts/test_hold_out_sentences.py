"""Held-out sentences share nothing with the rows that are learnt from."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hold_out_sentences import hold_out_sentences, main, phrases_of

WORDS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=8)


def contains(outer: str, inner: str) -> bool:
    return f" {inner} " in f" {outer} "


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 3))
def test_no_row_of_one_part_contains_a_row_of_the_other(texts: list[str], count: int, seed: int):
    rows, held_out = hold_out_sentences(texts, count, seed)
    assert rows == sorted(set(rows))
    assert len(held_out) == len({texts[row] for row in held_out}) <= count
    for held in (texts[row] for row in held_out):
        assert len(held.split()) >= 5
        assert not any(contains(held, texts[row]) or contains(texts[row], held) for row in rows)
    left_out = set(range(len(texts))) - set(rows)
    assert all(any(contains(texts[held], texts[row]) for held in held_out) for row in left_out), "more than is needed"


def test_phrases():
    assert list(phrases_of(["a", "b", "c"])) == ["a", "a b", "a b c", "b", "b c", "c"]


def test_two_files_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sentences = [f"this is film number {number} of many" for number in range(10)]
    rows = [f"{text}\t{index % 2}" for index, text in enumerate([*sentences, "film", "number 3", "a word"])]
    (tmp_path / "train.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n", encoding="utf-8")
    arguments = ["hold_out_sentences.py", str(tmp_path / "train.tsv"), str(tmp_path / "out"), "--sentences", "4"]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    part, held_out = (
        (tmp_path / "out" / name).read_text(encoding="utf-8").splitlines() for name in ("part.tsv", "held_out.tsv")
    )
    assert part[0] == held_out[0] == "sentence\tlabel"
    assert len(held_out) == 5
    assert set(held_out[1:]) <= set(rows)
    assert "a word\t0" in part
    assert "film\t0" not in part
