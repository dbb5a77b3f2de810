"""``python -m crossward``: the command ``crossward`` where it is not installed as one."""

from crossward.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
