"""
The OpenAPI description: true because it is read off what the views run.

Fields say what they accept, answers are typed structures, and every operation gets the refusals of
our manners by itself; a view adds only its own.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from common.api.errors import TITLES
from common.api.idempotency import KEY, InFlight, InvalidKey, KeyReused
from common.api.rendering import JSON, PROBLEM_JSON, Answer
from common.errors import DomainError

REF = "#/components/schemas/{name}"


class Place(Answer, omit_defaults=True):
    """One thing that is wrong with what was sent."""

    code: str
    detail: str
    # A JSON pointer into the body, or the name of a query parameter.
    pointer: str = ""
    parameter: str = ""


class Problem(Answer):
    """RFC 9457 problem details. Program against `code`; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    details: dict[str, int | str] = {}
    errors: list[Place] = []


# What any operation may answer, any with a body, and any whose answers are kept under a key.
ANY = {
    401: ["not_authenticated", "invalid_token"],
    403: ["insufficient_scope"],
    406: ["not_acceptable"],
    422: ["invalid"],
    429: ["throttled"],
    503: ["try_again_later"],
}
WITH_BODY = {
    400: ["malformed"],
    411: ["length_required"],
    413: ["body_too_large"],
    415: ["unsupported_media_type"],
}
WITH_KEY = {400: [InvalidKey.code], 409: [InFlight.code], 422: [KeyReused.code]}

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY},
    OpenApiParameter.HEADER,
    description="Your name for this attempt. A repeat within seven days gets the first answer.",
)
REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    {"type": "string", "const": "true"},
    OpenApiParameter.HEADER,
    response=True,
    description="The answer was given before, under the same Idempotency-Key.",
)
RATE_LIMIT = [
    OpenApiParameter(
        "RateLimit-Policy", str, OpenApiParameter.HEADER, response=True,
        description='How much you may ask, such as `"client";q=6000;w=60`.',
    ),
    OpenApiParameter(
        "RateLimit", str, OpenApiParameter.HEADER, response=True,
        description='What is left of it, such as `"client";r=5990;t=41`.',
    ),
]  # fmt: skip
RETRY_AFTER = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, response=[429, 503],
    description="Seconds to wait before the same request.",
)  # fmt: skip


def describe(
    *,
    summary: str,
    description: str = "",
    body: Any = None,
    answers: Mapping[int, Any],
    refusals: Sequence[type[DomainError]] = (),
    parameters: Sequence[Any] = (),
    examples: Sequence[OpenApiExample] = (),
    keeps_answers: bool = True,
) -> Callable[[Any], Any]:
    """
    Describe one operation.

    :param body: the document, or media type → what is sent, of which no answers are kept
    :param answers: status → the structure answered with, or (structure, description)
    :param refusals: what this operation may refuse with, beside what all may
    :param keeps_answers: as the view says it
    """
    codes: dict[int, list[str]] = defaultdict(list)
    is_document = body is not None and not isinstance(body, Mapping)
    is_kept = is_document and keeps_answers
    for group in (ANY, WITH_BODY if body is not None else {}, WITH_KEY if is_kept else {}):
        for status, names in group.items():
            codes[status] += names
    for refused in refusals:
        codes[refused.status].append(refused.code)
    common = [*RATE_LIMIT, RETRY_AFTER] + ([IDEMPOTENCY_KEY, REPLAYED] if is_kept else [])
    return extend_schema(
        summary=summary,
        description=description,
        request={JSON: body} if is_document else body,
        responses={
            **{(status, JSON): _response(answer) for status, answer in answers.items()},
            **{
                (status, PROBLEM_JSON): OpenApiResponse(
                    _problem(codes[status]), description=str(TITLES[status])
                )
                for status in sorted(codes)
            },
        },
        parameters=[*parameters, *common],
        examples=list(examples),
    )


def link(operation: str, **parameters: str) -> dict[str, Any]:
    """Say how an answer leads on: parameter of the other operation → field of the answer."""
    return {
        "operationId": operation,
        "parameters": {name: f"$response.body#/{field}" for name, field in parameters.items()},
    }


def example(name: str, value: Mapping[str, Any]) -> OpenApiExample:
    """A body that works against the demo."""
    return OpenApiExample(name, value=dict(value), request_only=True)


class Schema(AutoSchema):
    """Names operations by what they do; leaves out HEAD, which is GET without a body."""

    method_mapping = {"get": "retrieve", "post": "create"}

    def get_description(self, *_: Any) -> str:
        """Only what `describe` says: docstrings speak to us."""
        return ""

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").partition("/")[0]]

    def get_operation_id(self) -> str:
        words = [
            part.strip("{}").replace("-", "_")
            for part in self.path.removeprefix("/api/v1/").strip("/").split("/")
        ]
        return "_".join([self.method.lower(), *words])

    def get_operation(self, *arguments: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments)
        links = getattr(self.view, "links", {})
        if operation is not None and self.method == "POST" and links:
            for status in {"200", "201"} & operation["responses"].keys():
                operation["responses"][status]["links"] = links
        return operation


class AnswerExtension(  # type: ignore[no-untyped-call]  # the package keeps a register
    OpenApiSerializerExtension
):
    """Lets a typed structure stand where the generator expects a serializer."""

    target_class = Answer
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        name: str = self.target.__name__
        return name

    def get_identity(self, auto_schema: AutoSchema, direction: str) -> str:
        """By its name: of what stands within another structure we are told nothing else."""
        return self.get_name(auto_schema, direction)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        _, components = msgspec.json.schema_components([self.target], ref_template=REF)
        own = components.pop(self.target.__name__)
        for name, schema in components.items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]  # no types there
                name, ResolvedComponent.SCHEMA, schema=schema, object=name
            )
            auto_schema.registry.register_on_missing(component)
        return own


class DocumentExtension(  # type: ignore[no-untyped-call]  # the package keeps a register
    OpenApiSerializerExtension
):
    """Says of a document that comes in what it does: fields it does not know are refused."""

    target_class = "common.api.fields.Document"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer(  # type: ignore[no-untyped-call]  # no types there
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False, **self.target.extra_schema}


class StrictFieldExtension(  # type: ignore[no-untyped-call]  # the package keeps a register
    OpenApiSerializerFieldExtension
):
    target_class = "common.api.fields.StrictField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return dict(self.target.schema)


def only_v1(endpoints: list[tuple[Any, ...]], **_: Any) -> list[tuple[Any, ...]]:
    """Leave out what is no part of the contract, such as the schema itself."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A body is never optional, even where each of its fields is; nor a list without anything."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
                for content in operation["requestBody"]["content"].values():
                    if content["schema"].get("type") == "array":
                        content["schema"]["minItems"] = 1
    return result


def _response(answer: Any) -> OpenApiResponse:
    structure, description = answer if isinstance(answer, tuple) else (answer, "")
    return OpenApiResponse(structure, description=description)


def _problem(codes: Iterable[str]) -> dict[str, Any]:
    known = {"type": "object", "properties": {"code": {"enum": sorted(set(codes))}}}
    return {"allOf": [{"$ref": REF.format(name="Problem")}, known]}
