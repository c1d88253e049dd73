"""
Who belongs: identity, phone, products, life cycle; the code on the card.

Owns     members, their attributes, phone directory, products, external numbers; encryption of
         personal fields; consents.
Imports  common, programme, partners.
Tells    member.joined, members.joined (of those whom a file brings), member.activated,
         member.profile_changed, member.product_bound, member.closed.
Hears    nothing.
"""
