"""valence: small, fast, audited English text classifiers.

`valence.load()` gives a classifier; called with a text it gives a `Prediction`, with texts a list of them.
"""

from typing import TYPE_CHECKING, Any

from valence.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    EngineError,
    ExportError,
    HubError,
    InputError,
    MissingExtraError,
    MissingHeadError,
    ModelError,
    ModelNotFoundError,
    TrainingError,
    ValenceError,
)

if TYPE_CHECKING:
    from valence.runtime.classifier import Classifier, Prediction
    from valence.runtime.load import load

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "Classifier",
    "ConfigError",
    "DataError",
    "EngineError",
    "ExportError",
    "HubError",
    "InputError",
    "MissingExtraError",
    "MissingHeadError",
    "ModelError",
    "ModelNotFoundError",
    "Prediction",
    "TrainingError",
    "ValenceError",
    "load",
]

# Loaded on first use, so that `import valence` costs nothing.
_LAZY = {
    "Classifier": "valence.runtime.classifier",
    "Prediction": "valence.runtime.classifier",
    "load": "valence.runtime.load",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'valence' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
