"""docs/api.md: what it shows works, and its list of codes is the API's."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.test import Client

from tests import factories
from tests.till import Till

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
# Answered outside an operation, so in no operation's description.
ELSEWHERE = {(404, "not_found"), (405, "method_not_allowed"), (500, "internal_error")}


def examples():
    """The calls of the blocks of commands, each with the status its comment tells."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)[1:])
    for call in re.findall(r"^api .*?# \d+$", blocks, re.DOTALL | re.MULTILINE):
        command, status = call.rsplit("#", 1)
        yield command, int(status)


@pytest.mark.django_db
def test_its_examples_work_in_order():
    factories.plain()
    store = factories.store(code="SH-PD")
    till = Till(factories.api_client(store.organization))
    member = ""

    for command, status in examples():
        words = shlex.split(command.replace("$MEMBER", member))
        path, options = words[1], dict(zip(words[2::2], words[3::2], strict=True))
        name, _, value = options.get("-H", "").partition(": ")
        headers = {name: value} if name else {}
        if "-d" in options:
            answer = till.send(path, json.loads(options["-d"]), **headers)
        elif "--data-binary" in options:
            answer = till.send(path, options["--data-binary"].encode(), **headers)
            counts = answer.json()["counts"]
            assert counts["posted"] == len(answer.json()["results"]), answer.content
        else:
            answer = till.ask(path)
        assert answer.status_code == status, (command, answer.content)
        member = answer.json().get("number", member)

    assert member


@pytest.mark.django_db
def test_its_codes_are_those_of_the_api():
    told = {
        (int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)`", GUIDE, re.M)
    }
    schema = Client().get("/api/schema/", headers={"Accept": "application/json"}).json()

    described = set()
    for path in schema["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                problem = answer.get("content", {}).get("application/problem+json")
                if problem:
                    codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"]
                    described |= {(int(status), code) for code in codes}
    assert told == described | ELSEWHERE


def test_its_scopes_are_those_of_the_api():
    from partners.models import Scope

    told = set(re.findall(r"^\| `(\w+:\w+)` \|", GUIDE, re.M))

    assert told == set(Scope.values)
