"""Masked words of models whose tokens mark spaces, or whose mask has another name, beside `transformers`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import valence  # noqa: E402
from family_models import make_family_model  # noqa: E402
from small_tokenizers import write_roberta  # noqa: E402
from tiny import tiny_config  # noqa: E402
from valence.cli import cli  # noqa: E402
from valence.errors import InputError, ModelError  # noqa: E402
from valence.runtime.mask_filler import MaskFiller  # noqa: E402

KINDS = ["roberta", "roberta-published", "mpnet", "electra"]
TEXTS = (
    "This film was <mask>.",
    "<mask> film was good",
    "The plot (<mask>) was  <mask> and\n<mask>!",
    "hello<mask> <mask> hello",
)


def make(folder: Path, kind: str, seed: int = 3) -> Path:
    """Write a raw model; of a published RoBERTa the mask takes the space before it."""
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    architecture, _, form = kind.partition("-")
    if architecture != "roberta":
        make_family_model(folder, architecture, "masked-lm", None, initializer_range=0.3)
        return folder
    write_roberta(folder, form or "saved")
    config = tiny_config("roberta", vocab_size=505, pad_token_id=1, max_positions=66, initializer_range=0.3)
    model = TaskModel(config, "masked-lm")
    model.initialise(seed)
    save_model(model, folder, None)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("masks") / request.param, request.param)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> MaskFiller:
    return valence.load_masked_lm(make(tmp_path_factory.mktemp("published") / "model", "roberta-published"))


@pytest.fixture(scope="module")
def filler(folder: Path) -> MaskFiller:
    return valence.load_masked_lm(folder)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    return transformers.pipeline("fill-mask", model=str(folder), tokenizer=str(folder))


@pytest.mark.parametrize("text", TEXTS)
def test_words_order_and_probabilities_are_those_of_transformers(filler: MaskFiller, theirs: Any, text: str):
    own = filler.tokenizer.mask_token
    expected = theirs(text.replace("<mask>", own), top_k=9)
    flat = [answer for answers in (expected if isinstance(expected[0], list) else [expected]) for answer in answers]
    for written in {own, "[MASK]"}:
        found = filler.fill(text.replace("<mask>", written), 9)
        assert [fill.token_id for fill in found] == [answer["token"] for answer in flat]
        assert np.abs([fill.score - answer["score"] for fill, answer in zip(found, flat, strict=True)]).max() < 1e-5
        for fill, answer in zip(found, flat, strict=True):
            bare = fill.token.removeprefix("##").strip()
            assert fill.token.startswith("[unused-") or bare == answer["token_str"].strip().removeprefix("##").replace(
                " ", ""
            )


def token_of(filler: MaskFiller, token: str) -> int:
    return filler.tokenizer.vocabulary.ids[token]


@pytest.mark.parametrize(
    ("text", "token", "shown", "filled"),
    [
        ("This film was <mask>.", "Ġgood", "good", "This film was good."),
        ("This film was [MASK].", "Ġgood", "good", "This film was good."),
        ("This film was <mask>.", "good", "##good", "This film wasgood."),
        ("This film was <mask>", ".", ".", "This film was."),
        ("This film was  \n<mask>.", "Ġgood", "good", "This film was good."),
        ("<mask> is good", "good", "good", "good is good"),
        ("<mask> is good", "Ġgood", "good", "good is good"),
        ("a (<mask>) film", "good", "good", "a (good) film"),
        ("a <mask> [MASK] film", "Ġgood", "good", "a good [MASK] film"),
    ],
)
def test_the_text_is_shown_with_the_word_and_its_space(
    published: MaskFiller, text: str, token: str, shown: str, filled: str
):
    """The masks that stay are shown as they were written."""
    wanted = token_of(published, token)
    fill = next(fill for fill in published.fill(text, 10_000) if fill.token_id == wanted)
    assert (fill.mask, fill.token, fill.text) == (0, shown, filled)


def test_a_mask_that_takes_no_space(tmp_path: Path):
    filler = valence.load_masked_lm(make(tmp_path / "model", "roberta"))
    texts = {fill.token_id: fill.text for fill in filler.fill("This film was <mask>.", 10_000)}
    assert texts[token_of(filler, "good")] == "This film was good."
    assert texts[token_of(filler, "Ġgood")] == "This film was good."
    assert filler.fill("This film was <mask>.", 1, ["good"])[0].token_id == token_of(filler, "good")


@pytest.mark.parametrize(
    ("text", "candidate", "token"),
    [
        ("This film was <mask>.", "good", "Ġgood"),
        ("This film was [MASK].", "good", "Ġgood"),
        ("This film was <mask>.", " good", "Ġgood"),
        ("This film was <mask>.", "##good", "good"),
        ("<mask> film", "good", "good"),
        ("a (<mask>) film", "good", "good"),
        ("a (<mask>) film", " good", "Ġgood"),
        ("This film was<mask>", ".", "."),
    ],
)
def test_candidates_have_the_space_that_they_need(published: MaskFiller, text: str, candidate: str, token: str):
    found = published.fill(text, 5, [candidate])
    assert [fill.token_id for fill in found] == [token_of(published, token)]


def test_candidates_of_several_masks(published: MaskFiller):
    found = published.fill("[MASK] film was <mask>", 1, ["good"])
    assert [fill.token_id for fill in found] == [token_of(published, "good"), token_of(published, "Ġgood")]


@pytest.mark.parametrize(
    ("text", "candidates", "message"),
    [
        ("no gap", None, "no <mask> in the text 'no gap': write <mask> where a word is missing"),
        ("a <mask>", ["goodfilm"], "'goodfilm' is not one token of this model: it becomes good film"),
        ("a <mask>", ["<s>"], "'<s>' is not one token of this model"),
        ("a <mask>", [""], "'' is not one token"),
    ],
)
def test_what_cannot_be_filled_is_refused(published: MaskFiller, text: str, candidates: list[str] | None, message: str):
    with pytest.raises(InputError, match=message):
        published.fill(text, 5, candidates)


def test_a_vocabulary_with_another_mask_keeps_it(tmp_path: Path):
    folder = make(tmp_path / "model", "roberta")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    number = content["model"]["vocab"]["good"]
    content["model"]["vocab"]["[MASK]"] = content["model"]["vocab"].pop("good")
    content["model"]["merges"] = [pair for pair in content["model"]["merges"] if "good" not in ("".join(pair), *pair)]
    content["added_tokens"].append(
        {"id": number, "content": "[MASK]", "special": False, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    )
    file.write_text(json.dumps(content), encoding="utf-8")
    filler = valence.load_masked_lm(folder)
    with pytest.raises(InputError, match="no <mask> in the text"):
        filler.fill("a [MASK] film")
    assert [fill.mask for fill in filler.fill("a [MASK] <mask> film", 1)] == [0]


def test_a_tokenizer_without_its_mask_says_so(tmp_path: Path):
    folder = make(tmp_path / "model", "roberta")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "<mask>"]
    content["model"]["vocab"]["other"] = content["model"]["vocab"].pop("<mask>")
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"mask_token": None}), encoding="utf-8")
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"the tokenizer's vocabulary has no \[MASK\]"):
        valence.load_masked_lm(folder)


def test_log_likelihoods_are_those_of_a_plain_loop(filler: MaskFiller, theirs: Any):
    import torch

    texts = ["This film was good.", "a", "", " hello  hello\n", "the plot was very bad!"]
    for text, found in zip(texts, filler.token_log_likelihoods(texts), strict=True):
        ids = theirs.tokenizer(text, return_tensors="pt")["input_ids"]
        scores = []
        for place in range(1, ids.shape[1] - 1):
            masked = ids.clone()
            masked[0, place] = theirs.tokenizer.mask_token_id
            with torch.inference_mode():
                scores.append(float(theirs.model(input_ids=masked).logits[0, place].log_softmax(-1)[ids[0, place]]))
        assert found.tolist() == pytest.approx(scores, abs=1e-4)


def test_from_the_command_line(folder: Path):
    found = CliRunner().invoke(
        cli, ["fill-mask", "This film was [MASK].", "--model", str(folder), "--candidates", "good,bad", "--json"]
    )
    assert found.exit_code == 0, found.output
    assert {fill["text"] for fill in json.loads(found.output)} == {"This film was good.", "This film was bad."}
    assert {fill["token"] for fill in json.loads(found.output)} == {"good", "bad"}
    refused = CliRunner().invoke(cli, ["fill-mask", "This film.", "--model", str(folder)])
    assert refused.exit_code == 1
    assert "where a word is missing" in str(refused.exception)
