"""`python -m benchmarks.run [name=value …]`, with the servers' addresses in the environment."""

import os
import sys
import time
import traceback

import django


def main(words: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "membership.settings")
    django.setup()

    from benchmarks import (
        coupons,
        growth,
        ledger,
        members,
        night,
        options,
        proof,
        quotes,
        report,
        rights,
        rules,
        search,
        seeding,
        server,
        shop,
        statement,
        tiers,
        web,
    )
    from benchmarks.measuring import Bench

    chosen = options.parse(words)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {text}", flush=True)

    store = seeding.seed(chosen, say)
    server.checkpoint()
    bench = Bench(chosen, server.Meter(), say)
    written = report.Report(chosen, facts=report.circumstances(chosen))
    if {"sql", "python", "http"} & set(chosen.parts):
        say("Warming up")
        ledger.warm_up(bench, store)
    # The night empties lots the loads before it need, and the proof ends the meter's connection.
    measures = {
        "sql": ("the ledger by SQL", ledger.measure_sql),
        "python": ("the ledger from Python", ledger.measure_python),
        "http": ("requests over HTTP", web.measure),
        "quotes": ("quotes over HTTP", quotes.measure),
        "coupons": ("coupons", coupons.measure),
        "shop": ("the shop", shop.measure),
        "checkpoint": ("the ledger just after a checkpoint", ledger.measure_after_checkpoint),
        "statement": ("pages of statements", statement.measure),
        "growth": ("growth", growth.measure),
        "tiers": ("the review of tiers", tiers.measure),
        "rights": ("the rights of a month", rights.measure),
        "night": ("the night", night.measure),
        "import": ("members from a file", members.measure),
        "proof": ("a hammer and a kill −9", proof.measure),
    }
    failed = []
    for part in chosen.parts:
        if part in measures:
            title, measure = measures[part]
            say(f"Measuring {title}")
            try:
                written.rows += measure(bench, store)
            except (Exception, SystemExit):  # noqa: BLE001 - the other parts' figures are worth a lot
                traceback.print_exc()
                failed.append(part)
    if "search" in chosen.parts:
        say(f"Searching among {max(chosen.searched, chosen.members):,} members")
        written.figures = search.measure(chosen)
    if "rules" in chosen.parts:
        say("Judging purchases")
        written.judgings = rules.measure()
    if "proof" not in chosen.parts:
        say("Verifying the ledger")
        written.rows += proof.verified()
    minutes = (time.monotonic() - started) / 60
    written.facts |= report.facts_after() | {"took": f"{minutes:.0f} minutes"}
    print(f"\n{written.tables()}\n{written.circumstances()}")
    if failed:
        print(f"Nothing is written, for these failed: {', '.join(failed)}")
    elif chosen.writes:
        written.write()
        print(f"Written: {report.RESULTS}, {report.PAGE} and its pictures")
    return 0 if written.is_proven and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
