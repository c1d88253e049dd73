"""
What members get: tier benefits and the rights that come of them; a catalogue of items;
research into which benefits members want; prize draws.

Owns     the tier × benefit matrix of each version, the rights members were granted, each step of
         a right with its proof, and what members say of what they got; the items of the catalogue
         with each listing, price, limit and picture, their stock, and what members claimed of them;
         candidate benefits, surveys and their answers, evaluations; coupons, their batches, each
         step of one, and conflicts of tills without a network; prize draws with their prizes,
         seeds and outcomes.
Imports  common, programme, partners, members, messaging, points, tiers.
Tells    survey.answered.
Hears    member.joined, members.joined, member.activated, member.profile_changed,
         member.closed, tier.upgraded, tier.downgraded, account.merged, account.unmerged.
"""
