"""Names as others may see them."""


def masked(name: str) -> str:
    """王小明 → 王**: the family name a clerk addresses someone by, no more."""
    return name[:1] + "*" * min(len(name) - 1, 3) if name else ""
