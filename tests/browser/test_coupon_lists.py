"""Coupons for the members of a file, from the file to the page that follows the worker."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import localdate
from playwright.sync_api import expect

from benefits.models.coupons import Coupon
from benefits.operations import coupons
from tests.benefits.coupon_plan import issued, running
from tests.browser.conftest import log_in_staff
from tests.factories import brand, identity, plain, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [390, 1280])
def test_from_the_file_to_the_coupons(open_page, tmp_path, width):
    plain()
    brand()
    staff(username="boss")
    people = [identity() for _ in range(3)]
    batch = running(last_on=localdate() + timedelta(days=99), total=3)
    path = tmp_path / "七月.csv"
    path.write_text("\n".join(["会员编号", *(each.number for each in people)]))
    page = open_page("/console/", viewport={"width": width, "height": 900})
    log_in_staff(page)

    page.goto(f"/console/coupons/{batch.pk}/")
    page.locator("#list_file").set_input_files(path)
    page.locator("button[value=list]").click()
    expect(page.locator("#state")).to_have_text("待检查")
    expect(page.locator("#wrong")).to_be_hidden()
    # One of the three is given to somebody else after the file was read.
    issued(batch, identity(), at=timezone.now())
    page.reload()
    page.get_by_role("button", name="发出 2 张券").click()
    expect(page.locator("#state")).to_have_text("进行中")
    coupons.work(clock=timezone.now)

    # The page follows by itself.
    expect(page.locator("#state")).to_have_text("已完成")
    expect(page.locator("#wrong")).to_contain_text("coupon_batch_exhausted")
    expect(page.get_by_role("link", name=re.compile("CSV"))).to_be_visible()
    assert Coupon.objects.count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
