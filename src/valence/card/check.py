"""Checking a card: is each figure what its report says, and does measuring it again give the same?

A figure must be equal to its report to the last printed digit; what can be measured is measured again besides, within
the tolerances of `valence.card.tolerances`. Numbers in the text that are no figures of a report must be those that
rendering the card gives today, so that no number can be changed, or given another meaning, unnoticed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from valence.card.fact import Fact
from valence.card.facts import Facts
from valence.card.findings import Checked, Finding
from valence.card.marks import escape
from valence.card.measure import Measured, Refuted, Workbench
from valence.card.readme import Readme, parse_readme
from valence.card.render import index_value, render
from valence.card.report import is_number
from valence.card.report_facts import data_name
from valence.card.tolerances import SPEED_FACTOR, tolerance
from valence.errors import InputError

__all__ = ["check_card"]

_BEFORE = "bias-before."
_NUMBER = re.compile(r"[^\s|]*\d[^\s|]*")
_SHOWN_CHARACTERS = 60


def check_card(facts: Facts, readme: Readme, workbench: Workbench) -> Checked:
    """Check every figure of a card that `valence.card.render` wrote.

    Args:
        facts: of the model whose card it is.
        readme: the card.
        workbench: measures the same facts again, and knows where data lie.

    Returns:
        What became of each figure.

    Raises:
        InputError: if the card has no figure.
    """
    if not readme.marked.figures and not readme.card.results and not readme.marked.unclosed:
        raise InputError(
            f"the card of {facts.folder.name} has no figure that valence can find: valence card renders one that has"
        )
    return _Check(facts, readme, workbench).run()


@dataclass(frozen=True)
class _Word:
    """A number that stands in the text and is no marked figure."""

    text: str
    line: int


class _Check:
    def __init__(self, facts: Facts, readme: Readme, workbench: Workbench) -> None:
        self.facts = facts
        self.found = readme
        # The name is where the model lies, and may be another one since.
        self.expected = parse_readme(render(facts, readme.card.model_name), "the card as it is rendered")
        self.workbench = workbench

    def run(self) -> Checked:
        stated = {figure.name for figure in self.found.marked.figures}
        left_out = [name for name in self.expected_names() if name not in stated]
        findings = [*self.metadata(), *self.figures(), *self.numbers(bool(left_out))]
        findings.sort(key=lambda finding: finding.line or 0)
        return Checked(tuple(findings), tuple(left_out))

    def expected_names(self) -> list[str]:
        return list(dict.fromkeys(figure.name for figure in self.expected.marked.figures))

    def figures(self) -> Iterator[Finding]:
        for figure in self.found.marked.figures:
            fact = self.facts.by_name.get(figure.name)
            if fact is None:
                why = "no report of the model gives this figure"
                yield Finding(figure.name, figure.text, "fails", why, figure.line)
            elif _plain(figure.text) != _plain(escape(fact.text)):
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
            (result.data, result.metric): self.facts.by_name[f"evaluation.{name}.{result.metric}"]
            for name, report in self.facts.evaluations.items()
            for result in self.expected.card.results
            if result.data == data_name(report) and f"evaluation.{name}.{result.metric}" in self.facts.by_name
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
        yield from self.other_metadata()

    def other_metadata(self) -> Iterator[Finding]:
        """Compare what is no figure: what was rendered must stay as it is, if it holds a number."""
        expected, found = self.expected.card.values, self.found.card.values
        for place, value in found.items():
            shown = _shown(value)
            if place in expected and value != expected[place] and re.search(r"\d", f"{value}{expected[place]}"):
                why = f"rendering the card gives {_shown(expected[place])}"
                yield Finding(f"metadata: {place}", shown, "fails", why)
            elif place.startswith("model-index"):
                yield Finding(f"metadata: {place}", shown, "fails", "the model-index is not one that can be read")
            elif place not in expected and is_number(value):
                yield Finding(f"metadata: {place}", shown, "not checked", "no report of the model gives this number")

    def numbers(self, figures_are_missing: bool) -> Iterator[Finding]:
        """Compare the numbers in the text that are not marked.

        One that is not rendered today is a number of somebody's own as long as nothing that is rendered is missing; in
        the place of something else it is a change.
        """
        expected, found = list(_words(self.expected)), list(_words(self.found))
        wanted = Counter(word.text for word in expected)
        missing = wanted - Counter(word.text for word in found)
        for word in found:
            if wanted[word.text] > 0:
                wanted[word.text] -= 1
            elif missing or figures_are_missing:
                instead = ", ".join(list(missing)[:3]) or "a figure that is no longer marked"
                why = f"no report of the model gives this number; rendering the card gives {instead}"
                yield Finding("a number in the text", _shown(word.text), "fails", why, word.line)
            else:
                why = "it was added by hand, and no report of the model gives it"
                yield Finding("a number in the text", _shown(word.text), "not checked", why, word.line)


def _words(readme: Readme) -> Iterator[_Word]:
    for number, line in enumerate(readme.marked.rest.split("\n"), readme.card.text_line):
        for match in _NUMBER.finditer(line):
            yield _Word(_plain(match[0]).strip(".,;:()*"), number)


def _plain(text: str) -> str:
    """Take escapes away: another editor may write them in another way."""
    return text.replace("\\", "")


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
