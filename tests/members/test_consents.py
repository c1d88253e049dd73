"""What members agree to, purpose by purpose, and take back (M12)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from common.models import AuditRecord
from members import consents, operations
from members.models import Consent, ConsentChannel, ConsentPurpose, ConsentText
from members.queries import MemberClosed
from partners.models import OrganizationKind
from tests import factories
from tests.factories import agree, consent_text, member
from tests.factories.points import NOON
from tests.till import Till, refused

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MARKETING, PROFILING = ConsentPurpose.MARKETING, ConsentPurpose.PROFILING
SERVICE, SHARING = ConsentPurpose.SERVICE, ConsentPurpose.SHARING
TEXTS = {"zh-hans": "我同意。", "zh-hant": "我同意。", "en": "I agree."}


@pytest.fixture(autouse=True)
def texts():
    return {purpose: consent_text(purpose) for purpose in ConsentPurpose}


@pytest.fixture
def insurer():
    return factories.dealer(code="insurer", name="平安保险", kind=OrganizationKind.PARTNER)


def note(to, *words, at=NOON, channel=ConsentChannel.WEB, **more):
    return operations.note_consents(member_id=to.pk, words=words, at=at, channel=channel, **more)


def yes(purpose, **more):
    return operations.Word(purpose=purpose, is_given=True, **more)


def no(purpose, **more):
    return operations.Word(purpose=purpose, is_given=False, **more)


class TestConsents:
    def test_nobody_agrees_who_was_not_asked(self):
        assert not consents.has(member().pk, MARKETING)

    def test_the_latest_word_counts_and_every_word_is_kept(self):
        to = member()
        note(to, yes(MARKETING))
        assert consents.has(to.pk, MARKETING)
        assert not consents.has(to.pk, PROFILING)

        note(to, no(MARKETING), at=NOON + DAY)
        assert not consents.has(to.pk, MARKETING)
        note(to, yes(MARKETING), at=NOON + 2 * DAY)

        told = [(word.is_given, word.at) for word in consents.history(to.pk)]
        assert told == [(True, NOON + 2 * DAY), (False, NOON + DAY), (True, NOON)]

    def test_a_word_that_says_nothing_new_is_not_noted_again(self):
        to = member()
        assert note(to, no(MARKETING)) == 0
        assert note(to, yes(MARKETING), yes(PROFILING)) == 2
        assert note(to, yes(MARKETING), at=NOON + DAY) == 0
        assert note(to, no(MARKETING), at=NOON + DAY) == 1
        assert note(to, no(MARKETING), at=NOON + DAY) == 0

    def test_what_an_import_tells_of_the_past_does_not_undo_a_later_no(self):
        to = member()
        note(to, yes(MARKETING))
        note(to, no(MARKETING), at=NOON + DAY)

        assert note(to, yes(MARKETING), at=NOON - DAY, channel=ConsentChannel.IMPORT) == 1

        assert not consents.has(to.pk, MARKETING)
        assert len(consents.history(to.pk)) == 3

    def test_sharing_is_agreed_to_for_each_partner_by_itself(self, insurer):
        to, other = member(), factories.dealer(kind=OrganizationKind.PARTNER)
        note(to, yes(SHARING, partner_id=insurer.pk))

        assert consents.has(to.pk, SHARING, partner=insurer.pk)
        assert not consents.has(to.pk, SHARING, partner=other.pk)

    def test_nothing_is_shared_with_a_dealer_or_with_nobody(self, insurer):
        to = member()
        for word in (
            yes(SHARING, partner_id=factories.dealer().pk),
            yes(SHARING),
            yes(MARKETING, partner_id=insurer.pk),
        ):
            with pytest.raises(operations.NotAPartner):
                note(to, word)
        assert not Consent.objects.exists()

    def test_what_the_membership_needs_ends_only_with_it(self):
        to = member()
        note(to, yes(SERVICE))
        with pytest.raises(operations.NeededForMembership):
            note(to, no(MARKETING), no(SERVICE))

    def test_who_has_left_can_take_back_but_not_agree(self):
        to = member()
        note(to, yes(MARKETING))
        operations.close(member_id=to.pk, closed_at=NOON, by=None, reason="left")

        with pytest.raises(MemberClosed):
            note(to, yes(PROFILING))
        assert note(to, no(MARKETING), at=NOON + DAY) == 1

    def test_who_agrees_of_many_is_known_in_one_query(self, django_assert_num_queries):
        first, second, third = member(), member(), member()
        agree(first), agree(second), agree(third)
        agree(second, is_given=False, at=NOON)
        agree(third, "PROFILING")

        with django_assert_num_queries(1):
            found = consents.having({first.pk, second.pk, third.pk}, MARKETING)
        assert found == {first.pk, third.pk}
        with django_assert_num_queries(0):
            assert consents.having(set(), MARKETING) == set()


class TestTexts:
    def test_a_word_is_about_the_text_that_was_read(self):
        to = member()
        note(to, yes(MARKETING))
        operations.publish_consent_text(
            purpose=MARKETING, texts=TEXTS, at=NOON, by=factories.staff()
        )

        assert consents.texts()[MARKETING].version == 2
        assert consents.standing(to.pk)[0].text.version == 1
        # The same yes to another text is another one.
        assert note(to, yes(MARKETING), at=NOON + DAY) == 1
        assert consents.standing(to.pk)[0].text.version == 2
        assert note(to, no(MARKETING), at=NOON + 2 * DAY) == 1
        assert consents.standing(to.pk)[0].text.version == 2
        assert AuditRecord.objects.filter(action="consenttext.published").count() == 1

    def test_nobody_agrees_to_a_text_that_does_not_exist(self):
        with pytest.raises(operations.UnknownConsentText):
            note(member(), yes(MARKETING, text_version=9))

    def test_the_first_texts_are_there_in_every_language(self):
        for text in ConsentText.objects.all():
            assert set(text.texts) >= {"zh-hans"}

    def test_the_database_keeps_texts_and_words_as_they_were(self, texts):
        note(member(), yes(MARKETING))
        for table in (ConsentText.objects, Consent.objects):
            with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
                table.update(purpose="SERVICE")
            with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
                table.all()._raw_delete("default")

    def test_the_database_refuses_a_text_of_another_purpose_and_sharing_with_nobody(self, texts):
        given = {"member": member(), "is_given": True, "at": NOON, "channel": "WEB"}
        with pytest.raises(IntegrityError, match="text_of_its_purpose"), transaction.atomic():
            Consent.objects.create(purpose="MARKETING", text=texts[PROFILING], **given)
        with pytest.raises(IntegrityError, match="names_the_partner"), transaction.atomic():
            Consent.objects.create(purpose="SHARING", text=texts[SHARING], **given)


class TestDealersTell:
    WANG = {"phone": "138 0013 8000", "name": "王小明", "store": "S1", "activate": True}

    @pytest.fixture
    def till(self):
        return Till(factories.api_client(factories.store(code="S1").organization))

    def test_what_a_customer_agreed_to_when_enrolling(self, till, insurer):
        told = [
            {"purpose": "MARKETING", "text_version": 1},
            {"purpose": "SHARING", "text_version": 1, "partner": "insurer"},
        ]
        answer = till.send("members/", self.WANG | {"consents": told})

        assert answer.status_code == 201
        words = Consent.objects.order_by("pk")
        assert [(word.purpose, word.partner, word.channel) for word in words] == [
            ("MARKETING", None, "API"),
            ("SHARING", insurer, "API"),
        ]
        assert all(word.client is not None and word.is_given for word in words)
        assert abs(words[0].at - datetime.now(UTC)) < DAY

    def test_a_repeat_tells_nothing_new(self, till):
        body = self.WANG | {
            "consents": [{"purpose": "MARKETING", "text_version": 1}],
            "external_number": "C-1",
        }
        till.send("members/", body)
        assert till.send("members/", body).status_code == 200
        assert Consent.objects.count() == 1

    @pytest.mark.parametrize(
        ("told", "code"),
        [
            ({"purpose": "MARKETING"}, "invalid"),
            ({"purpose": "EVERYTHING", "text_version": 1}, "invalid"),
            ({"purpose": "MARKETING", "text_version": 9}, "unknown_consent_text"),
            ({"purpose": "SHARING", "text_version": 1}, "not_a_partner"),
            ({"purpose": "MARKETING", "text_version": 1, "partner": "insurer"}, "not_a_partner"),
            ({"purpose": "SHARING", "text_version": 1, "partner": "S1"}, "unknown_partner"),
        ],
    )
    def test_what_makes_no_sense_enrolls_nobody(self, till, insurer, told, code):
        answer = till.send("members/", self.WANG | {"consents": [told]})
        refused(answer, 422, code)
        assert not Consent.objects.exists()
