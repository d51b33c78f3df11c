"""`python -m trainer` is `inro-train`, in the form in which `accelerate launch -m` starts a program."""

import sys

from trainer.cli import main

if __name__ == "__main__":
    sys.exit(main())
