"""
Who owes whom: funding of points, monthly statements of dealers and partners.

Owns     the place of settlement; it holds no table yet.
Imports  everything below it.
Tells    nothing yet.
Hears    nothing yet.
"""
