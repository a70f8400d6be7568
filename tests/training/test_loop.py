"""The loop against a plain one, and what it does with bad numbers."""

import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from valence.checkpoint.checkpoint import load_base  # noqa: E402
from valence.errors import TrainingError  # noqa: E402
from valence.folder import ModelFolder  # noqa: E402
from valence.model.dropout import Dropout  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.text.tokenizer import Tokenizer  # noqa: E402
from valence.training.classification import Classification  # noqa: E402
from valence.training.devices import make_accelerator  # noqa: E402
from valence.training.loop import _mix, train  # noqa: E402
from valence.training.recipe import Recipe  # noqa: E402
from valence.training.sampling import epoch_batches  # noqa: E402
from valence.training.state import Progress, RunState  # noqa: E402

pytest_plugins = ("training_fixtures",)


def recipe(**changes: Any) -> Recipe:
    values = {
        "learning_rate": 1e-3,
        "epochs": 2,
        "batch_size": 8,
        "max_length": 64,
        "warmup_steps": 5,
        "weight_decay": 0.1,
        "gradient_clip": 2.0,
        "epsilon": 1e-5,  # larger than rounding, which alone gives the keys' biases a gradient (in truth it is 0)
        "precision": "fp32",
    }
    return Recipe(**values | changes)  # type: ignore[arg-type]


def load(base: Path, dropout: bool = False) -> TaskModel:
    model = load_base(ModelFolder(base, str(base)), "distilbert", ("NEGATIVE", "POSITIVE"), seed=1).model
    for module in model.modules():
        if not dropout and isinstance(module, Dropout):
            module.probability = 0.0
    return model


@pytest.fixture(scope="module")
def data(bert_base: Path, train_tsv: Path) -> Classification:
    lines = train_tsv.read_text(encoding="utf-8").splitlines()[1:]
    texts, labels = zip(*(line.split("\t") for line in lines), strict=True)
    tokenizer = Tokenizer.from_folder(ModelFolder(bert_base, str(bert_base)))
    return Classification(tokenizer(texts), [int(label) for label in labels], tokenizer.pad_token_id)


def run(
    model: TaskModel, data: Classification, recipe: Recipe, folder: Path, evaluate: Any = None, save_every: int = 500
) -> Progress:
    state = RunState(folder)
    folder.mkdir(exist_ok=True)
    return train(model, data, recipe, 42, state, make_accelerator(), evaluate, None, save_every)


def weights(model: TaskModel) -> dict[str, Any]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def reference_loop(model: TaskModel, data: Classification, recipe: Recipe) -> tuple[list[float], list[float]]:
    """Fine-tune as a tutorial does it; give the loss and the gradient's norm of each step."""
    transformers = pytest.importorskip("transformers")
    no_decay = [p for n, p in model.named_parameters() if n.endswith("bias") or "norm" in n]
    decay = [p for p in model.parameters() if not any(p is other for other in no_decay)]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": no_decay, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.999),
        eps=recipe.epsilon,
        fused=False,
        foreach=False,
    )
    lengths = [len(text.ids) for text in data.texts]
    steps = recipe.epochs * math.ceil(len(lengths) / recipe.batch_size)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, recipe.warmup_steps, steps)
    losses, norms = [], []
    model.train()
    for epoch in range(recipe.epochs):
        for batch in epoch_batches(lengths, recipe.batch_size, 42, epoch):
            ids = torch.nn.utils.rnn.pad_sequence(
                [torch.from_numpy(data.texts[i].ids.astype(np.int64)) for i in batch], batch_first=True
            )
            mask = torch.arange(ids.shape[1]) < torch.tensor([lengths[i] for i in batch])[:, None]
            logits = model(ids, mask.long())
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor([data.labels[i] for i in batch]))
            loss.backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)))
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
    return losses, norms


@pytest.mark.slow
def test_the_loop_does_what_a_plain_loop_does(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    ours, theirs = load(bert_base), load(bert_base)
    progress = run(ours, data, recipe(), tmp_path)
    losses, norms = reference_loop(theirs, data, recipe())
    assert progress.step == len(losses) == 38
    assert min(norms) < 2.0 < max(norms), "the clipping must matter, and must not always"
    per_epoch = [entry["train_loss"] for entry in progress.history]
    assert per_epoch == pytest.approx([np.mean(losses[:19]), np.mean(losses[19:])], rel=1e-4)
    before = weights(load(bert_base))
    for name, ours_now in weights(ours).items():
        theirs_now = dict(theirs.named_parameters())[name].detach()
        moved = float((theirs_now - before[name]).abs().max())
        assert float((ours_now - theirs_now).abs().max()) <= 2e-5, name
        assert moved > 1e-3 or "key.bias" in name, f"{name} did not move"


@pytest.mark.parametrize("change", [{"gradient_clip": 100.0}, {"weight_decay": 0.0}, {"warmup_steps": 0}])
def test_each_value_of_the_recipe_is_used(
    bert_base: Path, data: Classification, tmp_path: Path, change: dict[str, Any]
) -> None:
    ours, theirs = load(bert_base), load(bert_base)
    run(ours, data, recipe(epochs=1, **change), tmp_path)
    reference_loop(theirs, data, recipe(epochs=1))
    mine, plain = weights(ours), weights(theirs)
    assert max(float((mine[name] - plain[name]).abs().max()) for name in mine) > 3e-4


def test_vectors_are_spared_from_weight_decay(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    models = [load(bert_base), load(bert_base)]
    for number, decay in enumerate((0.0, 0.9)):
        run(
            models[number],
            data,
            recipe(epochs=1, batch_size=150, warmup_steps=0, weight_decay=decay),
            tmp_path / str(number),
        )
    without, with_decay = map(weights, models)
    start = weights(load(bert_base))
    for name, value in start.items():
        expected = without[name] - (1e-3 * 0.9 * value if value.ndim > 1 else 0.0)
        torch.testing.assert_close(with_decay[name], expected, rtol=0, atol=1e-6, msg=name)


@pytest.mark.slow
def test_dropout_is_drawn_from_the_seed_and_the_step(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    models = [load(bert_base, dropout=True) for _ in range(3)]
    for number, model in enumerate(models[:2]):
        torch.manual_seed(number)  # what was drawn before must not matter
        run(model, data, recipe(epochs=1), tmp_path / str(number))
    train(models[2], data, recipe(epochs=1), 43, RunState(tmp_path / "2"), make_accelerator())
    first, second, other_seed = map(weights, models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other_seed[name]) for name in first)


def test_every_step_draws_other_numbers(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    model = load(bert_base, dropout=True)
    drawn: list[int] = []
    model.register_forward_pre_hook(lambda *_: drawn.append(torch.initial_seed()))
    assert run(model, data, recipe(), tmp_path).step == len(set(drawn)) == len(drawn)


def test_every_process_draws_other_numbers() -> None:
    grid = [(seed, step, process) for seed in range(5) for step in range(100) for process in range(8)]
    assert len({_mix(*numbers) for numbers in grid}) == len(grid)


@pytest.mark.parametrize(
    ("keep", "accuracies", "kept"),
    [("best", [0.5, 0.9, 0.7], 2), ("best", [0.5, 0.9, 0.9], 3), ("last", [0.9, 0.6, 0.5], 3)],
)
@pytest.mark.slow
def test_the_best_or_the_last_epoch_is_kept(
    bert_base: Path, data: Classification, tmp_path: Path, keep: str, accuracies: list[float], kept: int
) -> None:
    seen: list[dict[str, Any]] = []
    model = load(bert_base)

    def evaluate() -> dict[str, float]:
        seen.append(weights(model))
        return {"accuracy": accuracies[len(seen) - 1], "loss": 1.0 - 0.1 * len(seen)}  # of equals, the lower loss

    progress = run(model, data, recipe(epochs=3, keep=keep), tmp_path, evaluate)
    assert [entry["accuracy"] for entry in progress.history] == accuracies
    assert progress.best_epoch == (kept if keep == "best" else None)
    assert all(torch.equal(value, seen[kept - 1][name]) for name, value in weights(model).items())


@pytest.mark.slow
def test_without_evaluation_data_the_last_epoch_is_kept(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    best, last = load(bert_base), load(bert_base)
    run(best, data, recipe(keep="best"), tmp_path / "best")
    run(last, data, recipe(keep="last"), tmp_path / "last")
    assert all(torch.equal(a, b) for a, b in zip(best.parameters(), last.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_the_run(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no number any more.*the state at step \d+ is kept.*--learning-rate"):
        run(load(bert_base), data, recipe(learning_rate=1e30, warmup_steps=10), tmp_path, save_every=1)
    kept = load(bert_base)
    progress = RunState(tmp_path).restore(kept, torch.optim.AdamW(kept.parameters()))
    assert progress.step >= 1
    assert all(bool(value.isfinite().all()) for value in weights(kept).values())


def test_an_evaluation_loss_that_is_no_number_stops_the_run(
    bert_base: Path, data: Classification, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="the evaluation loss is no number"):
        run(load(bert_base), data, recipe(), tmp_path, lambda: {"accuracy": 0.0, "loss": math.nan})


def test_a_batch_may_be_larger_than_the_data(bert_base: Path, data: Classification, tmp_path: Path) -> None:
    assert run(load(bert_base), data, recipe(batch_size=1000), tmp_path).step == 2


@pytest.mark.parametrize("stopped_at", [0, 7, 14, 19, 28, 38])
@pytest.mark.slow
def test_an_evaluation_is_interrupted_at_once_and_made_up_for(
    bert_base: Path, data: Classification, tmp_path: Path, stopped_at: int
) -> None:
    """Evaluations at step 0, after every 7th step and after each epoch of 19 steps."""

    def sitting(model: TaskModel, folder: Path, stop: bool) -> Progress:
        steps: list[int] = []
        state = RunState(folder)
        folder.mkdir(exist_ok=True)

        def evaluate() -> dict[str, float]:
            steps.append(len(steps))
            if stop and steps[-1] == [0, 7, 14, 19, 21, 28, 35, 38].index(stopped_at):
                # What Python calls at Ctrl-C; tests/training/test_resume.py sends real signals to real processes.
                handler = signal.getsignal(signal.SIGINT)
                assert callable(handler)
                handler(signal.SIGINT, None)
                pytest.fail("the evaluation was not interrupted")
            loss = float(sum(parameter.detach().abs().sum() for parameter in model.parameters()))
            return {"accuracy": loss % 1.0, "loss": loss}

        return train(model, data, recipe(), 42, state, make_accelerator(), evaluate, None, 5, 7)

    whole, parts = load(bert_base, dropout=True), load(bert_base, dropout=True)
    expected = sitting(whole, tmp_path / "whole", stop=False)
    with pytest.raises(KeyboardInterrupt, match=f"the state at step {stopped_at} is kept" if stopped_at else "nothing"):
        sitting(parts, tmp_path / "parts", stop=True)
    found = sitting(load(bert_base, dropout=True), tmp_path / "parts", stop=False)
    assert (found.history, found.best_epoch) == (expected.history, expected.best_epoch)
    assert (found.evaluations, found.curve) == (expected.evaluations, expected.curve)
