"""Names and identities: a planted bias is seen, with its size and its group; a constant answer gives zero."""

import csv
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from valence.audit.probe import ProbeReport, Scorer, Subject
from valence.audit.probes.identities import IdentitiesProbe, IdentityList, IdentityWord, audit_lists
from valence.audit.probes.names import NameSentence, NamesProbe, read_name_sentences
from valence.errors import DataError, InputError
from valence.templates.people import GENDER_PAIRS, NAMES
from valence.templates.template import Template

AUDIT_NAMES = [one for one in NAMES if one.use == "audit"]


def constant(texts: Sequence[str]) -> np.ndarray:
    return np.full(len(texts), 0.7301)


def lowers(words: Sequence[str], by: float = 0.2, start: float = 0.6) -> Scorer:
    """A scorer with one answer, lower where one of the words occurs."""
    found = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
    return lambda texts: np.array([start - by * bool(found.search(text)) for text in texts])


def table(result: ProbeReport, title: str) -> list[dict]:
    (found,) = [one for one in result.tables if one.title == title]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def named(**kinds: str) -> list[str]:
    return [one.subject for one in AUDIT_NAMES if all(getattr(one, name) == value for name, value in kinds.items())]


@cache
def shipped() -> tuple[NameSentence, ...]:
    return read_name_sentences()


class TestNames:
    def ask(self, scorer: Scorer) -> ProbeReport:
        result = NamesProbe(shipped(), resamples=50).run(Subject(positive=scorer))
        json.dumps(result.details, allow_nan=False)
        return result

    def test_the_shipped_sentences_are_whole(self):
        sentences = shipped()
        assert len(sentences) == 3752
        assert len({one.comparison_set for one in sentences}) == 67
        assert {one.polarity for one in sentences} == {"neutral", "positive", "negative"}
        assert sum(one.polarity == "neutral" for one in sentences) == 7 * 56

    def test_a_constant_classifier_gives_zero(self):
        result = self.ask(constant)
        assert result.n_texts == 3752
        for name, figure in result.figures.items():
            assert (figure.value, figure.low or 0, figure.high or 0) == (0, 0, 0), name
        assert {row["p (Holm)"] for row in table(result, "Group by group")} == {1}

    def test_a_bias_against_women_is_seen(self):
        women = named(gender="female") + [pair.female.subject for pair in GENDER_PAIRS if pair.use == "audit"]
        result = self.ask(lowers([*women, "her"]))
        for name in ("names_gender", "words_gender"):
            assert result.figures[f"{name}_mean_difference"].value == pytest.approx(-0.2)
            assert result.figures[f"{name}_mean_absolute_difference"].value == pytest.approx(0.2)
        assert result.figures["names_race_mean_absolute_difference"].value == pytest.approx(0)
        assert result.figures["words_gender_label_flip_rate"].value == 1
        assert result.figures["names_label_flip_rate"].value == 0.5
        rows = {row["Comparison"]: row for row in table(result, "Group by group")}
        assert rows["names_gender"]["p (Holm)"] < 1e-6
        assert rows["my brother/my sister"]["Mean difference"] == pytest.approx(-0.2)
        assert rows["names_race"]["p (Holm)"] == 1

    def test_a_bias_against_a_race_is_seen(self):
        result = self.ask(lowers(named(origin="African-American"), by=0.05))
        assert result.figures["names_race_mean_difference"].value == pytest.approx(-0.05)
        assert result.figures["names_gender_mean_absolute_difference"].value == pytest.approx(0)
        assert result.figures["words_gender_mean_absolute_difference"].value == 0
        rows = {row["Comparison"]: row for row in table(result, "Group by group")}
        assert rows["names_race"]["p (Holm)"] < 1e-6
        assert rows["names_race"]["Label flips"] == 0

    def test_a_bias_against_one_name_is_seen(self):
        result = self.ask(lowers(["Tyrone"]))
        first, second = table(result, "Name by name")[:2]
        assert first["Name"] == "Tyrone"
        assert first["Difference from the mean of all names"] == pytest.approx(-0.2 * 35 / 36)
        assert abs(second["Difference from the mean of all names"]) < 0.01
        assert "Tyrone" in table(result, "Most extreme")[0]["Lowest"]

    def test_a_bias_in_sentences_of_one_polarity_is_seen(self):
        women = {one.text for one in shipped() if one.gender == "female" and one.race and one.polarity == "positive"}
        result = self.ask(lambda texts: np.array([0.5 if text in women else 0.9 for text in texts]))
        rows = {(row["Comparison"], row["Sentences"]): row for row in table(result, "By polarity")}
        assert rows["names_gender", "positive"]["Mean difference"] == pytest.approx(-0.4)
        assert rows["names_gender", "neutral"]["Mean difference"] == 0
        assert rows["words_gender", "positive"]["Mean difference"] == 0

    def test_opposite_differences_do_not_cancel_out(self):
        boys = lowers(["my brother", "the girl"])
        result = self.ask(boys)
        assert result.figures["words_gender_mean_difference"].value == pytest.approx(0)
        assert result.figures["words_gender_mean_absolute_difference"].value == pytest.approx(0.2 * 2 / 10)
        rows = {row["Comparison"]: row["Mean difference"] for row in table(result, "Group by group")}
        assert rows["my brother/my sister"] == pytest.approx(0.2)
        assert rows["the boy/the girl"] == pytest.approx(-0.2)

    def test_a_file_in_the_form_of_the_equity_evaluation_corpus(self, tmp_path):
        path = tmp_path / "eec.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(["ID", "Sentence", "Template", "Person", "Gender", "Race", "Emotion", "Emotion word"])
            for word, emotion in (("angry", "anger"), ("happy", "joy"), ("", "")):
                for person, gender, race in (
                    ("Latisha", "female", "African-American"),
                    ("Ellen", "female", "European"),
                    ("Alonzo", "male", "African-American"),
                    ("Alan", "male", "European"),
                    ("she", "female", ""),
                    ("he", "male", ""),
                    ("my sister", "female", ""),
                    ("my brother", "male", ""),
                ):
                    writer.writerow(
                        ["1", f"{person} feels {word}.", "<p> feels <e>.", person, gender, race, emotion, word]
                    )
        sentences = read_name_sentences(path)
        assert [one.polarity for one in sentences[::8]] == ["negative", "positive", "neutral"]
        result = NamesProbe(sentences, resamples=5).run(Subject(positive=lowers(["Latisha", "Alonzo", "she"])))
        assert result.figures["names_race_mean_difference"].value == pytest.approx(-0.2)
        assert result.figures["words_gender_mean_difference"].value == pytest.approx(-0.1)  # of she and my sister
        assert {row["Comparison"] for row in table(result, "Group by group")} == {
            "names_gender",
            "names_race",
            "words_gender",
        }

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("Sentence,Gender\na,male\n", "no column 'Template', 'Person', 'Race', 'Emotion', 'Emotion word'"),
            ("{header}\n", "the file has no rows"),
            ("{header}\n,t,p,male,,,\n", "line 2: expected a sentence, found nothing"),
            ("{header}\nx,t,p,man,,,\n", "line 2: Gender must be 'female' or 'male', found 'man'"),
            ("{header}\nx,t,p,male,,awe,w\n", "found 'awe'"),
            ("", "the file is empty"),
        ],
    )
    def test_broken_files_are_named_with_their_line(self, tmp_path, content, message):
        path = tmp_path / "names.csv"
        path.write_text(content.replace("{header}", "Sentence,Template,Person,Gender,Race,Emotion,Emotion word"))
        with pytest.raises(DataError, match=re.escape(message)) as caught:
            read_name_sentences(path)
        assert str(path) in str(caught.value)

    def test_nothing_to_compare_is_refused(self):
        alone = NameSentence("He sleeps.", "{s} sleeps.", "he", "male", "", "", "", "neutral")
        for sentences in ([], [alone]):
            with pytest.raises(InputError, match="found none"):
                NamesProbe(sentences)


class TestIdentities:
    LISTS = audit_lists()

    def ask(self, scorer: Scorer, lists: Sequence[IdentityList] | None = None, resamples: int = 20) -> ProbeReport:
        result = IdentitiesProbe(lists, resamples).run(Subject(positive=scorer))
        json.dumps(result.details, allow_nan=False)
        return result

    def one(self, name: str) -> list[IdentityList]:
        return [one for one in self.LISTS if one.name == name]

    def test_every_list_asks_in_sentences_of_all_polarities(self):
        names = [one.name for one in self.LISTS]
        assert names == [
            *("nationality", "religion", "orientation", "disability", "age", "ethnicity", "first_names"),
        ]
        for one in self.LISTS:
            assert {template.polarity for template in one.templates} == {"neutral", "positive", "negative"}
            assert {template.use for template in one.templates} == {"audit"}
        assert len(self.LISTS[0].entries) == 206
        assert len(self.LISTS[-1].entries) == len(AUDIT_NAMES)

    def test_a_constant_classifier_gives_zero(self):
        result = self.ask(constant)
        for name, figure in result.figures.items():
            assert (figure.value, figure.low or 0, figure.high or 0) == (0, 0, 0), name
        assert {row["p (Holm)"] for row in table(result, "Words furthest from the mean of their list")} == {1}

    def test_a_scorer_that_knows_the_sentence_alone_gives_zero(self):
        def polarity(texts: Sequence[str]) -> np.ndarray:
            return np.array([0.9 if "wonderful" in text or "superb" in text else 0.1 for text in texts])

        assert not [name for name, figure in self.ask(polarity).figures.items() if figure.value]

    @pytest.mark.parametrize(
        ("name", "word", "n"),
        [
            ("nationality", "Afghan", 206),
            ("religion", "Muslim", 15),
            ("orientation", "gay", 11),
            ("disability", "blind", 9),
            ("age", "elderly", 8),
            ("ethnicity", "Black", 10),
            ("first_names", "Layla", 96),
        ],
    )
    def test_a_bias_against_one_group_is_seen(self, name, word, n):
        result = self.ask(lowers([word]), self.one(name))
        first, second = table(result, "Words furthest from the mean of their list")[:2]
        assert first["Word"] == word
        assert first["Mean difference"] == pytest.approx(-0.2 * (n - 1) / n)
        assert first["p (Holm)"] < 1e-6
        assert abs(second["Mean difference"]) < 0.03
        figures = result.figures
        assert figures[f"{name}_largest_mean_difference"].value == first["Mean difference"]
        assert figures[f"{name}_mean_absolute_difference"].value == pytest.approx(2 * 0.2 * (n - 1) / n**2)
        assert figures[f"{name}_label_flip_rate"].value == pytest.approx(1 / n)
        assert word in table(result, "Most extreme")[0]["Sentence"]

    def test_names_of_an_origin_are_a_group(self):
        result = self.ask(lowers(named(origin="Arabic")), self.one("first_names"))
        rows = {row["Group"]: row for row in table(result, "Group by group")}
        assert rows["Arabic"]["Mean difference from all other groups"] == pytest.approx(-0.2)
        assert rows["Arabic"]["p (Holm)"] < 1e-6
        assert abs(rows["Chinese"]["Mean difference from all other groups"]) < 0.02

    def test_words_never_used_in_training_stand_apart(self):
        entries = self.one("religion")[0].entries
        unseen = [one.name for one in entries if not one.used_in_training]
        found = []
        for biased in (unseen[:1], [one.name for one in entries if one.used_in_training][:1]):
            figures = self.ask(lowers(biased), self.one("religion")).figures
            found.append(figures["religion_never_trained_mean_absolute_difference"].value)
        assert found[0] > found[1]

    def test_lost_labels_are_counted(self):
        def score(texts: Sequence[str]) -> np.ndarray:
            said = np.array([0.9 if "superb" in text else 0.1 for text in texts])
            return np.where(["Muslim" in text for text in texts], 0.1, said)

        lists = [
            IdentityList(
                "religion",
                "religion",
                tuple(IdentityWord(word, {"identity": word}) for word in ("Muslim", "Hindu", "Sikh", "Jewish")),
                (
                    Template("The {identity} cook is superb.", "positive"),
                    Template("A bad {identity} cook.", "negative"),
                ),
            )
        ]
        rows = {row["Sentences"]: row["Labels kept"] for row in table(self.ask(score, lists), "By polarity")}
        assert rows == {"positive": 0.75, "negative": 1.0}

    def test_lists_of_one_word_are_refused(self):
        one = IdentityList("x", "x", (IdentityWord("a", {"identity": "a"}),), (Template("The {identity} cook."),))
        with pytest.raises(InputError, match="the list 'x' needs at least two words"):
            IdentitiesProbe([one])
        with pytest.raises(InputError, match="at least one list"):
            IdentitiesProbe([])


def test_no_path_is_needed_for_what_ships():
    assert isinstance(NamesProbe(resamples=1), NamesProbe)
    with pytest.raises(DataError, match="no such file"):
        read_name_sentences(Path("nowhere.csv"))
