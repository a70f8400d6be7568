"""What every kind of training run has in common: a folder to make, a state to resume from, facts for its report."""

import dataclasses
import hashlib
import json
import platform
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec
import torch
from accelerate import Accelerator

from valence.data.examples import Examples
from valence.data.recorded import describe_data
from valence.data.soft_labels import SoftLabels
from valence.errors import InputError, TrainingError
from valence.files import sha256
from valence.folder import ModelFolder
from valence.reports.environment import Environment
from valence.reports.model_ref import model_name
from valence.reports.report import JsonObject
from valence.training.devices import trains_in_bf16
from valence.training.recipe import Recipe
from valence.training.state import Progress, RunState

__all__ = [
    "begun_by_version_1",
    "begun_labels",
    "check_folder",
    "common_settings",
    "describe_base",
    "describe_documents",
    "describe_examples",
    "describe_model",
    "describe_soft_labels",
    "environment",
    "run_state",
    "run_statistics",
    "warn_of_few_steps",
    "warn_of_test_data",
    "warn_of_warmup",
    "with_columns",
    "with_enough_steps",
]

_STATE_FOLDER = "training_state"
_TEST_FILE = re.compile(r"test(-\d+-of-\d+)?\.", re.IGNORECASE)  # test.tsv, test-00000-of-00001.parquet


def check_folder(out: Path, resume: bool) -> None:
    """Refuse to write over anything.

    Args:
        out: the model folder to make.
        resume: go on with the run whose state lies in the folder, if there is one.

    Raises:
        InputError: if the folder is in use, or holds something else.
    """
    _check(out, RunState(out / _STATE_FOLDER), resume)


def begun_labels(out: Path, resume: bool) -> tuple[str, ...] | None:
    """Read the classes of the run to resume, in its order.

    Args:
        out: the model folder to make.
        resume: whether a run is to be resumed.

    Returns:
        Their names; None where there is no such run, or it has no classes.

    Raises:
        ModelError: if the run cannot be read.
    """
    found = _begun(out, resume).get("labels")
    return tuple(map(str, found)) if isinstance(found, list) else None


def begun_by_version_1(out: Path, resume: bool) -> bool:
    """Tell a run to resume that an earlier version began; it kept a base's head only where the labels were the same.

    Args:
        out: the model folder to make.
        resume: whether a run is to be resumed.

    Returns:
        Whether there is one.

    Raises:
        ModelError: if the run cannot be read.
    """
    begun = _begun(out, resume)
    return bool(begun) and begun.get("format", 1) == 1


def _begun(out: Path, resume: bool) -> JsonObject:
    state = RunState(out / _STATE_FOLDER)
    return state.read_run() if resume and state.begun else {}


@contextmanager
def run_state(out: Path, settings: JsonObject, accelerator: Accelerator, resume: bool) -> Iterator[RunState]:
    """Hold the state of a run for as long as it takes to train the model and to save it.

    Args:
        out: the model folder to make.
        settings: all that the result depends on, as JSON keeps it.
        accelerator: the devices and processes of the run.
        resume: go on with the run whose state lies in the folder, if there is one.

    Yields:
        The state; removed at the end, and kept for a resumed run if the end is not reached.

    Raises:
        InputError: as `check_folder`.
        TrainingError: if the folder cannot be written, or the run to resume is another one.
    """
    state = RunState(out / _STATE_FOLDER)
    is_main = accelerator.is_main_process
    with state.locked() if is_main else nullcontext():
        if is_main:
            _check(out, state, resume)  # again, now that nobody else can change it
            _open(out, state, settings, resume)
        accelerator.wait_for_everyone()
        try:
            yield state
        except OSError as problem:
            raise TrainingError(
                f"{out}: the model is trained but cannot be written: {problem.strerror or problem}; "
                "make room and go on with --resume"
            ) from None
        if is_main:
            state.remove()


def _check(out: Path, state: RunState, resume: bool) -> None:
    if resume and state.begun:
        return
    if resume and (out / "config.json").is_file():
        raise InputError(f"{out}: the run is finished, there is nothing to resume")
    if state.has_steps:
        raise InputError(f"{out} holds an unfinished run: go on with --resume, or remove the folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is not a folder: choose another --out")
    if out.exists() and any(path != state.folder for path in out.iterdir()):
        raise InputError(f"{out} exists and is not empty: choose another --out, or remove it")


def _open(out: Path, state: RunState, settings: JsonObject, resume: bool) -> None:
    """Begin the run's state, or check that it is this run's."""
    try:
        if resume and state.begun:
            state.check(settings)
        else:
            state.start(settings)
    except OSError as problem:
        raise TrainingError(f"{out}: cannot be written: {problem.strerror or problem}") from None


def with_enough_steps(recipe: Recipe, n_examples: int, given: Collection[str], out: Path, resume: bool) -> Recipe:
    """Raise the epochs of a small data set, unless the user says how many.

    Args:
        recipe: the hyper-parameters.
        n_examples: of the run.
        given: names of those that the user gave.
        out: the model folder to make.
        resume: go on with the run whose state lies in the folder, if there is one. One begun without raising its
            epochs, by a version that did not, goes on without.

    Returns:
        The recipe to use.
    """
    state = RunState(out / _STATE_FOLDER)
    begun = state.read_run() if resume and state.begun else None
    if "epochs" in given or (begun is not None and "epochs_raised_from" not in begun):
        return recipe
    return recipe.with_enough_steps(n_examples, keep_warmup="warmup_steps" in given)


def warn_of_few_steps(recipe: Recipe, n_examples: int) -> None:
    """Warn where a run ends before it has learnt anything.

    Args:
        recipe: the hyper-parameters.
        n_examples: of the run.
    """
    steps = recipe.total_steps(n_examples)
    if steps < recipe.least_steps / 2:
        enough = recipe.with_enough_steps(n_examples).epochs
        warnings.warn(
            f"few steps: {_counted(recipe.epochs, 'epoch')} of {_counted(n_examples, 'example')} "
            f"{'is' if steps == 1 else 'are'} {_counted(steps, 'step')}, and a model hardly learns in fewer than "
            f"{recipe.least_steps}; leave --epochs out, or give --epochs {enough}",
            stacklevel=3,
        )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def warn_of_test_data(recipe: Recipe, evaluation: Examples | None) -> None:
    """Warn where the best epoch is chosen on texts that are there to measure the model afterwards.

    Args:
        recipe: the hyper-parameters.
        evaluation: what the best epoch is chosen on, if anything.
    """
    if evaluation is None or recipe.keep != "best":
        return
    file = evaluation.source.paths[0]
    if _TEST_FILE.match(file.name):
        warnings.warn(
            f"the best epoch is chosen on {file.name}, so an accuracy on it flatters the model. Put a part of the "
            f"training rows into dev{file.suffix} beside it or name other texts with --eval; or give the file of "
            "training rows alone, which keeps the last epoch",
            stacklevel=3,
        )


def warn_of_warmup(recipe: Recipe, n_examples: int) -> None:
    """Warn where the learning rate never reaches its height.

    Args:
        recipe: the hyper-parameters.
        n_examples: of the run.
    """
    steps, warmup = recipe.total_steps(n_examples), recipe.warmup_steps or 0
    if warmup >= steps:
        warnings.warn(
            f"the warm-up takes {warmup} steps and the whole run {steps}: the learning rate never reaches its "
            "height; lower --warmup-steps",
            stacklevel=3,
        )


def describe_model(model: ModelFolder) -> JsonObject:
    """Name a model for a report, without a path of this machine.

    Args:
        model: the model.

    Returns:
        Its name and the hash of its weights, or of its engines where it has no weights.
    """
    engines = sorted(path for path in model.manifest_file.parent.glob("*") if path.is_file())
    return {
        "name": model_name(model),
        "sha256": model.weights_hash() or sha256(model.plain_onnx() or engines),
    }


def describe_base(base: ModelFolder) -> JsonObject:
    """Name the checkpoint that a run starts from.

    Args:
        base: the checkpoint.

    Returns:
        For its report.
    """
    described = describe_model(base)
    return {"base": described["name"], "base_sha256": described["sha256"]}


def common_settings(recipe: Recipe, max_length: int, seed: int, accelerator: Accelerator) -> JsonObject:
    """Describe what every run depends on, as JSON keeps it.

    Args:
        recipe: the hyper-parameters.
        max_length: in tokens: the recipe's, or what the model has positions for.
        seed: for everything random.
        accelerator: the devices and processes of the run.

    Returns:
        Names to values. Where the epochs were not raised, and nothing is frozen, nothing is said of it, as in states
        and reports from before there was such a thing.
    """
    values = dataclasses.asdict(recipe)
    if recipe.epochs_raised_from is None:
        del values["epochs_raised_from"], values["least_steps"]
    if recipe.freeze is None:
        del values["freeze"]
    return {
        **values,
        "optimizer": "AdamW",
        "schedule": "linear warm-up, then linear decay to zero",
        "max_length": max_length,
        "precision": "bf16" if trains_in_bf16(recipe, accelerator.device) else "fp32",
        "processes": accelerator.num_processes,
        "seed": seed,
    }


def describe_documents(documents: Sequence[str]) -> JsonObject:
    """Tell documents from others, for a report.

    Args:
        documents: any number.

    Returns:
        How many, their characters, and a hash.
    """
    return {
        "documents": len(documents),
        "characters": sum(map(len, documents)),
        "sha256": hashlib.sha256(json.dumps(list(documents)).encode()).hexdigest(),
    }


def describe_examples(data: Examples) -> JsonObject:
    """Tell a labelled data set from others, for a report.

    Args:
        data: the data set.

    Returns:
        Its name, its size, and hashes of its file and of what was read.
    """
    read = json.dumps([data.texts, data.labels.tolist()]).encode()  # depends on the columns, too
    return {
        "name": data.source.title,
        "examples": len(data),
        "sha256": data.source.sha256(),
        "examples_sha256": hashlib.sha256(read).hexdigest(),
    }


def describe_soft_labels(data: SoftLabels) -> JsonObject:
    """Tell soft labels from others, for a report.

    Args:
        data: the soft labels.

    Returns:
        Their name, how many, and hashes of their file and of what was read.
    """
    read = hashlib.sha256()
    for text in data.texts:
        read.update(json.dumps(text).encode())
    read.update(data.probabilities.tobytes())
    read.update(data.weights.tobytes())
    return {
        "name": data.source.title,
        "examples": len(data),
        "sha256": data.source.sha256(),
        "examples_sha256": read.hexdigest(),
    }


def with_columns(settings: JsonObject, **data: Examples | None) -> JsonObject:
    """Add to settings which columns of data sets were read; a run's state leaves that to the hash of what was read.

    Args:
        settings: of the run.
        **data: data sets under their names in the settings.

    Returns:
        The settings, for a report.
    """
    described = {
        name: describe_examples(examples) | msgspec.to_builtins(describe_data(examples))
        for name, examples in data.items()
        if examples is not None
    }
    return settings | described


def run_statistics(progress: Progress, n_examples: int, n_tokens: int) -> JsonObject:
    """Say how long a run took, and what each epoch gave.

    Args:
        progress: of the whole run.
        n_examples: read, over all epochs.
        n_tokens: read, over all epochs.

    Returns:
        For its report.
    """
    return {
        "steps": progress.step,
        "epochs_done": progress.history,
        "curve": progress.curve,
        "evaluations": progress.evaluations,
        "seconds": round(progress.seconds, 1),
        "examples_per_second": round(n_examples / max(progress.seconds, 1e-9), 1),
        "tokens_per_second": round(n_tokens / max(progress.seconds, 1e-9), 1),
    }


def environment(accelerator: Accelerator) -> JsonObject:
    """Describe what a run ran with.

    Args:
        accelerator: its devices.

    Returns:
        Versions and machine, for its report.
    """
    now = Environment.now(packages=("torch", "accelerate"))
    machine = msgspec.structs.replace(
        now.machine,
        device=str(accelerator.device.type),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
    )
    return {"versions": now.versions, "machine": machine}
