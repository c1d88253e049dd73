"""`python -m benchmarks.run [name=value …]`, with the servers' addresses in the environment."""

import os
import sys
import time

import django


def main(words: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "membership.settings")
    django.setup()

    from benchmarks import options, report, search, seeding, server, sql, web

    chosen = options.parse(words)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {text}", flush=True)

    say(f"Seeding {chosen.members:,} members with {chosen.lots} lots each")
    store = seeding.seed(chosen)
    written = report.Report(chosen, differences=seeding.verify())
    written.facts = report.circumstances(chosen, checkpointed=server.checkpoint())
    meter = server.Meter()
    parts = {"sql": sql.measure, "python": sql.measure_python, "http": web.measure}
    for name, measure in parts.items():
        if name in chosen.parts:
            say(f"Measuring: {name}")
            written.results += measure(chosen, store, meter)
            written.differences += seeding.verify()
    if "search" in chosen.parts:
        say(f"Searching among {max(chosen.searched, chosen.members):,} members")
        written.figures = search.measure(chosen)
    written.facts |= report.facts_after()
    say("Done\n")
    print(written.tables())
    print(written.circumstances())
    if chosen.writes:
        written.write()
        print(f"Written: {report.RESULTS}, {report.PAGE}, {report.PICTURE}")
    return 1 if written.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
