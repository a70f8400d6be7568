"""The tokenizer, beside the one of `transformers` and on what users get wrong."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.errors import InputError, ModelError, ModelNotFoundError
from valence.folder import ModelFolder
from valence.reading import Reading
from valence.text.tokenizer import Text, Tokenizer

LIMIT = 64
PROPERTY = settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))

# Pieces of which texts are made: what English text holds, and what it should not.
PIECES = st.one_of(
    st.sampled_from(
        [
            "a good film", "HELLO", "acting", "Ünïcödé", "e\u0301le\u0300ve", "İstanbul", "ß", "ﬁne", "中文字", "電影a",
            "ひらがな", "한국어", "🙂", "👩‍👩‍👧", "🏳️‍🌈", "\u200b", "\u00ad", "\ufeff",
            "\x00", "\x07", "\x1b[31m", "\t", "\n", "\r\n",
            "\u00a0", "\u2028", "\u3000", "�", "x" * 99, "x" * 100, "x" * 101, "y" * 300, "é" * 100, "é" * 101,
            "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[cls]", "a[SEP]b", "don't", "it's...", "$5.00", "##ing",
            "he said:“no”—", "नमस्ते", "שלום", "مرحبا", "ᬅ", "𝒜", "𠀀", "", " ",
        ]
    ),
    st.text(max_size=12),
    st.text(alphabet="abcdefgh ing.,'", max_size=30),
)  # fmt: skip
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "  "])), max_size=12).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


def write_folder(folder: Path, vocabulary: Path, tokenizer_config: dict[str, Any] | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "distilbert", "max_position_embeddings": LIMIT, **config})
    )
    if vocabulary.is_file():
        shutil.copy(vocabulary, folder / "vocab.txt")
    if tokenizer_config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    return folder


def ours(folder: Path, max_length: int | None = None) -> Tokenizer:
    return Tokenizer.from_folder(ModelFolder(folder, folder.name), max_length)


def theirs(folder: Path) -> Any:
    from transformers import DistilBertTokenizer

    return DistilBertTokenizer.from_pretrained(str(folder))


def assert_same(tokenizer: Tokenizer, reference: Any, texts: list[Text]) -> None:
    """Both give the same ids and types, truncated at our limit, and we count all the tokens."""
    for is_pair in (False, True):
        chosen = [text for text in texts if isinstance(text, tuple) == is_pair]
        if not chosen:
            continue
        columns = [list(column) for column in zip(*chosen, strict=True)] if is_pair else [chosen]
        whole = reference(*columns, verbose=False)["input_ids"]
        limit = {"truncation": "longest_first", "max_length": tokenizer.max_length}
        expected = reference(*columns, return_token_type_ids=True, **limit)
        for row, (text, result) in enumerate(zip(chosen, tokenizer(chosen), strict=True)):
            assert result.ids.tolist() == expected["input_ids"][row], text
            types = [0] * len(result.ids) if result.type_ids is None else result.type_ids.tolist()
            assert types == expected["token_type_ids"][row], text
            assert (result.type_ids is None) != is_pair
            assert result.n_tokens == len(whole[row]), text
            assert result.truncated == (result.n_tokens > tokenizer.max_length)


VARIANTS = {
    "none": None,
    "uncased": {"do_lower_case": True},
    "cased": {"do_lower_case": False},
    "cased-stripped": {"do_lower_case": False, "strip_accents": True},
    "uncased-accented": {"do_lower_case": True, "strip_accents": False},
    "chinese-whole": {"do_lower_case": True, "tokenize_chinese_chars": False},
}


@pytest.fixture(scope="session")
def wide_vocabulary(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """The small vocabulary with some capitals, accents, Chinese and pieces, so that settings show in the ids."""
    path = tmp_path_factory.mktemp("wide") / "vocab.txt"
    capitals_and_accents = [
        "A",
        "H",
        "##E",
        "##L",
        "##O",
        "é",
        "##é",
        "Ü",
        "##ü",
        "u",
        "##ï",
        "##i",
        "ß",
        "ss",
        "i",
        "İ",
    ]
    more = [*capitals_and_accents, "中", "文", "##文", "中文字", "電", "影", "🙂", "##\u0307"]
    words = [*vocabulary.read_text(encoding="utf-8").splitlines(), *more]
    path.write_text("".join(f"{word}\n" for word in dict.fromkeys(words)), encoding="utf-8")
    return path


@pytest.fixture(scope="session", params=VARIANTS)
def small_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wide_vocabulary: Path
) -> tuple[Path, Any]:
    """A folder with a vocab.txt under each setting, and the tokenizer of `transformers` for it."""
    pytest.importorskip("transformers")
    folder = write_folder(tmp_path_factory.mktemp("small"), wide_vocabulary, VARIANTS[request.param])
    return folder, theirs(folder)


@pytest.fixture(scope="session")
def real_pair(minilm: Path) -> tuple[Path, Any]:
    """A real vocabulary of 30522 words in a tokenizer.json, which also stores truncation and padding."""
    pytest.importorskip("transformers")
    return minilm, theirs(minilm)


@PROPERTY
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), limit=st.sampled_from([None, 3, 4, 9, 30]))
def test_same_as_transformers_from_vocabulary(small_pair: tuple[Path, Any], texts: list[str], limit: int | None):
    folder, reference = small_pair
    assert_same(ours(folder, limit), reference, [*texts])


@PROPERTY
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), limit=st.sampled_from([None, 3, 4, 9, 30]))
def test_same_as_transformers_for_pairs(small_pair: tuple[Path, Any], pairs: list[Text], limit: int | None):
    folder, reference = small_pair
    assert_same(ours(folder, limit), reference, pairs)


@settings(PROPERTY, max_examples=examples(50))
@given(texts=st.lists(st.one_of(TEXTS, st.tuples(TEXTS, TEXTS)), min_size=1, max_size=12))
@pytest.mark.slow
def test_same_as_transformers_on_the_real_vocabulary(real_pair: tuple[Path, Any], texts: list[Text]):
    folder, reference = real_pair
    for limit in (None, 16):
        assert_same(tokenizer_of(folder, limit), reference, texts)


_OPENED: dict[tuple[Path, int | None], Tokenizer] = {}


def tokenizer_of(folder: Path, limit: int | None) -> Tokenizer:
    """Open a large tokenizer once."""
    return _OPENED.setdefault((folder, limit), ours(folder, limit))


def test_real_vocabulary_from_vocab_txt_is_that_of_tokenizer_json(minilm: Path, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        shutil.copy(minilm / name, folder)
    texts = ["Ünïcödé and 電影, don't!", "x" * 101, "", "unbelievably good [MASK]", "🙂 ok"]
    for ours_, whole in zip(ours(folder)(texts), ours(minilm)(texts), strict=True):
        assert ours_.ids.tolist() == whole.ids.tolist()


def test_settings_change_the_ids(tmp_path: Path, wide_vocabulary: Path):
    """The parity above would say nothing if all settings gave the same."""
    texts = ["A HELLO é 中文字 Ü"]
    seen = {
        tuple(ours(write_folder(tmp_path / name, wide_vocabulary, setting))(texts)[0].ids.tolist())
        for name, setting in VARIANTS.items()
    }
    assert len(seen) == len(VARIANTS) - 1  # "none" is "uncased"


# Truncation and padding.


def store_truncation(folder: Path, length: int = 5) -> None:
    """Put truncation and padding into a tokenizer.json, as many published ones have them."""
    from tokenizers import Tokenizer as RustTokenizer

    rust = RustTokenizer.from_file(str(folder / "tokenizer.json"))
    rust.enable_truncation(length)
    rust.enable_padding(length=40)
    rust.save(str(folder / "tokenizer.json"))


def test_stored_truncation_and_padding_are_ignored_and_not_written(tmp_path: Path, vocabulary: Path):
    folder = write_folder(tmp_path / "model", vocabulary)
    ours(folder).save(folder)
    store_truncation(folder)
    tokenizer = ours(folder)
    long, short = tokenizer(["a good film " * 5, "a"])
    assert (len(long.ids), long.n_tokens, long.truncated) == (17, 17, False)
    assert len(short.ids) == 3
    tokenizer(["a " * 200])  # after a truncation of its own, too
    tokenizer.save(folder)
    written = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert written["truncation"] is None
    assert written["padding"] is None


def test_limit_is_the_models_whatever_the_tokenizer_says(tmp_path: Path, vocabulary: Path):
    folder = write_folder(tmp_path / "model", vocabulary, {"model_max_length": 8, "max_length": 8})
    with pytest.warns(UserWarning, match=rf"model_max_length is 8 .* {LIMIT} positions are used"):
        tokenizer = ours(folder)
    assert tokenizer.max_length == LIMIT
    exact, longer = tokenizer(["a " * (LIMIT - 2), "a " * (LIMIT - 1)])
    assert (exact.n_tokens, len(exact.ids), exact.truncated) == (LIMIT, LIMIT, False)
    assert (longer.n_tokens, len(longer.ids), longer.truncated) == (LIMIT + 1, LIMIT, True)
    assert longer.ids[-1] == 3  # [SEP] stays at the end
    assert ours(write_folder(tmp_path / "other", vocabulary, None, max_position_embeddings=100)).max_length == 100


@pytest.mark.parametrize("length", [-1, 0, 2, LIMIT + 1, 10**9])
def test_max_length_out_of_range(tmp_path: Path, vocabulary: Path, length: int):
    folder = write_folder(tmp_path, vocabulary)
    with pytest.raises(InputError, match=f"between 3 and the model's {LIMIT} positions, found {length}"):
        ours(folder, length)


REFUSED = Reading(long_text="error")


def test_long_text_can_be_an_error_that_names_it(tmp_path: Path, vocabulary: Path):
    tokenizer = ours(write_folder(tmp_path, vocabulary), 8)
    texts: list[Text] = ["short", "a " * 6, "a " * 7, ("a", "a " * 20)]
    with pytest.raises(InputError, match="text 3 has 9 tokens, the limit is 8"):
        tokenizer(texts, REFUSED)
    with pytest.raises(InputError, match="text 103 has 9 tokens"):
        tokenizer(texts, REFUSED, first=100)
    with pytest.raises(InputError, match="text 1 has 24 tokens"):
        tokenizer(texts[3:], REFUSED)
    assert [text.n_tokens for text in tokenizer(texts[:2], REFUSED)] == [7, 8]


# What is no text.


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("half \ud83d", "not valid Unicode: character 6 is '.ud83d', half of a surrogate pair"),
        (("fine", "\udc80"), "not valid Unicode: character 1 is"),
        (None, "must be a string or a pair of strings, found None"),
        (float("nan"), "found nan"),
        (b"bytes", "found b'bytes'"),
        (7, "found 7"),
        (["a", "list"], "found .'a', 'list'"),
        (("a",), "found .'a',"),
        (("a", "b", "c"), "found .'a', 'b', 'c'"),
        (("a", None), "found .'a', None"),
        (np.float32(1), "found"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, vocabulary: Path, bad: Any, complaint: str):
    tokenizer = ours(write_folder(tmp_path, vocabulary))
    with pytest.raises(InputError, match=f"text 2 .*{complaint}"):
        tokenizer(["fine", bad, "fine"])
    with pytest.raises(InputError, match="text 11 "):
        tokenizer([bad], first=10)


def test_no_text_and_empty_texts(tmp_path: Path, vocabulary: Path):
    tokenizer = ours(write_folder(tmp_path, vocabulary))
    assert tokenizer([]) == []
    assert [text.ids.tolist() for text in tokenizer(["", " \n\t ", "\x00", np.str_("")])] == [[2, 3]] * 4
    pair = tokenizer([("", "")])[0]
    assert (pair.ids.tolist(), pair.type_ids.tolist()) == ([2, 3, 3], [0, 0, 1])


# Files that are broken.


def test_no_tokenizer(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"no tokenizer: expected tokenizer.json or vocab.txt"):
        ours(write_folder(tmp_path, tmp_path / "none"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "lacks .PAD., .UNK., .CLS., .SEP., .MASK."),
        (b"[PAD]\n[UNK]\n[SEP]\n[MASK]\na\n", "not a BERT vocabulary: it lacks .CLS."),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\né\n".encode("latin-1"), "not a vocabulary that can be read: .*UTF-8"),
    ],
)
@pytest.mark.slow
def test_broken_vocabulary(tmp_path: Path, content: bytes, complaint: str):
    folder = write_folder(tmp_path, tmp_path / "none")
    (folder / "vocab.txt").write_bytes(content)
    with pytest.raises(ModelError, match=rf"vocab.txt: .*{complaint}"):
        ours(folder)


def test_vocabulary_with_odd_lines_is_read_as_transformers_does(tmp_path: Path):
    """Windows line ends, a word twice, an empty line, a separator that is no line end, no last line end."""
    pytest.importorskip("transformers")
    folder = write_folder(tmp_path / "model", tmp_path / "none")
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "", "x\u2028", "good", "fi\rlm", "film"]
    (folder / "vocab.txt").write_bytes("\r\n".join(lines).encode())
    assert ours(folder)(["a good film"])[0].ids.tolist() == [2, 5, 9, 11, 3]
    assert_same(ours(folder), theirs(folder), ["a good film", "x"])
    ours(folder).save(folder)
    assert ours(folder)(["a good film"])[0].ids.tolist() == [2, 5, 9, 11, 3]
    assert (folder / "vocab.txt").read_bytes().decode().split("\n")[9:] == ["good", "fi\rlm", "film", ""]


def change_tokenizer_json(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(model=None),
        lambda content: content.update(post_processor=None),
        lambda content: content["model"]["vocab"].pop("[UNK]"),
        lambda content: content["model"].update(type="Unheard-of"),
    ],
    ids=["no-model", "no-marks", "no-unk", "unknown-model"],
)
def test_broken_tokenizer_json(tmp_path: Path, vocabulary: Path, change: Callable[[dict[str, Any]], Any]):
    folder = write_folder(tmp_path, vocabulary)
    ours(folder).save(folder)
    change_tokenizer_json(folder, change)
    change_tokenizer_json(folder, lambda content: content.update(added_tokens=[]))
    with pytest.raises(ModelError, match=str(folder)):
        ours(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2", b"\xff\xfe", b"null"])
def test_tokenizer_json_that_is_none(tmp_path: Path, vocabulary: Path, content: bytes):
    folder = write_folder(tmp_path, vocabulary)
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"tokenizer.json: not a tokenizer that can be read"):
        ours(folder)


def test_broken_tokenizer_config(tmp_path: Path, vocabulary: Path):
    folder = write_folder(tmp_path, vocabulary)
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer_config.json: not readable as JSON"):
        ours(folder)


def test_tokenizer_larger_than_the_model(tmp_path: Path, vocabulary: Path):
    size = len(vocabulary.read_text(encoding="utf-8").splitlines())
    assert ours(write_folder(tmp_path / "fits", vocabulary, None, vocab_size=size))
    with pytest.raises(ModelError, match=rf"ids reach {size - 1}, the model's vocabulary has {size - 1} rows"):
        ours(write_folder(tmp_path / "small", vocabulary, None, vocab_size=size - 1))


# Saving.


@pytest.mark.parametrize("variant", VARIANTS)
def test_saved_tokenizer_is_the_same_here_and_there(tmp_path: Path, wide_vocabulary: Path, variant: str):
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    tokenizer = ours(write_folder(tmp_path / "first", wide_vocabulary, VARIANTS[variant]))
    folder = write_folder(tmp_path / "second", tmp_path / "none")
    tokenizer.save(folder)
    texts: list[Text] = ["A HELLO é 中文字 Ünïcödé [MASK] İ", "x" * 101, "", ("a film", "good " * 90)]
    again = ours(folder)
    assert [text.ids.tolist() for text in again(texts)] == [text.ids.tolist() for text in tokenizer(texts)]
    assert_same(again, AutoTokenizer.from_pretrained(str(folder)), texts)
    assert (folder / "vocab.txt").read_bytes() == wide_vocabulary.read_bytes()
    (folder / "tokenizer.json").unlink()
    assert_same(ours(folder), theirs(folder), texts)


def test_one_tokenizer_in_several_threads(tmp_path: Path, vocabulary: Path):
    from concurrent.futures import ThreadPoolExecutor

    tokenizer = ours(write_folder(tmp_path, vocabulary), 8)
    texts = [f"{'a ' * (index % 20)}film" for index in range(200)]
    alone = [text.ids.tolist() for text in tokenizer(texts)]
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: ours(tmp_path, 8)(texts), range(8)):
            assert [text.ids.tolist() for text in result] == alone
        for result in pool.map(lambda _: tokenizer(texts), range(8)):
            assert [text.ids.tolist() for text in result] == alone


def test_model_files_are_enough(tmp_path: Path, vocabulary: Path):
    """Nothing of `transformers` is needed to tokenise."""
    import subprocess

    folder = write_folder(tmp_path, vocabulary)
    code = (
        "import sys; from pathlib import Path; from valence.folder import ModelFolder\n"
        "from valence.text.tokenizer import Tokenizer\n"
        "Tokenizer.from_folder(ModelFolder(Path(sys.argv[1]), 'x'))(['a'])\n"
        "assert not {'transformers', 'torch', 'huggingface_hub'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)


def test_settings_of_the_wrong_kind(tmp_path: Path, vocabulary: Path):
    shutil.copy(vocabulary, tmp_path / "vocab.txt")
    (tmp_path / "config.json").write_text("{}")
    for settings_, message in (
        ({"do_lower_case": "yes"}, "do_lower_case must be true or false, found 'yes'"),
        ({"strip_accents": 1}, "strip_accents must be true or false, found 1"),
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings_))
        with pytest.raises(ModelError, match=message):
            Tokenizer.from_folder(ModelFolder(tmp_path, "m"))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": null, "tokenize_chinese_chars": null}')
    assert len(Tokenizer.from_folder(ModelFolder(tmp_path, "m"))(["Good"])[0].ids) == 3
