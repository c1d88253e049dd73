"""
Complaints, surveys and goodwill.

Owns     the place of care; it holds no table yet.
Imports  everything below campaigns; campaigns and care are blind to each other.
Tells    nothing yet.
Hears    nothing yet.
"""
