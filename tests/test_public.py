"""What `import valence` offers."""

import importlib
import pkgutil

import pytest

import valence


def test_all_is_sorted_and_there():
    assert valence.__all__ == sorted(valence.__all__)
    assert len(set(valence.__all__)) == len(valence.__all__)
    for name in valence.__all__:
        assert getattr(valence, name) is not None


def test_all_is_everything():
    offered = {name for name in dir(valence) if not name.startswith("_")}
    assert offered == set(valence.__all__)
    scope: dict = {}
    exec("from valence import *", scope)
    assert {name for name in scope if not name.startswith("_")} == set(valence.__all__)


def test_every_error_is_offered():
    from valence import errors

    assert {*errors.__all__} <= set(valence.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(valence, name), valence.ValenceError)
        assert getattr(valence, name) is getattr(errors, name)


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="module 'valence' has no attribute 'Clasifier'"):
        valence.Clasifier  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [module.name for module in pkgutil.walk_packages(valence.__path__, "valence.") if "__main__" not in module.name],
)
def test_every_module_imports_and_keeps_what_it_promises(name):
    module = importlib.import_module(name)
    for offered in getattr(module, "__all__", ()):
        assert hasattr(module, offered)
