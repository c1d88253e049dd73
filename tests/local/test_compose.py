import pytest

from local.compose import faults
from local.paths import PROJECT

COMPOSE = PROJECT / "docker-compose.yml"
EXAMPLE = PROJECT / ".env.example"


def test_keeps_its_promises():
    assert faults(COMPOSE, EXAMPLE) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("${REDIS_PASSWORD:?}", "${REDIS_PASSWORD:-redis}", "no default, no silence"),
        ("${SECRET_KEY:?}", "change-me", "has SECRET_KEY written into the file"),
        ("${SECRET_KEY:?}", "${SECRET:?}", "does not explain SECRET"),
        ('test: ["CMD", "/mailpit", "readyz"]', "interval: 1s", "mailpit has no health check"),
        ('"127.0.0.1:8000:8000"', '"8000:8000"', "web is open to the world"),
        ("postgres:18", "postgres", "postgres names no version"),
        ("\n  beat:", "\n  heart:", "there is no service beat"),
    ],
)
def test_sees_what_is_wrong(tmp_path, good, bad, fault):
    text = COMPOSE.read_text()
    assert good in text
    changed = tmp_path / "docker-compose.yml"
    changed.write_text(text.replace(good, bad))

    assert [each for each in faults(changed, EXAMPLE) if fault in each] != []


def test_a_secret_in_the_example_would_become_everybodys(tmp_path):
    example = tmp_path / ".env.example"
    example.write_text(EXAMPLE.read_text().replace("SECRET_KEY=", "SECRET_KEY=changeme"))

    assert faults(COMPOSE, example) == [
        ".env.example gives SECRET_KEY a value, which would become everybody's"
    ]
