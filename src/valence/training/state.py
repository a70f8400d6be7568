"""The state of a run on disk: enough to go on to the very same result, and never half of it.

    training_state/
      run.json             what the run depends on; a resumed run must match it
      step-00000500/       weights.safetensors, optimizer.safetensors, state.json
      best.safetensors     the weights of the best epoch so far
      part-*.safetensors   what was worked out before the first step, such as what teachers say

A state is written beside the last good one, made durable, renamed, and only then is the old one removed.
Random numbers need no state: they are drawn from the seed and the step.
"""

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from valence.checkpoint.tensors import write_tensors
from valence.errors import ModelError, TrainingError
from valence.files import read_json, refuse_lfs_pointer, sync_folder, write_json
from valence.reports.report import JsonObject

__all__ = ["Progress", "RunState"]

_STEP_FOLDER = re.compile(r"step-(\d{8})")
_MOMENTS = ("exp_avg", "exp_avg_sq")
_UNREADABLE = (SafetensorError, OSError, TypeError, KeyError, RuntimeError, ModelError)
_FORMAT = 2
# Version 1 wrote no number, and what it did not know a run could not differ in; but these are written only where they
# are used, so that one with them is not one that was begun without.
_OPTIONAL_IN_1 = ("debias", "consistency_weight", "soft_labels")


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time spent training, over all sittings."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry per epoch done: its number, its mean loss, and the figures on the evaluation data."""
    best_epoch: int | None = None
    epoch_loss: float = 0.0
    """The sum of the losses of the steps of the epoch under way."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """About a hundred points: a step, and the mean loss of the steps since the point before."""
    curve_loss: float = 0.0
    """The sum of the losses since the last point."""
    evaluations: list[dict[str, float]] = field(default_factory=list)
    """Whenever the model was measured: the step, and the figures on the evaluation data."""


class RunState:
    """The folder that holds a run's state.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best_file = folder / "best.safetensors"
        self._run_file = folder / "run.json"

    @property
    def begun(self) -> bool:
        """Whether a run has begun here, and is not finished."""
        return self._run_file.is_file()

    @property
    def has_steps(self) -> bool:
        """Whether there is anything to go on from, or to lose."""
        return self.begun and bool(self._step_folders())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder for a while; the system lets go where the process is killed.

        Yields:
            Once the folder is ours.

        Raises:
            TrainingError: if another run is at it, or nothing can be written there.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("w")
        except OSError as problem:
            raise TrainingError(f"{self.folder.parent}: cannot be written: {problem.strerror or problem}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise TrainingError(f"{self.folder.parent}: another process is training into this folder") from None
            yield

    def start(self, run: JsonObject) -> None:
        """Begin a new run; an earlier state is removed.

        Args:
            run: what the run depends on.
        """
        self._run_file.unlink(missing_ok=True)
        for path in self.folder.glob("*step-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("*.safetensors"):
            path.unlink()
        write_json(self._run_file, {"format": _FORMAT, **run})

    def read_run(self) -> JsonObject:
        """Read what the run that was begun depends on.

        Returns:
            What `start` was given, and under "format" the version that wrote it; version 1 did not say so.

        Raises:
            ModelError: if the file cannot be read.
        """
        return read_json(self._run_file)

    def check(self, run: JsonObject) -> None:
        """Make sure that a run to resume is the one that was begun.

        Args:
            run: what the resumed run would depend on.

        Raises:
            TrainingError: if anything differs; all differences are named.
        """
        begun = self.read_run()
        if begun.pop("format", 1) == 1:
            run = _known_to(begun, {key: run[key] for key in run if key in (*begun, *_OPTIONAL_IN_1)})
        differences = [
            f"{key}: begun with {begun.get(key)!r}, now {run.get(key)!r}"
            for key in sorted(begun.keys() | run.keys())
            if begun.get(key) != run.get(key)
        ]
        if differences:
            raise TrainingError(
                f"{self.folder.parent}: cannot resume, the run differs from the one begun:\n  "
                + "\n  ".join(differences)
            )

    def _step_folders(self) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        found = ((_STEP_FOLDER.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match.group(1)), path) for match, path in found if match)

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state after a step.

        Args:
            model: its weights.
            optimizer: its moments.
            progress: how far the run has come.
        """
        target = self.folder / f"step-{progress.step:08d}"
        temporary = self.folder / f".{target.name}.partial"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            parameters = dict(model.named_parameters())
            weights = {name: parameter.detach().cpu() for name, parameter in parameters.items()}
            write_tensors(temporary / "weights.safetensors", weights)
            moments = {
                f"{name}.{moment}": optimizer.state[parameter][moment].cpu()
                for name, parameter in parameters.items()
                for moment in _MOMENTS
                if parameter in optimizer.state
            }
            write_tensors(temporary / "optimizer.safetensors", moments)
            write_json(temporary / "state.json", asdict(progress))
            sync_folder(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            sync_folder(self.folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for step, path in self._step_folders():
            if step != progress.step:
                shutil.rmtree(path)

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Read the last good state into a model and an optimiser.

        Args:
            model: gets the weights.
            optimizer: gets the moments.

        Returns:
            How far the run had come; the very start where nothing was saved.

        Raises:
            TrainingError: if the state cannot be read.
        """
        folders = self._step_folders()
        if not folders:
            return Progress()
        path = folders[-1][1]
        try:
            weights = _load(path / "weights.safetensors")
            moments = _load(path / "optimizer.safetensors")
            saved: dict[str, Any] = read_json(path / "state.json")
            progress = Progress(**saved)
            parameters = dict(model.named_parameters())
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(weights[name])
                    if not parameter.requires_grad:  # frozen
                        continue
                    optimizer.state[parameter] = {
                        "step": torch.tensor(float(progress.step), device=parameter.device),
                        **{moment: moments[f"{name}.{moment}"].to(parameter.device) for moment in _MOMENTS},
                    }
        except _UNREADABLE as problem:
            raise TrainingError(self._unreadable(path, problem)) from None
        return progress

    def save_part(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        """Keep something that was worked out before the first step.

        Args:
            name: of the part.
            tensors: what it is.
        """
        write_tensors(self._part(name), tensors)

    def load_part(self, name: str) -> dict[str, torch.Tensor] | None:
        """Read what `save_part` kept.

        Args:
            name: of the part.

        Returns:
            The tensors; None where the part was not worked out yet.

        Raises:
            TrainingError: if it cannot be read.
        """
        file = self._part(name)
        if not file.is_file():
            return None
        try:
            return _load(file)
        except _UNREADABLE as problem:
            raise TrainingError(self._unreadable(file, problem)) from None

    def _part(self, name: str) -> Path:
        return self.folder / f"part-{name}.safetensors"

    def save_best(self, model: nn.Module) -> None:
        """Keep a model's weights as the best so far.

        Args:
            model: the model.
        """
        write_tensors(self.best_file, {name: p.detach().cpu() for name, p in model.named_parameters()})

    def restore_best(self, model: nn.Module) -> None:
        """Read the best weights into a model.

        Args:
            model: gets them.

        Raises:
            TrainingError: if they cannot be read.
        """
        try:
            best = _load(self.best_file)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(best[name])
        except _UNREADABLE as problem:
            raise TrainingError(self._unreadable(self.best_file, problem)) from None

    def _unreadable(self, path: Path, problem: Exception) -> str:
        return f"{path}: the saved state cannot be read: {problem}. Remove {self.folder.parent} and start again"

    def remove(self) -> None:
        """Remove the state of a run that is finished; what makes it a run to resume goes first."""
        self._run_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _load(path: Path) -> dict[str, torch.Tensor]:
    refuse_lfs_pointer(path, TrainingError)
    return load_file(path)


def _known_to(begun: JsonObject, run: JsonObject) -> JsonObject:
    """Leave out of the descriptions within a run what those of the run begun do not hold."""
    return {
        key: {name: value[name] for name in value if name in known}
        if isinstance(known := begun.get(key), dict) and isinstance(value, dict)
        else value
        for key, value in run.items()
    }
