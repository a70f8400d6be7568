"""Batches: every text once, within the budget, padded on the right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.text.batching import collate, plan_batches
from valence.text.tokenizer import TokenizedText

LENGTHS = st.lists(st.integers(0, 700), max_size=80)


@given(lengths=LENGTHS, max_tokens=st.integers(1, 5000), max_texts=st.integers(1, 40))
def test_every_text_once_within_the_budget(lengths: list[int], max_tokens: int, max_texts: int):
    batches = plan_batches(lengths, max_tokens, max_texts)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert 1 <= len(batch) <= max_texts
        assert len(batch) == 1 or len(batch) * longest <= max_tokens
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(lengths, reverse=True)


@given(lengths=LENGTHS, max_tokens=st.integers(1, 5000), max_texts=st.integers(1, 40))
def test_batches_are_as_full_as_the_budget_allows(lengths: list[int], max_tokens: int, max_texts: int):
    for batch in plan_batches(lengths, max_tokens, max_texts)[:-1]:
        longest = max(lengths[batch[0]], 1)
        assert len(batch) == max_texts or (len(batch) + 1) * longest > max_tokens


def test_texts_of_one_length_keep_their_order():
    batches = plan_batches([4, 9, 4, 9, 4], max_tokens=18)
    assert [batch.tolist() for batch in batches] == [[1, 3], [0, 2, 4]]
    assert plan_batches([], 100) == []


@st.composite
def tokenized(draw: st.DrawFn) -> TokenizedText:
    ids = np.array(draw(st.lists(st.integers(1, 30000), min_size=1, max_size=12)), dtype=np.int32)
    split = draw(st.none() | st.integers(0, len(ids)))
    types = None if split is None else (np.arange(len(ids)) >= split).astype(np.int32)
    return TokenizedText(ids, types, len(ids))


@given(texts=st.lists(tokenized(), min_size=1, max_size=8), pad=st.integers(0, 5))
def test_padding_is_right(texts: list[TokenizedText], pad: int):
    batch = collate(texts, pad)
    longest = max(len(text.ids) for text in texts)
    assert batch.input_ids.shape == batch.attention_mask.shape == (len(texts), longest)
    assert batch.input_ids.dtype == batch.attention_mask.dtype == np.int64
    assert (batch.token_type_ids is None) == all(text.type_ids is None for text in texts)
    for row, text in enumerate(texts):
        n = len(text.ids)
        assert batch.input_ids[row].tolist() == text.ids.tolist() + [pad] * (longest - n)
        assert batch.attention_mask[row].tolist() == [1] * n + [0] * (longest - n)
        if batch.token_type_ids is not None:
            types = [0] * n if text.type_ids is None else text.type_ids.tolist()
            assert batch.token_type_ids[row].tolist() == types + [0] * (longest - n)


def test_no_text_is_no_batch():
    with pytest.raises(ValueError, match="empty"):
        collate([], 0)
