from itertools import count

from common.models import User

_numbers = count(1)


def staff(**fields) -> User:
    """A member of staff who may do everything."""
    fields = {"username": f"staff{next(_numbers)}", "is_staff": True, "is_superuser": True} | fields
    user = User(**fields)
    user.set_password("correct horse battery")
    user.save()
    return user
