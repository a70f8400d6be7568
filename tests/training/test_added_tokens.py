"""Tokens that were added to a base's vocabulary, through everything that makes a model of it."""

import json
import shutil
from pathlib import Path

import pytest
from test_pretrain import corpus, here  # noqa: F401

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import valence  # noqa: E402
from tiny import tiny_config  # noqa: E402
from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.folder import ModelFolder  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.text.tokenizer import Tokenizer  # noqa: E402
from words import WORDS  # noqa: E402

pytest_plugins = ("training_fixtures",)

VOCABULARY = list(dict.fromkeys(WORDS))  # after a word that comes twice the ids of added tokens would clash
N = len(VOCABULARY)
TEXTS = ["the film [ENT] was covid", "COVID covids [ent]", "New York, new york", "a[ENT]b [MASK]"]
FORMS = {
    "files": {
        "added_tokens.json": {"covid": N, "[ENT]": N + 1, "New York": N + 2},
        "special_tokens_map.json": {"mask_token": "[MASK]"},
        "tokenizer_config.json": {"do_lower_case": True, "extra_special_tokens": ["[ENT]"]},
    },
    "decoder": {
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": False,
            "added_tokens_decoder": {
                **{
                    str(index): {"content": VOCABULARY[index], "special": True, "normalized": False}
                    for index in range(5)
                },
                str(N): {"content": "covid", "normalized": True, "single_word": True},
                str(N + 1): {"content": "[ENT]", "special": True, "normalized": False},
                str(N + 2): {"content": "New York", "lstrip": True, "normalized": False},
            },
        }
    },
}
SETTINGS = ("--batch-size", 8, "--epochs", 1)


def ids(folder: Path) -> list[list[int]]:
    """As we and `transformers` read the texts, which must be the same."""
    expected = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]
    found = Tokenizer.from_folder(ModelFolder(folder, "m"))(TEXTS)
    assert [text.ids.tolist() for text in found] == expected
    return expected


@pytest.fixture(scope="module", params=FORMS)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with rows for three more tokens, and no tokenizer.json."""
    folder = tmp_path_factory.mktemp("base") / "bert"
    model = TaskModel(tiny_config("bert", vocab_size=N + 3), "masked-lm")
    model.initialise(seed=3)
    save_model(model, folder)
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY), encoding="utf-8")
    for name, content in FORMS[request.param].items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    assert {N, N + 1, N + 2} <= {index for row in ids(folder) for index in row}
    return folder


def assert_kept(out: Path, base: Path) -> None:
    """The folder has the same tokens, with its tokenizer.json and without."""
    assert ids(out) == ids(base)
    bare = out.with_name(f"{out.name}-bare")
    shutil.copytree(out, bare)
    (bare / "tokenizer.json").unlink()
    assert ids(bare) == ids(base)


@pytest.mark.slow
def test_training_and_distilling_keep_them(base: Path, train_tsv: Path, tmp_path: Path):
    here("train", train_tsv, "--base", base, "--out", tmp_path / "trained", "--precision", "fp32", *SETTINGS)
    assert_kept(tmp_path / "trained", base)
    assert valence.load(tmp_path / "trained")("covid [ENT]").n_tokens == 4
    command = ("distill", train_tsv, "--teacher", tmp_path / "trained", "--layers", 1, "--out", tmp_path / "small")
    here(*command, *SETTINGS)
    assert_kept(tmp_path / "small", base)


@pytest.mark.slow
def test_pretraining_and_raw_distilling_keep_them(base: Path, corpus: Path, tmp_path: Path):  # noqa: F811
    settings = ("--max-length", 24, *SETTINGS)
    here("pretrain", corpus, "--base", base, "--architecture", "bert", "--out", tmp_path / "raw", *settings)
    assert_kept(tmp_path / "raw", base)
    filler = valence.load_masked_lm(tmp_path / "raw")
    assert {fill.token for fill in filler.fill("a [MASK]", candidates=["covid", "New York"])} == {"covid", "New York"}
    assert len(filler.token_log_likelihoods(["covid [ENT] film"])[0]) == 2  # the special one stands for no text
    command = ("distill", corpus, "--raw", "--teacher", tmp_path / "raw", "--layers", 1, "--out", tmp_path / "small")
    here(*command, *settings)
    assert_kept(tmp_path / "small", base)
