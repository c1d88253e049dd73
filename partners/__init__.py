"""
Organizations and the systems that speak for them.

Owns     regions, organizations (brand, dealer, partner), stores, API clients, scopes.
Imports  common, programme.
Tells    nothing yet.
Hears    nothing.
"""
