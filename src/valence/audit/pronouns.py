"""Pronouns by gender: where two versions of a sentence differ in them, and which of the two a masked LM expects.

Shapes: N pairs of sentences.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from valence.audit.scoring import MaskedPlace, Progress, token_log_probabilities
from valence.errors import InputError
from valence.reading import Reading
from valence.runtime.mask_filler import MaskFiller

__all__ = ["GENDER_OF", "Gender", "feminine_log_odds", "pronoun_places"]

Gender = Literal["masculine", "feminine"]

_FEMININE_OF = {"he": ("she",), "him": ("her",), "his": ("her", "hers"), "himself": ("herself",)}
GENDER_OF: dict[str, Gender] = {
    **dict.fromkeys(_FEMININE_OF, "masculine"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "feminine"),
}
"""Pronouns, in lower case, to their gender."""

_WORD = re.compile(r"^(\W*)(\w+)(\W*)$")


def pronoun_places(masculine: str, feminine: str) -> list[int] | None:
    """Find the words by which a sentence with masculine pronouns differs from the same one with feminine ones.

    Args:
        masculine: words divided by spaces.
        feminine: the other version.

    Returns:
        Which words, from 0; None if the two are equal or differ in more than the gender of pronouns.
    """
    one, two = masculine.split(), feminine.split()
    if len(one) != len(two):
        return None
    places = [number for number, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
    return places if places and all(_are_counterparts(one[place], two[place]) for place in places) else None


def feminine_log_odds(
    masked_lm: MaskFiller, pairs: Sequence[tuple[str, str]], progress: Progress
) -> NDArray[np.float64]:
    """Ask a masked LM which pronoun it expects.

    All pronouns in which the two versions differ are masked, so that none gives the others away; the first is asked
    for.

    Args:
        masked_lm: the raw model.
        pairs: masculine and feminine versions that differ in the gender of pronouns alone.
        progress: is told.

    Returns:
        [N], natural logarithm of P(feminine pronoun) / P(masculine pronoun).

    Raises:
        InputError: if the pronoun of a pair is not one token of the model, or a sentence is too long for it.
    """
    mask = masked_lm.tokenizer.mask_token
    texts, ids = [], []
    for masculine, feminine in pairs:
        places = pronoun_places(masculine, feminine)
        if places is None:
            raise InputError(f"{masculine!r:.80} and {feminine!r:.80} differ in more than the gender of pronouns")
        one, two = masculine.split(), feminine.split()
        before = " ".join([*one[: places[0]], _WORD.sub(r"\1", one[places[0]])])
        pronouns = (_WORD.sub(r"\2", version[places[0]]) for version in (one, two))
        ids.append(tuple(_token_id(masked_lm, pronoun, before) for pronoun in pronouns))
        for place in places:
            one[place] = _WORD.sub(lambda found: f"{found[1]}{mask}{found[3]}", one[place])
        texts.append(" ".join(one))
    mask_id = masked_lm.tokenizer.special_id("[MASK]")
    masked = []
    for text, tokens, both in zip(texts, masked_lm.tokenizer(texts, Reading(long_text="error")), ids, strict=True):
        columns = np.flatnonzero(tokens.ids == mask_id)
        if len(columns) == 0:
            raise InputError(f"the model's tokenizer finds no {mask} in the text {text!r:.80}")
        masked.append(MaskedPlace(tokens.ids, int(columns[0]), both))
    found = np.array(token_log_probabilities(masked_lm, masked, progress)).reshape(-1, 2)
    odds: NDArray[np.float64] = found[:, 1] - found[:, 0]
    return odds


def _are_counterparts(masculine: str, feminine: str) -> bool:
    one, two = _WORD.match(masculine), _WORD.match(feminine)
    if one is None or two is None or (one[1], one[3]) != (two[1], two[3]):
        return False
    return two[2].lower() in _FEMININE_OF.get(one[2].lower(), ())


def _token_id(masked_lm: MaskFiller, word: str, before: str) -> int:
    ids = masked_lm.word_ids(word, before)
    if len(ids) != 1 or masked_lm.tokenizer.vocabulary.is_special[ids[0]]:
        raise InputError(f"the pronoun {word!r} is not one token of this model")
    return int(ids[0])
