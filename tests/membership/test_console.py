"""The console as staff meet it: who may open which page, and what each page shows and does."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benefits.models.items import Category
from campaigns.member_files import keeping
from campaigns.models import ImportRun
from common import events
from common.models import AuditRecord, JobRun, OutboxEvent, User
from members import operations as members
from members import queries as member_queries
from members.models import Group as Household
from members.models import Member, MemberStatus, PhoneDirectory, Tag
from messaging.models import Delivery
from partners.models import Organization, Placement, Region, Store
from points.models import Account, Activity, Entry, GrantBatch, Lot
from programme.models import Version
from programme.operations import save_draft, start_draft
from tests.benefits import coupon_plan, draw_plan
from tests.benefits.buying import collected_at, order
from tests.benefits.shop import drafted, listed
from tests.benefits.wanted import research_of_all
from tests.factories import (
    api_client,
    application,
    buy,
    identity,
    lot,
    member,
    message,
    plain,
    staff,
    store,
    wording,
)
from tests.factories.plans import plan
from tests.factories.points import NOON
from tests.membership.conftest import console
from tests.wishes import wish
from tiers.models import Proposal, ProposalKind

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10


@pytest.fixture(autouse=True)
def _rules():
    plain()


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


class TestLogin:
    def log_in(self, client, username, password):
        return client.post(page("login"), {"username": username, "password": password})

    def test_lets_staff_in(self, client):
        staff(username="wang")

        response = self.log_in(client, "wang", "correct horse battery")

        assert response.status_code == 302
        assert client.get(page("index")).status_code == 200

    def test_refuses_a_wrong_password_without_saying_which_half_was_wrong(self, client):
        staff(username="wang")

        known = self.log_in(client, "wang", "wrong")
        unknown = self.log_in(client, "nobody", "wrong")

        assert known.status_code == unknown.status_code == 200
        errors = [response.context["form"].errors for response in (known, unknown)]
        assert errors[0] == errors[1]
        assert "_auth_user_id" not in client.session

    def test_locks_after_five_wrong_passwords_even_for_the_right_one(self):
        staff(username="wang")
        client = Client(headers={"Accept-Language": "en"})

        answers = [self.log_in(client, "wang", "wrong").status_code for _ in range(5)]
        right = self.log_in(client, "wang", "correct horse battery")

        assert answers == [200, 200, 200, 200, 429]
        assert right.status_code == 429
        assert "Too many wrong passwords" in right.content.decode()
        assert "_auth_user_id" not in client.session

    def test_a_lock_is_for_one_user_name_only(self, client):
        staff(username="wang")
        staff(username="li")
        for _ in range(5):
            self.log_in(client, "wang", "wrong")

        assert self.log_in(client, "li", "correct horse battery").status_code == 302

    def test_refuses_members(self):
        user = members.login_for(member_id=member().pk)
        client = console(user)

        assert client.get(page("index")).status_code == 302
        assert client.get(page("members_member_changelist")).url.startswith(page("login"))

    def test_refuses_a_member_who_has_a_password(self, client):
        user = members.login_for(member_id=member().pk)
        user.set_password("correct horse battery")
        user.save()

        response = self.log_in(client, user.username, "correct horse battery")

        assert response.status_code == 200
        assert response.context["form"].errors
        assert "_auth_user_id" not in client.session


class TestContentSecurityPolicy:
    def test_only_the_console_may_evaluate(self, boss):
        theirs = boss.get(page("index")).headers["Content-Security-Policy"]
        members_own = Client().get(reverse("login")).headers["Content-Security-Policy"]

        assert "'unsafe-eval'" in theirs
        assert "'unsafe-eval'" not in members_own
        assert "'unsafe-inline'" not in members_own


# What each role gets from each page; the letters stand for the roles in ROLES.
ROLES = {
    "a": "administrator",
    "p": "programme manager",
    "c": "campaign manager",
    "f": "finance",
    "s": "customer care",
    "d": "dealer manager",
    "k": "store clerk",
    "u": "auditor",
}
PAGES = {
    "index": "apcfsdku",
    "members_member_changelist": "apsudk",
    "members_application_changelist": "apsudk",
    "members_application_change": "apsudk",
    "members_application_approve": "as",
    "members_application_refuse": "as",
    "member": "apsudk",
    "member-ledger": "apsudk",
    "member-messages": "apsu",
    "member-records": "asu",
    "member-adjust": "as",
    "member-cancel-redemption": "as",
    "member-reinstate": "as",
    "member-extend": "as",
    "member-release": "as",
    "member-transfer": "as",
    "member-merge": "as",
    "member-unmerge": "as",
    "member-profile": "as",
    "member-activate": "asd",
    "segments": "apcu",
    "segment-new": "ac",
    "duplicates": "asu",
    "member-freeze": "as",
    "member-unfreeze": "as",
    "member-close": "as",
    "member-consent": "as",
    "member-export": "as",
    "member-erase": "as",
    "member-keep-data": "as",
    "member-reveal": "as",
    "member-tags": "as",
    "members_group_changelist": "apsu",
    "member-group-found": "as",
    "member-group-join": "as",
    "member-group-vehicle": "as",
    "member-group-remove": "as",
    "member-product-add": "as",
    "member-product-hand-over": "as",
    "member-product-end": "as",
    "members_attribute_changelist": "a",
    "members_attribute_add": "a",
    "members_tag_changelist": "a",
    "members_tag_add": "a",
    "member-tier": "apsudk",
    "member-set-tier": "as",
    "member-extend-tier": "as",
    "member-end-tier": "as",
    "member-benefits": "apsud",
    "member-book-right": "asd",
    "rights": "apsu",
    "rights-report": "apsu",
    "member-deliver-right": "asd",
    "member-undo-delivery": "asd",
    "member-fail-right": "as",
    "member-pictures": "as",
    "member-compensate-right": "as",
    "files-of-members": "asu",
    "file-of-members": "asu",
    "invitations": "asu",
    "tier-decisions": "apsu",
    "tier-proposals": "apsu",
    "tier-proposal": "apsu",
    "members_consenttext_changelist": "apu",
    "members_consenttext_add": "ap",
    "messaging_delivery_changelist": "asu",
    "messaging_wording_changelist": "apcu",
    "messaging_wording_add": "apc",
    "messaging_wording_send_test": "apc",
    "entries": "apfsu",
    "entry": "apfsudk",
    "grants": "apfsu",
    "grant": "apfsu",
    "grant-result": "apfsu",
    "coupons": "apcfsu",
    "coupon-draft": "apc",
    "coupon-batch": "apcfsu",
    "coupon-batch-edit": "apc",
    "coupon-batch-codes": "ap",
    "coupon-list": "apcfsu",
    "coupon-list-refused": "apcfsu",
    "coupon-conflicts": "apcfsu",
    "coupon-costs": "apcfsu",
    "draws": "apcfsu",
    "draw": "apcfsu",
    "draw-draft": "apc",
    "draw-edit": "apc",
    "points_activity_changelist": "apfsu",
    "activity": "apfsu",
    "rulebooks": "apcfsu",
    "logo": "ap",
    "rulebook": "apcfsu",
    "rulebook-file": "apcfsu",
    "draft": "apcfsu",
    "draft-file": "apcfsu",
    "draft-part": "apc",
    "draft-entry": "apc",
    "draft-matrix": "apc",
    "research": "apcfu",
    "candidate-new": "apc",
    "candidate": "apcfu",
    "candidate-edit": "apc",
    "survey-new": "apc",
    "survey": "apcfu",
    "survey-edit": "apc",
    "survey-question": "apc",
    "survey-file": "apcfu",
    "evaluation-new": "apc",
    "evaluation": "apcfu",
    "evaluation-edit": "apc",
    "evaluation-file": "apcfu",
    "evaluation-assess": "apcf",
    "items": "apcfsu",
    "item-new": "apc",
    "item-stock": "apcfsu",
    "listing": "apcfsu",
    "listing-edit": "apc",
    "listing-preview": "apcfsu",
    "benefits_category_changelist": "apcfsu",
    "benefits_order_changelist": "apsd",
    "benefits_order_change": "apsd",
    "benefits_order_pick": "apd",
    "benefits_order_cancel": "aps",
    "benefits_order_export": "ap",
    "benefits_category_add": "apc",
    "campaigns": "apcfsu",
    "campaign": "apcfsu",
    "campaigns_earningrule_changelist": "apcfsu",
    "campaigns_importrun_changelist": "apfu",
    "partners_region_changelist": "apcfsu",
    "partners_organization_changelist": "apcfsu",
    "partners_organization_add": "a",
    "partners_store_changelist": "apcfsu",
    "partners_store_add": "a",
    "partners_placement_changelist": "a",
    "partners_placement_add": "a",
    "partners_apiclient_changelist": "au",
    "partners_apiclient_add": "a",
    "common_approval_changelist": "apcfsu",
    "common_auditrecord_changelist": "au",
    "common_jobrun_changelist": "au",
    "common_jobrun_run_again": "a",
    "common_outboxevent_changelist": "au",
    "common_user_changelist": "au",
    "common_user_add": "a",
    "auth_group_changelist": "au",
    "auth_group_add": "",
}

IN_THE_NAVIGATION = (
    "index", "entries", "grants", "coupons", "draws", "rights", "rights-report", "rulebooks",
    "logo",
    "campaigns", "tier-decisions", "tier-proposals", "files-of-members", "invitations", "segments",
    "duplicates", "research", "items",
)  # fmt: skip


def asked() -> dict[str, list[int]]:
    """What the pages of research are about."""
    evaluation, one = research_of_all()
    return {
        "candidate": [one.pk],
        "candidate-edit": [one.pk],
        **{f"survey{of}": [evaluation.survey_id] for of in ("", "-edit", "-question", "-file")},
        **{f"evaluation{of}": [evaluation.pk] for of in ("", "-edit", "-file")},
        "evaluation-assess": [evaluation.pk, one.pk],
    }


class TestRoles:
    @pytest.fixture
    def shop(self):
        return store()

    @pytest.fixture
    def working(self, at_work, shop):
        """Somebody with one role; who works for a dealer, for that of the shop."""

        def log_in(letter):
            client = at_work(ROLES[letter])
            if letter in "dk":
                Placement.objects.create(user=client.user, organization=shop.organization)
            return client

        return log_in

    @pytest.fixture
    def arguments(self, shop):
        number = member(store=shop).number
        activity = buy(member_queries.identify(number), "100.00").activity_id
        run = JobRun.objects.create(name="points.verify_ledger", day=date(2026, 6, 1))
        batch = GrantBatch.objects.create(
            name="x.csv", rows=1, points=1, created_at=NOON, created_by=staff()
        ).pk
        started = start_draft(by=(drafter := staff()), at=NOON)
        draft = save_draft(
            draft_id=started.pk,
            document=started.document | {"campaigns": {"plans": [plan("spring", "base")]}},
            revision=started.revision,
            by=drafter,
            at=NOON,
        ).pk
        proposal = Proposal.objects.create(
            member=Member.objects.get(number=number),
            kind=ProposalKind.UPGRADE,
            level="gold",
            proposed_on=date(2026, 6, 1),
            version=Version.objects.get(),
            evidence={"measure": "points", "at_least": "1", "total": "1", "met": True},
        )
        return {
            "activity": [activity],
            **{
                f"members_application_{name}": [application("+8613800138000", store=shop).pk]
                for name in ("change", "approve", "refuse")
            },
            **{
                f"benefits_order_{name}": [collected_at(shop)]
                for name in ("change", "pick", "cancel")
            },
            "entry": [f"{number}-1"],
            "file-of-members": [self.file_of_members()],
            "grant": [batch],
            "grant-result": [batch],
            **{
                f"coupon-batch{what}": [coupon_plan.drafted().pk]
                for what in ("", "-edit", "-codes")
            },
            **{f"coupon-list{what}": [coupon_plan.listed().pk] for what in ("", "-refused")},
            **{name: [draw_plan.drafted().pk] for name in ("draw", "draw-edit")},
            "tier-proposal": [proposal.pk],
            "campaign": ["spring"],
            **asked(),
            "rulebook": [1],
            "rulebook-file": [1],
            "messaging_wording_send_test": [wording().pk],
            "item-stock": [(listing := drafted()).item_id],
            **{name: [listing.pk] for name in ("listing", "listing-edit", "listing-preview")},
            "draft": [draft],
            "draft-matrix": [draft],
            "draft-file": [draft],
            "draft-part": [draft, "policies"],
            "draft-entry": [draft, "earning", "rules", "0"],
            "common_jobrun_run_again": [run.pk],
            **{name: [number] for name in PAGES if re.fullmatch(r"member(-[\w-]+)?", name)},
        }

    def file_of_members(self) -> int:
        with NamedTemporaryFile(suffix=".csv") as file:
            file.write(b"id\n1\n")
            file.flush()
            path = Path(file.name)
            return keeping.hand_in(path=path, name="a.csv", at=timezone.now(), by=staff()).pk

    @pytest.mark.parametrize("letter", ROLES)
    def test_open_exactly_their_pages(self, working, arguments, letter):
        client = working(letter)

        answers = {
            name: client.get(page(name, *arguments.get(name, []))).status_code for name in PAGES
        }

        assert answers == {
            name: 200 if letter in letters else 403 for name, letters in PAGES.items()
        }

    @pytest.mark.parametrize("letter", ROLES)
    def test_find_only_their_pages_in_the_navigation(self, working, letter):
        client = working(letter)

        groups = client.get(page("index")).context["sidebar_navigation"]

        links = {
            str(item["link"])
            for group in groups
            for item in group["items"]
            if item["has_permission"]
        }
        allowed = {
            page(name)
            for name, letters in PAGES.items()
            if letter in letters and (name in IN_THE_NAVIGATION or name.endswith("_changelist"))
        }
        assert links == allowed

    def test_every_role_exists_and_none_may_delete(self):
        assert set(Group.objects.values_list("name", flat=True)) >= set(ROLES.values())
        for group in Group.objects.all():
            codenames = group.permissions.values_list("codename", flat=True)
            assert not [name for name in codenames if name.startswith("delete_")]

    def test_a_page_refused_to_a_post_changes_nothing(self, at_work):
        client = at_work("auditor")
        someone = member()

        for action in ("adjust", "freeze", "close", "profile", "reveal"):
            response = client.post(page(f"member-{action}", someone.number), {"reason": "x"})
            assert response.status_code == 403

        someone.refresh_from_db()
        assert someone.status == MemberStatus.ACTIVE
        assert AuditRecord.objects.filter(target=someone.number).count() == 1  # the enrolment


class TestEveryList:
    @pytest.fixture
    def goods(self, db):
        return listed(pieces=60)

    # `wishing` leaves nothing else to be asked for: what must be approved is so before it.
    @pytest.fixture
    def full(self, goods, wishing):
        """Fifty rows and more of what grows, one of the rest."""
        shop = store()
        of = identity()
        for n in range(52):
            buy(of, "100.00", reference=f"many-{n}", store=shop)
            member(store=shop)
        colleagues = User.objects.bulk_create(
            User(username=f"colleague{n}", is_staff=True) for n in range(52)
        )
        Group.objects.first().user_set.add(*colleagues)
        Placement.objects.bulk_create(Placement(user=each) for each in colleagues)
        Organization.objects.bulk_create(
            Organization(kind="DEALER", code=f"many-{n}", name=f"{n}") for n in range(52)
        )
        Store.objects.bulk_create(
            Store(organization=shop.organization, code=f"many-{n}", name=f"{n}") for n in range(52)
        )
        JobRun.objects.bulk_create(
            JobRun(name="points.verify_ledger", day=date(2026, 1, 1) + timedelta(n))
            for n in range(52)
        )
        ImportRun.objects.bulk_create(ImportRun(digest=f"{n:064d}", store=shop) for n in range(52))
        api_client(shop.organization)
        Region.objects.create(code="east", name="华东")
        for n in range(52):
            application(f"+86139{n:08d}", store=shop)
        OutboxEvent.objects.bulk_create(
            OutboxEvent(name="x.happened", subscriber="x", payload={}, retry_at=NOON)
            for _ in range(52)
        )
        for _ in range(52):
            message(member(email="a@example.com"))
        Delivery.objects.filter(channel="EMAIL").update(state="DEAD", error="550 no")
        for n in range(52):
            wording(template=f"tests.many_{n}")
        Tag.objects.bulk_create(Tag(name=f"T{n}") for n in range(52))
        Category.objects.bulk_create(
            Category(code=f"many-{n}", names={"zh-hans": f"{n}"}) for n in range(52)
        )
        Household.objects.bulk_create(
            Household(kind="FAMILY", name=f"{n}", founded_at=NOON) for n in range(52)
        )
        for n in range(52):
            wish(by=colleagues[n], reference=f"many-{n}")
        lot(of, 1_000_000)
        for _ in range(52):
            order(of, goods)

    def models(self):
        return list(admin.site._registry)

    @pytest.mark.parametrize("language", ["zh-hans", "en"])
    @pytest.mark.parametrize("role", ["administrator", None])
    def test_opens_in_few_queries_with_fifty_rows(self, full, language, role, at_work):
        client = at_work(role, language=language) if role else console(staff(), language=language)
        counts = {}
        for model in self.models():
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            with CaptureQueriesContext(connection) as queries:
                response = client.get(page(f"{name}_changelist"))
            assert response.status_code == 200, name
            assert response.headers["Content-Language"] == language
            counts[name] = len(queries)

            row = response.context["cl"].result_list[0]
            with CaptureQueriesContext(connection) as queries:
                detail = client.get(page(f"{name}_change", row.pk), follow=True)
            assert detail.status_code == 200, name
            # What leads to another page: the login twice, and a look at what is asked for.
            counts[f"{name} detail"] = len(queries) - 5 * len(detail.redirect_chain)

        assert {name: n for name, n in counts.items() if n > QUERIES_MAX} == {}

    def test_shows_at_most_fifty_rows_and_counts_no_further_than_a_thousand(self, full, boss):
        with CaptureQueriesContext(connection) as queries:
            response = boss.get(page("points_activity_changelist"))

        assert len(response.context["cl"].result_list) == 50
        sqls = [query["sql"] for query in queries if "points_activity" in query["sql"]]
        counted = [sql for sql in sqls if "COUNT(" in sql]
        assert len(counted) == 1
        assert "LIMIT 1000" in counted[0]

    def test_packages_have_no_pages(self):
        rooms = {model._meta.app_label for model in admin.site._registry}

        assert rooms == {
            "auth",
            "benefits",
            "common",
            "members",
            "messaging",
            "partners",
            "campaigns",
            "points",
        }

    def test_nothing_of_the_ledger_can_be_added_changed_or_deleted(self, full, boss):
        activity = Activity.objects.first()

        assert boss.get(page("points_activity_add")).status_code == 403
        assert boss.post(page("points_activity_delete", activity.pk)).status_code == 403
        assert boss.post(page("members_member_delete", activity.member_id)).status_code == 403


class TestIndex:
    def test_opens_in_few_queries(self, boss, django_assert_max_num_queries):
        buy(identity(), "100.00")

        with django_assert_max_num_queries(QUERIES_MAX):
            response = boss.get(page("index"))

        assert response.status_code == 200

    def test_tells_who_has_no_pages_whom_to_ask(self, at_work):
        nobody = console(staff(is_superuser=False)).get(page("index"))
        clerk = at_work("store clerk").get(page("index"))

        assert "Ask an administrator" in text_of(nobody)
        assert "Find a member" not in text_of(nobody)
        assert "Ask an administrator" not in text_of(clerk)
        assert "Find a member" in text_of(clerk)

    def test_is_in_simplified_chinese_unless_asked_otherwise(self):
        client = Client()
        client.force_login(staff())

        assert client.get(page("index")).headers["Content-Language"] == "zh-hans"


class TestMemberPage:
    def test_shows_profile_points_lots_and_entries_with_their_reasons(self, boss):
        of = member(
            name="王小明",
            phone="13812345678",
            email="wang@example.com",
            id_number="310101199001011234",
        )
        members.add_product(
            member_id=of.pk,
            product=members.ProductFacts(identifier="LFV1A23C4D5000001", name="X6"),
            bound_at=timezone.now(),
        )
        buy(identity(of), "268.50", reference="RO-1", at=timezone.now() - timedelta(days=3))

        response = boss.get(page("member", of.number))

        text = text_of(response)
        for shown in ("王小明", of.number, "138****5678", "w***@example.com", "***1234", "RO-1"):
            assert shown in text
        assert "***000001" in text
        assert "rounded down to 26" in text
        assert f"{of.number}-1" in text
        secrets = ("13812345678", "wang@example.com", "310101199001011234", "LFV1A23C4D5000001")
        for hidden in secrets:
            assert hidden not in text
        assert response.context["holding"].balance == 26
        assert response.context["holding"].spendable == 26

    @pytest.mark.parametrize("role", ["administrator", "customer care"])
    def test_opens_in_the_same_few_queries_however_much_there_is(self, at_work, role):
        of = identity()
        client = at_work(role)
        client.get(page("member", of.number))
        counts = []
        for _ in range(2):
            for n in range(12):
                lot(of, 10, at=timezone.now(), expires_on=date(2099, 1, 1 + n))
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page("member", of.number)).status_code == 200
            counts.append(len(queries))

        assert counts[0] == counts[1] <= QUERIES_MAX

    def test_a_debt_and_lapsed_lots_are_told_apart(self, boss):
        of = identity()
        lot(of, 100, at=NOON, expires_on=timezone.localdate() - timedelta(days=1))
        lot(of, 40, at=timezone.now(), expires_on=timezone.localdate())

        held = boss.get(page("member", of.number)).context["holding"]

        assert (held.balance, held.spendable, held.debt) == (140, 40, 0)
        assert held.expiring.expires_on == timezone.localdate()

    def test_without_leave_to_see_points_it_shows_none(self):
        user = staff(is_superuser=False)
        user.user_permissions.add(permission("members", "view_member"))
        of = identity()
        lot(of, 4321)

        response = console(user).get(page("member", of.number))

        assert response.status_code == 200
        assert "4,321" not in text_of(response)
        assert console(user).get(page("member-ledger", of.number)).status_code == 403

    def test_names_are_escaped(self, boss):
        of = member(name='<script>alert("𠮷")</script>=1+1')

        content = boss.get(page("member", of.number)).content.decode()

        assert "<script>alert" not in content
        assert "&lt;script&gt;" in content

    @pytest.mark.parametrize("number", ["M0000000000", "M9999999999", "nobody", "张", "1%00"])
    def test_nobody_is_404(self, boss, number):
        assert boss.get(f"/console/member/{number}/").status_code == 404

    def test_the_admin_address_leads_here(self, boss):
        of = member()

        response = boss.get(page("members_member_change", of.pk))

        assert response.url == page("member", of.number)


def permission(label, codename):
    from django.contrib.auth.models import Permission

    return Permission.objects.get(content_type__app_label=label, codename=codename)


class TestLedgerPage:
    def test_tells_the_balance_as_of_a_day(self, boss):
        of = identity()
        lot(of, 100, at=datetime(2026, 3, 1, 4, tzinfo=UTC), expires_on=date(2099, 1, 1))
        lot(of, 50, at=datetime(2026, 3, 2, 4, tzinfo=UTC), expires_on=date(2099, 1, 1))

        before = boss.get(page("member-ledger", of.number), {"day": "2026-03-01"})
        leap = boss.get(page("member-ledger", of.number), {"day": "2024-02-29"})

        assert before.context["as_of"] == 100
        assert leap.context["as_of"] == 0

    @pytest.mark.parametrize("day", ["", "yesterday", "2026-02-30", "99999-01-01", "0000-00-00"])
    def test_a_day_that_is_none_is_told(self, boss, day):
        response = boss.get(page("member-ledger", identity().number), {"day": day})

        assert response.status_code == 200
        assert response.context["as_of"] is None
        assert response.context["form"].errors

    def test_leafs_through_all_entries_once(self, boss):
        of = identity()
        for n in range(53):
            lot(of, 1, reference=f"leaf-{n}")

        first = boss.get(page("member-ledger", of.number))
        second = boss.get(
            page("member-ledger", of.number), {"before": first.context["next_before"]}
        )

        seqs = [entry.line.seq for r in (first, second) for entry in r.context["entries"]]
        assert seqs == list(range(53, 0, -1))
        assert second.context["next_before"] is None

    @pytest.mark.parametrize("before", ["x", "-1", "²", "99999999999999999999"])
    def test_a_strange_place_to_start_from_is_the_beginning(self, boss, before):
        of = identity()
        lot(of, 1)

        response = boss.get(page("member-ledger", of.number), {"before": before})

        assert len(response.context["entries"]) == 1

    def test_opens_in_few_queries_with_a_day(self, at_work, django_assert_max_num_queries):
        of = identity()
        lot(of, 1)
        client = at_work("customer care")
        client.get(page("member-ledger", of.number))  # the programme's currency is remembered

        with django_assert_max_num_queries(QUERIES_MAX):
            client.get(page("member-ledger", of.number), {"day": "2026-01-01"})


class TestRecordsPage:
    def test_shows_deeds_and_changes_with_personal_data_masked(self, boss):
        of = member(name="王明", phone="13812345678")
        boss.post(
            page("member-profile", of.number),
            {"name": "王小明", "phone": "13912345678", "reason": "证件核对"},
        )

        response = boss.get(page("member-records", of.number))

        text = text_of(response)
        assert "证件核对" in text
        assert "王明 → 王小明" in text
        assert "138****5678 → 139****5678" in text
        assert "13912345678" not in text
        assert "boss" in text


class TestAdjust:
    @pytest.fixture
    def of(self):
        of = identity()
        lot(of, 100, at=timezone.now(), expires_on=date(2099, 12, 31))
        return of

    def form(self, boss, of, **fields):
        reference = boss.get(page("member-adjust", of.number)).context["form"]["reference"].value()
        return {
            "points": "50",
            "reason": "GOODWILL",
            "note": "等待太久",
            "reference": reference,
            **fields,
        }

    def test_shows_what_would_happen_and_writes_nothing_yet(self, boss, of):
        response = boss.post(page("member-adjust", of.number), self.form(boss, of))

        preview = response.context["preview"]
        assert (preview["before"], preview["after"], preview["points"]) == (100, 150, 50)
        today = timezone.localdate()
        # The programme `plain`: twelve months to the month's end.
        assert preview["expires_on"].year == today.year + 1
        assert preview["expires_on"].month == today.month
        assert (preview["expires_on"] + timedelta(days=1)).day == 1
        assert not Entry.objects.filter(kind="ADJUST").exists()

    def test_writes_once_when_confirmed_twice(self, boss, of):
        form = self.form(boss, of, confirmed="1")

        first = boss.post(page("member-adjust", of.number), form)
        second = boss.post(page("member-adjust", of.number), form, follow=True)

        assert first.status_code == 302
        assert "nothing changed" in text_of(second)
        entry = Entry.objects.get(kind="ADJUST")
        assert (entry.points, entry.reason, entry.note) == (50, "GOODWILL", "等待太久")
        assert entry.actor.username == "boss"
        assert Account.objects.get(pk=of.id).balance == 150
        assert AuditRecord.objects.filter(action="points.adjusted", target=of.number).count() == 1

    def test_the_same_reference_for_something_else_is_refused(self, boss, of):
        form = self.form(boss, of, confirmed="1")
        boss.post(page("member-adjust", of.number), form)

        response = boss.post(page("member-adjust", of.number), form | {"points": "51"})

        assert response.status_code == 200
        assert "stands for something else" in text_of(response)
        assert Account.objects.get(pk=of.id).balance == 150

    def test_takes_points_away_earliest_expiry_first(self, boss, of):
        lot(of, 10, at=timezone.now(), expires_on=date(2098, 1, 31))

        boss.post(
            page("member-adjust", of.number), self.form(boss, of, points="-30", confirmed="1")
        )

        assert Account.objects.get(pk=of.id).balance == 80
        assert list(Lot.objects.filter(member_id=of.id).values_list("seq", "remaining")) == [
            (1, 80)
        ]

    @pytest.mark.parametrize("confirmed", [{}, {"confirmed": "1"}])
    def test_makes_no_debt(self, boss, of, confirmed):
        form = self.form(boss, of, points="-101", **confirmed)

        response = boss.post(page("member-adjust", of.number), form)

        assert response.status_code == 200
        assert "100 can be spent" in text_of(response)
        assert Account.objects.get(pk=of.id).balance == 100
        assert not Entry.objects.filter(kind="ADJUST").exists()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"points": ""},
            {"points": "0"},
            {"points": "1.5"},
            {"points": "NaN"},
            {"points": "1e3"},
            {"points": "9" * 30},
            {"points": "-" + "9" * 30},
            {"reason": ""},
            {"reason": "BECAUSE"},
            {"note": ""},
            {"note": "   "},
            {"note": "字" * 201},
            {"note": "a\0b"},
            {"reference": ""},
            {"reference": "mine"},
            {"reference": "console-" + "0" * 31},
        ],
        ids=repr,
    )
    def test_refuses_what_makes_no_sense(self, boss, of, wrong):
        form = self.form(boss, of, confirmed="1") | wrong

        response = boss.post(page("member-adjust", of.number), form)

        assert response.status_code == 200
        assert response.context["form"].errors
        assert not Entry.objects.filter(kind="ADJUST").exists()
        assert Account.objects.get(pk=of.id).balance == 100

    @pytest.mark.parametrize(
        "note", ["=1+1", "𠮷㑇 🎁", "'; DROP TABLE points_entry; --", "字" * 200]
    )
    def test_keeps_any_note_as_it_was_written(self, boss, of, note):
        boss.post(page("member-adjust", of.number), self.form(boss, of, note=note, confirmed="1"))

        assert Entry.objects.get(kind="ADJUST").note == note

    def test_is_refused_after_the_end(self, boss, of):
        members.close(member_id=of.id, closed_at=timezone.now(), by=staff(), reason="")

        response = boss.post(page("member-adjust", of.number), self.form(boss, of, confirmed="1"))

        assert response.status_code == 200
        assert "has ended" in text_of(response)
        assert not Entry.objects.filter(kind="ADJUST").exists()


class TestStates:
    def test_freeze_and_unfreeze_with_a_reason(self, boss):
        of = member()

        boss.post(page("member-freeze", of.number), {"reason": "盗用举报"})
        of.refresh_from_db()
        assert of.status == MemberStatus.FROZEN
        boss.post(page("member-unfreeze", of.number), {"reason": "已核实"})
        of.refresh_from_db()

        assert of.status == MemberStatus.ACTIVE
        trail = AuditRecord.objects.filter(target=of.number, action__startswith="member.").order_by(
            "pk"
        )
        assert [(r.action, r.reason, r.actor and r.actor.username) for r in trail] == [
            ("member.enrolled", "", None),
            ("member.frozen", "盗用举报", "boss"),
            ("member.unfrozen", "已核实", "boss"),
        ]

    @pytest.mark.parametrize("action", ["freeze", "close", "activate"])
    def test_nothing_happens_without_a_reason(self, boss, action):
        of = member(active=action != "activate")

        response = boss.post(
            page(f"member-{action}", of.number), {"reason": " ", "understood": "on"}
        )

        assert response.context["form"].errors
        status = of.status
        of.refresh_from_db()
        assert of.status == status

    def test_what_does_not_fit_the_state_is_refused_and_said(self, boss):
        of = member()

        response = boss.post(page("member-unfreeze", of.number), {"reason": "x"})

        assert response.status_code == 200
        assert "cannot be done to a member who is Active" in text_of(response)

    def test_only_fitting_buttons_are_shown(self, boss):
        frozen = member()
        members.freeze(member_id=frozen.pk, by=staff(), reason="")

        labels = [
            str(label)
            for label, _icon, _link in boss.get(page("member", frozen.number)).context["buttons"]
        ]

        assert labels == [
            "Adjust points", "Correct profile", "Unfreeze", "End membership",
            "Join with another member",
        ]  # fmt: skip

    def test_activate_names_who_did_it_and_why(self, boss):
        of = member(active=False)

        boss.post(page("member-activate", of.number), {"reason": "到店核验"})

        of.refresh_from_db()
        assert of.status == MemberStatus.ACTIVE
        assert (
            AuditRecord.objects.get(target=of.number, action="member.activated").reason
            == "到店核验"
        )

    def test_close_needs_a_tick_and_ends_the_points(self, boss):
        of = identity()
        lot(of, 100, at=timezone.now(), expires_on=date(2099, 1, 1))

        refused = boss.post(page("member-close", of.number), {"reason": "本人要求"})
        assert refused.context["form"].errors
        assert Member.objects.get(pk=of.id).status == MemberStatus.ACTIVE

        boss.post(page("member-close", of.number), {"reason": "本人要求", "understood": "on"})
        events.deliver_waiting(now=timezone.now())

        assert Member.objects.get(pk=of.id).status == MemberStatus.CLOSED
        assert Account.objects.get(pk=of.id).balance == 0
        assert not PhoneDirectory.objects.filter(member_id=of.id).exists()


class TestReveal:
    def test_shows_all_once_and_leaves_a_record_each_time(self, at_work):
        of = member(phone="13812345678", id_number="310101199001011234")
        client = at_work("customer care")

        asked = client.get(page("member-reveal", of.number))
        shown = client.post(page("member-reveal", of.number), {"reason": "回访"})
        client.post(page("member-reveal", of.number), {"reason": "再次回访"})

        assert "310101199001011234" not in text_of(asked)
        assert "+8613812345678" in text_of(shown)
        assert "310101199001011234" in text_of(shown)
        assert "no-store" in shown.headers["Cache-Control"]
        trail = AuditRecord.objects.filter(action="member.revealed", target=of.number).order_by(
            "pk"
        )
        assert [(r.actor, r.reason) for r in trail] == [
            (client.user, "回访"),
            (client.user, "再次回访"),
        ]

    def test_shows_nothing_without_a_reason(self, boss):
        of = member(phone="13812345678")

        response = boss.post(page("member-reveal", of.number), {"reason": ""})

        assert "13812345678" not in text_of(response)
        assert not AuditRecord.objects.filter(action="member.revealed").exists()


class TestProfile:
    def fields(self, of, **changed):
        return {
            "name": of.name,
            "sex": of.sex,
            "birthday": "",
            "province": "",
            "city": "",
            "phone": "",
            "email": "",
            "reason": "核对证件",
        } | changed

    def test_moves_the_phone_and_finds_the_member_by_the_new_name(self, boss):
        of = member(name="王明", phone="13812345678")

        response = boss.post(
            page("member-profile", of.number),
            self.fields(of, name="欧阳小明", phone="139 1234 5678", birthday="1988-02-29"),
        )

        assert response.status_code == 302
        assert member_queries.by_phone("13912345678").pk == of.pk
        with pytest.raises(member_queries.UnknownMember):
            member_queries.by_phone("13812345678")
        assert list(member_queries.search("阳小")) == [of]
        assert list(member_queries.search("王明")) == []
        of.refresh_from_db()
        assert (of.phone, of.birthday) == ("+8613912345678", date(1988, 2, 29))
        latest = of.history.first()
        assert latest.history_user.username == "boss"
        assert latest.history_change_reason == "核对证件"
        record = AuditRecord.objects.get(action="member.corrected")
        assert record.details == {"fields": ["name", "birthday", "phone"]}

    def test_changes_nothing_when_nothing_differs(self, boss):
        of = member(name="王明")

        boss.post(page("member-profile", of.number), self.fields(of))

        assert of.history.count() == 1
        assert not AuditRecord.objects.filter(action="member.corrected").exists()

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"phone": "13800000001"}, "Another member has this phone"),
            ({"phone": "123"}, "not a valid phone"),
            ({"phone": "1" * 33}, "at most 32"),
            ({"birthday": "1899-12-31"}, "between 1900 and today"),
            ({"birthday": "2999-01-01"}, "between 1900 and today"),
            ({"birthday": "2025-02-29"}, "valid date"),
            ({"email": "nobody"}, "valid email"),
            ({"sex": "X"}, "valid choice"),
            ({"name": "王" * 101}, "at most 100"),
            ({"name": "王\0"}, "Null characters"),
            ({"reason": ""}, "required"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_refuses_and_writes_nothing(self, boss, changed, said):
        member(phone="13800000001")
        of = member(name="王明", phone="13812345678")

        response = boss.post(
            page("member-profile", of.number), self.fields(of, name="李明") | changed
        )

        assert response.status_code == 200
        assert said in text_of(response)
        of.refresh_from_db()
        assert (of.name, of.phone) == ("王明", "+8613812345678")
        assert member_queries.by_phone("13812345678").pk == of.pk
        assert of.history.count() == 1

    def test_a_closed_membership_stays_as_it_was(self, boss):
        of = member(name="王明")
        members.close(member_id=of.pk, closed_at=timezone.now(), by=staff(), reason="")

        response = boss.post(page("member-profile", of.number), self.fields(of, name="李明"))

        assert "cannot be done" in text_of(response)
        of.refresh_from_db()
        assert of.name == "王明"


class TestEntriesPage:
    def test_finds_an_entry_by_name_number_and_reference(self, at_work):
        of = identity()
        lot(of, 1, reference="收据-1")
        lot(of, 2, reference="收据-2")
        lot(identity(), 4, reference="other")
        client = at_work("finance")

        def found(q):
            entries = client.get(page("entries"), {"q": q}).context["entries"]
            return [entry.line.points for entry in entries]

        assert found(f"{of.number}-1") == [1]
        assert found(of.number) == [2, 1]
        assert found(" 收据-2 ") == [2]
        assert found("收据") == []
        assert found(f"{of.number}-3") == []

    @pytest.mark.parametrize(
        "q", ["", " ", "\0", "x" * 5000, "M0000000000-1", "%", "🎁", "-1", "M1-²"]
    )
    def test_finds_nothing_for_nonsense(self, boss, q):
        lot(identity(), 1)

        response = boss.get(page("entries"), {"q": q})

        assert response.status_code == 200
        assert response.context["entries"] == []

    def test_asks_few_queries(self, at_work, django_assert_max_num_queries):
        of = identity()
        for n in range(30):
            lot(of, 1, reference=f"many-{n}")
        client = at_work("finance")

        with django_assert_max_num_queries(QUERIES_MAX):
            assert len(client.get(page("entries"), {"q": of.number}).context["entries"]) == 30


class TestActivityPage:
    def test_lays_out_the_rule_of_each_line_and_what_did_not_apply(self, boss):
        from tests.factories import rulebook

        rulebook(
            valid_from="2026-01-01",
            rules=[
                {"code": "labor", "categories": ["labor"], "points": "2", "per_amount": "10"},
                {"code": "tires", "categories": ["tires"], "points": "9", "per_amount": "10"},
            ],
        )
        posted = buy(identity(), "130.00", lines=(("1", "labor", "99.00"), ("2", "parts", "31.00")))

        response = boss.get(page("activity", posted.activity_id))

        text = text_of(response)
        assert "2 points for every 10" in text
        assert "19.8" in text
        assert "No rule takes it" in text
        assert "Rounded down, once for the whole document" in text
        assert "No line belongs to its categories." in text
        assert response.context["worth"] == 19

    def test_asks_few_queries(self, at_work, django_assert_max_num_queries):
        posted = buy(identity(), "130.00")
        client = at_work("finance")

        with django_assert_max_num_queries(QUERIES_MAX):
            assert client.get(page("activity", posted.activity_id)).status_code == 200

    def test_an_unknown_one_is_404(self, boss):
        assert boss.get(page("activity", 9_999_999)).status_code == 404
        assert boss.get("/console/activity/99999999999999999999999999/").status_code == 404

    def test_the_list_finds_by_reference_in_full_and_by_member(self, boss):
        of = identity()
        buy(of, "10.00", reference="RO/2026-1")
        buy(identity(), "10.00", reference="RO/2026-2")

        def found(q):
            rows = boss.get(page("points_activity_changelist"), {"q": q}).context["cl"].result_list
            return [row.reference for row in rows]

        assert found("RO/2026-2") == ["RO/2026-2"]
        assert found(of.number) == ["RO/2026-1"]
        assert found("RO/2026") == []


class TestRulebookPage:
    def test_tells_policies_in_words_and_rules(self, boss):
        response = boss.get(page("rulebook", 1))

        text = text_of(response)
        assert "12 months, to the end of that month" in text
        assert "Rounded down, once for the whole document" in text
        assert "the balance goes below zero" in text
        assert "Points: 1; For every amount of: 10" in text

    def test_tells_each_line_of_a_policy_as_text(self, boss):
        from tests.factories import rulebook

        version = rulebook(
            valid_from="2026-01-01",
            validity={"cycle_years": 2},
            vesting={"days": 14, "categories": {"labor": {"days": 0}}},
            funding=[
                {"payer": "brand", "share": "70", "budget": "<b>&"},
                {"payer": "store", "share": "30"},
            ],
        )

        response = boss.get(page("rulebook", version.number))

        text = text_of(response)
        assert "then everything is cleared" in text
        assert "labor: at once everything else: 14 days after the purchase" in text
        assert "the brand: 70 %, from “&lt;b&gt;&amp;” the organization of the store" in text
