from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

from programme import documents, operations, queries
from programme.models import Programme, Version
from tests.factories.partners import brand

PLAIN = Path(__file__).parents[2] / "programme" / "programmes" / "plain.yaml"


def plain() -> Version:
    """The shipped programme `plain`, published."""
    return rulebook()


def rulebook(
    *, valid_from: str | None = None, rules=None, boosts=None, sections=None, **policies
) -> Version:
    """
    A published version of `plain` with other policies, rules or sections. The brand pays for it.

    Boosts are added to what the rules give, unless they say else.
    """
    brand()
    document = deepcopy(documents.parse(PLAIN.read_text()))
    document["policies"] |= policies
    if rules is not None:
        document["earning"]["rules"] = [
            {"names": {"zh-hans": rule["code"]}, "categories": []} | rule for rule in rules
        ]
    if boosts is not None:
        document["earning"]["boosts"] = [
            {"names": {"zh-hans": boost["code"]}, "when": {}, "stacking": "add"} | boost
            for boost in boosts
        ]
    document |= sections or {}
    if valid_from is not None:
        document["valid_from"] = valid_from
    else:
        latest = Version.objects.order_by("-valid_from").first()
        if latest and Programme.objects.exists() and queries.export(latest) == document:
            return latest
    version = operations.load(document=document, published_at=datetime.now(UTC)).version
    queries.forget_cached()
    return version
