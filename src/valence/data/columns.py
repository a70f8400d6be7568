"""Which columns of a table hold the text and the label."""

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from valence.data.tables import Table
from valence.errors import DataError

__all__ = ["ColumnNames", "Columns", "choose_columns"]

# Names as `_plain` writes them. A title or a description is the text only where no other column could be.
_TEXTS = frozenset(
    (
        *("text", "sentence", "review", "content", "document", "body", "comment", "tweet", "message", "utterance"),
        *("texts", "sentences", "reviews", "comments", "tweets", "messages", "reviewtext", "reviewbody", "commenttext"),
        *("tweettext", "messagetext", "fulltext", "textcontent", "articletext", "article", "post", "feedback"),
    )
)
_PARTS = frozenset(("title", "headline", "subject", "summary", "abstract", "description", "subtitle", "lead"))
_LABELS = frozenset(
    (
        *("label", "labels", "class", "category", "target", "sentiment", "polarity", "topic", "y", "classindex"),
        *("classlabel", "goldlabel"),
    )
)
_PAIRS = (
    *(("premise", "hypothesis"), ("text", "textpair"), ("claim", "evidence")),
    *(("question", second) for second in ("sentence", "answer", "passage", "context")),
    *(("query", "document"), ("query", "passage")),
    *((f"{stem}{one}", f"{stem}{two}") for stem in ("sentence", "text", "question", "phrase", "s", "sent", "seq")
      for one, two in (("1", "2"), ("a", "b"))),
)  # fmt: skip
_SAMPLE_ROWS = 20
_WORDS_OF_A_TEXT = 3.0  # on average; a name or a date has fewer
_WORDS_OF_A_NAME = 3
_NAME = re.compile(r"[^\W\d][\w.:-]{0,40}")  # what programs call a column
_LISTED = 12


@dataclass(frozen=True)
class ColumnNames:
    """The columns that the user names; None where they are to be guessed.

    Args:
        text: a column, or several between commas or as a tuple, which are joined with line breaks.
        label: a column.
        pair: the column of the second text of a pair.
    """

    text: str | tuple[str, ...] | None = None
    label: str | None = None
    pair: str | None = None


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read.

    Args:
        text: the text, or the first of a pair: the columns whose texts are joined, mostly one.
        pair: the second text of a pair, if there is one.
        label: the label; None where only texts are read.
        unread: the others.
    """

    text: tuple[str, ...]
    pair: str | None = None
    label: str | None = None
    unread: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the text's name says that it is one."""
        return all(_plain(column) in _TEXTS | _PARTS for column in self.text)

    def __str__(self) -> str:
        parts = [f"text from {' and '.join(map(repr, self.text))}"]
        if self.pair is not None:
            parts.append(f"the second text from {self.pair!r}")
        if self.label is not None:
            parts.append(f"label from {self.label!r}")
        not_read = f"; not read: {_names(self.unread)}" if self.unread else ""
        return ", ".join(parts) + not_read


def choose_columns(table: Table, wanted: ColumnNames = ColumnNames(), labelled: bool = True) -> Columns:
    """Decide which columns to read: the ones asked for, else those whose names make it plain.

    Args:
        table: the table.
        wanted: the columns asked for.
        labelled: whether a label column is needed.

    Returns:
        The columns.

    Raises:
        DataError: if a column asked for is absent, or the header does not make it plain.
    """
    text = None if wanted.text is None else _asked_texts(table, wanted.text)
    label = None if wanted.label is None else _asked(table, wanted.label)
    pair = None if wanted.pair is None else _asked(table, wanted.pair)
    if label is None:
        label = _only(column for column in table.columns if _plain(column) in _LABELS)
    if labelled and label is None:
        candidates = [column for column in table.columns if _plain(column) in _LABELS]
        raise _unclear(table, "label", "--label-column", candidates)
    rest = [column for column in table.columns if column not in (label, pair)]
    if text is None:
        text, pair = _guessed_texts(table, rest, pair, has_label=label is not None)
    used = [*text, *([] if pair is None else [pair]), *([label] if labelled and label is not None else [])]
    if len(set(used)) < len(used):
        raise DataError("text, pair and label must be different columns", table.path)
    guessed = [*(text if wanted.text is None else ()), *([label] if wanted.label is None and label is not None else [])]
    if again := _name_that_recurs(table, guessed):
        raise DataError(
            f"{again!r} stands in the first row and again below it, so the first row may be data and not the names of "
            "columns: if it is, say --no-header; if not, name the columns with --text-column and --label-column",
            table.path,
        )
    if twice := [column for column in used if column in table.repeated]:
        raise DataError(
            f"the header names a column twice: {twice[0]!r}; rename one of them",
            table.path,
            1,
        )
    unread = tuple(column for column in table.columns if column not in used)
    return Columns(text, pair, label if labelled else None, unread)


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column.lower())


def _only(columns: Iterable[str]) -> str | None:
    found = list(columns)
    return found[0] if len(found) == 1 else None


def _asked_texts(table: Table, wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(wanted, tuple):
        return tuple(_asked(table, name) for name in wanted)
    if wanted in table.columns or "," not in wanted:
        return (_asked(table, wanted),)
    return tuple(_asked(table, name.strip()) for name in wanted.split(","))


def _asked(table: Table, wanted: str) -> str:
    """Find a column by its name, else by its number from 1."""
    if wanted in table.columns:
        return wanted
    if wanted.isdecimal() and 1 <= int(wanted) <= len(table.columns):
        return table.columns[int(wanted) - 1]
    near = difflib.get_close_matches(wanted, table.columns, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise DataError(f"no column {wanted!r}. {_listed(table)}{hint}", table.path)


def _guessed_texts(
    table: Table, rest: list[str], pair: str | None, has_label: bool
) -> tuple[tuple[str, ...], str | None]:
    """Guess the text among the columns that are neither label nor the pair asked for, and where none was, a pair."""
    by_name: dict[str, str] = {}
    for column in rest:
        by_name.setdefault(_plain(column), column)
    texts = [column for column in rest if _plain(column) in _TEXTS]
    if pair is None:
        pairs = [(by_name[one], by_name[two]) for one, two in _PAIRS if one in by_name and two in by_name]
        in_pairs = dict.fromkeys(column for both in pairs for column in both)
        if pairs and (len(pairs) > 1 or not in_pairs.keys() >= set(texts)):
            raise _unclear(table, "text", "--text-column", list(dict.fromkeys((*in_pairs, *texts))))
        if pairs:
            return pairs[0][:1], pairs[0][1]
    if len(texts) > 1:
        raise _unclear(table, "text", "--text-column", texts)
    if texts:
        return (texts[0],), pair
    parts = [column for column in rest if _plain(column) in _PARTS]
    alike = [column for column in rest if column in parts or column in _texts_by_content(table, rest)]
    if len(parts) == 1 and alike == parts:
        return (parts[0],), pair
    is_name = len(rest) == 1 and (_has_few_words(rest[0]) if has_label or pair else _is_a_name(table, rest[0]))
    if is_name and not parts:
        return (rest[0],), pair
    raise _unclear(table, "text", "--text-column", alike)


def _has_few_words(column: str) -> bool:
    return len(column.split()) <= _WORDS_OF_A_NAME


def _texts_by_content(table: Table, columns: Sequence[str]) -> list[str]:
    """Find columns whose first rows read like texts: strings of several words."""
    words: dict[str, list[int]] = {column: [] for column in columns}
    for row in itertools.islice(table.rows(), _SAMPLE_ROWS):
        for column in columns:
            value = row.values.get(column)
            if isinstance(value, str):
                words[column].append(len(value.split()))
    return [column for column, counts in words.items() if counts and sum(counts) / len(counts) >= _WORDS_OF_A_TEXT]


def _name_that_recurs(table: Table, columns: Sequence[str]) -> str | None:
    """Find a name among its column's first values, as in a file of data alone; in a single column it may be a text."""
    if not table.has_header or len(table.columns) < 2:
        return None
    rows = list(itertools.islice(table.rows(), _SAMPLE_ROWS))
    return next((column for column in columns if any(row.values.get(column) == column for row in rows)), None)


def _is_a_name(table: Table, column: str) -> bool:
    """Tell a header from a text that stands where a header should: a single word above texts of several."""
    if not table.has_header:
        return True
    if _NAME.fullmatch(column) is None:
        return False
    rows = [str(row.values[column]) for row in itertools.islice(table.rows(), _SAMPLE_ROWS)]
    return not rows or any(" " in text.strip() for text in rows)


def _unclear(table: Table, what: str, option: str, candidates: Sequence[str]) -> DataError:
    said = f"which column is the {what}? {_listed(table)}; name it with {option}"
    if what == "text" and len(candidates) > 1:
        said += (
            f" (it could be {' or '.join(map(repr, candidates[:_LISTED]))}); to read several, join them with {option} "
            f"{','.join(candidates[:2])}, or read a pair with --pair-column"
        )
    elif len(candidates) > 1:
        said += f" (it could be {' or '.join(map(repr, candidates[:_LISTED]))})"
    if table.has_header and (len(table.columns) == 1 or not all(map(_NAME.fullmatch, table.columns))):
        said += ". If the first row is data and not the names of columns, say --no-header"
    return DataError(said, table.path)


def _listed(table: Table) -> str:
    if table.format == "json":
        return f"The first row has {_names(table.columns)}"
    return f"The {'column is' if len(table.columns) == 1 else 'columns are'} {_names(table.columns)}"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns[:_LISTED])) + (", …" if len(columns) > _LISTED else "")
