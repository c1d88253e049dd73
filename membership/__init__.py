"""
The project: settings, URLs, Celery, the staff site, login and home pages. Wiring only.

Owns     no rule and no table; pages that mix rooms, the demo programme.
Imports  everything.
Tells    nothing.
Hears    nothing.
"""
