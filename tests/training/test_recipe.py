"""Recipes: the card's values, the schedule, and what is refused."""

import dataclasses
import math

import pytest

from valence.errors import InputError
from valence.training.recipe import RECIPES, Recipe, default_recipe

torch = pytest.importorskip("torch")


def test_sst2_is_the_recipe_of_the_card() -> None:
    assert dataclasses.asdict(RECIPES["sst2"]()) == {
        "learning_rate": 1e-5,
        "epochs": 3,
        "batch_size": 32,
        "max_length": 128,
        "warmup_steps": 600,
        "warmup_ratio": 0.1,  # not read: the warm-up is given in steps
        "weight_decay": 0.0,
        "gradient_clip": 1.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "precision": "auto",
        "keep": "best",
        "least_steps": 300,  # of a small data set: the card's has 6,315
        "epochs_raised_from": None,
        "freeze": None,
    }


@pytest.mark.parametrize(
    ("width", "name"), [(32, "small"), (384, "small"), (512, "small"), (513, "sst2"), (768, "sst2")]
)
def test_the_width_of_the_encoder_chooses_the_recipe(width: int, name: str) -> None:
    assert default_recipe(width) == name


@pytest.mark.parametrize(
    ("warmup", "total"), [(600, 6315), (600, 601), (600, 600), (600, 100), (0, 50), (1, 50), (10, 10), (0, 1)]
)
def test_the_schedule_is_that_of_transformers(warmup: int, total: int) -> None:
    transformers = pytest.importorskip("transformers")
    recipe = Recipe(learning_rate=1e-5, epochs=1, batch_size=1, max_length=128, warmup_steps=warmup)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-5)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, total)
    for step in range(total):
        assert recipe.learning_rate_at(step, total) == pytest.approx(schedule.get_last_lr()[0], rel=1e-12, abs=0.0)
        optimizer.step()
        schedule.step()


def test_a_warmup_ratio_is_a_share_of_all_steps() -> None:
    recipe = RECIPES["small"]()
    rates = [recipe.learning_rate_at(step, 200) for step in range(200)]
    assert rates.index(max(rates)) == 20
    assert max(rates) == recipe.learning_rate


@pytest.mark.parametrize(("examples", "steps"), [(64, 6), (65, 9), (1, 3), (32, 3)])
def test_an_incomplete_batch_is_a_step(examples: int, steps: int) -> None:
    assert RECIPES["sst2"]().total_steps(examples) == steps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("batch_size", -1),
        ("max_length", 2),
        ("warmup_steps", -1),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-5),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("gradient_clip", 0.0),
        ("epsilon", 0.0),
        ("warmup_ratio", 1.0),
        ("warmup_ratio", math.nan),
        ("weight_decay", -0.1),
        ("beta1", 1.0),
        ("beta2", -0.1),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must .* found {value}"):
        dataclasses.replace(RECIPES["sst2"](), **{name: value})


def test_all_values_that_cannot_be_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"epochs.*learning_rate.*beta1"):
        Recipe(learning_rate=-1, epochs=0, batch_size=1, max_length=128, beta1=2.0)
