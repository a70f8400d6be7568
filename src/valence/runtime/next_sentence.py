"""Next sentences: whether a raw BERT finds that one passage follows another.

Source: Devlin et al. 2019, "BERT".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from valence.errors import EngineError, InputError
from valence.runtime.engine import Engine
from valence.runtime.scores import scores_of
from valence.text.batching import collate, plan_batches
from valence.text.tokenizer import Tokenizer

__all__ = ["NextSentence", "NextSentencePredictor"]

_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class NextSentence:
    """What the model says of two passages."""

    is_next: bool
    """Whether it finds that the second follows the first."""
    probability: float
    """Of that."""


class NextSentencePredictor:
    """Says whether one passage follows another.

    Args:
        tokenizer: of the model.
        engine: runs its next-sentence head: logit 0 for "follows", 1 for "does not".
    """

    def __init__(self, tokenizer: Tokenizer, engine: Engine) -> None:
        self.tokenizer = tokenizer
        self.engine = engine

    def __call__(self, first: str, second: str) -> NextSentence:
        """Look at two passages.

        Args:
            first: a sentence, or several.
            second: what may follow.

        Returns:
            What the model says.

        Raises:
            InputError: if one is not a text, or they are too long together.
        """
        return self.predict([(first, second)])[0]

    def predict(self, pairs: Sequence[tuple[str, str]]) -> list[NextSentence]:
        """Look at many pairs of passages.

        Args:
            pairs: any number.

        Returns:
            One answer for each, in order.

        Raises:
            InputError: if one is not a pair of texts, or too long.
        """
        for number, pair in enumerate(pairs, start=1):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise InputError(f"pair {number} must be two texts, found {pair!r:.80}")
        texts = self.tokenizer(pairs)
        for number, text in enumerate(texts, start=1):
            if text.truncated:  # what would be cut lies where the two meet
                raise InputError(
                    f"pair {number} has {text.n_tokens:,} tokens, the model reads {self.tokenizer.max_length}: "
                    "shorten it"
                )
        logits = np.zeros((len(texts), 2))
        for batch in plan_batches([len(text.ids) for text in texts], _BATCH_TOKENS):
            logits[batch] = self.engine.logits(collate([texts[index] for index in batch], self.tokenizer.pad_token_id))
        if not np.isfinite(logits).all():
            raise EngineError("the model gives no numbers (NaN): its weights are damaged")
        follows = scores_of(logits, "single_label_classification")[:, 0]
        return [NextSentence(bool(logit[0] >= logit[1]), float(p)) for logit, p in zip(logits, follows, strict=True)]
