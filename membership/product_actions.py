"""What staff do with a member's products: bind one, hand it over, note that it is gone."""

from typing import Any

from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common.staff import acting
from members import masking, operations, queries
from members.forms import AddProductForm, HandOverForm, ProductForm
from members.models import Member
from members.numbers import is_member_number
from membership.member_actions import MemberAction


class ProductAction(MemberAction):
    """Stands with the products, not among the buttons above all pages."""

    is_quiet = True
    permission_required = "members.change_member"


class AddProduct(ProductAction):
    title = _("Bind a product")
    icon = "add"
    form_class = AddProductForm
    done = _("The product is bound.")

    def perform(self, form: Any) -> None:
        told = form.cleaned_data
        operations.add_product(
            member_id=self.member.pk,
            product=operations.ProductFacts(
                identifier=told["identifier"], name=told["name"], purchased_on=told["purchased_on"]
            ),
            bound_at=timezone.now(),
            by=acting(self.request),
            reason=told["reason"],
        )


class EndOwnership(ProductAction):
    title = _("Product is gone")
    icon = "remove_circle"
    form_class: type[ProductForm] = ProductForm
    explanation = _(
        "For what the member sold or lost. It stays in the history, and somebody else can bind it."
    )
    done = _("The product is the member's no more.")

    def get_form_kwargs(self) -> dict[str, Any]:
        owned = self.member.products.filter(owned_until=None).order_by("-pk")
        choices = [
            (each.pk, f"{masking.product(each.identifier)} {each.name}".strip()) for each in owned
        ]
        return {**super().get_form_kwargs(), "products": choices}

    def get_initial(self) -> dict[str, Any]:
        return {"product": self.request.GET.get("product"), "on": localdate().isoformat()}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        has_choice = bool(found["form"].fields["product"].choices)
        return found | {"nothing": "" if has_choice else _("The member owns no product.")}

    def perform(self, form: Any) -> Any:
        told = form.cleaned_data
        operations.end_ownership(
            product_id=told["product"],
            member_id=self.member.pk,
            on=told["on"],
            at=timezone.now(),
            by=acting(self.request),
            reason=told["reason"],
        )


class HandOver(EndOwnership):
    title = _("Hand over a product")
    icon = "swap_horiz"
    form_class = HandOverForm
    explanation = _("For what another member owns now. It stays in this member's history.")
    done = _("The product has its new owner.")

    def perform(self, form: Any) -> None:
        told = form.cleaned_data
        operations.hand_over(
            product_id=told["product"],
            member_id=self.member.pk,
            to_id=_somebody(told["to"]).pk,
            on=told["on"],
            at=timezone.now(),
            by=acting(self.request),
            reason=told["reason"],
        )


def _somebody(text: str) -> Member:
    number = text.strip().upper()
    return queries.by_number(number) if is_member_number(number) else queries.by_phone(text)


ACTIONS: dict[str, type[MemberAction]] = {
    "product-add": AddProduct,
    "product-hand-over": HandOver,
    "product-end": EndOwnership,
}
