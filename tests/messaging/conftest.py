import pytest
from django.db import connection

from messaging.operations import _delivering
from tests import providers
from tests.membership.conftest import at_work, boss  # noqa: F401 - for the console's pages
from tests.providers import SECRET, serving


@pytest.fixture
def many_before(db):
    """Ids with a thousands separator, if somebody wrote them as figures."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('messaging_message_id_seq', 1234567)")


@pytest.fixture
def exact_waits(monkeypatch):
    monkeypatch.setattr(_delivering, "JITTER", 0)


@pytest.fixture
def accounts(settings):
    """What an installation sets to have every channel; each still lacks its server."""
    # Silence is waited for; a busy machine is not silence.
    settings.MESSAGING_TIMEOUT = 3
    settings.SMS_ACCESS_KEY_ID, settings.SMS_ACCESS_KEY_SECRET = "our-id", SECRET
    settings.SMS_SIGN_NAME, settings.SMS_APP_ID = "某某汽车", "1400006666"
    settings.SMS_CODE_TEMPLATES = {"zh-hans": "1110", "en": "1111"}
    settings.WECHAT_APP_SECRET = SECRET
    settings.WEBHOOK_SECRETS = [f"whsec_{providers.Receiver.key}"]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    return settings


@pytest.fixture
def ali(accounts):
    with serving(providers.Aliyun()) as server:
        accounts.SMS_PROVIDER, accounts.SMS_ENDPOINT = "aliyun", server.url
        yield server


@pytest.fixture
def qcloud(accounts):
    with serving(providers.Tencent()) as server:
        accounts.SMS_PROVIDER, accounts.SMS_ENDPOINT = "tencent", server.url
        yield server


@pytest.fixture
def weixin(accounts):
    with serving(providers.WeChat()) as server:
        accounts.WECHAT_APP_ID, accounts.WECHAT_ENDPOINT = "wx1", server.url
        yield server


@pytest.fixture
def receiver(accounts):
    with serving(providers.Receiver()) as server:
        accounts.WEBHOOK_URL = f"{server.url}/hook?to=us"
        yield server
