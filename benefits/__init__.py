"""
What members get: entitlements, catalogue, orders, coupons, draws.

Owns     the place of benefits; it holds no table yet.
Imports  common, programme, partners, members, messaging, points, tiers.
Tells    nothing yet.
Hears    nothing yet.
"""
