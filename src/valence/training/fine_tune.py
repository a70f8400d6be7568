"""Fine-tuning from start to finish: data and a base in, a complete model folder out."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from valence.checkpoint.checkpoint import LoadedBase, load_base, save_model
from valence.data.examples import Examples
from valence.errors import InputError, TrainingError
from valence.files import write_json
from valence.folder import Architecture, ModelFolder
from valence.model.heads import TaskModel
from valence.runtime.classifier import Classifier
from valence.runtime.export.export import export_model
from valence.runtime.export.sample import Sample
from valence.runtime.torch_engine import TorchEngine
from valence.text.tokenizer import TokenizedText, Tokenizer
from valence.training.devices import make_accelerator, trains_in_bf16
from valence.training.loop import Monitor, TrainingSet, train
from valence.training.recipe import Recipe
from valence.training.state import Progress, RunState

__all__ = ["FineTuning", "fine_tune"]

_STATE_FOLDER = "training_state"
_SAMPLE_TEXTS = 1000  # kept by number for comparing later exports with this model


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A fine-tuning run as the user asked for it."""

    train: Examples
    evaluation: Examples | None
    """What the best epoch is chosen on."""
    base: ModelFolder
    """The checkpoint to start from."""
    out: Path
    """The model folder to make."""
    recipe_name: str
    recipe: Recipe
    architecture: Architecture = "distilbert"
    seed: int = 42
    save_every: int = 500
    """Steps between two states on disk."""

    @property
    def max_length(self) -> int:
        """Tokens read of a text: the recipe's, or what the base has positions for."""
        return min(self.recipe.max_length, self.base.max_position_embeddings)

    def settings(self, accelerator: Accelerator) -> dict[str, Any]:
        """Describe everything the result depends on, as JSON keeps it and without a path of this machine.

        Args:
            accelerator: the devices and processes of the run.

        Returns:
            Names to values.
        """
        is_path = Path(self.base.name).expanduser() == self.base.path
        return {
            "recipe": self.recipe_name,
            **dataclasses.asdict(self.recipe),
            "max_length": self.max_length,
            "precision": "bf16" if trains_in_bf16(self.recipe, accelerator.device) else "fp32",
            "processes": accelerator.num_processes,
            "architecture": self.architecture,
            "seed": self.seed,
            "labels": list(self.train.names),
            "base": self.base.path.resolve().name if is_path else self.base.name,
            "base_sha256": self.base.weights_hash(),
            "train": _describe(self.train),
            "evaluation": None if self.evaluation is None else _describe(self.evaluation),
        }


def _seen_from(folder: Path, source: str) -> str:
    """Name a file by the way to it from the model folder, so that a report tells nothing of the machine."""
    return source if source.startswith("hub:") else os.path.relpath(Path(source).expanduser(), folder)


def _describe(data: Examples) -> dict[str, Any]:
    read = json.dumps([data.texts, data.labels.tolist()]).encode()  # depends on the columns, too
    return {
        "name": data.source.title,
        "examples": len(data),
        "sha256": data.source.sha256(),
        "examples_sha256": hashlib.sha256(read).hexdigest(),
    }


def fine_tune(
    run: FineTuning,
    resume: bool = False,
    monitor: Monitor | None = None,
    on_base: Callable[[LoadedBase], None] | None = None,
) -> dict[str, Any]:
    """Train a classifier and make its folder complete: checkpoint, tokenizer, report and an fp32 ONNX export.

    Args:
        run: what to do.
        resume: go on with the run whose state lies in the folder, if there is one.
        monitor: is told how it goes.
        on_base: is told what was left out of the base and what was initialised.

    Returns:
        The content of reports/training.json.

    Raises:
        InputError: if the folder is in use, or the data does not fit the run.
        TrainingError: if the run had to stop, or cannot be resumed; the last state is kept.
    """
    accelerator = make_accelerator()
    state = RunState(run.out / _STATE_FOLDER)
    settings = run.settings(accelerator)
    if accelerator.is_main_process:
        _warn_of_warmup(run)
        _check_folder(run, state, resume)
    else:
        monitor = on_base = None  # the main process speaks for all
    base = load_base(run.base, run.architecture, run.train.names, run.seed)
    if on_base is not None:
        on_base(base)
    tokenizer = Tokenizer.from_folder(run.base, run.max_length)
    texts = tokenizer(run.train.texts)
    # The state begins only now, so that a run that could not start leaves nothing behind.
    with state.locked() if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            _open_state(run, state, settings, resume)
        accelerator.wait_for_everyone()
        progress = train(
            base.model,
            TrainingSet(texts, run.train.labels.tolist(), tokenizer.pad_token_id),
            run.recipe,
            run.seed,
            state,
            accelerator,
            None if run.evaluation is None else _evaluator(run.evaluation, tokenizer),
            monitor,
            run.save_every,
        )
        if not accelerator.is_main_process:
            return {}
        report = _finish(run, base, settings, progress, texts, accelerator)
        state.remove()
    return report


def _warn_of_warmup(run: FineTuning) -> None:
    steps, warmup = run.recipe.total_steps(len(run.train)), run.recipe.warmup_steps or 0
    if warmup >= steps:
        warnings.warn(
            f"the warm-up takes {warmup} steps and the whole run {steps}: the learning rate never reaches its "
            "height; lower --warmup-steps",
            stacklevel=3,
        )


def _check_folder(run: FineTuning, state: RunState, resume: bool) -> None:
    """Refuse to write over anything."""
    if resume and state.begun:
        return
    if resume and (run.out / "config.json").is_file():
        raise InputError(f"{run.out}: the run is finished, there is nothing to resume")
    if state.has_steps:
        raise InputError(f"{run.out} holds an unfinished run: go on with --resume, or remove the folder")
    if run.out.exists() and not run.out.is_dir():
        raise InputError(f"{run.out} is not a folder: choose another --out")
    if run.out.exists() and any(path != state.folder for path in run.out.iterdir()):
        raise InputError(f"{run.out} exists and is not empty: choose another --out, or remove it")


def _open_state(run: FineTuning, state: RunState, settings: dict[str, Any], resume: bool) -> None:
    """Begin the run's state, or check that it is this run's."""
    _check_folder(run, state, resume)  # again, now that nobody else can change it
    try:
        if resume and state.begun:
            state.check(settings)
        else:
            state.start(settings)
    except OSError as problem:
        raise TrainingError(f"{run.out}: cannot be written: {problem.strerror or problem}") from None


def _evaluator(data: Examples, tokenizer: Tokenizer) -> Callable[[TaskModel], dict[str, float]]:
    texts = tokenizer(data.texts)

    def evaluate(model: TaskModel) -> dict[str, float]:
        classifier = Classifier(tokenizer, TorchEngine(model), data.names)
        probabilities = classifier.probabilities(classifier.logits_of_tokens(texts))  # [N, C]
        right = probabilities[np.arange(len(data)), data.labels]
        return {
            "accuracy": float((probabilities.argmax(axis=1) == data.labels).mean()),
            "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        }

    return evaluate


def _finish(
    run: FineTuning,
    base: LoadedBase,
    settings: dict[str, Any],
    progress: Progress,
    texts: list[TokenizedText],
    accelerator: Accelerator,
) -> dict[str, Any]:
    """Make the folder complete; the run's state is still there, so that a failure here can be resumed."""
    try:
        save_model(base.model, run.out, run.train.names)
        Tokenizer.from_folder(run.base, base.model.config.max_positions).save(run.out)
        folder = ModelFolder(run.out, str(run.out))
        sample = np.sort(np.random.default_rng(run.seed).permutation(len(run.train))[:_SAMPLE_TEXTS])
        report = {
            **settings,
            "parameters": sum(parameter.numel() for parameter in base.model.parameters()),
            "left_out": list(base.left_out),
            "initialised": list(base.initialised),
            "steps": progress.step,
            "epochs_done": progress.history,
            "kept_epoch": progress.best_epoch or run.recipe.epochs,
            "chosen_on": run.evaluation.source.title if run.evaluation and progress.best_epoch else None,
            "seconds": round(progress.seconds, 1),
            "examples_per_second": round(run.recipe.epochs * len(run.train) / max(progress.seconds, 1e-9), 1),
            "tokens_per_second": round(
                run.recipe.epochs * sum(len(text.ids) for text in texts) / max(progress.seconds, 1e-9), 1
            ),
            "weights_sha256": folder.weights_hash(),
            "agreement_sample": {
                "source": _seen_from(run.out, run.train.source.name),
                "train_sha256": settings["train"]["sha256"],
                "rows": sample.tolist(),
            },
            "versions": {
                name: importlib.metadata.version(name) for name in ("valence", "torch", "accelerate", "tokenizers")
            },
            "machine": {
                "device": str(accelerator.device.type),
                "threads": torch.get_num_threads(),
                "processors": os.cpu_count(),
                "architecture": platform.machine(),
                "python": platform.python_version(),
            },
        }
        marked = Sample([run.train.texts[row] for row in sample], f"{len(sample):,} of the training texts")
        export_model(folder, "fp32", marked)
        write_json(folder.reports / "training.json", report)
    except OSError as problem:
        raise TrainingError(
            f"{run.out}: the model is trained but cannot be written: {problem.strerror or problem}; "
            "make room and go on with --resume"
        ) from None
    return report
