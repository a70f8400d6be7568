"""The words and sentences that ship: complete, and what is trained on is never what is measured with."""

import csv
import re
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.audit.probes.names import read_name_sentences
from valence.templates.countries import COUNTRIES
from valence.templates.people import GENDER_PAIRS, NAMES, TERM_LISTS, nationalities
from valence.templates.person_sentences import (
    FEELING_TEMPLATES,
    IDENTITY_TEMPLATES,
    PERSON_CARRIERS,
    PERSON_TEMPLATES,
)
from valence.templates.sentences import CARD_TEMPLATE, COUNTRY_CARRIERS, COUNTRY_TEMPLATES
from valence.templates.template import POLARITIES, SLOT, Template, select

ALL = (*COUNTRY_TEMPLATES, *PERSON_TEMPLATES, *FEELING_TEMPLATES, *IDENTITY_TEMPLATES)
AUDIT = [*(one.text for one in select(ALL, "audit")), *{one.template for one in read_name_sentences()}]
TRAINING = [one.text for one in select(ALL, "training")]
CARRIERS = [one.text for one in (*COUNTRY_CARRIERS, *PERSON_CARRIERS)]
# The Equity Evaluation Corpus of Kiritchenko and Mohammad 2018, which stays a fair test.
EEC_NAMES = """
    Ebony Jasmine Lakisha Latisha Latoya Nichelle Shaniqua Shereen Tanisha Tia Alonzo Alphonse Darnell Jamel Jerome
    Lamar Leroy Malik Terrence Torrance Amanda Betsy Courtney Ellen Heather Katie Kristin Melanie Nancy Stephanie
    Adam Alan Andrew Frank Harry Jack Josh Justin Roger Ryan
"""


def bare_words(template: str) -> list[str]:
    """A template without its slots, capitals and punctuation."""
    return re.findall(r"[a-z0-9]+", SLOT.sub(" ", template).lower())


def runs(template: str, n: int) -> set[tuple[str, ...]]:
    """Every n neighbouring words; a slot is a word."""
    words = re.findall(r"[a-z0-9]+", SLOT.sub(" slot ", template).lower())
    return {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}


def contains(outer: list[str], inner: list[str]) -> bool:
    return f" {' '.join(inner)} " in f" {' '.join(outer)} "


def test_no_audit_sentence_is_trained_on():
    assert not {tuple(bare_words(one)) for one in AUDIT} & {tuple(bare_words(one)) for one in TRAINING}


def test_no_sentence_lies_within_one_of_the_other_kind():
    for audit, training in product(map(bare_words, AUDIT), map(bare_words, TRAINING)):
        assert not contains(audit, training), (audit, training)
        assert not contains(training, audit), (audit, training)


def test_sentences_of_the_two_kinds_share_no_run_of_four_words():
    trained = set.union(*(runs(one, 4) for one in (*TRAINING, *CARRIERS)))
    assert not {run for one in AUDIT for run in runs(one, 4)} & trained


def test_feelings_are_audited_or_trained_on():
    audited = {row.emotion_word for row in read_name_sentences()} - {""}
    assert len(audited) == 12
    assert not audited & {word for one in FEELING_TEMPLATES for word in bare_words(one.text)}
    for polarity, n in (("positive", 400), ("negative", 800)):
        assert len(select(FEELING_TEMPLATES, "training", polarity)) >= n
    assert not select(FEELING_TEMPLATES, "audit")


def test_no_sentence_is_there_twice():
    assert not [text for text, n in Counter(" ".join(bare_words(one.text)) for one in ALL).items() if n > 1]


@pytest.mark.parametrize(
    ("templates", "use", "neutral", "positive", "negative"),
    [
        (COUNTRY_TEMPLATES, "audit", 10, 15, 15),
        (COUNTRY_TEMPLATES, "training", 25, 20, 20),
        (PERSON_TEMPLATES, "audit", 10, 6, 6),
        (PERSON_TEMPLATES, "training", 15, 10, 10),
        (IDENTITY_TEMPLATES, "audit", 10, 10, 10),
        (IDENTITY_TEMPLATES, "training", 10, 10, 10),
    ],
)
def test_there_are_enough_sentences(templates, use, neutral, positive, negative):
    for polarity, n in zip(POLARITIES, (neutral, positive, negative), strict=True):
        assert len(select(templates, use, polarity)) >= n


def test_the_cards_template_is_first_and_as_published():
    assert select(COUNTRY_TEMPLATES, "audit", "neutral")[0] == CARD_TEMPLATE
    assert CARD_TEMPLATE.fill(country="France") == "This film was filmed in France"


@pytest.mark.parametrize(
    ("templates", "slots"),
    [
        (COUNTRY_TEMPLATES, {"country"}),
        ((*PERSON_TEMPLATES, *FEELING_TEMPLATES), {"subject", "object", "possessive"}),
        (IDENTITY_TEMPLATES, {"identity"}),
    ],
)
def test_every_sentence_has_one_slot_of_its_kind(templates, slots):
    for one in templates:
        assert len(one.slots) == 1, one
        assert set(one.slots) <= slots, one
        assert "{" not in SLOT.sub("", one.text)


def test_countries_are_those_of_the_shared_list(shared):
    with (shared / "data" / "countries.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["name"], row["iso_a3"], row["iso_numeric"]) for row in csv.DictReader(file)]
    assert [(one.name, one.iso_a3, one.iso_numeric) for one in COUNTRIES] == rows


def test_countries_are_complete():
    assert len(COUNTRIES) == 208
    for key in ("name", "iso_a3", "iso_numeric"):
        assert len({getattr(one, key) for one in COUNTRIES}) == 208
    for one in COUNTRIES:
        assert re.fullmatch("[0-9]{3}", one.iso_numeric), one
        assert re.fullmatch("[A-Z]{3}", one.iso_a3), one
        assert one.article in ("", "the"), one
        assert one.adjective, one
        assert -90 <= one.latitude <= 90, one
        assert -180 <= one.longitude <= 180, one
    assert {one.name: one.iso_numeric for one in COUNTRIES}["Afghanistan"] == "004"
    assert {one.in_text for one in COUNTRIES} > {"the United States", "the Netherlands", "France", "the Philippines"}


def test_centroids_lie_where_the_countries_do():
    place = {one.name: (one.latitude, one.longitude) for one in COUNTRIES}
    for northern, southern in [("France", "Algeria"), ("Canada", "Brazil"), ("Japan", "Australia"), ("Fiji", "Tonga")]:
        assert place[northern][0] > place[southern][0]
    for western, eastern in [("Chile", "Argentina"), ("Samoa", "Brazil"), ("Ireland", "Japan"), ("Japan", "Tuvalu")]:
        assert place[western][1] < place[eastern][1]


def test_at_least_forty_countries_on_every_continent_are_never_trained_on():
    kept_out = [one for one in COUNTRIES if not one.used_in_training]
    assert len(kept_out) >= 40
    assert {one.continent for one in kept_out} == {one.continent for one in COUNTRIES}
    for continent, n in Counter(one.continent for one in COUNTRIES).items():
        share = sum(one.continent == continent for one in kept_out) / n
        assert 0.15 <= share <= 0.4, continent
    assert {"France", "Afghanistan"} <= {one.name for one in kept_out}  # those of the card
    assert {"Tuvalu", "Canada", "Haiti", "Japan", "Somalia", "San Marino"} <= {one.name for one in kept_out}


def test_no_training_sentence_names_a_country_that_is_never_trained_on():
    texts = " | ".join(TRAINING).lower()
    for one in COUNTRIES:
        if not one.used_in_training:
            for word in (one.name, one.adjective):
                assert not re.search(rf"\b{re.escape(word.lower())}\b", texts), word


def test_nationalities_are_trained_on_with_their_country():
    terms = {term.word: term.used_in_training for term in nationalities().terms}
    assert len(terms) == len({one.adjective for one in COUNTRIES})
    assert not terms["French"]
    assert not terms["Dutch"]
    assert terms["German"]
    assert terms["Congolese"]


def test_names_are_for_auditing_or_for_training():
    audit = {one.subject for one in NAMES if one.use == "audit"}
    training = [one for one in NAMES if one.use == "training"]
    names = {one.subject for one in training}
    assert len(names) == len(training)
    assert not names & audit
    assert not names & set(EEC_NAMES.split())
    assert not names & {one.name for one in COUNTRIES}
    assert sum(one.gender == "female" for one in training) >= 30
    assert sum(one.gender == "male" for one in training) >= 30
    assert len({one.origin for one in training}) >= 10
    for one in NAMES:
        assert one.words == {"subject": one.subject, "object": one.subject, "possessive": f"{one.subject}'s"}


def test_audit_people_are_those_of_the_name_sentences():
    rows = read_name_sentences()
    assert len(rows) == 3752
    shipped = {(one.subject, one.gender, one.origin) for one in NAMES if one.use == "audit"}
    assert {(row.person, row.gender, row.race) for row in rows if row.race} <= shipped
    pairs = {f"{one.male.subject}/{one.female.subject}" for one in GENDER_PAIRS if one.use == "audit"}
    assert {row.pair for row in rows if row.pair} == pairs


def test_name_sentences_are_those_of_the_shared_folder(shared):
    from valence.templates.people import NAME_SENTENCES

    assert NAME_SENTENCES.read_bytes() == (shared / "data" / "name_templates" / "sentences.csv").read_bytes()


def test_only_pronouns_are_audited_and_trained():
    def words(use):
        people = [one for pair in GENDER_PAIRS if pair.use == use for one in (pair.male, pair.female)]
        return {word for one in people for form in one.words.values() for word in re.findall("[a-z]+", form)}

    both = words("audit") & words("training")
    assert both == {"he", "him", "his", "she", "her", "the", "my", "s"}
    assert sum(one.use == "training" for one in GENDER_PAIRS) >= 20


def test_terms_of_a_list_are_different_and_some_are_never_trained_on():
    for terms in (nationalities(), *TERM_LISTS):
        words = [term.word for term in terms.terms]
        assert len(words) == len(set(words))
        assert len({term.used_in_training for term in terms.terms}) == 2
        assert re.fullmatch("[a-z_]+", terms.name)


def test_a_word_at_the_start_gets_a_capital_letter():
    assert Template("{country} is far.").fill(country="the Netherlands") == "The Netherlands is far."
    assert Template("in {country}").fill(country="the Netherlands") == "in the Netherlands"
    assert Template("{a} and {b} and {a}").slots == ("a", "b")
    assert Template("{a} and {b} and {a}").fill(a="x", b="{a}", c="unused") == "X and {a} and x"
    with pytest.raises(KeyError):
        Template("{a}").fill(b="x")


@given(st.text(), st.text(min_size=1))
def test_filling_changes_nothing_but_the_slot(rest, word):
    text = f"So {rest.replace('{', '(')} {{slot}} {rest.replace('{', '(')}"
    filled = Template(text).fill(slot=word)
    assert filled == text.replace("{slot}", word)
