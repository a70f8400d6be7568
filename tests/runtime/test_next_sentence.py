"""Next sentences beside `transformers`."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import valence  # noqa: E402
from reference import build, build_config, save  # noqa: E402
from valence.errors import InputError, MissingHeadError  # noqa: E402
from words import WORDS  # noqa: E402

PAIRS = [
    ("this film was good.", "the acting was great."),
    ("", "a dog"),
    ("hello", "hello"),
    ("the plot was very bad " * 5, "my dog is cute " * 7),
    *((f"{'the film ' * n}was good", f"{'not ' * (9 - n)}bad") for n in range(9)),
]


@pytest.fixture(scope="module")
def folder(vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nsp") / "bert"
    config = build_config("bert", (len(WORDS), 36, 2, 3, 20, 64), initializer_range=0.3)
    save(build(transformers.BertForNextSentencePrediction, config), path)
    (path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return path


def test_probabilities_are_those_of_transformers(folder):
    tokenizer = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))
    model = transformers.BertForNextSentencePrediction.from_pretrained(folder)
    expected = []
    for first, second in PAIRS:
        tokens = tokenizer(first, second, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            expected.append(float(model(**tokens).logits.softmax(-1)[0, 0]))
    ours = valence.load_next_sentence(folder)
    together = ours.predict(PAIRS)
    assert [answer.probability for answer in together] == pytest.approx(expected, abs=1e-5)
    assert [answer.is_next for answer in together] == [probability >= 0.5 for probability in expected]
    assert min(expected) < 0.3 < 0.6 < max(expected), "the pairs must differ"
    alone = [ours(*pair) for pair in PAIRS]
    assert [answer.probability for answer in alone] == pytest.approx(expected, abs=1e-5)


def test_there_are_no_pairs_or_no_texts(folder):
    ours = valence.load_next_sentence(folder)
    assert ours.predict([]) == []
    with pytest.raises(InputError, match="pair 2 must be two texts"):
        ours.predict([("a", "b"), "c"])
    with pytest.raises(InputError, match="text 1 must be a string"):
        ours("a", 3)
    with pytest.raises(InputError, match="pair 1 has 103 tokens, the model reads 64: shorten it"):
        ours("film " * 50, "dog " * 50)


def test_a_distilbert_has_no_such_head_and_it_says_how_to_train_one(tiny_classifier, tmp_path):
    with pytest.raises(MissingHeadError, match=r"no next-sentence head and no token types.*valence pretrain.*bert"):
        valence.load_next_sentence(tiny_classifier)


def test_a_bert_without_the_head_says_how_to_train_one(vocabulary, tmp_path):
    config = build_config("bert", (len(WORDS), 36, 2, 3, 20, 64))
    save(build(transformers.BertForMaskedLM, config), tmp_path / "bert")
    (tmp_path / "bert" / "vocab.txt").write_bytes(vocabulary.read_bytes())
    with pytest.raises(MissingHeadError, match=r"TEXTS --base \S*bert --architecture bert --next-sent"):
        valence.load_next_sentence(tmp_path / "bert")
