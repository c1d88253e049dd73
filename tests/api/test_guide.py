"""docs/api.md: what it shows works, and its list of codes is the API's."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.test import Client

from tests import factories
from tests.factories.activities import kind, rewarding
from tests.till import Till

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
# Answered outside an operation, so in no operation's description.
ELSEWHERE = {(404, "not_found"), (405, "method_not_allowed"), (500, "internal_error")}


def examples():
    """
    The calls of the blocks of commands, each with the status its comment tells.

    Before them, if so, the name under which the member number in the last answer is kept.
    """
    blocks = "".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)[1:])
    steps = r"^(?:(\w+)=M…\n)?(api .*?)# (\d+)$"
    for keep_as, command, status in re.findall(steps, blocks, re.DOTALL | re.MULTILINE):
        yield keep_as, command, int(status)


@pytest.mark.django_db
def test_its_examples_work_in_order():
    rewarding(
        kinds=[kind("check-in", 1, once_per="day")],
        policies={
            "vesting": {"days": 0, "categories": {"vehicle": {"event": True}}},
            "transfers": {"limits": [{"days": 30, "points": 1000}]},
        },
    )
    store = factories.store(code="SH-PD")
    till = Till(factories.api_client(store.organization))
    number, members = "", {}

    for keep_as, command, status in examples():
        if keep_as:
            members[f"${keep_as}"] = number
        for name, value in members.items():
            command = command.replace(name, value)
        words = shlex.split(command)
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
        number = answer.json().get("number", number)

    assert set(members) == {"$MEMBER", "$OTHER"}


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
