"""The demo's rulebook: the shipped programme `retail` under the club's name, and what is on now."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from membership.demo import cast
from programme import documents

PROGRAMMES = Path(documents.__file__).parent / "programmes"
RETAIL, CAR_OWNER = PROGRAMMES / "retail.yaml", PROGRAMMES / "car-owner.yaml"
# What the club does for cars, as the shipped programme for them says it; its first tier is our
# first one, and the tier we have not is left out.
FOR_CARS = (
    "insurance-discount", "season-check", "labour-offset", "roadside", "pick-up", "airport",
)  # fmt: skip
FIRST_TIER = {"owner": "regular"}
SEASON = "service-season"
SEASON_NAMES = {"zh-hans": "养护季", "zh-hant": "養護季", "en": "Service season"}

CONTACT = {
    "hotline": "400-000-0000",
    "email": "service@example.com",
    "hours": {
        "zh-hans": "每天 9:00–21:00",
        "zh-hant": "每天 9:00–21:00",
        "en": "Every day, 9:00–21:00",
    },
    "address": {
        "zh-hans": "上海市示例路 1 号",
        "zh-hant": "上海市示例路 1 號",
        "en": "1 Example Road, Shanghai",
    },
}
QUESTION = {
    "code": "labour",
    "names": {
        "zh-hans": "养护季双倍积分怎么算？",
        "zh-hant": "養護季雙倍積分怎麼算？",
        "en": "How do the double points of the service season work?",
    },
    "answer": {
        "zh-hans": "活动期间，结算单上的工时部分按双倍计分，配件和其他项目照常计分。",
        "zh-hant": "活動期間，結算單上的工時部分按雙倍計分，配件和其他項目照常計分。",
        "en": "While it lasts, labour on your bill counts twice; parts and the rest count as ever.",
    },
}


def document(*, today: date) -> dict[str, Any]:
    """With a campaign that is on today, and an application that somebody can have made."""
    made = documents.parse(RETAIL.read_text())
    made["programme"]["names"] = {"zh-hans": cast.CLUB, "en": "Far Roads Owners' Club"}
    made["programme"] |= {"contact": CONTACT, "questions": [QUESTION]}
    made["note"] = "演示 · demo"
    made["policies"]["groups"] = {
        "family": {"members": 6, "spenders": ["owner", "admin", "member"]},
        "company": {"members": 200},
    }
    first, last = today - timedelta(days=20), today + timedelta(days=40)
    made["earning"]["boosts"].append(
        {
            "code": SEASON,
            "names": {
                "zh-hans": "养护季工时双倍积分",
                "zh-hant": "養護季工時雙倍積分",
                "en": "Double points on labour in the service season",
            },
            "when": {"categories": ["labour"]},
            "gives": {"factor": "2"},
            "stacking": "best",
            "group": "day",
        }
    )
    made["campaigns"] = {
        "plans": [
            {
                "code": "autumn-service",
                "names": SEASON_NAMES,
                "kind": "earning",
                "from": first.isoformat(),
                "until": last.isoformat(),
                "goal": {"zh-hans": "养护季到店台次提高两成"},
                "of": [SEASON],
                "budget": {"points": 50_000},
                "expected": {"members": 120, "points": 20_000},
            }
        ]
    }
    made["benefits"]["of_tiers"] += _for_cars({each["code"] for each in made["tiers"]["levels"]})
    diamond = made["tiers"]["levels"][-1]
    diamond["application"] = {"measure": "spend", "at_least": "15000", "window": {"months": 12}}
    return made


def _for_cars(levels: set[str]) -> list[dict[str, Any]]:
    of_tiers = documents.parse(CAR_OWNER.read_text())["benefits"]["of_tiers"]
    found = {each["code"]: each for each in of_tiers}
    return [found[code] | {"tiers": _known(found[code]["tiers"], levels)} for code in FOR_CARS]


def _known(cells: dict[str, Any], levels: set[str]) -> dict[str, Any]:
    ours = {FIRST_TIER.get(code, code): cell for code, cell in cells.items()}
    return {code: cell for code, cell in ours.items() if code in levels}
