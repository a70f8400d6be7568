"""The plain sentences that ship: English, enough of them, and those for training apart from those for auditing."""

import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from test_templates import AUDIT, CARRIERS, TRAINING, runs

import valence.templates.behaviour
from valence.templates.behaviour import KINDS, Case, behaviour_cases, training_texts

FILES = {
    use: Path(valence.templates.behaviour.__file__).with_name(f"behaviour_{use}.txt") for use in ("audit", "training")
}
# What both halves may have in common: the words of which English has few, and a few of the commonest verbs and nouns.
COMMON = set(
    """
    a about after again all always am an and anyone are as at away back be because been but by call called can't
    cannot could couldn't did didn't do doesn't don't done down eight every everyone few five for four from going had
    has hasn't have he her here him how i if in is isn't it last left less let many may me more my near never new next
    ninety no nobody not nothing now number of old on one or our out outside past people person run second seven she
    since so some still such ten that the their there these they this though three through time to two under up us
    used was wasn't we well were what whatever when who whole will with without won't would wouldn't yes yet you years
    week day days hour hours minutes arrived ate believe bought came claim comes costs describe end find found gave
    given got kept know lives made met moved page paid post saw say says showed starts stop takes threw told took
    turned want work wrote
    """.split()  # noqa: SIM905
)
CHANGED = ("typos", "urls_and_handles", "punctuation")
SENTENCES_OF_NEW_USERS = (
    "The rooms were spotless and the owner went out of her way to help.",
    "They fixed the leak the same day and charged nothing.",
    "I'm so relieved I ignored what people said about it.",
    "You will not find a friendlier vet.",
    "It was anything but dull.",
    "This laptop weighs two kilograms.",
)
WORD = re.compile(r"[a-zà-ÿ0-9]+(?:[-'][a-zà-ÿ0-9]+)*")
SLOT = re.compile(r"\{(?:[a-z]+\.)?[a-z]+2?\}")


@cache
def cases(use: str, n_of_kind: int = 300) -> tuple[Case, ...]:
    return behaviour_cases(use, n_of_kind)


def frames(use: str) -> list[str]:
    lines = FILES[use].read_text(encoding="utf-8").splitlines()
    listed = re.compile(r"(thing|good|bad|plain|city|number): ")
    return [re.sub(r"^\([a-z ]+\) ", "", one) for one in lines if one and one[0] not in "#=" and not listed.match(one)]


def all_words(use: str) -> set[str]:
    """Of frames with all their alternatives, and of the lists; other names of slots are taken out."""
    text = re.sub(r"(?m)^(#|==).*$|^\([a-z ]+\) |^[a-z]+: ", " ", FILES[use].read_text(encoding="utf-8"))
    return set(WORD.findall(SLOT.sub(" ", text).lower()))


def test_the_halves_share_no_frame():
    bare = {use: {" ".join(WORD.findall(SLOT.sub(" slot ", one).lower())) for one in frames(use)} for use in FILES}
    assert min(map(len, bare.values())) > 250
    assert not bare["audit"] & bare["training"]


def test_the_halves_share_no_content_word():
    assert all_words("audit") & all_words("training") - COMMON == set()


@pytest.mark.slow
def test_the_halves_share_no_run_of_five_words():
    audit, training = (
        set.union(*(runs(text, 5) for case in cases(use, 600) if case.kind not in CHANGED for text in case.texts[:2]))
        for use in ("audit", "training")
    )
    assert not audit & training
    assert not training & set.union(*(runs(one, 5) for one in AUDIT)), "nor with sentences of other probes"
    assert not audit & set.union(*(runs(one, 5) for one in (*TRAINING, *CARRIERS))), (
        "nor with others that are for training"
    )
    assert not training & set.union(*(runs(one, 5) for one in SENTENCES_OF_NEW_USERS))


@pytest.mark.parametrize("use", ["audit", "training"])
def test_every_kind_has_many_cases_of_many_frames(use):
    for kind in KINDS:
        by_frame = Counter(one.frame for one in cases(use) if one.kind == kind.name)
        assert by_frame.total() >= 300, kind
        assert len(by_frame) >= 12, kind
        assert max(by_frame.values()) <= 0.125 * by_frame.total(), kind
    told = [(one.kind, one.texts) for one in cases(use)]
    assert len(set(told)) == len(told)


@pytest.mark.slow
@pytest.mark.parametrize("use", ["audit", "training"])
def test_every_text_is_a_sentence(use):
    for case in cases(use):
        for text in case.texts:
            assert not re.search(r"[{}\[\]|\0_]|  |^ | $", text), text
            assert not re.search(r"\s[,.;:!?]", text) or case.kind == "punctuation", text
            if case.kind in CHANGED and text != case.texts[0]:
                continue
            assert re.fullmatch(r"[A-Z].*[.!?]", text), text
            assert not re.search(r"[.!?] [a-z]", text), text
            assert not re.search(r"\b(\w+) \1\b", text.lower()) or "do do" in text, text
            for article, word in re.findall(r"\b(an?) (\S+)", text.lower()):
                sounds_as_a_vowel = bool(re.match(r"[aeiou]|hour|honest|l-", word)) and not re.match(
                    r"eu|one\b|us[ei]|uni[tv]|ukr|ugan|urug", word
                )
                assert (article == "an") == sounds_as_a_vowel, text


@pytest.mark.parametrize("use", ["audit", "training"])
def test_a_pronoun_is_that_of_its_noun(use):
    people = r"(dentist|waiter|plumber|receptionist|landlord|teacher|librarian|doctor|nurse|driver|lawyer|optician)"
    things = r"(phone|hotel|soup|app|delivery|tablet|pub|stew|program|massage)"
    for case in cases(use):
        text = case.texts[0]
        assert not re.search(rf"the {people}\b[^.?!]*; it\b|the {people}\b[^.?!]*, but now it\b", text), text
        assert not re.search(rf"the {things}\b[^.?!]*; (s?he)\b|the {things}\b[^.?!]*, but now (s?he)\b", text), text


def test_cases_are_the_same_for_the_same_seed_and_others_for_another():
    assert behaviour_cases("audit", 5) == behaviour_cases("audit", 5)
    assert behaviour_cases("audit", 5) != behaviour_cases("audit", 5, seed=1)
    assert Counter(one.kind for one in behaviour_cases("audit", 5)) == {kind.name: 5 for kind in KINDS}


def test_what_a_change_does():
    found = defaultdict(list)
    for case in cases("audit"):
        found[case.kind].append(case)
    for case in found["typos"]:
        first, once, twice = case.texts
        assert [sorted(first)] * 2 == [sorted(once), sorted(twice)]
        assert sum(a != b for a, b in zip(first, once, strict=True)) == 2
        assert sum(a != b for a, b in zip(first, twice, strict=True)) == 4
    for case in found["urls_and_handles"]:
        for text in case.texts[1:]:
            assert re.sub(r"^@\w+ | https://t\.co/\w+$", "", text) == case.texts[0] != text
    for case in found["punctuation"]:
        for text in case.texts[1:]:
            assert re.findall(r"[\w'-]+", text) == re.findall(r"[\w'-]+", case.texts[0])
    for kind in ("names", "places", "numbers", "groups"):
        for case in found[kind]:
            assert len(set(case.texts)) == len(case.texts) >= 4
    for case in (*found["intensifiers"], *found["reducers"]):
        short, long = (text.rstrip(".").split() for text in case.texts)
        assert len(short) < len(long)
    for case in (*found["added_praise"], *found["added_blame"]):
        assert case.texts[1].startswith(case.texts[0])


def test_what_is_expected():
    for case in cases("audit"):
        assert (len(case.texts) == 1) == (case.expected in ("negative", "neutral", "positive", "not negative")), case
    expected = {(one.kind, one.frame): one.expected for one in cases("audit")}
    for kind, frame, where in (
        ("clear_words", "What a {bad} {thing}!", "negative"),
        ("negated_positive", "The {thing} {isn't|wasn't} {good}.", "negative"),
        ("negated_negative", "The {thing} {isn't|wasn't} {bad}.", "not negative"),
        ("negated_neutral", "The {thing} {isn't|wasn't} {plain}.", "neutral"),
        ("used_to", "The {thing} used to be {bad}, but now {it} is {good}.", "positive"),
        ("answered_no", "Is the {thing} {good}? {No|No, {it} isn't}.", "negative"),
        ("names", "{name} ordered the {food.plain} {food.thing}.", "the same"),
        ("intensifiers", "It is a [|{really|truly} ]{good} {thing}.", "no lower"),
        ("intensifiers", "It is a [|{really|truly} ]{bad} {thing}.", "no higher"),
        ("reducers", "The {thing} was [|{fairly|somewhat|mostly} ]{good|delicious|fresh}.", "no higher"),
        ("reducers", "The {thing} was [|{slightly|somewhat|a bit} ]{bland|burnt|stodgy}.", "no lower"),
        ("added_praise", "Our {thing} is {good}.[| We are lucky to have {him}.]", "no lower"),
        ("added_blame", "The {thing} was {bad}.[| I {hated|loathed} {him}.]", "no higher"),
    ):
        assert expected[kind, frame] == where


def test_texts_for_training():
    texts, targets = training_texts(60, seed=3)
    assert len(texts) == len(set(texts)) == len(targets) > 22 * 60
    assert set(targets) == {0.0, 0.5, 1.0}
    assert training_texts(60, seed=3) == (texts, targets)
    assert training_texts(60, seed=4) != (texts, targets)
    target_of = dict(zip(texts, targets, strict=True))
    for case in behaviour_cases("training", 60, seed=3):
        target = {"negative": 0.0, "neutral": 0.5, "positive": 1.0, "not negative": 0.5}.get(case.expected)
        for text, given in zip(case.texts, case.targets, strict=True):
            assert target_of[text] == given, "no text is taught two things"
            assert target in (None, given)
        if case.kind in ("added_praise", "added_blame"):
            assert case.targets[1] == {"added_praise": 1.0, "added_blame": 0.0}[case.kind]
