#!/usr/bin/env python3
"""Everything a developer types: `python3 dev.py help`. Needs nothing but Python 3.11 or newer."""

# This file must be readable by very old Pythons, so that they can say what is missing instead of
# pointing at a syntax error. Everything else is in local/.
import os
import subprocess
import sys

NEEDED = (3, 11)


def newer_python():
    """Return the name of a Python on the PATH that is new enough, if there is one."""
    for minor in range(20, NEEDED[1] - 1, -1):
        name = "python3.%d" % minor
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK) and starts(path):
                return name
    return None


def starts(path):
    """Tell whether a Python starts: version managers leave names of some that do not."""
    with open(os.devnull, "w") as nowhere:
        return subprocess.call([path, "-c", ""], stdout=nowhere, stderr=nowhere) == 0


def refuse_old_python(version, find_newer):
    """Return the one line to show when this Python is too old, or None when it is fine."""
    if tuple(version) >= NEEDED:
        return None
    newer = find_newer()
    have = "This needs Python %d.%d or newer; this is %d.%d." % (NEEDED + tuple(version))
    if newer:
        return "%s Type: %s dev.py %s" % (have, newer, " ".join(sys.argv[1:]) or "help")
    return have + " Install one (https://www.python.org/downloads/) and start dev.py with it."


if __name__ == "__main__":
    refusal = refuse_old_python(sys.version_info[:2], newer_python)
    if refusal:
        sys.stderr.write(refusal + "\n")
        sys.exit(2)
    from local import cli

    sys.exit(cli.main(sys.argv[1:]))
