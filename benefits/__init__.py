"""
What members get: tier benefits and the rights that come of them; later catalogue, orders, coupons.

Owns     the tier × benefit matrix of each version, the rights members were granted, each step of
         a right with its proof, and what members say of what they got.
Imports  common, programme, partners, members, messaging, points, tiers.
Tells    nothing yet.
Hears    member.joined, members.joined, member.activated, member.profile_changed,
         member.closed, tier.upgraded, tier.downgraded, account.merged, account.unmerged.
"""
