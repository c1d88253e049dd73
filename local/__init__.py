"""
What `dev.py` does: a virtual environment, real PostgreSQL and Redis servers, and the platform's
own processes on a developer's machine. Uses the standard library only, because it runs before
anything is installed. Nothing of the platform imports it.
"""
