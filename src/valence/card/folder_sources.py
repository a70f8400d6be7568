"""What config.json, the weights and the exported engines of a model say, as sources."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from valence.card.anchors import slug
from valence.card.statement import Basis, Source, Statement
from valence.files import tensor_shapes
from valence.folder import ModelFolder
from valence.reports.printing import fixed, megabytes
from valence.runtime.manifest import Export

__all__ = ["AgreementSource", "ConfigSource", "ExportSource", "ParametersSource", "WeightsSource", "engine_parameters"]

_SHAPE = {
    "layers": ("n_layers", "num_hidden_layers"),
    "width": ("dim", "hidden_size"),
    "heads": ("n_heads", "num_attention_heads"),
    "feed_forward_width": ("hidden_dim", "intermediate_size"),
    "vocabulary": ("vocab_size",),
    "positions": ("max_position_embeddings",),
}


@dataclass(frozen=True, eq=False)
class ConfigSource(Source):
    """The shape of the model.

    Args:
        folder: the model.
    """

    folder: ModelFolder

    def statements(self) -> Iterator[Statement]:
        """List what the config says."""
        for what, keys in _SHAPE.items():
            found = {key: value for key in keys if isinstance(value := self.folder.config.get(key), int)}
            for key, value in list(found.items())[:1]:
                yield self.state_count(what, value, key, "stated")


@dataclass(frozen=True, eq=False)
class ParametersSource(Source):
    """How many parameters the model has.

    Args:
        key: where the file says it.
        count: the number.
    """

    key: str
    count: int

    def statements(self) -> Iterator[Statement]:
        """Give the number."""
        yield self.state_count("parameters", self.count, self.key)


@dataclass(frozen=True, eq=False)
class WeightsSource(Source):
    """The size of the checkpoint.

    Args:
        n_bytes: of its files.
    """

    n_bytes: int

    def statements(self) -> Iterator[Statement]:
        """Give the size."""
        yield self.state("weights", self.n_bytes, megabytes(self.n_bytes), "size", "exact", "bytes")


@dataclass(frozen=True, eq=False)
class ExportSource(Source):
    """An exported engine, as the manifest describes it.

    Args:
        export: the engine.
    """

    written_by: ClassVar[str] = "valence export"
    export: Export

    def statements(self) -> Iterator[Statement]:
        """Give its size."""
        return self.sized(self.export.bytes)

    def sized(self, n_bytes: int) -> Iterator[Statement]:
        """State a size.

        Args:
            n_bytes: of its files.

        Yields:
            The statement.
        """
        key = f"exports.{self.export.file}.bytes"
        yield self.state(slug(self.export.file), n_bytes, megabytes(n_bytes), key, "exact", "bytes")


@dataclass(frozen=True, eq=False)
class AgreementSource(Source):
    """How well an exported engine agrees with the weights that it was made from.

    Args:
        export: the engine.
        engine: what ran it.
    """

    written_by: ClassVar[str] = "valence export"
    export: Export
    engine: str

    def statements(self) -> Iterator[Statement]:
        """List what the manifest says."""
        return self.agreeing(self.export.agreement[self.engine])

    def agreeing(self, found: dict[str, float]) -> Iterator[Statement]:
        """State an agreement.

        Args:
            found: its numbers by name, as the manifest has them.

        Yields:
            The statements.
        """
        key = f"exports.{self.export.file}.agreement.{self.engine}"
        n_texts, labels = int(found["n_texts"]), float(found["labels"])
        yield self.state_count("n_texts", n_texts, f"{key}.n_texts", unit="texts")
        yield self.state("labels", labels, f"{labels:.2%}", f"{key}.labels", Basis("labels", n_texts))
        for what in ("p99_difference", "largest_difference"):
            value = float(found[what])
            yield self.state(what, value, fixed(value), f"{key}.{what}", Basis("score", n_texts))


def engine_parameters(folder: ModelFolder, exports: dict[str, Export]) -> int | None:
    """Count the parameters in the tensors of an int8 engine.

    Args:
        folder: the model.
        exports: its engines.

    Returns:
        The number, or None where no engine keeps its tensors in a file of safetensors.
    """
    for export in exports.values():
        if export.beside is not None and export.beside.endswith(".safetensors"):
            shapes = tensor_shapes(folder.manifest_file.parent / export.beside)
            # a scale belongs to how a parameter is kept
            return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(".scale"))
    return None
