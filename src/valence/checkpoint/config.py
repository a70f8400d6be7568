"""config.json to `EncoderConfig` and back, as one two-way table per family."""

from dataclasses import dataclass
from typing import Any, get_args

from valence.errors import ConfigError
from valence.folder import ModelFolder
from valence.model.config import Architecture, EncoderConfig
from valence.model.heads import Task

__all__ = ["encoder_config", "foreign_config"]


@dataclass(frozen=True)
class _Key:
    """One row: their key, our field, and the value where their key may be absent."""

    theirs: str
    ours: str
    default: Any = None
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
        _Key("layer_norm_eps", "layer_norm_eps", 1e-12),
    ),
}
# Settings that change what a model computes and that only these values are supported for.
_FIXED: tuple[tuple[str, Any], ...] = (
    ("position_embedding_type", "absolute"),
    ("is_decoder", False),
    ("add_cross_attention", False),
)
_TASK_CLASSES: dict[Task, str] = {
    "classification": "ForSequenceClassification",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
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
    architecture = found.get("model_type")
    if architecture not in get_args(Architecture):
        raise ConfigError(
            f"{where}: model_type {architecture!r} is not supported; valence loads {', '.join(_KEYS)}"
        )
    if absent := sorted(key.theirs for key in _KEYS[architecture] if key.default is None and key.theirs not in found):
        raise ConfigError(f"{where}: keys that a {architecture} config needs are missing: {', '.join(absent)}")
    values: dict[str, Any] = {}
    problems = [
        f"{key} must be {value!r}, found {found[key]!r}" for key, value in _FIXED if found.get(key, value) != value
    ]
    for key in _KEYS[architecture]:
        value = found.get(key.theirs, key.default)
        expected = type(key.default) if key.default is not None else int
        if isinstance(value, int) and not isinstance(value, bool) and expected is float:
            value = float(value)
        if value is None and key.default is not None:
            value = key.default  # an explicit null means the default
        if type(value) is not expected:
            problems.append(f"{key.theirs} must be a {expected.__name__}, found {value!r}")
        values[key.ours] = value
    if problems:
        raise ConfigError(f"{where}: " + "; ".join(problems))
    if architecture == "distilbert":
        values.update(n_token_types=0, attention_output_dropout=0.0, layer_norm_eps=1e-12)
    else:
        dropout = found.get("classifier_dropout")
        values.update(
            attention_output_dropout=values["dropout"],
            classifier_dropout=values["dropout"] if dropout is None else dropout,
        )
    try:
        return EncoderConfig(architecture=architecture, **values)
    except (ConfigError, TypeError) as problem:
        raise ConfigError(f"{where}: {problem}") from None


def foreign_config(
    config: EncoderConfig, task: Task, labels: tuple[str, ...] | None = None, problem_type: str | None = None
) -> dict[str, Any]:
    """Write the config.json that `transformers` reads.

    Args:
        config: the encoder's shape.
        task: the head that goes with it.
        labels: the class names, for a classifier.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, for a classifier.

    Returns:
        The file's content.
    """
    content: dict[str, Any] = {
        "architectures": [_FAMILY_NAMES[config.architecture] + _TASK_CLASSES[task]],
        "model_type": config.architecture,
        **{key.theirs: getattr(config, key.ours) for key in _KEYS[config.architecture]},
        "dtype": "float32",
    }
    if config.architecture == "distilbert":
        content["sinusoidal_pos_embds"] = False
    else:
        content["classifier_dropout"] = config.classifier_dropout
    if labels is not None:
        content["id2label"] = {str(index): label for index, label in enumerate(labels)}
        content["label2id"] = {label: index for index, label in enumerate(labels)}
        content["problem_type"] = problem_type or "single_label_classification"
    return content
