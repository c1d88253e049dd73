"""
What we say to members, and the proof that it reached them.

Owns     messages, their deliveries by channel and the channels' clients (`channels`), the templates
         rooms register and how staff word them, what members want to hear; one-time codes.
Imports  common, programme, partners, members.
Tells    nothing yet.
Hears    member.export_made, member.erasure_requested, member.phone_changed, application.ended,
         group.invited, group.joined, group.left, group.removed, group.handed_over, group.ended;
         the SMS provider's receipts come by a door of their own (`views.SmsReceipts`).
"""
