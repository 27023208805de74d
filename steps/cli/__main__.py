"""`python -m steps.cli`: the command line where `ctp` is not on the path."""

from steps.cli.main import main

main()
