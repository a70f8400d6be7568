"""The front matter of a card, its metadata, written and read through the card classes of `huggingface_hub`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from valence.errors import DataError

__all__ = ["ParsedCard", "Result", "parse_card", "write_front_matter"]

_TASK, _TASK_NAME = "text-classification", "Text Classification"


@dataclass(frozen=True)
class Result:
    """A row of a card's model-index.

    Args:
        data: the data set's identifier.
        metric: the metric's identifier.
        value: what is claimed.
        title: of the data set, as readers see it.
        metric_name: as readers see it.
        config: of the data set.
        split: of the data set.
        sha256: of the data set's files, if known.
    """

    data: str
    metric: str
    value: object
    title: str
    metric_name: str | None = None
    config: str | None = None
    split: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ParsedCard:
    """A card, its metadata read.

    Args:
        model_name: as its model-index has it.
        results: its model-index.
        text: what follows the metadata.
        text_line: the line on which that begins.
    """

    model_name: str | None
    results: tuple[Result, ...]
    text: str
    text_line: int


def write_front_matter(metadata: Mapping[str, object], model_name: str, results: Sequence[Result], text: str) -> str:
    """Put metadata and text together.

    Args:
        metadata: names that the hub knows (license, language, tags …) to values; None is left out.
        model_name: for the model-index.
        results: its rows.
        text: Markdown.

    Returns:
        The content of README.md.
    """
    from huggingface_hub import EvalResult, ModelCardData

    rows = [
        EvalResult(
            task_type=_TASK,
            task_name=_TASK_NAME,
            dataset_type=result.data,
            dataset_name=result.title,
            dataset_config=result.config,
            dataset_split=result.split,
            dataset_args=None if result.sha256 is None else {"sha256": result.sha256},
            metric_type=result.metric,
            metric_name=result.metric_name,
            metric_value=result.value,
        )
        for result in results
    ]
    data = ModelCardData(
        **cast(dict[str, Any], metadata), model_name=model_name if rows else None, eval_results=rows or None
    )
    return f"---\n{data.to_yaml()}\n---\n\n{text}"


def parse_card(content: str, path: object) -> ParsedCard:
    """Take a card apart.

    Args:
        content: of README.md.
        path: its file, for messages.

    Returns:
        Its parts.

    Raises:
        DataError: if the metadata cannot be understood.
    """
    from huggingface_hub import ModelCard

    log = logging.getLogger("huggingface_hub.repocard")
    level = log.level
    log.setLevel(logging.ERROR)  # a card without metadata is no reason to warn of
    try:
        card = ModelCard(content, ignore_metadata_errors=True)
    except Exception as problem:  # whatever YAML or the card classes do not like
        where = getattr(getattr(problem, "problem_mark", None), "line", None)  # counted from 0, below the first ---
        said = str(getattr(problem, "problem", None) or problem).splitlines()
        raise DataError(
            f"the metadata between the --- lines cannot be read: {said[0] if said else 'not valid'!s:.200}; "
            "mend it, or render the card anew",
            path,
            None if where is None else where + 2,
        ) from None
    finally:
        log.setLevel(level)
    text = card.text
    data = dict(card.data.__dict__)
    name = data.pop("model_name", None)
    rows = data.pop("eval_results", None) or ()
    results = tuple(
        Result(
            str(_plain(row.dataset_type, path)),
            str(_plain(row.metric_type, path)),
            _plain(row.metric_value, path),
            str(_plain(row.dataset_name, path)),
            _text(row.metric_name, path),
            _text(row.dataset_config, path),
            _text(row.dataset_split, path),
            _text(row.dataset_args.get("sha256"), path) if isinstance(row.dataset_args, dict) else None,
        )
        for row in rows
    )
    lines_before = content[: len(content) - len(text)].count("\n")
    return ParsedCard(name if isinstance(name, str) else None, results, text, lines_before + 1)


def _plain(value: object, path: object) -> object:
    """Refuse what no model-index holds: lists, which may be endless, and numbers of thousands of digits."""
    if isinstance(value, dict | list | tuple) or (isinstance(value, int) and abs(value) >= 1 << 63):
        raise DataError("the model-index holds a value that is neither a text nor a number of usual size", path)
    return value


def _text(value: object, path: object) -> str | None:
    plain = _plain(value, path)
    return None if plain is None else str(plain)
