"""
The rulebook's versions and policies. Every room hangs its own rules on a version.

Owns     the programme, its versions and policies, the register of rulebook sections, load, export.
Imports  common.
Tells    nothing yet.
Hears    nothing.
"""
