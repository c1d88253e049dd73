# The same as `python3 dev.py …`, for those whose fingers know make. `make help` tells the rest.
PYTHON ?= python3
# What follows the command, for example: make test ARGS="tests/points -k expiry"
ARGS ?=

.PHONY: help run once test manage psql bench lint fix types stop
.DEFAULT_GOAL := help

help run test manage psql bench lint fix types stop:
	@$(PYTHON) dev.py $@ $(ARGS)

once:
	@$(PYTHON) dev.py run --once
