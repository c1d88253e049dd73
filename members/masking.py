"""Personal data as staff see them until they ask to see more. (Phones: `members.phones`.)"""


def email(address: str) -> str:
    """wang@example.com → w***@example.com"""
    user, at, domain = address.partition("@")
    return f"{user[:1]}***{at}{domain}" if address else ""


def name(text: str) -> str:
    """王小明 → 王**: what a clerk addresses someone by; not even how much more there is."""
    return f"{text[:1]}**" if text else ""


def product(identifier: str) -> str:
    """LSVAM4187C2184841 → ***184841: the end of a VIN, by which workshops know a car."""
    return f"***{identifier[-min(6, len(identifier) // 2) :]}" if identifier else ""


def tail(text: str) -> str:
    """310101199001011234 → ***1234"""
    return f"***{text[-4:]}" if text else ""
