"""What config.json, the weights and the exported engines of a model say, as sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from valence.card.anchors import slug
from valence.card.statement import Basis, Source, Statement
from valence.families import config_key
from valence.folder import ModelFolder
from valence.reports.printing import fixed, megabytes
from valence.runtime.manifest import Export

__all__ = ["AgreementSource", "ConfigSource", "ExportSource", "ParametersSource", "WeightsSource"]

_SHAPE = {
    "layers": "n_layers",
    "width": "hidden_size",
    "heads": "n_heads",
    "feed_forward_width": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_positions",
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
        config = self.folder.config
        for what, ours in _SHAPE.items():
            key = config_key(config.get("model_type"), ours)
            if key is not None and isinstance(value := config.get(key), int):
                yield self.state(what, self.folder.max_position_embeddings if what == "positions" else value, key)


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
        yield self.state("parameters", self.count, self.key, "exact")


@dataclass(frozen=True, eq=False)
class WeightsSource(Source):
    """The size of the checkpoint.

    Args:
        n_bytes: of its files.
    """

    n_bytes: int

    def statements(self) -> Iterator[Statement]:
        """Give the size."""
        yield self.state("weights", self.n_bytes, "size", "exact", "bytes", megabytes(self.n_bytes))


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
        yield self.state(slug(file), n_bytes, f"exports.{file}.bytes", "exact", "bytes", megabytes(n_bytes))


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
        yield self.state("n_texts", n_texts, f"{key}.n_texts", "exact", "texts")
        yield self.state("labels", labels, f"{key}.labels", Basis("labels", n_texts), text=f"{labels:.2%}")
        for what in ("p99_difference", "largest_difference"):
            value = float(found[what])
            yield self.state(what, value, f"{key}.{what}", Basis("score", n_texts), text=fixed(value))
