"""Windows of long texts: every token is read, in its place, and as the tokenizers package divides them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer

from tiers import examples
from valence.folder import ModelFolder
from valence.reading import TRUNCATED, Reading
from valence.text import tokenizer as module
from valence.text.segments import segments
from valence.text.tokenizer import Tokenizer
from words import WORDS

WORD = st.sampled_from(["good", "film", "acting", "Naïve", "漢字", "x" * 120, "don't", "!", "[MASK]", "é", "\n", "\t"])
TEXT = st.lists(WORD, max_size=60).map(" ".join)
QUICK = settings(deadline=None, max_examples=examples(80))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, vocabulary) -> ModelFolder:
    path = tmp_path_factory.mktemp("windows") / "model"
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "distilbert", "max_position_embeddings": 512}')
    (path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return ModelFolder(path, "model")


@pytest.fixture(scope="module", params=[None, 1])
def opened(request, folder) -> dict[int, Tokenizer]:
    """Tokenizers by their limit; in Rust threads, and without."""
    return {limit: Tokenizer.from_folder(folder, limit, request.param) for limit in (4, 9, 20, 60)}


LIMIT = st.sampled_from([4, 9, 20, 60])


@QUICK
@given(text=TEXT, limit=LIMIT, data=st.data())
def test_every_token_is_in_a_window_in_its_place(opened, text, limit, data):
    stride = data.draw(st.integers(0, (limit - 2) // 2))
    whole = Tokenizer(RustTokenizer.from_str(opened[limit]._rust.to_str()), 512)([text], Reading())[0].ids[1:-1]
    found = opened[limit]([text], Reading(stride=stride))[0]
    assert found.n_tokens == len(whole) + 2
    assert not found.truncated
    assert bool(found.windows) == (len(whole) + 2 > limit)
    seen = 0
    for index, window in enumerate(found.windows):
        start = index * (limit - 2 - stride)
        assert window.ids[0] == WORDS.index("[CLS]")
        assert window.ids[-1] == WORDS.index("[SEP]")
        assert window.ids[1:-1].tolist() == whole[start : start + limit - 2].tolist()
        assert window.n_tokens == len(window.ids) - 2 > (stride if index else 0)
        assert window.type_ids is None
        assert start <= seen
        seen = start + window.n_tokens
    if found.windows:
        assert len(found.windows) > 1
        assert seen == len(whole)
        assert found.ids is found.windows[0].ids


@QUICK
@given(text=TEXT, limit=LIMIT, data=st.data())
def test_as_the_tokenizers_package_divides(opened, text, limit, data):
    stride = data.draw(st.integers(0, (limit - 2) // 2))
    rust = RustTokenizer.from_str(opened[limit]._rust.to_str())
    rust.enable_truncation(limit, stride=stride)
    first = rust.encode(text)
    expected = [first, *first.overflowing] if first.overflowing else []
    windows = opened[limit]([text], Reading(stride=stride))[0].windows
    assert [window.ids.tolist() for window in windows] == [encoding.ids for encoding in expected]
    places = [(encoding.offsets[1][0], encoding.offsets[-2][1]) for encoding in expected]
    assert [(window.start, window.end) for window in windows] == places


@QUICK
@given(first=TEXT, second=TEXT, stride=st.integers(0, 9))
def test_of_a_pair_the_second_is_divided(opened, first, second, stride):
    limit = 60
    rust = RustTokenizer.from_str(opened[limit]._rust.to_str())
    found = opened[limit]([(first, second)], Reading(stride=stride))[0]
    plain = rust.encode(first, second)
    assert found.n_tokens == len(plain)
    around = len(rust.encode(first, ""))
    room = limit - around
    if len(plain) <= limit or room < max(1, 2 * stride):
        assert not found.windows
        assert found.truncated == (len(plain) > limit)
        assert found.ids.tolist() == opened[limit]([(first, second)])[0].ids.tolist()
        return
    rust.enable_truncation(limit, stride=stride, strategy="only_second")
    encoding = rust.encode(first, second)
    expected = [encoding, *encoding.overflowing]
    assert [window.ids.tolist() for window in found.windows] == [encoding.ids for encoding in expected]
    assert [window.type_ids.tolist() for window in found.windows] == [encoding.type_ids for encoding in expected]
    assert found.windows[0].start == encoding.offsets[around - 1][0]
    assert found.windows[-1].end <= len(second)


@given(text=st.text(alphabet="ab \n\t\u3000é", max_size=200), size=st.integers(1, 20))
def test_segments_are_the_text_cut_before_spaces(text, size):
    found = segments(text, size)
    assert "".join(segment for _, segment in found) == text
    place = 0
    for index, (start, segment) in enumerate(found):
        assert start == place
        assert index == 0 or segment[0] in " \n"
        assert len(segment) <= size or not any(space in segment[1:] for space in " \n") or segment[1:].find(" ") != 0
        place += len(segment)


@settings(deadline=None, max_examples=examples(40))
@given(text=TEXT, reading=st.sampled_from([TRUNCATED, Reading(stride=3)]))
def test_a_very_long_text_is_read_as_a_short_one_is(opened, text, reading):
    """In segments of a few characters, where a text of this size would be tokenised whole."""
    expected = opened[20]([text], reading)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SEGMENT_CHARACTERS", 7)
        patch.setattr(module, "_LONGEST_WHOLE", 5)
        found = opened[20]([text], reading)[0]
    assert found.n_tokens == expected.n_tokens
    assert found.truncated == expected.truncated
    assert found.ids.tolist() == expected.ids.tolist()
    assert len(found.windows) == len(expected.windows)
    for ours, theirs in zip(found.windows, expected.windows, strict=True):
        assert ours.ids.tolist() == theirs.ids.tolist()
        assert (ours.start, ours.end, ours.n_tokens) == (theirs.start, theirs.end, theirs.n_tokens)


@pytest.mark.slow
def test_a_megabyte(opened):
    text = "good film " * 100_000
    found = opened[60]([text, "good"], Reading())
    assert (found[0].n_tokens, len(found[0].windows)) == (200_002, -(-200_000 // 58))
    last = found[0].windows[-1]
    assert text[last.start : last.end].startswith(("good", "film"))
    assert last.end == len(text) - 1
    assert sum(window.n_tokens for window in found[0].windows) == 200_000
    assert (found[1].n_tokens, found[1].windows) == (3, ())
    assert opened[60]([text])[0].ids.tolist() == found[0].ids.tolist()


def test_a_text_without_places_to_cut(opened):
    found = opened[60](["漢" * 100_000], Reading())[0]
    assert found.n_tokens == 100_002
    assert np.concatenate([window.ids[1:-1] for window in found.windows]).shape == (100_000,)
