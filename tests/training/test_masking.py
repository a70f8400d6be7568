"""Which words are hidden, and what stands in their place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.folder import ModelFolder
from valence.text.batching import TokenBatch, collate
from valence.text.tokenizer import Tokenizer
from words import WORDS

pytest.importorskip("torch")

from valence.training.masking import Masking

MASK = WORDS.index("[MASK]")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "config.json").write_text('{"model_type": "distilbert", "max_position_embeddings": 512}')
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return Tokenizer.from_folder(ModelFolder(folder, "words"))


@pytest.fixture(scope="module")
def batch(tokenizer: Tokenizer) -> TokenBatch:
    """Many tokens, few of them special, padding among them."""
    words = ["film", "goodness", "dogs", "acted", "zq", "plot", "verying"]
    texts = [" ".join(words[(row + place) % 7] for place in range(20 + row % 50)) for row in range(600)]
    return collate(tokenizer(texts), tokenizer.pad_token_id)


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_shares_are_those_of_bert(tokenizer, batch, whole_words):
    masked = Masking.of(tokenizer, whole_words)(batch, np.random.default_rng(1))
    n_tokens = int(batch.attention_mask.sum()) - 2 * len(batch.input_ids)
    n = len(masked.targets)
    assert n > 5000
    assert n / n_tokens == pytest.approx(0.15, abs=0.01)
    shown = masked.batch.input_ids[masked.rows, masked.columns]
    is_mask, same = shown == MASK, shown == masked.targets
    assert is_mask.mean() == pytest.approx(0.80, abs=0.02)
    assert same.mean() == pytest.approx(0.10 + 0.10 / len(WORDS), abs=0.02)
    replaced = shown[~is_mask & ~same]
    assert len(set(replaced.tolist())) > 0.8 * len(WORDS), "any word may take the place"
    assert not set(replaced.tolist()) & set(range(5)), "but no special token"


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_rest_is_as_it_was(tokenizer, batch, whole_words):
    before = batch.input_ids.copy()
    masked = Masking.of(tokenizer, whole_words)(batch, np.random.default_rng(2))
    assert (batch.input_ids == before).all()
    restored = masked.batch.input_ids.copy()
    restored[masked.rows, masked.columns] = masked.targets
    assert (restored == before).all()
    assert not np.isin(masked.targets, range(5)).any(), "no special token is hidden"
    assert (batch.attention_mask[masked.rows, masked.columns] == 1).all(), "nor padding"


def test_whole_words_are_hidden_whole(tokenizer, batch):
    masked = Masking.of(tokenizer, whole_words=True)(batch, np.random.default_rng(3))
    chosen = np.zeros(batch.input_ids.shape, dtype=bool)
    chosen[masked.rows, masked.columns] = True
    continues = np.array([word.startswith("##") for word in WORDS])[batch.input_ids]
    rows, columns = continues.nonzero()
    assert len(rows) > 1000
    assert (chosen[rows, columns] == chosen[rows, columns - 1]).all()


@settings(max_examples=examples(50), deadline=None)
@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_any_batch_can_be_masked(tokenizer, lengths, seed):
    batch = collate(tokenizer(["dog " * n for n in lengths]), tokenizer.pad_token_id)
    for whole_words in (False, True):
        masked = Masking.of(tokenizer, whole_words)(batch, np.random.default_rng(seed))
        assert len(masked.targets) >= (1 if any(lengths) else 0), "there is always something to learn"
        again = Masking.of(tokenizer, whole_words)(batch, np.random.default_rng(seed))
        assert (again.batch.input_ids == masked.batch.input_ids).all()


def test_whole_words_of_bytes_are_hidden_whole(tmp_path: Path):
    """A word has the space before it; the first of a text has none."""
    pytest.importorskip("transformers")
    from small_tokenizers import write_roberta

    tokenizer = Tokenizer.from_folder(ModelFolder(write_roberta(tmp_path / "model", "published"), "roberta"))
    texts = ["unseenword and acted <mask> zqx well-made", "good plots\nverying dogs </s> 電 filmed"] * 200
    batch = collate(tokenizer(texts), tokenizer.pad_token_id)
    masked = Masking.of(tokenizer, whole_words=True)(batch, np.random.default_rng(3))
    assert masked.batch.token_type_ids is None
    chosen = np.zeros(batch.input_ids.shape, dtype=bool)
    chosen[masked.rows, masked.columns] = True
    words = [[[]] for _ in texts]
    for row, ids in enumerate(batch.input_ids):
        for column, index in enumerate(ids):
            token = tokenizer.vocabulary.tokens[int(index)]
            if token in ("<s>", "</s>", "<pad>", "<mask>"):
                assert not chosen[row, column], "no special token is hidden"
                words[row].append([])
            elif token.startswith(("Ġ", "Ċ")):
                words[row].append([column])
            else:
                words[row][-1].append(column)
    several = [(row, word) for row in range(len(texts)) for word in words[row] if len(word) > 1]
    assert len(several) > 1000
    assert all(len({bool(chosen[row, column]) for column in word}) == 1 for row, word in several)
    shown = masked.batch.input_ids[masked.rows, masked.columns]
    assert (shown == tokenizer.special_id("[MASK]")).mean() == pytest.approx(0.8, abs=0.05)
    assert not np.isin(shown, [tokenizer.vocabulary.ids[name] for name in ("<s>", "</s>", "<pad>", "<unk>")]).any()
