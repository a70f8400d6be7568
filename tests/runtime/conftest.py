"""Fixtures of the tests that run every engine."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def raw_model(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A raw BERT. Do not write to it."""
    pytest.importorskip("torch")
    from every_engine import make_raw

    folder = tmp_path_factory.mktemp("every") / "raw"
    make_raw(folder, vocabulary)
    return folder
