"""The report of one run: a typed record and the page a person reads."""
