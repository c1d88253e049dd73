"""
Who belongs: identity, phone, products, life cycle.

Owns     members, phone directory, products, external numbers; encryption of personal fields.
Imports  common, programme, partners.
Tells    member.activated, member.closed.
Hears    nothing.
"""
