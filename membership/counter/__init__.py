"""
The counter: what a clerk does for the member in front of them, on a phone or tablet at the till.

Own store only, and only members who show their code or tell digits and name. Every page is plain
HTML of a few kilobytes; the camera is the only script, and typing always works without it. Whoever
taps twice does a thing once: each form carries the name of what it does (`once`).
"""
