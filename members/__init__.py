"""
Who belongs: identity, phone, products, life cycle; the code on the card.

Owns     members, their attributes, directories of phones and e-mails, products, external numbers;
         encryption of personal fields; consents, copies of members' data, erasures; families and
         companies; applications for a membership; joinings of two members who are one person.
Imports  common, programme, partners.
Tells    member.joined, members.joined (of those whom a file brings), member.activated,
         member.profile_changed, member.phone_changed, member.product_bound, member.closed,
         group.invited, group.joined, group.left, group.removed, group.handed_over, group.ended,
         member.export_requested, member.export_made, member.erasure_requested, member.erased,
         application.ended, member.merged, member.unmerged.
Hears    member.export_requested (its own: copies are made by a worker).
"""
