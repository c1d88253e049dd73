"""Who may serve at which counter."""

import time
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from benefits.operations import Who
from common.models import User
from membership import second_factor
from partners.models import Placement, Store
from points.operations import Till

PERMISSION = "partners.serve_placement"
# A tablet left lying closes itself.
IDLE_SECONDS = 30 * 60
NOTED_SECONDS = 60
SEEN = "counter_seen"


@dataclass(frozen=True, slots=True)
class Counter:
    """A clerk at the counter of a store."""

    clerk: User
    store: Store

    @property
    def till(self) -> Till:
        return Till(by=self.clerk, store_id=self.store.pk, issuer_id=self.store.organization_id)

    @property
    def who(self) -> Who:
        return Who(by=self.clerk, store_id=self.store.pk)


def counter_of(user: User) -> Counter | None:
    """The counter at which a login serves today; None: at none."""
    # No query: the login brings them (`membership.accounts.Backend`).
    placement: Placement | None = getattr(user, "placement", None)
    store = placement.store if placement else None
    if placement is None or store is None or store.organization_id != placement.organization_id:
        return None
    is_open = store.is_active and store.organization.is_active
    return Counter(user, store) if is_open else None


@method_decorator(never_cache, name="dispatch")
class CounterPage(AccessMixin, TemplateResponseMixin, ContextMixin, View):
    """A page for a clerk who is logged in as staff are, with the second factor, at a counter."""

    counter: Counter

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User) or not (user.is_active and user.is_staff):
            return redirect_to_login(reverse("counter:start"), reverse("counter:login"))
        missing = second_factor.missing(request)
        if missing == "prove":
            return redirect("counter:second_factor")
        if missing == "set":
            return redirect_to_login(reverse("counter:start"), reverse("admin:own_factor"))
        counter = counter_of(user) if user.has_perm(PERMISSION) else None
        if counter is None:
            return render(request, "counter/closed.html", status=403)
        self.counter = counter
        self._stay_open()
        return self.arrive() or super().dispatch(request, *args, **kwargs)

    def _stay_open(self) -> None:
        """Noted once a minute: else each page would write."""
        session, now = self.request.session, int(time.time())
        if now - session.get(SEEN, 0) >= NOTED_SECONDS:
            session[SEEN] = now
            session.set_expiry(IDLE_SECONDS)

    def arrive(self) -> HttpResponseBase | None:
        """What a page needs besides a counter. An answer, if it is another page that is to come."""
        return None

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(counter=self.counter, **context)
