"""What public functions take and give has a type: `Any` is for what stays inside."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import valence

SOURCE = Path(valence.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if isinstance(node, ast.ClassDef):
                yield from public_functions(node.body)
            else:
                yield node


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def aliases_of_any(tree: ast.Module) -> set[str]:
    """`Any`, and the names that a module gives to types with it."""
    names = {"Any"}
    for node in tree.body:
        if isinstance(node, ast.Assign) and names & {
            one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)
        }:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(SOURCE).as_posix() for path in FILES])
def test_no_public_signature_has_any(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = aliases_of_any(tree)
    for function in public_functions(tree.body):
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        notes = [function.returns, *(one.annotation for one in every if one is not None)]
        used = {name for note in notes if note is not None for name in names_in(note)}
        assert not used & names, f"{path}, line {function.lineno}: {function.name}"
