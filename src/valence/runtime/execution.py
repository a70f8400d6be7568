"""Texts through a tokenizer and an engine, as fast as the machine allows.

Equal texts are computed once. Texts are tokenised in chunks, longest first, while the engine runs the chunk before;
batches hold texts of like length and run side by side where the engine is faster so. Threads live no longer than
a call.

Shapes: R rows, one for each text or window of a text; C classes.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError
from valence.reading import Reading, Text
from valence.runtime.engine import Engine
from valence.text.batching import Tokens, collate, plan_batches
from valence.text.tokenizer import TokenizedText, Tokenizer

__all__ = ["Outcome", "run_alone", "run_texts", "run_tokenized"]

_BATCH_TOKENS = 1024  # a batch this size keeps a core busy and its activations in the cache
_PADDING_TOKENS = 64  # of a batch; from here on another batch costs less
_FEW_TOKENS = 128  # fewer are done before threads for them have begun
_CHUNK_TEXTS = 512
_CHUNK_CHARACTERS = 1 << 16
_MANY_WINDOWS = 256  # of one text: worth a word before the work begins
_SHARING = 0.75  # of a processor's time is what a batch makes of each, when it is spread over several

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for some texts."""

    texts: list[TokenizedText]
    """The different texts."""
    rows: list[int]
    """For each of them its row in `logits`, or that of its first window."""
    places: list[int]
    """For each text that was given, which of the different ones it is."""
    logits: NDArray[np.float32]
    """[R, C]."""


def _warn_of_many_windows(text: TokenizedText) -> None:
    """Say so where one text will take a while."""
    if len(text.windows) >= _MANY_WINDOWS:
        warnings.warn(
            f"a text of {text.n_tokens:,} tokens is read in {len(text.windows):,} windows, which takes a while; "
            f"long_text='truncate' would read the first {len(text.ids)} tokens only",
            stacklevel=2,
        )


def run_texts(tokenizer: Tokenizer, engine: Engine, texts: Sequence[Text], reading: Reading) -> Outcome:
    """Run texts that were checked.

    Args:
        tokenizer: texts to token ids.
        engine: token ids to logits.
        texts: N texts.
        reading: as for the tokenizer.

    Returns:
        What came out.

    Raises:
        EngineError: if the model computes infinities or what is not a number at all.
    """
    if len(texts) == 1:
        return _run_one(tokenizer, engine, texts[0], reading)
    numbers: dict[Text, int] = {}
    places = [numbers.setdefault(text, len(numbers)) for text in texts]
    different = list(numbers)
    outcome: list[TokenizedText | None] = [None] * len(different)
    rows = [0] * len(different)
    n_rows = 0

    def tokenize(chunk: list[int]) -> tuple[list[int], list[TokenizedText]]:
        return chunk, tokenizer.encode([different[number] for number in chunk], reading)

    def batches() -> Generator[_Batch, None, None]:
        nonlocal n_rows
        with closing(_ahead(tokenize, _chunks(different))) as chunks:
            for chunk, tokenized in chunks:
                parts: list[Tokens] = []
                first = n_rows
                for number, text in zip(chunk, tokenized, strict=True):
                    outcome[number] = text
                    rows[number] = first + len(parts)
                    _warn_of_many_windows(text)
                    parts += text.windows or (text,)
                n_rows += len(parts)
                yield from _plan(parts, first, engine.sessions)

    with closing(batches()) as planned:
        results = _run_batches(engine, planned, tokenizer.pad_token_id)
    return Outcome(outcome, rows, places, _assemble(engine, results, n_rows))  # type: ignore[arg-type]  # none is None


def _run_one(tokenizer: Tokenizer, engine: Engine, text: Text, reading: Reading) -> Outcome:
    """Run one text, with no more ado than that takes."""
    (tokenized,) = tokenizer.encode([text], reading)
    _warn_of_many_windows(tokenized)
    if tokenized.windows:
        logits = run_tokenized(engine, tokenized.windows, tokenizer.pad_token_id)
    else:
        logits = run_alone(engine, tokenized)
    return Outcome([tokenized], [0], [0], logits)


def run_tokenized(engine: Engine, texts: Sequence[Tokens], pad_token_id: int) -> NDArray[np.float32]:
    """Run texts that are tokenised already.

    Args:
        engine: token ids to logits.
        texts: R texts, of which no windows are read.
        pad_token_id: the id of the padding token.

    Returns:
        [R, C], in order.

    Raises:
        EngineError: if the model computes infinities or what is not a number at all.
    """
    results = _run_batches(engine, iter(_plan(texts, 0, engine.sessions)), pad_token_id)
    return _assemble(engine, results, len(texts))


def run_alone(engine: Engine, text: Tokens) -> NDArray[np.float32]:
    """Run one text, with no more ado than that takes.

    Args:
        engine: token ids to logits.
        text: the text, of which no windows are read.

    Returns:
        [1, C].

    Raises:
        EngineError: if the model computes infinities or what is not a number at all.
    """
    return _finite(engine, engine.logits(collate((text,), 0)))


@dataclass(frozen=True, slots=True)
class _Batch:
    texts: list[Tokens]  # longest first
    rows: NDArray[np.intp]

    @property
    def n_tokens(self) -> int:
        """Padding counted."""
        return len(self.texts) * len(self.texts[0].ids)


def _plan(texts: Sequence[Tokens], first: int, sessions: int) -> list[_Batch]:
    """Divide texts into batches; the row of the first text is given."""
    lengths = [len(text.ids) for text in texts]
    least = sessions if sum(lengths) >= _FEW_TOKENS else 1
    plan = plan_batches(lengths, _BATCH_TOKENS, max_padding=_PADDING_TOKENS, min_batches=least)
    return [_Batch([texts[index] for index in indices], indices + first) for indices in plan]


def _chunks(texts: Sequence[Text]) -> Iterator[list[int]]:
    """Divide texts, longest first, into what is tokenised at once."""
    order = sorted(range(len(texts)), key=lambda number: -_size(texts[number]))
    chunk: list[int] = []
    characters = 0
    for number in order:
        size = _size(texts[number])
        if chunk and (len(chunk) == _CHUNK_TEXTS or characters + size > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(number)
        characters += size
    if chunk:
        yield chunk


def _size(text: Text) -> int:
    """Measure a text before it is tokenised."""
    return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])


def _ahead(function: Callable[[_Item], _Result], items: Iterator[_Item]) -> Generator[_Result, None, None]:
    """Map a function; while one result is used, a thread computes the next."""
    first, second = next(items, None), next(items, None)
    if first is None:
        return
    if second is None:
        yield function(first)
        return
    with ThreadPoolExecutor(1) as pool:
        result = function(first)
        for item in chain([second], items):
            following = pool.submit(function, item)
            yield result
            result = following.result()
        yield result


def _run_batches(
    engine: Engine, batches: Iterator[_Batch], pad_token_id: int
) -> list[tuple[_Batch, NDArray[np.float32]]]:
    def run(batch: _Batch, side_by_side: bool = True) -> tuple[_Batch, NDArray[np.float32]]:
        return batch, engine.logits(collate(batch.texts, pad_token_id), side_by_side)

    start = list(islice(batches, 4 * engine.sessions))
    if not _balanced(start, engine.sessions):
        return [run(batch, side_by_side=False) for batch in chain(start, batches)]
    pool = ThreadPoolExecutor(engine.sessions)
    try:
        futures = [pool.submit(run, batch) for batch in chain(start, batches)]
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, or Ctrl-C, the rest is left undone


def _balanced(batches: list[_Batch], sessions: int) -> bool:
    """Tell whether batches are done sooner side by side than one after another by all threads together."""
    if sessions == 1 or len(batches) < 2:
        return False
    if len(batches) == 4 * sessions:
        return True  # and perhaps more to come
    loads = [0] * sessions
    for batch in batches:  # largest first, each to whoever is free
        loads[loads.index(min(loads))] += batch.n_tokens
    return sum(loads) >= _FEW_TOKENS and max(loads) <= sum(loads) / (_SHARING * sessions)


def _assemble(
    engine: Engine, results: Iterable[tuple[_Batch, NDArray[np.float32]]], n_rows: int
) -> NDArray[np.float32]:
    logits = np.empty((n_rows, engine.n_classes), dtype=np.float32)
    for batch, values in results:
        logits[batch.rows] = values
    return _finite(engine, logits)


def _finite(engine: Engine, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(logits).all():
        raise EngineError(
            f"the model computes logits that are not finite numbers (engine {engine.name}): "
            "its weights or its export are damaged"
        )
    return logits
