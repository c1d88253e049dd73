"""The secrets of one data folder: made once, readable by its owner only."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass

from local.locks import FileLock
from local.paths import Data, read_json, write_private
from local.problem import Problem


@dataclass(frozen=True)
class Keys:
    postgres_password: str
    owner_password: str
    app_password: str
    redis_password: str
    secret_key: str
    field_keys: str
    field_index_key: str

    @classmethod
    def generate(cls) -> "Keys":
        return cls(
            # Hexadecimal, so that they need no escaping in an address.
            postgres_password=secrets.token_hex(24),
            owner_password=secrets.token_hex(24),
            app_password=secrets.token_hex(24),
            redis_password=secrets.token_hex(24),
            secret_key=secrets.token_urlsafe(64),
            field_keys=f"k1:{_random_key()}",
            field_index_key=_random_key(),
        )


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def of(data: Data) -> Keys:
    """Return the secrets of the data folder, made the first time."""
    path = data.file("secrets.json")
    with FileLock(data.file("secrets.lock")):
        known = read_json(path)
        if known is not None:
            return Keys(**known)
        if data.file("database-complete.json").exists():
            # New ones could read none of the personal data that is stored encrypted.
            raise Problem(
                f"{path} is missing, but there is a database that needs it. Put the file back, or "
                f"remove {data.root} to start anew."
            )
        keys = Keys.generate()
        write_private(path, json.dumps(asdict(keys), indent=2))
        return keys
