"""Tables to labelled examples: columns, names, files together, and the shared data sets."""

import gzip
import json
import os
import threading
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from valence.data.columns import ColumnNames, choose_columns
from valence.data.examples import Examples, read_examples, read_texts
from valence.data.sources import find_source
from valence.data.tables import open_table
from valence.errors import DataError


def table(tmp_path: Path, *columns: str) -> object:
    path = tmp_path / "a.tsv"
    path.write_text("\t".join(columns) + "\n" + "\t".join("x" for _ in columns) + "\n")
    return open_table(path)


def read(path: Path, split="eval", **options) -> Examples:
    return read_examples(find_source(str(path), split), **options)


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        (("sentence", "label"), ("sentence", None, "label")),
        (("label", "sentence"), ("sentence", None, "label")),
        (("id", "Review", "Sentiment", "date"), ("Review", None, "Sentiment")),
        (("whatever", "label"), ("whatever", None, "label")),
        (("idx", "premise", "hypothesis", "label"), ("premise", "hypothesis", "label")),
        (("sentence1", "sentence2", "label"), ("sentence1", "sentence2", "label")),
    ],
)
def test_columns_guessed(tmp_path, columns, chosen):
    found = choose_columns(table(tmp_path, *columns))
    assert (*found.text, found.pair, found.label) == chosen
    unlabelled = choose_columns(table(tmp_path, *columns), labelled=False)
    assert (*unlabelled.text, unlabelled.pair, unlabelled.label) == (*chosen[:2], None)


@pytest.mark.parametrize(
    ("columns", "asked", "message"),
    [
        (("text", "review", "label"), {}, "which column is the text? The columns are 'text', 'review', 'label'"),
        (("a", "b", "label"), {}, "which column is the text?"),
        (("text", "stars"), {}, "which column is the label?"),
        (("text", "label", "class"), {}, "which column is the label?"),
        (
            ("text", "label"),
            {"text": "txet"},
            "no column 'txet'. The columns are 'text', 'label'; did you mean 'text'?",
        ),
        (("text", "label"), {"label": "quite different"}, "no column 'quite different'"),
        (("text", "label"), {"text": "label", "label": "label"}, "different columns"),
        (("text", "label"), {"text": "text", "pair": "text"}, "different columns"),
    ],
)
def test_columns_that_are_not_plain(tmp_path, columns, asked, message):
    with pytest.raises(DataError) as caught:
        choose_columns(table(tmp_path, *columns), ColumnNames(**asked))
    assert message in str(caught.value)
    assert str(tmp_path / "a.tsv") in str(caught.value)


def test_columns_asked_for(tmp_path):
    found = choose_columns(table(tmp_path, "text", "title", "label", "stars"), ColumnNames("title", "stars", "text"))
    assert (found.text, found.pair, found.label) == (("title",), "text", "stars")
    assert found.unread == ("label",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": 1}, "no 'text' in this row"),
        ({"text": "a"}, "no 'label' in this row"),
        ({"text": 5, "label": 1}, "'text' must be a text, found 5"),
        ({"text": "a", "label": None}, "the row has no label"),
        ({"text": "a", "label": ""}, "the row has no label"),
        ({"text": "a\ud800b", "label": 1}, "'text' is not valid Unicode: character 2"),
        ({"text": "a", "label": 7}, "unknown label 7"),
    ],
)
def test_bad_row_is_named_with_its_line(tmp_path, row, message):
    good = json.dumps({"text": "a", "label": 0})
    path = write(tmp_path / "a.jsonl", f"{good}\n\n{json.dumps(row)}\n{good}\n")
    with pytest.raises(DataError) as caught:
        read(path, names=("no", "yes"))
    assert str(caught.value).startswith(f"{path}, line 3: {message}")


def test_parquet_wrong_types(tmp_path):
    path = tmp_path / "a.parquet"
    for column, message in (
        ([1, 2, 3], "line 1: 'text' must be a text, found 1"),
        ([b"a", b"b", b"c"], "line 1: 'text' must be a text, found b'a'"),
    ):
        pq.write_table(pa.table({"text": column, "label": [0, 1, 0]}), path)
        with pytest.raises(DataError, match=message):
            read(path)
    for labels, message in (([0, None, 1], "line 2: the row has no label"), ([[0], [1], [0]], "line 1: a label must")):
        pq.write_table(pa.table({"text": ["a", "b", "c"], "label": labels}), path)
        with pytest.raises(DataError, match=message):
            read(path)


def test_parquet_integers_with_gaps_read_as_floats(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": pa.array([0.0, 1.0])}), path)
    assert read(path, names=("no", "yes")).labels.tolist() == [0, 1]
    pq.write_table(pa.table({"text": ["a", "b"], "label": pa.array([0.0, float("nan")])}), path)
    with pytest.raises(DataError, match="line 2: the row has no label"):
        read(path, names=("no", "yes"))


def test_header_only(tmp_path):
    with pytest.raises(DataError, match="no rows, only a header \\('text', 'label'\\)"):
        read(write(tmp_path / "a.tsv", "text\tlabel\n"))


def test_names_given_beside_or_found(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\t1\nb\t0\n")
    with pytest.warns(UserWarning, match="no names"):
        assert read(path).names == ("0", "1")
    write(tmp_path / "labels.txt", "bad\ngood\n")
    found = read(path)
    assert (found.names, found.labels.tolist()) == (("bad", "good"), [1, 0])
    assert read(path, names=("no", "yes")).names == ("no", "yes")
    write(tmp_path / "labels.txt", "bad\n")
    with pytest.raises(DataError, match=r"labels\.txt: expected the names of at least two classes"):
        read(path)


def test_names_of_the_model_win(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\t1\nb\tNegative\n")
    found = read(path, known=("NEGATIVE", "POSITIVE"))
    assert (found.names, found.labels.tolist()) == (("NEGATIVE", "POSITIVE"), [1, 0])


def test_labels_file_in_another_order_than_the_model(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\t0\nb\t1\n")
    write(tmp_path / "labels.txt", "positive\nnegative\n")
    found = read(path, known=("NEGATIVE", "POSITIVE"))
    assert (found.names, found.labels.tolist()) == (("NEGATIVE", "POSITIVE"), [1, 0])


def test_labels_file_with_names_of_its_own(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\t0\nb\t1\n")
    write(tmp_path / "labels.txt", "bad\ngood\n")
    with pytest.warns(UserWarning, match="by number") as caught:
        assert read(path, known=("NEGATIVE", "POSITIVE")).labels.tolist() == [0, 1]
    assert len(caught) == 1


def test_pairs(tmp_path):
    path = write(tmp_path / "a.csv", "premise,hypothesis,label\na,b,yes\nc,d,no\n")
    assert read(path).texts == [("a", "b"), ("c", "d")]
    assert read(path, columns=ColumnNames(text="hypothesis")).texts == ["b", "d"]


def test_texts_without_labels(tmp_path):
    opened = open_table(write(tmp_path / "a.tsv", "text\tlabel\na\t\nb\tx\n"))
    columns = choose_columns(opened, labelled=False)
    assert list(read_texts(opened, columns)) == [(2, "a", None), (3, "b", None)]


def test_glue_style_folder(tmp_path):
    write(tmp_path / "train.tsv", "sentence\tlabel\na\tno\nb\tyes\n")
    write(tmp_path / "dev.tsv", "sentence\tlabel\nc\tyes\nd\tno\ne\tno\n")
    write(tmp_path / "test.tsv", "index\tsentence\n0\tf\n")
    assert read(tmp_path, "train").texts == ["a", "b"]
    assert read(tmp_path, "eval").texts == ["c", "d", "e"]
    (tmp_path / "dev.tsv").unlink()
    (tmp_path / "test.tsv").unlink()
    with pytest.raises(DataError, match="no eval file: expected one of dev, validation"):
        read(tmp_path, "eval")


@pytest.mark.parametrize("name", ["absent", "absent.tsv", "~nobody-of-that-name/x.tsv", "x" * 300])
def test_nothing_there(name):
    with pytest.raises(DataError, match="no such file or folder"):
        find_source(name, "train")


def test_files_of_one_set_must_have_the_same_columns(tmp_path):
    source = find_source(str(write(tmp_path / "a.tsv", "text\tlabel\na\tx\n")), "train")
    other = write(tmp_path / "b.tsv", "text\tstars\nb\ty\n")
    with pytest.raises(DataError, match=r"b\.tsv: columns text, stars differ from those of a\.tsv: text, label"):
        type(source)(source.name, (*source.paths, other)).tables()


def test_title_and_hash(tmp_path):
    path = write(tmp_path / "reviews" / "dev.tsv", "text\tlabel\na\tx\n")
    assert find_source(str(path), "eval").title == "reviews-dev"
    assert find_source(str(write(tmp_path / "mine.tsv", "text\n")), "eval").title == "mine"
    before = find_source(str(path), "eval").sha256()
    write(path, "text\tlabel\nb\tx\n")
    assert find_source(str(path), "eval").sha256() != before


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("sst2/train.tsv", [29780, 37569]),
        ("sst2/dev.tsv", [428, 444]),
        ("imdb/sample.tsv", [1000, 1000]),
        ("imdb/train.parquet", [12334, 12441]),
        ("yelp/train.parquet", [45264, 45264]),
        ("yelp/dev.parquet", [2000, 2000]),
        ("pros_cons/train.parquet", [17652, 19234]),
        ("pros_cons/dev.parquet", [1000, 1000]),
        ("amazon/train.parquet", [3704, 3846]),
        ("amazon/titles.parquet", [3222, 3407]),
        ("tweets/train.parquet", [7391, 21212, 18750]),
        ("tweets/dev.parquet", [311, 866, 814]),
        ("agnews/train.tsv", [2506, 2457, 2486, 2531]),
        ("agnews/test.tsv", [950, 949, 948, 949]),
    ],
)
@pytest.mark.slow
def test_shared_data(shared, name, counts):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*the classes have no names")
        warnings.filterwarnings("ignore", "(?s).*a field stands in quotation marks")  # in AG News
        examples = read(shared / "data" / name)
    assert [(examples.labels == number).sum() for number in range(len(examples.names))] == counts
    assert len(examples.texts) == sum(counts)


def test_shared_data_with_names(shared):
    with pytest.warns(UserWarning, match="line 5: a field stands in quotation marks"):  # as it does
        assert read(shared / "data" / "agnews" / "test.tsv").names == ("World", "Sports", "Business", "Sci/Tech")


def test_shared_data_without_labels(shared):
    opened = open_table(shared / "data" / "imdb" / "unlabelled.parquet")
    assert sum(1 for _ in read_texts(opened, choose_columns(opened, labelled=False))) == 48840


def class_labels(path: Path, names: object, labels: list[int], column: str = "label") -> Path:
    """Write what the `datasets` library writes."""
    feature = {"names": names, "_type": "ClassLabel"}
    features = {"text": {"dtype": "string", "_type": "Value"}, column: feature}
    table = pa.table({"text": [f"text {n}" for n in range(len(labels))], column: labels})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return path


def test_class_names_in_the_metadata_of_parquet(tmp_path):
    path = class_labels(tmp_path / "a.parquet", ["neg", "pos"], [1, 0, 1])
    found = read(path)
    assert (found.names, found.labels.tolist()) == (("neg", "pos"), [1, 0, 1])
    assert read(path, known=("POS", "NEG")).labels.tolist() == [0, 1, 0]  # matched by name
    assert read(path, names=("no", "yes")).names == ("no", "yes")  # the user's own win
    write(tmp_path / "labels.txt", "neg\npos\n")
    assert read(path).names == ("neg", "pos")
    write(tmp_path / "labels.txt", "pos\nneg\n")
    with pytest.warns(UserWarning, match="names other classes than a.parquet itself, whose names are used: neg, pos"):
        assert read(path).names == ("neg", "pos")


def test_class_names_of_another_column_say_nothing(tmp_path):
    path = class_labels(tmp_path / "a.parquet", ["a", "b"], [1, 0], column="source")
    table = pq.read_table(path)
    pq.write_table(table.append_column("label", pa.array(["x", "y"])), path)
    assert read(path).names == ("x", "y")


def test_the_files_of_one_data_set_name_the_same_classes(tmp_path):
    one = class_labels(tmp_path / "a.parquet", ["neg", "pos"], [1, 0])
    source = find_source(str(one), "train")
    other = class_labels(tmp_path / "b.parquet", ["pos", "neg"], [1, 0])
    with pytest.raises(DataError, match=r"b\.parquet: the classes of 'label' have other names here than in a\.parquet"):
        read_examples(type(source)(source.name, (one, other)))


def test_no_label_of_a_hub_data_set(tmp_path):
    path = class_labels(tmp_path / "test.parquet", ["neg", "pos"], [-1, -1])
    with pytest.raises(DataError, match=r"line 1: unknown label -1: .*-1 means that the row has no label"):
        read(path)


@pytest.mark.parametrize("names", [[], ["a", "a"], [1, 2], "ab", None, ["a", ""], {"0": "a"}])
def test_class_names_that_are_none_are_said(tmp_path, names):
    path = class_labels(tmp_path / "a.parquet", names, [1, 0])
    with (
        pytest.warns(UserWarning, match="the class names of 'label' cannot be read"),
        pytest.warns(UserWarning, match="the classes have no names"),
    ):
        assert read(path).names == ("0", "1")


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b'{"info": 5}', b"\xff", b"[" * 100_000])
def test_metadata_that_cannot_be_read_is_said(tmp_path, metadata):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
    with pytest.warns(UserWarning, match="its metadata of the data set cannot be read"):
        assert read(path).names == ("x", "y")


def test_what_can_be_read_only_once(tmp_path):
    pipe = tmp_path / "pipe"
    for content in (
        b"text,label\ngood,x\nbad,y\n",
        b"text\tlabel\ngood\tx\nbad\ty\n",
        b'{"text": "good", "label": "x"}\n{"text": "bad", "label": "y"}\n',
        gzip.compress(b"text,label\ngood,x\nbad,y\n"),
        class_labels(tmp_path / "a.parquet", ["x", "y"], [0, 1]).read_bytes(),
    ):
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        source = find_source(str(pipe), "train")
        writer.join()
        found = read_examples(source)
        assert (found.names, found.labels.tolist()) == (("x", "y"), [0, 1])
        assert len(source.sha256()) == 64
        pipe.unlink()


@pytest.mark.parametrize("name", ["train.csv.gz", "train.json", "train.tab", "dev.jsonl.zst"])
def test_a_folder_of_other_endings(tmp_path, name):
    content = b'{"text": "good", "label": "x"}\n{"text": "bad", "label": "y"}\n'
    if "json" not in name:
        content = b"text,label\ngood,x\nbad,y\n"
    compress = {".gz": gzip.compress, ".zst": lambda plain: pa.compress(plain, "zstd", asbytes=True)}
    (tmp_path / name).write_bytes(compress.get(Path(name).suffix, bytes)(content))
    assert read(tmp_path, "train" if name.startswith("train") else "eval").names == ("x", "y")


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ([str(n) for n in sorted(map(str, range(12)))], [*range(12)]),
        (["1", "2", "3", "4", "5"], [0, 1, 4]),
        (["1", "2", "3", "4", "5"], [1, 2, 3, 4]),
        (["1", "0"], [0, 1]),
    ],
)
def test_numbers_of_a_column_with_class_names_are_class_numbers(tmp_path, names, labels):
    path = class_labels(tmp_path / "a.parquet", names, labels)
    found = read(path)
    assert [found.names[number] for number in found.labels] == [names[label] for label in labels]
    turned = tuple(reversed(names))
    found = read(path, known=turned)
    assert [turned[number] for number in found.labels] == [names[label] for label in labels]
