"""
Nobody sees who a member is in full without asking for it, on record.

A member is planted wherever the platform keeps something of one. Then everybody goes everywhere:
each role to every page of the console, each scope to every call of the API, as the URL resolver
knows them. A page the test cannot open fails it by name, and so does one that tells.
"""

import io
import json
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ObjectDoesNotExist
from django.urls import NoReverseMatch, URLPattern, get_resolver, resolve, reverse
from django.utils import timezone

from benefits.models.items import Category
from campaigns import segments
from campaigns.member_files import keeping
from campaigns.models import ImportRun
from common import approvals
from common.models import AuditRecord, JobChunk, JobRun, SecondFactor
from members import operations
from members.models import (
    Attribute,
    ConsentChannel,
    ExternalNumber,
    GroupKind,
    GroupMember,
    GroupRole,
)
from members.models import Group as Company
from messaging.models import Delivery
from partners.models import Placement, Region, Scope
from points import approvals as points_approvals
from points import operations as points
from points.models import Activity
from programme.operations import save_draft, start_draft
from tests import factories
from tests.benefits import coupon_plan, draw_plan
from tests.benefits.buying import collected_by, to_send
from tests.benefits.shop import drafted
from tests.benefits.wanted import research_of_all
from tests.campaigns.test_segments import made
from tests.factories import buy, identity, lot, member, message, staff, wording
from tests.factories.plans import plan
from tests.factories.points import NOON
from tests.members.test_duplicates import night
from tests.membership.conftest import at_work, boss  # noqa: F401 - for the console's pages
from tests.membership.test_console import ROLES
from tests.tiers.ladder import gather, noon, publish
from tests.tiers.test_web import BY_APPLICATION
from tests.till import Till
from tiers import operations as tiers
from tiers.operations import Attached

pytestmark = pytest.mark.django_db
NAME, PHONE, EMAIL = "诸葛孔明", "13912345678", "zhuge.liang@example.com"
ID_NUMBER, VIN, ADDRESS = "310101199001011237", "LSVAM4187C2184841", "南阳郡卧龙岗一号"
APPLICANT = "13987654321"
SECRETS = [PHONE, "139 1234 5678", EMAIL, ID_NUMBER, VIN, ADDRESS, APPLICANT]


# --- A member everywhere --------------------------------------------------------------------------


@pytest.fixture
def planted():
    """What the addresses of the console are made of, by the names of their parts."""
    publish(BY_APPLICATION)
    factories.brand()
    clerk = staff(username="clerk")
    store = factories.store()
    of = member(
        name=NAME, phone=f"+86{PHONE}", email=EMAIL, id_number=ID_NUMBER, store=store,
        birthday=date(1990, 1, 1),
    )  # fmt: skip
    one = identity(of)
    Attribute.objects.create(
        code="address", names={"zh-hans": "地址"}, kind="TEXT", is_personal=True
    )
    for changes in (
        {"email": f"x{EMAIL}", "attributes": {"address": ADDRESS}},
        {"email": EMAIL},
    ):
        operations.update_profile(
            member_id=of.pk, changes=changes, at=NOON, by=clerk, reason="来电"
        )
    operations.add_product(
        member_id=of.pk,
        product=operations.ProductFacts(identifier=VIN, name="朗逸"),
        bound_at=NOON,
        by=clerk,
        reason="行驶证",
    )
    operations.set_tags(member_id=of.pk, names=["军师"], at=NOON, by=clerk, reason="来电")
    operations.login_for(member_id=of.pk)
    ExternalNumber.objects.create(member=of, organization=store.organization, number="K-1")
    twin = member(name=NAME, id_number=ID_NUMBER, email=EMAIL, birthday=date(1990, 1, 1))
    night()
    lot(one, 100)
    activity = buy(one, "100.00", store=store).activity_id
    points.redeem(
        member=one, points=5, at=NOON, reference="X-1", source=factories.source(store), note="茶"
    )
    message(of)
    Delivery.objects.filter(channel="EMAIL").update(
        state="DEAD", retry_at=None, error=f"550 5.1.1 <{EMAIL}>: no such mailbox"
    )
    gather(one, "2026-06-01", spend="6000")
    proposal = tiers.apply(
        member=one, level="diamond", text=f"请回电 {PHONE}，{EMAIL}", at=noon("2026-06-15"),
        documents=[Attached(f"{PHONE}.pdf", b"%PDF-1.7 x")],
    )  # fmt: skip
    operations.request_export(member_id=of.pk, language="en", at=timezone.now(), by=clerk)
    operations.request_erasure(member_id=twin.pk, at=timezone.now(), by=clerk, reason="来信")
    live = made({"tags": ["军师"]}, name="军师们", tag="谋士", by=clerk)
    segments.keep(segment_id=live.pk, name="名单", day=date(2026, 6, 15), at=NOON, by=clerk)
    draft = start_draft(by=clerk, at=NOON)
    draft = save_draft(
        draft_id=draft.pk,
        document=draft.document | {"campaigns": {"plans": [plan("spring", "base")]}},
        revision=draft.revision,
        by=clerk,
        at=NOON,
    )
    asked = approvals.request(
        kind=points_approvals.ADJUSTMENT,
        payload={
            "member": of.number, "points": 5, "expires_on": "2027-06-30", "reason": "GOODWILL",
            "note": "x", "reference": "W-1",
        },
        target=of.number,
        reason="来电",
        reference="W-1",
        by=clerk,
        at=NOON,
    )  # fmt: skip
    run = JobRun.objects.create(name="points.verify_ledger", day=date(2026, 6, 1))
    JobChunk.objects.create(run=run, low=1, high=2)
    factories.api_client(store.organization)
    wording()
    ImportRun.objects.create(digest="0" * 64, store=store)
    Region.objects.create(code="east", name="华东")
    Placement.objects.create(user=clerk)
    company = Company.objects.create(kind=GroupKind.COMPANY, name="蜀汉公司", founded_at=NOON)
    GroupMember.objects.create(
        group=company, member=of, kind=company.kind, role=GroupRole.OWNER, joined_at=NOON
    )
    member_import = file_of_members(clerk)
    applied = operations.apply(
        wish=operations.Wish(
            profile=operations.Profile(name=NAME, phone=APPLICANT, email=EMAIL),
            agreed=operations.Agreed(words=[], channel=ConsentChannel.API),
            store_id=store.pk,
        ),
        at=timezone.now(),
    )
    evaluation, candidate = research_of_all(of)
    SecondFactor.objects.create(user=clerk, secret="x", confirmed_at=NOON, last_step=0)
    Category.objects.create(code="care", names={"zh-hans": "养护", "en": "Care"})
    return {
        "activity_id": activity,
        "app_label": "members",
        "application": applied.number,
        "application_id": applied.pk,
        "approval_id": asked.pk,
        "batch_id": file_of_grants(of.number, clerk).pk,
        "code": "spring",
        "company": company.pk,
        "candidate_id": candidate.pk,
        "coupon_batch": coupon_plan.drafted().pk,
        "coupon_list": coupon_plan.listed(of.number, PHONE, APPLICANT, name=f"{PHONE}.csv").pk,
        "draft_id": draft.pk,
        "draw_id": draw_plan.drafted().pk,
        "evaluation_id": evaluation.pk,
        "id": clerk.pk,
        "index": "0",
        "item_id": (listing := drafted()).item_id,
        "listing_id": listing.pk,
        "listed": "rules",
        "name": f"{of.number}-1",
        "order_id": to_send(one, name=NAME, phone=PHONE, address=ADDRESS).pk,
        "number": of.number,
        "part": "earning",
        "pk": clerk.pk,
        "place": 1,
        "proposal_id": proposal.pk,
        "run_id": member_import,
        "segment_id": live.pk,
        "survey_id": evaluation.survey_id,
        "of": of,
        "twin": twin,
    }


def file_of_grants(number, clerk):
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        rows = ["member,points,reference,reason", f"{number},5,R-1,春节"]
        rows += [f"{PHONE},5,R-2,{EMAIL}", f"{number},5,R-3,证件 {ID_NUMBER}"]
        path.write_text("\n".join(rows), encoding="utf-8")
        return points.read_grants(path=path, name="a.csv", at=NOON, by=clerk)


def file_of_members(clerk) -> int:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        rows = ["客户号,姓名,手机,邮箱,身份证,车架号,地址"]
        rows += [f"C{n},{NAME},{PHONE},{EMAIL},{ID_NUMBER},{VIN},{ADDRESS}" for n in range(3)]
        path.write_text("\n".join(rows), encoding="utf-8")
        run = keeping.hand_in(path=path, name="a.csv", at=timezone.now(), by=clerk)
    keeping.ask_check(run_id=run.pk)
    keeping.work(clock=timezone.now)
    return run.pk


# --- What is shown --------------------------------------------------------------------------------


def text_of(answer) -> str:
    """All that goes over the wire; what is packed (XLSX, ZIP) unpacked."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            content = b"\n".join(packed.read(name) for name in packed.namelist())
    return content.decode(errors="replace")


def shown(answer, *, hidden=SECRETS):
    text = text_of(answer)
    return [value for value in hidden if value in text]


# --- The console ----------------------------------------------------------------------------------

# Not to be opened by themselves, or about nobody.
ELSEWHERE = {"logout", "jsi18n", "view_on_site", "autocomplete", "password_change_done"}
# An address's own version's number is no member's.
VERSIONS = ("rulebook", "rulebook-file")


def pages_of(patterns, prefix=""):
    """Name and parameters of every address of the console."""
    for each in patterns:
        if isinstance(each, URLPattern):
            parts = each.pattern.regex.groupindex
            if each.name and each.name not in ELSEWHERE:
                yield each.name, tuple(parts)
        else:
            yield from pages_of(each.url_patterns)


def console_pages():
    (console_root,) = (
        each for each in get_resolver().url_patterns if getattr(each, "namespace", "") == "admin"
    )
    return dict(pages_of(console_root.url_patterns))


def row_of(name):
    """The latest row of the model whose page it is."""
    app, model = name.split("_")[:2]
    return apps.get_model(app, model).objects.latest("pk").pk


def addresses(planted) -> dict[str, str]:
    found, lost = {}, []
    for name, parts in console_pages().items():
        try:
            values = {
                part: 1 if name in VERSIONS else row_of(name) if part == "object_id"
                else planted[part]
                for part in parts
            }  # fmt: skip
            found[name] = reverse(f"admin:{name}", kwargs=values)
        except (LookupError, NoReverseMatch, ObjectDoesNotExist) as error:
            lost.append(f"{name} {parts}: {error!r}")
    assert lost == [], "say in `planted` what these pages are about"
    return found


def searches(planted) -> list[str]:
    """What staff know of a person, looked for everywhere something can be looked for."""
    lists = [name for name in console_pages() if name.endswith("_changelist")]
    return [
        f"{reverse(f'admin:{name}')}?q={value}"
        for name in [*lists, "entries"]
        for value in (EMAIL, planted["number"])
    ] + [
        f"{reverse('admin:search')}?s={NAME}",
        f"{reverse('admin:index')}nowhere/{planted['number']}/",
        reverse("admin:member", args=["M0000000000"]),
    ]


def test_the_walk_comes_into_every_page(planted, boss):  # noqa: F811 - the fixture
    """A walk past closed doors would find nothing."""
    answers = {name: boss.get(path) for name, path in addresses(planted).items()}

    closed = {name for name, answer in answers.items() if answer.status_code not in (200, 302)}
    # What nobody may do, and what is asked for with a form only.
    may_be_closed = re.compile(r".*_(add|delete|change)$")
    assert {name for name in closed if not may_be_closed.match(name)} == {
        "segment-export", "segment-built-size", "file-of-members-refused",
    }  # fmt: skip
    assert {answers[name].status_code for name in closed} <= {403, 405}


@pytest.mark.parametrize("letter", ROLES)
def test_no_page_of_the_console_tells_who_a_member_is(at_work, planted, letter):  # noqa: F811
    client = at_work(ROLES[letter])
    if letter in "dk":  # the member's own dealer
        dealer = planted["of"].enrolling_store.organization
        Placement.objects.create(user=client.user, organization=dealer)
    # Who looks at members calls them by their names; nobody else does.
    names = [] if client.user.has_perm("members.view_member") else [NAME]
    told = {}
    for path in [*addresses(planted).values(), *searches(planted)]:
        answer = client.get(path)
        assert answer.status_code < 500, path
        # A page repeats what was typed into its search.
        hidden = [value for value in [*SECRETS, *names] if value not in path]
        if found := shown(answer, hidden=hidden):
            told[path] = found
    assert told == {}


def test_a_search_by_phone_does_not_repeat_whose_it_is(boss, planted):  # noqa: F811
    page = boss.get(reverse("admin:members_member_changelist"), {"q": EMAIL})
    assert NAME not in page.content.decode()


@pytest.mark.parametrize("letter", ROLES)
def test_a_look_in_full_has_a_reason_and_is_recorded(at_work, planted, letter):  # noqa: F811
    client = at_work(ROLES[letter])
    page = reverse("admin:member-reveal", args=[planted["number"]])

    assert shown(client.post(page, {"reason": ""})) == []
    answer = client.post(page, {"reason": "来电核验"})

    may = letter in "as"
    assert answer.status_code == (200 if may else 403)
    in_full = [EMAIL, ID_NUMBER, VIN, ADDRESS] if may else []
    assert [value for value in shown(answer) if value != PHONE] == in_full
    looks = AuditRecord.objects.filter(action="member.revealed", target=planted["number"])
    assert [look.reason for look in looks] == (["来电核验"] if may else [])


class TestFilesInFull:
    """Personal data leave in full with a permission of its own, a reason, and a record."""

    EXPORTS = {
        "segment-export": ({"in_full": "on"}, "segment.exported", "segment_id"),
        "file-of-members-refused": ({}, "memberimport.rows_downloaded", "run_id"),
    }

    def ask(self, client, planted, name, reason):
        document, action, part = self.EXPORTS[name]
        answer = client.post(
            reverse(f"admin:{name}", args=[planted[part]]), document | {"reason": reason}
        )
        return answer, AuditRecord.objects.filter(action=action)

    @pytest.mark.parametrize("name", EXPORTS)
    @pytest.mark.parametrize("letter", ROLES)
    def test_for_roles_with_the_permission_alone(self, at_work, planted, letter, name):  # noqa: F811
        client = at_work(ROLES[letter])
        may = client.user.has_perm("members.export_personal_data")

        nothing, records = self.ask(client, planted, name, "")
        assert shown(nothing) == []
        answer, records = self.ask(client, planted, name, "核对")

        in_full = shown(answer)
        assert not in_full or (may and PHONE in in_full)
        if in_full:
            assert [each.reason for each in records][-1] == "核对"

    @pytest.mark.parametrize("name", EXPORTS)
    def test_the_administrator_gets_them_and_nobody_without_the_permission(
        self,
        at_work,  # noqa: F811 - the fixture
        planted,
        name,
    ):
        client = at_work("administrator")
        assert PHONE in shown(self.ask(client, planted, name, "核对")[0])

        Group.objects.get(name="administrator").permissions.remove(
            Permission.objects.get(codename="export_personal_data")
        )
        assert shown(self.ask(client, planted, name, "核对")[0]) == []


# --- The API --------------------------------------------------------------------------------------

AT = {"member": "{number}", "store": "{store}"}
# By its address: the method, and what is sent.
CALLS = {
    "members/": {
        "POST": {"phone": "13700000001", "name": "刘备", "store": "{store}", "activate": True}
    },
    "members/lookup/": {"POST": {"phone": PHONE}},
    "applications/{application}/": {"GET": None},
    "members/{number}/benefits/": {"GET": None},
    "catalogue/": {"GET": None},
    "catalogue/thermos/": {"GET": None},
    "deliveries/": {"POST": {"benefit": "rescue", **AT}},
    "deliveries/1/undo/": {"POST": {"store": "{store}"}},
    "members/{number}/coupons/": {"GET": None},
    "coupons/verify/": {"POST": {"code": "C-1", **AT}},
    "coupons/reserve/": {"POST": {"code": "C-1", "receipt": "R-1", **AT}},
    "coupons/release/": {"POST": {"code": "C-1", "receipt": "R-1", "store": "{store}"}},
    "coupons/consume/": {"POST": {"code": "C-1", "receipt": "R-1", **AT}},
    "coupons/undo/": {"POST": {"code": "C-1", "receipt": "R-1", "store": "{store}"}},
    "coupons/offline/": {
        "POST": {"uses": [{"token": "CP1", "store": "S", "receipt": "R-1",
                           "used_at": "2026-07-01T12:00:00+08:00"}]}
    },
    "coupons/key/": {"GET": None},
    "orders/": {
        "GET": None,
        "POST": {"reference": "O-1", "item": "thermos", "price": 1, "handover": "STORE", **AT},
    },
    "orders/{order}/": {"GET": None},
    "orders/{order}/payment/": {"GET": None},
    "orders/{order}/cancellation/": {"POST": {"store": "{store}", "why": "OTHER"}},
    "orders/{order}/return/": {"POST": {"store": "{store}", "why": "OTHER", "to_stock": True}},
    "orders/{order}/pick/": {"POST": {"store": "{store}"}},
    "orders/{order}/ready/": {"POST": {"store": "{store}"}},
    "orders/{order}/handover/": {"POST": {"store": "{store}", "card": "MC1"}},
    "members/{number}/orders/": {"GET": None},
    "members/{number}/draws/": {"GET": None},
    "members/{number}/draws/summer/": {"POST": {"reference": "G-1"}},
    "members/{number}/outcomes/": {"GET": None},
    "draws/summer/": {"GET": None},
    "consent-texts/": {"GET": None},
    "members/{number}/": {"GET": None},
    "members/{number}/groups/": {"GET": None},
    "members/{number}/consents/": {
        "GET": None, "POST": {"consents": [{"purpose": "MARKETING", "agreed": False}]}
    },
    "companies/{company}/members/": {"POST": {"member": "{number}"}},
    "members/{number}/account/": {"GET": None},
    "members/{number}/entries/": {"GET": None},
    "members/{number}/tier/": {"GET": None},
    "members/{number}/tasks/": {"GET": None},
    "purchases/": {"POST": {"reference": "P-2", "amount": "10.00", **AT}},
    "purchases/{purchase}/": {"GET": None},
    "purchases/{purchase}/returns/": {"POST": {"reference": "P-3", "amount": "1.00"}},
    "purchases/{purchase}/vesting/": {"POST": {"reference": "P-4"}},
    "quotes/": {"POST": {"amount": "10.00", **AT}},
    "activities/": {"POST": {"reference": "A-1", "activity": "check-in", **AT}},
    "batches/": {"POST": {"type": "redemption", "reference": "B-1", "points": 1, **AT}},
    "redemptions/": {"POST": {"reference": "X-2", "points": 1, **AT}},
    "redemptions/X-1/": {"GET": None},
    "redemptions/X-1/cancellations/": {"POST": {"reference": "X-3", "points": 1}},
    "holds/": {"POST": {"reference": "H-1", "points": 1, **AT}},
    "holds/H-1/": {"GET": None},
    "holds/H-1/confirmation/": {"POST": {}},
    "holds/H-1/release/": {"POST": {}},
    "transfers/": {
        "POST": {"reference": "T-1", "giver": "{number}", "receiver": "{twin}", "points": 1,
                 "store": "{store}"}
    },
    "transfers/T-1/": {"GET": None},
}  # fmt: skip
SAMPLES = {"number": "M0000000018", "purchase": "P-1", "application": "A-1", "company": 1,
           "order": "D0000000001"}  # fmt: skip
BEFORE, AFTER = datetime(2024, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# What a right call of these answers is no refusal.
ANSWERED = ("members/", "consent-texts/", "quotes/", "redemptions/X-1/", "batches/")


@pytest.fixture
def names(planted):
    store = planted["of"].enrolling_store
    draw_plan.approved(draw_plan.certain(), code="summer", opens_at=BEFORE, closes_at=AFTER)
    return {
        "number": planted["number"],
        "twin": planted["twin"].number,
        "application": planted["application"],
        "company": planted["company"],
        "store": store.code,
        "order": collected_by(planted["of"], store).number,
        "purchase": Activity.objects.get(pk=planted["activity_id"]).reference,
    }


def api_views():
    """Each view below /api/v1/ with the scopes its methods ask for, by a real address of it."""
    return {
        path: resolve(f"/api/v1/{path}").func.view_class
        for path in (each.format(**SAMPLES) for each in CALLS)
    }


def test_every_call_of_the_api_is_walked():
    walked = set(api_views().values())

    def views(patterns):
        for each in patterns:
            if isinstance(each, URLPattern):
                yield getattr(each.callback, "view_class", None)
            else:
                yield from views(each.url_patterns)

    known = {view for view in views(get_resolver().url_patterns) if getattr(view, "scopes", None)}
    assert {view.__name__ for view in known - walked} == set()
    methods = {path: set(view.scopes) for path, view in api_views().items()}
    assert methods == {path.format(**SAMPLES): set(each) for path, each in CALLS.items()}


@pytest.mark.parametrize("scope", Scope)
def test_no_scope_of_the_api_gets_more_than_it_may_and_nothing_in_full(planted, names, scope):
    organization = planted["of"].enrolling_store.organization
    till = Till(factories.api_client(organization, scopes=[scope]))
    told, opened, owed = {}, [], []
    for path, methods in CALLS.items():
        address = path.format(**names)
        allowed = resolve(f"/api/v1/{address}").func.view_class.scopes
        for method, document in methods.items():
            answer = call(till, address, filled(document, names))
            needed = allowed[method]
            may = scope in ([needed] if isinstance(needed, str) else needed)
            if may == (answer.status_code == 403):
                opened.append((method, address, answer.status_code))
            if may and path.startswith(ANSWERED) and answer.status_code not in (200, 201):
                owed.append((method, address, answer.content))
            if found := shown(answer, hidden=[*SECRETS, NAME]):
                told[method, address] = found
    assert (told, opened, owed) == ({}, [], [])


def filled(document, names):
    return document and {
        key: value.format(**names) if isinstance(value, str) else value
        for key, value in document.items()
    }


def call(till, address, document):
    if document is None:
        return till.ask(address)
    if address == "batches/":
        line = json.dumps(document).encode()
        return till.send(address, line, **{"Content-Type": "application/x-ndjson"})
    return till.send(address, document)
