"""Tables of coupons, their batches and codes."""
