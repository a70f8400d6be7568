"""Whole checkpoints: a folder to a model with a head, and back."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from valence.checkpoint.config import encoder_config, foreign_config
from valence.checkpoint.initialise import distilbert_from_bert
from valence.checkpoint.names import (
    BUFFERS,
    canonical_name,
    head_names,
    is_other_head,
    prefix,
    tensor_names,
)
from valence.checkpoint.tensors import read_tensors, write_tensors
from valence.errors import CheckpointError, MissingHeadError
from valence.files import write_json
from valence.folder import ModelFolder
from valence.model.config import Architecture, EncoderConfig
from valence.model.heads import Task, TaskModel

__all__ = ["LoadedBase", "load_base", "load_model", "save_model"]

_TASK_NEEDS: dict[Task, str] = {
    "classification": "it has no classifier: fine-tune it first (valence train DATA --base {name} --out FOLDER)",
    "masked-lm": "it has no masked-LM head, so it cannot fill in masked words",
    "next-sentence": "it has no next-sentence head",
}


@dataclass(frozen=True)
class LoadedBase:
    """A model to train further, and what was done to get it.

    Args:
        model: the model.
        left_out: tensors of the checkpoint that the task does not use, by their names in the file.
        initialised: tensors the checkpoint lacks and that have fresh values, by the names they are saved under.
    """

    model: TaskModel
    left_out: tuple[str, ...]
    initialised: tuple[str, ...]


def load_model(folder: ModelFolder, task: Task) -> TaskModel:
    """Load a checkpoint as it is.

    Args:
        folder: the model.
        task: which of its heads.

    Returns:
        The model in fp32 on the CPU, ready for inference.

    Raises:
        CheckpointError: if tensors are missing, unexpected or wrongly shaped; all of them are named.
        MissingHeadError: if the checkpoint has no head for the task.
    """
    config = encoder_config(folder)
    tensors = _canonical(read_tensors(folder), config.architecture, folder)
    if config.architecture == "distilbert" and task == "next-sentence":
        raise MissingHeadError(
            f"{folder.name}: a DistilBERT checkpoint has no next-sentence head and no token types; use a BERT one"
        )
    heads = head_names(config.architecture, task)
    classifier = heads.get("head.classifier.weight", heads.get("head.decoder.bias", ""))
    if classifier not in tensors:
        raise MissingHeadError(f"{folder.name}: {_TASK_NEEDS[task].format(name=folder.name)}")
    n_classes = tensors[classifier].shape[0] if task != "masked-lm" else 2
    if task == "classification" and folder.labels is not None and len(folder.labels) != n_classes:
        raise CheckpointError(
            f"{folder.path}: config.json names {len(folder.labels)} labels, {classifier} has {n_classes} rows"
        )
    model = TaskModel(config, task, n_classes)
    problems = _fill(model, tensors, frozenset(heads.values()))
    if problems:
        raise CheckpointError(f"{folder.path}: the weights do not fit the config:\n  " + "\n  ".join(problems))
    return model.eval()


def load_base(
    folder: ModelFolder,
    architecture: Architecture,
    labels: tuple[str, ...],
    seed: int,
) -> LoadedBase:
    """Load a checkpoint to fine-tune: its encoder, and its classifier if it has these very labels.

    Args:
        folder: the checkpoint to start from.
        architecture: what to build. A BERT checkpoint can start a DistilBERT, not the other way round.
        labels: the classes of the new task.
        seed: for the tensors that the checkpoint lacks.

    Returns:
        The model and what was left out and initialised.

    Raises:
        CheckpointError: if the encoder's tensors are missing, unexpected or wrongly shaped; all are named.
    """
    config = encoder_config(folder)
    original = read_tensors(folder)
    tensors = _canonical(original, config.architecture, folder)
    before = set(tensors)
    if architecture != config.architecture:
        if architecture == "bert":
            raise CheckpointError(
                f"{folder.name}: a DistilBERT checkpoint cannot start a BERT: it lacks token types and a pooler"
            )
        config, tensors = distilbert_from_bert(config, tensors)
    model = TaskModel(config, "classification", len(labels))
    model.initialise(seed)
    heads = head_names(config.architecture, "classification")
    if not _same_classifier(folder, tensors, heads["head.classifier.weight"], labels):
        for ours, theirs in heads.items():
            if ours.startswith("head.classifier.") or config.architecture == "distilbert":
                tensors.pop(theirs, None)
    present = set(tensors)
    wanted = tensor_names(config, "classification")
    initialised = tuple(sorted(theirs for ours, theirs in wanted.items() if ours in heads and theirs not in present))
    problems = _fill(model, tensors, optional=frozenset(heads.values()))
    if problems:
        raise CheckpointError(f"{folder.path}: the weights do not fit the config:\n  " + "\n  ".join(problems))
    used = set(wanted.values()) & present
    left_out = tuple(sorted(name for name in before if is_other_head(name) and name not in used))
    return LoadedBase(model, left_out, initialised)


def _same_classifier(
    folder: ModelFolder, tensors: dict[str, Tensor], classifier: str, labels: tuple[str, ...]
) -> bool:
    return classifier in tensors and tensors[classifier].shape[0] == len(labels) and folder.labels == labels


def _canonical(
    tensors: dict[str, Tensor], architecture: Architecture, folder: ModelFolder
) -> dict[str, Tensor]:
    """Rename tensors to the tables' form and drop buffers."""
    renamed: dict[str, Tensor] = {}
    clashes: list[str] = []
    for theirs, tensor in tensors.items():
        name = canonical_name(theirs, architecture)
        if name in BUFFERS:
            continue
        if name in renamed and not torch.equal(renamed[name], tensor):
            clashes.append(name)
        renamed[name] = tensor
    if clashes:
        raise CheckpointError(f"{folder.path}: two different tensors under one name: {', '.join(sorted(clashes))}")
    return renamed


def _fill(model: TaskModel, tensors: dict[str, Tensor], optional: frozenset[str]) -> list[str]:
    """Copy tensors into a model; return every tensor that is missing, unexpected or wrongly shaped."""
    wanted = tensor_names(model.config, model.task)
    if model.config.tie_word_embeddings:
        tied = wanted.pop("head.decoder.weight", None)  # the word embeddings themselves
        tensors = {name: tensor for name, tensor in tensors.items() if name != tied}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    assert wanted.keys() <= parameters.keys(), "a table names a parameter that the model does not have"
    problems: list[str] = []
    for ours, theirs in wanted.items():
        if theirs not in tensors:
            if theirs not in optional:
                problems.append(f"missing: {theirs} {list(parameters[ours].shape)}")
        elif tensors[theirs].shape != parameters[ours].shape:
            problems.append(
                f"wrong shape: {theirs} is {list(tensors[theirs].shape)}, "
                f"expected {list(parameters[ours].shape)}"
            )
        elif not tensors[theirs].is_floating_point():
            problems.append(f"wrong type: {theirs} is {tensors[theirs].dtype}, expected floating point")
        else:
            with torch.no_grad():
                parameters[ours].copy_(tensors[theirs])
    known = set(wanted.values())
    problems += [
        f"unexpected: {name} {list(tensor.shape)}"
        for name, tensor in sorted(tensors.items())
        if name not in known and not is_other_head(name)
    ]
    return problems


def save_model(
    model: TaskModel,
    folder: Path,
    labels: tuple[str, ...] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write config.json and model.safetensors as `transformers` names and reads them.

    Args:
        model: what to save.
        folder: where; created if absent.
        labels: the class names, for a classifier.
        dtype: of the tensors in the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = foreign_config(model.config, model.task, labels)
    content["dtype"] = str(dtype).removeprefix("torch.")
    write_tensors(folder / "model.safetensors", foreign_tensors(model, dtype))
    write_json(folder / "config.json", content)


def foreign_tensors(model: TaskModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """Collect a model's tensors under the names that `transformers` uses.

    Args:
        model: the model.
        dtype: of the result.

    Returns:
        Their names to tensors on the CPU; a tied tensor is left out, as `transformers` does.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    heads = set(_own_head(model.config, model.task).values())
    tensors: dict[str, Tensor] = {}
    for ours, theirs in tensor_names(model.config, model.task).items():
        if ours == "head.decoder.weight" and model.config.tie_word_embeddings:
            continue
        name = theirs if theirs in heads else prefix(model.config.architecture) + theirs
        tensors[name] = parameters[ours].detach().to("cpu", dtype)
    return tensors


def _own_head(config: EncoderConfig, task: Task) -> dict[str, str]:
    """List the head's tensors that stand outside the family's prefix: all but BERT's pooler."""
    return {
        ours: theirs
        for ours, theirs in head_names(config.architecture, task).items()
        if not theirs.startswith("pooler.")
    }
