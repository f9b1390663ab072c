"""`python -m gitops.cli`: the same as the `gitops` command."""

from gitops.cli.main import main

main()
