"""Documents to full sequences and to pairs: nothing is lost, nothing is where it does not belong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.errors import InputError
from valence.folder import ModelFolder
from valence.text.sentences import split_sentences
from valence.text.tokenizer import Tokenizer
from words import WORDS

pytest.importorskip("torch")

from valence.training.packing import pack, pair_up

CLS, SEP = WORDS.index("[CLS]"), WORDS.index("[SEP]")
documents_of_words = st.lists(
    st.lists(st.sampled_from(["dog", "film", "goodness", "the", "was"]), min_size=1, max_size=40).map(" ".join),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "config.json").write_text('{"model_type": "distilbert", "max_position_embeddings": 512}')
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return Tokenizer.from_folder(ModelFolder(folder, "words"), max_length=16)


@settings(max_examples=examples(60), deadline=None)
@given(documents=documents_of_words)
def test_packing_keeps_every_token_in_order(tokenizer, documents):
    packed = pack(documents, tokenizer)
    assert packed.lengths[:-1] == [16] * (len(packed.texts) - 1)
    assert 3 <= packed.lengths[-1] <= 16
    for text in packed.texts:
        assert (text.ids[0], text.ids[-1]) == (CLS, SEP)
        assert text.type_ids is None
    inside = np.concatenate([text.ids[1:-1] for text in packed.texts])
    divided = np.split(inside, np.flatnonzero(inside == SEP))
    found = [part[part != SEP].tolist() for part in divided]
    assert found == [ids.tolist() for ids in tokenizer.contents(documents)]


def story(number: int, sentences: int) -> str:
    """A document whose words say where they come from."""
    return " ".join(
        f"{'abcdefgh'[number]} {'film ' * (place + 1)}.".replace(" .", ".").capitalize() for place in range(sentences)
    )


def test_pairs_are_neighbours_of_one_document(tokenizer):
    documents = [story(number, 6) for number in range(8)]
    pairs = pair_up(documents, tokenizer, seed=1)
    assert set(pairs.documents.tolist()) == set(range(8))
    half = (16 - 3) // 2
    for first, second, number in zip(pairs.first, pairs.second, pairs.documents, strict=True):
        assert 1 <= len(first) <= half
        assert 1 <= len(second) <= half
        whole = tokenizer.contents([documents[number]])[0].tolist()
        together = [*first.tolist(), *second.tolist()]
        starts = range(len(whole) - len(together) + 1)
        cut = len(second) == half  # of a long second passage only the start is kept, so look for what is there
        assert any(whole[at : at + len(together)] == together for at in starts) or cut


def test_half_of_the_drawn_pairs_are_from_elsewhere(tokenizer):
    documents = [story(number, 6) for number in range(8)]
    pairs = pair_up(documents, tokenizer, seed=1)
    letters = {tokenizer.contents([letter])[0][0]: number for number, letter in enumerate("abcdefgh")}
    examples = np.tile(np.arange(len(pairs.first)), 60)
    texts, is_random = pairs.draw(examples, np.random.default_rng(0))
    assert is_random.mean() == pytest.approx(0.5, abs=0.05)
    for example, text, elsewhere in zip(examples, texts, is_random, strict=True):
        assert len(text.ids) <= 16
        assert (text.ids[0], text.ids[-1]) == (CLS, SEP)
        middle = int(np.flatnonzero(text.ids == SEP)[0])
        assert text.type_ids is not None
        assert text.type_ids.tolist() == [0] * (middle + 1) + [1] * (len(text.ids) - middle - 1)
        second = text.ids[middle + 1 : -1].tolist()
        origin = {letters[token] for token in second if token in letters}
        if origin:
            assert (origin == {pairs.documents[example]}) != bool(elsewhere)


@pytest.mark.parametrize("documents", [["One sentence."], ["One.", "Two.", "Three."], ["One. Two. Three."]])
def test_pairs_need_two_documents_of_two_sentences(tokenizer, documents):
    with pytest.raises(InputError, match="at least two documents of two sentences"):
        pair_up(documents, tokenizer, 0)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("A title\nIt began. It ended.", ["A title", "It began.", "It ended."]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("Mr. Smith met Dr. Jones. They spoke.", ["Mr. Smith met Dr. Jones.", "They spoke."]),
        ("It cost 3.5 million. e.g. this.", ["It cost 3.5 million. e.g. this."]),
        ("J. R. Tolkien wrote it.", ["J. R. Tolkien wrote it."]),
        ("", []),
        (" \n \n", []),
    ],
)
def test_sentences(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize("name", ["roberta", "mpnet"])
def test_texts_are_packed_between_the_marks_of_their_tokenizer(tmp_path: Path, name: str):
    pytest.importorskip("transformers")
    from small_tokenizers import write_mpnet, write_roberta

    folder = {"roberta": write_roberta, "mpnet": write_mpnet}[name](tmp_path / "model", "saved")
    tokenizer = Tokenizer.from_folder(ModelFolder(folder, name), max_length=24)
    documents = ["This film was good. The plot was bad.", "the acting was great. She was a nurse!"] * 5
    packed = pack(documents, tokenizer)
    begin, end = (tokenizer.vocabulary.ids[token] for token in ("<s>", "</s>"))
    for text in packed.texts:
        assert (text.ids[0], text.ids[-1], text.type_ids) == (begin, end, None)
    divided = np.concatenate([text.ids[1:-1] for text in packed.texts])
    expected = [part for ids in tokenizer.contents(documents) for part in (ids, [end])]
    assert divided.tolist() == np.concatenate(expected)[:-1].tolist()
    pairs = pair_up(documents, tokenizer, seed=1)
    found, _ = pairs.draw(np.arange(len(pairs.first)), np.random.default_rng(1))
    for number, text in enumerate(found):
        ids = text.ids.tolist()
        first = len(pairs.first[number])
        assert ids[1 + first : 3 + first] == [end, end], "as the tokenizer joins pairs"
        assert text.type_ids.tolist() == [0] * (first + 3) + [1] * (len(ids) - first - 3)
        assert len(ids) <= 24
    assert pairs.lengths[0] == len(pairs.first[0]) + len(pairs.second[0]) + 4
