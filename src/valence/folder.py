"""A model is a folder: which files it holds and what its config says about using it."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from valence.errors import CheckpointError, ConfigError, ModelNotFoundError, listed
from valence.families import FAMILIES, Architecture, Family, config_key, family_of
from valence.files import is_unicode, read_json, refuse_lfs_pointer, sha256, tensor_shapes
from valence.forking import cached_property

__all__ = [
    "PLAIN_ONNX",
    "PROBLEM_TYPES",
    "TOKENIZER_FILES",
    "ModelFolder",
    "onnx_data",
    "onnx_data_files",
    "unknown_family",
]

TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"),
    *("added_tokens.json", "special_tokens_map.json"),
)
"""What may say something about a model's tokenizer."""
PLAIN_ONNX: dict[str | None, tuple[str, ...]] = {
    None: ("onnx/model.onnx", "model.onnx"),
    "int8": tuple(f"{place}model_{kind}.onnx" for place in ("onnx/", "") for kind in ("quantized", "int8")),
}
"""What other programs call an ONNX export, best first, by the precision that is asked for."""
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
# Tensors that are no parameters.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids", "n_averaged")
_PLACEHOLDER = re.compile(r"(LABEL_)?\d+")
_USUAL_POSITIONS = 512
_MOST_LABELS = 1_000_000
# What others call the longest text, and whose first rows of positions are for padding.
_OTHER_LIMITS = ("n_positions", "max_seq_len", "max_sequence_length")
_POSITIONS_AFTER_PADDING = frozenset(
    {"xlm-roberta", "xlm-roberta-xl", "camembert", "xmod", "data2vec-text", "roberta-prelayernorm", "longformer"}
)
_MOST_POSITIONS = 1 << 24  # transformers writes 10^30 where a tokenizer has no limit


def onnx_data(path: Path) -> list[Path]:
    """Find what holds the tensors of an ONNX file; see `onnx_data_files`.

    Args:
        path: the ONNX file, present or not.

    Returns:
        Files beside it.
    """
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return [path.parent / name for name in onnx_data_files(path.name, beside)]


def onnx_data_files(file: str, names: Iterable[str]) -> list[str]:
    """Find what holds the tensors of an ONNX file that is too large to hold them itself.

    Args:
        file: the ONNX file, "onnx/model.onnx".
        names: of all files.

    Returns:
        Those beside it that are called "onnx/model.onnx_data" or "onnx/model.onnx.data", or begin so.
    """
    return sorted(name for name in names if name.startswith((f"{file}_data", f"{file}.data")))


def unknown_family(
    config_file: object, model_type: object, export: str | None = None, in_int8: str | None = None
) -> ConfigError:
    """Make the error for weights of a family of which there is no record.

    Args:
        config_file: where it is named.
        model_type: what it is called there.
        export: another program's ONNX export of the model, if there is one.
        in_int8: such an export in int8, if there is one.

    Returns:
        The error; says what would help.
    """
    helps = (
        f"its {export} classifies, and does nothing else"
        if export
        else f"its {in_int8} classifies with precision int8 (--precision int8), and does nothing else"
        if in_int8
        else "a classifier of another family runs where its folder has an ONNX export as onnx/model.onnx, which "
        "optimum or torch.onnx.export writes"
    )
    return ConfigError(
        f"{config_file}: model_type {model_type!r} is not supported: valence loads the weights of "
        f"{', '.join(FAMILIES)}; {helps}"
    )


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
            raise unknown_family(self.path / "config.json", found, *map(self._plain_name, (None, "int8")))
        return family

    def _plain_name(self, precision: str | None) -> str | None:
        """Name another program's export, if there is one."""
        return next((str(file.relative_to(self.path)) for file in self.plain_onnx(precision)[:1]), None)

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
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_LABELS:
            raise ConfigError(
                f"{self.path / 'config.json'}: num_labels must be a positive number up to {_MOST_LABELS:,}, found "
                f"{value!r:.40}"
            )
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
        model_type = self.config.get("model_type")
        family = family_of(model_type)
        value = self.config.get("max_position_embeddings", _USUAL_POSITIONS)
        if family is None and isinstance(model_type, str) and (value is None or type(value) is int):
            return self._longest_of_unknown_family(self.config.get("max_position_embeddings"))
        if isinstance(value, bool) or not isinstance(value, int) or value < 3:
            raise ConfigError(
                f"{self.path / 'config.json'}: max_position_embeddings must be a number above 2, found {value!r}"
            )
        if family is None:
            return value
        pad = self.config.get("pad_token_id")
        longest = family.longest_text(value, pad if isinstance(pad, int) else family.default("pad_token_id"))
        if longest < 3:
            raise ConfigError(f"{self.path / 'config.json'}: max_position_embeddings {value} leaves no room for a text")
        return longest

    def _longest_of_unknown_family(self, positions: object) -> int:
        """Take the least that config.json and tokenizer_config.json say; either may hold what says nothing."""
        file = self.path / "tokenizer_config.json"
        said = read_json(file).get("model_max_length") if file.is_file() else None
        pad = self.config.get("pad_token_id")
        if positions is None:
            positions = next((one for key in _OTHER_LIMITS if type(one := self.config.get(key)) is int), None)
        if isinstance(positions, int) and isinstance(pad, int) and 0 < (usual := positions - pad - 1) < positions:
            # RoBERTa and those that came of it have rows for padding and what is before it: 514 for 512 tokens.
            known = self.config.get("model_type") in _POSITIONS_AFTER_PADDING
            positions = usual if known or (usual.bit_count() == 1 and positions.bit_count() > 1) else positions
        sane = [value for value in (said, positions) if isinstance(value, int) and 3 <= value <= _MOST_POSITIONS]
        return min(sane, default=_USUAL_POSITIONS)

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

    def plain_onnx(self, precision: str | None = None) -> tuple[Path, ...]:
        """Find an ONNX export of another program.

        Args:
            precision: the one asked for: "int8", or anything else for the file that runs without being asked for.

        Returns:
            The ONNX file and those that hold its tensors; empty where there is none, or the folder has exports of ours.
        """
        if self.manifest_file.is_file():
            return ()
        names = PLAIN_ONNX["int8" if precision == "int8" else None]
        found = next((file for name in names if (file := self.path / name).is_file()), None)
        return () if found is None else (found, *onnx_data(found))

    @property
    def what_it_holds(self) -> str:
        """What there is to run where there are no weights, as a message says it."""
        if self.manifest_file.is_file():
            return "exported engines only"
        if self.plain_onnx():
            return f"another program's ONNX export of a {self.config.get('model_type') or 'model'} only"
        if in_int8 := self._plain_name("int8"):
            return f"no weights ({in_int8} runs with --precision int8)"
        return "no weights"

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
