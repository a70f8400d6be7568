"""Our dropout does what dropout says."""

from collections import Counter

import pytest
import torch

from tiny import tiny_config
from valence.checkpoint.config import foreign_config
from valence.model.attention import SelfAttention
from valence.model.dropout import Dropout
from valence.model.heads import TaskModel


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.5, 0.9])
def test_share_of_zeros_and_mean(probability):
    torch.manual_seed(3)
    n = 400_001  # not a multiple of four
    dropped = Dropout(probability).train()(torch.ones(n))
    share = float((dropped == 0).float().mean())
    assert abs(share - probability) < 5 * (probability * (1 - probability) / n) ** 0.5
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - probability)), rtol=1e-4, atol=0)
    assert abs(float(dropped.mean()) - 1) < 5 * (probability / (1 - probability) / n) ** 0.5


def test_neighbours_are_dropped_independently():
    """Four values share one draw; their fates must not."""
    torch.manual_seed(5)
    n = 200_000
    zeros = (Dropout(0.5).train()(torch.ones(n, 4)) == 0).double()
    correlation = torch.corrcoef(zeros.T) - torch.eye(4, dtype=torch.float64)
    assert correlation.abs().max() < 5 / n**0.5


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_type_stay(shape, dtype):
    dropped = Dropout(0.5).train()(torch.ones(shape, dtype=dtype))
    assert dropped.shape == shape
    assert dropped.dtype == dtype


def test_evaluation_and_zero_probability_change_nothing():
    values = torch.randn(1000)
    state = torch.random.get_rng_state()
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0).train()(values) is values
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_seed_decides():
    values = torch.ones(10_000)
    dropout = Dropout(0.3).train()
    torch.manual_seed(11)
    first, second = dropout(values), dropout(values)
    torch.manual_seed(11)
    again = dropout(values)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_gradient_passes_where_values_pass():
    torch.manual_seed(2)
    values = torch.ones(1000, requires_grad=True)
    dropped = Dropout(0.5).train()(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_almost_everything_dropped_is_not_an_error():
    torch.manual_seed(2)
    assert torch.isfinite(Dropout(1 - 1e-9).train()(torch.ones(100_000))).all()


@pytest.mark.parametrize(
    ("architecture", "task", "reference"),
    [
        ("distilbert", "classification", "DistilBertForSequenceClassification"),
        ("distilbert", "masked-lm", "DistilBertForMaskedLM"),
        ("bert", "classification", "BertForSequenceClassification"),
        ("bert", "masked-lm", "BertForMaskedLM"),
        ("bert", "next-sentence", "BertForNextSentencePrediction"),
    ],
)
def test_values_are_dropped_where_transformers_drops_them(tmp_path, architecture, task, reference):
    """As many dropouts of each probability as the reference has, with every kind told apart by its probability."""
    transformers = pytest.importorskip("transformers")
    config = tiny_config(
        architecture,
        dropout=0.11,
        attention_output_dropout=0.11 if architecture == "bert" else 0.0,
        attention_dropout=0.12,
        classifier_dropout=0.13,
    )
    model = TaskModel(config, task)
    found = [module.probability for module in model.modules() if isinstance(module, Dropout)]
    content = foreign_config(config, task)
    theirs = getattr(transformers, reference)(transformers.AutoConfig.for_model(**content))
    expected = [module.p for module in theirs.modules() if isinstance(module, torch.nn.Dropout)]
    assert Counter(p for p in found if p) == Counter(p for p in expected if p)


@pytest.mark.parametrize("first_only", [False, True])
def test_attention_with_dropout_is_attention(first_only: bool) -> None:
    """Dropout has a path of its own; where it drops nothing, it gives what the path without it gives."""
    torch.manual_seed(0)
    attention = SelfAttention(tiny_config("bert", attention_dropout=1e-9)).train()
    hidden = torch.randn(3, 7, attention.query.in_features)
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    readers = hidden[:, :1] if first_only else hidden
    with_path = attention(readers, hidden, mask[:, None, None])
    torch.testing.assert_close(with_path, attention.eval()(readers, hidden, mask[:, None, None]), rtol=0, atol=1e-6)


def test_attention_drops_what_it_says() -> None:
    """One reader of equal scores: each token read weighs 0, or 1 / T / 0.75."""
    torch.manual_seed(0)
    attention = SelfAttention(tiny_config("bert", attention_dropout=0.25)).train()
    n_heads, width = attention.n_heads, attention.query.in_features
    query, key = torch.zeros(200, n_heads, 1, width // n_heads), torch.zeros(200, n_heads, 8, width // n_heads)
    value = torch.eye(8).expand(200, n_heads, 8, 8)
    weights = attention._mix_with_dropout(query, key, value, None)
    dropped = weights == 0.0
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(weights[~dropped], torch.full_like(weights[~dropped], 1 / 8 / 0.75))
    hidden = torch.randn(3, 7, width)
    assert not torch.equal(attention(hidden, hidden, None), attention(hidden, hidden, None)), "nothing is dropped"
