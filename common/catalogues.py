"""
Message catalogues without GNU gettext: what the sources say, what is translated, and compiling it.

Texts are found by reading the sources as Python reads them (`ast`) and the templates as Django does
(`templatize`), so no binary is needed on any machine.
"""

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polib
from django.utils.translation import template as templates

# Which arguments of a function are texts: singular, plural, context.
_FUNCTIONS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), ("msgid",)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), ("msgid", "plural")),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ("context", "msgid")),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ("context", "msgid", "plural")),
}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")

Key = tuple[str, str]


@dataclass(slots=True)
class Message:
    """A text of the sources and where it stands. `context` is empty for most."""

    msgid: str
    context: str = ""
    plural: str = ""
    places: list[str] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.context, self.msgid


def extract(root: Path, folders: Iterable[str]) -> dict[Key, Message]:
    """Return every text marked for translation in the folders of a project."""
    found: dict[Key, Message] = {}
    for path in _sources(root, folders):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            text = templates.templatize(text, origin=str(path))
            messages = _of_template(text)
        else:
            messages = _of_python(text)
        for message in messages:
            kept = found.setdefault(message.key, message)
            kept.plural = kept.plural or message.plural
            place = str(path.relative_to(root))
            if place not in kept.places:
                kept.places.append(place)
    return found


def problems(found: dict[Key, Message], catalogue: polib.POFile) -> list[str]:
    """Say what keeps a catalogue from being complete; nothing if it is."""
    entries = {
        (entry.msgctxt or "", entry.msgid): entry for entry in catalogue if not entry.obsolete
    }
    said = [f"not in the sources any more: {msgid!r}" for _, msgid in entries.keys() - found.keys()]
    for key, message in found.items():
        entry = entries.get(key)
        if entry is None:
            said.append(f"missing: {message.msgid!r} of {message.places[0]}")
            continue
        texts = list(entry.msgstr_plural.values()) if message.plural else [entry.msgstr]
        if not texts or not all(texts) or entry.fuzzy:
            said.append(f"not translated: {message.msgid!r} of {message.places[0]}")
            continue
        said += [
            f"other placeholders: {message.msgid!r} and {text!r}"
            for text in texts
            if _placeholders(text) != _placeholders(message.plural or message.msgid)
        ]
    return sorted(said)


def update(found: dict[Key, Message], catalogue: polib.POFile) -> None:
    """Add the texts a catalogue lacks, without translation, and drop those nobody says any more."""
    entries = {(entry.msgctxt or "", entry.msgid): entry for entry in catalogue}
    kept = []
    for key in sorted(found, key=lambda key: (found[key].places[0], key)):
        message = found[key]
        entry = entries.get(key) or polib.POEntry(
            msgid=message.msgid, msgctxt=message.context or None
        )
        entry.obsolete = False
        entry.occurrences = [(place, "") for place in sorted(message.places)]
        entry.flags = ["python-format"] if _placeholders(message.msgid) else []
        if message.plural:
            entry.msgid_plural = message.plural
            entry.msgstr_plural = entry.msgstr_plural or {0: ""}
        kept.append(entry)
    catalogue[:] = kept


def compile_if_changed(source: Path) -> bool:
    """
    Write the .mo beside a .po unless it was made from it already. Returns whether it was written.

    The .mo bears the time of the .po it was made from: a .po saved while it is being compiled is
    compiled again, and two processes at once do no harm.
    """
    target = source.with_suffix(".mo")
    changed_at = source.stat().st_mtime_ns
    if target.exists() and target.stat().st_mtime_ns == changed_at:
        return False
    # A process that starts meanwhile must not read half a catalogue.
    part = target.with_suffix(f".mo.{os.getpid()}")
    polib.pofile(str(source)).save_as_mofile(str(part))
    os.utime(part, ns=(changed_at, changed_at))
    part.replace(target)
    return True


def _sources(root: Path, folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".py", ".html"} and "migrations" not in path.parts:
                yield path


def _of_python(text: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        roles = _FUNCTIONS.get(name, ())
        texts = [_text(argument) for argument in node.args[: len(roles)]]
        if roles and len(texts) == len(roles) and all(texts):
            told = dict(zip(roles, texts, strict=True))
            yield Message(
                told["msgid"], context=told.get("context", ""), plural=told.get("plural", "")
            )


def _of_template(text: str) -> Iterator[Message]:
    """
    Read what `templatize` leaves of a template: gettext calls between crossed-out text.

    It writes strings as `_(u'…')`, and `gettext('…')` for blocks.
    """
    call = re.compile(r"\b(_|gettext|ngettext|pgettext|npgettext)\(")
    for match in call.finditer(text):
        expression = _balanced(text[match.start() :])
        try:
            yield from _of_python(expression)
        except SyntaxError:
            continue


def _balanced(text: str) -> str:
    """The call at the start of a text, up to the bracket that closes it."""
    depth, quote, escaped = 0, "", False
    for index, character in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif text.startswith(quote, index):
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return text[: index + 1]
    return text


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _placeholders(text: str) -> list[str]:
    counted: dict[str, int] = defaultdict(int)
    for placeholder in _PLACEHOLDER.findall(text.replace("%%", "")):
        counted[placeholder] += 1
    return sorted(counted)
