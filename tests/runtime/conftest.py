"""Fixtures of the tests that run every engine."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def every_engine(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A classifier with an export for every engine. Do not write to it."""
    pytest.importorskip("torch")
    from every_engine import make_classifier

    folder = tmp_path_factory.mktemp("every") / "classifier"
    make_classifier(folder, vocabulary)
    return folder


@pytest.fixture(scope="session")
def raw_model(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A raw BERT. Do not write to it."""
    pytest.importorskip("torch")
    from every_engine import make_raw

    folder = tmp_path_factory.mktemp("every") / "raw"
    make_raw(folder, vocabulary)
    return folder
