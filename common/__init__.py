"""
Plumbing that knows nothing of loyalty.

Owns     logins, errors, the outbox, jobs and their chunks, approvals, audit, encrypted fields, API
         manners.
Imports  nothing of ours.
Tells    nothing.
Hears    nothing.
"""
