"""Folders whose tokenizer files say different things, read beside `transformers.AutoTokenizer`."""

import copy
import json
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

from valence.errors import InputError, ModelError
from valence.folder import ModelFolder
from valence.reading import TRUNCATED, Reading
from valence.rust import explained
from valence.text import tokenizer as module
from valence.text.tokenizer import Text, Tokenizer

transformers = pytest.importorskip("transformers")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = ["a", "b", "c", "e", "é", "A", "E", "É", "h", "H", "##e", "##E", "##é", "##l", "##L", "##o", "##O"]
WORDS = [
    *SPECIAL,
    *LETTERS,
    *[
        "good",
        "Good",
        "film",
        "##s",
        "中",
        "文",
        "##文",
        "中文",
        "[",
        "]",
        "<",
        ">",
        "x",
        "##x",
        "mask",
        "sep",
        "cls",
        "e1",
    ],
    *["<s>", "</s>", "<unk>", "/", "#", "hello", "i", "İ", "ß", "ss", "mon", "##mon", "new", "york", ".", ","],
]
TEXTS: list[Text] = [
    "",
    " \t\n",
    "a good Film, HELLO hello",
    "é É e\u0301 Ünï İ ß",
    "中文 x中x 文中文",
    "a\x00b \x07 \u200b\u00ad c\ufeffd",
    "🙂 👩‍👩‍👧 ok",
    "[MASK] [mask] a[SEP]b [CLS] [PAD] [UNK] [cls]",
    "a <e1> b<e1>c <E1> <e2> <s> </s> <unk> <mask>",
    "New York new york newyork New  York covid COVID covids Û û",
    "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + " " + "x" * 7,
    "good films " * 3 + "##s #",
    ("a good film", "中文 É <e1>"),
    ("", ""),
    ("[SEP]", "a [MASK]"),
]

Content = dict[str, Any]
Files = dict[str, Any]
"""What stands in a folder: a file's name, and its JSON or lines."""


def tokenizer_json(**changes: Any) -> Content:
    """A tokenizer.json of an uncased BERT; the changes replace parts of it, or of its model or normalizer."""
    ends = {"id": "[CLS]", "type_id": 0}, {"id": "[SEP]", "type_id": 0}
    single = [{"SpecialToken": ends[0]}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": ends[1]}]
    behind = [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    content: Content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(index, token) for index, token in enumerate(SPECIAL)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, *behind],
            "special_tokens": {
                token: {"id": token, "ids": [WORDS.index(token)], "tokens": [token]} for token in SPECIAL
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: index for index, word in enumerate(WORDS)},
        },
    }
    for name, value in changes.items():
        for part in (content["model"], content["normalizer"] or {}, content):
            if name in part or part is content:
                part[name] = value
                break
    return content


def added(index: int, content: str, special: bool = True, **flags: bool) -> Content:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special}
    return {"id": index, "content": content, **plain, "special": special, **flags}


def decoder(*tokens: Content) -> Content:
    """An added_tokens_decoder, with BERT's own tokens."""
    listed = [*(added(index, token) for index, token in enumerate(SPECIAL)), *tokens]
    return {str(token["id"]): {name: value for name, value in token.items() if name != "id"} for token in listed}


N = len(WORDS)
UNCASED = {"do_lower_case": True}
CASED = {"do_lower_case": False}
VOCABULARY = {"vocab.txt": WORDS}
LIST_OF_SIX = [added(index, token) for index, token in enumerate(SPECIAL)] + [added(N, "<e1>")]


def marked(type_b: int) -> Content:
    """A post-processor that puts <s> and </s> around texts."""
    before, behind, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>", "</s>"))
    single = [before, {"Sequence": {"id": "A", "type_id": 0}}, behind]
    end["SpecialToken"]["type_id"] = type_b
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": type_b}}, end],
        "special_tokens": {
            token: {"id": token, "ids": [WORDS.index(token)], "tokens": [token]} for token in ("<s>", "</s>")
        },
    }


def settings(**values: Any) -> Files:
    return {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer", **values}}


def plain(**values: Any) -> Files:
    return {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", **values}}


def whole(**changes: Any) -> Files:
    return {"tokenizer.json": tokenizer_json(**changes)}


# Name -> the files of a folder, and what the warning must say; None where there is nothing to say.
AGREEING: dict[str, Files] = {
    "tokenizer.json": whole(),
    "vocab.txt": VOCABULARY,
    "both": {**whole(), **VOCABULARY},
    "uncased": {**whole(), **settings(**UNCASED)},
    "cased": {**whole(lowercase=False), **settings(**CASED)},
    "cased-vocab": {**VOCABULARY, **settings(**CASED)},
    "accents": {**whole(strip_accents=False), **settings(strip_accents=False)},
    "accents-vocab": {**VOCABULARY, **settings(strip_accents=False)},
    "stripped": {**whole(lowercase=False, strip_accents=True), **settings(**CASED, strip_accents=True)},
    "chinese": {**whole(handle_chinese_chars=False), **settings(tokenize_chinese_chars=False)},
    "chinese-vocab": {**VOCABULARY, **settings(tokenize_chinese_chars=False)},
    "fast": {**whole(lowercase=False), **settings(**CASED, tokenizer_class="BertTokenizerFast")},
    "distilbert": {**VOCABULARY, **settings(**CASED, tokenizer_class="DistilBertTokenizer")},
    "electra": {**VOCABULARY, **settings(**CASED, tokenizer_class="ElectraTokenizer")},
    "mobilebert": {**whole(), **settings(tokenizer_class="MobileBertTokenizer")},
    "no-class": {**VOCABULARY, "tokenizer_config.json": CASED},
    "slow-settings": {**VOCABULARY, **settings(do_basic_tokenize=False, never_split=["good"], model_max_length=10**30)},
    "stored-truncation": whole(
        truncation={"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
        padding={
            "strategy": {"Fixed": 40},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    ),
    "bert-processing": whole(post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
    "split-special": {**whole(), **settings(split_special_tokens=True)},
    "split-special-vocab": {**VOCABULARY, **settings(split_special_tokens=True)},
    "as-it-stands": {**whole(lowercase=False, max_input_chars_per_word=7), **plain(do_lower_case=True)},
    "as-it-stands-marks": {
        **whole(post_processor=marked(0)),
        **plain(cls_token="<s>", sep_token="</s>", unk_token="[UNK]"),
    },
    "as-it-stands-backend": {**whole(normalizer=None), **plain(tokenizer_class="TokenizersBackend")},
    "as-it-stands-more": {**whole(), **plain(unk_token="[UNK]", added_tokens_decoder=decoder(added(N, "<e1>")))},
    "as-it-stands-named": {**whole(), **plain(additional_special_tokens=["<e1>", "<e2>"], mask_token="<mask>")},
    # Added tokens.
    "added-json": {**whole(added_tokens=LIST_OF_SIX)},
    "added-both": {**whole(added_tokens=LIST_OF_SIX), **settings(added_tokens_decoder=decoder(added(N, "<e1>")))},
    "added.json": {**VOCABULARY, "added_tokens.json": {"<e1>": N, "covid": N + 1, "New York": N + 2}},
    "added.json-uncased-and-more": {
        **VOCABULARY,
        **settings(**CASED),
        "added_tokens.json": {"COVID": N, "<e2>": N + 1},
        "special_tokens_map.json": {"additional_special_tokens": ["<e2>"], "mask_token": "[MASK]"},
    },
    "decoder": {
        **VOCABULARY,
        **settings(added_tokens_decoder=decoder(added(N, "<e1>"), added(N + 1, "covid", special=False))),
    },
    "decoder-flags": {
        **VOCABULARY,
        **settings(
            added_tokens_decoder=decoder(
                added(N, "covid", special=False, single_word=True),
                added(N + 1, "New York", special=False, lstrip=True, rstrip=True),
                added(N + 2, "<e1>", normalized=True),
                added(N + 3, "Û", special=False, normalized=False),
            )
        ),
    },
    "decoder-of-a-word": {**VOCABULARY, **settings(added_tokens_decoder=decoder(added(WORDS.index("new"), "new")))},
    "special-map": {**VOCABULARY, "special_tokens_map.json": {"additional_special_tokens": ["<e1>", "<e2>"]}},
    "special-map-objects": {
        **VOCABULARY,
        "special_tokens_map.json": {"mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False}},
    },
    "special-map-names": {
        **VOCABULARY,
        "special_tokens_map.json": {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"},
    },
    "named": {**VOCABULARY, **settings(cls_token="<s>", sep_token="</s>", unk_token="<unk>", mask_token="mask")},
    "named-object": {
        **VOCABULARY,
        **settings(mask_token={"__type": "AddedToken", "content": "[MASK]", "lstrip": True, "normalized": True}),
    },
    "named-in-json": {
        **whole(unk_token="<unk>", post_processor=marked(1)),
        **settings(cls_token="<s>", sep_token="</s>", unk_token="<unk>"),
    },
    "no-mask": {**VOCABULARY, **settings(mask_token=None)},
    "further-names": {**VOCABULARY, **settings(bos_token="<s>", eos_token="</s>", entity_token="<e1>")},
    "additional": {**VOCABULARY, **settings(additional_special_tokens=["<e1>", "<e2>"])},
    "extra": {**VOCABULARY, **settings(extra_special_tokens=["<e1>", "<e2>"])},
    "extra-names": {**VOCABULARY, **settings(extra_special_tokens={"one_token": "<e1>", "two": "<e2>"})},
    "extra-of-both": {
        **VOCABULARY,
        **settings(extra_special_tokens=["<e1>"]),
        "special_tokens_map.json": {"extra_special_tokens": ["<e2>", {"content": "covid", "lstrip": True}]},
    },
    "extra-of-both-names": {
        **VOCABULARY,
        **settings(extra_special_tokens={"one": "<e1>"}),
        "special_tokens_map.json": {"extra_special_tokens": {"two": "<e2>"}},
    },
    "extra-names-and-list-of-map": {
        **VOCABULARY,
        **settings(extra_special_tokens={"one": "<e1>"}),
        "special_tokens_map.json": {"extra_special_tokens": ["<e2>", "covid"]},
    },
    "additional-names": {**VOCABULARY, **settings(additional_special_tokens={"one": "<e1>"})},
    "additional-and-extra-names": {
        **VOCABULARY,
        **settings(additional_special_tokens=["new york", "<e1>"], extra_special_tokens={"img_token": "<e2>"}),
    },
    "additional-and-extra-names-decoder": {
        **VOCABULARY,
        **settings(
            additional_special_tokens=["<e1>", "covid"],
            extra_special_tokens={"img_token": "<e2>"},
            added_tokens_decoder=decoder(),
        ),
    },
    "additional-of-map-and-extra-names": {
        **VOCABULARY,
        **settings(extra_special_tokens={"img_token": "<e2>"}),
        "special_tokens_map.json": {"additional_special_tokens": ["<e1>"]},
    },
    "as-it-stands-additional-and-extra-names": {
        **whole(),
        **plain(unk_token="[UNK]", additional_special_tokens=["<e1>"], extra_special_tokens={"img_token": "<e2>"}),
    },
    "mask-of-map": {**VOCABULARY, "special_tokens_map.json": {"mask_token": "<mask>"}},
    "mask-of-map-object": {
        **VOCABULARY,
        "special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True, "normalized": False}},
    },
    "mask-of-map-json": {**whole(), "special_tokens_map.json": {"mask_token": "<mask>"}},
    "pad-of-map-and-more": {
        **VOCABULARY,
        "special_tokens_map.json": {"pad_token": "<pad>", "additional_special_tokens": ["<e1>"]},
    },
    "mask-of-settings": {**VOCABULARY, **settings(mask_token="<mask>", extra_special_tokens=["<e1>"])},
    "mask-of-extra": {**VOCABULARY, **settings(extra_special_tokens={"mask_token": "<mask>"})},
}
DISAGREEING: dict[str, tuple[Files, str]] = {
    "uncased-called-cased": ({**whole(), **settings(**CASED)}, "says lowercase true, but lowercase false is read"),
    "cased-called-uncased": (
        {**whole(lowercase=False), **settings(**UNCASED)},
        "says lowercase false, but lowercase true is read",
    ),
    "cased-alone": (whole(lowercase=False), "says lowercase false, but lowercase true is read"),
    "cased-without-the-key": ({**whole(lowercase=False), **settings()}, "lowercase false, but lowercase true"),
    "accents": ({**whole(), **settings(strip_accents=False)}, "strip_accents null, but strip_accents false"),
    "accents-alone": (whole(strip_accents=False), "strip_accents false, but strip_accents null"),
    "chinese": ({**whole(), **settings(tokenize_chinese_chars=False)}, "handle_chinese_chars true, but"),
    "chinese-alone": (whole(handle_chinese_chars=False), "handle_chinese_chars false, but"),
    "unclean": (whole(clean_text=False), "clean_text false, but clean_text true"),
    "another-normalizer": (
        whole(normalizer={"type": "Lowercase"}),
        "the normalizer Lowercase, but the normalizer Bert",
    ),
    "no-normalizer": (whole(normalizer=None), "the normalizer None, but"),
    "another-pre-tokenizer": (
        whole(pre_tokenizer={"type": "WhitespaceSplit"}),
        "the pre-tokenizer WhitespaceSplit, but",
    ),
    "another-prefix": (whole(continuing_subword_prefix="@@"), 'continuing_subword_prefix "@@", but'),
    "another-length": (whole(max_input_chars_per_word=7), "max_input_chars_per_word 7, but"),
    "another-unknown": (whole(unk_token="<unk>"), 'unk_token "<unk>", but unk_token "\\[UNK\\]"'),
    "another-post-processor": (whole(post_processor=marked(1)), "the post-processor another, but"),
    "another-vocab": ({**whole(), "vocab.txt": [*WORDS[:-2], *WORDS[:-3:-1]]}, "differ in 2 words"),
    "another-shorter-vocab": ({**whole(), "vocab.txt": WORDS[:-2]}, "differ in 2 words"),
    "another-longer-vocab": ({**whole(), "vocab.txt": [*WORDS, "more"]}, "differ in 1 words .'more'."),
    "no-vocab": ({**whole(), "vocab.txt": ["\udcff"]}, "vocab.txt: not a vocabulary that can be read: .*UTF-8"),
    "another-class": (
        {**whole(), **settings(tokenizer_class="PreTrainedTokenizerFast"), "added_tokens.json": {"covid": N + 5}},
        f"'covid' is {N + 5} in added_tokens.json and {N} here",
    ),
    "unknown-class": (
        {**whole(lowercase=False), **settings(tokenizer_class="MyTokenizer")},
        "MyTokenizer is not BERT's",
    ),
    "ids-with-a-gap": ({**VOCABULARY, "added_tokens.json": {"<e1>": N + 7}}, f"'<e1>' is {N + 7} in added_tokens.json"),
    "ids-that-are-taken": ({**VOCABULARY, "added_tokens.json": {"<e1>": 7}}, f"'<e1>' is 7 in .* and {N} here"),
    "one-id-twice": (
        {**VOCABULARY, **settings(added_tokens_decoder=decoder(added(N, "<e1>")), extra_special_tokens=["<e1>"])}
        | {"vocab.txt": [*WORDS[:-1], "good", WORDS[-1]]},
        "are both",
    ),
    "json-has-more": (
        {**whole(added_tokens=LIST_OF_SIX), **settings(added_tokens_decoder=decoder())},
        "'<e1>' of tokenizer.json is no token of its own",
    ),
    "added.json-has-more": (
        {**VOCABULARY, **settings(added_tokens_decoder=decoder()), "added_tokens.json": {"covid": N}},
        "'covid' of added_tokens.json is no token of its own",
    ),
    "map-has-more": (
        {
            **VOCABULARY,
            **settings(added_tokens_decoder=decoder()),
            "special_tokens_map.json": {"additional_special_tokens": ["<e1>"]},
        },
        "'<e1>' of special_tokens_map.json is no token of its own",
    ),
    "other-flags": (
        {
            **whole(added_tokens=LIST_OF_SIX),
            **settings(added_tokens_decoder=decoder(added(N, "<e1>", lstrip=True, rstrip=True, normalized=True))),
        },
        "tokenizer.json has '<e1>' with other flags",
    ),
    "another-pair": (
        {**whole(post_processor=marked(0)), **settings(cls_token="<s>", sep_token="</s>")},
        "the post-processor another, but",
    ),
    **{
        f"map-has-more-than-{name}": (
            {
                **VOCABULARY,
                **settings(**values),
                "special_tokens_map.json": {"additional_special_tokens": ["new york", "<e1>"]},
            },
            "'new york' of special_tokens_map.json is no token of its own",
        )
        for name, values in {
            "an-empty-list": {"additional_special_tokens": []},
            "null": {"additional_special_tokens": None},
            "a-list": {"additional_special_tokens": ["<e2>"]},
            "extra": {"extra_special_tokens": ["<e2>"]},
            "empty-extra": {"extra_special_tokens": []},
        }.items()
    },
    "additional-beside-extra": (
        {**VOCABULARY, **settings(additional_special_tokens=["<e1>"], extra_special_tokens=["<e2>"])},
        "'<e1>' of tokenizer_config.json is no token of its own",
    ),
    "further-name-of-map": (
        {**VOCABULARY, **settings(img_token="<e1>"), "special_tokens_map.json": {"img_token": "<e2>"}},
        "'<e2>' of special_tokens_map.json is no token of its own",
    ),
    "words-twice-and-added": (
        {"vocab.txt": ["[PAD]", "good", *WORDS[1:], "good", ".", "new"]}
        | {"added_tokens.json": {"<e1>": N, "covid": N + 1}},
        "is 5. in added_tokens.json|are both",
    ),
    "map-against-settings": (
        {**VOCABULARY, **settings(cls_token="[CLS]"), "special_tokens_map.json": {"cls_token": "<s>"}},
        "'\\[CLS\\]' of tokenizer_config.json is no token of its own",
    ),
    "left": ({**VOCABULARY, **settings(truncation_side="left")}, "truncation_side 'left' is not followed"),
    "shorter": ({**VOCABULARY, **settings(model_max_length=16)}, "model_max_length is 16 .* 64 positions are used"),
}


def write(folder: Path, files: Files, **config: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "distilbert", "max_position_embeddings": 64, **config}), encoding="utf-8"
    )
    for name, content in files.items():
        text = "".join(f"{line}\n" for line in content) if isinstance(content, list) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return folder


def ours(folder: Path) -> Tokenizer:
    return Tokenizer.from_folder(ModelFolder(folder, folder.name))


def assert_as_transformers(tokenizer: Tokenizer, folder: Path) -> None:
    reference = transformers.AutoTokenizer.from_pretrained(str(folder))
    for text, found in zip(TEXTS, tokenizer(TEXTS, Reading()), strict=True):
        columns = [[part] for part in text] if isinstance(text, tuple) else [[text]]
        batch = reference(*columns, return_token_type_ids=True, verbose=False)
        expected = {name: values[0] for name, values in batch.items()}
        assert found.n_tokens == len(expected["input_ids"]), text
        if found.windows:
            assert sum(window.n_tokens for window in found.windows) == found.n_tokens - 2, text
            continue
        assert found.ids.tolist() == expected["input_ids"], text
        if isinstance(text, tuple):
            assert found.type_ids.tolist() == expected["token_type_ids"], text
        assert found.n_unknown == expected["input_ids"].count(tokenizer.special_id("[UNK]")), text
        if isinstance(text, str):
            alone = reference(text, add_special_tokens=False, return_offsets_mapping=True)
            ids, starts, ends = tokenizer.contents_with_offsets(text)
            assert ids.tolist() == alone["input_ids"] == tokenizer.contents([text])[0].tolist(), text
            assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == alone["offset_mapping"], text


@pytest.mark.parametrize("name", AGREEING)
def test_files_that_agree_are_read_as_transformers_does(tmp_path: Path, name: str):
    folder = write(tmp_path / "model", AGREEING[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = ours(folder)
    assert_as_transformers(tokenizer, folder)


@pytest.mark.parametrize("name", DISAGREEING)
def test_files_that_disagree_are_read_as_transformers_does_and_said(tmp_path: Path, name: str):
    files, message = DISAGREEING[name]
    folder = write(tmp_path / "model", files)
    with pytest.warns(UserWarning, match=message) as told:
        tokenizer = ours(folder)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert_as_transformers(tokenizer, folder)


@pytest.mark.parametrize("name", [*AGREEING, *DISAGREEING])
@pytest.mark.filterwarnings("ignore")
def test_long_texts_are_divided_where_no_token_crosses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """In windows and truncated, read in segments: the ids, their places and counts are those of the whole text."""
    monkeypatch.setattr(module, "_SEGMENT_CHARACTERS", 24)
    monkeypatch.setattr(module, "_LONGEST_WHOLE", 48)
    folder = write(tmp_path / "model", AGREEING.get(name) or DISAGREEING[name][0])
    tokenizer, reference = ours(folder), transformers.AutoTokenizer.from_pretrained(str(folder))
    reference.truncation_side = "right"  # what else a file may say is not followed, and that is said
    text = " ".join(text for text in TEXTS if isinstance(text, str))
    whole = reference(text, return_offsets_mapping=True, verbose=False)
    for reading in (Reading(), TRUNCATED):
        found = tokenizer([text], reading)[0]
        assert found.n_tokens == len(whole["input_ids"])
        assert found.n_unknown == whole["input_ids"].count(tokenizer.special_id("[UNK]")) > 0
    assert found.ids.tolist() == reference(text, truncation=True, max_length=64)["input_ids"]
    windows = tokenizer([text], Reading())[0].windows
    assert [index for window in windows for index in window.ids[1:-1]] == whole["input_ids"][1:-1]
    places = whole["offset_mapping"][1:-1]
    done = 0
    for window in windows:
        assert (window.start, window.end) == (places[done][0], places[done + window.n_tokens - 1][1])
        done += window.n_tokens
    pair = tokenizer([("a <e1> film", text)], Reading())[0]
    expected = reference([["a <e1> film", text]], verbose=False, return_token_type_ids=True)
    first = len(reference("a <e1> film")["input_ids"])
    assert [index for window in pair.windows for index in window.ids[first:-1]] == expected["input_ids"][0][first:-1]
    last = pair.windows[-1]
    types = expected["token_type_ids"][0]
    assert last.type_ids.tolist() == types[:first] + types[-last.n_tokens - 1 :]
    assert pair.n_unknown == expected["input_ids"][0].count(tokenizer.special_id("[UNK]"))


@pytest.mark.parametrize("name", [*AGREEING, *DISAGREEING])
@pytest.mark.filterwarnings("ignore")
def test_what_is_saved_is_the_same_here_and_in_transformers(tmp_path: Path, name: str):
    tokenizer = ours(write(tmp_path / "model", AGREEING.get(name) or DISAGREEING[name][0]))
    folder = write(tmp_path / "saved", {})
    tokenizer.save(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("default" if name in ("one-id-twice", "words-twice-and-added") else "error")
        again = ours(folder)
    for text, first, second in zip(TEXTS, tokenizer(TEXTS, Reading()), again(TEXTS, Reading()), strict=True):
        assert first.ids.tolist() == second.ids.tolist(), text
    assert again.vocabulary == tokenizer.vocabulary
    assert_as_transformers(again, folder)


@pytest.mark.parametrize("name", [*AGREEING, *DISAGREEING])
@pytest.mark.filterwarnings("ignore")
def test_the_vocab_that_is_saved_gives_the_same_ids_alone(tmp_path: Path, name: str):
    """Where tokenizer.json is gone, or not read: the same ids, here and in transformers, or no tokenizer at all."""
    tokenizer = ours(write(tmp_path / "model", AGREEING.get(name) or DISAGREEING[name][0]))
    folder = write(tmp_path / "saved", {})
    tokenizer.save(folder)
    (folder / "tokenizer.json").unlink()
    if json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] != "BertTokenizer":
        with pytest.raises(ModelError, match=r"add the tokenizer\.json"):
            ours(folder)
        return
    again = ours(folder)
    assert again.vocabulary == tokenizer.vocabulary
    for text, first, second in zip(TEXTS, tokenizer(TEXTS, Reading()), again(TEXTS, Reading()), strict=True):
        assert first.ids.tolist() == second.ids.tolist(), text
    assert_as_transformers(again, folder)


@pytest.mark.parametrize("words", [["x ", "x"], ["x\u3000", "x"], ["xyz "], ["xyz\r"], ["new\nline"], ["\n"]])
def test_no_vocab_is_saved_whose_lines_are_other_words(tmp_path: Path, words: list[str]):
    vocabulary = [word for word in WORDS if word not in words] + words
    files = whole(vocab={word: index for index, word in enumerate(vocabulary)})
    folder = write(tmp_path / "model", files)
    tokenizer = ours(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))  # of what was there before
    tokenizer.save(folder)
    assert not (folder / "vocab.txt").exists()
    assert ours(folder).vocabulary == tokenizer.vocabulary


# Files that cannot be followed.

REFUSED: dict[str, tuple[Files, str]] = {
    "japanese": (
        {**VOCABULARY, **settings(tokenizer_class="BertJapaneseTokenizer")},
        "tokenizer_class is BertJapaneseTokenizer, which a vocab.txt does not say enough for",
    ),
    "roberta": ({**VOCABULARY, **settings(tokenizer_class="RobertaTokenizer")}, "tokenizer_class is RobertaTokenizer"),
    "as-it-stands-without": ({**VOCABULARY, **plain()}, "tokenizer_class is PreTrainedTokenizer, which a vocab.txt"),
    "class-of-a-kind": ({**VOCABULARY, **settings(tokenizer_class=3)}, "tokenizer_class must be a name, found 3"),
    "bpe": (whole(model={"type": "BPE", "vocab": {}, "merges": []}), "its model is BPE, and BERT's is WordPiece"),
    "no-marks": (whole(post_processor=None), "expected a tokenizer that adds .CLS. and .SEP. .* adds 0 and 0 tokens"),
    "no-cls": ({**VOCABULARY, **settings(cls_token=None)}, "BERT's tokenizer needs its cls_token, found null"),
    "strange-cls": ({**VOCABULARY, **settings(cls_token="<cls>")}, "vocab.txt: not a BERT vocabulary: it lacks <cls>"),
    "cls-number": ({**VOCABULARY, **settings(cls_token=2)}, "BERT's tokenizer needs|cls_token must be a text"),
    "words-as-list": (whole(vocab=WORDS), "it has no model with a vocab that maps words to numbers"),
    "negative": (whole(vocab={**tokenizer_json()["model"]["vocab"], "a": -1}), "not a vocabulary that can be read: "),
    "fraction": (whole(vocab={**tokenizer_json()["model"]["vocab"], "a": 1.5}), "not a vocabulary that can be read: "),
    "added-to-json": (whole(added_tokens={"<e1>": N}), "its added_tokens must be a list"),
    "added-to-json-text": (whole(added_tokens=["<e1>"]), "tokenizer.json: an added token must have a number"),
    "decoder-list": (
        {**VOCABULARY, **settings(added_tokens_decoder=["<e1>"])},
        "added_tokens_decoder must map numbers",
    ),
    "decoder-word": ({**VOCABULARY, **settings(added_tokens_decoder={"x": added(N, "<e1>")})}, "must have a number"),
    "decoder-text": (
        {**VOCABULARY, **settings(added_tokens_decoder={str(N): "<e1>"})},
        "a number from 0 and a content",
    ),
    "decoder-flag": (
        {**VOCABULARY, **settings(added_tokens_decoder={str(N): {"content": "<e1>", "lstrip": "no"}})},
        "an object with its content and flags, found",
    ),
    "added.json-text": ({**VOCABULARY, "added_tokens.json": {"<e1>": "one"}}, "added_tokens.json: an added token must"),
    "added.json-negative": (
        {**VOCABULARY, "added_tokens.json": {"<e1>": -1}},
        "added_tokens.json: an added token must",
    ),
    "added.json-list": ({**VOCABULARY, "added_tokens.json": ["<e1>", ""]}, "added_tokens.json: not readable as JSON"),
    "map-list": (
        {**VOCABULARY, "special_tokens_map.json": {"cls_token": {"lstrip": True}}},
        "cls_token must be a text",
    ),
    "map-additional": (
        {**VOCABULARY, "special_tokens_map.json": {"additional_special_tokens": "<e1>"}},
        "additional_special_tokens must be a list of tokens",
    ),
    **{
        f"{name}-{kind}": (
            {**VOCABULARY, **settings(**{f"{name}_special_tokens": value})},
            f"tokenizer_config.json: {name}_special_tokens must be a list of tokens, or an object that names them, "
            f"found {value!r}",
        )
        for name in ("additional", "extra")
        for kind, value in {"text": "foo", "number": 3, "true": True}.items()
    },
    "mask-by-default": ({"vocab.txt": [word for word in WORDS if word != "[MASK]"]}, "it lacks .MASK."),
    "additional-numbers": ({**VOCABULARY, **settings(additional_special_tokens=[1])}, "must be a text, or an object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_cannot_be_followed(tmp_path: Path, name: str):
    files, message = REFUSED[name]
    folder = write(tmp_path / "model", files)
    with pytest.raises(ModelError, match=message) as refused:
        ours(folder)
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)


ADDED_BEYOND = {
    "added.json": {**VOCABULARY, "added_tokens.json": {"<e1>": N}},
    "decoder": {**VOCABULARY, **settings(added_tokens_decoder=decoder(added(N, "<e1>")))},
    "special-map": {**VOCABULARY, "special_tokens_map.json": {"additional_special_tokens": ["<e1>"]}},
    "json": whole(added_tokens=LIST_OF_SIX),
    "as-it-stands": {**whole(), **plain(added_tokens_decoder=decoder(added(N, "<e1>")))},
}


@pytest.mark.parametrize("name", ADDED_BEYOND)
def test_added_tokens_that_the_model_has_no_row_for(tmp_path: Path, name: str):
    files = ADDED_BEYOND[name]
    assert ours(write(tmp_path / "fits", files, vocab_size=N + 1))(["<e1>"])[0].ids.tolist() == [2, N, 3]
    with pytest.raises(ModelError, match=f"ids reach {N}, the model's vocabulary has {N} rows"):
        ours(write(tmp_path / "small", files, vocab_size=N))


# What the Rust side panics on: a BaseException, with a hundred lines.

EMPTY_CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": "A" * 88}
PANICS: dict[str, tuple[Files, str]] = {
    "marks-without-ids": (
        {**whole(post_processor=tokenizer_json()["post_processor"] | {"special_tokens": {}}), **plain()},
        "no entry found for key|its tokenizer fails|adds 0 and 0 tokens",
    ),
    "charsmap": ({**whole(normalizer=EMPTY_CHARSMAP), **plain()}, "index out of bounds"),
    "charsmap-bert": (whole(normalizer={**EMPTY_CHARSMAP, "precompiled_charsmap": "YWJj"}), "precompiled_charsmap"),
    "charsmap-no-base64": ({**whole(normalizer={**EMPTY_CHARSMAP, "precompiled_charsmap": "!"}), **plain()}, "Invalid"),
    "charsmap-empty": ({**whole(normalizer={**EMPTY_CHARSMAP, "precompiled_charsmap": ""}), **plain()}, "Cannot parse"),
    "no-length": ({**whole(pre_tokenizer={"type": "FixedLength", "length": 0}), **plain()}, "chunk size"),
    "merges": (
        {**whole(model={"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}), **plain()},
        "not a tokenizer that can be read: ",
    ),
    "merges-prefix": (
        {
            **whole(
                model={
                    "type": "BPE",
                    "vocab": {"a": 0, "b": 1, "ab": 2},
                    "merges": ["a b"],
                    "continuing_subword_prefix": "####",
                }
            ),
            **plain(),
        },
        "range end index",
    ),
    "added-nothing": (
        whole(added_tokens=[*LIST_OF_SIX, added(N + 1, "\u0301", special=False)]),
        "bad split|char boundary",
    ),
    "added-control": (
        {**VOCABULARY, **settings(added_tokens_decoder=decoder(added(N, "\x00", special=False, lstrip=True)))},
        "char boundary",
    ),
    "added.json-accent": ({**VOCABULARY, "added_tokens.json": {"\u0301": N}}, "bad split|char boundary"),
}


@pytest.mark.parametrize("name", PANICS)
def test_a_panic_while_loading_is_one_line(tmp_path: Path, name: str):
    files, reason = PANICS[name]
    folder = write(tmp_path / "model", files)
    with pytest.raises(ModelError, match=reason) as refused:
        ours(folder)
    assert str(refused.value).startswith(f"{folder}/")
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.fixture
def fragile(tmp_path: Path) -> Path:
    """A tokenizer that panics on texts with a z in them alone."""
    only_z = {"type": "Replace", "pattern": {"Regex": "[^z]"}, "content": ""}
    normalizer = {"type": "Sequence", "normalizers": [only_z, EMPTY_CHARSMAP]}
    return write(tmp_path / "fragile", {**whole(normalizer=normalizer), **plain()}, vocab_size=N)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("long_text", ["truncate", "window", "error"])
@pytest.mark.parametrize("bad", ["puzzle", ("good", "puzzle"), "z" * 300, "good " * 20_000 + "z"], ids=range(4))
def test_a_panic_on_a_text_names_it(fragile: Path, threads: int, long_text: Any, bad: Text):
    tokenizer = Tokenizer.from_folder(ModelFolder(fragile, "m"), threads=threads)
    reading = Reading(long_text=long_text)
    for call in (lambda texts: tokenizer(texts, reading), lambda texts: tokenizer.encode(texts, reading)):
        with pytest.raises(InputError, match=r"fails on the text .*: index out of bounds") as refused:
            call(["a good film", bad, "fine"])
        assert str(refused.value).startswith(
            f"{fragile / 'tokenizer.json'}: its tokenizer fails on the text {bad!r:.80}"
        )
    assert tokenizer(["a good film"])[0].ids.tolist() == [2, 3]  # it still works
    if isinstance(bad, str):
        for other in (lambda: tokenizer.contents([bad]), lambda: tokenizer.contents_with_offsets(bad)):
            with pytest.raises(InputError, match="fails on the text"):
                other()


def test_an_interrupt_is_no_panic(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), explained(ModelError):
        raise KeyboardInterrupt


@pytest.mark.parametrize("split", [True, False])
def test_a_copy_splits_special_tokens_as_the_original_does(tiny_classifier, tmp_path, split):
    folder = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    settings = {"tokenizer_class": "DistilBertTokenizer", "split_special_tokens": split}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    tokenizer = Tokenizer.from_folder(ModelFolder(folder, "m"))
    texts = ["a [MASK] film", "[SEP]", "good [CLS] film"]
    expected = [text.ids.tolist() for text in tokenizer(texts)]
    for other in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        assert [text.ids.tolist() for text in other(texts)] == expected
    whole = transformers.AutoTokenizer.from_pretrained(folder)
    assert [whole(text)["input_ids"] for text in texts] == expected
