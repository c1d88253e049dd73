"""
The rulebook's versions and policies. Every room hangs its own rules on a version.

Owns     the programme, its versions and policies, their drafts, the registers of rulebook sections
         and of checks, load, export.
Imports  common.
Tells    nothing yet.
Hears    nothing.
"""
