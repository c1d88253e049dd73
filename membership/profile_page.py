"""“Me”: what is known of the member, and the ways to everything that is the member's own."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property

from common import context
from members import attributes, masking, operations, phones
from members.models import Attribute
from members.views import MemberPage
from membership.forms import CodeForm, PhoneForm
from membership.profile_forms import BindForm, OwnProfileForm
from membership.views import OwnForm
from messaging import operations as messaging
from messaging import queries as messaging_queries

CHALLENGE = "phone_challenge"


class OwnPage(MemberPage):
    """A page below “Me”."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            is_own=True, member=self.member, is_saved="saved" in self.request.GET, **kwargs
        )


class OwnFormPage(OwnForm, OwnPage):
    """A form below “Me”."""


class ProfilePage(OwnPage):
    template_name = "profile/profile.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            phone=phones.masked(self.member.phone),
            email=masking.email(self.member.email),
            **kwargs,
        )


class EditPage(OwnFormPage):
    """What members may tell of themselves."""

    template_name = "profile/edit.html"
    form_class = OwnProfileForm

    @cached_property
    def asked(self) -> list[Attribute]:
        return [each for each in attributes.defined().values() if each.by_member]

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"member": self.member, "asked": self.asked}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        told = attributes.told(
            self.member.attributes,
            [each for each in attributes.defined().values() if not each.by_member],
        )
        return super().get_context_data(told=told, **kwargs)

    def done(self, form: Any) -> HttpResponse:
        operations.correct_own(
            member_id=self.member.pk, changes=form.changes(), at=timezone.now(), by=self.login
        )
        return redirect(f"{self.request.path}?saved")


class ProductsPage(OwnFormPage):
    template_name = "profile/products.html"
    form_class = BindForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        owned = self.member.products.filter(owned_until=None).order_by("-pk")
        return super().get_context_data(products=list(owned), **kwargs)

    def done(self, form: Any) -> HttpResponse:
        operations.bind_own(
            member_id=self.member.pk,
            product=operations.ProductFacts(**form.cleaned_data),
            at=timezone.now(),
            by=self.login,
        )
        return redirect(f"{self.request.path}?saved")


class PhonePage(OwnFormPage):
    """A new phone: first a code goes there, whoever has it."""

    template_name = "profile/phone.html"
    form_class = PhoneForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(phone=phones.masked(self.member.phone), **kwargs)

    def done(self, form: Any) -> HttpResponse:
        self.request.session[CHALLENGE] = messaging.ask_for_code(
            phone=form.cleaned_data["phone"],
            address=context.current.get().ip or "",
            to_strangers=True,
        )
        return redirect("profile_phone_code")


class PhoneCodePage(OwnFormPage):
    """Who has the code has the phone."""

    template_name = "profile/phone_code.html"
    form_class = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and CHALLENGE not in request.session:
            return redirect("profile_phone")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = messaging_queries.phone_asked(self.request.session[CHALLENGE])
        return super().get_context_data(masked_phone=phones.masked(asked), **kwargs)

    def done(self, form: Any) -> HttpResponse:
        phone = messaging.answer(
            challenge=self.request.session[CHALLENGE], code=form.cleaned_data["code"]
        )
        operations.change_own_phone(
            member_id=self.member.pk, phone=phone, at=timezone.now(), by=self.login
        )
        del self.request.session[CHALLENGE]
        return redirect("profile")
