"""The `name=value` words of the command line."""

import dataclasses
import sys
from dataclasses import dataclass

PARTS = (
    "sql",
    "python",
    "http",
    "quotes",
    "coupons",
    "shop",
    "checkpoint",
    "statement",
    "growth",
    "tiers",
    "rights",
    "night",
    "import",
    "proof",
    "search",
    "rules",
)

# What one member of a seeded programme looks like to the loads: a redemption empties two or three
# lots.
LOT_POINTS = (80, 120)
REDEMPTION_POINTS = (160, 240)


@dataclass(frozen=True)
class Options:
    # Members with an account. Each has `lots` open lots and as many entries.
    members: int = 1_000_000
    lots: int = 10
    # Members the console's search goes through; those beyond `members` have no points.
    searched: int = 1_000_000
    # How long each load runs, and how often it takes its turn after its yardstick.
    seconds: float = 2.0
    rounds: int = 3
    clients: int = 16
    # Comma separated.
    only: str = ",".join(PARTS)
    # With 1, results.json and docs/performance.* are rewritten; by default only a full run does.
    write: str = "auto"

    @property
    def parts(self) -> list[str]:
        return [part for part in PARTS if part in self.only.split(",")]

    @property
    def writes(self) -> bool:
        return self.write == "1" or (self.write == "auto" and self.only == type(self).only)


def parse(words: list[str]) -> Options:
    """Read the words, or leave with one line that says which there are."""
    types = {field.name: field.type for field in dataclasses.fields(Options)}
    values = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            values[name] = types[name](value)
        except (KeyError, ValueError):
            defaults = dataclasses.asdict(Options())
            known = " ".join(f"{name}={value}" for name, value in defaults.items())
            sys.exit(f"bench does not understand “{word}”. What it knows, with defaults: {known}")
    options = Options(**values)
    if unknown := set(options.only.split(",")) - set(PARTS):
        sys.exit(f"bench has no part {', '.join(unknown)}. Its parts: {Options.only}")
    return options
