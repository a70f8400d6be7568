"""What config.json, the weights and the exported engines of a model say, as sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from valence.card.anchors import slug
from valence.card.statement import Basis, Source, Statement
from valence.folder import ModelFolder
from valence.reports.printing import fixed, megabytes
from valence.runtime.manifest import Export

__all__ = ["AgreementSource", "ConfigSource", "ExportSource", "ParametersSource", "WeightsSource"]

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
        file, n_bytes = self.export.file, self.export.bytes
        yield self.state(slug(file), n_bytes, megabytes(n_bytes), f"exports.{file}.bytes", "exact", "bytes")


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
        found, key = self.export.agreement[self.engine], f"exports.{self.export.file}.agreement.{self.engine}"
        n_texts, labels = int(found["n_texts"]), float(found["labels"])
        yield self.state_count("n_texts", n_texts, f"{key}.n_texts", unit="texts")
        yield self.state("labels", labels, f"{labels:.2%}", f"{key}.labels", Basis("labels", n_texts))
        for what in ("p99_difference", "largest_difference"):
            value = float(found[what])
            yield self.state(what, value, fixed(value), f"{key}.{what}", Basis("score", n_texts))
