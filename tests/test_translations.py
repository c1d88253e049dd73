from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.core.management import call_command

from common import catalogues
from common.management.commands.makemessages import catalogue_files


@pytest.fixture(scope="module")
def found():
    return catalogues.extract(settings.BASE_DIR, [*settings.ROOMS, "templates"])


@pytest.mark.parametrize("path", catalogue_files(), ids=lambda path: path.parent.parent.name)
def test_every_text_is_translated_with_its_placeholders(found, path):
    assert catalogues.problems(found, polib.pofile(str(path))) == []


class TestExtract:
    def test_reads_python_and_templates(self, tmp_path):
        (tmp_path / "room").mkdir()
        (tmp_path / "room" / "a.py").write_text(
            "_('plain'); gettext_lazy(\n  'long ' 'text')\n"
            "ngettext('%(n)s egg', '%(n)s eggs', n)\npgettext('verb', 'Open')\n"
            "text = 'not marked'; _(variable)\n"
        )
        (tmp_path / "room" / "a.html").write_text(
            '{% load i18n %}<p>don\'t (count) "this"</p>'
            "{% translate \"It's here\" %} {% translate 'As' as it %} {{ _('Shown') }}"
            "{% blocktranslate count n=x with who=y %}{{ n }} of {{ who }}"
            "{% plural %}{{ n }} all of {{ who }}{% endblocktranslate %}"
            "{% blocktranslate trimmed %}\n  two\n  lines\n{% endblocktranslate %}"
            "{% translate 'May' context 'month' %}{{ x|default:_('nothing') }}"
        )

        found = catalogues.extract(tmp_path, ["room"])

        assert {(context, msgid, found[context, msgid].plural) for context, msgid in found} == {
            ("", "plain", ""),
            ("", "long text", ""),
            ("", "%(n)s egg", "%(n)s eggs"),
            ("verb", "Open", ""),
            ("", "It's here", ""),
            ("", "As", ""),
            ("", "Shown", ""),
            ("", "%(n)s of %(who)s", "%(n)s all of %(who)s"),
            ("", "two lines", ""),
            ("month", "May", ""),
            ("", "nothing", ""),
        }


class TestProblems:
    @pytest.fixture
    def told(self):
        return {("", "Hello %(name)s"): catalogues.Message("Hello %(name)s", places=["a.py"])}

    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ([], "missing: 'Hello %(name)s' of a.py"),
            ([("Hello %(name)s", "")], "not translated: 'Hello %(name)s' of a.py"),
            (
                [("Hello %(name)s", "你好 %(nmae)s")],
                "other placeholders: 'Hello %(name)s' and '你好 %(nmae)s'",
            ),
        ],
    )
    def test_names_what_is_wrong(self, told, entries, expected):
        catalogue = polib.POFile()
        catalogue.extend(polib.POEntry(msgid=msgid, msgstr=msgstr) for msgid, msgstr in entries)

        assert catalogues.problems(told, catalogue) == [expected]

    def test_names_what_nobody_says_any_more(self):
        catalogue = polib.POFile()
        catalogue.append(polib.POEntry(msgid="Old", msgstr="旧"))

        assert catalogues.problems({}, catalogue) == ["not in the sources any more: 'Old'"]

    def test_is_content_after_update_and_translation(self, told):
        catalogue = polib.POFile()
        catalogue.append(polib.POEntry(msgid="Old", msgstr="旧"))

        catalogues.update(told, catalogue)
        catalogue[0].msgstr = "你好 %(name)s"

        assert catalogues.problems(told, catalogue) == []
        catalogues.update(told, catalogue)
        assert [entry.msgstr for entry in catalogue] == ["你好 %(name)s"]


class TestCompileMessages:
    def test_compiles_what_has_changed_and_nothing_else(self, tmp_path, settings, capsys):
        source = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
        source.parent.mkdir(parents=True)
        write(source, "你好")
        settings.LOCALE_PATHS = [tmp_path]

        call_command("compilemessages")
        assert polib.mofile(str(source.with_suffix(".mo")))[0].msgstr == "你好"
        assert capsys.readouterr().out == "Compiled 1 of 1 catalogues.\n"

        call_command("compilemessages")
        assert capsys.readouterr().out == ""

        write(source, "您好")
        call_command("compilemessages")
        assert polib.mofile(str(source.with_suffix(".mo")))[0].msgstr == "您好"
        assert sorted(path.name for path in source.parent.iterdir()) == ["django.mo", "django.po"]


def write(source: Path, msgstr: str) -> None:
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    catalogue.append(polib.POEntry(msgid="Hello", msgstr=msgstr))
    catalogue.save(str(source))
