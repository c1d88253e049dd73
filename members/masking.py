"""Personal data as staff see them until they ask to see more. (Phones: `members.phones`.)"""


def email(address: str) -> str:
    """wang@example.com → w***@example.com"""
    user, at, domain = address.partition("@")
    return f"{user[:1]}***{at}{domain}" if address else ""


def name(text: str) -> str:
    """王小明 → 王**: what a clerk addresses someone by; not even how much more there is."""
    return f"{text[:1]}**" if text else ""


def tail(text: str) -> str:
    """310101199001011234 → ***1234"""
    return f"***{text[-4:]}" if text else ""
