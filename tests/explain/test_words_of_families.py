"""Words and their reasons with tokens that mark spaces, and with pairs that have no token types."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_tokenizers import write_config, write_mpnet, write_roberta
from tiers import examples
from valence.explain.leave_one_out import leave_one_out
from valence.explain.words import words_of
from valence.folder import ModelFolder
from valence.reading import Reading
from valence.runtime.classifier import Classifier
from valence.text.tokenizer import Text, Tokenizer

pytest.importorskip("transformers")

KINDS = ["roberta", "roberta-prefix", "mpnet", "sentencepiece"]


def write_sentencepiece(folder: Path) -> Path:
    """A tokenizer.json whose words begin with a block, as those made from sentencepiece have it."""
    from tokenizers import Tokenizer as RustTokenizer
    from tokenizers import decoders, pre_tokenizers, processors
    from tokenizers.models import Unigram

    letters = "▁abcdefghijklmnopqrstuvwxyzTDI.,'-!()"
    pieces = [*letters, "▁film", "▁good", "▁was", "▁a", "ing", "电", "影", "é"]
    rust = RustTokenizer(Unigram([("<unk>", -9.0), ("<s>", -9.0), ("</s>", -9.0)] + [(one, -3.0) for one in pieces], 0))
    rust.pre_tokenizer = pre_tokenizers.Metaspace()
    rust.decoder = decoders.Metaspace()
    rust.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    rust.save(str(write_config(folder, "xlm-roberta") / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    path = tmp_path_factory.mktemp("words")
    folders = {
        "roberta": write_roberta(path / "roberta", "published"),
        "roberta-prefix": write_roberta(path / "prefix", "saved", add_prefix_space=True),
        "mpnet": write_mpnet(path / "mpnet"),
        "sentencepiece": write_sentencepiece(path / "sentencepiece"),
    }
    return {kind: Tokenizer.from_folder(ModelFolder(folder, kind), threads=1) for kind, folder in folders.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The film was good", ["The", "film", "was", "good"]),
        ("Don't! It's well-made...", ["Don't", "!", "It's", "well-made", "..."]),
        ("a good,bad  film\n\tbad ", ["a", "good", ",", "bad", "film", "bad"]),
        ("unseenword (acting)", ["unseenword", "(", "acting", ")"]),
        ("  two spaces", ["two", "spaces"]),
        ("", []),
    ],
)
def test_words(tokenizers: dict[str, Tokenizer], kind: str, text: str, expected: list[str]):
    assert [word.text for word in words_of(tokenizers[kind], text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.5 of 1,000; a, b", ["3.5", "of", "1,000", ";", "a", ",", "b"]),
        ("naïve cafe\u0301s", ["naïve", "cafe\u0301s"]),
        ("影電 film文中!", ["影", "電", "film", "文", "中", "!"]),
        ("ok🙂🙂 fine", ["ok", "🙂🙂", "fine"]),
        ("a <mask> film</s>", ["a", "<mask>", "film", "</s>"]),
        (" \n\t ", ["\n\t "]),  # tokens that have to be somebody's
    ],
)
def test_words_of_bytes(tokenizers: dict[str, Tokenizer], text: str, expected: list[str]):
    assert [word.text for word in words_of(tokenizers["roberta"], text)] == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("ab1.,'-!’ \u0301İß電\u200d😀\n\u00a0\x1c") | st.characters(codec="utf-8")))
def test_every_token_belongs_to_one_word_that_stands_in_the_text(
    tokenizers: dict[str, Tokenizer], kind: str, text: str
):
    words = words_of(tokenizers[kind], text)
    tokens = [token for word in words for token in word.tokens]
    assert tokens == list(range(len(tokenizers[kind].contents([text])[0])))
    assert all(word.text == text[word.start : word.end] for word in words)
    assert all(one.start <= other.start for one, other in itertools.pairwise(words))
    assert len(words) == 1 or all(word.text.strip() == word.text for word in words)


class PlantedEngine:
    """Has a weight for some tokens and ignores all others, and what type they are."""

    name = "planted"
    files = ()
    sessions = 1
    n_classes = 2

    def __init__(self, size: int, weights: dict[int, float]) -> None:
        self._table = np.zeros((size, 2), dtype=np.float32)
        for index, weight in weights.items():
            self._table[index, 1] = weight

    def logits(self, batch, side_by_side=False):
        assert batch.token_type_ids is None
        return (self._table[batch.input_ids] * batch.attention_mask[:, :, None]).sum(axis=1)


def planted(tokenizer: Tokenizer, word: str, **reading: object) -> Classifier:
    vocabulary = tokenizer.vocabulary
    ids = [index for token, index in vocabulary.ids.items() if token.removeprefix("Ġ") == word]
    assert ids
    engine = PlantedEngine(vocabulary.size, dict.fromkeys(ids, 1.0))
    return Classifier(tokenizer, engine, ("NEGATIVE", "POSITIVE"), **reading)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["roberta", "roberta-prefix", "mpnet"])
@pytest.mark.parametrize(
    "text",
    [
        "this film was good, and the acting was bad",
        ("a good film", "the plot was bad"),
        ("a bad film", "the good plot"),
        ("", "good"),
        ("good", ""),
        ("film " * 80, "a good plot"),  # the first is truncated
        ("a good plot", "film " * 80),
        ("a bad film", "plot " * 70 + "good " + "plot " * 70),  # in windows, if asked for
        "plot " * 70 + "good " + "plot " * 70,
    ],
)
@pytest.mark.parametrize("long_text", ["truncate", "window"])
def test_a_planted_word_is_found_in_its_place(tokenizers: dict[str, Tokenizer], kind: str, text: Text, long_text: str):
    found = leave_one_out(planted(tokenizers[kind], "good", long_text=long_text), text)
    heavy = [(word.text, word.part) for word in found.words if word.attribution > 0.001]
    parts = (text,) if isinstance(text, str) else text
    part = next(number for number, one in enumerate(parts) if "good" in one)
    reached = long_text == "window" or len(parts[part]) < 300
    assert heavy == ([("good", part)] if reached else [])
    read = tokenizers[kind].encode([text], Reading(long_text=long_text))[0]  # type: ignore[arg-type]
    assert read.type_ids is None


@pytest.mark.parametrize("architecture", ["roberta", "mpnet"])
def test_gradients_of_a_pair_add_up(tmp_path: Path, architecture: str):
    pytest.importorskip("torch")
    pytest.importorskip("captum")
    import valence
    from family_models import make_family_model
    from valence.explain.integrated_gradients import integrated_gradients

    folder = make_family_model(tmp_path / "model", architecture)
    found = integrated_gradients(valence.load(folder.path, engine="torch"), ("a good film", "it was bad!"))
    assert [(word.text, word.part) for word in found.words] == [
        *(("a", 0), ("good", 0), ("film", 0)),
        *(("it", 1), ("was", 1), ("bad", 1), ("!", 1)),
    ]
    assert found.baseline_score is not None
    assert found.total == pytest.approx(found.score - found.baseline_score, abs=0.05)
    assert json.dumps(found.as_json())
