"""Checking a card: is each statement what its source says, and does measuring it again give the same?

A statement must be equal to its source to the last printed digit; what can be measured is measured again besides,
within the tolerances of `valence.card.check.tolerances`. Then the card is compared line by line with the one that
rendering gives today: a line that is another one fails, so that neither a number nor what it is a number of can be
changed unnoticed; a line that is not there, and one that somebody added, are not checked.
"""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest

from valence.card.check.remeasure import Measured, Refuted, Remeasurer
from valence.card.check.result import CheckedStatement, CheckResult, Outcome
from valence.card.check.tolerances import SPEED_FACTOR, tolerance
from valence.card.markdown import escape
from valence.card.readme import Readme, parse_readme
from valence.card.render import index_value, render
from valence.card.report_sources import ProbeSource
from valence.card.sources import WRITTEN_BY, Sources
from valence.card.statement import Statement
from valence.errors import InputError

__all__ = ["check_card", "expected_card"]

_LOADED = re.compile(r"""valence\.load(?:_masked_lm)?\(('(?:[^'\\\n]|\\.){1,500}'|"(?:[^"\\\n]|\\.){1,500}")\)""")
_COMMENT = re.compile(r"<!--[^<>]*-->")
_SHOWN_CHARACTERS = 60
_Line = tuple[int, str]  # its number and what it says


def check_card(sources: Sources, readme: Readme, remeasurer: Remeasurer, expected: Readme | None = None) -> CheckResult:
    """Check every statement of a card that `valence.card.render` wrote.

    Args:
        sources: of the model whose card it is.
        readme: the card.
        remeasurer: measures the same again, and knows where data lie.
        expected: what `expected_card` gives for this card, for those who check many that differ little.

    Returns:
        What became of each statement.

    Raises:
        InputError: if the card has none.
    """
    if not readme.anchors.statements and not readme.card.results and not readme.anchors.unclosed:
        raise InputError(
            f"the card of {sources.folder.name} has no figure that valence can find: valence card renders one that has"
        )
    return _Check(sources, readme, remeasurer, expected or expected_card(sources, readme)).run()


def expected_card(sources: Sources, readme: Readme) -> Readme:
    """Render the card that the sources give today, under the name that a card has.

    Args:
        sources: of the model.
        readme: the card.

    Returns:
        What the card should be.
    """
    # The name is where the model lies, and may be another one since; but for that of the embedded model.
    name = None if sources.folder.embedded else readme.card.model_name or _loaded_name(readme.card.text)
    return parse_readme(render(sources, name), "the card as it is rendered")


class _Check:
    def __init__(self, sources: Sources, readme: Readme, remeasurer: Remeasurer, expected: Readme) -> None:
        self.sources = sources
        self.found = readme
        self.expected = expected
        self.remeasurer = remeasurer

    def run(self) -> CheckResult:
        stated = {one.name for one in self.found.anchors.statements}
        left_out = dict.fromkeys(one.name for one in self.expected.anchors.statements if one.name not in stated)
        checked = [*self.metadata(), *self.anchored()]
        checked += self.lines({one.line for one in checked if one.outcome == "fails" and one.line})
        return CheckResult(tuple(sorted(checked, key=lambda one: one.line or 0)), tuple(left_out))

    def anchored(self) -> Iterator[CheckedStatement]:
        for one in self.found.anchors.statements:
            statement = self.sources.statements.get(one.name)
            if statement is None:
                why = f"no report of the model gives this figure{_written_by(one.name)}"
                yield CheckedStatement(one.name, one.text, "fails", why, one.line)
            elif one.text != escape(statement.text):
                why = f"{statement.source.file} says {statement.text} ({statement.key})"
                yield CheckedStatement(one.name, one.text, "fails", why, one.line)
            else:
                yield CheckedStatement(one.name, one.text, *self.judge(statement), one.line)
        for name, line in self.found.anchors.unclosed:
            yield CheckedStatement(name or "a mark", "", "fails", "the mark of this figure is damaged", line)

    def judge(self, statement: Statement) -> tuple[Outcome, str]:
        """Measure again what is equal to its source: what becomes of it, and why."""
        source = statement.source
        if statement.basis.kind == "stated":
            return "equal to its report", f"{source.file}, {statement.key}"
        if isinstance(source, ProbeSource) and source.is_before:
            return "equal to its report", f"{source.file}, of the model as it was before"
        result = self.remeasurer.measure(source)
        if isinstance(result, Refuted):
            return "fails", result.why
        if not isinstance(result, Measured):
            return "not checked", result.why
        again = result.statements.get(statement.name)
        if again is None:
            why = result.missing.get(source.anchor)
            return "not checked", f"it was not measured by {result.how}" if why is None else f"missing: {why}"
        if statement.basis.kind == "speed":
            return self.judge_speed(statement, result)
        allowed = tolerance(statement.basis, statement.number, result.setting, statement.is_bound)
        if allowed is None:
            return "measured again", f"{again.text} by {result.how}; on another engine single texts decide it"
        if abs(statement.number - again.number) > allowed:
            return "fails", f"measured {again.text} by {result.how}; at most {allowed:.3g} apart is allowed"
        detail = f"{again.text} by {result.how}"
        if again.text != statement.text:
            detail += f", at most {allowed:.3g} apart: rounding of another engine or processor"
        return "measured again", detail

    def judge_speed(self, statement: Statement, result: Measured) -> tuple[Outcome, str]:
        """Compare how much faster one was than the other with how much faster it is here."""
        name = f"{statement.source.anchor}.speed_ratio"
        if not result.same_engine:
            return "not checked", f"missing: the engine that it is the speed of; here it is {result.how}"
        stated, again = self.sources.statements.get(name), result.statements.get(name)
        if stated is None or again is None:
            return "not checked", "missing: the speed of the reference, which the report gives as 0"
        before, now = stated.number, again.number
        detail = f"{now:.2f} times as fast as the reference, the card says {before:.2f} ({result.how})"
        if max(before, now) > SPEED_FACTOR * min(before, now):
            return "fails", f"{detail}: more than a factor of {SPEED_FACTOR:g}"
        return "measured as a ratio to the reference in the same run", detail

    def metadata(self) -> Iterator[CheckedStatement]:
        """Compare the model-index with the one that is rendered today."""
        statements = {
            (source.title, metric): self.sources.statements.get(f"{source.anchor}.{source.headline(metric)}")
            for source in self.sources.evaluations
            for metric in source.report.metrics
        }
        rows = {(result.data, result.metric): result for result in self.expected.card.results}
        for result in self.found.card.results:
            name = f"model-index: {result.metric} on {result.data}"
            statement = statements.get((result.data, result.metric))
            claimed = _shown(result.value)
            outcome: tuple[Outcome, str]
            if statement is None:
                outcome = "fails", "no report of the model gives this figure"
            elif isinstance(result.value, bool) or result.value != index_value(statement):
                outcome = "fails", f"{statement.source.file} says {index_value(statement)} ({statement.key})"
            elif (row := rows[result.data, result.metric]) != replace(result, value=row.value):
                outcome = "fails", f"its data are not described as in the report: {row}"
            else:
                outcome = self.judge(statement)
            yield CheckedStatement(name, claimed, *outcome)

    def lines(self, failing: Collection[int]) -> Iterator[CheckedStatement]:
        """Compare the whole card with the one that is rendered today, but for lines of which more is known."""
        wanted, found = _lines(self.expected.lines), _lines(self.found.lines)
        matcher = SequenceMatcher(None, [said for _, said in wanted], [said for _, said in found], autojunk=False)
        for _, first, last, start, end in (change for change in matcher.get_opcodes() if change[0] != "equal"):
            ours_alone, theirs_alone = wanted[first:last], found[start:end]
            says_something = any(said for _, said in ours_alone + theirs_alone)
            for ours, theirs in zip_longest(ours_alone, theirs_alone):
                if says_something and not any(line and line[1] for line in (ours, theirs)):
                    continue  # an empty line beside others
                if theirs is None:
                    line = found[start - 1][0] if start else None
                    why = "rendering the card gives this line, and it was taken out"
                    yield CheckedStatement("a line left out", _shown(ours[1]), "not checked", why, line)
                elif ours is None:
                    why = "it was added by hand, and no report of the model says it"
                    yield CheckedStatement("a line", _shown(theirs[1]), "not checked", why, theirs[0])
                elif theirs[0] not in failing:
                    rendered, claimed = _differing(ours[1], theirs[1])
                    why = f"no report of the model says this; rendering the card gives {rendered}"
                    yield CheckedStatement("a line", claimed, "fails", why, theirs[0])


def _written_by(name: str) -> str:
    """Say which command writes the source of statements of this name."""
    command = next((command for start, command in WRITTEN_BY.items() if name.startswith(start)), None)
    return "" if command is None else f"; its report is written by {command}"


def _loaded_name(text: str) -> str | None:
    """Find the name under which a card without a model-index loads its model."""
    found = _LOADED.search(text)
    try:
        name = None if found is None else ast.literal_eval(found[1])
    except (SyntaxError, ValueError):
        return None
    return name if isinstance(name, str) else None


def _lines(lines: Sequence[str]) -> list[_Line]:
    """Number the lines, but for empty ones at the end."""
    numbered = [(number, line.rstrip()) for number, line in enumerate(lines, 1)]
    while numbered and not numbered[-1][1]:
        numbered.pop()
    return numbered


def _differing(one: str, other: str) -> tuple[str, str]:
    """Cut two lines down to where they begin to differ, without marks if they differ without them."""
    bare = [_COMMENT.sub("", line) for line in (one, other)]
    if bare[0] != bare[1]:
        one, other = bare
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    start = max(0, alike - _SHOWN_CHARACTERS // 2)
    before = "…" if start else ""
    return _shown(before + one[start:]), _shown(before + other[start:])


def _shown(value: object) -> str:
    text = str(value) or "(empty)"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
