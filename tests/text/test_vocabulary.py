"""What tokens stand for, in the three ways in which tokens tell words apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, pre_tokenizers

from valence.text.vocabulary import Vocabulary


def test_pieces_of_words():
    tokens = ["[CLS]", "film", "##ing", "##", "#", "##s", "##covid"]
    vocabulary = Vocabulary(
        {token: index for index, token in enumerate(tokens)}, frozenset({"[CLS]"}), "##", frozenset({"##covid"})
    )
    assert vocabulary.continues_word.tolist() == [False, False, True, False, False, True, False]
    assert vocabulary.text([1, 2, 5]) == "filmings"
    assert vocabulary.text([2]) == "ing"
    assert vocabulary.text([0, 1, 4, 99]) == "[CLS] film # [unused-99]"
    assert vocabulary.text([]) == ""


def test_bytes():
    tokens = ["<s>", "Ġfilm", "ing", "Ċ", "ĉa", "Ã", "©", "été", "Ġ", "電"]
    vocabulary = Vocabulary(
        {token: index for index, token in enumerate(tokens)}, frozenset({"<s>"}), "Ġ", frozenset({"été", "電"})
    )
    continues = [token in ("ing", "Ã", "©") for token in tokens]
    assert vocabulary.continues_word.tolist() == continues
    assert vocabulary.text([0, 1, 2, 3]) == "<s> filming\n"
    assert vocabulary.text([5, 6]) == "é"
    assert vocabulary.text([5]) == "�", "half a letter"
    assert vocabulary.text([7, 8, 9]) == "été 電"


def test_blocks():
    tokens = ["<s>", "▁film", "ing", "▁", "a▁b"]
    vocabulary = Vocabulary({token: index for index, token in enumerate(tokens)}, frozenset({"<s>"}), "▁")
    assert vocabulary.continues_word.tolist() == [False, False, True, False, True]
    assert vocabulary.text([1, 2, 3, 4]) == " filming a b"


@given(text=st.text(st.characters(codec="utf-8"), max_size=30))
def test_bytes_are_written_as_the_tokenizers_package_reads_them(text: str):
    pieces = [piece for piece, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]
    letters = list("".join(pieces))
    vocabulary = Vocabulary({letter: index for index, letter in enumerate(dict.fromkeys(letters))}, frozenset(), "Ġ")
    found = vocabulary.text([vocabulary.ids[letter] for letter in letters])
    assert found == text == decoders.ByteLevel().decode(pieces)


@pytest.mark.parametrize("mark", ["##", "Ġ", "▁"])
def test_special_tokens_continue_no_word(mark):
    vocabulary = Vocabulary({"##s": 0, "<s>": 1}, frozenset({"##s", "<s>"}), mark)
    assert not vocabulary.continues_word.any()
    assert vocabulary.is_special.all()
