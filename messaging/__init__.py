"""
What we say to members, and the proof that it reached them.

Owns     messages, their deliveries by channel, the templates rooms register; one-time codes.
Imports  common, programme, partners, members.
Tells    nothing yet.
Hears    nothing.
"""
