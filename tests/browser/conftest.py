"""A phone-sized Chromium that reads Chinese, in front of the real pages."""

import os
import shlex
import threading

import pytest
from django.core.signals import request_finished, request_started
from playwright.sync_api import expect, sync_playwright

PHONE = {"width": 390, "height": 844}
# Milliseconds; long, so that a busy machine fails no test.
PATIENCE = 30_000


@pytest.fixture(scope="session", autouse=True)
def _the_database_may_be_asked():
    # Playwright's own event loop runs in the test's thread; nothing of Django runs in it.
    patch = pytest.MonkeyPatch()
    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def chromium():
    flags = shlex.split(os.environ.get("CHROMIUM_FLAGS", "--no-sandbox --disable-gpu"))
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or None, args=flags
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def all_answered():
    """
    Waits until no request is being answered any more.

    What a browser that has gone still asked for would meet tables that are being emptied.
    """
    changed, running = threading.Condition(), 0

    def count(by):
        def heard(**_kwargs):
            nonlocal running
            with changed:
                running += by
                changed.notify_all()

        return heard

    started, finished = count(1), count(-1)
    request_started.connect(started)
    request_finished.connect(finished)

    def wait():
        with changed:
            assert changed.wait_for(lambda: running == 0, timeout=PATIENCE / 1000)

    yield wait
    request_started.disconnect(started)
    request_finished.disconnect(finished)


@pytest.fixture
def open_page(chromium, live_server, all_answered):
    """Open a page in a browser of its own; a script error or a blocked resource fails the test."""
    contexts, complaints = [], []

    def open_(path="/", **options):
        options = {
            "viewport": PHONE,
            "locale": "zh-CN",
            "base_url": live_server.url,
            # Tests of what it keeps (test_offline.py) let it in.
            "service_workers": "block",
        } | options
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type == "error" else None
        )
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    all_answered()
    # The answers 4xx that a test provokes, and a network that it takes away, are reported too.
    provoked = ("Failed to load resource", "htmx:")
    assert [text for text in complaints if not any(each in text for each in provoked)] == []


def log_in_staff(page, name="boss"):
    """Log in at the console's login page, and wait until its start page is wired up."""
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码").fill("correct horse battery")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.wait_for_load_state()


def settled(page):
    """Wait until htmx has put in what it asked for and wired it up."""
    page.wait_for_function(
        "!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')"
    )
