"""Held-out sentences share nothing with the rows that are learnt from."""

from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from hold_out_sentences import MEASURED, SOURCES, hold_out_sentences, main, phrases_of, write_source
from overlap import KeptTexts, words_of

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


HELD = ["It 's a wonderful , life-affirming little film .", "they do n't make them like that", "So bad !"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("It 's a wonderful , life-affirming little film .", "equal"),
        ("IT'S A WONDERFUL LIFE AFFIRMING LITTLE FILM", "equal"),  # only case and punctuation differ
        ("They don't make them like that!", "equal"),
        ("They don\u2019t make th\u00e9m like that", "equal"),
        ("so <br /> bad", "equal"),
        ("it's a wonderful life-affirming little film, and long", "containing"),
        ("Really, this was so bad", "containing"),
        ("wonderful life affirming little film", "contained"),
        ("Little film", "contained"),
        ("like", "contained"),
        ("A wonderful, life-affirming little story", "five words in a row"),
        ("why don't they make them like this: they do n't make them so", "five words in a row"),
        ("a wonderful little film", None),
        ("a wonderful life affirming story", None),  # four in a row
        ("they do make them like that", None),
        ("so very bad", None),
        ("film it s", None),  # of two sentences' ends, or of one's end and start
        ("film they", None),
        ("...", None),
        ("", None),
    ],
)
def test_what_a_text_has_in_common_with_a_held_out_sentence(text, reason):
    assert KeptTexts(HELD).reason(text) == reason


def test_few_words_and_runs_need_not_count():
    measured = KeptTexts(HELD, fewest=5)
    assert measured.reason("so bad") == "equal"
    assert measured.reason("little film") is measured.reason("this was so bad") is None
    assert measured.reason("a wonderful life affirming little story") == "five words in a row"
    reviews = KeptTexts(HELD, fewest=5, with_runs=False)
    assert reviews.reason("a wonderful life affirming little story") is None
    assert reviews.reason("wonderful life affirming little film") == "contained"
    assert reviews.reason("it's a wonderful life-affirming little film, and long") == "containing"


@given(
    st.lists(WORDS.map(" ".join), min_size=1, max_size=5), WORDS.map(" ".join), st.sampled_from((1, 5)), st.booleans()
)
def test_the_index_finds_what_comparing_each_with_each_finds(kept, text, fewest, with_runs):
    def reason() -> str | None:
        if text in kept:
            return "equal"
        if len(text.split()) >= fewest and any(contains(one, text) for one in kept):
            return "contained"
        if any(contains(text, one) and len(one.split()) >= fewest for one in kept):
            return "containing"
        runs = [run for run in phrases_of(text.split()) if len(run.split()) == 5]
        return "five words in a row" if with_runs and any(contains(one, run) for run in runs for one in kept) else None

    assert KeptTexts(kept, fewest, with_runs).reason(text) == reason()


def test_words():
    assert words_of("It's _num_ Caf\u00e9s -LRB- don't -RRB-<br />4th") == [
        "it",
        "s",
        "num",
        "cafes",
        "do",
        "nt",
        "4th",
    ]


def sentence(number: int) -> str:
    """Six words that no other number's sentence has."""
    return " ".join(f"{letter}{number}" for letter in "abcdef")


def write(path: Path, rows: list[tuple[str, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        texts, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"sentence": texts, "label": labels, "more": ["x"] * len(rows)}), path)
    else:
        path.write_text("sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """All sources, of harmless rows, and measured sets of rows that nothing else has."""
    folder = tmp_path / "shared"
    write(folder / "sst2" / "train.tsv", [(sentence(number), number % 2) for number in range(6)])
    for number, name in enumerate(SOURCES):
        write(folder / name, [(sentence(100 + number), 0), (sentence(200 + number), 1)])
    for number, name in enumerate(MEASURED.values()):
        write(folder / name, [(sentence(300 + number), 0), (sentence(400 + number), 1)])
    (folder / "critics" / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n")
    return folder


def run(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    data = str(folder / "sst2" / "train.tsv")
    monkeypatch.setattr("sys.argv", ["hold_out_sentences.py", data, str(out), "--sentences", "2", *more])
    main()


def test_planted_rows_are_left_out_of_every_source(shared, tmp_path, monkeypatch, capsys):
    run(shared, tmp_path / "first", monkeypatch)
    held = (tmp_path / "first" / "held_out.tsv").read_text().splitlines()[1:]
    words = held[0].split("\t")[0].split()
    planted = [
        " ".join(words),
        f"“{' '.join(words).upper()}!”",
        f"and {' '.join(words)} or so",
        " ".join(words[1:5]),
        words[3],
        f"{' '.join(words[:5])} instead",
    ]
    yelp = sentence(300 + list(MEASURED).index("yelp-dev"))
    measured = [sentence(300), f"{yelp.split(maxsplit=1)[1]} instead"]
    harmless = ["nothing to see", f"{' '.join(words[:4])} instead", " ".join(sentence(300).split()[:3])]
    for name in SOURCES:
        write(shared / name, [(text, number % 2) for number, text in enumerate([*planted, *harmless, *measured])])
    run(shared, tmp_path / "out", monkeypatch, "--sources", str(shared))
    said = capsys.readouterr().out
    for name in SOURCES:
        found = pq.read_table(tmp_path / "out" / name)
        assert found.column("sentence").to_pylist() == harmless, name
        assert found.schema == pq.read_table(shared / name).schema
        assert (
            f"{name}: 3 of 11 rows; left out: held-out: 2 equal, 2 contained, 1 containing, 1 five words in a row"
            in said
        )
    assert said.count("sst2-dev: 1 equal; yelp-dev: 1 five words in a row\n") == len(SOURCES)
    assert (tmp_path / "out" / "critics" / "labels.txt").read_text() == "NEGATIVE\nPOSITIVE\n"
    assert (tmp_path / "out" / "held_out.tsv").read_text().splitlines()[1:] == held, "the same with and without sources"


def test_the_part_shares_no_run_either(shared, tmp_path, monkeypatch, capsys):
    rows = [(sentence(number), 0) for number in range(6)]
    near = [(f"{' '.join(text.split()[:5])} at last {number}", 1) for number, (text, _) in enumerate(rows)]
    write(shared / "sst2" / "train.tsv", [*rows, *near])
    run(shared, tmp_path / "out", monkeypatch)
    index = KeptTexts(line.split("\t")[0] for line in (tmp_path / "out" / "held_out.tsv").read_text().splitlines()[1:])
    part = [line.split("\t")[0] for line in (tmp_path / "out" / "part.tsv").read_text().splitlines()[1:]]
    assert part
    assert not any(map(index.reason, part))
    assert "held-out: 2 five words in a row" in capsys.readouterr().out


def test_a_folder_without_a_source_is_refused(shared, tmp_path, monkeypatch):
    (shared / "critics" / "train.parquet").unlink()
    with pytest.raises(SystemExit, match=r"critics/train.parquet: no such file; --sources names a folder that holds"):
        run(shared, tmp_path / "out", monkeypatch, "--sources", str(shared))
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit, match=r"dev.tsv: no such"):
        run(shared, tmp_path / "out", monkeypatch, "--sources", str(tmp_path))


@pytest.mark.parametrize("content", [b"PAR1 and nothing more", None])
def test_a_source_that_cannot_be_read_is_named(content, shared, tmp_path, monkeypatch):
    if content is None:
        pq.write_table(pa.table({"text": ["a"]}), shared / "critics" / "train.parquet")
    else:
        (shared / "critics" / "train.parquet").write_bytes(content)
    with pytest.raises(SystemExit, match=r"critics/train.parquet: expected Parquet with a column 'sentence'"):
        run(shared, tmp_path / "out", monkeypatch, "--sources", str(shared))


def test_sources_are_not_overwritten(shared, monkeypatch):
    with pytest.raises(SystemExit, match="holds the sources themselves"):
        run(shared, shared, monkeypatch, "--sources", str(shared))


def test_a_source_is_read_a_few_rows_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("hold_out_sentences._ROWS_AT_ONCE", 4)
    write(tmp_path / "large.parquet", [(HELD[number % 3] if number % 5 == 0 else "a film", 0) for number in range(30)])
    n_rows, counts = write_source(tmp_path / "large.parquet", tmp_path / "out.parquet", {"held-out": KeptTexts(HELD)})
    assert (n_rows, counts) == (30, {("held-out", "equal"): 6})
    assert pq.read_table(tmp_path / "out.parquet").column("sentence").to_pylist() == ["a film"] * 24
