"""Whole checkpoints: a folder to a model with a head, and back."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from valence.checkpoint.config import encoder_config, foreign_config
from valence.checkpoint.initialise import distilbert_from_bert
from valence.checkpoint.names import (
    BERT_BIAS,
    BERT_BIAS_IN_USE,
    BUFFERS,
    canonical_name,
    head_names,
    is_head,
    masked_lm_projection,
    saved_name,
    tensor_names,
)
from valence.checkpoint.tensors import read_tensors, write_tensors
from valence.errors import CheckpointError, MissingHeadError
from valence.files import write_json
from valence.folder import Architecture, ModelFolder
from valence.model.config import EncoderConfig
from valence.model.heads import FirstTokenHead, Task, TaskModel

__all__ = ["LoadedBase", "load_base", "load_model", "save_model"]

_TASK_NEEDS: dict[Task, str] = {
    "classification": ("it has no classifier: fine-tune it first (valence train DATA --base {name} --out FOLDER)"),
    "masked-lm": "it has no masked-LM head, so it cannot fill in masked words: use a pretrained checkpoint, or train "
    "the head (valence pretrain TEXTS --base {name} --out FOLDER)",
    "next-sentence": "it has no next-sentence head: use a BERT checkpoint that was pretrained with one, or train the "
    "head (valence pretrain TEXTS --base {name} --architecture bert --next-sentence --out FOLDER)",
    "pretraining": "it lacks the masked-LM or the next-sentence head",
}
_READABLE_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class LoadedBase:
    """A model to train further, and what was done to get it.

    Args:
        model: the model.
        left_out: head tensors of the checkpoint that the task does not use, without the family's prefix.
        initialised: tensors the checkpoint lacks and that have fresh values, named as they are saved.
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
    if config.architecture == "distilbert" and task == "next-sentence":
        raise MissingHeadError(
            f"{folder.name}: a DistilBERT has no next-sentence head and no token types: use a BERT checkpoint, "
            "whose head can be trained, too (valence pretrain TEXTS --base BERT --architecture bert --next-sentence "
            "--out FOLDER)"
        )
    tensors = _canonical(read_tensors(folder), config, folder)
    heads = head_names(config.architecture, task)
    outputs = {theirs for ours, theirs in heads.items() if task == "masked-lm" or "classifier" in ours}
    if not outputs & tensors.keys():
        raise MissingHeadError(f"{folder.name}: {_TASK_NEEDS[task].format(name=folder.name)}")
    n_classes = _count_classes(tensors, heads)
    problems: list[str] = []
    if task == "classification" and folder.labels is not None and len(folder.labels) != n_classes:
        problems.append(f"config.json names {len(folder.labels)} labels, the classifier has {n_classes} rows")
    if task == "masked-lm" and config.tie_word_embeddings:
        problems += _drop_tied(tensors, masked_lm_projection(config.architecture))
    model = TaskModel.outline(config, task, n_classes)
    _refuse(folder, problems + _misfits(model, tensors))
    model.allocate()
    _fill(model, tensors)
    return model.eval()


def load_base(
    folder: ModelFolder,
    architecture: Architecture,
    labels: tuple[str, ...],
    seed: int,
    task: Task = "classification",
) -> LoadedBase:
    """Load a checkpoint to train further: its encoder, and its head if it has the one that is wanted.

    Args:
        folder: the checkpoint to start from.
        architecture: what to build. A BERT checkpoint can start a DistilBERT, not the other way round.
        labels: the classes of the new task, for classification; only a classifier of these very labels is kept.
        seed: for the tensors that the checkpoint lacks.
        task: the head to build.

    Returns:
        The model and what was left out and initialised.

    Raises:
        CheckpointError: if the encoder's tensors are missing, unexpected or wrongly shaped; all are named.
        MissingHeadError: if the architecture has no such head.
    """
    config = encoder_config(folder)
    if architecture == "bert" and config.architecture == "distilbert":
        raise CheckpointError(
            f"{folder.name}: a DistilBERT checkpoint cannot start a BERT: it lacks token types and a pooler"
        )
    if architecture == "distilbert" and task in ("next-sentence", "pretraining"):
        raise MissingHeadError("a DistilBERT has no next-sentence head and no token types: build a BERT")
    found = _canonical(read_tensors(folder), config, folder)
    heads = head_names(config.architecture, task)
    kept = frozenset(heads.values())
    if task == "classification":
        same = architecture == config.architecture
        kept = _head_to_keep(folder, config, found, labels) if same else frozenset()
    problems: list[str] = []
    if task != "classification" and config.tie_word_embeddings:
        problems += _drop_tied(found, masked_lm_projection(config.architecture))
    tensors = {name: tensor for name, tensor in found.items() if name in kept or not is_head(name)}
    left_out = tuple(sorted(found.keys() - tensors.keys()))
    model = TaskModel.outline(config, task, len(labels))
    _refuse(folder, problems + _misfits(model, tensors, optional=frozenset(heads.values())))
    if architecture != config.architecture:
        try:
            config, tensors = distilbert_from_bert(config, tensors, task)
        except CheckpointError as problem:
            raise CheckpointError(f"{folder.path}: {problem}") from None
        model = TaskModel.outline(config, task, len(labels))
    model.allocate()
    model.initialise(seed)
    _fill(model, tensors)
    wanted = {tensor_names(config, task)[ours] for ours, _ in model.named_parameters()}  # a tied tensor has one name
    absent = wanted - tensors.keys()
    return LoadedBase(model, left_out, tuple(sorted(saved_name(name, architecture) for name in absent)))


def _head_to_keep(
    folder: ModelFolder, config: EncoderConfig, tensors: dict[str, Tensor], labels: tuple[str, ...]
) -> frozenset[str]:
    """Choose the head tensors that go on: BERT's pooler always, the rest where the labels are the same."""
    heads = head_names(config.architecture, "classification")
    if folder.labels == labels and _count_classes(tensors, heads) == len(labels):
        return frozenset(heads.values())
    return frozenset(name for name in heads.values() if name.startswith("pooler."))


def _count_classes(tensors: dict[str, Tensor], heads: dict[str, str]) -> int:
    for kind in ("weight", "bias"):
        tensor = tensors.get(heads.get(f"head.classifier.{kind}", ""))
        if tensor is not None and tensor.ndim and len(tensor):
            return len(tensor)
    return 1


def _canonical(tensors: dict[str, Tensor], config: EncoderConfig, folder: ModelFolder) -> dict[str, Tensor]:
    """Rename tensors to the tables' form and drop buffers."""
    renamed: dict[str, Tensor] = {}
    clashes: list[str] = []
    for theirs, tensor in tensors.items():
        name = canonical_name(theirs, config.architecture)
        if name in BUFFERS or (theirs == BERT_BIAS and BERT_BIAS_IN_USE in tensors):
            continue
        if name in renamed and not torch.equal(renamed[name], tensor):
            clashes.append(name)
        renamed[name] = tensor
    if clashes:
        raise CheckpointError(f"{folder.path}: two different tensors under one name: {', '.join(sorted(clashes))}")
    return renamed


def _drop_tied(tensors: dict[str, Tensor], projection: str) -> list[str]:
    """Remove the projection that is the word embeddings again; return a problem if it is not."""
    words = "embeddings.word_embeddings.weight"
    if projection not in tensors:
        return []
    tied = tensors.pop(projection)
    if torch.equal(tensors.setdefault(words, tied), tied):
        return []
    return [f"{projection} differs from {words}, but the config ties them (tie_word_embeddings)"]


def _misfits(model: TaskModel, tensors: dict[str, Tensor], optional: frozenset[str] = frozenset()) -> list[str]:
    """List every tensor that is missing, unexpected, or of a wrong shape or type."""
    parameters = dict(model.named_parameters())  # a tied projection is not listed again
    names = tensor_names(model.config, model.task)
    wanted = {names[ours]: parameter for ours, parameter in parameters.items()}
    problems: list[str] = []
    for name, parameter in wanted.items():
        if name not in tensors:
            if name not in optional:
                problems.append(f"missing: {name} {list(parameter.shape)}")
        elif tensors[name].shape != parameter.shape:
            problems.append(f"wrong shape: {name} is {list(tensors[name].shape)}, expected {list(parameter.shape)}")
        elif tensors[name].dtype not in _READABLE_TYPES:
            problems.append(f"wrong type: {name} is {tensors[name].dtype}, expected 16-bit floats or more")
    own = tuple(name.rpartition(".")[0] + "." for name in head_names(model.config.architecture, model.task).values())
    problems += [
        f"unexpected: {name} {list(tensor.shape)}"
        for name, tensor in sorted(tensors.items())
        if name not in wanted and (not is_head(name) or name.startswith(own))
    ]
    return problems


def _refuse(folder: ModelFolder, problems: list[str]) -> None:
    if problems:
        raise CheckpointError(f"{folder.path}: the weights do not fit the config:\n  " + "\n  ".join(problems))


@torch.no_grad()
def _fill(model: TaskModel, tensors: dict[str, Tensor]) -> None:
    names = tensor_names(model.config, model.task)
    for ours, parameter in model.named_parameters():
        if names[ours] in tensors:
            parameter.copy_(tensors[names[ours]])


def save_model(
    model: TaskModel,
    folder: Path,
    labels: tuple[str, ...] | None = None,
    dtype: torch.dtype = torch.float32,
    problem_type: str | None = None,
) -> None:
    """Write config.json and model.safetensors as `transformers` names and reads them.

    Args:
        model: what to save.
        folder: where; created if absent.
        labels: the class names, for a classifier; LABEL_0, LABEL_1, … if None.
        dtype: of the tensors in the file.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, for a classifier.
    """
    if isinstance(model.head, FirstTokenHead) and model.task == "classification":
        n_classes = model.head.classifier.out_features
        labels = labels or tuple(f"LABEL_{index}" for index in range(n_classes))
        assert len(labels) == n_classes, f"{len(labels)} labels for {n_classes} classes"
    folder.mkdir(parents=True, exist_ok=True)
    content = foreign_config(model.config, model.task, labels, problem_type)
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
    names = tensor_names(model.config, model.task)
    tensors = {
        saved_name(names[ours], model.config.architecture): parameter.detach().to("cpu", dtype)
        for ours, parameter in model.named_parameters()
    }
    if BERT_BIAS in tensors and not model.config.tie_word_embeddings:
        tensors[BERT_BIAS_IN_USE] = tensors[BERT_BIAS].clone()
    return tensors
