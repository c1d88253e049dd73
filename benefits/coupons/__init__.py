"""Coupons without a table: codes, tokens for tills without a network, discounts."""
