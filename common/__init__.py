"""
Plumbing that knows nothing of loyalty.

Owns     logins, errors, the outbox, jobs and their chunks, audit, encrypted fields, API manners.
Imports  nothing of ours.
Tells    nothing.
Hears    nothing.
"""
