"""The texts that an export is compared with its source on, where the user names none."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from valence.text.tokenizer import Text

__all__ = ["BUILT_IN", "Sample"]

# Ten beginnings, ten middles, ten ends: plain and mixed opinions of many things, short to long.
_SUBJECTS = (
    "The film",
    "This phone",
    "Our room on the third floor",
    "The service",
    "Her second novel",
    "The battery",
    "What they call a salad",
    "The update of last week",
    "His speech at the meeting",
    "The bicycle I ordered for my daughter",
)
_JUDGEMENTS = (
    "was a delight from start to finish",
    "fell apart after a week",
    "is neither good nor bad",
    "could hardly have been worse",
    "surprised me, though not always in a good way",
    "does what it promises and nothing more",
    "was worth every penny, and then some",
    "left everybody in the room cold",
    "is not nearly as dull as people say",
    "had one bright moment in two long hours",
)
_ENDS = (
    "",
    ", and I would choose it again",
    ", which is a pity",
    "; my sister disagrees",
    ", at least compared with the last one",
    ". Never again!",
    ". Five stars from all of us",
    ", but nobody seems to mind",
    ". I asked twice and got no answer, so judge for yourself",
    ", and that is the kindest thing I can say about it",
)

BUILT_IN: tuple[str, ...] = tuple(
    map("".join, itertools.product(_SUBJECTS, [f" {text}" for text in _JUDGEMENTS], _ENDS))
)
"""1,000 sentences."""


@dataclass(frozen=True)
class Sample:
    """Texts and where they come from.

    Args:
        texts: at least one.
        name: for the manifest.
    """

    texts: Sequence[Text] = BUILT_IN
    name: str = "built-in sentences"
