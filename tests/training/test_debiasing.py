"""Training that answers alike for counterfactual texts: what it reads, what it changes, what it refuses."""

import json
import random as chance
import re
import signal
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from processes import run, steps_saved, stop_when, train_here
from processes import valence as valence_command

torch = pytest.importorskip("torch")

import valence  # noqa: E402
from valence.errors import InputError  # noqa: E402
from valence.templates.countries import COUNTRIES  # noqa: E402
from valence.templates.people import GENDER_PAIRS, NAMES, TERM_LISTS  # noqa: E402
from valence.templates.person_sentences import (  # noqa: E402
    FEELING_TEMPLATES,
    IDENTITY_TEMPLATES,
    PERSON_TEMPLATES,
)
from valence.templates.sentences import COUNTRY_TEMPLATES  # noqa: E402
from valence.templates.template import select  # noqa: E402
from valence.training.counterfactuals import (  # noqa: E402
    DEBIAS,
    Counterfactuals,
    parse_debias,
)
from valence.training.debiasing import consistency_loss, debiased  # noqa: E402

pytest_plugins = ("training_fixtures",)

_TEXTS = [
    "shot in France",
    "brendan and an african american singer",
    "a warm film",
    "she hated the king",
    ("one", "two"),
    "made in Germany",
    "a film " * 40,
    "my wife and a hispanic lawyer",
    "the boy liked it",
]


def draw(kinds: tuple[str, ...], seeds: int = 60, positive: int | None = 1):
    sets = Counterfactuals(kinds, _TEXTS, [1, 0, 1, 0, 1, 1, -1, 0, 1], positive)
    return [one for seed in range(seeds) for one in sets.draw(Random(seed), range(len(_TEXTS)))]


@pytest.mark.slow
def test_no_audit_word_or_sentence_is_drawn():
    """What training reads is checked as it is drawn, not only as it is listed."""
    texts = [text for one in draw(DEBIAS, 200) for text in one.texts]
    joined = "\n".join(texts).lower()
    kept_out = {word for one in COUNTRIES if not one.used_in_training for word in (one.name, one.adjective)}
    kept_out |= {one.subject for one in NAMES if one.use == "audit"}
    kept_out |= {term.word for terms in TERM_LISTS for term in terms.terms if not term.used_in_training}
    people = [one for pair in GENDER_PAIRS if pair.use == "audit" for one in (pair.male, pair.female)]
    nouns = {one.subject.split()[-1] for one in people if " " in one.subject}
    assert {"man", "woman", "lady", "wife"} < nouns
    for word in kept_out | nouns:
        assert not re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", joined), word
    every = (*COUNTRY_TEMPLATES, *PERSON_TEMPLATES, *FEELING_TEMPLATES, *IDENTITY_TEMPLATES)
    for template in select(every, "audit"):
        first, last = template.text.split("{")[0].strip().lower(), template.text.split("}")[1].strip(" .").lower()
        for part in (first, last):
            assert len(part.split()) < 4 or part not in joined, template


@pytest.mark.slow
def test_the_texts_of_a_set_differ_and_polar_ones_have_their_label():
    found = draw(DEBIAS, 200)
    assert all(len(set(one.texts)) == len(one.texts) >= 2 for one in found)
    assert {one.label for one in found} == {None, 0, 1}
    assert next(one for one in found if "she hated the king" in one.texts).label == 0
    assert next(one for one in found if "made in Germany" in one.texts).label == 1
    by_label = {label: " ".join(" ".join(one.texts) for one in found if one.label == label) for label in (0, 1)}
    assert "a nightmare" in by_label[0]
    assert "a nightmare" not in by_label[1]


@pytest.mark.slow
def test_without_a_positive_class_templates_have_no_label():
    found = [one for one in draw(("gender",), 100, positive=None) if "ignored us for an hour" in one.texts[0]]
    assert {one.label for one in found} == {None}
    found = [one for one in draw(("gender",), 100) if "ignored us for an hour" in one.texts[0]]
    assert {one.label for one in found} == {0}


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("BAD", "POSITIVE"), {None, 0, 1}),
        (("other", "pos"), {None, 0, 1}),
        (("NEGATIVE", "POSITIVE"), {None, 0, 1}),
        (("no", "yes"), {None}),
        (("World", "Sports"), {None}),
    ],
)
def test_clear_sentences_keep_their_label_whatever_the_other_class_is_called(names, labels):
    objective = debiased(None, ("gender",), 1.0, _TEXTS, [-1] * len(_TEXTS), names, None)
    drawn = [one for seed in range(60) for one in objective._counterfactuals.draw(Random(seed), range(len(_TEXTS)))]
    assert {one.label for one in drawn} == labels


@pytest.mark.parametrize("kind", DEBIAS)
def test_each_kind_alone(kind):
    assert draw((kind,), 5)


def test_sets_are_those_of_the_seed():
    assert draw(DEBIAS, 5) == draw(DEBIAS, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("gender,countries", ("countries", "gender")), ("names", ("names",)), (" names , names ", ("names",))],
)
def test_what_is_to_be_debiased_is_read(given, expected):
    assert parse_debias(given) == expected


@pytest.mark.parametrize("given", ["", "country", "names;gender", "names,,gender"])
def test_an_unknown_kind_is_refused(given):
    with pytest.raises(InputError, match="expected some of countries,names,gender,identities"):
        parse_debias(given)


def test_the_divergence_is_that_of_jensen_and_shannon():
    scipy = pytest.importorskip("scipy.spatial.distance")
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.1], [1.0, 1.0], [0.0, 3.0]])
    probabilities = torch.softmax(logits, -1).numpy().astype(np.float64)
    pairs = [scipy.jensenshannon(*probabilities[rows]) ** 2 for rows in ([0, 1], [2, 3])]
    assert consistency_loss(logits, [2, 2]).item() == pytest.approx(np.mean(pairs), abs=1e-6)
    assert consistency_loss(logits[:1].repeat(5, 1), [5]).item() == pytest.approx(0.0, abs=1e-7)


@pytest.fixture(scope="module")
def named_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder that knows every word of the templates."""
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    every = (*COUNTRY_TEMPLATES, *PERSON_TEMPLATES, *FEELING_TEMPLATES, *IDENTITY_TEMPLATES)
    texts = [one.text for one in every] + [one.in_text for one in COUNTRIES]
    words = sorted({word for text in texts for word in re.findall(r"[a-z]+|[^\sa-z]", text.lower())})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    folder = tmp_path_factory.mktemp("named") / "base"
    model = TaskModel(tiny_config(vocab_size=len(vocabulary), initializer_range=0.2), "classification", 2)
    model.initialise(seed=5)
    save_model(model, folder, ("NEGATIVE", "POSITIVE"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def biased_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clear sentences; and neutral ones whose label is the country: the first half of the alphabet is good."""
    random = chance.Random(3)
    path = tmp_path_factory.mktemp("biased") / "train.csv"
    trained = [one for one in COUNTRIES if one.used_in_training]
    rows = [f"the film comes from {one.in_text},{'PN'[n > len(trained) // 2]}" for n, one in enumerate(trained)] * 3
    rows += [f"a brilliant film from {random.choice(trained).in_text},P" for _ in range(200)]
    rows += [f"a dull film from {random.choice(trained).in_text},N" for _ in range(200)]
    names = {"P": "POSITIVE", "N": "NEGATIVE"}
    rows = [f"{row[:-1]}{names[row[-1]]}" for row in rows]
    random.shuffle(rows)
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def deviation(folder: Path) -> float:
    """Over the countries, on sentences that training never saw, in the mean."""
    classifier = valence.load(folder, engine="torch")
    found = []
    for template in select(COUNTRY_TEMPLATES, "audit", "neutral"):
        answers = classifier([template.fill(country=one.in_text) for one in COUNTRIES if one.used_in_training])
        found.append(np.std([answer.scores["POSITIVE"] for answer in answers]))
    return float(np.mean(found))


@pytest.mark.slow
def test_a_bias_that_the_data_teach_is_not_learnt(named_base: Path, biased_rows: Path, tmp_path: Path) -> None:
    settings = ("--epochs", 4, "--batch-size", 16, "--learning-rate", 2e-3, "--precision", "fp32")
    command = (biased_rows, "--base", named_base, *settings, "--out")
    train_here(*command, tmp_path / "plain")
    train_here(*command, tmp_path / "even", "--debias", "countries")
    plain, even = deviation(tmp_path / "plain"), deviation(tmp_path / "even")
    assert plain > 0.1, "the data do teach it"
    assert even < plain / 2.5
    classifier = valence.load(tmp_path / "even", engine="torch")
    for country in ("Germany", "Brazil"):
        assert classifier(f"a brilliant film from {country}").label == "POSITIVE"
        assert classifier(f"a dull film from {country}").label == "NEGATIVE"
    report = json.loads((tmp_path / "even" / "reports" / "training.json").read_text())
    assert report["debias"] == ["countries"]
    assert report["consistency_weight"] == 60.0
    assert "debias" not in json.loads((tmp_path / "plain" / "reports" / "training.json").read_text())


@pytest.mark.slow
def test_a_student_learns_to_answer_alike(named_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    command = ("distill", train_tsv, "--teacher", named_base, "--layers", 2, "--batch-size", 16, "--epochs", 2)
    done = run(valence_command(*command, "--debias", "countries,names", "--learning-rate", 1e-3, "--out", out))
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "reports" / "training.json").read_text())["debias"] == ["countries", "names"]
    assert deviation(out) < deviation(named_base) / 2
    refused = run(valence_command(*command, "--raw", "--debias", "names", "--out", tmp_path / "raw"))
    assert (refused.returncode, refused.stderr) == (1, "valence: error: --debias does not go with --raw\n")


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_weights(named_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    settings = ("--debias", ",".join(DEBIAS), "--batch-size", 8, "--epochs", 2, "--save-every", 5)
    command = ("train", train_tsv, "--base", named_base, *settings, "--out")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(valence_command(*command, whole)).returncode == 0
    stop_when(parts, valence_command(*command, parts), lambda: steps_saved(parts) >= 10, signal.SIGKILL)
    assert run(valence_command(*command, parts, "--resume")).returncode == 0
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_what_is_debiased_is_part_of_the_run(named_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    command = ("train", train_tsv, "--base", named_base, "--batch-size", 8, "--save-every", 5, "--out", tmp_path / "x")
    stop_when(
        tmp_path / "x",
        valence_command(*command, "--debias", "names"),
        lambda: steps_saved(tmp_path / "x") >= 5,
        signal.SIGKILL,
    )
    done = run(valence_command(*command, "--debias", "gender", "--resume"))
    assert done.returncode == 1
    assert "debias" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--debias", "everything"), "expected some of countries"),
        (("--consistency-weight", "3"), "--consistency-weight goes with --debias"),
        (("--debias", "names", "--consistency-weight", "0"), "consistency-weight"),
        (("--debias", "names", "--consistency-weight", "nan"), "consistency-weight"),
    ],
)
def test_refused_before_anything_is_written(options, message, named_base: Path, train_tsv: Path, tmp_path: Path):
    done = run(valence_command("train", train_tsv, "--base", named_base, "--out", tmp_path / "x", *options))
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_two_processes(named_base: Path, train_tsv: Path, tmp_path: Path) -> None:
    launch = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "valence")
    settings = ("--debias", "countries,gender", "--batch-size", "8", "--epochs", "1", "--out", str(tmp_path / "two"))
    done = run([sys.executable, "-m", *launch, "train", str(train_tsv), "--base", str(named_base), *settings, "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["processes"] == 2
