"""
How members are rewarded: for purchases, for what else they do, by gifts; quotes, import, replay.

Owns     earning rules, boosts, activities, caps, budgets and their purses, gifts, tasks, campaigns
         and what staff write of them, imports of purchases and of historical members.
Imports  everything below it, but not care.
Tells    nothing yet.
Hears    member.joined, members.joined, member.activated, member.profile_changed,
         member.product_bound, tier.upgraded, survey.answered.
"""
