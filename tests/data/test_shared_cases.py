"""Small files that once were read wrongly: each gives what the list beside them says, and none is forgotten."""

import contextlib
import re
import warnings
from pathlib import Path

import pytest

from valence.data.columns import ColumnNames
from valence.data.examples import Examples, read_examples
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import DataError

# What a file gives: classes with their counts, the columns that are read, and what is said; or the refusal.
Case = dict[str, object]
_GOOD_BAD = {"good": 1, "bad": 1}
CASES: dict[str, list[Case]] = {
    "columns/ag.csv": [
        {"refused": "which column is the text.*'Title' or 'Description'.*--text-column Title,Description"},
        {"text": "Title,Description", "labels": "World,Sports", "refused": "unknown label '2'"},
        {"text": "Title,Description", "classes": {"1": 20, "2": 20}, "labels": "1,2"},
    ],
    "columns/news.csv": [
        {"refused": "it could be 'title' or 'abstract'"},
        {"text": "title,abstract", "classes": {"biz": 20, "sport": 20}},
    ],
    "columns/qnli.tsv": [{"classes": {"entailment": 20, "not_entailment": 20}, "pairs": True}],
    "columns/text_ab.csv": [{"classes": {"0": 20, "1": 20}, "pairs": True, "said": "no names"}],
    "columns/text_pair.csv": [{"classes": {"0": 20, "1": 20}, "pairs": True, "said": "no names"}],
    "dividers/SMSSpamCollection.txt": [
        {"refused": "looks like a table"},
        {"options": {"format": "tsv", "header": False}, "text": "2", "label": "1", "classes": {"ham": 1, "spam": 1}},
    ],
    "dividers/commas.tsv": [{"classes": _GOOD_BAD}],
    "dividers/commas.tsv.gz": [{"classes": _GOOD_BAD}],
    "dividers/header_only.csv": [{"unlabelled": True, "refused": "no rows, only a header"}],
    "dividers/lines.json": [{"classes": _GOOD_BAD}],
    "dividers/no_header.csv": [
        {"unlabelled": True, "refused": "say --no-header"},
        {"unlabelled": True, "options": {"header": False}, "rows": 3},
    ],
    "dividers/pipes.csv": [{"classes": _GOOD_BAD}],
    "dividers/records.json": [{"classes": _GOOD_BAD}],
    "dividers/records.jsonl": [{"classes": _GOOD_BAD}],
    "dividers/semi.csv": [{"unlabelled": True, "rows": 1, "first": "good, but slow"}],
    "dividers/semi_with_comma_in_header.csv": [{"unlabelled": True, "rows": 1, "first": "good"}],
    "dividers/tabs.csv": [{"classes": _GOOD_BAD}],
    "imbalance/dev.csv": [{"classes": {"abusive": 3, "normal": 30}}],
    "imbalance/train.csv": [{"classes": {"abusive": 6, "normal": 60}}],
    "invisible-labels/bomlabel.csv": [{"classes": {"ham": 20, "spam": 40}, "said": r"'\\ufeffspam'.*look alike"}],
    "invisible-labels/concat.csv": [{"classes": {"bad": 2, "good": 2}, "said": "line 4: the header stands here again"}],
    "invisible-labels/nbsp.csv": [{"classes": {"not spam": 40, "spam": 20}, "said": r"'not\\xa0spam'.*look alike"}],
    "invisible-labels/nfd.csv": [{"classes": {"bar": 20, "café": 40}, "said": r"'cafe\\u0301'.*look alike"}],
    "invisible-labels/spaces.csv": [{"classes": {"not spam": 40, "spam": 20}, "said": "'not  spam'.*look alike"}],
    "invisible-labels/zwsp.csv": [{"classes": {"ham": 20, "spam": 40}, "said": r"'spam\\u200b'.*look alike"}],
    "label-case/dev.csv": [
        {"refused": "differ only in case"},
        {"labels": "US,us", "classes": {"US": 10, "us": 10}},
        {"labels": "us,US", "known": ("US", "us"), "classes": {"US": 10, "us": 10}},
    ],
    "label-case/train.csv": [{"labels": "US,us", "classes": {"US": 20, "us": 20}}],
    "label-order/train.csv": [{"known": ("POSITIVE", "NEGATIVE"), "classes": {"POSITIVE": 20, "NEGATIVE": 20}}],
    "line-ends/cr_inside_quotes.csv": [{"classes": _GOOD_BAD, "first": "line one\rline two"}],
    "line-ends/mac.csv": [{"classes": {"bad": 2, "good": 2}}],
    "line-ends/mac.tsv": [{"classes": _GOOD_BAD}],
    "line-ends/mac.txt": [{"unlabelled": True, "rows": 3}],
    "nulls/cat_bool.parquet": [{"classes": {"False": 30, "True": 30}}],
    "nulls/empty.csv": [{"classes": {"bad": 3, "good": 2}, "said": "1 row has an empty text"}],
    "nulls/nan.jsonl": [{"refused": "line 3: 'text' must be a text, found 10"}],
    "nulls/null.jsonl": [{"classes": {"bad": 1, "good": 2}, "said": "1 row has an empty text"}],
    "nulls/null.parquet": [{"classes": {"bad": 1, "good": 2}, "said": "1 row has an empty text"}],
    "parquet-class-names/flipped.parquet": [
        {"classes": {"positive": 20, "negative": 20}},
        {"known": ("negative", "positive"), "classes": {"negative": 20, "positive": 20}},
    ],
    "parquet-class-names/train.parquet": [{"classes": {"negative": 20, "positive": 20}}],
    "spreadsheets/blank_rows.csv": [{"classes": {"bad": 2, "good": 2}}],
    "spreadsheets/dup_unused.csv": [{"classes": _GOOD_BAD}],
    "spreadsheets/latin.csv": [
        {"unlabelled": True, "refused": "--encoding.*cp1252"},
        {"unlabelled": True, "options": {"encoding": "latin-1"}, "rows": 1, "first": "naïve film"},
    ],
    "spreadsheets/one_extra.csv": [{"classes": {"bad": 2, "good": 2}}],
    "spreadsheets/pandas_two_index.csv": [{"classes": _GOOD_BAD}],
    "spreadsheets/row_trailing.csv": [{"classes": _GOOD_BAD}],
    "spreadsheets/spam.csv": [
        {"refused": "--encoding"},
        {"options": {"encoding": "cp1252"}, "refused": "which column is the label"},
        {"options": {"encoding": "cp1252"}, "text": "v2", "label": "v1", "classes": {"ham": 24, "spam": 16}},
    ],
    "spreadsheets/spam_plain_cp1252.csv": [
        {"options": {"encoding": "cp1252"}, "text": "v2", "label": "v1", "classes": {"ham": 24, "spam": 16}}
    ],
    "spreadsheets/spam_utf8.csv": [{"text": "v2", "label": "v1", "classes": {"ham": 24, "spam": 16}}],
    "spreadsheets/two_extra.csv": [{"classes": {"bad": 2, "good": 2}}],
    "spreadsheets/utf16.csv": [
        {"unlabelled": True, "refused": "--encoding utf-16"},
        {"unlabelled": True, "options": {"encoding": "utf-16"}, "rows": 1, "first": "naïve film"},
    ],
    "tsv-quotes/backslash.csv": [{"refused": "a quotation mark inside quotes is doubled"}],
    "tsv-quotes/glue.tsv": [{"classes": _GOOD_BAD, "first": '"Unclosed quote here'}],
    "tsv-quotes/pandas.tsv": [
        {"said": "quotation marks", "refused": "line 3.*--format csv"},
        {"options": {"format": "csv"}, "classes": _GOOD_BAD, "first": 'He said "never again" to me'},
    ],
    "tsv-quotes/pandas_one_column.tsv": [
        {"unlabelled": True, "said": "quotation marks", "rows": 4},
        {"unlabelled": True, "options": {"format": "csv"}, "rows": 3, "first": 'A "great" film'},
    ],
    "tsv-quotes/r_write_table.tsv": [{"classes": _GOOD_BAD, "first": "Great film"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("needs the folder ../shared/cases")
    return shared / "cases"


def test_every_table_has_its_case(cases):
    tables = {path.relative_to(cases).as_posix() for path in cases.glob("*/*") if path.is_file()}
    assert tables == set(CASES)


def read(path: Path, case: Case) -> Examples | list[object]:
    source = find_source(str(path), "train", TableOptions(**case.get("options", {})))  # type: ignore[arg-type]
    columns = ColumnNames(text=case.get("text"), label=case.get("label"))  # type: ignore[arg-type]
    if case.get("unlabelled"):
        from valence.data.columns import choose_columns
        from valence.data.examples import read_texts

        (table,) = source.tables()
        wanted = choose_columns(table, columns, labelled=False)
        return [text for _, text, _ in read_texts(table, wanted)]
    names = tuple(str(case["labels"]).split(",")) if "labels" in case else None
    return read_examples(source, columns, names, known=case.get("known"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=f"{name}-{n}") for name, listed in CASES.items() for n, case in enumerate(listed)],
)
def test_what_comes_out(cases, name, case):
    expected = contextlib.nullcontext()
    if "refused" in case:
        expected = pytest.raises(DataError, match=f"(?s){case['refused']}")
    with warnings.catch_warnings(record=True) as caught, expected:
        warnings.simplefilter("always")
        found = read(cases / name, case)
    said = "\n".join(str(warning.message) for warning in caught)
    if "said" in case:
        assert re.search(str(case["said"]), said), said
    else:
        assert said == ""
    if "refused" in case:
        return
    texts = found.texts if isinstance(found, Examples) else found
    if "classes" in case:
        counts = {label: int((found.labels == n).sum()) for n, label in enumerate(found.names)}
        assert counts == case["classes"]
        assert all(isinstance(text, tuple) for text in texts) == bool(case.get("pairs"))
    assert len(texts) == case.get("rows", len(texts))
    assert texts[0] == case.get("first", texts[0])
