"""Tables of the catalogue: items, their prices, stock and pictures."""
