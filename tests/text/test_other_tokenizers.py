"""Byte-level BPE and MPNet's WordPiece beside `transformers.AutoTokenizer`: ids, pairs, limits, windows, files."""

import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_tokenizers import train_bpe, write_config, write_mpnet, write_roberta
from tiers import examples
from valence.errors import InputError, ModelError, ModelNotFoundError
from valence.folder import ModelFolder
from valence.reading import TRUNCATED, Reading
from valence.text import tokenizer as module
from valence.text.segments import BETWEEN_WORDS, segments
from valence.text.tokenizer import Text, Tokenizer

transformers = pytest.importorskip("transformers")

PROPERTY = settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
PIECES = st.one_of(
    st.sampled_from(
        [
            "a good film", "GREAT", "She's", "don't", "naïve", "e\u0301", "İ", "ß", "電影", "中文", "🙂", "👩‍👩‍👧",
            "\u200b", "\u00ad", "\ufeff", "\x00", "\x07", "\x1c", "\x1f", "\x85", "\t", "\n", "\r\n", "\n\n", "\u00a0",
            "\u2028", "\u3000", "�", "x" * 101, "é" * 40, "35", "3.5", "...", "!?", "<s>", "</s>", "<mask>", "<MASK>",
            "<pad>", "<unk>", "[UNK]", "[MASK]", "[CLS]", "Ġ", "Ċ", "##ing", "ᬅ", "𠀀", "", " ", "   ",
        ]
    ),
    st.text(max_size=10),
    st.text(alphabet="ab é\n\t '\u00a0\x1c<mask>", max_size=20),
)  # fmt: skip
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "  "])), max_size=10).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)
FIXED: list[Text] = [
    "",
    " ",
    " a leading space, and the end ",
    "This film was <mask>. <mask>\n<mask>  x",
    "x" * 500,
    "good film " * 60,
    "a\x00b\x07c \x1c\x1f",
    "電影🙂👩‍👩‍👧 ᬅ𠀀",
    "<s> a </s><pad><unk>[UNK] [unk] <S> [MASK]",
    ("a good film", "and a bad plot"),
    ("", ""),
    ("<mask>", " <mask>"),
    ("good " * 50, "bad " * 50),
    ("good " * 50, "bad"),
    ("good", "bad " * 50),
]

FOLDERS: dict[str, Callable[[Path], Path]] = {
    "roberta-words": lambda folder: write_roberta(folder),
    "roberta-saved": lambda folder: write_roberta(folder, "saved"),
    "roberta-published": lambda folder: write_roberta(folder, "published"),
    "roberta-prefix": lambda folder: write_roberta(folder, "published", add_prefix_space=True),
    "roberta-untrimmed": lambda folder: write_roberta(folder, trim_offsets=False),
    "roberta-few-bytes": lambda folder: write_roberta(folder, rust=train_bpe(150, all_bytes=False)),
    "roberta-more": lambda folder: write_roberta(folder, additional_special_tokens=["<e1>", "new york"]),
    "mpnet-words": lambda folder: write_mpnet(folder),
    "mpnet-saved": lambda folder: write_mpnet(folder, "saved"),
    "mpnet-both": lambda folder: write_mpnet(folder, "both"),
    "mpnet-cased": lambda folder: write_mpnet(folder, lowercase=False),
    "mpnet-chinese": lambda folder: write_mpnet(folder, tokenize_chinese_chars=False, strip_accents=False),
}


def ours(folder: Path, max_length: int | None = None) -> Tokenizer:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Tokenizer.from_folder(ModelFolder(folder, folder.name), max_length)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made: dict[str, Path] = {}
    return made


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = request.param
    if name not in folders:
        folders[name] = FOLDERS[name](tmp_path_factory.mktemp("other") / name)
    return folders[name]


_OPENED: dict[tuple[Path, int | None], Tokenizer] = {}
_REFERENCES: dict[Path, Any] = {}


def opened(folder: Path, limit: int | None = None) -> Tokenizer:
    if (folder, limit) not in _OPENED:
        _OPENED[folder, limit] = ours(folder, limit)
    return _OPENED[folder, limit]


def reference_of(folder: Path) -> Any:
    if folder not in _REFERENCES:
        _REFERENCES[folder] = transformers.AutoTokenizer.from_pretrained(str(folder))
    return _REFERENCES[folder]


def assert_same(tokenizer: Tokenizer, reference: Any, texts: list[Text]) -> None:
    """The same ids, truncated at our limit, no types, as many tokens in all, and the same places."""
    limit = {"truncation": "longest_first", "max_length": tokenizer.max_length}
    for text, found in zip(texts, tokenizer(texts), strict=True):
        parts = [[part] for part in (text if isinstance(text, tuple) else (text,))]
        if tokenizer.max_length >= 2 * len(parts):
            assert found.ids.tolist() == reference(*parts, **limit)["input_ids"][0], text
        whole = reference(*parts, verbose=False)
        assert found.n_tokens == len(whole["input_ids"][0]), text
        assert found.type_ids is None
        assert "token_type_ids" not in whole
        if isinstance(text, tuple):
            encoding = reference(*parts, **limit)
            behind = [place for place, part in enumerate(encoding.sequence_ids(0)) if part == 1]
            assert found.second == (behind[0] if behind else len(found.ids) - 1), text
            continue
        alone = reference(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids, starts, ends = tokenizer.contents_with_offsets(text)
        assert ids.tolist() == alone["input_ids"] == tokenizer.contents([text])[0].tolist(), text
        assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == alone["offset_mapping"], text


def test_same_as_transformers(folder: Path):
    for limit in (None, 4, 5, 9):
        assert_same(opened(folder, limit), reference_of(folder), FIXED)


@PROPERTY
@given(
    texts=st.lists(st.one_of(TEXTS, st.tuples(TEXTS, TEXTS)), min_size=1, max_size=5),
    limit=st.sampled_from([None, 4, 5, 9, 30]),
)
@pytest.mark.slow(keep=2)
def test_same_as_transformers_on_any_text(folder: Path, texts: list[Text], limit: int | None):
    assert_same(opened(folder, limit), reference_of(folder), texts)


def test_the_real_mpnet(tmp_path: Path):
    """In the folder that the environment variable VALENCE_MPNET names."""
    real = Path(os.environ.get("VALENCE_MPNET", ""))
    if not (real / "tokenizer.json").is_file():
        pytest.skip("VALENCE_MPNET names no all-mpnet-base-v2: ../shared/models/get-all-mpnet-base-v2 gets it")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(real / name, tmp_path)
    reference = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    tokenizer = ours(tmp_path)
    assert tokenizer.max_length == 512
    assert_same(tokenizer, reference, [text for text in FIXED if text != ("", "")])
    (tmp_path / "tokenizer.json").unlink()
    assert_same(ours(tmp_path, 30), transformers.AutoTokenizer.from_pretrained(str(tmp_path)), FIXED)


def test_a_limit_that_a_pair_does_not_fit_in(folder: Path):
    assert len(opened(folder, 3)(["a good film"])[0].ids) == 3
    with pytest.raises(InputError, match="a pair of texts has 4 special tokens, and the limit is 3 tokens"):
        opened(folder, 3)([("a", "b")])


# Long texts.


def divided(folder: Path, texts: list[Text], reading: Reading, size: int) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SEGMENT_CHARACTERS", size)
        patch.setattr(module, "_LONGEST_WHOLE", size)
        return opened(folder, 20)(texts, reading)


@PROPERTY
@given(text=TEXTS, size=st.integers(1, 30), reading=st.sampled_from([TRUNCATED, Reading(), Reading(stride=4)]))
@pytest.mark.slow(keep=3)
def test_a_text_read_in_segments_has_the_same_tokens_in_the_same_places(
    folder: Path, text: str, size: int, reading: Reading
):
    expected, pair = opened(folder, 20)([text, ("a good film", text)], reading)
    for found, whole in zip(
        divided(folder, [text, ("a good film", text)], reading, size), (expected, pair), strict=True
    ):
        assert found.ids.tolist() == whole.ids.tolist()
        assert (found.n_tokens, found.n_unknown, found.second) == (whole.n_tokens, whole.n_unknown, whole.second)
        for one, other in zip(found.windows, whole.windows, strict=True):
            assert one.ids.tolist() == other.ids.tolist()
            assert (one.start, one.end, one.second) == (other.start, other.end, other.second)


def test_which_tokenizers_are_divided(folder: Path):
    is_whole = folder.name in ("roberta-prefix", "roberta-more")  # a space before each text; a token with a space in it
    assert (opened(folder)._places is None) == is_whole


@pytest.mark.parametrize("flag", ["lstrip", "rstrip"])
def test_a_token_that_takes_spaces(tmp_path: Path, flag: str):
    token = {"content": "<e1>", flag: True, "normalized": False, "special": True}
    decoder = {str(index): {"content": name, "special": True} for index, name in enumerate(["<s>", "<pad>", "</s>"])}
    path = write_roberta(tmp_path / "model", added_tokens_decoder={**decoder, str(train_bpe().get_vocab_size()): token})
    text = "a  <e1>  b<e1>\n\nc <e1> " * 8
    assert (ours(path)._places is None) == (flag == "rstrip")
    assert opened(path, 20)([text])[0].ids.tolist() == divided(path, [text], TRUNCATED, 3)[0].ids.tolist()
    assert_same(ours(path), transformers.AutoTokenizer.from_pretrained(str(path)), [text])


@given(text=st.text(alphabet="ab \n\t\u3000é\x1c", max_size=200), size=st.integers(1, 20))
def test_segments_between_words(text: str, size: int):
    found = segments(text, size, BETWEEN_WORDS)
    assert "".join(segment for _, segment in found) == text
    for start, segment in found[1:]:
        assert text[start] == segment[0]
        assert segment[0] in " \n"
        assert not text[start - 1].isspace()


def test_windows_are_those_of_transformers(folder: Path):
    first, second = "a good film", "naïve 電影 🙂 and the acting was great\n" * 6
    reference = reference_of(folder)
    for text in (second, (first, second)):
        parts = text if isinstance(text, tuple) else (text,)
        theirs = reference(
            *parts,
            truncation="only_second" if len(parts) == 2 else True,
            max_length=30,
            stride=5,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        found = opened(folder, 30)([text], Reading(stride=5))[0]
        assert [window.ids.tolist() for window in found.windows] == theirs["input_ids"]
        for number, window in enumerate(found.windows):
            of_text = [place for place, part in enumerate(theirs.sequence_ids(number)) if part == len(parts) - 1]
            places = theirs["offset_mapping"][number]
            start, end = places[of_text[0]][0], places[of_text[-1]][1]
            if folder.name == "roberta-prefix":  # there the space before a window's first token counts, too
                assert parts[-1][window.start : window.end].strip() == parts[-1][start:end].strip()
            else:
                assert (window.start, window.end) == (start, end)
            assert window.n_tokens == len(of_text)
            assert window.second == (of_text[0] if len(parts) == 2 else None)
            assert window.type_ids is None


# Saving.


def test_what_is_saved_is_the_same_here_and_in_transformers(folder: Path, tmp_path: Path):
    tokenizer = opened(folder)
    saved = write_config(tmp_path / "saved", json.loads((folder / "config.json").read_text())["model_type"])
    tokenizer.save(saved)
    words = {"vocab.json", "merges.txt"} if folder.name.startswith("roberta") else {"vocab.txt"}
    assert {file.name for file in saved.iterdir()} == {"config.json", "tokenizer.json", "tokenizer_config.json"} | words
    for left_out in (None, "tokenizer.json"):
        if left_out:
            (saved / left_out).unlink()
        again = ours(saved)
        assert again.vocabulary == tokenizer.vocabulary
        assert (again.mask_token, again.mask_takes_space) == (tokenizer.mask_token, tokenizer.mask_takes_space)
        for text, one, other in zip(FIXED, tokenizer(FIXED), again(FIXED), strict=True):
            assert one.ids.tolist() == other.ids.tolist(), text
        assert_same(again, transformers.AutoTokenizer.from_pretrained(str(saved)), FIXED)
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert [text.ids.tolist() for text in copy(FIXED)] == [text.ids.tolist() for text in tokenizer(FIXED)]


def test_files_of_words_that_are_of_another_kind_are_removed(tmp_path: Path):
    opened(write_roberta(tmp_path / "model")).save(write_mpnet(tmp_path / "other"))
    assert not (tmp_path / "other" / "vocab.txt").exists()


# Files that disagree, or cannot be read.


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def lose(file: Path) -> None:
    file.unlink()


DISAGREEING: dict[str, tuple[Callable[[Path], object], str]] = {
    "prefix": (
        lambda path: edit(path / "tokenizer.json", lambda it: it["pre_tokenizer"].update(add_prefix_space=True)),
        "says add_prefix_space true, but add_prefix_space false is read",
    ),
    "marks": (
        lambda path: edit(
            path / "tokenizer.json", lambda it: it.update(post_processor=it["pre_tokenizer"] | {"trim_offsets": True})
        ),
        "says the post-processor another, but the post-processor <s> A </s> </s> B </s> is read, as transformers does "
        "by the tokenizer_config.json beside it, or by RoBERTa's defaults",
    ),
    "normalizer": (
        lambda path: edit(path / "tokenizer.json", lambda it: it.update(normalizer={"type": "NFC"})),
        "says the normalizer NFC, but the normalizer None is read",
    ),
    "ignoring-merges": (
        lambda path: edit(path / "tokenizer.json", lambda it: it["model"].update(ignore_merges=True)),
        "says ignore_merges true, but ignore_merges false is read",
    ),
    "vocab": (
        lambda path: edit(path / "vocab.json", lambda it: it.update(more=9999)),
        r"vocab.json and merges.txt and tokenizer.json differ in 1 words \('more'\): tokenizer.json counts",
    ),
    "merges": (
        lambda path: (path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8"),
        "vocab.json and merges.txt and tokenizer.json differ in merges: tokenizer.json counts",
    ),
    "broken-merges": (
        lambda path: (path / "merges.txt").write_text("a\n", encoding="utf-8"),
        r"merges.txt: line 1: expected two tokens .*; the tokenizer.json beside it counts, as in transformers",
    ),
}


@pytest.mark.parametrize("name", DISAGREEING)
def test_files_that_disagree_are_read_as_transformers_does_and_said(tmp_path: Path, name: str):
    change, message = DISAGREEING[name]
    path = write_roberta(tmp_path / "model", "published")
    change(path)
    with pytest.warns(UserWarning, match=message) as told:
        tokenizer = Tokenizer.from_folder(ModelFolder(path, "model"))
    assert len(told) == 1
    assert_same(tokenizer, transformers.AutoTokenizer.from_pretrained(str(path)), FIXED)


def test_old_tokenizer_json_with_merges_as_texts(tmp_path: Path):
    path = write_roberta(tmp_path / "model", "saved")
    edit(
        path / "tokenizer.json", lambda it: it["model"].update(merges=[" ".join(two) for two in it["model"]["merges"]])
    )
    edit(path / "tokenizer.json", lambda it: it["model"].pop("type"))
    assert_same(ours(path), transformers.AutoTokenizer.from_pretrained(str(path)), FIXED)


REFUSED: dict[str, tuple[str, Callable[[Path], object], type[Exception], str]] = {
    "nothing": (
        "words",
        lambda path: [lose(path / "merges.txt"), lose(path / "vocab.json")],
        ModelNotFoundError,
        "no tokenizer: expected tokenizer.json or vocab.json and merges.txt",
    ),
    "no-merges": (
        "words",
        lambda path: lose(path / "merges.txt"),
        ModelError,
        "its tokenizer_class is RobertaTokenizer, which needs tokenizer.json or vocab.json and merges.txt, "
        "found vocab.json",
    ),
    "no-vocab": ("words", lambda path: lose(path / "vocab.json"), ModelError, "found merges.txt"),
    "broken-vocab": (
        "words",
        lambda path: (path / "vocab.json").write_text("{"),
        ModelError,
        "vocab.json: not readable as JSON",
    ),
    "word-without-number": (
        "words",
        lambda path: edit(path / "vocab.json", lambda it: it.update(good="x")),
        ModelError,
        "vocab.json: not a vocabulary that can be read: 'good' must have a number, found 'x'",
    ),
    "unknown-merge": (
        "words",
        lambda path: (path / "merges.txt").write_text("a b\nq zz\n"),
        ModelError,
        "vocab.json: not a vocabulary that can be read: its merges join '.*' and '.*', and it has no '.*'",
    ),
    "latin-merges": (
        "words",
        lambda path: (path / "merges.txt").write_bytes("é x\n".encode("latin-1")),
        ModelError,
        "merges.txt: not UTF-8 text: .* at byte 1",
    ),
    "three": (
        "words",
        lambda path: (path / "merges.txt").write_text("#version: 0.2\na b c\n"),
        ModelError,
        "merges.txt: line 2: expected two tokens with a space between them, found 'a b c'",
    ),
    "no-begin": (
        "words",
        lambda path: edit(path / "vocab.json", lambda it: it.pop("<s>")),
        ModelError,
        "vocab.json: not a RoBERTa vocabulary: it lacks <s>",
    ),
    "json-merges": (
        "saved",
        lambda path: edit(path / "tokenizer.json", lambda it: it["model"].update(merges=[["a"]])),
        ModelError,
        "tokenizer.json: not a tokenizer that can be read: a merge must be two tokens, found .'a'",
    ),
    "json-merges-unknown": (
        "saved",
        lambda path: edit(path / "tokenizer.json", lambda it: it["model"].update(merges=["a qqq"])),
        ModelError,
        "tokenizer.json: not a vocabulary that can be read: its merges join 'a' and 'qqq'",
    ),
    "other-marks": (
        "saved",
        lambda path: edit(path / "tokenizer.json", lambda it: it.update(post_processor=None)),
        ModelError,
        "expected a tokenizer that adds <s> and </s> to a text and 2 more </s> to a pair, "
        "found one that adds 0 and 0 tokens",
    ),
    "setting": (
        "words",
        lambda path: (path / "tokenizer_config.json").write_text('{"add_prefix_space": "yes"}'),
        ModelError,
        "tokenizer_config.json: add_prefix_space must be true or false, found 'yes'",
    ),
    "wordpiece": (
        "words",
        lambda path: (path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}'),
        ModelError,
        "its tokenizer_class is BertTokenizer, which needs tokenizer.json or vocab.txt, found vocab.json and merges",
    ),
    "wordpiece-json": (
        "saved",
        lambda path: edit(path / "tokenizer_config.json", lambda it: it.update(tokenizer_class="MPNetTokenizer")),
        ModelError,
        "its model is BPE, and MPNet's is WordPiece: if tokenizer.json is right, set tokenizer_class to",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_cannot_be_read(tmp_path: Path, name: str):
    form, change, error, message = REFUSED[name]
    path = write_roberta(tmp_path / "model", form)
    change(path)
    with pytest.raises(error, match=message) as refused:
        ours(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("file", ["spm.model", "sentencepiece.bpe.model"])
@pytest.mark.parametrize("config", [{}, {"tokenizer_class": "XLMRobertaTokenizer"}])
def test_a_tokenizer_that_needs_sentencepiece_says_so(tmp_path: Path, file: str, config: dict[str, str]):
    path = write_config(tmp_path / "model", "deberta-v2", **config)
    (path / file).write_bytes(b"\n\x0e")
    with pytest.raises(ModelError, match=rf"its tokenizer needs sentencepiece \({file}\), and .*save_pretrained"):
        ours(path)


def test_the_tokenizer_json_of_a_family_without_a_record_is_followed(tmp_path: Path):
    """Marks of any kind are followed; how many positions are for tokens only the tokenizer's limit says."""
    path = write_roberta(tmp_path / "model", "saved", tokenizer_class="RobertaTokenizer")
    write_config(path, "xlm-roberta")
    (path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 64}', encoding="utf-8"
    )
    tokenizer = ours(path)
    assert tokenizer.max_length == 64
    assert tokenizer.separators == 2
    reference = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
    for text in FIXED:
        parts = [[part] for part in (text if isinstance(text, tuple) else (text,))]
        expected = reference(*parts, truncation="longest_first", max_length=64)["input_ids"][0]
        assert tokenizer([text])[0].ids.tolist() == expected, text
