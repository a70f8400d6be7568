"""Words for people: first names, male and female nouns, and the groups that people belong to.

Names and nouns are either for auditing or for training; only the pronouns, of which a language has few, serve both,
and the sentences around them differ. Of the group terms some are never used in training, as with the countries.

Sources: the African-American and European-American audit names are those of Bertrand and Mullainathan 2004; the
names of the Equity Evaluation Corpus (Kiritchenko and Mohammad 2018) are left out of training, so that it stays a
fair test. Origins are those of the names, not of the people who bear them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence.templates.countries import COUNTRIES
from valence.templates.template import Use

__all__ = [
    "GENDER_PAIRS",
    "NAMES",
    "NAME_SENTENCES",
    "TERM_LISTS",
    "Gender",
    "GenderPair",
    "Person",
    "Term",
    "TermList",
    "nationalities",
]

NAME_SENTENCES = Path(__file__).with_name("name_sentences.csv")
"""3,752 sentences for auditing, with the audit names of two origins and the audit nouns."""

Gender = Literal["female", "male"]


@dataclass(frozen=True)
class Person:
    """Who a sentence is about, in the forms that its slots ask for."""

    subject: str
    """ "Aisha", "she"."""
    object: str
    """ "Aisha", "her"."""
    possessive: str
    """ "Aisha's", "her"."""
    gender: Gender
    origin: str = ""
    """Of a name."""
    use: Use = "audit"

    @property
    def words(self) -> dict[str, str]:
        """Slot names to words, for `Template.fill`."""
        return {"subject": self.subject, "object": self.object, "possessive": self.possessive}


@dataclass(frozen=True)
class GenderPair:
    """Two words for people that differ in gender alone."""

    male: Person
    female: Person
    use: Use


@dataclass(frozen=True)
class Term:
    """A word, as it stands before a noun, for people of one group."""

    word: str
    used_in_training: bool


@dataclass(frozen=True)
class TermList:
    """Terms that answer the same question about a person."""

    name: str
    """As a slot or a figure is called: one word."""
    title: str
    terms: tuple[Term, ...]


def _named(use: Use, origin: str, women: str, men: str) -> tuple[Person, ...]:
    lists: tuple[tuple[Gender, str], ...] = (("female", women), ("male", men))
    return tuple(
        Person(name, name, f"{name}'s", gender, origin, use) for gender, names in lists for name in names.split()
    )


NAMES: tuple[Person, ...] = (
    *_named(
        "audit",
        "African-American",
        "Aisha Ebony Keisha Kenya Lakisha Latonya Latoya Tamika Tanisha",
        "Darnell Hakim Jamal Jermaine Kareem Leroy Rasheed Tremayne Tyrone",
    ),
    *_named(
        "audit",
        "European-American",
        "Allison Anne Carrie Emily Jill Kristen Laurie Meredith Sarah",
        "Brad Brendan Brett Geoffrey Greg Jay Matthew Neil Todd",
    ),
    *_named("audit", "Arabic", "Layla Zainab Huda", "Omar Khalid Tariq"),
    *_named("audit", "Chinese", "Meiling Yanyan Xiuying", "Jianguo Haoran Zhiqiang"),
    *_named("audit", "Hebrew", "Rivka Shoshana Yael", "Moshe Shlomo Yitzhak"),
    *_named("audit", "Hispanic", "Guadalupe Ximena Carmen", "Javier Santiago Ramon"),
    *_named("audit", "Indian", "Priya Lakshmi Ananya", "Rahul Vikram Sanjay"),
    *_named("audit", "Japanese", "Sakura Keiko Haruka", "Hiroshi Kenji Takashi"),
    *_named("audit", "Russian", "Svetlana Olga Yekaterina", "Dmitri Igor Vladimir"),
    *_named("audit", "Turkish", "Elif Zeynep Aylin", "Mehmet Emre Kemal"),
    *_named("audit", "Vietnamese", "Linh Thuy Huong", "Minh Quang Tuan"),
    *_named("audit", "West African", "Ngozi Adaeze Folake", "Chinedu Olumide Kwame"),
    *_named("training", "African-American", "Shanice Imani Monique Yolanda", "Deshawn Tyrell Marquis Lamont"),
    *_named("training", "European-American", "Megan Laura Rachel Julie", "Kevin Scott Eric Peter"),
    *_named("training", "Arabic", "Fatima Noor Mariam Samira", "Ahmed Hassan Youssef Mustafa"),
    *_named("training", "Chinese", "Lihua Jiayi Huifang Mengyao", "Weidong Mingze Junjie Guoqiang"),
    *_named("training", "Hebrew", "Miriam Chana Devorah Avigail", "Avraham Menachem Eliezer Yaakov"),
    *_named("training", "Hispanic", "Lucia Esperanza Rosario Valentina", "Carlos Diego Miguel Alejandro"),
    *_named("training", "Indian", "Deepika Kavita Sunita Anjali", "Arjun Rajesh Anil Suresh"),
    *_named("training", "Japanese", "Yumiko Akiko Tomoko Ayumi", "Satoshi Daisuke Makoto Yusuke"),
    *_named("training", "Russian", "Tatiana Natalya Ludmila Irina", "Sergei Boris Alexei Mikhail"),
    *_named("training", "Turkish", "Emine Esra Gizem Nuray", "Burak Murat Serkan Orhan"),
    *_named("training", "Vietnamese", "Trang Phuong Hanh Nhung", "Hieu Khanh Duc Thanh"),
    *_named("training", "West African", "Chioma Abena Amara Ifeoma", "Emeka Kofi Babatunde Sekou"),
)
"""First names by gender and origin, the audit's first."""


def _nouns(use: Use, *pairs: str) -> tuple[GenderPair, ...]:
    def person(noun: str, gender: Gender) -> Person:
        return Person(noun, noun, f"{noun}'s", gender, use=use)

    split = (pair.split("/") for pair in pairs)
    return tuple(GenderPair(person(male, "male"), person(female, "female"), use) for male, female in split)


def _pronouns(use: Use) -> GenderPair:
    return GenderPair(Person("he", "him", "his", "male", use=use), Person("she", "her", "her", "female", use=use), use)


GENDER_PAIRS: tuple[GenderPair, ...] = (
    _pronouns("audit"),
    *_nouns(
        "audit",
        "this man/this woman",
        "the boy/the girl",
        "my brother/my sister",
        "my father/my mother",
        "my son/my daughter",
        "my husband/my wife",
        "my uncle/my aunt",
        "my grandfather/my grandmother",
        "the gentleman/the lady",
    ),
    _pronouns("training"),
    *_nouns(
        "training",
        "our nephew/our niece",
        "our grandson/our granddaughter",
        "my dad/my mum",
        "my boyfriend/my girlfriend",
        "the actor/the actress",
        "the waiter/the waitress",
        "the king/the queen",
        "the prince/the princess",
        "the duke/the duchess",
        "the emperor/the empress",
        "the bridegroom/the bride",
        "the widower/the widow",
        "the landlord/the landlady",
        "the policeman/the policewoman",
        "the businessman/the businesswoman",
        "the salesman/the saleswoman",
        "the spokesman/the spokeswoman",
        "the chairman/the chairwoman",
        "the schoolboy/the schoolgirl",
        "the monk/the nun",
        "the host/the hostess",
        "the hero/the heroine",
        "that guy/that gal",
        "the lad/the lass",
        "my stepson/my stepdaughter",
        "my godfather/my godmother",
        "my grandpa/my grandma",
        "our papa/our mama",
        "that fellow/that dame",
        "the steward/the stewardess",
        "the heir/the heiress",
        "the wizard/the witch",
        "the sorcerer/the sorceress",
        "the priest/the priestess",
        "our male colleague/our female colleague",
        "the male student/the female student",
    ),
)
"""Male and female words for people, the audit's first."""


def _terms(name: str, title: str, trained: str, never_trained: str) -> TermList:
    words = [(word, True) for word in trained.split(", ")] + [(word, False) for word in never_trained.split(", ")]
    return TermList(name, title, tuple(Term(word, used) for word, used in words))


TERM_LISTS: tuple[TermList, ...] = (
    _terms(
        "religion",
        "religion",
        "Christian, Muslim, Jewish, Hindu, Buddhist, Catholic, Sunni, atheist",
        "Protestant, Sikh, Mormon, Jain, Taoist, Bahai, agnostic",
    ),
    _terms(
        "orientation",
        "sexual orientation and gender identity",
        "gay, heterosexual, asexual, transgender",
        "lesbian, bisexual, pansexual, straight, cisgender, non-binary, intersex",
    ),
    _terms(
        "disability",
        "disability",
        "disabled, non-disabled, blind, autistic",
        "deaf, dyslexic, partially sighted, hard-of-hearing, wheelchair-using",
    ),
    _terms(
        "age", "age", "young, old, middle-aged, thirty-year-old", "elderly, teenage, twenty-year-old, eighty-year-old"
    ),
    _terms(
        "ethnicity",
        "ethnicity",
        "Black, white, Asian, Latino",
        "African American, Hispanic, Arab, Roma, Native American, mixed-race",
    ),
)
"""Terms for groups of people, in the words that these groups use; see `nationalities` for one list more."""


def nationalities() -> TermList:
    """List the adjectives of all countries.

    Returns:
        Each adjective once; one is used in training if a country that it belongs to is.
    """
    used: dict[str, bool] = {}
    for country in COUNTRIES:
        used[country.adjective] = used.get(country.adjective, False) or country.used_in_training
    return TermList("nationality", "nationality", tuple(Term(word, trained) for word, trained in used.items()))
