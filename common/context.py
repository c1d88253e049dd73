"""The request a piece of work belongs to, for logs and audit rows. Set by the middleware."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = ""
    ip: str | None = None


NO_REQUEST = RequestContext()
current: ContextVar[RequestContext] = ContextVar("request_context", default=NO_REQUEST)
