"""
What the platform is measured against, beside pgbench's raw transactions.

Each is a project of its own, with settings of its own and tables in a schema of its own. None is an
app of the platform, and the platform's processes never import what only they need.
"""
