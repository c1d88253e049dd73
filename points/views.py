from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.vary import vary_on_headers

from members.views import MemberPage
from points import queries, statements
from points.statement_forms import BalanceForm, StatementForm

PAGE_SIZE = 20


@method_decorator(vary_on_headers("HX-Request"), name="dispatch")
class StatementPage(MemberPage):
    """The member's own ledger, newest first; htmx gets the list alone."""

    def get_template_names(self) -> list[str]:
        part = self.request.htmx and not self.request.htmx.history_restore_request
        return ["points/entries.html" if part else "points/statement.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = StatementForm(self.request.GET)
        chosen = form.chosen()
        entries = list(queries.statement(self.member.pk, **chosen)[: PAGE_SIZE + 1])
        shown = entries[:PAGE_SIZE]
        account = statements.on_account(self.member.pk)
        return super().get_context_data(
            form=form,
            lines=statements.lines(shown, member=self.member, account=account),
            is_filtered=any(chosen.get(name) for name in ("kinds", "since", "until")),
            is_first_page=not chosen.get("before"),
            # Lines put behind others: their first one takes the focus of the link they replace.
            added=bool(self.request.htmx and chosen.get("before")),
            older=self._older(shown[-1].seq) if len(entries) > PAGE_SIZE else "",
            newest=self._query(before=None),
            balance=account.balance,
            aside=statements.aside(account),
            **self._balance_on_a_day(),
            **kwargs,
        )

    def _balance_on_a_day(self) -> dict[str, Any]:
        form = BalanceForm(self.request.GET)
        day = form.cleaned_data["on"] if form.is_valid() else None
        then = queries.balance_as_of(self.member.pk, day) if day else None
        return {"balance_form": form, "balance_day": day, "balance_then": then}

    def _older(self, seq: int) -> str:
        return self._query(before=str(seq))

    def _query(self, *, before: str | None) -> str:
        """The page's own query string with another place to start from."""
        query = self.request.GET.copy()
        query.pop("before", None)
        if before is not None:
            query["before"] = before
        return query.urlencode()
