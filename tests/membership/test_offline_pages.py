"""What a browser keeps without the network, and what stands among a phone's apps."""

import json
import re

import pytest
from django.utils import timezone

from programme import documents, operations
from programme.queries import forget_cached
from tests.factories import member, plain, staff
from tests.factories.programme import PLAIN
from tests.membership.test_logos import picture
from tests.membership.test_web import logged_in

pytestmark = pytest.mark.django_db


def told(client):
    answer = client.get("/worker.js")
    return json.loads(re.search(r"= (\{.*\});", answer.content.decode())[1])


def test_the_worker_keeps_files_that_are_there(client):
    plain()

    answer = client.get("/worker.js")

    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    for path in told(client)["files"]:
        assert client.get(path).status_code == 200, path


def test_is_another_worker_once_what_it_keeps_has_changed(client):
    plain()
    before = told(client)["version"]
    assert told(client)["version"] == before

    document = documents.parse(PLAIN.read_text())
    document["programme"]["color"] = "#aa0000"
    operations.load(document=document, published_at=timezone.now())
    forget_cached()

    assert told(client)["version"] != before
    assert told(client)["version"] != told_in("en", client)


def told_in(language, client):
    answer = client.get("/worker.js", headers={"Accept-Language": language})
    return json.loads(re.search(r"= (\{.*\});", answer.content.decode())[1])["version"]


def test_the_page_without_a_network_tells_nothing_of_who_opens_it():
    plain()
    one = member(name="王小明")

    page = logged_in(one).get("/offline/").content.decode()

    assert "王小明" not in page
    assert one.number not in page
    assert "csrfmiddlewaretoken" not in page
    assert "offline.js" not in page


def test_pages_tell_logins_apart_and_not_whose_they_are():
    plain()
    tags = []
    for one in (member(), member()):
        client = logged_in(one)
        tags += [
            re.search('data-login="(.*?)"', client.get(path).content.decode())[1]
            for path in ("/", "/card/")
        ]

    assert tags[0] == tags[1] != tags[2] == tags[3]
    assert re.fullmatch("[0-9a-f]{16}", tags[0])


def test_visitors_have_no_tag(client):
    plain()

    assert 'data-login=""' in client.get("/login/").content.decode()


def test_the_manifest_names_the_programme_and_icons_that_are_there(client):
    plain()
    operations.set_logo(file=picture(), by=staff(), at=timezone.now())
    forget_cached()

    answer = client.get("/app.webmanifest", headers={"Accept-Language": "en"})
    manifest = json.loads(answer.content)

    assert answer["Content-Type"] == "application/manifest+json"
    assert (manifest["name"], manifest["theme_color"]) == ("Plain points", "#1f5eff")
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    for icon in manifest["icons"]:
        assert client.get(icon["src"])["Content-Type"] == "image/png"


def test_the_manifest_is_there_before_any_programme(client):
    forget_cached()

    assert client.get("/app.webmanifest").status_code == 200
