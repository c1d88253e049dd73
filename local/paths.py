"""Where things are."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.problem import Problem

PROJECT = Path(__file__).resolve().parent.parent
DEV = PROJECT / "dev.py"
MARK = "data-folder.txt"


@dataclass(frozen=True)
class Data:
    """A data folder: the servers' files, the secrets, the logs. Several can be used at once."""

    root: Path
    throwaway: bool = False

    @classmethod
    def at(cls, root: Path, *, throwaway: bool = False) -> "Data":
        """Open the folder, making it if it is not there."""
        data = cls(root.resolve(), throwaway)
        ours = data.file(MARK)
        if not ours.exists():
            if data.root.exists() and any(data.root.iterdir()):
                raise Problem(
                    f"{data.root} is not empty, and not a data folder of ours. Choose another one."
                )
            data.root.mkdir(parents=True, exist_ok=True)
            # The database server of root runs as another user, which must get through to its own
            # folder; the files with secrets in them are closed one by one.
            data.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            ours.write_text("Made by dev.py. Holds servers' files, secrets and logs.\n")
        data.logs.mkdir(exist_ok=True)
        return data

    @classmethod
    def temporary(cls, purpose: str) -> "Data":
        return cls.at(Path(tempfile.mkdtemp(prefix=f"membership-{purpose}-")), throwaway=True)

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def file(self, name: str) -> Path:
        return self.root / name

    def remove(self) -> None:
        """Remove a throw-away folder, with what it keeps elsewhere."""
        elsewhere = self.file("postgres-home")
        if elsewhere.exists():
            shutil.rmtree(elsewhere.read_text(), ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, at once or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_json(path: Path) -> Any:
    """Return what the file holds, or None if it is not there or was not written to its end."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
