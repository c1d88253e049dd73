"""
Two members who are one person: joined by staff, and taken apart again (docs/decisions/0020).

What a member is called by (number, phone, e-mail, others' numbers) stays and leads to who remains;
what a member has (products, tags, what is known of them) moves and is written down, by row; of yes
and no to the same question the no wins. Taken apart, all of that goes back that is still there.

Both rows are locked, in the order of ids, before anything is looked at.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid
from common.models import User
from members import consents, names, queries
from members.models import (
    Consent,
    ConsentChannel,
    EmailDirectory,
    GroupMember,
    Member,
    MemberStatus,
    Merge,
    MergePart,
    PhoneDirectory,
    Product,
    Replaced,
    Tagging,
    TagSource,
)
from members.operations._directory import list_phone
from members.operations._duplicates import forget_fingerprint
from members.operations._erasing import AlreadyErased
from members.queries import Identity

# What is known of a person; where the survivor has nothing, the other's value comes over.
FIELDS = ("name", "sex", "birthday", "phone", "email", "id_number", "province", "city")
ATTRIBUTE = "attribute:"


class SameMember(Invalid):
    code = "same_member"
    message = _("That is one and the same member.")


class ErasureWaits(DomainError):
    code = "erasure_waits"
    message = _("Member %(number)s is about to be erased. Take that back first, or let it happen.")


class TheOtherWayRound(DomainError):
    code = "the_other_way_round"
    message = _("Member %(number)s is not activated yet. Join them the other way round.")


class StillInGroup(DomainError):
    code = "still_in_group"
    message = _("Member %(number)s belongs to a household or company and has to leave it first.")


class NotMerged(DomainError):
    code = "not_merged"
    message = _("Member %(number)s is not joined with another.")


@dataclass(frozen=True, slots=True)
class Merged:
    """Both as they were before."""

    merge_id: int
    member: Identity
    into: Identity


@dataclass(frozen=True, slots=True)
class Unmerged:
    """
    `kept`: what did not go back as it came, by kind: `product` (identifiers: sold since, it is the
    other's past), `field` (of FIELDS, `attribute:…`: changed since), `consent` (purposes: said
    anew since), `tag`, `phone` and `email` (gone since, or somebody else's by now).
    """

    merge_id: int
    member: Identity
    into: Identity
    kept: Mapping[str, Sequence[str]]


@transaction.atomic
def merge_members(
    *,
    member_id: int,
    into_id: int,
    take: Collection[str],
    frees_phone: bool,
    at: datetime,
    by: User,
    reason: str,
) -> Merged:
    """
    Give up one member for another: the members' side. Call it in the transaction that joins their
    accounts.

    :param take: where both have a value, the FIELDS and `attribute:…` in which the one given up is
        right; in all others the survivor is
    :param frees_phone: whether the phone that is not the survivor's becomes free; else it leads to
        who remains
    :raises SameMember: :raises TheOtherWayRound: :raises ErasureWaits: :raises StillInGroup: if so
    :raises queries.MemberClosed: :raises queries.MemberMerged: whichever of the two
    """
    given_up, survivor = _both(member_id, into_id)
    require_mergeable(given_up, survivor)
    before = _identity(given_up), _identity(survivor)
    merge = Merge.objects.create(
        member=given_up,
        into=survivor,
        status_before=given_up.status,
        merged_at=at,
        merged_by=by,
        reason=reason,
    )
    products = Product.objects.filter(member=given_up)
    # Apart, so that it is known which of them was sold after the merge.
    for kind, rows in (
        ("product_sold", products.exclude(owned_until=None)),
        ("product", products.filter(owned_until=None)),
    ):
        _move(merge, kind, rows)
    _move(merge, "tag", tags_to_move(given_up.pk, survivor.pk))
    _join_consents(merge, at=at, by=by)
    _join_profiles(given_up, survivor, merge, take=take)
    if frees_phone:
        PhoneDirectory.objects.filter(member=given_up).delete()
    _give_up(given_up, survivor, merge, at=at, reason=reason)
    events.publish("member.merged", _told(merge, at))
    audit.record(
        action="member.merged",
        target=given_up.number,
        by=by,
        reason=reason,
        # Which fields, not their values.
        details={"into": survivor.number, "fields": sorted(take), "frees_phone": frees_phone},
    )
    return Merged(merge.pk, *before)


@transaction.atomic
def unmerge_members(*, member_id: int, at: datetime, by: User, reason: str) -> Unmerged:
    """
    Take a merge apart: the members' side. What the survivor has become in the meantime stays; what
    came over and is still as it came goes back.

    :raises NotMerged: if there is nothing to take apart
    :raises queries.MemberMerged: if the other was given up since; that must be taken apart first
    :raises AlreadyErased: :raises ErasureWaits: if so
    """
    into_id = Member.objects.values_list("merged_into_id", flat=True).get(pk=member_id)
    number = queries.numbers_of({member_id})[member_id]
    if into_id is None:
        raise NotMerged(number=number)
    given_up, survivor = _both(member_id, into_id)
    merge = Merge.objects.filter(member=given_up, into=survivor, unmerged_at=None).first()
    if merge is None or given_up.merged_into_id != into_id:
        raise NotMerged(number=number)
    if survivor.merged_into_id is not None:
        further = queries.identity_of(survivor.merged_into_id)
        raise queries.MemberMerged(number=survivor.number, into=further.number)
    _require_no_erasure(given_up, survivor)

    rows = queries.parts_of_merge(merge.pk)
    kept = {
        "product": _give_back_products(rows, given_up, survivor),
        "tag": _give_back_tags(rows.get("tag", []), given_up, survivor),
        "consent": _take_consents_back(rows.get("consent", []), at=at, by=by),
        "field": _give_fields_back(given_up, survivor, merge, reason),
        "phone": _give_names_back(PhoneDirectory, rows.get("phone", []), given_up, survivor),
        "email": _give_names_back(EmailDirectory, rows.get("email", []), given_up, survivor),
    }
    _revive(given_up, merge, rows, reason)
    Merge.objects.filter(pk=merge.pk).update(unmerged_at=at, unmerged_by=by)
    events.publish("member.unmerged", _told(merge, at))
    kept = {kind: what for kind, what in kept.items() if what}
    audit.record(
        action="member.unmerged",
        target=given_up.number,
        by=by,
        reason=reason,
        details={"from": survivor.number, "kept": {kind: len(kept[kind]) for kind in kept}},
    )
    return Unmerged(merge.pk, _identity(given_up), _identity(survivor), kept)


@dataclass(frozen=True, slots=True)
class MergePreview:
    """
    What `merge_members` would move and add: identifiers, names of tags, words and the answers that
    hold. `fields`: what is known of both, by FIELDS and `attribute:…`.
    """

    given_up: Member
    survivor: Member
    products: list[str]
    tags: list[str]
    external_numbers: list[str]
    words: list[tuple[consents.Standing, bool]]
    fields: dict[str, tuple[Any, Any]]

    @property
    def open_fields(self) -> list[str]:
        """Those in which both have a value, and not the same."""
        pairs = self.fields.items()
        return [field for field, both in pairs if None not in both and both[0] != both[1]]


def preview_merge(*, member_id: int, into_id: int) -> MergePreview:
    """
    Tell what `merge_members` would do. Writes nothing.

    :raises DomainError: what it would raise
    """
    given_up, survivor = (
        Member.objects.get(pk=member_id),
        Member.objects.get(pk=into_id),
    )
    require_mergeable(given_up, survivor)
    theirs, own = known(given_up), known(survivor)
    products = Product.objects.filter(member=given_up).order_by("-pk")
    tags = tags_to_move(member_id, into_id).order_by("tag__name")
    numbers = given_up.external_numbers.order_by("pk")
    return MergePreview(
        given_up=given_up,
        survivor=survivor,
        products=list(products.values_list("identifier", flat=True)),
        tags=list(tags.values_list("tag__name", flat=True)),
        external_numbers=list(numbers.values_list("number", flat=True)),
        words=words_to_say(member_id, into_id),
        fields={field: (theirs.get(field), own.get(field)) for field in [*theirs, *own]},
    )


def note_parts(*, merge_id: int, kind: str, rows: Iterable[int]) -> None:
    """Write down what a merge moved or added in a room, by the primary keys of its rows."""
    MergePart.objects.bulk_create(MergePart(merge_id=merge_id, kind=kind, row=row) for row in rows)


def require_mergeable(given_up: Member, survivor: Member) -> None:
    """As `merge_members`, for who only looks."""
    if given_up.pk == survivor.pk:
        raise SameMember
    for one in (given_up, survivor):
        if one.merged_into_id is not None:
            into = queries.identity_of(one.merged_into_id)
            raise queries.MemberMerged(number=one.number, into=into.number)
        _identity(one).require_not_closed()
    waits = MemberStatus.PRE_REGISTERED
    if survivor.status == waits and given_up.status != waits:
        raise TheOtherWayRound(number=survivor.number)
    _require_no_erasure(given_up, survivor)
    # Others of the group may share points with who is given up: that is for people to decide.
    if GroupMember.objects.filter(member=given_up, left_at=None).exists():
        raise StillInGroup(number=given_up.number)


def tags_to_move(member_id: int, into_id: int) -> QuerySet[Tagging]:
    """Those the survivor has not. What a rule put on, a rule will put on again."""
    theirs = Tagging.objects.filter(member_id=into_id).values("tag")
    own = Tagging.objects.filter(member_id=member_id).exclude(source=TagSource.RULE)
    return own.exclude(tag__in=theirs)


def words_to_say(member_id: int, into_id: int) -> list[tuple[consents.Standing, bool]]:
    """
    What the survivor's consents become by a merge: a word of the other, and the answer that holds.

    Either's no wins. A yes counts where the survivor was never asked: it is the same person's.
    """
    own = {(each.purpose, each.partner_id): each for each in consents.standing(into_id)}
    said = []
    for theirs in consents.standing(member_id):
        mine = own.get((theirs.purpose, theirs.partner_id))
        if mine is None or (mine.is_given and not theirs.is_given):
            said.append((mine or theirs, theirs.is_given))
    return said


def chosen(given_up: Member, survivor: Member, take: Collection[str]) -> dict[str, Any]:
    """What the survivor's fields become, where they change: FIELDS and `attribute:…`."""
    theirs, own = known(given_up), known(survivor)
    return {
        field: value
        for field, value in theirs.items()
        if own.get(field) != value and (field not in own or field in take)
    }


def known(member: Member) -> dict[str, Any]:
    """What is known of a member, by FIELDS and `attribute:…`; what is not is left out."""
    fields = {field: getattr(member, field) for field in FIELDS}
    told = {f"{ATTRIBUTE}{code}": value for code, value in member.attributes.items()}
    return {field: value for field, value in (fields | told).items() if value not in _NOTHING}


_NOTHING: tuple[Any, ...] = (None, "", [])


# --- Joining --------------------------------------------------------------------------------------


def _both(one_id: int, other_id: int) -> tuple[Member, Member]:
    found = Member.objects.select_for_update(no_key=True).filter(pk__in=[one_id, other_id])
    held = {each.pk: each for each in found.order_by("pk")}
    return held[one_id], held[other_id]


def _identity(member: Member) -> Identity:
    return Identity(member.pk, member.number, member.status)


def _require_no_erasure(*members: Member) -> None:
    for member in members:
        wish = queries.open_erasure(member.pk)
        if wish is not None:
            raise AlreadyErased if wish.erased_at else ErasureWaits(number=member.number)


def _move(merge: Merge, kind: str, rows: QuerySet[Any]) -> None:
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    rows.model.objects.filter(pk__in=ids).update(member=merge.into_id)
    note_parts(merge_id=merge.pk, kind=kind, rows=ids)


def _join_consents(merge: Merge, *, at: datetime, by: User) -> None:
    said = Consent.objects.bulk_create(
        Consent(
            member_id=merge.into_id,
            purpose=word.purpose,
            partner_id=word.partner_id,
            is_given=is_given,
            text=word.text,
            at=at,
            channel=ConsentChannel.MERGE,
            actor=by,
        )
        for word, is_given in words_to_say(merge.member_id, merge.into_id)
    )
    note_parts(merge_id=merge.pk, kind="consent", rows=[each.pk for each in said])


def _join_profiles(
    given_up: Member, survivor: Member, merge: Merge, *, take: Collection[str]
) -> None:
    changes = chosen(given_up, survivor, take)
    own = known(survivor)
    Replaced.objects.bulk_create(
        Replaced(merge=merge, field=field, value=_packed(own, field)) for field in changes
    )
    _set(survivor, changes, merge.reason)
    _share_out(PhoneDirectory, queries.phone_index(survivor.phone), merge, "phone")
    _share_out(EmailDirectory, queries.email_index(survivor.email), merge, "email")


def _packed(own: Mapping[str, Any], field: str) -> str:
    value = own.get(field)
    if field not in own:
        return json.dumps([])
    return json.dumps([value.isoformat() if isinstance(value, date) else value])


def _unpacked(replaced: Replaced) -> Any:
    """None if there was nothing."""
    value = next(iter(json.loads(replaced.value)), None)
    if replaced.field == "birthday" and value is not None:
        return date.fromisoformat(value)
    return value


def _set(member: Member, values: Mapping[str, Any], reason: str) -> None:
    """Write FIELDS and `attribute:…` of a member; None for what is not known."""
    if not values:
        return
    told = dict(member.attributes)
    for field, value in values.items():
        if not field.startswith(ATTRIBUTE):
            setattr(member, field, value if value is not None or field == "birthday" else "")
        elif value is None:
            told.pop(field.removeprefix(ATTRIBUTE), None)
        else:
            told[field.removeprefix(ATTRIBUTE)] = value
    member.attributes = told
    member.name_spelled = names.spelled(member.name) or None
    member.name_parts = names.parts(member.name)
    _save(member, [*FIELDS, "attributes", "name_spelled", "name_parts"], reason)
    forget_fingerprint(member.pk)


def _save(member: Member, fields: Sequence[str], reason: str) -> None:
    setattr(member, "_change_reason", reason[:100])  # noqa: B010 - simple-history's own way
    member.save(update_fields=fields)


Directory = type[PhoneDirectory] | type[EmailDirectory]


def _share_out(directory: Directory, own: bytes, merge: Merge, kind: str) -> None:
    """
    Let the survivor's own address be the survivor's; the other leads there from who was given up.

    :param own: the directory's key of what the survivor has now
    """
    listed = list(_entries(directory).filter(member__in=[merge.member_id, merge.into_id]))
    note_parts(merge_id=merge.pk, kind=kind, rows=[entry.member_id for entry in listed])
    owners = {
        bytes(entry.pk): merge.into_id if bytes(entry.pk) == own else merge.member_id
        for entry in listed
    }
    _relist(directory, listed, owners)


def _entries(directory: Directory) -> QuerySet[Any]:
    return directory.objects.all()


def _relist(directory: Directory, listed: Sequence[Any], owners: Mapping[bytes, int]) -> None:
    """Give entries their owners. Each has one entry at most, so they change hands all at once."""
    moving = [entry for entry in listed if entry.member_id != owners[bytes(entry.pk)]]
    _entries(directory).filter(pk__in=[entry.pk for entry in moving]).delete()
    for entry in moving:
        entry.member_id = owners[bytes(entry.pk)]
        entry.save(force_insert=True)


def _give_up(
    given_up: Member, survivor: Member, merge: Merge, *, at: datetime, reason: str
) -> None:
    given_up.status = MemberStatus.CLOSED
    given_up.closed_at = at
    given_up.merged_into = survivor
    _save(given_up, ["status", "closed_at", "merged_into"], reason)
    user = given_up.user
    if user is not None and user.is_active:
        # Whoever is logged in there is not any more, and comes back as who remains.
        user.is_active = False
        user.save(update_fields=["is_active"])
        note_parts(merge_id=merge.pk, kind="login", rows=[user.pk])


def _told(merge: Merge, at: datetime) -> dict[str, object]:
    return {"member_id": merge.member_id, "into_id": merge.into_id, "at": at.isoformat()}


# --- Taking apart ---------------------------------------------------------------------------------


def _give_back_products(
    rows: Mapping[str, list[int]], given_up: Member, survivor: Member
) -> list[str]:
    """All of them go back; what was sold since, as what it is now: a product of the past."""
    owned, sold = rows.get("product", []), rows.get("product_sold", [])
    Product.objects.filter(member=survivor, pk__in=[*owned, *sold]).update(member=given_up)
    since = Product.objects.filter(pk__in=owned).exclude(owned_until=None).order_by("pk")
    return list(since.values_list("identifier", flat=True))


def _give_back_tags(ids: list[int], given_up: Member, survivor: Member) -> list[str]:
    again = Tagging.objects.filter(member=given_up).values("tag")
    here = Tagging.objects.filter(member=survivor, pk__in=ids).exclude(tag__in=again)
    moved = list(here.values_list("pk", flat=True))
    Tagging.objects.filter(pk__in=moved).update(member=given_up)
    return [str(row) for row in ids if row not in moved]


def _take_consents_back(ids: list[int], *, at: datetime, by: User) -> list[str]:
    """Say again what the survivor had said before, unless there was a word since."""
    undone, kept = [], []
    for added in Consent.objects.filter(pk__in=ids).select_related("text").order_by("pk"):
        words = Consent.objects.filter(
            member_id=added.member_id, purpose=added.purpose, partner_id=added.partner_id
        ).order_by("-at", "-pk")
        latest, *earlier = words[:2]
        if latest.pk != added.pk:
            kept.append(added.purpose)
            continue
        before = earlier[0] if earlier else None
        is_given = before.is_given if before else False
        if is_given is not added.is_given:
            undone.append(
                Consent(
                    member_id=added.member_id,
                    purpose=added.purpose,
                    partner_id=added.partner_id,
                    is_given=is_given,
                    text_id=(before or added).text_id,
                    at=at,
                    channel=ConsentChannel.MERGE,
                    actor=by,
                )
            )
    Consent.objects.bulk_create(undone)
    return kept


def _give_fields_back(given_up: Member, survivor: Member, merge: Merge, reason: str) -> list[str]:
    theirs, own = known(given_up), known(survivor)
    replaced = list(merge.replaced.order_by("pk"))
    kept = [each.field for each in replaced if own.get(each.field) != theirs.get(each.field)]
    _set(
        survivor,
        {each.field: _unpacked(each) for each in replaced if each.field not in kept},
        reason,
    )
    Replaced.objects.filter(merge=merge).delete()
    return kept


def _give_names_back(
    directory: Directory, owners_before: list[int], given_up: Member, survivor: Member
) -> list[str]:
    """
    Let each have the entry of what each has now. One that became free meanwhile is made again for a
    phone; an e-mail address would have to be proven again.
    """
    is_phone = directory is PhoneDirectory
    index_of = queries.phone_index if is_phone else queries.email_index
    values = {one.pk: one.phone if is_phone else one.email for one in (given_up, survivor)}
    listed = list(_entries(directory).filter(member__in=[given_up, survivor]))
    wanted = {index_of(value): member_id for member_id, value in values.items() if value}
    if survivor.pk not in owners_before and values[given_up.pk]:
        # Of two with the same address, only one had proven it.
        wanted[index_of(values[given_up.pk])] = given_up.pk
    for entry in listed:
        if bytes(entry.pk) not in wanted:
            entry.delete()
    _relist(directory, [entry for entry in listed if bytes(entry.pk) in wanted], wanted)
    kept = []
    for one in (given_up, survivor):
        value, entries = values[one.pk], _entries(directory)
        if one.pk not in owners_before or not value:
            continue
        if is_phone and not entries.filter(pk=index_of(value)).exists():
            list_phone(one, value)
        if not entries.filter(pk=index_of(value), member=one).exists():
            kept.append(one.number)
    return kept


def _revive(given_up: Member, merge: Merge, rows: Mapping[str, list[int]], reason: str) -> None:
    given_up.status = merge.status_before
    given_up.closed_at = None
    given_up.merged_into = None
    _save(given_up, ["status", "closed_at", "merged_into"], reason)
    if given_up.user is not None and rows.get("login"):
        given_up.user.is_active = True
        given_up.user.save(update_fields=["is_active"])
