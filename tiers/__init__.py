"""
Standing: the ladder, what qualifies, review and applications.

Owns     the place of tiers; it holds no table yet.
Imports  common, programme, partners, members, messaging, points.
Tells    nothing yet.
Hears    nothing yet.
"""
