"""The platform's own processes, as this machine runs them."""

from local import ports
from local.paths import Data
from local.venv import Venv


def web(venv: Venv, port: int) -> list[str]:
    return [
        str(venv.bin / "gunicorn"),
        "membership.wsgi:application",
        *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
        *("--graceful-timeout", "5"),
        *("--access-logfile", "-"),
        # Its control socket would be one per user, not one per data folder.
        "--no-control-socket",
        *("--bind", f"{ports.HOST}:{port}"),
    ]


def worker(venv: Venv, data: Data) -> list[str]:
    return [
        str(venv.bin / "celery"),
        *("--app", "membership.celery:app"),
        "worker",
        *("--queues", "default,nightly,mail", "--concurrency", "2", "--loglevel", "INFO"),
        *("--hostname", f"local-{data.root.name.strip('.')}@%h"),
        # Last, because it tells this folder's worker from another's.
        f"--pidfile={data.file('worker.pid')}",
    ]


def beat(venv: Venv, data: Data) -> list[str]:
    return [
        str(venv.bin / "celery"),
        *("--app", "membership.celery:app"),
        "beat",
        *("--loglevel", "INFO", "--pidfile="),
        *("--schedule", str(data.file("celerybeat-schedule"))),
    ]
