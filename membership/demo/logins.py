"""
How to get into the demo. Passwords and secrets are derived from SECRET_KEY, so they are different
on every installation, can be shown again at every start, and are stored nowhere but hashed.
"""

import base64
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import Group
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.crypto import salted_hmac

from common.models import User
from members.models import Member, MemberStatus
from members.queries import phone_index
from membership.demo import cast, story
from partners.models import ApiClient, Organization, Placement, Scope, Store

# User name → (the role as people read it, the groups that give it).
STAFF: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("系统管理员 administrator", ()),
    "care": ("客户服务 customer care", ("customer care",)),
    # One drafts rules and asks for what a second person decides; the other decides.
    "planner": ("活动策划 campaign manager", ("campaign manager",)),
    "manager": ("项目负责人 programme manager", ("programme manager",)),
    "auditor": ("审计 auditor", ("auditor",)),
    "dealer": ("经销商经理 dealer manager", ("dealer manager",)),
    "clerk": ("门店店员（门店收银台 /counter/） store clerk", ("store clerk",)),
}
# Who sees the members of the demo's first dealer only.
OF_THE_DEALER = ("dealer", "clerk")
CLIENT = "海天 DMS 接口（演示）"


def derived(name: str) -> str:
    """The password or secret of a name: the same as long as SECRET_KEY is."""
    digest = salted_hmac("membership.demo", name, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest[:15]).decode()


def staff() -> dict[str, User]:
    """The demo's staff, its dealer's too if there is one, with the password shown."""
    dealer = _dealer()
    users = {}
    for name, (_role, groups) in STAFF.items():
        if name in OF_THE_DEALER and dealer is None:
            continue
        user, _created = User.objects.get_or_create(
            username=name, defaults={"is_staff": True, "is_superuser": name == "admin"}
        )
        if not check_password(derived(name), user.password):
            user.set_password(derived(name))
            user.save(update_fields=["password"])
        user.groups.set(Group.objects.filter(name__in=groups))
        if name in OF_THE_DEALER:
            # Who of them serves at the counter, serves at the dealer's first store.
            store = Store.objects.filter(organization=dealer).order_by("pk").first()
            Placement.objects.update_or_create(
                user=user,
                defaults={"organization": dealer, "store": store if name == "clerk" else None},
            )
        users[name] = user
    return users


def _dealer() -> Organization | None:
    """The first of the demo's dealers; None in a programme without it."""
    return Organization.objects.filter(code=cast.DEALERS[0].code).first()


def client() -> ApiClient | None:
    """A dealer's system that may do everything at the dealer's stores, where there is a dealer."""
    dealer = _dealer()
    if dealer is None:
        return None
    made, _created = ApiClient.objects.get_or_create(
        name=CLIENT,
        organization=dealer,
        defaults={
            "scopes": Scope.values,
            "client_type": ApiClient.CLIENT_CONFIDENTIAL,
            "authorization_grant_type": ApiClient.GRANT_CLIENT_CREDENTIALS,
            "client_secret": derived(CLIENT),
        },
    )
    if not check_password(derived(CLIENT), made.client_secret):
        made.client_secret = derived(CLIENT)  # hashed when saved
        made.save(update_fields=["client_secret"])
    return made


def logins() -> dict[str, Any]:
    """Who can log in, with what, and why they are worth a look."""
    users = staff()
    dealer_system = client()
    return {
        "staff": [
            {"username": user.username, "password": derived(name), "role": STAFF[name][0]}
            for name, user in users.items()
        ],
        "members": [
            {"name": f"{member.name}（{why}）", "phone": member.phone}
            for why, member in _interesting_members()
        ],
        "clients": [
            {
                "name": CLIENT,
                "client_id": each.client_id,
                "client_secret": derived(CLIENT),
            }
            for each in (dealer_system,)
            if each is not None
        ],
    }


def _interesting_members() -> list[tuple[str, Member]]:
    """One member of each kind, nobody twice."""
    reachable = Member.objects.filter(phone_entry__isnull=False).order_by("pk")
    active = reachable.filter(status=MemberStatus.ACTIVE)
    kinds: list[tuple[str, QuerySet[Member]]] = [
        ("积分最多 most points", active.order_by("-account__balance")),
        ("即将升为金卡 nearly gold", _by_position(story.RISING)),
        ("银卡即将到期 about to lose silver", _by_position(story.FALLING)),
        ("已申请钻石 applied for diamond", _by_position(story.APPLICANT)),
        ("积分即将到期 points expire soon", _expiring(active)),
        ("积分为负 in debt", active.filter(account__balance__lt=0)),
        ("预注册 pre-registered", reachable.filter(status=MemberStatus.PRE_REGISTERED)),
        ("已冻结 frozen", reachable.filter(status=MemberStatus.FROZEN)),
    ]
    found: list[tuple[str, Member]] = []
    for why, members in kinds:
        member = members.exclude(pk__in=[earlier.pk for _why, earlier in found]).first()
        if member is not None:
            found.append((why, member))
    return found


def _by_position(position: int) -> QuerySet[Member]:
    """Who has a part of their own in the story."""
    return Member.objects.filter(phone_entry__phone_index=phone_index(cast.phone(position)))


def _expiring(members: QuerySet[Member]) -> QuerySet[Member]:
    """Whose points lapse within a month, most of them first."""
    today = timezone.localdate()
    return (
        members.filter(lots__expires_on__range=(today, today + timedelta(days=31)))
        .annotate(expiring=Sum("lots__remaining"))
        .order_by("-expiring")
    )
