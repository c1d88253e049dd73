"""Query parameters: as strict as a body. An unknown or repeated one is refused, not ignored."""

import re
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from common.api.errors import NotValid, flattened
from common.api.fields import Document, Whole

WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)


class Parameters(Document):
    """What an operation may be asked in its address."""

    @classmethod
    def read_query(cls, query: QueryDict) -> dict[str, Any]:
        """:raises NotValid: with everything that is wrong"""
        errors = [
            {"parameter": name, "code": "repeated", "detail": str(_("Give it once."))}
            for name, values in query.lists()
            if len(values) > 1
        ]
        fields = cls.reader().fields
        texts = {name: _number_in(query[name], fields.get(name)) for name in query}
        try:
            found = cls.read(texts)
        except ValidationError as error:
            errors += [_as_parameter(each) for each in flattened(error.detail)]
        if errors:
            raise NotValid(errors)
        return found


class NoParameters(Parameters):
    pass


def _number_in(text: Any, field: object) -> str | int:
    return int(text) if isinstance(field, Whole) and WHOLE.fullmatch(text) else str(text)


def _as_parameter(error: dict[str, str]) -> dict[str, str]:
    name = error["pointer"].removeprefix("/")
    return {"parameter": name, "code": error["code"], "detail": error["detail"]}
