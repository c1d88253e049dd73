"""
What we say to members.

Owns     one-time codes and, in a sandbox, the page where they are read.
Imports  common, programme, partners, members.
Tells    nothing yet.
Hears    nothing.
"""
