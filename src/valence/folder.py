"""A model is a folder: which files it holds and what its config says about using it."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from valence.errors import CheckpointError, ConfigError, ModelNotFoundError, listed
from valence.families import FAMILIES, Architecture, Family, config_key, family_of
from valence.files import is_unicode, read_json, refuse_lfs_pointer, sha256, tensor_shapes
from valence.forking import cached_property

__all__ = ["PROBLEM_TYPES", "TOKENIZER_FILES", "ModelFolder"]

TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"),
    *("added_tokens.json", "special_tokens_map.json"),
)
"""What may say something about a model's tokenizer."""
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
# Tensors that are no parameters.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids", "n_averaged")
_PLACEHOLDER = re.compile(r"(LABEL_)?\d+")


@dataclass(frozen=True)
class ModelFolder:
    """A Hugging Face model folder on disk, with what valence adds to it.

    Args:
        path: the folder.
        name: what the user called it ("default", a path, a hub id).
        embedded: whether it is part of the installed package, and so never written to.
    """

    path: Path
    name: str
    embedded: bool = field(default=False)

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise ModelNotFoundError(f"{self.path}: no such model folder")
        if not (self.path / "config.json").is_file():
            found = sorted(entry.name for entry in self.path.iterdir())[:8]
            raise ModelNotFoundError(
                f"{self.path}: not a model folder: it has no config.json (found: {', '.join(found) or 'nothing'})"
            )

    @cached_property
    def config(self) -> dict[str, object]:
        """The content of config.json."""
        return read_json(self.path / "config.json", ConfigError)

    @property
    def family(self) -> Family:
        """The record of the family that the config's model_type names."""
        found = self.config.get("model_type")
        family = family_of(found)
        if family is None:
            raise ConfigError(
                f"{self.path / 'config.json'}: model_type {found!r} is not supported; valence loads "
                f"{', '.join(FAMILIES)}"
            )
        return family

    @property
    def architecture(self) -> Architecture:
        """The name of the family."""
        return self.family.name

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The class names in order, or None where the config names none."""
        names = self.config.get("id2label")
        if names is None:
            count = self.config.get("num_labels")
            return None if count is None else tuple(f"LABEL_{index}" for index in range(self._count(count)))
        if not isinstance(names, dict) or {str(key) for key in names} != {str(i) for i in range(len(names))}:
            raise ConfigError(
                f"{self.path / 'config.json'}: id2label must map 0, 1, 2, … to names, found {names!r:.200}"
            )
        listed = tuple(str(names[str(index)]) for index in range(len(names)))
        if broken := [name for name in listed if not is_unicode(name)]:
            raise ConfigError(f"{self.path / 'config.json'}: id2label holds what is not valid Unicode: {broken!r}")
        return listed

    def _count(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{self.path / 'config.json'}: num_labels must be a positive number, found {value!r}")
        return value

    @property
    def labels_are_placeholders(self) -> bool:
        """Whether the names are numbers in disguise, such as LABEL_0 or "0"."""
        return self.labels is not None and all(_PLACEHOLDER.fullmatch(name) for name in self.labels)

    @property
    def problem_type(self) -> str | None:
        """One of `PROBLEM_TYPES`, or None where the config does not say."""
        value = self.config.get("problem_type")
        if value is not None and value not in PROBLEM_TYPES:
            raise ConfigError(
                f"{self.path / 'config.json'}: problem_type must be one of {', '.join(PROBLEM_TYPES)}, found {value!r}"
            )
        return value

    @property
    def max_position_embeddings(self) -> int:
        """The longest input in tokens, special tokens included."""
        value = self.config.get("max_position_embeddings", 512)
        if isinstance(value, bool) or not isinstance(value, int) or value < 3:
            raise ConfigError(
                f"{self.path / 'config.json'}: max_position_embeddings must be a number above 2, found {value!r}"
            )
        family = family_of(self.config.get("model_type"))
        if family is None:
            return value
        pad = self.config.get("pad_token_id")
        longest = family.longest_text(value, pad if isinstance(pad, int) else family.default("pad_token_id"))
        if longest < 3:
            raise ConfigError(f"{self.path / 'config.json'}: max_position_embeddings {value} leaves no room for a text")
        return longest

    @cached_property
    def weight_files(self) -> tuple[Path, ...]:
        """The checkpoint's tensor files in the order of preference; empty where it has none."""
        files: tuple[Path, ...] = ()
        for single, index in (
            ("model.safetensors", "model.safetensors.index.json"),
            ("pytorch_model.bin", "pytorch_model.bin.index.json"),
        ):
            if (self.path / single).is_file():
                files = (self.path / single,)
                break
            if (self.path / index).is_file():
                files = self._shards(self.path / index)
                break
        for path in files:
            refuse_lfs_pointer(path, CheckpointError)
        return files

    def _shards(self, index: Path) -> tuple[Path, ...]:
        weight_map = read_json(index, ConfigError).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise ConfigError(f"{index}: expected a weight_map from tensor names to file names")
        names = sorted(set(weight_map.values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise ConfigError(f"{index}: a shard must lie in the model folder, found {listed(outside)}")
        if absent := [name for name in names if not (self.path / name).is_file()]:
            raise ModelNotFoundError(f"{self.path}: shards named in {index.name} are missing: {listed(absent)}")
        return tuple(self.path / name for name in names)

    @property
    def n_layers(self) -> int | None:
        """How many layers the config says there are, in its family's words."""
        found = self.config.get(config_key(self.config.get("model_type"), "n_layers") or "")
        return found if isinstance(found, int) else None

    @cached_property
    def n_parameters(self) -> int | None:
        """How many there are, by the weights' headers, or without weights by the training report; None if unknown."""
        if self.weight_files:
            if any(path.suffix != ".safetensors" for path in self.weight_files):
                return None
            shapes = {name: shape for path in self.weight_files for name, shape in tensor_shapes(path).items()}
            tied: tuple[str, ...] = ()  # the word embeddings again
            if self.config.get("tie_word_embeddings", True):
                heads = (family.heads.get("masked-lm") for family in FAMILIES.values())
                tied = tuple(dict(head.tensors)["decoder.weight"] for head in heads if head is not None)
            return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith((*_BUFFERS, *tied)))
        report = self.reports / "training.json"
        found = read_json(report).get("parameters") if report.is_file() else None
        return found if isinstance(found, int) else None

    @property
    def manifest_file(self) -> Path:
        """Where the exported engines are listed, present or not."""
        return self.path / "onnx" / "manifest.json"

    @property
    def reports(self) -> Path:
        """The folder of measurements, present or not."""
        return self.path / "reports"

    def weights_hash(self) -> str | None:
        """Hash the checkpoint's tensor files.

        Returns:
            SHA-256 in hexadecimal, or None where the folder holds engines only.
        """
        return sha256(self.weight_files) if self.weight_files else None
