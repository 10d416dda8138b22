"""The tool attacked harder than life does; `make torture` runs all of it, test_torture.py a small share."""
