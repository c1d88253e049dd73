"""`dev.py bench`: the benchmarks, on servers set up as in production."""

import json
from pathlib import Path

from local import commands, venv
from local.console import say
from local.paths import Data
from local.postgres import SETTINGS_OF_ONES_OWN, memory_mb
from local.run import stopping_on_signals
from local.servers import Servers

# A quarter of the memory, as one gives a database server, and no checkpoint but those asked for.
SETTINGS = {
    "shared_buffers": f"{memory_mb() // 4}MB",
    "maintenance_work_mem": f"{memory_mb() // 32}MB",
    "max_wal_size": "32GB",
    "checkpoint_timeout": "1h",
}


def bench(chosen: Path | None, arguments: list[str]) -> int:
    code = 1
    with stopping_on_signals():
        python = venv.ensure("test")
        data = Data.at(chosen) if chosen else Data.temporary("bench")
        data.file(SETTINGS_OF_ONES_OWN).write_text(json.dumps(SETTINGS))
        # Every commit reaches the disk before it is acknowledged: anything else measures a promise.
        servers = Servers(data, python, durable=True)
        with servers.in_use():
            for line in servers.versions():
                say(f"  {line}")
            commands.manage(servers, "migrate", "--noinput")
            environment = servers.environment()
            if "postgres" in servers.own:
                environment |= {
                    "PGBENCH": f"{servers.state()['postgres']['bin']}/pgbench",
                    "DATABASE_SUPERUSER_URL": servers.database_url("postgres"),
                }
            command = [str(servers.venv.python), "-m", "benchmarks.run", *arguments]
            code = commands.in_terminal(command, environment)
    return code
