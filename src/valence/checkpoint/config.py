"""config.json to `EncoderConfig` and back, as one two-way table per family."""

import json
from dataclasses import dataclass
from typing import Any

from valence.errors import ConfigError
from valence.families import Architecture, Task
from valence.folder import ModelFolder
from valence.model.config import EncoderConfig

__all__ = ["encoder_config", "foreign_config"]


@dataclass(frozen=True)
class _Key:
    """One row: their key, our field, and the value where their key may be absent."""

    theirs: str
    ours: str
    default: object = None
    """None: the key is required."""


_SHARED = (
    _Key("vocab_size", "vocab_size"),
    _Key("max_position_embeddings", "max_positions"),
    _Key("initializer_range", "initializer_range", 0.02),
    _Key("pad_token_id", "pad_token_id", 0),
    _Key("tie_word_embeddings", "tie_word_embeddings", True),
)
_KEYS: dict[Architecture, tuple[_Key, ...]] = {
    "distilbert": (
        *_SHARED,
        _Key("dim", "hidden_size"),
        _Key("n_layers", "n_layers"),
        _Key("n_heads", "n_heads"),
        _Key("hidden_dim", "intermediate_size"),
        _Key("activation", "activation", "gelu"),
        _Key("dropout", "dropout", 0.1),
        _Key("attention_dropout", "attention_dropout", 0.1),
        _Key("seq_classif_dropout", "classifier_dropout", 0.2),
    ),
    "bert": (
        *_SHARED,
        _Key("hidden_size", "hidden_size"),
        _Key("num_hidden_layers", "n_layers"),
        _Key("num_attention_heads", "n_heads"),
        _Key("intermediate_size", "intermediate_size"),
        _Key("type_vocab_size", "n_token_types", 2),
        _Key("hidden_act", "activation", "gelu"),
        _Key("hidden_dropout_prob", "dropout", 0.1),
        _Key("attention_probs_dropout_prob", "attention_dropout", 0.1),
        _Key("classifier_dropout", "classifier_dropout", 0.1),  # where absent or null: hidden_dropout_prob
        _Key("layer_norm_eps", "layer_norm_eps", 1e-12),
    ),
}
# Settings that change what a model computes and that only these values are supported for.
_FIXED: tuple[tuple[str, object], ...] = (
    ("position_embedding_type", "absolute"),
    ("is_decoder", False),
    ("add_cross_attention", False),
)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_TASK_CLASSES: dict[Task, str] = {
    "classification": "ForSequenceClassification",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
    "pretraining": "ForPreTraining",
}
_FAMILY_NAMES: dict[Architecture, str] = {"distilbert": "DistilBert", "bert": "Bert"}


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
    architecture = folder.architecture
    keys = _KEYS[architecture]
    if absent := sorted(key.theirs for key in keys if key.default is None and found.get(key.theirs) is None):
        raise ConfigError(f"{where}: keys that a {architecture} config needs are missing: {', '.join(absent)}")
    problems = [
        f"{key} must be {json.dumps(value)}, found {found[key]!r:.100}"
        for key, value in _FIXED
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
    if architecture == "distilbert":
        values.update(n_token_types=0, attention_output_dropout=0.0, layer_norm_eps=1e-12)
    else:
        values["attention_output_dropout"] = values["dropout"]
        if found.get("classifier_dropout") is None:
            values["classifier_dropout"] = values["dropout"]
    try:
        return EncoderConfig(architecture=architecture, **values)
    except ConfigError as problem:
        raise ConfigError(f"{where}: {problem}") from None


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
        "architectures": [_FAMILY_NAMES[config.architecture] + _TASK_CLASSES[task]],
        "model_type": config.architecture,
        **{key.theirs: getattr(config, key.ours) for key in _KEYS[config.architecture]},
        "dtype": "float32",
    }
    if config.architecture == "distilbert":
        content["sinusoidal_pos_embds"] = False
    if labels is not None:
        content["id2label"] = {str(index): label for index, label in enumerate(labels)}
        content["label2id"] = {label: index for index, label in enumerate(labels)}
        if problem_type is None and len(labels) > 1:
            problem_type = "single_label_classification"
        content["problem_type"] = problem_type
    return content
