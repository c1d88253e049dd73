"""
The points ledger: what each member earned, spent and lost, and from which lot.

Owns     accounts, lots, entries, the journal of activities, the SQL functions that post; expiry;
         verification.
Imports  common, programme, partners, members, messaging.
Tells    account.merged, account.unmerged.
Hears    member.activated, member.closed.
"""
