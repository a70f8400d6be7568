"""The state on disk: what is kept, what is refused, what a broken one says."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from valence.errors import TrainingError, ValenceError  # noqa: E402
from valence.training.state import Progress, RunState  # noqa: E402


def build() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 3)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.ones(2, 5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.fixture
def saved(tmp_path: Path) -> RunState:
    """The state after two steps."""
    state = RunState(tmp_path / "out" / "training_state")
    state.start({"seed": 1})
    model, optimizer = build()
    for number in (1, 2):
        step(model, optimizer)
        state.save(model, optimizer, Progress(step=number, seconds=1.5, history=[{"epoch": 1.0}], epoch_loss=0.25))
    return state


def test_a_restored_optimiser_goes_on_as_if_nothing_had_happened(saved: RunState) -> None:
    model, optimizer = build()
    for _ in range(3):
        step(model, optimizer)
    restored, its_optimizer = build()
    progress = saved.restore(restored, its_optimizer)
    assert progress == Progress(step=2, seconds=1.5, history=[{"epoch": 1.0}], epoch_loss=0.25)
    step(restored, its_optimizer)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), restored.parameters(), strict=True))


def test_one_state_is_kept_and_nothing_else(saved: RunState) -> None:
    files = sorted(str(path.relative_to(saved.folder)) for path in saved.folder.rglob("*") if path.is_file())
    folder = "step-00000002"
    assert files == [
        "run.json",
        f"{folder}/optimizer.safetensors",
        f"{folder}/state.json",
        f"{folder}/weights.safetensors",
    ]


def test_without_a_state_a_run_starts_at_the_beginning(tmp_path: Path) -> None:
    assert RunState(tmp_path / "none").restore(*build()) == Progress()


def test_a_half_written_state_is_not_read(saved: RunState) -> None:
    partial = saved.folder / ".step-00000003.partial"
    partial.mkdir()
    (partial / "weights.safetensors").write_bytes(b"half")
    assert saved.restore(*build()).step == 2
    model, optimizer = build()
    step(model, optimizer)
    saved.save(model, optimizer, Progress(step=3))
    assert sorted(path.name for path in saved.folder.iterdir()) == ["run.json", "step-00000003"]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("harm", ["truncated", "absent", "empty"])
def test_a_broken_state_is_named(saved: RunState, name: str, harm: str) -> None:
    path = saved.folder / "step-00000002" / name
    content = path.read_bytes()
    path.unlink()
    if harm != "absent":
        path.write_bytes(content[: len(content) // 2 if harm == "truncated" else 0])
    with pytest.raises(TrainingError, match=r"step-00000002: the saved state cannot be read: .*Remove .*out and start"):
        saved.restore(*build())


def test_a_state_of_another_model_is_refused(saved: RunState) -> None:
    model = torch.nn.Linear(4, 3)
    with pytest.raises(TrainingError, match="cannot be read"):
        saved.restore(model, torch.optim.AdamW(model.parameters()))
    deeper = torch.nn.Sequential(torch.nn.Linear(5, 3))
    with pytest.raises(TrainingError, match="cannot be read"):
        saved.restore(deeper, torch.optim.AdamW(deeper.parameters()))


def test_a_broken_best_checkpoint_is_named(saved: RunState) -> None:
    model, _ = build()
    saved.save_best(model)
    saved.best_file.write_bytes(saved.best_file.read_bytes()[:-5])
    with pytest.raises(TrainingError, match=r"best\.safetensors: the saved state cannot be read"):
        saved.restore_best(model)
    saved.best_file.unlink()
    with pytest.raises(TrainingError, match=r"best\.safetensors: the saved state cannot be read"):
        saved.restore_best(model)


def test_all_differences_are_named(saved: RunState) -> None:
    saved.check({"seed": 1})
    with pytest.raises(TrainingError) as refusal:
        saved.check({"seed": 2, "epochs": 3})
    lines = str(refusal.value).splitlines()
    assert lines[1:] == ["  epochs: begun with None, now 3", "  seed: begun with 1, now 2"]


def test_a_broken_run_file_is_named(saved: RunState) -> None:
    (saved.folder / "run.json").write_text(json.dumps({"seed": 1})[:-3])
    with pytest.raises(ValenceError, match=r"run\.json: not readable as JSON"):
        saved.check({"seed": 1})
