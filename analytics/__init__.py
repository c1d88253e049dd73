"""
Reads everything, is imported by nothing: dashboards, forecasts, reports.

Owns     the place of figures; it holds no table yet.
Imports  everything below it, reading only.
Tells    nothing.
Hears    nothing yet.
"""
