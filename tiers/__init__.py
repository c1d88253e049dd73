"""
Standing: the ladder, what qualifies, review and applications.

Owns     ladders, standings, what members gathered, decisions, proposals and their documents,
         warnings.
Imports  common, programme, partners, members, messaging, points.
Tells    tier.upgraded, tier.retained, tier.downgraded.
Hears    member.product_bound, account.merged, account.unmerged.
"""
