"""
Checks docker-compose.yml against what we promise of it. Run by the Python of the virtual
environment, as it needs PyYAML: `python -m local.compose`.
"""

import re
import sys
from pathlib import Path
from typing import Any

from local.paths import PROJECT

SERVICES = {
    "postgres", "redis", "migrate", "web", "worker", "worker-nightly", "worker-mail", "beat",
    "mailpit",
}  # fmt: skip
SECRET = re.compile(r"PASSWORD|SECRET|KEY", re.IGNORECASE)
VARIABLE = re.compile(r"(?<!\$)\$(?:\{(\w+)([^}]*)\}|(\w+))")


def faults(compose_file: Path, example_file: Path) -> list[str]:
    """Return what is wrong, one sentence each."""
    import yaml

    text = compose_file.read_text()
    compose = yaml.safe_load(text)
    found = [
        f"there is no service {name}" for name in sorted(SERVICES - compose["services"].keys())
    ]
    for name, service in compose["services"].items():
        found += _faults_of(name, service)

    used = set()
    for match in VARIABLE.finditer(_without_comments(text)):
        variable = match[1] or match[3]
        used.add(variable)
        if match[2] != ":?":
            found.append(f"{variable} must be written ${{{variable}:?}}: no default, no silence")
    explained = set(re.findall(r"^(\w+)=", example_file.read_text(), re.M))
    found += [f".env.example does not explain {name}" for name in sorted(used - explained)]
    found += [f".env.example has {name}, which nothing uses" for name in sorted(explained - used)]
    for name, value in re.findall(r"^(\w+)=(.*)$", example_file.read_text(), re.M):
        if SECRET.search(name) and value:
            found.append(f".env.example gives {name} a value, which would become everybody's")
    return found


def _faults_of(name: str, service: dict[str, Any]) -> list[str]:
    found = []
    check = service.get("healthcheck") or {}
    ends = service.get("restart") == "no"
    if not check.get("test") and not (ends and check.get("disable")):
        found.append(f"{name} has no health check")
    if not ends and service.get("restart") != "unless-stopped":
        found.append(f"{name} is not restarted when it ends")
    if not re.search(r":[\w.-]+$", service.get("image", "")):
        found.append(f"{name} names no version of its image")
    for variable, value in (service.get("environment") or {}).items():
        if SECRET.search(variable) and "${" not in str(value):
            found.append(f"{name} has {variable} written into the file")
    found += [
        f"{name} is open to the world at {port}"
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:")
    ]
    return found


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)^\s*#.*$", "", text)


def main() -> None:
    found = faults(PROJECT / "docker-compose.yml", PROJECT / ".env.example")
    for fault in found:
        print(f"docker-compose.yml: {fault}")
    if found:
        sys.exit(1)
    print("docker-compose.yml: all services, health checks and variables as promised")


if __name__ == "__main__":
    main()
