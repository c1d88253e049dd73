"""A programme as a document: the shape of its YAML file."""

from collections.abc import Iterator
from datetime import date
from textwrap import shorten
from typing import Any

import jsonschema
import yaml
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Invalid
from common.localized import NAMES_SCHEMA, TEXT_PATTERN
from common.schemas import Choices, Problem, path_of, schema_problems, unknown
from common.schemas import where as place
from programme import contact, sections
from programme.contact import CONTACT_SCHEMA, QUESTIONS_SCHEMA
from programme.policies import POLICIES_SCHEMA, contradictions

FORMAT = 1
TEXT_MAX = 1_000_000
WHY_MAX = 300


class InvalidProgramme(Invalid):
    """`where` is the place as JSONPath writes it, such as `$.earning.rules[0].points`."""

    code = "invalid_programme"
    message = gettext_lazy("The programme file is not valid at “%(where)s”: %(why)s")

    def problem(self) -> Problem:
        return Problem(path_of(str(self.details["where"])), str(self.details["why"]))


class InvalidDocument(InvalidProgramme):
    """As `InvalidProgramme`, with everything that is wrong, each in the reader's language."""

    def __init__(self, *problems: Problem) -> None:
        first = problems[0]
        super().__init__(where=place(first.path), why=first.why)
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """
    Refuses a key given twice, of which YAML would silently keep the second, and aliases, by which
    a few lines can stand for gigabytes.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # as PyYAML's stubs have it
            raise InvalidProgramme(where=str(mark), why=_("aliases are not allowed"))
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InvalidProgramme(
                    where=str(node.start_mark), why=_("“%(key)s” twice") % {"key": key}
                )
        return super().construct_mapping(node, deep)


# Dates and numbers stay the text they were: money and days are parsed by whoever owns them.
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp) for tag, regexp in resolvers if not tag.endswith((":timestamp", ":float"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag in ("timestamp", "float"):
    _Loader.add_constructor(
        f"tag:yaml.org,2002:{_tag}",
        yaml.SafeLoader.construct_yaml_str,  # type: ignore[type-var]  # the stubs want one class
    )


def parse(text: str) -> dict[str, Any]:
    """
    Read a programme file.

    :raises InvalidProgramme: if it is no YAML or breaks the schema
    """
    document: dict[str, Any] = read(text)
    validate(document)
    return document


def read(text: str) -> Any:
    """
    Read a file that may be no programme: whoever takes it looks (`require_valid`).

    :raises InvalidProgramme: if it is no YAML
    """
    if len(text) > TEXT_MAX:
        raise InvalidProgramme(
            where="YAML", why=_("more than %(count)s characters") % {"count": TEXT_MAX}
        )
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError as error:
        raise InvalidProgramme(where="YAML", why=_("nested too deeply")) from error
    # The others come of tags and numbers of which Python can make nothing.
    except (yaml.YAMLError, ValueError, LookupError) as error:
        raise InvalidProgramme(where="YAML", why=str(error)) from error
    if document is None:
        raise InvalidProgramme(where="YAML", why=_("there is nothing in it"))
    return document


def validate(document: Any) -> None:
    """:raises InvalidProgramme: at the first place that breaks the schema or makes no sense"""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        raise InvalidProgramme(where=error.json_path, why=shorten(error.message, WHY_MAX))
    for where, why in _nonsense(document):
        raise InvalidProgramme(where=where, why=why)


def require_valid(document: Any) -> None:
    """:raises InvalidDocument: as `validate`, with all that is wrong"""
    problems = schema_problems(_validator(), document)
    if not problems:
        problems = tuple(Problem(path_of(where), why) for where, why in _nonsense(document))
    if problems:
        raise InvalidDocument(*problems)


def require_known(document: Any, *, before: Any) -> None:
    """:raises InvalidDocument: if it names what there is not, as it did not before"""
    had = {problem.why for problem in _unknown(before)}
    problems = [problem for problem in _unknown(document) if problem.why not in had]
    if problems:
        raise InvalidDocument(*problems)


def _unknown(document: Any) -> list[Problem]:
    root = schema()
    return [*unknown(root, document, root=root, choices=Choices(document))]


def _nonsense(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What no schema can see in a document that it has accepted: the place, and why."""
    for where, why in contact.contradictions(document["programme"]):
        yield f"$.programme.{where}", why
    valid_from = date.fromisoformat(document["valid_from"])
    for where, why in contradictions(document["policies"], valid_from=valid_from):
        yield f"$.policies.{where}", why
    for section in sections.all_sections():
        for where, why in section.contradictions(document):
            yield f"$.{section.name}.{where}", why


def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        schema(), format_checker=jsonschema.FormatChecker(["date"])
    )


def render(document: dict[str, Any]) -> str:
    """Write a document as YAML that `parse` reads back as the same document."""
    # The database keeps no order of keys; the schema's is the one people write.
    ordered = _in_schema_order(document, schema())
    return yaml.safe_dump(ordered, allow_unicode=True, sort_keys=False, width=100)


def schema() -> dict[str, Any]:
    """The JSON Schema of a programme file, with every room's section."""
    own = {
        "format": {"const": FORMAT},
        "programme": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"},
                "names": NAMES_SCHEMA,
                "currency": {"type": "string", "pattern": r"^[A-Z]{3}\Z"},
                "points_per_currency_unit": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                "color": {"type": "string", "pattern": r"^#[0-9a-f]{6}\Z"},
                "contact": CONTACT_SCHEMA,
                "questions": QUESTIONS_SCHEMA,
            },
            "required": ["code", "names", "currency", "points_per_currency_unit", "color"],
            "additionalProperties": False,
        },
        "valid_from": {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}\Z"},
        "note": {"type": "string", "maxLength": 500, "pattern": TEXT_PATTERN},
        "policies": POLICIES_SCHEMA,
    }
    hung = sections.all_sections()
    properties: dict[str, Any] = {**own, **{section.name: section.schema for section in hung}}
    required = [*own, *(section.name for section in hung if section.default is None)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _in_schema_order(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_in_schema_order(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    properties = _properties(schema, value)
    names = [
        *(name for name in properties if name in value),
        *(name for name in value if name not in properties),
    ]
    return {name: _in_schema_order(value[name], properties.get(name, {})) for name in names}


def _properties(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """The properties a valid value may have, whichever of its shapes the value takes."""
    if "if" in schema:
        fits = jsonschema.Draft202012Validator(schema["if"]).is_valid(value)
        return _properties(schema["then" if fits else "else"], value)
    found: dict[str, Any] = dict(schema.get("properties", {}))
    for shape in schema.get("oneOf", []):
        found |= _properties(shape, value)
    return found
