"""
What the platform costs, as ratios to yardsticks measured in the same run.

`python3 dev.py bench [name=value …]` or `make bench`. Figures of one machine and one minute mean
little; a ratio of two loads that took turns does. So each load runs directly after its yardstick,
round by round, and the median of the paired ratios counts. Beside it stands what PostgreSQL itself
worked for one transaction, which neighbours on the same machine hardly change.
"""
