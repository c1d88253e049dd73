"""Our own source as these tests read it: files by room, parsed once."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

BASE = settings.BASE_DIR
ROOMS = settings.ROOMS


@cache
def python_files(room: str) -> tuple[Path, ...]:
    return tuple(sorted((BASE / room).rglob("*.py")))


def live_files(room: str) -> list[Path]:
    """All but migrations, which speak of models as they were."""
    return [path for path in python_files(room) if "migrations" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(tree(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(BASE)}:{getattr(node, 'lineno', '?')}"


def called(node: ast.AST) -> str:
    """`events.publish(…)` → events.publish; empty for what is no call of a name."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def sections(room: str) -> dict[str, str]:
    """The docstring's `Owns`, `Imports`, `Tells` and `Hears`, each to its end."""
    text = ast.get_docstring(tree(BASE / room / "__init__.py")) or ""
    parts = re.split(r"^(Owns|Imports|Tells|Hears)\s+", text, flags=re.M)
    return {
        name: " ".join(told.split()) for name, told in zip(parts[1::2], parts[2::2], strict=True)
    }
