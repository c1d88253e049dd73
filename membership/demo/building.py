"""
Playing the story through the real operations, day by day, with the nights in between.

Killed half-way, a second start tells the same story, on the same day, from the beginning: what
happened already is found by its reference and happens no second time.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import singledispatchmethod

from django.db import connection
from django.utils import timezone

from campaigns import activities
from campaigns import operations as campaigns
from campaigns.earning import Line
from campaigns.replaying import Nights
from common import events
from common.models import JobRun, User
from members import operations as members
from members import queries as members_queries
from members.queries import Identity
from membership.demo import cast, desk, rights, story, treats, wishes
from partners.models import Organization, OrganizationKind, Region, Store
from partners.queries import brand, main_store
from points import operations as points
from tiers import operations as tiers

JOB = "membership.demo"


def begin(*, today: date) -> JobRun:
    """Return the mark of the demo: the day it is told on, and whether it has been told."""
    run = JobRun.objects.filter(name=JOB).first()
    return run or JobRun.objects.create(name=JOB, day=today)


def build(*, run: JobRun, care: User, writer: User, approver: User) -> Iterator[int]:
    """Build the club, yielding how many events there are in all after each of them."""
    end = run.day
    everybody = cast.people(start=end - story.LENGTH, end=end)
    events_told = story.story(everybody, end=end)
    playing = _Playing(shops=_places(), care=care)
    # A crash would cost the latest events, which a second start plays again: no need to wait for
    # the disk some four thousand times.
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    nights = Nights()
    for event in events_told:
        nights.begin(timezone.localdate(event.at))
        playing.play(event)
        if isinstance(event, story.Joined):
            events.deliver_waiting(now=timezone.now())  # the welcome gift comes at once
        yield len(events_told)
    evening = events_told[-1].at
    desk.lay(people=everybody, known=playing.known, shops=playing.shops, care=care, at=evening)
    treats.give(known=playing.known, writer=writer, approver=approver, at=evening)
    wishes.ask(known=playing.known, writer=writer, approver=approver, at=evening)
    nights.begin(max(timezone.localdate(), end))
    while events.deliver_waiting(now=timezone.now()):
        pass
    run.finished_at = timezone.now()
    run.report = {"members": len(everybody), "events": len(events_told)}
    run.save(update_fields=["finished_at", "report"])


def _places() -> dict[str, Store]:
    """The club's regions, dealers and stores, by code; those that are there are left alone."""
    club = brand()
    if club is not None:
        Organization.objects.filter(pk=club.pk, name="品牌").update(name=cast.CLUB)
    house = main_store()
    if house is not None:
        Store.objects.filter(pk=house.pk, name="总店").update(name=cast.CLUB_STORE)
    shops = {}
    for dealer in cast.DEALERS:
        region, _created = Region.objects.get_or_create(
            code=dealer.region, defaults={"name": cast.REGIONS[dealer.region]}
        )
        organization, _created = Organization.objects.get_or_create(
            code=dealer.code,
            defaults={"kind": OrganizationKind.DEALER, "name": dealer.name, "region": region},
        )
        for shop in dealer.shops:
            shops[shop.code], _created = Store.objects.get_or_create(
                code=shop.code,
                defaults={
                    "organization": organization,
                    "name": shop.name,
                    "city": shop.city,
                    "region": region,
                },
            )
    return shops


class _Playing:
    def __init__(self, *, shops: dict[str, Store], care: User) -> None:
        self.shops = shops
        self._care = care
        self.known: dict[int, Identity] = {}

    @singledispatchmethod
    def play(self, event: story.Event) -> None:
        raise AssertionError(f"nobody knows how to play {event}")

    @play.register
    def _joined(self, event: story.Joined) -> None:
        person = event.person
        try:
            member = members_queries.by_product(person.vin)
        except members_queries.UnknownMember:
            store = self.shops[person.shop.code]
            member = members.enroll(
                profile=members.Profile(
                    name=person.name,
                    phone=person.phone,
                    sex=person.sex,
                    birthday=person.birthday,
                    province=person.shop.province,
                    city=person.shop.city,
                ),
                joined_at=event.at,
                active=event.is_active,
                store_id=store.pk,
                product=members.ProductFacts(
                    identifier=person.vin,
                    name=person.car,
                    purchased_on=person.bought_on,
                    selling_organization_id=store.organization_id,
                ),
            )
        # Whatever became of the member later: in the story they have only just joined.
        status = "ACTIVE" if event.is_active else "PRE_REGISTERED"
        self.known[person.position] = Identity(member.pk, member.number, status)

    @play.register
    def _visited(self, event: story.Visited) -> None:
        campaigns.post_purchase(
            purchase=campaigns.Purchase(
                member=self._member(event),
                reference=event.reference,
                at=event.at,
                amount=event.amount,
                lines=[
                    Line(str(number), category, amount)
                    for number, (category, amount) in enumerate(event.lines, start=1)
                ],
                source=self._source(event),
            ),
            now=event.at,
        )
        rights.use(
            visit=event,
            member=self._member(event),
            store_id=self.shops[event.person.shop.code].pk,
            care=self._care,
        )

    @play.register
    def _returned(self, event: story.Returned) -> None:
        source = self._source(event)
        campaigns.post_return(
            returned=campaigns.Return(
                purchase=campaigns.find_purchase(issuer_id=source.issuer_id, reference=event.visit),
                member=self._member(event),
                reference=event.reference,
                at=event.at,
                amount=event.amount,
                source=source,
            ),
            now=event.at,
        )

    @play.register
    def _redeemed(self, event: story.Redeemed) -> None:
        # The story does not count points: who has too few goes without.
        with suppress(points.InsufficientPoints):
            points.redeem(
                member=self._member(event),
                points=event.points,
                at=event.at,
                reference=event.reference,
                source=self._source(event),
                note=event.reward,
            )

    @play.register
    def _did(self, event: story.Did) -> None:
        activities.post_activity(
            done=activities.Done(
                member=self._member(event),
                code=event.code,
                reference=event.reference,
                at=event.at,
                source=self._source(event),
            ),
            now=event.at,
        )

    @play.register
    def _applied(self, event: story.Applied) -> None:
        tiers.apply(member=self._member(event), level=event.level, text=event.text, at=event.at)

    @play.register
    def _froze(self, event: story.Froze) -> None:
        with suppress(members.WrongState):  # done in an earlier start
            members.freeze(member_id=self._member(event).id, by=self._care, reason=event.reason)

    @play.register
    def _left(self, event: story.Left) -> None:
        with suppress(members.WrongState):  # done in an earlier start
            members.close(
                member_id=self._member(event).id,
                closed_at=event.at,
                by=self._care,
                reason=event.reason,
            )

    def _member(self, event: story.Event) -> Identity:
        return self.known[event.person.position]

    def _source(self, event: story.Event) -> points.Source:
        store = self.shops[event.person.shop.code]
        return points.Source(issuer_id=store.organization_id, store_id=store.pk)
