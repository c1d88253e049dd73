"""
What lies on the desk of the club's staff: who applies, who may be there twice, families and a
company, tags, segments, and what members told them.

Done again it changes nothing, as the story.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils.timezone import localdate

from campaigns import segments
from common.models import User
from members import applications, consents, groups, nightly
from members import operations as members
from members.models import ConsentChannel, ConsentPurpose, GroupKind, RefusalReason
from members.queries import Identity
from membership.demo import cast, story
from partners.models import Store

# By position. The first are founders and all of them active.
FAMILY, FAMILY_NAME = (0, 1, 2), "李家"
DRIVERS, COMPANY_NAME = (16, 17, 18, 19), "远程物流有限公司"
TAGS: Mapping[str, tuple[int, ...]] = {
    "公司客户": (story.FLEET_OWNER, *DRIVERS),
    "车友会骨干": (0, 3, 4, 5),
    "需回访": (story.DEBTOR, story.FALLING, 6),
}
AGREED = (
    (0, ConsentPurpose.MARKETING, True, ConsentChannel.PAPER, "入会表格签字"),
    (3, ConsentPurpose.MARKETING, True, ConsentChannel.STORE, "到店口头同意"),
    (4, ConsentPurpose.PROFILING, True, ConsentChannel.PAPER, "入会表格签字"),
    (3, ConsentPurpose.MARKETING, False, ConsentChannel.PHONE, "来电要求不再接收优惠短信"),
)
# Name, and whose they are.
SEGMENTS: Sequence[tuple[str, str, dict[str, Any]]] = (
    (
        "一年内消费满五千的会员",
        "高消费",
        {"match": "all", "conditions": [{"spend": {"at_least": "5000", "days": 365}}]},
    ),
    (
        "华东车友会骨干",
        "",
        {
            "match": "all",
            "conditions": [{"tags": ["车友会骨干"]}, {"provinces": ["上海市", "浙江省", "江苏省"]}],
        },
    ),
    (
        "积分五百以上",
        "",
        {"match": "all", "conditions": [{"points": {"at_least": 500}}]},
    ),
)
APPLICANTS = (
    ("周雨涵", "SH-PD", ConsentChannel.WEB, 5),
    ("何宇浩", "SH-MH", ConsentChannel.API, 3),
    ("林悦怡", "GZ-TH", ConsentChannel.WEB, 1),
)
TURNED_DOWN = ("郑凯", "BJ-CY", ConsentChannel.WEB, 9)
# Phones beyond those of the members.
_APPLICANTS_FROM = 600
# Registered once more, at the next operator under the same digits: who forgot to be a member.
TWINS = (7, 8)


def lay(
    *,
    people: Sequence[cast.Person],
    known: Mapping[int, Identity],
    shops: Mapping[str, Store],
    care: User,
    at: datetime,
) -> None:
    """Put all of it there. `known`: the members by their position in the cast."""
    _register_twins(people, shops, at)
    _bring_together(known, at, care)
    _tag(known, at, care)
    _note_consents(known, at, care)
    for name, tag, conditions in SEGMENTS:
        with suppress(segments.NameTaken):
            segments.create(name=name, tag=tag, definition={"members": conditions}, at=at, by=care)
    _apply(shops, at, care)


def _register_twins(
    people: Sequence[cast.Person], shops: Mapping[str, Store], at: datetime
) -> None:
    for person in people:
        if person.position not in TWINS:
            continue
        store = shops[person.shop.code]
        members.enroll_once(
            profile=members.Profile(
                name=person.name,
                phone=person.phone.replace("+86138", "+86139"),
                sex=person.sex,
                birthday=person.birthday,
            ),
            joined_at=at,
            active=True,
            store_id=store.pk,
            external=(store.organization_id, f"K-{person.position:04d}"),
        )
    # The nights of a story leave this out.
    for job in (nightly.take_fingerprints, nightly.find_duplicates):
        job(day=localdate(at))


def _bring_together(known: Mapping[int, Identity], at: datetime, care: User) -> None:
    owner, *others = (known[position].id for position in FAMILY)
    if not groups.places_of(owner):
        family = members.found_group(kind=GroupKind.FAMILY, name=FAMILY_NAME, owner_id=owner, at=at)
        for other in others:
            invitation = members.invite_to_group(
                group_id=family.pk, by_member=owner, whom=_number(known, other), at=at
            )
            members.accept_invitation(invitation_id=invitation.pk, member_id=other, at=at)
        for each in (owner, *others):
            members.share_points(
                group_id=family.pk, member_id=each, shares=True, monthly_points=None, at=at
            )
    boss = known[story.FLEET_OWNER].id
    if not groups.places_of(boss):
        company = members.found_group(
            kind=GroupKind.COMPANY, name=COMPANY_NAME, owner_id=boss, at=at, by=care,
            reason="企业客户协议",
        )  # fmt: skip
        for position in DRIVERS:
            members.add_to_company(
                group_id=company.pk, member_id=known[position].id, at=at, by=care,
                reason="企业客户协议",
            )  # fmt: skip


def _number(known: Mapping[int, Identity], member_id: int) -> str:
    return next(each.number for each in known.values() if each.id == member_id)


def _tag(known: Mapping[int, Identity], at: datetime, care: User) -> None:
    positions = sorted({position for those in TAGS.values() for position in those})
    for position in positions:
        members.set_tags(
            member_id=known[position].id,
            names=[name for name, those in TAGS.items() if position in those],
            at=at,
            by=care,
            reason="客户经理维护",
        )


def _note_consents(known: Mapping[int, Identity], at: datetime, care: User) -> None:
    for nth, (position, purpose, is_given, channel, reason) in enumerate(AGREED):
        of = known[position].id
        if is_given and any(word.purpose == purpose for word in consents.standing(of)):
            continue
        members.note_told_consents(
            member_id=of,
            words=[members.Word(purpose=purpose, is_given=is_given)],
            said_at=at + timedelta(minutes=nth),
            now=at + timedelta(hours=1),
            channel=channel,
            by=care,
            reason=reason,
        )


def _apply(shops: Mapping[str, Store], at: datetime, care: User) -> None:
    """The programme lets everybody join; those have applied before it did."""
    random = Random("applicants")  # noqa: S311 - a story, not a secret
    for nth, (name, shop, channel, days) in enumerate((*APPLICANTS, TURNED_DOWN)):
        phone = cast.phone(_APPLICANTS_FROM + nth)
        vin = cast.vin(random)
        if applications.latest_of(phone) is not None:
            continue
        made = members.apply(
            wish=members.Wish(
                profile=members.Profile(name=name, phone=phone),
                agreed=members.Agreed(words=[], channel=channel),
                store_id=shops[shop].pk,
                product=members.ProductFacts(identifier=vin, name=random.choice(cast.CARS)),
            ),
            at=at - timedelta(days=days),
        )
        if (name, shop, channel, days) == TURNED_DOWN:
            members.refuse_application(
                application_id=made.pk,
                reason=RefusalReason.DETAILS,
                words="车架号与行驶证不一致，请到店核对后重新申请。",
                by=care,
                at=at - timedelta(days=days - 1),
            )
