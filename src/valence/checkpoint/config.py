"""config.json to `EncoderConfig` and back, by the two-way tables of `valence.families`."""

import json
from typing import Any

from valence.errors import ConfigError
from valence.families import Task
from valence.folder import ModelFolder
from valence.model.config import EncoderConfig

__all__ = ["encoder_config", "foreign_config"]


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_TASK_CLASSES: dict[Task, str] = {
    "classification": "ForSequenceClassification",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
    "pretraining": "ForPreTraining",
}


def encoder_config(folder: ModelFolder) -> EncoderConfig:
    """Read the shape of a checkpoint's encoder from its config.json.

    Args:
        folder: the model.

    Returns:
        The shape.

    Raises:
        ConfigError: if the architecture is unknown, or keys are missing or hold unusable values; all of
            them are named.
    """
    where = folder.path / "config.json"
    found = folder.config
    family = folder.family
    keys = family.keys
    if absent := sorted(key.theirs for key in keys if key.default is None and found.get(key.theirs) is None):
        raise ConfigError(f"{where}: keys that a {family.name} config needs are missing: {', '.join(absent)}")
    problems = [
        f"{key} must be {json.dumps(value)}, found {found[key]!r:.100}"
        for key, value in family.required.items()
        if found.get(key) not in (None, value)
    ]
    values: dict[str, Any] = {}
    for key in keys:
        value = found.get(key.theirs)
        if value is None:  # an explicit null means the default
            value = key.default
        expected = int if key.default is None else type(key.default)
        if not _is_a(value, expected):
            problems.append(f"{key.theirs} must be {_KINDS[expected]}, found {value!r:.100}")
        values[key.ours] = value
    if problems:
        raise ConfigError(f"{where}: " + "; ".join(problems))
    values |= family.fixed
    values |= {ours: values[other] for ours, other in family.same.items()}
    values |= {key.ours: values[key.like] for key in keys if key.like is not None and found.get(key.theirs) is None}
    try:
        return EncoderConfig(architecture=family.name, **values)
    except ConfigError as problem:
        raise ConfigError(f"{where}: {problem}") from None
    except TypeError as problem:  # a field too many or too few
        raise ConfigError(f"the record of the family {family.name!r} does not describe an encoder: {problem}") from None


def _is_a(value: object, expected: type) -> bool:
    if expected is float:
        return isinstance(value, int | float) and type(value) is not bool and abs(value) <= 1e9  # false for NaN too
    return type(value) is expected


def foreign_config(
    config: EncoderConfig, task: Task, labels: tuple[str, ...] | None = None, problem_type: str | None = None
) -> dict[str, object]:
    """Write the config.json that `transformers` reads.

    Args:
        config: the encoder's shape.
        task: the head that goes with it.
        labels: the class names, for a classifier.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, for a classifier.

    Returns:
        The file's content.
    """
    content: dict[str, object] = {
        "architectures": [config.family.class_name + _TASK_CLASSES[task]],
        "model_type": config.architecture,
        **{key.theirs: getattr(config, key.ours) for key in config.family.keys},
        "dtype": "float32",
        **config.family.written,
    }
    if labels is not None:
        content["id2label"] = {str(index): label for index, label in enumerate(labels)}
        content["label2id"] = {label: index for index, label in enumerate(labels)}
        if problem_type is None and len(labels) > 1:
            problem_type = "single_label_classification"
        content["problem_type"] = problem_type
    return content
