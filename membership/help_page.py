"""Help: whom to ask, and answers to what is asked often. For members and for visitors."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.decorators import method_decorator
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from programme import contact, words
from programme import queries as programme
from programme.policies import Policies
from tiers import queries as tiers


@dataclass(frozen=True, slots=True)
class Question:
    """
    Something that is asked often.

    :param page: the name of the page where it is done or seen, if there is one
    """

    text: str
    answers: list[str]
    page: str = ""
    link: str = ""


@method_decorator(never_cache, name="dispatch")
class HelpPage(TemplateView):
    template_name = "help.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        installed = programme.programme()
        is_member = getattr(self.request.user, "member", None) is not None
        own = [Question(text, [answer]) for text, answer in contact.questions(installed)]
        return super().get_context_data(
            frame="member_base.html" if is_member else "base.html",
            is_own=is_member,
            contact=contact.contact(installed),
            questions=[*_about_points(), *own, *_about_oneself()],
            **kwargs,
        )


def _about_points() -> Iterable[Question]:
    """What the rulebook of today answers."""
    yield Question(
        _("How do I get points for a purchase?"),
        [_("Show your member code before you pay, or tell your member number or your phone.")],
        "card",
        _("Member code"),
    )
    try:
        rulebook = programme.rulebook_on(localdate())
    except programme.NoRulebook:
        return
    yield Question(
        _("How long do my points live?"),
        [*_sentences(rulebook.id, rulebook.policies)],
        "points:statement",
        _("Statement"),
    )
    yield Question(
        _("What becomes of the points if I return something?"),
        [
            _("The points of what you return are taken back.")
            + " "
            + _("If you have spent them: %(what)s.")
            % {"what": words.after_spending(rulebook.policies)}
        ],
    )


def _sentences(version_id: int, policies: Policies) -> Iterable[str]:
    names = {level.code: level.name for level in tiers.ladder(version_id).levels}
    for told in words.validity(policies.validity, names):
        yield _("Points live: %(how_long)s.") % {"how_long": told}
    for told in words.notices(policies.notices):
        yield _("Before they lapse: %(what)s.") % {"what": told}


def _about_oneself() -> Iterable[Question]:
    yield Question(
        _("A purchase is missing from my statement"),
        [_("Keep the receipt and ask us or the store: it can be added later.")],
        "points:statement",
        _("Statement"),
    )
    yield Question(
        _("How do I change my phone number?"),
        [
            _(
                "Log in and enter the new number: a code goes there, and from then on you log in "
                "with it. If you cannot get into the old phone any more, ask us."
            )
        ],
        "profile_phone",
        _("Change the phone"),
    )
    yield Question(
        _("How do I get fewer messages?"),
        [_("You choose what you hear and by which way; codes and warnings always come.")],
        "messaging:settings",
        _("Choose what I hear"),
    )
    yield Question(
        _("What do you know of me, and how do I leave?"),
        [
            _(
                "You see what you agreed to, get a copy of everything we know, and have it erased "
                "if you want to leave."
            )
        ],
        "privacy",
        _("Privacy"),
    )
