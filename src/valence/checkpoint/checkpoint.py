"""Whole checkpoints: a folder to a model with a head, and back."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from valence.checkpoint.classes import HeadChoice, choose_head
from valence.checkpoint.config import encoder_config, foreign_config
from valence.checkpoint.initialise import CONVERSIONS
from valence.checkpoint.names import (
    BUFFERS,
    astray,
    canonical_name,
    head_names,
    is_head,
    is_within_encoder,
    known_head_names,
    masked_lm_projection,
    saved_name,
    second_names,
    tensor_names,
)
from valence.checkpoint.tensors import read_tensors, write_tensors
from valence.errors import CheckpointError, ConfigError, MissingHeadError, listed
from valence.families import FAMILIES, Architecture, Task
from valence.files import write_json
from valence.folder import ModelFolder
from valence.model.config import EncoderConfig
from valence.model.heads import FirstTokenHead, TaskModel, no_such_head

__all__ = ["LoadedBase", "load_base", "load_model", "save_model"]

_TASK_ADVICE: dict[Task, str] = {
    "classification": "valence train DATA --base {name} --out FOLDER",
    "masked-lm": "valence pretrain TEXTS --base {name} --out FOLDER",
    "next-sentence": "valence pretrain TEXTS --base {name} --architecture bert --next-sentence --out FOLDER",
    "pretraining": "valence pretrain TEXTS --base {name} --architecture bert --next-sentence --out FOLDER",
}
_TASK_NEEDS: dict[Task, str] = {
    "classification": "it has no classifier: fine-tune it first",
    "masked-lm": "it has no masked-LM head, so it cannot fill in masked words: use a pretrained checkpoint, or train "
    "the head",
    "next-sentence": "it has no next-sentence head: use a BERT checkpoint that was pretrained with one, or train the "
    "head",
    "pretraining": "it lacks the masked-LM or the next-sentence head: train them",
}
_TASK_HEADS: dict[Task, str] = {
    "classification": "classifier",
    "masked-lm": "masked-LM head",
    "next-sentence": "next-sentence head",
    "pretraining": "masked-LM or next-sentence head",
}
_LISTED_PROBLEMS = 3  # of a kind
_READABLE_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class LoadedBase:
    """A model to train further, and what was done to get it.

    Args:
        model: the model.
        left_out: head tensors of the checkpoint that the task does not use, without the family's prefix.
        initialised: tensors the checkpoint lacks and that have fresh values, named as they are saved.
        head: whether the checkpoint's trained classifier went on, and why; None where it has none.
    """

    model: TaskModel
    left_out: tuple[str, ...]
    initialised: tuple[str, ...]
    head: str | None = None


def load_model(folder: ModelFolder, task: Task) -> TaskModel:
    """Load a checkpoint as it is.

    Args:
        folder: the model.
        task: which of its heads.

    Returns:
        The model in fp32 on the CPU, ready for inference.

    Raises:
        CheckpointError: if tensors are missing, unexpected or wrongly shaped; the first of each kind are named.
        MissingHeadError: if the checkpoint has no head for the task, or one that goes by other names.
    """
    config = encoder_config(folder)
    if task not in config.family.heads:
        raise MissingHeadError(f"{folder.name}: {no_such_head(config.family, task)}")
    tensors = _canonical(read_tensors(folder), config, folder)
    heads = head_names(config.architecture, task)
    outputs = {theirs for ours, theirs in heads.items() if task == "masked-lm" or "classifier" in ours}
    if not outputs & tensors.keys():
        raise MissingHeadError(f"{folder.name}: {_missing_head(folder, config.architecture, tensors, task)}")
    n_classes = _count_classes(tensors, heads)
    problems: list[str] = []
    if task == "classification" and folder.labels is not None and len(folder.labels) != n_classes:
        problems.append(f"config.json names {len(folder.labels)} labels, the classifier has {n_classes} rows")
    if task == "masked-lm" and config.tie_word_embeddings:
        problems += _drop_tied(tensors, masked_lm_projection(config.architecture))
    model = TaskModel.outline(config, task, n_classes)
    problems += _misfits(model, tensors)
    if task == "classification" and not _transform(heads) & tensors.keys():
        problems.append(
            f"a classifier without {' and '.join(sorted(_transform(heads)))} is most likely another task's, as of "
            f"single words: train one of texts from this model: {_TASK_ADVICE[task].format(name=folder.name)}"
        )
    _refuse(folder, problems)
    model.allocate()
    _fill(model, tensors)
    return model.eval()


def load_base(
    folder: ModelFolder,
    architecture: Architecture,
    labels: tuple[str, ...],
    seed: int,
    task: Task = "classification",
    base_labels: tuple[str, ...] | None = None,
    any_order: bool = True,
) -> LoadedBase:
    """Load a checkpoint to train further: its encoder, and its head if it has the one that is wanted.

    A classifier of the same classes in another order or another case keeps its head, with the rows in the order that is
    wanted.

    Args:
        folder: the checkpoint to start from.
        architecture: what to build: the checkpoint's own family, or a DistilBERT from a BERT.
        labels: the classes of the new task, for classification; only a classifier of these classes is kept.
        seed: for the tensors that the checkpoint lacks.
        task: the head to build.
        base_labels: the checkpoint's classes by number, if its config has numbers only.
        any_order: False keeps a classifier only where its labels are these very ones, in this order.

    Returns:
        The model and what was left out and initialised.

    Raises:
        CheckpointError: if the encoder's tensors are missing, unexpected or wrongly shaped; the first of each kind
            are named.
        MissingHeadError: if the architecture has no such head.
    """
    config = encoder_config(folder)
    convert = None
    if architecture != config.architecture:
        convert = CONVERSIONS.get((config.architecture, architecture))
        if convert is None:
            raise CheckpointError(
                f"{folder.name}: a {config.family.title} checkpoint cannot start a {FAMILIES[architecture].title}: "
                "its tensors are others"
            )
    if task not in FAMILIES[architecture].heads:
        raise MissingHeadError(f"{folder.name}: {no_such_head(FAMILIES[architecture], task)}")
    found = _canonical(read_tensors(folder), config, folder)
    heads = head_names(config.architecture, task)
    kept = frozenset(heads.values())
    head: HeadChoice | None = None
    if task == "classification":
        head = _choose_head(folder, config, found, labels, base_labels, any_order, architecture)
        kept = _head_to_keep(config, found, head) if architecture == config.architecture else frozenset()
    problems: list[str] = []
    if task != "classification" and config.tie_word_embeddings:
        problems += _drop_tied(found, masked_lm_projection(config.architecture))
    tensors = {name: tensor for name, tensor in found.items() if name in kept or is_within_encoder(name)}
    left_out = tuple(sorted(found.keys() - tensors.keys()))
    model = TaskModel.outline(config, task, len(labels))
    _refuse(folder, problems + _misfits(model, tensors, optional=frozenset(heads.values())))
    if convert is not None:
        try:
            config, tensors = convert(config, tensors, task)
        except CheckpointError as problem:
            raise CheckpointError(f"{folder.path}: {problem}") from None
        model = TaskModel.outline(config, task, len(labels))
    model.allocate()
    model.initialise(seed)
    _fill(model, tensors)
    wanted = {tensor_names(config, task)[ours] for ours, _ in model.named_parameters()}  # a tied tensor has one name
    absent = wanted - tensors.keys()
    initialised = tuple(sorted(saved_name(name, architecture) for name in absent))
    return LoadedBase(model, left_out, initialised, None if head is None else head.note)


def _choose_head(
    folder: ModelFolder,
    config: EncoderConfig,
    tensors: dict[str, Tensor],
    labels: tuple[str, ...],
    base_labels: tuple[str, ...] | None,
    any_order: bool,
    architecture: Architecture,
) -> HeadChoice | None:
    """Decide whether the checkpoint's classifier goes on; None where it has none."""
    heads = head_names(config.architecture, "classification")
    outputs = {theirs for ours, theirs in heads.items() if "classifier" in ours}
    if not outputs & tensors.keys() or not tensors.keys() >= _transform(heads):
        return None
    if architecture != config.architecture:
        title, other = config.family.title, FAMILIES[architecture].title
        return HeadChoice(
            None, f"left out: a {title}'s is not that of a {other}; --architecture {config.architecture} keeps it"
        )
    if not any_order and folder.labels != labels:
        return HeadChoice(None, "left out: its classes are others, or in another order")
    return choose_head(labels, folder.labels, _count_classes(tensors, heads), base_labels)


def _head_to_keep(config: EncoderConfig, tensors: dict[str, Tensor], head: HeadChoice | None) -> frozenset[str]:
    """Choose the head tensors that go on, the rows in their new order: BERT's pooler always, the rest if it is kept."""
    heads = head_names(config.architecture, "classification")
    if head is None or head.rows is None:
        return frozenset(name for name in heads.values() if name.startswith("pooler."))
    for ours, theirs in heads.items():
        if (
            "classifier" in ours
            and theirs in tensors
            and tensors[theirs].ndim
            and len(tensors[theirs]) == len(head.rows)
        ):
            tensors[theirs] = tensors[theirs][list(head.rows)]
    return frozenset(heads.values())


def _transform(heads: dict[str, str]) -> set[str]:
    """List what a classifier of texts has before its last layer, which other tasks' classifiers lack."""
    return {theirs for ours, theirs in heads.items() if "classifier" not in ours}


def _count_classes(tensors: dict[str, Tensor], heads: dict[str, str]) -> int:
    for kind in ("weight", "bias"):
        tensor = tensors.get(heads.get(f"head.classifier.{kind}", ""))
        if tensor is not None and tensor.ndim and len(tensor):
            return len(tensor)
    return 1


def _canonical(tensors: dict[str, Tensor], config: EncoderConfig, folder: ModelFolder) -> dict[str, Tensor]:
    """Rename tensors to the tables' form and drop buffers."""
    names = {theirs: canonical_name(theirs, config.architecture) for theirs in tensors}
    found = set(names.values())
    second = {name: known for name, known in second_names(config.architecture).items() if name in found}
    renamed: dict[str, Tensor] = {}
    source: dict[str, str] = {}
    clashes: list[str] = []
    for theirs, tensor in tensors.items():
        name = names[theirs]
        if name in BUFFERS or name in second.values():
            continue
        name = second.get(name, name)
        if name in renamed and not torch.equal(renamed[name], tensor):
            clashes.append(f"{name} (from {source[name]} and {theirs})")
        renamed[name], source[name] = tensor, theirs
    if clashes:
        raise CheckpointError(
            f"{_weights(folder)}: two different tensors under one name, and which of them is the model's it does not "
            f"say: {listed(sorted(clashes), _LISTED_PROBLEMS)}"
        )
    if not any(is_within_encoder(name) and not astray(name, config.architecture) for name in renamed):
        raise CheckpointError(f"{_weights(folder)}: {_no_encoder(config.architecture, renamed)}")
    return renamed


def _weights(folder: ModelFolder) -> Path:
    """The file of the weights; the folder where they are several."""
    return folder.weight_files[0] if len(folder.weight_files) == 1 else folder.path


def _no_encoder(architecture: Architecture, tensors: dict[str, Tensor]) -> str:
    """Say what a checkpoint holds instead of tensors that are known."""
    prefixes: dict[str, list[str]] = {}
    for name in sorted(tensors):
        if prefix := astray(name, architecture):
            prefixes.setdefault(prefix, []).append(name)
    expected = "expected embeddings.word_embeddings.weight and so on, as transformers names them"
    if not prefixes:
        return f"no tensors of a {architecture} encoder: found {listed(sorted(tensors), 3) or 'none'}; {expected}"
    found = listed([f"{len(names)} under {prefix!r} ({names[0]}, …)" for prefix, names in prefixes.items()], 3)
    return (
        f"the encoder's tensors stand under a prefix that is not known: {found}; {expected}, alone or after "
        f"{architecture}., model., module. and the like. Save the model within the network with its own "
        "save_pretrained(FOLDER), or take the prefix off the names"
    )


def _missing_head(folder: ModelFolder, architecture: Architecture, tensors: dict[str, Tensor], task: Task) -> str:
    """Say what head a checkpoint lacks, what it may have instead, and what to do."""
    known, advice = known_head_names(architecture), _TASK_ADVICE[task].format(name=folder.name)
    others = tuple(f"{module}." for module in FAMILIES[architecture].other_heads)
    beside = [
        name for name in sorted(tensors) if not (name in known or name.startswith(others) or is_within_encoder(name))
    ]
    if not beside:
        return f"{_TASK_NEEDS[task]} ({advice})"
    expected = [name for name in head_names(architecture, task).values() if name.endswith(".weight")]
    found = listed([f"{name} {list(tensors[name].shape)}" for name in beside])
    return (
        f"it has no {_TASK_HEADS[task]} under the names that transformers gives it ({', '.join(expected)}). Beside the "
        f"encoder it has {found}: no file says how such a head computes, so that is not guessed. Rename the tensors if "
        f"they are that head's, or train one: {advice}"
    )


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
    """List tensors that are missing, unexpected, or of a wrong shape or type: the first of each kind, and a count."""
    parameters = dict(model.named_parameters())  # a tied projection is not listed again
    names = tensor_names(model.config, model.task)
    if unnamed := [ours for ours in parameters if ours not in names]:
        raise ConfigError(
            f"the record of the family {model.config.architecture!r} names no tensor for {listed(unnamed, 3)}"
        )
    wanted = {names[ours]: parameter for ours, parameter in parameters.items()}
    missing: list[str] = []
    shapes: list[str] = []
    types: list[str] = []
    for name, parameter in wanted.items():
        if name not in tensors:
            if name not in optional:
                missing.append(f"{name} {list(parameter.shape)}")
        elif tensors[name].shape != parameter.shape:
            shapes.append(f"{name} is {list(tensors[name].shape)}, expected {list(parameter.shape)}")
        elif tensors[name].dtype not in _READABLE_TYPES:
            types.append(f"{name} is {tensors[name].dtype}, expected 16-bit floats or more")
    architecture = model.config.architecture
    own = tuple(name.rpartition(".")[0] + "." for name in head_names(architecture, model.task).values())
    others = [name for name in sorted(tensors) if name not in wanted and (not is_head(name) or name.startswith(own))]
    unexpected = [f"{name} {list(tensors[name].shape)}" for name in others]
    kinds = {"missing": missing, "wrong shape": shapes, "wrong type": types, "unexpected": unexpected}
    problems = [line for kind, found in kinds.items() for line in _few_lines(kind, found)]
    if beside := [
        name for name in others if astray(name, architecture) or not (is_head(name) or is_within_encoder(name))
    ]:
        problems.append(
            f"{beside[0]} stands beside the model: most likely a second network (an average, a teacher) or what the "
            "training kept (metrics, a loss). Save the model alone, with its own save_pretrained(FOLDER), or leave "
            "such tensors out of the file"
        )
    return problems


def _few_lines(kind: str, found: list[str]) -> list[str]:
    lines = [f"{kind}: {one}" for one in found[:_LISTED_PROBLEMS]]
    if len(found) > _LISTED_PROBLEMS:
        lines.append(f"{kind}: {len(found) - _LISTED_PROBLEMS:,} more")
    return lines


def _refuse(folder: ModelFolder, problems: list[str]) -> None:
    if problems:
        raise CheckpointError(f"{_weights(folder)}: the weights do not fit the config:\n  " + "\n  ".join(problems))


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
    if not model.config.tie_word_embeddings:
        for second, known in second_names(model.config.architecture).items():
            if known in tensors:
                tensors[second] = tensors[known].clone()
    return tensors
