"""`python -m infra synth|diff|deploy|destroy|bootstrap --stage dev`."""

import sys

from infra.command import main

if __name__ == "__main__":
    sys.exit(main())
