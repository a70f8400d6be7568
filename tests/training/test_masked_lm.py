"""The loss of pretraining and of raw distillation beside the same, written out with `transformers` and PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.nn import functional as F  # noqa: E402

from reference import build, build_config, save  # noqa: E402
from valence.checkpoint.checkpoint import load_base, load_model  # noqa: E402
from valence.text.tokenizer import TokenizedText  # noqa: E402
from valence.text.vocabulary import Vocabulary  # noqa: E402
from valence.training.masked_lm import MaskedLM, PretrainingNetwork, evaluate_masked_lm  # noqa: E402
from valence.training.masking import Masking  # noqa: E402
from valence.training.packing import PackedText, Pairs  # noqa: E402
from valence.training.raw_distillation import RawDistillation, RawStudent  # noqa: E402
from valence.training.student import StudentShape, make_student  # noqa: E402

V = 53
MASKING = Masking(Vocabulary({f"w{n}": n for n in range(V)}, frozenset({"w0", "w1", "w2"})), mask_token_id=2)
CPU = torch.device("cpu")


def texts(n: int = 6) -> list[TokenizedText]:
    random = np.random.default_rng(5)
    rows = [np.concatenate([[1], random.integers(3, V, 12 + 3 * row), [1]]).astype(np.int32) for row in range(n)]
    return [TokenizedText(row, None, len(row)) for row in rows]


def folder_of(model_class, architecture, tmp_path):
    theirs = build(model_class, build_config(architecture, (V, 36, 4, 3, 20, 64)))
    return theirs, save(theirs, tmp_path / architecture)


def hidden_words(corpus, seed):
    """What the objective hides with this seed, as `transformers` wants it: ids, mask and labels."""
    from valence.text.batching import collate

    random = np.random.default_rng(seed)
    drawn, is_random = corpus.draw(np.arange(6), random)
    masked = MASKING(collate(drawn, 0), random)
    labels = np.full(masked.batch.input_ids.shape, -100)
    labels[masked.rows, masked.columns] = masked.targets
    return masked.batch, torch.from_numpy(labels), is_random


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_the_loss_is_that_of_transformers(architecture, tmp_path):
    classes = {"distilbert": transformers.DistilBertForMaskedLM, "bert": transformers.BertForMaskedLM}
    theirs, folder = folder_of(classes[architecture], architecture, tmp_path)
    ours = load_model(folder, "masked-lm")
    corpus = PackedText(texts())
    batch, labels, _ = hidden_words(corpus, 9)
    expected = theirs(
        input_ids=torch.from_numpy(batch.input_ids),
        attention_mask=torch.from_numpy(batch.attention_mask),
        labels=labels,
    ).loss
    found = MaskedLM(corpus, MASKING, 0).loss(PretrainingNetwork(ours), np.arange(6), np.random.default_rng(9), CPU)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    found.backward()
    expected.backward()
    ours_words = ours.encoder.embeddings.words.weight.grad
    theirs_words = theirs.get_input_embeddings().weight.grad
    assert float((ours_words - theirs_words).abs().max()) < 1e-5


def test_the_loss_of_both_heads_is_that_of_transformers(tmp_path):
    theirs, folder = folder_of(transformers.BertForPreTraining, "bert", tmp_path)
    base = load_base(folder, "bert", (), 0, "pretraining")
    assert base.initialised == ()
    assert base.left_out == ()
    halves = [text.ids[1:-1] for text in texts(12)]
    corpus = Pairs([half[:12] for half in halves[:6]], [half[:12] for half in halves[6:]], np.arange(6), 1, 1)
    batch, labels, is_random = hidden_words(corpus, 9)
    assert set(is_random.tolist()) == {0, 1}
    expected = theirs(
        input_ids=torch.from_numpy(batch.input_ids),
        attention_mask=torch.from_numpy(batch.attention_mask),
        token_type_ids=torch.from_numpy(batch.token_type_ids),
        labels=labels,
        next_sentence_label=torch.from_numpy(is_random),
    ).loss
    network = PretrainingNetwork(base.model.eval())
    found = MaskedLM(corpus, MASKING, 0).loss(network, np.arange(6), np.random.default_rng(9), CPU)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_held_out_figures_are_what_a_plain_count_gives(tmp_path):
    theirs, folder = folder_of(transformers.DistilBertForMaskedLM, "distilbert", tmp_path)
    ours = load_model(folder, "masked-lm").train()
    corpus = PackedText(texts())
    found = evaluate_masked_lm(ours, corpus, MASKING, 0, batch_tokens=10_000)
    assert ours.training, "the mode it was in"
    batch, labels, _ = hidden_words(corpus, 0)
    with torch.inference_mode():
        logits = theirs(
            input_ids=torch.from_numpy(batch.input_ids), attention_mask=torch.from_numpy(batch.attention_mask)
        ).logits
    chosen = labels >= 0
    loss = float(F.cross_entropy(logits[chosen], labels[chosen]))
    ranks = (logits[chosen] > logits[chosen].gather(1, labels[chosen][:, None])).sum(dim=1)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(loss), rel=1e-4)
    assert found["top1"] == pytest.approx(float((ranks == 0).float().mean()))
    assert found["top5"] == pytest.approx(float((ranks < 5).float().mean()))


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_loss_of_raw_distillation_is_that_of_the_paper(everywhere, tmp_path):
    theirs, folder = folder_of(transformers.BertForMaskedLM, "bert", tmp_path)
    teacher = load_base(folder, "distilbert", (), 0, "masked-lm").model.eval()
    student = make_student(teacher, StudentShape(n_layers=2), seed=1).eval()
    corpus = PackedText(texts())
    batch, labels, _ = hidden_words(corpus, 4)
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    with torch.no_grad():
        answer = theirs(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    own_hidden = student.encoder(ids, mask)
    own_logits = student.head(own_hidden)
    where = mask.bool() if everywhere else labels >= 0
    soft = torch.nn.KLDivLoss(reduction="batchmean")(
        F.log_softmax(own_logits[where] / 2, dim=-1), F.softmax(answer.logits[where] / 2, dim=-1)
    )
    words = F.cross_entropy(own_logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    present = mask.bool()
    cosine = torch.nn.CosineEmbeddingLoss()(
        own_hidden[present], answer.hidden_states[-1][present], torch.ones(int(present.sum()))
    )
    expected = 5.0 * soft * 2.0**2 + 2.0 * words + 1.0 * cosine
    objective = RawDistillation(corpus, MASKING, 0, teacher, everywhere)
    found = objective.loss(RawStudent(student, 36, 1), np.arange(6), np.random.default_rng(4), CPU)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
