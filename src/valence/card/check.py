"""Checking a card: is each figure what its report says, and does measuring it again give the same?

A figure must be equal to its report to the last printed digit; what can be measured is measured again besides, within
the tolerances of `valence.card.tolerances`. Then the card is laid line by line beside the one that rendering gives
today: a line that is another one fails, so that neither a number nor what it is a number of can be changed unnoticed;
a line that is not there, and one that somebody added, are not checked.
"""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest

from valence.card.fact import Fact
from valence.card.facts import Facts
from valence.card.findings import Checked, Finding
from valence.card.marks import escape
from valence.card.measure import Measured, Refuted, Workbench
from valence.card.readme import Readme, parse_readme
from valence.card.render import index_value, render
from valence.card.report import is_number
from valence.card.report_facts import headline
from valence.card.tolerances import SPEED_FACTOR, tolerance
from valence.errors import InputError

__all__ = ["check_card", "expected_card"]

_BEFORE = "bias-before."
_LOADED = re.compile(r"""valence\.load(?:_masked_lm)?\(('(?:[^'\\\n]|\\.){1,500}'|"(?:[^"\\\n]|\\.){1,500}")\)""")
_COMMANDS = {
    "evaluation": "valence evaluate",
    "comparison": "valence compare --out",
    "bias": "valence audit",
    "hyper-parameter": "valence train",
    "training": "valence train",
    "agreement": "valence export",
    "size": "valence export",
}
_COMMENT = re.compile(r"<!--[^<>]*-->")
_SHOWN_CHARACTERS = 60
_Line = tuple[int, str]  # its number and what it says


def check_card(facts: Facts, readme: Readme, workbench: Workbench, expected: Readme | None = None) -> Checked:
    """Check every figure of a card that `valence.card.render` wrote.

    Args:
        facts: of the model whose card it is.
        readme: the card.
        workbench: measures the same facts again, and knows where data lie.
        expected: the card as `expected_card` gives it; who checks many cards of a model makes it once.

    Returns:
        What became of each figure.

    Raises:
        InputError: if the card has no figure.
    """
    if not readme.marked.figures and not readme.card.results and not readme.marked.unclosed:
        raise InputError(
            f"the card of {facts.folder.name} has no figure that valence can find: valence card renders one that has"
        )
    return _Check(facts, readme, workbench, expected or expected_card(facts, readme)).run()


def expected_card(facts: Facts, readme: Readme) -> Readme:
    """Render a model's card as it is today, with the name that another card of it has.

    Args:
        facts: of the model.
        readme: the other card.

    Returns:
        The card, read as one from a file.
    """
    # The name is where the model lies, and may be another one since; but for that of the embedded model.
    name = None if facts.folder.embedded else readme.card.model_name or _loaded_name(readme.card.text)
    return parse_readme(render(facts, name), "the card as it is rendered")


class _Check:
    def __init__(self, facts: Facts, readme: Readme, workbench: Workbench, expected: Readme) -> None:
        self.facts = facts
        self.found = readme
        self.expected = expected
        self.workbench = workbench

    def run(self) -> Checked:
        stated = {figure.name for figure in self.found.marked.figures}
        left_out = [name for name in self.expected_names() if name not in stated]
        findings = [*self.metadata(), *self.figures()]
        findings += self.lines({finding.line for finding in findings if finding.outcome == "fails" and finding.line})
        findings.sort(key=lambda finding: finding.line or 0)
        return Checked(tuple(findings), tuple(left_out))

    def expected_names(self) -> list[str]:
        return list(dict.fromkeys(figure.name for figure in self.expected.marked.figures))

    def figures(self) -> Iterator[Finding]:
        for figure in self.found.marked.figures:
            fact = self.facts.by_name.get(figure.name)
            if fact is None:
                why = f"no report of the model gives this figure{_written_by(figure.name)}"
                yield Finding(figure.name, figure.text, "fails", why, figure.line)
            elif figure.text != escape(fact.text):
                why = f"{fact.file} says {fact.text} ({fact.key})"
                yield Finding(figure.name, figure.text, "fails", why, figure.line)
            else:
                yield self.judge(fact, figure.text, figure.line)
        for name, line in self.found.marked.unclosed:
            yield Finding(name or "a mark", "", "fails", "the mark of this figure is damaged", line)

    def judge(self, fact: Fact, claimed: str, line: int | None, name: str | None = None) -> Finding:
        """Measure a figure again that is equal to its report."""
        name = name or fact.name
        if fact.kind == "stated":
            return Finding(name, claimed, "equal to its report", f"{fact.file}, {fact.key}", line)
        if fact.name.startswith(_BEFORE):
            detail = f"{fact.file}, of the model as it was before"
            return Finding(name, claimed, "equal to its report", detail, line)
        result = self.workbench.measure(fact)
        if isinstance(result, Refuted):
            return Finding(name, claimed, "fails", result.why, line)
        if not isinstance(result, Measured):
            return Finding(name, claimed, "not checked", result.why, line)
        again = result.facts.get(fact.name)
        if again is None:
            reasons = [why for start, why in result.missing.items() if fact.name.startswith(f"{start}.")]
            why = f"missing: {reasons[0]}" if reasons else f"it was not measured by {result.how}"
            return Finding(name, claimed, "not checked", why, line)
        if fact.kind == "speed":
            return self.judge_speed(fact, claimed, line, result)
        allowed = tolerance(fact, result.setting)
        if allowed is None:
            detail = f"{again.text} by {result.how}; on another engine single texts decide it"
            return Finding(name, claimed, "measured again", detail, line)
        assert is_number(fact.value)
        assert is_number(again.value)
        apart = abs(float(fact.value or 0) - float(again.value or 0))
        if apart > allowed:
            detail = f"measured {again.text} by {result.how}; at most {allowed:.3g} apart is allowed"
            return Finding(name, claimed, "fails", detail, line)
        detail = f"{again.text} by {result.how}"
        if again.text != fact.text:
            detail += f", at most {allowed:.3g} apart: rounding of another engine or processor"
        return Finding(name, claimed, "measured again", detail, line)

    def judge_speed(self, fact: Fact, claimed: str, line: int | None, result: Measured) -> Finding:
        """Compare how much faster one was than the other with how much faster it is here."""
        name = f"{fact.name.split('.')[0]}.speed_ratio"
        if not result.same_engine:
            detail = f"missing: the engine that it is the speed of; here it is {result.how}"
            return Finding(fact.name, claimed, "not checked", detail, line)
        before, now = self.facts.by_name[name].value, result.facts[name].value
        assert isinstance(before, float)
        assert isinstance(now, float)
        detail = f"{now:.2f} times as fast as the reference, the card says {before:.2f} ({result.how})"
        if max(before, now) > SPEED_FACTOR * min(before, now):
            return Finding(fact.name, claimed, "fails", f"{detail}: more than a factor of {SPEED_FACTOR:g}", line)
        return Finding(fact.name, claimed, "measured as a ratio to the reference in the same run", detail, line)

    def metadata(self) -> Iterator[Finding]:
        """Compare the metadata block with the one that is rendered today."""
        facts = {
            (result.data, result.metric): self.facts.by_name[full]
            for name, report in self.facts.evaluations.items()
            for result in self.expected.card.results
            if result.data == self.facts.titles[name]
            and (full := f"evaluation.{name}.{headline(report, result.metric)}") in self.facts.by_name
        }
        rows = {(result.data, result.metric): result for result in self.expected.card.results}
        for result in self.found.card.results:
            name = f"model-index: {result.metric} on {result.data}"
            fact = facts.get((result.data, result.metric))
            claimed = _shown(result.value)
            if fact is None:
                yield Finding(name, claimed, "fails", "no report of the model gives this figure")
            elif not is_number(result.value) or result.value != index_value(fact):
                yield Finding(name, claimed, "fails", f"{fact.file} says {index_value(fact)} ({fact.key})")
            elif (row := rows[result.data, result.metric]) != replace(result, value=row.value):
                yield Finding(name, claimed, "fails", f"its data are not described as in the report: {row}")
            else:
                yield self.judge(fact, claimed, None, name)

    def lines(self, failing: Collection[int]) -> Iterator[Finding]:
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
                    yield Finding("a line left out", _shown(ours[1]), "not checked", why, line)
                elif ours is None:
                    why = "it was added by hand, and no report of the model says it"
                    yield Finding("a line", _shown(theirs[1]), "not checked", why, theirs[0])
                elif theirs[0] not in failing:
                    rendered, claimed = _differing(ours[1], theirs[1])
                    why = f"no report of the model says this; rendering the card gives {rendered}"
                    yield Finding("a line", claimed, "fails", why, theirs[0])


def _written_by(name: str) -> str:
    """Say which command writes the report of a figure."""
    start = name.split(".")[0]
    command = next((command for known, command in _COMMANDS.items() if start.startswith(known)), None)
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
