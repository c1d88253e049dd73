"""Arithmetic of coupons, without a table: codes, tokens for tills without a network, discounts."""
