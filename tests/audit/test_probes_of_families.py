"""Probes of masked words on raw models whose tokens mark spaces, beside plain loops with `transformers`."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("scipy")

import valence  # noqa: E402
from family_models import make_family_model  # noqa: E402
from small_tokenizers import write_roberta  # noqa: E402
from tiny import tiny_config  # noqa: E402
from valence.audit.probes.crows_pairs import sentence_scores  # noqa: E402
from valence.audit.probes.stereoset import intrasentence_scores  # noqa: E402
from valence.audit.pronouns import feminine_log_odds  # noqa: E402
from valence.audit.scoring import Progress  # noqa: E402
from valence.audit.suites.crows_pairs import CrowsPair  # noqa: E402
from valence.audit.suites.stereoset import Candidate, StereoSetItem  # noqa: E402
from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.mask_filler import MaskFiller  # noqa: E402


class Reference:
    """A masked LM of `transformers`."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
        self.model = transformers.AutoModelForMaskedLM.from_pretrained(str(folder)).eval()

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text)["input_ids"]
        return found

    def log_probability(self, ids: list[int], place: int, token: int) -> float:
        masked = [self.tokenizer.mask_token_id if number == place else one for number, one in enumerate(ids)]
        with torch.inference_mode():
            return float(self.model(input_ids=torch.tensor([masked])).logits[0, place].log_softmax(-1)[token])

    def at_mask(self, text: str, token: str) -> float:
        ids = self.ids(text)
        place = ids.index(self.tokenizer.mask_token_id)
        return self.log_probability(ids, place, self.tokenizer.convert_tokens_to_ids(token))


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> tuple[MaskFiller, Reference]:
    folder = write_roberta(tmp_path_factory.mktemp("probes") / "model", "published")
    config = tiny_config("roberta", vocab_size=505, pad_token_id=1, max_positions=66, initializer_range=0.3)
    model = TaskModel(config, "masked-lm")
    model.initialise(3)
    save_model(model, folder, None)
    return valence.load_masked_lm(folder), Reference(folder)


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[MaskFiller, Reference]:
    folder = tmp_path_factory.mktemp("probes") / "mpnet"
    make_family_model(folder, "mpnet", "masked-lm", None, initializer_range=0.3)
    return valence.load_masked_lm(folder), Reference(folder)


@pytest.mark.parametrize(
    ("masculine", "feminine", "masked", "tokens"),
    [
        ("he is bad", "she is bad", "<mask> is bad", ("he", "she")),
        ("the cook said he is bad", "the cook said she is bad", "the cook said <mask> is bad", ("Ġhe", "Ġshe")),
        ("the cook (he) is bad", "the cook (she) is bad", "the cook (<mask>) is bad", ("he", "she")),
        (
            "he said his film was good, his.",
            "she said her film was good, hers.",
            "<mask> said <mask> film was good, <mask>.",
            ("he", "she"),
        ),
    ],
)
def test_pronouns_have_the_space_before_them(
    roberta: tuple[MaskFiller, Reference], masculine: str, feminine: str, masked: str, tokens: tuple[str, str]
):
    filler, reference = roberta
    found = feminine_log_odds(filler, [(masculine, feminine)], Progress(1, None))
    expected = reference.at_mask(masked, tokens[1]) - reference.at_mask(masked, tokens[0])
    assert found.tolist() == pytest.approx([expected], abs=1e-4)


@pytest.mark.parametrize("name", ["roberta", "mpnet"])
@pytest.mark.parametrize("context", ["The film was BLANK.", "BLANK is good", "a (BLANK) film", "BLANK and BLANK"])
def test_the_pieces_of_a_word_are_scored_from_left_to_right(request: pytest.FixtureRequest, name: str, context: str):
    filler, reference = request.getfixturevalue(name)
    words = ("good", "unbelievably", "naïve")
    candidates = [Candidate(kind, context.replace("BLANK", word)) for kind, word in zip("sau", words, strict=True)]
    item = StereoSetItem("0", "cook", "profession", context, *candidates)
    found = intrasentence_scores(filler, [item])
    before = context.split("BLANK")[0]
    for kind, word in zip("sau", words, strict=True):
        tokenizer: Any = reference.tokenizer
        pieces = tokenizer.tokenize(f" {word}" if name == "roberta" and before.endswith(" ") else word)
        assert len(pieces) == 1 or word != "good"
        scores = []
        for number, piece in enumerate(pieces):
            done = tokenizer.convert_tokens_to_string(pieces[:number]).strip() if number else ""
            mask = tokenizer.mask_token
            scores.append(reference.at_mask(context.replace("BLANK", done + mask), piece))
        expected = float(torch.tensor(scores, dtype=torch.float64).exp().mean())
        assert found[kind] == pytest.approx(expected, rel=1e-3), word


@pytest.mark.parametrize("name", ["roberta", "mpnet"])
def test_what_two_sentences_share_is_masked_without_their_ends(request: pytest.FixtureRequest, name: str):
    filler, reference = request.getfixturevalue(name)
    pair = CrowsPair("The film was bad, he said.", "The film was good, he said.", "stereo", "gender")
    found = sentence_scores(filler, [pair], False)["nyu_mll"][0]
    more, less = (reference.ids(text) for text in (pair.sent_more, pair.sent_less))
    assert len(more) == len(less)
    shared = [place for place, (one, other) in enumerate(zip(more, less, strict=True)) if one == other][1:-1]
    expected = [sum(reference.log_probability(ids, place, ids[place]) for place in shared) for ids in (more, less)]
    assert found is not None
    assert [found.more, found.less] == pytest.approx(expected, abs=1e-3)
