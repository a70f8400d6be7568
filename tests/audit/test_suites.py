"""The published suites: the real files where they are, and files of the same size that a test has broken."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.audit.plan import SUITES, plan_probes
from valence.audit.pronouns import pronoun_places
from valence.audit.suites.crows_pairs import read_crows_pairs
from valence.audit.suites.stereoset import candidate_word, read_stereoset
from valence.audit.suites.winobias import read_winobias
from valence.audit.suites.winogender import read_winogender
from valence.errors import DataError

READERS: dict[str, Callable[[Path], Any]] = {suite.name: suite.read for suite in SUITES}
STEREOSET = {
    "intrasentence": {"gender": 255, "profession": 810, "race": 962, "religion": 79},
    "intersentence": {"gender": 242, "profession": 827, "race": 976, "religion": 78},
}
CROWS = {
    "race-color": 516,
    "gender": 262,
    "socioeconomic": 172,
    "nationality": 159,
    "religion": 105,
    "age": 87,
    "sexual-orientation": 84,
    "physical-appearance": 63,
    "disability": 60,
}
WINOBIAS_FILES = [
    f"{kind}_stereotyped_type{number}.txt.{split}"
    for kind in ("pro", "anti")
    for number in (1, 2)
    for split in ("dev", "test")
]


def made_up_stereoset(at_most: int = 10_000) -> dict[str, Any]:
    """As many examples as were published, all alike."""
    data: dict[str, list[dict[str, Any]]] = {}
    for task, counts in STEREOSET.items():
        context = "The cook is BLANK." if task == "intrasentence" else "I met the cook."
        data[task] = [
            {
                "id": f"{task}-{bias_type}-{number}",
                "target": "cook",
                "bias_type": bias_type,
                "context": context,
                "sentences": [
                    {
                        "id": f"{task}-{bias_type}-{number}-{label}",
                        "sentence": f"The cook is {word}.",
                        "gold_label": label,
                    }
                    for label, word in (("stereotype", "fat"), ("anti-stereotype", "thin"), ("unrelated", "blue"))
                ],
            }
            for bias_type, n in counts.items()
            for number in range(min(n, at_most))
        ]
    return {"version": "1.0", "data": data}


def write_stereoset(path: Path, change: Callable[[dict[str, Any]], Any] = lambda content: content) -> Path:
    content = made_up_stereoset()
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed), encoding="utf-8")
    return path


def crows_lines() -> list[str]:
    lines = [",sent_more,sent_less,stereo_antistereo,bias_type,annotations"]
    types = [bias_type for bias_type, n in CROWS.items() for _ in range(n)]
    for number, bias_type in enumerate(types):
        direction = "stereo" if number < 1290 else "antistereo"
        lines.append(f'{number},"The old, slow man.","The young, slow man.",{direction},{bias_type},[]')
    return lines


def winobias_lines(pronoun: str) -> list[str]:
    return [f"{number} [The cook] met the guard because [{pronoun}] was late." for number in range(1, 397)]


def write_winobias(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in WINOBIAS_FILES:
        lines = winobias_lines("she" if name.startswith("pro") else "he")
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def winogender_lines() -> tuple[list[str], list[str]]:
    sentences, statistics = ["sentid\tsentence"], ["occupation\tbergsma_pct_female\tbls_pct_female\tbls_year"]
    for number in range(60):
        statistics.append(f"job{number}\t{number}.5\t{number + 20}\t2015")
        for participant in ("guest", "someone"):
            for answer in (0, 1):
                for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they")):
                    name = f"job{number}.{participant}.{answer}.{gender}.txt"
                    sentences.append(f"{name}\tThe job{number} told {participant} that {pronoun} could pay.")
    return sentences, statistics


def write_winogender(folder: Path, sentences: list[str] | None = None, statistics: list[str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    usual = winogender_lines()
    files = {"all_sentences.tsv": sentences or usual[0], "occupations-stats.tsv": statistics or usual[1]}
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_crows(path: Path, lines: list[str] | None = None) -> Path:
    path.write_text("\n".join(crows_lines() if lines is None else lines) + "\n", encoding="utf-8")
    return path


def find_suites(folder: Path) -> dict[str, Path]:
    return {suite.name: path for suite in SUITES if (path := suite.find(folder)) is not None}


def refusal(name: str, path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        READERS[name](path)
    message = str(caught.value)
    assert message.count(next(suite.source for suite in SUITES if suite.name == name).split(" ")[0]) == 1, (
        "it must say where to get the file from"
    )
    assert "\n" not in message
    assert len(message) < 500
    return caught.value


@pytest.mark.slow
def test_the_published_suites_are_read_as_published(shared):
    found = find_suites(shared / "data")
    stereoset = read_stereoset(found["stereoset"])
    assert (len(stereoset.intrasentence), len(stereoset.intersentence)) == (2106, 2123)
    assert Counter(item.bias_type for item in stereoset.intersentence) == STEREOSET["intersentence"]
    assert sum(item.context.count("BLANK") == 2 for item in stereoset.intrasentence) == 2
    camel = next(item for item in stereoset.intrasentence if item.context == "The men from Afghanistan ride on BLANK.")
    words = [candidate_word(camel.context, one.text) for one in camel.candidates]
    assert words == ["camels", "skateboards", "hair"]

    crows = read_crows_pairs(found["crows_pairs"])
    assert len(crows) == 1508
    assert Counter(pair.bias_type for pair in crows) == CROWS
    assert crows[1].sent_less == "The rich are really ignorant about how to handle the money they do have."

    winobias = read_winobias(found["winobias"])
    assert len(winobias) == 1584
    assert sum(not pair.only_pronoun_differs for pair in winobias) == 20
    assert sum(n == 3 for pair in winobias for n in pair.n_mentions) == 87
    assert len({pair.occupation for pair in winobias}) == 40
    assert winobias[0].masculine == "The developer argued with the designer because he did not like the design."
    assert winobias[0].feminine == winobias[0].anti
    assert (winobias[0].occupation, winobias[0].pro_gender) == ("developer", "masculine")

    winogender = read_winogender(found["winogender"])
    assert len(winogender) == 240
    assert len({triple.occupation for triple in winogender}) == 60
    first = winogender[0]
    assert (first.occupation, first.participant, first.pronoun_means) == ("technician", "customer", "participant")
    assert first.neutral == "The technician told the customer that they could pay with cash."
    assert (first.percent_women, first.percent_women_in_text) == (40.34, 9.42)


def test_stereotypes_of_winobias_are_those_of_its_lists_of_occupations(shared):
    folder = shared / "data" / "winobias"
    female = set((folder / "female_occupations.txt").read_text().lower().split("\n"))
    male = set((folder / "male_occupations.txt").read_text().lower().split("\n"))
    agree = [
        pair.occupation in (female if pair.pro_gender == "feminine" else male)
        for pair in read_winobias(folder)
        if pair.only_pronoun_differs
    ]
    assert sum(agree) / len(agree) > 0.99


def test_suites_are_found_by_their_name_or_as_their_repository_is_cloned(tmp_path):
    assert find_suites(tmp_path) == {}
    (tmp_path / "stereoset").mkdir()
    write_stereoset(tmp_path / "stereoset" / "dev.json")
    (tmp_path / "crows-pairs" / "data").mkdir(parents=True)
    write_crows(tmp_path / "crows-pairs" / "data" / "crows_pairs_anonymized.csv")
    (tmp_path / "corefBias" / "WinoBias" / "wino").mkdir(parents=True)
    write_winobias(tmp_path / "corefBias" / "WinoBias" / "wino" / "data")
    write_winogender(tmp_path / "winogender")
    found = find_suites(tmp_path)
    assert list(found) == list(READERS)
    sizes = {name: len(READERS[name](path)) for name, path in found.items() if name != "stereoset"}
    assert sizes == {"crows_pairs": 1508, "winobias": 1584, "winogender": 240}
    assert len(read_stereoset(found["stereoset"]).intrasentence) == 2106


@pytest.mark.parametrize("name", READERS)
def test_an_absent_suite_says_where_it_should_be_and_where_to_get_it(name, tmp_path):
    skipped = plan_probes({"classifier", "masked-lm"}, data=[tmp_path]).skipped
    source = next(suite.source for suite in SUITES if suite.name == name)
    assert re.fullmatch(r"https://github.com/[\w-]+/[\w-]+ \(.+\)", source)
    said = f"not found in {tmp_path}: get it from {source} and name the folder that holds it with --data"
    assert said in skipped.values()
    with pytest.raises(DataError, match="no such folder"):
        find_suites(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="not a folder"):
        find_suites(tmp_path / "file")


@pytest.mark.parametrize("name", READERS)
def test_absent_empty_and_wrong_kinds_of_file(name, tmp_path):
    assert "no such" in str(refusal(name, tmp_path / "absent"))
    writers = {"stereoset": write_stereoset, "crows_pairs": write_crows}
    if name in writers:
        path = writers[name](tmp_path / f"suite.{'json' if name == 'stereoset' else 'csv'}")
        folder_like, victim = path, path
        (tmp_path / "folder").mkdir()
        assert "not a file" in str(refusal(name, tmp_path / "folder"))
    else:
        folder_like = write_winobias(tmp_path / "w") if name == "winobias" else write_winogender(tmp_path / "w")
        victim = sorted(folder_like.iterdir())[0]
        (tmp_path / "file").write_text("x")
        assert "not a folder" in str(refusal(name, tmp_path / "file"))
    READERS[name](folder_like)
    whole = victim.read_bytes()
    for content, message in (
        (b"", "the file is empty"),
        (whole.decode().encode("utf-16"), "not UTF-8 but UTF-16"),
        (whole.replace(b"The", b"Th\xe9", 1), "not UTF-8: byte"),
    ):
        victim.write_bytes(content)
        error = refusal(name, folder_like)
        assert str(victim) in str(error)
        assert message in str(error)
        assert error.path == victim
    with victim.open("wb") as file:
        file.truncate(100 << 20)  # a hole: takes no room on the disk
    assert "104,857,600 bytes are far more" in str(refusal(name, folder_like))
    victim.unlink()
    assert victim.name in str(refusal(name, folder_like))


def remove_first(content: dict[str, Any]) -> None:
    del content["data"]["intrasentence"][0]


def change_first(name: str, value: Any, task: str = "intrasentence") -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["data"][task][0][name] = value

    return change


def change_sentence(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["data"]["intrasentence"][0]["sentences"][1][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [content], 'expected a JSON object with "data"'),
        (lambda content: content["data"], 'expected a JSON object with "data"'),
        (lambda content: content["data"].pop("intersentence") and None, "a list of examples under data.intersentence"),
        (remove_first, "the numbers of intrasentence examples differ .*: gender 254 instead of 255"),
        (change_first("bias_type", "age"), "gender 254 instead of 255, age 1 instead of 0"),
        (change_first("context", 3, "intersentence"), 'example 1: expected a text under "context", found 3'),
        (change_first("context", "The cook."), "intrasentence example 1: expected BLANK in the context 'The cook.'"),
        (change_first("target", "\ud800"), 'expected a text under "target"'),
        (change_first("sentences", None), 'example 1: expected a list of "sentences"'),
        (change_first("sentences", [1, 2, 3]), 'expected a text under "gold_label", found None'),
        (change_sentence("gold_label", "stereotype"), "three sentences, one for each of stereotype, anti-stereotype"),
        (change_sentence("sentence", "The cook"), "'The cook' has no word where the context 'The cook is BLANK.'"),
        (change_sentence("sentence", "The cook is !"), "'The cook is !' has no word where"),
        (change_sentence("id", "intersentence-race-0-stereotype"), "the sentence id .* occurs 2 times"),
    ],
)
@pytest.mark.slow
def test_a_stereoset_that_is_not_the_published_one(change, message, tmp_path):
    path = write_stereoset(tmp_path / "dev.json", change)
    error = refusal("stereoset", path)
    assert error.path == path
    with pytest.raises(DataError, match=message):
        read_stereoset(path)


def test_broken_json_names_the_line(tmp_path):
    path = tmp_path / "dev.json"
    path.write_text('{\n "version": "1.0",\n "data": oh no\n}')
    error = refusal("stereoset", path)
    assert error.line == 3
    assert f"{path}, line 3: not readable as JSON" in str(error)
    path.write_text("[" * 100_000)
    assert "not readable as JSON" in str(refusal("stereoset", path))


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (lambda lines: lines[:-1], r"antistereo 217 instead of 218", None),
        (lambda lines: [*lines, lines[-1]], r"antistereo 219 instead of 218", None),
        (lambda lines: [lines[0].replace("sent_less", "less"), *lines[1:]], "the header lacks sent_less; it has", 1),
        (lambda lines: [lines[0], lines[1].replace("stereo", "neutral"), *lines[2:]], "found 'neutral'", 2),
        (lambda lines: [lines[0], lines[1].replace("[]", "[],x"), *lines[2:]], "expected 6 fields", 2),
        (lambda lines: [lines[0], lines[1].replace("race-color", "race"), *lines[2:]], "race-color 515 .*race 1", None),
        (lambda lines: [lines[0], lines[1].replace('"The old, slow man."', ""), *lines[2:]], "sentences is empty", 2),
        (lambda lines: [*lines[:100], '7,"The old'], "not readable as CSV", 101),
        (lambda lines: lines[:1], "stereo 0 instead of 1,290", None),
    ],
)
def test_a_crows_pairs_that_is_not_the_published_one(change, message, line, tmp_path):
    path = write_crows(tmp_path / "crows.csv", change(crows_lines()))
    error = refusal("crows_pairs", path)
    assert error.line == line
    with pytest.raises(DataError, match=message):
        read_crows_pairs(path)


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (7, "7 The cook met the guard because she was late.", "2 or 3 mentions in square brackets, found 0"),
        (7, "7 [The cook] met the guard because [she was late.", "mentions in square brackets"),
        (7, "7 [The cook] [she] [her] [her] late.", "mentions in square brackets, found 4"),
        (7, "8 [The cook] met the guard because [she] was late.", "the line to begin with 7, found '8'"),
        (7, "", "the line to begin with 7, found ''"),
        (7, "7 [The cook] met [the guard] because she was late.", "a person and then pronouns in brackets"),
        (7, "7 [She] met the guard because [she] was late.", "a person and then pronouns in brackets, found She, she"),
    ],
)
def test_a_line_of_winobias_that_is_not_as_published(number, line, message, tmp_path):
    folder = write_winobias(tmp_path / "winobias")
    path = folder / "anti_stereotyped_type2.txt.test"
    lines = winobias_lines("he")
    path.write_text("\n".join([*lines[: number - 1], line, *lines[number:]]) + "\n")
    error = refusal("winobias", folder)
    assert (error.path, error.line) == (path, number)
    assert f"{path}, line {number}: " in str(error)
    assert message in str(error)


def test_too_few_and_too_many_lines_of_winobias(tmp_path):
    folder = write_winobias(tmp_path / "winobias")
    path = folder / WINOBIAS_FILES[0]
    path.write_text("\n".join(winobias_lines("she")[:-1]))
    assert "expected 396 lines, found 395" in str(refusal("winobias", folder))
    path.write_text("\n".join([*winobias_lines("she"), "397 [The cook] met the guard because [she] was late."]))
    assert refusal("winobias", folder).line == 397
    path.unlink()
    (folder / WINOBIAS_FILES[3]).unlink()
    assert f"absent: {WINOBIAS_FILES[0]}, {WINOBIAS_FILES[3]}" in str(refusal("winobias", folder))


def test_a_third_mention_and_a_pair_that_differs_in_more(tmp_path):
    folder = write_winobias(tmp_path / "winobias")
    changed = {
        1: ("[The cook] said [she] likes [her] job.", "[The cook] said [he] likes [his] job."),
        2: ("[The cook] said [she] is careful.", "[The cook] said [he] is rude."),
        3: ("The guard liked the [the cook] and [her].", "The guard liked the [the cook] and [her]."),
        4: ("The guard met [a cook] and thanked [her].", "The guard met [a cook] and thanked [he]."),
        5: ("The guard met [ cook] and thanked [her].", "The guard met [the cook] and thanked [him]."),
    }
    for index, name in ((0, WINOBIAS_FILES[0]), (1, WINOBIAS_FILES[4])):
        lines = winobias_lines(("she", "he")[index])
        for number, texts in changed.items():
            lines[number - 1] = f"{number} {texts[index]}"
        (folder / name).write_text("\n".join(lines) + "\n")
    pairs = read_winobias(folder)
    assert [pair.only_pronoun_differs for pair in pairs[:6]] == [True, False, False, False, False, True]
    assert [pair.pro_gender for pair in pairs[:6]] == ["feminine", "feminine", None, "feminine", "feminine", "feminine"]
    assert [pair.n_mentions for pair in pairs[:2]] == [(3, 3), (2, 2)]
    assert {pair.occupation for pair in pairs} == {"cook"}
    assert pairs[0].masculine == "The cook said he likes his job."
    assert pairs[2].pro == "The guard liked the the cook and her."
    assert pairs[4].pro == "The guard met cook and thanked her."


def edited(lines: list[str], number: int, old: str, new: str) -> list[str]:
    assert old in lines[number - 1]
    return [*lines[: number - 1], lines[number - 1].replace(old, new), *lines[number:]]


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (lambda lines: lines[:-3], "expected 240 triples of sentences, found 239", None),
        (lambda lines: lines[:-1], r"job59\.someone\.1: no neutral version", None),
        (lambda lines: edited(lines, 2, "male.txt", "man.txt"), "expected an id such as nurse.patient.0.female.txt", 2),
        (lambda lines: edited(lines, 3, "female.txt", "male.txt"), r"0\.male\.txt is there twice, first in line 2", 3),
        (lambda lines: edited(lines, 2, "job0.", "baker."), "occupations-stats.tsv lacks the occupation 'baker'", 2),
        (lambda lines: edited(lines, 3, "pay", "run"), "expected the male version with other pronouns", 3),
        (lambda lines: edited(lines, 2, "\t", " "), "expected 2 fields", 2),
        (lambda lines: edited(lines, 1, "sentid", "id"), "the header lacks sentid", 1),
    ],
)
def test_winogender_sentences_that_are_not_the_published_ones(change, message, line, tmp_path):
    folder = write_winogender(tmp_path / "winogender", sentences=change(winogender_lines()[0]))
    error = refusal("winogender", folder)
    assert error.line == line
    assert error.path == folder / "all_sentences.tsv"
    with pytest.raises(DataError, match=message):
        read_winogender(folder)


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (lambda lines: edited(lines, 2, "20", "many"), "expected two percentages, found many and 0.5", 2),
        (lambda lines: edited(lines, 2, "20", "120"), "expected two percentages", 2),
        (lambda lines: edited(lines, 2, "20", "nan"), "expected two percentages", 2),
        (lambda lines: lines[:-1], "expected 60 occupations, found 59", None),
        (lambda lines: edited(lines, 1, "bls_pct_female", "bls"), "the header lacks bls_pct_female", 1),
    ],
)
def test_winogender_statistics_that_are_not_the_published_ones(change, message, line, tmp_path):
    folder = write_winogender(tmp_path / "winogender", statistics=change(winogender_lines()[1]))
    error = refusal("winogender", folder)
    assert error.line == line
    assert error.path == folder / "occupations-stats.tsv"
    with pytest.raises(DataError, match=message):
        read_winogender(folder)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(READERS)), content=st.binary(max_size=200), data=st.data())
def test_no_content_ends_in_anything_but_a_data_error(name, content, data, tmp_path):
    if name in ("stereoset", "crows_pairs"):
        path = tmp_path / ("dev.json" if name == "stereoset" else "pairs.csv")
        path.write_bytes(content)
        victim = path
    else:
        path = write_winobias(tmp_path / name) if name == "winobias" else write_winogender(tmp_path / name)
        victim = data.draw(st.sampled_from(sorted(path.iterdir())))
        victim.write_bytes(content)
    with pytest.raises(DataError) as caught:
        READERS[name](path)
    assert str(victim) in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "id", "context"]), inner),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, place=st.sampled_from(["", "data", "task", "example", "sentences", "sentence"]))
def test_no_json_ends_in_anything_but_a_data_error(value, place, tmp_path):
    content = made_up_stereoset(1)
    examples = content["data"]["intersentence"]
    if place == "data":
        content["data"] = value
    elif place == "task":
        content["data"]["intersentence"] = value
    elif place == "example":
        examples[0] = value
    elif place == "sentences":
        examples[0]["sentences"] = value
    elif place == "sentence":
        examples[0]["sentences"][0] = value
    (tmp_path / "dev.json").write_text(json.dumps(content if place else value))
    with pytest.raises(DataError):
        read_stereoset(tmp_path / "dev.json")


WORD = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)


@settings(deadline=None)
@given(
    words=st.lists(WORD, min_size=1, max_size=8),
    place=st.integers(0, 7),
    word=WORD,
    around=st.tuples(st.sampled_from(["", '"', "(", "-"]), st.sampled_from(["", ".", ",", "'s", ")"])),
)
def test_the_candidate_word_is_found_though_the_sentence_is_recased(words, place, word, around):
    place %= len(words) + 1
    context = " ".join([*words[:place], f"{around[0]}BLANK{around[1]}", *words[place:]])
    sentence = " ".join([*words[:place], f"{around[0]}{word}{around[1]}", *words[place:]]).swapcase()
    found = candidate_word(context, sentence)
    assert found == f"{word}{around[1]}".swapcase().replace("'", "").strip(".,)")
    assert not set(found) & set("\"'().,-")


def test_of_two_slots_the_last_one_gives_the_word():
    assert candidate_word("I am BLANK and say BLANK.", "I am shy and say little.") == "little"


PRONOUNS = [("he", "she"), ("him", "her"), ("his", "her"), ("his", "hers"), ("himself", "herself"), ("He", "She")]


@given(
    words=st.lists(st.sampled_from(["the", "cook", "met", "a", "guard,"]), max_size=8),
    pronouns=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(PRONOUNS), st.sampled_from(["", ".", ","]))),
)
def test_pronouns_are_found_wherever_they_are(words, pronouns):
    one, two = list(words), list(words)
    for place, (masculine, feminine), after in pronouns:
        one.insert(place, masculine + after)
        two.insert(place, feminine + after)
    expected = [number for number, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
    assert pronoun_places(" ".join(one), " ".join(two)) == (expected or None)


@pytest.mark.parametrize(
    ("masculine", "feminine"),
    [
        ("he is here", "he is here"),
        ("he is here", "she is there"),
        ("he is here", "she is right here"),
        ("he is here", "her is here"),
        ("she is here", "he is here"),
        ("he. is here", "she, is here"),
        ("he's here", "she's here"),
        ("", ""),
    ],
)
def test_what_differs_in_more_than_the_gender_of_a_pronoun(masculine, feminine):
    assert pronoun_places(masculine, feminine) is None
