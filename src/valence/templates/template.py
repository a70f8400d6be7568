"""A sentence with slots, such as "This film was filmed in {country}", and what it is for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["POLARITIES", "SLOT", "Polarity", "Template", "Use", "select"]

Polarity = Literal["neutral", "positive", "negative"]
Use = Literal["audit", "training"]
POLARITIES: tuple[Polarity, ...] = ("neutral", "positive", "negative")
SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A slot; its name is the first group."""


@dataclass(frozen=True)
class Template:
    """A sentence with slots. None is both measured with and trained on."""

    text: str
    polarity: Polarity = "neutral"
    use: Use = "audit"

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots, each once, in the order of the text."""
        return tuple(dict.fromkeys(SLOT.findall(self.text)))

    def fill(self, **words: str) -> str:
        """Put words into the slots; one at the very start gets a capital letter.

        Args:
            **words: slot names to words, at least those of this template.

        Returns:
            The sentence.

        Raises:
            KeyError: if a slot gets no word.
        """
        filled = SLOT.sub(lambda slot: words[slot[1]], self.text)
        return filled[:1].upper() + filled[1:] if self.text.startswith("{") else filled


def select(templates: Iterable[Template], use: Use, polarity: Polarity | None = None) -> tuple[Template, ...]:
    """Choose templates.

    Args:
        templates: any.
        use: what for.
        polarity: what they say; every polarity if None.

    Returns:
        Those that are for it, in order.
    """
    return tuple(one for one in templates if one.use == use and polarity in (None, one.polarity))
