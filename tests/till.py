"""A store's system in the tests: it comes the short way, as over the WSGI server."""

import json
from datetime import timedelta
from itertools import count

from django.test.client import Client, ClientHandler
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from membership.api_handler import ShortWay
from partners.models import ApiClient

_numbers = count(1)


class _Handler(ShortWay, ClientHandler):
    pass


class Till(Client):
    """Calls the API with a token of a client; `None` for a caller without one."""

    def __init__(self, client: ApiClient | None, *, scopes=None, **defaults) -> None:
        super().__init__(**defaults)
        self.handler = _Handler(enforce_csrf_checks=False)
        self.token = token(client, scopes=scopes) if client else None

    def ask(self, path, query=None, **headers):
        return self.get(f"/api/v1/{path}", query, headers=self._headers(headers))

    def send(self, path, document, *, key=None, **headers):
        """POST a document, or bytes as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        if key is not None:
            headers["Idempotency-Key"] = key
        headers = self._headers(headers)
        content_type = headers.pop("Content-Type", "application/json")
        return self.post(f"/api/v1/{path}", body, content_type=content_type, headers=headers)

    def _headers(self, headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Authorization": f"Bearer {self.token}"} | named if self.token else named


def token(client: ApiClient, *, scopes=None, lives=timedelta(hours=1)) -> str:
    text = f"token-{next(_numbers)}"
    get_access_token_model().objects.create(
        application=client,
        token=text,
        scope=" ".join(client.scopes if scopes is None else scopes),
        expires=timezone.now() + lives,
    )
    return text


def refused(response, status, code):
    """Check a refusal's shape and return its document."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"/api/problems/#{code}"
    assert problem["request_id"] == response["X-Request-Id"]
    return problem


def wrong_places(problem):
    return {(error["pointer"], error["code"]) for error in problem["errors"]}
