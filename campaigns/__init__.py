"""
How members are rewarded: earning rules, purchases to points, quotes, import and replay.

Owns     earning rules, imports.
Imports  everything below it, but not care.
Tells    nothing yet.
Hears    nothing.
"""
